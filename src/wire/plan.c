/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The plan: how it is built, encoded, decoded and checked. ocsb-stage acts on a plan as root, so everything
 * that its builder takes for granted is checked here, on both sides of the socket: a daemon that was taken
 * over can ask only for what these checks let through. */

#include "plan.h"

#include <linux/filter.h>

/* Building */

Plan *plan_new(void) {
        return calloc(1, sizeof(Plan));
}

Plan *plan_free(Plan *p) {
        if (!p)
                return NULL;
        free(p->groups);
        free(p->workdir);
        for (size_t i = 0; i < p->n_mounts; i++) {
                free(p->mounts[i].target);
                free(p->mounts[i].source);
        }
        free(p->mounts);
        for (size_t i = 0; i < p->n_denials; i++)
                free(p->denials[i].path);
        free(p->denials);
        for (size_t i = 0; i < p->n_env; i++)
                free(p->env[i]);
        free(p->env);
        free(p->bpf_session);
        free(p->bpf_exec);
        free(p);
        return NULL;
}

/* A copy that is also a string, whatever the bytes are. */
static char *copy_bytes(const void *data, size_t n) {
        char *s = malloc(n + 1);

        if (!s)
                return NULL;
        if (n > 0)
                memcpy(s, data, n);
        s[n] = 0;
        return s;
}

static size_t source_max(PlanMountKind kind) {
        return kind == PLAN_MOUNT_FILE ? PLAN_FILE_BYTES_MAX : PLAN_PATH_MAX;
}

int plan_add_mount(Plan *p, PlanMountKind kind, uint32_t flags, uint32_t mode, uint32_t fd,
                const char *target,
                const void *source, size_t source_len) {
        _cleanup_free_ char *t = NULL, *s = NULL;
        PlanMount *mounts;

        if (p->n_mounts >= PLAN_MOUNTS_MAX || source_len > source_max(kind) ||
                        strlen(target) > PLAN_PATH_MAX)
                return -E2BIG;
        if (kind != PLAN_MOUNT_FILE && source_len > 0 && memchr(source, 0, source_len))
                return -EINVAL;
        t = strdup(target);
        s = copy_bytes(source, source_len);
        if (!t || !s)
                return -ENOMEM;
        mounts = reallocarray(p->mounts, p->n_mounts + 1, sizeof(PlanMount));
        if (!mounts)
                return -ENOMEM;
        p->mounts = mounts;
        p->mounts[p->n_mounts++] = (PlanMount) {
                .kind = kind,
                .flags = flags,
                .mode = mode,
                .fd = fd,
                .target = TAKE_PTR(t),
                .source = TAKE_PTR(s),
                .source_len = source_len,
        };
        return 0;
}

int plan_add_denial(Plan *p, PlanDenialKind kind, const char *path) {
        _cleanup_free_ char *copy = NULL;
        PlanDenial *denials;

        if (strlen(path) > PLAN_PATH_MAX)
                return -E2BIG;
        for (size_t i = 0; i < p->n_denials; i++)
                if (streq(p->denials[i].path, path)) {
                        if (kind == PLAN_DENY_ALL)
                                p->denials[i].kind = kind;
                        return 0;
                }
        if (p->n_denials >= PLAN_DENIALS_MAX)
                return -E2BIG;
        copy = strdup(path);
        if (!copy)
                return -ENOMEM;
        denials = reallocarray(p->denials, p->n_denials + 1, sizeof(PlanDenial));
        if (!denials)
                return -ENOMEM;
        p->denials = denials;
        p->denials[p->n_denials++] = (PlanDenial) { .kind = kind, .path = TAKE_PTR(copy) };
        return 0;
}

/* With the NUL that each has in the payload's memory. */
static size_t env_bytes(const Plan *p) {
        size_t total = 0;

        for (size_t i = 0; i < p->n_env; i++)
                total += strlen(p->env[i]) + 1;
        return total;
}

static bool env_same_name(const char *a, const char *b) {
        size_t n = strcspn(a, "=");

        return strncmp(a, b, n) == 0 && b[n] == '=';
}

