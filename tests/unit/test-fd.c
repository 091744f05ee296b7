/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "unit.h"

#include <fcntl.h>
#include <pty.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* A directory of its own for each test that writes files. */
static char dir_path[64];
static int dir_fd = -EBADF;

static int setup_dir(void **state) {
        (void) state;
        strcpy(dir_path, "/tmp/ocsb-test-fd-XXXXXX");
        if (!mkdtemp(dir_path))
                return -1;
        dir_fd = open(dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return dir_fd < 0 ? -1 : 0;
}

static int teardown_dir(void **state) {
        DIR *d;
        struct dirent *e;

        (void) state;
        d = fdopendir(dir_fd);
        while ((e = readdir(d)))
                (void) unlinkat(dirfd(d), e->d_name, 0);
        closedir(d);
        dir_fd = -EBADF;
        return rmdir(dir_path);
}

static void close_keeps_errno_and_invalidates(void **state) {
        int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

        (void) state;
        errno = EPERM;
        assert_int_equal(fd_close(fd), -EBADF);
        assert_int_equal(errno, EPERM);
        assert_int_equal(fcntl(fd, F_GETFD), -1);
        assert_int_equal(fd_close(-EBADF), -EBADF);
}

static void cleanup_closes_and_take_does_not(void **state) {
        unsigned before = count_fds();
        int kept;

        (void) state;
        {
                _cleanup_close_ int a = open("/dev/null", O_RDONLY | O_CLOEXEC);
                _cleanup_close_ int b = open("/dev/null", O_RDONLY | O_CLOEXEC);

                assert_true(a >= 0 && b >= 0);
                kept = TAKE_FD(b);
                assert_int_equal(b, -EBADF);
        }
        assert_int_equal(count_fds(), before + 1);
        fd_close(kept);
}

static void dup_stays_clear_of_stdio_and_exec(void **state) {
        int fd = fd_dup(STDIN_FILENO);

        (void) state;
        assert_true(fd >= 3);
        assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
        fd_close(fd);
        assert_int_equal(fd_dup(-1), -EBADF);
}

static void nonblock_can_be_set_and_cleared(void **state) {
        int p[2];

        (void) state;
        assert_int_equal(pipe2(p, O_CLOEXEC), 0);
        assert_int_equal(fd_set_nonblock(p[0], true), 0);
        assert_true(fcntl(p[0], F_GETFL) & O_NONBLOCK);
        assert_int_equal(fd_set_nonblock(p[0], false), 0);
        assert_false(fcntl(p[0], F_GETFL) & O_NONBLOCK);
        fd_close_many(p, 2);
        assert_int_equal(p[0], -EBADF);
        assert_int_equal(fd_set_nonblock(-1, true), -EBADF);
}

static void read_full_joins_short_reads(void **state) {
        char buf[8];
        int p[2];

        (void) state;
        assert_int_equal(pipe2(p, O_CLOEXEC), 0);
        assert_int_equal(fd_write_all(p[1], "abc", 3), 0);
        assert_int_equal(fd_write_all(p[1], "de", 2), 0);
        p[1] = fd_close(p[1]);
        assert_int_equal(fd_read_full(p[0], buf, sizeof(buf)), 5);
        assert_memory_equal(buf, "abcde", 5);
        fd_close_many(p, 2);
        assert_int_equal(fd_read_full(-1, buf, 1), -EBADF);
        assert_int_equal(fd_write_all(-1, "a", 1), -EBADF);
}

static void read_file_returns_contents_with_nul(void **state) {
        _cleanup_free_ char *s = NULL;
        size_t n;

        (void) state;
        assert_int_equal(file_write_atomic(dir_fd, "a", "x\0y", 3, 0600), 0);
        assert_int_equal(file_read(dir_fd, "a", 3, &s, &n), 0);
        assert_int_equal(n, 3);
        assert_memory_equal(s, "x\0y", 4);
}

static void read_file_refuses_more_than_max(void **state) {
        char *s = NULL;
        size_t n;

        (void) state;
        assert_int_equal(file_write_atomic(dir_fd, "a", "abcd", 4, 0600), 0);
        assert_int_equal(file_read(dir_fd, "a", 3, &s, &n), -EFBIG);
        assert_null(s);
}

static void read_file_reads_proc_files_of_size_zero(void **state) {
        _cleanup_free_ char *s = NULL;
        size_t n = 0;

        (void) state;
        assert_int_equal(file_read(AT_FDCWD, "/proc/self/status", 1 << 16, &s, &n), 0);
        assert_true(n > 100);
        assert_int_equal(strlen(s), n);
}

static void read_file_refuses_fifos_without_waiting(void **state) {
        char *s = NULL;
        size_t n;

        (void) state;
        assert_int_equal(mkfifoat(dir_fd, "fifo", 0600), 0);
        assert_int_equal(file_read(dir_fd, "fifo", 10, &s, &n), -ENOTSUP);
        assert_int_equal(file_read(AT_FDCWD, "/dev/zero", 10, &s, &n), -ENOTSUP);
        assert_int_equal(file_read(AT_FDCWD, "/", 10, &s, &n), -ENOTSUP);
        assert_int_equal(file_read(dir_fd, "missing", 10, &s, &n), -ENOENT);
}

static void write_atomic_replaces_and_leaves_no_temporary(void **state) {
        _cleanup_free_ char *s = NULL;
        struct stat st;
        mode_t old = umask(0077);
        size_t n;

        (void) state;
        assert_int_equal(file_write_atomic(dir_fd, "a", "one", 3, 0600), 0);
        assert_int_equal(file_write_atomic(dir_fd, "a", "two!", 4, 0640), 0);
        (void) umask(old);
        assert_int_equal(file_read(dir_fd, "a", 100, &s, &n), 0);
        assert_string_equal(s, "two!");
        assert_int_equal(fstatat(dir_fd, "a", &st, AT_SYMLINK_NOFOLLOW), 0);
        assert_int_equal(st.st_mode & 0777, 0640);
        assert_int_equal(faccessat(dir_fd, ".a.tmp", F_OK, 0), -1);
}

static void write_atomic_does_not_follow_a_planted_symlink(void **state) {
        (void) state;
        assert_int_equal(symlinkat("victim", dir_fd, ".a.tmp"), 0);
        assert_int_equal(file_write_atomic(dir_fd, "a", "x", 1, 0600), 0);
        assert_int_equal(faccessat(dir_fd, "victim", F_OK, 0), -1);
}

static void write_atomic_cleans_up_when_the_rename_fails(void **state) {
        (void) state;
        assert_int_equal(mkdirat(dir_fd, "d", 0700), 0);
        assert_int_equal(file_write_atomic(dir_fd, "d", "x", 1, 0600), -EISDIR);
        assert_int_equal(faccessat(dir_fd, ".d.tmp", F_OK, 0), -1);
        assert_int_equal(unlinkat(dir_fd, "d", AT_REMOVEDIR), 0);
}

static void write_at_never_creates(void **state) {
        _cleanup_free_ char *s = NULL;

        (void) state;
        assert_int_equal(file_write_at(dir_fd, "a", "x"), -ENOENT);
        assert_int_equal(file_write_atomic(dir_fd, "a", "abc", 3, 0600), 0);
        assert_int_equal(file_write_at(dir_fd, "a", "xy"), 0);
        assert_int_equal(file_read(dir_fd, "a", 10, &s, NULL), 0);
        assert_string_equal(s, "xyc");
}

static void sealed_memfd_cannot_change(void **state) {
        _cleanup_close_ int fd = memfd_sealed("test", "abc", 3);
        char buf[4] = "";

        (void) state;
        assert_true(fd >= 0);
        assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
        assert_int_equal(memfd_check_sealed(fd), 0);
        assert_int_equal(pread(fd, buf, 3, 0), 3);
        assert_string_equal(buf, "abc");
        assert_int_equal(pwrite(fd, "x", 1, 0), -1);
        assert_int_equal(ftruncate(fd, 0), -1);
        assert_int_equal(ftruncate(fd, 10), -1);
        assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
}

static void sealed_check_wants_all_three_seals(void **state) {
        static const int seals[] = { F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE };

        (void) state;
        for (unsigned mask = 0; mask < 8; mask++) {
                _cleanup_close_ int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

                for (unsigned i = 0; i < 3; i++)
                        if (mask & (1u << i))
                                assert_int_equal(fcntl(fd, F_ADD_SEALS, seals[i]), 0);
                assert_int_equal(memfd_check_sealed(fd), mask == 7 ? 0 : -EPERM);
        }
}

static void sealed_check_refuses_what_is_no_memfd(void **state) {
        _cleanup_close_ int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

        (void) state;
        assert_int_equal(memfd_check_sealed(fd), -EPERM);
        assert_int_equal(memfd_check_sealed(-1), -EPERM);
}

static void check_kind(int fd, FdKind kind, bool stdio) {
        assert_true(fd >= 0);
        assert_int_equal(fd_kind(fd), kind);
        assert_int_equal(fd_kind_is_stdio(fd_kind(fd)), stdio);
        fd_close(fd);
}

static void kind_accepts_pipes_files_and_null_for_stdio(void **state) {
        int p[2];

        (void) state;
        assert_int_equal(pipe2(p, O_CLOEXEC), 0);
        check_kind(p[0], FD_KIND_PIPE, true);
        check_kind(p[1], FD_KIND_PIPE, true);
        check_kind(memfd_create("test", MFD_CLOEXEC), FD_KIND_FILE, true);
        check_kind(open("/dev/null", O_RDWR | O_CLOEXEC), FD_KIND_NULLISH, true);
        check_kind(open("/dev/zero", O_RDONLY | O_CLOEXEC), FD_KIND_NULLISH, true);
        check_kind(open("/dev/urandom", O_RDONLY | O_CLOEXEC), FD_KIND_NULLISH, true);
}

static void kind_refuses_terminals_for_stdio(void **state) {
        int m, s;

        (void) state;
        if (openpty(&m, &s, NULL, NULL, NULL) < 0)
                skip();
        check_kind(s, FD_KIND_TTY, false);
        check_kind(m, FD_KIND_TTY, false);
}

static void kind_refuses_sockets_directories_and_paths_for_stdio(void **state) {
        int s[2];

        (void) state;
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s), 0);
        check_kind(s[0], FD_KIND_SOCKET, false);
        check_kind(s[1], FD_KIND_SOCKET, false);
        check_kind(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), FD_KIND_DIRECTORY, false);
        check_kind(open("/", O_PATH | O_CLOEXEC), FD_KIND_PATH, false);
        check_kind(open("/dev/null", O_PATH | O_CLOEXEC), FD_KIND_PATH, false);
}

