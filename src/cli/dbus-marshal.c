/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* D-Bus marshalling after the specification's "Type system" and "Message protocol". What comes in is
 * compared with what is left before every step; the peer is the bus daemon, but any program may have written
 * the body. */

#include "dbus-marshal.h"

#include <endian.h>

enum {
        FIELD_PATH = 1,
        FIELD_INTERFACE,
        FIELD_MEMBER,
        FIELD_ERROR_NAME,
        FIELD_REPLY_SERIAL,
        FIELD_DESTINATION,
        FIELD_SENDER,
        FIELD_SIGNATURE,
        FIELD_UNIX_FDS,
};

#define FIXED_HEADER 12u /* before the array of fields, whose length makes it 16 */

void dbus_writer_done(DbusWriter *w) {
        buffer_done(w);
}

static void put_raw(DbusWriter *w, const void *data, size_t n) {
        buffer_append(w, data, n, DBUS_MESSAGE_MAX);
}

void dbus_align(DbusWriter *w, size_t alignment) {
        static const uint8_t zero[8];

        put_raw(w, zero, -w->len & (alignment - 1));
}

void dbus_put_byte(DbusWriter *w, uint8_t v) {
        put_raw(w, &v, 1);
}

void dbus_put_u32(DbusWriter *w, uint32_t v) {
        dbus_align(w, 4);
        v = htole32(v);
        put_raw(w, &v, sizeof(v));
}

void dbus_put_u64(DbusWriter *w, uint64_t v) {
        dbus_align(w, 8);
        v = htole64(v);
        put_raw(w, &v, sizeof(v));
}

void dbus_put_string(DbusWriter *w, const char *s) {
        size_t n = strlen(s);

        if (n > DBUS_MESSAGE_MAX) {
                w->error = w->error ? w->error : -E2BIG;
                return;
        }
        dbus_put_u32(w, (uint32_t) n);
        put_raw(w, s, n + 1);
}

void dbus_put_signature(DbusWriter *w, const char *s) {
        size_t n = strlen(s);

        assert(n <= 255);
        dbus_put_byte(w, (uint8_t) n);
        put_raw(w, s, n + 1);
}

void dbus_put_byte_string(DbusWriter *w, const void *data, size_t n) {
        if (n > DBUS_MESSAGE_MAX) {
                w->error = w->error ? w->error : -E2BIG;
                return;
        }
        dbus_put_u32(w, (uint32_t) n);
        put_raw(w, data, n);
}

DbusArray dbus_array_begin(DbusWriter *w, size_t alignment) {
        DbusArray a;

        dbus_put_u32(w, 0);
        a.length_at = w->len - sizeof(uint32_t);
        /* The padding before the first element is there even when there is none, and does not count. */
        dbus_align(w, alignment);
        a.start = w->len;
        return a;
}

void dbus_array_end(DbusWriter *w, DbusArray a) {
        uint32_t n = htole32((uint32_t) (w->len - a.start));

        if (!w->error)
                memcpy(w->data + a.length_at, &n, sizeof(n));
}

static void put_field(DbusWriter *w, uint8_t code, const char *signature, const char *value) {
        if (!value)
                return;
        dbus_align(w, 8);
        dbus_put_byte(w, code);
        dbus_put_signature(w, signature);
        if (*signature == 'g')
                dbus_put_signature(w, value);
        else
                dbus_put_string(w, value);
}

void dbus_call_encode(DbusWriter *w, const DbusCall *call, uint32_t serial) {
        const uint8_t start[4] = { 'l', DBUS_METHOD_CALL, call->flags, 1 };
        DbusArray fields;

        assert(w->len == 0);
        put_raw(w, start, sizeof(start));
        dbus_put_u32(w, call->body ? (uint32_t) call->body->len : 0);
        dbus_put_u32(w, serial);
        fields = dbus_array_begin(w, 8);
        put_field(w, FIELD_PATH, "o", call->path);
        put_field(w, FIELD_DESTINATION, "s", call->destination);
        put_field(w, FIELD_INTERFACE, "s", call->interface);
        put_field(w, FIELD_MEMBER, "s", call->member);
        put_field(w, FIELD_SIGNATURE, "g", call->signature);
        if (call->n_fds > 0) {
                dbus_align(w, 8);
                dbus_put_byte(w, FIELD_UNIX_FDS);
                dbus_put_signature(w, "u");
                dbus_put_u32(w, (uint32_t) call->n_fds);
        }
        dbus_array_end(w, fields);
        dbus_align(w, 8);
        if (call->body) {
                if (call->body->error)
                        w->error = call->body->error;
                put_raw(w, call->body->data, call->body->len);
        }
}

