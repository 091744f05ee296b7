/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* State files: what is written is what is read, and nothing else is. */

#include "unit.h"

#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <jansson.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/state.h"

static void fill(SessionState *s) {
        *s = (SessionState) {
                .phase = STATE_READY,
                .id = "s_1",
                .uid = 1000,
                .profile = g_strdup("default"),
                .root = g_strdup("host-minimal"),
                .network = g_strdup("none"),
                .config_hash = g_strdup("h\xc3\xa4sh \"\n"),
                .digest = g_strdup("0123"),
                .plan = g_strdup("{\"a\": [1, \"x\"]}"),
                .created_usec = 1700000000000000,
                .idle_usec = USEC_INFINITY,
                .age_usec = 5,
                .monitor_pid = 4321,
                .cgroup = g_strdup("/ocsb.slice/ocsb-s_1.scope"),
                .resolved = g_strsplit("/a: /b -> /c|/d: /e -> /f", "|", -1),
                .proven = g_new0(StateProof, 1),
                .n_proven = 1,
        };
        s->proven[0] = (StateProof) { g_strdup("mount"), g_strdup("held"), g_strdup("EPERM") };
}

static void test_round_trip(void **state) {
        _cleanup_(session_state_done) SessionState a = {}, b = {};
        g_autofree char *text = NULL, *again = NULL;
        size_t n, m;

        (void) state;
        fill(&a);
        text = state_encode(&a, &n);
        assert_non_null(text);
        assert_int_equal(strlen(text), n);
        assert_int_equal(state_decode(text, n, &b, NULL), 0);
        assert_string_equal(b.id, "s_1");
        assert_int_equal(b.uid, 1000);
        assert_true(b.idle_usec == USEC_INFINITY);
        assert_int_equal(b.age_usec, 5);
        assert_string_equal(b.plan, a.plan);
        assert_string_equal(b.config_hash, a.config_hash);
        assert_string_equal(b.resolved[1], "/d: /e -> /f");
        assert_null(b.resolved[2]);
        assert_string_equal(b.proven[0].detail, "EPERM");
        again = state_encode(&b, &m);
        assert_int_equal(n, m);
        assert_string_equal(text, again);
}

static void test_building_has_little(void **state) {
        _cleanup_(session_state_done) SessionState a = {.phase = STATE_BUILDING, .id = "x", .uid = 1},
                                                   b = {};
        g_autofree char *text = NULL;
        size_t n;

        (void) state;
        a.profile = g_strdup("p");
        a.root = g_strdup("host");
        a.network = g_strdup("none");
        a.config_hash = g_strdup("");
        a.digest = g_strdup("");
        a.plan = g_strdup("{}");
        text = state_encode(&a, &n);
        assert_non_null(text);
        assert_int_equal(state_decode(text, n, &b, NULL), 0);
        assert_int_equal(b.phase, STATE_BUILDING);
        assert_string_equal(b.plan, "");
        assert_string_equal(b.cgroup, "");
        assert_int_equal(b.n_proven, 0);
}

/* One member of a good file replaced (or, with NULL, dropped). */
static void expect_bad(const char *key, json_t *value) {
        _cleanup_(session_state_done) SessionState a = {}, b = {};
        g_autofree char *text = NULL, *changed = NULL;
        _cleanup_free_ char *line = NULL;
        const char *why = NULL, *end;
        json_t *o;
        size_t n;

        fill(&a);
        text = state_encode(&a, &n);
        end = strchr(text, '\n');
        assert_non_null(end);
        o = json_loadb(text, (size_t) (end - text), 0, NULL);
        if (value)
                assert_int_equal(json_object_set_new(o, key, value), 0);
        else
                assert_int_equal(json_object_del(o, key), 0);
        line = json_dumps(o, JSON_COMPACT);
        json_decref(o);
        changed = g_strconcat(line, end, NULL);
        if (state_decode(changed, strlen(changed), &b, &why) != -EBADMSG)
                fail_msg("accepted: %s", changed);
        assert_non_null(why);
        assert_null(b.profile);
}

