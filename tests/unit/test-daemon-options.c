/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The option readers of ocsbd, on real D-Bus messages. */

#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/errors.h"
#include "daemon/options.h"
#include "daemon-message.h"

typedef struct Fixture {
        sd_bus *bus;
        int peer;
        unsigned fds;
} Fixture;

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        f->bus = message_bus_new(&f->peer);
        f->fds = count_fds();
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;
        unsigned now = count_fds();

        assert_int_equal(now, f->fds); /* nothing that came in a message stays open */
        message_bus_free(f->bus, f->peer);
        free(f);
        return 0;
}

/* Appends a{sv} with one entry. */
#define ONE_OPTION(m, key, type, ...)                                                                       \
        assert_true(sd_bus_message_append((m), "a{sv}", 1, (key), (type), __VA_ARGS__) >= 0)

static int read_session(sd_bus_message *m, const char *id, SessionOptions *o, sd_bus_error *e) {
        message_turn(m);
        return options_read_session(m, "", id, o, e);
}

static void expect_refusal(sd_bus_message *m, const char *id, ErrorCode code, const char *part) {
        _cleanup_(session_options_done) SessionOptions o = {};
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;

        assert_true(read_session(m, id, &o, &e) < 0);
        assert_string_equal(e.name, error_name(code));
        if (!strstr(e.message, part))
                fail_msg("'%s' does not say '%s'", e.message, part);
        assert_null(o.request);
        sd_bus_message_unref(m);
}

static void test_empty_is_default(void **state) {
        Fixture *f = *state;
        _cleanup_(session_options_done) SessionOptions o = {};
        sd_bus_message *m = message_new(f->bus);

        assert_true(sd_bus_message_append(m, "a{sv}", 0) >= 0);
        assert_int_equal(read_session(m, NULL, &o, NULL), 0);
        assert_string_equal(o.request->profile, "default");
        assert_null(o.request->id);
        assert_int_equal(o.request->workspace_fd, -1);
        assert_int_equal(o.request->n_fds, 0);
        assert_int_equal(o.request->limits_set, 0);
        sd_bus_message_unref(m);
}

static void test_profile_names(void **state) {
        Fixture *f = *state;
        static const char *const bad[] = { "../x", "A", "a b", "a/b", "\x1b[2K", ".x" };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
                SessionOptions o = {};
                sd_bus_message *m = message_new(f->bus);

                assert_true(sd_bus_message_append(m, "a{sv}", 0) >= 0);
                message_turn(m);
                assert_true(options_read_session(m, bad[i], NULL, &o, &e) < 0);
                assert_string_equal(e.name, error_name(ERROR_INVALID_ARGUMENT));
                assert_null(strchr(e.message, '\x1b'));
                sd_bus_message_unref(m);
        }
}

static void test_unknown_key(void **state) {
        Fixture *f = *state;
        sd_bus_message *m = message_new(f->bus);

        ONE_OPTION(m, "nettwork", "s", "none");
        expect_refusal(m, NULL, ERROR_INVALID_ARGUMENT, "nettwork");
}

static void test_duplicate_key(void **state) {
        Fixture *f = *state;
        sd_bus_message *m = message_new(f->bus);

        assert_true(sd_bus_message_append(m, "a{sv}", 2, "hostname", "s", "a", "hostname", "s", "b") >= 0);
        expect_refusal(m, NULL, ERROR_INVALID_ARGUMENT, "'hostname' is given twice");
}

static void test_wrong_type(void **state) {
        Fixture *f = *state;
        sd_bus_message *m = message_new(f->bus);

        ONE_OPTION(m, "idle-usec", "u", 5);
        expect_refusal(m, NULL, ERROR_INVALID_ARGUMENT, "'idle-usec' has type 'u', it must be 't'");
        m = message_new(f->bus);
        ONE_OPTION(m, "workspace", "s", "/home");
        expect_refusal(m, NULL, ERROR_INVALID_ARGUMENT, "must be 'h'");
        m = message_new(f->bus);
        ONE_OPTION(m, "hostname", "v", "s", "x");
        expect_refusal(m, NULL, ERROR_INVALID_ARGUMENT, "'hostname' has type 'v'");
}

