/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* exec as a whole: exit statuses, what of the standard descriptors is passed and what is relayed, signals, and
 * every way in which one side may leave. */

#include "fake-monitor.h"

static void test_exit_statuses(void **state) {
        static const struct {
                uint32_t code, sig, flags;
                int expected;
        } cases[] = {
                { 0, 0, 0, 0 },
                { 1, 0, 0, 1 },
                { 255, 0, 0, 255 },
                { 0, SIGKILL, 0, 137 },
                { 0, SIGTERM, 0, 143 },
                { 0, SIGKILL, MSG_EXITED_TIMEOUT, 124 },
                { 0, SIGKILL, MSG_EXITED_OOM, 137 },
                { 3, 0, MSG_EXITED_OOM, 3 },
                { 0, SIGKILL, MSG_EXITED_KILLED, 137 },
        };
        Fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                int p[2];
                char text[512] = {};

                assert_int_equal(pipe2(p, O_CLOEXEC), 0);
                set_stdio(f, 2, TAKE_FD(p[1]));
                start(f, plain);
                accept_exec(f);
                send_started(f, NULL);
                close_children(f);
                send_exited(f, cases[i].code, cases[i].sig, cases[i].flags);
                assert_int_equal(wait_status(f), cases[i].expected);
                set_stdio(f, 2, -EBADF);
                assert_true(fd_read_full(p[0], text, sizeof(text) - 1) >= 0);
                /* A sentence where the status alone would puzzle, and nothing otherwise. */
                if ((cases[i].flags & MSG_EXITED_OOM) && cases[i].sig)
                        assert_non_null(strstr(text, "memory limit"));
                else
                        assert_string_equal(text, "");
                fd_close(p[0]);
                f->channel = fd_close(f->channel);
                wire_message_done(&f->message);
                msg_exec_done(&f->exec);
        }
}

static void test_not_started(void **state) {
        static const struct {
                uint32_t error, status;
                int expected;
        } cases[] = { { ENOENT, 127, 127 }, { EACCES, 126, 126 }, { EIO, 125, 125 }, { EIO, 7, 125 } };
        Fixture *f = *state;

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_writer_ WireWriter w = {};
                MsgFailed m = { .error = cases[i].error, .status = cases[i].status, .step = "exec" };

                strcpy(m.text, "no \033[2Ksuch thing");
                msg_failed_encode(&w, &m);
                start(f, plain);
                accept_exec(f);
                assert_int_equal(wire_send(f->channel, WIRE_EVENT_FAILED, f->message.tag, &w, NULL, 0), 0);
                assert_int_equal(wait_status(f), cases[i].expected);
                f->channel = fd_close(f->channel);
                close_children(f);
                wire_message_done(&f->message);
                msg_exec_done(&f->exec);
        }
}

/* Text of the other side reaches the terminal escaped (CVE-2023-28101). */
static void test_text_is_escaped(void **state) {
        Fixture *f = *state;
        _cleanup_writer_ WireWriter w = {};
        MsgFailed m = { .error = EIO, .status = 125, .step = "exec", .text = "no \033[2Ksuch thing" };
        char text[512] = {};
        int p[2];

        assert_int_equal(pipe2(p, O_CLOEXEC), 0);
        set_stdio(f, 2, TAKE_FD(p[1]));
        msg_failed_encode(&w, &m);
        start(f, plain);
        accept_exec(f);
        assert_int_equal(wire_send(f->channel, WIRE_EVENT_FAILED, f->message.tag, &w, NULL, 0), 0);
        assert_int_equal(wait_status(f), 125);
        close_children(f);
        set_stdio(f, 2, -EBADF);
        assert_true(fd_read_full(p[0], text, sizeof(text) - 1) > 0);
        assert_non_null(strstr(text, "no \\x1b[2Ksuch thing"));
        assert_null(strchr(text, '\033'));
        fd_close(p[0]);
}

/* Refused on the channel, and no bus to ask: our own failure. */
static void test_refused(void **state) {
        Fixture *f = *state;
        _cleanup_writer_ WireWriter w = {};

        msg_ack_encode(&w, EACCES, "not yours");
        start(f, plain);
        accept_exec(f);
        assert_int_equal(wire_send(f->channel, WIRE_ACK, 0, &w, NULL, 0), 0);
        assert_int_equal(wait_status(f), 125);
}

static void test_lost(void **state) {
        Fixture *f = *state;

        start(f, plain);
        accept_exec(f);
        send_started(f, NULL);
        f->channel = fd_close(f->channel);
        assert_int_equal(wait_status(f), 125);
}

