/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The child that becomes an exec. It drops everything before it looks at what it will run; from then on it is as
 * confined as the program will be, so that nothing in a request can make it do more than the program could. */

#include "init.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/libc.h"
#include "stage/probe-egress.h"
#include "stage/probe.h"
#include "sys/landlock.h"
#include "sys/mount.h"
#include "sys/process.h"
#include "wire/message.h"

#define FD_BASE 32 /* descriptors of a request are parked from here on while 0 … 15 are filled */

typedef struct Request {
        MsgExec exec;
        int fds[MSG_EXEC_FDS_MAX];
        int sock;
        char **env;
} Request;

static void fail(int sock, const char *step, int error, uint32_t status, const char *text) _noreturn_;

static void fail(int sock, const char *step, int error, uint32_t status, const char *text) {
        _cleanup_writer_ WireWriter w = {};
        MsgFailed m = { .error = (uint32_t) -error, .status = status };

        (void) snprintf(m.step, sizeof(m.step), "%s", step);
        (void) snprintf(m.text, sizeof(m.text), "%s", text);
        msg_failed_encode(&w, &m);
        (void) wire_send(sock, WIRE_EVENT_FAILED, 0, &w, NULL, 0);
        _exit((int) status);
}

/* While it waits the child keeps PID 1's id, so that no payload can stop, kill or slow it, and of its capabilities
 * the two that it needs to leave that id. */
static int prepare(const Plan *p) {
        int r;

        signals_unblock();
        if (setsid() < 0)
                return -errno;
        r = capabilities_bound(0);
        if (r >= 0)
                r = capabilities_drop(UINT64_C(1) << CAP_SETUID | UINT64_C(1) << CAP_SETGID);
        return r < 0 ? r : init_seccomp(p->bpf_exec, p->bpf_exec_len);
}

