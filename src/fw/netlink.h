/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Netlink messages in batches: the kernel works through all of them within one send, so that the answers are there when it
 * returns. */

#include <linux/netlink.h>
#include <stdint.h>

#include "base/macro.h"

#define NL_MESSAGE_MAX 16384u

typedef struct NlBatch {
        uint8_t *data;
        size_t len, allocated;
        uint32_t seq; /* of the last message */
        int error;    /* sticky */
} NlBatch;

void nl_batch_done(NlBatch *b);
#define _cleanup_batch_ _cleanup_(nl_batch_done)

/* Room for a message of NL_MESSAGE_MAX bytes, zeroed at the front; never NULL (out of memory is remembered). */
void *nl_batch_next(NlBatch *b);
/* The message there is complete: its nlmsg_len counts. */
void nl_batch_push(NlBatch *b);
/* A message with header and a struct behind it, of flags NLM_F_REQUEST | flags. */
struct nlmsghdr *nl_batch_put(NlBatch *b, uint16_t type, uint16_t flags, size_t body_size, void **ret_body);

/* Asks for one answer to all that was put: an answer each would not fit into the socket's buffer. */
void nl_batch_put_ack(NlBatch *b);

/* An O_CLOEXEC socket of ours that is bound. groups: as in sockaddr_nl. */
int nl_open(int protocol, uint32_t groups);
int nl_join(int fd, unsigned group);
/* True for a netlink socket of that protocol: what comes in a message is looked at before it is used. */
bool nl_is(int fd, int protocol);
uint32_t nl_port(int fd);

/* Sends all and reads the answers; the first error is the result. ret_seq: of the message that it is about. The last
 * message must ask for an answer (NLM_F_ACK). */
int nl_batch_run(int fd, NlBatch *b, uint32_t *ret_seq);

typedef int (*NlHandler)(const struct nlmsghdr *m, void *userdata);
/* Sends the one message in b and hands each answer to handler until the dump's end, or until the one answer to a request
 * without NLM_F_DUMP. -EINTR: it changed meanwhile, ask again. */
int nl_query(int fd, NlBatch *b, NlHandler handler, void *userdata);

/* What is waiting on a socket of a multicast group. -ENOBUFS when something was lost; all the rest was read. */
int nl_drain(int fd, NlHandler handler, void *userdata);