int plan_add_env(Plan *p, const char *assignment) {
        _cleanup_free_ char *copy = NULL;
        size_t at = 0, replaced;
        char **env;

        if (!env_assignment_valid(assignment))
                return -EINVAL;
        while (at < p->n_env && !env_same_name(assignment, p->env[at]))
                at++;
        if (at >= PLAN_ENV_MAX)
                return -E2BIG;
        replaced = at < p->n_env ? strlen(p->env[at]) + 1 : 0;
        if (env_bytes(p) - replaced + strlen(assignment) + 1 > PLAN_ENV_BYTES_MAX)
                return -E2BIG;
        copy = strdup(assignment);
        if (!copy)
                return -ENOMEM;
        if (at < p->n_env) {
                free(p->env[at]);
                p->env[at] = TAKE_PTR(copy);
                return 0;
        }
        env = reallocarray(p->env, p->n_env + 1, sizeof(char *));
        if (!env)
                return -ENOMEM;
        p->env = env;
        p->env[p->n_env++] = TAKE_PTR(copy);
        return 0;
}

/* Encoding: every member in the order of the struct, nothing padded and only the intent left out, where there is no
 * network; so that there is exactly one encoding of each plan. */

void plan_encode(WireWriter *w, const Plan *p) {
        wire_put_string(w, p->id);
        wire_put_string(w, p->profile);
        wire_put_u32(w, p->uid);
        wire_put_u32(w, p->gid);
        wire_put_u32(w, (uint32_t) p->n_groups);
        for (size_t i = 0; i < p->n_groups; i++)
                wire_put_u32(w, p->groups[i]);
        wire_put_u32(w, (uint32_t) p->root);
        wire_put_u32(w, (uint32_t) p->network);
        if (p->network == PLAN_NETWORK_NAT)
                net_intent_encode(w, &p->net);
        wire_put_string(w, p->hostname);
        wire_put_string(w, p->workdir);
        wire_put_u32(w, (uint32_t) p->n_mounts);
        for (size_t i = 0; i < p->n_mounts; i++) {
                const PlanMount *m = p->mounts + i;

                wire_put_u32(w, (uint32_t) m->kind);
                wire_put_u32(w, m->flags);
                wire_put_u32(w, m->mode);
                wire_put_u32(w, m->fd);
                wire_put_string(w, m->target);
                wire_put_bytes(w, m->source, m->source_len);
        }
        wire_put_u32(w, (uint32_t) p->n_denials);
        for (size_t i = 0; i < p->n_denials; i++) {
                wire_put_u32(w, (uint32_t) p->denials[i].kind);
                wire_put_string(w, p->denials[i].path);
        }
        wire_put_strv(w, p->env, p->n_env);
        wire_put_u64(w, p->limits.memory);
        wire_put_u64(w, p->limits.swap);
        wire_put_u64(w, p->limits.pids);
        wire_put_u64(w, p->limits.cpu);
        wire_put_u64(w, p->limits.io_weight);
        wire_put_u64(w, p->limits.scratch);
        wire_put_u64(w, p->limits.nofile);
        wire_put_u64(w, p->limits.nproc);
        wire_put_u64(w, p->limits.fsize);
        wire_put_u64(w, p->limits.execs);
        wire_put_u64(w, p->idle_usec);
        wire_put_u64(w, p->age_usec);
        wire_put_u32(w, p->n_fds);
        wire_put_bytes(w, p->bpf_session, p->bpf_session_len);
        wire_put_bytes(w, p->bpf_exec, p->bpf_exec_len);
}

/* Decoding. The readers below set the sticky error and leave in the plan only what plan_free() can free. */

/* Compared before it becomes an enum: a value of 2^31 or more would turn negative. */
static int get_enum(WireReader *r, int max) {
        uint32_t v = wire_get_u32(r);

        if (v < (uint32_t) max)
                return (int) v;
        r->error = r->error ? r->error : -EBADMSG;
        return 0;
}

static void *get_array(WireReader *r, size_t n, size_t each) {
        void *a;

        if (n == 0 || r->error)
                return NULL;
        a = calloc(n, each);
        if (!a)
                r->error = -ENOMEM;
        return a;
}

static uint8_t *get_blob(WireReader *r, size_t max, size_t *ret_len) {
        size_t n;
        const void *data = wire_get_bytes(r, max, &n);
        char *copy;

        if (!data)
                return NULL;
        copy = copy_bytes(data, n);
        if (!copy) {
                r->error = -ENOMEM;
                return NULL;
        }
        *ret_len = n;
        return (uint8_t *) copy;
}

