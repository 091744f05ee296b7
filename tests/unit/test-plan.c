/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "unit.h"

#include <stdio.h>

#include "wire/plan.h"

static void must(int r) {
        assert_int_equal(r, 0);
}

static void add_path(Plan *p, const char *target, const char *source, uint32_t flags) {
        must(plan_add_mount(p, PLAN_MOUNT_PATH, flags, 0, 0, target, source, strlen(source)));
}

static uint8_t *filter(size_t n) {
        uint8_t *b = malloc(n);

        assert_non_null(b);
        memset(b, 6, n);
        return b;
}

/* One mount of each kind at these indices. */
enum { M_USR, M_WORK, M_SHM, M_PASSWD, M_BIN, M_HOME, M_FD };

/* A plan that uses every member and breaks no invariant. Each negative test breaks one thing in it. */
static Plan *sample(void) {
        Plan *p = plan_new();

        assert_non_null(p);
        strcpy(p->id, "agent_1");
        strcpy(p->profile, "web-1.2");
        p->uid = 1000;
        p->gid = 1000;
        p->groups = calloc(2, sizeof(gid_t));
        p->groups[0] = 20;
        p->groups[1] = 1001;
        p->n_groups = 2;
        p->root = PLAN_ROOT_HOST_MINIMAL;
        p->network = PLAN_NETWORK_NONE;
        strcpy(p->hostname, "sandbox");
        p->workdir = strdup("/work");
        add_path(p, "/usr", "/usr", PLAN_MOUNT_EXEC);
        add_path(p, "/work", "/home/u/project", PLAN_MOUNT_WRITE | PLAN_MOUNT_EXEC | PLAN_MOUNT_OPTIONAL);
        must(plan_add_mount(p, PLAN_MOUNT_SCRATCH, PLAN_MOUNT_WRITE, 01777, 0, "/dev/shm", "", 0));
        must(plan_add_mount(p, PLAN_MOUNT_FILE, 0, 0644, 0, "/etc/passwd", "u\0x\n", 4));
        must(plan_add_mount(p, PLAN_MOUNT_SYMLINK, 0, 0, 0, "/bin", "usr/bin", 7));
        must(plan_add_mount(p, PLAN_MOUNT_DIR, 0, 0755, 0, "/home", "", 0));
        must(plan_add_mount(p, PLAN_MOUNT_FD, PLAN_MOUNT_WRITE, 0, 1, "/data", "", 0));
        must(plan_add_denial(p, PLAN_DENY_ALL, "/work/.env"));
        must(plan_add_denial(p, PLAN_DENY_WRITE, "/work/.git/hooks"));
        must(plan_add_env(p, "PATH=/usr/bin"));
        must(plan_add_env(p, "LANG=C.UTF-8"));
        p->limits = (PlanLimits) {
                .memory = 1 << 30,
                .swap = 0,
                .pids = 512,
                .cpu = 1500000,
                .io_weight = 100,
                .scratch = 1 << 26,
                .nofile = 1024,
                .nproc = 512,
                .fsize = PLAN_UNLIMITED,
                .execs = 16,
        };
        p->idle_usec = USEC_INFINITY;
        p->age_usec = 86400 * USEC_PER_SEC;
        p->n_fds = 2;
        p->bpf_session = filter(64);
        p->bpf_session_len = 64;
        p->bpf_exec = filter(16);
        p->bpf_exec_len = 16;
        return p;
}

static void encode(WireWriter *w, const Plan *p) {
        plan_encode(w, p);
        assert_int_equal(w->error, 0);
}

/* Takes the plan. The same refusal before it is sent and after it was received, and nothing handed out. */
static void refused(Plan *p, int error, const char *why) {
        _cleanup_writer_ WireWriter w = {};
        Plan *got = (Plan *) &w; /* any value that must stay */
        const char *said = NULL;
        WireReader r;

        assert_int_equal(plan_validate(p, &said), error);
        assert_string_equal(said, why);
        assert_int_equal(plan_validate(p, NULL), error);
        encode(&w, p);
        r = WIRE_READER(w.data, w.len);
        said = NULL;
        assert_true(plan_decode(&r, &got, &said) < 0);
        assert_ptr_equal(got, &w);
        assert_non_null(said);
        plan_free(p);
}

static void accepted(Plan *p) {
        const char *why = "unset";

        if (plan_validate(p, &why) < 0)
                fail_msg("refused: %s", why);
        assert_null(why);
        plan_free(p);
}

static void set(char **s, const char *value) {
        free(*s);
        *s = strdup(value);
        assert_non_null(*s);
}

static void set_source(PlanMount *m, const char *value) {
        set(&m->source, value);
        m->source_len = strlen(value);
}

/* Encoding */

static void plan_survives_a_round_trip(void **state) {
        _cleanup_plan_ Plan *p = sample(), *q = NULL;
        _cleanup_writer_ WireWriter w = {};
        const char *why = "unset";
        WireReader r;

        (void) state;
        encode(&w, p);
        r = WIRE_READER(w.data, w.len);
        assert_int_equal(plan_decode(&r, &q, &why), 0);
        assert_null(why);
        assert_string_equal(q->id, p->id);
        assert_string_equal(q->profile, p->profile);
        assert_int_equal(q->uid, p->uid);
        assert_int_equal(q->gid, p->gid);
        assert_int_equal(q->n_groups, 2);
        assert_memory_equal(q->groups, p->groups, 2 * sizeof(gid_t));
        assert_int_equal(q->root, p->root);
        assert_int_equal(q->network, p->network);
        assert_string_equal(q->hostname, p->hostname);
        assert_string_equal(q->workdir, p->workdir);
        assert_int_equal(q->n_mounts, p->n_mounts);
        for (size_t i = 0; i < p->n_mounts; i++) {
                assert_int_equal(q->mounts[i].kind, p->mounts[i].kind);
                assert_int_equal(q->mounts[i].flags, p->mounts[i].flags);
                assert_int_equal(q->mounts[i].mode, p->mounts[i].mode);
                assert_int_equal(q->mounts[i].fd, p->mounts[i].fd);
                assert_string_equal(q->mounts[i].target, p->mounts[i].target);
                assert_int_equal(q->mounts[i].source_len, p->mounts[i].source_len);
                assert_memory_equal(q->mounts[i].source, p->mounts[i].source, p->mounts[i].source_len + 1);
        }
        assert_int_equal(q->n_denials, 2);
        assert_int_equal(q->denials[1].kind, PLAN_DENY_WRITE);
        assert_string_equal(q->denials[1].path, "/work/.git/hooks");
        assert_int_equal(q->n_env, 2);
        assert_string_equal(q->env[1], "LANG=C.UTF-8");
        assert_memory_equal(&q->limits, &p->limits, sizeof(PlanLimits));
        assert_true(q->idle_usec == p->idle_usec);
        assert_true(q->age_usec == p->age_usec);
        assert_int_equal(q->n_fds, 2);
        assert_int_equal(q->bpf_session_len, 64);
        assert_memory_equal(q->bpf_session, p->bpf_session, 64);
        assert_int_equal(q->bpf_exec_len, 16);
        assert_memory_equal(q->bpf_exec, p->bpf_exec, 16);
}

