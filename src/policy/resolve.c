/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A request becomes a plan, in this order: who asks, which profile, which ceiling, root and network, names inside,
 * mounts, denials, environment, limits; then the plan is checked with the builder's own checks, encoded, and its
 * digest taken. */

#include <stdio.h>

#include "policy-private.h"
#include "seccomp-filter.h"

#define HOSTNAME "sandbox"
#define PATH_INSIDE "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

int resolution_fail(Resolution *r, int code, const char *format, ...) {
        va_list ap;

        if (!*r->ret_why) {
                va_start(ap, format);
                *r->ret_why = g_strdup_vprintf(format, ap);
                va_end(ap);
        }
        return code;
}

const char *resolution_intern(Resolution *r, const char *s) {
        return g_string_chunk_insert(r->strings, s);
}

const char *resolution_format(Resolution *r, const char *format, ...) {
        g_autofree char *s = NULL;
        va_list ap;

        va_start(ap, format);
        s = g_strdup_vprintf(format, ap);
        va_end(ap);
        return resolution_intern(r, s);
}

void resolution_drop(Resolution *r, const char *path, const char *from, const char *reason) {
        Dropped *d = g_new(Dropped, 1);

        *d = (Dropped) {
                .path = resolution_intern(r, path),
                .from = resolution_intern(r, from),
                .reason = resolution_intern(r, reason),
        };
        g_ptr_array_add(r->dropped, d);
}

static int compare_gids(const void *a, const void *b) {
        gid_t x = *(const gid_t *) a, y = *(const gid_t *) b;

        return x < y ? -1 : x > y;
}

/* Sorted and each once, so that the order in which a directory server lists them does not change the digest. Group 0
 * is left out: it opens sources that are root's, and the builder refuses it. */
static int set_groups(Resolution *r) {
        const Caller *c = r->caller;
        size_t n = 0;
        gid_t *groups;

        if (c->n_groups == 0)
                return 0;
        if (c->n_groups > PLAN_GROUPS_MAX)
                return resolution_fail(r, POLICY_E_INVALID_ARGUMENT, "member of more than %u groups", PLAN_GROUPS_MAX);
        groups = calloc(c->n_groups, sizeof(gid_t));
        if (!groups)
                return -ENOMEM;
        r->plan->groups = groups;
        memcpy(groups, c->groups, c->n_groups * sizeof(gid_t));
        qsort(groups, c->n_groups, sizeof(gid_t), compare_gids);
        for (size_t i = 0; i < c->n_groups; i++)
                if (groups[i] != 0 && (n == 0 || groups[n - 1] != groups[i]))
                        groups[n++] = groups[i];
        r->plan->n_groups = n;
        return 0;
}

static int set_caller(Resolution *r) {
        const Caller *c = r->caller;

        if (c->uid == 0)
                return resolution_fail(r, POLICY_E_INVALID_ARGUMENT,
                                "root gets no sandbox: run as the user whom it serves (runuser -u USER -- …)");
        if (c->uid > INT32_MAX || c->gid > INT32_MAX)
                return resolution_fail(r, POLICY_E_INVALID_ARGUMENT, "uid %u, gid %u: out of range", c->uid, c->gid);
        if (c->gid == 0)
                return resolution_fail(r, POLICY_E_INVALID_ARGUMENT,
                                "the primary group is root's: give the user a group of his own (usermod -g)");
        r->plan->uid = c->uid;
        r->plan->gid = c->gid;
        return set_groups(r);
}

static bool name_is_plain(const char *s) {
        size_t n = s ? strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") : 0;

        return n >= 1 && n <= 32 && s[n] == 0 && s[0] != '-' && !streq(s, "root");
}

/* What the user database inside says of the caller. A home directory that has lines or fields of its own would add
 * users. */
static void set_identity(Resolution *r) {
        r->variables = variables_of(r->caller);
        if (r->variables.home && strpbrk(r->variables.home, ":\n"))
                r->variables.home = NULL;
        r->home = r->variables.home ?: "/tmp";
        r->user = name_is_plain(r->caller->user) ? r->caller->user : "user";
        r->shell = usable_shell(r->caller->shell) ? r->caller->shell : "/bin/sh";
}

