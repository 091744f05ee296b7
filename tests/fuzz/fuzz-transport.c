/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A hostile peer: any datagram with any descriptors. The first byte says which ones and whether a good
 * header is put in front of the rest. Whatever arrives, no descriptor stays open. */

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/fd.h"
#include "fuzz.h"
#include "wire/transport.h"

#define MANY (WIRE_FDS_MAX + 3)

static int open_null(void) {
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

        must(fd >= 0);
        return fd;
}

static int unsealed(const uint8_t *data, size_t n) {
        int fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        must(fd >= 0 && fd_write_all(fd, data, n) == 0);
        return fd;
}

/* Returns how many. */
static size_t make_fds(unsigned kind, const uint8_t *data, size_t n, int fds[static MANY]) {
        size_t k = 0;

        switch (kind) {
        case 0:
                break;
        case 1:
                fds[k++] = memfd_sealed("fuzz", data, n);
                break;
        case 2:
                fds[k++] = open_null();
                fds[k++] = memfd_sealed("fuzz", data, n);
                break;
        case 3:
                fds[k++] = unsealed(data, n);
                break;
        case 4:
                fds[k++] = open_null();
                break;
        case 5:
                while (k < WIRE_FDS_MAX)
                        fds[k++] = open_null();
                break;
        default:
                while (k < MANY)
                        fds[k++] = open_null();
                break;
        }
        return k;
}

static void send_datagram(int sock, struct iovec *iov, size_t n_iov, const int *fds, size_t n_fds) {
        union {
                struct cmsghdr align;
                char space[CMSG_SPACE(sizeof(int) * MANY)];
        } control = {};
        struct msghdr mh = { .msg_iov = iov, .msg_iovlen = n_iov };

        if (n_fds > 0) {
                struct cmsghdr *c;

                mh.msg_control = control.space;
                mh.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
                c = CMSG_FIRSTHDR(&mh);
                c->cmsg_level = SOL_SOCKET;
                c->cmsg_type = SCM_RIGHTS;
                c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
                memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
        }
        (void) sendmsg(sock, &mh, MSG_NOSIGNAL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        WireHeader h = { .magic = WIRE_MAGIC, .type = 1, .tag = 2 };
        int pair[2], fds[MANY], before, after, r;
        struct iovec iov[2];
        WireMessage m = {};
        size_t n_fds, n_iov = 0;
        unsigned how;

        if (size == 0)
                return 0;
        how = data[0];
        data++;
        size--;

        /* The lowest free number is the same afterwards unless something stayed open. */
        before = open_null();
        fd_close(before);

        must(wire_pair(pair) == 0);
        n_fds = make_fds(how & 7, data, size, fds);
        if (how & 8) {
                if (how & 16)
                        h.flags = WIRE_FLAG_MEMFD;
                iov[n_iov++] = (struct iovec) { .iov_base = &h, .iov_len = sizeof(h) };
        }
        if (!(how & 32))
                iov[n_iov++] = (struct iovec) { .iov_base = (void *) data, .iov_len = size };
        send_datagram(pair[0], iov, n_iov, fds, n_fds);
        fd_close_many(fds, n_fds);
        pair[0] = fd_close(pair[0]);

        while ((r = wire_recv(pair[1], &m)) == 1) {
                must(m.n_fds <= WIRE_FDS_MAX && m.len <= WIRE_BODY_MAX && (m.len == 0) == !m.body);
                for (size_t i = 0; i < m.n_fds; i++)
                        must(fcntl(m.fds[i], F_GETFD) == FD_CLOEXEC);
                wire_message_done(&m);
        }
        must(r == 0 || r == -EBADMSG);
        must(!m.body && m.n_fds == 0);
        fd_close(pair[1]);

        after = open_null();
        fd_close(after);
        must(after == before);
        return 0;
}
