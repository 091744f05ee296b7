/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The store from the side of who reads it, and trees as far as nobody's ids are needed: no privilege, no user namespace. */

#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "import/digest.h"
#include "import/store.h"
#include "import/tree.h"

#define HEX_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static char place[] = "/tmp/ocsb-test-store-XXXXXX";
static int place_fd = -EBADF;

static int set_up(void **state) {
        (void) state;
        strcpy(place + strlen(place) - 6, "XXXXXX");
        if (!mkdtemp(place))
                return -1;
        place_fd = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return place_fd < 0 ? -1 : 0;
}

static int tear_down(void **state) {
        (void) state;
        place_fd = fd_close(place_fd);
        return tree_remove(AT_FDCWD, place);
}

/* An image of one empty layer. */
static void add_image(Store *s, const char *reference, char ret_id[static IMAGE_DIGEST_TEXT + 1]) {
        _cleanup_store_work_ StoreWork w = STORE_WORK_NONE;
        ImageLayer layer = { .digest = "sha256:" HEX_A, .bytes = 5, .entries = 1 };
        _cleanup_free_ char *config = image_config_make(layer.digest);
        char references[1][IMAGE_REFERENCE_MAX + 1];
        int fd;

        strcpy(references[0], reference);
        assert_int_equal(store_work_begin(s, &w), 0);
        assert_int_equal(store_work_layer(&w, HEX_A, &fd), 0);
        fd_close(fd);
        assert_int_equal(store_work_layer_done(&w, HEX_A, &layer), 0);
        digest_of(config, strlen(config), ret_id);
        assert_int_equal(store_work_commit(&w, &layer, 1, ret_id, config, strlen(config), (const char (*)[IMAGE_REFERENCE_MAX + 1]) references, 1), 0);
}

static void looking_up(void **state) {
        _cleanup_store_ Store s = STORE_NONE, reader = STORE_NONE;
        char id[IMAGE_DIGEST_TEXT + 1];
        _cleanup_store_image_ StoreImage by_name = {}, by_id = {}, none = {};
        _cleanup_store_images_ StoreImages all = {};
        unsigned fds = count_fds();
        Reason reason = {};
        ImageLayer l;
        int fd;

        (void) state;
        assert_int_equal(store_open(place_fd, true, &s, NULL), 0);
        add_image(&s, "team/tool:1", id);
        assert_int_equal(store_tag(&s, "tool:latest", id), 0);
        assert_int_equal(store_open(place_fd, false, &reader, NULL), 0);
        assert_int_equal(store_look_up(&reader, "tool", &by_name, NULL), 0);
        assert_string_equal(by_name.id, id);
        assert_int_equal(by_name.n_references, 2);
        assert_string_equal(by_name.references[0], "team/tool:1");
        assert_string_equal(by_name.references[1], "tool:latest");
        assert_int_equal(by_name.bytes, 5);
        assert_true(by_name.imported_usec > 0);
        assert_int_equal(store_look_up(&reader, id, &by_id, NULL), 0);
        assert_int_equal(store_look_up(&reader, "nothing", &none, &reason), -ENOENT);
        assert_non_null(strstr(reason.text, "nothing:latest"));
        assert_int_equal(store_look_up(&reader, "../x", &none, NULL), -EINVAL);
        assert_int_equal(store_list(&reader, &all), 0);
        assert_int_equal(all.n_images, 1);
        assert_int_equal(store_layer_size(&reader, by_id.config.layers[0], &l), 0);
        assert_int_equal(l.entries, 1);
        fd = store_open_layer(&reader, by_id.config.layers[0]);
        assert_true(fd >= 0);
        fd_close(fd);
        assert_int_equal(store_open_layer(&reader, "sha256:../../etc"), -EINVAL);
        store_done(&s);
        store_done(&reader);
        assert_int_equal(count_fds(), fds);
}

static void what_is_damaged_is_none(void **state) {
        _cleanup_store_ Store s = STORE_NONE;
        char id[IMAGE_DIGEST_TEXT + 1];
        _cleanup_store_image_ StoreImage image = {};
        _cleanup_store_images_ StoreImages all = {};
        Reason reason = {};

        (void) state;
        assert_int_equal(store_open(place_fd, true, &s, NULL), 0);
        add_image(&s, "a:1", id);
        assert_int_equal(renameat(s.layers, HEX_A, s.work, "away"), 0);
        assert_int_equal(store_look_up(&s, "a:1", &image, &reason), -EBADMSG);
        assert_non_null(strstr(reason.text, "lacks its layer"));
        assert_int_equal(renameat(s.work, "away", s.layers, HEX_A), 0);
        assert_int_equal(file_write_atomic(s.images, id + 7, "{}", 2, 0644), 0);
        reason = (Reason) {};
        assert_int_equal(store_look_up(&s, "a:1", &image, &reason), -EBADMSG);
        assert_non_null(strstr(reason.text, "damaged"));
        assert_int_equal(store_list(&s, &all), 0);
        assert_int_equal(all.n_images, 0);
        assert_int_equal(file_write_atomic(s.tags, "a:1", "sha256:../x\n", 12, 0644), 0);
        assert_int_equal(store_look_up(&s, "a:1", &image, NULL), -EBADMSG);
}

