/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Test Anything Protocol: one line per test, named after what holds; what went wrong in it as comments
 * above. */

#include <stdarg.h>
#include <stdio.h>

#include "base/macro.h"

typedef struct TapTest {
        const char *name;
        void (*run)(void);
} TapTest;

/* Prints the plan and the results. Returns the exit status: 0 all well, 1 some failed. only: runs the tests
 * whose name contains it (NULL: all). */
int tap_run(const TapTest *tests, size_t n, const char *only);

/* Within a test. A failed check does not end it. Returns ok. */
bool tap_check(bool ok, const char *format, ...) _printf_(2, 3);
#define CHECK(condition) tap_check((condition), "%s:%d: %s", __FILE_NAME__, __LINE__, #condition)
/* -errno or a count: names the errno. */
bool tap_check_ok(long r, const char *what);
#define CHECK_OK(call) tap_check_ok((call), #call)

/* The test can't be made here. Return after it. */
void tap_skip(const char *format, ...) _printf_(1, 2);
void tap_note(const char *format, ...) _printf_(1, 2);
/* Whether the running test has a failed check. */
bool tap_failed(void);
/* 1 when a test failed. */
int tap_status(void);
/* The names and results of sub-tests that a test finds out at run time: reported as tests of their own when
 * the list is not known before. */
void tap_result(bool ok, const char *name);
