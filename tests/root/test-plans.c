/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What ocsb-stage refuses to build, whoever asks: a daemon that was taken over can send it anything. Each
 * plan here is a good one with one thing wrong. It has to be refused with an answer, the stage has to live
 * on, and nothing of the session may be left. */

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "client.h"

typedef struct BadPlan {
        const char *name;
        void (*spoil)(Plan *p);
} BadPlan;

static void set_string(char **s, const char *value) {
        free(*s);
        *s = strdup(value);
}

static void uid_0(Plan *p) {
        p->uid = 0;
}
static void uid_minus_1(Plan *p) {
        p->uid = UINT32_MAX;
}
static void uid_high(Plan *p) {
        p->uid = UINT32_C(1) << 31;
}
static void uid_sub(Plan *p) {
        p->uid = OCSB_SUB_ID;
}
static void uid_sub_last(Plan *p) {
        p->uid = OCSB_SUB_ID + OCSB_SUB_COUNT - 1;
}
static void uid_daemon(Plan *p) {
        p->uid = BED_OCSB;
}
static void gid_0(Plan *p) {
        p->gid = 0;
}
static void gid_minus_1(Plan *p) {
        p->gid = UINT32_MAX;
}
static void gid_sub(Plan *p) {
        p->gid = OCSB_SUB_ID;
}
static void id_empty(Plan *p) {
        p->id[0] = 0;
}
static void id_dots(Plan *p) {
        strcpy(p->id, "../x");
}
static void id_slash(Plan *p) {
        strcpy(p->id, "a/b");
}
static void id_upper(Plan *p) {
        strcpy(p->id, "ABC");
}
static void id_newline(Plan *p) {
        strcpy(p->id, "a\nb");
}
static void profile_bad(Plan *p) {
        strcpy(p->profile, "../../etc/passwd");
}
static void root_bad(Plan *p) {
        p->root = (PlanRoot) 7;
}
static void network_bad(Plan *p) {
        p->network = _PLAN_NETWORK_MAX;
}
static void network_negative(Plan *p) {
        p->network = (PlanNetwork) -1;
}
static void hostname_bad(Plan *p) {
        strcpy(p->hostname, "a b\n127.0.0.1 x");
}
static void hostname_empty(Plan *p) {
        p->hostname[0] = 0;
}
static void workdir_relative(Plan *p) {
        set_string(&p->workdir, "ws");
}
static void workdir_dots(Plan *p) {
        set_string(&p->workdir, "/home/../etc");
}

static void groups_0(Plan *p) {
        p->groups = calloc(1, sizeof(gid_t));
        p->n_groups = 1;
}

static void groups_sub(Plan *p) {
        groups_0(p);
        p->groups[0] = OCSB_SUB_ID;
}

#define SOURCE(fn, target, source, flags)                                                                   \
        static void fn(Plan *p) {                                                                           \
                (void) plan_add_path(p, target, source, flags);                                             \
        }
