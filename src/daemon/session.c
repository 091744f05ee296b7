/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The life of a session: BUILDING → READY → ENDING → GONE, with short cuts to the end from everywhere. The
 * builder has the last word about the end: a session is gone when ocsb-stage says that nothing of it is
 * left, and its state file stays until then, so that a restart in between finds what is to be cleared away.
 */

#include "session.h"

#include "base/fault.h"
#include "base/fd.h"
#include "base/log.h"
#include "exec.h"
#include "firewall.h"
#include "manager.h"
#include "quota.h"
#include "stage-client.h"

/* A monitor needs milliseconds to end; one that is stuck is killed then. */
#define END_BY_MONITOR_USEC (3 * USEC_PER_SEC)

typedef struct Refresh {
        SessionRefreshed callback;
        void *userdata;
} Refresh;

static LogContext log_context(const Session *s) {
        return (LogContext){.session = s->record.id, .profile = s->record.profile, .owner = s->record.uid};
}

Session *session_new(Manager *m, SessionState *record) {
        Session *s = g_new0(Session, 1);

        assert(!g_hash_table_contains(m->sessions, record->id));

        s->n_ref = 1;
        s->manager = m;
        s->record = *record;
        *record = (SessionState) {};
        s->execs = g_hash_table_new(g_direct_hash, g_direct_equal);
        g_queue_init(&s->waiters);
        g_queue_init(&s->refreshes);
        g_hash_table_insert(m->sessions, s->record.id, s);
        return s;
}

Session *session_ref(Session *s) {
        assert(s->n_ref > 0);
        s->n_ref++;
        return s;
}

Session *session_unref(Session *s) {
        if (!s)
                return NULL;
        assert(s->n_ref > 0);
        if (--s->n_ref > 0)
                return NULL;
        assert(g_queue_is_empty(&s->waiters) && g_queue_is_empty(&s->refreshes));
        sd_event_source_disable_unref(s->end_timer);
        monitor_client_free(s->monitor);
        g_hash_table_unref(s->execs);
        session_state_done(&s->record);
        g_free(s->running);
        g_free(s->end_reason);
        g_free(s);
        return NULL;
}

Session *session_find(Manager *m, const char *id) {
        return g_hash_table_lookup(m->sessions, id);
}

const char *session_state_name(const Session *s) {
        return s->phase >= SESSION_ENDING ? "ending" : s->frozen ? "frozen" : "running";
}

int session_save(Session *s) {
        return state_save(s->manager->state_fd, &s->record);
}

static void wake_waiters(Session *s) {
        GQueue waiters = s->waiters;
        Operation *op;

        g_queue_init(&s->waiters);
        while ((op = g_queue_pop_head(&waiters)))
                operation_wake(op);
}

/* The monitor's messages */

static void on_probed(const MsgProbe *probe, void *userdata) {
        Session *s = userdata;
        LogContext context = log_context(s);
        StateProof *proofs = g_new0(StateProof, probe->n_items);
        bool broken = false;
        int r;

        for (size_t i = 0; i < probe->n_items; i++) {
                const ProbeItem *item = probe->items + i;

                proofs[i].name = text_escape(item->name, strlen(item->name), 0);
                proofs[i].result = g_strdup(probe_result_to_string(item->result));
                proofs[i].detail = text_escape(item->detail, strlen(item->detail), 0);
                if (!proofs[i].name || !proofs[i].detail)
                        g_error("Out of memory");
                if (item->result != PROBE_BROKEN)
                        continue;
                broken = true;
                context.step = proofs[i].name;
                log_record(LOG_LEVEL_ERR, &context, MSGID_PROBE_FAILED,
                                "The self-probe got through, ending the session: %s: %s", proofs[i].name,
                                proofs[i].detail);
        }
        state_proofs_free(s->record.proven, s->record.n_proven);
        s->record.proven = proofs;
        s->record.n_proven = probe->n_items;
        if (broken) {
                session_end(s, "probe-failed");
                return;
        }
        wake_waiters(s); /* Firewall.Verify waits for it */
        if (s->phase != SESSION_READY)
                return;
        r = session_save(s);
        if (r < 0)
                log_record(LOG_LEVEL_WARNING, &context, NULL, "Failed to save what was proven: %s",
                                g_strerror(-r));
        session_bus_emit_changed(s, "Proven");
}

