/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "unit.h"

#include "wire/codec.h"

static void numbers_are_little_endian(void **state) {
        static const uint8_t expected[] = { 4, 3, 2, 1, 8, 7, 6, 5, 4, 3, 2, 1 };
        _cleanup_writer_ WireWriter w = {};
        WireReader r;

        (void) state;
        wire_put_u32(&w, 0x01020304);
        wire_put_u64(&w, UINT64_C(0x0102030405060708));
        assert_int_equal(w.error, 0);
        assert_int_equal(w.len, sizeof(expected));
        assert_memory_equal(w.data, expected, sizeof(expected));
        r = WIRE_READER(w.data, w.len);
        assert_int_equal(wire_get_u32(&r), 0x01020304);
        assert_true(wire_get_u64(&r) == UINT64_C(0x0102030405060708));
        assert_int_equal(wire_reader_finish(&r), 0);
}

static void strings_survive_a_round_trip(void **state) {
        char *list[] = { (char *) "a", (char *) "", (char *) "\xff\x01" };
        _cleanup_writer_ WireWriter w = {};
        _cleanup_free_ char *s = NULL, *empty = NULL;
        _cleanup_free_ char **v = NULL;
        char buf[6];
        size_t n;
        WireReader r;

        (void) state;
        wire_put_string(&w, "hello");
        wire_put_string(&w, NULL);
        wire_put_string(&w, "hello");
        wire_put_strv(&w, list, 3);
        r = WIRE_READER(w.data, w.len);
        assert_non_null(s = wire_get_string(&r, 5));
        assert_string_equal(s, "hello");
        assert_non_null(empty = wire_get_string(&r, 5));
        assert_string_equal(empty, "");
        wire_get_string_buf(&r, buf, sizeof(buf));
        assert_string_equal(buf, "hello");
        assert_non_null(v = wire_get_strv(&r, 3, 2, &n));
        assert_int_equal(n, 3);
        assert_string_equal(v[0], "a");
        assert_string_equal(v[1], "");
        assert_string_equal(v[2], "\xff\x01");
        assert_null(v[3]);
        assert_int_equal(wire_reader_finish(&r), 0);
}

static void an_empty_list_is_not_an_error(void **state) {
        _cleanup_writer_ WireWriter w = {};
        _cleanup_free_ char **v = NULL;
        size_t n = 1;
        WireReader r;

        (void) state;
        wire_put_strv(&w, NULL, 0);
        r = WIRE_READER(w.data, w.len);
        assert_non_null(v = wire_get_strv(&r, 3, 2, &n));
        assert_int_equal(n, 0);
        assert_null(v[0]);
        assert_int_equal(wire_reader_finish(&r), 0);
}

static void reading_nothing_from_null_is_an_error(void **state) {
        WireReader r = WIRE_READER(NULL, 0);
        size_t n = 1;

        (void) state;
        assert_null(wire_get_bytes(&r, 10, &n));
        assert_int_equal(n, 0);
        assert_int_equal(wire_reader_finish(&r), -EBADMSG);
        r = WIRE_READER(NULL, 0);
        assert_int_equal(wire_reader_finish(&r), 0);
}

static void every_truncation_is_refused(void **state) {
        char *list[] = { (char *) "one", (char *) "two" };
        _cleanup_writer_ WireWriter w = {};

        (void) state;
        wire_put_u32(&w, 1);
        wire_put_u64(&w, 2);
        wire_put_string(&w, "three");
        wire_put_strv(&w, list, 2);
        for (size_t len = 0; len < w.len; len++) {
                _cleanup_free_ uint8_t *exact = malloc(len + 1); /* a heap block, for ASan to see one byte too far */
                _cleanup_free_ char *s = NULL;
                _cleanup_free_ char **v = NULL;
                size_t n = 0;
                WireReader r;

                memcpy(exact, w.data, len);
                r = WIRE_READER(exact, len);
                (void) wire_get_u32(&r);
                (void) wire_get_u64(&r);
                s = wire_get_string(&r, 100);
                v = wire_get_strv(&r, 10, 10, &n);
                assert_null(v);
                assert_int_equal(n, 0);
                assert_int_equal(wire_reader_finish(&r), -EBADMSG);
        }
}

static void left_over_bytes_are_refused(void **state) {
        WireReader r = WIRE_READER((const uint8_t *) "\1\0\0\0x", 5);

        (void) state;
        assert_int_equal(wire_get_u32(&r), 1);
        assert_int_equal(wire_reader_finish(&r), -EBADMSG);
}

static void errors_are_sticky_and_values_zero_after_them(void **state) {
        WireReader r = WIRE_READER((const uint8_t *) "\xff\xff\xff\xff\1\1\1\1\1\1\1\1\1\1\1\1", 16);
        char buf[4] = "abc";
        size_t n = 9;

        (void) state;
        assert_null(wire_get_string(&r, 10));
        assert_int_equal(r.error, -E2BIG);
        assert_int_equal(wire_get_u32(&r), 0);
        assert_true(wire_get_u64(&r) == 0);
        assert_null(wire_get_bytes(&r, 10, &n));
        assert_int_equal(n, 0);
        wire_get_string_buf(&r, buf, sizeof(buf));
        assert_string_equal(buf, "");
        assert_null(wire_get_strv(&r, 1, 1, &n));
        assert_int_equal(wire_get_count(&r, 1, 1), 0);
        assert_int_equal(wire_reader_finish(&r), -E2BIG);
}

