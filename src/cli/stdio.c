/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which of our standard descriptors the program gets as they are. A terminal or a socket would be refused by
 * ocsbd: the one lets a sandbox type into the caller's shell, over the other descriptors could travel.
 * OpenClaw's gateway gives its children sockets. */

#include <fcntl.h>
#include <unistd.h>

#include "relay.h"
#include "terminal.h"

#define PIPE_SIZE (256 << 10)

void stdio_init(Stdio *ret) {
        *ret = (Stdio) {};
        for (size_t i = 0; i < 3; i++) {
                ret->child[i] = -EBADF;
                ret->streams[i] = STREAM_NONE;
        }
}

void stdio_started(Stdio *s) {
        for (size_t i = 0; i < 3; i++) {
                if (s->own[i])
                        fd_close(s->child[i]);
                s->child[i] = -EBADF;
                s->own[i] = false;
        }
}

void stdio_done(Stdio *s) {
        stdio_started(s);
        for (size_t i = 0; i < 3; i++)
                stream_done(&s->streams[i]);
}

/* Our side of descriptor number fd: a door of our own to a terminal, else the descriptor itself. A socket is
 * closed when the program closes its end, so that its peer learns it before we end; but standard error is
 * ours too. */
static int outer(int fd, FdKind kind, bool input, bool *ret_own) {
        int again = kind == FD_KIND_TTY ? terminal_reopen(fd, input ? O_RDONLY : O_WRONLY) : -EBADF;

        *ret_own = again >= 0 || (kind == FD_KIND_SOCKET && fd != STDERR_FILENO);
        return again >= 0 ? again : fd;
}

static void set_sink(Stream *s, int fd, FdKind kind) {
        s->sink_kind = kind;
        s->sink = outer(fd, kind, false, &s->own_sink);
        s->sink_blocks = kind != FD_KIND_SOCKET && kind != FD_KIND_FILE && !s->own_sink;
}

static int make_pipe(Stdio *s, int fd, FdKind kind) {
        Stream *stream = &s->streams[fd];
        bool input = fd == STDIN_FILENO;
        int fds[2], r;

        if (pipe2(fds, O_CLOEXEC) < 0)
                return -errno;
        /* More room, fewer wake-ups; the per-user limit may say no. */
        (void) fcntl(fds[0], F_SETPIPE_SZ, PIPE_SIZE);
        s->child[fd] = fds[input ? 0 : 1];
        s->own[fd] = true;
        r = fd_set_nonblock(fds[input ? 1 : 0], true);
        if (r < 0) {
                fd_close(fds[input ? 1 : 0]);
                return r;
        }
        if (input) {
                stream->sink = fds[1];
                stream->own_sink = true;
                stream->sink_kind = FD_KIND_PIPE;
                stream->source_kind = kind;
                stream->source = outer(fd, kind, true, &stream->own_source);
                stream->try_splice = kind == FD_KIND_SOCKET;
        } else {
                stream->source = fds[0];
                stream->own_source = true;
                stream->source_kind = FD_KIND_PIPE;
                set_sink(stream, fd, kind);
        }
        stream->input = input;
        return 0;
}

int stdio_prepare(bool detach, Stdio *ret) {
        _cleanup_stdio_ Stdio s;

        stdio_init(&s);
        for (int fd = 0; fd < 3; fd++) {
                FdKind kind = fd_kind(fd);
                int r;

                /* Closed, or a mere path: there is nothing to read or write. */
                if (kind < 0 || kind == FD_KIND_PATH)
                        continue;
                if (fd_kind_is_stdio(kind) && !(detach && kind == FD_KIND_PIPE)) {
                        s.child[fd] = fd;
                        continue;
                }
                if (detach)
                        continue;
                r = make_pipe(&s, fd, kind);
                if (r < 0)
                        return r;
        }
        *ret = s;
        stdio_init(&s);
        return 0;
}

int stdio_prepare_pty(int master, Stdio *ret) {
        FdKind in = fd_kind(STDIN_FILENO), out = fd_kind(STDOUT_FILENO);
        Stream *stream;
        int r;

        r = fd_set_nonblock(master, true);
        if (r < 0)
                return r;
        stdio_init(ret);
        if (in >= 0 && in != FD_KIND_PATH) {
                stream = &ret->streams[0];
                *stream = (Stream) { .sink = master,
                        .sink_kind = FD_KIND_TTY,
                        .source_kind = in,
                        .input = true,
                        .hold_sink = true };
                stream->source = outer(STDIN_FILENO, in, true, &stream->own_source);
        }
        stream = &ret->streams[1];
        *stream = (Stream) { .source = master, .source_kind = FD_KIND_TTY, .sink = -EBADF };
        /* Without standard output the program's still has to be taken away from it, or it would hang. */
        if (out >= 0 && out != FD_KIND_PATH)
                set_sink(stream, STDOUT_FILENO, out);
        else {
                stream->sink = open("/dev/null", O_WRONLY | O_CLOEXEC);
                stream->own_sink = true;
                if (stream->sink < 0) {
                        *stream = STREAM_NONE;
                        return -errno;
                }
        }
        return 0;
}
