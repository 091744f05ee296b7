/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "unit.h"

#include <stdio.h>

#include "wire/message.h"

#define READER_OF(w) WIRE_READER((w).data, (w).len)

static char *repeated(char c, size_t n) {
        char *s = malloc(n + 1);

        assert_non_null(s);
        memset(s, c, n);
        s[n] = 0;
        return s;
}

/* Exec */

static char *argv_ls[] = { (char *) "ls", (char *) "", (char *) "\xff\n", NULL };
static char *env_lang[] = { (char *) "LANG=C", NULL };

static const MsgExec exec_sample = {
        .flags = MSG_EXEC_DETACH,
        .rows = 0,
        .cols = 65535,
        .timeout_usec = USEC_INFINITY,
        .argv = argv_ls,
        .n_argv = 3,
        .env = env_lang,
        .n_env = 1,
        .cwd = (char *) "/work",
        .fd_numbers = { 0, 2, 15 },
        .n_fds = 3,
};

static void exec_survives_a_round_trip(void **state) {
        _cleanup_writer_ WireWriter w = {};
        _cleanup_msg_exec_ MsgExec m = {};
        const char *why = "unset";
        WireReader r;

        (void) state;
        msg_exec_encode(&w, &exec_sample);
        r = READER_OF(w);
        assert_int_equal(msg_exec_decode(&r, &m, &why), 0);
        assert_null(why);
        assert_int_equal(m.flags, MSG_EXEC_DETACH);
        assert_int_equal(m.rows, 0);
        assert_int_equal(m.cols, 65535);
        assert_true(m.timeout_usec == USEC_INFINITY);
        assert_int_equal(m.n_argv, 3);
        for (size_t i = 0; i < 4; i++)
                if (argv_ls[i])
                        assert_string_equal(m.argv[i], argv_ls[i]);
                else
                        assert_null(m.argv[i]);
        assert_int_equal(m.n_env, 1);
        assert_string_equal(m.env[0], "LANG=C");
        assert_null(m.env[1]);
        assert_string_equal(m.cwd, "/work");
        assert_int_equal(m.n_fds, 3);
        assert_memory_equal(m.fd_numbers, exec_sample.fd_numbers, sizeof(m.fd_numbers));
}

static void exec_without_cwd_env_and_fds_is_complete(void **state) {
        MsgExec in = { .argv = argv_ls, .n_argv = 1 };
        _cleanup_writer_ WireWriter w = {};
        _cleanup_msg_exec_ MsgExec m = {};
        WireReader r;

        (void) state;
        msg_exec_encode(&w, &in);
        r = READER_OF(w);
        assert_int_equal(msg_exec_decode(&r, &m, NULL), 0);
        assert_string_equal(m.cwd, "");
        assert_int_equal(m.n_env, 0);
        assert_null(m.env[0]);
        assert_int_equal(m.n_fds, 0);
}

/* The same refusal by the sender's check and by the receiver, who names it and keeps nothing. */
static void exec_refused(const MsgExec *in, int error, const char *why) {
        _cleanup_writer_ WireWriter w = {};
        MsgExec m = { .rows = 77 };
        const char *said = NULL;
        WireReader r;

        assert_int_equal(msg_exec_validate(in, &said), error);
        assert_string_equal(said, why);
        assert_int_equal(msg_exec_validate(in, NULL), error);
        msg_exec_encode(&w, in);
        if (w.error < 0)
                return;
        r = READER_OF(w);
        said = NULL;
        assert_int_equal(msg_exec_decode(&r, &m, &said), error == -EINVAL ? -EBADMSG : error);
        assert_non_null(said);
        assert_int_equal(m.rows, 77);
        assert_null(m.argv);
}

#define EXEC_BREAK(name, error, why, ...)                                                                   \
        static void exec_refuses_##name(void **state) {                                                     \
                MsgExec m = exec_sample;                                                                    \
                                                                                                            \
                (void) state;                                                                               \
                __VA_ARGS__;                                                                                \
                exec_refused(&m, (error), (why));                                                           \
        }

