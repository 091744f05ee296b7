/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What "firewall verify" tries, and what it makes of each answer. */

#include "unit.h"

#include "daemon/verify-rows.h"

static NetAddress address(const char *text) {
        NetAddress a;

        assert_int_equal(net_address_parse(text, &a), 0);
        return a;
}

static NetPrefix prefix(const char *text) {
        NetPrefix p;

        assert_int_equal(net_prefix_parse(text, &p), 0);
        return p;
}

static NetAddress host[4];
static FwStatus status;
static NetIntent intent;

static int setup(_unused_ void **state) {
        host[0] = address("192.168.50.2");
        host[1] = address("2a01:4f8:10::2");
        host[2] = address("127.0.0.1");
        host[3] = address("fe80::5");
        status = (FwStatus) { .ipv6 = 1, .pool_ipv4 = prefix("198.18.0.0/16"), .pool_ipv6 = prefix("fd6f:6373:6200::/64"),
                .host_addresses = host, .n_host_addresses = 4 };
        intent = (NetIntent) { .n_resolvers = 2 };
        intent.resolvers[0] = address("9.9.9.9");
        intent.resolvers[1] = address("2606:4700:4700::1111");
        return 0;
}

static const VerifyTarget *find(const GPtrArray *list, const char *text, uint32_t port, NetProtocol protocol) {
        NetAddress a = address(text);

        for (guint i = 0; i < list->len; i++) {
                const VerifyTarget *t = list->pdata[i];

                if (net_address_equal(&t->target.address, &a) && t->target.port == port && t->target.protocol == protocol)
                        return t;
        }
        return NULL;
}

static void the_list_is_the_promise_of_the_network(_unused_ void **state) {
        g_autoptr(GPtrArray) list = verify_targets(&(VerifyOptions) {}, &intent, &status);
        static const char *const blocked[] = { "10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1", "169.254.169.254",
                "100.100.100.200", "fd00:ec2::254", "fc00::1", "2001:db8::1", "192.168.50.2", "2a01:4f8:10::2", "198.18.255.254" };
        size_t ranges = 0;

        for (size_t i = 0; i < ELEMENTSOF(blocked); i++) {
                const VerifyTarget *t = find(list, blocked[i], 80, NET_PROTOCOL_TCP);

                if (!t || t->reachable)
                        fail_msg("%s", blocked[i]);
        }
        assert_true(find(list, "1.1.1.1", 443, NET_PROTOCOL_TCP)->reachable);
        assert_true(find(list, "2606:4700:4700::1111", 443, NET_PROTOCOL_TCP)->reachable);
        assert_false(find(list, "1.1.1.1", 443, NET_PROTOCOL_UDP)->reachable);
        assert_false(find(list, "1.1.1.1", 0, NET_PROTOCOL_ICMP)->reachable);
        /* The session's own resolvers answer, and are nobody else's. */
        assert_true(find(list, "9.9.9.9", 53, NET_PROTOCOL_UDP)->reachable);
        assert_null(find(list, "9.9.9.9", 853, NET_PROTOCOL_TCP));
        assert_false(find(list, "1.0.0.1", 53, NET_PROTOCOL_UDP)->reachable);
        assert_false(find(list, "1.0.0.1", 853, NET_PROTOCOL_TCP)->reachable);
        /* By these names the sandbox would reach itself. */
        assert_null(find(list, "127.0.0.1", 22, NET_PROTOCOL_TCP));
        assert_null(find(list, "198.18.0.1", 80, NET_PROTOCOL_TCP));
        for (guint i = 0; i < list->len; i++)
                ranges += str_has_prefix(((VerifyTarget *) list->pdata[i])->what, "private range ");
        assert_int_equal(ranges, 2 * (14 + 11)); /* TCP and UDP; but loopback and "unspecified" */
        assert_true(list->len < EGRESS_TARGETS_MAX);
}

static void without_ipv6_nothing_of_it_must_be_reachable(_unused_ void **state) {
        g_autoptr(GPtrArray) list = NULL;

        status.ipv6 = 0;
        list = verify_targets(&(VerifyOptions) {}, &intent, &status);
        for (guint i = 0; i < list->len; i++) {
                const VerifyTarget *t = list->pdata[i];

                assert_false(t->reachable && t->target.address.family == 6);
        }
        assert_non_null(find(list, "fc00::1", 80, NET_PROTOCOL_TCP));
}