static const uint8_t *take(DbusReader *r, size_t n) {
        const uint8_t *p;

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

static void skip_to(DbusReader *r, size_t alignment) {
        (void) take(r, -r->pos & (alignment - 1));
}

static uint8_t get_byte(DbusReader *r) {
        const uint8_t *p = take(r, 1);

        return p ? *p : 0;
}

uint32_t dbus_get_u32(DbusReader *r) {
        const uint8_t *p;
        uint32_t v = 0;

        skip_to(r, 4);
        p = take(r, sizeof(v));
        if (p)
                memcpy(&v, p, sizeof(v));
        return r->swap ? be32toh(v) : le32toh(v);
}

/* n bytes, a NUL behind them and none within. */
static const char *get_text(DbusReader *r, size_t n) {
        const uint8_t *p = n < SIZE_MAX ? take(r, n + 1) : NULL;

        if (!p)
                return NULL;
        if (p[n] != 0 || memchr(p, 0, n)) {
                r->error = -EBADMSG;
                return NULL;
        }
        return (const char *) p;
}

const char *dbus_get_string(DbusReader *r) {
        uint32_t n = dbus_get_u32(r);

        return r->error ? NULL : get_text(r, n);
}

static const char *get_signature(DbusReader *r) {
        uint8_t n = get_byte(r);

        return r->error ? NULL : get_text(r, n);
}

ssize_t dbus_message_length(const uint8_t *data, size_t n) {
        DbusReader r = { .data = data, .len = n, .pos = 4 };
        uint64_t body, fields, total;

        if (n < FIXED_HEADER + 4)
                return 0;
        if ((data[0] != 'l' && data[0] != 'B') || data[3] != 1)
                return -EBADMSG;
        r.swap = data[0] == 'B';
        body = dbus_get_u32(&r);
        (void) dbus_get_u32(&r); /* serial */
        fields = dbus_get_u32(&r);
        total = FIXED_HEADER + 4 + ((fields + 7) & ~UINT64_C(7)) + body;
        return total > DBUS_MESSAGE_MAX ? -EMSGSIZE : (ssize_t) total;
}

/* The value of one header field. Fields that we do not know must be ignored; of their types only the basic
 * ones can be stepped over here, others are refused (the bus daemons strip unknown fields). */
static void decode_field(DbusReader *r, DbusMessage *m) {
        const char *signature, *text = NULL;
        uint32_t number = 0;
        uint8_t code;

        skip_to(r, 8);
        code = get_byte(r);
        signature = get_signature(r);
        if (!signature)
                return;
        if (streq(signature, "s") || streq(signature, "o"))
                text = dbus_get_string(r);
        else if (streq(signature, "g"))
                text = get_signature(r);
        else if (streq(signature, "u") || streq(signature, "i") || streq(signature, "b") ||
                        streq(signature, "h"))
                number = dbus_get_u32(r);
        else if (streq(signature, "y"))
                (void) get_byte(r);
        else if (streq(signature, "n") || streq(signature, "q")) {
                skip_to(r, 2);
                (void) take(r, 2);
        } else if (streq(signature, "t") || streq(signature, "x") || streq(signature, "d")) {
                skip_to(r, 8);
                (void) take(r, 8);
        } else
                r->error = -EBADMSG;
        if (r->error)
                return;

        switch (code) {
        case FIELD_PATH:
        case FIELD_INTERFACE:
        case FIELD_MEMBER:
        case FIELD_ERROR_NAME:
        case FIELD_SENDER:
        case FIELD_SIGNATURE:
                if (!text || (code == FIELD_SIGNATURE) != (*signature == 'g')) {
                        r->error = -EBADMSG;
                        return;
                }
                *(code == FIELD_PATH              ? &m->path
                                : code == FIELD_INTERFACE ? &m->interface
                                : code == FIELD_MEMBER    ? &m->member
                                : code == FIELD_ERROR_NAME ? &m->error_name
                                : code == FIELD_SENDER    ? &m->sender
                                                          : &m->signature) = text;
                break;
        case FIELD_REPLY_SERIAL:
        case FIELD_UNIX_FDS:
                if (*signature != 'u') {
                        r->error = -EBADMSG;
                        return;
                }
                *(code == FIELD_REPLY_SERIAL ? &m->reply_serial : &m->n_fds) = number;
                break;
        default:
                break;
        }
}

int dbus_message_decode(const uint8_t *data, size_t n, DbusMessage *ret) {
        DbusMessage m = { .signature = "" };
        DbusReader r = { .data = data, .len = n, .pos = 4 };
        size_t end;

        if (dbus_message_length(data, n) != (ssize_t) n || n < FIXED_HEADER + 4)
                return -EBADMSG;
        m.swap = r.swap = data[0] == 'B';
        m.type = data[1];
        m.body_len = dbus_get_u32(&r);
        m.serial = dbus_get_u32(&r);
        end = dbus_get_u32(&r) + r.pos;
        /* The total was checked above, so the fields lie within; they may not reach into the body. */
        r.len = end;
        while (r.error == 0 && r.pos < end)
                decode_field(&r, &m);
        if (r.error || m.serial == 0 || m.type < DBUS_METHOD_CALL || m.type > DBUS_SIGNAL ||
                        m.n_fds > DBUS_FDS_MAX)
                return -EBADMSG;
        if ((m.type == DBUS_METHOD_RETURN || m.type == DBUS_ERROR) && m.reply_serial == 0)
                return -EBADMSG;
        if (m.type == DBUS_ERROR && !m.error_name)
                return -EBADMSG;
        m.body = data + (n - m.body_len);
        *ret = m;
        return 0;
}