EXEC_BREAK(unknown_flags, -EINVAL, "flags: an unknown one", m.flags = 1 << 2)
EXEC_BREAK(rows_beyond_16_bits, -EINVAL, "rows, cols: above 65535", m.rows = 65536)
EXEC_BREAK(cols_beyond_16_bits, -EINVAL, "rows, cols: above 65535", m.cols = 65536)
EXEC_BREAK(no_argv, -EINVAL, "argv: empty", m.n_argv = 0)
EXEC_BREAK(an_empty_program_name, -EINVAL, "argv: empty", m.argv = argv_ls + 1; m.n_argv = 2)
EXEC_BREAK(env_without_a_name, -EINVAL, "env: not of the form NAME=value", m.env = argv_ls)
EXEC_BREAK(a_relative_cwd, -EINVAL, "cwd: not a normal absolute path", m.cwd = (char *) "work")
EXEC_BREAK(a_cwd_with_dots, -EINVAL, "cwd: not a normal absolute path", m.cwd = (char *) "/work/..")
EXEC_BREAK(a_descriptor_number_above_15, -EINVAL, "fds: a number above 15", m.fd_numbers[1] = 16)
EXEC_BREAK(a_huge_descriptor_number, -EINVAL, "fds: a number above 15", m.fd_numbers[1] = UINT32_MAX)
EXEC_BREAK(one_descriptor_number_twice, -EINVAL, "fds: a number twice", m.fd_numbers[2] = 0)
EXEC_BREAK(descriptors_with_a_pty, -EINVAL, "fds: none may be given with a pty", m.flags = MSG_EXEC_PTY)

static void exec_refuses_too_many_descriptors(void **state) {
        MsgExec in = exec_sample;
        _cleanup_writer_ WireWriter w = {};
        MsgExec m = {};
        const char *why;
        WireReader r;

        (void) state;
        in.n_fds = MSG_EXEC_FDS_MAX + 1;
        assert_int_equal(msg_exec_validate(&in, &why), -E2BIG);
        assert_string_equal(why, "fds: more than 16");
        in.n_fds = 0;
        msg_exec_encode(&w, &in);
        w.len -= 4;
        wire_put_u32(&w, MSG_EXEC_FDS_MAX + 1);
        for (uint32_t i = 0; i <= MSG_EXEC_FDS_MAX; i++)
                wire_put_u32(&w, i);
        r = READER_OF(w);
        assert_int_equal(msg_exec_decode(&r, &m, &why), -E2BIG);
        assert_string_equal(why, "the message is over a limit");
}

static void exec_takes_all_sixteen_descriptors(void **state) {
        MsgExec in = exec_sample;

        (void) state;
        in.n_fds = MSG_EXEC_FDS_MAX;
        for (uint32_t i = 0; i < MSG_EXEC_FDS_MAX; i++)
                in.fd_numbers[i] = MSG_EXEC_FDS_MAX - 1 - i;
        assert_int_equal(msg_exec_validate(&in, NULL), 0);
}

static void exec_refuses_too_many_arguments_and_variables(void **state) {
        _cleanup_free_ char **many = calloc(MSG_EXEC_ARGS_MAX + 1, sizeof(char *));
        MsgExec in = exec_sample;

        (void) state;
        for (size_t i = 0; i <= MSG_EXEC_ARGS_MAX; i++)
                many[i] = (char *) "A=";
        in.argv = many;
        in.n_argv = MSG_EXEC_ARGS_MAX;
        assert_int_equal(msg_exec_validate(&in, NULL), 0);
        in.n_argv++;
        exec_refused(&in, -E2BIG, "argv: more than 4096 arguments");
        in = exec_sample;
        in.env = many;
        in.n_env = MSG_EXEC_ENV_MAX;
        assert_int_equal(msg_exec_validate(&in, NULL), 0);
        in.n_env++;
        exec_refused(&in, -E2BIG, "env: more than 1024 variables");
}

