/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One message over a unix SEQPACKET socket: a fixed header, a body, and file descriptors (SCM_RIGHTS). A body of
 * more than WIRE_INLINE_MAX bytes travels in a sealed memfd that is the last descriptor of the message. */

#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include "codec.h"

#define WIRE_MAGIC UINT32_C(0x3142434f) /* "OCB1" */
#define WIRE_INLINE_MAX ((size_t) 64 << 10)
#define WIRE_FDS_MAX 32u

typedef struct WireHeader {
        uint32_t magic;
        uint32_t type; /* WIRE_* of message.h */
        uint32_t tag;  /* chosen by the asker, repeated in the answer */
        uint32_t flags;
} WireHeader;

enum {
        WIRE_FLAG_MEMFD = 1u << 0, /* the body is in the last descriptor */
};

typedef struct WireMessage {
        uint32_t type, tag;
        uint8_t *body; /* owned, or NULL when len is 0 */
        size_t len;
        int fds[WIRE_FDS_MAX]; /* owned, O_CLOEXEC; TAKE_FD() what you keep */
        size_t n_fds;
} WireMessage;

void wire_message_done(WireMessage *m);
#define _cleanup_message_ _cleanup_(wire_message_done)

/* Sends; fds are borrowed. A body longer than WIRE_INLINE_MAX takes one of the WIRE_FDS_MAX descriptors.
 * Returns 0, or -errno (-EPIPE peer gone, -EAGAIN on a full non-blocking socket, -EMSGSIZE). Never raises SIGPIPE. */
int wire_send(int sock, uint32_t type, uint32_t tag, const WireWriter *body, const int *fds, size_t n_fds);

/* Receives one message. Returns 1, 0 at the end of the stream, -EAGAIN, -EBADMSG on a malformed one (everything
 * that came with it is closed; the connection should be closed too). *ret must be zeroed or done. */
int wire_recv(int sock, WireMessage *ret);

/* A connected, O_CLOEXEC, non-blocking SEQPACKET pair. */
int wire_pair(int ret[static 2]);
/* Connects to / listens on a socket in the file system; at most 107 bytes of path. fds are blocking / non-blocking. */
int wire_connect(const char *path);
/* Never waits for a listener that does not accept: -EAGAIN when its queue is full. The fd is non-blocking. */
int wire_connect_nonblock(const char *path);
int wire_listen(const char *path, mode_t mode);

/* The peer as the kernel recorded it at connect(). */
int wire_peer(int sock, struct ucred *ret);