SOURCE(source_root, "/mnt", "/", 0)
SOURCE(source_proc, "/mnt", "/proc", 0)
SOURCE(source_proc_1, "/mnt", "/proc/1/root", 0)
SOURCE(source_self_root, "/mnt", "/proc/self/root/etc", 0)
SOURCE(source_sys, "/mnt", "/sys", 0)
SOURCE(source_cgroup, "/mnt", "/sys/fs/cgroup", 0)
SOURCE(source_dev, "/mnt", "/dev", 0)
SOURCE(source_boot, "/mnt", "/boot", 0)
SOURCE(source_root_home, "/mnt", "/root", 0)
SOURCE(source_run, "/mnt", "/run", 0)
SOURCE(source_var_run, "/mnt", "/var/run", 0)
SOURCE(source_docker, "/mnt", "/run/docker.sock", PLAN_MOUNT_WRITE)
SOURCE(source_docker_old, "/mnt", "/var/run/docker.sock", 0)
SOURCE(source_ocsb, "/mnt", "/run/ocsb", 0)
SOURCE(source_shadow, "/mnt", "/etc/shadow", 0)
SOURCE(source_etc_write, "/mnt", "/etc", PLAN_MOUNT_WRITE)
SOURCE(source_usr_write, "/mnt", "/usr/local", PLAN_MOUNT_WRITE)
SOURCE(source_home_write, "/mnt", "/home", PLAN_MOUNT_WRITE)
SOURCE(source_dots, "/mnt", "/home/alice/../../proc", 0)
SOURCE(source_slashes, "/mnt", "//proc", 0)
SOURCE(source_dot, "/mnt", "/./proc", 0)
SOURCE(source_slash_end, "/mnt", "/proc/", 0)
SOURCE(source_relative, "/mnt", "proc", 0)
SOURCE(source_empty, "/mnt", "", 0)
SOURCE(source_linked_run, "/mnt", ALICE_HOME "/to-run", 0)
SOURCE(source_linked_proc, "/mnt", ALICE_HOME "/to-proc", 0)
SOURCE(source_linked_etc, "/mnt", ALICE_HOME "/to-etc", PLAN_MOUNT_WRITE)
SOURCE(source_linked_root, "/mnt", ALICE_HOME "/to-root", 0)
SOURCE(source_linked_twice, "/mnt", ALICE_HOME "/to-link/self", 0)
SOURCE(source_beneath_link, "/mnt", ALICE_HOME "/to-root/run/ocsb", 0)
SOURCE(source_magic, "/mnt", ALICE_HOME "/to-magic", 0)
SOURCE(source_bob, "/mnt", "/home/bob", 0)
SOURCE(source_bob_secret, "/mnt", "/home/bob/secret", 0)
SOURCE(source_missing, "/mnt", ALICE_HOME "/missing", 0)
SOURCE(source_fifo, "/mnt", ALICE_HOME "/fifo", 0)
SOURCE(source_socket, "/mnt", ALICE_HOME "/socket", 0)
SOURCE(target_relative, "mnt", WORKSPACE, 0)
SOURCE(target_root, "/", WORKSPACE, 0)
SOURCE(target_dots, "/mnt/../etc", WORKSPACE, 0)
SOURCE(target_slashes, "/mnt//x", WORKSPACE, 0)
SOURCE(target_proc, "/proc/x", WORKSPACE, 0)
SOURCE(target_proc_self, "/proc", WORKSPACE, 0)
SOURCE(target_sys, "/sys", WORKSPACE, 0)
SOURCE(target_dev, "/dev", WORKSPACE, 0)
SOURCE(target_dev_null, "/dev/null", WORKSPACE, 0)
SOURCE(target_twice, WORKSPACE, ALICE_HOME, 0)
SOURCE(target_usr_write, "/usr/local/lib", WORKSPACE, PLAN_MOUNT_WRITE)
SOURCE(target_etc_write, "/etc/x", WORKSPACE, PLAN_MOUNT_WRITE)
SOURCE(target_beneath_link, "/lib/x", WORKSPACE, 0)
SOURCE(target_beneath_file, "/etc/passwd/x", WORKSPACE, 0)
SOURCE(flags_unknown, "/mnt", WORKSPACE, 1u << 20)

static void fd_index(Plan *p) {
        (void) plan_add_mount(p, PLAN_MOUNT_FD, 0, 0, 0, "/mnt", "", 0);
}

static void fd_index_huge(Plan *p) {
        (void) plan_add_mount(p, PLAN_MOUNT_FD, 0, 0, UINT32_MAX, "/mnt", "", 0);
        p->n_fds = 1;
}

static void fd_count(Plan *p) {
        p->n_fds = 3;
}
static void fd_count_huge(Plan *p) {
        p->n_fds = UINT32_MAX;
}

static void mode_setuid(Plan *p) {
        (void) plan_add_mount(p, PLAN_MOUNT_FILE, 0, 04755, 0, "/etc/x", "x", 1);
}

static void symlink_flags(Plan *p) {
        (void) plan_add_mount(p, PLAN_MOUNT_SYMLINK, PLAN_MOUNT_WRITE, 0, 0, "/etc/y", "x", 1);
}

static void symlink_empty(Plan *p) {
        (void) plan_add_mount(p, PLAN_MOUNT_SYMLINK, 0, 0, 0, "/etc/y", "", 0);
}

static void symlink_then_mount(Plan *p) {
        (void) plan_add_mount(p, PLAN_MOUNT_SYMLINK, 0, 0, 0, "/opt", "/proc", 5);
        (void) plan_add_path(p, "/opt/x", WORKSPACE, 0);
}

static void source_nul(Plan *p) {
        (void) plan_add_path(p, "/mnt", WORKSPACE, 0);
        p->mounts[p->n_mounts - 1].source[3] = 0;
}

