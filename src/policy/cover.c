/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Denials: the mandatory rows, a profile's and a request's are mapped to where the granted trees show them. A denial
 * always wins over a grant, however specific the grant is: what a profile denies its children cannot give back.
 *
 * Only names are compared here. The daemon passes the real name of the home directory besides its own, the builder
 * resolves each source with the caller's rights and follows the links that are at denied paths (CVE-2026-39861), and
 * what a source turned out to be called goes through policy_check_source(). */

#include "policy-private.h"

typedef struct Candidates {
        Resolution *r;
        GPtrArray *list; /* ResolvedDenial * */
} Candidates;

static void add(Candidates *c, PlanDenialKind kind, const char *path, const char *reason, const char *from,
                const MandatoryDenial *row) {
        ResolvedDenial *d = g_new(ResolvedDenial, 1);

        *d = (ResolvedDenial) {
                .kind = kind,
                .path = resolution_intern(c->r, path),
                .reason = reason,
                .from = from,
                .row = row,
        };
        g_ptr_array_add(c->list, d);
}

static bool shows_host(const ResolvedMount *m) {
        return m->kind == PLAN_MOUNT_PATH || m->kind == PLAN_MOUNT_FD;
}

/* Where in the sandbox a mount shows a path of the host; NULL when it does not. A mount of something within it counts
 * as a whole. */
static const char *path_inside(Resolution *r, const ResolvedMount *m, const char *host) {
        g_autofree char *s = NULL;

        if (!m->host)
                return NULL;
        if (path_is_beneath(m->host, host))
                return m->target;
        if (!path_is_beneath(host, m->host))
                return NULL;
        s = g_strconcat(m->target, host + strlen(m->host), NULL);
        return resolution_intern(r, s);
}

static const char *beneath(Resolution *r, const char *dir, const char *name) {
        g_autofree char *s = g_strconcat(dir, "/", name, NULL);

        return resolution_intern(r, s);
}

static void add_row(Candidates *c, const ResolvedMount *m, const MandatoryDenial *row, const char *path) {
        if (path && !(row->kind == PLAN_DENY_WRITE && !(m->flags & PLAN_MOUNT_WRITE)))
                add(c, row->kind, path, row->reason, "built-in", row);
}

/* path_is_beneath() for relative paths, "" being the directory itself. */
static bool relative_is_beneath(const char *path, const char *dir) {
        size_t n = strlen(dir);

        return n == 0 || (strncmp(path, dir, n) == 0 && (path[n] == 0 || path[n] == '/'));
}

/* home NULL: a directory that may be the home directory for all that is known is taken for it. */
static void add_home_rows(Candidates *c, const ResolvedMount *m, const char *home) {
        const char *within = ""; /* what the mount shows, relative to home */

        if (home && path_is_beneath(m->host, home))
                within = m->host + strlen(home) + (m->host[strlen(home)] == '/');
        for (size_t i = 0; i < n_mandatory_denials; i++) {
                const MandatoryDenial *row = mandatory_denials + i;

                /* Before anything is made of it: there are many rows, and few concern a given mount. */
                if (row->scope != DENIAL_HOME || (row->kind == PLAN_DENY_WRITE && !(m->flags & PLAN_MOUNT_WRITE)) ||
                                (!relative_is_beneath(row->name, within) && !relative_is_beneath(within, row->name)) ||
                                ceiling_lifts(c->r->ceiling, row->name))
                        continue;
                add_row(c, m, row, home ? path_inside(c->r, m, beneath(c->r, home, row->name))
                                        : beneath(c->r, m->target, row->name));
        }
}

/* Whether a mount may show something of a home directory at all. */
static bool touches(const ResolvedMount *m, const char *home) {
        return m->host && (path_is_beneath(m->host, home) || path_is_beneath(home, m->host));
}

static void add_mandatory(Candidates *c, const ResolvedMount *m) {
        const Caller *caller = c->r->caller;
        const char *homes[] = { caller->home, caller->home_real };
        bool known = false;

        for (size_t i = 0; i < ELEMENTSOF(homes); i++) {
                if (!homes[i] || !path_is_normal(homes[i]) || streq(homes[i], "/"))
                        continue;
                known = true;
                if (touches(m, homes[i]))
                        add_home_rows(c, m, homes[i]);
        }
        if (m->origin == MOUNT_BASE)
                return; /* the root's own parts of the host have none of what follows in them */
        if (!m->host || !known)
                add_home_rows(c, m, NULL);
        for (size_t i = 0; i < n_mandatory_denials; i++) {
                const MandatoryDenial *row = mandatory_denials + i;

                if (row->scope == DENIAL_HOME || ceiling_lifts(c->r->ceiling, row->name))
                        continue;
                if (row->scope == DENIAL_HOST)
                        add_row(c, m, row, path_inside(c->r, m, row->name));
                else
                        add_row(c, m, row, beneath(c->r, m->target, row->name));
        }
}

