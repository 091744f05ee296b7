/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* In the place of ocsb-fw for the tests of ocsb-stage: a process that answers as it is told and remembers what it was
 * asked. It gives each session an interface eth0, a bridge without ports. */

#include "bed.h"
#include "wire/network.h"

#define FENCE_MARK 40000 /* MTU of lo, from fake-fence.c */

typedef enum FakeAnswer {
        FAKE_ATTACHES,
        FAKE_REFUSES, /* with FAKE_REFUSAL */
        FAKE_IS_SILENT,
        FAKE_HANGS_UP,
} FakeAnswer;
#define FAKE_REFUSAL "the pool 198.18.0.0/16 meets a route of this host"

#define FAKE_SESSIONS_MAX 64
typedef struct FakeState {
        FakeAnswer answer;
        unsigned delay_ms;
        bool open; /* eth0 gets an address: without a fence packets leave by it */
        unsigned attaches, detaches, syncs, connections, early_detaches;
        char problem[256]; /* what an ocsb-fw could not have worked with; "" */
        struct {
                char id[SESSION_ID_MAX + 1];
                uint64_t netns;
                unsigned times; /* attached, since it was first */
                bool this_time; /* on this connection */
                size_t n_grants, n_grants_again; /* of the first FW_ATTACH, of the last one after it */
        } sessions[FAKE_SESSIONS_MAX];
} FakeState;

/* Shared with the process. */
extern FakeState *fake;

/* The socket stays when it is killed, as systemd's and the supervisor's does. */
int fake_start(void);
void fake_kill(void);
void fake_pause(void); /* until it is killed */
void fake_stop(void); /* the socket goes, too */
unsigned fake_sessions(void);
/* Of the session, or -1. */
int fake_find(const char *id);