static void kind_bad(Plan *p) {
        (void) plan_add_path(p, "/mnt", WORKSPACE, 0);
        p->mounts[p->n_mounts - 1].kind = (PlanMountKind) 9;
}

static void denial_relative(Plan *p) {
        (void) plan_add_denial(p, PLAN_DENY_ALL, "ssh");
}
static void denial_dots(Plan *p) {
        (void) plan_add_denial(p, PLAN_DENY_ALL, WORKSPACE "/../ws/x");
}
static void denial_slash(Plan *p) {
        (void) plan_add_denial(p, PLAN_DENY_ALL, "/");
}

static void denial_kind(Plan *p) {
        (void) plan_add_denial(p, PLAN_DENY_ALL, WORKSPACE "/x");
        p->denials[0].kind = (PlanDenialKind) 2;
}

static void env_bad(Plan *p) {
        set_string(&p->env[0], "NO EQUALS SIGN");
}
static void env_twice(Plan *p) {
        set_string(&p->env[0], p->env[1]);
}
static void limit_scratch(Plan *p) {
        p->limits.scratch = PLAN_UNLIMITED;
}
static void limit_nofile(Plan *p) {
        p->limits.nofile = 0;
}
static void limit_nproc(Plan *p) {
        p->limits.nproc = PLAN_UNLIMITED;
}
static void limit_execs(Plan *p) {
        p->limits.execs = 0;
}
static void limit_pids(Plan *p) {
        p->limits.pids = 0;
}
static void limit_weight(Plan *p) {
        p->limits.io_weight = 10001;
}
static void bpf_none(Plan *p) {
        p->bpf_session_len = 0;
}
static void bpf_exec_none(Plan *p) {
        p->bpf_exec_len = 0;
}
static void bpf_odd(Plan *p) {
        p->bpf_session_len -= 3;
}
static void bpf_garbage(Plan *p) {
        memset(p->bpf_session, 0xff, p->bpf_session_len);
}
static void bpf_exec_garbage(Plan *p) {
        memset(p->bpf_exec, 0xff, p->bpf_exec_len);
}

