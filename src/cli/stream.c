/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The caller's descriptors are open files that it shares with others, so O_NONBLOCK is never set on them:
 * sockets are used with MSG_DONTWAIT, terminals through a second open file where that is possible, pipes in
 * portions for which poll() promises room. Our own ends of our own pipes are non-blocking. */

#include "stream.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER_SIZE ((size_t) 64 << 10)
#define SPLICE_SIZE ((size_t) 1 << 20)
#define END_OF_INPUT 0x04 /* ^D, the default VEOF of a new terminal */

static void close_source(Stream *s) {
        if (s->own_source)
                fd_close(s->source);
        s->source = -EBADF;
}

static void close_sink(Stream *s) {
        if (s->own_sink)
                fd_close(s->sink);
        s->sink = -EBADF;
}

void stream_done(Stream *s) {
        close_source(s);
        close_sink(s);
        free(s->buffer);
        *s = STREAM_NONE;
}

bool stream_finished(const Stream *s) {
        return s->source < 0 && s->start == s->end;
}

void stream_poll(const Stream *s, struct pollfd p[static 2]) {
        bool full = s->start < s->end || s->sink_full;

        p[0] = (struct pollfd) { .fd = s->source >= 0 && !full ? s->source : -1, .events = POLLIN };
        /* Without POLLOUT poll() still tells when the reader of a pipe is gone: the program has closed its
         * standard input, or our caller does not listen any more. */
        p[1] = (struct pollfd) { .fd = s->sink >= 0 && (full || s->source >= 0) ? s->sink : -1,
                .events = full ? POLLOUT : 0 };
}

/* Nobody takes what we write: the writer is to learn that by the closing of its pipe, as it would without
 * us. */
static void sink_lost(Stream *s) {
        s->start = s->end = 0;
        s->sink_full = false;
        close_source(s);
        close_sink(s);
}

static void source_ended(Stream *s) {
        close_source(s);
        s->sink_full = false;
        if (s->input && s->hold_sink) {
                /* Within a line the first ^D only pushes the line out. */
                s->buffer[s->end++] = END_OF_INPUT;
                if (s->unfinished_line)
                        s->buffer[s->end++] = END_OF_INPUT;
        }
        if (s->start == s->end)
                close_sink(s);
}

/* Returns 1 after progress, 0 when there is nothing now. */
static int read_some(Stream *s) {
        ssize_t k = s->source_kind == FD_KIND_SOCKET ? recv(s->source, s->buffer, BUFFER_SIZE, MSG_DONTWAIT)
                                                     : read(s->source, s->buffer, BUFFER_SIZE);

        if (k < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        s->start = 0;
        s->end = 0;
        /* Errors of a source are its end: EIO of a terminal that hung up or of a pty whose last user is
         * gone, EISDIR, ECONNRESET. */
        if (k <= 0) {
                source_ended(s);
                return 1;
        }
        s->end = (size_t) k;
        s->unfinished_line = s->buffer[k - 1] != '\n';
        return 1;
}

static int write_some(Stream *s) {
        size_t n = s->end - s->start;
        ssize_t k;

        if (s->sink_kind == FD_KIND_SOCKET)
                k = send(s->sink, s->buffer + s->start, n, MSG_DONTWAIT | MSG_NOSIGNAL);
        else
                k = write(s->sink, s->buffer + s->start, s->sink_blocks ? MIN(n, (size_t) PIPE_BUF) : n);
        if (k < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (k < 0) {
                sink_lost(s);
                return 1;
        }
        s->start += (size_t) k;
        if (s->start == s->end && s->source < 0)
                close_sink(s);
        return 1;
}

/* Returns 1 when it was tried, 0 when the kernel cannot do it for these two. */
static int splice_some(Stream *s) {
        ssize_t k = splice(s->source, NULL, s->sink, NULL, SPLICE_SIZE, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);

        if (k > 0)
                return 1;
        if (k == 0) {
                source_ended(s);
                return 1;
        }
        switch (errno) {
        case EAGAIN:
                s->sink_full = true;
                return 1;
        case EINTR:
                return 1;
        case EINVAL:
                s->try_splice = false;
                return 0;
        case EPIPE:
                sink_lost(s);
                return 1;
        default:
                source_ended(s);
                return 1;
        }
}

int stream_step(Stream *s, const struct pollfd p[static 2]) {
        if (!s->buffer) {
                /* Two more for ^D. */
                s->buffer = malloc(BUFFER_SIZE + 2);
                if (!s->buffer)
                        return -ENOMEM;
        }
        /* POLLHUP: a socket whose peer is gone, a terminal that hung up, a pty without users. */
        if (s->sink >= 0 && p[1].fd >= 0 && (p[1].revents & (POLLERR | POLLHUP | POLLNVAL))) {
                sink_lost(s);
                return 0;
        }
        if (s->sink_full) {
                if (p[1].revents & POLLOUT)
                        s->sink_full = false;
                else
                        return 0;
        }
        if (s->start == s->end && s->source >= 0 && p[0].revents) {
                if (s->try_splice && splice_some(s) > 0)
                        return 0;
                (void) read_some(s);
                /* Most sinks have room: poll() is asked only when one has not. */
                if (s->start < s->end && s->sink >= 0 && !s->sink_blocks)
                        (void) write_some(s);
                return 0;
        }
        if (s->start < s->end && s->sink >= 0 && (p[1].revents & POLLOUT))
                (void) write_some(s);
        return 0;
}

int stream_drain(Stream *s) {
        if (s->input) {
                sink_lost(s);
                return 0;
        }
        if (!s->buffer) {
                s->buffer = malloc(BUFFER_SIZE + 2);
                if (!s->buffer)
                        return -ENOMEM;
        }
        if (s->start == s->end && s->source >= 0 && read_some(s) == 0) {
                /* Empty. Whoever may still hold the other end has outlived the exec. */
                close_source(s);
                close_sink(s);
        }
        return 0;
}