static void exec_refuses_an_argument_that_the_kernel_would_refuse(void **state) {
        _cleanup_free_ char *big = repeated('a', MSG_EXEC_ARG_BYTES_MAX + 1);
        MsgExec in = exec_sample;

        (void) state;
        in.argv = &big;
        in.n_argv = 1;
        exec_refused(&in, -E2BIG, "argv: an argument longer than 128 KiB");
        in = exec_sample;
        big[1] = '=';
        in.env = &big;
        in.n_env = 1;
        exec_refused(&in, -E2BIG, "env: a variable longer than 128 KiB");
        big[MSG_EXEC_ARG_BYTES_MAX] = 0;
        assert_int_equal(msg_exec_validate(&in, NULL), 0);
}

static void exec_refuses_more_than_1_mib_in_total(void **state) {
        _cleanup_free_ char *big = repeated('a', MSG_EXEC_ARG_BYTES_MAX);
        char *argv[8], *env[1];
        MsgExec in = { .argv = argv, .n_argv = 8, .env = env };

        (void) state;
        for (size_t i = 0; i < 8; i++)
                argv[i] = big;
        env[0] = (char *) "A=";
        /* 8 × 128 KiB with their NULs are the limit exactly. */
        assert_int_equal(msg_exec_validate(&in, NULL), 0);
        in.n_env = 1;
        exec_refused(&in, -E2BIG, "argv, env: together more than 1 MiB");
}

static void exec_refuses_every_truncation_and_left_over_bytes(void **state) {
        _cleanup_writer_ WireWriter w = {};
        MsgExec m = {};
        const char *why;
        WireReader r;

        (void) state;
        msg_exec_encode(&w, &exec_sample);
        for (size_t n = 0; n < w.len; n++) {
                _cleanup_free_ uint8_t *exact = malloc(n + 1);

                memcpy(exact, w.data, n);
                r = WIRE_READER(exact, n);
                assert_int_equal(msg_exec_decode(&r, &m, &why), -EBADMSG);
                assert_string_equal(why, "the message is malformed");
                assert_null(m.argv);
        }
        wire_put_u32(&w, 0);
        r = READER_OF(w);
        assert_int_equal(msg_exec_decode(&r, &m, NULL), -EBADMSG);
}

/* Outcomes */

static void failed_survives_a_round_trip(void **state) {
        MsgFailed in = { .error = ENOENT, .status = 127, .step = "exec",
                        .text = "There is no program 'ls'." }, out = {};
        _cleanup_writer_ WireWriter w = {};
        WireReader r;

        (void) state;
        msg_failed_encode(&w, &in);
        r = READER_OF(w);
        assert_int_equal(msg_failed_decode(&r, &out), 0);
        assert_memory_equal(&out, &in, sizeof(in));
}

static void failed_refuses_what_is_no_errno_or_status(void **state) {
        static const struct {
                uint32_t error, status;
        } bad[] = { { 0, 0 }, { 4096, 0 }, { (uint32_t) -ENOENT, 0 }, { 1, 256 } };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                MsgFailed in = { .error = bad[i].error, .status = bad[i].status }, out = { .status = 77 };
                _cleanup_writer_ WireWriter w = {};
                WireReader r;

                msg_failed_encode(&w, &in);
                r = READER_OF(w);
                assert_int_equal(msg_failed_decode(&r, &out), -EBADMSG);
                assert_int_equal(out.status, 77);
        }
}

static void failed_refuses_a_text_over_its_limit(void **state) {
        _cleanup_free_ char *text = repeated('a', 512);
        _cleanup_writer_ WireWriter w = {};
        MsgFailed out;
        WireReader r;

        (void) state;
        wire_put_u32(&w, 1);
        wire_put_u32(&w, 1);
        wire_put_string(&w, "exec");
        wire_put_string(&w, text);
        r = READER_OF(w);
        assert_int_equal(msg_failed_decode(&r, &out), -E2BIG);
}

