/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Connections to ocsb-stage and to monitors. A peer that does not read must not stop the daemon, and one
 * that does not read for long must not fill its memory: what the socket does not take is queued up to a
 * bound. */

#include "link.h"

#include <fcntl.h>
#include <glib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/fd.h"

#define MESSAGES_PER_WAKEUP 32u

typedef struct Queued {
        uint32_t type, tag;
        WireWriter body;
        int fds[WIRE_FDS_MAX];
        size_t n_fds;
} Queued;

struct Link {
        unsigned n_ref;
        int fd;
        sd_event_source *source;
        LinkReceive receive;
        LinkClosed closed;
        void *userdata;
        GQueue queue; /* Queued* */
        bool freed;
};

static void queued_free(Queued *q) {
        wire_writer_done(&q->body);
        fd_close_many(q->fds, q->n_fds);
        g_free(q);
}

static void link_unref(Link *l) {
        if (--l->n_ref == 0)
                g_free(l);
}

/* Everything but the memory, which a handler further up the stack may still look at. */
static void link_disconnect(Link *l) {
        Queued *q;

        l->source = sd_event_source_disable_unref(l->source);
        l->fd = fd_close(l->fd);
        while ((q = g_queue_pop_head(&l->queue)))
                queued_free(q);
}

Link *link_free(Link *l) {
        if (!l || l->freed)
                return NULL;
        l->freed = true;
        link_disconnect(l);
        link_unref(l);
        return NULL;
}

static void link_fail(Link *l, int error) {
        if (l->fd < 0)
                return;
        link_disconnect(l);
        l->closed(l, error, l->userdata);
}

static int link_flush(Link *l) {
        Queued *q;

        while ((q = g_queue_peek_head(&l->queue))) {
                int r = wire_send(l->fd, q->type, q->tag, &q->body, q->fds, q->n_fds);

                if (r == -EAGAIN)
                        return 0;
                if (r < 0)
                        return r;
                queued_free(g_queue_pop_head(&l->queue));
        }
        return sd_event_source_set_io_events(l->source, EPOLLIN);
}

static int link_read(Link *l) {
        for (unsigned i = 0; i < MESSAGES_PER_WAKEUP && l->fd >= 0; i++) {
                _cleanup_message_ WireMessage m = {};
                int r = wire_recv(l->fd, &m);

                if (r == -EAGAIN)
                        return 1;
                if (r <= 0)
                        return r;
                r = l->receive(l, &m, l->userdata);
                if (r < 0)
                        return r;
        }
        return 1;
}

static int on_io(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        Link *l = userdata;
        int r = 1;

        (void) source;
        (void) fd;

        l->n_ref++;
        /* Reading first: what the peer said before it left is still there together with EPOLLHUP. */
        if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                r = link_read(l);
        if (r > 0 && l->fd >= 0 && (events & EPOLLOUT)) {
                int k = link_flush(l);

                if (k < 0)
                        r = k;
        }
        if (r <= 0)
                link_fail(l, r);
        link_unref(l);
        return 0;
}

int link_new(sd_event *event, int fd, const char *description, LinkReceive receive, LinkClosed closed,
                void *userdata, Link **ret) {
        _cleanup_close_ int owned = fd;
        Link *l;
        int r;

        r = fd_set_nonblock(owned, true);
        if (r < 0)
                return r;

        l = g_new0(Link, 1);
        l->n_ref = 1;
        l->receive = receive;
        l->closed = closed;
        l->userdata = userdata;
        g_queue_init(&l->queue);
        l->fd = TAKE_FD(owned);
        r = sd_event_add_io(event, &l->source, l->fd, EPOLLIN, on_io, l);
        if (r < 0) {
                link_free(l);
                return r;
        }
        (void) sd_event_source_set_description(l->source, description);
        *ret = l;
        return 0;
}

static int link_enqueue(
                Link *l, uint32_t type, uint32_t tag, const WireWriter *body, const int *fds, size_t n_fds) {
        Queued *q;

        if (g_queue_get_length(&l->queue) >= LINK_QUEUE_MAX)
                return -ENOBUFS;

        q = g_new0(Queued, 1);
        q->type = type;
        q->tag = tag;
        if (body && body->len > 0) {
                q->body.data = malloc(body->len);
                if (!q->body.data) {
                        queued_free(q);
                        return -ENOMEM;
                }
                memcpy(q->body.data, body->data, body->len);
                q->body.len = q->body.allocated = body->len;
        }
        for (size_t i = 0; i < n_fds; i++) {
                int fd = fd_dup(fds[i]);

                if (fd < 0) {
                        queued_free(q);
                        return fd;
                }
                q->fds[q->n_fds++] = fd;
        }
        g_queue_push_tail(&l->queue, q);
        return sd_event_source_set_io_events(l->source, EPOLLIN | EPOLLOUT);
}

int link_send(Link *l, uint32_t type, uint32_t tag, const WireWriter *body, const int *fds, size_t n_fds) {
        int r;

        if (l->fd < 0)
                return -EPIPE;
        if (body && body->error)
                return body->error;
        if (n_fds > WIRE_FDS_MAX - 1)
                return -EMSGSIZE;

        if (g_queue_is_empty(&l->queue)) {
                r = wire_send(l->fd, type, tag, body, fds, n_fds);
                /* The end of the connection is reported by the event loop, in order behind what it still
                 * holds. */
                if (r != -EAGAIN)
                        return r;
        }
        return link_enqueue(l, type, tag, body, fds, n_fds);
}

int link_connect(const char *path) {
        _cleanup_close_ int fd = -EBADF;
        struct sockaddr_un sa = { .sun_family = AF_UNIX };

        if (strlen(path) >= sizeof(sa.sun_path))
                return -ENAMETOOLONG;
        strcpy(sa.sun_path, path);
        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        if (connect(fd, (const struct sockaddr *) &sa, sizeof(sa)) < 0)
                return -errno;
        return TAKE_FD(fd);
}