static void equal_plans_have_equal_bytes(void **state) {
        _cleanup_plan_ Plan *p = sample(), *q = NULL, *other = sample();
        _cleanup_writer_ WireWriter a = {}, b = {}, c = {};
        WireReader r;

        (void) state;
        encode(&a, p);
        r = WIRE_READER(a.data, a.len);
        assert_int_equal(plan_decode(&r, &q, NULL), 0);
        encode(&b, q);
        assert_int_equal(b.len, a.len);
        assert_memory_equal(b.data, a.data, a.len);
        other->limits.execs++;
        encode(&c, other);
        assert_int_equal(c.len, a.len);
        assert_memory_not_equal(c.data, a.data, a.len);
}

static void bytes_behind_the_end_of_a_name_are_not_encoded(void **state) {
        _cleanup_plan_ Plan *p = sample(), *q = sample();
        _cleanup_writer_ WireWriter a = {}, b = {};

        (void) state;
        memset(p->id + strlen(p->id) + 1, 'x', 5);
        memset(p->hostname + strlen(p->hostname) + 1, 'x', 5);
        encode(&a, p);
        encode(&b, q);
        assert_int_equal(b.len, a.len);
        assert_memory_equal(b.data, a.data, a.len);
}

static void every_truncated_plan_is_refused(void **state) {
        _cleanup_plan_ Plan *p = sample();
        _cleanup_writer_ WireWriter w = {};

        (void) state;
        encode(&w, p);
        for (size_t n = 0; n < w.len; n++) {
                _cleanup_free_ uint8_t *exact = malloc(n + 1);
                const char *why = NULL;
                Plan *q = NULL;
                WireReader r;

                memcpy(exact, w.data, n);
                r = WIRE_READER(exact, n);
                assert_int_equal(plan_decode(&r, &q, &why), -EBADMSG);
                assert_null(q);
                assert_string_equal(why, "the plan is malformed");
        }
}

static void a_plan_with_bytes_left_over_is_refused(void **state) {
        _cleanup_plan_ Plan *p = sample();
        _cleanup_writer_ WireWriter w = {};
        Plan *q = NULL;
        WireReader r;

        (void) state;
        encode(&w, p);
        wire_put_u32(&w, 0);
        r = WIRE_READER(w.data, w.len);
        assert_int_equal(plan_decode(&r, &q, NULL), -EBADMSG);
        assert_null(q);
}

static void no_single_changed_byte_makes_the_decoder_misbehave(void **state) {
        static const uint8_t values[] = { 0, 1, 0x7f, 0x80, 0xff };
        _cleanup_plan_ Plan *p = sample();
        _cleanup_writer_ WireWriter w = {};

        (void) state;
        encode(&w, p);
        for (size_t i = 0; i < w.len; i++)
                for (size_t k = 0; k < ELEMENTSOF(values); k++) {
                        uint8_t saved = w.data[i];
                        _cleanup_plan_ Plan *q = NULL;
                        WireReader r = WIRE_READER(w.data, w.len);

                        w.data[i] = values[k];
                        if (plan_decode(&r, &q, NULL) >= 0) {
                                _cleanup_writer_ WireWriter again = {};

                                encode(&again, q);
                                assert_int_equal(again.len, w.len);
                                assert_memory_equal(again.data, w.data, w.len);
                        }
                        w.data[i] = saved;
                }
}

static void an_empty_plan_is_not_valid(void **state) {
        _cleanup_plan_ Plan *p = plan_new();

        (void) state;
        assert_true(plan_validate(p, NULL) < 0);
        plan_free(NULL);
}

/* Building */

static void adding_stops_at_the_caps(void **state) {
        _cleanup_plan_ Plan *p = plan_new();
        char name[32];

        (void) state;
        for (unsigned i = 0; i < PLAN_MOUNTS_MAX; i++)
                must(plan_add_mount(p, PLAN_MOUNT_DIR, 0, 0, 0, "/a", NULL, 0));
        assert_int_equal(plan_add_mount(p, PLAN_MOUNT_DIR, 0, 0, 0, "/a", NULL, 0), -E2BIG);
        assert_int_equal(p->n_mounts, PLAN_MOUNTS_MAX);
        for (unsigned i = 0; i < PLAN_DENIALS_MAX; i++) {
                (void) snprintf(name, sizeof(name), "/%u", i);
                must(plan_add_denial(p, PLAN_DENY_WRITE, name));
        }
        assert_int_equal(plan_add_denial(p, PLAN_DENY_WRITE, "/a"), -E2BIG);
        must(plan_add_denial(p, PLAN_DENY_ALL, "/7"));
        for (unsigned i = 0; i < PLAN_ENV_MAX; i++) {
                (void) snprintf(name, sizeof(name), "V%u=1", i);
                must(plan_add_env(p, name));
        }
        assert_int_equal(plan_add_env(p, "A=1"), -E2BIG);
        must(plan_add_env(p, "V7=2"));
        assert_int_equal(p->n_env, PLAN_ENV_MAX);
}