static void grants_decide_about_the_llm_server_and_are_left_out_elsewhere(_unused_ void **state) {
        VerifyOptions o = { .n_llm = 1 };
        g_autoptr(GPtrArray) before = NULL, after = NULL;

        o.llm[0] = (VerifyEndpoint) { address("10.0.0.1"), 80 };
        before = verify_targets(&o, &intent, &status);
        assert_string_equal(find(before, "10.0.0.1", 80, NET_PROTOCOL_TCP)->what, "LLM server");
        assert_false(find(before, "10.0.0.1", 80, NET_PROTOCOL_TCP)->reachable);
        intent.n_grants = 1;
        intent.grants[0] = (NetGrant) { .id = 1, .to = prefix("10.0.0.0/24"), .protocol = NET_PROTOCOL_TCP, .port_first = 1,
                .port_last = 100, .until_usec = USEC_INFINITY };
        after = verify_targets(&o, &intent, &status);
        assert_true(find(after, "10.0.0.1", 80, NET_PROTOCOL_TCP)->reachable);
        assert_false(find(after, "10.0.0.1", 80, NET_PROTOCOL_UDP)->reachable);
        assert_int_equal(after->len, before->len - 1); /* the range's own row of TCP */
}

static void hosts_with_a_thousand_addresses_fit(_unused_ void **state) {
        NetAddress many[1000];
        g_autoptr(GPtrArray) list = NULL;

        for (size_t i = 0; i < ELEMENTSOF(many); i++)
                many[i] = (NetAddress) { 4, { 172, 17, (uint8_t) (i / 250), (uint8_t) (1 + i % 250) } };
        status.host_addresses = many;
        status.n_host_addresses = ELEMENTSOF(many);
        list = verify_targets(&(VerifyOptions) {}, &intent, &status);
        assert_true(list->len <= EGRESS_TARGETS_MAX);
        assert_non_null(find(list, "fc00::1", 80, NET_PROTOCOL_TCP)); /* they take no other row's place */
}

/* A packet that was answered was there, whatever the answer; one that could not be made went nowhere. */
static void each_answer_means_something(_unused_ void **state) {
        static const struct {
                EgressSeen seen;
                bool blocked, reachable;
                const char *text;
        } cases[] = {
                { { EGRESS_CONNECTED, 0 }, false, true, "connected" },
                { { EGRESS_REFUSED, ECONNREFUSED }, false, false, "refused (ECONNREFUSED)" },
                { { EGRESS_UNREACHABLE, EHOSTUNREACH }, true, false, "unreachable (EHOSTUNREACH)" },
                { { EGRESS_TIMED_OUT, 0 }, true, false, "timed out" },
                { { EGRESS_NOT_TRIED, EACCES }, true, false, "not tried (EACCES)" },
                { { EGRESS_NOT_TRIED, EMFILE }, false, false, "not tried (EMFILE)" },
                { { EGRESS_NOT_TRIED, ENOMEM }, false, false, "not tried (ENOMEM)" },
                { { EGRESS_UNREACHABLE, 4000 }, true, false, "unreachable (4000)" },
        };
        g_autoptr(GPtrArray) all = verify_targets(&(VerifyOptions) {}, &intent, &status);

        for (size_t i = 0; i < ELEMENTSOF(cases); i++)
                for (int reachable = 0; reachable < 2; reachable++) {
                        g_autoptr(GPtrArray) one = g_ptr_array_new(), rows = verify_rows_new();
                        EgressSeen seen = cases[i].seen;
                        const VerifyRow *row;

                        g_ptr_array_add(one, (void *) (reachable ? find(all, "1.1.1.1", 443, NET_PROTOCOL_TCP)
                                                                 : find(all, "10.0.0.1", 80, NET_PROTOCOL_TCP)));
                        verify_rows_add(rows, one, &(MsgEgressed) { .seen = &seen, .n_seen = 1 }, "both");
                        row = rows->pdata[0];
                        assert_string_equal(row->seen, cases[i].text);
                        assert_string_equal(row->expected, reachable ? "reachable" : "blocked");
                        assert_int_equal(row->ok, reachable ? cases[i].reachable : cases[i].blocked);
                }
}

static void silence_is_held_against_the_count(_unused_ void **state) {
        EgressSeen seen[] = { { EGRESS_TIMED_OUT, 0 }, { EGRESS_TIMED_OUT, 0 }, { EGRESS_CONNECTED, 0 } };
        const MsgEgressed m = { .seen = seen, .n_seen = 3 };
        g_autoptr(GPtrArray) rows = verify_rows_new();

        verify_rows_add_counted(rows, &m, 2);
        verify_rows_add_counted(rows, &m, 1);
        assert_true(((VerifyRow *) rows->pdata[0])->ok);
        assert_false(((VerifyRow *) rows->pdata[1])->ok);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup(the_list_is_the_promise_of_the_network, setup),
                cmocka_unit_test_setup(without_ipv6_nothing_of_it_must_be_reachable, setup),
                cmocka_unit_test_setup(grants_decide_about_the_llm_server_and_are_left_out_elsewhere, setup),
                cmocka_unit_test_setup(hosts_with_a_thousand_addresses_fit, setup),
                cmocka_unit_test_setup(each_answer_means_something, setup),
                cmocka_unit_test_setup(silence_is_held_against_the_count, setup),
        };

        return RUN_TESTS(tests);
}
