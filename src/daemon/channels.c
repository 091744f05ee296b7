/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Connections to channel.sock until they are handed over. Exactly one message is read here, the HELLO: what
 * comes behind it stays in the socket's queue for the monitor. Everything about the peer comes from the
 * kernel. */

#include "channels.h"

#include <glib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "errors.h"

#define HELLO_TIMEOUT_USEC (5 * USEC_PER_SEC)
#define ACCEPTS_PER_WAKEUP 64u

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5 */
#endif

typedef struct Guest {
        Channels *channels;
        int fd;
        struct ucred peer;
        sd_event_source *io, *timer;
        Session *session; /* reference, while the monitor has not said that it took the connection */
        uint32_t tag;     /* of the HELLO */
} Guest;

struct Channels {
        Manager *manager;
        int fd;
        sd_event_source *source, *pause;
        GHashTable *guests; /* set of Guest* */
        bool full;
};

static void guest_free(Guest *g) {
        Channels *c = g->channels;

        g_hash_table_remove(c->guests, g);
        quota_drop(c->manager->quotas, g->peer.uid, QUOTA_CHANNELS);
        sd_event_source_disable_unref(g->io);
        sd_event_source_disable_unref(g->timer);
        session_unref(g->session);
        fd_close(g->fd);
        g_free(g);
        if (c->full && c->source) {
                c->full = false;
                (void) sd_event_source_set_enabled(c->source, SD_EVENT_ON);
        }
}

static void send_refusal(int fd, uint32_t tag, ErrorCode code, const char *text) {
        _cleanup_writer_ WireWriter body = {};

        msg_ack_encode(&body, error_errno(code), text);
        (void) wire_send(fd, WIRE_ACK, tag, &body, NULL, 0);
}

static void refuse(Guest *g, ErrorCode code, const char *text) {
        send_refusal(g->fd, g->tag, code, text);
        guest_free(g);
}

static void on_handed_over(int error, const char *text, void *userdata) {
        Guest *g = userdata;

        (void) text;
        if (g->channels->manager->exiting)
                refuse(g, ERROR_BUSY, "The daemon is restarting; try again.");
        else if (error == EPIPE || error == ETIMEDOUT)
                refuse(g, ERROR_NO_SUCH_SESSION, "The session is ending; make a new one.");
        else if (error != 0)
                refuse(g, error_from_errno(error), "The session takes no more channels; close one.");
        else
                guest_free(g); /* our copy of the descriptor only */
}

static bool peer_is_outside(Guest *g) {
        ConfinedMarks marks = manager_confined_marks(g->channels->manager);
        _cleanup_close_ int pidfd = -EBADF;
        socklen_t n = sizeof(pidfd);
        ConfinedResult result;
        const char *why = NULL;
        int fd;

        if (getsockopt(g->fd, SOL_SOCKET, SO_PEERPIDFD, &fd, &n) >= 0)
                pidfd = fd;
        result = confined_check(g->peer.pid, pidfd, g->peer.uid, &marks, NULL, &why);
        if (result == CONFINED_OUTSIDE)
                return true;
        log_record(LOG_LEVEL_NOTICE, &(LogContext){.owner = g->peer.uid}, MSGID_DENIED,
                        "Denied a channel to uid %u, pid %d: %s", (unsigned) g->peer.uid, (int) g->peer.pid,
                        why);
        return false;
}

static void greet(Guest *g, const char *id) {
        Manager *m = g->channels->manager;
        Session *s = session_find(m, id);

        if (!peer_is_outside(g)) {
                refuse(g, ERROR_NOT_PERMITTED, "Calls from inside a sandbox of this service are refused.");
                return;
        }
        /* The same words for what is not there and for what is another's. */
        if (!s || !session_bus_is_visible_to(s, g->peer.uid)) {
                refuse(g, ERROR_NO_SUCH_SESSION, "There is no session of that id; see 'ocsbctl list'.");
                return;
        }
        if (m->locked_down) {
                refuse(g, ERROR_LOCKED_DOWN,
                                "This machine is locked down; an administrator lifts it with 'ocsbctl "
                                "lockdown off'.");
                return;
        }
        if (s->phase != SESSION_READY || !s->monitor) {
                refuse(g, ERROR_NO_SUCH_SESSION, "The session is ending; make a new one.");
                return;
        }
        g->session = session_ref(s);
        if (monitor_call(s->monitor, WIRE_CHANNEL, NULL, &g->fd, 1, on_handed_over, g, NULL) < 0)
                refuse(g, ERROR_NO_SUCH_SESSION, "The session is ending; make a new one.");
}