static void get_groups(WireReader *r, Plan *p) {
        size_t n = wire_get_count(r, PLAN_GROUPS_MAX, sizeof(uint32_t));

        p->groups = get_array(r, n, sizeof(gid_t));
        for (; p->groups && p->n_groups < n; p->n_groups++)
                p->groups[p->n_groups] = wire_get_u32(r);
}

static void get_mounts(WireReader *r, Plan *p) {
        size_t n = wire_get_count(r, PLAN_MOUNTS_MAX, 6 * sizeof(uint32_t));

        p->mounts = get_array(r, n, sizeof(PlanMount));
        while (p->mounts && p->n_mounts < n && !r->error) {
                PlanMount *m = p->mounts + p->n_mounts++;

                m->kind = (PlanMountKind) get_enum(r, _PLAN_MOUNT_MAX);
                m->flags = wire_get_u32(r);
                m->mode = wire_get_u32(r);
                m->fd = wire_get_u32(r);
                m->target = wire_get_string(r, PLAN_PATH_MAX);
                m->source = (char *) get_blob(r, source_max(m->kind), &m->source_len);
        }
}

static void get_denials(WireReader *r, Plan *p) {
        size_t n = wire_get_count(r, PLAN_DENIALS_MAX, 2 * sizeof(uint32_t));

        p->denials = get_array(r, n, sizeof(PlanDenial));
        while (p->denials && p->n_denials < n && !r->error) {
                PlanDenial *d = p->denials + p->n_denials++;

                d->kind = (PlanDenialKind) get_enum(r, _PLAN_DENIAL_MAX);
                d->path = wire_get_string(r, PLAN_PATH_MAX);
        }
}

static void get_env(WireReader *r, Plan *p) {
        size_t n = wire_get_count(r, PLAN_ENV_MAX, sizeof(uint32_t));

        p->env = get_array(r, n, sizeof(char *));
        while (p->env && p->n_env < n && !r->error)
                p->env[p->n_env++] = wire_get_string(r, PLAN_ENV_BYTES_MAX);
}

static void get_limits(WireReader *r, PlanLimits *l) {
        l->memory = wire_get_u64(r);
        l->swap = wire_get_u64(r);
        l->pids = wire_get_u64(r);
        l->cpu = wire_get_u64(r);
        l->io_weight = wire_get_u64(r);
        l->scratch = wire_get_u64(r);
        l->nofile = wire_get_u64(r);
        l->nproc = wire_get_u64(r);
        l->fsize = wire_get_u64(r);
        l->execs = wire_get_u64(r);
}

static const char *reader_error_why(int error) {
        if (error == -ENOMEM)
                return "out of memory";
        return error == -E2BIG ? "the plan is over a limit of its encoding" : "the plan is malformed";
}

int plan_decode(WireReader *r, Plan **ret, const char **ret_why) {
        _cleanup_plan_ Plan *p = plan_new();
        int k;

        if (ret_why)
                *ret_why = NULL;
        if (!p) {
                if (ret_why)
                        *ret_why = reader_error_why(-ENOMEM);
                return -ENOMEM;
        }
        wire_get_string_buf(r, p->id, sizeof(p->id));
        wire_get_string_buf(r, p->profile, sizeof(p->profile));
        p->uid = wire_get_u32(r);
        p->gid = wire_get_u32(r);
        get_groups(r, p);
        p->root = (PlanRoot) get_enum(r, _PLAN_ROOT_MAX);
        p->network = (PlanNetwork) get_enum(r, _PLAN_NETWORK_MAX);
        if (p->network == PLAN_NETWORK_NAT)
                (void) net_intent_decode(r, &p->net, NULL);
        wire_get_string_buf(r, p->hostname, sizeof(p->hostname));
        p->workdir = wire_get_string(r, PLAN_PATH_MAX);
        get_mounts(r, p);
        get_denials(r, p);
        get_env(r, p);
        get_limits(r, &p->limits);
        p->idle_usec = wire_get_u64(r);
        p->age_usec = wire_get_u64(r);
        p->n_fds = wire_get_u32(r);
        p->bpf_session = get_blob(r, PLAN_BPF_BYTES_MAX, &p->bpf_session_len);
        p->bpf_exec = get_blob(r, PLAN_BPF_BYTES_MAX, &p->bpf_exec_len);

        k = wire_reader_finish(r);
        if (k < 0) {
                if (ret_why)
                        *ret_why = reader_error_why(k);
                return k;
        }
        k = plan_validate(p, ret_why);
        if (k < 0)
                return k;
        *ret = TAKE_PTR(p);
        return 0;
}

