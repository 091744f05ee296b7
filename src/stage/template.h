/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A template: a mount namespace whose root is finished as far as it does not depend on the session: /usr, the made
 * /etc, /dev, the grants by path, empty mount points for the rest. A builder joins it and unshares: that copies some
 * forty mounts instead of making them (1.2 ms less). It is read-only in every sandbox that comes of it; what can be
 * written is each session's own. A template serves one key: the same mounts for the same caller. */

#include "wire/plan.h"

typedef struct TemplateSource {
        bool present; /* an optional source may be absent */
        uint64_t dev, ino;
        char *real; /* where it really is on the host, or NULL */
} TemplateSource;

typedef struct Template {
        int namespace_fd;
        TemplateSource *sources; /* one per mount of the plan; only PLAN_MOUNT_PATH has one */
        size_t n_sources;
        char *resolved; /* as MsgReady.resolved */
} Template;

void template_done(Template *t);

/* What two plans must have in common to share a template. is_dir: of PLAN_MOUNT_FD mounts, per mount. */
void template_key(WireWriter *w, const Plan *plan, const bool *is_dir);

/* Over the report socket to ocsb-stage and back through fork(); the namespace fd travels beside. */
void template_encode(WireWriter *w, const Template *t);
int template_decode(WireReader *r, size_t n_mounts, Template *ret);

/* Whether every source still leads to the same inode for the caller (an editor or ldconfig replaces files by
 * rename: a mount of the old inode would be stale). Takes on the caller's fs identity meanwhile. */
bool template_is_current(const Template *t, const Plan *plan);

/* What ocsb-stage keeps: a few templates, the oldest last. */
#define TEMPLATE_STORE_MAX 8u
typedef struct TemplateStore TemplateStore;
TemplateStore *template_store_new(void);
TemplateStore *template_store_free(TemplateStore *s);
/* Takes fd; copies the rest. An entry of the same key is replaced. */
int template_store_put(TemplateStore *s, const WireWriter *key, const void *body, size_t len, int fd);
/* Decodes the entry of that key into *ret with a duplicate of its fd. -ENOENT. */
int template_store_get(TemplateStore *s, const WireWriter *key, size_t n_mounts, Template *ret);
/* The host's mounts have changed. */
void template_store_clear(TemplateStore *s);
/* Writes the numbers of its descriptors, borrowed, at most TEMPLATE_STORE_MAX; returns how many. */
size_t template_store_fds(const TemplateStore *s, int *fds);
