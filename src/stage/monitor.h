/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One monitor per session: the process outside that starts PID 1, then gives up every right, and is the authority
 * on the session's execs until its end. */

#include "sys/loop.h"
#include "wire/message.h"
#include "wire/plan.h"

/* What ocsb-stage gives to the monitor it forks; the monitor owns all of it from then on. */
typedef struct MonitorArgs {
        Plan *plan;
        int *fds; /* the plan's, n_fds of them */
        int report;       /* socket to ocsb-stage */
        int netns;        /* or -1 */
        int proc; /* O_PATH fd of /proc */
        int init_exe, records, journals, monitors; /* as in BuildContext; monitors: /run/ocsb/monitor */
        int scope;        /* the session's cgroup directory, or -1: systemd makes it */
        bool systemd;     /* register a scope */
        gid_t ocsb_gid;
        unsigned landlock_abi;
        struct TemplateStore *templates; /* the stage's, as it was at the fork */
} MonitorArgs;

void monitor_run(MonitorArgs *args) _noreturn_;

typedef enum PeerKind {
        PEER_CONTROL, /* ocsbd */
        PEER_CHANNEL, /* a client, many execs */
        PEER_STATUS,  /* a client, one exec, events only */
} PeerKind;

typedef struct Monitor Monitor;
typedef struct Exec Exec;

typedef struct Peer {
        Monitor *monitor;
        LoopSource source;
        PeerKind kind;
        int fd;
        struct Peer *next;
} Peer;

typedef enum ExecState {
        EXEC_SPARE,    /* forked ahead, waits for its request */
        EXEC_PROBE,
        EXEC_EGRESS,   /* tries what the sandbox can reach, for peer */
        EXEC_STARTING, /* has its request */
        EXEC_RUNNING,  /* the program runs */
        EXEC_OVER,     /* ended and told; its cgroup has to become empty */
} ExecState;

struct Exec {
        Monitor *monitor;
        uint32_t id;
        ExecState state;
        uint32_t tag, flags, pid;
        Peer *peer;    /* where events go, or NULL */
        bool by_bus;   /* control connections hear of it, too */
        int cgroup, socket, master;
        LoopSource source; /* of socket */
        LoopTimer timeout, sweep;
        unsigned sweeps;
        uint64_t oom_before;
        uint32_t exit_flags; /* why it is being killed */
        Exec *next;
};

struct Monitor {
        Loop *loop;
        Plan *plan;
        int report, init, control_listen, scope, payload;
        LoopSource report_source, init_source, listen_source;
        Peer *peers;
        Exec *execs;
        uint32_t next_id;
        uint64_t execs_total, last_used;
        bool frozen, ending;
        char end_reason[64];
        MsgProbe probe;
        LoopTimer probe_timer, spare_timer;
        unsigned probes;
};

/* monitor-exec.c */
/* Forks a child ahead of any request. NULL when that failed (logged nowhere: the next request tries again). */
Exec *exec_prefork(Monitor *m, bool probe);
/* Handles a WIRE_EXEC message of a peer; takes the descriptors it keeps out of msg. */
void exec_request(Monitor *m, Peer *from, WireMessage *msg);
void exec_signal(Monitor *m, Peer *from, WireMessage *msg);
void exec_resize(Monitor *m, Peer *from, WireMessage *msg);
/* Handles WIRE_EGRESS: a waiting child tries what the sandbox can reach. */
void exec_egress(Monitor *m, Peer *from, WireMessage *msg);
/* PID 1 says that the child of an exec has ended. */
void exec_ended(Monitor *m, const MsgExited *end);
void exec_kill(Exec *e, uint32_t why);
/* Everything in the session is dead: tell who waits. */
void exec_all_ended(Monitor *m);
void execs_of_peer_lost(Monitor *m, Peer *p);
bool exec_any_running(const Monitor *m);

/* monitor.c */
Peer *peer_new(Monitor *m, PeerKind kind, int fd); /* takes fd */
void peer_drop(Peer *p);
void peer_ack(Peer *p, uint32_t tag, int error, const char *text);
/* Sends; a peer whose queue is full does not read: it is dropped, and with it what depends on it. */
void peer_send(Peer *p, uint32_t type, uint32_t tag, const WireWriter *w, const int *fds, size_t n_fds);
void control_send(Monitor *m, uint32_t type, uint32_t tag, const WireWriter *w);
void monitor_end(Monitor *m, const char *reason);
/* The probe's result has come; a broken item, or nonsense, ends the session. */
void monitor_probed(Monitor *m, WireMessage *msg);
/* The process that ran it was killed, as anything of the payload's uid can be: it is run again. */
void monitor_probe_lost(Monitor *m);