static void adding_stops_at_the_limits_of_strings(void **state) {
        _cleanup_plan_ Plan *p = plan_new();
        _cleanup_free_ char *big = malloc(PLAN_ENV_BYTES_MAX + 1);

        (void) state;
        memset(big, 'a', PLAN_ENV_BYTES_MAX);
        big[PLAN_ENV_BYTES_MAX] = 0;
        must(plan_add_mount(p, PLAN_MOUNT_FILE, 0, 0, 0, "/a", big, PLAN_FILE_BYTES_MAX));
        assert_int_equal(plan_add_mount(p, PLAN_MOUNT_FILE, 0, 0, 0, "/a", big, PLAN_FILE_BYTES_MAX + 1),
                        -E2BIG);
        assert_int_equal(plan_add_mount(p, PLAN_MOUNT_PATH, 0, 0, 0, "/a", big, PLAN_PATH_MAX + 1), -E2BIG);
        assert_int_equal(plan_add_mount(p, PLAN_MOUNT_PATH, 0, 0, 0, big, "/a", 2), -E2BIG);
        assert_int_equal(plan_add_mount(p, PLAN_MOUNT_PATH, 0, 0, 0, "/a", "/a\0b", 4), -EINVAL);
        assert_int_equal(p->n_mounts, 1);
        assert_int_equal(plan_add_denial(p, PLAN_DENY_ALL, big), -E2BIG);
        assert_int_equal(p->n_denials, 0);
        big[1] = '=';
        assert_int_equal(plan_add_env(p, big), -E2BIG);
        big[PLAN_ENV_BYTES_MAX - 1] = 0;
        must(plan_add_env(p, big));
        assert_int_equal(plan_add_env(p, "B="), -E2BIG);
        must(plan_add_env(p, "a=short"));
        must(plan_add_env(p, "B="));
        assert_int_equal(p->n_env, 2);
}

static void adding_env_replaces_the_same_name(void **state) {
        _cleanup_plan_ Plan *p = plan_new();

        (void) state;
        must(plan_add_env(p, "A=1"));
        must(plan_add_env(p, "AB=2"));
        must(plan_add_env(p, "A=3=4"));
        assert_int_equal(p->n_env, 2);
        assert_string_equal(p->env[0], "A=3=4");
        assert_string_equal(p->env[1], "AB=2");
        assert_int_equal(plan_add_env(p, "no assignment"), -EINVAL);
        assert_int_equal(plan_add_env(p, "=x"), -EINVAL);
}

static void adding_a_denial_twice_keeps_the_stricter(void **state) {
        _cleanup_plan_ Plan *p = plan_new();

        (void) state;
        must(plan_add_denial(p, PLAN_DENY_WRITE, "/a"));
        must(plan_add_denial(p, PLAN_DENY_ALL, "/a"));
        must(plan_add_denial(p, PLAN_DENY_WRITE, "/a"));
        assert_int_equal(p->n_denials, 1);
        assert_int_equal(p->denials[0].kind, PLAN_DENY_ALL);
}

/* Invariants. BREAK declares a test that changes the sample plan p in one way and expects one refusal. */
#define BREAK(name, error, why, ...)                                                                        \
        static void plan_refuses_##name(void **state) {                                                     \
                Plan *p = sample();                                                                         \
                                                                                                            \
                (void) state;                                                                               \
                __VA_ARGS__;                                                                                \
                refused(p, (error), (why));                                                                 \
        }

BREAK(an_id_that_is_a_path, -EINVAL, "the session id is not valid", strcpy(p->id, "../x"))
BREAK(an_empty_id, -EINVAL, "the session id is not valid", p->id[0] = 0)
BREAK(a_profile_name_that_is_a_path, -EINVAL, "the profile name is not valid", strcpy(p->profile, "a/b"))

BREAK(uid_zero, -EPERM, "the owner is root", p->uid = 0)
BREAK(uid_minus_one, -EPERM, "the owner's uid is out of range", p->uid = (uid_t) -1)
BREAK(uid_above_2_31, -EPERM, "the owner's uid is out of range", p->uid = UINT32_C(1) << 31)
BREAK(gid_zero, -EPERM, "the owner's group is root's", p->gid = 0)
BREAK(gid_minus_one, -EPERM, "the owner's gid is out of range", p->gid = (gid_t) -1)
BREAK(uid_of_the_sandbox_range, -EPERM, "the owner's uid is in the range of sandboxes", p->uid = OCSB_SUB_ID)
BREAK(last_uid_of_the_sandbox_range, -EPERM, "the owner's uid is in the range of sandboxes",
                p->uid = OCSB_SUB_ID + OCSB_SUB_COUNT - 1)
BREAK(gid_of_the_sandbox_range, -EPERM, "the owner's gid is in the range of sandboxes",
                p->gid = OCSB_SUB_ID + 5)
BREAK(group_of_the_sandbox_range, -EPERM, "a supplementary group is in the range of sandboxes",
                p->groups[1] = OCSB_SUB_ID)
BREAK(group_zero, -EPERM, "a supplementary group is root's", p->groups[1] = 0)
BREAK(group_minus_one, -EPERM, "a supplementary group is out of range", p->groups[0] = (gid_t) -1)
BREAK(too_many_groups, -EPERM, "there are too many supplementary groups", {
        p->n_groups = PLAN_GROUPS_MAX + 1;
        p->groups = reallocarray(p->groups, p->n_groups, sizeof(gid_t));
        for (size_t i = 0; i < p->n_groups; i++)
                p->groups[i] = 20;
})

BREAK(an_unknown_root, -EINVAL, "the root is of no known kind", p->root = _PLAN_ROOT_MAX)
BREAK(a_negative_root, -EINVAL, "the root is of no known kind", p->root = _PLAN_ROOT_INVALID)
BREAK(an_unknown_network, -EINVAL, "the network is of no known kind", p->network = _PLAN_NETWORK_MAX)
BREAK(an_unknown_mount_kind, -EINVAL, "a mount is of no known kind",
                p->mounts[M_HOME].kind = _PLAN_MOUNT_MAX)