static void on_exec_started(uint32_t tag, void *userdata) {
        /* The ACK with the number came before; nothing is known now that was not. */
        (void) tag;
        (void) userdata;
}

static void on_exec_failed(uint32_t tag, const MsgFailed *failed, void *userdata) {
        exec_failed(userdata, tag, failed);
}

static void on_exec_exited(uint32_t tag, const MsgExited *exited, void *userdata) {
        exec_exited(userdata, tag, exited);
}

static void send_kill(Session *s);

static void on_monitor_closed(int error, void *userdata) {
        _cleanup_(session_unrefp) Session *s = session_ref(userdata);
        LogContext context = log_context(s);

        if (s->phase == SESSION_READY || s->phase == SESSION_BUILDING) {
                if (error < 0)
                        log_record(LOG_LEVEL_ERR, &context, NULL, "The monitor's connection failed: %s",
                                        g_strerror(-error));
                session_end(s, error < 0 ? "monitor-error" : "monitor-died");
        }
        exec_all_lost(s);
        s->monitor = monitor_client_free(s->monitor);
        if (s->phase == SESSION_ENDING)
                send_kill(s);
}

static const MonitorHandlers monitor_handlers = {
        .probed = on_probed,
        .exec_started = on_exec_started,
        .exec_failed = on_exec_failed,
        .exec_exited = on_exec_exited,
        .closed = on_monitor_closed,
};

int session_attach_monitor(Session *s, int fd) {
        return monitor_client_new(s->manager->event, fd, &monitor_handlers, s, &s->monitor);
}

/* Refreshing */

static void answer_refreshes(Session *s) {
        GQueue refreshes = s->refreshes;
        Refresh *f;

        g_queue_init(&s->refreshes);
        while ((f = g_queue_pop_head(&refreshes))) {
                f->callback(s, f->userdata);
                g_free(f);
        }
}

static void on_info(const MsgInfo *info, void *userdata) {
        _cleanup_(session_unrefp) Session *s = userdata; /* the reference of session_refresh() */

        s->refreshing = false;
        if (info) {
                s->informed = true;
                g_free(s->running);
                s->running = g_memdup2(info->running, info->n_running * sizeof(uint32_t));
                s->n_running = info->n_running;
                s->last_used_usec = info->last_used_usec;
                s->execs_total = info->execs_total;
                session_set_frozen(s, info->frozen);
        }
        answer_refreshes(s);
}

void session_refresh(Session *s, SessionRefreshed callback, void *userdata) {
        Refresh *f;

        if (!s->refreshing) {
                if (!s->monitor || monitor_info(s->monitor, on_info, s) < 0) {
                        callback(s, userdata);
                        return;
                }
                s->refreshing = true;
                session_ref(s);
        }
        f = g_new(Refresh, 1);
        *f = (Refresh) { callback, userdata };
        g_queue_push_tail(&s->refreshes, f);
}

void session_set_frozen(Session *s, bool frozen) {
        if (s->frozen == frozen)
                return;
        s->frozen = frozen;
        session_bus_emit_changed(s, "State");
}

/* From phase to phase */

void session_announce(Session *s) {
        LogContext context = log_context(s);

        assert(s->phase == SESSION_BUILDING);
        s->phase = SESSION_READY;
        s->announced = true;
        manager_index_session(s->manager, s);
        session_bus_emit_new(s);
        log_record(LOG_LEVEL_INFO, &context, MSGID_SESSION_CREATED, "Session %s of uid %u is ready",
                        s->record.id, (unsigned) s->record.uid);
        manager_schedule_sweep(s->manager);
        wake_waiters(s);
}