static void test_each_member_is_checked(void **state) {
        static const char *const members[] = {"version", "phase", "id", "uid", "profile", "root", "network",
                        "config-hash", "digest", "plan-bytes", "created-usec", "idle-usec", "age-usec",
                        "monitor-pid", "cgroup", "resolved", "proven"};

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(members); i++) {
                expect_bad(members[i], NULL);
                expect_bad(members[i], json_null());
                expect_bad(members[i], json_true());
                expect_bad(members[i], json_object());
        }
        expect_bad("version", json_integer(2));
        expect_bad("plan-bytes", json_integer(14));
        expect_bad("plan-bytes", json_integer(16));
        expect_bad("plan-bytes", json_integer(-1));
        expect_bad("phase", json_string("Ready"));
        expect_bad("id", json_string("../../etc/passwd"));
        expect_bad("id", json_string("a23456789012345678901234567890123"));
        expect_bad("uid", json_integer(0));
        expect_bad("uid", json_integer(-1));
        expect_bad("uid", json_integer(INT64_C(4294967295)));
        expect_bad("uid", json_integer(INT64_C(2147483648)));
        expect_bad("profile", json_string("../x"));
        expect_bad("root", json_string("image"));
        expect_bad("network", json_string("host"));
        expect_bad("monitor-pid", json_integer(-5));
        expect_bad("idle-usec", json_integer(-2));
        expect_bad("resolved", json_pack("[i]", 5));
        expect_bad("proven", json_pack("[[ss]]", "a", "b"));
        expect_bad("proven", json_pack("[[ssss]]", "a", "b", "c", "d"));
        expect_bad("extra", json_integer(1));
}

static void test_garbage(void **state) {
        static const char *const texts[] = { "", "{", "[]", "null", "{}", "\xff\xfe", "{\"id\":1,\"id\":2}",
                "[[[[[[[[[[[[[[[[[[[[\n", "{}\n", "\n" };
        _cleanup_(session_state_done) SessionState a = {}, b = {};
        g_autofree char *text = NULL, *twice = NULL, *longer = NULL;
        size_t n;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                assert_int_equal(state_decode(texts[i], strlen(texts[i]), &b, NULL), -EBADMSG);
        /* Every truncation of a good one. */
        fill(&a);
        text = state_encode(&a, &n);
        for (size_t i = 0; i < n; i++)
                assert_int_equal(state_decode(text, i, &b, NULL), -EBADMSG);
        /* One byte more, a NUL, bytes that are no text. */
        longer = g_strconcat(text, "x", NULL);
        assert_int_equal(state_decode(longer, n + 1, &b, NULL), -EBADMSG);
        longer[n - 1] = 0;
        assert_int_equal(state_decode(longer, n, &b, NULL), -EBADMSG);
        longer[n - 1] = (char) 0xff;
        assert_int_equal(state_decode(longer, n, &b, NULL), -EBADMSG);
        /* A duplicate of a member. */
        twice = g_strdup_printf("{\"id\": \"s_1\", %s", text + 1);
        assert_int_equal(state_decode(twice, strlen(twice), &b, NULL), -EBADMSG);
}

/* Files */

typedef struct Directory {
        char path[64];
        int fd;
} Directory;

static int make_directory(void **state) {
        Directory *d = calloc(1, sizeof(*d));

        strcpy(d->path, "/tmp/test-daemon-state-XXXXXX");
        assert_non_null(mkdtemp(d->path));
        d->fd = state_open_dir(d->path);
        assert_true(d->fd >= 0);
        *state = d;
        return 0;
}

static void drop(const char *id, void *userdata) {
        (void) state_remove(*(int *) userdata, id);
}

static int remove_directory(void **state) {
        Directory *d = *state;

        (void) state_foreach(d->fd, drop, &d->fd);
        fd_close(d->fd);
        assert_int_equal(rmdir(d->path), 0);
        free(d);
        return 0;
}

static void count(const char *id, void *userdata) {
        (void) id;
        (*(unsigned *) userdata)++;
}