/* The invariants: one function each, NULL when it holds, else what is wrong. */

/* Both become parts of file, cgroup and object names, unescaped. */
static const char *check_names(const Plan *p) {
        if (!session_id_valid(p->id))
                return "the session id is not valid";
        if (!profile_name_valid(p->profile))
                return "the profile name is not valid";
        return NULL;
}

static bool id_is_sub(uint32_t id) {
        return id >= OCSB_SUB_ID && id - OCSB_SUB_ID < OCSB_SUB_COUNT;
}

/* The builder maps this uid to itself and opens sources with it: root would open everything, and -1 tells
 * the kernel "leave it as it is", which for the builder is root too (CVE-2018-19788). */
static const char *check_uid(const Plan *p) {
        if (p->uid == 0)
                return "the owner is root";
        if (p->uid > INT32_MAX)
                return "the owner's uid is out of range";
        return NULL;
}

/* As the uid; group 0 owns much of the host. */
static const char *check_gid(const Plan *p) {
        if (p->gid == 0)
                return "the owner's group is root's";
        if (p->gid > INT32_MAX)
                return "the owner's gid is out of range";
        return NULL;
}

/* An owner within the range that sandboxes map their other ids to would own what other sandboxes left
 * behind, and could signal their PID 1. */
static const char *check_ids_not_sub(const Plan *p) {
        if (id_is_sub(p->uid))
                return "the owner's uid is in the range of sandboxes";
        if (id_is_sub(p->gid))
                return "the owner's gid is in the range of sandboxes";
        for (size_t i = 0; i < p->n_groups; i++)
                if (id_is_sub(p->groups[i]))
                        return "a supplementary group is in the range of sandboxes";
        return NULL;
}

/* Supplementary groups decide what the caller may open as a source; group 0 is nobody's by accident. */
static const char *check_groups(const Plan *p) {
        if (p->n_groups > PLAN_GROUPS_MAX)
                return "there are too many supplementary groups";
        for (size_t i = 0; i < p->n_groups; i++) {
                if (p->groups[i] == 0)
                        return "a supplementary group is root's";
                if (p->groups[i] > INT32_MAX)
                        return "a supplementary group is out of range";
        }
        return NULL;
}

/* The builder switches over these and has no default branch. */
static const char *check_enums(const Plan *p) {
        if (p->root < 0 || p->root >= _PLAN_ROOT_MAX)
                return "the root is of no known kind";
        if (p->network < 0 || p->network >= _PLAN_NETWORK_MAX)
                return "the network is of no known kind";
        for (size_t i = 0; i < p->n_mounts; i++)
                if (p->mounts[i].kind < 0 || p->mounts[i].kind >= _PLAN_MOUNT_MAX)
                        return "a mount is of no known kind";
        for (size_t i = 0; i < p->n_denials; i++)
                if (p->denials[i].kind != PLAN_DENY_ALL && p->denials[i].kind != PLAN_DENY_WRITE)
                        return "a denial is of no known kind";
        return NULL;
}

/* What a session without a network may reach is nothing; grants that nobody looks at would be shown as if they held. */
static const char *check_network(const Plan *p) {
        const char *why = NULL;

        if (p->network == PLAN_NETWORK_NAT)
                return net_intent_validate(&p->net, &why) < 0 ? why : NULL;
        if (p->network == PLAN_NETWORK_NONE && (p->net.n_resolvers > 0 || p->net.n_grants > 0))
                return "a plan without a network has resolvers or network grants";
        return NULL;
}

/* Written to the uts namespace and to /etc/hosts: nothing that could start a second line. */
static const char *check_hostname(const Plan *p) {
        return hostname_valid(p->hostname) ? NULL : "the host name is not valid";
}

