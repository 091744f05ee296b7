/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* nft text from values. The order of the rules is the policy (docs/firewall.md); the golden files of tests/unit hold it
 * fast. Session chains have no anonymous sets: with one, libnftables 1.0.6 reads every set of the table for each command. */

#include "ruleset.h"

#include <stdio.h>

#define COMMAND "inet " RULESET_TABLE " "

typedef struct Text {
        FILE *file;
        char *data;
        size_t len;
} Text;

static int text_begin(Text *t) {
        *t = (Text) {};
        t->file = open_memstream(&t->data, &t->len);
        return t->file ? 0 : -ENOMEM;
}

static int text_end(Text *t, char **ret) {
        bool failed = ferror(t->file);

        if (fclose(t->file) != 0 || failed) {
                free(t->data);
                return -ENOMEM;
        }
        *ret = t->data;
        return 0;
}

static const char *family(const NetAddress *a) {
        return a->family == 4 ? "ip" : "ip6";
}

/* One rule of a session. Every one counts, and its comment says what. */
static void rule(FILE *f, const char *prefix, const char *match, const char *verdict, FwCounter reason) {
        fprintf(f, "%s%s%scounter %s comment \"%s\"\n", prefix, match, *match ? " " : "", verdict, fw_counter_to_string(reason));
}

static void grant_rule(FILE *f, const char *prefix, const NetGrant *g) {
        char to[NET_ADDRESS_TEXT_MAX];

        fprintf(f, "%s%s daddr %s ", prefix, family(&g->to.address), net_prefix_format(&g->to, to));
        if (g->protocol == NET_PROTOCOL_ICMP)
                fprintf(f, "%s type echo-request ", g->to.address.family == 4 ? "icmp" : "icmpv6");
        else {
                fprintf(f, "%s dport %u", g->protocol == NET_PROTOCOL_TCP ? "tcp" : "udp", g->port_first);
                if (g->port_last != g->port_first)
                        fprintf(f, "-%u", g->port_last);
                fputc(' ', f);
        }
        fprintf(f, "counter accept comment \"%s %u\"\n", fw_counter_to_string(FW_COUNTER_GRANTED), g->id);
}

static void session_rules(FILE *f, const char *prefix, const RulesetSession *s) {
        char buf[NET_ADDRESS_TEXT_MAX], match[128];

        (void) snprintf(match, sizeof(match), "ip saddr != %s", net_address_format(&s->ipv4, buf));
        rule(f, prefix, match, "drop", FW_COUNTER_SPOOFED);
        if (s->ipv6.family == 6)
                (void) snprintf(match, sizeof(match), "ip6 saddr != %s", net_address_format(&s->ipv6, buf));
        else
                (void) snprintf(match, sizeof(match), "meta nfproto ipv6");
        rule(f, prefix, match, "drop", FW_COUNTER_SPOOFED);
        /* Before the grants: one that covers the pool must not open a way to another sandbox. */
        rule(f, prefix, "oifname \"ocsb*\"", "drop", FW_COUNTER_PRIVATE);
        for (size_t i = 0; i < s->intent->n_resolvers; i++) {
                const NetAddress *a = s->intent->resolvers + i;

                (void) snprintf(match, sizeof(match), "%s daddr %s meta l4proto . th dport @dns_ports", family(a),
                                net_address_format(a, buf));
                rule(f, prefix, match, "accept", FW_COUNTER_DNS);
        }
        for (size_t i = 0; i < s->intent->n_grants; i++)
                grant_rule(f, prefix, s->intent->grants + i);
        rule(f, prefix, "meta l4proto . th dport @resolver_ports", "drop", FW_COUNTER_RESOLVER);
        rule(f, prefix, "ip daddr @private_ipv4", "drop", FW_COUNTER_PRIVATE);
        rule(f, prefix, "ip6 daddr @private_ipv6", "drop", FW_COUNTER_PRIVATE);
        rule(f, prefix, "ip daddr @host_addresses", "drop", FW_COUNTER_HOST);
        rule(f, prefix, "ip6 daddr @host_addresses_ipv6", "drop", FW_COUNTER_HOST);
        /* A port that somebody else publishes on an address of the host: what the sandbox asked for counts, not
         * where his DNAT leads. */
        rule(f, prefix, "ct original ip daddr @host_addresses", "drop", FW_COUNTER_HOST);
        rule(f, prefix, "ct original ip6 daddr @host_addresses_ipv6", "drop", FW_COUNTER_HOST);
        rule(f, prefix, "meta l4proto != tcp", "drop", FW_COUNTER_PROTOCOL);
        rule(f, prefix, "", "accept", FW_COUNTER_ALLOWED);
}

