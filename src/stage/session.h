/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* ocsb-stage's view of its clients and sessions: session.c makes and ends sessions, stage.c starts and serves. */

#include "stage/monitor.h"
#include "stage/netns.h"
#include "stage/network.h"
#include "stage/record.h"
#include "stage/template.h"

typedef struct Firewall Firewall;

typedef struct Client {
        Stage *stage;
        LoopSource source;
        int fd;
        struct Client *next;
} Client;

struct Session {
        Stage *stage;
        Record *record;
        Client *creator;  /* waits for the answer to CREATE; NULL when it left or has it */
        uint32_t create_tag;
        Client *killer;   /* waits for ENDED with kill_tag */
        uint32_t kill_tag;
        int report, pidfd, cleaner_pidfd;
        pid_t cleaner;
        LoopSource report_source, pid_source, cleaner_source;
        LoopTimer retry;
        unsigned retries;
        bool answered;    /* READY or FAILED went out */
        bool ending;      /* session_reap() has it */
        MsgFailed failure;
        MsgEnded ended;
        SessionNetwork network;
        Session *next;
};

struct Stage {
        Loop *loop;
        LoopSource listen_source, signal_source, mounts_source;
        int init_exe, records, journals, monitors, proc, slice, signals;
        TemplateStore *templates;
        char slice_path[512]; /* below the cgroup2 mount */
        bool systemd;
        gid_t ocsb_gid;
        uid_t ocsb_uid;
        unsigned abi;
        NetnsPool *netns, *fenced; /* fenced: of the first session with network "nat" on */
        LoopSource fenced_source;
        char fenced_why[512];
        Firewall *firewall;
        const char *libexec;
        Client *clients;
        Session *sessions;
        unsigned n_sessions;
};

Session *session_find(Stage *s, const char *id);
/* Takes record. NULL on out of memory. */
Session *session_new(Stage *s, Record *record);
void session_free(Session *x);
/* Watches the monitor's life and, when there is a report socket, what it says. */
int session_watch(Session *x);
/* Forks the monitor, which builds the sandbox in the network namespace, or in one of its own (-1). Borrows everything. What
 * goes wrong ends the session. */
void session_bear(Session *x, Plan *plan, int *fds, int netns);
/* Hands the monitor's READY on. */
void session_answer_ready(Session *x, WireMessage *msg);
/* Ends it, also one that has no monitor yet; session_reap() follows from the loop. */
void session_kill(Session *x);
/* WIRE_CREATE: makes a session; every failure is answered here. */
void session_request_create(Client *c, WireMessage *msg);
/* The monitor is dead: takes away what the session leaves behind, tells the clients, frees x. */
void session_reap(void *session);

void client_send(Client *c, uint32_t type, uint32_t tag, const WireWriter *w, const int *fds, size_t n);
void client_send_ended(Client *c, uint32_t tag, const char *id, const char *reason);
