/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The question what a sandbox can reach, and the answer: WIRE_EGRESS and WIRE_EGRESSED of message.h. A fresh, fully confined process
 * of the session tries every target at once and says what came of each. */

#include "network.h"

#define EGRESS_TARGETS_MAX 1024u
#define EGRESS_TIMEOUT_MSEC_MAX 10000u

typedef struct EgressTarget {
        NetAddress address;
        uint32_t port; /* 0 for ICMP */
        uint32_t protocol; /* NetProtocol */
} EgressTarget;

/* What came back. A refusal by the other side proves that the packet arrived there: only UNREACHABLE and TIMED_OUT are signs of a
 * fence. */
typedef enum EgressOutcome {
        EGRESS_CONNECTED,   /* TCP: a connection; UDP and ICMP: an answer */
        EGRESS_REFUSED,     /* the port is closed: reset, or "port unreachable" */
        EGRESS_UNREACHABLE, /* error: rejected on the way, or no route */
        EGRESS_TIMED_OUT,   /* nothing came back */
        EGRESS_NOT_TRIED,   /* error: no such socket can be made here */
        _EGRESS_OUTCOME_MAX,
} EgressOutcome;
const char *egress_outcome_to_string(EgressOutcome v); /* "connected", "refused", … */

typedef struct EgressSeen {
        uint32_t outcome; /* EgressOutcome */
        uint32_t error;   /* a positive errno, or 0 */
} EgressSeen;

typedef struct MsgEgress {
        uint32_t timeout_msec; /* 1 … EGRESS_TIMEOUT_MSEC_MAX, for all of them together */
        EgressTarget *targets; /* at least one */
        size_t n_targets;
} MsgEgress;
void msg_egress_done(MsgEgress *m);
#define _cleanup_msg_egress_ _cleanup_(msg_egress_done)
void msg_egress_encode(WireWriter *w, const MsgEgress *m);
int msg_egress_decode(WireReader *r, MsgEgress *ret);

/* In the order of the targets. */
typedef struct MsgEgressed {
        EgressSeen *seen;
        size_t n_seen;
} MsgEgressed;
void msg_egressed_done(MsgEgressed *m);
#define _cleanup_msg_egressed_ _cleanup_(msg_egressed_done)
void msg_egressed_encode(WireWriter *w, const MsgEgressed *m);
int msg_egressed_decode(WireReader *r, MsgEgressed *ret);
