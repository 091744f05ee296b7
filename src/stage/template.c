/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Keys, encoding and validity of templates; build-mounts.c makes them. */

#include "template.h"

#include <sys/stat.h>

#include "base/fd.h"
#include "sys/process.h"

void template_done(Template *t) {
        for (size_t i = 0; i < t->n_sources; i++)
                free(t->sources[i].real);
        free(t->sources);
        free(t->resolved);
        fd_close(t->namespace_fd);
        *t = (Template) { .namespace_fd = -EBADF };
}

void template_key(WireWriter *w, const Plan *p, const bool *is_dir) {
        wire_put_u32(w, p->uid);
        wire_put_u32(w, p->gid);
        wire_put_u32(w, (uint32_t) p->n_groups);
        for (size_t i = 0; i < p->n_groups; i++)
                wire_put_u32(w, p->groups[i]);
        for (size_t i = 0; i < p->n_mounts; i++) {
                const PlanMount *m = &p->mounts[i];

                wire_put_u32(w, m->kind);
                wire_put_u32(w, m->flags);
                wire_put_u32(w, m->mode);
                wire_put_u32(w, m->kind == PLAN_MOUNT_FD ? is_dir[i] : 0);
                wire_put_string(w, m->target);
                /* Of a descriptor only its place matters: the workspace is the session's own. */
                wire_put_bytes(w, m->source, m->kind == PLAN_MOUNT_FD ? 0 : m->source_len);
        }
}

void template_encode(WireWriter *w, const Template *t) {
        wire_put_u32(w, (uint32_t) t->n_sources);
        for (size_t i = 0; i < t->n_sources; i++) {
                wire_put_u32(w, t->sources[i].present);
                wire_put_u64(w, t->sources[i].dev);
                wire_put_u64(w, t->sources[i].ino);
                wire_put_string(w, t->sources[i].real);
        }
        wire_put_string(w, t->resolved);
}

int template_decode(WireReader *r, size_t n_mounts, Template *ret) {
        _cleanup_(template_done) Template t = { .namespace_fd = -EBADF };
        size_t n = wire_get_count(r, PLAN_MOUNTS_MAX, 24);

        if (n != n_mounts)
                return -EBADMSG;
        t.sources = calloc(n + 1, sizeof(*t.sources));
        if (!t.sources)
                return -ENOMEM;
        for (t.n_sources = 0; t.n_sources < n && !r->error; t.n_sources++) {
                TemplateSource *s = &t.sources[t.n_sources];

                s->present = wire_get_u32(r);
                s->dev = wire_get_u64(r);
                s->ino = wire_get_u64(r);
                s->real = wire_get_string(r, PLAN_PATH_MAX);
        }
        t.resolved = wire_get_string(r, WIRE_BODY_MAX);
        if (wire_reader_finish(r) < 0)
                return r->error;
        *ret = t;
        t = (Template) { .namespace_fd = -EBADF };
        return 0;
}

static bool source_is_current(const TemplateSource *s, const PlanMount *m) {
        struct stat st;

        if (stat(m->source, &st) < 0)
                return !s->present;
        return s->present && st.st_dev == s->dev && st.st_ino == s->ino;
}

bool template_is_current(const Template *t, const Plan *p) {
        bool ok = t->n_sources == p->n_mounts;

        if (identity_fs_enter(p->uid, p->gid, p->groups, p->n_groups) < 0)
                return false;
        for (size_t i = 0; ok && i < p->n_mounts; i++)
                if (p->mounts[i].kind == PLAN_MOUNT_PATH)
                        ok = source_is_current(&t->sources[i], &p->mounts[i]);
        return identity_fs_leave() >= 0 && ok;
}


typedef struct Entry {
        uint8_t *key, *body;
        size_t key_len, body_len;
        int fd;
} Entry;

struct TemplateStore {
        Entry entries[TEMPLATE_STORE_MAX]; /* newest first */
        size_t n;
};

TemplateStore *template_store_new(void) {
        return calloc(1, sizeof(TemplateStore));
}

void template_store_clear(TemplateStore *s) {
        for (size_t i = 0; i < s->n; i++) {
                free(s->entries[i].key);
                free(s->entries[i].body);
                fd_close(s->entries[i].fd);
        }
        s->n = 0;
}

TemplateStore *template_store_free(TemplateStore *s) {
        if (s)
                template_store_clear(s);
        free(s);
        return NULL;
}

static size_t find(const TemplateStore *s, const WireWriter *key) {
        size_t i;

        for (i = 0; i < s->n; i++)
                if (s->entries[i].key_len == key->len && memcmp(s->entries[i].key, key->data, key->len) == 0)
                        break;
        return i;
}

static void *copy_of(const void *data, size_t len) {
        void *p = malloc(len + 1);

        if (p && len > 0)
                memcpy(p, data, len);
        return p;
}

int template_store_put(TemplateStore *s, const WireWriter *key, const void *body, size_t len, int fd) {
        Entry e = { .key = copy_of(key->data, key->len), .body = copy_of(body, len), .key_len = key->len,
                .body_len = len, .fd = fd };
        size_t i = find(s, key);

        if (!e.key || !e.body) {
                free(e.key);
                free(e.body);
                fd_close(fd);
                return -ENOMEM;
        }
        if (i == s->n && s->n == TEMPLATE_STORE_MAX)
                i = s->n - 1; /* the oldest goes */
        if (i < s->n) {
                free(s->entries[i].key);
                free(s->entries[i].body);
                fd_close(s->entries[i].fd);
        } else
                s->n++;
        memmove(s->entries + 1, s->entries, i * sizeof(Entry));
        s->entries[0] = e;
        return 0;
}

int template_store_get(TemplateStore *s, const WireWriter *key, size_t n_mounts, Template *ret) {
        size_t i = find(s, key);
        WireReader reader;
        int r;

        if (i >= s->n)
                return -ENOENT;
        reader = WIRE_READER(s->entries[i].body, s->entries[i].body_len);
        r = template_decode(&reader, n_mounts, ret);
        if (r < 0)
                return r;
        ret->namespace_fd = fd_dup(s->entries[i].fd);
        return ret->namespace_fd < 0 ? -ENOENT : 0;
}

size_t template_store_fds(const TemplateStore *s, int *fds) {
        for (size_t i = 0; i < s->n; i++)
                fds[i] = s->entries[i].fd;
        return s->n;
}
