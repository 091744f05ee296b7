/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* TCP through a path: how many bytes, and how many connections.
 *
 *   flow serve PORT                     takes connections on every address, and all that they send, until killed
 *   flow bytes ADDRESS PORT SECONDS     one connection, as fast as it goes; prints bytes per second
 *   flow connects ADDRESS PORT SECONDS  connect, one byte there and back, close; prints connections per second */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static char buffer[1 << 20];

static double now(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

static int fail(const char *what) {
        (void) fprintf(stderr, "flow: %s: %s\n", what, strerror(errno));
        return 1;
}

/* One byte back for the first one; what follows is thrown away. */
static void take(int fd) {
        ssize_t n = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);

        if (n == 1)
                (void) send(fd, buffer, 1, MSG_NOSIGNAL);
        if (n == 0 || (n < 0 && errno != EAGAIN))
                (void) close(fd);
}

static int serve(uint16_t port) {
        struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
        int listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), e = epoll_create1(EPOLL_CLOEXEC), off = 0, on = 1;
        struct epoll_event event = { .events = EPOLLIN, .data.fd = listener }, events[64];

        if (listener < 0 || e < 0 || setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) < 0 ||
                        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
                        bind(listener, (struct sockaddr *) &any, sizeof(any)) < 0 || listen(listener, 4096) < 0 ||
                        epoll_ctl(e, EPOLL_CTL_ADD, listener, &event) < 0)
                return fail("serve");
        (void) printf("ready\n");
        (void) fflush(stdout);
        for (;;) {
                int n = epoll_wait(e, events, 64, -1);

                for (int i = 0; i < n; i++) {
                        if (events[i].data.fd != listener) {
                                take(events[i].data.fd);
                                continue;
                        }
                        event.data.fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
                        if (event.data.fd >= 0)
                                (void) epoll_ctl(e, EPOLL_CTL_ADD, event.data.fd, &event);
                }
        }
}

static int connect_to(const char *address, uint16_t port) {
        struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
        struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
        int is6 = inet_pton(AF_INET6, address, &in6.sin6_addr) == 1, fd;

        if (!is6 && inet_pton(AF_INET, address, &in.sin_addr) != 1) {
                errno = EINVAL;
                return -1;
        }
        fd = socket(is6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -1;
        if (connect(fd, is6 ? (struct sockaddr *) &in6 : (struct sockaddr *) &in, is6 ? sizeof(in6) : sizeof(in)) < 0) {
                (void) close(fd);
                return -1;
        }
        return fd;
}

static int bytes(const char *address, uint16_t port, double seconds) {
        int fd = connect_to(address, port);
        double begin = now(), end = begin + seconds, total = 0;

        if (fd < 0)
                return fail(address);
        while (now() < end) {
                ssize_t n = send(fd, buffer, sizeof(buffer), MSG_NOSIGNAL);

                if (n < 0)
                        return fail("send");
                total += (double) n;
        }
        (void) printf("%.0f\n", total / (now() - begin));
        return 0;
}

static int connects(const char *address, uint16_t port, double seconds) {
        struct linger reset = { .l_onoff = 1 }; /* no TIME_WAIT: local ports do not run out */
        double begin = now(), end = begin + seconds, total = 0;

        for (; now() < end; total++) {
                int fd = connect_to(address, port);
                char byte = 'x';

                if (fd < 0)
                        return fail(address);
                if (send(fd, &byte, 1, MSG_NOSIGNAL) != 1 || recv(fd, &byte, 1, 0) != 1)
                        return fail("echo");
                (void) setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
                (void) close(fd);
        }
        (void) printf("%.0f\n", total / (now() - begin));
        return 0;
}

int main(int argc, char *argv[]) {
        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (argc == 3 && strcmp(argv[1], "serve") == 0)
                return serve((uint16_t) atoi(argv[2]));
        if (argc == 5 && strcmp(argv[1], "bytes") == 0)
                return bytes(argv[2], (uint16_t) atoi(argv[3]), atof(argv[4]));
        if (argc == 5 && strcmp(argv[1], "connects") == 0)
                return connects(argv[2], (uint16_t) atoi(argv[3]), atof(argv[4]));
        (void) fprintf(stderr, "usage: flow serve PORT | bytes ADDRESS PORT SECONDS | connects ADDRESS PORT SECONDS\n");
        return 2;
}