BREAK(an_unknown_denial_kind, -EINVAL, "a denial is of no known kind", p->denials[0].kind = _PLAN_DENIAL_MAX)

BREAK(a_hostname_with_a_newline, -EINVAL, "the host name is not valid", strcpy(p->hostname, "a\nb"))
BREAK(a_relative_workdir, -EINVAL, "the work directory is not a normal absolute path",
                set(&p->workdir, "work"))
BREAK(a_workdir_with_dots, -EINVAL, "the work directory is not a normal absolute path",
                set(&p->workdir, "/work/../x"))
BREAK(a_missing_workdir, -EINVAL, "the work directory is not a normal absolute path", {
        free(p->workdir);
        p->workdir = NULL;
})
BREAK(too_many_descriptors, -EINVAL, "there are too many descriptors", p->n_fds = PLAN_FDS_MAX + 1)

BREAK(a_relative_target, -EINVAL, "a mount's target is not a normal absolute path",
                set(&p->mounts[M_WORK].target, "work"))
BREAK(a_target_with_dots, -EINVAL, "a mount's target is not a normal absolute path",
                set(&p->mounts[M_FD].target, "/data/../proc"))
BREAK(a_target_with_a_trailing_slash, -EINVAL, "a mount's target is not a normal absolute path",
                set(&p->mounts[M_BIN].target, "/bin/"))
BREAK(a_target_that_is_the_root, -EINVAL, "a mount's target is the root directory",
                set(&p->mounts[M_WORK].target, "/"))
BREAK(a_target_on_proc, -EPERM, "a mount's target is in /proc", set(&p->mounts[M_FD].target, "/proc"))
BREAK(a_target_beneath_sys, -EPERM, "a mount's target is in /sys",
                set(&p->mounts[M_PASSWD].target, "/sys/fs/cgroup"))
BREAK(a_path_on_dev_shm, -EPERM, "a mount's target is in /dev", {
        p->mounts[M_SHM].kind = PLAN_MOUNT_PATH;
        set_source(p->mounts + M_SHM, "/home/u/shm");
})
BREAK(scratch_beneath_dev_shm, -EPERM, "a mount's target is in /dev",
                set(&p->mounts[M_SHM].target, "/dev/shm/x"))
BREAK(scratch_on_dev, -EPERM, "a mount's target is in /dev", set(&p->mounts[M_SHM].target, "/dev"))

static void plan_refuses_every_kind_of_mount_in_proc_sys_and_dev(void **state) {
        static const char *const targets[] = {
                "/proc", "/proc/1/root", "/sys", "/sys/kernel", "/dev", "/dev/null", "/dev/pts",
        };

        (void) state;
        for (size_t t = 0; t < ELEMENTSOF(targets); t++)
                for (size_t i = 0; i <= M_FD; i++) {
                        _cleanup_plan_ Plan *p = sample();

                        set(&p->mounts[i].target, targets[t]);
                        assert_int_equal(plan_validate(p, NULL), -EPERM);
                }
}

BREAK(one_target_twice, -EINVAL, "two mounts have the same target", set(&p->mounts[M_FD].target, "/work"))
BREAK(a_target_beneath_a_symlink, -EINVAL, "a mount's target is beneath a symlink or file of the plan", {
        set(&p->mounts[M_BIN].target, "/x");
        set_source(p->mounts + M_BIN, "/proc");
        set(&p->mounts[M_FD].target, "/x/sys");
})
BREAK(a_target_beneath_a_file, -EINVAL, "a mount's target is beneath a symlink or file of the plan",
                set(&p->mounts[M_HOME].target, "/etc/passwd/x"))

BREAK(a_nul_in_a_source, -EINVAL, "a source contains a NUL byte", p->mounts[M_WORK].source[5] = 0)
BREAK(a_nul_in_a_symlink, -EINVAL, "a source contains a NUL byte", p->mounts[M_BIN].source[3] = 0)
BREAK(an_empty_symlink, -EINVAL, "a symlink is empty", set_source(p->mounts + M_BIN, ""))
BREAK(a_file_over_its_limit, -EINVAL, "a file's contents are too long", {
        free(p->mounts[M_PASSWD].source);
        p->mounts[M_PASSWD].source = calloc(1, PLAN_FILE_BYTES_MAX + 2);
        p->mounts[M_PASSWD].source_len = PLAN_FILE_BYTES_MAX + 1;
})
BREAK(a_symlink_over_its_limit, -EINVAL, "a source is too long", {
        free(p->mounts[M_BIN].source);
        p->mounts[M_BIN].source = calloc(1, PLAN_PATH_MAX + 2);
        memset(p->mounts[M_BIN].source, 'a', PLAN_PATH_MAX + 1);
        p->mounts[M_BIN].source_len = PLAN_PATH_MAX + 1;
})

BREAK(a_relative_source, -EPERM, "a source is not a normal absolute path",
                set_source(p->mounts + M_WORK, "project"))
BREAK(an_empty_source, -EPERM, "a source is not a normal absolute path", set_source(p->mounts + M_WORK, ""))
BREAK(a_source_with_dots, -EPERM, "a source is not a normal absolute path",
                set_source(p->mounts + M_WORK, "/home/u/../../root"))
BREAK(the_root_as_source, -EPERM, "the root directory holds every other refused directory",
                set_source(p->mounts + M_USR, "/"))
BREAK(a_source_in_run, -EPERM, "/run holds the sockets of the host's services",
                set_source(p->mounts + M_USR, "/run/docker.sock"))
BREAK(etc_shadow_as_source, -EPERM, "/etc/shadow holds password hashes",
                set_source(p->mounts + M_USR, "/etc/shadow"))
BREAK(a_writable_source_in_etc, -EPERM, "/etc configures the host and is never writable", {
        set_source(p->mounts + M_WORK, "/etc/cron.d");
})
BREAK(a_writable_home_as_a_whole, -EPERM, "/home as a whole is never writable: name a directory in it",
                set_source(p->mounts + M_WORK, "/home"))

