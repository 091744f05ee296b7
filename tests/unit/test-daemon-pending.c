/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Pending requests and quotas: who gets which number, how long, how often. */

#include "unit.h"

#include <glib.h>

#include "daemon/pending.h"
#include "daemon/quota.h"

#define T0 UINT64_C(1000000)

static uint32_t add(PendingStore *s, uint64_t now, uid_t uid, const char *key, bool *ret_new) {
        uint32_t n = 0;
        bool new;

        assert_int_equal(pending_add(s, now, uid, "a.create", key, "digest", "message", 3, &n, &new), 0);
        if (ret_new)
                *ret_new = new;
        return n;
}

static void count(const PendingRequest *r, void *userdata) {
        (void) r;
        (*(unsigned *) userdata)++;
}

static unsigned waiting(PendingStore *s, uint64_t now) {
        unsigned n = 0;

        pending_foreach(s, now, count, &n);
        return n;
}

static void test_same_thing_same_number(void **state) {
        _cleanup_(pending_store_freep) PendingStore *s = pending_store_new();
        bool new;
        uint32_t n = add(s, T0, 1000, "k", &new);

        (void) state;
        assert_int_equal(n, 1);
        assert_true(new);
        assert_int_equal(add(s, T0 + 5, 1000, "k", &new), 1);
        assert_false(new);
        assert_int_equal(add(s, T0, 1000, "other", NULL), 2);
        assert_int_equal(add(s, T0, 1001, "k", NULL), 3);
        assert_int_equal(waiting(s, T0), 3);
}

static void test_quota_is_per_uid(void **state) {
        _cleanup_(pending_store_freep) PendingStore *s = pending_store_new();
        uint32_t n;
        bool new;

        (void) state;
        for (unsigned i = 0; i < 3; i++) {
                g_autofree char *key = g_strdup_printf("%u", i);

                (void) add(s, T0, 1000, key, NULL);
        }
        assert_int_equal(pending_add(s, T0, 1000, "a", "new", "d", "m", 3, &n, &new), -EDQUOT);
        (void) add(s, T0, 1001, "new", NULL);
        /* An approved one that is not used counts on. */
        assert_int_equal(pending_approve(s, T0, 1), 0);
        assert_int_equal(pending_add(s, T0, 1000, "a", "new", "d", "m", 3, &n, &new), -EDQUOT);
}

static void test_expiry_denies(void **state) {
        _cleanup_(pending_store_freep) PendingStore *s = pending_store_new();
        uint32_t n = add(s, T0, 1000, "k", NULL);
        uint64_t late = T0 + PENDING_LIFETIME_USEC;

        (void) state;
        assert_non_null(pending_get(s, late - 1, n));
        assert_null(pending_get(s, late, n));
        assert_int_equal(pending_approve(s, late, n), -ENOENT);
        /* Numbers are not used again. */
        assert_int_equal(add(s, late, 1000, "k", NULL), n + 1);
}

static void test_approval_is_for_that_once_and_not_for_ever(void **state) {
        _cleanup_(pending_store_freep) PendingStore *s = pending_store_new();
        uint32_t n = add(s, T0, 1000, "k", NULL);

        (void) state;
        assert_false(pending_consume(s, T0, 1000, "a.create", "k"));
        assert_int_equal(pending_approve(s, T0 + 5, n), 0);
        assert_int_equal(waiting(s, T0 + 5), 0);
        assert_int_equal(pending_approve(s, T0 + 5, n), -ENOENT);
        assert_false(pending_consume(s, T0 + 5, 1001, "a.create", "k"));
        assert_false(pending_consume(s, T0 + 5, 1000, "a.launch", "k"));
        assert_false(pending_consume(s, T0 + 5, 1000, "a.create", "k2"));
        assert_true(pending_consume(s, T0 + 5, 1000, "a.create", "k"));
        assert_false(pending_consume(s, T0 + 5, 1000, "a.create", "k"));

        n = add(s, T0, 1000, "k", NULL);
        assert_int_equal(pending_approve(s, T0, n), 0);
        assert_false(pending_consume(s, T0 + PENDING_LIFETIME_USEC, 1000, "a.create", "k"));
}

static void test_deny_drops(void **state) {
        _cleanup_(pending_store_freep) PendingStore *s = pending_store_new();
        uint32_t n = add(s, T0, 1000, "k", NULL);

        (void) state;
        assert_int_equal(pending_deny(s, T0, n), 0);
        assert_int_equal(pending_deny(s, T0, n), -ENOENT);
        assert_int_equal(pending_approve(s, T0, n), -ENOENT);
        assert_int_equal(pending_deny(s, T0, 0), -ENOENT);
        /* An approval can be taken back while it is not used. */
        n = add(s, T0, 1000, "k", NULL);
        assert_int_equal(pending_approve(s, T0, n), 0);
        assert_int_equal(pending_deny(s, T0, n), 0);
        assert_false(pending_consume(s, T0, 1000, "a.create", "k"));
        assert_int_equal(pending_deny(s, T0, UINT32_MAX), -ENOENT);
}

static void test_quota_table(void **state) {
        _cleanup_(quota_table_freep) QuotaTable *t = quota_table_new();

        (void) state;
        assert_int_equal(quota_take(t, 1000, QUOTA_SESSIONS, 2), 0);
        assert_int_equal(quota_take(t, 1000, QUOTA_SESSIONS, 2), 0);
        assert_int_equal(quota_take(t, 1000, QUOTA_SESSIONS, 2), -EDQUOT);
        assert_int_equal(quota_take(t, 1000, QUOTA_EXECS, 1), 0);
        assert_int_equal(quota_take(t, 1001, QUOTA_SESSIONS, 1), 0);
        assert_int_equal(quota_take(t, 1002, QUOTA_SESSIONS, 0), -EDQUOT);
        quota_drop(t, 1000, QUOTA_SESSIONS);
        assert_int_equal(quota_used(t, 1000, QUOTA_SESSIONS), 1);
        assert_int_equal(quota_take(t, 1000, QUOTA_SESSIONS, 2), 0);
        /* uid -1 is a key like others: unreadable state files count for it. */
        assert_int_equal(quota_take(t, (uid_t) -1, QUOTA_SESSIONS, UINT32_MAX), 0);
        quota_drop(t, (uid_t) -1, QUOTA_SESSIONS);
        assert_int_equal(quota_used(t, (uid_t) -1, QUOTA_SESSIONS), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_same_thing_same_number),
                cmocka_unit_test(test_quota_is_per_uid),
                cmocka_unit_test(test_expiry_denies),
                cmocka_unit_test(test_approval_is_for_that_once_and_not_for_ever),
                cmocka_unit_test(test_deny_drops),
                cmocka_unit_test(test_quota_table),
        };

        return RUN_TESTS(tests);
}