static void test_strings(void **state) {
        Fixture *f = *state;
        static const struct {
                const char *key, *value;
        } bad[] = {
                { "id", "" }, { "id", "UPPER" }, { "id", "a-b" }, { "id", "../x" },
                { "id", "a23456789012345678901234567890123" },
                { "workspace-access", "" }, { "workspace-access", "rwx" },
                { "hostname", "-x" }, { "hostname", "" }, { "hostname", "a.b" },
                { "network", "host" }, { "network", "" }, { "network", "container:x" },
                { "plan-digest", "abc" }, { "plan-digest", "ZZ" },
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                sd_bus_message *m = message_new(f->bus);

                ONE_OPTION(m, bad[i].key, "s", bad[i].value);
                expect_refusal(m, NULL, ERROR_INVALID_ARGUMENT, bad[i].key);
        }
}

static void test_error_text_is_escaped_and_short(void **state) {
        Fixture *f = *state;
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
        SessionOptions o = {};
        sd_bus_message *m = message_new(f->bus);
        char key[2000];

        memset(key, 'x', sizeof(key));
        memcpy(key, "\x1b[2K\n\xe2\x80\xae", 8);
        key[sizeof(key) - 1] = 0;
        ONE_OPTION(m, key, "s", "x");
        assert_true(read_session(m, NULL, &o, &e) < 0);
        assert_null(strpbrk(e.message, "\x1b\n"));
        assert_null(strstr(e.message, "\xe2\x80\xae"));
        assert_true(strlen(e.message) < 400);
        sd_bus_message_unref(m);
}

static void test_id_of_ensure(void **state) {
        Fixture *f = *state;
        sd_bus_message *m = message_new(f->bus);

        ONE_OPTION(m, "id", "s", "other");
        expect_refusal(m, "mine", ERROR_INVALID_ARGUMENT, "EnsureSession");
}

static void append_bytes_option(sd_bus_message *m, const char *key, const void *p, size_t n) {
        assert_true(sd_bus_message_open_container(m, 'a', "{sv}") >= 0);
        assert_true(sd_bus_message_open_container(m, 'e', "sv") >= 0);
        assert_true(sd_bus_message_append(m, "s", key) >= 0);
        assert_true(sd_bus_message_open_container(m, 'v', "ay") >= 0);
        assert_true(sd_bus_message_append_array(m, 'y', p, n) >= 0);
        for (int i = 0; i < 3; i++)
                assert_true(sd_bus_message_close_container(m) >= 0);
}

static void test_paths(void **state) {
        Fixture *f = *state;
        _cleanup_(session_options_done) SessionOptions o = {};
        static const char *const bad[] = { "", "relative", "/a/../b", "/a//b", "/a/", "/./a" };
        char big[5000];
        sd_bus_message *m;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                m = message_new(f->bus);
                append_bytes_option(m, "workdir", bad[i], strlen(bad[i]));
                expect_refusal(m, NULL, ERROR_INVALID_ARGUMENT, "workdir");
        }
        m = message_new(f->bus);
        append_bytes_option(m, "workspace-path", "/a\0b", 4);
        expect_refusal(m, NULL, ERROR_INVALID_ARGUMENT, "NUL");
        memset(big, 'a', sizeof(big));
        big[0] = '/';
        m = message_new(f->bus);
        append_bytes_option(m, "workdir", big, sizeof(big));
        expect_refusal(m, NULL, ERROR_INVALID_ARGUMENT, "longer");

        /* Bytes, not text. */
        m = message_new(f->bus);
        append_bytes_option(m, "workdir", "/a\xff", 3);
        assert_int_equal(read_session(m, NULL, &o, NULL), 0);
        assert_string_equal(o.request->workdir, "/a\xff");
        sd_bus_message_unref(m);
}

static void test_profile_data_limit(void **state) {
        Fixture *f = *state;
        g_autofree char *data = g_malloc0(70000);
        sd_bus_message *m = message_new(f->bus);

        memset(data, ' ', 70000);
        append_bytes_option(m, "profile-data", data, 65537);
        expect_refusal(m, NULL, ERROR_INVALID_ARGUMENT, "profile-data");
        m = message_new(f->bus);
        append_bytes_option(m, "profile-data", data, 65536);
        _cleanup_(session_options_done) SessionOptions o = {};
        assert_int_equal(read_session(m, NULL, &o, NULL), 0);
        assert_int_equal(o.request->profile_data_len, 65536);
        sd_bus_message_unref(m);
}

