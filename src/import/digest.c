/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* nettle's SHA-256: libarchive brings nettle with it already, and it uses the processor's own instructions where they are. */

#include "digest.h"

void digest_init(Digest *d) {
        sha256_init(d);
}

void digest_add(Digest *d, const void *data, size_t n) {
        if (n > 0)
                sha256_update(d, n, data);
}

void digest_text(Digest *d, char ret[static IMAGE_DIGEST_TEXT + 1]) {
        static const char digits[] = "0123456789abcdef";
        uint8_t raw[SHA256_DIGEST_SIZE];
        char *p = ret + 7;

        sha256_digest(d, sizeof(raw), raw);
        memcpy(ret, "sha256:", 7);
        for (size_t i = 0; i < sizeof(raw); i++) {
                *p++ = digits[raw[i] >> 4];
                *p++ = digits[raw[i] & 15];
        }
        *p = 0;
}

void digest_of(const void *data, size_t n, char ret[static IMAGE_DIGEST_TEXT + 1]) {
        Digest d;

        digest_init(&d);
        digest_add(&d, data, n);
        digest_text(&d, ret);
}
