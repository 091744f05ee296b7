/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Configurations of images: what is read of real ones (golden files), and what is refused. */

#include "unit.h"

#include <fcntl.h>
#include <stdio.h>

#include "import/configuration.h"

#define LAYER "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ROOTFS "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" LAYER "\"]}"

static int parse(const char *text, ImageConfig *ret, Reason *reason) {
        *reason = (Reason) {};
        return image_config_parse(text, strlen(text), ret, reason);
}

static void print_list(FILE *f, const char *name, char **list, size_t n) {
        for (size_t i = 0; i < n; i++)
                fprintf(f, "%s[%zu]: %s\n", name, i, list[i]);
}

static void check_golden(const char *name) {
        _cleanup_free_ char *in = NULL, *want = NULL, *got = NULL;
        char path[512];
        _cleanup_image_config_ ImageConfig c = {};
        Reason reason = {};
        size_t n, got_len;
        FILE *f;

        (void) snprintf(path, sizeof(path), SOURCE_DIR "/tests/unit/golden/image-%s.json", name);
        assert_int_equal(file_read(AT_FDCWD, path, CONFIG_BYTES_MAX, &in, &n), 0);
        assert_int_equal(image_config_parse(in, n, &c, &reason), 0);
        f = open_memstream(&got, &got_len);
        assert_non_null(f);
        fprintf(f, "architecture: %s\nworkdir: %s\nuser: %s\n", c.architecture, c.workdir, c.user);
        print_list(f, "env", c.env, c.n_env);
        print_list(f, "entrypoint", c.entrypoint, c.n_entrypoint);
        print_list(f, "cmd", c.cmd, c.n_cmd);
        for (size_t i = 0; i < c.n_layers; i++)
                fprintf(f, "layer[%zu]: %s\n", i, c.layers[i]);
        fclose(f);
        (void) snprintf(path, sizeof(path), SOURCE_DIR "/tests/unit/golden/image-%s.txt", name);
        assert_int_equal(file_read(AT_FDCWD, path, CONFIG_BYTES_MAX, &want, NULL), 0);
        assert_string_equal(got, want);
}

static void golden(void **state) {
        (void) state;
        check_golden("debian");
        check_golden("tool");
}

static void workdir_becomes_normal(void **state) {
        static const char *const pairs[][2] = { { "/", "/" }, { "/a/", "/a" }, { "//a//b/", "/a/b" }, { "", "" } };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(pairs); i++) {
                _cleanup_image_config_ ImageConfig c = {};
                char text[256];
                Reason reason;

                (void) snprintf(text, sizeof(text), "{\"config\":{\"WorkingDir\":\"%s\"}," ROOTFS "}", pairs[i][0]);
                assert_int_equal(parse(text, &c, &reason), 0);
                assert_string_equal(c.workdir, pairs[i][1]);
        }
}

static void null_is_nothing(void **state) {
        _cleanup_image_config_ ImageConfig c = {};
        Reason reason;

        (void) state;
        assert_int_equal(parse("{\"config\":{\"Env\":null,\"Cmd\":null,\"Entrypoint\":null,\"User\":null,\"WorkingDir\":null}," ROOTFS "}", &c, &reason), 0);
        assert_int_equal(c.n_env + c.n_cmd + c.n_entrypoint, 0);
        assert_string_equal(c.user, "");
        image_config_done(&c);
        assert_int_equal(parse("{\"config\":null," ROOTFS "}", &c, &reason), 0);
}

static void environment_without_a_value_or_a_name_is_left_out(void **state) {
        _cleanup_image_config_ ImageConfig c = {};
        Reason reason;

        (void) state;
        assert_int_equal(parse("{\"config\":{\"Env\":[\"A=1\",\"BARE\",\"B=2=3\",\"=x\",\"a.b=c\",\"C=\"]}," ROOTFS "}", &c, &reason), 0);
        assert_int_equal(c.n_env, 3);
        assert_string_equal(c.env[0], "A=1");
        assert_string_equal(c.env[1], "B=2=3");
        assert_string_equal(c.env[2], "C=");
        assert_null(c.env[3]);
}

static void refused(void **state) {
        static const char *const bad[] = {
                "", "{", "[]", "7", "{}", "{\"rootfs\":{}}", "{\"rootfs\":{\"diff_ids\":[]}}", "{\"rootfs\":{\"diff_ids\":[\"sha256:x\"]}}",
                "{\"rootfs\":{\"diff_ids\":[7]}}", "{\"rootfs\":[]}", "{\"os\":\"windows\"," ROOTFS "}", "{\"config\":[]," ROOTFS "}",
                "{\"config\":{\"WorkingDir\":\"a\"}," ROOTFS "}", "{\"config\":{\"WorkingDir\":\"/a/../b\"}," ROOTFS "}",
                "{\"config\":{\"WorkingDir\":\"/a\\u0000b\"}," ROOTFS "}", "{\"config\":{\"User\":\"a b\"}," ROOTFS "}",
                "{\"config\":{\"User\":\"a/b\"}," ROOTFS "}", "{\"config\":{\"User\":7}," ROOTFS "}", "{\"config\":{\"Env\":\"A=1\"}," ROOTFS "}",
                "{\"config\":{\"Cmd\":[[]]}," ROOTFS "}", "{" ROOTFS "," ROOTFS "}", "{" ROOTFS "} x", "{\"a\":\"\xff\"," ROOTFS "}",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                ImageConfig c = {};
                Reason reason;

                if (parse(bad[i], &c, &reason) != -EBADMSG || !reason.text[0] || c.layers || c.workdir)
                        fail_msg("%s: %s", bad[i], reason.text);
        }
}

static void made_for_a_root_file_system(void **state) {
        _cleanup_free_ char *text = image_config_make(LAYER), *again = image_config_make(LAYER);
        _cleanup_image_config_ ImageConfig c = {};
        Reason reason;

        (void) state;
        assert_string_equal(text, again);
        assert_int_equal(parse(text, &c, &reason), 0);
        assert_int_equal(c.n_layers, 1);
        assert_string_equal(c.layers[0], LAYER);
        assert_string_equal(c.architecture, image_architecture());
}

static void reasons_are_bounded_and_harmless(void **state) {
        Reason reason = {};
        char name[5000];

        (void) state;
        memset(name, '\x1b', sizeof(name) - 1);
        name[sizeof(name) - 1] = 0;
        assert_int_equal(reason_set(&reason, -EBADMSG, "\"%s\" is the end", name), -EBADMSG);
        assert_null(strchr(reason.text, '\x1b'));
        assert_non_null(strstr(reason.text, "is the end"));
        (void) reason_set(&reason, -EIO, "second");
        assert_non_null(strstr(reason.text, "is the end"));
        assert_int_equal(reason_set(NULL, -EIO, "nobody"), -EIO);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(golden),
                cmocka_unit_test(workdir_becomes_normal),
                cmocka_unit_test(null_is_nothing),
                cmocka_unit_test(environment_without_a_value_or_a_name_is_left_out),
                cmocka_unit_test(refused),
                cmocka_unit_test(made_for_a_root_file_system),
                cmocka_unit_test(reasons_are_bounded_and_harmless),
        };

        return RUN_TESTS(tests);
}