static int on_guest(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        Guest *g = userdata;
        _cleanup_message_ WireMessage m = {};
        char id[SESSION_ID_MAX + 1];
        WireReader r;
        int k;

        (void) source;
        (void) events;
        k = wire_recv(fd, &m);
        if (k == -EAGAIN)
                return 0;
        /* One message, whatever it is. */
        g->io = sd_event_source_disable_unref(g->io);
        g->timer = sd_event_source_disable_unref(g->timer);
        if (k <= 0) {
                guest_free(g);
                return 0;
        }
        g->tag = m.tag;
        r = WIRE_READER(m.body, m.len);
        if (m.type != WIRE_HELLO || m.n_fds != 0 || msg_id_decode(&r, id) < 0)
                refuse(g, ERROR_INVALID_ARGUMENT, "The first message on this socket names a session.");
        else
                greet(g, id);
        return 0;
}

static int on_timeout(sd_event_source *source, uint64_t usec, void *userdata) {
        (void) source;
        (void) usec;
        guest_free(userdata);
        return 0;
}

static void welcome(Channels *c, int given) {
        _cleanup_close_ int fd = given;
        struct ucred peer;
        Guest *g;

        if (wire_peer(fd, &peer) < 0)
                return;
        if (quota_take(c->manager->quotas, peer.uid, QUOTA_CHANNELS, QUOTA_CHANNELS_MAX) < 0) {
                send_refusal(fd, 0, ERROR_QUOTA_EXCEEDED, "Too many connections of yours wait already.");
                return;
        }
        g = g_new0(Guest, 1);
        g->channels = c;
        g->fd = TAKE_FD(fd);
        g->peer = peer;
        g_hash_table_add(c->guests, g);
        if (sd_event_add_io(c->manager->event, &g->io, g->fd, EPOLLIN, on_guest, g) < 0 ||
                        sd_event_add_time_relative(c->manager->event, &g->timer, CLOCK_MONOTONIC,
                                        HELLO_TIMEOUT_USEC, USEC_PER_SEC, on_timeout, g) < 0) {
                guest_free(g);
                return;
        }
        (void) sd_event_source_set_description(g->io, "channel-guest");
        /* The HELLO is mostly there already, sent right behind connect(). */
        (void) on_guest(g->io, g->fd, EPOLLIN, g);
}

static int on_pause_over(sd_event_source *source, uint64_t usec, void *userdata) {
        Channels *c = userdata;

        (void) source;
        (void) usec;
        return sd_event_source_set_enabled(c->source, SD_EVENT_ON);
}

/* No descriptor is free on this machine: asking again at once would only burn its time. */
static int pause_listening(Channels *c) {
        int r;

        if (!c->pause)
                r = sd_event_add_time_relative(c->manager->event, &c->pause, CLOCK_MONOTONIC,
                                USEC_PER_SEC / 10, 0, on_pause_over, c);
        else {
                r = sd_event_source_set_time_relative(c->pause, USEC_PER_SEC / 10);
                if (r >= 0)
                        r = sd_event_source_set_enabled(c->pause, SD_EVENT_ONESHOT);
        }
        return r < 0 ? r : sd_event_source_set_enabled(c->source, SD_EVENT_OFF);
}

static int on_listen(sd_event_source *source, int fd, uint32_t events, void *userdata) {
        Channels *c = userdata;

        (void) events;
        for (unsigned i = 0; i < ACCEPTS_PER_WAKEUP; i++) {
                int k;

                if (g_hash_table_size(c->guests) >= CHANNELS_WAITING_MAX) {
                        c->full = true;
                        return sd_event_source_set_enabled(source, SD_EVENT_OFF);
                }
                k = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
                if (k < 0)
                        return errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS
                                ? pause_listening(c)
                                : 0;
                welcome(c, k);
        }
        return 0;
}

int channels_new(Manager *m, int fd, Channels **ret) {
        Channels *c = g_new0(Channels, 1);
        int r;

        c->manager = m;
        c->fd = fd;
        c->guests = g_hash_table_new(g_direct_hash, g_direct_equal);
        r = fd_set_nonblock(fd, true);
        if (r >= 0)
                r = sd_event_add_io(m->event, &c->source, fd, EPOLLIN, on_listen, c);
        if (r >= 0)
                r = sd_event_source_set_enabled(c->source, SD_EVENT_OFF);
        if (r < 0) {
                channels_free(c);
                return r;
        }
        (void) sd_event_source_set_description(c->source, "channel-listen");
        *ret = c;
        return 0;
}

void channels_open(Channels *c) {
        if (c && sd_event_source_set_enabled(c->source, SD_EVENT_ON) < 0)
                log_error("Failed to listen for channels");
}

Channels *channels_free(Channels *c) {
        if (!c)
                return NULL;
        c->source = sd_event_source_disable_unref(c->source);
        c->pause = sd_event_source_disable_unref(c->pause);
        for (;;) {
                GHashTableIter i;
                void *g;

                g_hash_table_iter_init(&i, c->guests);
                if (!g_hash_table_iter_next(&i, &g, NULL))
                        break;
                guest_free(g);
        }
        g_hash_table_unref(c->guests);
        fd_close(c->fd);
        g_free(c);
        return NULL;
}
