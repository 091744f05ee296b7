/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "wire/transport.h"

/* A fresh pair for each test, and the number of descriptors when it begins: each test ends with the same
 * number. */
static int pair[2];
static unsigned fds_at_start;

static int setup(void **state) {
        (void) state;
        fds_at_start = count_fds();
        return wire_pair(pair);
}

static int teardown(void **state) {
        (void) state;
        fd_close_many(pair, 2);
        assert_int_equal(count_fds(), fds_at_start);
        return 0;
}

/* A datagram as a hostile peer would send it: any bytes, any descriptors. */
static void send_raw(const void *data, size_t n, const int *fds, size_t n_fds) {
        union {
                struct cmsghdr align;
                char space[CMSG_SPACE(sizeof(int) * 64)];
        } control = {};
        struct iovec iov = { .iov_base = (void *) data, .iov_len = n };
        struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };

        if (n_fds > 0) {
                struct cmsghdr *c;

                mh.msg_control = control.space;
                mh.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
                c = CMSG_FIRSTHDR(&mh);
                c->cmsg_level = SOL_SOCKET;
                c->cmsg_type = SCM_RIGHTS;
                c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
                memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
        }
        assert_int_equal(sendmsg(pair[0], &mh, MSG_NOSIGNAL), (ssize_t) n);
}

static void fill(WireWriter *w, size_t n) {
        while (w->len < n)
                wire_put_u32(w, (uint32_t) w->len * 2654435761u);
        w->len = n;
}

static void check_body(size_t n) {
        _cleanup_writer_ WireWriter w = {};
        _cleanup_message_ WireMessage m = {};

        fill(&w, n);
        assert_int_equal(wire_send(pair[0], 5, 6, &w, NULL, 0), 0);
        assert_int_equal(wire_recv(pair[1], &m), 1);
        assert_int_equal(m.type, 5);
        assert_int_equal(m.tag, 6);
        assert_int_equal(m.n_fds, 0);
        assert_int_equal(m.len, n);
        if (n > 0)
                assert_memory_equal(m.body, w.data, n);
        else
                assert_null(m.body);
}

static void bodies_arrive_whole_whatever_their_size(void **state) {
        (void) state;
        check_body(0);
        check_body(4);
        check_body(1000);
        check_body(WIRE_INLINE_MAX - 1);
        check_body(WIRE_INLINE_MAX);
        check_body(WIRE_INLINE_MAX + 1);
        check_body(1 << 20);
        check_body(WIRE_BODY_MAX);
}

static void a_message_without_a_writer_is_empty(void **state) {
        _cleanup_message_ WireMessage m = {};

        (void) state;
        assert_int_equal(wire_send(pair[0], 9, 0, NULL, NULL, 0), 0);
        assert_int_equal(wire_recv(pair[1], &m), 1);
        assert_int_equal(m.type, 9);
        assert_int_equal(m.len, 0);
}

static void a_writer_in_error_is_never_sent(void **state) {
        WireWriter w = { .error = -ENOMEM };
        WireMessage m = {};

        (void) state;
        assert_int_equal(wire_send(pair[0], 1, 1, &w, NULL, 0), -ENOMEM);
        assert_int_equal(wire_recv(pair[1], &m), -EAGAIN);
}

static void descriptors_arrive_in_order_and_close_on_exec(void **state) {
        _cleanup_message_ WireMessage m = {};
        int fds[WIRE_FDS_MAX];

        (void) state;
        for (size_t i = 0; i < WIRE_FDS_MAX; i++) {
                fds[i] = memfd_create("test", 0);
                assert_int_equal(ftruncate(fds[i], (off_t) i), 0);
        }
        assert_int_equal(wire_send(pair[0], 1, 1, NULL, fds, WIRE_FDS_MAX), 0);
        fd_close_many(fds, WIRE_FDS_MAX);
        assert_int_equal(wire_recv(pair[1], &m), 1);
        assert_int_equal(m.n_fds, WIRE_FDS_MAX);
        for (size_t i = 0; i < m.n_fds; i++) {
                struct stat st;

                assert_int_equal(fstat(m.fds[i], &st), 0);
                assert_int_equal(st.st_size, i);
                assert_int_equal(fcntl(m.fds[i], F_GETFD), FD_CLOEXEC);
        }
}

