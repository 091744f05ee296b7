/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One direction of relayed standard input or output: bytes from a source to a sink, never blocking in
 * either, with the end and the death of one passed on to the other. */

#include <poll.h>
#include <stdint.h>

#include "base/fd.h"

typedef struct Stream {
        int source, sink; /* -EBADF when at its end */
        bool own_source, own_sink;
        FdKind source_kind, sink_kind;
        bool input;       /* towards the program */
        bool sink_blocks; /* somebody else's open file: written in portions for which poll() saw room */
        bool hold_sink;   /* the sink's end is not ours to make: at the end of input a terminal gets ^D */
        bool try_splice;  /* socket to pipe without a copy, until the kernel declines */
        bool sink_full;   /* spliced until the pipe was full */
        bool unfinished_line; /* what was written last was not a line's end */
        uint8_t *buffer;
        size_t start, end;
} Stream;
#define STREAM_NONE ((Stream) { .source = -EBADF, .sink = -EBADF })

void stream_done(Stream *s);

/* Nothing is left to do. */
bool stream_finished(const Stream *s);
/* Fills p[0] (source) and p[1] (sink) with what it waits for; fd -1 when it waits for nothing there. */
void stream_poll(const Stream *s, struct pollfd p[static 2]);
/* Moves what can be moved. 0, or -ENOMEM. */
int stream_step(Stream *s, const struct pollfd p[static 2]);
/* The program has ended: an input is over, an output takes what is still in the pipe and no more. */
int stream_drain(Stream *s);