#define BAD(fn)                                                                                             \
        { #fn, fn }
static const BadPlan bad_plans[] = {BAD(uid_0), BAD(uid_minus_1), BAD(uid_high), BAD(uid_sub),
                BAD(uid_sub_last), BAD(uid_daemon), BAD(gid_0), BAD(gid_minus_1), BAD(gid_sub),
                BAD(groups_0), BAD(groups_sub), BAD(id_empty), BAD(id_dots), BAD(id_slash), BAD(id_upper),
                BAD(id_newline), BAD(profile_bad), BAD(root_bad), BAD(network_bad), BAD(network_negative),
                BAD(hostname_bad), BAD(hostname_empty), BAD(workdir_relative), BAD(workdir_dots),
                BAD(fd_index), BAD(fd_index_huge), BAD(fd_count), BAD(fd_count_huge), BAD(mode_setuid),
                BAD(symlink_flags), BAD(symlink_empty), BAD(symlink_then_mount), BAD(source_nul),
                BAD(kind_bad), BAD(denial_relative), BAD(denial_dots), BAD(denial_slash), BAD(denial_kind),
                BAD(env_bad), BAD(env_twice), BAD(limit_scratch), BAD(limit_nofile), BAD(limit_nproc),
                BAD(limit_execs), BAD(limit_pids), BAD(limit_weight), BAD(bpf_none), BAD(bpf_exec_none),
                BAD(bpf_odd), BAD(bpf_garbage), BAD(flags_unknown), BAD(target_relative), BAD(target_root),
                BAD(target_dots), BAD(target_slashes), BAD(target_proc), BAD(target_proc_self),
                BAD(target_sys), BAD(target_dev), BAD(target_dev_null), BAD(target_twice),
                BAD(target_usr_write), BAD(target_etc_write), BAD(target_beneath_link),
                BAD(target_beneath_file), BAD(source_missing), BAD(source_fifo), BAD(source_socket),
                BAD(source_relative), BAD(source_empty)};
static const BadPlan forbidden_sources[] = {BAD(source_root), BAD(source_proc), BAD(source_proc_1),
                BAD(source_self_root), BAD(source_sys), BAD(source_cgroup), BAD(source_dev),
                BAD(source_boot), BAD(source_root_home), BAD(source_run), BAD(source_var_run),
                BAD(source_docker), BAD(source_docker_old), BAD(source_ocsb), BAD(source_shadow),
                BAD(source_etc_write), BAD(source_usr_write), BAD(source_home_write), BAD(source_dots),
                BAD(source_slashes), BAD(source_dot), BAD(source_slash_end), BAD(source_linked_run),
                BAD(source_linked_proc), BAD(source_linked_etc), BAD(source_linked_root),
                BAD(source_linked_twice), BAD(source_beneath_link), BAD(source_magic)};
static const BadPlan unreachable_sources[] = {BAD(source_bob_secret)};

static void is_refused(const char *name, const Plan *p, const int *fds, size_t n_fds) {
        _cleanup_session_ Session s = SESSION_NONE;
        int r = session_create(&s, p, fds, n_fds);

        if (!tap_check(r >= 0, "%s: no answer: %s", name, strerror(-r)))
                return;
        if (!tap_check(!s.ready, "%s: the sandbox was made", name)) {
                (void) session_end(&s);
                return;
        }
        (void) tap_check(s.failed.error && s.failed.step[0] && s.failed.text[0], "%s: step '%s', text '%s'",
                        name, s.failed.step, s.failed.text);
        (void) tap_check(stage_alive(), "%s: the stage died", name);
}

static void all_refused(const BadPlan *list, size_t n) {
        BedCount before = bed_count(), after;

        for (size_t i = 0; i < n && stage_alive(); i++) {
                _cleanup_plan_ Plan *p = plan_sample("bad");

                list[i].spoil(p);
                is_refused(list[i].name, p, NULL, 0);
        }
        after = bed_count();
        (void) tap_check(after.mounts == before.mounts, "%u mounts before, %u after", before.mounts,
                        after.mounts);
        (void) tap_check(after.cgroups == before.cgroups, "%u cgroups before, %u after", before.cgroups,
                        after.cgroups);
        CHECK(!bed_exists("/run/ocsb/stage/bad"));
        CHECK(!bed_exists("/run/ocsb/monitor/bad"));
}

static void good_one_is_made(void) {
        _cleanup_plan_ Plan *p = plan_sample(NULL);
        _cleanup_session_ Session s = SESSION_NONE;

        if (!CHECK(p) || !CHECK_OK(session_create(&s, p, NULL, 0)))
                return;
        if (!tap_check(s.ready, "%s: %s", s.failed.step, s.failed.text))
                return;
        (void) attack_holds(&s, "ids", "20001", NULL);
        CHECK_OK(session_end(&s));
}

static void bad_ones_are_refused(void) {
        all_refused(bad_plans, ELEMENTSOF(bad_plans));
}

static void sources_are_refused(void) {
        all_refused(forbidden_sources, ELEMENTSOF(forbidden_sources));
}

/* A directory that he may name but not enter is shown as it is to him outside: closed. */
static void callers_rights_count(void) {
        _cleanup_plan_ Plan *p = plan_sample(NULL);
        _cleanup_session_ Session s = SESSION_NONE;

        all_refused(unreachable_sources, ELEMENTSOF(unreachable_sources));
        source_bob(p);
        if (!CHECK_OK(session_create(&s, p, NULL, 0)) || !s.ready)
                return;
        (void) attack_holds(&s, "hidden", "/mnt/secret", NULL);
        (void) attack_holds(&s, "create", "/mnt/x", NULL);
        CHECK_OK(session_end(&s));
}

static void exec_filter_must_load(void) {
        _cleanup_plan_ Plan *p = plan_sample("badexec");
        _cleanup_session_ Session s = SESSION_NONE;
        static ExecResult result;

        bpf_exec_garbage(p);
        if (!CHECK_OK(session_create(&s, p, NULL, 0)))
                return;
        if (!s.ready)
                return; /* refused at once: better still */
        if (exec_run(&s, (const char *const[]){ATTACK, "exit", "0", NULL}, NULL, &result) >= 0)
                CHECK(!result.started && (result.failed.error || result.ack));
        (void) session_end(&s);
}

static void descriptors_are_refused(void) {
        static const struct {
                const char *path;
                int flags;
        } things[] = {{"/proc", O_PATH}, {"/sys/fs/cgroup", O_PATH}, {"/run/ocsb", O_PATH}, {"/", O_PATH},
                        {"/dev", O_PATH}, {"/dev/null", O_RDWR}, {"/dev/ptmx", O_RDWR | O_NOCTTY},
                        {"/root", O_PATH}, {"/proc/self/ns/mnt", O_RDONLY}, {"/proc/1/root", O_PATH},
                        {"/etc/shadow", O_RDONLY}, {ALICE_HOME "/fifo", O_RDONLY | O_NONBLOCK},
                        {"/run/ocsb/stage", O_PATH}, {"/proc/self/exe", O_PATH | O_NOFOLLOW},
                        {ALICE_HOME "/to-run", O_PATH | O_NOFOLLOW}};
        int pair[2], pipes[2], memfd;

        for (size_t i = 0; i < ELEMENTSOF(things); i++) {
                _cleanup_plan_ Plan *p = plan_sample("bad");
                _cleanup_close_ int fd = open(things[i].path, things[i].flags | O_CLOEXEC);

                if (!tap_check(fd >= 0, "%s", things[i].path))
                        continue;
                fd_index(p);
                p->n_fds = 1;
                is_refused(things[i].path, p, &fd, 1);
        }
        memfd = memfd_create("x", MFD_CLOEXEC);
        CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0 &&
                        pipe2(pipes, O_CLOEXEC) == 0 && memfd >= 0);
        for (int i = 0; i < 3; i++) {
                _cleanup_plan_ Plan *p = plan_sample("bad");

                fd_index(p);
                p->n_fds = 1;
                is_refused(i == 0        ? "socket"
                                : i == 1 ? "pipe"
                                         : "unsealed memfd",
                                p,
                                i == 0   ? pair
                                : i == 1 ? pipes
                                         : &memfd,
                                1);
        }
        fd_close_many(pair, 2);
        fd_close_many(pipes, 2);
        fd_close(memfd);
}