/* Has the builder clear away what there is. Without one this comes again when it is back. */
static void send_kill(Session *s) {
        s->end_timer = sd_event_source_disable_unref(s->end_timer);
        if (s->kill_sent)
                return;
        FAULT("daemon.remove.before-kill");
        if (stage_kill(s->manager->stage, s->record.id, s) < 0)
                return;
        s->kill_sent = true;
        session_ref(s); /* until killed or kill_lost */
        FAULT("daemon.remove.after-kill");
}

static void on_terminate_ack(int error, const char *text, void *userdata) {
        _cleanup_(session_unrefp) Session *s = userdata; /* the reference of terminate() */

        (void) text;
        /* Granted: it tells everybody how his exec ended, and leaves. */
        if (error != 0 && s->phase == SESSION_ENDING && !s->manager->exiting)
                send_kill(s);
}

static int on_end_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        (void) source;
        (void) usec;
        send_kill(userdata);
        return 0;
}

/* The monitor ends the session in order; the builder, which would kill it outright, comes after. */
static bool terminate(Session *s) {
        if (!s->monitor || sd_event_add_time_relative(s->manager->event, &s->end_timer, CLOCK_MONOTONIC,
                                           END_BY_MONITOR_USEC, 0, on_end_timer, s) < 0)
                return false;
        (void) sd_event_source_set_description(s->end_timer, "session-end");
        if (monitor_call(s->monitor, WIRE_TERMINATE, NULL, NULL, 0, on_terminate_ack, session_ref(s), NULL) <
                        0) {
                session_unref(s);
                return false;
        }
        return true;
}

void session_end(Session *s, const char *reason) {
        bool was_ready = s->phase == SESSION_READY;

        if (s->phase >= SESSION_ENDING)
                return;
        s->phase = SESSION_ENDING;
        g_free(s->end_reason);
        s->end_reason = g_strdup(reason);
        if (!was_ready || !terminate(s))
                send_kill(s);
        if (was_ready)
                session_bus_emit_changed(s, "State");
        /* Those who wait for the end wait again; the others hear that there is none to wait for. */
        wake_waiters(s);
}

void session_end_resume(Session *s) {
        if (s->phase == SESSION_ENDING && !s->end_timer)
                send_kill(s);
}

static void session_forget(Session *s) {
        Manager *m = s->manager;

        s->phase = SESSION_GONE;
        manager_unindex_session(m, s);
        firewall_session_gone(m->firewall, s->record.id);
        quota_drop(m->quotas, s->record.uid, QUOTA_SESSIONS);
        g_hash_table_steal(m->sessions, s->record.id);
        wake_waiters(s);
        manager_session_gone(m);
        session_unref(s);
}

void session_gone(Session *s, const char *reason) {
        LogContext context = log_context(s);
        int r;

        if (s->phase == SESSION_GONE)
                return;
        if (!s->end_reason)
                s->end_reason = g_strdup(reason);
        s->phase = SESSION_ENDING;
        session_ref(s);

        s->end_timer = sd_event_source_disable_unref(s->end_timer);
        FAULT("daemon.remove.before-unlink");
        r = state_remove(s->manager->state_fd, s->record.id);
        if (r < 0)
                log_record(LOG_LEVEL_WARNING, &context, NULL, "Failed to remove the state file: %s",
                                g_strerror(-r));
        FAULT("daemon.remove.after-unlink");

        exec_all_lost(s);
        s->monitor = monitor_client_free(s->monitor);
        if (s->announced) {
                session_bus_emit_removed(s);
                log_record(LOG_LEVEL_INFO, &context, MSGID_SESSION_ENDED,
                                "Session %s of uid %u has ended: %s", s->record.id, (unsigned) s->record.uid,
                                s->end_reason);
        }
        FAULT("daemon.remove.before-reply");
        session_forget(s);
        session_unref(s);
}

void session_abandon(Session *s) {
        assert(s->phase == SESSION_BUILDING && !s->monitor);
        session_forget(s);
}
