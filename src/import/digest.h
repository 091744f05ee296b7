/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* SHA-256 as images name things by it: "sha256:" and 64 lower-case hexadecimal digits. */

#include <nettle/sha2.h>

#include "base/macro.h"
#include "wire/image.h"

typedef struct sha256_ctx Digest;

void digest_init(Digest *d);
void digest_add(Digest *d, const void *data, size_t n);
/* Ends it; a further use needs digest_init(). */
void digest_text(Digest *d, char ret[static IMAGE_DIGEST_TEXT + 1]);
void digest_of(const void *data, size_t n, char ret[static IMAGE_DIGEST_TEXT + 1]);
