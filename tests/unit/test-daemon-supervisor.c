/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The directories of ocsbd --standalone: made when missing, refused when they are not what they must be
 * (threat T12). */

#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/supervisor.h"

typedef struct Fixture {
        char path[64];
        int fd;
        unsigned uid, gid;
} Fixture;

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        strcpy(f->path, "/tmp/test-daemon-supervisor-XXXXXX");
        assert_non_null(mkdtemp(f->path));
        f->fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(f->fd >= 0);
        f->uid = geteuid();
        f->gid = getegid();
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        (void) unlinkat(f->fd, "d", AT_REMOVEDIR);
        (void) unlinkat(f->fd, "d", 0);
        fd_close(f->fd);
        assert_int_equal(rmdir(f->path), 0);
        free(f);
        return 0;
}

static int make(const Fixture *f, unsigned mode) {
        int fd = supervisor_make_dir(f->fd, "d", f->uid, f->gid, mode);

        if (fd < 0)
                return fd;
        fd_close(fd);
        return 0;
}

static mode_t mode_of(const Fixture *f) {
        struct stat st;

        assert_int_equal(fstatat(f->fd, "d", &st, AT_SYMLINK_NOFOLLOW), 0);
        return st.st_mode & 07777;
}

static void test_made_and_found_again(void **state) {
        const Fixture *f = *state;
        mode_t old = umask(077);

        assert_int_equal(make(f, 0755), 0);
        (void) umask(old);
        assert_int_equal(mode_of(f), 0755);
        assert_int_equal(make(f, 0755), 0);
        /* Ours, but with another mode: of an earlier version, say. */
        assert_int_equal(make(f, 0750), 0);
        assert_int_equal(mode_of(f), 0750);
}

static void test_writable_by_others_is_refused(void **state) {
        const Fixture *f = *state;

        assert_int_equal(mkdirat(f->fd, "d", 0700), 0);
        assert_int_equal(fchmodat(f->fd, "d", 0777, 0), 0);
        assert_int_equal(make(f, 0755), -EPERM);
        assert_int_equal(mode_of(f), 0777);
        assert_int_equal(fchmodat(f->fd, "d", 01777, 0), 0);
        assert_int_equal(make(f, 0755), -EPERM);
        assert_int_equal(fchmodat(f->fd, "d", 0770, 0), 0);
        assert_int_equal(make(f, 0755), -EPERM);
}

static void test_another_owner_is_refused(void **state) {
        const Fixture *f = *state;

        assert_int_equal(mkdirat(f->fd, "d", 0700), 0);
        if (geteuid() == 0)
                assert_int_equal(fchownat(f->fd, "d", 12345, 0, 0), 0);
        else {
                /* The other way round: ours where another's is wanted. */
                assert_int_equal(supervisor_make_dir(f->fd, "d", f->uid + 1, f->gid, 0700), -EPERM);
                return;
        }
        assert_int_equal(make(f, 0700), -EPERM);
}

static void test_links_and_files_are_refused(void **state) {
        const Fixture *f = *state;

        assert_int_equal(symlinkat("/tmp", f->fd, "d"), 0);
        assert_int_equal(make(f, 0755), -EPERM);
        assert_int_equal(unlinkat(f->fd, "d", 0), 0);
        assert_int_equal(symlinkat("nowhere", f->fd, "d"), 0);
        assert_int_equal(make(f, 0755), -EPERM);
        assert_int_equal(unlinkat(f->fd, "d", 0), 0);
        fd_close(openat(f->fd, "d", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
        assert_int_equal(make(f, 0755), -EPERM);
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                T(test_made_and_found_again),
                T(test_writable_by_others_is_refused),
                T(test_another_owner_is_refused),
                T(test_links_and_files_are_refused),
        };

        return RUN_TESTS(tests);
}