static void test_numbers(void **state) {
        Fixture *f = *state;
        static const struct {
                const char *name;
                uint64_t value;
                bool good;
        } rows[] = {
                { "memory", 0, false }, { "memory", 1, true }, { "memory", UINT64_MAX, false },
                { "memory", (uint64_t) INT64_MAX + 1, false }, { "swap", 0, true }, { "pids", 0, false },
                { "io-weight", 10001, false }, { "io-weight", 10000, true }, { "cpu", 1500000, true },
                { "nofile", UINT32_MAX, false }, { "execs", 65536, false }, { "execs", 7, true },
                { "memory ", 5, false }, { "", 5, false },
        };
        sd_bus_message *m;

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                m = message_new(f->bus);
                ONE_OPTION(m, "limits", "a{st}", 1, rows[i].name, rows[i].value);
                if (rows[i].good) {
                        _cleanup_(session_options_done) SessionOptions o = {};

                        assert_int_equal(read_session(m, NULL, &o, NULL), 0);
                        assert_true(o.request->limits_set != 0);
                        sd_bus_message_unref(m);
                } else
                        expect_refusal(m, NULL, ERROR_INVALID_ARGUMENT, rows[i].name);
        }
        m = message_new(f->bus);
        ONE_OPTION(m, "limits", "a{st}", 2, "pids", UINT64_C(5), "pids", UINT64_C(6));
        expect_refusal(m, NULL, ERROR_INVALID_ARGUMENT, "twice");
        m = message_new(f->bus);
        ONE_OPTION(m, "idle-usec", "t", UINT64_C(0));
        expect_refusal(m, NULL, ERROR_INVALID_ARGUMENT, "idle-usec");
        m = message_new(f->bus);
        ONE_OPTION(m, "max-age-usec", "t", UINT64_MAX - 1);
        expect_refusal(m, NULL, ERROR_INVALID_ARGUMENT, "max-age-usec");
}

static void test_limit_bits_are_the_members_in_order(void **state) {
        Fixture *f = *state;
        _cleanup_(session_options_done) SessionOptions o = {};
        static const char *const names[] = {"memory", "swap", "pids", "cpu", "io-weight", "scratch",
                        "nofile", "nproc", "fsize", "execs"};
        const uint64_t *members;
        sd_bus_message *m = message_new(f->bus);

        assert_int_equal(sizeof(PlanLimits), ELEMENTSOF(names) * sizeof(uint64_t));
        assert_true(sd_bus_message_open_container(m, 'a', "{sv}") >= 0);
        assert_true(sd_bus_message_open_container(m, 'e', "sv") >= 0);
        assert_true(sd_bus_message_append(m, "s", "limits") >= 0);
        assert_true(sd_bus_message_open_container(m, 'v', "a{st}") >= 0);
        assert_true(sd_bus_message_open_container(m, 'a', "{st}") >= 0);
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                assert_true(sd_bus_message_append(m, "{st}", names[i], (uint64_t) (100 + i)) >= 0);
        for (int i = 0; i < 4; i++)
                assert_true(sd_bus_message_close_container(m) >= 0);
        assert_int_equal(read_session(m, NULL, &o, NULL), 0);
        assert_int_equal(o.request->limits_set, (1u << ELEMENTSOF(names)) - 1);
        members = &o.request->limits.memory;
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                assert_int_equal(members[i], 100 + i);
        sd_bus_message_unref(m);
}

/* Descriptors */

