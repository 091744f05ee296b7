/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "unit.h"

#include "base/address.h"

static void addresses_are_parsed_and_printed_canonically(void **state) {
        static const struct {
                const char *text, *canonical;
                uint32_t family;
        } good[] = {
                { "0.0.0.0", "0.0.0.0", 4 },
                { "192.0.2.1", "192.0.2.1", 4 },
                { "255.255.255.255", "255.255.255.255", 4 },
                { "::", "::", 6 },
                { "::1", "::1", 6 },
                { "2001:DB8::0:1", "2001:db8::1", 6 },
                { "2001:0db8:0000:0000:0001:0000:0000:0001", "2001:db8::1:0:0:1", 6 },
                { "fe80::1", "fe80::1", 6 },
                { "ff02::1:ff00:1", "ff02::1:ff00:1", 6 },
                { "fd00:ec2::254", "fd00:ec2::254", 6 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                char buf[NET_ADDRESS_TEXT_MAX];
                NetAddress a = {};

                assert_int_equal(net_address_parse(good[i].text, &a), 0);
                assert_int_equal(a.family, good[i].family);
                assert_true(net_address_valid(&a));
                assert_string_equal(net_address_format(&a, buf), good[i].canonical);
        }
}

static void an_address_in_any_other_form_is_refused(void **state) {
        static const char *const bad[] = {
                "", " ", "1", "1.2.3", "1.2.3.4.5", "1.2.3.", ".1.2.3", "1..2.3", "256.1.1.1", "1.2.3.256", "1.2.3.999", "1.2.3.0004",
                "01.2.3.4", "1.2.3.04", "00.0.0.0", "0x7f.0.0.1", "0x7f000001", "2130706433", "017700000001", "127.1",
                "1.2.3.4 ", " 1.2.3.4", "1.2.3.4\n", "+1.2.3.4", "-1.2.3.4", "1.2.3.4:80", "1.2.3.4/32", "1,2,3,4", "1.2.3.4a",
                "localhost", "example.org", "metadata.google.internal", "[::1]", "[::1]:80", "::1%lo", "fe80::1%eth0", "fe80::1%2",
                ":", ":::", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "12345::", "g::", "::1/128", "::1 ", " ::1",
                "1:2:3:4:5:6:7:", "::ffff:1.2.3.256", "\xd9\xa1.1.1.1",
                "0000000000000000000000000000000000000000000000001.1.1.1",
                "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                NetAddress a = { .family = 7 };
                NetPrefix p = { .length = 7 };

                if (net_address_parse(bad[i], &a) != -EINVAL)
                        fail_msg("accepted or wrong error: '%s'", bad[i]);
                assert_int_equal(a.family, 7);
                if (!strchr(bad[i], '/') && net_prefix_parse(bad[i], &p) != -EINVAL)
                        fail_msg("accepted as prefix: '%s'", bad[i]);
                assert_int_equal(p.length, 7);
        }
}

static void ipv6_text_that_carries_ipv4_is_refused(void **state) {
        static const char *const carrying[] = {
                "::ffff:192.168.1.1", "::ffff:c0a8:101", "::FFFF:0:0", "::192.168.1.1", "::c0a8:101", "::2", "0:0:0:0:0:ffff:a00:1",
                "::ffff:0:10.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::a00:1", "64:ff9b:1::1", "2002:a00:1::1", "2001:0:1::1",
                "2001:db8::10.0.0.1", "fe80::5efe:10.0.0.1",
        };
        static const char *const prefixes[] = {
                "::ffff:0:0/96", "::ffff:a00:0/104", "::/96", "::/97", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2002:a00::/32",
                "2001::/32", "2001:0:1::/48",
        };
        NetAddress a;
        NetPrefix p;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(carrying); i++) {
                if (net_address_parse(carrying[i], &a) != -EAFNOSUPPORT)
                        fail_msg("%s", carrying[i]);
                assert_int_equal(net_prefix_parse(carrying[i], &p), -EAFNOSUPPORT);
        }
        for (size_t i = 0; i < ELEMENTSOF(prefixes); i++) {
                if (net_prefix_parse(prefixes[i], &p) != -EAFNOSUPPORT)
                        fail_msg("%s", prefixes[i]);
                assert_int_equal(net_range_parse(prefixes[i], &p), 0);
                assert_true(net_prefix_carries_ipv4(&p));
        }
}