static int check_profile_allowed(Resolution *r, const char *name, bool data) {
        g_autofree char *quoted = json_quote(name);

        if (data && !r->ceiling->allow_profile_data)
                return resolution_fail(r, POLICY_E_CEILING,
                                "%s allows stored profiles only (\"allow_profile_data\")", r->ceiling_from);
        if (!data && !ceiling_allows_profile(r->ceiling, name))
                return resolution_fail(r, POLICY_E_CEILING, "%s does not allow profile %s (\"profiles\")",
                                r->ceiling_from, quoted);
        return 0;
}

/* *ret_own: a profile that came with the request, freed by the caller. */
static int set_profile(Resolution *r, Profile **ret_own) {
        const Request *q = r->request;
        const char *name = *q->profile ? q->profile : "default";
        g_autofree char *quoted = json_quote(name);
        _cleanup_(profile_freep) Profile *data = NULL;
        int k;

        if (!profile_name_valid(name))
                return resolution_fail(r, POLICY_E_NO_PROFILE, "%s is not a profile's name", quoted);
        if (q->profile_data) {
                k = check_profile_allowed(r, name, true);
                if (k != 0)
                        return k;
                k = profile_parse("profile-data", NULL, name, q->profile_data, q->profile_data_len, &data, r->ret_why);
                if (k == 0)
                        k = profile_flatten(data, policy_lookup, (void *) r->policy, ret_own, r->ret_why);
                if (k < 0)
                        return POLICY_E_PROFILE_INVALID;
                r->profile = *ret_own;
        } else {
                r->profile = g_hash_table_lookup(r->policy->flat, name);
                if (!r->profile)
                        return resolution_fail(r, POLICY_E_NO_PROFILE,
                                        "there is no profile %s; \"ocsbctl profiles\" lists them", quoted);
                k = check_profile_allowed(r, name, false);
                if (k != 0)
                        return k;
        }
        r->profile_from = resolution_format(r, "profile %s", name);
        (void) snprintf(r->plan->profile, sizeof(r->plan->profile), "%s", name);
        return 0;
}

static int set_root_and_network(Resolution *r) {
        int root = r->profile->root == PROFILE_UNSET ? PLAN_ROOT_HOST_MINIMAL : r->profile->root;
        int most = r->profile->network == PROFILE_UNSET ? PLAN_NETWORK_NONE : r->profile->network;
        int network = most;

        if (r->request->network) {
                network = (int) plan_network_from_string(r->request->network);
                if (network < 0) {
                        g_autofree char *quoted = json_quote(r->request->network);

                        return resolution_fail(r, POLICY_E_INVALID_ARGUMENT, "there is no network %s", quoted);
                }
                if (network > most) /* the enum goes from closed to open */
                        return resolution_fail(r, POLICY_E_INVALID_ARGUMENT,
                                        "%s has network \"%s\": choose one with network \"%s\"%s", r->profile_from,
                                        plan_network_to_string((PlanNetwork) most), r->request->network,
                                        network == PLAN_NETWORK_NAT ? ", such as \"internet\"" : "");
        }
        if (!(r->ceiling->roots & UINT32_C(1) << root))
                return resolution_fail(r, POLICY_E_CEILING, "%s does not allow root \"%s\" (\"roots\")",
                                r->ceiling_from, plan_root_to_string((PlanRoot) root));
        if (!(r->ceiling->networks & UINT32_C(1) << network))
                return resolution_fail(r, POLICY_E_CEILING, "%s does not allow network \"%s\" (\"networks\")",
                                r->ceiling_from, plan_network_to_string((PlanNetwork) network));
        r->plan->root = (PlanRoot) root;
        r->plan->network = (PlanNetwork) network;
        return 0;
}

