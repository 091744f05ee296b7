/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fw/state.h"

static char directory[64];

static int make_directory(void **state) {
        (void) state;
        strcpy(directory, "/tmp/test-fw-state.XXXXXX");
        return mkdtemp(directory) ? 0 : -1;
}

static int remove_directory(void **state) {
        DIR *d = opendir(directory);

        (void) state;
        for (struct dirent *e; d && (e = readdir(d));)
                (void) unlinkat(dirfd(d), e->d_name, 0);
        if (d)
                (void) closedir(d);
        return rmdir(directory);
}

static StateRecord sample(void) {
        StateRecord r = { .id = "agent_1", .uid = 1000, .slot = 7, .ipv4 = { 4, { 198, 18, 0, 7 } }, .ipv6 = { 6, { 0xfd, [15] = 7 } },
                .intent = { .n_resolvers = 1, .n_grants = 1 } };

        r.intent.resolvers[0] = (NetAddress) { 4, { 1, 1, 1, 1 } };
        r.intent.grants[0] = (NetGrant) { 2, { { 4, { 10 } }, 8 }, NET_PROTOCOL_TCP, 80, 80, USEC_INFINITY };
        return r;
}

static void a_record_survives(void **state) {
        _cleanup_close_ int dir = state_open(directory);
        StateRecord r = sample(), got;

        (void) state;
        assert_true(dir >= 0);
        assert_int_equal(state_save(dir, &r), 0);
        assert_int_equal(state_load(dir, "agent_1", &got), 0);
        assert_string_equal(got.id, "agent_1");
        assert_int_equal(got.slot, 7);
        assert_true(net_address_equal(&got.ipv6, &r.ipv6));
        assert_true(net_grant_equal(got.intent.grants, r.intent.grants));
        assert_false(got.opened);
        r.opened = true;
        r.ipv6 = (NetAddress) {};
        assert_int_equal(state_save(dir, &r), 0);
        assert_int_equal(state_load(dir, "agent_1", &got), 0);
        assert_true(got.opened);
        assert_int_equal(got.ipv6.family, 0);
        state_remove(dir, "agent_1");
        assert_int_equal(state_load(dir, "agent_1", &got), -ENOENT);
}

static void a_damaged_record_is_none(void **state) {
        _cleanup_close_ int dir = state_open(directory);
        _cleanup_free_ char *text = NULL;
        StateRecord r = sample(), got;
        size_t n;

        (void) state;
        assert_int_equal(state_save(dir, &r), 0);
        assert_int_equal(file_read(dir, "agent_1", 4096, &text, &n), 0);
        for (size_t i = 0; i < n; i++) {
                assert_int_equal(file_write_atomic(dir, "agent_1", text, i, 0600), 0);
                assert_true(state_load(dir, "agent_1", &got) < 0);
        }
        text[n] = 1;
        assert_int_equal(file_write_atomic(dir, "agent_1", text, n + 1, 0600), 0);
        assert_int_equal(state_load(dir, "agent_1", &got), -EBADMSG);
        /* Under another session's name. */
        assert_int_equal(file_write_atomic(dir, "agent_2", text, n, 0600), 0);
        assert_int_equal(state_load(dir, "agent_2", &got), -EBADMSG);
        r.slot = 0;
        assert_int_equal(state_save(dir, &r), 0);
        assert_int_equal(state_load(dir, "agent_1", &got), -EBADMSG);
        r = sample();
        r.uid = 0;
        assert_int_equal(state_save(dir, &r), 0);
        assert_int_equal(state_load(dir, "agent_1", &got), -EBADMSG);
}

static int count(const char *id, void *userdata) {
        assert_string_equal(id, "agent_1");
        ++*(unsigned *) userdata;
        return 0;
}

static void only_records_are_walked_and_torn_ones_go(void **state) {
        _cleanup_close_ int dir = state_open(directory);
        StateRecord r = sample();
        unsigned n = 0;

        (void) state;
        assert_int_equal(state_save(dir, &r), 0);
        assert_int_equal(state_set_lockdown(dir, true), 0);
        assert_int_equal(file_write_atomic(dir, "Not-one", "", 0, 0600), 0);
        assert_int_equal(mkdirat(dir, "x", 0700), 0);
        assert_int_equal(unlinkat(dir, "x", AT_REMOVEDIR), 0);
        assert_true(openat(dir, ".agent_2.tmp", O_CREAT | O_WRONLY | O_CLOEXEC, 0600) >= 0);
        assert_int_equal(state_foreach(dir, count, &n), 0);
        assert_int_equal(n, 1);
        assert_int_equal(faccessat(dir, ".agent_2.tmp", F_OK, 0), -1);
        assert_true(state_lockdown(dir));
}

static void lockdown_is_a_file(void **state) {
        _cleanup_close_ int dir = state_open(directory);

        (void) state;
        assert_false(state_lockdown(dir));
        assert_int_equal(state_set_lockdown(dir, true), 0);
        assert_int_equal(state_set_lockdown(dir, true), 0);
        assert_true(state_lockdown(dir));
        assert_int_equal(state_set_lockdown(dir, false), 0);
        assert_int_equal(state_set_lockdown(dir, false), 0);
        assert_false(state_lockdown(dir));
        /* What cannot be asked counts as on. */
        assert_true(state_lockdown(-1));
}

