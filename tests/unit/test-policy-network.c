/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What profiles, requests and ceilings say about the network, and what becomes of it in a plan. */

#include "policy-fixture.h"

#define OPEN                                                                                                \
        "'profiles': '*', 'allow_profile_data': true, 'roots': ['host-minimal'], 'networks': ['none', 'nat']"

static Policy *builtin; /* built-in profiles below the built-in ceiling */

static int setup(_unused_ void **state) {
        builtin = builtin_policy();
        return 0;
}

static int teardown(_unused_ void **state) {
        builtin = policy_free(builtin);
        return 0;
}

static Policy *below(const char *text) {
        Policy *p = builtin_policy();

        policy_prepend_ceiling(p, ceiling_of(text));
        return p;
}

static void destinations_are_read(_unused_ void **state) {
        static const struct {
                const char *to, *ports, *proto, *text;
        } good[] = {
                { "192.0.2.10", "1234", NULL, "192.0.2.10:1234/tcp" },
                { "192.0.2.10/32", "1", "tcp", "192.0.2.10:1/tcp" },
                { "10.1.2.0/24", "8000-8100", "udp", "10.1.2.0/24:8000-8100/udp" },
                { "10.1.2.0/24", "80-80", "udp", "10.1.2.0/24:80/udp" },
                { "192.168.1.1", NULL, "icmp", "192.168.1.1/icmp" },
                { "fd00:1::5", "443", "tcp", "[fd00:1::5]:443/tcp" },
                { "fd00:1::/64", "1-65535", "tcp", "[fd00:1::]/64:1-65535/tcp" },
                { "2606:4700:4700::1111", "853", "tcp", "[2606:4700:4700::1111]:853/tcp" },
                { "169.254.169.254", "80", "tcp", "169.254.169.254:80/tcp" },
        };

        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                g_autofree char *why = NULL;
                char text[DESTINATION_TEXT_MAX];
                NetGrant g;

                if (destination_parse(DESTINATION_GRANT, good[i].to, good[i].ports, good[i].proto, &g, &why) < 0)
                        fail_msg("%s: %s", good[i].to, why);
                assert_string_equal(destination_format(&g, text), good[i].text);
                assert_int_equal(g.id, 0);
                assert_true(g.until_usec == USEC_INFINITY);
        }
}