/* Entered by path after the root has changed; ".." would still be inside, but is never what was meant. */
static const char *check_workdir(const Plan *p) {
        if (!p->workdir || !path_is_normal(p->workdir))
                return "the work directory is not a normal absolute path";
        return NULL;
}

/* Bounds the builder's work: it runs as root and serves one plan after another. */
static const char *check_counts(const Plan *p) {
        if (p->n_mounts > PLAN_MOUNTS_MAX)
                return "there are too many mounts";
        if (p->n_denials > PLAN_DENIALS_MAX)
                return "there are too many denials";
        if (p->n_fds > PLAN_FDS_MAX)
                return "there are too many descriptors";
        return NULL;
}

/* A target is walked component by component; one with ".." or an empty component would compare differently
 * here and there. A mount on "/" would replace the root with all that the builder made. */
static const char *check_targets_normal(const Plan *p) {
        for (size_t i = 0; i < p->n_mounts; i++) {
                if (!path_is_normal(p->mounts[i].target))
                        return "a mount's target is not a normal absolute path";
                if (streq(p->mounts[i].target, "/"))
                        return "a mount's target is the root directory";
        }
        return NULL;
}

/* /proc and /dev are the builder's own; what covered a part of them could feign it for the payload and for
 * our own code inside (CVE-2019-16884: a mount over /proc and the labels went to the wrong file). */
static const char *check_targets_not_kernel(const Plan *p) {
        for (size_t i = 0; i < p->n_mounts; i++) {
                const PlanMount *m = p->mounts + i;

                if (m->kind == PLAN_MOUNT_SCRATCH && streq(m->target, "/dev/shm"))
                        continue;
                if (path_is_beneath(m->target, "/proc"))
                        return "a mount's target is in /proc";
                if (path_is_beneath(m->target, "/sys"))
                        return "a mount's target is in /sys";
                if (path_is_beneath(m->target, "/dev"))
                        return "a mount's target is in /dev";
        }
        return NULL;
}

/* Two mounts on one target hide each other: what Explain showed and what is there would differ. */
static const char *check_targets_unique(const Plan *p) {
        for (size_t i = 0; i < p->n_mounts; i++)
                for (size_t j = 0; j < i; j++)
                        if (streq(p->mounts[i].target, p->mounts[j].target))
                                return "two mounts have the same target";
        return NULL;
}

/* A symlink that the plan makes could lead a later target to where check_targets_not_kernel() refuses it;
 * nothing can be beneath a file. */
static const char *check_targets_not_beneath_link(const Plan *p) {
        for (size_t i = 0; i < p->n_mounts; i++) {
                PlanMountKind kind = p->mounts[i].kind;

                if (kind != PLAN_MOUNT_SYMLINK && kind != PLAN_MOUNT_FILE)
                        continue;
                for (size_t j = 0; j < p->n_mounts; j++)
                        if (j != i && path_is_beneath(p->mounts[j].target, p->mounts[i].target))
                                return "a mount's target is beneath a symlink or file of the plan";
        }
        return NULL;
}

/* The builder uses sources as C strings; only the contents of a file may hold NULs. A symlink must say
 * something. */
static const char *check_sources_are_strings(const Plan *p) {
        for (size_t i = 0; i < p->n_mounts; i++) {
                const PlanMount *m = p->mounts + i;

                if (m->source_len > source_max(m->kind))
                        return m->kind == PLAN_MOUNT_FILE ? "a file's contents are too long" : "a source is too long";
                if (m->kind != PLAN_MOUNT_FILE && memchr(m->source, 0, m->source_len))
                        return "a source contains a NUL byte";
                if (m->kind == PLAN_MOUNT_SYMLINK && m->source_len == 0)
                        return "a symlink is empty";
        }
        return NULL;
}

/* The last line against showing what nobody may show: holds also when the daemon's policy code was wrong. */
static const char *check_sources_allowed(const Plan *p) {
        for (size_t i = 0; i < p->n_mounts; i++) {
                const PlanMount *m = p->mounts + i;
                const char *why;

                if (m->kind != PLAN_MOUNT_PATH)
                        continue;
                why = plan_source_refusal(m->source, m->flags & PLAN_MOUNT_WRITE);
                if (why)
                        return why;
        }
        return NULL;
}

