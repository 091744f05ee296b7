/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pool is the receive queue of a socket: the maker makes a namespace, sends it, and waits for a credit, a byte, before
 * the next. The maker of fenced ones runs ocsb-fw in each first; when that fails it says why and ends. */

#include "netns.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"
#include "sys/loop.h"
#include "sys/process.h"
#include "wire/message.h"

#define READY_MAX 4
#define REFILL_USEC UINT64_C(10000)
#define FENCE_TIMEOUT_MS 5000

struct NetnsPool {
        int socket;
        pid_t maker;
        unsigned starts;
        unsigned owed; /* credits for what was taken */
        Loop *loop;
        LoopTimer refill;
        /* of fenced ones */
        bool fenced;
        char *program;
        uid_t uid;
        gid_t gid;
};

int netns_loopback_up(void) {
        _cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };

        if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &ifr) < 0)
                return -errno;
        return 0;
}

/* The kernel looks at the rights of who opened a netlink socket as well as of who sends on it: root opens them here. */
static int open_sockets(int ret[static _NETNS_FDS]) {
        _cleanup_close_ int route = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), netfilter = -EBADF;

        if (route < 0)
                return -errno;
        netfilter = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
        if (netfilter < 0)
                return -errno;
        ret[NETNS_ROUTE] = TAKE_FD(route);
        ret[NETNS_NETFILTER] = TAKE_FD(netfilter);
        return 0;
}

int netns_open_sockets(int namespace_fd, int ret[static _NETNS_FDS]) {
        _cleanup_close_ int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
        int r;

        if (own < 0)
                return -errno;
        if (setns(namespace_fd, CLONE_NEWNET) < 0)
                return -errno;
        r = open_sockets(ret);
        /* No other thread saw it. A process that cannot come back must not go on in a sandbox's network: the next
         * ocsb-stage takes over. */
        if (setns(own, CLONE_NEWNET) < 0)
                _exit(1);
        return r;
}

/* ---- the maker ---- */

static void become_fence(const NetnsPool *p, int out) _noreturn_;

static void become_fence(const NetnsPool *p, int out) {
        char *argv[] = { (char *) "ocsb-fw", (char *) "--namespace", NULL };
        static char *const no_env[] = { NULL };
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);

        if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0 || close_range(3, ~0u, 0) < 0)
                _exit(126);
        if (identity_become_with(p->uid, p->gid, UINT64_C(1) << CAP_NET_ADMIN) < 0)
                _exit(126);
        /* A change of identity clears the first. */
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                _exit(126);
        (void) execve(p->program, argv, no_env);
        _exit(127);
}

/* Reads what it prints until it ends, at most FENCE_TIMEOUT_MS. */
static int wait_fence(int out, char *text, size_t size) {
        uint64_t end = now_monotonic() + FENCE_TIMEOUT_MS * UINT64_C(1000), now;
        size_t n = 0;

        while ((now = now_monotonic()) < end) {
                struct pollfd p = { .fd = out, .events = POLLIN };
                char drop[256];
                ssize_t k;

                if (poll(&p, 1, (int) ((end - now + 999) / 1000)) <= 0)
                        continue;
                k = n + 1 < size ? read(out, text + n, size - 1 - n) : read(out, drop, sizeof(drop));
                if (k <= 0)
                        return 0;
                n = MIN(n + (size_t) k, size - 1);
        }
        return -ETIMEDOUT;
}

/* The inner fence, in the namespace of this process. On failure text says why, a line of plain text. */
static int load_fence(const NetnsPool *p, char *text, size_t size) {
        int pipe_fds[2], status = 0, r;
        pid_t pid;

        memset(text, 0, size);
        if (pipe2(pipe_fds, O_CLOEXEC) < 0)
                return -errno;
        pid = process_clone(0, -1, NULL);
        if (pid == 0)
                become_fence(p, pipe_fds[1]);
        fd_close(pipe_fds[1]);
        r = pid < 0 ? (int) pid : wait_fence(pipe_fds[0], text, size);
        fd_close(pipe_fds[0]);
        if (pid < 0)
                return r;
        if (r < 0)
                (void) kill(pid, SIGKILL);
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return -errno;
        if (r < 0) {
                (void) snprintf(text, size, "it did not end within %d seconds", FENCE_TIMEOUT_MS / 1000);
                return r;
        }
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
                return 0;
        text[strcspn(text, "\n")] = 0;
        if (WIFSIGNALED(status))
                (void) snprintf(text, size, "it was killed by signal %d", WTERMSIG(status));
        else if (WEXITSTATUS(status) == 127)
                (void) snprintf(text, size, "%s cannot be started: install ocsb-fw", p->program);
        else if (!text[0])
                (void) snprintf(text, size, "it ended with status %d", WEXITSTATUS(status));
        return -EIO;
}

static int send_fenced(const NetnsPool *p, int sock, int namespace_fd) {
        _cleanup_writer_ WireWriter w = {};
        int fds[_NETNS_FDS] = { -EBADF, -EBADF, -EBADF }, r;
        char text[384], why[512];

        r = load_fence(p, text, sizeof(text));
        if (r >= 0) {
                fds[NETNS_NAMESPACE] = namespace_fd;
                r = open_sockets(fds);
                if (r >= 0)
                        r = wire_send(sock, 0, 0, NULL, fds, _NETNS_FDS);
                fd_close(fds[NETNS_ROUTE]);
                fd_close(fds[NETNS_NETFILTER]);
                return r;
        }
        (void) snprintf(why, sizeof(why), "ocsb-fw --namespace could not load the fence inside: %s", text);
        msg_ack_encode(&w, r, why);
        (void) wire_send(sock, WIRE_ACK, 0, &w, NULL, 0);
        return r;
}

