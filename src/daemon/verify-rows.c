/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The list is the promise of network "nat" in rows: the public internet and the resolvers, and nothing private, special, of the host,
 * of a metadata service, no other resolver, no UDP, no ICMP, in IPv4 and IPv6. */

#include "verify-rows.h"

#include <stdio.h>

#include "policy/destination.h"

#define TIMEOUT_MSEC 3000u
#define HOST_ADDRESSES_MAX 128u

static const char *const metadata[] = { "169.254.169.254", "100.100.100.200", "192.0.0.192", "fd00:ec2::254" };
static const char *const other_resolvers[] = { "9.9.9.9", "1.0.0.1", "8.8.4.4", "208.67.222.222", "2620:fe::fe",
        "2606:4700:4700::1001", "2001:4860:4860::8844" };
/* ssh, a web server, the Docker API, a gateway. */
static const uint32_t host_ports[] = { 22, 80, 443, 2375, 18789 };

static void target_destroy(void *p) {
        VerifyTarget *t = p;

        g_free(t->what);
        g_free(t);
}

static void row_destroy(void *p) {
        VerifyRow *r = p;

        g_free(r->target);
        g_free(r->what);
        g_free(r->seen);
        g_free(r);
}

GPtrArray *verify_rows_new(void) {
        return g_ptr_array_new_with_free_func(row_destroy);
}

typedef struct List {
        GPtrArray *targets;
        const NetIntent *intent;
} List;

static NetGrant grant_of(const EgressTarget *t) {
        return (NetGrant) { .to = { t->address, t->address.family == 4 ? 32 : 128 }, .protocol = t->protocol,
                .port_first = t->port, .port_last = t->port };
}

static bool is_granted(const NetIntent *n, const EgressTarget *t) {
        NetGrant g = grant_of(t);

        for (size_t i = 0; i < n->n_grants; i++)
                if (destination_covers(n->grants + i, &g))
                        return true;
        return false;
}

static bool is_resolver(const NetIntent *n, const NetAddress *a) {
        for (size_t i = 0; i < n->n_resolvers; i++)
                if (net_address_equal(n->resolvers + i, a))
                        return true;
        return false;
}

static void append(List *l, const EgressTarget *t, bool reachable, const char *what) {
        VerifyTarget *v;

        if (l->targets->len >= EGRESS_TARGETS_MAX)
                return;
        v = g_new(VerifyTarget, 1);
        *v = (VerifyTarget) { .target = *t, .what = g_strdup(what), .reachable = reachable };
        g_ptr_array_add(l->targets, v);
}

/* What a grant opens may or may not be answered, so it proves nothing. */
static void blocked(List *l, const NetAddress *a, NetProtocol protocol, uint32_t port, const char *what) {
        EgressTarget t = { .address = *a, .port = port, .protocol = protocol };

        if (!is_granted(l->intent, &t))
                append(l, &t, false, what);
}

static void add_internet(List *l, const VerifyOptions *o, bool ipv6) {
        static const char *const builtin[] = { "1.1.1.1", "2606:4700:4700::1111" };
        VerifyEndpoint list[VERIFY_ADDRESSES_MAX] = {};
        size_t n = o->n_internet;

        memcpy(list, o->internet, n * sizeof(*list));
        for (size_t i = 0; o->n_internet == 0 && i < (ipv6 ? 2 : 1); i++)
                if (net_address_parse(builtin[i], &list[n].address) >= 0)
                        list[n++].port = 443;
        for (size_t i = 0; i < n; i++) {
                EgressTarget t = { .address = list[i].address, .port = list[i].port, .protocol = NET_PROTOCOL_TCP };

                append(l, &t, true, "internet");
                blocked(l, &t.address, NET_PROTOCOL_UDP, t.port, "UDP to the internet");
                blocked(l, &t.address, NET_PROTOCOL_ICMP, 0, "ping to the internet");
        }
}

static void add_llm(List *l, const VerifyOptions *o) {
        for (size_t i = 0; i < o->n_llm; i++) {
                EgressTarget t = { .address = o->llm[i].address, .port = o->llm[i].port, .protocol = NET_PROTOCOL_TCP };

                append(l, &t, is_granted(l->intent, &t), "LLM server");
        }
}

