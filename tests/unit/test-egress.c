/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* WIRE_EGRESS and WIRE_EGRESSED: what one end sends the other reads, and nothing else. */

#include "unit.h"

#include "wire/egress.h"

static EgressTarget some[] = {
        { { 4, { 10, 0, 0, 1 } }, 80, NET_PROTOCOL_TCP },
        { { 6, { 0xfd, [15] = 1 } }, 53, NET_PROTOCOL_UDP },
        { { 4, { 1, 1, 1, 1 } }, 0, NET_PROTOCOL_ICMP },
};

static int decode(const MsgEgress *m, size_t cut) {
        _cleanup_writer_ WireWriter w = {};
        _cleanup_msg_egress_ MsgEgress got = {};
        WireReader r;

        msg_egress_encode(&w, m);
        assert_int_equal(w.error, 0);
        r = WIRE_READER(w.data, w.len - cut);
        return msg_egress_decode(&r, &got);
}

static void a_question_survives_a_round_trip(_unused_ void **state) {
        MsgEgress m = { .timeout_msec = 3000, .targets = some, .n_targets = ELEMENTSOF(some) };
        _cleanup_writer_ WireWriter w = {};
        _cleanup_msg_egress_ MsgEgress got = {};
        WireReader r;

        msg_egress_encode(&w, &m);
        r = WIRE_READER(w.data, w.len);
        assert_int_equal(msg_egress_decode(&r, &got), 0);
        assert_int_equal(got.n_targets, 3);
        assert_memory_equal(got.targets, some, sizeof(some));
        for (size_t i = 1; i <= w.len; i++)
                assert_true(decode(&m, i) < 0);
}

static void a_question_out_of_bounds_is_refused(_unused_ void **state) {
        static const EgressTarget bad[] = {
                { { 4, { 10 } }, 0, NET_PROTOCOL_TCP },     { { 4, { 10 } }, 65536, NET_PROTOCOL_UDP },
                { { 4, { 10 } }, 80, NET_PROTOCOL_ICMP },   { { 4, { 10 } }, 80, _NET_PROTOCOL_MAX },
        };
        static EgressTarget many[EGRESS_TARGETS_MAX + 1];

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                EgressTarget t = bad[i];

                assert_int_equal(decode(&(MsgEgress) { .timeout_msec = 1, .targets = &t, .n_targets = 1 }, 0), -EBADMSG);
        }
        assert_int_equal(decode(&(MsgEgress) { .timeout_msec = 0, .targets = some, .n_targets = 1 }, 0), -EBADMSG);
        assert_int_equal(decode(&(MsgEgress) { .timeout_msec = 10001, .targets = some, .n_targets = 1 }, 0), -EBADMSG);
        assert_int_equal(decode(&(MsgEgress) { .timeout_msec = 1, .targets = some, .n_targets = 0 }, 0), -EBADMSG);
        for (size_t i = 0; i < ELEMENTSOF(many); i++)
                many[i] = some[0];
        assert_int_equal(decode(&(MsgEgress) { .timeout_msec = 1, .targets = many, .n_targets = EGRESS_TARGETS_MAX }, 0), 0);
        assert_true(decode(&(MsgEgress) { .timeout_msec = 1, .targets = many, .n_targets = EGRESS_TARGETS_MAX + 1 }, 0) < 0);
}

static int decode_answer(uint32_t outcome, uint32_t error, size_t cut) {
        EgressSeen seen[] = { { EGRESS_CONNECTED, 0 }, { outcome, error } };
        _cleanup_writer_ WireWriter w = {};
        _cleanup_msg_egressed_ MsgEgressed got = {};
        WireReader r;
        int k;

        msg_egressed_encode(&w, &(MsgEgressed) { .seen = seen, .n_seen = 2 });
        r = WIRE_READER(w.data, w.len - cut);
        k = msg_egressed_decode(&r, &got);
        if (k >= 0) {
                assert_int_equal(got.n_seen, 2);
                assert_int_equal(got.seen[1].error, error);
        }
        return k;
}

static void answers_out_of_bounds_are_refused(_unused_ void **state) {
        assert_int_equal(decode_answer(EGRESS_UNREACHABLE, EHOSTUNREACH, 0), 0);
        assert_true(decode_answer(_EGRESS_OUTCOME_MAX, 0, 0) < 0);
        assert_true(decode_answer(EGRESS_UNREACHABLE, 4096, 0) < 0);
        assert_true(decode_answer(UINT32_MAX, UINT32_MAX, 0) < 0);
        assert_true(decode_answer(EGRESS_TIMED_OUT, 0, 1) < 0);
        for (EgressOutcome o = 0; o < _EGRESS_OUTCOME_MAX; o++)
                assert_non_null(egress_outcome_to_string(o));
        assert_null(egress_outcome_to_string(_EGRESS_OUTCOME_MAX));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_question_survives_a_round_trip),
                cmocka_unit_test(a_question_out_of_bounds_is_refused),
                cmocka_unit_test(answers_out_of_bounds_are_refused),
        };

        return RUN_TESTS(tests);
}
