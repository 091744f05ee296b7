/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Text from outside: every number, name and string that a caller sends passes one of these before anything else
 * looks at it. */

#include "text.h"

#include <stdio.h>

int parse_u64(const char *s, uint64_t *ret) {
        uint64_t v = 0;

        if (!*s || (s[0] == '0' && s[1]))
                return -EINVAL;
        for (; *s; s++) {
                if (*s < '0' || *s > '9')
                        return -EINVAL;
                if (__builtin_mul_overflow(v, UINT64_C(10), &v) ||
                                __builtin_add_overflow(v, (uint64_t) (*s - '0'), &v))
                        return -ERANGE;
        }
        *ret = v;
        return 0;
}

int parse_u32(const char *s, uint32_t *ret) {
        uint64_t v;
        int r = parse_u64(s, &v);

        if (r < 0)
                return r;
        if (v > UINT32_MAX)
                return -ERANGE;
        *ret = (uint32_t) v;
        return 0;
}

int parse_uid(const char *s, uid_t *ret) {
        uint32_t v;
        int r = parse_u32(s, &v);

        if (r < 0)
                return r;
        if (v == 0 || v > INT32_MAX)
                return -ERANGE;
        *ret = v;
        return 0;
}

/* Splits "12suffix" and looks the suffix up; the number part is strict. */
static int parse_scaled(const char *s, const char *const *suffixes, const uint64_t *factors, size_t n, uint64_t *ret) {
        char digits[24];
        size_t k = strspn(s, "0123456789");
        uint64_t v;
        int r;

        if (k == 0 || k >= sizeof(digits))
                return -EINVAL;
        memcpy(digits, s, k);
        digits[k] = 0;
        r = parse_u64(digits, &v);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++)
                if (streq(s + k, suffixes[i]))
                        return __builtin_mul_overflow(v, factors[i], ret) ? -ERANGE : 0;
        return -EINVAL;
}

int parse_size(const char *s, uint64_t *ret) {
        static const char *const suffixes[] = { "", "B", "K", "M", "G", "T" };
        static const uint64_t factors[] = { 1, 1, UINT64_C(1) << 10, UINT64_C(1) << 20, UINT64_C(1) << 30,
                UINT64_C(1) << 40 };

        return parse_scaled(s, suffixes, factors, ELEMENTSOF(factors), ret);
}

int parse_usec(const char *s, uint64_t *ret) {
        static const char *const suffixes[] = { "", "s", "us", "ms", "m", "min", "h", "d" };
        static const uint64_t factors[] = { USEC_PER_SEC, USEC_PER_SEC, 1, 1000, 60 * USEC_PER_SEC,
                60 * USEC_PER_SEC, 3600 * USEC_PER_SEC, 86400 * USEC_PER_SEC };

        return parse_scaled(s, suffixes, factors, ELEMENTSOF(factors), ret);
}

bool session_id_valid(const char *s) {
        size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_");

        return n >= 1 && n <= SESSION_ID_MAX && s[n] == 0;
}

bool profile_name_valid(const char *s) {
        size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789._-");

        return n >= 1 && n <= PROFILE_NAME_MAX && s[n] == 0 && !strchr("._-", s[0]) && !strstr(s, "..");
}

bool hostname_valid(const char *s) {
        size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-");

        return n >= 1 && n <= 63 && s[n] == 0 && s[0] != '-' && s[n - 1] != '-';
}

bool env_assignment_valid(const char *s) {
        size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

        return n >= 1 && s[n] == '=' && !(s[0] >= '0' && s[0] <= '9');
}

bool path_is_normal(const char *s) {
        size_t n = strlen(s);

        if (s[0] != '/' || n > 4095)
                return false;
        if (n == 1)
                return true;
        for (const char *p = s; *p;) {
                size_t k;

                p++; /* the slash */
                k = strcspn(p, "/");
                if (k == 0 || k > 255 || (k == 1 && p[0] == '.') || (k == 2 && p[0] == '.' && p[1] == '.'))
                        return false;
                p += k;
        }
        return true;
}

bool path_is_beneath(const char *path, const char *dir) {
        size_t n = strlen(dir);

        if (n == 1)
                return true; /* "/" */
        return strncmp(path, dir, n) == 0 && (path[n] == 0 || path[n] == '/');
}

