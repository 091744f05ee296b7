/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the daemon knows of ocsb-fw: whether it is there, what each session may reach, the addresses of the host. ocsb-fw is the
 * authority; what is here is its last word, learned anew with each connection. */

#include <systemd/sd-bus.h>

#include "firewall-client.h"
#include "manager.h"

#define FIREWALL_MISSING                                                                                    \
        "Network \"nat\" needs ocsb-fw, which cannot be reached: start it with 'systemctl start ocsb-fw.service'."

typedef struct FirewallSession {
        char id[SESSION_ID_MAX + 1];
        NetIntent intent;
        FwAttached attached; /* ipv4.family 0: not known yet */
        GQueue changes;      /* FirewallChange*; the first one is on its way to ocsb-fw */
} FirewallSession;

/* Changes a copy of the intent as it is when the change's turn comes. 0, or a negative errno with *ret_why (g_free()): then nothing
 * is sent. */
typedef int (*FirewallEdit)(NetIntent *intent, void *userdata, char **ret_why);
/* error: 0 when it holds, else a positive errno; text is escaped UTF-8. */
typedef void (*FirewallDone)(int error, const char *text, void *userdata);

Firewall *firewall_new(Manager *m);
Firewall *firewall_free(Firewall *f);
void firewall_start(Firewall *f);

/* Connected, and the first status is here. */
bool firewall_is_ready(const Firewall *f);
/* It was there and will be back, or both have just been started: worth a moment's waiting. */
bool firewall_is_restarting(const Firewall *f);

/* The last status; NULL before the first. */
const FwStatus *firewall_last_status(const Firewall *f);
/* Asks for a fresh one; several askers share a question. The callback comes exactly once, with NULL when ocsb-fw does not answer. */
void firewall_refresh(Firewall *f, FirewallStatus callback, void *userdata);
FirewallClient *firewall_client(Firewall *f);

/* NULL: ocsb-fw is not known to have it. */
const FirewallSession *firewall_session(const Firewall *f, const char *id);
void firewall_session_created(Firewall *f, const char *id, const NetIntent *intent);
void firewall_session_gone(Firewall *f, const char *id);

/* One change of a session at a time, in the order of the calls; done comes exactly once, maybe from within. */
void firewall_change(Firewall *f, const char *id, FirewallEdit edit, FirewallDone done, void *userdata);

/* Sent now or with the next connection. */
void firewall_lockdown(Firewall *f, bool on);

/* Whether a destination is nothing but an address of this host, which stays closed whatever is granted. */
bool firewall_is_host_address(const Firewall *f, const NetPrefix *to);
/* Grants and resolvers of a plan against the addresses of the host. */
int firewall_check_plan(const Firewall *f, const NetIntent *intent, sd_bus_error *error);

/* firewall-bus.c */
int firewall_bus_register(Manager *m);
void firewall_bus_emit_drift(Manager *m, uint64_t usec, const char *what);
void firewall_bus_emit_expired(Manager *m, const char *id, uint32_t grant);
/* The properties that a status changed. */
void firewall_bus_emit_changed(Manager *m);
/* aa{sv} */
int firewall_bus_append_grants(sd_bus_message *reply, const NetIntent *intent);

/* network-update.c: Session.Update */
int network_update(sd_bus_message *m, Session *s, sd_bus_error *error);

/* verify.c: Firewall.Verify */
int firewall_verify(sd_bus_message *m, void *userdata, sd_bus_error *error);
