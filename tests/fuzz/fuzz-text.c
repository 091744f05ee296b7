/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Parsers and the escaper. What a parser takes has one spelling; what the escaper returns is UTF-8 that a
 * terminal shows as it is. */

#include <inttypes.h>
#include <stdio.h>

#include "base/text.h"
#include "fuzz.h"

static void fuzz_parsers(const char *s) {
        char again[32];
        uint64_t v;
        uint32_t w;
        uid_t uid;

        if (parse_u64(s, &v) == 0) {
                (void) snprintf(again, sizeof(again), "%" PRIu64, v);
                must(streq(again, s));
        }
        if (parse_u32(s, &w) == 0)
                must(parse_u64(s, &v) == 0 && v == w);
        if (parse_uid(s, &uid) == 0)
                must(uid > 0 && uid <= INT32_MAX);
        (void) parse_size(s, &v);
        (void) parse_usec(s, &v);
        if (session_id_valid(s) || profile_name_valid(s) || hostname_valid(s))
                must(!strchr(s, '/') && !streq(s, ".") && !strstr(s, "..") && *s);
        if (env_assignment_valid(s))
                must(strchr(s, '=') > s);
        if (path_is_normal(s)) {
                must(s[0] == '/' && !strstr(s, "//") && !strstr(s, "/../") && !strstr(s, "/./"));
                must(path_is_beneath(s, s) && path_is_beneath(s, "/"));
        }
}

static void check_escaped(char *e) {
        size_t n;

        must(e);
        n = strlen(e);
        must(utf8_is_valid(e, n));
        for (size_t i = 0; i < n; i++) {
                const uint8_t *p = (const uint8_t *) e + i;

                must(p[0] >= 0x20 && p[0] != 0x7f);
                must(!(p[0] == 0xc2 && p[1] < 0xa0));                                     /* C1 */
                must(!(p[0] == 0xe2 && p[1] == 0x80 && p[2] >= 0x8b && p[2] <= 0x8f));    /* zero width, marks */
                must(!(p[0] == 0xe2 && p[1] == 0x80 && p[2] >= 0xa8 && p[2] <= 0xae));    /* bidi embeddings */
                must(!(p[0] == 0xe2 && p[1] == 0x81 && p[2] >= 0xa0 && p[2] <= 0xaf));    /* bidi isolates */
        }
        free(e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char *s = malloc(size + 1);

        must(s);
        if (size > 0)
                memcpy(s, data, size);
        s[size] = 0;
        fuzz_parsers(s);
        check_escaped(text_escape(s, size, 0));
        check_escaped(text_escape(s, size, size > 0 ? data[0] : 1));
        free(s);
        return 0;
}
