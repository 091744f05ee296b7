/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A session as the daemon sees it: its record, the connection to its monitor, the execs that were started
 * over the bus. Nothing of it is a child of this process; a session that was found after a restart is like
 * any other. */

#include <glib.h>
#include <systemd/sd-bus.h>

#include "monitor-client.h"
#include "state.h"

typedef struct Manager Manager;
typedef struct Operation Operation;
typedef struct Session Session;

typedef enum SessionPhase {
        SESSION_BUILDING, /* its id is taken; not on the bus */
        SESSION_READY,
        SESSION_ENDING,   /* the builder clears it away */
        SESSION_GONE,     /* only references are left */
} SessionPhase;

typedef void (*SessionRefreshed)(Session *s, void *userdata);

struct Session {
        unsigned n_ref;
        Manager *manager;
        SessionState record;
        SessionPhase phase;
        bool announced; /* SessionNew was sent: it is on the bus */
        bool frozen;
        bool kill_sent;
        char *end_reason;
        sd_event_source *end_timer; /* until then the monitor may end by itself */

        MonitorClient *monitor; /* NULL without a connection */
        uint64_t last_used_usec; /* CLOCK_REALTIME, as the monitor last said; 0: never */
        uint32_t *running;
        size_t n_running;
        uint64_t execs_total;

        GHashTable *execs;   /* tag → ExecRecord*, exec.c */
        GQueue waiters;      /* Operation*, borrowed */
        GQueue refreshes;    /* Refresh* waiting for INFO_REPLY */
        bool refreshing, informed; /* informed: the monitor has answered once */
};

/* Makes a session in phase BUILDING and enters it under its id, which must be free; the record's strings are
 * taken over. The quota of its uid has been counted. Returns a borrowed pointer: the manager has the
 * reference. */
Session *session_new(Manager *m, SessionState *record);
Session *session_ref(Session *s);
Session *session_unref(Session *s);
DEFINE_CLEANUP(Session, session_unref)

Session *session_find(Manager *m, const char *id);
const char *session_state_name(const Session *s);

/* The control connection, given. Its end means the end of the session. */
int session_attach_monitor(Session *s, int fd);

/* From BUILDING to READY, once the state file says so: it appears on the bus. */
void session_announce(Session *s);

/* Begins the end, whatever the phase; the builder is told as soon as it can be. reason: MsgEnded's words or
 * ours. */
void session_end(Session *s, const char *reason);
/* The builder says that nothing is left. */
void session_gone(Session *s, const char *reason);
/* A BUILDING session that the builder never heard of. */
void session_abandon(Session *s);
/* Tells a (new) builder about every ENDING session. */
void session_end_resume(Session *s);

/* Asks the monitor how things stand; the callback comes soon, in any case. */
void session_refresh(Session *s, SessionRefreshed callback, void *userdata);
void session_set_frozen(Session *s, bool frozen);

int session_save(Session *s);

/* session-bus.c */
int session_bus_register(Manager *m);
void session_bus_emit_new(Session *s);
void session_bus_emit_removed(Session *s);
void session_bus_emit_changed(Session *s, const char *property);
char *session_bus_path(const char *id);
/* Whether the connection may see the session's properties. */
bool session_bus_is_visible_to(const Session *s, uid_t uid);
