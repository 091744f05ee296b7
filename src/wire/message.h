/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Every message between our processes, and between a client and a monitor. Each struct has an encode and a decode
 * function; decode returns 0 or -EBADMSG/-E2BIG/-ENOMEM, reads the whole body (bytes left over are -EBADMSG), and
 * on failure leaves nothing allocated and *ret as it was. encode borrows; done frees what decode made.
 *
 *   ocsbd ──► ocsb-stage      /run/ocsb/stage.sock       CREATE KILL LIST            ◄── READY FAILED ENDED SESSIONS
 *   ocsbd ──► monitor         /run/ocsb/monitor/ID       EXEC … TERMINATE, CHANNEL   ◄── ACK EVENT_* PROBED INFO …
 *   client ──► monitor        a channel (see HELLO)      EXEC SIGNAL RESIZE CLOSE_EXEC  ◄── EVENT_* ACK
 *   monitor ──► exec child    a pair per exec            EXEC                        ◄── EVENT_STARTED, EVENT_FAILED
 *   monitor ◄─► ocsb-init     a pair per session         PREFORK SIGNAL PROBE        ◄── READY, EXITED, PROBED
 *
 * tag: chosen by the asker; every message that answers it repeats it. EVENT_EXITED repeats the tag of the EXEC. */

#include <stdint.h>

#include "base/text.h"
#include "codec.h"
#include "transport.h"

#define OCSB_RUN_DIR "/run/ocsb"
#define OCSB_STAGE_STATE_DIR "/var/lib/ocsb-stage"        /* 0700 root */
#define OCSB_STAGE_SOCKET OCSB_RUN_DIR "/stage.sock"     /* 0600 ocsb */
#define OCSB_CHANNEL_SOCKET OCSB_RUN_DIR "/channel.sock" /* 0666, ocsbd checks the peer */
#define OCSB_MONITOR_DIR OCSB_RUN_DIR "/monitor"         /* 0750 root:ocsb, sockets 0660 root:ocsb named by session id */

typedef enum WireType {
        /* ocsbd to stage */
        WIRE_CREATE = 1,   /* body: plan; fds: the plan's */
        WIRE_KILL,         /* body: id. Ends the session whatever its state; answered by ENDED (also when unknown) */
        WIRE_LIST,         /* answered by SESSIONS */
        /* stage to ocsbd */
        WIRE_READY = 16,   /* body: MsgReady; fds: [0] a connected control socket of the monitor */
        WIRE_FAILED,       /* body: MsgFailed: the session does not exist and nothing of it is left */
        WIRE_ENDED,        /* body: MsgEnded; tag 0 unless it answers KILL */
        WIRE_SESSIONS,     /* body: count, then id strings: sessions whose monitor lives */
        /* to a monitor */
        WIRE_HELLO = 32,   /* body: session id. First message on OCSB_CHANNEL_SOCKET; ocsbd checks the peer and hands the
                              connection to the monitor, so EXEC may be sent right behind it. No answer when it is
                              granted; ACK with an error and the end of the stream when not */
        WIRE_EXEC,         /* body: MsgExec; fds: its own */
        WIRE_SIGNAL,       /* body: MsgSignal; answered by ACK */
        WIRE_RESIZE,       /* body: MsgResize; answered by ACK */
        /* control connection only */
        WIRE_CHANNEL = 48, /* fds: [0] a socket that becomes a channel; ACK */
        WIRE_FREEZE,       /* ACK when frozen */
        WIRE_THAW,         /* ACK */
        WIRE_TERMINATE,    /* body: nothing, or u32 1: only when no exec is running, else ACK with EBUSY. ACK, then
                              everything in the session is killed and the monitor exits */
        WIRE_INFO,         /* answered by INFO_REPLY */
        WIRE_EGRESS,       /* body: MsgEgress (egress.h); the same goes on to a waiting child. Answered by EGRESSED, or ACK with an
                              error */
        /* answers and events of a monitor */
        WIRE_ACK = 64,     /* body: u32 errno (0 is success), string text */
        WIRE_EVENT_STARTED, /* body: u32 exec id, u32 pid inside; fds: [0] the pty's master when one was asked for */
        WIRE_EVENT_FAILED,  /* body: MsgFailed; the program was not started */
        WIRE_EVENT_EXITED,  /* body: MsgExited; always the last message about an exec */
        WIRE_INFO_REPLY,    /* body: MsgInfo */
        WIRE_PROBED,        /* body: MsgProbe; on control, once after READY and to each later control connection */
        WIRE_EGRESSED,      /* body: MsgEgressed */
        /* monitor to init */
        WIRE_PREFORK = 96, /* body: u32 slot; fds: [0] cgroup directory, [1] the child's end of the exec pair */
        WIRE_PROBE,        /* body: u32 slot; fds as PREFORK: the child runs the self-probe and sends PROBED there */
        /* builder to monitor to stage */
        WIRE_TEMPLATE = 112, /* body: the template (stage/template.h); fds: [0] its mount namespace */
        /* stage to monitor */
        WIRE_ATTACHED,       /* no body: the network is there, the self-probe can look at it */
} WireType;

