/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Bytes that grow at the end up to a limit. Errors are sticky, so that a writer of many things checks once. */

#include <stddef.h>
#include <stdint.h>

#include "macro.h"

typedef struct Buffer {
        uint8_t *data; /* malloc()ed, owned */
        size_t len, allocated;
        int error; /* 0 or -errno, sticky: -E2BIG over a limit, -ENOMEM */
} Buffer;

void buffer_done(Buffer *b);
#define _cleanup_buffer_ _cleanup_(buffer_done)

/* Room for n more bytes behind the others, which counts as written; max is of the whole. NULL with the error set. */
void *buffer_reserve(Buffer *b, size_t n, size_t max);
void buffer_append(Buffer *b, const void *data, size_t n, size_t max);