static void begin_set(FILE *f, const char *kind, const char *name, const char *type) {
        fprintf(f, "\t%s %s {\n\t\ttype %s\n", kind, name, type);
}

static void range_set(FILE *f, const char *name, const char *type, const char *const *ranges) {
        begin_set(f, "set", name, type);
        fputs("\t\tflags interval\n\t\telements = { ", f);
        for (size_t i = 0; ranges[i]; i++)
                fprintf(f, "%s%s", i > 0 ? ", " : "", ranges[i]);
        fputs(" }\n\t}\n", f);
}

/* "a, b, c" of one family; nothing when there is none. Returns their number. */
static size_t addresses(FILE *f, const char *before, const NetAddress *a, size_t n, uint32_t wanted, const char *after) {
        char buf[NET_ADDRESS_TEXT_MAX];
        size_t found = 0;

        for (size_t i = 0; i < n; i++)
                if (a[i].family == wanted)
                        fprintf(f, "%s%s", found++ > 0 ? ", " : before, net_address_format(a + i, buf));
        if (found > 0)
                fputs(after, f);
        return found;
}

static void address_set(FILE *f, const char *name, uint32_t wanted, const NetAddress *a, size_t n) {
        begin_set(f, "set", name, wanted == 4 ? "ipv4_addr" : "ipv6_addr");
        (void) addresses(f, "\t\telements = { ", a, n, wanted, " }\n");
        fputs("\t}\n", f);
}

/* Sets that the tables outside and inside have in common. */
static void port_sets(FILE *f, bool dns) {
        if (dns) {
                begin_set(f, "set", "dns_ports", "inet_proto . inet_service");
                fputs("\t\telements = { tcp . 53, udp . 53 }\n\t}\n", f);
        }
        begin_set(f, "set", "resolver_ports", "inet_proto . inet_service");
        fputs("\t\telements = { tcp . 53, udp . 53, tcp . 853, udp . 853 }\n\t}\n", f);
        range_set(f, "private_ipv4", "ipv4_addr", net_private_ipv4);
        range_set(f, "private_ipv6", "ipv6_addr", net_private_ipv6);
}

static void interface_set(FILE *f, const char *name, const RulesetTable *t) {
        begin_set(f, "set", name, "ifname");
        fputs("\t\tcounter\n", f);
        for (size_t i = 0; i < t->n_sessions; i++)
                fprintf(f, "%s\"ocsb%u\"", i > 0 ? ", " : "\t\telements = { ", t->sessions[i].slot);
        fprintf(f, "%s\t}\n", t->n_sessions > 0 ? " }\n" : "");
}

static void session_map(FILE *f, const RulesetTable *t) {
        begin_set(f, "map", "sessions", "ifname : verdict");
        for (size_t i = 0; i < t->n_sessions; i++)
                fprintf(f, "%s\"ocsb%u\" : goto s_%u", i > 0 ? ", " : "\t\telements = { ", t->sessions[i].slot,
                                t->sessions[i].slot);
        fprintf(f, "%s\t}\n", t->n_sessions > 0 ? " }\n" : "");
}

static const char lockdown_rules[] = "iifname \"ocsb*\" counter drop\n"
                                     "oifname \"ocsb*\" counter drop\n";

/* Two lines with a prefix each. */
static void write_lockdown(FILE *f, const char *prefix) {
        const char *second = strchr(lockdown_rules, '\n') + 1;

        fprintf(f, "%s%.*s%s%s", prefix, (int) (second - lockdown_rules), lockdown_rules, prefix, second);
}

