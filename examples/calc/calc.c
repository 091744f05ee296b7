/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "calc.h"

#include <ctype.h>
#include <stdlib.h>

typedef struct Input {
        const char *at;
        int depth;
} Input;

static int sum(Input *in, long *ret);

static void skip_space(Input *in) {
        while (isspace((unsigned char) *in->at))
                in->at++;
}

static int factor(Input *in, long *ret) {
        char *end;
        int r;

        skip_space(in);
        if (*in->at == '(') {
                if (++in->depth > 100)
                        return -1;
                in->at++;
                r = sum(in, ret);
                skip_space(in);
                in->depth--;
                return r == 0 && *in->at++ == ')' ? 0 : -1;
        }
        if (!isdigit((unsigned char) *in->at))
                return -1;
        *ret = strtol(in->at, &end, 10);
        in->at = end;
        return 0;
}

static int product(Input *in, long *ret) {
        long right;

        if (factor(in, ret) < 0)
                return -1;
        for (;;) {
                char op;

                skip_space(in);
                op = *in->at;
                if (op != '*' && op != '/')
                        return 0;
                in->at++;
                if (factor(in, &right) < 0)
                        return -1;
                if (op == '/' && right == 0)
                        return -1;
                if (op == '*' ? __builtin_mul_overflow(*ret, right, ret) : 0)
                        return -1;
                if (op == '/')
                        *ret /= right;
        }
}

static int sum(Input *in, long *ret) {
        long right;

        if (product(in, ret) < 0)
                return -1;
        for (;;) {
                char op;

                skip_space(in);
                op = *in->at;
                if (op != '+' && op != '-')
                        return 0;
                in->at++;
                if (product(in, &right) < 0)
                        return -1;
                if (op == '+' ? __builtin_add_overflow(*ret, right, ret) : __builtin_sub_overflow(*ret, right, ret))
                        return -1;
        }
}

int calc(const char *text, long *ret) {
        Input in = { .at = text };
        long value;

        if (sum(&in, &value) < 0 || *in.at)
                return -1;
        *ret = value;
        return 0;
}
