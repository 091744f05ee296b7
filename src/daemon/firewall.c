/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Keeping up with ocsb-fw. Nothing here is stored: after a restart of either process the other one still has it. */

#include "firewall.h"

#include <stdio.h>

#include "base/log.h"
#include "operation.h"

/* New sessions learn their addresses with the next status, which is asked for a moment later, for all of them at once. It costs
 * ocsb-fw a look at every session, so the more there are the later. */
#define LEARN_DELAY_USEC (300 * UINT64_C(1000))
#define LEARN_DELAY_PER_SESSION_USEC (5 * UINT64_C(1000))

/* Both daemons are started at the same time. */
#define START_USEC (10 * USEC_PER_SEC)

typedef struct Waiter {
        FirewallStatus callback;
        void *userdata;
} Waiter;

typedef struct FirewallChange {
        FirewallEdit edit;
        FirewallDone done;
        void *userdata;
        NetIntent intent; /* as it was sent */
        bool sent;
        Firewall *firewall;
        char id[SESSION_ID_MAX + 1];
} FirewallChange;

struct Firewall {
        Manager *manager;
        FirewallClient *client;
        GHashTable *sessions; /* id → FirewallSession* */
        FwStatus status;      /* without its sessions */
        bool known;           /* there has been a status */
        bool current;         /* and one on this connection */
        bool asked;
        uint64_t started;     /* CLOCK_MONOTONIC */
        GQueue waiters;       /* Waiter* for the status that was asked for */
        sd_event_source *learn;
};

static void session_destroy(void *p) {
        FirewallSession *s = p;

        assert(g_queue_is_empty(&s->changes));
        g_free(s);
}

bool firewall_is_ready(const Firewall *f) {
        return f->current && firewall_is_connected(f->client);
}

bool firewall_is_restarting(const Firewall *f) {
        if (firewall_is_ready(f))
                return false;
        return f->known || firewall_is_connected(f->client) || manager_now(f->manager) < f->started + START_USEC;
}

const FwStatus *firewall_last_status(const Firewall *f) {
        return f->known ? &f->status : NULL;
}

FirewallClient *firewall_client(Firewall *f) {
        return f->client;
}

const FirewallSession *firewall_session(const Firewall *f, const char *id) {
        return g_hash_table_lookup(f->sessions, id);
}

static FirewallSession *ensure_session(Firewall *f, const char *id) {
        FirewallSession *s = g_hash_table_lookup(f->sessions, id);

        if (s)
                return s;
        s = g_new0(FirewallSession, 1);
        (void) g_strlcpy(s->id, id, sizeof(s->id));
        g_queue_init(&s->changes);
        g_hash_table_insert(f->sessions, s->id, s);
        return s;
}

static void emit_session_changed(Firewall *f, const char *id, const char *property) {
        Session *s = session_find(f->manager, id);

        if (s)
                session_bus_emit_changed(s, property);
}

/* Status */

static void take_sessions(Firewall *f, const FwStatus *status) {
        for (size_t i = 0; i < status->n_sessions; i++) {
                const FwSession *from = status->sessions + i;
                FirewallSession *s;
                bool learned;

                /* One that is being built, or a throwaway one: not on the bus. */
                if (!session_find(f->manager, from->attached.id))
                        continue;
                s = ensure_session(f, from->attached.id);
                learned = s->attached.ipv4.family == 0;
                s->attached = from->attached;
                /* A change on its way is newer than what this says. */
                if (g_queue_is_empty(&s->changes))
                        s->intent = from->intent;
                if (learned)
                        emit_session_changed(f, s->id, "Addresses");
        }
}