static void empty_and_foreign_stores(void **state) {
        _cleanup_store_ Store s = STORE_NONE;
        _cleanup_store_image_ StoreImage image = {};
        _cleanup_store_images_ StoreImages all = {};
        Reason reason = {};

        (void) state;
        assert_int_equal(store_open(place_fd, false, &s, NULL), 0);
        assert_int_equal(store_list(&s, &all), 0);
        assert_int_equal(all.n_images, 0);
        assert_int_equal(store_look_up(&s, "a:1", &image, NULL), -ENOENT);
        store_done(&s);
        assert_int_equal(fchmod(place_fd, 0777), 0);
        assert_int_equal(store_open(place_fd, false, &s, &reason), -EPERM);
        assert_non_null(strstr(reason.text, "ocsb-import alone"));
}

static void paths(void **state) {
        static const struct {
                const char *in, *out;
        } names[] = { { "a", "a" }, { "./a//b/", "a/b" }, { "/a", "a" }, { ".", "" }, { "/", "" }, { "a/.b/..c/...", "a/.b/..c/..." }, { "..", NULL },
                { "a/..", NULL }, { "../a", NULL }, { "/a/../b", NULL } };
        char path[TREE_PATH_MAX + 1];

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(names); i++) {
                Job job = { .sock = -EBADF };
                int r = tree_path(&job, names[i].in, path);

                assert_int_equal(r, names[i].out ? 0 : -EBADMSG);
                if (names[i].out)
                        assert_string_equal(path, names[i].out);
                else
                        assert_true(job.reason.text[0]);
        }
}

/* Far deeper than any path is long, with as many descriptors as a shallow one. */
static void removing_a_deep_tree(void **state) {
        _cleanup_close_ int fd = -EBADF;
        unsigned fds;

        (void) state;
        assert_int_equal(mkdirat(place_fd, "deep", 0700), 0);
        fd = openat(place_fd, "deep", O_PATH | O_DIRECTORY | O_CLOEXEC);
        for (int i = 0; i < 5000; i++) {
                int next;

                assert_int_equal(mkdirat(fd, "directory", 0700), 0);
                assert_int_equal(symlinkat("/etc", fd, "link"), 0);
                next = openat(fd, "directory", O_PATH | O_DIRECTORY | O_CLOEXEC);
                assert_true(next >= 0);
                fd_close(fd);
                fd = next;
        }
        fd = fd_close(fd);
        fds = count_fds();
        assert_int_equal(tree_remove(place_fd, "deep"), 0);
        assert_int_equal(count_fds(), fds);
        assert_int_equal(faccessat(place_fd, "deep", F_OK, 0), -1);
        assert_int_equal(tree_remove(place_fd, "deep"), 0);
}

static void removing_does_not_follow(void **state) {
        (void) state;
        assert_int_equal(mkdirat(place_fd, "kept", 0700), 0);
        assert_int_equal(mkdirat(place_fd, "kept/in", 0700), 0);
        assert_int_equal(mkdirat(place_fd, "gone", 0700), 0);
        assert_int_equal(symlinkat("../kept", place_fd, "gone/link"), 0);
        assert_int_equal(symlinkat("kept", place_fd, "link"), 0);
        assert_int_equal(tree_remove(place_fd, "gone"), 0);
        assert_int_equal(tree_remove(place_fd, "link"), 0);
        assert_int_equal(faccessat(place_fd, "kept/in", F_OK, 0), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(looking_up, set_up, tear_down),
                cmocka_unit_test_setup_teardown(what_is_damaged_is_none, set_up, tear_down),
                cmocka_unit_test_setup_teardown(empty_and_foreign_stores, set_up, tear_down),
                cmocka_unit_test(paths),
                cmocka_unit_test_setup_teardown(removing_a_deep_tree, set_up, tear_down),
                cmocka_unit_test_setup_teardown(removing_does_not_follow, set_up, tear_down),
        };

        return RUN_TESTS(tests);
}