/* A path that somebody wrote is one inside, and one of the host wherever a mount shows that. */
static void add_written(Candidates *c, PlanDenialKind kind, const char *path, const char *from) {
        static const char reason[] = "asked for";
        const char *p = resolution_intern(c->r, path);

        add(c, kind, p, reason, from, NULL);
        for (guint i = 0; i < c->r->mounts->len; i++) {
                const ResolvedMount *m = c->r->mounts->pdata[i];
                const char *inside = path_inside(c->r, m, p);

                if (inside && !streq(inside, p))
                        add(c, kind, inside, reason, from, NULL);
        }
}

static int add_profile(Candidates *c) {
        Resolution *r = c->r;

        for (guint i = 0; i < r->profile->denials->len; i++) {
                const ProfileItem *item = r->profile->denials->pdata[i];
                g_autofree char *path = NULL, *why = NULL, *ignored = NULL;
                Variables elsewhere = r->variables;

                if (path_expand(item->text, &r->variables, &path, &why) < 0) {
                        /* Beneath a workspace that is not there, there is nothing to deny. */
                        elsewhere.workdir = elsewhere.workdir ?: "/nonexistent";
                        if (path_expand(item->text, &elsewhere, &path, &ignored) < 0)
                                return resolution_fail(r, POLICY_E_INVALID_ARGUMENT, "%s: %s", item->from, why);
                        continue;
                }
                add_written(c, (PlanDenialKind) item->value, path, item->from);
        }
        return 0;
}

static int add_request(Candidates *c, PlanDenialKind kind, char *const *paths) {
        for (; paths && *paths; paths++) {
                if (!path_is_normal(*paths) || streq(*paths, "/")) {
                        g_autofree char *quoted = json_quote(*paths);

                        return resolution_fail(c->r, POLICY_E_INVALID_ARGUMENT,
                                        "%s cannot be denied: not a normal absolute path below /", quoted);
                }
                add_written(c, kind, *paths, "request");
        }
        return 0;
}

static int collect(Resolution *r, GPtrArray *list) {
        Candidates c = { .r = r, .list = list };
        int k;

        for (guint i = 0; i < r->mounts->len; i++) {
                const ResolvedMount *m = r->mounts->pdata[i];

                if (shows_host(m))
                        add_mandatory(&c, m);
        }
        k = add_profile(&c);
        if (k == 0)
                k = add_request(&c, PLAN_DENY_ALL, r->request->deny);
        if (k == 0)
                k = add_request(&c, PLAN_DENY_WRITE, r->request->deny_write);
        return k;
}

/* A mount at or beneath what is denied. */
static bool conflicts(const ResolvedMount *m, const ResolvedDenial *d) {
        if (!path_is_beneath(m->target, d->path))
                return false;
        return d->kind == PLAN_DENY_ALL || (shows_host(m) && (m->flags & PLAN_MOUNT_WRITE));
}

static int refuse_mandatory(Resolution *r, const ResolvedMount *m, const ResolvedDenial *d) {
        g_autofree char *path = json_quote(m->host ?: m->target);

        return resolution_fail(r, POLICY_E_CEILING,
                        "%s grants %s (%s), of which %s is denied: %s; only a ceiling can lift that "
                        "(\"allow_denied\": [\"%s\"])",
                        m->from, path, mount_access(m->flags), d->kind == PLAN_DENY_ALL ? "all" : "writing",
                        d->row->reason, d->row->name);
}

/* 0: keep it, 1: drop it; POLICY_E_* negated, as those are positive too. */
static int settle(Resolution *r, ResolvedMount *m, const ResolvedDenial *d) {
        g_autofree char *path = NULL, *denied = NULL;

        if (d->row && !(m->flags & PLAN_MOUNT_OPTIONAL))
                return -refuse_mandatory(r, m, d);
        if (m->origin == MOUNT_PROFILE || (m->origin == MOUNT_BASE && (m->flags & PLAN_MOUNT_OPTIONAL))) {
                const char *reason = resolution_format(r, "%s denied by %s: %s",
                                d->kind == PLAN_DENY_ALL ? "all" : "writing", d->from, d->reason);

                resolution_drop(r, m->target, m->from, reason);
                if (d->row || d->kind == PLAN_DENY_ALL)
                        return 1;
                m->flags &= ~(uint32_t) PLAN_MOUNT_WRITE;
                return 0;
        }
        path = json_quote(m->target);
        denied = json_quote(d->path);
        (void) resolution_fail(r, POLICY_E_INVALID_ARGUMENT, "%s denies %s, where %s has %s", d->from, denied,
                        m->origin == MOUNT_BASE ? "every sandbox" : "the request", path);
        return -POLICY_E_INVALID_ARGUMENT;
}

static int settle_all(Resolution *r, const GPtrArray *candidates) {
        for (guint i = 0; i < r->mounts->len;) {
                ResolvedMount *m = r->mounts->pdata[i];
                int k = 0;

                for (guint n = 0; n < candidates->len && k == 0; n++)
                        if (conflicts(m, candidates->pdata[n]))
                                k = settle(r, m, candidates->pdata[n]);
                if (k < 0)
                        return -k;
                if (k == 0)
                        i++;
                else
                        g_ptr_array_remove_index(r->mounts, i);
        }
        return 0;
}