static void take_status(Firewall *f, const FwStatus *status) {
        bool changed = !f->current || f->status.lockdown != status->lockdown || f->status.ipv6 != status->ipv6 ||
                       f->status.repairs != status->repairs;

        fw_status_done(&f->status);
        f->status = *status;
        f->status.sessions = NULL;
        f->status.n_sessions = 0;
        f->status.host_addresses = g_memdup2(status->host_addresses, status->n_host_addresses * sizeof(NetAddress));
        f->status.problems = g_strdup(status->problems);
        f->known = f->current = true;
        take_sessions(f, status);
        if (changed)
                firewall_bus_emit_changed(f->manager);
}

static void resume_waiting_operations(Manager *m) {
        GQueue waiters = m->firewall_waiters;
        Operation *op;

        g_queue_init(&m->firewall_waiters);
        while ((op = g_queue_pop_head(&waiters)))
                op->resume(op);
}

static void schedule_learning(Firewall *f);

static void on_status(const FwStatus *status, void *userdata) {
        Firewall *f = userdata;
        GQueue waiters = f->waiters;
        bool first = status && !f->current;
        Waiter *w;

        g_queue_init(&f->waiters);
        f->asked = false;
        if (status)
                take_status(f, status);
        while ((w = g_queue_pop_head(&waiters))) {
                w->callback(status, w->userdata);
                g_free(w);
        }
        if (!status && firewall_is_connected(f->client) && !f->manager->exiting)
                schedule_learning(f);
        if (!first || f->manager->exiting)
                return;
        if (status->lockdown != f->manager->locked_down)
                firewall_lockdown(f, f->manager->locked_down);
        log_info("ocsb-fw is connected with %zu sessions", status->n_sessions);
        resume_waiting_operations(f->manager);
}

void firewall_refresh(Firewall *f, FirewallStatus callback, void *userdata) {
        Waiter *w;

        if (!f->asked) {
                if (firewall_status(f->client, on_status, f) < 0) {
                        callback(NULL, userdata);
                        return;
                }
                f->asked = true;
        }
        w = g_new(Waiter, 1);
        *w = (Waiter) { callback, userdata };
        g_queue_push_tail(&f->waiters, w);
}

static void ignore_status(const FwStatus *status, void *userdata) {
        (void) status;
        (void) userdata;
}

static int on_learn(sd_event_source *source, uint64_t usec, void *userdata) {
        (void) source;
        (void) usec;
        firewall_refresh(userdata, ignore_status, NULL);
        return 0;
}

static void schedule_learning(Firewall *f) {
        uint64_t delay = LEARN_DELAY_USEC + g_hash_table_size(f->sessions) * LEARN_DELAY_PER_SESSION_USEC;
        int enabled;

        if (!f->learn) {
                if (sd_event_add_time_relative(f->manager->event, &f->learn, CLOCK_MONOTONIC, delay, 0, on_learn, f) >= 0)
                        (void) sd_event_source_set_description(f->learn, "firewall-learn");
                return;
        }
        if (sd_event_source_get_enabled(f->learn, &enabled) >= 0 && enabled == SD_EVENT_OFF &&
                        sd_event_source_set_time_relative(f->learn, delay) >= 0)
                (void) sd_event_source_set_enabled(f->learn, SD_EVENT_ONESHOT);
}

void firewall_session_created(Firewall *f, const char *id, const NetIntent *intent) {
        FirewallSession *s = ensure_session(f, id);

        s->intent = *intent;
        schedule_learning(f);
}

/* Changes */

static void run_next(Firewall *f, FirewallSession *s);

static void change_done(FirewallChange *c, int error, const char *text) {
        c->done(error, text, c->userdata);
        g_free(c);
}

static void on_set(int error, const char *text, void *userdata) {
        FirewallChange *c = userdata;
        Firewall *f = c->firewall;
        FirewallSession *s = g_hash_table_lookup(f->sessions, c->id);

        /* The queue is this change's only while its session is known. */
        if (s && g_queue_peek_head(&s->changes) == c)
                (void) g_queue_pop_head(&s->changes);
        else
                s = NULL;
        if (s && error == 0) {
                s->intent = c->intent;
                emit_session_changed(f, c->id, "Grants");
        }
        /* Whether it holds is not known: ask. */
        if ((error == ETIMEDOUT || error == EPIPE) && !f->manager->exiting)
                schedule_learning(f);
        change_done(c, error, text);
        if (s && g_hash_table_lookup(f->sessions, s->id) == s)
                run_next(f, s);
}