static void a_buffer_without_a_nul_is_encoded_to_its_end(void **state) {
        MsgFailed in = { .error = 1 }, out;
        _cleanup_writer_ WireWriter w = {};
        WireReader r;

        (void) state;
        memset(in.step, 'a', sizeof(in.step));
        msg_failed_encode(&w, &in);
        r = READER_OF(w);
        assert_int_equal(msg_failed_decode(&r, &out), -E2BIG);
}

static void ready_survives_a_round_trip(void **state) {
        MsgReady in = { .id = "agent_1", .monitor_pid = 4711, .landlock_abi = 3,
                        .cgroup = "/ocsb.slice/ocsb-agent_1.scope",
                .resolved = (char *) "/work: /home/u/w -> /srv/w\n" };
        _cleanup_(msg_ready_done) MsgReady out = {};
        _cleanup_writer_ WireWriter w = {};
        WireReader r;

        (void) state;
        msg_ready_encode(&w, &in);
        r = READER_OF(w);
        assert_int_equal(msg_ready_decode(&r, &out), 0);
        assert_string_equal(out.id, in.id);
        assert_int_equal(out.monitor_pid, 4711);
        assert_int_equal(out.landlock_abi, 3);
        assert_string_equal(out.cgroup, in.cgroup);
        assert_string_equal(out.resolved, in.resolved);
}

static void ready_refuses_pids_that_mean_more_than_one_process(void **state) {
        static const uint32_t bad[] = { 0, UINT32_MAX, UINT32_C(1) << 31 };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                MsgReady in = { .id = "a", .monitor_pid = bad[i] }, out = {};
                _cleanup_writer_ WireWriter w = {};
                WireReader r;

                msg_ready_encode(&w, &in);
                r = READER_OF(w);
                assert_int_equal(msg_ready_decode(&r, &out), -EBADMSG);
                assert_null(out.resolved);
        }
}

static void ready_and_ended_refuse_a_bad_id(void **state) {
        MsgReady ready = { .id = "../x", .monitor_pid = 1 }, ready_out = {};
        MsgEnded ended = { .id = "" }, ended_out;
        _cleanup_writer_ WireWriter a = {}, b = {};
        WireReader r;

        (void) state;
        msg_ready_encode(&a, &ready);
        r = READER_OF(a);
        assert_int_equal(msg_ready_decode(&r, &ready_out), -EBADMSG);
        msg_ended_encode(&b, &ended);
        r = READER_OF(b);
        assert_int_equal(msg_ended_decode(&r, &ended_out), -EBADMSG);
}

static void ended_survives_a_round_trip(void **state) {
        MsgEnded in = { .id = "a", .reason = "monitor-died" }, out = {};
        _cleanup_writer_ WireWriter w = {};
        WireReader r;

        (void) state;
        msg_ended_encode(&w, &in);
        r = READER_OF(w);
        assert_int_equal(msg_ended_decode(&r, &out), 0);
        assert_memory_equal(&out, &in, sizeof(in));
}

static void exited_survives_a_round_trip(void **state) {
        MsgExited in = { .exec_id = 3, .code = 255, .signal = 64,
                        .flags = MSG_EXITED_TIMEOUT | MSG_EXITED_OOM | MSG_EXITED_KILLED,
                .user_usec = UINT64_MAX, .system_usec = 5, .max_rss = 4096 }, out = {};
        _cleanup_writer_ WireWriter w = {};
        WireReader r;

        (void) state;
        msg_exited_encode(&w, &in);
        r = READER_OF(w);
        assert_int_equal(msg_exited_decode(&r, &out), 0);
        assert_memory_equal(&out, &in, sizeof(in));
}