int denials_settle_grants(Resolution *r) {
        g_autoptr(GPtrArray) candidates = g_ptr_array_new_with_free_func(g_free);
        int k = collect(r, candidates);

        return k != 0 ? k : settle_all(r, candidates);
}

/* Whether something at d's path could be there, or be made there: the innermost mount decides, but one that may be
 * missing leaves it to the next. */
static bool is_needed(const Resolution *r, const ResolvedDenial *d) {
        for (guint i = r->mounts->len; i-- > 0;) {
                const ResolvedMount *m = r->mounts->pdata[i];

                if (!path_is_beneath(d->path, m->target))
                        continue;
                if (shows_host(m) && (d->kind == PLAN_DENY_ALL || (m->flags & PLAN_MOUNT_WRITE)))
                        return true;
                if (!(m->flags & PLAN_MOUNT_OPTIONAL))
                        return false;
        }
        return false;
}

/* By path, of one path the stricter first, then as collected: is_implied() leaves out the later ones. */
static int compare_denials(gconstpointer a, gconstpointer b) {
        const ResolvedDenial *x = *(ResolvedDenial *const *) a, *y = *(ResolvedDenial *const *) b;
        int k = strcmp(x->path, y->path);

        return k != 0 ? k : (int) x->kind - (int) y->kind;
}

/* Nothing can be made beneath what is hidden as a whole, nor written beneath what is kept from being written. */
static bool is_implied(const Resolution *r, const ResolvedDenial *d) {
        for (guint i = 0; i < r->denials->len; i++) {
                const ResolvedDenial *other = r->denials->pdata[i];

                if (path_is_beneath(d->path, other->path) &&
                                (other->kind == PLAN_DENY_ALL || d->kind == PLAN_DENY_WRITE))
                        return true;
        }
        return false;
}

int denials_apply(Resolution *r) {
        g_autoptr(GPtrArray) candidates = g_ptr_array_new_with_free_func(g_free);
        int k;

        k = collect(r, candidates);
        if (k != 0)
                return k;
        k = settle_all(r, candidates);
        if (k != 0)
                return k;
        g_ptr_array_sort(candidates, compare_denials);
        for (guint i = 0; i < candidates->len; i++) {
                const ResolvedDenial *d = candidates->pdata[i];

                if (!is_needed(r, d) || is_implied(r, d))
                        continue;
                k = plan_add_denial(r->plan, d->kind, d->path);
                if (k == -E2BIG)
                        return resolution_fail(r, POLICY_E_INVALID_ARGUMENT,
                                        "more than %u denials, or a path that is too long: grant fewer directories",
                                        PLAN_DENIALS_MAX);
                if (k < 0)
                        return k;
                g_ptr_array_add(r->denials, g_memdup2(d, sizeof(*d)));
        }
        return 0;
}

/* Which row speaks against showing path as a whole; NULL: none. */
static const MandatoryDenial *row_against(const Ceiling *c, const Caller *caller, const char *path, uint32_t flags) {
        const char *homes[] = { caller->home, caller->home_real };

        for (size_t i = 0; i < n_mandatory_denials; i++) {
                const MandatoryDenial *row = mandatory_denials + i;

                if (ceiling_lifts(c, row->name) || row->scope == DENIAL_TREE ||
                                (row->kind == PLAN_DENY_WRITE && !(flags & PLAN_MOUNT_WRITE)))
                        continue;
                for (size_t k = 0; k < ELEMENTSOF(homes); k++) {
                        g_autofree char *denied = NULL;

                        if (row->scope == DENIAL_HOME && !homes[k])
                                continue;
                        denied = row->scope == DENIAL_HOME ? g_strdup_printf("%s/%s", homes[k], row->name)
                                                           : g_strdup(row->name);
                        if (path_is_beneath(path, denied) || path_is_beneath(denied, path))
                                return row;
                }
        }
        return NULL;
}

int policy_check_source(const Policy *p, const Caller *caller, const char *path, uint32_t flags, char **ret_why) {
        const Ceiling *c = policy_ceiling(p, caller);
        const MandatoryDenial *row = NULL;
        Variables v = variables_of(caller);
        g_autofree char *quoted = json_quote(path), *why = NULL;

        if (!path_is_normal(path) || plan_source_is_forbidden(path, flags & PLAN_MOUNT_WRITE))
                why = g_strdup("which no sandbox may have");
        else if (!ceiling_allows_path(c, &v, path, flags))
                why = g_strdup_printf("which %s does not allow", c->origin);
        else if ((row = row_against(c, caller, path, flags)))
                why = g_strdup_printf(
                                "where \"%s\" is denied (%s): name that directory itself, so that the denial holds",
                                row->name, row->reason);
        if (!why)
                return POLICY_OK;
        *ret_why = g_strdup_printf("a grant leads through a symbolic link to %s, %s", quoted, why);
        return POLICY_E_CEILING;
}
