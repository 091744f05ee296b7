/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What an image's own lists say: index.json and the manifest of an OCI layout, manifest.json of "docker save". Their result is the
 * same: which part is the configuration, which parts are the layers, lowest first, and what is known of their digests. */

#include "import/reason.h"
#include "wire/image.h"

#define MANIFEST_BYTES_MAX ((size_t) 1 << 20)
#define MANIFEST_NAME_MAX 255u
#define MANIFEST_NAMES_MAX 16u

typedef struct ManifestPart {
        char name[MANIFEST_NAME_MAX + 1];   /* of the file in the archive or layout: relative, normal */
        char digest[IMAGE_DIGEST_TEXT + 1]; /* of the file as it is; "" when not said */
        uint64_t size;                      /* 0 when not said */
} ManifestPart;

typedef struct Manifest {
        ManifestPart config;
        ManifestPart layers[IMAGE_LAYERS_MAX];
        size_t n_layers;
        char references[MANIFEST_NAMES_MAX][IMAGE_REFERENCE_MAX + 1]; /* normal */
        size_t n_references;
} Manifest;

/* An index: *ret is its one manifest for this machine (and this operating system), or a further index to look into
 * (*ret_is_index). References that the index knows are added to m. */
int manifest_choose(const char *json, size_t n, Manifest *m, ManifestPart *ret, bool *ret_is_index, Reason *reason);
/* An OCI manifest, or Docker's schema 2, which has the same keys. */
int manifest_parse_oci(const char *json, size_t n, Manifest *m, Reason *reason);
/* manifest.json; one image only. */
int manifest_parse_docker(const char *json, size_t n, Manifest *m, Reason *reason);
