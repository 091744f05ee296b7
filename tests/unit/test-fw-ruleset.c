/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "fw/ruleset.h"

/* OCSB_UPDATE_GOLDEN=1 writes the files anew: look at the difference before you commit it. tests/fw gives each to nft. */
static void same_as(const char *name, char *text) {
        _cleanup_free_ char *expected = NULL, *path = NULL;
        size_t n;

        assert_true(asprintf(&path, SOURCE_DIR "/tests/unit/golden/fw-%s.nft", name) > 0);
        if (getenv("OCSB_UPDATE_GOLDEN")) {
                _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

                assert_true(fd >= 0);
                assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
        }
        assert_int_equal(file_read(AT_FDCWD, path, 1 << 20, &expected, &n), 0);
        assert_string_equal(text, expected);
        free(text);
}

static NetAddress address(const char *s) {
        NetAddress a;

        assert_int_equal(net_address_parse(s, &a), 0);
        return a;
}

static NetGrant grant(uint32_t id, const char *to, NetProtocol protocol, uint32_t first, uint32_t last) {
        NetGrant g = { .id = id, .protocol = protocol, .port_first = first, .port_last = last, .until_usec = 5 };

        assert_int_equal(net_prefix_parse(to, &g.to), 0);
        return g;
}

static NetIntent plain, full, other;

static RulesetSession with_ipv6(void) {
        return (RulesetSession) { .slot = 1, .ipv4 = address("198.18.0.1"), .ipv6 = address("fd6f:6373:6200::1"), .intent = &full };
}

static RulesetSession without_ipv6(void) {
        return (RulesetSession) { .slot = 65534, .ipv4 = address("198.18.255.254"), .intent = &plain };
}

static RulesetTable table(void) {
        RulesetTable t = {};

        assert_int_equal(net_prefix_parse("198.18.0.0/16", &t.pool_ipv4), 0);
        assert_int_equal(net_prefix_parse("fd6f:6373:6200::/64", &t.pool_ipv6), 0);
        return t;
}

static int setup(void **state) {
        (void) state;
        plain = (NetIntent) { .n_resolvers = 1 };
        plain.resolvers[0] = address("1.1.1.1");
        full = (NetIntent) { .n_resolvers = 2, .n_grants = 6 };
        full.resolvers[0] = address("8.8.8.8");
        full.resolvers[1] = address("2001:4860:4860::8888");
        full.grants[0] = grant(1, "192.168.1.10", NET_PROTOCOL_TCP, 1234, 1234);
        full.grants[1] = grant(3, "192.168.0.0/16", NET_PROTOCOL_UDP, 1, 65535);
        full.grants[2] = grant(4, "10.0.0.0/8", NET_PROTOCOL_ICMP, 0, 0);
        full.grants[3] = grant(5, "fd00:1::5", NET_PROTOCOL_TCP, 80, 90);
        full.grants[4] = grant(6, "2600::/12", NET_PROTOCOL_UDP, 443, 443);
        full.grants[5] = grant(UINT32_MAX, "fd00::/8", NET_PROTOCOL_ICMP, 0, 0);
        other = full;
        other.n_grants = 1;
        other.resolvers[1] = address("1.1.1.1");
        return 0;
}

static void a_table_without_sessions(void **state) {
        RulesetTable t = table();
        char *text;

        (void) state;
        assert_int_equal(ruleset_table(&t, &text), 0);
        same_as("empty", text);
}

static void a_table_with_everything(void **state) {
        const RulesetSession sessions[] = { with_ipv6(), without_ipv6() };
        const NetAddress host[] = { address("192.168.1.2"), address("fd00:1::2"), address("5.5.5.5"), address("2a05::1") };
        RulesetTable t = table();
        char *text, *shown;

        (void) state;
        t.sessions = sessions;
        t.n_sessions = 2;
        t.host_addresses = host;
        t.n_host_addresses = 4;
        assert_int_equal(ruleset_table(&t, &text), 0);
        assert_int_equal(ruleset_show(&t, &shown), 0);
        /* What is shown to people is what is loaded, but for the two commands in front. */
        assert_true(str_has_prefix(text, "add table inet oc_sandbox\ndelete table inet oc_sandbox\n"));
        assert_string_equal(strstr(text, "table inet oc_sandbox {"), shown);
        free(shown);
        same_as("full", text);
        t.lockdown = true;
        assert_int_equal(ruleset_table(&t, &text), 0);
        same_as("locked", text);
}

