/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The bytes of the small D-Bus client: by hand after the specification, changed and cut, and addresses. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cli/dbus-mini.h"

static void test_golden(void **state) {
        /* By hand after the specification: a call without a body. */
        static const uint8_t expected[] = {
                'l',
                1,
                1,
                1,
                0,
                0,
                0,
                0,
                7,
                0,
                0,
                0,
                0x2d,
                0,
                0,
                0,
                1,
                1,
                'o',
                0,
                2,
                0,
                0,
                0,
                '/',
                'a',
                0,
                0,
                0,
                0,
                0,
                0,
                6,
                1,
                's',
                0,
                3,
                0,
                0,
                0,
                'b',
                '.',
                'c',
                0,
                0,
                0,
                0,
                0,
                3,
                1,
                's',
                0,
                4,
                0,
                0,
                0,
                'P',
                'i',
                'n',
                'g',
                0,
                0,
                0,
                0,
        };
        _cleanup_dbus_writer_ DbusWriter w = {};
        DbusMessage m;

        (void) state;
        dbus_call_encode(&w,
                        &(DbusCall) { .destination = "b.c",
                                        .path = "/a",
                                        .member = "Ping",
                                        .flags = DBUS_NO_REPLY_EXPECTED },
                        7);
        assert_int_equal(w.error, 0);
        assert_int_equal(w.len, sizeof(expected));
        assert_memory_equal(w.data, expected, sizeof(expected));
        assert_int_equal(dbus_message_length(w.data, w.len), sizeof(expected));
        assert_int_equal(dbus_message_decode(w.data, w.len, &m), 0);
        assert_int_equal(m.type, DBUS_METHOD_CALL);
        assert_int_equal(m.serial, 7);
        assert_string_equal(m.path, "/a");
        assert_string_equal(m.member, "Ping");
        assert_null(m.interface);
        assert_string_equal(m.signature, "");
        assert_int_equal(m.body_len, 0);
}

static void test_big_endian(void **state) {
        static const uint8_t reply[] = {
                'B',
                2,
                1,
                1,
                0,
                0,
                0,
                8,
                0,
                0,
                0,
                9,
                0,
                0,
                0,
                0x0f,
                5,
                1,
                'u',
                0,
                0,
                0,
                0,
                3,
                8,
                1,
                'g',
                0,
                1,
                's',
                0,
                0,
                0,
                0,
                0,
                2,
                'h',
                'i',
                0,
                0,
        };
        DbusMessage m;
        DbusReader r;

        (void) state;
        assert_int_equal(dbus_message_decode(reply, sizeof(reply) - 0, &m), 0);
        assert_int_equal(m.reply_serial, 3);
        assert_int_equal(m.serial, 9);
        r = DBUS_READER(&m);
        assert_string_equal(dbus_get_string(&r), "hi");
        assert_int_equal(r.error, 0);
}

/* Each truncation and each changed byte: an error or a message within its buffer, nothing else (run under
 * ASan). */
static void test_mutations(void **state) {
        _cleanup_dbus_writer_ DbusWriter body = {}, w = {};
        static const uint8_t values[] = { 0, 1, 2, 4, 8, 0x7f, 0x80, 0xff, 'B', 's', 'g' };
        size_t accepted = 0;

        (void) state;
        dbus_put_string(&body, "a text");
        dbus_put_u32(&body, 5);
        dbus_call_encode(&w,
                        &(DbusCall) { .destination = "b.c",
                                        .path = "/a",
                                        .interface = "i.j",
                                        .member = "Ping",
                                        .signature = "su",
                                        .body = &body,
                                        .n_fds = 1 },
                        7);
        for (size_t n = 0; n < w.len; n++) {
                uint8_t *copy = malloc(n + 1);
                DbusMessage m;

                memcpy(copy, w.data, n);
                assert_true(dbus_message_decode(copy, n, &m) < 0);
                free(copy);
        }
        for (size_t i = 0; i < w.len; i++)
                for (size_t v = 0; v < ELEMENTSOF(values); v++) {
                        uint8_t *copy = malloc(w.len);
                        DbusMessage m;

                        memcpy(copy, w.data, w.len);
                        copy[i] = values[v];
                        if (dbus_message_decode(copy, w.len, &m) >= 0) {
                                DbusReader r = DBUS_READER(&m);
                                const char *s = dbus_get_string(&r);

                                (void) dbus_get_u32(&r);
                                assert_in_range(m.body_len, 0, w.len);
                                if (s)
                                        assert_true((const uint8_t *) s >= copy &&
                                                        (const uint8_t *) s + strlen(s) < copy + w.len);
                                accepted++;
                        }
                        free(copy);
                }
        assert_true(accepted > 0);
}

/* Bytes in hex; spaces are for the reader. */
static size_t from_hex(const char *hex, uint8_t *ret, size_t size) {
        size_t n = 0;

        for (; *hex; hex++) {
                unsigned v;

                if (*hex == ' ')
                        continue;
                assert_true(n < size);
                assert_int_equal(sscanf(hex, "%2x", &v), 1);
                ret[n++] = (uint8_t) v;
                hex++;
        }
        return n;
}

/* Replies but for one thing. Columns: order, type, flags and version; length of the body; serial; length of the
 * fields; fields. */