static void test_files(void **state) {
        Directory *d = *state;
        _cleanup_(session_state_done) SessionState a = {}, b = {};
        const char *why = NULL;
        struct stat st;
        unsigned n = 0;

        fill(&a);
        assert_int_equal(state_save(d->fd, &a), 0);
        assert_int_equal(fstatat(d->fd, "s_1", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        assert_int_equal(state_load(d->fd, "s_1", &b, &why), 0);
        assert_string_equal(b.digest, "0123");

        /* Under another's name. */
        assert_int_equal(renameat(d->fd, "s_1", d->fd, "other"), 0);
        assert_int_equal(state_load(d->fd, "other", &b, &why), -EBADMSG);
        assert_int_equal(state_load(d->fd, "s_1", &b, &why), -ENOENT);

        /* Writable by others, a link, a fifo. */
        assert_int_equal(fchmodat(d->fd, "other", 0622, 0), 0);
        assert_int_equal(state_load(d->fd, "other", &b, &why), -EPERM);
        assert_int_equal(symlinkat("/etc/passwd", d->fd, "link"), 0);
        assert_int_equal(state_load(d->fd, "link", &b, &why), -ELOOP);
        assert_int_equal(mkfifoat(d->fd, "fifo", 0600), 0);
        assert_true(state_load(d->fd, "fifo", &b, &why) < 0);

        /* What an interrupted write left goes; what is no id is not ours. */
        fd_close(openat(d->fd, ".s_1.tmp", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
        fd_close(openat(d->fd, "Not-an-id", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
        assert_int_equal(state_foreach(d->fd, count, &n), 0);
        assert_int_equal(n, 3);
        assert_int_equal(faccessat(d->fd, ".s_1.tmp", F_OK, 0), -1);
        assert_int_equal(unlinkat(d->fd, "Not-an-id", 0), 0);
        assert_int_equal(state_remove(d->fd, "other"), 0);
        assert_int_equal(state_remove(d->fd, "other"), 0);
}

static void test_directory_that_is_not_ours(void **state) {
        Directory *d = *state;
        g_autofree char *link = g_strconcat(d->path, "-link", NULL);
        int fd;

        assert_int_equal(symlink(d->path, link), 0);
        fd = state_open_dir(link);
        assert_int_equal(unlink(link), 0);
        assert_true(fd == -ELOOP || fd == -ENOTDIR);
        assert_int_equal(fchmod(d->fd, 0770), 0);
        assert_int_equal(state_open_dir(d->path), -EPERM);
        assert_int_equal(fchmod(d->fd, 0700), 0);
        assert_int_equal(state_open_dir("/nonexistent"), -ENOENT);
        if (geteuid() == 0) {
                assert_int_equal(fchown(d->fd, 12345, 0), 0);
                assert_int_equal(state_open_dir(d->path), -EPERM);
                assert_int_equal(fchown(d->fd, 0, 0), 0);
        } else
                assert_int_equal(state_open_dir("/"), -EPERM);
}

static void test_deleted_directory_is_not_made_again(void **state) {
        char path[] = "/tmp/test-daemon-state-XXXXXX";
        _cleanup_(session_state_done) SessionState a = {};
        _cleanup_close_ int fd = -EBADF;

        (void) state;
        assert_non_null(mkdtemp(path));
        fd = state_open_dir(path);
        assert_int_equal(rmdir(path), 0);
        fill(&a);
        assert_int_equal(state_save(fd, &a), -ENOENT);
        assert_int_equal(access(path, F_OK), -1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                        cmocka_unit_test(test_round_trip),
                        cmocka_unit_test(test_building_has_little),
                        cmocka_unit_test(test_each_member_is_checked),
                        cmocka_unit_test(test_garbage),
                        cmocka_unit_test_setup_teardown(test_files, make_directory, remove_directory),
                        cmocka_unit_test_setup_teardown(
                                        test_directory_that_is_not_ours, make_directory, remove_directory),
                        cmocka_unit_test(test_deleted_directory_is_not_made_again),
        };

        return RUN_TESTS(tests);
}
