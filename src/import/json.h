/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* jansson, with the bounds that the texts of images need: no key twice, no NUL in a string, UTF-8 only (jansson's own checks),
 * nothing behind the end, lists with a limit. */

#include <jansson.h>

#include "import/reason.h"

static inline void json_cleanup(json_t **j) {
        json_decref(*j);
}
#define _cleanup_json_ _cleanup_(json_cleanup)

/* what: for the sentence, "the index". */
int json_parse(const char *text, size_t n, size_t max, const char *what, json_t **ret, Reason *reason);
/* A member; *ret is NULL when it is missing or null. */
int json_get_string(json_t *object, const char *key, size_t max, const char *what, const char **ret, Reason *reason);
int json_get_list(json_t *object, const char *key, size_t max, const char *what, json_t **ret, Reason *reason);
