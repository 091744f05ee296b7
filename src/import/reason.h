/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Why an import cannot go on, as one sentence for the person who asked for it. */

#include "base/macro.h"

typedef struct Reason {
        char text[512];
} Reason;

/* Keeps the first sentence (the cause, not what followed from it), made harmless for terminals, and returns error. r may be
 * NULL. */
int reason_set(Reason *r, int error, const char *format, ...) _printf_(3, 4);
