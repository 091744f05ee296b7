/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of this floor share while a request becomes a plan: policy.c (store), resolve.c (the order of
 * things, scalars), mounts.c, cover.c (denials), explain.c. */

#include "ceiling.h"
#include "denials.h"
#include "policy.h"
#include "profile.h"

struct Policy {
        GHashTable *profiles; /* name -> Profile *, as read */
        GHashTable *flat;     /* name -> Profile *, with what they extend */
        GPtrArray *names;     /* char *, sorted */
        GPtrArray *ceilings;  /* Ceiling *, in name order, the built-in one last */
};

/* As policy_load(), with files that owner may own instead of root. */
int policy_load_owned(const char *data_dir, const char *config_dir, uid_t owner, Policy **ret, char **ret_why);
/* Takes the ceiling and puts it first. */
void policy_prepend_ceiling(Policy *p, Ceiling *c);
/* Takes the profile; its ancestors must be there. 0 or -EINVAL. */
int policy_add_profile(Policy *p, Profile *profile, char **ret_why);
const Ceiling *policy_ceiling(const Policy *p, const Caller *caller);
const Profile *policy_lookup(const char *name, void *policy);

typedef enum MountOrigin {
        MOUNT_BASE, /* the root's own: no grant */
        MOUNT_PROFILE,
        MOUNT_REQUEST,
} MountOrigin;

typedef struct ResolvedMount {
        PlanMountKind kind;
        uint32_t flags, mode, fd;
        const char *target, *source;
        size_t source_len;
        const char *host; /* PATH, FD: which host path it shows; NULL: not of the host, or not known */
        const char *from;
        MountOrigin origin;
        bool home; /* the scratch home directory */
} ResolvedMount;

typedef struct ResolvedDenial {
        PlanDenialKind kind;
        const char *path;
        const char *reason, *from;
        const MandatoryDenial *row; /* NULL: a profile's or request's */
} ResolvedDenial;

typedef struct Dropped {
        const char *path, *from, *reason;
} Dropped;

/* In the order of plan->net.grants. */
typedef struct ResolvedGrant {
        const char *from;
} ResolvedGrant;

typedef struct ResolvedEnv {
        const char *assignment, *from;
} ResolvedEnv;

typedef struct Resolution {
        const Policy *policy;
        const Caller *caller;
        const Request *request;
        const Profile *profile;
        const Ceiling *ceiling;
        Variables variables;
        GStringChunk *strings; /* owns every const char * made while resolving */
        GPtrArray *mounts;     /* ResolvedMount *, sorted by target at the end */
        GPtrArray *denials;    /* ResolvedDenial * */
        GPtrArray *dropped;    /* Dropped * */
        GPtrArray *env;        /* ResolvedEnv *, sorted by name */
        ResolvedGrant grants[NET_GRANTS_MAX];
        const char *resolvers_from;
        const char *limits_from[LIMITS_N];
        const char *profile_from, *ceiling_from;
        const char *home;      /* $HOME inside */
        const char *user;      /* a name for passwd */
        const char *shell;
        const char *workspace; /* its target, or NULL */
        Plan *plan;
        char **ret_why;
} Resolution;

/* Sets the sentence unless there is one, returns code. */
int resolution_fail(Resolution *r, int code, const char *format, ...) _printf_(3, 4);
const char *resolution_intern(Resolution *r, const char *s);
const char *resolution_format(Resolution *r, const char *format, ...) _printf_(2, 3);
void resolution_drop(Resolution *r, const char *path, const char *from, const char *reason);

/* mounts.c */
ResolvedMount *mount_new(Resolution *r, PlanMountKind kind, uint32_t flags, const char *target, const char *from,
                MountOrigin origin);
int mounts_add_grants(Resolution *r); /* workspace, profile, request */
int mounts_add_base(Resolution *r);
int mounts_to_plan(Resolution *r);
const char *mount_access(uint32_t flags); /* "r", "rx", "rw", "rwx" */

/* cover.c. The first resolves conflicts between grants and denials; the second fills r->denials as well. */
int denials_settle_grants(Resolution *r);
int denials_apply(Resolution *r);

/* egress.c: what a session with network "nat" may reach */
int egress_resolve(Resolution *r);

/* base.c */
void base_mounts(Resolution *r); /* appends the root's own mounts, without regard to grants */
bool base_is_merged_link(const char *path); /* at or beneath /bin, /lib, … of a merged /usr */
bool usable_shell(const char *shell);

/* explain.c */
char *explain_plan(const Resolution *r, const char *digest);
char *explain_summary(const Resolution *r);
