/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Lists out of images. Every name that comes out of here is relative, without "." and "..", and short; every digest is SHA-256. */

#include "manifest.h"

#include <stdio.h>

#include "import/configuration.h"
#include "import/json.h"

#define MANIFESTS_MAX 1024u

static const char *const index_types[] = { "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json", NULL };
static const char *const manifest_types[] = { "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json", NULL };
static const char *const config_types[] = { "application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json",
        NULL };
/* Foreign ("nondistributable") layers are not in the image: without the network nothing can be done about them. */
static const char *const layer_types[] = { "application/vnd.oci.image.layer.v1.tar", "application/vnd.oci.image.layer.v1.tar+gzip",
        "application/vnd.oci.image.layer.v1.tar+zstd", "application/vnd.docker.image.rootfs.diff.tar",
        "application/vnd.docker.image.rootfs.diff.tar.gzip", "application/vnd.docker.image.rootfs.diff.tar.zstd", NULL };

static bool one_of(const char *s, const char *const *list) {
        for (; s && *list; list++)
                if (streq(s, *list))
                        return true;
        return false;
}

static void add_reference(Manifest *m, const char *s) {
        char normal[IMAGE_REFERENCE_MAX + 1];

        if (m->n_references >= ELEMENTSOF(m->references) || image_reference_normalize(s, normal) < 0)
                return;
        for (size_t i = 0; i < m->n_references; i++)
                if (streq(m->references[i], normal))
                        return;
        strcpy(m->references[m->n_references++], normal);
}

/* A descriptor: its type out of types, its digest and size. */
static int get_descriptor(json_t *j, const char *const *types, const char *what, ManifestPart *ret, Reason *reason) {
        const char *type, *digest;
        json_t *size = json_object_get(j, "size");
        int r;

        if (!json_is_object(j))
                return reason_set(reason, -EBADMSG, "%s: no object describes it", what);
        r = json_get_string(j, "mediaType", 255, what, &type, reason);
        if (r >= 0)
                r = json_get_string(j, "digest", 255, what, &digest, reason);
        if (r < 0)
                return r;
        if (!type || !one_of(type, types))
                return reason_set(reason, -EBADMSG, "%s: the media type \"%s\" is not supported", what, type ? type : "");
        if (!digest || !image_digest_valid(digest))
                return reason_set(reason, -EBADMSG, "%s: no digest of the form sha256:…", what);
        if (!json_is_integer(size) || json_integer_value(size) <= 0)
                return reason_set(reason, -EBADMSG, "%s: no size", what);
        *ret = (ManifestPart) { .size = (uint64_t) json_integer_value(size) };
        memcpy(ret->digest, digest, IMAGE_DIGEST_TEXT + 1);
        (void) snprintf(ret->name, sizeof(ret->name), "blobs/sha256/%s", digest + 7);
        return 0;
}

/* 2: made for this machine; 1: says nothing; 0: for another one, or no image (an attestation is for "unknown"). */
static int platform_fits(json_t *descriptor) {
        json_t *platform = json_object_get(descriptor, "platform");
        const char *os = json_string_value(json_object_get(platform, "os"));
        const char *architecture = json_string_value(json_object_get(platform, "architecture")), *ours = image_architecture();

        if (!platform)
                return 1;
        return os && architecture && ours && streq(os, "linux") && streq(architecture, ours) ? 2 : 0;
}

static void add_annotations(Manifest *m, json_t *descriptor) {
        json_t *a = json_object_get(descriptor, "annotations");
        const char *s = json_string_value(json_object_get(a, "io.containerd.image.name"));

        if (s)
                add_reference(m, s);
        /* skopeo writes the tag alone there: without a name it is none. */
        s = json_string_value(json_object_get(a, "org.opencontainers.image.ref.name"));
        if (s && strchr(s, ':'))
                add_reference(m, s);
}

int manifest_choose(const char *text, size_t n, Manifest *m, ManifestPart *ret, bool *ret_is_index, Reason *reason) {
        _cleanup_json_ json_t *root = NULL;
        json_t *list, *item, *found = NULL;
        int r, best = 0, n_best = 0;
        const char *type;
        size_t i;

        r = json_parse(text, n, MANIFEST_BYTES_MAX, "the index", &root, reason);
        if (r >= 0)
                r = json_get_list(root, "manifests", MANIFESTS_MAX, "the index", &list, reason);
        if (r < 0)
                return r;
        json_array_foreach(list, i, item) {
                int fits = platform_fits(item);

                if (fits > best)
                        n_best = 0;
                if (fits == 0 || fits < best)
                        continue;
                best = fits;
                found = item;
                n_best++;
        }
        if (!found)
                return reason_set(reason, -EBADMSG, "no image for this machine (linux/%s) in it", image_architecture());
        if (n_best > 1)
                return reason_set(reason, -EBADMSG, "%d images in it: one at a time, please", n_best);
        type = json_string_value(json_object_get(found, "mediaType"));
        *ret_is_index = one_of(type, index_types);
        r = get_descriptor(found, *ret_is_index ? index_types : manifest_types, "the image's manifest", ret, reason);
        if (r >= 0)
                add_annotations(m, found);
        return r;
}