static void a_directory_of_others_is_refused(void **state) {
        char link[80];

        (void) state;
        assert_int_equal(chmod(directory, 0755), 0);
        assert_int_equal(state_open(directory), -EPERM);
        assert_int_equal(chmod(directory, 0700), 0);
        (void) snprintf(link, sizeof(link), "%s.link", directory);
        assert_int_equal(symlink(directory, link), 0);
        assert_true(state_open(link) < 0);
        assert_int_equal(unlink(link), 0);
}

static int parse(const char *text, StateConfig *ret, char **ret_why) {
        return state_parse_config(text, strlen(text), "firewall.json", ret, ret_why);
}

static void a_configuration_sets_the_pools(void **state) {
        static const char *const good[] = {
                "{}", "{\"pool_ipv4\": \"10.200.0.0/16\"}", "{\"pool_ipv4\": \"100.64.0.0/10\", \"pool_ipv6\": \"fd12:3456::/48\"}",
                "{\"pool_ipv4\": \"192.168.7.16/28\"}", "{\"pool_ipv6\": \"fd00::aaaa:0/112\"}",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                _cleanup_free_ char *why = NULL;
                StateConfig c = {};

                if (parse(good[i], &c, &why) < 0)
                        fail_msg("%s: %s", good[i], why);
                assert_int_equal(c.pool_ipv4.address.family, 4);
                assert_int_equal(c.pool_ipv6.address.family, 6);
        }
}

static void a_mistake_in_the_configuration_is_named(void **state) {
        static const struct {
                const char *text, *why;
        } bad[] = {
                { "", "line" },
                { "[]", "not a JSON object" },
                { "{\"pool_ipv4\": \"10.0.0.0/16\"", "line 1" },
                { "{\"pool\": 1}", "unknown key \"pool\"" },
                { "{\"\\u001b[2K\": 1}", "unknown key \"\\x1b[2K\"" },
                { "{\"pool_ipv4\": 10}", "\"pool_ipv4\" is not a string" },
                { "{\"pool_ipv4\": \"10.0.0.1/16\"}", "\"pool_ipv4\" is not an IPv4 network" },
                { "{\"pool_ipv4\": \"fd00::/64\"}", "\"pool_ipv4\" is not an IPv4 network" },
                { "{\"pool_ipv6\": \"10.0.0.0/16\"}", "\"pool_ipv6\" is not an IPv6 network" },
                { "{\"pool_ipv4\": \"10.0.0.0/30\"}", "between 8 and 28" },
                { "{\"pool_ipv4\": \"8.0.0.0/7\"}", "between 8 and 28" },
                { "{\"pool_ipv4\": \"8.8.0.0/16\"}", "is not in 10.0.0.0/8" },
                { "{\"pool_ipv4\": \"192.0.0.0/8\"}", "is not in 10.0.0.0/8" },
                { "{\"pool_ipv4\": \"127.0.0.0/16\"}", "is not in 10.0.0.0/8" },
                { "{\"pool_ipv6\": \"2001:db8::/64\"}", "is not in fc00::/7" },
                { "{\"pool_ipv4\": \"10.0.0.0/16\", \"pool_ipv4\": \"10.1.0.0/16\"}", "line 1" },
                { "{\"pool_ipv4\": \"10.0.0.0/16\"} {}", "line 1" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                _cleanup_free_ char *why = NULL;
                StateConfig c = { .pool_ipv4.length = 99 };

                assert_int_equal(parse(bad[i].text, &c, &why), -EINVAL);
                assert_non_null(why);
                assert_true(str_has_prefix(why, "firewall.json: "));
                if (!strstr(why, bad[i].why))
                        fail_msg("%s: %s", bad[i].text, why);
                assert_int_equal(c.pool_ipv4.length, 99);
        }
}

static void without_a_file_the_defaults_hold(void **state) {
        _cleanup_free_ char *why = NULL;
        char buf[NET_ADDRESS_TEXT_MAX];
        StateConfig c;

        (void) state;
        assert_int_equal(state_read_config("/nonexistent/firewall.json", &c, &why), 0);
        assert_string_equal(net_prefix_format(&c.pool_ipv4, buf), "198.18.0.0/16");
        assert_string_equal(net_prefix_format(&c.pool_ipv6, buf), "fd6f:6373:6200::/64");
        assert_true(state_read_config("/", &c, &why) < 0);
        assert_non_null(why);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_directory, remove_directory)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(a_record_survives),
                TEST(a_damaged_record_is_none),
                TEST(only_records_are_walked_and_torn_ones_go),
                TEST(lockdown_is_a_file),
                TEST(a_directory_of_others_is_refused),
                cmocka_unit_test(a_configuration_sets_the_pools),
                cmocka_unit_test(a_mistake_in_the_configuration_is_named),
                cmocka_unit_test(without_a_file_the_defaults_hold),
        };

        return RUN_TESTS(tests);
}