static void test_malformed_answer(void **state) {
        Fixture *f = *state;
        _cleanup_writer_ WireWriter w = {};

        wire_put_u32(&w, 1);
        start(f, plain);
        accept_exec(f);
        send_started(f, NULL);
        assert_int_equal(wire_send(f->channel, WIRE_EVENT_EXITED, f->message.tag, &w, NULL, 0), 0);
        assert_int_equal(wait_status(f), 125);
}

static void test_no_socket(void **state) {
        Fixture *f = *state;

        (void) unlink(f->path);
        start(f, plain);
        assert_int_equal(wait_status(f), 125);
}

/* What is asked for, and nothing of our own environment. */
static void test_request(void **state) {
        static const char *const args[] = { "exec", "-E", "A=1", SESSION, "-w", "/work", "--timeout=1500ms",
                "-EHOME=/x", "--", "--bind", "-x", NULL };
        Fixture *f = *state;

        start(f, args);
        accept_exec(f);
        assert_int_equal(f->exec.n_argv, 2);
        assert_string_equal(f->exec.argv[0], "--bind");
        assert_string_equal(f->exec.argv[1], "-x");
        assert_int_equal(f->exec.n_env, 2);
        assert_string_equal(f->exec.env[0], "A=1");
        assert_string_equal(f->exec.env[1], "HOME=/x");
        assert_string_equal(f->exec.cwd, "/work");
        assert_int_equal(f->exec.timeout_usec, 1500000);
        assert_int_equal(f->exec.flags, 0);
        send_started(f, NULL);
        send_exited(f, 0, 0, 0);
        assert_int_equal(wait_status(f), 0);
}

static ino_t inode(int fd) {
        struct stat st;

        assert_int_equal(fstat(fd, &st), 0);
        return st.st_ino;
}

/* Pipes and files reach the program as they are: no copying process. */
static void test_passed_as_they_are(void **state) {
        Fixture *f = *state;
        int in[2], out[2];

        assert_int_equal(pipe2(in, O_CLOEXEC), 0);
        assert_int_equal(pipe2(out, O_CLOEXEC), 0);
        set_stdio(f, 0, in[0]);
        set_stdio(f, 1, out[1]);
        set_stdio(f, 2, memfd_create("file", MFD_CLOEXEC));
        start(f, plain);
        accept_exec(f);
        for (int i = 0; i < 3; i++)
                assert_int_equal(inode(f->child[i]), inode(f->stdio[i]));
        send_started(f, NULL);
        send_exited(f, 0, 0, 0);
        assert_int_equal(wait_status(f), 0);
        fd_close(in[1]);
        fd_close(out[0]);
}

static void test_closed_stdio(void **state) {
        Fixture *f = *state;

        set_stdio(f, 0, -EBADF);
        set_stdio(f, 1, -EBADF);
        start(f, plain);
        accept_exec(f);
        assert_int_equal(f->exec.n_fds, 1);
        assert_int_equal(f->exec.fd_numbers[0], 2);
        send_started(f, NULL);
        send_exited(f, 5, 0, 0);
        assert_int_equal(wait_status(f), 5);
}

static int socket_stdio(Fixture *f, int number) {
        int sv[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
        set_stdio(f, number, sv[1]);
        return sv[0];
}

#define BIG ((size_t) 100 << 20)

/* Writes BIG bytes of a pattern in a process of its own. */
static pid_t writer(int fd, const int *others, size_t n) {
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
                static uint8_t buffer[1 << 16];

                for (size_t i = 0; i < n; i++)
                        fd_close(others[i]);
                for (size_t i = 0; i < sizeof(buffer); i++)
                        buffer[i] = (uint8_t) (i * 7 + i / 251);
                for (size_t done = 0; done < BIG; done += sizeof(buffer))
                        if (fd_write_all(fd, buffer, sizeof(buffer)) < 0)
                                _exit(1);
                _exit(0);
        }
        return pid;
}

static void read_big(int fd) {
        static uint8_t buffer[1 << 16];
        size_t done = 0;

        for (;;) {
                ssize_t k = read(fd, buffer, sizeof(buffer));

                assert_true(k >= 0);
                if (k == 0)
                        break;
                for (ssize_t i = 0; i < k; i++) {
                        size_t at = (done + (size_t) i) & 0xffff;

                        if (buffer[i] != (uint8_t) (at * 7 + at / 251))
                                fail_msg("byte %zu differs", done + (size_t) i);
                }
                done += (size_t) k;
        }
        assert_int_equal(done, BIG);
}

