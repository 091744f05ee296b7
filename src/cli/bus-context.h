/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* ocsbctl-bus: one connection to the bus, calls with the user's authorisation, and the verbs. */

#include <systemd/sd-bus.h>

#include "agent.h"
#include "options.h"
#include "report.h"

typedef struct Context {
        Options *o;
        sd_bus *bus;
        Agent agent;
        int status; /* of the last failure */
} Context;

void context_done(Context *c);
#define _cleanup_context_ _cleanup_(context_done)
#define _cleanup_message_unref_ _cleanup_(sd_bus_message_unrefp)

/* Connects to this machine's or --host's system bus at the first use. 0, or -errno. */
int context_open(Context *c);
/* The same; a failure has been reported when it returns. */
int context_connect(Context *c, const char *what);

/* A call to the manager object or to a session's. */
int context_new_call(Context *c, const char *session, const char *member, sd_bus_message **ret);
/* Sends it and waits as long as it takes. When the answer is that somebody has to be asked and our terminal
 * is one to ask on, once more with an agent there. 0, or -errno after the failure has been reported;
 * c->status is set then. */
int context_call(Context *c, const char *what, sd_bus_message *m, sd_bus_message **ret);
/* A call to the interface Firewall of the manager's object. */
int context_new_firewall_call(Context *c, const char *member, sd_bus_message **ret);
/* The same for a method without arguments. */
int context_call_simple(
                Context *c, const char *what, const char *session, const char *member, sd_bus_message **ret);
/* Properties of the manager or of a session: the answer is positioned at the a{sv}. */
int context_get_properties(Context *c, const char *session, sd_bus_message **ret);

/* "Failed to what session 's1'" in buf. */
const char *what_session(char buf[static 128], const char *verb, const char *session);

typedef int (*VerbFunction)(Context *c);
int bus_verb_list(Context *c);
int bus_verb_profiles(Context *c);
int bus_verb_pending(Context *c);
int bus_verb_show(Context *c);
int bus_verb_status(Context *c);
int bus_verb_create(Context *c);
int bus_verb_explain(Context *c);
int bus_verb_control(Context *c); /* rm, freeze, thaw */
int bus_verb_kill(Context *c);
int bus_verb_answer(Context *c); /* approve, deny */
int bus_verb_lockdown(Context *c);
int bus_verb_firewall(Context *c);
int bus_verb_monitor(Context *c);
int bus_verb_doctor(Context *c);
int bus_verb_version(Context *c);
int bus_verb_help(Context *c);

/* Everything that CreateSession and Explain take. */
struct SessionRequest;
/* A destination as a{sv}; for_usec 0: none. */
int append_destination(sd_bus_message *m, const DestinationOption *d, uint64_t for_usec);
int append_session_options(sd_bus_message *m, const Options *o, const struct SessionRequest *r);