static void wrong_destinations_are_refused_with_what_to_write(_unused_ void **state) {
        static const struct {
                const char *to, *ports, *proto, *words;
        } bad[] = {
                { "", "1", NULL, "\"\" is not an address" },
                { "example.com", "1", NULL, "\"example.com\" is a name, which is another address tomorrow: write the address" },
                { "localhost", "1", NULL, "is a name" },
                { "metadata.google.internal", "80", NULL, "is a name" },
                { "192.168.1.5/24", "1", NULL, "write 192.168.1.0/24 for the network or 192.168.1.5 for the host" },
                { "fd00::5/64", "1", NULL, "write fd00::/64 for the network or fd00::5 for the host" },
                { "192.168.1.0/33", "1", NULL, "is not an address or ADDRESS/LENGTH" },
                { "192.168.1.0/", "1", NULL, "is not an address or ADDRESS/LENGTH" },
                { "192.168.1.0/-1", "1", NULL, "is not an address" },
                { "192.168.1", "1", NULL, "is not an address" },
                { "0300.0250.1.1", "1", NULL, "is not an address" },
                { "0xc0a80101", "1", NULL, "is a name" },
                { "3232235777", "1", NULL, "is not an address" },
                { "192.0.2.10:80", "1", NULL, "is not an address" },
                { "[fd00::1]", "1", NULL, "is not an address" },
                { "fe80::1%eth0", "1", NULL, "is a name" },
                { "192.0.2.1 ", "1", NULL, "is not an address" },
                { "::ffff:192.0.2.1", "1", NULL, "write the IPv4 address" },
                { "::ffff:c000:201", "1", NULL, "write the IPv4 address" },
                { "64:ff9b::c000:201", "1", NULL, "write the IPv4 address" },
                { "2002:c000:201::", "1", NULL, "write the IPv4 address" },
                { "0.0.0.0/0", "1", NULL, "covers the whole of 0.0.0.0/8" },
                { "::/0", "1", NULL, "covers the whole of" },
                { "8.0.0.0/6", "1", NULL, "covers the whole of 10.0.0.0/8 with all that is around it: name the hosts" },
                { "128.0.0.0/1", "1", NULL, "covers the whole of" },
                { "fc00::/6", "1", NULL, "covers the whole of fc00::/7" },
                { "10.0.0.0/8", "1", NULL, "is a private range as a whole" },
                { "192.168.0.0/16", "1", NULL, "is a private range as a whole" },
                { "fc00::/7", "1", NULL, "is a private range as a whole" },
                { "127.0.0.1", "1", NULL, "the sandbox's own loopback" },
                { "0.0.0.0", "1", NULL, "no address of a host" },
                { "224.0.0.251", "5353", "udp", "multicast" },
                { "255.255.255.255", "67", "udp", "broadcast" },
                { "::1", "1", NULL, "the sandbox's own loopback" },
                { "::", "1", NULL, "no address of a host" },
                { "fe80::1", "1", NULL, "link-local" },
                { "ff02::1", "1", NULL, "multicast" },
                { "192.0.2.10", NULL, NULL, "tcp needs ports" },
                { "192.0.2.10", NULL, "udp", "udp needs ports" },
                { "192.0.2.10", "1", "icmp", "icmp has no ports" },
                { "192.0.2.10", "1", "sctp", "\"sctp\" is no protocol: tcp, udp or icmp" },
                { "192.0.2.10", "1", "TCP", "is no protocol" },
                { "192.0.2.10", "", NULL, "is no port" },
                { "192.0.2.10", "0", NULL, "is no port" },
                { "192.0.2.10", "65536", NULL, "is no port" },
                { "192.0.2.10", "-1", NULL, "is no port" },
                { "192.0.2.10", "80-", NULL, "is no port" },
                { "192.0.2.10", "-80", NULL, "is no port" },
                { "192.0.2.10", "080", NULL, "is no port" },
                { "192.0.2.10", "0-65535", NULL, "is no port" },
                { "192.0.2.10", "80-90-100", NULL, "is no port" },
                { "192.0.2.10", "80,90", NULL, "is no port" },
                { "192.0.2.10", "http", NULL, "is no port" },
                { "192.0.2.10", "90-80", NULL, "ends before it begins" },
        };

        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                g_autofree char *why = NULL;
                NetGrant g;

                if (destination_parse(DESTINATION_GRANT, bad[i].to, bad[i].ports, bad[i].proto, &g, &why) != -EINVAL)
                        fail_msg("%s %s %s was taken", bad[i].to, bad[i].ports ?: "", bad[i].proto ?: "");
                if (!strstr(why, bad[i].words))
                        fail_msg("%s: \"%s\" does not say \"%s\"", bad[i].to, why, bad[i].words);
        }
}

static void a_ceiling_may_name_a_private_range_as_a_whole(_unused_ void **state) {
        g_autofree char *why = NULL;
        NetGrant g;

        assert_int_equal(destination_parse(DESTINATION_CEILING, "10.0.0.0/8", "1-65535", NULL, &g, &why), 0);
        assert_int_equal(destination_parse(DESTINATION_CEILING, "0.0.0.0/0", "1-65535", NULL, &g, &why), -EINVAL);
}

static void covering_compares_every_part(_unused_ void **state) {
        static const struct {
                const char *to, *ports, *proto;
                bool covered;
        } rows[] = {
                { "10.1.2.3", "80", "tcp", true },
                { "10.1.0.0/16", "80-90", "tcp", true },
                { "10.1.2.0/24", "85", "tcp", true },
                { "10.2.0.1", "80", "tcp", false },
                { "10.0.0.0/15", "80", "tcp", false },
                { "10.1.2.3", "79", "tcp", false },
                { "10.1.2.3", "80-91", "tcp", false },
                { "10.1.2.3", "80", "udp", false },
                { "10.1.2.3", NULL, "icmp", false },
                { "fd00::1", "80", "tcp", false },
        };
        g_autofree char *why = NULL;
        NetGrant allowed;

        assert_int_equal(destination_parse(DESTINATION_CEILING, "10.1.0.0/16", "80-90", "tcp", &allowed, &why), 0);
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                NetGrant g;

                assert_int_equal(destination_parse(DESTINATION_CEILING, rows[i].to, rows[i].ports, rows[i].proto, &g, &why), 0);
                if (destination_covers(&allowed, &g) != rows[i].covered)
                        fail_msg("%s %s %s", rows[i].to, rows[i].ports, rows[i].proto);
        }
}