/* FAILED and EVENT_FAILED */
typedef struct MsgFailed {
        uint32_t error;   /* an errno, positive */
        uint32_t status;  /* EVENT_FAILED: the shell's exit status: 126, 127, or 125 for our own errors */
        char step[32];    /* "exec", "cwd", "landlock", "cgroup.memory", … : stable, documented in ocsbd(8) */
        char text[512];   /* a sentence for the user */
} MsgFailed;

typedef enum MsgExecFlags {
        MSG_EXEC_PTY = 1 << 0,    /* stdin, stdout and stderr are a new pty of rows × cols; no fds then */
        MSG_EXEC_DETACH = 1 << 1, /* outlives the channel */
        _MSG_EXEC_FLAGS_ALL = (1 << 2) - 1,
} MsgExecFlags;

#define MSG_EXEC_ARGS_MAX 4096u
#define MSG_EXEC_ARG_BYTES_MAX ((128u << 10) - 1) /* the kernel's MAX_ARG_STRLEN with the NUL */
#define MSG_EXEC_ENV_MAX 1024u
#define MSG_EXEC_BYTES_MAX ((size_t) 1 << 20) /* argv and env together */
#define MSG_EXEC_FDS_MAX 16u

/* Decoded, argv and env are one allocation each (wire_get_strv). One that is filled by hand to be encoded borrows
 * its members and must not be given to msg_exec_done(). */
typedef struct MsgExec {
        uint32_t flags; /* MsgExecFlags */
        uint32_t rows, cols; /* 0: 24 × 80; at most 65535 */
        uint64_t timeout_usec; /* 0 or USEC_INFINITY: none */
        char **argv; /* at least one; argv[0] not empty, found through PATH of env when without a slash */
        size_t n_argv;
        char **env; /* NAME=value, over the session's environment */
        size_t n_env;
        char *cwd; /* normal absolute path inside; "" is the session's workdir */
        uint32_t fd_numbers[MSG_EXEC_FDS_MAX]; /* where each descriptor of the message goes: 0 … 15, no number
                                                  twice; 0, 1 and 2 are /dev/null when absent */
        size_t n_fds;
} MsgExec;

void msg_exec_done(MsgExec *m);
#define _cleanup_msg_exec_ _cleanup_(msg_exec_done)
void msg_exec_encode(WireWriter *w, const MsgExec *m);
/* Also checks every limit above; *ret_why, when given, names the field (static text). */
int msg_exec_decode(WireReader *r, MsgExec *ret, const char **ret_why);
/* 0, -EINVAL, or -E2BIG over a limit. */
int msg_exec_validate(const MsgExec *m, const char **ret_why);

void msg_failed_encode(WireWriter *w, const MsgFailed *m);
int msg_failed_decode(WireReader *r, MsgFailed *ret);

typedef struct MsgReady {
        char id[SESSION_ID_MAX + 1];
        uint32_t monitor_pid;
        uint32_t landlock_abi;
        char cgroup[512]; /* path of the session's cgroup below the cgroup2 mount */
        /* Grants by path whose source led to another name, by a symlink: a line each, "target TAB flags TAB source TAB
         * real path", flags as in the plan, the texts escaped. ocsbd holds the real path to the ceiling. */
        char *resolved;
} MsgReady;
void msg_ready_done(MsgReady *m);
void msg_ready_encode(WireWriter *w, const MsgReady *m);
int msg_ready_decode(WireReader *r, MsgReady *ret);