static void add_resolvers(List *l, bool ipv6) {
        for (size_t i = 0; i < l->intent->n_resolvers; i++) {
                EgressTarget t = { .address = l->intent->resolvers[i], .port = 53, .protocol = NET_PROTOCOL_UDP };

                if (t.address.family == 4 || ipv6)
                        append(l, &t, true, "resolver of the session");
        }
        for (size_t i = 0; i < ELEMENTSOF(other_resolvers); i++) {
                NetAddress a;

                if (net_address_parse(other_resolvers[i], &a) < 0 || is_resolver(l->intent, &a))
                        continue;
                blocked(l, &a, NET_PROTOCOL_UDP, 53, "another resolver");
                blocked(l, &a, NET_PROTOCOL_TCP, 53, "another resolver");
                blocked(l, &a, NET_PROTOCOL_TCP, 853, "another resolver, DNS over TLS");
        }
}

/* The first host of a range, or for ranges of IPv6 that stand for IPv4 addresses 10.0.0.1 in their clothes. False for what is the
 * sandbox's own, or no address at all. */
static bool sample(const NetPrefix *range, NetAddress *ret) {
        static const uint8_t ten[] = { 10, 0, 0, 1 };
        NetAddress a = range->address;

        if (range->length == 128 || (a.family == 4 && a.bytes[0] == 127))
                return false;
        if (a.family == 6 && range->length == 96)
                memcpy(a.bytes + 12, ten, 4);
        else if (a.family == 6 && range->length == 16) /* 6to4 */
                memcpy(a.bytes + 2, ten, 4);
        else
                a.bytes[a.family == 4 ? 3 : 15] |= 1;
        *ret = a;
        return true;
}

/* The last host: of our own pool, where the first ones may be the session's own. */
static NetAddress last_host(const NetPrefix *p) {
        uint32_t bits = p->address.family == 4 ? 32 : 128;
        NetAddress a = p->address;

        for (uint32_t i = p->length; i + 1 < bits; i++)
                a.bytes[i / 8] |= (uint8_t) (0x80 >> i % 8);
        return a;
}

static void add_pool(List *l, const NetPrefix *pool) {
        NetAddress a = last_host(pool);

        if (pool->address.family == 0 || pool->length >= 31)
                return;
        blocked(l, &a, NET_PROTOCOL_TCP, 80, "another sandbox");
        blocked(l, &a, NET_PROTOCOL_UDP, 80, "another sandbox");
}

static void add_ranges(List *l, const char *const *ranges, const NetPrefix *pool) {
        for (; *ranges; ranges++) {
                g_autofree char *what = g_strdup_printf("private range %s", *ranges);
                NetPrefix range;
                NetAddress a;

                if (net_range_parse(*ranges, &range) < 0 || !sample(&range, &a))
                        continue;
                if (net_prefix_contains(pool, &a))
                        a = last_host(&range);
                blocked(l, &a, NET_PROTOCOL_TCP, 80, what);
                blocked(l, &a, NET_PROTOCOL_UDP, 80, what);
        }
}

static void add_host(List *l, const FwStatus *status) {
        NetPrefix loopback4, loopback6, link;
        size_t n = 0;

        if (net_range_parse("127.0.0.0/8", &loopback4) < 0 || net_range_parse("::1", &loopback6) < 0 ||
                        net_range_parse("fe80::/10", &link) < 0)
                return;
        for (size_t i = 0; i < status->n_host_addresses && n < HOST_ADDRESSES_MAX; i++) {
                const NetAddress *a = status->host_addresses + i;

                /* The sandbox's own by these names, or none without an interface. */
                if (net_prefix_contains(&loopback4, a) || net_prefix_contains(&loopback6, a) || net_prefix_contains(&link, a))
                        continue;
                for (size_t k = 0; k < ELEMENTSOF(host_ports); k++)
                        blocked(l, a, NET_PROTOCOL_TCP, host_ports[k], "this host");
                n++;
        }
}

