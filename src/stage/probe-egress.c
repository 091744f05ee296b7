/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a sandbox can reach, tried from within it: every target at once, so that those which nobody answers cost one wait together.
 * Nothing is sent but what opens a connection, a DNS question and an echo request. */

#include "probe-egress.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FDS_RESERVED 16u

/* "NS of the root?", which every resolver answers. Whoever else listens gets a datagram that means nothing to him. */
static const uint8_t question[] = { 0x6f, 0x63, 0x01, 0x00, 0x00, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1 };

typedef union Address {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
} Address;

static socklen_t to_sockaddr(const EgressTarget *t, Address *ret) {
        if (t->address.family == 4) {
                ret->v4 = (struct sockaddr_in) { .sin_family = AF_INET, .sin_port = htons((uint16_t) t->port) };
                memcpy(&ret->v4.sin_addr, t->address.bytes, 4);
                return sizeof(ret->v4);
        }
        ret->v6 = (struct sockaddr_in6) { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t) t->port) };
        memcpy(&ret->v6.sin6_addr, t->address.bytes, 16);
        return sizeof(ret->v6);
}

static EgressSeen seen(EgressOutcome outcome, int error) {
        return (EgressSeen) { .outcome = outcome, .error = (uint32_t) error };
}

static EgressSeen seen_error(int error) {
        if (error == ECONNREFUSED || error == ECONNRESET)
                return seen(EGRESS_REFUSED, error);
        return error == ETIMEDOUT ? seen(EGRESS_TIMED_OUT, 0) : seen(EGRESS_UNREACHABLE, error);
}

static int open_socket(const EgressTarget *t) {
        int family = t->address.family == 4 ? AF_INET : AF_INET6;

        switch ((NetProtocol) t->protocol) {
        case NET_PROTOCOL_TCP:
                return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        case NET_PROTOCOL_UDP:
                return socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        case NET_PROTOCOL_ICMP:
                return socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
                                family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6);
        case _NET_PROTOCOL_MAX:
                break;
        }
        errno = EPROTONOSUPPORT;
        return -1;
}

static ssize_t send_first(int fd, const EgressTarget *t) {
        const struct icmphdr echo4 = { .type = ICMP_ECHO };
        const struct icmp6_hdr echo6 = { .icmp6_type = ICMP6_ECHO_REQUEST };

        if (t->protocol == NET_PROTOCOL_UDP)
                return send(fd, question, sizeof(question), MSG_NOSIGNAL);
        return t->address.family == 4 ? send(fd, &echo4, sizeof(echo4), MSG_NOSIGNAL)
                                      : send(fd, &echo6, sizeof(echo6), MSG_NOSIGNAL);
}

/* True when there is a verdict already; else fd waits for one. */
static bool begin(const EgressTarget *t, int *ret_fd, EgressSeen *ret) {
        Address a;
        socklen_t n = to_sockaddr(t, &a);
        int fd = open_socket(t);

        if (fd < 0) {
                *ret = seen(EGRESS_NOT_TRIED, errno);
                return true;
        }
        *ret_fd = fd;
        if (connect(fd, &a.any, n) < 0 && errno != EINPROGRESS) {
                *ret = seen_error(errno);
                return true;
        }
        if (t->protocol != NET_PROTOCOL_TCP && send_first(fd, t) < 0) {
                *ret = seen_error(errno);
                return true;
        }
        return false;
}

static bool continue_one(const EgressTarget *t, int fd, EgressSeen *ret) {
        uint8_t buffer[512];
        socklen_t n = sizeof(int);
        int error = 0;

        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0)
                error = errno;
        if (error != 0) {
                *ret = seen_error(error);
                return true;
        }
        if (t->protocol == NET_PROTOCOL_TCP) {
                *ret = seen(EGRESS_CONNECTED, 0);
                return true;
        }
        if (recv(fd, buffer, sizeof(buffer), 0) >= 0) {
                *ret = seen(EGRESS_CONNECTED, 0);
                return true;
        }
        if (errno == EAGAIN || errno == EINTR)
                return false;
        *ret = seen_error(errno);
        return true;
}

static uint64_t now_msec(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t) ts.tv_sec * 1000 + (uint64_t) ts.tv_nsec / 1000000;
}

static void wait_for_verdicts(const MsgEgress *m, struct pollfd *fds, EgressSeen *ret) {
        uint64_t end = now_msec() + m->timeout_msec, now;
        size_t waiting = 0;

        for (size_t i = 0; i < m->n_targets; i++)
                waiting += fds[i].fd >= 0;
        while (waiting > 0 && (now = now_msec()) < end) {
                if (poll(fds, m->n_targets, (int) (end - now)) <= 0)
                        continue;
                for (size_t i = 0; i < m->n_targets; i++) {
                        if (fds[i].fd < 0 || fds[i].revents == 0 || !continue_one(m->targets + i, fds[i].fd, ret + i))
                                continue;
                        (void) close(fds[i].fd);
                        fds[i].fd = -1;
                        waiting--;
                }
        }
}

int probe_egress(const MsgEgress *m, MsgEgressed *ret) {
        struct pollfd *fds = calloc(m->n_targets, sizeof(*fds));
        EgressSeen *list = calloc(m->n_targets, sizeof(*list));
        struct rlimit limit;

        if (!fds || !list) {
                free(fds);
                free(list);
                return -ENOMEM;
        }
        /* As far as this session may go: what is beyond is reported as not tried. */
        if (getrlimit(RLIMIT_NOFILE, &limit) >= 0 && limit.rlim_cur < m->n_targets + FDS_RESERVED) {
                limit.rlim_cur = MIN(limit.rlim_max, (rlim_t) m->n_targets + FDS_RESERVED);
                (void) setrlimit(RLIMIT_NOFILE, &limit);
        }
        for (size_t i = 0; i < m->n_targets; i++) {
                int fd = -1;

                list[i] = seen(EGRESS_TIMED_OUT, 0);
                fds[i] = (struct pollfd) { .fd = -1, .events = m->targets[i].protocol == NET_PROTOCOL_TCP ? POLLOUT : POLLIN };
                if (!begin(m->targets + i, &fd, list + i))
                        fds[i].fd = fd;
                else if (fd >= 0)
                        (void) close(fd);
        }
        wait_for_verdicts(m, fds, list);
        for (size_t i = 0; i < m->n_targets; i++)
                if (fds[i].fd >= 0)
                        (void) close(fds[i].fd);
        free(fds);
        *ret = (MsgEgressed) { .seen = list, .n_seen = m->n_targets };
        return 0;
}
