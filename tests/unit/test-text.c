/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "unit.h"

#include "base/text.h"

static void parse_u64_takes_plain_decimals(void **state) {
        uint64_t v;

        (void) state;
        assert_int_equal(parse_u64("0", &v), 0);
        assert_int_equal(v, 0);
        assert_int_equal(parse_u64("42", &v), 0);
        assert_int_equal(v, 42);
        assert_int_equal(parse_u64("18446744073709551615", &v), 0);
        assert_true(v == UINT64_MAX);
}

static void parse_u64_refuses_everything_else(void **state) {
        static const char *const bad[] = {
                "", " ", "-1", "+1", "01", "00", "0x10", "1 ", " 1", "1e3", "1.0", "١", "a", "1\n",
        };
        uint64_t v = 7;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(parse_u64(bad[i], &v), -EINVAL);
        assert_int_equal(v, 7);
}

static void parse_u64_refuses_overflow(void **state) {
        uint64_t v = 7;

        (void) state;
        assert_int_equal(parse_u64("18446744073709551616", &v), -ERANGE);
        assert_int_equal(parse_u64("99999999999999999999999", &v), -ERANGE);
        assert_int_equal(v, 7);
}

static void parse_u32_stops_at_its_maximum(void **state) {
        uint32_t v = 7;

        (void) state;
        assert_int_equal(parse_u32("4294967296", &v), -ERANGE);
        assert_int_equal(v, 7);
        assert_int_equal(parse_u32("4294967295", &v), 0);
        assert_true(v == UINT32_MAX);
}

static void parse_uid_refuses_root_and_minus_one(void **state) {
        uid_t v = 7;

        (void) state;
        assert_int_equal(parse_uid("0", &v), -ERANGE);
        assert_int_equal(parse_uid("4294967295", &v), -ERANGE);
        assert_int_equal(parse_uid("2147483648", &v), -ERANGE);
        assert_int_equal(parse_uid("-1", &v), -EINVAL);
        assert_int_equal(parse_uid("root", &v), -EINVAL);
        assert_int_equal(parse_uid("01000", &v), -EINVAL);
        assert_int_equal(v, 7);
        assert_int_equal(parse_uid("2147483647", &v), 0);
        assert_int_equal(v, 2147483647);
        assert_int_equal(parse_uid("1", &v), 0);
        assert_int_equal(v, 1);
}

static void parse_size_knows_powers_of_1024(void **state) {
        static const struct {
                const char *text;
                uint64_t value;
        } good[] = {
                { "0", 0 }, { "512", 512 }, { "512B", 512 }, { "2K", 2048 }, { "3M", 3 << 20 },
                { "2G", UINT64_C(2) << 30 }, { "1T", UINT64_C(1) << 40 },
        };
        uint64_t v;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                assert_int_equal(parse_size(good[i].text, &v), 0);
                assert_true(v == good[i].value);
        }
}

static void parse_size_refuses_unknown_units_and_overflow(void **state) {
        static const char *const bad[] = {
                "", "K", "1k", "1KB", "1 K", "1.5G", "-1M", "007M", "1P", "11111111111111111111111111111111",
        };
        uint64_t v;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_int_equal(parse_size(bad[i], &v), -EINVAL);
        assert_int_equal(parse_size("16777216T", &v), -ERANGE);
        assert_int_equal(parse_size("18446744073709551616", &v), -ERANGE);
}

static void parse_usec_knows_units_and_defaults_to_seconds(void **state) {
        static const struct {
                const char *text;
                uint64_t value;
        } good[] = {
                { "0", 0 }, { "90", 90000000 }, { "90s", 90000000 }, { "250ms", 250000 }, { "7us", 7 },
                { "5m", 300000000 }, { "5min", 300000000 }, { "2h", UINT64_C(7200000000) },
                { "1d", UINT64_C(86400000000) },
        };
        uint64_t v;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                assert_int_equal(parse_usec(good[i].text, &v), 0);
                assert_true(v == good[i].value);
        }
        assert_int_equal(parse_usec("1w", &v), -EINVAL);
        assert_int_equal(parse_usec("", &v), -EINVAL);
        assert_int_equal(parse_usec("-5s", &v), -EINVAL);
        assert_int_equal(parse_usec("18446744073709551615d", &v), -ERANGE);
}