/* The gateway's children have sockets: neither may reach the sandbox, 100 MB must. */
static void test_socket_output(void **state) {
        Fixture *f = *state;
        int peer = socket_stdio(f, 1), others[] = { f->listener, peer }, status;
        pid_t pid;

        start(f, plain);
        set_stdio(f, 1, -EBADF);
        accept_exec(f);
        assert_int_equal(fd_kind(f->child[1]), FD_KIND_PIPE);
        send_started(f, NULL);
        pid = writer(f->child[1], others, 2);
        close_children(f);
        read_big(peer); /* up to the end: that is passed on too */
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        send_exited(f, 0, 0, 0);
        assert_int_equal(wait_status(f), 0);
        fd_close(peer);
}

/* What was written before the end is delivered after it. */
static void test_output_after_exit(void **state) {
        static uint8_t data[60000];
        Fixture *f = *state;
        int peer = socket_stdio(f, 1);
        uint8_t got[sizeof(data)];

        memset(data, 'x', sizeof(data));
        start(f, plain);
        set_stdio(f, 1, -EBADF);
        accept_exec(f);
        send_started(f, NULL);
        settle();
        assert_int_equal(kill(f->client, SIGSTOP), 0);
        assert_int_equal(fd_write_all(f->child[1], data, sizeof(data)), 0);
        send_exited(f, 4, 0, 0);
        /* A survivor still holds the pipe: it must not keep the client. */
        assert_int_equal(kill(f->client, SIGCONT), 0);
        assert_int_equal(fd_read_full(peer, got, sizeof(got)), sizeof(got));
        assert_memory_equal(got, data, sizeof(data));
        assert_int_equal(wait_status(f), 4);
        fd_close(peer);
}

static void test_socket_input(void **state) {
        Fixture *f = *state;
        int peer = socket_stdio(f, 0), others[] = { f->listener, -EBADF }, status;
        pid_t pid;

        start(f, plain);
        set_stdio(f, 0, -EBADF);
        accept_exec(f);
        assert_int_equal(fd_kind(f->child[0]), FD_KIND_PIPE);
        send_started(f, NULL);
        pid = writer(peer, others, 1);
        fd_close(peer);
        read_big(f->child[0]); /* up to the end of file: that is passed on too */
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        send_exited(f, 0, 0, 0);
        assert_int_equal(wait_status(f), 0);
}

/* Our caller does not listen any more: the program learns it as it would without us. */
static void test_reader_gone(void **state) {
        Fixture *f = *state;
        int peer = socket_stdio(f, 1);
        struct pollfd p;

        start(f, plain);
        set_stdio(f, 1, -EBADF);
        accept_exec(f);
        send_started(f, NULL);
        fd_close(peer);
        p = (struct pollfd) { .fd = f->child[1] };
        assert_int_equal(poll(&p, 1, 5000), 1);
        assert_true(p.revents & POLLERR);
        assert_true(write(f->child[1], "x", 1) < 0 && errno == EPIPE);
        send_exited(f, 0, SIGPIPE, 0);
        assert_int_equal(wait_status(f), 128 + SIGPIPE);
}

/* The program has closed its standard input: our caller's writes fail. */
static void test_input_closed(void **state) {
        Fixture *f = *state;
        int peer = socket_stdio(f, 0);
        struct pollfd p;

        start(f, plain);
        set_stdio(f, 0, -EBADF);
        accept_exec(f);
        send_started(f, NULL);
        f->child[0] = fd_close(f->child[0]);
        set_stdio(f, 0, -EBADF);
        p = (struct pollfd) { .fd = peer };
        assert_int_equal(poll(&p, 1, 5000), 1);
        assert_true(p.revents & POLLHUP);
        assert_true(send(peer, "x", 1, MSG_NOSIGNAL) < 0 && errno == EPIPE);
        send_exited(f, 0, 0, 0);
        assert_int_equal(wait_status(f), 0);
        fd_close(peer);
}

static void test_killed_client(void **state) {
        Fixture *f = *state;
        _cleanup_message_ WireMessage m = {};

        start(f, plain);
        accept_exec(f);
        send_started(f, NULL);
        assert_int_equal(kill(f->client, SIGKILL), 0);
        assert_int_equal(wire_recv(f->channel, &m), 0);
        assert_int_equal(wait_status(f), 1000 + SIGKILL);
}

static void test_sigterm(void **state) {
        Fixture *f = *state;

        start(f, plain);
        accept_exec(f);
        send_started(f, NULL);
        settle();
        assert_int_equal(kill(f->client, SIGTERM), 0);
        assert_int_equal(expect_signal(f), SIGTERM);
        send_exited(f, 0, SIGTERM, 0);
        assert_int_equal(wait_status(f), 143);
}

