/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The D-Bus wire format (little-endian), as far as the static ocsbctl needs it: method calls out, replies,
 * errors and signals in. Pure: no I/O. Loading libsystemd costs a short-lived process 0.7 ms; this is what
 * it is for. */

#include <stdint.h>
#include <sys/types.h>

#include "base/buffer.h"

#define DBUS_MESSAGE_MAX ((size_t) 1 << 20) /* ours: no message of this program comes near */
#define DBUS_FDS_MAX 16u                    /* dbus-daemon's limit per message */

typedef Buffer DbusWriter; /* of at most DBUS_MESSAGE_MAX bytes */

void dbus_writer_done(DbusWriter *w);
#define _cleanup_dbus_writer_ _cleanup_(dbus_writer_done)

void dbus_put_byte(DbusWriter *w, uint8_t v);
void dbus_put_u32(DbusWriter *w, uint32_t v);          /* u, h, b, and the length of an array */
void dbus_put_u64(DbusWriter *w, uint64_t v);          /* t */
void dbus_put_string(DbusWriter *w, const char *s);    /* s, o */
void dbus_put_signature(DbusWriter *w, const char *s); /* g */
void dbus_put_byte_string(DbusWriter *w, const void *data, size_t n); /* ay */
/* Padding before a value of that alignment: 8 for structs, dict entries and 64-bit numbers. */
void dbus_align(DbusWriter *w, size_t alignment);

typedef struct DbusArray {
        size_t length_at, start;
} DbusArray;
/* An array of elements with that alignment; its length is filled in by the end. */
DbusArray dbus_array_begin(DbusWriter *w, size_t alignment);
void dbus_array_end(DbusWriter *w, DbusArray a);

typedef enum DbusType {
        DBUS_METHOD_CALL = 1,
        DBUS_METHOD_RETURN,
        DBUS_ERROR,
        DBUS_SIGNAL,
} DbusType;

enum {
        DBUS_NO_REPLY_EXPECTED = 1 << 0,
        DBUS_ALLOW_INTERACTIVE_AUTHORIZATION = 1 << 2,
};

typedef struct DbusCall {
        const char *destination, *path, *interface, *member;
        const char *signature; /* of body; NULL when there is none */
        const DbusWriter *body;
        uint8_t flags;
        const int *fds; /* borrowed */
        size_t n_fds;
} DbusCall;

/* The whole message, header and body, appended to an empty writer. */
void dbus_call_encode(DbusWriter *w, const DbusCall *call, uint32_t serial);

/* A message received, decoded in place: strings point into the buffer, which must outlive it. */
typedef struct DbusMessage {
        DbusType type;
        uint32_t serial, reply_serial, n_fds;
        const char *path, *interface, *member, *error_name, *sender,
                        *signature; /* NULL when absent; signature: "" */
        const uint8_t *body;
        size_t body_len;
        bool swap; /* big-endian sender */
} DbusMessage;

/* Length of the message that starts at data, of which n bytes are there: 0 while fewer than the 16 fixed
 * bytes are, -EBADMSG, or -EMSGSIZE over DBUS_MESSAGE_MAX. */
ssize_t dbus_message_length(const uint8_t *data, size_t n);
/* Decodes exactly one message of n bytes. 0 or -EBADMSG. */
int dbus_message_decode(const uint8_t *data, size_t n, DbusMessage *ret);

/* Reading a body; sticky errors, after which 0 and NULL are returned. */
typedef struct DbusReader {
        const uint8_t *data;
        size_t len, pos;
        bool swap;
        int error;
} DbusReader;
#define DBUS_READER(m) ((DbusReader) { .data = (m)->body, .len = (m)->body_len, .swap = (m)->swap })

uint32_t dbus_get_u32(DbusReader *r);       /* u, h, b */
const char *dbus_get_string(DbusReader *r); /* s, o; UTF-8 is not checked: escape before showing */