static void a_large_body_and_descriptors_go_together(void **state) {
        _cleanup_writer_ WireWriter w = {};
        _cleanup_message_ WireMessage m = {};
        int fds[WIRE_FDS_MAX];

        (void) state;
        fill(&w, WIRE_INLINE_MAX + 4);
        for (size_t i = 0; i < WIRE_FDS_MAX; i++)
                fds[i] = STDERR_FILENO;
        assert_int_equal(wire_send(pair[0], 1, 1, &w, fds, WIRE_FDS_MAX - 1), 0);
        assert_int_equal(wire_recv(pair[1], &m), 1);
        assert_int_equal(m.n_fds, WIRE_FDS_MAX - 1);
        assert_int_equal(m.len, w.len);
        assert_memory_equal(m.body, w.data, w.len);
}

static void too_many_descriptors_are_not_sent(void **state) {
        _cleanup_writer_ WireWriter w = {};
        WireMessage m = {};
        int fds[WIRE_FDS_MAX + 1] = {};

        (void) state;
        assert_int_equal(wire_send(pair[0], 1, 1, NULL, fds, WIRE_FDS_MAX + 1), -EMSGSIZE);
        fill(&w, WIRE_INLINE_MAX + 4);
        assert_int_equal(wire_send(pair[0], 1, 1, &w, fds, WIRE_FDS_MAX), -EMSGSIZE);
        assert_int_equal(wire_send(pair[0], 1, 1, &w, fds, SIZE_MAX), -EMSGSIZE);
        assert_int_equal(wire_recv(pair[1], &m), -EAGAIN);
}

static const WireHeader good = { .magic = WIRE_MAGIC, .type = 1, .tag = 2 };

static void expect_malformed(void) {
        WireMessage m = {};
        unsigned n;

        assert_int_equal(wire_recv(pair[1], &m), -EBADMSG);
        assert_null(m.body);
        assert_int_equal(m.n_fds, 0);
        n = count_fds();
        assert_int_equal(n, fds_at_start + 2);
}

static void too_many_descriptors_are_closed_on_receipt(void **state) {
        int fds[WIRE_FDS_MAX + 8];

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                fds[i] = STDERR_FILENO;
        send_raw(&good, sizeof(good), fds, WIRE_FDS_MAX + 1);
        expect_malformed();
        send_raw(&good, sizeof(good), fds, ELEMENTSOF(fds));
        expect_malformed();
}

static void every_truncated_header_is_refused_with_its_descriptors(void **state) {
        int fds[2] = { STDERR_FILENO, STDERR_FILENO };

        (void) state;
        for (size_t n = 1; n < sizeof(good); n++) {
                send_raw(&good, n, fds, 2);
                expect_malformed();
        }
}

static void an_empty_datagram_with_descriptors_is_refused(void **state) {
        int fd = STDERR_FILENO;

        (void) state;
        send_raw("", 0, &fd, 1);
        expect_malformed();
}

static void a_wrong_magic_or_unknown_flag_is_refused(void **state) {
        WireHeader h = good;

        (void) state;
        h.magic ^= 1;
        send_raw(&h, sizeof(h), NULL, 0);
        expect_malformed();
        h = good;
        h.flags = 2;
        send_raw(&h, sizeof(h), NULL, 0);
        expect_malformed();
        h.flags = UINT32_C(1) << 31;
        send_raw(&h, sizeof(h), NULL, 0);
        expect_malformed();
}

static void a_datagram_beyond_the_inline_limit_is_refused(void **state) {
        _cleanup_free_ uint8_t *data = calloc(1, sizeof(good) + WIRE_INLINE_MAX + 1);
        _cleanup_message_ WireMessage m = {};
        int fd = STDERR_FILENO;

        (void) state;
        memcpy(data, &good, sizeof(good));
        send_raw(data, sizeof(good) + WIRE_INLINE_MAX + 1, &fd, 1);
        expect_malformed();
        send_raw(data, sizeof(good) + WIRE_INLINE_MAX, NULL, 0);
        assert_int_equal(wire_recv(pair[1], &m), 1);
        assert_int_equal(m.len, WIRE_INLINE_MAX);
}

static void check_memfd(int fd, const char *more) {
        uint8_t data[sizeof(WireHeader) + 1];
        WireHeader h = good;

        h.flags = WIRE_FLAG_MEMFD;
        memcpy(data, &h, sizeof(h));
        data[sizeof(h)] = 0;
        send_raw(data, sizeof(h) + strlen(more), &fd, fd >= 0 ? 1 : 0);
        fd_close(fd);
        expect_malformed();
}

static void an_unsealed_memfd_is_refused(void **state) {
        int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        (void) state;
        assert_int_equal(fd_write_all(fd, "abcd", 4), 0);
        check_memfd(fd, "");
}

static void a_memfd_that_may_still_grow_is_refused(void **state) {
        int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        (void) state;
        assert_int_equal(fd_write_all(fd, "abcd", 4), 0);
        assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK), 0);
        check_memfd(fd, "");
}

