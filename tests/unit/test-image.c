/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Names of images and the messages of ocsb-import. */

#include "unit.h"

#include "wire/image.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define DIGEST "sha256:" HEX

static void digests(void **state) {
        static const char *const bad[] = { "", HEX, "sha256:", "sha256:" HEX "0", "sha256:0" HEX, "sha512:" HEX, "sha256:../" HEX,
                "sha256:0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef" };

        (void) state;
        assert_true(image_digest_valid(DIGEST));
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                assert_false(image_digest_valid(bad[i]));
}

static void references(void **state) {
        static const struct {
                const char *in, *out;
        } good[] = {
                { "debian", "debian:latest" },
                { "debian:bookworm-slim", "debian:bookworm-slim" },
                { "docker.io/library/debian:12", "docker.io/library/debian:12" },
                { "localhost/tool", "localhost/tool:latest" },
                { "localhost:5000/team/a__b-c.d:V1_2", "localhost:5000/team/a__b-c.d:V1_2" },
                { "my-host.example/x", "my-host.example/x:latest" },
        };
        static const char *const bad[] = { "", "/", "a/", "/a", "a//b", "..", "../a", "a/../b", "a/.b", ".a", "a..b", "a___b", "-a", "a-",
                "A", "a/B", "a:", "a:.x", "a:-x", "a:b:c", "a b", "a\nb", "a+b", "a@" DIGEST, DIGEST, "h:99999999/x", "h:/x", "h..x/y:1/",
                "\xc3\xa4", "a:\xc3\xa4" };
        char normal[IMAGE_REFERENCE_MAX + 1], longest[400];

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                assert_int_equal(image_reference_normalize(good[i].in, normal), 0);
                assert_string_equal(normal, good[i].out);
        }
        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                if (image_reference_normalize(bad[i], normal) != -EINVAL)
                        fail_msg("\"%s\" is taken", bad[i]);
        memset(longest, 'a', sizeof(longest));
        longest[IMAGE_REFERENCE_MAX] = 0;
        assert_int_equal(image_reference_normalize(longest, normal), -ENAMETOOLONG);
        longest[IMAGE_REFERENCE_MAX] = 'a';
        longest[IMAGE_REFERENCE_MAX + 1] = 0;
        assert_int_equal(image_reference_normalize(longest, normal), -EINVAL);
}

static void import_round_trip(void **state) {
        _cleanup_writer_ WireWriter w = {};
        ImageImport m = { .reference = "debian:12", .flags = IMAGE_IMPORT_ARCHIVE_NAMES, .limits = IMAGE_LIMITS_DEFAULT }, got;
        WireReader r;

        (void) state;
        image_import_encode(&w, &m);
        r = WIRE_READER(w.data, w.len);
        assert_int_equal(image_import_decode(&r, &got, NULL), 0);
        assert_memory_equal(&m, &got, sizeof(m));
        for (size_t n = 0; n < w.len; n++) {
                r = WIRE_READER(w.data, n);
                assert_true(image_import_decode(&r, &got, NULL) < 0);
        }
}

static void import_refuses(void **state) {
        static const ImageImport bad[] = {
                { .reference = "debian", .limits = IMAGE_LIMITS_DEFAULT }, /* without its tag */
                { .reference = "../x:1", .limits = IMAGE_LIMITS_DEFAULT },
                { .flags = 1u << 1, .limits = IMAGE_LIMITS_DEFAULT },
                { .limits = { .bytes = 0, .entries = 1, .ratio = 1, .layers = 1 } },
                { .limits = { .bytes = 1, .entries = 0, .ratio = 1, .layers = 1 } },
                { .limits = { .bytes = 1, .entries = 1, .ratio = 0, .layers = 1 } },
                { .limits = { .bytes = 1, .entries = 1, .ratio = 1, .layers = 0 } },
                { .limits = { .bytes = 1, .entries = 1, .ratio = 1, .layers = IMAGE_LAYERS_MAX + 1 } },
                { .limits = { .bytes = UINT64_MAX, .entries = 1, .ratio = 1, .layers = 1 } },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_writer_ WireWriter w = {};
                const char *why = NULL;
                ImageImport got = {};
                WireReader r;

                image_import_encode(&w, bad + i);
                r = WIRE_READER(w.data, w.len);
                assert_int_equal(image_import_decode(&r, &got, &why), -EBADMSG);
                assert_non_null(why);
                assert_int_equal(got.limits.bytes, 0);
        }
}

static void imported_round_trip(void **state) {
        static ImageImported m, got;
        _cleanup_writer_ WireWriter w = {};
        WireReader r;

        (void) state;
        m = (ImageImported) { .id = DIGEST, .n_layers = 2, .n_references = 1, .references = { "a/b:c" }, .devices = 3, .note = "a note" };
        m.layers[0] = (ImageLayer) { .digest = DIGEST, .bytes = 5, .entries = 6, .shared = 1 };
        m.layers[1] = (ImageLayer) { .digest = DIGEST, .bytes = 7, .entries = 8 };
        image_imported_encode(&w, &m);
        r = WIRE_READER(w.data, w.len);
        assert_int_equal(image_imported_decode(&r, &got), 0);
        assert_memory_equal(&m, &got, sizeof(m));
        strcpy(m.note, "\xff");
        wire_writer_done(&w);
        image_imported_encode(&w, &m);
        r = WIRE_READER(w.data, w.len);
        assert_int_equal(image_imported_decode(&r, &got), -EBADMSG);
}

static void keep_lists_are_bounded(void **state) {
        char layers[2][IMAGE_DIGEST_TEXT + 1] = { DIGEST, DIGEST };
        ImageRemove m = { .what = "a:b", .keep = { .layers = layers, .n_layers = 2 } }, got = {};
        _cleanup_writer_ WireWriter w = {}, forged = {};
        WireReader r;

        (void) state;
        image_remove_encode(&w, &m);
        r = WIRE_READER(w.data, w.len);
        assert_int_equal(image_remove_decode(&r, &got), 0);
        assert_int_equal(got.keep.n_layers, 2);
        image_remove_done(&got);
        /* A count that the bytes behind it cannot hold. */
        wire_put_string(&forged, "a:b");
        wire_put_u32(&forged, IMAGE_KEEP_MAX);
        r = WIRE_READER(forged.data, forged.len);
        assert_true(image_remove_decode(&r, &got) < 0);
        assert_null(got.keep.layers);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(digests),
                cmocka_unit_test(references),
                cmocka_unit_test(import_round_trip),
                cmocka_unit_test(import_refuses),
                cmocka_unit_test(imported_round_trip),
                cmocka_unit_test(keep_lists_are_bounded),
        };

        return RUN_TESTS(tests);
}