static int set_hostname(Resolution *r) {
        const char *name = r->request->hostname ?: r->profile->hostname ?: HOSTNAME;

        if (!hostname_valid(name)) {
                g_autofree char *quoted = json_quote(name);

                return resolution_fail(r, POLICY_E_INVALID_ARGUMENT, "%s is not a host name", quoted);
        }
        (void) snprintf(r->plan->hostname, sizeof(r->plan->hostname), "%s", name);
        return 0;
}

static bool is_covered(const Resolution *r, const char *path) {
        for (guint i = 0; i < r->mounts->len; i++)
                if (path_is_beneath(path, ((ResolvedMount *) r->mounts->pdata[i])->target))
                        return true;
        return streq(path, "/");
}

static int set_workdir(Resolution *r) {
        g_autofree char *path = NULL, *quoted = NULL;
        const char *dir = r->request->workdir ?: r->workspace ?: "/tmp";

        if (!r->request->workdir && r->profile->workdir) {
                if (path_expand(r->profile->workdir, &r->variables, &path, r->ret_why) < 0)
                        return POLICY_E_INVALID_ARGUMENT;
                dir = path;
        }
        quoted = json_quote(dir);
        if (!path_is_normal(dir))
                return resolution_fail(
                                r, POLICY_E_INVALID_ARGUMENT, "workdir %s is not a normal absolute path", quoted);
        if (!is_covered(r, dir))
                return resolution_fail(r, POLICY_E_INVALID_ARGUMENT, "workdir %s is not in the sandbox", quoted);
        r->plan->workdir = strdup(dir);
        return r->plan->workdir ? 0 : -ENOMEM;
}

static int set_mounts_and_denials(Resolution *r) {
        int k;

        k = mounts_add_grants(r);
        if (k == 0)
                k = denials_settle_grants(r);
        if (k == 0)
                k = mounts_add_base(r);
        if (k == 0)
                k = denials_apply(r);
        if (k == 0)
                k = mounts_to_plan(r);
        return k;
}

static void put_env(Resolution *r, const char *assignment, const char *from) {
        size_t n = strcspn(assignment, "=") + 1;
        ResolvedEnv *e;

        for (guint i = 0; i < r->env->len; i++) {
                e = r->env->pdata[i];
                if (strncmp(e->assignment, assignment, n) == 0) {
                        *e = (ResolvedEnv) { .assignment = assignment, .from = from };
                        return;
                }
        }
        e = g_new(ResolvedEnv, 1);
        *e = (ResolvedEnv) { .assignment = assignment, .from = from };
        g_ptr_array_add(r->env, e);
}

static int compare_env(gconstpointer a, gconstpointer b) {
        return strcmp((*(ResolvedEnv *const *) a)->assignment, (*(ResolvedEnv *const *) b)->assignment);
}

static void put_base_env(Resolution *r) {
        put_env(r, "PATH=" PATH_INSIDE, "built-in");
        put_env(r, "LANG=C.UTF-8", "built-in");
        put_env(r, "container=ocsb", "built-in");
        /* .git/hooks cannot be written to (denials.c), and git would fail on copying its samples there. */
        put_env(r, "GIT_TEMPLATE_DIR=", "built-in");
        put_env(r, resolution_format(r, "HOME=%s", r->home), "built-in");
        put_env(r, resolution_format(r, "USER=%s", r->user), "built-in");
        put_env(r, resolution_format(r, "LOGNAME=%s", r->user), "built-in");
        put_env(r, resolution_format(r, "SHELL=%s", r->shell), "built-in");
}