/* Decodes one code point; returns its length in bytes, 0 when invalid (overlong, surrogate, beyond U+10FFFF). */
static size_t utf8_decode(const char *s, size_t n, uint32_t *ret) {
        const uint8_t *p = (const uint8_t *) s;
        static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
        uint32_t c;
        size_t k;

        if (n == 0)
                return 0;
        if (p[0] < 0x80) {
                *ret = p[0];
                return 1;
        }
        if ((p[0] & 0xe0) == 0xc0)
                k = 2, c = p[0] & 0x1f;
        else if ((p[0] & 0xf0) == 0xe0)
                k = 3, c = p[0] & 0x0f;
        else if ((p[0] & 0xf8) == 0xf0)
                k = 4, c = p[0] & 0x07;
        else
                return 0;
        if (n < k)
                return 0;
        for (size_t i = 1; i < k; i++) {
                if ((p[i] & 0xc0) != 0x80)
                        return 0;
                c = c << 6 | (p[i] & 0x3f);
        }
        if (c < least[k] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
                return 0;
        *ret = c;
        return k;
}

bool utf8_is_valid(const char *s, size_t n) {
        for (size_t i = 0; i < n;) {
                uint32_t c;
                size_t k = utf8_decode(s + i, n - i, &c);

                if (k == 0)
                        return false;
                i += k;
        }
        return true;
}

/* Characters that are not seen or change how the rest of a line is shown: Unicode's Default_Ignorable_Code_Point
 * (bidi embeddings, overrides and isolates, zero-width and invisible characters, fillers, tags), line and paragraph
 * separators, interlinear annotations. */
static bool is_deceptive(uint32_t c) {
        static const struct {
                uint32_t first, last;
        } ranges[] = {
                { 0x00ad, 0x00ad },   { 0x034f, 0x034f },   { 0x061c, 0x061c },   { 0x115f, 0x1160 },
                { 0x17b4, 0x17b5 },   { 0x180b, 0x180f },   { 0x200b, 0x200f },   { 0x2028, 0x202e },
                { 0x2060, 0x206f },   { 0x3164, 0x3164 },   { 0xfe00, 0xfe0f },   { 0xfeff, 0xfeff },
                { 0xffa0, 0xffa0 },   { 0xfff0, 0xfffb },   { 0x1bca0, 0x1bca3 }, { 0x1d173, 0x1d17a },
                { 0xe0000, 0xe0fff },
        };

        for (size_t i = 0; i < ELEMENTSOF(ranges); i++)
                if (c >= ranges[i].first && c <= ranges[i].last)
                        return true;
        return false;
}

/* Writes the escaped form of the character at s into out (at least 16 bytes); returns bytes consumed. */
static size_t escape_one(const char *s, size_t n, char out[static 16]) {
        uint32_t c;
        size_t k = utf8_decode(s, n, &c);

        if (k == 0) {
                (void) snprintf(out, 16, "\\x%02x", (unsigned) (uint8_t) s[0]);
                return 1;
        }
        if (c == '\\')
                (void) snprintf(out, 16, "\\\\");
        else if (c < 0x20 || c == 0x7f)
                (void) snprintf(out, 16, "\\x%02x", (unsigned) c);
        else if ((c >= 0x80 && c <= 0x9f) || is_deceptive(c))
                (void) snprintf(out, 16, "\\u{%x}", (unsigned) c);
        else {
                memcpy(out, s, k);
                out[k] = 0;
        }
        return k;
}

char *text_escape(const char *s, size_t n, size_t max) {
        size_t chars = 0, bytes = 0, head, tail, pos = 0;
        char one[16], *ret, *w;
        bool elided = false;

        for (size_t i = 0; i < n; chars++) {
                i += escape_one(s + i, n - i, one);
                bytes += strlen(one);
        }
        ret = malloc(bytes + 4);
        if (!ret)
                return NULL;

        head = max == 0 || chars <= max ? chars : max / 2;
        tail = head == chars ? 0 : max - head - 1;
        w = ret;
        for (size_t i = 0; i < n; pos++) {
                i += escape_one(s + i, n - i, one);
                if (pos < head || pos >= chars - tail)
                        w = stpcpy(w, one);
                else if (!elided) {
                        w = stpcpy(w, "…");
                        elided = true;
                }
        }
        *w = 0;
        return ret;
}