typedef bool (*Predicate)(const char *s);

static void check_names(Predicate valid, const char *const *good, const char *const *bad) {
        for (; *good; good++)
                if (!valid(*good))
                        fail_msg("'%s' was refused", *good);
        for (; *bad; bad++)
                if (valid(*bad))
                        fail_msg("'%s' was taken", *bad);
}

#define NAMES(...) ((const char *const[]) { __VA_ARGS__, NULL })
#define A32 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A64 A32 A32
#define A256 A64 A64 A64 A64

static void session_ids_go_into_paths_unescaped(void **state) {
        (void) state;
        check_names(session_id_valid, NAMES("a", "0", "_", "agent_1", A32),
                        NAMES("", A32 "a", "A", "a-b", "a/b", "..", ".", "a b", "a\n", "ä", "a%"));
}

static void profile_names_are_file_names(void **state) {
        (void) state;
        check_names(profile_name_valid, NAMES("a", "9", "web-1.2", "a_b", A64),
                        NAMES("", A64 "a", ".a", "-a", "_a", "a..b", "a/b", "A", "a b", "a\n", "ü"));
}

static void hostnames_are_one_label(void **state) {
        (void) state;
        check_names(hostname_valid, NAMES("a", "Sandbox-1", "0"),
                        NAMES("", "-a", "a-", "a.b", "a_b", "a b", "a\n", A64));
}

static void env_assignments_have_shell_names(void **state) {
        (void) state;
        check_names(env_assignment_valid, NAMES("A=", "_=1", "PATH=/bin:/usr/bin", "a1=b=c", "A=\xff\n"),
                        NAMES("", "=", "=a", "A", "1A=b", "A-B=c", "A B=c", "BASH_FUNC_x%%=() { :; }",
                                        "Ä=1"));
}

static void normal_paths_have_one_spelling(void **state) {
        (void) state;
        check_names(path_is_normal, NAMES("/", "/a", "/a/b", "/...", "/.a", "/a..", "/a b\n", "/" A64),
                        NAMES("", "a", "./a", "//", "/a/", "/a//b", "/.", "/..", "/a/./b", "/a/../b",
                                        "/a/..", "/" A256));
}

static void normal_paths_fit_into_path_max(void **state) {
        char path[4200];

        (void) state;
        for (size_t i = 0; i < sizeof(path); i++)
                path[i] = i % 2 ? 'a' : '/';
        path[4095] = 0;
        path[4094] = 'a';
        assert_true(path_is_normal(path));
        path[4095] = 'a';
        path[4096] = 0;
        assert_false(path_is_normal(path));
}

static void beneath_compares_whole_components(void **state) {
        (void) state;
        assert_true(path_is_beneath("/a", "/a"));
        assert_true(path_is_beneath("/a/b", "/a"));
        assert_true(path_is_beneath("/a", "/"));
        assert_true(path_is_beneath("/", "/"));
        assert_false(path_is_beneath("/ab", "/a"));
        assert_false(path_is_beneath("/", "/a"));
        assert_false(path_is_beneath("/a", "/a/b"));
}

static void utf8_refuses_what_has_a_shorter_form_or_no_meaning(void **state) {
        static const char *const bad[] = {
                "\x80", "\xbf", "\xc0\xaf", "\xc1\xbf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "\xed\xa0\x80",
                "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "\xff", "a\xc3", "\xe2\x82",
        };

        (void) state;
        assert_true(utf8_is_valid("", 0));
        assert_true(utf8_is_valid("aä€😀", strlen("aä€😀")));
        assert_true(utf8_is_valid("\xf4\x8f\xbf\xbf", 4));
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_false(utf8_is_valid(bad[i], strlen(bad[i])));
}