static int set_env(Resolution *r) {
        put_base_env(r);
        for (guint i = 0; i < r->profile->env->len; i++) {
                const ProfileItem *item = r->profile->env->pdata[i];

                put_env(r, item->text, item->from);
        }
        for (char *const *e = r->request->env; e && *e; e++) {
                if (!env_assignment_valid(*e)) {
                        g_autofree char *name = g_strndup(*e, strcspn(*e, "=")), *quoted = json_quote(name);

                        return resolution_fail(r, POLICY_E_INVALID_ARGUMENT,
                                        "%s is not an environment variable: NAME=value with a name of letters, "
                                        "digits and \"_\"",
                                        quoted);
                }
                put_env(r, *e, "request");
        }
        g_ptr_array_sort(r->env, compare_env);
        for (guint i = 0; i < r->env->len; i++) {
                int k = plan_add_env(r->plan, ((ResolvedEnv *) r->env->pdata[i])->assignment);

                if (k == -E2BIG)
                        return resolution_fail(r, POLICY_E_INVALID_ARGUMENT,
                                        "the environment has more than %u variables or %u KiB", PLAN_ENV_MAX,
                                        PLAN_ENV_BYTES_MAX >> 10);
                if (k < 0)
                        return k;
        }
        return 0;
}

/* One limit: asked for by the request, else by the profile; held to the ceiling, which also fills in what nobody
 * asked for. */
static int set_limit(Resolution *r, size_t i) {
        uint32_t bit = UINT32_C(1) << i;
        uint64_t value = limit_infos[i].preset, most;
        const char *from = NULL;
        g_autofree char *why = NULL;

        if (r->request->limits_set & bit) {
                value = limit_get(&r->request->limits, i);
                from = "request";
        } else if (r->profile->limits.set & bit) {
                value = limit_get(&r->profile->limits.values, i);
                from = r->profile->limits_from[i];
        }
        if (from) {
                why = limit_refusal(i, value);
                if (why)
                        return resolution_fail(r, POLICY_E_INVALID_ARGUMENT, "%s", why);
        }
        if (r->ceiling->limits.set & bit) {
                most = limit_get(&r->ceiling->limits.values, i);
                if (value > most && from)
                        return resolution_fail(r, POLICY_E_CEILING,
                                        "%s asks for a limit %s of %" G_GUINT64_FORMAT ", %s allows %" G_GUINT64_FORMAT,
                                        from, limit_infos[i].name, value, r->ceiling_from, most);
                if (value > most) {
                        value = most;
                        from = r->ceiling_from;
                }
        }
        *limit_at(&r->plan->limits, i) = value;
        r->limits_from[i] = from ?: "built-in";
        return 0;
}

static int set_time(Resolution *r, const char *name, uint64_t asked, uint64_t preset, uint64_t most, uint64_t *ret) {
        uint64_t v = asked > 0 ? asked : preset > 0 ? preset : USEC_INFINITY;

        if (most > 0 && v > most) {
                if (v != USEC_INFINITY)
                        return resolution_fail(r, POLICY_E_CEILING,
                                        "%s: %s allows at most %" G_GUINT64_FORMAT " seconds", name, r->ceiling_from,
                                        (guint64) (most / USEC_PER_SEC));
                v = most;
        }
        *ret = v;
        return 0;
}

static int set_limits(Resolution *r) {
        const Ceiling *c = r->ceiling;
        int k = 0;

        if (r->request->limits_set >> LIMITS_N)
                return resolution_fail(r, POLICY_E_INVALID_ARGUMENT, "an unknown limit is asked for");
        for (size_t i = 0; i < LIMITS_N && k == 0; i++)
                k = set_limit(r, i);
        if (k == 0)
                k = set_time(r, "idle", r->request->idle_usec, r->profile->idle_usec, c->idle_usec,
                                &r->plan->idle_usec);
        if (k == 0)
                k = set_time(r, "max-age", r->request->age_usec, r->profile->age_usec, c->age_usec, &r->plan->age_usec);
        return k;
}

static int copy_program(const uint8_t *code, size_t len, uint8_t **ret, size_t *ret_len) {
        uint8_t *copy = malloc(len);

        if (!copy)
                return -ENOMEM;
        memcpy(copy, code, len);
        *ret = copy;
        *ret_len = len;
        return 0;
}