static void run_next(Firewall *f, FirewallSession *s) {
        g_autofree char *id = g_strdup(s->id);
        FirewallChange *c;

        /* One that a callback began may be on its way already. */
        while ((c = g_queue_peek_head(&s->changes)) && !c->sent) {
                g_autofree char *why = NULL;
                const char *invalid = NULL;
                int r;

                c->intent = s->intent;
                r = c->edit(&c->intent, c->userdata, &why);
                if (r >= 0)
                        r = net_intent_validate(&c->intent, &invalid);
                if (r >= 0) {
                        r = firewall_set(f->client, s->id, &c->intent, on_set, c);
                        c->sent = r >= 0;
                        if (c->sent)
                                return;
                        invalid = "ocsb-fw cannot be reached";
                }
                (void) g_queue_pop_head(&s->changes);
                change_done(c, -r, why ? why : invalid ? invalid : g_strerror(-r));
                /* The session may have gone with it. */
                if (g_hash_table_lookup(f->sessions, id) != s)
                        return;
        }
}

void firewall_change(Firewall *f, const char *id, FirewallEdit edit, FirewallDone done, void *userdata) {
        FirewallSession *s = g_hash_table_lookup(f->sessions, id);
        FirewallChange *c;

        if (!s) {
                done(ENOENT, "ocsb-fw does not know this session", userdata);
                return;
        }
        c = g_new0(FirewallChange, 1);
        c->edit = edit;
        c->done = done;
        c->userdata = userdata;
        c->firewall = f;
        (void) g_strlcpy(c->id, id, sizeof(c->id));
        g_queue_push_tail(&s->changes, c);
        if (g_queue_get_length(&s->changes) == 1)
                run_next(f, s);
}

void firewall_session_gone(Firewall *f, const char *id) {
        FirewallSession *s = g_hash_table_lookup(f->sessions, id);
        FirewallChange *c;
        GQueue changes;

        if (!s)
                return;
        /* The first one, when it is on its way, is freed by its answer. */
        changes = s->changes;
        g_queue_init(&s->changes);
        c = g_queue_peek_head(&changes);
        if (c && c->sent)
                (void) g_queue_pop_head(&changes);
        g_hash_table_remove(f->sessions, id);
        while ((c = g_queue_pop_head(&changes)))
                change_done(c, ENOENT, "the session has ended");
}

/* Lockdown */

static void on_lockdown(int error, const char *text, void *userdata) {
        (void) userdata;
        if (error != 0)
                log_error("ocsb-fw could not switch the lockdown: %s", text[0] ? text : g_strerror(error));
}

void firewall_lockdown(Firewall *f, bool on) {
        _cleanup_writer_ WireWriter body = {};

        wire_put_u32(&body, on);
        if (firewall_is_connected(f->client))
                (void) firewall_call(f->client, FW_LOCKDOWN, &body, on_lockdown, f);
}

/* Addresses of the host */

static bool is_whole(const NetPrefix *p) {
        return p->length == (p->address.family == 4 ? 32u : 128u);
}

bool firewall_is_host_address(const Firewall *f, const NetPrefix *to) {
        for (size_t i = 0; is_whole(to) && i < f->status.n_host_addresses; i++)
                if (net_address_equal(f->status.host_addresses + i, &to->address))
                        return true;
        return false;
}

