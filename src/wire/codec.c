/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The codec beneath every message and state record. Readers trust nothing: each length is compared with what is
 * left before it is used. */

#include "codec.h"

#include <endian.h>

void wire_writer_done(WireWriter *w) {
        buffer_done(w);
}

static void put(WireWriter *w, const void *data, size_t n) {
        buffer_append(w, data, n, WIRE_BODY_MAX);
}

void wire_put_u32(WireWriter *w, uint32_t v) {
        v = htole32(v);
        put(w, &v, sizeof(v));
}

void wire_put_u64(WireWriter *w, uint64_t v) {
        v = htole64(v);
        put(w, &v, sizeof(v));
}

void wire_put_bytes(WireWriter *w, const void *data, size_t n) {
        if (n > WIRE_BODY_MAX) {
                w->error = w->error ? w->error : -E2BIG;
                return;
        }
        wire_put_u32(w, (uint32_t) n);
        put(w, data, n);
}

void wire_put_string(WireWriter *w, const char *s) {
        wire_put_bytes(w, s, s ? strlen(s) : 0);
}

void wire_put_buf(WireWriter *w, const char *buf, size_t size) {
        wire_put_bytes(w, buf, strnlen(buf, size));
}

void wire_put_strv(WireWriter *w, char *const *strv, size_t n) {
        wire_put_u32(w, (uint32_t) n);
        for (size_t i = 0; i < n; i++)
                wire_put_string(w, strv[i]);
}

static const void *take(WireReader *r, size_t n) {
        const void *p;

        if (r->error)
                return NULL;
        if (n > r->len - r->pos) {
                r->error = -EBADMSG;
                return NULL;
        }
        p = r->data + r->pos;
        r->pos += n;
        return p;
}

uint32_t wire_get_u32(WireReader *r) {
        const void *p = take(r, sizeof(uint32_t));
        uint32_t v = 0;

        if (p)
                memcpy(&v, p, sizeof(v));
        return le32toh(v);
}

uint64_t wire_get_u64(WireReader *r) {
        const void *p = take(r, sizeof(uint64_t));
        uint64_t v = 0;

        if (p)
                memcpy(&v, p, sizeof(v));
        return le64toh(v);
}

const void *wire_get_bytes(WireReader *r, size_t max, size_t *ret_len) {
        uint32_t n = wire_get_u32(r);
        const void *p;

        *ret_len = 0;
        if (!r->error && n > max)
                r->error = -E2BIG;
        p = take(r, n);
        if (p)
                *ret_len = n;
        return p;
}

char *wire_get_string(WireReader *r, size_t max) {
        size_t n;
        const void *p = wire_get_bytes(r, max, &n);
        char *s;

        if (!p)
                return NULL;
        if (memchr(p, 0, n)) {
                r->error = -EBADMSG;
                return NULL;
        }
        s = malloc(n + 1);
        if (!s) {
                r->error = -ENOMEM;
                return NULL;
        }
        memcpy(s, p, n);
        s[n] = 0;
        return s;
}

void wire_get_string_buf(WireReader *r, char *buf, size_t size) {
        size_t n;
        const void *p = wire_get_bytes(r, size - 1, &n);

        buf[0] = 0;
        if (!p)
                return;
        if (memchr(p, 0, n)) {
                r->error = -EBADMSG;
                return;
        }
        memcpy(buf, p, n);
        buf[n] = 0;
}

size_t wire_get_count(WireReader *r, size_t max, size_t min_each) {
        uint32_t n = wire_get_u32(r);

        if (r->error)
                return 0;
        if (n > max) {
                r->error = -E2BIG;
                return 0;
        }
        if (min_each > 0 && n > (r->len - r->pos) / min_each) {
                r->error = -EBADMSG;
                return 0;
        }
        return n;
}

char **wire_get_strv(WireReader *r, size_t max_n, size_t max_each, size_t *ret_n) {
        size_t n, total = 0;
        WireReader ahead;
        char **v, *w;

        *ret_n = 0;
        n = wire_get_count(r, max_n, sizeof(uint32_t));
        if (r->error)
                return NULL;

        /* First pass: check and measure. Second pass: copy into one block. */
        ahead = *r;
        for (size_t i = 0; i < n; i++) {
                size_t k;
                const void *p = wire_get_bytes(&ahead, max_each, &k);

                if (!p || memchr(p, 0, k)) {
                        r->error = ahead.error ? ahead.error : -EBADMSG;
                        return NULL;
                }
                total += k + 1;
        }
        v = malloc((n + 1) * sizeof(char *) + total);
        if (!v) {
                r->error = -ENOMEM;
                return NULL;
        }
        w = (char *) (v + n + 1);
        for (size_t i = 0; i < n; i++) {
                size_t k;
                const void *p = wire_get_bytes(r, max_each, &k);

                v[i] = w;
                memcpy(w, p, k);
                w[k] = 0;
                w += k + 1;
        }
        v[n] = NULL;
        *ret_n = n;
        return v;
}

int wire_reader_finish(WireReader *r) {
        if (!r->error && r->pos != r->len)
                r->error = -EBADMSG;
        return r->error;
}

void wire_get_id(WireReader *r, char ret[static SESSION_ID_MAX + 1]) {
        wire_get_string_buf(r, ret, SESSION_ID_MAX + 1);
        wire_malformed_unless(r, session_id_valid(ret));
}

void wire_malformed_unless(WireReader *r, bool ok) {
        if (!ok && !r->error)
                r->error = -EBADMSG;
}

const char *wire_error_why(int error) {
        if (error == -ENOMEM)
                return "out of memory";
        return error == -E2BIG ? "the message is over a limit" : "the message is malformed";
}

int wire_refuse(const char **ret_why, const char *why, int error) {
        if (ret_why)
                *ret_why = why;
        return error;
}