GPtrArray *verify_targets(const VerifyOptions *options, const NetIntent *intent, const FwStatus *status) {
        List l = { .targets = g_ptr_array_new_with_free_func(target_destroy), .intent = intent };

        add_internet(&l, options, status->ipv6);
        add_llm(&l, options);
        add_resolvers(&l, status->ipv6);
        for (size_t i = 0; i < ELEMENTSOF(metadata); i++) {
                NetAddress a;

                if (net_address_parse(metadata[i], &a) >= 0)
                        blocked(&l, &a, NET_PROTOCOL_TCP, 80, "metadata service");
        }
        add_host(&l, status);
        add_pool(&l, &status->pool_ipv4);
        add_pool(&l, &status->pool_ipv6);
        add_ranges(&l, net_private_ipv4, &status->pool_ipv4);
        add_ranges(&l, net_private_ipv6, &status->pool_ipv6);
        return l.targets;
}

MsgEgress verify_question(const GPtrArray *targets) {
        MsgEgress m = { .timeout_msec = TIMEOUT_MSEC, .targets = calloc(targets->len + 1, sizeof(EgressTarget)) };

        if (!m.targets)
                g_error("Out of memory");
        for (guint i = 0; i < targets->len; i++)
                m.targets[m.n_targets++] = ((const VerifyTarget *) targets->pdata[i])->target;
        return m;
}

/* Rows */

static char *describe(const EgressSeen *s) {
        const char *name = s->error ? strerrorname_np((int) s->error) : NULL, *outcome = egress_outcome_to_string(s->outcome);

        if (s->error == 0)
                return g_strdup(outcome);
        return name ? g_strdup_printf("%s (%s)", outcome, name) : g_strdup_printf("%s (%u)", outcome, s->error);
}

/* A closed port answers too: the packet was there. A socket that the sandbox cannot even make sends nothing. */
static bool is_blocked(const EgressSeen *s) {
        switch ((EgressOutcome) s->outcome) {
        case EGRESS_UNREACHABLE:
        case EGRESS_TIMED_OUT:
                return true;
        case EGRESS_NOT_TRIED:
                return s->error == EACCES || s->error == EPERM || s->error == EAFNOSUPPORT || s->error == EPROTONOSUPPORT ||
                                s->error == ESOCKTNOSUPPORT;
        case EGRESS_CONNECTED:
        case EGRESS_REFUSED:
        case _EGRESS_OUTCOME_MAX:
                break;
        }
        return false;
}

void verify_rows_add(GPtrArray *rows, const GPtrArray *targets, const MsgEgressed *seen, const char *fence) {
        assert(targets->len == seen->n_seen);
        for (guint i = 0; i < targets->len; i++) {
                const VerifyTarget *t = targets->pdata[i];
                NetGrant g = grant_of(&t->target);
                char text[DESTINATION_TEXT_MAX];
                VerifyRow *r = g_new(VerifyRow, 1);

                *r = (VerifyRow) {
                        .target = g_strdup(destination_format(&g, text)),
                        .what = g_strdup(t->what),
                        .fence = fence,
                        .expected = t->reachable ? "reachable" : "blocked",
                        .seen = describe(seen->seen + i),
                        .ok = t->reachable ? seen->seen[i].outcome == EGRESS_CONNECTED : is_blocked(seen->seen + i),
                };
                g_ptr_array_add(rows, r);
        }
}

void verify_rows_add_counted(GPtrArray *rows, const MsgEgressed *seen, uint64_t dropped) {
        VerifyRow *r = g_new(VerifyRow, 1);
        uint64_t silent = 0;

        for (size_t i = 0; i < seen->n_seen; i++)
                silent += seen->seen[i].outcome == EGRESS_TIMED_OUT;
        *r = (VerifyRow) {
                .target = g_strdup_printf("%" PRIu64 " targets without an answer", silent),
                .what = g_strdup("dropped by the outer fence, by its own count"),
                .fence = "outer",
                .expected = "blocked",
                .seen = g_strdup_printf("%" PRIu64 " packets dropped", dropped),
                .ok = dropped >= silent,
        };
        g_ptr_array_add(rows, r);
}