static void exited_refuses_codes_signals_and_flags_out_of_range(void **state) {
        static const MsgExited bad[] = { { .code = 256 }, { .signal = 65 }, { .flags = 8 } };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_writer_ WireWriter w = {};
                MsgExited out;
                WireReader r;

                msg_exited_encode(&w, bad + i);
                r = READER_OF(w);
                assert_int_equal(msg_exited_decode(&r, &out), -EBADMSG);
        }
}

/* Control */

static int signal_round_trip(uint32_t signal) {
        MsgSignal in = { .exec_id = 9, .signal = signal }, out = {};
        _cleanup_writer_ WireWriter w = {};
        WireReader reader;
        int r;

        msg_signal_encode(&w, &in);
        reader = READER_OF(w);
        r = msg_signal_decode(&reader, &out);
        if (r == 0)
                assert_memory_equal(&out, &in, sizeof(in));
        return r;
}

static void signal_takes_1_to_64(void **state) {
        (void) state;
        assert_int_equal(signal_round_trip(0), -EBADMSG);
        assert_int_equal(signal_round_trip(1), 0);
        assert_int_equal(signal_round_trip(64), 0);
        assert_int_equal(signal_round_trip(65), -EBADMSG);
        assert_int_equal(signal_round_trip(UINT32_MAX), -EBADMSG);
}

static int resize_round_trip(uint32_t rows, uint32_t cols) {
        MsgResize in = { .exec_id = 9, .rows = rows, .cols = cols }, out = {};
        _cleanup_writer_ WireWriter w = {};
        WireReader reader;
        int r;

        msg_resize_encode(&w, &in);
        reader = READER_OF(w);
        r = msg_resize_decode(&reader, &out);
        if (r == 0)
                assert_memory_equal(&out, &in, sizeof(in));
        return r;
}

static void resize_takes_1_to_65535(void **state) {
        (void) state;
        assert_int_equal(resize_round_trip(1, 65535), 0);
        assert_int_equal(resize_round_trip(65535, 1), 0);
        assert_int_equal(resize_round_trip(0, 1), -EBADMSG);
        assert_int_equal(resize_round_trip(1, 0), -EBADMSG);
        assert_int_equal(resize_round_trip(65536, 1), -EBADMSG);
        assert_int_equal(resize_round_trip(1, 65536), -EBADMSG);
}

static void info_survives_a_round_trip(void **state) {
        uint32_t running[] = { 3, 1, 2 };
        MsgInfo in = { .execs_total = 4, .frozen = 1, .last_used_usec = 5, .running = running,
                        .n_running = 3 };

        (void) state;
        for (in.n_running = 0; in.n_running <= 3; in.n_running += 3) {
                _cleanup_(msg_info_done) MsgInfo out = {};
                _cleanup_writer_ WireWriter w = {};
                WireReader r;

                msg_info_encode(&w, &in);
                r = READER_OF(w);
                assert_int_equal(msg_info_decode(&r, &out), 0);
                assert_true(out.execs_total == 4 && out.frozen == 1 && out.last_used_usec == 5);
                assert_int_equal(out.n_running, in.n_running);
                if (out.n_running > 0)
                        assert_memory_equal(out.running, running, sizeof(running));
        }
}

static void info_refuses_more_execs_than_a_session_may_have(void **state) {
        _cleanup_free_ uint32_t *running = calloc(MSG_INFO_RUNNING_MAX + 1, sizeof(uint32_t));
        MsgInfo in = { .running = running, .n_running = MSG_INFO_RUNNING_MAX }, out = {};
        _cleanup_writer_ WireWriter a = {}, b = {};
        WireReader r;

        (void) state;
        msg_info_encode(&a, &in);
        r = READER_OF(a);
        assert_int_equal(msg_info_decode(&r, &out), 0);
        msg_info_done(&out);
        in.n_running++;
        msg_info_encode(&b, &in);
        r = READER_OF(b);
        assert_int_equal(msg_info_decode(&r, &out), -E2BIG);
        assert_null(out.running);
}

