/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A minimal TAP producer. */

#include "tap.h"

#include <string.h>

static struct {
        unsigned number;
        bool failed;
        char skip[200];
        bool any_failed;
} state;

static void print_comment(const char *format, va_list ap) __attribute__((format(printf, 1, 0)));

static void print_comment(const char *format, va_list ap) {
        char text[2048];

        (void) vsnprintf(text, sizeof(text), format, ap);
        for (char *line = text, *next; line; line = next) {
                next = strchr(line, '\n');
                if (next)
                        *next++ = 0;
                if (*line)
                        printf("# %s\n", line);
        }
        fflush(stdout);
}

bool tap_check(bool ok, const char *format, ...) {
        va_list ap;

        if (ok)
                return true;
        state.failed = true;
        va_start(ap, format);
        print_comment(format, ap);
        va_end(ap);
        return false;
}

bool tap_check_ok(long r, const char *what) {
        return tap_check(r >= 0, "%s: %s", what, r < 0 ? strerror((int) -r) : "");
}

void tap_skip(const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(state.skip, sizeof(state.skip), format, ap);
        va_end(ap);
}

void tap_note(const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        print_comment(format, ap);
        va_end(ap);
}

bool tap_failed(void) {
        return state.failed;
}

void tap_result(bool ok, const char *name) {
        printf("%s %u - %s%s%s\n", ok ? "ok" : "not ok", ++state.number, name,
                        state.skip[0] ? " # SKIP " : "", state.skip);
        fflush(stdout);
        state.any_failed |= !ok;
        state.failed = false;
        state.skip[0] = 0;
}

int tap_status(void) {
        return state.any_failed;
}

int tap_run(const TapTest *tests, size_t n, const char *only) {
        size_t count = 0;

        for (size_t i = 0; i < n; i++)
                count += !only || strstr(tests[i].name, only);
        printf("1..%zu\n", count);
        fflush(stdout);
        for (size_t i = 0; i < n; i++) {
                if (only && !strstr(tests[i].name, only))
                        continue;
                tests[i].run();
                tap_result(!state.failed, tests[i].name);
        }
        return tap_status();
}