BREAK(a_writable_path_on_usr, -EPERM, "a writable path covers a directory of the system",
                set_source(p->mounts + M_USR, "/home/u"), p->mounts[M_USR].flags |= PLAN_MOUNT_WRITE)

static void plan_refuses_a_writable_path_on_directories_of_the_system(void **state) {
        static const char *const bad[] = {
                "/usr", "/usr/local/bin", "/etc", "/etc/ld.so.conf.d", "/lib", "/lib/x", "/lib32",
                "/lib64/x", "/libx32", "/sbin", "/sbin/x", "/opt", "/var",
        };
        static const char *const good[] = { "/opt/tool", "/var/lib/tool", "/library", "/usrlocal", "/srv" };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                Plan *p = sample();

                set(&p->mounts[M_USR].target, "/other");
                set(&p->mounts[M_WORK].target, bad[i]);
                refused(p, -EPERM, "a writable path covers a directory of the system");
        }
        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                Plan *p = sample();

                set(&p->mounts[M_WORK].target, good[i]);
                accepted(p);
        }
}

BREAK(an_unknown_mount_flag, -EINVAL, "a mount has a flag that is not for its kind",
                p->mounts[M_WORK].flags = 1 << 3)
BREAK(write_on_a_file, -EINVAL, "a mount has a flag that is not for its kind",
                p->mounts[M_PASSWD].flags = PLAN_MOUNT_WRITE)
BREAK(exec_on_a_directory, -EINVAL, "a mount has a flag that is not for its kind",
                p->mounts[M_HOME].flags = PLAN_MOUNT_EXEC)
BREAK(write_on_a_symlink, -EINVAL, "a mount has a flag that is not for its kind",
                p->mounts[M_BIN].flags = PLAN_MOUNT_WRITE)
BREAK(optional_on_a_descriptor, -EINVAL, "a mount has a flag that is not for its kind",
                p->mounts[M_FD].flags |= PLAN_MOUNT_OPTIONAL)
BREAK(optional_on_scratch, -EINVAL, "a mount has a flag that is not for its kind",
                p->mounts[M_SHM].flags |= PLAN_MOUNT_OPTIONAL)
BREAK(a_descriptor_that_did_not_come, -EINVAL, "a mount names a descriptor that did not come",
                p->mounts[M_FD].fd = 2)
BREAK(a_setuid_directory, -EINVAL, "a mount's mode has bits that it must not have",
                p->mounts[M_HOME].mode = 04755)
BREAK(a_setgid_file, -EINVAL, "a mount's mode has bits that it must not have",
                p->mounts[M_PASSWD].mode = 02644)
BREAK(a_sticky_file, -EINVAL, "a mount's mode has bits that it must not have",
                p->mounts[M_PASSWD].mode = 01644)
BREAK(a_mode_beyond_permissions, -EINVAL, "a mount's mode has bits that it must not have",
                p->mounts[M_SHM].mode = 0100644)

BREAK(a_relative_denial, -EINVAL, "a denial's path is not a normal absolute path",
                set(&p->denials[0].path, ".env"))
BREAK(a_denial_with_dots, -EINVAL, "a denial's path is not a normal absolute path",
                set(&p->denials[0].path, "/work/./.env"))
BREAK(a_denial_of_the_root, -EINVAL, "a denial's path is the root directory", set(&p->denials[0].path, "/"))
BREAK(one_denial_twice, -EINVAL, "two denials have the same path",
                set(&p->denials[0].path, "/work/.git/hooks"))

BREAK(env_without_a_name, -EINVAL, "an environment variable is not of the form NAME=value",
                set(&p->env[0], "=x"))
BREAK(env_that_is_a_shell_function, -EINVAL, "an environment variable is not of the form NAME=value",
                set(&p->env[0], "BASH_FUNC_ls%%=() { :; }"))
BREAK(env_that_is_set_twice, -EINVAL, "an environment variable is set twice", set(&p->env[1], "PATH=/evil"))
BREAK(env_over_its_limit, -EINVAL, "the environment is too large", {
        free(p->env[1]);
        p->env[1] = malloc(PLAN_ENV_BYTES_MAX);
        memset(p->env[1], 'a', PLAN_ENV_BYTES_MAX - 1);
        p->env[1][1] = '=';
        p->env[1][PLAN_ENV_BYTES_MAX - 1] = 0;
})

BREAK(memory_below_1_mib, -EINVAL, "the memory limit is below 1 MiB", p->limits.memory = (1 << 20) - 1)
BREAK(no_tasks, -EINVAL, "the limit of tasks is 0", p->limits.pids = 0)
BREAK(cpu_below_a_thousandth, -EINVAL, "the CPU limit is below a thousandth of a CPU", p->limits.cpu = 999)
BREAK(io_weight_zero, -EINVAL, "the I/O weight is not within 1 to 10000", p->limits.io_weight = 0)
BREAK(io_weight_above_10000, -EINVAL, "the I/O weight is not within 1 to 10000", p->limits.io_weight = 10001)
BREAK(scratch_below_64_kib, -EINVAL, "the size of scratch is not within 64 KiB to 64 GiB",
                p->limits.scratch = 65535)
BREAK(scratch_above_64_gib, -EINVAL, "the size of scratch is not within 64 KiB to 64 GiB",
                p->limits.scratch = (UINT64_C(64) << 30) + 1)
BREAK(unlimited_scratch, -EINVAL, "the size of scratch is not within 64 KiB to 64 GiB",
                p->limits.scratch = PLAN_UNLIMITED)
BREAK(nofile_below_16, -EINVAL, "the limit of open files is not within 16 to 1048576", p->limits.nofile = 15)
BREAK(unlimited_nofile, -EINVAL, "the limit of open files is not within 16 to 1048576",
                p->limits.nofile = PLAN_UNLIMITED)
BREAK(nproc_zero, -EINVAL, "the limit of processes is not within 1 to 4194304", p->limits.nproc = 0)
BREAK(unlimited_nproc, -EINVAL, "the limit of processes is not within 1 to 4194304",
                p->limits.nproc = PLAN_UNLIMITED)