typedef struct MsgEnded {
        char id[SESSION_ID_MAX + 1];
        char reason[64]; /* "terminated", "idle", "age", "init-died", "monitor-died", "probe-failed", "unknown" */
} MsgEnded;
void msg_ended_encode(WireWriter *w, const MsgEnded *m);
int msg_ended_decode(WireReader *r, MsgEnded *ret);

typedef struct MsgSignal {
        uint32_t exec_id;
        uint32_t signal; /* 1 … 64; SIGKILL kills the whole tree, others go to the exec's process group */
} MsgSignal;
void msg_signal_encode(WireWriter *w, const MsgSignal *m);
int msg_signal_decode(WireReader *r, MsgSignal *ret);

typedef struct MsgResize {
        uint32_t exec_id, rows, cols; /* 1 … 65535 */
} MsgResize;
void msg_resize_encode(WireWriter *w, const MsgResize *m);
int msg_resize_decode(WireReader *r, MsgResize *ret);

typedef enum MsgExitedFlags {
        MSG_EXITED_TIMEOUT = 1 << 0, /* killed by its own timeout */
        MSG_EXITED_OOM = 1 << 1,     /* the kernel killed something in it for memory */
        MSG_EXITED_KILLED = 1 << 2,  /* killed by Signal, by the session's end, or because the client left */
        _MSG_EXITED_FLAGS_ALL = (1 << 3) - 1,
} MsgExitedFlags;

typedef struct MsgExited {
        uint32_t exec_id;
        uint32_t code;   /* exit code when signal is 0 */
        uint32_t signal; /* the signal that ended it, or 0 */
        uint32_t flags;  /* MsgExitedFlags */
        uint64_t user_usec, system_usec; /* CPU time of the main process and its waited-for children */
        uint64_t max_rss; /* bytes */
} MsgExited;
void msg_exited_encode(WireWriter *w, const MsgExited *m);
int msg_exited_decode(WireReader *r, MsgExited *ret);

#define MSG_INFO_RUNNING_MAX 4096u /* the most that PlanLimits.execs may be */
typedef struct MsgInfo {
        uint64_t execs_total; /* ever started */
        uint32_t frozen;
        uint64_t last_used_usec; /* CLOCK_REALTIME of the last exec's start or end; 0: none yet */
        uint32_t *running;    /* exec ids */
        size_t n_running;
} MsgInfo;
void msg_info_done(MsgInfo *m);
void msg_info_encode(WireWriter *w, const MsgInfo *m);
int msg_info_decode(WireReader *r, MsgInfo *ret);

typedef enum ProbeResult {
        PROBE_HELD,         /* attempted, failed as it must */
        PROBE_BROKEN,       /* attempted and possible: the session is ended */
        PROBE_NOT_PROVABLE, /* this kernel or plan gives no way to attempt it */
        _PROBE_RESULT_MAX,
} ProbeResult;

#define PROBE_ITEMS_MAX 64u
typedef struct ProbeItem {
        uint32_t result;  /* ProbeResult */
        char name[48];    /* "mount", "ptrace", "raw-socket", … */
        char detail[160]; /* what was attempted and what the kernel said */
} ProbeItem;
typedef struct MsgProbe {
        ProbeItem *items;
        size_t n_items;
} MsgProbe;
void msg_probe_done(MsgProbe *m);
void msg_probe_encode(WireWriter *w, const MsgProbe *m);
int msg_probe_decode(WireReader *r, MsgProbe *ret);
const char *probe_result_to_string(ProbeResult r); /* "held", "broken", "not-provable" */

/* ACK bodies. error is 0, an errno or its negative and arrives positive; text may be NULL. A text longer than
 * MSG_ACK_TEXT_MAX or than the reader's buffer is cut at a character; text_size 0: not wanted. */
#define MSG_ACK_TEXT_MAX 511u
void msg_ack_encode(WireWriter *w, int error, const char *text);
int msg_ack_decode(WireReader *r, int *ret_error, char *ret_text, size_t text_size);

/* Convenience: an id alone (KILL, HELLO). */
int msg_id_decode(WireReader *r, char ret[static SESSION_ID_MAX + 1]);
