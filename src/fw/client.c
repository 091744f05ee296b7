/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Connections: who may ask for what, and the answers. A peer that sends what it must not loses its connection. */

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fault.h"
#include "base/fd.h"
#include "base/log.h"
#include "fw/foreign.h"
#include "fw/fw.h"
#include "fw/inner.h"
#include "fw/ruleset.h"
#include "wire/message.h"

#define CLIENTS_MAX 16u
#define SHOW_MAX (WIRE_BODY_MAX - 4096)

static void client_drop(Client *c) {
        Fw *f = c->fw;

        for (Client **p = &f->clients; *p; p = &(*p)->next)
                if (*p == c) {
                        *p = c->next;
                        break;
                }
        loop_remove(f->loop, &c->source);
        fd_close(c->fd);
        free(c);
        f->n_clients--;
}

void clients_free(Fw *f) {
        while (f->clients)
                client_drop(f->clients);
}

static void reply(Client *c, uint32_t type, uint32_t tag, const WireWriter *w) {
        int r = wire_send(c->fd, type, tag, w, NULL, 0);

        /* It finds out by its own time limit; the connection itself ends when it leaves. */
        if (r < 0 && r != -EPIPE)
                log_warning("Failed to answer a client: %s", strerror(-r));
}

static void acknowledge(Client *c, uint32_t tag, const Answer *a) {
        _cleanup_writer_ WireWriter w = {};

        msg_ack_encode(&w, a->error, a->error ? a->text : "");
        reply(c, WIRE_ACK, tag, &w);
}

/* ---- events ---- */

static void tell(Fw *f, uint32_t type, const WireWriter *w) {
        for (Client *c = f->clients; c; c = c->next)
                if (c->is_ocsb)
                        reply(c, type, 0, w);
}

void clients_tell_drift(Fw *f, uint64_t usec, const char *what) {
        _cleanup_writer_ WireWriter w = {};

        wire_put_u64(&w, usec);
        wire_put_string(&w, what);
        tell(f, FW_DRIFT, &w);
}

void clients_tell_expired(Fw *f, const char *id, uint32_t grant) {
        _cleanup_writer_ WireWriter w = {};

        wire_put_string(&w, id);
        wire_put_u32(&w, grant);
        tell(f, FW_EXPIRED, &w);
}

/* ---- ocsb-stage ---- */

static void on_attach(Client *c, WireMessage *m, Answer *a) {
        WireReader in = WIRE_READER(m->body, m->len);
        _cleanup_writer_ WireWriter w = {};
        const char *why = NULL;
        FwAttached attached;
        FwAttach request;

        if (fw_attach_decode(&in, &request, &why) < 0) {
                (void) answer(a, -EBADMSG, "FW_ATTACH: %s", why);
                return;
        }
        if (m->n_fds != 3) {
                (void) answer(a, -EBADMSG, "FW_ATTACH: there are three descriptors");
                return;
        }
        if (session_attach(c, &request, m->fds, &attached, a) < 0) {
                log_record(LOG_LEVEL_ERR, &(LogContext) { .session = request.id, .owner = request.uid }, MSGID_SETUP_FAILED,
                                "Failed to attach: %s", a->text);
                return;
        }
        fw_attached_encode(&w, &attached);
        FAULT("fw.attach.before-answer");
        reply(c, FW_ATTACHED, m->tag, &w);
}

static bool get_session(Client *c, const WireMessage *m, WireReader *in, Session **ret, Answer *a) {
        char id[SESSION_ID_MAX + 1];

        *in = WIRE_READER(m->body, m->len);
        wire_get_id(in, id);
        if (in->error) {
                (void) answer(a, -EBADMSG, "The message names no session");
                return false;
        }
        *ret = session_find(c->fw, id);
        if (!*ret)
                (void) answer(a, -ENOENT, "Session %s has no network \"nat\", or has ended", id);
        return *ret != NULL;
}

static void on_detach(Client *c, const WireMessage *m, Answer *a) {
        WireReader in;
        Session *s;

        if (get_session(c, m, &in, &s, a))
                session_detach(c->fw, s);
        else if (a->error == -ENOENT)
                a->error = 0;
}

/* ---- ocsbd ---- */

static void on_set(Client *c, const WireMessage *m, Answer *a) {
        const char *why = NULL;
        NetIntent intent;
        WireReader in;
        Session *s;

        if (!get_session(c, m, &in, &s, a))
                return;
        if (net_intent_decode(&in, &intent, &why) < 0)
                (void) answer(a, in.error == -E2BIG ? -E2BIG : -EINVAL, "%s", why);
        else if (wire_reader_finish(&in) < 0)
                (void) answer(a, -EBADMSG, "The message is malformed");
        else
                (void) session_set(c->fw, s, &intent, a);
}