static void info_refuses_a_frozen_that_is_no_boolean(void **state) {
        MsgInfo in = { .frozen = 2 }, out = {};
        _cleanup_writer_ WireWriter w = {};
        WireReader r;

        (void) state;
        msg_info_encode(&w, &in);
        r = READER_OF(w);
        assert_int_equal(msg_info_decode(&r, &out), -EBADMSG);
}

static void probe_survives_a_round_trip(void **state) {
        ProbeItem items[] = {
                { .result = PROBE_HELD, .name = "mount", .detail = "mount(tmpfs): EPERM" },
                { .result = PROBE_NOT_PROVABLE, .name = "tiocsti", .detail = "" },
        };
        MsgProbe in = { .items = items, .n_items = 2 };
        _cleanup_(msg_probe_done) MsgProbe out = {};
        _cleanup_writer_ WireWriter w = {};
        WireReader r;

        (void) state;
        msg_probe_encode(&w, &in);
        r = READER_OF(w);
        assert_int_equal(msg_probe_decode(&r, &out), 0);
        assert_int_equal(out.n_items, 2);
        assert_memory_equal(out.items, items, sizeof(items));
}

static void probe_refuses_unknown_results(void **state) {
        ProbeItem item = { .result = _PROBE_RESULT_MAX, .name = "mount" };
        MsgProbe in = { .items = &item, .n_items = 1 }, out = {};
        _cleanup_writer_ WireWriter w = {};
        WireReader r;

        (void) state;
        msg_probe_encode(&w, &in);
        r = READER_OF(w);
        assert_int_equal(msg_probe_decode(&r, &out), -EBADMSG);
        assert_null(out.items);
}

static void probe_refuses_too_many_items(void **state) {
        _cleanup_free_ ProbeItem *items = calloc(PROBE_ITEMS_MAX + 1, sizeof(ProbeItem));
        MsgProbe in = { .items = items, .n_items = PROBE_ITEMS_MAX + 1 }, out = {};
        _cleanup_writer_ WireWriter w = {};
        WireReader r;

        (void) state;
        msg_probe_encode(&w, &in);
        r = READER_OF(w);
        assert_int_equal(msg_probe_decode(&r, &out), -E2BIG);
}

static void probe_results_have_names(void **state) {
        (void) state;
        assert_string_equal(probe_result_to_string(PROBE_HELD), "held");
        assert_string_equal(probe_result_to_string(PROBE_BROKEN), "broken");
        assert_string_equal(probe_result_to_string(PROBE_NOT_PROVABLE), "not-provable");
        assert_null(probe_result_to_string(_PROBE_RESULT_MAX));
}

/* Short answers */

static void ack_check(int error, const char *text, int expected_error, const char *expected_text,
                size_t size) {
        _cleanup_writer_ WireWriter w = {};
        char buf[600] = "unset";
        int got = -1;
        WireReader r;

        msg_ack_encode(&w, error, text);
        r = READER_OF(w);
        assert_int_equal(msg_ack_decode(&r, &got, buf, size), 0);
        assert_int_equal(got, expected_error);
        assert_string_equal(buf, expected_text);
}

static void ack_takes_errnos_of_either_sign(void **state) {
        (void) state;
        ack_check(0, NULL, 0, "", 600);
        ack_check(EBUSY, "busy", EBUSY, "busy", 600);
        ack_check(-EBUSY, "busy", EBUSY, "busy", 600);
        ack_check(0, "not wanted", 0, "unset", 0);
}

static void ack_cuts_a_long_text_at_a_character(void **state) {
        _cleanup_free_ char *text = repeated('a', 600), *cut = repeated('a', MSG_ACK_TEXT_MAX);

        (void) state;
        ack_check(1, text, 1, cut, 600);
        ack_check(1, "abcdef", 1, "abc", 4);
        ack_check(1, "ab€", 1, "ab", 5);
        ack_check(1, "ab€", 1, "ab€", 6);
        memcpy(text + MSG_ACK_TEXT_MAX - 1, "€", strlen("€"));
        cut[MSG_ACK_TEXT_MAX - 1] = 0;
        ack_check(1, text, 1, cut, 600);
}