static void make_forever(const NetnsPool *p, int sock) _noreturn_;

static void make_forever(const NetnsPool *p, int sock) {
        (void) prctl(PR_SET_NAME, "ocsb-netns");
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        signals_reset();
        if (dup3(sock, 3, O_CLOEXEC) < 0 && sock != 3)
                _exit(1);
        if (close_range(4, ~0u, 0) < 0)
                _exit(1);
        for (;;) {
                _cleanup_close_ int ns = -EBADF;
                char credit;

                /* A byte per namespace that may wait: the queue itself would hold more than anybody needs. */
                if (read(3, &credit, 1) != 1)
                        _exit(0);
                if (unshare(CLONE_NEWNET) < 0 || netns_loopback_up() < 0)
                        _exit(1);
                ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
                if (ns < 0 || (p->fenced ? send_fenced(p, 3, ns) : wire_send(3, 0, 0, NULL, &ns, 1)) < 0)
                        _exit(1);
        }
}

/* ---- the pool ---- */

static void on_refill(void *userdata) {
        NetnsPool *p = userdata;

        for (; p->owed > 0; p->owed--)
                (void) send(p->socket, "c", 1, MSG_NOSIGNAL); /* the maker may have died */
}

/* Not at once: to make one takes 0.6 ms of a processor, which the session that took the last one needs now. */
static void owe(NetnsPool *p) {
        p->owed++;
        if (!p->refill.active)
                loop_timer_set(p->loop, &p->refill, REFILL_USEC, on_refill, p);
}

static int start_maker(NetnsPool *p) {
        int pair[2], r;

        r = wire_pair(pair);
        if (r < 0)
                return r;
        (void) fd_set_nonblock(pair[1], false);
        p->maker = process_clone(0, -1, NULL);
        if (p->maker == 0) {
                fd_close(pair[0]);
                make_forever(p, pair[1]);
        }
        fd_close(pair[1]);
        if (p->maker < 0) {
                fd_close(pair[0]);
                return p->maker;
        }
        fd_close(p->socket);
        p->socket = pair[0];
        p->owed = READY_MAX;
        on_refill(p);
        return 0;
}

NetnsPool *netns_pool_new(Loop *loop) {
        NetnsPool *p = calloc(1, sizeof(*p));

        if (!p)
                return NULL;
        p->socket = -EBADF;
        p->loop = loop;
        (void) start_maker(p);
        return p;
}

NetnsPool *netns_pool_new_fenced(Loop *loop, const char *program, uid_t uid, gid_t gid) {
        NetnsPool *p = calloc(1, sizeof(*p));

        if (!p)
                return NULL;
        *p = (NetnsPool) { .socket = -EBADF, .loop = loop, .fenced = true, .program = strdup(program), .uid = uid, .gid = gid };
        return p->program ? p : netns_pool_free(p);
}

NetnsPool *netns_pool_free(NetnsPool *p) {
        if (p) {
                loop_timer_clear(p->loop, &p->refill);
                fd_close(p->socket);
                free(p->program);
                free(p);
        }
        return NULL;
}

int netns_pool_take(NetnsPool *p) {
        _cleanup_message_ WireMessage m = {};

        if (p->socket < 0 || wire_recv(p->socket, &m) <= 0 || m.n_fds != 1)
                return -1;
        owe(p);
        return TAKE_FD(m.fds[0]);
}

int netns_pool_take_fenced(NetnsPool *p, bool waited, int ret[static _NETNS_FDS], char *why, size_t why_size) {
        _cleanup_message_ WireMessage m = {};
        WireReader reader;
        int r = p->socket < 0 ? 0 : wire_recv(p->socket, &m), error = 0;

        if (r == -EAGAIN) {
                on_refill(p); /* now somebody waits */
                return 0;
        }
        if (r > 0 && m.type == 0 && m.n_fds == _NETNS_FDS) {
                owe(p);
                for (size_t i = 0; i < _NETNS_FDS; i++)
                        ret[i] = TAKE_FD(m.fds[i]);
                return 1;
        }
        /* There is no maker, or it has ended, or is about to. */
        reader = WIRE_READER(m.body, m.len);
        if (r <= 0 || m.type != WIRE_ACK || msg_ack_decode(&reader, &error, why, why_size) < 0)
                (void) snprintf(why, why_size, "the process that makes network namespaces died");
        p->socket = fd_close(p->socket);
        p->maker = 0;
        if (waited)
                return error ? -error : -EIO;
        r = start_maker(p);
        if (r < 0)
                (void) snprintf(why, why_size, "no process can be started: %s", strerror(-r));
        return r;
}

int netns_pool_fd(const NetnsPool *p) {
        return p->socket;
}

void netns_pool_reaped(NetnsPool *p, pid_t pid) {
        if (p->maker <= 0 || p->maker != pid)
                return;
        p->maker = 0;
        if (p->fenced || p->starts++ >= 16)
                return; /* of fenced ones the next take starts it again */
        (void) start_maker(p);
}
