/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Grants become mounts: the workspace, a profile's paths, a request's descriptors; then they are reconciled with
 * what the root has of its own and put into the order in which they are made. */

#include "policy-private.h"

ResolvedMount *mount_new(Resolution *r, PlanMountKind kind, uint32_t flags, const char *target, const char *from,
                MountOrigin origin) {
        ResolvedMount *m = g_new0(ResolvedMount, 1);

        *m = (ResolvedMount) {
                .kind = kind,
                .flags = flags,
                .target = resolution_intern(r, target),
                .source = "",
                .from = resolution_intern(r, from),
                .origin = origin,
        };
        g_ptr_array_add(r->mounts, m);
        return m;
}

const char *mount_access(uint32_t flags) {
        static const char *const names[] = { "r", "rw", "rx", "rwx" };

        return names[flags & (PLAN_MOUNT_WRITE | PLAN_MOUNT_EXEC)];
}

/* A path as a link of /proc/self/fd gave it; NULL for "(unreachable)" and the like. */
static const char *known_path(const char *path) {
        return path && path_is_normal(path) ? path : NULL;
}

static int check_target(Resolution *r, const char *what, const char *path) {
        g_autofree char *quoted = json_quote(path);

        if (!path_is_normal(path))
                return resolution_fail(
                                r, POLICY_E_INVALID_ARGUMENT, "%s %s is not a normal absolute path", what, quoted);
        if (streq(path, "/") || path_is_beneath(path, "/proc") || path_is_beneath(path, "/sys") ||
                        path_is_beneath(path, "/dev"))
                return resolution_fail(r, POLICY_E_INVALID_ARGUMENT, "%s cannot be %s: that is the sandbox's own", what,
                                quoted);
        return 0;
}

/* A directory by descriptor: workspace or grant. What the caller opened is his to share; the ceiling says from where
 * on the host, and some places are nobody's. */
static int check_descriptor(Resolution *r, const char *what, const CeilingBeneath *ceiling, const char *key,
                const char *host, uint32_t flags) {
        g_autofree char *quoted = host ? json_quote(host) : NULL;

        if (!ceiling->allowed)
                return resolution_fail(r, POLICY_E_CEILING, "%s is not allowed by %s (\"%s\": {\"allowed\": true})",
                                what, r->ceiling_from, key);
        if (!ceiling_allows_descriptor(ceiling, &r->variables, host))
                return resolution_fail(r, POLICY_E_CEILING, "%s %s is not beneath a directory that %s allows", what,
                                host ? quoted : "(of which the host path is not known)", r->ceiling_from);
        if (host && plan_source_is_forbidden(host, flags & PLAN_MOUNT_WRITE))
                return resolution_fail(r, POLICY_E_CEILING, "%s %s: a sandbox never gets %s that directory", what,
                                quoted, flags & PLAN_MOUNT_WRITE ? "to write to" : "to see");
        return 0;
}

static int workspace_access(Resolution *r, ProfileAccess *ret) {
        const Request *request = r->request;
        ProfileAccess most = r->profile->access == PROFILE_UNSET ? PROFILE_ACCESS_NONE
                                                                 : (ProfileAccess) r->profile->access;
        ProfileAccess wanted = most;

        if (request->workspace_access) {
                wanted = profile_access_from_string(request->workspace_access);
                if (wanted < 0)
                        return resolution_fail(r, POLICY_E_INVALID_ARGUMENT,
                                        "workspace-access is \"rw\", \"ro\" or \"none\"");
        }
        if (wanted > most)
                return resolution_fail(r, POLICY_E_INVALID_ARGUMENT,
                                "%s gives a workspace \"%s\" at most; ask for that or use another profile",
                                r->profile_from, profile_access_to_string(most));
        if (request->workspace_fd >= 0 && most == PROFILE_ACCESS_NONE)
                return resolution_fail(r, POLICY_E_INVALID_ARGUMENT,
                                "%s has no workspace; use another profile, such as \"workspace\"", r->profile_from);
        if (r->profile->required == 1 && (request->workspace_fd < 0 || wanted == PROFILE_ACCESS_NONE))
                return resolution_fail(r, POLICY_E_INVALID_ARGUMENT,
                                "%s needs a workspace: pass a directory as the option \"workspace\"", r->profile_from);
        if (request->workspace_fd < 0 && request->workspace_access && wanted != PROFILE_ACCESS_NONE)
                return resolution_fail(r, POLICY_E_INVALID_ARGUMENT,
                                "workspace-access \"%s\" needs the option \"workspace\"", request->workspace_access);
        *ret = request->workspace_fd < 0 ? PROFILE_ACCESS_NONE : wanted;
        return 0;
}