BREAK(execs_zero, -EINVAL, "the limit of concurrent execs is not within 1 to 4096", p->limits.execs = 0)
BREAK(execs_above_4096, -EINVAL, "the limit of concurrent execs is not within 1 to 4096",
                p->limits.execs = 4097)

BREAK(no_session_filter, -EINVAL, "the session's seccomp program is not valid", p->bpf_session_len = 0)
BREAK(a_session_filter_of_half_an_instruction, -EINVAL, "the session's seccomp program is not valid",
                p->bpf_session_len = 60)
BREAK(no_exec_filter, -EINVAL, "the execs' seccomp program is not valid", p->bpf_exec_len = 0)
BREAK(an_exec_filter_of_half_an_instruction, -EINVAL, "the execs' seccomp program is not valid",
                p->bpf_exec_len = 12)
BREAK(a_filter_over_its_limit, -EINVAL, "the execs' seccomp program is not valid", {
        free(p->bpf_exec);
        p->bpf_exec_len = PLAN_BPF_BYTES_MAX + 8;
        p->bpf_exec = filter(p->bpf_exec_len);
})

static void plan_refuses_too_many_mounts_and_denials(void **state) {
        _cleanup_plan_ Plan *p = sample();
        const char *why;
        size_t n;

        (void) state;
        n = p->n_mounts;
        p->n_mounts = PLAN_MOUNTS_MAX + 1;
        assert_int_equal(plan_validate(p, &why), -EINVAL);
        assert_string_equal(why, "there are too many mounts");
        p->n_mounts = n;
        n = p->n_denials;
        p->n_denials = PLAN_DENIALS_MAX + 1;
        assert_int_equal(plan_validate(p, &why), -EINVAL);
        assert_string_equal(why, "there are too many denials");
        p->n_denials = n;
        n = p->n_env;
        p->n_env = PLAN_ENV_MAX + 1;
        assert_int_equal(plan_validate(p, &why), -EINVAL);
        assert_string_equal(why, "there are too many environment variables");
        p->n_env = n;
}

static void plan_accepts_the_edges_of_every_range(void **state) {
        Plan *p = sample();

        (void) state;
        p->uid = p->gid = INT32_MAX;
        p->limits = (PlanLimits) {
                .memory = 1 << 20,
                .pids = 1,
                .cpu = 1000,
                .io_weight = 1,
                .scratch = 64 << 10,
                .nofile = 16,
                .nproc = 1,
                .execs = 1,
        };
        accepted(p);
        p = sample();
        p->uid = OCSB_SUB_ID - 1;
        p->gid = OCSB_SUB_ID + OCSB_SUB_COUNT;
        p->limits = (PlanLimits) {
                .memory = PLAN_UNLIMITED,
                .swap = PLAN_UNLIMITED,
                .pids = PLAN_UNLIMITED,
                .cpu = PLAN_UNLIMITED,
                .io_weight = PLAN_UNLIMITED,
                .scratch = UINT64_C(64) << 30,
                .nofile = 1048576,
                .nproc = 4194304,
                .fsize = PLAN_UNLIMITED,
                .execs = 4096,
        };
        p->n_fds = PLAN_FDS_MAX;
        p->mounts[M_FD].fd = PLAN_FDS_MAX - 1;
        accepted(p);
}

/* Sources */

static void forbidden_trees_are_refused_with_all_beneath(void **state) {
        static const char *const trees[] = {
                "/proc", "/sys", "/dev", "/boot", "/root", "/run", "/var/run", "/etc/ocsb", "/var/lib/ocsb",
                "/var/lib/docker", "/var/lib/containers", "/var/lib/containerd", "/var/lib/systemd",
                "/var/lib/polkit-1", "/etc/polkit-1", "/etc/sudoers", "/etc/sudoers.d", "/etc/shadow",
                "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-", "/etc/ssh", "/etc/ssl/private",
                "/lost+found",
        };

        (void) state;
        assert_true(plan_source_is_forbidden("/", false));
        assert_true(plan_source_is_forbidden("/", true));
        for (size_t i = 0; i < ELEMENTSOF(trees); i++) {
                char beneath[64], beside[64];

                (void) snprintf(beneath, sizeof(beneath), "%s/x", trees[i]);
                (void) snprintf(beside, sizeof(beside), "/home%sx", trees[i]);
                for (int write = 0; write < 2; write++) {
                        assert_true(plan_source_is_forbidden(trees[i], write));
                        assert_true(plan_source_is_forbidden(beneath, write));
                        assert_false(plan_source_is_forbidden(beside, write));
                }
        }
}

static void forbidden_for_writing_may_be_read(void **state) {
        static const char *const trees[] = {
                "/etc", "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt",
        };
        static const char *const alone[] = {
                "/var", "/home", "/srv", "/mnt", "/media", "/tmp", "/var/tmp", "/var/lib", "/var/log",
                "/var/spool", "/var/cache",
        };
        char beneath[64];

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(trees); i++) {
                (void) snprintf(beneath, sizeof(beneath), "%s/x", trees[i]);
                assert_false(plan_source_is_forbidden(trees[i], false));
                assert_false(plan_source_is_forbidden(beneath, false));
                assert_true(plan_source_is_forbidden(trees[i], true));
                assert_true(plan_source_is_forbidden(beneath, true));
        }
        for (size_t i = 0; i < ELEMENTSOF(alone); i++) {
                (void) snprintf(beneath, sizeof(beneath), "%s/x", alone[i]);
                assert_false(plan_source_is_forbidden(alone[i], false));
                assert_true(plan_source_is_forbidden(alone[i], true));
                assert_false(plan_source_is_forbidden(beneath, true));
        }
}

static void a_source_in_another_spelling_is_forbidden(void **state) {
        static const char *const names[] = { "//proc", "/./proc", "/home/../proc", "/home/u/", "home", "" };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                assert_true(plan_source_is_forbidden(names[i], false));
        assert_false(plan_source_is_forbidden("/procfs", true));
        assert_false(plan_source_is_forbidden("/home/u", true));
}