/* Something writable over the system's directories would let one exec plant programs and libraries that the
 * next one, or our own init, runs. */
static const char *check_writable_not_system(const Plan *p) {
        static const char *const trees[] = {
                "/usr", "/etc", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32",
        };

        for (size_t i = 0; i < p->n_mounts; i++) {
                const PlanMount *m = p->mounts + i;

                if (m->kind != PLAN_MOUNT_PATH || !(m->flags & PLAN_MOUNT_WRITE))
                        continue;
                if (streq(m->target, "/opt") || streq(m->target, "/var"))
                        return "a writable path covers a directory of the system";
                for (size_t k = 0; k < ELEMENTSOF(trees); k++)
                        if (path_is_beneath(m->target, trees[k]))
                                return "a writable path covers a directory of the system";
        }
        return NULL;
}

/* A flag that the builder would not look at is a protection or a permission that someone thinks is there. */
static const char *check_flags(const Plan *p) {
        static const uint32_t legal[_PLAN_MOUNT_MAX] = {
                [PLAN_MOUNT_PATH] = PLAN_MOUNT_WRITE | PLAN_MOUNT_EXEC | PLAN_MOUNT_OPTIONAL,
                [PLAN_MOUNT_FD] = PLAN_MOUNT_WRITE | PLAN_MOUNT_EXEC,
                [PLAN_MOUNT_SCRATCH] = PLAN_MOUNT_WRITE | PLAN_MOUNT_EXEC,
        };

        for (size_t i = 0; i < p->n_mounts; i++)
                if (p->mounts[i].flags & ~legal[p->mounts[i].kind])
                        return "a mount has a flag that is not for its kind";
        return NULL;
}

/* The index is used in an array of what came with the message. */
static const char *check_fds(const Plan *p) {
        for (size_t i = 0; i < p->n_mounts; i++)
                if (p->mounts[i].kind == PLAN_MOUNT_FD && p->mounts[i].fd >= p->n_fds)
                        return "a mount names a descriptor that did not come";
        return NULL;
}

/* Passed to mkdir() and open() as they are: never a set-user-ID or set-group-ID bit, which nosuid would only
 * make harmless. */
static const char *check_modes(const Plan *p) {
        for (size_t i = 0; i < p->n_mounts; i++) {
                const PlanMount *m = p->mounts + i;

                if (m->mode > (m->kind == PLAN_MOUNT_FILE ? 0777u : 01777u))
                        return "a mount's mode has bits that it must not have";
        }
        return NULL;
}

/* A denial that is not normal would be compared with granted trees and match none of them: open instead of
 * closed. Of two for one path only one could hold. */
static const char *check_denials(const Plan *p) {
        for (size_t i = 0; i < p->n_denials; i++) {
                if (!path_is_normal(p->denials[i].path))
                        return "a denial's path is not a normal absolute path";
                if (streq(p->denials[i].path, "/"))
                        return "a denial's path is the root directory";
                for (size_t j = 0; j < i; j++)
                        if (streq(p->denials[i].path, p->denials[j].path))
                                return "two denials have the same path";
        }
        return NULL;
}

/* Must fit into the execve() of each exec with room for its own arguments; a name that comes twice means
 * different things to different programs. */
static const char *check_env(const Plan *p) {
        if (p->n_env > PLAN_ENV_MAX)
                return "there are too many environment variables";
        for (size_t i = 0; i < p->n_env; i++) {
                if (!env_assignment_valid(p->env[i]))
                        return "an environment variable is not of the form NAME=value";
                for (size_t j = 0; j < i; j++)
                        if (env_same_name(p->env[i], p->env[j]))
                                return "an environment variable is set twice";
        }
        if (env_bytes(p) > PLAN_ENV_BYTES_MAX)
                return "the environment is too large";
        return NULL;
}

/* Values that the kernel would refuse or that would end the sandbox's own PID 1, and limits that must always
 * be there: PLAN_UNLIMITED is greater than each upper bound. */