static void on_open_inner(Client *c, const WireMessage *m, Answer *a) {
        WireReader in;
        Session *s;

        if (get_session(c, m, &in, &s, a))
                (void) session_open_inner(c->fw, s, a);
}

static void on_lockdown(Client *c, const WireMessage *m, Answer *a) {
        WireReader in = WIRE_READER(m->body, m->len);
        uint32_t on = wire_get_u32(&in);

        if (wire_reader_finish(&in) < 0 || on > 1)
                (void) answer(a, -EBADMSG, "FW_LOCKDOWN is 0 or 1");
        else
                (void) table_lockdown(c->fw, on == 1, a);
}

typedef struct Counting {
        FwSession *sessions;
        uint32_t *index; /* by slot: 1 + place in sessions */
        uint32_t n_slots;
} Counting;

static void on_counter(uint32_t slot, FwCounter reason, uint64_t packets, uint64_t bytes, void *userdata) {
        const Counting *k = userdata;

        if (slot > k->n_slots || k->index[slot] == 0)
                return;
        k->sessions[k->index[slot] - 1].packets[reason] += packets;
        k->sessions[k->index[slot] - 1].bytes[reason] += bytes;
}

static char *problems(const Fw *f) {
        _cleanup_free_ char *drops = NULL;
        char *text = NULL;

        (void) foreign_drops(nft_query_socket(f->nft), &drops);
        if (asprintf(&text, "%s%s%s%s", f->host.collision, f->host.collision[0] ? "\n" : "",
                            f->table_broken ? "nftables refuses table inet " RULESET_TABLE "; ocsb-fw's log says why\n" : "",
                            drops ? drops : "") < 0)
                return NULL;
        return text;
}

static void on_status(Client *c, const WireMessage *m, Answer *a) {
        Fw *f = c->fw;
        _cleanup_free_ uint32_t *index = calloc((size_t) f->n_slots + 1, sizeof(*index));
        _cleanup_free_ FwSession *sessions = calloc((size_t) f->n_sessions + 1, sizeof(*sessions));
        _cleanup_free_ char *why = problems(f);
        _cleanup_writer_ WireWriter w = {};
        FwStatus status = { .lockdown = f->lockdown, .ipv6 = host_has_ipv6(&f->host), .repairs = f->repairs,
                .pool_ipv4 = f->config.pool_ipv4, .pool_ipv6 = f->config.pool_ipv6, .host_addresses = f->host.addresses,
                .n_host_addresses = f->host.n_addresses, .problems = why, .sessions = sessions };
        Counting k = { .sessions = sessions, .index = index, .n_slots = f->n_slots };
        int r;

        if (!index || !sessions || !why) {
                (void) answer(a, -ENOMEM, "Out of memory");
                return;
        }
        for (const Session *s = f->sessions; s; s = s->next) {
                FwSession *to = sessions + status.n_sessions++;

                session_attached(s, &to->attached);
                to->intent = s->record.intent;
                index[s->record.slot] = (uint32_t) status.n_sessions;
                /* What is refused inside never comes to the outer table. */
                if (s->netfilter >= 0)
                        (void) inner_counters(s->netfilter, to->packets, to->bytes);
        }
        r = nft_counters(f->nft, on_counter, &k);
        if (r < 0 && r != -EINTR)
                log_warning("Failed to read the counters: %s", strerror(-r));
        fw_status_encode(&w, &status);
        if (w.error)
                (void) answer(a, w.error, "The status of %u sessions does not fit into a message", f->n_sessions);
        else
                reply(c, FW_STATUS_REPLY, m->tag, &w);
}