static void a_body_descriptor_that_is_no_memfd_is_refused(void **state) {
        int p[2];

        (void) state;
        check_memfd(open("/dev/zero", O_RDONLY | O_CLOEXEC), "");
        check_memfd(open("/proc/self/exe", O_RDONLY | O_CLOEXEC), "");
        /* A pipe would block the reader for ever. */
        assert_int_equal(pipe2(p, O_CLOEXEC), 0);
        fds_at_start++;
        check_memfd(p[0], "");
        fd_close(p[1]);
        fds_at_start--;
}

static void a_memfd_flag_without_a_descriptor_is_refused(void **state) {
        (void) state;
        check_memfd(-EBADF, "");
}

static void a_memfd_body_with_inline_bytes_is_refused(void **state) {
        (void) state;
        check_memfd(memfd_sealed("test", "abcd", 4), "x");
}

static void an_empty_or_oversized_memfd_is_refused(void **state) {
        int fd;

        (void) state;
        check_memfd(memfd_sealed("test", "", 0), "");
        fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        assert_int_equal(ftruncate(fd, (off_t) WIRE_BODY_MAX + 1), 0);
        assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW), 0);
        check_memfd(fd, "");
}

static void a_memfd_offset_does_not_matter(void **state) {
        _cleanup_close_ int fd = memfd_sealed("test", "abcd", 4);
        _cleanup_message_ WireMessage m = {};
        WireHeader h = good;

        (void) state;
        assert_int_equal(lseek(fd, 0, SEEK_END), 4);
        h.flags = WIRE_FLAG_MEMFD;
        send_raw(&h, sizeof(h), &fd, 1);
        assert_int_equal(wire_recv(pair[1], &m), 1);
        assert_int_equal(m.len, 4);
        assert_memory_equal(m.body, "abcd", 4);
}

static void the_next_message_is_whole_after_a_malformed_one(void **state) {
        (void) state;
        send_raw("garbage", 7, NULL, 0);
        expect_malformed();
        check_body(100);
}

static void the_end_of_the_stream_is_zero(void **state) {
        WireMessage m = {};

        (void) state;
        pair[0] = fd_close(pair[0]);
        assert_int_equal(wire_recv(pair[1], &m), 0);
}

static void a_peer_that_left_with_unread_mail_is_the_end_too(void **state) {
        WireMessage m = {};

        (void) state;
        /* The kernel reports ECONNRESET then. */
        assert_int_equal(wire_send(pair[1], 1, 1, NULL, NULL, 0), 0);
        pair[0] = fd_close(pair[0]);
        assert_int_equal(wire_recv(pair[1], &m), 0);
}

static void the_peers_last_message_survives_its_unread_mail(void **state) {
        WireMessage m = {};

        (void) state;
        assert_int_equal(wire_send(pair[1], 1, 1, NULL, NULL, 0), 0);
        assert_int_equal(wire_send(pair[0], 7, 1, NULL, NULL, 0), 0);
        pair[0] = fd_close(pair[0]);
        assert_int_equal(wire_recv(pair[1], &m), 1);
        assert_int_equal(m.type, 7);
        assert_int_equal(wire_recv(pair[1], &m), 0);
}

static void sending_to_a_peer_that_left_with_unread_mail_is_a_broken_pipe(void **state) {
        (void) state;
        assert_int_equal(wire_send(pair[1], 1, 1, NULL, NULL, 0), 0);
        pair[0] = fd_close(pair[0]);
        assert_int_equal(wire_send(pair[1], 1, 1, NULL, NULL, 0), -EPIPE);
        assert_int_equal(wire_send(pair[1], 1, 1, NULL, NULL, 0), -EPIPE);
}

static void sending_to_a_closed_peer_raises_no_signal(void **state) {
        struct sigaction dfl = { .sa_handler = SIG_DFL };

        (void) state;
        assert_int_equal(sigaction(SIGPIPE, &dfl, NULL), 0);
        pair[1] = fd_close(pair[1]);
        assert_int_equal(wire_send(pair[0], 1, 1, NULL, NULL, 0), -EPIPE);
}

static void a_full_socket_is_again(void **state) {
        _cleanup_writer_ WireWriter w = {};
        WireMessage m = {};
        int r, sent = 0, got = 0;

        (void) state;
        fill(&w, 4096);
        while ((r = wire_send(pair[0], 1, 1, &w, NULL, 0)) == 0)
                sent++;
        assert_int_equal(r, -EAGAIN);
        while ((r = wire_recv(pair[1], &m)) == 1) {
                wire_message_done(&m);
                got++;
        }
        assert_int_equal(r, -EAGAIN);
        assert_int_equal(got, sent);
}

