/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Known escapes and gaps of other sandboxes, tried in ours: one test per row of the list of known failures.
 */

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "client.h"

static Session session = SESSION_NONE;

/* One session for most tests; a new one when an attack has ended it, which is worth a word. */
static Session *sandbox(void) {
        _cleanup_plan_ Plan *p = NULL;
        char ids[64][SESSION_ID_MAX + 1];
        int n;

        if (session.ready) {
                n = stage_list(ids, ELEMENTSOF(ids));
                for (int i = 0; i < n; i++)
                        if (streq(ids[i], session.id))
                                return &session;
                (void) tap_check(false, "the session ended under an attack");
                session_done(&session);
        }
        session = (Session) SESSION_NONE;
        p = plan_sample(NULL);
        (void) plan_add_denial(p, PLAN_DENY_ALL, WORKSPACE "/.secret");
        (void) plan_add_denial(p, PLAN_DENY_WRITE, WORKSPACE "/.git/hooks");
        if (!CHECK_OK(session_create(&session, p, NULL, 0)))
                return &session;
        (void) tap_check(session.ready, "%s: %s", session.failed.step, session.failed.text);
        return &session;
}

static pid_t pid_of_init(void) {
        /* The only child of the monitor. */
        char path[64];
        _cleanup_free_ char *text = NULL;

        (void) snprintf(path, sizeof(path), "/proc/%u/task/%u/children", session.info.monitor_pid,
                        session.info.monitor_pid);
        text = bed_read(path);
        return text ? (pid_t) atol(text) : 0;
}

static void terminals(void) {
        static const uint32_t numbers[] = {0, 1, 2};
        static ExecResult result;
        _cleanup_close_ int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC), slave = -EBADF;
        int unlock = 0, queued = -1, fds[3];

        if (!CHECK(master >= 0 && ioctl(master, TIOCSPTLCK, &unlock) == 0))
                return;
        slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
        CHECK(slave >= 0);
        fds[0] = fds[1] = fds[2] = slave;
        /* The caller's own terminal is not taken at all … */
        if (CHECK_OK(exec_run(sandbox(), (const char *const[]){ATTACK, "tiocsti", NULL},
                            &(ExecOptions){.fds = fds, .numbers = numbers, .n_fds = 3}, &result)))
                (void) tap_check(!result.started && result.failed.error, "a terminal was handed in");
        (void) tap_check(strstr(result.failed.text, "terminal") != NULL, "the refusal says: %s",
                        result.failed.text);
        CHECK(ioctl(slave, FIONREAD, &queued) == 0 && queued == 0);
        /* … and on one of the sandbox's own nothing can be typed. */
        (void) attack_holds_with(sandbox(), &(ExecOptions){.flags = MSG_EXEC_PTY},
                        (const char *const[]){ATTACK, "tiocsti", NULL});
        (void) attack_holds(sandbox(), "tiocsti", NULL);
}

static void new_calls(void) {
        (void) attack_holds(sandbox(), "calls", NULL);
        (void) attack_holds(sandbox(), "namespaces", NULL);
}

static void foreign_architectures(void) {
        static ExecResult result;

        for (int i = 0; i < 2; i++)
                if (CHECK_OK(exec_run(sandbox(), (const char *const[]){ATTACK, i ? "x32" : "int80", NULL},
                                    NULL, &result)))
                        (void) tap_check(result.exited.signal == SIGSYS, "code %u, signal %u",
                                        result.exited.code, result.exited.signal);
}

