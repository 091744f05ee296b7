/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Verbs are in the other files. */

#include "attack.h"

#include <stdarg.h>

int attack_result;

void refused(const char *what, int error, ...) {
        bool any = false, ok = false;
        va_list ap;

        va_start(ap, error);
        for (int allowed; (allowed = va_arg(ap, int)) != 0; any = true)
                ok |= allowed == error;
        va_end(ap);
        if (!any)
                ok = error == EPERM || error == EACCES || error == ENOSYS;
        if (ok)
                return;
        printf("BROKEN: %s: %s\n", what, error ? strerror(error) : "it worked");
        attack_result = 1;
}

void holds(bool ok, const char *format, ...) {
        va_list ap;

        if (ok)
                return;
        printf("BROKEN: ");
        va_start(ap, format);
        vprintf(format, ap);
        va_end(ap);
        printf("\n");
        attack_result = 1;
}

int main(int argc, char **argv) {
        const Attack *const tables[] = {file_attacks, kernel_attacks, process_attacks};
        int r;

        (void) setvbuf(stdout, NULL, _IOLBF, 0);
        if (argc < 2)
                return 2;
        for (size_t i = 0; i < ELEMENTSOF(tables); i++)
                for (const Attack *a = tables[i]; a->verb; a++)
                        if (streq(a->verb, argv[1])) {
                                r = a->run(argc - 1, argv + 1);
                                return r ? r : attack_result;
                        }
        printf("no such attack: %s\n", argv[1]);
        return 2;
}