static void done_closes_what_was_not_taken(void **state) {
        WireMessage m = {};
        int fds[3] = { STDERR_FILENO, STDERR_FILENO, STDERR_FILENO }, taken;

        (void) state;
        assert_int_equal(wire_send(pair[0], 1, 1, NULL, fds, 3), 0);
        assert_int_equal(wire_recv(pair[1], &m), 1);
        taken = TAKE_FD(m.fds[1]);
        wire_message_done(&m);
        assert_int_equal(count_fds(), fds_at_start + 3);
        fd_close(taken);
}

static void listen_makes_a_socket_of_the_mode_and_knows_its_peer(void **state) {
        char path[64];
        _cleanup_close_ int l = -EBADF, c = -EBADF, s = -EBADF;
        struct stat st;
        struct ucred peer;
        mode_t old;

        (void) state;
        (void) snprintf(path, sizeof(path), "/tmp/ocsb-test-%d.sock", getpid());
        old = umask(0); /* the mode must hold without one */
        l = wire_listen(path, 0600);
        (void) umask(old);
        assert_true(l >= 0);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        assert_true(fcntl(l, F_GETFL) & O_NONBLOCK);
        assert_int_equal(fcntl(l, F_GETFD), FD_CLOEXEC);
        c = wire_connect(path);
        assert_true(c >= 0);
        assert_false(fcntl(c, F_GETFL) & O_NONBLOCK);
        s = accept4(l, NULL, NULL, SOCK_CLOEXEC);
        assert_true(s >= 0);
        assert_int_equal(wire_peer(s, &peer), 0);
        assert_int_equal(peer.pid, getpid());
        assert_int_equal(peer.uid, getuid());
        assert_int_equal(unlink(path), 0);
}

static void listen_replaces_a_stale_socket(void **state) {
        char path[64];
        int l;

        (void) state;
        (void) snprintf(path, sizeof(path), "/tmp/ocsb-test-%d.sock", getpid());
        for (int i = 0; i < 2; i++) {
                l = wire_listen(path, 0600);
                assert_true(l >= 0);
                fd_close(l);
        }
        assert_int_equal(wire_connect(path), -ECONNREFUSED);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(wire_connect(path), -ENOENT);
}

static void a_socket_path_that_is_too_long_is_refused(void **state) {
        char path[109];

        (void) state;
        memset(path, 'a', sizeof(path));
        path[0] = '/';
        path[108] = 0;
        assert_int_equal(wire_listen(path, 0600), -ENAMETOOLONG);
        assert_int_equal(wire_connect(path), -ENAMETOOLONG);
        path[107] = 0;
        assert_int_equal(wire_connect(path), -ENOENT);
}

#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                T(bodies_arrive_whole_whatever_their_size),
                T(a_message_without_a_writer_is_empty),
                T(a_writer_in_error_is_never_sent),
                T(descriptors_arrive_in_order_and_close_on_exec),
                T(a_large_body_and_descriptors_go_together),
                T(too_many_descriptors_are_not_sent),
                T(too_many_descriptors_are_closed_on_receipt),
                T(every_truncated_header_is_refused_with_its_descriptors),
                T(an_empty_datagram_with_descriptors_is_refused),
                T(a_wrong_magic_or_unknown_flag_is_refused),
                T(a_datagram_beyond_the_inline_limit_is_refused),
                T(an_unsealed_memfd_is_refused),
                T(a_memfd_that_may_still_grow_is_refused),
                T(a_body_descriptor_that_is_no_memfd_is_refused),
                T(a_memfd_flag_without_a_descriptor_is_refused),
                T(a_memfd_body_with_inline_bytes_is_refused),
                T(an_empty_or_oversized_memfd_is_refused),
                T(a_memfd_offset_does_not_matter),
                T(the_next_message_is_whole_after_a_malformed_one),
                T(the_end_of_the_stream_is_zero),
                T(a_peer_that_left_with_unread_mail_is_the_end_too),
                T(the_peers_last_message_survives_its_unread_mail),
                T(sending_to_a_peer_that_left_with_unread_mail_is_a_broken_pipe),
                T(sending_to_a_closed_peer_raises_no_signal),
                T(a_full_socket_is_again),
                T(done_closes_what_was_not_taken),
                T(listen_makes_a_socket_of_the_mode_and_knows_its_peer),
                T(listen_replaces_a_stale_socket),
                T(a_socket_path_that_is_too_long_is_refused),
        };

        return RUN_TESTS(tests);
}