static void environment(void) {
        static const char *const env[] = {"LD_PRELOAD=" WORKSPACE "/evil.so",
                        "LD_AUDIT=" WORKSPACE "/evil.so", "GCONV_PATH=" WORKSPACE,
                        "PATH=" WORKSPACE ":/usr/bin", "MALLOC_CHECK_=3", "GLIBC_TUNABLES=x=y",
                        "XDG_RUNTIME_DIR=/run/user/0", NULL};
        _cleanup_free_ char *traces = NULL;
        static ExecResult result;
        bool has_library = bed_exists("/.build/tests/root/libevil.so");

        CHECK(has_library);
        bed_copy("/.build/tests/root/libevil.so", WORKSPACE "/evil.so", 0755);
        CHECK_OK(exec_run(
                        sandbox(), (const char *const[]){"env", NULL}, &(ExecOptions){.env = env}, &result));
        result.output[result.len] = 0;
        (void) tap_check(strstr(result.output, "MALLOC_CHECK_=3") &&
                                         strstr(result.output, "HOME=" ALICE_HOME),
                        "%s", result.output);
        /* The library writes who it was loaded into: the payload alone, as the payload's user, confined. */
        traces = bed_read(WORKSPACE "/evil.trace");
        CHECK(traces && strstr(traces, "uid 20001 seccomp 2 program env"));
        for (char *line = traces; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
                (void) tap_check(str_has_prefix(line, "uid 20001 seccomp 2 program env"),
                                "loaded into: %.60s", line);
        /* Nothing of the builder's environment goes in. */
        CHECK_OK(exec_run(sandbox(), (const char *const[]){ATTACK, "env", NULL}, NULL, &result));
        result.output[result.len] = 0;
        for (char *line = result.output; line && *line;
                        line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
                (void) tap_check(str_has_prefix(line, "PATH=") || str_has_prefix(line, "HOME="), "%.60s",
                                line);
}

static void own_program(void) {
        static const char script[] = "#!/proc/self/exe\n", path[] = WORKSPACE "/selfscript";
        static ExecResult result;
        _cleanup_free_ char *before = bed_read(OCSB_LIBEXEC_DIR "/ocsb-init");
        struct stat a, b;

        CHECK(before && stat(OCSB_LIBEXEC_DIR "/ocsb-init", &a) == 0);
        (void) attack_holds(sandbox(), "self-exe", NULL);
        bed_write(path, script, 0755, ALICE);
        CHECK_OK(exec_run(sandbox(), (const char *const[]){path, NULL}, NULL, &result));
        (void) attack_holds(sandbox(), "absent", OCSB_LIBEXEC_DIR "/ocsb-init.x", NULL);
        CHECK(stat(OCSB_LIBEXEC_DIR "/ocsb-init", &b) == 0 && a.st_mtim.tv_sec == b.st_mtim.tv_sec &&
                        a.st_mtim.tv_nsec == b.st_mtim.tv_nsec && a.st_size == b.st_size);
}

static void descriptors(void) {
        static const char *const cwds[] = {"/proc/self/fd/0", "/proc/self/fd/1", "/proc/self/fd/3",
                        "/proc/self/fd/5", "/proc/self/fd/64", "/proc/self/cwd", "/proc/self/root",
                        "/proc/1/root", "/proc/1/cwd", "/proc/self/fd/7/../../..", "/proc/thread-self/root"};
        static ExecResult result;

        (void) attack_holds(sandbox(), "descriptors", "2", NULL);
        (void) attack_holds_with(sandbox(), &(ExecOptions){.flags = MSG_EXEC_PTY},
                        (const char *const[]){ATTACK, "descriptors", "2", NULL});
        for (size_t i = 0; i < ELEMENTSOF(cwds); i++)
                if (CHECK_OK(exec_run(sandbox(), (const char *const[]){ATTACK, "cwd", NULL},
                                    &(ExecOptions){.cwd = cwds[i]}, &result)))
                        (void) tap_check(!result.started && (result.failed.error || result.ack),
                                        "cwd %s was taken", cwds[i]);
}

static void proc_is_ours(void) {
        (void) attack_holds(sandbox(), "proc", NULL);
        (void) attack_holds(sandbox(), "processes", NULL);
}

static void identity(void) {
        (void) attack_holds(sandbox(), "ids", "20001", NULL);
        (void) attack_holds(sandbox(), "limits", NULL);
}

static void privileges(void) {
        bed_copy("/.build/tests/root/attack", WORKSPACE "/suid", 04755);
        CHECK(chown(WORKSPACE "/suid", 0, 0) == 0 && chmod(WORKSPACE "/suid", 06755) == 0);
        (void) attack_holds(sandbox(), "privileges", NULL);
        (void) attack_holds(sandbox(), "setuid", WORKSPACE "/suid", "20001", NULL);
        CHECK(unlink(WORKSPACE "/suid") == 0);
}

static void host_sockets(void) {
        static const char *const names[] = {"/run/docker.sock", "/run/dbus/system_bus_socket",
                        "/run/systemd/private", "/run/user/20001/bus", "/tmp/.X11-unix/X0",
                        "/run/podman/podman.sock", "/tmp/ssh-agent"};
        int listeners[ELEMENTSOF(names)];
        static const char *const dirs[] = {"/run/dbus", "/run/systemd", "/run/user", "/run/user/20001",
                        "/tmp/.X11-unix", "/run/podman"};

        for (size_t i = 0; i < ELEMENTSOF(dirs); i++)
                bed_mkdir(dirs[i], 0755, 0);
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                listeners[i] = bed_listen(names[i]);
        (void) attack_holds(sandbox(), "sockets", "/run/docker.sock", "/var/run/docker.sock",
                        "/run/dbus/system_bus_socket", "/run/systemd/private", "/run/user/20001/bus",
                        "/tmp/.X11-unix/X0", "/run/podman/podman.sock", "/tmp/ssh-agent", OCSB_STAGE_SOCKET,
                        OCSB_CHANNEL_SOCKET, NULL);
        fd_close_many(listeners, ELEMENTSOF(listeners));
}

static void control_sockets(void) {
        char path[128];

        /* With the owner's uid, from within: neither the stage nor any monitor. */
        (void) snprintf(path, sizeof(path), OCSB_MONITOR_DIR "/%s", sandbox()->id);
        (void) attack_holds(sandbox(), "sockets", path, OCSB_STAGE_SOCKET, NULL);
}

static void abstract_and_signals(void) {
        int listener = bed_listen("@ocsb-test");
        char pids[3][16];

        (void) attack_holds(sandbox(), "sockets", "@ocsb-test", NULL);
        fd_close(listener);
        (void) snprintf(pids[0], sizeof(pids[0]), "%d", (int) getpid());
        (void) snprintf(pids[1], sizeof(pids[1]), "%u", session.info.monitor_pid);
        (void) snprintf(pids[2], sizeof(pids[2]), "%d", (int) stage_pid());
        (void) attack_holds(sandbox(), "signals", pids[0], pids[1], pids[2], NULL);
        /* PID 1 has survived SIGIO. */
        (void) attack_holds(sandbox(), "exit", "0", NULL);
}

static void families(void) {
        (void) attack_holds(sandbox(), "families", NULL);
}

static void network(void) {
        struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        _cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        socklen_t n = sizeof(sa);
        char port[16];

        CHECK(bind(fd, (struct sockaddr *) &sa, sizeof(sa)) == 0 && listen(fd, 4) == 0 &&
                        getsockname(fd, (struct sockaddr *) &sa, &n) == 0);
        (void) snprintf(port, sizeof(port), "%u", ntohs(sa.sin_port));
        (void) attack_holds(sandbox(), "network", port, NULL);
}

static void fast_open(void) {
        (void) attack_holds(sandbox(), "fastopen", NULL);
}

static void whiteouts(void) {
        (void) attack_holds(sandbox(), "whiteout", WORKSPACE, NULL);
        (void) attack_holds(sandbox(), "whiteout", "/tmp", NULL);
        (void) attack_holds(sandbox(), "devices", NULL);
}

static void single_thread(void) {
        char path[64];
        _cleanup_free_ char *text = NULL;

        (void) sandbox();
        (void) snprintf(path, sizeof(path), "/proc/%d/status", (int) pid_of_init());
        text = bed_read(path);
        (void) tap_check(text && strstr(text, "Threads:\t1\n"), "PID 1 has more than one thread");
        (void) tap_check(text && strstr(text, "NoNewPrivs:\t1\n") && strstr(text, "Seccomp:\t2\n"),
                        "PID 1 is not confined");
        (void) attack_holds(sandbox(), "privileges", NULL);
}

static bool line_is(const char *text, const char *line) {
        const char *p = text ? strstr(text, line) : NULL;

        return p && (p == text || p[-1] == '\n');
}

/* What stays outside has no rights either. */
static void monitor_has_no_rights(void) {
        static const char *const empty[] = {"CapInh:\t0000000000000000\n", "CapPrm:\t0000000000000000\n",
                        "CapEff:\t0000000000000000\n", "CapBnd:\t0000000000000000\n",
                        "CapAmb:\t0000000000000000\n", "NoNewPrivs:\t1\n",
                        "Uid:\t1879048192\t1879048192\t1879048192\t1879048192\n",
                        "Gid:\t1879048192\t1879048192\t1879048192\t1879048192\n", "Groups:\t \n"};
        char path[64];
        _cleanup_free_ char *text = NULL;

        (void) sandbox();
        (void) snprintf(path, sizeof(path), "/proc/%u/status", session.info.monitor_pid);
        text = bed_read(path);
        for (size_t i = 0; i < ELEMENTSOF(empty); i++)
                (void) tap_check(line_is(text, empty[i]), "the monitor's status lacks %s", empty[i]);
}

static void passed_descriptors(void) {
        static const uint32_t numbers[] = {0, 1, 2, 3};
        static ExecResult result;
        int null = open("/dev/null", O_RDWR | O_CLOEXEC), pair[2],
            ptmx = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC), path_fd = open("/", O_PATH | O_CLOEXEC),
            dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
            pidfd_self = open("/proc/self", O_RDONLY | O_CLOEXEC),
            kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC),
            ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), epoll = memfd_create("m", MFD_CLOEXEC);
        const struct {
                const char *what;
                int fd;
                bool fine;
        } things[] = {{"/dev/null", null, true}, {"a pty's master", ptmx, false},
                        {"O_PATH of /", path_fd, false}, {"a directory", dir, false},
                        {"/proc/self", pidfd_self, false}, {"/dev/kmsg", kmsg, false},
                        {"a namespace", ns, false}, {"a memfd", epoll, true}};

        for (size_t i = 0; i < ELEMENTSOF(things); i++) {
                int fds[] = {null, null, null, things[i].fd};

                if (things[i].fd < 0)
                        continue;
                if (!CHECK_OK(exec_run(sandbox(), (const char *const[]){ATTACK, "exit", "0", NULL},
                                    &(ExecOptions){.fds = fds, .numbers = numbers, .n_fds = 4}, &result)))
                        continue;
                (void) tap_check(result.started == things[i].fine, "%s: %s", things[i].what,
                                result.failed.text);
        }
        for (int type = SOCK_STREAM; type <= SOCK_SEQPACKET; type++) {
                if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair) < 0)
                        continue;
                if (CHECK_OK(exec_run(sandbox(), (const char *const[]){ATTACK, "exit", "0", NULL},
                                    &(ExecOptions){.fds = pair, .numbers = numbers, .n_fds = 2}, &result)))
                        (void) tap_check(!result.started, "a socket of type %d was handed in", type);
                fd_close_many(pair, 2);
        }
        fd_close(null);
        fd_close(ptmx);
        fd_close(path_fd);
        fd_close(dir);
        fd_close(pidfd_self);
        fd_close(kmsg);
        fd_close(ns);
        fd_close(epoll);
}