static void a_session_comes_changes_and_goes(void **state) {
        RulesetSession a = with_ipv6(), b = without_ipv6(), c = a;
        char *text;

        (void) state;
        assert_int_equal(ruleset_add(&a, &text), 0);
        same_as("add", text);
        assert_int_equal(ruleset_add(&b, &text), 0);
        same_as("add-ipv4", text);
        assert_int_equal(ruleset_remove(&a, &text), 0);
        same_as("remove", text);
        assert_int_equal(ruleset_remove(&b, &text), 0);
        same_as("remove-ipv4", text);
        c.intent = &plain;
        assert_int_equal(ruleset_replace(&a, &c, &text), 0);
        same_as("narrow", text);
        assert_int_equal(ruleset_replace(&c, &a, &text), 0);
        same_as("widen", text);
        c.intent = &other;
        assert_int_equal(ruleset_replace(&a, &c, &text), 0);
        same_as("replace", text);
        /* Only until has changed. */
        other = full;
        other.grants[0].until_usec++;
        assert_int_equal(ruleset_replace(&a, &c, &text), 0);
        assert_string_equal(text, "");
        free(text);
}

/* One chain is the policy: a rule of the whole table and of an added session are the same text. */
static void a_session_has_the_same_rules_in_a_table_and_alone(void **state) {
        const RulesetSession s = with_ipv6();
        RulesetTable t = table();
        char *in_table, *alone, *at;

        (void) state;
        t.sessions = &s;
        t.n_sessions = 1;
        assert_int_equal(ruleset_table(&t, &in_table), 0);
        assert_int_equal(ruleset_add(&s, &alone), 0);
        at = strstr(in_table, "chain s_1 {\n");
        assert_non_null(at);
        at = strchr(at, '\n') + 1;
        for (char *p = alone; (p = strstr(p, "add rule inet oc_sandbox s_1 ")); at = strchr(at, '\n') + 1) {
                p += strlen("add rule inet oc_sandbox s_1 ");
                assert_memory_equal(at, "\t\t", 2);
                assert_memory_equal(at + 2, p, strcspn(p, "\n") + 1);
        }
        assert_memory_equal(at, "\t}\n", 3);
        free(in_table);
        free(alone);
}

static void no_session_chain_has_an_anonymous_set(void **state) {
        const RulesetSession s = with_ipv6();
        char *text, *end;

        (void) state;
        assert_int_equal(ruleset_add(&s, &text), 0);
        for (char *p = text; *p; p = end + 1) {
                end = strchr(p, '\n');
                assert_non_null(end);
                *end = 0;
                if (str_has_prefix(p, "add rule"))
                        assert_null(strchr(p, '{'));
        }
        free(text);
}

static void the_hosts_addresses_change(void **state) {
        const NetAddress host[] = { address("192.168.1.2"), address("fd00:1::2") };
        char *text;

        (void) state;
        assert_int_equal(ruleset_host_addresses(host, 2, &text), 0);
        same_as("host", text);
        assert_int_equal(ruleset_host_addresses(host, 1, &text), 0);
        same_as("host-ipv4", text);
        assert_int_equal(ruleset_host_addresses(NULL, 0, &text), 0);
        same_as("host-none", text);
}

static void lockdown_comes_and_goes(void **state) {
        char *text;

        (void) state;
        assert_int_equal(ruleset_lockdown(true, &text), 0);
        same_as("lockdown", text);
        assert_int_equal(ruleset_lockdown(false, &text), 0);
        same_as("lockdown-off", text);
}

static void the_inner_table_is_constant(void **state) {
        char *text;

        (void) state;
        assert_int_equal(ruleset_inner(&text), 0);
        same_as("inner", text);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_table_without_sessions),
                cmocka_unit_test(a_table_with_everything),
                cmocka_unit_test(a_session_comes_changes_and_goes),
                cmocka_unit_test(a_session_has_the_same_rules_in_a_table_and_alone),
                cmocka_unit_test(no_session_chain_has_an_anonymous_set),
                cmocka_unit_test(the_hosts_addresses_change),
                cmocka_unit_test(lockdown_comes_and_goes),
                cmocka_unit_test(the_inner_table_is_constant),
        };

        return cmocka_run_group_tests_name("fw-ruleset", tests, setup, NULL);
}