static void mistakes_in_profiles_name_their_place(_unused_ void **state) {
        static const struct {
                const char *text, *words;
        } mistakes[] = {
                { "{'dns': '1.1.1.1'}", "dns: expected a list" },
                { "{'dns': ['dns.google']}", "dns[0]: \"dns.google\" is a name" },
                { "{'dns': ['1.1.1.0/24']}", "dns[0]: \"1.1.1.0/24\" is not the address of a resolver" },
                { "{'dns': ['1.1.1.1', '1.1.1.1']}", "dns[1]: 1.1.1.1 is there twice" },
                { "{'dns': ['127.0.0.53']}", "dns[0]: \"127.0.0.53\" is the sandbox's own loopback" },
                { "{'dns': ['1.1.1.1', '1.1.1.2', '1.1.1.3', '1.1.1.4', '1.1.1.5']}", "dns: more than 4 resolvers" },
                { "{'dns': ['']}", "dns[0]: the string is empty" },
                { "{'allow': {}}", "allow: expected a list" },
                { "{'allow': ['192.0.2.1']}", "allow[0]: expected an object" },
                { "{'allow': [{}]}", "allow[0]: needs \"to\"" },
                { "{'allow': [{'to': '192.0.2.1'}]}", "allow[0]: tcp needs ports" },
                { "{'allow': [{'to': '192.0.2.1', 'ports': 0}]}", "allow[0]: \"0\" is no port" },
                { "{'allow': [{'to': '192.0.2.1', 'ports': -5}]}", "allow[0]: \"-5\" is no port" },
                { "{'allow': [{'to': '192.0.2.1', 'ports': 1.5}]}", "allow[0].ports: expected a string" },
                { "{'allow': [{'to': '192.0.2.1', 'ports': [1, 2]}]}", "allow[0].ports: expected a string" },
                { "{'allow': [{'to': '192.0.2.1', 'port': 80}]}", "allow[0]: unknown key \"port\"; there are: to, ports, proto" },
                { "{'allow': [{'to': '192.0.2.1', 'ports': 80, 'until': 5}]}", "allow[0]: unknown key \"until\"" },
                { "{'allow': [{'to': '0.0.0.0/0', 'ports': 80}]}", "allow[0]: \"0.0.0.0/0\" covers the whole of" },
        };

        for (size_t i = 0; i < ELEMENTSOF(mistakes); i++)
                refused(builtin, request_with(mistakes[i].text), POLICY_E_PROFILE_INVALID, mistakes[i].words);
}

static void sixty_four_grants_are_the_most(_unused_ void **state) {
        _cleanup_(policy_freep) Policy *p = below("{" OPEN ", 'destinations': [{'to': '10.0.0.0/8', 'ports': '1-65535'}]}");
        GString *s = g_string_new("{'network': 'nat', 'allow': [");
        PolicyResult r;

        for (int i = 0; i < 64; i++)
                g_string_append_printf(s, "%s{'to': '10.0.0.1', 'ports': %d}", i > 0 ? ", " : "", i + 1);
        g_string_append(s, "]}");
        r = resolved(p, request_with(s->str));
        assert_int_equal(r.plan->net.n_grants, 64);
        assert_int_equal(r.plan->net.grants[63].id, 64);
        policy_result_done(&r);

        g_string_truncate(s, s->len - 2);
        g_string_append(s, ", {'to': '10.0.0.1', 'ports': 65}]}");
        refused(p, request_with(s->str), POLICY_E_PROFILE_INVALID, "more than 64 grants");
        g_string_free(s, TRUE);
}

/* T91: an empty list, or none, allows nothing (CVE-2025-66479). */
static void empty_lists_allow_nothing(_unused_ void **state) {
        static const char *const ceilings[] = { "{" OPEN "}", "{" OPEN ", 'destinations': []}" };
        _cleanup_(policy_freep) Policy *none = below("{" OPEN ", 'resolvers': []}");
        PolicyResult r;

        for (size_t i = 0; i < ELEMENTSOF(ceilings); i++) {
                _cleanup_(policy_freep) Policy *p = below(ceilings[i]);

                refused(p, request_with("{'network': 'nat', 'allow': [{'to': '192.0.2.10', 'ports': 1234}]}"), POLICY_E_CEILING,
                                "profile test asks for a destination, but test ceiling does not allow 192.0.2.10:1234/tcp "
                                "(\"destinations\"); 'ocsbctl firewall allow' asks an administrator");
        }
        r = resolved(none, request_with("{'network': 'nat'}"));
        assert_int_equal(r.plan->net.n_resolvers, 0);
        assert_string_equal(find_mount(&r, "/etc/resolv.conf")->source, "# This sandbox has no resolvers.\n");
        policy_result_done(&r);
        refused(none, request_with("{'network': 'nat', 'dns': ['1.1.1.1']}"), POLICY_E_CEILING,
                        "test ceiling does not allow the resolver 1.1.1.1 (\"resolvers\")");
        refused(builtin, request_with("{'network': 'nat', 'allow': [{'to': '192.0.2.10', 'ports': 1234}]}"),
                        POLICY_E_CEILING, "built-in ceiling does not allow");
}