static void memory_programs(void) {
        (void) attack_holds(sandbox(), "memfd", NULL);
}

/* Each way to start something in a session passes the same denials. */
static void every_way_in(void) {
        static const char *const attacks[][4] = {{"privileges"}, {"calls"}, {"ids", "20001"},
                        {"hidden", WORKSPACE "/.secret"}, {"unwritable", WORKSPACE "/.git/hooks"},
                        {"processes"}, {"descriptors", "2"}};
        static const ExecOptions ways[] = {{}, {.by_control = true}, {.flags = MSG_EXEC_PTY},
                        {.flags = MSG_EXEC_DETACH}, {.cwd = "/"}, {.timeout_usec = 10000000},
                        {.flags = MSG_EXEC_PTY, .by_control = true}};

        for (size_t w = 0; w < ELEMENTSOF(ways); w++)
                for (size_t i = 0; i < ELEMENTSOF(attacks); i++)
                        (void) attack_holds_with(sandbox(), ways + w,
                                        (const char *const[]){ATTACK, attacks[i][0], attacks[i][1], NULL});
        /* Through a shell, and through a second control connection as a restarted daemon has it. */
        (void) attack_holds_with(sandbox(), NULL,
                        (const char *const[]){"/bin/sh", "-c", ATTACK " privileges && exec " ATTACK " calls",
                                        NULL});
        {
                int second = session_connect_control(session.id), first = session.control;

                if (tap_check(second >= 0, "connect: %s", strerror(-second))) {
                        session.control = second;
                        (void) attack_holds_with(&session, ways + 1,
                                        (const char *const[]){ATTACK, "privileges", NULL});
                        session.control = first;
                        fd_close(second);
                }
        }
}