static int set_filters(Resolution *r) {
        const uint8_t *session, *exec;
        size_t session_len, exec_len;
        int k;

        k = seccomp_compile(SECCOMP_FILTER_DEFAULT, &session, &session_len, &exec, &exec_len);
        if (k == 0)
                k = copy_program(session, session_len, &r->plan->bpf_session, &r->plan->bpf_session_len);
        if (k == 0)
                k = copy_program(exec, exec_len, &r->plan->bpf_exec, &r->plan->bpf_exec_len);
        return k;
}

static int resolve(Resolution *r, Profile **ret_own) {
        static int (*const steps[])(Resolution *r) = { set_root_and_network, egress_resolve, set_hostname, set_mounts_and_denials,
                set_workdir, set_env, set_limits, set_filters };
        int k;

        if (r->request->id && !session_id_valid(r->request->id))
                return resolution_fail(r, POLICY_E_INVALID_ARGUMENT, "an id is [a-z0-9_]{1,32}");
        if (r->request->n_fds > PLAN_FDS_MAX)
                return resolution_fail(r, POLICY_E_INVALID_ARGUMENT, "more than %u descriptors", PLAN_FDS_MAX);
        k = set_caller(r);
        if (k != 0)
                return k;
        set_identity(r);
        r->ceiling = policy_ceiling(r->policy, r->caller);
        r->ceiling_from = resolution_intern(r, r->ceiling->origin);
        k = set_profile(r, ret_own);
        for (size_t i = 0; i < ELEMENTSOF(steps) && k == 0; i++)
                k = steps[i](r);
        if (k == 0)
                r->plan->n_fds = r->request->n_fds;
        return k;
}

/* What the builder will refuse is refused here, where the caller gets a sentence. */
static int check_plan(Resolution *r) {
        const char *why = NULL;
        int k;

        strcpy(r->plan->id, "check");
        k = plan_validate(r->plan, &why);
        r->plan->id[0] = 0;
        return k < 0 ? resolution_fail(r, POLICY_E_INVALID_ARGUMENT, "this cannot be built: %s", why) : 0;
}

static int finish(Resolution *r, PolicyResult *ret) {
        _cleanup_writer_ WireWriter w = {};
        g_autofree char *digest = NULL;
        int k;

        k = check_plan(r);
        if (k != 0)
                return k;
        plan_encode(&w, r->plan);
        if (w.error < 0)
                return w.error;
        digest = g_compute_checksum_for_data(G_CHECKSUM_SHA256, w.data, w.len);
        *ret = (PolicyResult) {};
        (void) snprintf(ret->digest, sizeof(ret->digest), "%s", digest);
        ret->explain = explain_plan(r, digest);
        ret->summary = explain_summary(r);
        policy_quota(r->policy, r->caller, ret);
        ret->plan = TAKE_PTR(r->plan);
        return 0;
}

int policy_resolve(const Policy *p, const Caller *caller, const Request *request, PolicyResult *ret, char **ret_why) {
        _cleanup_(profile_freep) Profile *own = NULL;
        _cleanup_plan_ Plan *plan = plan_new();
        Resolution r = {
                .policy = p,
                .caller = caller,
                .request = request,
                .plan = plan,
                .strings = g_string_chunk_new(8192),
                .mounts = g_ptr_array_new_with_free_func(g_free),
                .denials = g_ptr_array_new_with_free_func(g_free),
                .dropped = g_ptr_array_new_with_free_func(g_free),
                .env = g_ptr_array_new_with_free_func(g_free),
                .ret_why = ret_why,
        };
        int k = -ENOMEM;

        *ret_why = NULL;
        if (plan)
                k = resolve(&r, &own);
        if (k == 0)
                k = finish(&r, ret);
        if (k == 0)
                plan = NULL; /* now the result's */
        g_ptr_array_unref(r.mounts);
        g_ptr_array_unref(r.denials);
        g_ptr_array_unref(r.dropped);
        g_ptr_array_unref(r.env);
        g_string_chunk_free(r.strings);
        return k;
}

void policy_result_done(PolicyResult *r) {
        r->plan = plan_free(r->plan);
        g_clear_pointer(&r->explain, g_free);
        g_clear_pointer(&r->summary, g_free);
}