static void resolvers_come_from_request_profile_ceiling_or_the_built_in_list(_unused_ void **state) {
        _cleanup_(policy_freep) Policy *lan = below("{" OPEN ", 'resolvers': ['192.168.1.53', '9.9.9.9']}");
        PolicyResult r = resolved(builtin, request_for("internet"));
        Request *q;
        NetAddress a;

        assert_int_equal(r.plan->network, PLAN_NETWORK_NAT);
        assert_string_equal(find_mount(&r, "/etc/resolv.conf")->source,
                        "# The resolvers that this sandbox may ask.\nnameserver 1.1.1.1\nnameserver 8.8.8.8\n"
                        "options timeout:1 attempts:2\n");
        assert_non_null(strstr(find_mount(&r, "/etc/nsswitch.conf")->source, "hosts: files dns\n"));
        policy_result_done(&r);

        r = resolved(lan, request_for("internet"));
        assert_non_null(strstr(find_mount(&r, "/etc/resolv.conf")->source, "nameserver 192.168.1.53\nnameserver 9.9.9.9\n"));
        policy_result_done(&r);

        r = resolved(builtin, request_with("{'network': 'nat', 'dns': ['9.9.9.9', '2620:fe::fe']}"));
        assert_non_null(strstr(find_mount(&r, "/etc/resolv.conf")->source, "nameserver 9.9.9.9\nnameserver 2620:fe::fe\n"));
        assert_null(strstr(find_mount(&r, "/etc/resolv.conf")->source, "1.1.1.1"));
        policy_result_done(&r);

        q = request_with("{'network': 'nat', 'dns': ['9.9.9.9']}");
        q->dns = g_array_new(FALSE, FALSE, sizeof(NetAddress));
        assert_int_equal(net_address_parse("8.8.4.4", &a), 0);
        g_array_append_val(q->dns, a);
        r = resolved(builtin, q);
        assert_int_equal(r.plan->net.n_resolvers, 1);
        assert_non_null(strstr(find_mount(&r, "/etc/resolv.conf")->source, "nameserver 8.8.4.4\n"));
        assert_non_null(strstr(r.explain, "{\"address\":\"8.8.4.4\",\"from\":\"request\"}"));
        policy_result_done(&r);

        /* A private one is nobody's by default. */
        refused(builtin, request_with("{'network': 'nat', 'dns': ['192.168.1.53']}"), POLICY_E_CEILING,
                        "built-in ceiling does not allow the resolver 192.168.1.53 (\"resolvers\")");
        refused(builtin, request_with("{'network': 'nat', 'dns': ['fd00:ec2::253']}"), POLICY_E_CEILING,
                        "does not allow the resolver");
}

static void grants_are_explained_with_their_source(_unused_ void **state) {
        _cleanup_(policy_freep) Policy *p = below("{" OPEN ", 'destinations': [{'to': '192.168.1.0/24', 'ports': '1-65535'},"
                                                  "{'to': 'fd00:1::/64', 'proto': 'icmp'}]}");
        Request *q = request_with("{'network': 'nat', 'allow': [{'to': '192.168.1.20', 'ports': 1234},"
                                  "{'to': '192.168.1.20', 'ports': '1234'}, {'to': 'fd00:1::5', 'proto': 'icmp'}]}");
        g_autofree char *why = NULL;
        PolicyResult r;
        NetGrant g;

        assert_int_equal(destination_parse(DESTINATION_GRANT, "192.168.1.21", "80-81", NULL, &g, &why), 0);
        g.until_usec = 5;
        q->allow = g_array_new(FALSE, FALSE, sizeof(NetGrant));
        g_array_append_val(q->allow, g);
        r = resolved(p, q);
        assert_int_equal(r.plan->net.n_grants, 3); /* one was there twice */
        assert_int_equal(r.plan->net.grants[2].id, 3);
        assert_true(r.plan->net.grants[2].until_usec == 5);
        assert_non_null(strstr(r.explain, "{\"id\":1,\"to\":\"192.168.1.20\",\"ports\":\"1234\",\"proto\":\"tcp\",\"from\":\"profile test\"}"));
        assert_non_null(strstr(r.explain, "{\"id\":2,\"to\":\"fd00:1::5\",\"proto\":\"icmp\",\"from\":\"profile test\"}"));
        assert_non_null(strstr(r.explain, "\"until_usec\":5,\"from\":\"request\"}"));
        assert_non_null(strstr(r.summary, "network nat, reaches 192.168.1.20:1234/tcp, [fd00:1::5]/icmp and 1 more"));
        policy_result_done(&r);
}

