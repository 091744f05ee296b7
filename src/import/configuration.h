/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The configuration of an image (OCI image-spec config.md, Docker's is the same for what is read here). Other keys are allowed,
 * as the specification demands; what is read is bounded, and of the right type or the whole is refused. */

#include <stddef.h>

#include "import/reason.h"
#include "wire/image.h"

#define CONFIG_BYTES_MAX ((size_t) 1 << 20)
#define CONFIG_ENV_MAX 256u
#define CONFIG_ARGS_MAX 256u
#define CONFIG_STRING_MAX 4095u
#define CONFIG_USER_MAX 255u

typedef struct ImageConfig {
        char architecture[32]; /* "amd64", …; "" when not said */
        char *workdir;         /* normal and absolute, or "" */
        char *user;            /* "", "1000", "1000:1000", "name", "name:group": not resolved, control characters refused */
        char **env;            /* NAME=value; NULL-terminated, the later of two with one name wins where it is used */
        size_t n_env;
        char **entrypoint, **cmd;
        size_t n_entrypoint, n_cmd;
        char (*layers)[IMAGE_DIGEST_TEXT + 1]; /* rootfs.diff_ids, lowest first */
        size_t n_layers;
} ImageConfig;

void image_config_done(ImageConfig *c);
#define _cleanup_image_config_ _cleanup_(image_config_done)
/* 0, -EBADMSG with a reason, -ENOMEM. *ret is untouched on failure. */
int image_config_parse(const char *json, size_t n, ImageConfig *ret, Reason *reason);
/* A configuration for a root file system that came without one: the same layer gives the same text, and so the same id. The
 * caller frees. */
char *image_config_make(const char *layer);

/* The name of this machine in images: "amd64", "arm64", …; NULL when it has none. */
const char *image_architecture(void);
