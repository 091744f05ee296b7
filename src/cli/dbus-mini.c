/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The client half of a D-Bus connection over a unix socket.
 *
 *   #1 one write: NUL, AUTH EXTERNAL, NEGOTIATE_UNIX_FD, BEGIN
 *   #2 read until OK and AGREE_UNIX_FD are there
 *   #3 Hello, and right behind it the call with its descriptors
 *
 * Nothing of #3 may share a write with #1: descriptors sent along with the authentication lines are dropped,
 * and an sd-bus peer that reads BEGIN and a message at once forgets the message until more bytes come. */

#include "dbus-mini.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"

#define DEFAULT_ADDRESS "unix:path=/run/dbus/system_bus_socket"
#define AUTH_TIMEOUT_MSEC 10000
#define AUTH_LINE_MAX 1024u

void dbus_client_done(DbusClient *c) {
        c->fd = fd_close(c->fd);
        fd_close_many(c->fds, c->n_fds);
        free(c->in);
        *c = DBUS_CLIENT_NONE;
}

void dbus_reply_done(DbusReply *r) {
        free(r->buffer);
        fd_close_many(r->fds, r->n_fds);
        *r = (DbusReply) {};
}

static int hex_digit(char c) {
        return c >= '0' && c <= '9'   ? c - '0'
               : c >= 'a' && c <= 'f' ? c - 'a' + 10
               : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                      : -1;
}

/* Undoes %XX in the n bytes at s. Returns the length, or -EINVAL, also when it does not fit. */
static ssize_t unescape(const char *s, size_t n, char *ret, size_t size) {
        size_t k = 0;

        for (size_t i = 0; i < n; i++) {
                char c = s[i];

                if (c == '%') {
                        int high = n - i > 2 ? hex_digit(s[i + 1]) : -1,
                            low = n - i > 2 ? hex_digit(s[i + 2]) : -1;

                        if (high < 0 || low < 0)
                                return -EINVAL;
                        c = (char) (high << 4 | low);
                        i += 2;
                }
                if (c == 0 || k >= size)
                        return -EINVAL;
                ret[k++] = c;
        }
        return (ssize_t) k;
}

int dbus_address_next(const char **p, char ret[static 108], size_t *ret_len) {
        const char *s, *end;
        ssize_t k = -1;

        while (**p == ';')
                (*p)++;
        if (!**p)
                return 0;
        s = *p;
        end = s + strcspn(s, ";");
        *p = end;
        if (!str_has_prefix(s, "unix:"))
                return -EPROTONOSUPPORT;
        for (s += 5; s < end;) {
                size_t n = strcspn(s, ",;");

                /* Room for the NUL of a path, and for the one in front of an abstract name. */
                if (str_has_prefix(s, "path=")) {
                        k = unescape(s + 5, n - 5, ret, 107);
                        if (k <= 0 || ret[0] != '/')
                                return -EINVAL;
                        ret[k++] = 0;
                } else if (str_has_prefix(s, "abstract=")) {
                        ret[0] = 0;
                        k = unescape(s + 9, n - 9, ret + 1, 107);
                        if (k <= 0)
                                return -EINVAL;
                        k++;
                }
                s += n + (s + n < end);
        }
        if (k < 0)
                return -EPROTONOSUPPORT; /* unix:runtime, unix:tmpdir, … */
        *ret_len = (size_t) k;
        return 1;
}

static int connect_one(const char *path, size_t len) {
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_un sa = { .sun_family = AF_UNIX };

        if (fd < 0)
                return -errno;
        memcpy(sa.sun_path, path, len);
        if (connect(fd, (struct sockaddr *) &sa,
                            (socklen_t) (offsetof(struct sockaddr_un, sun_path) + len)) < 0)
                return -errno;
        return TAKE_FD(fd);
}

static int connect_any(const char *addresses) {
        int error = -EINVAL;

        for (const char *p = addresses;;) {
                char path[108];
                size_t len;
                int r = dbus_address_next(&p, path, &len);

                if (r == 0)
                        return error;
                if (r > 0) {
                        r = connect_one(path, len);
                        if (r >= 0)
                                return r;
                }
                error = r;
        }
}

static uint64_t now_msec(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t) ts.tv_sec * 1000 + (uint64_t) ts.tv_nsec / 1000000;
}

