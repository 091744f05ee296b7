/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The attack program runs inside a sandbox: one verb per attack. Exit status 0: what had to fail failed. 1:
 * it did not, and standard output says what. 77: it can't be tried here. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/macro.h"

typedef struct Attack {
        const char *verb;
        int (*run)(int argc, char **argv); /* argv[0]: the verb */
} Attack;

extern const Attack file_attacks[], kernel_attacks[], process_attacks[]; /* each ends with a verb of NULL */

extern int attack_result;

/* error: 0 when it worked. Allowed answers follow, ended by 0; none: EPERM, EACCES, ENOSYS. */
void refused(const char *what, int error, ...);
#define REFUSED(what, call, ...) refused((what), ((call) < 0 ? errno : 0), ##__VA_ARGS__, 0)
/* A plain statement that has to be true. */
void holds(bool ok, const char *format, ...) _printf_(2, 3);