static void kind_of_a_bad_descriptor_is_an_error(void **state) {
        (void) state;
        assert_int_equal(fd_kind(-1), -EBADF);
        assert_false(fd_kind_is_stdio(fd_kind(-1)));
        assert_string_equal(fd_kind_to_string(fd_kind(-1)), "invalid");
        assert_string_equal(fd_kind_to_string(FD_KIND_TTY), "terminal");
        for (int k = 0; k < _FD_KIND_MAX; k++)
                assert_non_null(fd_kind_to_string((FdKind) k));
}

#define WITH_DIR(t) cmocka_unit_test_setup_teardown(t, setup_dir, teardown_dir)

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(close_keeps_errno_and_invalidates),
                cmocka_unit_test(cleanup_closes_and_take_does_not),
                cmocka_unit_test(dup_stays_clear_of_stdio_and_exec),
                cmocka_unit_test(nonblock_can_be_set_and_cleared),
                cmocka_unit_test(read_full_joins_short_reads),
                WITH_DIR(read_file_returns_contents_with_nul),
                WITH_DIR(read_file_refuses_more_than_max),
                cmocka_unit_test(read_file_reads_proc_files_of_size_zero),
                WITH_DIR(read_file_refuses_fifos_without_waiting),
                WITH_DIR(write_atomic_replaces_and_leaves_no_temporary),
                WITH_DIR(write_atomic_does_not_follow_a_planted_symlink),
                WITH_DIR(write_atomic_cleans_up_when_the_rename_fails),
                WITH_DIR(write_at_never_creates),
                cmocka_unit_test(sealed_memfd_cannot_change),
                cmocka_unit_test(sealed_check_wants_all_three_seals),
                cmocka_unit_test(sealed_check_refuses_what_is_no_memfd),
                cmocka_unit_test(kind_accepts_pipes_files_and_null_for_stdio),
                cmocka_unit_test(kind_refuses_terminals_for_stdio),
                cmocka_unit_test(kind_refuses_sockets_directories_and_paths_for_stdio),
                cmocka_unit_test(kind_of_a_bad_descriptor_is_an_error),
        };

        return RUN_TESTS(tests);
}
