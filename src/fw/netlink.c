/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Sockets and batches for rtnetlink and nfnetlink. The kernel answers within send(), so nothing here waits: an answer
 * that is not there afterwards is an error. */

#include "netlink.h"

#include <libmnl/libmnl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"

static uint8_t the_bin[NL_MESSAGE_MAX]; /* where messages go when there is no memory */
static uint8_t the_buffer[128 << 10];

void nl_batch_done(NlBatch *b) {
        free(b->data);
        *b = (NlBatch) {};
}

void *nl_batch_next(NlBatch *b) {
        if (!b->error && b->allocated - b->len < NL_MESSAGE_MAX) {
                size_t want = MAX(b->allocated * 2, b->len + 4 * NL_MESSAGE_MAX);
                void *p = realloc(b->data, want);

                if (p) {
                        b->data = p;
                        b->allocated = want;
                } else
                        b->error = -ENOMEM;
        }
        if (b->error)
                return the_bin;
        memset(b->data + b->len, 0, 512);
        return b->data + b->len;
}

void nl_batch_push(NlBatch *b) {
        if (!b->error)
                b->len += NLMSG_ALIGN(((struct nlmsghdr *) (void *) (b->data + b->len))->nlmsg_len);
}

struct nlmsghdr *nl_batch_put(NlBatch *b, uint16_t type, uint16_t flags, size_t body_size, void **ret_body) {
        struct nlmsghdr *m = mnl_nlmsg_put_header(nl_batch_next(b));

        m->nlmsg_type = type;
        m->nlmsg_flags = (uint16_t) (NLM_F_REQUEST | flags);
        m->nlmsg_seq = ++b->seq;
        *ret_body = mnl_nlmsg_put_extra_header(m, body_size);
        return m;
}

void nl_batch_put_ack(NlBatch *b) {
        void *body;

        (void) nl_batch_put(b, NLMSG_NOOP, NLM_F_ACK, 0, &body);
        nl_batch_push(b);
}

int nl_open(int protocol, uint32_t groups) {
        _cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
        struct sockaddr_nl sa = { .nl_family = AF_NETLINK, .nl_groups = groups };
        int size = 4 << 20;

        if (fd < 0 || bind(fd, (struct sockaddr *) &sa, sizeof(sa)) < 0)
                return -errno;
        /* The default holds a few hundred messages. Needs CAP_NET_ADMIN; without it, what fits. */
        (void) setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
        return TAKE_FD(fd);
}

int nl_join(int fd, unsigned group) {
        return setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0 ? -errno : 0;
}

bool nl_is(int fd, int protocol) {
        int domain, found;
        socklen_t n = sizeof(domain), k = sizeof(found);

        return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &n) == 0 && domain == AF_NETLINK &&
                        getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &found, &k) == 0 && found == protocol;
}

uint32_t nl_port(int fd) {
        struct sockaddr_nl sa = {};
        socklen_t n = sizeof(sa);

        return getsockname(fd, (struct sockaddr *) &sa, &n) == 0 && sa.nl_family == AF_NETLINK ? sa.nl_pid : 0;
}

static int send_all(int fd, const NlBatch *b) {
        struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };

        if (b->error)
                return b->error;
        for (;;) {
                if (sendto(fd, b->data, b->len, MSG_NOSIGNAL, (struct sockaddr *) &kernel, sizeof(kernel)) >= 0)
                        return 0;
                if (errno != EINTR)
                        return -errno;
        }
}

/* One datagram of the kernel's; 0: none is there. */
static ssize_t receive(int fd, int flags) {
        for (;;) {
                struct sockaddr_nl from;
                struct iovec iov = { the_buffer, sizeof(the_buffer) };
                struct msghdr mh = { .msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1 };
                ssize_t n = recvmsg(fd, &mh, flags);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return errno == EAGAIN ? 0 : -errno;
                if (mh.msg_flags & MSG_TRUNC)
                        return -EMSGSIZE;
                /* Any process may send to a netlink socket; the kernel alone has port 0. */
                if (n > 0 && from.nl_pid == 0)
                        return n;
        }
}

int nl_batch_run(int fd, NlBatch *b, uint32_t *ret_seq) {
        bool answered = false;
        ssize_t n;
        int r;

        /* What an earlier one may have left behind. */
        while (receive(fd, MSG_DONTWAIT) > 0)
                ;
        r = send_all(fd, b);
        if (r < 0)
                return r;
        while ((n = receive(fd, MSG_DONTWAIT)) != 0) {
                int left = (int) n;

                if (n < 0)
                        return (int) n;
                for (const struct nlmsghdr *m = (const void *) the_buffer; mnl_nlmsg_ok(m, left); m = mnl_nlmsg_next(m, &left)) {
                        const struct nlmsgerr *e = mnl_nlmsg_get_payload(m);

                        if (m->nlmsg_type != NLMSG_ERROR || m->nlmsg_len < NLMSG_LENGTH(sizeof(*e)))
                                continue;
                        if (e->error < 0 && r == 0) {
                                r = e->error;
                                if (ret_seq)
                                        *ret_seq = m->nlmsg_seq;
                        }
                        answered = answered || m->nlmsg_seq == b->seq;
                }
        }
        return r < 0 || answered ? r : -EPROTO;
}

int nl_query(int fd, NlBatch *b, NlHandler handler, void *userdata) {
        const struct nlmsghdr *request = (const void *) b->data;
        bool dump, interrupted = false;
        int r, k;

        while (receive(fd, MSG_DONTWAIT) > 0)
                ;
        r = send_all(fd, b);
        if (r < 0)
                return r;
        dump = (request->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
        for (;;) {
                ssize_t n = receive(fd, MSG_DONTWAIT);
                int left = (int) n;

                if (n <= 0)
                        return n < 0 ? (int) n : -EPROTO;
                for (const struct nlmsghdr *m = (const void *) the_buffer; mnl_nlmsg_ok(m, left); m = mnl_nlmsg_next(m, &left)) {
                        if (m->nlmsg_seq != b->seq)
                                continue;
                        if (m->nlmsg_flags & NLM_F_DUMP_INTR)
                                interrupted = true;
                        if (m->nlmsg_type == NLMSG_ERROR) {
                                const struct nlmsgerr *e = mnl_nlmsg_get_payload(m);

                                return m->nlmsg_len < NLMSG_LENGTH(sizeof(*e)) ? -EPROTO : r < 0 ? r : e->error;
                        }
                        if (m->nlmsg_type == NLMSG_DONE)
                                return r < 0 ? r : interrupted ? -EINTR : 0;
                        if (r >= 0) {
                                k = handler ? handler(m, userdata) : 0;
                                if (k < 0)
                                        r = k;
                        }
                        if (!dump)
                                return r;
                }
        }
}

int nl_drain(int fd, NlHandler handler, void *userdata) {
        bool lost = false;
        int r = 0;

        for (;;) {
                ssize_t n = receive(fd, MSG_DONTWAIT);
                int left = (int) n;

                if (n == -ENOBUFS || n == -EMSGSIZE) {
                        lost = true;
                        continue;
                }
                if (n <= 0)
                        return n < 0 ? (int) n : r < 0 ? r : lost ? -ENOBUFS : 0;
                for (const struct nlmsghdr *m = (const void *) the_buffer; mnl_nlmsg_ok(m, left); m = mnl_nlmsg_next(m, &left)) {
                        int k = handler(m, userdata);

                        if (k < 0 && r == 0)
                                r = k;
                }
        }
}