static Plan *nat_sample(void) {
        Plan *p = sample();

        p->network = PLAN_NETWORK_NAT;
        p->net.n_resolvers = 2;
        must(net_address_parse("1.1.1.1", p->net.resolvers));
        must(net_address_parse("2606:4700:4700::1111", p->net.resolvers + 1));
        p->net.n_grants = 1;
        p->net.grants[0] = (NetGrant) { .id = 1, .protocol = NET_PROTOCOL_TCP, .port_first = 1234, .port_last = 1234,
                .until_usec = USEC_INFINITY };
        must(net_prefix_parse("192.0.2.10", &p->net.grants[0].to));
        return p;
}

static void a_plan_with_a_network_survives_a_round_trip(void **state) {
        _cleanup_plan_ Plan *p = nat_sample(), *q = NULL;
        _cleanup_writer_ WireWriter w = {}, again = {};
        WireReader r;

        (void) state;
        encode(&w, p);
        r = WIRE_READER(w.data, w.len);
        must(plan_decode(&r, &q, NULL));
        assert_int_equal(q->network, PLAN_NETWORK_NAT);
        assert_int_equal(q->net.n_resolvers, 2);
        assert_true(net_address_equal(q->net.resolvers + 1, p->net.resolvers + 1));
        assert_int_equal(q->net.n_grants, 1);
        assert_true(net_grant_equal(q->net.grants, p->net.grants));
        encode(&again, q);
        assert_int_equal(again.len, w.len);
        assert_memory_equal(again.data, w.data, w.len);
}

static void a_plan_with_a_grant_of_everything_is_refused(void **state) {
        Plan *p = nat_sample();

        (void) state;
        p->net.grants[0].to = (NetPrefix) { .address = { .family = 4 } };
        refused(p, -EINVAL, "grant: every address there is, the LAN and the host among them; name the network");
}

static void a_plan_with_a_grant_without_an_id_is_refused(void **state) {
        Plan *p = nat_sample();

        (void) state;
        p->net.grants[0].id = 0;
        refused(p, -EINVAL, "grants: ids are not ascending from 1");
}

/* Not by BREAK: such a plan has no encoding. */
static void an_intent_without_a_network_is_refused(void **state) {
        _cleanup_plan_ Plan *p = sample();
        const char *why = NULL;

        (void) state;
        p->net.n_resolvers = 1;
        assert_int_equal(plan_validate(p, &why), -EINVAL);
        assert_string_equal(why, "a plan without a network has resolvers or network grants");
        p->net.n_resolvers = 0;
        p->net.n_grants = 1;
        assert_int_equal(plan_validate(p, &why), -EINVAL);
        p->net.n_grants = 0;
        assert_int_equal(plan_validate(p, &why), 0);
}

