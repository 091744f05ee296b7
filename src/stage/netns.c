/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pool is the receive queue of a socket: the maker makes a namespace, sends it, and blocks when the queue is
 * full. */

#include "netns.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "sys/process.h"
#include "wire/transport.h"

#define READY_MAX 4

struct NetnsPool {
        int socket;
        pid_t maker;
        unsigned starts;
};

int netns_loopback_up(void) {
        _cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };

        if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &ifr) < 0)
                return -errno;
        return 0;
}

static void make_forever(int sock) _noreturn_;

static void make_forever(int sock) {
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
                if (ns < 0 || wire_send(3, 0, 0, NULL, &ns, 1) < 0)
                        _exit(1);
        }
}

static void start_maker(NetnsPool *p) {
        int pair[2];

        if (p->starts++ > 16 || wire_pair(pair) < 0)
                return;
        (void) fd_set_nonblock(pair[1], false);
        p->maker = process_clone(0, -1, NULL);
        if (p->maker == 0) {
                fd_close(pair[0]);
                make_forever(pair[1]);
        }
        fd_close(pair[1]);
        fd_close(p->socket);
        p->socket = pair[0];
        for (int i = 0; i < READY_MAX; i++)
                (void) !write(p->socket, "c", 1);
}

NetnsPool *netns_pool_new(void) {
        NetnsPool *p = calloc(1, sizeof(*p));

        if (!p)
                return NULL;
        p->socket = -EBADF;
        start_maker(p);
        return p;
}

NetnsPool *netns_pool_free(NetnsPool *p) {
        if (p) {
                fd_close(p->socket);
                free(p);
        }
        return NULL;
}

int netns_pool_take(NetnsPool *p) {
        _cleanup_message_ WireMessage m = {};

        if (p->socket < 0 || wire_recv(p->socket, &m) <= 0 || m.n_fds != 1)
                return -1;
        (void) !write(p->socket, "c", 1);
        return TAKE_FD(m.fds[0]);
}

void netns_pool_reaped(NetnsPool *p, pid_t pid) {
        if (p->maker > 0 && p->maker == pid) {
                p->maker = 0;
                start_maker(p);
        }
}