int manifest_parse_oci(const char *text, size_t n, Manifest *m, Reason *reason) {
        _cleanup_json_ json_t *root = NULL;
        json_t *list, *item;
        size_t i;
        int r;

        r = json_parse(text, n, MANIFEST_BYTES_MAX, "the manifest", &root, reason);
        if (r >= 0)
                r = get_descriptor(json_object_get(root, "config"), config_types, "the image's configuration", &m->config, reason);
        if (r >= 0)
                r = json_get_list(root, "layers", IMAGE_LAYERS_MAX, "the manifest", &list, reason);
        if (r < 0)
                return r;
        if (json_array_size(list) == 0)
                return reason_set(reason, -EBADMSG, "the manifest names no layers");
        m->n_layers = 0;
        json_array_foreach(list, i, item) {
                char what[32];

                (void) snprintf(what, sizeof(what), "layer %zu", i + 1);
                r = get_descriptor(item, layer_types, what, m->layers + i, reason);
                if (r < 0)
                        return r;
                m->n_layers++;
        }
        return 0;
}

/* A file of the archive by its name. Where the name is its digest, it is held to it. */
static int get_name(json_t *j, const char *what, ManifestPart *ret, Reason *reason) {
        const char *s = json_string_value(j), *base;
        char absolute[MANIFEST_NAME_MAX + 3], hex[IMAGE_HEX + 1];

        if (!s || !*s || json_string_length(j) > MANIFEST_NAME_MAX)
                return reason_set(reason, -EBADMSG, "manifest.json: %s is no name of a file", what);
        absolute[0] = '/';
        strcpy(absolute + 1, s);
        if (!path_is_normal(absolute))
                return reason_set(reason, -EBADMSG, "manifest.json: %s: \"%s\" is no name inside the archive", what, s);
        *ret = (ManifestPart) {};
        strcpy(ret->name, s);
        base = strrchr(s, '/');
        base = base ? base + 1 : s;
        if (strlen(base) < IMAGE_HEX || (base[IMAGE_HEX] && !streq(base + IMAGE_HEX, ".json")))
                return 0;
        memcpy(hex, base, IMAGE_HEX);
        hex[IMAGE_HEX] = 0;
        if (image_hex_valid(hex))
                (void) snprintf(ret->digest, sizeof(ret->digest), "sha256:%s", hex);
        return 0;
}

int manifest_parse_docker(const char *text, size_t n, Manifest *m, Reason *reason) {
        _cleanup_json_ json_t *root = NULL;
        json_t *image, *list, *item;
        size_t i;
        int r;

        r = json_parse(text, n, MANIFEST_BYTES_MAX, "manifest.json", &root, reason);
        if (r < 0)
                return r;
        if (!json_is_array(root) || json_array_size(root) == 0)
                return reason_set(reason, -EBADMSG, "manifest.json lists no image");
        if (json_array_size(root) > 1)
                return reason_set(reason, -EBADMSG, "%zu images in it: one at a time, please", json_array_size(root));
        image = json_array_get(root, 0);
        r = get_name(json_object_get(image, "Config"), "Config", &m->config, reason);
        if (r >= 0)
                r = json_get_list(image, "Layers", IMAGE_LAYERS_MAX, "manifest.json", &list, reason);
        if (r < 0)
                return r;
        if (json_array_size(list) == 0)
                return reason_set(reason, -EBADMSG, "manifest.json names no layers");
        m->n_layers = 0;
        json_array_foreach(list, i, item) {
                r = get_name(item, "Layers", m->layers + i, reason);
                if (r < 0)
                        return r;
                m->n_layers++;
        }
        r = json_get_list(image, "RepoTags", MANIFESTS_MAX, "manifest.json", &list, reason);
        if (r < 0)
                return r;
        json_array_foreach(list, i, item) {
                if (json_is_string(item))
                        add_reference(m, json_string_value(item));
        }
        return 0;
}