static void base_chains(FILE *f, const RulesetTable *t) {
        char buf[NET_ADDRESS_TEXT_MAX];

        fputs("\tchain lockdown {\n", f);
        if (t->lockdown)
                write_lockdown(f, "\t\t");
        fputs("\t}\n"
              "\tchain forward {\n"
              "\t\ttype filter hook forward priority filter - 10; policy accept;\n"
              "\t\tjump lockdown\n"
              "\t\tiifname vmap @sessions\n"
              "\t\tiifname \"ocsb*\" counter drop comment \"no session\"\n"
              "\t\toifname \"ocsb*\" ct state established,related accept\n"
              "\t\toifname @to_sessions drop comment \"inbound\"\n"
              "\t\toifname \"ocsb*\" counter drop comment \"no session\"\n"
              "\t}\n"
              "\tchain input {\n"
              "\t\ttype filter hook input priority filter - 10; policy accept;\n"
              "\t\tiifname @from_sessions drop comment \"host\"\n"
              "\t\tiifname \"ocsb*\" counter drop comment \"no session\"\n"
              "\t}\n"
              "\tchain output {\n"
              "\t\ttype filter hook output priority filter - 10; policy accept;\n"
              "\t\tjump lockdown\n"
              "\t\toifname \"ocsb*\" ct state established,related accept\n"
              "\t\toifname @to_sessions drop comment \"inbound\"\n"
              "\t\toifname \"ocsb*\" counter drop comment \"no session\"\n"
              "\t}\n"
              "\tchain postrouting {\n"
              "\t\ttype nat hook postrouting priority srcnat; policy accept;\n",
                        f);
        fprintf(f, "\t\tip saddr %s oifname != \"ocsb*\" masquerade\n", net_prefix_format(&t->pool_ipv4, buf));
        fprintf(f, "\t\tip6 saddr %s oifname != \"ocsb*\" masquerade\n\t}\n", net_prefix_format(&t->pool_ipv6, buf));
}

static void write_table(FILE *f, const RulesetTable *t) {
        fputs("table inet " RULESET_TABLE " {\n", f);
        port_sets(f, true);
        address_set(f, "host_addresses", 4, t->host_addresses, t->n_host_addresses);
        address_set(f, "host_addresses_ipv6", 6, t->host_addresses, t->n_host_addresses);
        interface_set(f, "from_sessions", t);
        interface_set(f, "to_sessions", t);
        session_map(f, t);
        base_chains(f, t);
        for (size_t i = 0; i < t->n_sessions; i++) {
                fprintf(f, "\tchain s_%u {\n", t->sessions[i].slot);
                session_rules(f, "\t\t", t->sessions + i);
                fputs("\t}\n", f);
        }
        fputs("}\n", f);
}

int ruleset_table(const RulesetTable *t, char **ret) {
        Text x;

        if (text_begin(&x) < 0)
                return -ENOMEM;
        /* To delete a table that is not there is an error; to add one that is there is not. */
        fputs("add table inet " RULESET_TABLE "\ndelete table inet " RULESET_TABLE "\n", x.file);
        write_table(x.file, t);
        return text_end(&x, ret);
}

int ruleset_show(const RulesetTable *t, char **ret) {
        Text x;

        if (text_begin(&x) < 0)
                return -ENOMEM;
        write_table(x.file, t);
        return text_end(&x, ret);
}

static void add_rules(FILE *f, const RulesetSession *s) {
        char prefix[64];

        (void) snprintf(prefix, sizeof(prefix), "add rule " COMMAND "s_%u ", s->slot);
        session_rules(f, prefix, s);
}

int ruleset_add(const RulesetSession *s, char **ret) {
        Text x;

        if (text_begin(&x) < 0)
                return -ENOMEM;
        fprintf(x.file, "add chain " COMMAND "s_%u\n", s->slot);
        add_rules(x.file, s);
        fprintf(x.file,
                        "add element " COMMAND "from_sessions { \"ocsb%u\" }\n"
                        "add element " COMMAND "to_sessions { \"ocsb%u\" }\n"
                        "add element " COMMAND "sessions { \"ocsb%u\" : goto s_%u }\n",
                        s->slot, s->slot, s->slot, s->slot);
        return text_end(&x, ret);
}