static int workspace_target(Resolution *r, const char *host, const char **ret) {
        g_autofree char *path = NULL;

        if (r->request->workspace_path)
                *ret = resolution_intern(r, r->request->workspace_path);
        else if (r->profile->workspace_path) {
                if (path_expand(r->profile->workspace_path, &r->variables, &path, r->ret_why) < 0)
                        return POLICY_E_INVALID_ARGUMENT;
                *ret = resolution_intern(r, path);
        } else if (r->plan->root == PLAN_ROOT_HOST_MINIMAL)
                *ret = "/workspace";
        else if (host)
                *ret = resolution_intern(r, host);
        else
                return resolution_fail(r, POLICY_E_INVALID_ARGUMENT,
                                "the workspace's own path is not known here; say where it shall appear "
                                "(workspace-path)");
        return check_target(r, "workspace-path", *ret);
}

/* In the plan, the source of a descriptor is where it is said to be: so the digest that is approved names the
 * directory, and the builder can compare. */
static void set_host(ResolvedMount *m, const char *host) {
        m->host = host;
        m->source = host ?: "";
        m->source_len = strlen(m->source);
}

static int check_fd(Resolution *r, const char *what, uint32_t fd) {
        if (fd < r->request->n_fds)
                return 0;
        return resolution_fail(r, POLICY_E_INVALID_ARGUMENT, "%s names a descriptor that was not passed", what);
}

static int add_workspace(Resolution *r) {
        const char *host = known_path(r->request->workspace_host_path), *target = NULL;
        ProfileAccess access = PROFILE_ACCESS_NONE;
        ResolvedMount *m;
        uint32_t flags;
        int k;

        k = workspace_access(r, &access);
        if (k != 0 || access == PROFILE_ACCESS_NONE)
                return k;
        flags = PLAN_MOUNT_EXEC | (access == PROFILE_ACCESS_RW ? PLAN_MOUNT_WRITE : 0);
        k = check_fd(r, "workspace", (uint32_t) r->request->workspace_fd);
        if (k != 0)
                return k;
        k = check_descriptor(r, "workspace", &r->ceiling->workspace, "workspace", host, flags);
        if (k != 0)
                return k;
        k = workspace_target(r, host, &target);
        if (k != 0)
                return k;
        m = mount_new(r, PLAN_MOUNT_FD, flags, target, "request", MOUNT_REQUEST);
        m->fd = (uint32_t) r->request->workspace_fd;
        set_host(m, host);
        r->workspace = m->target;
        return 0;
}

