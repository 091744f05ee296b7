/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Sessions that nobody uses any more end by themselves: so long after the last exec, or so long after their
 * creation. One timer for all, set to the next moment at which something could be due. Monitors are only
 * asked then: the daemon does not hear of the execs that go through channels. */

#include <time.h>

#include "base/log.h"
#include "manager.h"

/* Looked at now and then in any case: the clock may be set. */
#define PAUSE_MIN_USEC (1 * USEC_PER_SEC)
#define PAUSE_MAX_USEC (10 * 60 * USEC_PER_SEC)

static uint64_t now_realtime_usec(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_REALTIME, &ts);
        return (uint64_t) ts.tv_sec * USEC_PER_SEC + (uint64_t) ts.tv_nsec / 1000;
}

static uint64_t add(uint64_t a, uint64_t b) {
        return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* When s is due for its age, and for idleness as far as is known here. CLOCK_REALTIME. */
static uint64_t age_due(const Session *s) {
        return add(s->record.created_usec, s->record.age_usec);
}

static uint64_t idle_due(const Session *s) {
        return add(MAX(s->record.created_usec, s->last_used_usec), s->record.idle_usec);
}

/* A clock that was set back must not make a session immortal: what lies in the future counts from now. */
static void forget_future(Session *s, uint64_t now) {
        s->record.created_usec = MIN(s->record.created_usec, now);
        s->last_used_usec = MIN(s->last_used_usec, now);
}

static void on_terminated(int error, const char *text, void *userdata) {
        Session *s = userdata; /* a reference */

        (void) text;
        if (error != EBUSY && !s->manager->exiting)
                session_end(s, "idle");
        session_unref(s);
}

static void on_refreshed(Session *s, void *userdata) {
        _cleanup_writer_ WireWriter body = {};

        (void) userdata;
        if (s->phase != SESSION_READY || s->n_running > 0 || idle_due(s) > now_realtime_usec() ||
                        !s->monitor)
                return;
        wire_put_u32(&body, 1); /* only if idle: an exec may start just now */
        if (monitor_call(s->monitor, WIRE_TERMINATE, &body, NULL, 0, on_terminated, session_ref(s), NULL) <
                        0)
                on_terminated(EPIPE, "", s);
}

static int on_sweep(sd_event_source *source, uint64_t usec, void *userdata) {
        Manager *m = userdata;
        uint64_t now = now_realtime_usec();
        g_autoptr(GPtrArray) old = g_ptr_array_new(), idle = g_ptr_array_new();
        GHashTableIter i;
        void *p;

        (void) source;
        (void) usec;
        g_hash_table_iter_init(&i, m->sessions);
        while (g_hash_table_iter_next(&i, NULL, &p)) {
                Session *s = p;

                if (s->phase != SESSION_READY)
                        continue;
                forget_future(s, now);
                if (age_due(s) <= now)
                        g_ptr_array_add(old, p);
                else if (idle_due(s) <= now)
                        g_ptr_array_add(idle, p);
        }
        for (size_t k = 0; k < old->len; k++)
                session_end(old->pdata[k], "age");
        for (size_t k = 0; k < idle->len; k++)
                session_refresh(idle->pdata[k], on_refreshed, NULL);
        manager_schedule_sweep(m);
        return 0;
}

void manager_schedule_sweep(Manager *m) {
        uint64_t due = UINT64_MAX, now = now_realtime_usec(), pause;
        GHashTableIter i;
        void *p;
        int r;

        g_hash_table_iter_init(&i, m->sessions);
        while (g_hash_table_iter_next(&i, NULL, &p)) {
                const Session *s = p;

                if (s->phase != SESSION_READY)
                        continue;
                due = MIN(due, MIN(age_due(s), idle_due(s)));
        }
        if (due == UINT64_MAX) {
                if (m->sweeper)
                        (void) sd_event_source_set_enabled(m->sweeper, SD_EVENT_OFF);
                return;
        }
        pause = due <= now ? PAUSE_MIN_USEC : MIN(MAX(due - now, PAUSE_MIN_USEC), PAUSE_MAX_USEC);
        if (!m->sweeper) {
                r = sd_event_add_time_relative(m->event, &m->sweeper, CLOCK_MONOTONIC, pause,
                                USEC_PER_SEC / 2, on_sweep, m);
                if (r >= 0)
                        (void) sd_event_source_set_description(m->sweeper, "sweeper");
        } else {
                r = sd_event_source_set_time_relative(m->sweeper, pause);
                if (r >= 0)
                        r = sd_event_source_set_enabled(m->sweeper, SD_EVENT_ONESHOT);
        }
        if (r < 0)
                log_error("Failed to arm the sweeper: %s", g_strerror(-r));
}
