/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The daemon as a whole: what it is connected to and what it knows. */

#include <glib.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>

#include "authority.h"
#include "client.h"
#include "confined.h"
#include "pending.h"
#include "policy/policy.h"
#include "quota.h"
#include "session.h"
#include "stage-client.h"

#define BUS_PATH "/org/openclaw/Sandbox1"
#define BUS_SESSION_PREFIX BUS_PATH "/session"
#define MANAGER_INTERFACE "org.openclaw.Sandbox1.Manager"
#define SESSION_INTERFACE "org.openclaw.Sandbox1.Session"
#define FIREWALL_INTERFACE "org.openclaw.Sandbox1.Firewall"

typedef struct Channels Channels;
typedef struct Firewall Firewall;

struct Manager {
        sd_event *event;
        sd_bus *bus;
        int state_fd;      /* /run/ocsb/state */
        int persistent_fd; /* for what survives a reboot; -EBADF when there is no such directory */

        Policy *policy; /* NULL when it could not be loaded: then nothing is created */
        char *policy_error;

        QuotaTable *quotas;
        PendingStore *pending;
        Authority *authority;
        uint64_t authority_generation;
        ClientTable *clients;
        StageClient *stage;
        Channels *channels;
        Firewall *firewall;

        GHashTable *sessions;   /* id → Session*, a reference each */
        GHashTable *by_cgroup;  /* path → Session*, borrowed; READY and ENDING ones */
        GHashTable *by_monitor; /* pid → Session*, likewise */
        GHashTable *trusted;    /* set of "uid action": the last answer was a yes without a question */

        GQueue lockdown_waiters; /* Operation* that wait until no session is left, borrowed */
        GQueue stage_waiters;    /* Operation* that wait for a builder, borrowed */
        GQueue firewall_waiters; /* Operation* that wait for ocsb-fw, borrowed */
        bool locked_down;
        bool verifying;           /* a throwaway session of Firewall.Verify is there */

        unsigned n_adopting;
        bool listed, named, exiting;
        sd_event_source *adoption_deadline, *sweeper;

        uint32_t landlock_abi;
        char **controllers;
};

/* Sets everything up on the event loop and connects to the bus, which may wait: the last thing here that
 * does. */
int manager_new(sd_event *event, int channel_fd, Manager **ret);
Manager *manager_free(Manager *m);
DEFINE_CLEANUP(Manager, manager_free)

/* Reads profiles and ceilings again. On an error nothing is created until they are mended: an administrator
 * who narrows a ceiling and mistypes must not leave the wide one in force. */
int manager_load_policy(Manager *m);

/* CLOCK_MONOTONIC as of this turn of the event loop. */
uint64_t manager_now(Manager *m);
void manager_index_session(Manager *m, Session *s);
void manager_unindex_session(Manager *m, Session *s);
void manager_session_gone(Manager *m);
ConfinedMarks manager_confined_marks(Manager *m);

/* sweeper.c: ends sessions that are idle or old. */
void manager_schedule_sweep(Manager *m);

/* adoption.c: finds the sessions of an earlier daemon, then takes the name on the bus. */
int adoption_start(Manager *m);
void adoption_stage_listed(Manager *m, char *const *ids, size_t n);
void adoption_stage_unreachable(Manager *m);

/* lockdown.c */
int lockdown_load(Manager *m);
void lockdown_set(Operation *op, bool on);

/* manager-bus.c, logcontrol.c, doctor.c */
int manager_bus_register(Manager *m);
int logcontrol_register(Manager *m);
void doctor_run(Operation *op);
/* What does not change while the daemon runs. */
void doctor_read_machine(Manager *m);