static int add_profile_grant(Resolution *r, const ProfileItem *item) {
        bool optional = item->value & PLAN_MOUNT_OPTIONAL;
        g_autofree char *path = NULL, *why = NULL, *quoted = NULL;
        ResolvedMount *m;
        const char *reason = NULL;

        if (path_expand(item->text, &r->variables, &path, &why) < 0) {
                if (!optional)
                        return resolution_fail(r, POLICY_E_INVALID_ARGUMENT, "%s: %s", item->from, why);
                resolution_drop(r, item->text, item->from, why);
                return 0;
        }
        if (plan_source_is_forbidden(path, item->value & PLAN_MOUNT_WRITE))
                reason = item->value & PLAN_MOUNT_WRITE ? "no sandbox may write there" : "no sandbox may see it";
        else if (!ceiling_allows_path(r->ceiling, &r->variables, path, item->value))
                reason = resolution_format(r, "%s does not allow it", r->ceiling_from);
        if (reason && optional) {
                resolution_drop(r, path, item->from, reason);
                return 0;
        }
        if (reason) {
                quoted = json_quote(path);
                return resolution_fail(r, POLICY_E_CEILING, "%s grants %s (%s): %s", item->from, quoted,
                                mount_access(item->value), reason);
        }
        m = mount_new(r, PLAN_MOUNT_PATH, item->value, path, item->from, MOUNT_PROFILE);
        m->source = m->host = m->target;
        m->source_len = strlen(m->source);
        return 0;
}

static int add_request_grant(Resolution *r, const RequestGrant *g) {
        const char *host = known_path(g->host_path);
        ResolvedMount *m;
        int k;

        if (g->flags & ~(uint32_t) (PLAN_MOUNT_WRITE | PLAN_MOUNT_EXEC))
                return resolution_fail(r, POLICY_E_INVALID_ARGUMENT, "a grant has an unknown kind of access");
        k = check_fd(r, "a grant", g->fd);
        if (k != 0)
                return k;
        k = check_target(r, "the path of a grant", g->path);
        if (k != 0)
                return k;
        k = check_descriptor(r, "a grant by descriptor", &r->ceiling->grants, "grants", host, g->flags);
        if (k != 0)
                return k;
        m = mount_new(r, PLAN_MOUNT_FD, g->flags, g->path, "request", MOUNT_REQUEST);
        m->fd = g->fd;
        set_host(m, host);
        return 0;
}

static int compare_mounts(gconstpointer a, gconstpointer b) {
        const ResolvedMount *x = *(ResolvedMount *const *) a, *y = *(ResolvedMount *const *) b;

        return strcmp(x->target, y->target); /* a directory sorts before what is in it */
}

static void remove_mount(Resolution *r, const ResolvedMount *m) {
        g_ptr_array_remove(r->mounts, (void *) m);
}

/* Two grants with one target: paths are joined; a path that a descriptor shows already is left out. */
static int join(Resolution *r, ResolvedMount *a, ResolvedMount *b) {
        ResolvedMount *path = a->kind == PLAN_MOUNT_PATH ? a : b, *other = path == a ? b : a;
        g_autofree char *quoted = json_quote(a->target);

        if (other->kind == PLAN_MOUNT_PATH) {
                a->flags |= b->flags & (PLAN_MOUNT_WRITE | PLAN_MOUNT_EXEC);
                if (!(b->flags & PLAN_MOUNT_OPTIONAL))
                        a->flags &= ~(uint32_t) PLAN_MOUNT_OPTIONAL;
                if (!streq(a->from, b->from))
                        a->from = resolution_format(r, "%s, %s", a->from, b->from);
                remove_mount(r, b);
                return 0;
        }
        if (path->kind == PLAN_MOUNT_PATH && other->host && streq(other->host, path->host)) {
                resolution_drop(r, path->host, path->from, "the request passed it as a descriptor");
                remove_mount(r, path);
                return 0;
        }
        return resolution_fail(r, POLICY_E_INVALID_ARGUMENT, "two grants would appear at %s", quoted);
}

static int join_grants(Resolution *r) {
        g_ptr_array_sort(r->mounts, compare_mounts);
        for (guint i = 1; i < r->mounts->len;) {
                ResolvedMount *a = r->mounts->pdata[i - 1], *b = r->mounts->pdata[i];
                int k;

                if (!streq(a->target, b->target)) {
                        i++;
                        continue;
                }
                k = join(r, a, b); /* removes one of both */
                if (k != 0)
                        return k;
        }
        return 0;
}