static void work_directory(void) {
        static const char *const cwds[] = {"/root", "/home/bob", "/run/ocsb", "/srv", "/.build", "/proc/1"};
        static ExecResult result;

        for (size_t i = 0; i < ELEMENTSOF(cwds); i++)
                if (CHECK_OK(exec_run(sandbox(), (const char *const[]){ATTACK, "cwd", NULL},
                                    &(ExecOptions){.cwd = cwds[i]}, &result)))
                        (void) tap_check(!result.started && streq(result.failed.step, "cwd"),
                                        "%s: step '%s'", cwds[i], result.failed.step);
}

/* The other user, outside: nothing of alice's session is his. */
static int bob_tries(void *userdata) {
        Session *s = userdata;
        char path[600];
        int r = 0;

        (void) snprintf(path, sizeof(path), OCSB_MONITOR_DIR "/%s", s->id);
        r |= wire_connect(path) >= 0;
        r |= (kill((pid_t) s->info.monitor_pid, 0) == 0) << 1;
        r |= (kill(pid_of_init(), 0) == 0) << 2;
        (void) snprintf(path, sizeof(path), "/proc/%u/root", s->info.monitor_pid);
        r |= (open(path, O_PATH) >= 0) << 3;
        (void) snprintf(path, sizeof(path), "/proc/%d/root/home/alice/ws", (int) pid_of_init());
        r |= (open(path, O_PATH) >= 0) << 4;
        r |= (open("/run/ocsb/stage", O_RDONLY) >= 0) << 5;
        r |= (open("/run/ocsb/root", O_RDONLY) >= 0) << 6;
        (void) snprintf(path, sizeof(path), "/sys/fs/cgroup%s/cgroup.kill", s->info.cgroup);
        r |= (open(path, O_WRONLY) >= 0) << 7;
        return r;
}