/* Reads one line of the authentication, without CR LF, within its limits of bytes and time. */
static int auth_line(int fd, char *buf, size_t *len, uint64_t deadline, char *ret, size_t size) {
        for (;;) {
                char *lf = memchr(buf, '\n', *len);
                struct pollfd p = { .fd = fd, .events = POLLIN };
                uint64_t now;
                ssize_t k;

                if (lf) {
                        size_t n = (size_t) (lf - buf);

                        if (n == 0 || buf[n - 1] != '\r' || n > size)
                                return -EBADMSG;
                        memcpy(ret, buf, n - 1);
                        ret[n - 1] = 0;
                        *len -= n + 1;
                        memmove(buf, lf + 1, *len);
                        return 0;
                }
                if (*len >= AUTH_LINE_MAX)
                        return -EBADMSG;
                now = now_msec();
                if (now >= deadline)
                        return -ETIMEDOUT;
                if (poll(&p, 1, (int) (deadline - now)) < 0) {
                        if (errno == EINTR)
                                continue;
                        return -errno;
                }
                if (p.revents == 0)
                        return -ETIMEDOUT;
                k = recv(fd, buf + *len, AUTH_LINE_MAX - *len, MSG_DONTWAIT);
                if (k == 0)
                        return -ECONNRESET;
                if (k < 0 && errno != EAGAIN && errno != EINTR)
                        return -errno;
                *len += k > 0 ? (size_t) k : 0;
        }
}

static int authenticate(int fd) {
        char request[128], uid[16], buf[AUTH_LINE_MAX], line[AUTH_LINE_MAX];
        uint64_t deadline = now_msec() + AUTH_TIMEOUT_MSEC;
        size_t n = 0, len = 0;
        int r;

        /* #1. EXTERNAL with our uid in decimal, in hex; the NUL before it carries the credentials. */
        (void) snprintf(uid, sizeof(uid), "%u", (unsigned) geteuid());
        request[n++] = 0;
        n += (size_t) sprintf(request + n, "AUTH EXTERNAL ");
        for (const char *p = uid; *p; p++)
                n += (size_t) sprintf(request + n, "%02x", (unsigned char) *p);
        n += (size_t) sprintf(request + n, "\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n");
        if (send(fd, request, n, MSG_NOSIGNAL) != (ssize_t) n)
                return -ECONNRESET;

        /* #2 */
        r = auth_line(fd, buf, &len, deadline, line, sizeof(line));
        if (r < 0)
                return r;
        if (!str_has_prefix(line, "OK "))
                return -EACCES;
        r = auth_line(fd, buf, &len, deadline, line, sizeof(line));
        if (r < 0)
                return r;
        if (!streq(line, "AGREE_UNIX_FD"))
                return -EOPNOTSUPP;
        /* The server speaks next only when spoken to. */
        return len == 0 ? 0 : -EBADMSG;
}

static int send_call(DbusClient *c, const DbusCall *call, uint32_t *ret_serial) {
        _cleanup_dbus_writer_ DbusWriter w = {};
        union {
                struct cmsghdr align;
                char space[CMSG_SPACE(sizeof(int) * DBUS_FDS_MAX)];
        } control = {};
        size_t done = 0;

        if (call->n_fds > DBUS_FDS_MAX)
                return -E2BIG;
        dbus_call_encode(&w, call, ++c->serial);
        if (w.error)
                return w.error;
        while (done < w.len) {
                struct iovec iov = { .iov_base = w.data + done, .iov_len = w.len - done };
                struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
                ssize_t k;

                if (done == 0 && call->n_fds > 0) {
                        struct cmsghdr *h;

                        mh.msg_control = control.space;
                        mh.msg_controllen = CMSG_SPACE(sizeof(int) * call->n_fds);
                        h = CMSG_FIRSTHDR(&mh);
                        h->cmsg_level = SOL_SOCKET;
                        h->cmsg_type = SCM_RIGHTS;
                        h->cmsg_len = CMSG_LEN(sizeof(int) * call->n_fds);
                        memcpy(CMSG_DATA(h), call->fds, sizeof(int) * call->n_fds);
                }
                k = sendmsg(c->fd, &mh, MSG_NOSIGNAL);
                if (k < 0) {
                        if (errno == EINTR)
                                continue;
                        return -errno;
                }
                done += (size_t) k;
        }
        *ret_serial = c->serial;
        return 0;
}

int dbus_client_connect(const char *address, DbusClient *ret) {
        _cleanup_dbus_client_ DbusClient c = DBUS_CLIENT_NONE;
        const DbusCall hello = { .destination = "org.freedesktop.DBus",
                .path = "/org/freedesktop/DBus",
                .interface = "org.freedesktop.DBus",
                .member = "Hello" };
        int r;

        if (!address)
                address = getenv("DBUS_SYSTEM_BUS_ADDRESS");
        c.fd = connect_any(address && *address ? address : DEFAULT_ADDRESS);
        if (c.fd < 0)
                return c.fd;
        r = authenticate(c.fd);
        if (r < 0)
                return r;
        r = send_call(&c, &hello, &c.hello);
        if (r < 0)
                return r;
        *ret = c;
        c = DBUS_CLIENT_NONE;
        return 0;
}

