/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Bounds-checked encoding and decoding of message bodies: little-endian u32 and u64, byte strings with a u32
 * length, lists with a u32 count. Pure: no I/O. Errors are sticky, so that a caller checks once at the end. */

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/text.h"

/* A body of more than WIRE_INLINE_MAX bytes travels in a sealed memfd (transport.h). */
#define WIRE_BODY_MAX ((size_t) 2 << 20)

typedef Buffer WireWriter; /* of at most WIRE_BODY_MAX bytes */

void wire_writer_done(WireWriter *w);
#define _cleanup_writer_ _cleanup_(wire_writer_done)

void wire_put_u32(WireWriter *w, uint32_t v);
void wire_put_u64(WireWriter *w, uint64_t v);
void wire_put_bytes(WireWriter *w, const void *data, size_t n);
/* A string without its NUL; NULL is written as the empty string. */
void wire_put_string(WireWriter *w, const char *s);
/* A fixed buffer of that size, which its owner may have filled without a NUL, as a string. */
void wire_put_buf(WireWriter *w, const char *buf, size_t size);
/* A list of n strings. */
void wire_put_strv(WireWriter *w, char *const *strv, size_t n);

typedef struct WireReader {
        const uint8_t *data; /* borrowed */
        size_t len, pos;
        int error; /* 0 or -errno (-EBADMSG truncated or malformed, -E2BIG over a limit), sticky */
} WireReader;

#define WIRE_READER(d, n) ((WireReader) { .data = (d), .len = (n) })

/* After an error these return 0, NULL or an empty list, never garbage. */
uint32_t wire_get_u32(WireReader *r);
uint64_t wire_get_u64(WireReader *r);
/* Borrowed pointer into the message. */
const void *wire_get_bytes(WireReader *r, size_t max, size_t *ret_len);
/* A malloc()ed NUL-terminated copy; a NUL inside is -EBADMSG. max counts bytes without the NUL. */
char *wire_get_string(WireReader *r, size_t max);
/* Copies into buf[size] including a NUL; longer or with a NUL inside: error and an empty string. */
void wire_get_string_buf(WireReader *r, char *buf, size_t size);
/* A NULL-terminated array and its strings in one allocation (free() once); at most max_n strings of max_each
 * bytes. NULL with the error set on failure. */
char **wire_get_strv(WireReader *r, size_t max_n, size_t max_each, size_t *ret_n);
/* A list's count, refused when over max or when fewer than min_each bytes per element are left. */
size_t wire_get_count(WireReader *r, size_t max, size_t min_each);

/* A session's id; another text is malformed. */
void wire_get_id(WireReader *r, char ret[static SESSION_ID_MAX + 1]);
/* For what a decoder checks beyond the encoding: sets -EBADMSG when it is not ok. */
void wire_malformed_unless(WireReader *r, bool ok);

/* 0 when everything was read without error and nothing is left over, else -errno. */
int wire_reader_finish(WireReader *r);

/* Static text for a reader's error. */
const char *wire_error_why(int error);
/* Returns error, and sets *ret_why when that is wanted. */
int wire_refuse(const char **ret_why, const char *why, int error);
