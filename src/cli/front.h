/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The static program: exec, run and shell, over the channel socket and the small D-Bus client. */

#include "dbus-mini.h"
#include "options.h"
#include "session-request.h"

/* OCSB_CHANNEL_SOCKET; the unit tests point it elsewhere. */
extern const char *channel_socket;

/* A bus connection made at the first use. */
typedef struct Bus {
        bool connected;
        DbusClient client;
} Bus;
void bus_done(Bus *b);
#define _cleanup_bus_ _cleanup_(bus_done)
#define BUS_NONE ((Bus) { .client = DBUS_CLIENT_NONE })

/* Calls; when the answer is that somebody would have to be asked and our terminal is one to ask on, once
 * more with an agent there. what: for "Failed to …". 0 with the answer; -errno after the failure has been
 * reported. */
int bus_call(Bus *b, const Options *o, const char *what, DbusCall call, DbusReply *ret);

/* CreateSession. idle_usec: 0 or a value that the options did not give. */
int create_session(Bus *b, const Options *o, uint64_t idle_usec, char ret_id[static SESSION_ID_MAX + 1]);
/* The message body alone, for the tests. */
void session_options_encode(DbusWriter *w, const Options *o, const SessionRequest *r, uint64_t idle_usec);
size_t session_request_fds(const SessionRequest *r, int ret[static DBUS_FDS_MAX]);
/* Terminate: waits for its answer, or leaves it to ocsbd. */
void terminate_session(Bus *b, const Options *o, const char *id, bool wait);

typedef struct Launch {
        const char *session;
        char **argv; /* NULL-terminated */
        size_t n_argv;
        bool pty;
        bool print_id; /* detach: print the exec's number */
} Launch;

/* Runs a command in a session; returns the exit status. */
int launch(Bus *b, const Options *o, const Launch *l);

int verb_exec(const Options *o);
int verb_run(const Options *o);
int verb_shell(const Options *o);
