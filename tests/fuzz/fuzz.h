/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The entry point that libFuzzer and replay.c call. */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* assert() that holds with NDEBUG too. */
#define must(condition)                                                                                     \
        do {                                                                                                \
                if (!(condition))                                                                           \
                        abort();                                                                            \
        } while (0)
