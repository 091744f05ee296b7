/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What every unit test includes before the header that it tests. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>

#include "base/fd.h"
#include "base/macro.h"

/* Open descriptors of this process: equal before and after means that nothing leaked. */
static inline unsigned count_fds(void) {
        DIR *d = opendir("/proc/self/fd");
        unsigned n = 0;

        assert_non_null(d);
        while (readdir(d))
                n++;
        closedir(d);
        return n;
}

#define RUN_TESTS(tests) cmocka_run_group_tests_name(program_invocation_short_name, (tests), NULL, NULL)
