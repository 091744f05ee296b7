/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A monitor played by a test: `ocsbctl exec` runs as a child with descriptors of the test's choice, the test
 * answers on the channel. */

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "cli/front.h"
#include "cli/relay.h"
#include "wire/message.h"

#define SESSION "s1"

typedef struct Fixture {
        char dir[64], path[96];
        int listener;
        /* what the client gets; -EBADF: closed */
        int stdio[3];
        pid_t client;
        int channel;
        WireMessage message; /* EXEC */
        MsgExec exec;
        int child[3]; /* the program's descriptors as the monitor received them */
} Fixture;

static _unused_ int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        assert_non_null(f);
        strcpy(f->dir, "/tmp/ocsb-cli-XXXXXX");
        assert_non_null(mkdtemp(f->dir));
        (void) snprintf(f->path, sizeof(f->path), "%s/channel", f->dir);
        f->listener = wire_listen(f->path, 0600);
        assert_true(f->listener >= 0);
        assert_int_equal(fd_set_nonblock(f->listener, false), 0);
        for (size_t i = 0; i < 3; i++) {
                f->stdio[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
                f->child[i] = -EBADF;
        }
        f->channel = -EBADF;
        *state = f;
        return 0;
}

static _unused_ int teardown(void **state) {
        Fixture *f = *state;

        if (f->client > 0) {
                (void) kill(f->client, SIGKILL);
                (void) waitpid(f->client, NULL, 0);
        }
        fd_close(f->channel);
        fd_close(f->listener);
        fd_close_many(f->stdio, 3);
        fd_close_many(f->child, 3);
        wire_message_done(&f->message);
        msg_exec_done(&f->exec);
        (void) unlink(f->path);
        (void) rmdir(f->dir);
        free(f);
        return 0;
}

static _unused_ void set_stdio(Fixture *f, int number, int fd) {
        fd_close(f->stdio[number]);
        f->stdio[number] = fd;
}

/* Starts `ocsbctl ARGS…` as a child with the fixture's descriptors. */
static _unused_ void start(Fixture *f, const char *const *args) {
        f->client = fork();
        assert_true(f->client >= 0);
        if (f->client == 0) {
                Options o;
                char *argv[32] = { (char *) "ocsbctl" };
                int argc = 1, k[3];

                while (*args)
                        argv[argc++] = (char *) *args++;
                (void) setsid();
                for (int i = 0; i < 3; i++)
                        k[i] = f->stdio[i] >= 0 ? fcntl(f->stdio[i], F_DUPFD_CLOEXEC, 10) : -1;
                for (int i = 0; i < 3; i++)
                        if (k[i] < 0)
                                (void) close(i);
                        else
                                (void) dup2(k[i], i);
                if (isatty(0))
                        (void) ioctl(0, TIOCSCTTY, 0);
                (void) close_range(3, ~0U, 0);
                (void) signal(SIGPIPE, SIG_IGN);
                (void) setenv("DBUS_SYSTEM_BUS_ADDRESS", "unix:path=/nonexistent/bus", 1);
                (void) setenv("TERM", "vt100", 1);
                channel_socket = f->path;
                if (options_parse(argc, argv, &o) < 0)
                        _exit(99);
                argc = verb_exec(&o);
                options_done(&o);
                exit(argc);
        }
}

/* Takes the connection, HELLO and EXEC. */
static _unused_ void accept_exec(Fixture *f) {
        _cleanup_message_ WireMessage hello = {};
        const char *why = NULL;
        char id[SESSION_ID_MAX + 1];
        WireReader r;

        f->channel = accept4(f->listener, NULL, NULL, SOCK_CLOEXEC);
        assert_true(f->channel >= 0);
        assert_int_equal(wire_recv(f->channel, &hello), 1);
        assert_int_equal(hello.type, WIRE_HELLO);
        r = WIRE_READER(hello.body, hello.len);
        assert_int_equal(msg_id_decode(&r, id), 0);
        assert_string_equal(id, SESSION);
        assert_int_equal(wire_recv(f->channel, &f->message), 1);
        assert_int_equal(f->message.type, WIRE_EXEC);
        r = WIRE_READER(f->message.body, f->message.len);
        assert_int_equal(msg_exec_decode(&r, &f->exec, &why), 0);
        assert_int_equal(f->exec.n_fds, f->message.n_fds);
        for (size_t i = 0; i < f->exec.n_fds; i++) {
                assert_in_range(f->exec.fd_numbers[i], 0, 2);
                f->child[f->exec.fd_numbers[i]] = TAKE_FD(f->message.fds[i]);
        }
}

static _unused_ void send_started(Fixture *f, const int *master) {
        _cleanup_writer_ WireWriter w = {};

        wire_put_u32(&w, 7);
        wire_put_u32(&w, 42);
        assert_int_equal(wire_send(f->channel, WIRE_EVENT_STARTED, f->message.tag, &w, master,
                                         master ? 1 : 0),
                        0);
}

static _unused_ void send_exited(Fixture *f, uint32_t code, uint32_t sig, uint32_t flags) {
        _cleanup_writer_ WireWriter w = {};
        const MsgExited m = { .exec_id = 7, .code = code, .signal = sig, .flags = flags };

        msg_exited_encode(&w, &m);
        assert_int_equal(wire_send(f->channel, WIRE_EVENT_EXITED, f->message.tag, &w, NULL, 0), 0);
}

static _unused_ void close_children(Fixture *f) {
        fd_close_many(f->child, 3);
}

static _unused_ int wait_status(Fixture *f) {
        int status;

        assert_int_equal(waitpid(f->client, &status, 0), f->client);
        f->client = 0;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/* The next WIRE_SIGNAL. */
static _unused_ int expect_signal(Fixture *f) {
        _cleanup_message_ WireMessage m = {};
        MsgSignal s;
        WireReader r;

        assert_int_equal(wire_recv(f->channel, &m), 1);
        assert_int_equal(m.type, WIRE_SIGNAL);
        r = WIRE_READER(m.body, m.len);
        assert_int_equal(msg_signal_decode(&r, &s), 0);
        assert_int_equal(s.exec_id, 7);
        return (int) s.signal;
}

/* Waits until the client has read STARTED: it then answers to signals with messages. */
static _unused_ void settle(void) {
        (void) usleep(100000);
}

static _unused_ const char *const plain[] = { "exec", SESSION, "--", "prog", "arg", NULL };

static _unused_ ssize_t read_some(int fd, char *buf, size_t size) {
        struct pollfd p = { .fd = fd, .events = POLLIN };

        assert_int_equal(poll(&p, 1, 5000), 1);
        return read(fd, buf, size);
}

/* Reads until the text has come. */
static _unused_ void expect_text(int fd, const char *text) {
        char buf[256] = {};
        size_t n = 0;

        while (!strstr(buf, text)) {
                ssize_t k;

                assert_true(n < sizeof(buf) - 1);
                k = read_some(fd, buf + n, sizeof(buf) - 1 - n);
                if (k <= 0)
                        fail_msg("'%s' did not come, but '%s'", text, buf);
                n += (size_t) k;
        }
}