static void names_of_enums_are_read_back(void **state) {
        (void) state;
        for (int i = 0; i < _PLAN_ROOT_MAX; i++)
                assert_int_equal(plan_root_from_string(plan_root_to_string((PlanRoot) i)), i);
        for (int i = 0; i < _PLAN_NETWORK_MAX; i++)
                assert_int_equal(plan_network_from_string(plan_network_to_string((PlanNetwork) i)), i);
        assert_string_equal(plan_root_to_string(PLAN_ROOT_HOST_MINIMAL), "host-minimal");
        assert_string_equal(plan_root_to_string(PLAN_ROOT_HOST), "host");
        assert_string_equal(plan_network_to_string(PLAN_NETWORK_NONE), "none");
        assert_null(plan_root_to_string(_PLAN_ROOT_MAX));
        assert_null(plan_root_to_string(_PLAN_ROOT_INVALID));
        assert_null(plan_network_to_string(_PLAN_NETWORK_MAX));
        assert_int_equal(plan_root_from_string("HOST"), _PLAN_ROOT_INVALID);
        assert_int_equal(plan_network_from_string(""), _PLAN_NETWORK_INVALID);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(plan_survives_a_round_trip),
                cmocka_unit_test(a_plan_with_a_network_survives_a_round_trip),
                cmocka_unit_test(a_plan_with_a_grant_of_everything_is_refused),
                cmocka_unit_test(a_plan_with_a_grant_without_an_id_is_refused),
                cmocka_unit_test(equal_plans_have_equal_bytes),
                cmocka_unit_test(bytes_behind_the_end_of_a_name_are_not_encoded),
                cmocka_unit_test(every_truncated_plan_is_refused),
                cmocka_unit_test(a_plan_with_bytes_left_over_is_refused),
                cmocka_unit_test(no_single_changed_byte_makes_the_decoder_misbehave),
                cmocka_unit_test(an_empty_plan_is_not_valid),
                cmocka_unit_test(adding_stops_at_the_caps),
                cmocka_unit_test(adding_stops_at_the_limits_of_strings),
                cmocka_unit_test(adding_env_replaces_the_same_name),
                cmocka_unit_test(adding_a_denial_twice_keeps_the_stricter),
                cmocka_unit_test(plan_refuses_an_id_that_is_a_path),
                cmocka_unit_test(plan_refuses_an_empty_id),
                cmocka_unit_test(plan_refuses_a_profile_name_that_is_a_path),
                cmocka_unit_test(plan_refuses_uid_zero),
                cmocka_unit_test(plan_refuses_uid_minus_one),
                cmocka_unit_test(plan_refuses_uid_above_2_31),
                cmocka_unit_test(plan_refuses_gid_zero),
                cmocka_unit_test(plan_refuses_gid_minus_one),
                cmocka_unit_test(plan_refuses_uid_of_the_sandbox_range),
                cmocka_unit_test(plan_refuses_last_uid_of_the_sandbox_range),
                cmocka_unit_test(plan_refuses_gid_of_the_sandbox_range),
                cmocka_unit_test(plan_refuses_group_of_the_sandbox_range),
                cmocka_unit_test(plan_refuses_group_zero),
                cmocka_unit_test(plan_refuses_group_minus_one),
                cmocka_unit_test(plan_refuses_too_many_groups),
                cmocka_unit_test(plan_refuses_an_unknown_root),
                cmocka_unit_test(plan_refuses_a_negative_root),
                cmocka_unit_test(plan_refuses_an_unknown_network),
                cmocka_unit_test(an_intent_without_a_network_is_refused),
                cmocka_unit_test(plan_refuses_an_unknown_mount_kind),
                cmocka_unit_test(plan_refuses_an_unknown_denial_kind),
                cmocka_unit_test(plan_refuses_a_hostname_with_a_newline),
                cmocka_unit_test(plan_refuses_a_relative_workdir),
                cmocka_unit_test(plan_refuses_a_workdir_with_dots),
                cmocka_unit_test(plan_refuses_a_missing_workdir),
                cmocka_unit_test(plan_refuses_too_many_descriptors),
                cmocka_unit_test(plan_refuses_a_relative_target),
                cmocka_unit_test(plan_refuses_a_target_with_dots),
                cmocka_unit_test(plan_refuses_a_target_with_a_trailing_slash),
                cmocka_unit_test(plan_refuses_a_target_that_is_the_root),
                cmocka_unit_test(plan_refuses_a_target_on_proc),
                cmocka_unit_test(plan_refuses_a_target_beneath_sys),
                cmocka_unit_test(plan_refuses_a_path_on_dev_shm),
                cmocka_unit_test(plan_refuses_scratch_beneath_dev_shm),
                cmocka_unit_test(plan_refuses_scratch_on_dev),
                cmocka_unit_test(plan_refuses_every_kind_of_mount_in_proc_sys_and_dev),
                cmocka_unit_test(plan_refuses_one_target_twice),
                cmocka_unit_test(plan_refuses_a_target_beneath_a_symlink),
                cmocka_unit_test(plan_refuses_a_target_beneath_a_file),
                cmocka_unit_test(plan_refuses_a_nul_in_a_source),
                cmocka_unit_test(plan_refuses_a_nul_in_a_symlink),
                cmocka_unit_test(plan_refuses_an_empty_symlink),
                cmocka_unit_test(plan_refuses_a_file_over_its_limit),
                cmocka_unit_test(plan_refuses_a_symlink_over_its_limit),
                cmocka_unit_test(plan_refuses_a_relative_source),
                cmocka_unit_test(plan_refuses_an_empty_source),
                cmocka_unit_test(plan_refuses_a_source_with_dots),
                cmocka_unit_test(plan_refuses_the_root_as_source),
                cmocka_unit_test(plan_refuses_a_source_in_run),
                cmocka_unit_test(plan_refuses_etc_shadow_as_source),
                cmocka_unit_test(plan_refuses_a_writable_source_in_etc),
                cmocka_unit_test(plan_refuses_a_writable_home_as_a_whole),
                cmocka_unit_test(plan_refuses_a_writable_path_on_usr),
                cmocka_unit_test(plan_refuses_a_writable_path_on_directories_of_the_system),
                cmocka_unit_test(plan_refuses_an_unknown_mount_flag),
                cmocka_unit_test(plan_refuses_write_on_a_file),
                cmocka_unit_test(plan_refuses_exec_on_a_directory),
                cmocka_unit_test(plan_refuses_write_on_a_symlink),
                cmocka_unit_test(plan_refuses_optional_on_a_descriptor),
                cmocka_unit_test(plan_refuses_optional_on_scratch),
                cmocka_unit_test(plan_refuses_a_descriptor_that_did_not_come),
                cmocka_unit_test(plan_refuses_a_setuid_directory),
                cmocka_unit_test(plan_refuses_a_setgid_file),
                cmocka_unit_test(plan_refuses_a_sticky_file),
                cmocka_unit_test(plan_refuses_a_mode_beyond_permissions),
                cmocka_unit_test(plan_refuses_a_relative_denial),
                cmocka_unit_test(plan_refuses_a_denial_with_dots),
                cmocka_unit_test(plan_refuses_a_denial_of_the_root),
                cmocka_unit_test(plan_refuses_one_denial_twice),
                cmocka_unit_test(plan_refuses_env_without_a_name),
                cmocka_unit_test(plan_refuses_env_that_is_a_shell_function),
                cmocka_unit_test(plan_refuses_env_that_is_set_twice),
                cmocka_unit_test(plan_refuses_env_over_its_limit),
                cmocka_unit_test(plan_refuses_memory_below_1_mib),
                cmocka_unit_test(plan_refuses_no_tasks),
                cmocka_unit_test(plan_refuses_cpu_below_a_thousandth),
                cmocka_unit_test(plan_refuses_io_weight_zero),
                cmocka_unit_test(plan_refuses_io_weight_above_10000),
                cmocka_unit_test(plan_refuses_scratch_below_64_kib),
                cmocka_unit_test(plan_refuses_scratch_above_64_gib),
                cmocka_unit_test(plan_refuses_unlimited_scratch),
                cmocka_unit_test(plan_refuses_nofile_below_16),
                cmocka_unit_test(plan_refuses_unlimited_nofile),
                cmocka_unit_test(plan_refuses_nproc_zero),
                cmocka_unit_test(plan_refuses_unlimited_nproc),
                cmocka_unit_test(plan_refuses_execs_zero),
                cmocka_unit_test(plan_refuses_execs_above_4096),
                cmocka_unit_test(plan_refuses_no_session_filter),
                cmocka_unit_test(plan_refuses_a_session_filter_of_half_an_instruction),
                cmocka_unit_test(plan_refuses_no_exec_filter),
                cmocka_unit_test(plan_refuses_an_exec_filter_of_half_an_instruction),
                cmocka_unit_test(plan_refuses_a_filter_over_its_limit),
                cmocka_unit_test(plan_refuses_too_many_mounts_and_denials),
                cmocka_unit_test(plan_accepts_the_edges_of_every_range),
                cmocka_unit_test(forbidden_trees_are_refused_with_all_beneath),
                cmocka_unit_test(forbidden_for_writing_may_be_read),
                cmocka_unit_test(a_source_in_another_spelling_is_forbidden),
                cmocka_unit_test(names_of_enums_are_read_back),
        };

        return RUN_TESTS(tests);
}