static void ack_refuses_what_is_no_errno_or_holds_a_nul(void **state) {
        _cleanup_writer_ WireWriter a = {}, b = {};
        int error = 77;
        char buf[10] = "unset";
        WireReader r;

        (void) state;
        wire_put_u32(&a, 4096);
        wire_put_string(&a, "x");
        r = READER_OF(a);
        assert_int_equal(msg_ack_decode(&r, &error, buf, sizeof(buf)), -EBADMSG);
        wire_put_u32(&b, 1);
        wire_put_bytes(&b, "x\0y", 3);
        r = READER_OF(b);
        assert_int_equal(msg_ack_decode(&r, &error, buf, sizeof(buf)), -EBADMSG);
        assert_int_equal(error, 77);
        assert_string_equal(buf, "unset");
}

static void id_is_checked_and_alone(void **state) {
        char id[SESSION_ID_MAX + 1] = "unset";
        _cleanup_writer_ WireWriter good = {}, bad = {};
        WireReader r;

        (void) state;
        wire_put_string(&bad, "a/b");
        r = READER_OF(bad);
        assert_int_equal(msg_id_decode(&r, id), -EBADMSG);
        wire_put_string(&good, "agent_1");
        r = READER_OF(good);
        assert_int_equal(msg_id_decode(&r, id), 0);
        assert_string_equal(id, "agent_1");
        wire_put_u32(&good, 0);
        strcpy(id, "unset");
        r = READER_OF(good);
        assert_int_equal(msg_id_decode(&r, id), -EBADMSG);
        r = WIRE_READER(NULL, 0);
        assert_int_equal(msg_id_decode(&r, id), -EBADMSG);
        assert_string_equal(id, "unset");
}

