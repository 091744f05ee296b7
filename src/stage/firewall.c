/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The client of ocsb-fw: nothing here waits. What the socket does not take now goes when it is writable again. */

#include "firewall.h"

#include <stdio.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/fd.h"
#include "base/log.h"
#include "stage/session.h"
#include "wire/network.h"

#define PAUSE_FIRST_USEC UINT64_C(10000)
#define PAUSE_MAX_USEC UINT64_C(1000000)
#define TAG_OWED UINT32_MAX /* of FW_DETACH and FW_SYNCED: FW_ATTACH has lower ones */
#define NOBODY_THERE                                                                                                     \
        "network \"nat\" needs ocsb-fw, and nobody listens at " OCSB_FW_SOCKET ": start ocsb-fw.socket; where systemd is not " \
        "PID 1, ocsbd --standalone says at its start what is missing"

typedef struct Detach {
        char id[SESSION_ID_MAX + 1];
        struct Detach *next;
} Detach;

struct Firewall {
        Stage *stage;
        int fd;
        LoopSource source;
        bool writing; /* waits until it may */
        bool synced;
        LoopTimer retry;
        uint64_t pause;
        uint32_t last_tag;
        unsigned owed; /* ends that ocsb-fw has not confirmed; FW_SYNCED counts as one */
        Detach *detaches; /* that the socket did not take yet, oldest first */
};

static void on_retry(void *userdata);
static void flush(Firewall *f);

static bool anybody(const Firewall *f) {
        for (Session *x = f->stage->sessions; x; x = x->next)
                if (x->network.state == NETWORK_ATTACHING || x->network.state == NETWORK_ATTACHED)
                        return true;
        return false;
}

static void disconnect(Firewall *f) {
        loop_remove(f->stage->loop, &f->source);
        f->fd = fd_close(f->fd);
        f->writing = f->synced = false;
        /* The next connection begins with FW_SYNCED, which says the same. */
        while (f->detaches) {
                Detach *d = f->detaches;

                f->detaches = d->next;
                free(d);
        }
        for (Session *x = f->stage->sessions; x; x = x->next)
                x->network.tag = 0;
        /* Otherwise there is nothing to say: "systemctl stop ocsb-fw" is not undone by its socket. */
        if (!anybody(f) && f->owed == 0)
                return;
        loop_timer_set(f->stage->loop, &f->retry, f->pause, on_retry, f);
        f->pause = MIN(f->pause * 2, PAUSE_MAX_USEC);
}

/* ---- what it says ---- */

static Session *session_of_tag(Firewall *f, uint32_t tag) {
        for (Session *x = f->stage->sessions; tag && x; x = x->next)
                if (x->network.tag == tag)
                        return x;
        return NULL;
}

static void take_attached(Firewall *f, const WireMessage *m) {
        WireReader reader = WIRE_READER(m->body, m->len);
        Session *x = session_of_tag(f, m->tag);
        FwAttached a;

        if (!x)
                return; /* has ended meanwhile, FW_DETACH is under way */
        if (fw_attached_decode(&reader, &a) < 0 || !streq(a.id, x->record->id))
                network_failed(x, -EBADMSG, "ocsb-fw sent a malformed answer");
        else
                network_attached(x);
}

static void take_ack(Firewall *f, const WireMessage *m) {
        WireReader reader = WIRE_READER(m->body, m->len);
        Session *x = session_of_tag(f, m->tag);
        char text[MSG_ACK_TEXT_MAX + 1] = "";
        int error = 0;

        if (m->tag == TAG_OWED && f->owed > 0)
                f->owed--;
        if (msg_ack_decode(&reader, &error, text, sizeof(text)) < 0) {
                error = EBADMSG;
                (void) snprintf(text, sizeof(text), "ocsb-fw sent a malformed answer");
        }
        if (error == 0 && !x)
                return;
        if (x)
                network_failed(x, error ? -error : -EPROTO, text[0] ? text : strerror(error));
        else
                log_warning("ocsb-fw: %s", text[0] ? text : strerror(error));
}

static void on_event(LoopSource *src, uint32_t events, void *userdata) {
        Firewall *f = userdata;

        for (;;) {
                _cleanup_message_ WireMessage m = {};
                int r = wire_recv(src->fd, &m);

                if (r == -EAGAIN)
                        break;
                if (r <= 0) {
                        log_info("The connection to ocsb-fw ended");
                        disconnect(f);
                        return;
                }
                f->pause = PAUSE_FIRST_USEC;
                if (m.type == FW_ATTACHED)
                        take_attached(f, &m);
                else if (m.type == WIRE_ACK)
                        take_ack(f, &m);
        }
        if (events & EPOLLOUT)
                flush(f);
}

/* ---- what is said to it ---- */

/* 0 when it is out; -EAGAIN: later; others: the connection is no good. */
static int send_id(Firewall *f, uint32_t type, const char *id) {
        _cleanup_writer_ WireWriter w = {};

        if (id)
                wire_put_string(&w, id);
        return wire_send(f->fd, type, TAG_OWED, &w, NULL, 0);
}

