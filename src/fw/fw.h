/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* ocsb-fw's state: fw.c starts and serves, client.c answers, session.c attaches and ends, table.c keeps the outer table right. */

#include "fw/drift.h"
#include "fw/host.h"
#include "fw/nft.h"
#include "fw/state.h"
#include "sys/loop.h"
#include "wire/network.h"
#include "wire/transport.h"

typedef struct Fw Fw;

typedef struct Client {
        Fw *fw;
        LoopSource source;
        int fd;
        uint64_t serial;
        bool is_root, is_ocsb;
        struct Client *next;
} Client;

typedef struct Session {
        StateRecord record;
        int route, netfilter; /* sockets inside; negative until ocsb-stage gave them (again) */
        LoopSource log_source; /* on netfilter */
        struct Fw *fw;
        uint64_t attached_by; /* serial of the connection */
        uint64_t next_until;  /* of its grants; USEC_INFINITY: none */
        struct Session *next_by_id, *next;
} Session;

/* A slot is free again when nothing of its last session is left: interface, flows. */
typedef struct Leaving {
        uint32_t slot;
        NetAddress ipv4, ipv6;
        uint64_t since; /* CLOCK_MONOTONIC */
        bool flows_cut;
        struct Leaving *next;
} Leaving;

#define BUCKETS 4096u
#define MSG_TEXT_SIZE 512u

struct Fw {
        Loop *loop;
        Nft *nft;
        Host host;
        Drift drift;
        int state, listen_fd, signals;
        uid_t ocsb_uid;
        StateConfig config;
        const char *config_path;
        bool lockdown, table_broken, no_log;
        uint64_t repairs, next_serial, next_until;
        unsigned n_clients;
        Session *by_id[BUCKETS], *sessions;
        uint32_t n_sessions, n_slots, slot_hint;
        uint8_t *slots; /* 1 … n_slots: 0 free, 1 taken */
        Leaving *leaving;
        Client *clients;
        LoopSource listen_source, signal_source, host_source, drift_source;
        LoopTimer expiry_timer, leaving_timer, repair_timer, watchdog_timer;
        uint64_t watchdog_usec;
};

/* What a request came to: 0 or -errno, and a sentence for the answer. */
typedef struct Answer {
        int error;
        char text[MSG_TEXT_SIZE];
} Answer;

/* session.c */
Session *session_find(Fw *f, const char *id);
/* fds: FW_ATTACH's, taken. */
int session_attach(Client *c, const FwAttach *m, int fds[static 3], FwAttached *ret, Answer *a);
void session_detach(Fw *f, Session *s);
int session_set(Fw *f, Session *s, const NetIntent *intent, Answer *a);
int session_open_inner(Fw *f, Session *s, Answer *a);
/* Those that were not attached by this connection go. */
void sessions_synced(Client *c);
int sessions_load(Fw *f);
void sessions_free(Fw *f);
int slots_init(Fw *f);
void session_attached(const Session *s, FwAttached *ret);

/* table.c */
int table_build(Fw *f, Answer *a);
/* Runs a change; when the table is not as we think, builds it anew instead. Takes text. */
int table_change(Fw *f, char *text, Answer *a);
int table_lockdown(Fw *f, bool on, Answer *a);
int table_reload(Fw *f, Answer *a);
void table_on_drift(LoopSource *s, uint32_t events, void *userdata);
void table_on_host(LoopSource *s, uint32_t events, void *userdata);
/* Addresses of the host as they are, into both fences when they changed. */
void table_follow_host(Fw *f);

/* client.c */
void clients_on_listen(LoopSource *s, uint32_t events, void *userdata);
void clients_free(Fw *f);
void clients_tell_drift(Fw *f, uint64_t usec, const char *what);
void clients_tell_expired(Fw *f, const char *id, uint32_t grant);

int answer(Answer *a, int error, const char *format, ...) _printf_(3, 4);
