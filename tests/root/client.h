/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A client of ocsb-stage in the place of ocsbd: starts one in the bed, sends it plans, good and bad ones,
 * and runs programs in the sandboxes. */

#include "bed.h"
#include "wire/message.h"
#include "wire/plan.h"

typedef struct StageOptions {
        const char *env[4]; /* NAME=value, ended by NULL */
        long refused_call;  /* a system call that fails for the stage and all below it, 0: none */
        int refused_error;
        uint32_t refused_mask; /* only when argument refused_argument has one of these bits; 0: always */
        bool refused_equal;    /* … is equal to it */
        unsigned refused_argument;
        unsigned nofile; /* RLIMIT_NOFILE, 0: as it is */
} StageOptions;

/* Starts ocsb-stage in the bed (once: the programs are installed), connects, and waits until it answers. One
 * with options may die of them: then the next call says so (-ECHILD). */
int stage_start(const StageOptions *options);
/* SIGKILL. Sessions live on; a later stage_start() finds them. */
void stage_kill(void);
/* Ends every session, then the stage. */
void stage_stop(void);
pid_t stage_pid(void);
int stage_socket(void);
/* Whether it still runs; reaps it when not. */
bool stage_alive(void);
/* Waits until the process ends by itself, at most timeout_ms. */
bool stage_wait_death(unsigned timeout_ms);

/* host-minimal with WORKSPACE, alice's. id NULL: a new one. */
Plan *plan_sample(const char *id);
int plan_add_path(Plan *p, const char *target, const char *source, uint32_t flags);

typedef struct Session {
        char id[SESSION_ID_MAX + 1];
        bool ready;
        int control; /* control connection */
        int channel; /* opened by the first exec */
        MsgReady info;
        MsgFailed failed; /* when not ready; error 0: the connection ended */
        uint32_t next_tag;
} Session;
void session_done(Session *s); /* closes; does not end it */
#define _cleanup_session_ _cleanup_(session_done)
#define SESSION_NONE                                                                                        \
        { .control = -EBADF, .channel = -EBADF }

/* Sends the plan and waits for the answer. 0 also when it was refused (look at ready). */
int session_create(Session *s, const Plan *p, const int *fds, size_t n_fds);
/* Sends any body as CREATE. */
int session_create_raw(Session *s, const WireWriter *body, const int *fds, size_t n_fds);
/* KILL, waits for ENDED. */
int session_end(Session *s);
int stage_kill_session(const char *id);
/* Ids that the stage lists; count or -errno. */
int stage_list(char ids[][SESSION_ID_MAX + 1], size_t max);
/* A channel as OpenChannel gives one. */
int session_open_channel(Session *s);
/* Waits for PROBED on the control connection. */
int session_probe(Session *s, MsgProbe *ret, unsigned timeout_ms);
/* Connects to /run/ocsb/monitor/ID. */
int session_connect_control(const char *id);

typedef struct ExecOptions {
        const char *cwd;
        const char *const *env; /* NULL-terminated */
        uint64_t timeout_usec;
        uint32_t flags;
        bool by_control; /* as ocsbd's Exec does */
        const char *input;
        const int *fds; /* instead of the pipes */
        const uint32_t *numbers;
        size_t n_fds;
} ExecOptions;

#define EXEC_OUTPUT_MAX 65536
typedef struct ExecResult {
        bool started, over;
        uint32_t id, pid;
        int ack;          /* errno of an ACK that refused it */
        MsgFailed failed; /* error != 0: not started */
        MsgExited exited;
        size_t len;
        char output[EXEC_OUTPUT_MAX + 1]; /* standard output and error */
} ExecResult;

/* Runs to the end. Returns 0 when an answer came, -ETIMEDOUT after 20 s, other -errno. */
int exec_run(Session *s, const char *const *argv, const ExecOptions *options, ExecResult *ret);
/* Sends only; answers come on the channel. */
int exec_send(int channel, uint32_t tag, const char *const *argv, const ExecOptions *options);
/* The next message, -ETIMEDOUT. */
int recv_timeout(int fd, WireMessage *ret, unsigned timeout_ms);

/* Runs the attack program with arguments (ended by NULL): the name of the check fails unless it exits with
 * 0. */
bool attack_holds(Session *s, const char *argument, ...) __attribute__((sentinel));
/* The same with options. */
bool attack_holds_with(Session *s, const ExecOptions *options, const char *const *argv);
#define ATTACK WORKSPACE "/attack"