static void check_escape(const char *in, size_t n, size_t max, const char *out) {
        char *s = text_escape(in, n, max);

        assert_non_null(s);
        assert_string_equal(s, out);
        free(s);
}
#define CHECK_ESCAPE(in, out) check_escape((in), sizeof(in) - 1, 0, (out))

static void escape_leaves_plain_text_alone(void **state) {
        (void) state;
        CHECK_ESCAPE("", "");
        CHECK_ESCAPE("ls -l 'ä€😀'", "ls -l 'ä€😀'");
}

static void escape_shows_terminal_controls(void **state) {
        (void) state;
        CHECK_ESCAPE("a\x1b[2Kb\r\n\t\x7f", "a\\x1b[2Kb\\x0d\\x0a\\x09\\x7f");
        CHECK_ESCAPE("a\0b", "a\\x00b");
        CHECK_ESCAPE("\xc2\x9b" "31m", "\\u{9b}31m");
}

static void escape_shows_bidi_and_invisible_characters(void **state) {
        (void) state;
        CHECK_ESCAPE("a\u202eb", "a\\u{202e}b");
        CHECK_ESCAPE("\u2066\u2069", "\\u{2066}\\u{2069}");
        CHECK_ESCAPE("a\u200bb\ufeff", "a\\u{200b}b\\u{feff}");
        CHECK_ESCAPE("\u2028\u2029", "\\u{2028}\\u{2029}");
        CHECK_ESCAPE("\U000e0041", "\\u{e0041}");
        CHECK_ESCAPE("a\u00ad\u115f\u3164\u034fb", "a\\u{ad}\\u{115f}\\u{3164}\\u{34f}b");
}

static void escape_shows_broken_utf8_as_bytes(void **state) {
        (void) state;
        CHECK_ESCAPE("a\xff\xc3", "a\\xff\\xc3");
}

static void escape_cannot_be_forged_by_its_input(void **state) {
        (void) state;
        CHECK_ESCAPE("\\x1b", "\\\\x1b");
}

static void escape_elides_in_the_middle(void **state) {
        (void) state;
        check_escape("abcdefghij", 10, 10, "abcdefghij");
        check_escape("abcdefghij", 10, 5, "ab…ij");
        check_escape("abcdefghij", 10, 1, "…");
        check_escape("abcdefghij", 10, 2, "a…");
        check_escape("\x01\x02\x03\x04", 4, 3, "\\x01…\\x04");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(parse_u64_takes_plain_decimals),
                cmocka_unit_test(parse_u64_refuses_everything_else),
                cmocka_unit_test(parse_u64_refuses_overflow),
                cmocka_unit_test(parse_u32_stops_at_its_maximum),
                cmocka_unit_test(parse_uid_refuses_root_and_minus_one),
                cmocka_unit_test(parse_size_knows_powers_of_1024),
                cmocka_unit_test(parse_size_refuses_unknown_units_and_overflow),
                cmocka_unit_test(parse_usec_knows_units_and_defaults_to_seconds),
                cmocka_unit_test(session_ids_go_into_paths_unescaped),
                cmocka_unit_test(profile_names_are_file_names),
                cmocka_unit_test(hostnames_are_one_label),
                cmocka_unit_test(env_assignments_have_shell_names),
                cmocka_unit_test(normal_paths_have_one_spelling),
                cmocka_unit_test(normal_paths_fit_into_path_max),
                cmocka_unit_test(beneath_compares_whole_components),
                cmocka_unit_test(utf8_refuses_what_has_a_shorter_form_or_no_meaning),
                cmocka_unit_test(escape_leaves_plain_text_alone),
                cmocka_unit_test(escape_shows_terminal_controls),
                cmocka_unit_test(escape_shows_bidi_and_invisible_characters),
                cmocka_unit_test(escape_shows_broken_utf8_as_bytes),
                cmocka_unit_test(escape_cannot_be_forged_by_its_input),
                cmocka_unit_test(escape_elides_in_the_middle),
        };

        return RUN_TESTS(tests);
}
