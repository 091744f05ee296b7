/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* From EXEC to EXITED: waits for what the monitor says about one exec, relays what has to be relayed
 * meanwhile, and passes signals on. */

#include <signal.h>

#include "stream.h"
#include "wire/message.h"

/* Standard input, output and error as they will be for the program: our own when they may be passed, else
 * one end of a pipe whose other end is relayed. */
typedef struct Stdio {
        int child[3]; /* -EBADF: absent, the monitor makes it /dev/null */
        bool own[3];  /* to be closed by us once the program has it */
        Stream streams[3];
} Stdio;

void stdio_init(Stdio *ret);
void stdio_done(Stdio *s);
#define _cleanup_stdio_ _cleanup_(stdio_done)
/* detach: what would need us, or keep our caller waiting for the end of a pipe, becomes /dev/null. */
int stdio_prepare(bool detach, Stdio *ret);
/* Streams between our own standard input and output and the master of a pty (borrowed). */
int stdio_prepare_pty(int master, Stdio *ret);
/* Closes our copies of the program's ends. */
void stdio_started(Stdio *s);

typedef enum RelayEnd {
        RELAY_EXITED,          /* exited is filled in */
        RELAY_FAILED,          /* failed is filled in: the program was not started */
        RELAY_REFUSED,         /* error and text: the channel or the exec was not granted */
        RELAY_LOST,            /* the connection ended before the exit status came */
        RELAY_STARTED,         /* detach: runs on without us */
        RELAY_ENDED_BY_SIGNAL, /* signal: we were told to end, and everything in the exec was killed */
} RelayEnd;

typedef struct Relay {
        int channel; /* borrowed; the EXEC with tag RELAY_EXEC_TAG has been sent */
        bool pty, detach;
        Stdio *stdio;

        RelayEnd end;
        MsgExited exited;
        MsgFailed failed;
        int error;
        char text[512];
        int signal;
        uint32_t exec_id;

        /* private */
        bool started, done;
        int master, signal_fd;
        sigset_t blocked; /* while it runs */
        uint32_t tag;
        unsigned interrupts, kills;
        uint64_t deadline; /* CLOCK_MONOTONIC milliseconds, 0: none */
} Relay;
#define RELAY_EXEC_TAG 1u

/* Runs until the end that it records. 0, or -errno for failures of our own. */
int relay_run(Relay *r);

/* The exit status for whoever called us, as a shell would give it. */
int exit_status(const MsgExited *m);