/* A program that does not care: killed after two seconds, left after three. */
static void test_sigterm_ignored(void **state) {
        Fixture *f = *state;
        _cleanup_message_ WireMessage m = {};

        start(f, plain);
        accept_exec(f);
        send_started(f, NULL);
        settle();
        assert_int_equal(kill(f->client, SIGTERM), 0);
        assert_int_equal(expect_signal(f), SIGTERM);
        assert_int_equal(expect_signal(f), SIGKILL);
        assert_int_equal(wire_recv(f->channel, &m), 0);
        assert_int_equal(wait_status(f), 143);
}

static void test_sigterm_before_start(void **state) {
        Fixture *f = *state;
        _cleanup_message_ WireMessage m = {};

        start(f, plain);
        accept_exec(f);
        settle();
        assert_int_equal(kill(f->client, SIGTERM), 0);
        assert_int_equal(wire_recv(f->channel, &m), 0);
        assert_int_equal(wait_status(f), 143);
}

static void test_sigint_twice(void **state) {
        Fixture *f = *state;

        start(f, plain);
        accept_exec(f);
        send_started(f, NULL);
        settle();
        assert_int_equal(kill(f->client, SIGINT), 0);
        assert_int_equal(expect_signal(f), SIGINT);
        assert_int_equal(kill(f->client, SIGUSR1), 0);
        assert_int_equal(expect_signal(f), SIGUSR1);
        assert_int_equal(kill(f->client, SIGINT), 0);
        assert_int_equal(expect_signal(f), SIGTERM);
        send_exited(f, 3, 0, 0);
        assert_int_equal(wait_status(f), 3);
}

/* Ctrl-Z: the program stops with us and goes on with us. */
static void test_suspend(void **state) {
        Fixture *f = *state;
        int status;

        start(f, plain);
        accept_exec(f);
        send_started(f, NULL);
        settle();
        assert_int_equal(kill(f->client, SIGTSTP), 0);
        assert_int_equal(expect_signal(f), SIGSTOP);
        assert_int_equal(waitpid(f->client, &status, WUNTRACED), f->client);
        assert_true(WIFSTOPPED(status));
        assert_int_equal(kill(f->client, SIGCONT), 0);
        assert_int_equal(expect_signal(f), SIGCONT);
        send_exited(f, 0, 0, 0);
        assert_int_equal(wait_status(f), 0);
}

static void test_detach(void **state) {
        static const char *const args[] = { "exec", "-d", SESSION, "prog", NULL };
        Fixture *f = *state;
        char text[16] = {};
        int p[2];

        assert_int_equal(pipe2(p, O_CLOEXEC), 0);
        set_stdio(f, 1, p[1]);
        set_stdio(f, 2, memfd_create("log", MFD_CLOEXEC));
        fd_close(socket_stdio(f, 0));
        start(f, args);
        set_stdio(f, 1, -EBADF);
        accept_exec(f);
        assert_int_equal(f->exec.flags, MSG_EXEC_DETACH);
        /* Only the file: a pipe would keep its reader waiting, a socket would need us. */
        assert_int_equal(f->exec.n_fds, 1);
        assert_int_equal(f->exec.fd_numbers[0], 2);
        send_started(f, NULL);
        assert_int_equal(wait_status(f), 0);
        assert_true(fd_read_full(p[0], text, sizeof(text) - 1) > 0);
        assert_string_equal(text, "7\n");
        fd_close(p[0]);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                CASE(test_exit_statuses),
                CASE(test_not_started),
                CASE(test_text_is_escaped),
                CASE(test_refused),
                CASE(test_lost),
                CASE(test_malformed_answer),
                CASE(test_no_socket),
                CASE(test_request),
                CASE(test_passed_as_they_are),
                CASE(test_closed_stdio),
                CASE(test_socket_output),
                CASE(test_output_after_exit),
                CASE(test_socket_input),
                CASE(test_reader_gone),
                CASE(test_input_closed),
                CASE(test_killed_client),
                CASE(test_sigterm),
                CASE(test_sigterm_ignored),
                CASE(test_sigterm_before_start),
                CASE(test_sigint_twice),
                CASE(test_suspend),
                CASE(test_detach),
        };

        (void) signal(SIGPIPE, SIG_IGN);
        /* nohup, and a shell that starts a job in the background, leave these ignored, which ocsbctl heeds. */
        (void) signal(SIGINT, SIG_DFL);
        (void) signal(SIGQUIT, SIG_DFL);
        (void) signal(SIGHUP, SIG_DFL);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