/* The builder makes what is by path before what is the session's own, so a path cannot lie in a directory that came
 * as a descriptor. Mostly that directory shows it already, as when a workspace is the home directory. */
static int settle_nested(Resolution *r, ResolvedMount *path, const ResolvedMount *fd) {
        size_t n = strlen(fd->target);
        bool same = fd->host && path_is_beneath(path->host, fd->host) &&
                        streq(path->host + strlen(fd->host), path->target + n);
        bool more = path->flags & ~fd->flags & (PLAN_MOUNT_WRITE | PLAN_MOUNT_EXEC);
        g_autofree char *quoted = NULL;

        if (!same || more) {
                if (!(path->flags & PLAN_MOUNT_OPTIONAL)) {
                        quoted = json_quote(path->target);
                        return resolution_fail(r, POLICY_E_INVALID_ARGUMENT,
                                        "%s: %s (%s) lies in %s, which the request passed with %s access: pass it as a "
                                        "descriptor as well", path->from, quoted, mount_access(path->flags), fd->target,
                                        mount_access(fd->flags));
                }
                resolution_drop(r, path->host, path->from, "lies in a directory that the request passed");
        } else
                resolution_drop(r, path->host, path->from, "already there");
        remove_mount(r, path);
        return 0;
}

static int settle_nested_grants(Resolution *r) {
        for (guint i = 0; i < r->mounts->len; i++) {
                const ResolvedMount *fd = r->mounts->pdata[i];

                if (fd->kind != PLAN_MOUNT_FD)
                        continue;
                for (guint k = i + 1; k < r->mounts->len;) { /* sorted: what lies in it comes later */
                        ResolvedMount *path = r->mounts->pdata[k];
                        int error;

                        if (path->kind != PLAN_MOUNT_PATH || !path_is_beneath(path->target, fd->target)) {
                                k++;
                                continue;
                        }
                        error = settle_nested(r, path, fd); /* takes it away */
                        if (error != 0)
                                return error;
                }
        }
        return 0;
}

int mounts_add_grants(Resolution *r) {
        int k;

        k = add_workspace(r);
        if (k != 0)
                return k;
        /* In lists of host paths, $WORKDIR is the workspace on the host. */
        r->variables.workdir = r->workspace ? known_path(r->request->workspace_host_path) : NULL;
        for (guint i = 0; i < r->profile->grants->len; i++) {
                k = add_profile_grant(r, r->profile->grants->pdata[i]);
                if (k != 0)
                        return k;
        }
        for (guint i = 0; r->request->grants && i < r->request->grants->len; i++) {
                k = add_request_grant(r, r->request->grants->pdata[i]);
                if (k != 0)
                        return k;
        }
        /* In paths inside, it is where the workspace appears. */
        r->variables.workdir = r->workspace;
        k = join_grants(r);
        return k != 0 ? k : settle_nested_grants(r);
}

typedef enum Settlement {
        KEEP_BOTH,
        DROP_BASE,
        DROP_GRANT, /* what it shows is there already */
        CONFLICT,
} Settlement;

/* Whether /usr is in the sandbox, with these rights. With root "host" nothing of the host's is there unless it was
 * granted: links into /usr would dangle. */
static bool usr_shows(const Resolution *r, uint32_t flags) {
        flags &= PLAN_MOUNT_WRITE | PLAN_MOUNT_EXEC;
        if (r->plan->root == PLAN_ROOT_HOST_MINIMAL)
                return !(flags & PLAN_MOUNT_WRITE);
        for (guint i = 0; i < r->mounts->len; i++) {
                const ResolvedMount *m = r->mounts->pdata[i];

                if (streq(m->target, "/usr"))
                        return !(flags & ~m->flags);
        }
        return false;
}

