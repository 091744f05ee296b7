/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A client as a gateway would write it: one connection to the system bus, a channel per session. Also one in the
 * place of ocsbd that gives ocsb-stage its orders directly. All functions wait for the answer; they return 0 or -errno
 * and then client_error says why. */

#include <stdint.h>
#include <systemd/sd-bus.h>

#include "base/text.h"

extern char client_error[512];
int client_fail(int error, const char *format, ...) _printf_(2, 3);

typedef struct Client {
        sd_bus *bus;
        int workspace;
        bool nat; /* of profile "internet" */
} Client;

/* Connects as the effective user, who has to be somebody whom polkit lets create sessions. */
int client_open(Client *c, const char *workspace);
void client_close(Client *c);

typedef struct BenchSession {
        char path[128], id[SESSION_ID_MAX + 1];
        int channel;
} BenchSession;

/* CreateSession of profile "default" with the client's workspace, or a directory of this name in it, which is made; id
 * NULL: ocsbd makes one up. */
int session_create(Client *c, const char *id, const char *directory, BenchSession *ret);
int session_terminate(Client *c, BenchSession *s);
/* A channel by OpenChannel, or by HELLO on ocsbd's channel socket. */
int session_open_channel(Client *c, BenchSession *s);
int session_say_hello(BenchSession *s);

/* Runs argv to its end through the session's channel; out: what its standard output becomes, or -1. */
int exec_by_channel(BenchSession *s, const char *const *argv, int out);
/* The two halves of it, for whoever has something to do meanwhile. */
int exec_start(BenchSession *s, const char *const *argv, int out);
int exec_wait(int sock);
/* The same by the method Exec. */
int exec_by_bus(Client *c, BenchSession *s, const char *const *argv);

typedef struct StageClient {
        int sock, workspace;
        struct Plan *plan;
        uint32_t next;
} StageClient;

/* Root only. The plan is what the policy makes of the default profile for this user. */
int stage_open(StageClient *c, const char *user, const char *workspace);
/* From CREATE to READY; then the session is killed. *ret_nsec covers the first part only. */
int stage_create(StageClient *c, uint64_t *ret_nsec);

uint64_t now_nsec(void);