static int show(const Fw *f, char **ret) {
        _cleanup_free_ RulesetSession *sessions = calloc((size_t) f->n_sessions + 1, sizeof(*sessions));
        _cleanup_free_ char *outer = NULL, *inner = NULL;
        RulesetTable t = { .lockdown = f->lockdown, .pool_ipv4 = f->config.pool_ipv4, .pool_ipv6 = f->config.pool_ipv6,
                .no_log = f->no_log,
                .pools_are_others = f->host.collision[0] != 0,
                .host_addresses = f->host.addresses, .n_host_addresses = f->host.n_addresses, .sessions = sessions };
        size_t len;
        FILE *out;

        if (!sessions)
                return -ENOMEM;
        for (const Session *s = f->sessions; s; s = s->next)
                sessions[t.n_sessions++] = (RulesetSession) { .slot = s->record.slot, .ipv4 = s->record.ipv4, .ipv6 = s->record.ipv6,
                        .intent = &s->record.intent };
        if (ruleset_show(&t, &outer) < 0 || ruleset_inner(&inner) < 0)
                return -ENOMEM;
        out = open_memstream(ret, &len);
        if (!out)
                return -ENOMEM;
        fprintf(out, "%s\n# In each sandbox's own network namespace, with its resolvers and grants in chain " RULESET_INNER_GRANTS
                     " and the host's\n# addresses in the sets:\n#\n", outer);
        for (char *line = inner, *end; *line; line = end) {
                end = line + strcspn(line, "\n");
                fprintf(out, "# %.*s\n", (int) (end - line), line);
                end += *end == '\n';
        }
        return fclose(out) == 0 ? 0 : -ENOMEM;
}

static void on_show(Client *c, const WireMessage *m, Answer *a) {
        _cleanup_writer_ WireWriter w = {};
        _cleanup_free_ char *text = NULL;

        if (show(c->fw, &text) < 0) {
                (void) answer(a, -ENOMEM, "Out of memory");
                return;
        }
        if (strlen(text) > SHOW_MAX)
                strcpy(text + SHOW_MAX - 64, "\n# … cut: `nft list table inet " RULESET_TABLE "` shows all\n");
        wire_put_string(&w, text);
        reply(c, FW_SHOW_REPLY, m->tag, &w);
}

/* ---- dispatch ---- */

/* False: the peer has no business with it. Answers with a body of their own are sent; all others are an ACK. */
static bool dispatch(Client *c, WireMessage *m) {
        Answer a = {};

        switch (m->type) {
        case FW_ATTACH:
        case FW_DETACH:
        case FW_SYNCED:
                if (!c->is_root)
                        return false;
                break;
        case FW_SET:
        case FW_OPEN_INNER:
        case FW_STATUS:
        case FW_SHOW:
        case FW_RELOAD:
        case FW_LOCKDOWN:
                break;
        default:
                return false;
        }
        if (m->type == FW_ATTACH)
                on_attach(c, m, &a);
        else if (m->type == FW_DETACH)
                on_detach(c, m, &a);
        else if (m->type == FW_SYNCED)
                sessions_synced(c);
        else if (m->type == FW_SET)
                on_set(c, m, &a);
        else if (m->type == FW_OPEN_INNER)
                on_open_inner(c, m, &a);
        else if (m->type == FW_STATUS)
                on_status(c, m, &a);
        else if (m->type == FW_SHOW)
                on_show(c, m, &a);
        else if (m->type == FW_RELOAD)
                (void) table_reload(c->fw, &a);
        else
                on_lockdown(c, m, &a);
        if (a.error || (m->type != FW_ATTACH && m->type != FW_STATUS && m->type != FW_SHOW))
                acknowledge(c, m->tag, &a);
        return true;
}

static void on_client(LoopSource *src, uint32_t events, void *userdata) {
        Client *c = userdata;
        _cleanup_message_ WireMessage m = {};
        int r;

        (void) src;
        (void) events;
        r = wire_recv(c->fd, &m);
        if (r == -EAGAIN)
                return;
        if (r > 0 && dispatch(c, &m))
                return;
        if (r > 0)
                log_warning("A client sent a request that it may not send (%u)", m.type);
        client_drop(c);
}

void clients_on_listen(LoopSource *src, uint32_t events, void *userdata) {
        Fw *f = userdata;
        _cleanup_close_ int fd = accept4(src->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        struct ucred peer;
        Client *c;

        (void) events;
        if (fd < 0 || wire_peer(fd, &peer) < 0)
                return;
        if ((peer.uid != 0 && peer.uid != f->ocsb_uid) || f->n_clients >= CLIENTS_MAX)
                return;
        c = calloc(1, sizeof(*c));
        if (!c)
                return;
        *c = (Client) { .fw = f, .fd = fd, .serial = ++f->next_serial, .is_root = peer.uid == 0, .is_ocsb = peer.uid == f->ocsb_uid };
        if (loop_add(f->loop, &c->source, fd, EPOLLIN, on_client, c) < 0) {
                free(c);
                return;
        }
        (void) TAKE_FD(fd);
        c->next = f->clients;
        f->clients = c;
        f->n_clients++;
}