/* Reads more bytes, and the descriptors that come with them. */
static int fill(DbusClient *c) {
        union {
                struct cmsghdr align;
                char space[CMSG_SPACE(sizeof(int) * 253)]; /* SCM_MAX_FD */
        } control;
        struct iovec iov;
        struct msghdr mh = { .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = control.space,
                .msg_controllen = sizeof(control.space) };
        bool too_many = false;
        ssize_t k;

        if (c->in_len == c->in_allocated) {
                size_t want = MAX(c->in_allocated * 2, (size_t) 4096);
                uint8_t *p = want <= 2 * DBUS_MESSAGE_MAX ? realloc(c->in, want) : NULL;

                if (!p)
                        return -ENOMEM;
                c->in = p;
                c->in_allocated = want;
        }
        iov = (struct iovec) { .iov_base = c->in + c->in_len, .iov_len = c->in_allocated - c->in_len };
        do
                k = recvmsg(c->fd, &mh, MSG_CMSG_CLOEXEC);
        while (k < 0 && errno == EINTR);
        if (k < 0)
                return -errno;
        for (struct cmsghdr *h = CMSG_FIRSTHDR(&mh); h; h = CMSG_NXTHDR(&mh, h)) {
                size_t n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);

                if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
                        continue;
                for (size_t i = 0; i < n; i++) {
                        int fd;

                        memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof(int));
                        if (c->n_fds < DBUS_FDS_MAX)
                                c->fds[c->n_fds++] = fd;
                        else {
                                fd_close(fd);
                                too_many = true;
                        }
                }
        }
        if (too_many || (mh.msg_flags & MSG_CTRUNC))
                return -EBADMSG;
        if (k == 0)
                return -ECONNRESET;
        c->in_len += (size_t) k;
        return 0;
}

/* Takes the next message out of the stream. */
static int receive(DbusClient *c, DbusReply *ret) {
        _cleanup_dbus_reply_ DbusReply reply = {};
        ssize_t n;
        int r;

        for (;;) {
                n = dbus_message_length(c->in, c->in_len);
                if (n < 0)
                        return (int) n;
                if (n > 0 && (size_t) n <= c->in_len)
                        break;
                r = fill(c);
                if (r < 0)
                        return r;
        }
        reply.buffer = malloc((size_t) n);
        if (!reply.buffer)
                return -ENOMEM;
        memcpy(reply.buffer, c->in, (size_t) n);
        c->in_len -= (size_t) n;
        memmove(c->in, c->in + n, c->in_len);
        r = dbus_message_decode(reply.buffer, (size_t) n, &reply.message);
        if (r < 0)
                return r;
        if (reply.message.n_fds > c->n_fds)
                return -EBADMSG;
        reply.n_fds = reply.message.n_fds;
        memcpy(reply.fds, c->fds, reply.n_fds * sizeof(int));
        c->n_fds -= reply.n_fds;
        memmove(c->fds, c->fds + reply.n_fds, c->n_fds * sizeof(int));
        *ret = reply;
        reply = (DbusReply) {};
        return 0;
}

int dbus_client_call(DbusClient *c, const DbusCall *call, DbusReply *ret) {
        uint32_t serial;
        int r;

        r = send_call(c, call, &serial);
        if (r < 0)
                return r;
        for (;;) {
                _cleanup_dbus_reply_ DbusReply reply = {};
                const DbusMessage *m = &reply.message;

                r = receive(c, &reply);
                if (r < 0)
                        return r;
                if (m->type != DBUS_METHOD_RETURN && m->type != DBUS_ERROR)
                        continue; /* NameAcquired, and what else the bus tells everybody */
                if (c->hello && m->reply_serial == c->hello) {
                        if (m->type == DBUS_ERROR)
                                return -ECONNREFUSED;
                        c->hello = 0;
                        continue;
                }
                if (m->reply_serial != serial)
                        continue;
                r = m->type == DBUS_ERROR;
                *ret = reply;
                reply = (DbusReply) {};
                return r;
        }
}

int dbus_client_send(DbusClient *c, const DbusCall *call) {
        DbusCall one_way = *call;
        uint32_t serial;

        one_way.flags |= DBUS_NO_REPLY_EXPECTED;
        return send_call(c, &one_way, &serial);
}