int ruleset_replace(const RulesetSession *s, char **ret) {
        Text x;

        if (text_begin(&x) < 0)
                return -ENOMEM;
        fprintf(x.file, "flush chain " COMMAND "s_%u\n", s->slot);
        add_rules(x.file, s);
        return text_end(&x, ret);
}

int ruleset_remove(uint32_t slot, char **ret) {
        Text x;

        if (text_begin(&x) < 0)
                return -ENOMEM;
        fprintf(x.file,
                        "delete element " COMMAND "sessions { \"ocsb%u\" : goto s_%u }\n"
                        "delete element " COMMAND "from_sessions { \"ocsb%u\" }\n"
                        "delete element " COMMAND "to_sessions { \"ocsb%u\" }\n"
                        "flush chain " COMMAND "s_%u\n"
                        "delete chain " COMMAND "s_%u\n",
                        slot, slot, slot, slot, slot, slot);
        return text_end(&x, ret);
}

int ruleset_host_addresses(const NetAddress *a, size_t n, char **ret) {
        Text x;

        if (text_begin(&x) < 0)
                return -ENOMEM;
        fputs("flush set " COMMAND "host_addresses\nflush set " COMMAND "host_addresses_ipv6\n", x.file);
        (void) addresses(x.file, "add element " COMMAND "host_addresses { ", a, n, 4, " }\n");
        (void) addresses(x.file, "add element " COMMAND "host_addresses_ipv6 { ", a, n, 6, " }\n");
        return text_end(&x, ret);
}

int ruleset_lockdown(bool on, char **ret) {
        Text x;

        if (text_begin(&x) < 0)
                return -ENOMEM;
        fputs("flush chain " COMMAND "lockdown\n", x.file);
        if (on)
                write_lockdown(x.file, "add rule " COMMAND "lockdown ");
        return text_end(&x, ret);
}

int ruleset_inner(char **ret) {
        Text x;

        if (text_begin(&x) < 0)
                return -ENOMEM;
        fputs("add table inet " RULESET_INNER_TABLE "\ndelete table inet " RULESET_INNER_TABLE "\n"
              "table inet " RULESET_INNER_TABLE " {\n",
                        x.file);
        port_sets(x.file, false);
        address_set(x.file, "host_addresses", 4, NULL, 0);
        address_set(x.file, "host_addresses_ipv6", 6, NULL, 0);
        /* Rejected, not dropped: a connect() that is not allowed fails at once instead of after minutes. */
        fputs("\tchain " RULESET_INNER_GRANTS " {\n"
              "\t}\n"
              "\tchain output {\n"
              "\t\ttype filter hook output priority filter; policy drop;\n"
              "\t\toifname \"lo\" accept\n"
              "\t\tjump " RULESET_INNER_GRANTS "\n"
              "\t\tmeta l4proto . th dport @resolver_ports reject with icmpx admin-prohibited\n"
              "\t\tip daddr @private_ipv4 reject with icmpx admin-prohibited\n"
              "\t\tip6 daddr @private_ipv6 reject with icmpx admin-prohibited\n"
              "\t\tip daddr @host_addresses reject with icmpx admin-prohibited\n"
              "\t\tip6 daddr @host_addresses_ipv6 reject with icmpx admin-prohibited\n"
              "\t\tmeta l4proto tcp accept\n"
              "\t\treject with icmpx admin-prohibited\n"
              "\t}\n"
              "\tchain input {\n"
              "\t\ttype filter hook input priority filter; policy drop;\n"
              "\t\tiifname \"lo\" accept\n"
              "\t\tct state established,related accept\n"
              "\t}\n"
              "\tchain forward {\n"
              "\t\ttype filter hook forward priority filter; policy drop;\n"
              "\t}\n"
              "}\n",
                        x.file);
        return text_end(&x, ret);
}
