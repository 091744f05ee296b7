/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The connection to ocsb-stage. What ocsbd expects of it:
 *
 *   WIRE_CREATE   READY{…} with the monitor's control connection, or FAILED: the tag repeated. When the
 * connection to ocsbd ends before READY was sent, the session under construction is taken down again.
 *   WIRE_KILL     ENDED with the tag, when nothing of the session is left, whoever made it; "unknown" at
 * once. A CREATE of the same id that has no answer yet gets none any more. WIRE_LIST     SESSIONS with every
 * session whose monitor lives, also those of an earlier ocsb-stage. ENDED tag 0   when a session ended by
 * itself (its init or its monitor died, or it was told to terminate), once it is cleared away, to the
 * current connection. Requests are taken in the order in which they come. */

#include <systemd/sd-event.h>

#include "wire/message.h"

typedef struct StageClient StageClient;

/* Exactly one of ready and failed; borrowed, control_fd given. Not called from within stage_create(). */
typedef void (*StageCreated)(const MsgReady *ready, int control_fd, const MsgFailed *failed, void *userdata);

typedef struct StageHandlers {
        void (*connected)(void *userdata);
        void (*listed)(char *const *ids, size_t n, void *userdata);
        /* Ended by itself, or as an answer to stage_kill() with its userdata. */
        void (*ended)(const char *id, const char *reason, void *userdata);
        void (*killed)(const char *reason, void *kill_userdata, void *userdata);
        /* The connection ended before the answer: kill again after connected(). */
        void (*kill_lost)(void *kill_userdata, void *userdata);
        void (*unreachable)(void *userdata);
} StageHandlers;

StageClient *stage_client_new(
                sd_event *event, const char *path, const StageHandlers *handlers, void *userdata);
StageClient *stage_client_free(StageClient *c);
DEFINE_CLEANUP(StageClient, stage_client_free)

/* Connects, and again with growing pauses whenever the connection is lost. */
void stage_client_start(StageClient *c);
bool stage_is_connected(const StageClient *c);

/* -ENOTCONN without a connection. id is the plan's; fds are borrowed. */
int stage_create(StageClient *c, const char *id, const WireWriter *plan, const int *fds, size_t n_fds,
                StageCreated callback, void *userdata, uint32_t *ret_tag);
/* The callback of that CREATE will not come; the caller kills the session by its id. */
void stage_forget(StageClient *c, uint32_t tag);
int stage_kill(StageClient *c, const char *id, void *kill_userdata);
