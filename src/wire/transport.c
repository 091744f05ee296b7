/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* SEQPACKET transport. Message boundaries come from the kernel, so there is no reassembly and nothing to
 * desynchronise: a malformed datagram is dropped whole with every descriptor that came in it. */

#include "transport.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/fd.h"

void wire_message_done(WireMessage *m) {
        free(m->body);
        fd_close_many(m->fds, m->n_fds);
        m->body = NULL;
        m->len = m->n_fds = 0;
}

int wire_send(int sock, uint32_t type, uint32_t tag, const WireWriter *body, const int *fds, size_t n_fds) {
        WireHeader h = { .magic = WIRE_MAGIC, .type = type, .tag = tag };
        union {
                struct cmsghdr align;
                char space[CMSG_SPACE(sizeof(int) * WIRE_FDS_MAX)];
        } control = {};
        struct iovec iov[2] = { { .iov_base = &h, .iov_len = sizeof(h) } };
        struct msghdr mh = { .msg_iov = iov, .msg_iovlen = 1 };
        _cleanup_close_ int memfd = -EBADF;
        int all[WIRE_FDS_MAX];
        size_t len = body ? body->len : 0;

        if (body && body->error)
                return body->error;
        if (n_fds > WIRE_FDS_MAX - (len > WIRE_INLINE_MAX))
                return -EMSGSIZE;
        if (n_fds > 0)
                memcpy(all, fds, n_fds * sizeof(int));
        if (len > WIRE_INLINE_MAX) {
                memfd = memfd_sealed("ocsb-message", body->data, len);
                if (memfd < 0)
                        return memfd;
                all[n_fds++] = memfd;
                h.flags |= WIRE_FLAG_MEMFD;
        } else if (len > 0) {
                iov[1] = (struct iovec) { .iov_base = body->data, .iov_len = len };
                mh.msg_iovlen = 2;
        }
        if (n_fds > 0) {
                struct cmsghdr *c;

                mh.msg_control = control.space;
                mh.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
                c = CMSG_FIRSTHDR(&mh);
                c->cmsg_level = SOL_SOCKET;
                c->cmsg_type = SCM_RIGHTS;
                c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
                memcpy(CMSG_DATA(c), all, sizeof(int) * n_fds);
        }
        for (;;) {
                if (sendmsg(sock, &mh, MSG_NOSIGNAL) >= 0)
                        return 0;
                if (errno != EINTR)
                        return errno == ECONNRESET ? -EPIPE : -errno;
        }
}

static void collect_fds(struct msghdr *mh, WireMessage *m) {
        for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c)) {
                size_t n;

                if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
                        continue;
                n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                for (size_t i = 0; i < n; i++) {
                        int fd;

                        memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
                        if (m->n_fds < WIRE_FDS_MAX)
                                m->fds[m->n_fds++] = fd;
                        else
                                fd_close(fd);
                }
        }
}

static int read_memfd_body(WireMessage *m) {
        struct stat st;
        int fd, r;

        if (m->n_fds == 0)
                return -EBADMSG;
        fd = m->fds[m->n_fds - 1];
        /* Unsealed, it could change while it is read, or shrink and raise SIGBUS in a reader that maps it. */
        r = memfd_check_sealed(fd);
        if (r < 0 || fstat(fd, &st) < 0 || st.st_size <= 0 || (uint64_t) st.st_size > WIRE_BODY_MAX)
                return -EBADMSG;
        m->body = malloc((size_t) st.st_size);
        if (!m->body)
                return -ENOMEM;
        m->len = (size_t) st.st_size;
        if (pread(fd, m->body, m->len, 0) != (ssize_t) m->len)
                return -EBADMSG;
        fd_close(m->fds[--m->n_fds]);
        return 0;
}

int wire_recv(int sock, WireMessage *ret) {
        static _Thread_local uint8_t buffer[WIRE_INLINE_MAX]; /* bss: only touched pages cost memory */
        WireHeader h;
        union {
                struct cmsghdr align;
                char space[CMSG_SPACE(sizeof(int) * WIRE_FDS_MAX)];
        } control;
        struct iovec iov[2] = { { .iov_base = &h, .iov_len = sizeof(h) },
                { .iov_base = buffer, .iov_len = sizeof(buffer) } };
        struct msghdr mh = { .msg_iov = iov, .msg_iovlen = 2, .msg_control = control.space,
                .msg_controllen = sizeof(control.space) };
        _cleanup_message_ WireMessage m = {};
        ssize_t k;
        int r;

        /* ECONNRESET: the peer left without reading all of ours. The kernel says so once, before it hands out what the
         * peer sent last; an EVENT_EXITED must not be lost for it. */
        do
                k = recvmsg(sock, &mh, MSG_CMSG_CLOEXEC);
        while (k < 0 && (errno == EINTR || errno == ECONNRESET));
        if (k < 0)
                return -errno;
        collect_fds(&mh, &m);
        if (k == 0 && m.n_fds == 0)
                return 0;
        if ((size_t) k < sizeof(h) || (mh.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) || h.magic != WIRE_MAGIC ||
                        (h.flags & ~(uint32_t) WIRE_FLAG_MEMFD))
                return -EBADMSG;

        m.type = h.type;
        m.tag = h.tag;
        if (h.flags & WIRE_FLAG_MEMFD) {
                if ((size_t) k != sizeof(h))
                        return -EBADMSG;
                r = read_memfd_body(&m);
                if (r < 0)
                        return r;
        } else if ((size_t) k > sizeof(h)) {
                m.len = (size_t) k - sizeof(h);
                m.body = malloc(m.len);
                if (!m.body)
                        return -ENOMEM;
                memcpy(m.body, buffer, m.len);
        }
        *ret = m;
        m = (WireMessage) {};
        return 1;
}

int wire_pair(int ret[static 2]) {
        return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ret) < 0 ? -errno : 0;
}

static int address(const char *path, struct sockaddr_un *ret) {
        *ret = (struct sockaddr_un) { .sun_family = AF_UNIX };
        if (strlen(path) >= sizeof(ret->sun_path))
                return -ENAMETOOLONG;
        strcpy(ret->sun_path, path);
        return 0;
}

static int connect_as(const char *path, int flags) {
        _cleanup_close_ int fd = -EBADF;
        struct sockaddr_un sa;
        int r = address(path, &sa);

        if (r < 0)
                return r;
        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | flags, 0);
        if (fd < 0)
                return -errno;
        if (connect(fd, (struct sockaddr *) &sa, sizeof(sa)) < 0)
                return -errno;
        return TAKE_FD(fd);
}

int wire_connect(const char *path) {
        return connect_as(path, 0);
}

int wire_connect_nonblock(const char *path) {
        return connect_as(path, SOCK_NONBLOCK);
}

int wire_listen(const char *path, mode_t mode) {
        _cleanup_close_ int fd = -EBADF;
        struct sockaddr_un sa;
        int r = address(path, &sa);

        if (r < 0)
                return r;
        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        (void) unlink(path);
        /* On Linux the mode of the socket inode follows fchmod() before bind(): no window in which it is wider. */
        if (fchmod(fd, mode) < 0 || bind(fd, (struct sockaddr *) &sa, sizeof(sa)) < 0)
                return -errno;
        if (chmod(path, mode) < 0 || listen(fd, 128) < 0)
                return -errno;
        return TAKE_FD(fd);
}

int wire_peer(int sock, struct ucred *ret) {
        socklen_t n = sizeof(*ret);

        return getsockopt(sock, SOL_SOCKET, SO_PEERCRED, ret, &n) < 0 ? -errno : 0;
}
