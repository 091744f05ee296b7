/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Messages of ocsb-import: whatever decodes encodes to the same bytes; and references, which become names of files. */

#include "base/macro.h"
#include "fuzz.h"
#include "wire/image.h"

static void fuzz_import(WireReader *r, WireWriter *w) {
        ImageImport m;

        if (image_import_decode(r, &m, NULL) >= 0)
                image_import_encode(w, &m);
}

static void fuzz_tag(WireReader *r, WireWriter *w) {
        ImageTag m;

        if (image_tag_decode(r, &m) >= 0)
                image_tag_encode(w, &m);
}

static void fuzz_remove(WireReader *r, WireWriter *w) {
        _cleanup_(image_remove_done) ImageRemove m = {};

        if (image_remove_decode(r, &m) >= 0)
                image_remove_encode(w, &m);
        else
                must(!m.keep.layers);
}

static void fuzz_prune(WireReader *r, WireWriter *w) {
        _cleanup_(image_prune_done) ImagePrune m = {};

        if (image_prune_decode(r, &m) >= 0)
                image_prune_encode(w, &m);
        else
                must(!m.keep.layers);
}

static void fuzz_progress(WireReader *r, WireWriter *w) {
        ImageProgress m;

        if (image_progress_decode(r, &m) >= 0)
                image_progress_encode(w, &m);
}

static void fuzz_imported(WireReader *r, WireWriter *w) {
        static ImageImported m;

        if (image_imported_decode(r, &m) >= 0)
                image_imported_encode(w, &m);
}

static void fuzz_pruned(WireReader *r, WireWriter *w) {
        ImagePruned m;

        if (image_pruned_decode(r, &m) >= 0)
                image_pruned_encode(w, &m);
}

static void fuzz_reference(WireReader *r, WireWriter *w) {
        char text[512] = {}, normal[IMAGE_REFERENCE_MAX + 1], again[IMAGE_REFERENCE_MAX + 1];

        (void) w;
        memcpy(text, r->data, MIN(r->len, sizeof(text) - 1));
        if (image_reference_normalize(text, normal) < 0)
                return;
        must(image_reference_valid(text) && image_reference_valid(normal) && !image_digest_valid(normal));
        must(image_reference_normalize(normal, again) == 0 && streq(normal, again));
        must(normal[0] != '.' && normal[0] != '/' && !strstr(normal, "..") && !strstr(normal, "//") && !strchr(normal, '+'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        /* The corpus counts on this order: append only. */
        static void (*const decoders[])(WireReader *r, WireWriter *w) = { fuzz_import, fuzz_tag, fuzz_remove, fuzz_prune, fuzz_progress,
                fuzz_imported, fuzz_pruned, fuzz_reference };
        _cleanup_writer_ WireWriter w = {};
        WireReader r;

        if (size == 0)
                return 0;
        r = WIRE_READER(data + 1, size - 1);
        decoders[data[0] % ELEMENTSOF(decoders)](&r, &w);
        if (w.len > 0)
                must(w.error == 0 && w.len == size - 1 && memcmp(w.data, data + 1, size - 1) == 0);
        return 0;
}