static void test_malformed(void **state) {
        static const char good[] = "6c020001 00000000 01000000 08000000 0501750001000000";
        static const struct {
                const char *why, *bytes;
        } cases[] = {
                { "protocol version 2", "6c020002 00000000 01000000 08000000 0501750001000000" },
                { "byte order", "78020001 00000000 01000000 08000000 0501750001000000" },
                { "serial 0", "6c020001 00000000 00000000 08000000 0501750001000000" },
                { "reply to nothing", "6c020001 00000000 01000000 08000000 0501750000000000" },
                { "reply without a serial", "6c020001 00000000 01000000 00000000" },
                { "reply serial a string", "6c020001 00000000 01000000 09000000 0501730000000000 0000000000000000" },
                { "error without a name", "6c030001 00000000 01000000 08000000 0501750001000000" },
                { "field over the end", "6c020001 00000000 01000000 08000000 01016f0009000000" },
                { "container in a field", "6c020001 00000000 01000000 08000000 6302617900000000" },
                { "no end of a string", "6c030001 00000000 01000000 0a000000 0401730001000000 7879000000000000" },
                { "17 descriptors", "6c040001 00000000 01000000 08000000 0901750011000000" },
                { "type 0", "6c000001 00000000 01000000 00000000" },
                { "body longer than the message", "6c020001 01000000 01000000 08000000 0501750001000000" },
                { "more than the message", "6c020001 00000000 01000000 08000000 0501750001000000 00" },
        };
        uint8_t bytes[64];
        DbusMessage m;
        size_t n;

        (void) state;
        n = from_hex(good, bytes, sizeof(bytes));
        assert_int_equal(dbus_message_decode(bytes, n, &m), 0);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                n = from_hex(cases[i].bytes, bytes, sizeof(bytes));
                if (dbus_message_decode(bytes, n, &m) != -EBADMSG)
                        fail_msg("accepted: %s", cases[i].why);
        }
        n = from_hex("6c020001 ffffffff 01000000 ffffffff", bytes, sizeof(bytes));
        assert_int_equal(dbus_message_length(bytes, n), -EMSGSIZE);
        assert_int_equal(dbus_message_length(bytes, 15), 0);
}

static void test_writer_limits(void **state) {
        _cleanup_dbus_writer_ DbusWriter w = {};
        char *big = calloc(1, DBUS_MESSAGE_MAX + 2);

        (void) state;
        memset(big, 'x', DBUS_MESSAGE_MAX + 1);
        dbus_put_string(&w, big);
        assert_int_equal(w.error, -E2BIG);
        dbus_put_u32(&w, 1); /* sticky */
        assert_int_equal(w.error, -E2BIG);
        free(big);
}

static void test_addresses(void **state) {
        static const struct {
                const char *address;
                int result;
                const char *path;
                size_t len;
        } cases[] = {
                { "unix:path=/run/dbus/system_bus_socket", 1, "/run/dbus/system_bus_socket", 28 },
                { "unix:path=/a%20b,guid=1234", 1, "/a b", 5 },
                { "unix:guid=1234,path=/a", 1, "/a", 3 },
                { "unix:abstract=/tmp/x", 1, "\0/tmp/x", 7 },
                { ";;unix:path=/b", 1, "/b", 3 },
                { "unix:path=/%", -EINVAL, NULL, 0 },
                { "unix:path=/%4", -EINVAL, NULL, 0 },
                { "unix:path=/%zz", -EINVAL, NULL, 0 },
                { "unix:path=/a%00b", -EINVAL, NULL, 0 },
                { "unix:path=/%41", 1, "/A", 3 },
                { "unix:path=relative", -EINVAL, NULL, 0 },
                { "unix:path=", -EINVAL, NULL, 0 },
                { "unix:abstract=", -EINVAL, NULL, 0 },
                { "unix:tmpdir=/tmp", -EPROTONOSUPPORT, NULL, 0 },
                { "tcp:host=localhost,port=1", -EPROTONOSUPPORT, NULL, 0 },
                { "unixexec:path=/bin/sh", -EPROTONOSUPPORT, NULL, 0 },
                { "", 0, NULL, 0 },
        };
        char path[108], longest[200] = "unix:path=/";
        const char *p;
        size_t len;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                p = cases[i].address;
                if (dbus_address_next(&p, path, &len) != cases[i].result)
                        fail_msg("%s", cases[i].address);
                if (cases[i].result > 0) {
                        assert_int_equal(len, cases[i].len);
                        assert_memory_equal(path, cases[i].path, len);
                }
        }
        p = "unix:path=/a;tcp:host=x;unix:path=/b";
        assert_int_equal(dbus_address_next(&p, path, &len), 1);
        assert_int_equal(dbus_address_next(&p, path, &len), -EPROTONOSUPPORT);
        assert_int_equal(dbus_address_next(&p, path, &len), 1);
        assert_string_equal(path, "/b");
        assert_int_equal(dbus_address_next(&p, path, &len), 0);

        /* sun_path has room for 107 characters and a NUL. */
        memset(longest + 11, 'x', 106);
        p = longest;
        assert_int_equal(dbus_address_next(&p, path, &len), 1);
        assert_int_equal(len, 108);
        longest[117] = 'x';
        p = longest;
        assert_int_equal(dbus_address_next(&p, path, &len), -EINVAL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_golden),
                cmocka_unit_test(test_big_endian),
                cmocka_unit_test(test_mutations),
                cmocka_unit_test(test_malformed),
                cmocka_unit_test(test_writer_limits),
                cmocka_unit_test(test_addresses),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
