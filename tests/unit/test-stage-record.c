/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Records of ocsb-stage: what a new one must know of a session, also of one that an older ocsb-stage has made, and that what is damaged
 * is not believed. */

#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "stage/record.h"

typedef struct Fixture {
        char path[64];
        int fd;
} Fixture;

static int setup(void **state) {
        Fixture *f = calloc(1, sizeof(*f));

        strcpy(f->path, "/tmp/test-stage-record-XXXXXX");
        assert_non_null(mkdtemp(f->path));
        f->fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(f->fd >= 0);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        Fixture *f = *state;

        (void) unlinkat(f->fd, "one", 0);
        fd_close(f->fd);
        assert_int_equal(rmdir(f->path), 0);
        free(f);
        return 0;
}

static Record sample(void) {
        Record r = { .id = "one", .monitor = 77, .starttime = 123456789, .uid = 1000, .cgroup = "/sys/fs/cgroup/ocsb.slice/ocsb-one.scope" };

        return r;
}

static void check_common(const Record *r) {
        assert_string_equal(r->id, "one");
        assert_int_equal(r->monitor, 77);
        assert_int_equal(r->starttime, 123456789);
        assert_int_equal(r->uid, 1000);
        assert_string_equal(r->cgroup, "/sys/fs/cgroup/ocsb.slice/ocsb-one.scope");
}

static void test_without_a_network(void **state) {
        const Fixture *f = *state;
        _cleanup_(record_freep) Record *back = NULL;
        Record r = sample();

        assert_int_equal(record_save(f->fd, &r), 0);
        assert_int_equal(record_load(f->fd, "one", &back), 0);
        check_common(back);
        assert_null(back->intent);
        assert_false(back->attached);
}

static void test_with_a_network(void **state) {
        const Fixture *f = *state;
        _cleanup_(record_freep) Record *back = NULL;
        NetIntent intent = { .resolvers = { { 4, { 1, 1, 1, 1 } } }, .n_resolvers = 1,
                .grants = { { .id = 3, .to = { { 4, { 192, 168, 7, 0 } }, 24 }, .protocol = NET_PROTOCOL_UDP,
                        .port_first = 10, .port_last = 20, .until_usec = 99 } }, .n_grants = 1 };
        Record r = sample();

        r.intent = &intent;
        r.attached = true;
        r.netns = UINT64_C(4026539999);
        assert_int_equal(record_save(f->fd, &r), 0);
        assert_int_equal(record_load(f->fd, "one", &back), 0);
        check_common(back);
        assert_true(back->attached);
        assert_int_equal(back->netns, UINT64_C(4026539999));
        assert_non_null(back->intent);
        assert_int_equal(back->intent->n_grants, 1);
        assert_int_equal(back->intent->grants[0].id, 3);
        assert_true(net_grant_equal(back->intent->grants, intent.grants));
        assert_int_equal(back->intent->grants[0].until_usec, 99);
        assert_true(net_address_equal(back->intent->resolvers, intent.resolvers));
}

/* Sessions live through an upgrade. */
static void test_of_the_first_version(void **state) {
        const Fixture *f = *state;
        _cleanup_(record_freep) Record *back = NULL;
        _cleanup_writer_ WireWriter w = {};
        Record r = sample();

        wire_put_u32(&w, 1);
        wire_put_string(&w, r.id);
        wire_put_u32(&w, (uint32_t) r.monitor);
        wire_put_u64(&w, r.starttime);
        wire_put_u32(&w, r.uid);
        wire_put_string(&w, r.cgroup);
        assert_int_equal(file_write_atomic(f->fd, "one", w.data, w.len, 0600), 0);
        assert_int_equal(record_load(f->fd, "one", &back), 0);
        check_common(back);
        assert_null(back->intent);
}

static void test_damaged(void **state) {
        const Fixture *f = *state;
        NetIntent intent = { .resolvers = { { 4, { 1, 1, 1, 1 } } }, .n_resolvers = 1 };
        _cleanup_(record_freep) Record *back = NULL;
        _cleanup_free_ char *data = NULL;
        Record r = sample();
        size_t len;

        r.intent = &intent;
        assert_int_equal(record_save(f->fd, &r), 0);
        assert_int_equal(file_read(f->fd, "one", 65536, &data, &len), 0);
        for (size_t n = 0; n < len; n++) {
                assert_int_equal(file_write_atomic(f->fd, "one", data, n, 0600), 0);
                assert_int_equal(record_load(f->fd, "one", &back), -EBADMSG);
        }
        data[0] = 9; /* a version of the future */
        assert_int_equal(file_write_atomic(f->fd, "one", data, len, 0600), 0);
        assert_int_equal(record_load(f->fd, "one", &back), -EBADMSG);
}

int main(void) {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        const struct CMUnitTest tests[] = {
                T(test_without_a_network),
                T(test_with_a_network),
                T(test_of_the_first_version),
                T(test_damaged),
        };

        return RUN_TESTS(tests);
}