static int send_attach(Firewall *f, Session *x) {
        _cleanup_writer_ WireWriter w = {};
        FwAttach a = { .uid = x->record->uid, .intent = *x->record->intent };
        int r;

        r = network_open(x);
        if (r == -ESRCH) {
                x->network.pending = false; /* it is ending: FW_SYNCED takes it away */
                return 0;
        }
        if (r < 0)
                return r;
        /* On a new connection ocsb-fw may still know a session of this name whose end it was never told of. This one must not
         * get what that one was allowed. */
        if (!f->synced && x->network.state == NETWORK_ATTACHING) {
                r = send_id(f, FW_DETACH, x->record->id);
                if (r < 0)
                        return r;
                f->owed++;
        }
        /* What it may reach by now is in ocsb-fw's own record. Should that be lost, then the grants are, too: the plan's may have been
         * revoked since. */
        if (x->network.state == NETWORK_ATTACHED)
                a.intent.n_grants = 0;
        (void) snprintf(a.id, sizeof(a.id), "%s", x->record->id);
        fw_attach_encode(&w, &a);
        if (++f->last_tag == TAG_OWED)
                f->last_tag = 1;
        r = wire_send(f->fd, FW_ATTACH, f->last_tag, &w, x->network.fds, _NETNS_FDS);
        if (r < 0)
                return r;
        x->network.tag = f->last_tag;
        x->network.pending = false;
        network_close(x);
        FAULT("network.after-attach");
        return 0;
}

static int send_all(Firewall *f) {
        int r;

        while (f->detaches) {
                Detach *d = f->detaches;

                r = send_id(f, FW_DETACH, d->id);
                if (r < 0)
                        return r;
                f->detaches = d->next;
                free(d);
        }
        for (Session *x = f->stage->sessions; x; x = x->next)
                if (x->network.pending) {
                        r = send_attach(f, x);
                        if (r < 0)
                                return r;
                }
        if (!f->synced) {
                FAULT("network.before-synced");
                r = send_id(f, FW_SYNCED, NULL);
                if (r < 0)
                        return r;
                f->synced = true;
        }
        return 0;
}

static void flush(Firewall *f) {
        int r = send_all(f);
        bool writing = r == -EAGAIN;

        if (r < 0 && !writing) {
                log_warning("Failed to speak to ocsb-fw: %s", strerror(-r));
                disconnect(f);
                return;
        }
        if (writing == f->writing)
                return;
        loop_remove(f->stage->loop, &f->source);
        r = loop_add(f->stage->loop, &f->source, f->fd, EPOLLIN | (writing ? (uint32_t) EPOLLOUT : 0), on_event, f);
        if (r < 0)
                disconnect(f);
        else
                f->writing = writing;
}

static void refuse_all(Firewall *f) {
        for (Session *x = f->stage->sessions; x; x = x->next)
                if (x->network.state == NETWORK_ATTACHING)
                        network_failed(x, -EOPNOTSUPP, NOBODY_THERE);
}

static void connect_now(Firewall *f) {
        int r;

        loop_timer_clear(f->stage->loop, &f->retry);
        f->fd = wire_connect_nonblock(OCSB_FW_SOCKET);
        if (f->fd < 0) {
                if (f->fd == -ENOENT || f->fd == -ECONNREFUSED)
                        refuse_all(f);
                disconnect(f);
                return;
        }
        r = loop_add(f->stage->loop, &f->source, f->fd, EPOLLIN, on_event, f);
        if (r < 0) {
                disconnect(f);
                return;
        }
        for (Session *x = f->stage->sessions; x; x = x->next) {
                x->network.pending = x->network.state == NETWORK_ATTACHED || x->network.state == NETWORK_ATTACHING;
                x->network.there = false;
        }
        f->owed = 1; /* FW_SYNCED says all that was owed before */
        flush(f);
}

static void on_retry(void *userdata) {
        connect_now(userdata);
}

void firewall_attach(Firewall *f, Session *x) {
        x->network.pending = true;
        if (f->fd >= 0)
                flush(f);
        else
                /* At once, whatever the pause has become, but from the loop: an answer must not come before the caller is
                 * done. */
                loop_timer_set(f->stage->loop, &f->retry, 0, on_retry, f);
}

void firewall_detach(Firewall *f, const char *id) {
        Detach *d, **p;

        if (!f)
                return; /* at the start: FW_SYNCED will say it */
        f->owed++;
        if (f->fd < 0) {
                if (!f->retry.active)
                        loop_timer_set(f->stage->loop, &f->retry, f->pause, on_retry, f);
                return;
        }
        d = calloc(1, sizeof(*d));
        if (!d) {
                disconnect(f);
                return;
        }
        (void) snprintf(d->id, sizeof(d->id), "%s", id);
        for (p = &f->detaches; *p; p = &(*p)->next)
                ;
        *p = d;
        flush(f);
}

Firewall *firewall_new(Stage *s) {
        Firewall *f = calloc(1, sizeof(*f));

        if (!f)
                return NULL;
        *f = (Firewall) { .stage = s, .fd = -EBADF, .pause = PAUSE_FIRST_USEC };
        connect_now(f);
        return f;
}

Firewall *firewall_free(Firewall *f) {
        if (!f)
                return NULL;
        loop_timer_clear(f->stage->loop, &f->retry);
        disconnect(f);
        loop_timer_clear(f->stage->loop, &f->retry);
        free(f);
        return NULL;
}
