/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* exec where there are terminals: on the caller's side, inside, or both. */

#include "fake-monitor.h"

/* The caller's terminal is one pty, the program's another. */
static void test_pty(void **state) {
        static const char *const args[] = { "exec", "-t", SESSION, "prog", NULL };
        const struct winsize size = { .ws_row = 33, .ws_col = 101 },
                             bigger = { .ws_row = 50, .ws_col = 120 };
        Fixture *f = *state;
        struct termios before, during, after;
        struct winsize ws;
        int user, tty, master, slave;
        char buf[64] = {};

        assert_int_equal(openpty(&user, &tty, NULL, NULL, &size), 0);
        assert_int_equal(tcgetattr(tty, &before), 0);
        for (int i = 0; i < 3; i++)
                set_stdio(f, i, fcntl(tty, F_DUPFD_CLOEXEC, 3));
        start(f, args);
        accept_exec(f);
        assert_int_equal(f->exec.flags, MSG_EXEC_PTY);
        assert_int_equal(f->exec.n_fds, 0);
        assert_int_equal(f->exec.rows, 33);
        assert_int_equal(f->exec.cols, 101);
        assert_int_equal(f->exec.n_env, 1);
        assert_string_equal(f->exec.env[0], "TERM=vt100");
        assert_int_equal(openpty(&master, &slave, NULL, NULL, &size), 0);
        send_started(f, &master);
        fd_close(master);

        assert_int_equal(fd_write_all(slave, "prompt", 6), 0);
        expect_text(user, "prompt");
        assert_int_equal(tcgetattr(tty, &during), 0);
        assert_int_equal(during.c_lflag & (ICANON | ECHO | ISIG), 0);
        /* ^C is a character for the program's terminal, not a signal for us. */
        assert_int_equal(fd_write_all(user, "hi\r", 3), 0);
        assert_int_equal(read_some(slave, buf, sizeof(buf)), 3);
        assert_memory_equal(buf, "hi\n", 3);
        expect_text(user, "hi");

        assert_int_equal(ioctl(user, TIOCSWINSZ, &bigger), 0);
        assert_int_equal(kill(f->client, SIGWINCH), 0);
        for (int i = 0; i < 50; i++) {
                assert_int_equal(ioctl(slave, TIOCGWINSZ, &ws), 0);
                if (ws.ws_row == 50)
                        break;
                (void) usleep(20000);
        }
        assert_int_equal(ws.ws_row, 50);
        assert_int_equal(ws.ws_col, 120);

        assert_int_equal(fd_write_all(slave, "bye", 3), 0);
        fd_close(slave);
        send_exited(f, 9, 0, 0);
        expect_text(user, "bye");
        assert_int_equal(wait_status(f), 9);
        assert_int_equal(tcgetattr(tty, &after), 0);
        assert_int_equal(after.c_lflag, before.c_lflag);
        assert_int_equal(after.c_iflag, before.c_iflag);
        assert_int_equal(after.c_oflag, before.c_oflag);
        fd_close(user);
        fd_close(tty);
}

/* Without -t a terminal is never handed in: pipes, and the terminal stays as it is. */
static void test_terminal_is_relayed(void **state) {
        Fixture *f = *state;
        struct termios before, during;
        int user, tty;
        char buf[16];

        assert_int_equal(openpty(&user, &tty, NULL, NULL, NULL), 0);
        assert_int_equal(tcgetattr(tty, &before), 0);
        for (int i = 0; i < 3; i++)
                set_stdio(f, i, fcntl(tty, F_DUPFD_CLOEXEC, 3));
        start(f, plain);
        accept_exec(f);
        for (int i = 0; i < 3; i++)
                assert_int_equal(fd_kind(f->child[i]), FD_KIND_PIPE);
        send_started(f, NULL);
        assert_int_equal(fd_write_all(f->child[1], "out", 3), 0);
        expect_text(user, "out");
        assert_int_equal(fd_write_all(f->child[2], "err", 3), 0);
        expect_text(user, "err");
        assert_int_equal(fd_write_all(user, "in\n", 3), 0);
        assert_int_equal(read_some(f->child[0], buf, sizeof(buf)), 3);
        assert_int_equal(fd_write_all(user, "\004", 1), 0);
        assert_int_equal(read_some(f->child[0], buf, sizeof(buf)), 0);
        assert_int_equal(tcgetattr(tty, &during), 0);
        assert_int_equal(during.c_lflag, before.c_lflag);
        /* O_NONBLOCK belongs to the open file that the caller's shell shares. */
        assert_false(fcntl(f->stdio[0], F_GETFL) & O_NONBLOCK);
        send_exited(f, 0, 0, 0);
        assert_int_equal(wait_status(f), 0);
        fd_close(user);
        fd_close(tty);
}

/* Input that is no terminal into a pty: its end is ^D. */
static void test_pty_end_of_input(void **state) {
        static const char *const args[] = { "exec", "-t", SESSION, "prog", NULL };
        Fixture *f = *state;
        char buf[64];
        int in[2], out[2], master, slave;

        assert_int_equal(pipe2(in, O_CLOEXEC), 0);
        assert_int_equal(pipe2(out, O_CLOEXEC), 0);
        set_stdio(f, 0, in[0]);
        set_stdio(f, 1, out[1]);
        start(f, args);
        set_stdio(f, 1, -EBADF);
        accept_exec(f);
        assert_int_equal(openpty(&master, &slave, NULL, NULL, NULL), 0);
        send_started(f, &master);
        fd_close(master);
        assert_int_equal(fd_write_all(in[1], "half a line", 11), 0);
        fd_close(in[1]);
        assert_int_equal(read_some(slave, buf, sizeof(buf)), 11);
        assert_int_equal(read_some(slave, buf, sizeof(buf)), 0);
        fd_close(slave);
        send_exited(f, 0, 0, 0);
        assert_int_equal(wait_status(f), 0);
        fd_close(out[0]);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                CASE(test_pty),
                CASE(test_terminal_is_relayed),
                CASE(test_pty_end_of_input),
        };

        (void) signal(SIGPIPE, SIG_IGN);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