static Settlement settle(const Resolution *r, const ResolvedMount *base, const ResolvedMount *grant) {
        bool covers = path_is_beneath(base->target, grant->target);
        bool within = path_is_beneath(grant->target, base->target);
        bool more = (grant->flags & (PLAN_MOUNT_WRITE | PLAN_MOUNT_EXEC)) & ~base->flags;

        if (!covers && !within)
                return KEEP_BOTH;
        if (base->kind == PLAN_MOUNT_SYMLINK && base_is_merged_link(base->target) && within) {
                if (grant->kind == PLAN_MOUNT_PATH && usr_shows(r, grant->flags))
                        return DROP_GRANT;
                return r->plan->root == PLAN_ROOT_HOST ? DROP_BASE : CONFLICT;
        }
        if (base->kind == PLAN_MOUNT_PATH && grant->kind == PLAN_MOUNT_PATH) {
                if (within && !more)
                        return DROP_GRANT;
                if (covers && !(base->flags & PLAN_MOUNT_EXEC & ~grant->flags))
                        return DROP_BASE;
                return covers ? CONFLICT : KEEP_BOTH;
        }
        /* A home directory with a granted path in it is the host's, of which only that is shown: what was written
         * beside it would be lost with the session. */
        if (base->home && (covers || grant->kind == PLAN_MOUNT_PATH))
                return DROP_BASE;
        if (covers)
                return r->plan->root == PLAN_ROOT_HOST ? DROP_BASE : CONFLICT;
        return base->kind == PLAN_MOUNT_SCRATCH && grant->kind == PLAN_MOUNT_FD ? KEEP_BOTH : CONFLICT;
}

int mounts_add_base(Resolution *r) {
        g_autoptr(GPtrArray) grants = g_ptr_array_copy(r->mounts, NULL, NULL);
        guint n = r->mounts->len;
        bool merged = usr_shows(r, 0);

        g_ptr_array_set_free_func(grants, NULL);
        base_mounts(r);
        for (guint i = n; i < r->mounts->len;) {
                const ResolvedMount *base = r->mounts->pdata[i];
                bool dropped = base->kind == PLAN_MOUNT_SYMLINK && base_is_merged_link(base->target) && !merged;

                for (guint k = 0; k < grants->len && !dropped; k++) {
                        const ResolvedMount *grant = grants->pdata[k];
                        g_autofree char *quoted = NULL;

                        switch (settle(r, base, grant)) {
                        case KEEP_BOTH:
                                break;
                        case DROP_BASE:
                                dropped = true;
                                break;
                        case DROP_GRANT:
                                resolution_drop(r, grant->target, grant->from, "already there");
                                remove_mount(r, grant);
                                g_ptr_array_remove_index(grants, k--);
                                i--;
                                break;
                        case CONFLICT:
                                quoted = json_quote(grant->target);
                                return resolution_fail(r, POLICY_E_INVALID_ARGUMENT,
                                                "%s: %s cannot be granted there: every sandbox has a %s of its own%s",
                                                grant->from, quoted, base->target,
                                                base->kind == PLAN_MOUNT_SCRATCH && grant->kind == PLAN_MOUNT_PATH
                                                                ? "; pass it as a descriptor (grants)" : "");
                        }
                }
                if (dropped)
                        g_ptr_array_remove_index(r->mounts, i);
                else
                        i++;
        }
        g_ptr_array_sort(r->mounts, compare_mounts);
        return 0;
}

int mounts_to_plan(Resolution *r) {
        for (guint i = 0; i < r->mounts->len; i++) {
                const ResolvedMount *m = r->mounts->pdata[i];
                int k = plan_add_mount(r->plan, m->kind, m->flags, m->mode, m->fd, m->target, m->source, m->source_len);

                if (k == -E2BIG)
                        return resolution_fail(r, POLICY_E_INVALID_ARGUMENT, "more than %u mounts", PLAN_MOUNTS_MAX);
                if (k < 0)
                        return k;
        }
        return 0;
}