int firewall_check_plan(const Firewall *f, const NetIntent *intent, sd_bus_error *error) {
        char text[NET_ADDRESS_TEXT_MAX];

        for (size_t i = 0; i < intent->n_grants; i++)
                if (firewall_is_host_address(f, &intent->grants[i].to))
                        return error_set(error, ERROR_NOT_PERMITTED,
                                        "%s is an address of this host, which no sandbox reaches whatever is granted.",
                                        net_prefix_format(&intent->grants[i].to, text));
        for (size_t i = 0; i < intent->n_resolvers; i++) {
                const NetAddress *a = intent->resolvers + i;

                if (firewall_is_host_address(f, &(NetPrefix) { *a, a->family == 4 ? 32 : 128 }))
                        return error_set(error, ERROR_NOT_PERMITTED,
                                        "The resolver %s is an address of this host, which no sandbox reaches; name "
                                        "another one.",
                                        net_address_format(a, text));
        }
        return 0;
}

/* ocsb-fw's events */

static void on_connected(void *userdata) {
        Firewall *f = userdata;

        f->current = false;
        firewall_refresh(f, ignore_status, NULL);
}

static void on_disconnected(void *userdata) {
        Firewall *f = userdata;

        f->current = false;
        firewall_bus_emit_changed(f->manager);
}

static void on_drift(uint64_t usec, const char *what, void *userdata) {
        Firewall *f = userdata;

        f->status.repairs++;
        log_record(LOG_LEVEL_WARNING, &LOG_CONTEXT_NONE, MSGID_FIREWALL_CHANGED,
                        "The table of ocsb was changed by somebody else and made anew after %" PRIu64 " ms: %s", usec / 1000,
                        what);
        firewall_bus_emit_drift(f->manager, usec, what);
        firewall_bus_emit_changed(f->manager);
}

static void on_expired(const char *id, uint32_t grant, void *userdata) {
        Firewall *f = userdata;
        FirewallSession *s = g_hash_table_lookup(f->sessions, id);
        Session *session = session_find(f->manager, id);
        NetIntent *n = s ? &s->intent : NULL;

        for (size_t i = 0; n && i < n->n_grants; i++)
                if (n->grants[i].id == grant) {
                        memmove(n->grants + i, n->grants + i + 1, (n->n_grants - i - 1) * sizeof(NetGrant));
                        n->n_grants--;
                        break;
                }
        if (!session)
                return;
        log_record(LOG_LEVEL_INFO, &(LogContext) { .session = id, .owner = session->record.uid }, MSGID_FIREWALL_CHANGED,
                        "Grant %" PRIu32 " of session %s has expired", grant, id);
        firewall_bus_emit_expired(f->manager, id, grant);
        session_bus_emit_changed(session, "Grants");
}

static const FirewallHandlers handlers = {
        .connected = on_connected,
        .disconnected = on_disconnected,
        .drift = on_drift,
        .expired = on_expired,
};

Firewall *firewall_new(Manager *m) {
        Firewall *f = g_new0(Firewall, 1);

        f->manager = m;
        f->sessions = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, session_destroy);
        g_queue_init(&f->waiters);
        f->client = firewall_client_new(m->event, OCSB_FW_SOCKET, &handlers, f);
        return f;
}

void firewall_start(Firewall *f) {
        f->started = manager_now(f->manager);
        firewall_client_start(f->client);
}

Firewall *firewall_free(Firewall *f) {
        GHashTableIter i;
        void *p;

        if (!f)
                return NULL;
        /* Whoever waits for an answer gets one. */
        f->client = firewall_client_free(f->client);
        g_hash_table_iter_init(&i, f->sessions);
        while (g_hash_table_iter_next(&i, NULL, &p)) {
                FirewallChange *c;

                while ((c = g_queue_pop_head(&((FirewallSession *) p)->changes)))
                        change_done(c, EPIPE, "the daemon is restarting");
        }
        g_hash_table_unref(f->sessions);
        sd_event_source_disable_unref(f->learn);
        fw_status_done(&f->status);
        g_free(f);
        return NULL;
}