static int alice_tries(void *userdata) {
        Session *s = userdata;
        char path[128];
        int r = 0;

        /* Even the owner reaches it through the daemon only. */
        (void) snprintf(path, sizeof(path), OCSB_MONITOR_DIR "/%s", s->id);
        r |= wire_connect(path) >= 0;
        r |= (kill((pid_t) s->info.monitor_pid, 0) == 0) << 1;
        r |= (kill(pid_of_init(), 0) == 0) << 2;
        (void) snprintf(path, sizeof(path), "/proc/%u/mem", s->info.monitor_pid);
        r |= (open(path, O_RDONLY) >= 0) << 3;
        (void) snprintf(path, sizeof(path), "/proc/%d/root/tmp", (int) pid_of_init());
        r |= (open(path, O_PATH) >= 0) << 4;
        return r;
}

static void other_users(void) {
        int r;

        (void) sandbox();
        r = bed_as(BOB, bob_tries, &session);
        (void) tap_check(r == 0, "bob could do %#x", r);
        r = bed_as(ALICE, alice_tries, &session);
        (void) tap_check(r == 0, "alice could do %#x", r);
        (void) attack_holds(sandbox(), "exit", "0", NULL);
}

/* Two sandboxes of one user share a uid and nothing else. */
static void two_sandboxes(void) {
        _cleanup_plan_ Plan *p = plan_sample(NULL);
        _cleanup_session_ Session other = SESSION_NONE;
        static ExecResult result;

        (void) sandbox();
        if (!CHECK_OK(session_create(&other, p, NULL, 0)) || !CHECK(other.ready))
                return;
        CHECK_OK(exec_run(&session,
                        (const char *const[]){
                                        "/bin/sh", "-c", "echo x > /tmp/mark; sleep 5 & echo started", NULL},
                        &(ExecOptions){.flags = MSG_EXEC_DETACH}, &result));
        (void) attack_holds(&other, "absent", "/tmp/mark", NULL);
        (void) attack_holds(&other, "processes", NULL);
        CHECK_OK(exec_run(&other,
                        (const char *const[]){"/bin/sh", "-c", "ls /proc | grep -c '^[0-9]'", NULL}, NULL,
                        &result));
        result.output[result.len] = 0;
        (void) tap_check(atoi(result.output) <= 6, "%s processes can be seen", result.output);
        CHECK_OK(session_end(&other));
        (void) attack_holds(sandbox(), "exit", "0", NULL);
}

