/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A connection to another of our processes on the event loop: messages in, a bounded queue out, nothing
 * blocks. */

#include <systemd/sd-event.h>

#include "wire/transport.h"

typedef struct Link Link;

/* One message; descriptors that are wanted are taken with TAKE_FD(). A negative return closes the link, as
 * for a malformed message. The handler may free the link. */
typedef int (*LinkReceive)(Link *l, WireMessage *m, void *userdata);
/* The peer left (error 0), or the connection failed (-errno). Called once, never from link_free(). */
typedef void (*LinkClosed)(Link *l, int error, void *userdata);

/* fd is given, also on failure. */
int link_new(sd_event *event, int fd, const char *description, LinkReceive receive, LinkClosed closed,
                void *userdata, Link **ret);
Link *link_free(Link *l);
DEFINE_CLEANUP(Link, link_free)

/* Sends or queues; descriptors are borrowed. -ENOBUFS when the peer has not read for LINK_QUEUE_MAX
 * messages, -EPIPE on a closed link. */
#define LINK_QUEUE_MAX 1024u
int link_send(Link *l, uint32_t type, uint32_t tag, const WireWriter *body, const int *fds, size_t n_fds);

/* As wire_connect(), but never waits: -EAGAIN when the listener's queue is full. */
int link_connect(const char *path);