static int drop_rights(const Plan *p) {
        int r = identity_become(p->uid, p->gid);

        if (r >= 0)
                r = capabilities_clear();
        /* Changing ids has cleared it or not, depending on suid_dumpable: until execve() nobody may look in. */
        if (r >= 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
                r = -errno;
        return r;
}

/* The session's environment, then the request's over it. */
static char **merge_env(const Plan *p, const MsgExec *x) {
        char **env = calloc(p->n_env + x->n_env + 1, sizeof(char *));
        size_t n = 0;

        if (!env)
                return NULL;
        for (size_t i = 0; i < p->n_env + x->n_env; i++) {
                char *s = i < p->n_env ? p->env[i] : x->env[i - p->n_env];
                size_t name = (size_t) (strchr(s, '=') - s) + 1, j;

                for (j = 0; j < n && strncmp(env[j], s, name) != 0; j++)
                        ;
                env[j] = s;
                n += j == n;
        }
        return env;
}

static const char *env_value(char *const *env, const char *name) {
        size_t n = strlen(name);

        for (; *env; env++)
                if (strncmp(*env, name, n) == 0 && (*env)[n] == '=')
                        return *env + n + 1;
        return NULL;
}

static int enter_cwd(const Plan *p, const MsgExec *x) {
        const char *cwd = x->cwd && *x->cwd ? x->cwd : p->workdir;
        struct open_how how = { .flags = O_PATH | O_DIRECTORY | O_CLOEXEC, .resolve = RESOLVE_NO_MAGICLINKS };
        _cleanup_close_ int fd = -EBADF;

        /* No magic links: /proc/self/fd/7/../.. was a way out of runc (CVE-2024-21626). */
        fd = (int) syscall(SYS_openat2, AT_FDCWD, cwd, &how, sizeof(how));
        if (fd < 0 || fchdir(fd) < 0)
                return -errno;
        return 0;
}

static int open_pty(const MsgExec *x, int *ret_master, int *ret_slave) {
        _cleanup_close_ int master = -EBADF;
        struct winsize ws = { .ws_row = (unsigned short) (x->rows ? x->rows : 24),
                .ws_col = (unsigned short) (x->cols ? x->cols : 80) };
        int slave, unlock = 0;

        master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (master < 0 || ioctl(master, TIOCSPTLCK, &unlock) < 0)
                return -errno;
        /* By the master, not by name: whatever /dev/pts/0 is by now, this is its other end. */
        slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
        if (slave < 0)
                return -errno;
        (void) ioctl(master, TIOCSWINSZ, &ws);
        *ret_slave = slave;
        *ret_master = TAKE_FD(master);
        return 0;
}

/* Fills 0 … 15 with what the request says, everything else is closed or close-on-exec. */
static int place_fds(Request *q, int slave) {
        int null = -EBADF;

        if (slave >= 0) {
                if (ioctl(slave, TIOCSCTTY, 0) < 0)
                        return -errno;
                for (int i = 0; i < 3; i++)
                        if (dup2(slave, i) < 0)
                                return -errno;
        } else {
                int parked[MSG_EXEC_FDS_MAX];
                bool have[3] = {};

                for (size_t i = 0; i < q->exec.n_fds; i++) {
                        parked[i] = fcntl(q->fds[i], F_DUPFD_CLOEXEC, FD_BASE);
                        if (parked[i] < 0)
                                return -errno;
                }
                for (size_t i = 0; i < q->exec.n_fds; i++) {
                        int n = (int) q->exec.fd_numbers[i];

                        if (dup2(parked[i], n) < 0)
                                return -errno;
                        if (n < 3)
                                have[n] = true;
                }
                for (int i = 0; i < 3; i++) {
                        if (have[i])
                                continue;
                        if (null < 0)
                                null = open("/dev/null", O_RDWR | O_CLOEXEC | O_NOCTTY);
                        if (null < 0 || dup2(null, i) < 0)
                                return -errno;
                }
        }
        /* What was asked for is below 16 and not close-on-exec; whatever else lies there is. */
        return 0;
}

static int close_others(const Request *q) {
        unsigned from = 3;

        /* The gaps between the wanted numbers, then all above. */
        for (unsigned n = 3; n < MSG_EXEC_FDS_MAX; n++) {
                bool wanted = false;

                for (size_t i = 0; i < q->exec.n_fds; i++)
                        wanted = wanted || q->exec.fd_numbers[i] == n;
                if (!wanted)
                        continue;
                if (n > from && close_range(from, n - 1, CLOSE_RANGE_CLOEXEC) < 0)
                        return -errno;
                from = n + 1;
        }
        return close_range(from, ~0u, CLOSE_RANGE_CLOEXEC) < 0 ? -errno : 0;
}

/* The last limit: below, a descriptor more is needed than a payload might be allowed. */
static int limit_files(const Plan *p) {
        struct rlimit l;

        if (getrlimit(RLIMIT_NOFILE, &l) < 0)
                return -errno;
        l.rlim_max = l.rlim_max == RLIM_INFINITY ? p->limits.nofile : MIN(l.rlim_max, p->limits.nofile);
        l.rlim_cur = l.rlim_max;
        return setrlimit(RLIMIT_NOFILE, &l) < 0 ? -errno : 0;
}

/* As execvp(3), with the PATH of the new environment and without its fallback to a shell: 127 when nothing of that
 * name was found, 126 when something was but cannot be run. */
static void exec_program(Request *q) _noreturn_;

static void exec_program(Request *q) {
        char *const *argv = q->exec.argv;
        const char *path = env_value(q->env, "PATH"), *name = argv[0];
        int error = ENOENT;
        char text[400];

        if (strchr(name, '/')) {
                (void) execve(name, argv, q->env);
                error = errno;
        } else {
                if (!path || !*path)
                        path = "/usr/local/bin:/usr/bin:/bin";
                for (const char *p = path;; p++) {
                        size_t k = strcspn(p, ":");
                        char full[PATH_MAX];

                        /* An empty element would mean the current directory: it is skipped. */
                        if (k > 0 && (size_t) snprintf(full, sizeof(full), "%.*s/%s", (int) k, p, name) < sizeof(full)) {
                                (void) execve(full, argv, q->env);
                                if (errno != ENOENT && errno != ENOTDIR && (error == ENOENT || errno != EACCES))
                                        error = errno;
                        }
                        p += k;
                        if (!*p)
                                break;
                }
        }
        (void) snprintf(text, sizeof(text), "%s", error == ENOENT ? "command not found"
                                        : error == EACCES         ? "permission denied: not executable, or not granted for execution"
                                        : error == E2BIG          ? "argument list too long"
                                        : error == ENOEXEC        ? "not a program: no #! line and no known format"
                                                                  : strerror(error));
        fail(q->sock, "exec", -error, error == ENOENT ? 127 : error == E2BIG || error == ENOMEM ? 125 : 126, text);
}

static void run_probe(const Plan *p, int sock) _noreturn_;

static void run_probe(const Plan *p, int sock) {
        _cleanup_writer_ WireWriter w = {};
        _cleanup_(msg_probe_done) MsgProbe result = {};
        char **hidden = calloc(p->n_denials + 1, sizeof(char *)), **readonly = calloc(p->n_denials + 1, sizeof(char *));
        ProbeContext c = { .hidden = hidden, .readonly = readonly, .workdir = p->workdir,
                .landlock_abi = landlock_abi(), .network = p->network, .net = &p->net, .report_fd = sock };

        if (!hidden || !readonly || limit_files(p) < 0)
                _exit(1);
        for (size_t i = 0; i < p->n_denials; i++)
                if (p->denials[i].kind == PLAN_DENY_ALL)
                        hidden[c.n_hidden++] = p->denials[i].path;
                else
                        readonly[c.n_readonly++] = p->denials[i].path;
        for (size_t i = 0; i < p->n_mounts; i++)
                if (streq(p->mounts[i].target, p->workdir))
                        c.workspace_writable = p->mounts[i].flags & PLAN_MOUNT_WRITE;
        if (probe_run(&c, &result) < 0)
                _exit(1);
        msg_probe_encode(&w, &result);
        (void) wire_send(sock, WIRE_PROBED, 0, &w, NULL, 0);
        _exit(0);
}

static void run_egress(const WireMessage *msg, int sock) _noreturn_;

static void run_egress(const WireMessage *msg, int sock) {
        WireReader reader = WIRE_READER(msg->body, msg->len);
        _cleanup_msg_egress_ MsgEgress x = {};
        _cleanup_msg_egressed_ MsgEgressed result = {};
        _cleanup_writer_ WireWriter w = {};

        if (msg_egress_decode(&reader, &x) < 0 || probe_egress(&x, &result) < 0)
                _exit(1);
        msg_egressed_encode(&w, &result);
        (void) wire_send(sock, WIRE_EGRESSED, 0, &w, NULL, 0);
        _exit(0);
}

static void run_request(const Plan *p, WireMessage *msg, int sock, uint32_t id) _noreturn_;

static void run_request(const Plan *p, WireMessage *msg, int sock, uint32_t id) {
        _cleanup_writer_ WireWriter started = {};
        WireReader reader = WIRE_READER(msg->body, msg->len);
        Request q = { .sock = sock };
        int master = -EBADF, slave = -EBADF, r;
        const char *why = NULL;

        r = msg_exec_decode(&reader, &q.exec, &why);
        if (r < 0 || msg->n_fds != q.exec.n_fds)
                fail(sock, "request", r < 0 ? r : -EINVAL, 125, why ? why : "malformed request");
        memcpy(q.fds, msg->fds, sizeof(int) * msg->n_fds);
        q.env = merge_env(p, &q.exec);
        if (!q.env)
                fail(sock, "request", -ENOMEM, 125, "out of memory");
        r = enter_cwd(p, &q.exec);
        if (r < 0)
                fail(sock, "cwd", r, 125, strerror(-r));
        if (q.exec.flags & MSG_EXEC_PTY) {
                r = open_pty(&q.exec, &master, &slave);
                if (r < 0)
                        fail(sock, "pty", r, 125, strerror(-r));
        }
        /* Out of the way of 0 … 15. */
        q.sock = fcntl(sock, F_DUPFD_CLOEXEC, FD_BASE);
        if (q.sock < 0)
                fail(sock, "fd", -errno, 125, strerror(errno));
        (void) close(sock);
        if (master >= 0) {
                int high = fcntl(master, F_DUPFD_CLOEXEC, FD_BASE);

                (void) close(master);
                master = high;
        }
        r = place_fds(&q, slave);
        if (r >= 0)
                r = close_others(&q);
        if (r >= 0)
                r = limit_files(p);
        if (r < 0)
                fail(q.sock, "fd", r, 125, strerror(-r));
        wire_put_u32(&started, id);
        wire_put_u32(&started, (uint32_t) getpid());
        r = wire_send(q.sock, WIRE_EVENT_STARTED, 0, &started, &master, master >= 0);
        if (r < 0)
                _exit(125);
        exec_program(&q);
}

void child_run(const Plan *p, int sock, uint32_t id, bool probe) {
        WireMessage msg = {};
        int r;

        r = prepare(p);
        if (r >= 0 && !probe) {
                /* Only received here, by the length; what is in it is looked at without rights. */
                r = wire_recv(sock, &msg);
                if (r <= 0)
                        _exit(0); /* not needed any more */
        }
        if (r >= 0)
                r = drop_rights(p);
        if (r < 0)
                fail(sock, "rights", r, 125, strerror(-r));
        if (probe)
                run_probe(p, sock);
        if (msg.type == WIRE_EGRESS)
                run_egress(&msg, sock);
        run_request(p, &msg, sock, id);
}
