/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* nft text from values. The order of the rules is the policy (docs/firewall.md); the golden files of tests/unit hold it fast.
 *
 * A session is elements of sets, and a chain only when it has grants: for each new rule and each verdict of a map the kernel validates
 * the whole table, all chains that can be reached (3 ms with a thousand chains of sessions), for an element it does not. No
 * anonymous sets in chains of sessions: with one, libnftables 1.0.6 reads every set of the table for each command. */

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

/* Reasons that are counted by interface, in the order of the sets in the table. The others are counted by the
 * element (DNS) or the rule (grants) that let a packet pass. */
static const FwCounter by_interface[] = { FW_COUNTER_ALLOWED, FW_COUNTER_SPOOFED, FW_COUNTER_RESOLVER, FW_COUNTER_PRIVATE, FW_COUNTER_HOST,
        FW_COUNTER_PROTOCOL, FW_COUNTER_INBOUND };

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

static void grant_rules(FILE *f, const char *prefix, const NetIntent *n) {
        for (size_t i = 0; i < n->n_grants; i++)
                grant_rule(f, prefix, n->grants + i);
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
static void common_sets(FILE *f) {
        begin_set(f, "set", "resolver_ports", "inet_proto . inet_service");
        fputs("\t\telements = { tcp . 53, udp . 53, tcp . 853, udp . 853 }\n\t}\n", f);
        range_set(f, "private_ipv4", "ipv4_addr", net_private_ipv4);
        range_set(f, "private_ipv6", "ipv6_addr", net_private_ipv6);
}

/* The elements of one session in one set, with what goes between two. Returns their number, *n included. */
typedef size_t (*Elements)(FILE *f, size_t n, const RulesetSession *s);

static void separate(FILE *f, size_t n) {
        fputs(n > 0 ? ", " : " ", f);
}

static size_t interface_element(FILE *f, size_t n, const RulesetSession *s) {
        separate(f, n);
        fprintf(f, "\"ocsb%u\"", s->slot);
        return n + 1;
}

static size_t source_element(FILE *f, size_t n, const RulesetSession *s, const NetAddress *a) {
        char buf[NET_ADDRESS_TEXT_MAX];

        if (a->family == 0)
                return n;
        separate(f, n);
        fprintf(f, "\"ocsb%u\" . %s", s->slot, net_address_format(a, buf));
        return n + 1;
}

static size_t ipv4_source(FILE *f, size_t n, const RulesetSession *s) {
        return source_element(f, n, s, &s->ipv4);
}

static size_t ipv6_source(FILE *f, size_t n, const RulesetSession *s) {
        return source_element(f, n, s, &s->ipv6);
}

static size_t dns_element(FILE *f, size_t n, uint32_t slot, const NetAddress *a) {
        char buf[NET_ADDRESS_TEXT_MAX];

        separate(f, n);
        (void) net_address_format(a, buf);
        fprintf(f, "\"ocsb%u\" . %s . tcp . 53, \"ocsb%u\" . %s . udp . 53", slot, buf, slot, buf);
        return n + 1;
}

static size_t dns_elements(FILE *f, size_t n, const RulesetSession *s, uint32_t wanted) {
        for (size_t i = 0; i < s->intent->n_resolvers; i++)
                if (s->intent->resolvers[i].family == wanted)
                        n = dns_element(f, n, s->slot, s->intent->resolvers + i);
        return n;
}

static size_t ipv4_dns(FILE *f, size_t n, const RulesetSession *s) {
        return dns_elements(f, n, s, 4);
}

static size_t ipv6_dns(FILE *f, size_t n, const RulesetSession *s) {
        return dns_elements(f, n, s, 6);
}

static size_t grants_element(FILE *f, size_t n, const RulesetSession *s) {
        if (s->intent->n_grants == 0)
                return n;
        separate(f, n);
        fprintf(f, "\"ocsb%u\" : jump s_%u", s->slot, s->slot);
        return n + 1;
}

/* The sets that sessions have elements in. */
static const struct {
        const char *name, *type;
        bool counts;
        Elements elements;
} session_sets[] = {
        { "sources_ipv4", "ifname . ipv4_addr", false, ipv4_source },
        { "sources_ipv6", "ifname . ipv6_addr", false, ipv6_source },
        { "dns_servers", "ifname . ipv4_addr . inet_proto . inet_service", true, ipv4_dns },
        { "dns_servers_ipv6", "ifname . ipv6_addr . inet_proto . inet_service", true, ipv6_dns },
};

/* Runs elements over sessions; "before{ … }after" when there is any. */
static void elements_of(FILE *f, const char *before, Elements elements, const RulesetSession *sessions, size_t n_sessions, const char *after) {
        _cleanup_free_ char *text = NULL;
        size_t len, n = 0;
        FILE *list = open_memstream(&text, &len);

        if (!list) {
                (void) fputs("!", f); /* no text at all is better than one with something missing: nft refuses this */
                return;
        }
        for (size_t i = 0; i < n_sessions; i++)
                n = elements(list, n, sessions + i);
        if (fclose(list) != 0)
                (void) fputs("!", f);
        else if (n > 0)
                fprintf(f, "%s{%s }%s", before, text, after);
}

static void write_session_sets(FILE *f, const RulesetTable *t) {
        for (size_t i = 0; i < ELEMENTSOF(session_sets); i++) {
                begin_set(f, "set", session_sets[i].name, session_sets[i].type);
                fputs(session_sets[i].counts ? "\t\tcounter\n" : "", f);
                elements_of(f, "\t\telements = ", session_sets[i].elements, t->sessions, t->n_sessions, "\n");
                fputs("\t}\n", f);
        }
        for (size_t i = 0; i < ELEMENTSOF(by_interface); i++) {
                fprintf(f, "\tset count_%s {\n\t\ttype ifname\n\t\tcounter\n", fw_counter_to_string(by_interface[i]));
                elements_of(f, "\t\telements = ", interface_element, t->sessions, t->n_sessions, "\n");
                fputs("\t}\n", f);
        }
        begin_set(f, "map", "grants", "ifname : verdict");
        elements_of(f, "\t\telements = ", grants_element, t->sessions, t->n_sessions, "\n");
        fputs("\t}\n", f);
}

static const char lockdown_rules[] = "iifname \"ocsb*\" counter drop\n"
                                     "oifname \"ocsb*\" counter drop\n";

/* Two lines with a prefix each. */
static void write_lockdown(FILE *f, const char *prefix) {
        const char *second = strchr(lockdown_rules, '\n') + 1;

        fprintf(f, "%s%.*s%s%s", prefix, (int) (second - lockdown_rules), lockdown_rules, prefix, second);
}

/* To a sandbox that has ended: without its route, late answers would leave by the default route. */
static void pool_rules(FILE *f, const RulesetTable *t) {
        char buf[NET_ADDRESS_TEXT_MAX];

        if (t->pools_are_others)
                return;
        fprintf(f, "\t\tip daddr %s counter drop comment \"no session\"\n", net_prefix_format(&t->pool_ipv4, buf));
        fprintf(f, "\t\tip6 daddr %s counter drop comment \"no session\"\n", net_prefix_format(&t->pool_ipv6, buf));
}

/* Whatever its interface is called by now: one that root has renamed is no way out. */
static void source_rules(FILE *f, const RulesetTable *t) {
        char buf[NET_ADDRESS_TEXT_MAX];

        if (t->pools_are_others)
                return;
        fprintf(f, "\t\tip saddr %s counter drop comment \"no session\"\n", net_prefix_format(&t->pool_ipv4, buf));
        fprintf(f, "\t\tip6 saddr %s counter drop comment \"no session\"\n", net_prefix_format(&t->pool_ipv6, buf));
}

/* The log is of what was not refused inside already (refusal_chain()). Not of what goes to a sandbox: the host tells each interface
 * of its multicast groups. */
static void drop_chain(FILE *f, const RulesetTable *t, FwCounter reason) {
        const char *name = fw_counter_to_string(reason);

        fprintf(f, "\tchain drop_%s {\n", name);
        if (reason != FW_COUNTER_INBOUND && !t->no_log)
                fprintf(f, "\t\tlimit rate 30/minute burst 10 packets log prefix \"ocsb drops (%s): \"\n", name);
        fprintf(f, "\t\t%s @count_%s drop\n\t\tcounter drop comment \"no session\"\n\t}\n",
                        reason == FW_COUNTER_INBOUND ? "oifname" : "iifname", name);
}

static void base_chains(FILE *f, const RulesetTable *t) {
        static const FwCounter drops[] = { FW_COUNTER_SPOOFED, FW_COUNTER_RESOLVER, FW_COUNTER_PRIVATE, FW_COUNTER_HOST, FW_COUNTER_PROTOCOL,
                FW_COUNTER_INBOUND };
        char buf[NET_ADDRESS_TEXT_MAX];

        fputs("\tchain lockdown {\n", f);
        if (t->lockdown)
                write_lockdown(f, "\t\t");
        fputs("\t}\n"
              "\tchain forward {\n"
              "\t\ttype filter hook forward priority filter - 10; policy accept;\n"
              "\t\tjump lockdown\n"
              "\t\tiifname \"ocsb*\" goto outgoing\n"
              "\t\toifname \"ocsb*\" goto incoming\n",
                        f);
        pool_rules(f, t);
        source_rules(f, t);
        fputs("\t}\n"
              "\tchain input {\n"
              "\t\ttype filter hook input priority filter - 10; policy accept;\n"
              "\t\tiifname \"ocsb*\" goto drop_host\n",
                        f);
        source_rules(f, t);
        fputs("\t}\n"
              "\tchain output {\n"
              "\t\ttype filter hook output priority filter - 10; policy accept;\n"
              "\t\tjump lockdown\n"
              "\t\toifname \"ocsb*\" goto incoming\n",
                        f);
        pool_rules(f, t);
        fputs("\t}\n"
              "\tchain incoming {\n"
              "\t\tct state established,related accept\n"
              "\t\tgoto drop_inbound\n"
              "\t}\n"
              /* No session, no source: what is unknown is dropped here. */
              "\tchain outgoing {\n"
              "\t\tiifname . ip saddr @sources_ipv4 goto sent\n"
              "\t\tiifname . ip6 saddr @sources_ipv6 goto sent\n"
              "\t\tgoto drop_spoofed\n"
              "\t}\n"
              /* Other sandboxes before the grants: one that covers the pool must not open a way there. Last, what the sandbox asked for and
               * not where somebody's DNAT leads: a port that others publish on an address of the host. */
              "\tchain sent {\n"
              "\t\toifname \"ocsb*\" goto drop_private\n"
              "\t\tiifname . ip daddr . meta l4proto . th dport @dns_servers accept\n"
              "\t\tiifname . ip6 daddr . meta l4proto . th dport @dns_servers_ipv6 accept\n"
              "\t\tiifname vmap @grants\n"
              "\t\tmeta l4proto . th dport @resolver_ports goto drop_resolver\n"
              "\t\tip daddr @private_ipv4 goto drop_private\n"
              "\t\tip6 daddr @private_ipv6 goto drop_private\n"
              "\t\tip daddr @host_addresses goto drop_host\n"
              "\t\tip6 daddr @host_addresses_ipv6 goto drop_host\n"
              "\t\tct original ip daddr @host_addresses goto drop_host\n"
              "\t\tct original ip6 daddr @host_addresses_ipv6 goto drop_host\n"
              "\t\tmeta l4proto != tcp goto drop_protocol\n"
              "\t\tiifname @count_allowed accept\n"
              "\t\tcounter drop\n"
              "\t}\n",
                        f);
        for (size_t i = 0; i < ELEMENTSOF(drops); i++)
                drop_chain(f, t, drops[i]);
        fputs("\tchain postrouting {\n"
              "\t\ttype nat hook postrouting priority srcnat; policy accept;\n",
                        f);
        fprintf(f, "\t\tip saddr %s oifname != \"ocsb*\" masquerade\n", net_prefix_format(&t->pool_ipv4, buf));
        fprintf(f, "\t\tip6 saddr %s oifname != \"ocsb*\" masquerade\n\t}\n", net_prefix_format(&t->pool_ipv6, buf));
}

static void write_table(FILE *f, const RulesetTable *t) {
        fputs("table inet " RULESET_TABLE " {\n", f);
        common_sets(f);
        address_set(f, "host_addresses", 4, t->host_addresses, t->n_host_addresses);
        address_set(f, "host_addresses_ipv6", 6, t->host_addresses, t->n_host_addresses);
        write_session_sets(f, t);
        base_chains(f, t);
        for (size_t i = 0; i < t->n_sessions; i++)
                if (t->sessions[i].intent->n_grants > 0) {
                        fprintf(f, "\tchain s_%u {\n", t->sessions[i].slot);
                        grant_rules(f, "\t\t", t->sessions[i].intent);
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
        grant_rules(f, prefix, s->intent);
}

static void add_chain(FILE *f, const RulesetSession *s) {
        if (s->intent->n_grants == 0)
                return;
        fprintf(f, "add chain " COMMAND "s_%u\n", s->slot);
        add_rules(f, s);
        elements_of(f, "add element " COMMAND "grants ", grants_element, s, 1, "\n");
}

static void delete_chain(FILE *f, const RulesetSession *s) {
        if (s->intent->n_grants == 0)
                return;
        elements_of(f, "delete element " COMMAND "grants ", grants_element, s, 1, "\n");
        fprintf(f, "flush chain " COMMAND "s_%u\ndelete chain " COMMAND "s_%u\n", s->slot, s->slot);
}

/* verb: "add" or "delete" */
static void change_elements(FILE *f, const char *verb, const RulesetSession *s) {
        char before[80];

        for (size_t i = 0; i < ELEMENTSOF(session_sets); i++) {
                (void) snprintf(before, sizeof(before), "%s element " COMMAND "%s ", verb, session_sets[i].name);
                elements_of(f, before, session_sets[i].elements, s, 1, "\n");
        }
        for (size_t i = 0; i < ELEMENTSOF(by_interface); i++) {
                (void) snprintf(before, sizeof(before), "%s element " COMMAND "count_%s ", verb, fw_counter_to_string(by_interface[i]));
                elements_of(f, before, interface_element, s, 1, "\n");
        }
}

int ruleset_add(const RulesetSession *s, char **ret) {
        Text x;

        if (text_begin(&x) < 0)
                return -ENOMEM;
        change_elements(x.file, "add", s);
        add_chain(x.file, s);
        return text_end(&x, ret);
}

static bool has_resolver(const NetIntent *n, const NetAddress *a) {
        for (size_t i = 0; i < n->n_resolvers; i++)
                if (net_address_equal(n->resolvers + i, a))
                        return true;
        return false;
}

/* The resolvers of one intent that the other does not have. */
static void change_resolvers(FILE *f, const char *verb, uint32_t slot, const NetIntent *those, const NetIntent *but) {
        for (size_t i = 0; i < those->n_resolvers; i++) {
                const NetAddress *a = those->resolvers + i;

                if (has_resolver(but, a))
                        continue;
                fprintf(f, "%s element " COMMAND "dns_servers%s {", verb, a->family == 4 ? "" : "_ipv6");
                (void) dns_element(f, 0, slot, a);
                fputs(" }\n", f);
        }
}

static bool same_grants(const NetIntent *a, const NetIntent *b) {
        if (a->n_grants != b->n_grants)
                return false;
        for (size_t i = 0; i < a->n_grants; i++)
                if (a->grants[i].id != b->grants[i].id || !net_grant_equal(a->grants + i, b->grants + i))
                        return false;
        return true;
}

int ruleset_replace(const RulesetSession *before, const RulesetSession *after, char **ret) {
        Text x;

        if (text_begin(&x) < 0)
                return -ENOMEM;
        change_resolvers(x.file, "delete", after->slot, before->intent, after->intent);
        change_resolvers(x.file, "add", after->slot, after->intent, before->intent);
        if (same_grants(before->intent, after->intent))
                ; /* until alone has changed */
        else if (before->intent->n_grants > 0 && after->intent->n_grants > 0) {
                fprintf(x.file, "flush chain " COMMAND "s_%u\n", after->slot);
                add_rules(x.file, after);
        } else {
                delete_chain(x.file, before);
                add_chain(x.file, after);
        }
        return text_end(&x, ret);
}

int ruleset_remove(const RulesetSession *s, char **ret) {
        Text x;

        if (text_begin(&x) < 0)
                return -ENOMEM;
        delete_chain(x.file, s);
        change_elements(x.file, "delete", s);
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

/* Rejected, not dropped: a connect() that is not allowed fails at once instead of after minutes. Before that a copy of the packet's
 * head goes to ocsb-fw, for the log. */
static void refusal_chain(FILE *f, FwCounter reason) {
        const char *name = fw_counter_to_string(reason);

        fprintf(f,
                        "\tchain refuse_%s {\n"
                        "\t\tlimit rate 6/minute burst 5 packets log prefix \"%s\" group %u snaplen 64\n"
                        "\t\tcounter reject with icmpx admin-prohibited comment \"%s\"\n"
                        "\t}\n",
                        name, name, RULESET_INNER_LOG_GROUP, name);
}

int ruleset_inner(char **ret) {
        static const FwCounter refusals[] = { FW_COUNTER_RESOLVER, FW_COUNTER_PRIVATE, FW_COUNTER_HOST, FW_COUNTER_PROTOCOL };
        Text x;

        if (text_begin(&x) < 0)
                return -ENOMEM;
        fputs("add table inet " RULESET_INNER_TABLE "\ndelete table inet " RULESET_INNER_TABLE "\n"
              "table inet " RULESET_INNER_TABLE " {\n",
                        x.file);
        common_sets(x.file);
        address_set(x.file, "host_addresses", 4, NULL, 0);
        address_set(x.file, "host_addresses_ipv6", 6, NULL, 0);
        for (size_t i = 0; i < ELEMENTSOF(refusals); i++)
                refusal_chain(x.file, refusals[i]);
        fputs("\tchain " RULESET_INNER_GRANTS " {\n"
              "\t}\n"
              "\tchain output {\n"
              "\t\ttype filter hook output priority filter; policy drop;\n"
              "\t\toifname \"lo\" accept\n"
              "\t\tjump " RULESET_INNER_GRANTS "\n"
              "\t\tmeta l4proto . th dport @resolver_ports goto refuse_resolver\n"
              "\t\tip daddr @private_ipv4 goto refuse_private\n"
              "\t\tip6 daddr @private_ipv6 goto refuse_private\n"
              "\t\tip daddr @host_addresses goto refuse_host\n"
              "\t\tip6 daddr @host_addresses_ipv6 goto refuse_host\n"
              "\t\tmeta l4proto tcp accept\n"
              "\t\tgoto refuse_protocol\n"
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
