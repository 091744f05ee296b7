/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "calc.h"

#include <stdio.h>

static const struct {
        const char *text;
        int result;
        long value;
} cases[] = {
        { "1", 0, 1 },
        { "1 + 2 * 3", 0, 7 },
        { "(1 + 2) * 3", 0, 9 },
        { "10 - 4 - 3", 0, 3 },
        { "100 / 7 / 2", 0, 7 },
        { "((((5))))", 0, 5 },
        { "9223372036854775807 + 1", -1, 0 },
        { "1 / 0", -1, 0 },
        { "1 +", -1, 0 },
        { "(1", -1, 0 },
        { "1 1", -1, 0 },
        { "", -1, 0 },
};

int main(void) {
        size_t n = sizeof(cases) / sizeof(cases[0]), failed = 0;

        for (size_t i = 0; i < n; i++) {
                long value = 0;
                int r = calc(cases[i].text, &value);

                if (r != cases[i].result || (r == 0 && value != cases[i].value)) {
                        printf("calc: \"%s\" gave %d, %ld\n", cases[i].text, r, value);
                        failed++;
                }
        }
        if (failed > 0)
                return 1;
        printf("calc: all %zu tests passed\n", n);
        return 0;
}