static void no_shell_in_daemons(void) {
        static const char *const programs[] = {"src/stage/ocsb-stage", "src/stage/ocsb-init",
                        "src/daemon/ocsbd"},
                                 *const names[] = {"system", "popen", "execlp", "execvp", "wordexp"};

        for (size_t i = 0; i < ELEMENTSOF(programs); i++) {
                char command[600], path[256];
                FILE *f;

                (void) snprintf(path, sizeof(path), "/.build/%s", programs[i]);
                if (!bed_exists(path))
                        continue;
                (void) snprintf(command, sizeof(command), "nm -a %s 2>/dev/null; nm -D %s 2>/dev/null", path,
                                path);
                f = popen(command, "r");
                if (!CHECK(f))
                        continue;
                for (char line[512]; fgets(line, sizeof(line), f);) {
                        char *name = strrchr(line, ' ');

                        if (!name)
                                continue;
                        name++;
                        name[strcspn(name, "@\n")] = 0;
                        for (size_t k = 0; k < ELEMENTSOF(names); k++)
                                (void) tap_check(!streq(name, names[k]), "%s has %s()", programs[i], name);
                }
                (void) pclose(f);
        }
}

static const TapTest tests[] = {
                {"T01 T02 TIOCSTI and TIOCLINUX do nothing, also with the high bits set; the caller's "
                 "terminal is not taken",
                                terminals},
                {"T03 new mount calls, unknown numbers and namespaces are closed", new_calls},
                {"T04 the request's environment reaches the payload only", environment},
                {"T08 the programs that build a sandbox can't be opened from within", own_program},
                {"T09 an exec has the descriptors 0, 1, 2 and no work directory by way of /proc",
                                descriptors},
                {"T11 /proc is procfs, shows processes only, and nothing lies over it", proc_is_ours},
                {"T13 the identity is the caller's, all of it, and can't be changed", identity},
                {"T14 all capability sets are empty and a set-user-id program gains nothing", privileges},
                {"T17 no program of ours can start a shell", no_shell_in_daemons},
                {"T21 a work directory widens nothing", work_directory},
                {"T22 every way to start a program is confined alike", every_way_in},
                {"T31 T32 sockets of the host's services do not answer", host_sockets},
                {"T33 abstract sockets of the host do not answer and nobody outside can be signalled",
                                abstract_and_signals},
                {"T34 T36 sockets of every other family and protocol are refused", families},
                {"T34 there is no network: neither outside nor the host's loopback", network},
                {"T35 TCP Fast Open is refused", fast_open},
                {"T39 neither whiteouts nor devices can be made", whiteouts},
                {"T40 PID 1 was single-threaded when it confined itself and is confined", single_thread},
                {"the monitor outside has no capability, no group and an id of nobody",
                                monitor_has_no_rights},
                {"T42 terminals, sockets, directories and devices are not handed in", passed_descriptors},
                {"T46 system calls of other architectures kill", foreign_architectures},
                {"T47 a program in a memfd is as confined as any other", memory_programs},
                {"T61 another user can't reach, signal or look into a sandbox, nor can its owner past the "
                 "daemon",
                                other_users},
                {"two sandboxes of one user do not see each other", two_sandboxes},
                {"T70 the control sockets are out of reach from within", control_sockets},
};

static int run(void *userdata) {
        int r;

        CHECK_OK(stage_start(NULL));
        bed_write(WORKSPACE "/.secret", "private", 0600, ALICE);
        r = tap_run(tests, ELEMENTSOF(tests), userdata);
        session_done(&session);
        stage_stop();
        return r;
}

int main(int argc, char **argv) {
        return bed_run(run, argc > 1 ? argv[1] : NULL);
}