static int open_kind(const char *what) {
        int pair[2];

        if (streq(what, "directory"))
                return open("/usr/share", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (streq(what, "O_PATH directory"))
                return open("/usr/share", O_PATH | O_CLOEXEC);
        if (streq(what, "file"))
                return open("/usr/bin/env", O_RDONLY | O_CLOEXEC);
        if (streq(what, "O_PATH file"))
                return open("/usr/bin/env", O_PATH | O_CLOEXEC);
        if (streq(what, "O_PATH link"))
                return open("/proc/self/exe", O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (streq(what, "null"))
                return open("/dev/null", O_RDWR | O_CLOEXEC);
        if (streq(what, "memfd"))
                return memfd_sealed("x", "x", 1);
        if (streq(what, "socket")) {
                assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
                fd_close(pair[1]);
                return pair[0];
        }
        assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
        fd_close(pair[1]);
        return pair[0];
}

static void test_workspace_kinds(void **state) {
        Fixture *f = *state;
        static const struct {
                const char *what;
                bool workspace, grant;
        } rows[] = {
                { "directory", true, true }, { "O_PATH directory", true, true }, { "file", false, true },
                { "O_PATH file", false, true }, { "O_PATH link", false, false }, { "null", false, false },
                { "socket", false, false }, { "pipe", false, false },
                { "memfd", false, false }, /* nothing of it is in any directory */
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                for (int grant = 0; grant < 2; grant++) {
                        _cleanup_(session_options_done) SessionOptions o = {};
                        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
                        _cleanup_close_ int fd = open_kind(rows[i].what);
                        sd_bus_message *m = message_new(f->bus);
                        bool good = grant ? rows[i].grant : rows[i].workspace;
                        int r;

                        assert_true(fd >= 0);
                        if (grant)
                                ONE_OPTION(m, "grants", "a(hays)", 1, fd, 2, '/', 'x', "r");
                        else
                                ONE_OPTION(m, "workspace", "h", fd);
                        r = read_session(m, NULL, &o, &e);
                        sd_bus_message_unref(m);
                        if (!good) {
                                assert_true(r < 0);
                                assert_string_equal(e.name, error_name(ERROR_INVALID_ARGUMENT));
                                continue;
                        }
                        if (r < 0)
                                fail_msg("%s: %s", rows[i].what, e.message);
                        /* The message is gone, the descriptor is not; it is ours, high and close-on-exec. */
                        assert_int_equal(o.request->n_fds, 1);
                        assert_true(o.fds[0] >= 3 && o.fds[0] != fd);
                        assert_int_equal(fcntl(o.fds[0], F_GETFD), FD_CLOEXEC);
                }
        }
}

static void test_forbidden_sources(void **state) {
        Fixture *f = *state;
        static const char *const paths[] = { "/", "/proc", "/sys", "/dev", "/run" };

        for (size_t i = 0; i < ELEMENTSOF(paths); i++) {
                _cleanup_close_ int fd = open(paths[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
                sd_bus_message *m = message_new(f->bus);

                if (fd < 0)
                        fail_msg("%s", paths[i]);
                ONE_OPTION(m, "workspace", "h", fd);
                expect_refusal(m, NULL, ERROR_NOT_PERMITTED, paths[i]);
                m = message_new(f->bus);
                ONE_OPTION(m, "grants", "a(hays)", 1, fd, 2, '/', 'x', "r");
                expect_refusal(m, NULL, ERROR_NOT_PERMITTED, paths[i]);
        }
}

static void test_deleted_directory(void **state) {
        Fixture *f = *state;
        char path[] = "/tmp/test-daemon-options-XXXXXX";
        _cleanup_close_ int fd = -EBADF;
        sd_bus_message *m = message_new(f->bus);

        assert_non_null(mkdtemp(path));
        fd = open(path, O_PATH | O_CLOEXEC);
        assert_int_equal(rmdir(path), 0);
        ONE_OPTION(m, "workspace", "h", fd);
        expect_refusal(m, NULL, ERROR_INVALID_ARGUMENT, "deleted");
}

static void test_17_descriptors(void **state) {
        Fixture *f = *state;
        _cleanup_close_ int fd = open_kind("O_PATH directory");

        for (size_t n = 16; n <= 17; n++) {
                sd_bus_message *m = message_new(f->bus);

                assert_true(sd_bus_message_open_container(m, 'a', "{sv}") >= 0);
                assert_true(sd_bus_message_open_container(m, 'e', "sv") >= 0);
                assert_true(sd_bus_message_append(m, "s", "grants") >= 0);
                assert_true(sd_bus_message_open_container(m, 'v', "a(hays)") >= 0);
                assert_true(sd_bus_message_open_container(m, 'a', "(hays)") >= 0);
                for (size_t i = 0; i < n; i++)
                        assert_true(sd_bus_message_append(m, "(hays)", fd, 2, '/', 'a' + (int) i, "rx") >=
                                        0);
                for (int i = 0; i < 4; i++)
                        assert_true(sd_bus_message_close_container(m) >= 0);
                if (n == 17)
                        expect_refusal(m, NULL, ERROR_INVALID_ARGUMENT, "More than 16 descriptors");
                else {
                        _cleanup_(session_options_done) SessionOptions o = {};

                        assert_int_equal(read_session(m, NULL, &o, NULL), 0);
                        assert_int_equal(o.request->grants->len, 16);
                        sd_bus_message_unref(m);
                }
        }
}

/* Exec */

static void append_argv(sd_bus_message *m, size_t n, const char *arg, size_t len) {
        assert_true(sd_bus_message_open_container(m, 'a', "ay") >= 0);
        for (size_t i = 0; i < n; i++)
                assert_true(sd_bus_message_append_array(m, 'y', arg, len) >= 0);
        assert_true(sd_bus_message_close_container(m) >= 0);
}

static void expect_exec_refusal(sd_bus_message *m, const char *part) {
        _cleanup_(exec_arguments_done) ExecArguments a = {};
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;

        message_turn(m);
        assert_true(options_read_exec(m, &a, &e) < 0);
        assert_string_equal(e.name, error_name(ERROR_INVALID_ARGUMENT));
        if (!strstr(e.message, part))
                fail_msg("'%s' does not say '%s'", e.message, part);
        sd_bus_message_unref(m);
}

static void test_exec_argv(void **state) {
        Fixture *f = *state;
        g_autofree char *big = g_malloc(200000);
        sd_bus_message *m;

        memset(big, 'x', 200000);
#define TAIL "aya{uh}a{sv}", 0, 0, 0
        m = message_new(f->bus);
        append_argv(m, 0, "", 0);
        assert_true(sd_bus_message_append(m, TAIL) >= 0);
        expect_exec_refusal(m, "argv");
        m = message_new(f->bus);
        append_argv(m, 1, "", 0);
        assert_true(sd_bus_message_append(m, TAIL) >= 0);
        expect_exec_refusal(m, "argv");
        m = message_new(f->bus);
        append_argv(m, 1, "a\0b", 3);
        assert_true(sd_bus_message_append(m, TAIL) >= 0);
        expect_exec_refusal(m, "NUL");
        m = message_new(f->bus);
        append_argv(m, 4097, "x", 1);
        assert_true(sd_bus_message_append(m, TAIL) >= 0);
        expect_exec_refusal(m, "4096");
        m = message_new(f->bus);
        append_argv(m, 1, big, MSG_EXEC_ARG_BYTES_MAX + 1);
        assert_true(sd_bus_message_append(m, TAIL) >= 0);
        expect_exec_refusal(m, "longer");
        m = message_new(f->bus);
        append_argv(m, 9, big, MSG_EXEC_ARG_BYTES_MAX);
        assert_true(sd_bus_message_append(m, TAIL) >= 0);
        expect_exec_refusal(m, "in all");
}

static void test_exec_good(void **state) {
        Fixture *f = *state;
        _cleanup_(exec_arguments_done) ExecArguments a = {};
        _cleanup_close_ int p = open_kind("pipe"), n = open_kind("null");
        sd_bus_message *m = message_new(f->bus);

        append_argv(m, 2, "--bind", 6);
        assert_true(sd_bus_message_append(m, "aya{uh}a{sv}", 2, '/', 'w', 2, 0, p, 15, n, 2, "timeout-usec",
                                    "t", UINT64_C(5), "detach", "b", 1) >= 0);
        message_turn(m);
        assert_int_equal(options_read_exec(m, &a, NULL), 0);
        sd_bus_message_unref(m);
        assert_int_equal(a.exec.n_argv, 2);
        assert_string_equal(a.exec.argv[0], "--bind");
        assert_string_equal(a.exec.cwd, "/w");
        assert_int_equal(a.exec.timeout_usec, 5);
        assert_int_equal(a.exec.flags, MSG_EXEC_DETACH);
        assert_int_equal(a.exec.n_fds, 2);
        assert_int_equal(a.exec.fd_numbers[1], 15);
        assert_int_equal(fd_kind(a.fds[0]), FD_KIND_PIPE);
        assert_int_equal(fd_kind(a.fds[1]), FD_KIND_NULLISH);
}

static void test_exec_descriptors(void **state) {
        Fixture *f = *state;
        static const char *const bad[] = { "directory", "O_PATH directory", "O_PATH file", "socket" };
        _cleanup_close_ int p = open_kind("pipe"), tty = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
        sd_bus_message *m;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_close_ int fd = open_kind(bad[i]);

                m = message_new(f->bus);
                append_argv(m, 1, "x", 1);
                assert_true(sd_bus_message_append(m, "aya{uh}a{sv}", 0, 1, 1, fd, 0) >= 0);
                expect_exec_refusal(m, "Descriptor 1");
        }
        if (tty >= 0) {
                m = message_new(f->bus);
                append_argv(m, 1, "x", 1);
                assert_true(sd_bus_message_append(m, "aya{uh}a{sv}", 0, 1, 0, tty, 0) >= 0);
                expect_exec_refusal(m, "pty");
        }
        m = message_new(f->bus);
        append_argv(m, 1, "x", 1);
        assert_true(sd_bus_message_append(m, "aya{uh}a{sv}", 0, 1, 16, p, 0) >= 0);
        expect_exec_refusal(m, "15");
        m = message_new(f->bus);
        append_argv(m, 1, "x", 1);
        assert_true(sd_bus_message_append(m, "aya{uh}a{sv}", 0, 2, 1, p, 1, p, 0) >= 0);
        expect_exec_refusal(m, "twice");
        m = message_new(f->bus);
        append_argv(m, 1, "x", 1);
        assert_true(sd_bus_message_append(m, "aya{uh}a{sv}", 0, 1, 0, p, 1, "pty", "b", 1) >= 0);
        expect_exec_refusal(m, "pty");
}

static void test_exec_options(void **state) {
        Fixture *f = *state;
        sd_bus_message *m = message_new(f->bus);

        append_argv(m, 1, "x", 1);
        assert_true(sd_bus_message_append(m, "aya{uh}a{sv}", 0, 0, 1, "rows", "q", 5) >= 0);
        expect_exec_refusal(m, "pty");
        m = message_new(f->bus);
        append_argv(m, 1, "x", 1);
        assert_true(sd_bus_message_append(m, "aya{uh}a{sv}", 0, 0, 2, "pty", "b", 1, "cols", "q", 0) >= 0);
        expect_exec_refusal(m, "cols");
        m = message_new(f->bus);
        append_argv(m, 1, "x", 1);
        assert_true(sd_bus_message_append(m, "aya{uh}a{sv}", 0, 0, 1, "uid", "u", 0) >= 0);
        expect_exec_refusal(m, "uid");
        m = message_new(f->bus);
        append_argv(m, 1, "x", 1);
        assert_true(sd_bus_message_append(m, "aya{uh}a{sv}", 3, 'a', '/', 'b', 0, 0) >= 0);
        expect_exec_refusal(m, "cwd");
        m = message_new(f->bus);
        append_argv(m, 1, "x", 1);
        assert_true(sd_bus_message_append(m, "aya{uh}a{sv}", 0, 0, 1, "env", "aay", 1, 3, 'A', 'B', 'C') >=
                        0);
        expect_exec_refusal(m, "NAME=value");
}

static void test_env_values_are_not_repeated_in_errors(void **state) {
        Fixture *f = *state;
        _cleanup_(exec_arguments_done) ExecArguments a = {};
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;
        sd_bus_message *m = message_new(f->bus);

        append_argv(m, 1, "x", 1);
        assert_true(sd_bus_message_append(m, "aya{uh}a{sv}", 0, 0, 1, "env", "aay", 1, 10, '1', '=', 's',
                                    'e', 'c', 'r', 'e', 't', '4', '2') >= 0);
        message_turn(m);
        assert_true(options_read_exec(m, &a, &e) < 0);
        assert_null(strstr(e.message, "secret"));
        sd_bus_message_unref(m);
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                T(test_empty_is_default),
                T(test_profile_names),
                T(test_unknown_key),
                T(test_duplicate_key),
                T(test_wrong_type),
                T(test_strings),
                T(test_error_text_is_escaped_and_short),
                T(test_id_of_ensure),
                T(test_paths),
                T(test_profile_data_limit),
                T(test_numbers),
                T(test_limit_bits_are_the_members_in_order),
                T(test_workspace_kinds),
                T(test_forbidden_sources),
                T(test_deleted_directory),
                T(test_17_descriptors),
                T(test_exec_argv),
                T(test_exec_good),
                T(test_exec_descriptors),
                T(test_exec_options),
                T(test_env_values_are_not_repeated_in_errors),
        };

        return RUN_TESTS(tests);
}
