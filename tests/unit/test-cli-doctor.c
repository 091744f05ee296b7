/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What doctor reads in other people's configuration. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "cli/bus-doctor.h"

static void test_flush_ruleset_is_found_where_it_is_a_command(void **state) {
        (void) state;
        assert_true(nftables_conf_flushes("#!/usr/sbin/nft -f\n\nflush ruleset\n\ntable inet filter {\n}\n"));
        assert_true(nftables_conf_flushes("  flush\truleset inet\n"));
        assert_true(nftables_conf_flushes("flush ruleset"));
        assert_false(nftables_conf_flushes("# flush ruleset\n"));
        assert_false(nftables_conf_flushes("flush table inet filter\n"));
        assert_false(nftables_conf_flushes("add rule x comment \"flush ruleset\"\n"));
        assert_false(nftables_conf_flushes(""));
}

static void test_ufw_is_on_when_it_says_so(void **state) {
        (void) state;
        assert_true(ufw_conf_is_enabled("# x\nENABLED=yes\nLOGLEVEL=low\n"));
        assert_true(ufw_conf_is_enabled("ENABLED=\"yes\"\n"));
        assert_false(ufw_conf_is_enabled("ENABLED=no\n"));
        assert_false(ufw_conf_is_enabled("#ENABLED=yes\n"));
        assert_false(ufw_conf_is_enabled(""));
}

static void test_modules_are_found_by_their_whole_name(void **state) {
        static const char list[] = "kernel/net/netfilter/nf_tables.ko: kernel/lib/libcrc32c.ko\n"
                                   "kernel/net/netfilter/xnft_ct.ko:\nkernel/drivers/net/veth.ko.xz:\n";

        (void) state;
        assert_true(module_list_has(list, "nf_tables"));
        assert_true(module_list_has(list, "veth"));
        assert_false(module_list_has(list, "nft_ct"));
        assert_false(module_list_has(list, "nf_table"));
        assert_false(module_list_has("", "veth"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_flush_ruleset_is_found_where_it_is_a_command),
                cmocka_unit_test(test_ufw_is_on_when_it_says_so),
                cmocka_unit_test(test_modules_are_found_by_their_whole_name),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
