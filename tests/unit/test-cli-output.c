/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the verbs of ocsbctl-bus print: the same rows as a table and as JSON, and nothing that a sandbox put
 * into a name gets to a terminal as it is. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "cli/bus-output.h"

static int saved = -EBADF, captured = -EBADF;

static void capture(void) {
        fflush(stdout);
        saved = fd_dup(STDOUT_FILENO);
        captured = memfd_create("output", MFD_CLOEXEC);
        assert_true(captured >= 0 && dup2(captured, STDOUT_FILENO) >= 0);
}

static char *release(void) {
        char *text;
        size_t n;

        fflush(stdout);
        assert_true(dup2(saved, STDOUT_FILENO) >= 0);
        saved = fd_close(saved);
        assert_int_equal(lseek(captured, 0, SEEK_SET), 0);
        assert_int_equal(fd_read_file(captured, 65536, &text, &n), 0);
        captured = fd_close(captured);
        return text;
}

static char *print(const Options *o, size_t rows) {
        static const Column columns[] = {
                { "NAME", "name", 0 },
                { "SIZE", "size", COLUMN_RIGHT },
                { "TEXT", "text", COLUMN_SHORTEN },
                { NULL, "extra", COLUMN_JSON_ONLY },
        };
        _cleanup_table_ Table *t = NULL;

        assert_int_equal(table_new(o, columns, ELEMENTSOF(columns), &t), 0);
        for (size_t i = 0; i < rows; i++) {
                table_row(t);
                table_text(t, i == 0 ? "a" : "b\033[2K\nc");
                table_number_as(t, 1024 << i, i == 0 ? "1K" : "2K");
                table_text(t, i == 0 ? "" : "x\\y \xe2\x80\xae");
                table_text(t, "more");
        }
        capture();
        assert_int_equal(table_print(t, "thing"), 0);
        return release();
}

static void test_table(void **state) {
        Options o = {};
        char *text;

        (void) state;
        text = print(&o, 2);
        assert_string_equal(text, "NAME          SIZE TEXT\n"
                                  "a               1K -\n"
                                  "b\\x1b[2K\\x0ac   2K x\\\\y \\u{202e}\n"
                                  "\n2 things listed.\n");
        free(text);
        text = print(&o, 1);
        assert_non_null(strstr(text, "\n1 thing listed.\n"));
        free(text);
        text = print(&o, 0);
        assert_string_equal(text, "No things.\n");
        free(text);
        o.no_legend = true;
        text = print(&o, 1);
        assert_string_equal(text, "a      1K -\n");
        free(text);
        text = print(&o, 0);
        assert_string_equal(text, "");
        free(text);
}

static void test_json(void **state) {
        Options o = { .json = JSON_SHORT };
        char *text;
        json_t *v;

        (void) state;
        text = print(&o, 2);
        v = json_loads(text, 0, NULL);
        assert_int_equal(json_array_size(v), 2);
        assert_string_equal(json_string_value(json_object_get(json_array_get(v, 1), "name")), "b\033[2K\nc");
        assert_int_equal(json_integer_value(json_object_get(json_array_get(v, 1), "size")), 2048);
        assert_string_equal(json_string_value(json_object_get(json_array_get(v, 0), "extra")), "more");
        json_decref(v);
        /* On one line, and without a raw control character. */
        assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
        assert_null(strchr(text, '\033'));
        free(text);
        text = print(&o, 0);
        assert_string_equal(text, "[]\n");
        free(text);
        o.json = JSON_PRETTY;
        text = print(&o, 1);
        assert_non_null(strstr(text, "\n    \"name\": \"a\""));
        free(text);
        /* No terminal: short. */
        o.json = JSON_AUTO;
        text = print(&o, 1);
        assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
        free(text);
}

static void test_formats(void **state) {
        char buf[64];

        (void) state;
        assert_string_equal(format_span(buf, 0), "0");
        assert_string_equal(format_span(buf, 999), "999us");
        assert_string_equal(format_span(buf, 1500), "1ms 500us");
        assert_string_equal(format_span(buf, 90 * USEC_PER_SEC), "1min 30s");
        assert_string_equal(format_span(buf, 3600 * USEC_PER_SEC + 5), "1h 5us");
        assert_string_equal(format_span(buf, UINT64_MAX - 1), "213503982d 8h");
        assert_string_equal(format_time(buf, 0), "-");
        assert_int_equal(setenv("TZ", "UTC", 1), 0);
        assert_string_equal(format_time(buf, 1000000000 * USEC_PER_SEC), "Sun 2001-09-09 01:46:40 UTC");
        assert_string_equal(format_user(buf, 0, true), "root");
        assert_string_equal(format_user(buf, 0, false), "0");
        assert_string_equal(format_user(buf, 4294967294, true), "4294967294");
        assert_string_equal(safe(0, "a\\b\033"), "a\\\\b\\x1b");
        /* What was escaped once is not escaped twice, what was not is. */
        assert_string_equal(safe_escaped(0, "a\\x1b\033"), "a\\x1b\\x1b");
        assert_string_equal(safe(1, NULL), "");
}

static void test_colors(void **state) {
        bool colors;

        (void) state;
        assert_int_equal(setenv("TERM", "xterm", 1), 0);
        assert_int_equal(setenv("SYSTEMD_COLORS", "1", 1), 0);
        assert_true(output_colors());
        assert_int_equal(setenv("SYSTEMD_COLORS", "0", 1), 0);
        assert_false(output_colors());
        assert_int_equal(unsetenv("SYSTEMD_COLORS"), 0);
        /* Into a file there are none. */
        capture();
        colors = output_colors();
        free(release());
        assert_false(colors);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_table),
                cmocka_unit_test(test_json),
                cmocka_unit_test(test_formats),
                cmocka_unit_test(test_colors),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