/* One canonical form only (CVE-2026-6406): what is behind the plan or cut off is an error. */
static void encoding_is_closed(void) {
        _cleanup_plan_ Plan *p = plan_sample("bad");
        _cleanup_writer_ WireWriter w = {};

        plan_encode(&w, p);
        wire_put_u32(&w, 0);
        for (size_t len = 0; len <= w.len && stage_alive(); len += len + 97 < w.len - 8 ? 97 : 1) {
                WireWriter part = {.data = w.data, .len = len};
                _cleanup_session_ Session s = SESSION_NONE;

                if (len == w.len - 4)
                        continue; /* that one is whole */
                if (!CHECK_OK(session_create_raw(&s, &part, NULL, 0)) ||
                                !tap_check(!s.ready, "%zu bytes of %zu", len, w.len - 4))
                        return;
        }
        for (size_t i = 0; i + 4 <= w.len - 4 && stage_alive(); i += 4) {
                _cleanup_free_ uint8_t *copy = malloc(w.len - 4);
                WireWriter part = {.data = copy, .len = w.len - 4};
                _cleanup_session_ Session s = SESSION_NONE;

                if (!copy)
                        return;
                /* The filters' own bytes are not for the decoder to judge. */
                if (i > 2000)
                        break;
                memcpy(copy, w.data, w.len - 4);
                memset(copy + i, 0xff, 4);
                if (!CHECK_OK(session_create_raw(&s, &part, NULL, 0)))
                        return;
                if (s.ready)
                        (void) session_end(&s);
        }
        CHECK(stage_alive());
}

static void mismatched_descriptors(void) {
        _cleanup_plan_ Plan *p = plan_sample("bad");
        _cleanup_close_ int fd = open(WORKSPACE, O_PATH | O_CLOEXEC);

        is_refused("one that the plan does not count", p, &fd, 1);
        CHECK(bed_fds_of(stage_pid()) < 64);
}

static int connect_as(void *userdata) {
        int fd = wire_connect(userdata);

        return fd < 0 ? -fd : 0;
}

static void only_the_daemon_connects(void) {
        int r = bed_as(ALICE, connect_as, (void *) (uintptr_t) OCSB_STAGE_SOCKET);

        (void) tap_check(r == EACCES, "alice: %s", strerror(r));
        /* Also when somebody widened the socket by accident: the peer is asked of the kernel. */
        CHECK(chmod(OCSB_STAGE_SOCKET, 0666) == 0);
        r = bed_as(ALICE, connect_as, (void *) (uintptr_t) OCSB_STAGE_SOCKET);
        CHECK(chmod(OCSB_STAGE_SOCKET, 0600) == 0);
        CHECK(stage_alive());
        tap_note("connect by alice to a widened socket: %s", strerror(r));
}

