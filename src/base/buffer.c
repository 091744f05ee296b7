/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "buffer.h"

#define FIRST_SIZE ((size_t) 512)

void buffer_done(Buffer *b) {
        free(b->data);
        *b = (Buffer) {};
}

void *buffer_reserve(Buffer *b, size_t n, size_t max) {
        void *p;

        if (b->error)
                return NULL;
        if (b->len > max || n > max - b->len) {
                b->error = -E2BIG;
                return NULL;
        }
        if (b->len + n > b->allocated) {
                size_t want = MAX(b->allocated * 2, MAX(b->len + n, FIRST_SIZE));

                p = realloc(b->data, want);
                if (!p) {
                        b->error = -ENOMEM;
                        return NULL;
                }
                b->data = p;
                b->allocated = want;
        }
        p = b->data + b->len;
        b->len += n;
        return p;
}

void buffer_append(Buffer *b, const void *data, size_t n, size_t max) {
        void *p = n > 0 ? buffer_reserve(b, n, max) : NULL;

        if (p)
                memcpy(p, data, n);
}