static void prefixes_are_parsed_and_printed_canonically(void **state) {
        static const struct {
                const char *text, *canonical;
                uint32_t length;
        } good[] = {
                { "10.0.0.0/8", "10.0.0.0/8", 8 },
                { "10.1.2.3", "10.1.2.3", 32 },
                { "10.1.2.3/32", "10.1.2.3", 32 },
                { "0.0.0.0/0", "0.0.0.0/0", 0 },
                { "128.0.0.0/1", "128.0.0.0/1", 1 },
                { "10.1.2.2/31", "10.1.2.2/31", 31 },
                { "::/0", "::/0", 0 },
                { "fd00::/8", "fd00::/8", 8 },
                { "2600::1", "2600::1", 128 },
                { "2600::1/128", "2600::1", 128 },
                { "2600::8000/113", "2600::8000/113", 113 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                char buf[NET_ADDRESS_TEXT_MAX];
                NetPrefix p;

                assert_int_equal(net_prefix_parse(good[i].text, &p), 0);
                assert_int_equal(p.length, good[i].length);
                assert_true(net_prefix_valid(&p));
                assert_string_equal(net_prefix_format(&p, buf), good[i].canonical);
        }
}

static void a_prefix_in_any_other_form_is_refused(void **state) {
        static const char *const bad[] = {
                "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/08", "10.0.0.0/8 ", "10.0.0.0 /8",
                "10.0.0.0/255.0.0.0", "10.0.0.0/8/8", "10/8", "10.0/16", "/8", "/", "128.0.0.0/0", "0.0.0.1/0", "::1/0", "fd00::1/8",
                "fd00::/129", "fd00::/", "fd00::/0x8", "fd00::/8%lo", "2600::4000/113", "10.0.0.0-10.0.0.9", "10.0.0.0/4294967304",
                "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc/8",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                NetPrefix p = { .length = 7 };

                if (net_prefix_parse(bad[i], &p) != -EINVAL)
                        fail_msg("accepted or wrong error: '%s'", bad[i]);
                assert_int_equal(p.length, 7);
        }
}

static NetPrefix prefix(const char *s) {
        NetPrefix p;

        assert_int_equal(net_range_parse(s, &p), 0);
        return p;
}

static void containment_goes_by_bits(void **state) {
        static const struct {
                const char *prefix, *address;
                bool inside;
        } rows[] = {
                { "10.0.0.0/8", "10.255.255.255", true },
                { "10.0.0.0/8", "11.0.0.0", false },
                { "172.16.0.0/12", "172.31.255.255", true },
                { "172.16.0.0/12", "172.32.0.0", false },
                { "100.64.0.0/10", "100.127.255.255", true },
                { "100.64.0.0/10", "100.128.0.0", false },
                { "0.0.0.0/0", "255.1.1.1", true },
                { "0.0.0.0/0", "::1", false },
                { "1.2.3.4", "1.2.3.4", true },
                { "1.2.3.4", "1.2.3.5", false },
                { "::/0", "1.2.3.4", false },
                { "::/0", "ff02::1", true },
                { "fc00::/7", "fdff:ffff::1", true },
                { "fc00::/7", "fe00::1", false },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                NetPrefix p = prefix(rows[i].prefix), a = prefix(rows[i].address);

                if (net_prefix_contains(&p, &a.address) != rows[i].inside)
                        fail_msg("%s %s", rows[i].prefix, rows[i].address);
                assert_int_equal(net_prefix_overlaps(&p, &a), rows[i].inside);
                assert_int_equal(net_prefix_overlaps(&a, &p), rows[i].inside);
        }
        assert_true(net_prefix_overlaps(&(NetPrefix[]) { prefix("10.0.0.0/8") }[0], &(NetPrefix[]) { prefix("10.9.0.0/16") }[0]));
}

static void values_from_elsewhere_are_checked(void **state) {
        NetPrefix none = {}, family = { { 5, {} }, 0 }, tail = { { 4, { 10, [4] = 1 } }, 8 }, length4 = { { 4, {} }, 33 },
                  length6 = { { 6, {} }, 129 }, behind = { { 6, { [15] = 1 } }, 127 }, good = { { 6, { [15] = 1 } }, 128 };
        char buf[NET_ADDRESS_TEXT_MAX] = "x";

        (void) state;
        assert_false(net_prefix_valid(&none));
        assert_false(net_prefix_valid(&family));
        assert_false(net_prefix_valid(&tail));
        assert_false(net_prefix_valid(&length4));
        assert_false(net_prefix_valid(&length6));
        assert_false(net_prefix_valid(&behind));
        assert_true(net_prefix_valid(&good));
        assert_false(net_prefix_contains(&none, &none.address));
        assert_string_equal(net_address_format(&none.address, buf), "");
        assert_string_equal(net_prefix_format(&none, buf), "");
}

static void equality_ignores_what_is_behind_an_ipv4_address(void **state) {
        NetAddress a = { 4, { 1, 2, 3, 4 } }, b = { 4, { 1, 2, 3, 4, 9 } }, c = { 6, { 1, 2, 3, 4 } }, none = {}, other = { 0, { 1 } };

        (void) state;
        assert_true(net_address_equal(&a, &b));
        assert_false(net_address_equal(&a, &c));
        assert_true(net_address_equal(&none, &other));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(addresses_are_parsed_and_printed_canonically),
                cmocka_unit_test(an_address_in_any_other_form_is_refused),
                cmocka_unit_test(ipv6_text_that_carries_ipv4_is_refused),
                cmocka_unit_test(prefixes_are_parsed_and_printed_canonically),
                cmocka_unit_test(a_prefix_in_any_other_form_is_refused),
                cmocka_unit_test(containment_goes_by_bits),
                cmocka_unit_test(values_from_elsewhere_are_checked),
                cmocka_unit_test(equality_ignores_what_is_behind_an_ipv4_address),
        };

        return RUN_TESTS(tests);
}