static int talk_as(void *userdata _unused_) {
        _cleanup_close_ int fd = wire_connect(OCSB_STAGE_SOCKET);
        _cleanup_message_ WireMessage m = {};

        if (fd < 0)
                return 1;
        if (wire_send(fd, WIRE_LIST, 1, NULL, NULL, 0) < 0)
                return 0;
        return recv_timeout(fd, &m, 2000) > 0 ? 2 : 0; /* an answer would be wrong */
}

static void peers_are_checked(void) {
        CHECK(chmod(OCSB_STAGE_SOCKET, 0666) == 0);
        (void) tap_check(bed_as(ALICE, talk_as, NULL) == 0, "alice got an answer from ocsb-stage");
        (void) tap_check(bed_as(BED_OCSB, talk_as, NULL) == 2, "ocsb got none");
        CHECK(chmod(OCSB_STAGE_SOCKET, 0600) == 0);
}

static void garbage_is_survived(void) {
        unsigned before = bed_fds_of(stage_pid());

        for (uint32_t type = 0; type < 120; type++) {
                _cleanup_close_ int fd = wire_connect(OCSB_STAGE_SOCKET);
                _cleanup_writer_ WireWriter w = {};
                int fds[3];

                if (!CHECK(fd >= 0))
                        return;
                wire_put_string(&w, "garbage\x01\x02");
                for (int i = 0; i < 3; i++)
                        fds[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
                (void) wire_send(fd, type, type, &w, fds, 3);
                (void) send(fd, "not a header at all", 19, MSG_NOSIGNAL);
                (void) send(fd, "x", 1, MSG_NOSIGNAL);
                fd_close_many(fds, 3);
        }
        CHECK(stage_alive());
        good_one_is_made();
        (void) tap_check(bed_fds_of(stage_pid()) <= before + 2, "%u descriptors before, %u after", before,
                        bed_fds_of(stage_pid()));
}

static const TapTest tests[] = {
                {"a plan with nothing wrong is made", good_one_is_made},
                {"T13 T64 every broken invariant is refused by the builder, with a reason, and leaves "
                 "nothing",
                                bad_ones_are_refused},
                {"T65 directories of the host that nobody may show are refused by every name, also through "
                 "symlinks",
                                sources_are_refused},
                {"T06 what the caller can't reach himself the builder does not reach for him",
                                callers_rights_count},
                {"T65 descriptors of kernel interfaces, devices, sockets and refused directories are "
                 "refused",
                                descriptors_are_refused},
                {"T64 a plan with bytes cut off, added or overwritten is refused or harmless",
                                encoding_is_closed},
                {"T57 descriptors that the plan does not count are refused and closed",
                                mismatched_descriptors},
                {"T116 no exec starts when its own filter can't be loaded", exec_filter_must_load},
                {"T60 other users can't connect to the stage", only_the_daemon_connects},
                {"T60 the stage answers root and the daemon only, by what the kernel says of the peer",
                                peers_are_checked},
                {"T59 messages of every type with garbage are survived without growth", garbage_is_survived},
};

static int run(void *userdata) {
        int r;

        bed_mkdir(WORKSPACE, 0755, ALICE);
        CHECK(symlink("/run", ALICE_HOME "/to-run") == 0 && symlink("/proc", ALICE_HOME "/to-proc") == 0);
        CHECK(symlink("/etc", ALICE_HOME "/to-etc") == 0 && symlink("/", ALICE_HOME "/to-root") == 0);
        CHECK(symlink("to-proc", ALICE_HOME "/to-link") == 0 &&
                        symlink("/proc/self/root/home", ALICE_HOME "/to-magic") == 0);
        CHECK(mkfifo(ALICE_HOME "/fifo", 0644) == 0);
        (void) bed_listen(ALICE_HOME "/socket");
        CHECK_OK(stage_start(NULL));
        r = tap_run(tests, ELEMENTSOF(tests), userdata);
        stage_stop();
        return r;
}

int main(int argc, char **argv) {
        return bed_run(run, argc > 1 ? argv[1] : NULL);
}