static const char *check_limits(const Plan *p) {
        const PlanLimits *l = &p->limits;

        if (l->memory < UINT64_C(1) << 20)
                return "the memory limit is below 1 MiB";
        if (l->pids < 1)
                return "the limit of tasks is 0";
        if (l->cpu < 1000)
                return "the CPU limit is below a thousandth of a CPU";
        if (l->io_weight != PLAN_UNLIMITED && (l->io_weight < 1 || l->io_weight > 10000))
                return "the I/O weight is not within 1 to 10000";
        if (l->scratch < UINT64_C(64) << 10 || l->scratch > UINT64_C(64) << 30)
                return "the size of scratch is not within 64 KiB to 64 GiB";
        if (l->nofile < 16 || l->nofile > 1048576)
                return "the limit of open files is not within 16 to 1048576";
        if (l->nproc < 1 || l->nproc > 4194304)
                return "the limit of processes is not within 1 to 4194304";
        if (l->execs < 1 || l->execs > 4096)
                return "the limit of concurrent execs is not within 1 to 4096";
        return NULL;
}

static bool bpf_length_valid(const uint8_t *program, size_t len) {
        return program && len > 0 && len <= PLAN_BPF_BYTES_MAX && len % sizeof(struct sock_filter) == 0;
}

/* No plan without both filters. What they say is the policy's; their size goes into a struct sock_fprog,
 * whose count has 16 bits. */
static const char *check_bpf(const Plan *p) {
        if (!bpf_length_valid(p->bpf_session, p->bpf_session_len))
                return "the session's seccomp program is not valid";
        if (!bpf_length_valid(p->bpf_exec, p->bpf_exec_len))
                return "the execs' seccomp program is not valid";
        return NULL;
}

int plan_validate(const Plan *p, const char **ret_why) {
        /* In this order: a later check may rely on an earlier one. */
        static const struct {
                const char *(*check)(const Plan *p);
                int error;
        } invariants[] = {
                { check_counts, -EINVAL },
                { check_enums, -EINVAL },
                { check_network, -EINVAL },
                { check_names, -EINVAL },
                { check_uid, -EPERM },
                { check_gid, -EPERM },
                { check_groups, -EPERM },
                { check_ids_not_sub, -EPERM },
                { check_hostname, -EINVAL },
                { check_workdir, -EINVAL },
                { check_targets_normal, -EINVAL },
                { check_targets_not_kernel, -EPERM },
                { check_targets_unique, -EINVAL },
                { check_targets_not_beneath_link, -EINVAL },
                { check_sources_are_strings, -EINVAL },
                { check_flags, -EINVAL },
                { check_sources_allowed, -EPERM },
                { check_writable_not_system, -EPERM },
                { check_fds, -EINVAL },
                { check_modes, -EINVAL },
                { check_denials, -EINVAL },
                { check_env, -EINVAL },
                { check_limits, -EINVAL },
                { check_bpf, -EINVAL },
        };

        for (size_t i = 0; i < ELEMENTSOF(invariants); i++) {
                const char *why = invariants[i].check(p);

                if (why) {
                        if (ret_why)
                                *ret_why = why;
                        return invariants[i].error;
                }
        }
        if (ret_why)
                *ret_why = NULL;
        return 0;
}

/* Names in profiles and in Explain */

static const char *const roots[_PLAN_ROOT_MAX] = {
        [PLAN_ROOT_HOST_MINIMAL] = "host-minimal",
        [PLAN_ROOT_HOST] = "host",
};

static const char *const networks[_PLAN_NETWORK_MAX] = {
        [PLAN_NETWORK_NONE] = "none",
        [PLAN_NETWORK_NAT] = "nat",
};

const char *plan_root_to_string(PlanRoot v) {
        return v >= 0 && v < _PLAN_ROOT_MAX ? roots[v] : NULL;
}

PlanRoot plan_root_from_string(const char *s) {
        for (int i = 0; i < _PLAN_ROOT_MAX; i++)
                if (streq(s, roots[i]))
                        return (PlanRoot) i;
        return _PLAN_ROOT_INVALID;
}

const char *plan_network_to_string(PlanNetwork v) {
        return v >= 0 && v < _PLAN_NETWORK_MAX ? networks[v] : NULL;
}

PlanNetwork plan_network_from_string(const char *s) {
        for (int i = 0; i < _PLAN_NETWORK_MAX; i++)
                if (streq(s, networks[i]))
                        return (PlanNetwork) i;
        return _PLAN_NETWORK_INVALID;
}
