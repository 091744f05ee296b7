/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Encoding of WIRE_EGRESS and WIRE_EGRESSED. Both ends distrust each other: the one that answers runs in a sandbox. */

#include "egress.h"

#define ERROR_MAX 4095u /* the kernel's MAX_ERRNO */

static const char *const outcomes[] = { "connected", "refused", "unreachable", "timed out", "not tried" };
_Static_assert(ELEMENTSOF(outcomes) == _EGRESS_OUTCOME_MAX, "a name for each outcome");

const char *egress_outcome_to_string(EgressOutcome v) {
        return (size_t) v < ELEMENTSOF(outcomes) ? outcomes[v] : NULL;
}

void msg_egress_done(MsgEgress *m) {
        free(m->targets);
        *m = (MsgEgress) {};
}

void msg_egress_encode(WireWriter *w, const MsgEgress *m) {
        wire_put_u32(w, m->timeout_msec);
        wire_put_u32(w, (uint32_t) m->n_targets);
        for (size_t i = 0; i < m->n_targets; i++) {
                const EgressTarget *t = m->targets + i;

                wire_put_bytes(w, t->address.bytes, t->address.family == 4 ? 4 : 16);
                wire_put_u32(w, t->port);
                wire_put_u32(w, t->protocol);
        }
}

static void get_target(WireReader *r, EgressTarget *t) {
        size_t n;
        const void *p = wire_get_bytes(r, sizeof(t->address.bytes), &n);

        wire_malformed_unless(r, n == 4 || n == 16);
        if (r->error)
                return;
        t->address.family = n == 4 ? 4 : 6;
        memcpy(t->address.bytes, p, n);
        t->port = wire_get_u32(r);
        t->protocol = wire_get_u32(r);
        wire_malformed_unless(r, t->protocol < _NET_PROTOCOL_MAX);
        wire_malformed_unless(r, t->protocol == NET_PROTOCOL_ICMP ? t->port == 0 : t->port >= 1 && t->port <= 65535);
}

int msg_egress_decode(WireReader *r, MsgEgress *ret) {
        _cleanup_msg_egress_ MsgEgress m = {};
        size_t n;
        int k;

        m.timeout_msec = wire_get_u32(r);
        wire_malformed_unless(r, m.timeout_msec >= 1 && m.timeout_msec <= EGRESS_TIMEOUT_MSEC_MAX);
        n = wire_get_count(r, EGRESS_TARGETS_MAX, 4 * sizeof(uint32_t));
        wire_malformed_unless(r, n > 0);
        if (r->error)
                return r->error;
        m.targets = calloc(n, sizeof(EgressTarget));
        if (!m.targets)
                return -ENOMEM;
        for (; m.n_targets < n && !r->error; m.n_targets++)
                get_target(r, m.targets + m.n_targets);
        k = wire_reader_finish(r);
        if (k < 0)
                return k;
        *ret = m;
        m = (MsgEgress) {};
        return 0;
}

void msg_egressed_done(MsgEgressed *m) {
        free(m->seen);
        *m = (MsgEgressed) {};
}

void msg_egressed_encode(WireWriter *w, const MsgEgressed *m) {
        wire_put_u32(w, (uint32_t) m->n_seen);
        for (size_t i = 0; i < m->n_seen; i++) {
                wire_put_u32(w, m->seen[i].outcome);
                wire_put_u32(w, m->seen[i].error);
        }
}

int msg_egressed_decode(WireReader *r, MsgEgressed *ret) {
        _cleanup_msg_egressed_ MsgEgressed m = {};
        size_t n = wire_get_count(r, EGRESS_TARGETS_MAX, 2 * sizeof(uint32_t));
        int k;

        wire_malformed_unless(r, n > 0);
        if (r->error)
                return r->error;
        m.seen = calloc(n, sizeof(EgressSeen));
        if (!m.seen)
                return -ENOMEM;
        for (; m.n_seen < n && !r->error; m.n_seen++) {
                m.seen[m.n_seen].outcome = wire_get_u32(r);
                m.seen[m.n_seen].error = wire_get_u32(r);
                wire_malformed_unless(r, m.seen[m.n_seen].outcome < _EGRESS_OUTCOME_MAX && m.seen[m.n_seen].error <= ERROR_MAX);
        }
        k = wire_reader_finish(r);
        if (k < 0)
                return k;
        *ret = m;
        m = (MsgEgressed) {};
        return 0;
}