/* A decoder that took less than its encoder wrote would accept a prefix. */
static void no_decoder_takes_a_truncated_body(void **state) {
        uint32_t running[] = { 1, 2 };
        ProbeItem items[] = { { .name = "mount", .detail = "d" } };
        MsgFailed failed = { .error = 1, .step = "s", .text = "t" };
        MsgReady ready = { .id = "a", .monitor_pid = 1, .cgroup = "/c", .resolved = (char *) "r" };
        MsgEnded ended = { .id = "a", .reason = "idle" };
        MsgSignal sig = { .signal = 1 };
        MsgResize resize = { .rows = 1, .cols = 1 };
        MsgExited exited = {};
        MsgInfo info = { .running = running, .n_running = 2 };
        MsgProbe probe = { .items = items, .n_items = 1 };
        char id[SESSION_ID_MAX + 1];
        int error;

        (void) state;
#define EACH_PREFIX(encode, decode)                                                                         \
        {                                                                                                   \
                _cleanup_writer_ WireWriter w = {};                                                         \
                                                                                                            \
                encode;                                                                                     \
                assert_int_equal(w.error, 0);                                                               \
                for (size_t n = 0; n < w.len; n++) {                                                        \
                        _cleanup_free_ uint8_t *exact = malloc(n + 1);                                      \
                        WireReader r = WIRE_READER(exact, n);                                               \
                                                                                                            \
                        memcpy(exact, w.data, n);                                                           \
                        assert_int_equal(decode, -EBADMSG);                                                 \
                }                                                                                           \
        }
        EACH_PREFIX(msg_failed_encode(&w, &failed), msg_failed_decode(&r, &failed));
        EACH_PREFIX(msg_ready_encode(&w, &ready), msg_ready_decode(&r, &ready));
        EACH_PREFIX(msg_ended_encode(&w, &ended), msg_ended_decode(&r, &ended));
        EACH_PREFIX(msg_signal_encode(&w, &sig), msg_signal_decode(&r, &sig));
        EACH_PREFIX(msg_resize_encode(&w, &resize), msg_resize_decode(&r, &resize));
        EACH_PREFIX(msg_exited_encode(&w, &exited), msg_exited_decode(&r, &exited));
        EACH_PREFIX(msg_info_encode(&w, &info), msg_info_decode(&r, &info));
        EACH_PREFIX(msg_probe_encode(&w, &probe), msg_probe_decode(&r, &probe));
        EACH_PREFIX(msg_ack_encode(&w, 1, "text"), msg_ack_decode(&r, &error, NULL, 0));
        EACH_PREFIX(wire_put_string(&w, "a"), msg_id_decode(&r, id));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(exec_survives_a_round_trip),
                cmocka_unit_test(exec_without_cwd_env_and_fds_is_complete),
                cmocka_unit_test(exec_refuses_unknown_flags),
                cmocka_unit_test(exec_refuses_rows_beyond_16_bits),
                cmocka_unit_test(exec_refuses_cols_beyond_16_bits),
                cmocka_unit_test(exec_refuses_no_argv),
                cmocka_unit_test(exec_refuses_an_empty_program_name),
                cmocka_unit_test(exec_refuses_env_without_a_name),
                cmocka_unit_test(exec_refuses_a_relative_cwd),
                cmocka_unit_test(exec_refuses_a_cwd_with_dots),
                cmocka_unit_test(exec_refuses_a_descriptor_number_above_15),
                cmocka_unit_test(exec_refuses_a_huge_descriptor_number),
                cmocka_unit_test(exec_refuses_one_descriptor_number_twice),
                cmocka_unit_test(exec_refuses_descriptors_with_a_pty),
                cmocka_unit_test(exec_refuses_too_many_descriptors),
                cmocka_unit_test(exec_takes_all_sixteen_descriptors),
                cmocka_unit_test(exec_refuses_too_many_arguments_and_variables),
                cmocka_unit_test(exec_refuses_an_argument_that_the_kernel_would_refuse),
                cmocka_unit_test(exec_refuses_more_than_1_mib_in_total),
                cmocka_unit_test(exec_refuses_every_truncation_and_left_over_bytes),
                cmocka_unit_test(failed_survives_a_round_trip),
                cmocka_unit_test(failed_refuses_what_is_no_errno_or_status),
                cmocka_unit_test(failed_refuses_a_text_over_its_limit),
                cmocka_unit_test(a_buffer_without_a_nul_is_encoded_to_its_end),
                cmocka_unit_test(ready_survives_a_round_trip),
                cmocka_unit_test(ready_refuses_pids_that_mean_more_than_one_process),
                cmocka_unit_test(ready_and_ended_refuse_a_bad_id),
                cmocka_unit_test(ended_survives_a_round_trip),
                cmocka_unit_test(exited_survives_a_round_trip),
                cmocka_unit_test(exited_refuses_codes_signals_and_flags_out_of_range),
                cmocka_unit_test(signal_takes_1_to_64),
                cmocka_unit_test(resize_takes_1_to_65535),
                cmocka_unit_test(info_survives_a_round_trip),
                cmocka_unit_test(info_refuses_more_execs_than_a_session_may_have),
                cmocka_unit_test(info_refuses_a_frozen_that_is_no_boolean),
                cmocka_unit_test(probe_survives_a_round_trip),
                cmocka_unit_test(probe_refuses_unknown_results),
                cmocka_unit_test(probe_refuses_too_many_items),
                cmocka_unit_test(probe_results_have_names),
                cmocka_unit_test(ack_takes_errnos_of_either_sign),
                cmocka_unit_test(ack_cuts_a_long_text_at_a_character),
                cmocka_unit_test(ack_refuses_what_is_no_errno_or_holds_a_nul),
                cmocka_unit_test(id_is_checked_and_alone),
                cmocka_unit_test(no_decoder_takes_a_truncated_body),
        };

        return RUN_TESTS(tests);
}
