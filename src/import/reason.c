/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Sentences about untrusted things: names of archives are in them, so that they are escaped and cut here, once. */

#include "reason.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/text.h"

int reason_set(Reason *r, int error, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list ap;
        int n;

        if (!r || r->text[0])
                return error;
        va_start(ap, format);
        n = vasprintf(&text, format, ap);
        va_end(ap);
        if (n < 0) {
                text = NULL;
                return error;
        }
        /* Shortened in the middle, where a long name is: the end says what is wrong. A character may take four bytes. */
        for (size_t max = sizeof(r->text) - 1; !r->text[0] && max >= (sizeof(r->text) - 1) / 4; max /= 2) {
                _cleanup_free_ char *safe = text_escape(text, strlen(text), max);

                if (!safe)
                        return error;
                if (strlen(safe) < sizeof(r->text))
                        strcpy(r->text, safe);
        }
        return error;
}
