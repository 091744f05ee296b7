/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A connection to the system bus: authentication, one method call at a time, descriptors both ways. */

#include "dbus-marshal.h"

typedef struct DbusClient {
        int fd;
        uint32_t serial;
        uint32_t hello; /* serial of Hello, until it is answered */
        uint8_t *in;    /* received and not yet consumed */
        size_t in_len, in_allocated;
        int fds[DBUS_FDS_MAX];
        size_t n_fds;
} DbusClient;
#define DBUS_CLIENT_NONE ((DbusClient) { .fd = -EBADF })

void dbus_client_done(DbusClient *c);
#define _cleanup_dbus_client_ _cleanup_(dbus_client_done)

/* The next address of a list such as $DBUS_SYSTEM_BUS_ADDRESS ("unix:path=/x;unix:abstract=y"): *p is moved
 * behind it, ret gets sun_path as connect() wants it and its length. 1, 0 at the end, -EINVAL malformed,
 * -EPROTONOSUPPORT for a transport that this client does not speak. */
int dbus_address_next(const char **p, char ret[static 108], size_t *ret_len);

/* Connects and authenticates; address NULL is $DBUS_SYSTEM_BUS_ADDRESS, else the default. Hello is on its
 * way when it returns. -EACCES when the bus refuses us, -ETIMEDOUT when it does not speak within 10 s. */
int dbus_client_connect(const char *address, DbusClient *ret);

typedef struct DbusReply {
        uint8_t *buffer; /* owned; message points into it */
        DbusMessage message;
        int fds[DBUS_FDS_MAX]; /* owned */
        size_t n_fds;
} DbusReply;
void dbus_reply_done(DbusReply *r);
#define _cleanup_dbus_reply_ _cleanup_(dbus_reply_done)

/* Calls and waits for the answer without a limit (polkit may be asking somebody). Returns 0 with the answer,
 * 1 with an error message in *ret, or -errno when the connection failed. */
int dbus_client_call(DbusClient *c, const DbusCall *call, DbusReply *ret);
/* Sends a call that wants no answer. */
int dbus_client_send(DbusClient *c, const DbusCall *call);