static void strings_over_their_limit_are_refused(void **state) {
        const uint8_t *data = (const uint8_t *) "\5\0\0\0hello";
        WireReader r = WIRE_READER(data, 9);
        char buf[5];

        (void) state;
        assert_null(wire_get_string(&r, 4));
        assert_int_equal(r.error, -E2BIG);
        r = WIRE_READER(data, 9);
        wire_get_string_buf(&r, buf, sizeof(buf));
        assert_string_equal(buf, "");
        assert_int_equal(r.error, -E2BIG);
}

static void a_nul_within_a_string_is_refused(void **state) {
        const uint8_t *data = (const uint8_t *) "\1\0\0\0\3\0\0\0a\0b";
        WireReader r = WIRE_READER(data + 4, 7);
        char buf[8];
        size_t n;

        (void) state;
        assert_null(wire_get_string(&r, 10));
        assert_int_equal(r.error, -EBADMSG);
        r = WIRE_READER(data + 4, 7);
        wire_get_string_buf(&r, buf, sizeof(buf));
        assert_string_equal(buf, "");
        assert_int_equal(r.error, -EBADMSG);
        r = WIRE_READER(data, 11);
        assert_null(wire_get_strv(&r, 10, 10, &n));
        assert_int_equal(r.error, -EBADMSG);
}

static void a_list_over_its_limit_is_refused(void **state) {
        const uint8_t *data = (const uint8_t *) "\2\0\0\0\0\0\0\0\1\0\0\0a";
        WireReader r = WIRE_READER(data, 13);
        size_t n;

        (void) state;
        assert_null(wire_get_strv(&r, 1, 10, &n));
        assert_int_equal(r.error, -E2BIG);
        r = WIRE_READER(data, 13);
        assert_null(wire_get_strv(&r, 2, 0, &n));
        assert_int_equal(r.error, -E2BIG);
}

static void a_count_is_compared_with_what_is_left(void **state) {
        WireReader r = WIRE_READER((const uint8_t *) "\3\0\0\0\0\0\0\0\0\0\0\0", 12);

        (void) state;
        assert_int_equal(wire_get_count(&r, 10, 4), 0);
        assert_int_equal(r.error, -EBADMSG);
        r = WIRE_READER((const uint8_t *) "\2\0\0\0\0\0\0\0\0\0\0\0", 12);
        assert_int_equal(wire_get_count(&r, 10, 4), 2);
        assert_int_equal(r.error, 0);
}

static void a_huge_count_allocates_nothing(void **state) {
        WireReader r = WIRE_READER((const uint8_t *) "\xff\xff\xff\xff", 4);
        size_t n;

        (void) state;
        assert_null(wire_get_strv(&r, SIZE_MAX, SIZE_MAX, &n));
        assert_int_equal(r.error, -EBADMSG);
}

static void a_body_over_the_limit_is_a_sticky_error(void **state) {
        _cleanup_free_ char *big = calloc(1, WIRE_BODY_MAX + 1);
        _cleanup_writer_ WireWriter w = {};

        (void) state;
        wire_put_bytes(&w, big, WIRE_BODY_MAX - 4);
        assert_int_equal(w.error, 0);
        assert_int_equal(w.len, WIRE_BODY_MAX);
        wire_put_u32(&w, 1);
        assert_int_equal(w.error, -E2BIG);
        wire_put_bytes(&w, "", 0);
        assert_int_equal(w.error, -E2BIG);
        assert_int_equal(w.len, WIRE_BODY_MAX);
        wire_writer_done(&w);
        wire_put_bytes(&w, big, WIRE_BODY_MAX + 1);
        assert_int_equal(w.error, -E2BIG);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(numbers_are_little_endian),
                cmocka_unit_test(strings_survive_a_round_trip),
                cmocka_unit_test(an_empty_list_is_not_an_error),
                cmocka_unit_test(reading_nothing_from_null_is_an_error),
                cmocka_unit_test(every_truncation_is_refused),
                cmocka_unit_test(left_over_bytes_are_refused),
                cmocka_unit_test(errors_are_sticky_and_values_zero_after_them),
                cmocka_unit_test(strings_over_their_limit_are_refused),
                cmocka_unit_test(a_nul_within_a_string_is_refused),
                cmocka_unit_test(a_list_over_its_limit_is_refused),
                cmocka_unit_test(a_count_is_compared_with_what_is_left),
                cmocka_unit_test(a_huge_count_allocates_nothing),
                cmocka_unit_test(a_body_over_the_limit_is_a_sticky_error),
        };

        return RUN_TESTS(tests);
}