static void a_request_only_narrows_the_network(_unused_ void **state) {
        Request *q = request_for("default");
        PolicyResult r;
        NetAddress a;

        q->network = g_strdup("nat");
        refused(builtin, q, POLICY_E_INVALID_ARGUMENT,
                        "profile default has network \"none\": choose one with network \"nat\", such as \"internet\"");
        q = request_for("internet");
        q->network = g_strdup("none");
        r = resolved(builtin, q);
        assert_int_equal(r.plan->network, PLAN_NETWORK_NONE);
        assert_int_equal(r.plan->net.n_resolvers, 0);
        assert_null(strstr(r.explain, "egress"));
        policy_result_done(&r);

        q = request_for("default");
        q->dns = g_array_new(FALSE, FALSE, sizeof(NetAddress));
        assert_int_equal(net_address_parse("8.8.4.4", &a), 0);
        g_array_append_val(q->dns, a);
        refused(builtin, q, POLICY_E_INVALID_ARGUMENT, "need network \"nat\", and this session has network \"none\"");
}

static void a_ceiling_without_nat_refuses_it(_unused_ void **state) {
        _cleanup_(policy_freep) Policy *p = below("{'profiles': '*', 'roots': ['host-minimal'], 'networks': ['none'],"
                                                  "'workspace': {'allowed': true}}");

        refused(p, request_for("internet"), POLICY_E_CEILING, "does not allow network \"nat\" (\"networks\")");
}

static void parents_add_destinations_and_children_choose_resolvers(_unused_ void **state) {
        _cleanup_(policy_freep) Policy *p = below("{" OPEN ", 'destinations': [{'to': '10.0.0.0/8', 'ports': '1-65535'}]}");
        g_autofree char *why = NULL, *base = g_strdup("{'name': 'base', 'network': 'nat', 'dns': ['9.9.9.9'], 'allow': "
                                                      "[{'to': '10.0.0.1', 'ports': 1}]}");
        Profile *profile;
        PolicyResult r;

        g_strdelimit(base, "'", '"');
        assert_int_equal(profile_parse("base.json", "base", "base", base, strlen(base), &profile, &why), 0);
        assert_int_equal(policy_add_profile(p, profile, &why), 0);
        r = resolved(p, request_with("{'extends': 'base', 'allow': [{'to': '10.0.0.2', 'ports': 2}]}"));
        assert_int_equal(r.plan->net.n_grants, 2);
        assert_non_null(strstr(r.explain, "\"ports\":\"1\",\"proto\":\"tcp\",\"from\":\"profile test > base\""));
        assert_non_null(strstr(r.explain, "{\"address\":\"9.9.9.9\",\"from\":\"profile test > base\"}"));
        policy_result_done(&r);
        r = resolved(p, request_with("{'extends': 'base', 'dns': []}"));
        assert_int_equal(r.plan->net.n_resolvers, 0);
        policy_result_done(&r);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(destinations_are_read),
                cmocka_unit_test(wrong_destinations_are_refused_with_what_to_write),
                cmocka_unit_test(a_ceiling_may_name_a_private_range_as_a_whole),
                cmocka_unit_test(covering_compares_every_part),
                cmocka_unit_test(mistakes_in_profiles_name_their_place),
                cmocka_unit_test(sixty_four_grants_are_the_most),
                cmocka_unit_test(empty_lists_allow_nothing),
                cmocka_unit_test(resolvers_come_from_request_profile_ceiling_or_the_built_in_list),
                cmocka_unit_test(grants_are_explained_with_their_source),
                cmocka_unit_test(a_request_only_narrows_the_network),
                cmocka_unit_test(a_ceiling_without_nat_refuses_it),
                cmocka_unit_test(parents_add_destinations_and_children_choose_resolvers),
        };

        return cmocka_run_group_tests_name("policy-network", tests, setup, teardown);
}
