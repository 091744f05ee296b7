/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Intents and the messages of ocsb-fw's socket. An address travels as its bytes: none, four or sixteen of them; so there is one
 * encoding of each, and no family that could contradict its length. */

#include "network.h"

/* The ranges of the IANA special-purpose registries that are no place of the public internet, and the deprecated ones
 * that some routers still take to where they came from. */
const char *const net_private_ipv4[] = {
        "0.0.0.0/8",       /* this network */
        "10.0.0.0/8",      /* private */
        "100.64.0.0/10",   /* carrier NAT; 100.100.100.200 is a metadata service */
        "127.0.0.0/8",     /* loopback */
        "169.254.0.0/16",  /* link-local; 169.254.169.254 is a metadata service */
        "172.16.0.0/12",   /* private */
        "192.0.0.0/24",    /* protocol assignments; 192.0.0.192 is a metadata service */
        "192.0.2.0/24",    /* documentation */
        "192.88.99.0/24",  /* 6to4 relays */
        "192.168.0.0/16",  /* private */
        "198.18.0.0/15",   /* benchmarks; our own pool */
        "198.51.100.0/24", /* documentation */
        "203.0.113.0/24",  /* documentation */
        "224.0.0.0/4",     /* multicast */
        "240.0.0.0/4",     /* reserved, and 255.255.255.255 */
        NULL,
};
const char *const net_private_ipv6[] = {
        "::/128",         /* unspecified */
        "::1/128",        /* loopback */
        "::ffff:0:0/96",  /* IPv4, mapped */
        "64:ff9b::/96",   /* NAT64: every IPv4 address once more */
        "64:ff9b:1::/48", /* NAT64, local */
        "100::/64",       /* discard */
        "2001::/32",      /* Teredo */
        "2001:db8::/32",  /* documentation */
        "2002::/16",      /* 6to4 */
        "fc00::/7",       /* unique local; fd00:ec2::254 is a metadata service */
        "fe80::/10",      /* link-local */
        "fec0::/10",      /* site-local */
        "ff00::/8",       /* multicast */
        NULL,
};

const char *net_private_range(const NetPrefix *p) {
        for (const char *const *s = p->address.family == 4 ? net_private_ipv4 : net_private_ipv6; *s; s++) {
                NetPrefix range;

                if (net_range_parse(*s, &range) >= 0 && net_prefix_overlaps(&range, p))
                        return *s;
        }
        return NULL;
}

static const char *const protocols[] = { "tcp", "udp", "icmp" };
static const char *const counters[] = {
        "allowed", "granted", "dns", "spoofed", "resolver", "private", "host", "protocol", "inbound",
};
_Static_assert(ELEMENTSOF(protocols) == _NET_PROTOCOL_MAX, "a name for each protocol");
_Static_assert(ELEMENTSOF(counters) == _FW_COUNTER_MAX, "a name for each counter");

const char *net_protocol_to_string(NetProtocol v) {
        return (size_t) v < ELEMENTSOF(protocols) ? protocols[v] : NULL;
}

int net_protocol_from_string(const char *s) {
        for (size_t i = 0; i < ELEMENTSOF(protocols); i++)
                if (streq(s, protocols[i]))
                        return (int) i;
        return -EINVAL;
}

const char *fw_counter_to_string(FwCounter v) {
        return (size_t) v < ELEMENTSOF(counters) ? counters[v] : NULL;
}

/* Parts */

static void put_address(WireWriter *w, const NetAddress *a) {
        wire_put_bytes(w, a->bytes, a->family == 4 ? 4 : a->family == 6 ? 16 : 0);
}

static NetAddress get_address(WireReader *r) {
        NetAddress a = {};
        size_t n;
        const void *p = wire_get_bytes(r, sizeof(a.bytes), &n);

        wire_malformed_unless(r, n == 0 || n == 4 || n == 16);
        if (r->error || n == 0)
                return a;
        a.family = n == 4 ? 4 : 6;
        memcpy(a.bytes, p, n);
        return a;
}

static void put_prefix(WireWriter *w, const NetPrefix *p) {
        put_address(w, &p->address);
        wire_put_u32(w, p->length);
}

static NetPrefix get_prefix(WireReader *r) {
        NetPrefix p = { .address = get_address(r) };

        p.length = wire_get_u32(r);
        wire_malformed_unless(r, net_prefix_valid(&p));
        return p;
}

/* Intent */

bool net_grant_equal(const NetGrant *a, const NetGrant *b) {
        return net_address_equal(&a->to.address, &b->to.address) && a->to.length == b->to.length &&
                        a->protocol == b->protocol && a->port_first == b->port_first && a->port_last == b->port_last;
}

static int validate_grant(const NetGrant *g, const char **ret_why) {
        if (!net_prefix_valid(&g->to))
                return wire_refuse(ret_why, "grant: the destination is no network", -EINVAL);
        if (g->to.length == 0)
                return wire_refuse(ret_why, "grant: every address there is, the LAN and the host among them; name the network", -EINVAL);
        if (g->to.address.family == 6 && net_prefix_carries_ipv4(&g->to))
                return wire_refuse(ret_why, "grant: an IPv6 form of IPv4 addresses; name the IPv4 address", -EINVAL);
        if (g->protocol >= _NET_PROTOCOL_MAX)
                return wire_refuse(ret_why, "grant: an unknown protocol", -EINVAL);
        if (g->protocol == NET_PROTOCOL_ICMP) {
                if (g->port_first != 0 || g->port_last != 0)
                        return wire_refuse(ret_why, "grant: icmp has no ports", -EINVAL);
        } else if (g->port_first == 0 || g->port_first > g->port_last || g->port_last > 65535)
                return wire_refuse(ret_why, "grant: ports are 1 to 65535, the lower one first", -EINVAL);
        if (g->until_usec == 0)
                return wire_refuse(ret_why, "grant: until is 0", -EINVAL);
        return 0;
}

static int validate_resolver(const NetAddress *a, const char **ret_why) {
        static const uint8_t zero[sizeof(a->bytes)];

        if (!net_address_valid(a))
                return wire_refuse(ret_why, "resolvers: no address", -EINVAL);
        if (memcmp(a->bytes, zero, sizeof(zero)) == 0 || (a->family == 4 ? a->bytes[0] >= 224 : a->bytes[0] == 0xff))
                return wire_refuse(ret_why, "resolvers: not the address of one host", -EINVAL);
        if (a->family == 6 && net_prefix_carries_ipv4(&(NetPrefix) { *a, 128 }))
                return wire_refuse(ret_why, "resolvers: an IPv6 form of an IPv4 address; name the IPv4 address", -EINVAL);
        return 0;
}

int net_intent_validate(const NetIntent *n, const char **ret_why) {
        int r;

        if (n->n_resolvers > NET_RESOLVERS_MAX)
                return wire_refuse(ret_why, "resolvers: more than 4", -E2BIG);
        for (size_t i = 0; i < n->n_resolvers; i++) {
                r = validate_resolver(n->resolvers + i, ret_why);
                if (r < 0)
                        return r;
                for (size_t k = 0; k < i; k++)
                        if (net_address_equal(n->resolvers + i, n->resolvers + k))
                                return wire_refuse(ret_why, "resolvers: one of them twice", -EINVAL);
        }
        if (n->n_grants > NET_GRANTS_MAX)
                return wire_refuse(ret_why, "grants: more than 64", -E2BIG);
        for (size_t i = 0; i < n->n_grants; i++) {
                if (n->grants[i].id <= (i > 0 ? n->grants[i - 1].id : 0))
                        return wire_refuse(ret_why, "grants: ids are not ascending from 1", -EINVAL);
                r = validate_grant(n->grants + i, ret_why);
                if (r < 0)
                        return r;
        }
        return wire_refuse(ret_why, NULL, 0);
}

void net_intent_encode(WireWriter *w, const NetIntent *n) {
        wire_put_u32(w, (uint32_t) n->n_resolvers);
        for (size_t i = 0; i < n->n_resolvers; i++)
                put_address(w, n->resolvers + i);
        wire_put_u32(w, (uint32_t) n->n_grants);
        for (size_t i = 0; i < n->n_grants; i++) {
                const NetGrant *g = n->grants + i;

                wire_put_u32(w, g->id);
                put_prefix(w, &g->to);
                wire_put_u32(w, g->protocol);
                wire_put_u32(w, g->port_first);
                wire_put_u32(w, g->port_last);
                wire_put_u64(w, g->until_usec);
        }
}

#define ADDRESS_BYTES_MIN 4u
#define GRANT_BYTES_MIN 32u

int net_intent_decode(WireReader *r, NetIntent *ret, const char **ret_why) {
        NetIntent n = {};
        size_t count;
        int k;

        count = wire_get_count(r, NET_RESOLVERS_MAX, ADDRESS_BYTES_MIN);
        for (; n.n_resolvers < count && !r->error; n.n_resolvers++)
                n.resolvers[n.n_resolvers] = get_address(r);
        count = wire_get_count(r, NET_GRANTS_MAX, GRANT_BYTES_MIN);
        for (; n.n_grants < count && !r->error; n.n_grants++) {
                NetGrant *g = n.grants + n.n_grants;

                g->id = wire_get_u32(r);
                g->to = get_prefix(r);
                g->protocol = wire_get_u32(r);
                g->port_first = wire_get_u32(r);
                g->port_last = wire_get_u32(r);
                g->until_usec = wire_get_u64(r);
        }
        if (r->error)
                return wire_refuse(ret_why, wire_error_why(r->error), r->error);
        k = net_intent_validate(&n, ret_why);
        if (k < 0) {
                /* Sticky, so that a caller who only asks at the end of its own body sees it. */
                r->error = k == -EINVAL ? -EBADMSG : k;
                return r->error;
        }
        *ret = n;
        return 0;
}

/* Messages */

void fw_attach_encode(WireWriter *w, const FwAttach *m) {
        wire_put_buf(w, m->id, sizeof(m->id));
        wire_put_u32(w, m->uid);
        net_intent_encode(w, &m->intent);
}

int fw_attach_decode(WireReader *r, FwAttach *ret, const char **ret_why) {
        FwAttach m = {};
        int k;

        wire_get_id(r, m.id);
        m.uid = wire_get_u32(r);
        wire_malformed_unless(r, m.uid != 0 && m.uid <= INT32_MAX);
        k = net_intent_decode(r, &m.intent, ret_why);
        if (k < 0)
                return k;
        k = wire_reader_finish(r);
        if (k < 0)
                return wire_refuse(ret_why, wire_error_why(k), k);
        *ret = m;
        return 0;
}

static void put_attached(WireWriter *w, const FwAttached *m) {
        wire_put_buf(w, m->id, sizeof(m->id));
        wire_put_buf(w, m->interface, sizeof(m->interface));
        put_address(w, &m->ipv4);
        put_address(w, &m->ipv6);
}

static FwAttached get_attached(WireReader *r) {
        FwAttached m = {};
        uint32_t slot;

        wire_get_id(r, m.id);
        wire_get_string_buf(r, m.interface, sizeof(m.interface));
        wire_malformed_unless(r, str_has_prefix(m.interface, "ocsb") && parse_u32(m.interface + 4, &slot) >= 0);
        m.ipv4 = get_address(r);
        m.ipv6 = get_address(r);
        wire_malformed_unless(r, m.ipv4.family == 4 && m.ipv6.family != 4);
        return m;
}

void fw_attached_encode(WireWriter *w, const FwAttached *m) {
        put_attached(w, m);
}

int fw_attached_decode(WireReader *r, FwAttached *ret) {
        FwAttached m = get_attached(r);
        int k = wire_reader_finish(r);

        if (k >= 0)
                *ret = m;
        return k;
}

void fw_status_done(FwStatus *m) {
        free(m->host_addresses);
        free(m->problems);
        free(m->sessions);
        *m = (FwStatus) {};
}

void fw_status_encode(WireWriter *w, const FwStatus *m) {
        wire_put_u32(w, m->lockdown);
        wire_put_u32(w, m->ipv6);
        wire_put_u64(w, m->repairs);
        put_prefix(w, &m->pool_ipv4);
        put_prefix(w, &m->pool_ipv6);
        wire_put_u32(w, (uint32_t) m->n_host_addresses);
        for (size_t i = 0; i < m->n_host_addresses; i++)
                put_address(w, m->host_addresses + i);
        wire_put_string(w, m->problems);
        wire_put_u32(w, (uint32_t) m->n_sessions);
        for (size_t i = 0; i < m->n_sessions; i++) {
                const FwSession *s = m->sessions + i;

                put_attached(w, &s->attached);
                net_intent_encode(w, &s->intent);
                for (size_t c = 0; c < _FW_COUNTER_MAX; c++) {
                        wire_put_u64(w, s->packets[c]);
                        wire_put_u64(w, s->bytes[c]);
                }
        }
}

#define PROBLEMS_MAX ((size_t) 64 << 10)
#define SESSION_BYTES_MIN (4 * 6 + 4 + 16u * _FW_COUNTER_MAX)

static void get_session(WireReader *r, FwSession *s) {
        s->attached = get_attached(r);
        (void) net_intent_decode(r, &s->intent, NULL);
        for (size_t c = 0; c < _FW_COUNTER_MAX; c++) {
                s->packets[c] = wire_get_u64(r);
                s->bytes[c] = wire_get_u64(r);
        }
}

static void get_host_addresses(WireReader *r, FwStatus *m) {
        size_t n = wire_get_count(r, FW_ADDRESSES_MAX, ADDRESS_BYTES_MIN);

        if (n == 0)
                return;
        m->host_addresses = calloc(n, sizeof(*m->host_addresses));
        if (!m->host_addresses) {
                r->error = -ENOMEM;
                return;
        }
        for (; m->n_host_addresses < n && !r->error; m->n_host_addresses++) {
                m->host_addresses[m->n_host_addresses] = get_address(r);
                wire_malformed_unless(r, m->host_addresses[m->n_host_addresses].family != 0);
        }
}

int fw_status_decode(WireReader *r, FwStatus *ret) {
        _cleanup_(fw_status_done) FwStatus m = {};
        size_t n;
        int k;

        m.lockdown = wire_get_u32(r);
        m.ipv6 = wire_get_u32(r);
        m.repairs = wire_get_u64(r);
        m.pool_ipv4 = get_prefix(r);
        m.pool_ipv6 = get_prefix(r);
        wire_malformed_unless(r, m.lockdown <= 1 && m.ipv6 <= 1 && m.pool_ipv4.address.family == 4 && m.pool_ipv6.address.family == 6);
        get_host_addresses(r, &m);
        m.problems = wire_get_string(r, PROBLEMS_MAX);
        n = wire_get_count(r, FW_SESSIONS_MAX, SESSION_BYTES_MIN);
        if (n > 0) {
                m.sessions = calloc(n, sizeof(*m.sessions));
                if (!m.sessions)
                        return -ENOMEM;
        }
        for (; m.n_sessions < n && !r->error; m.n_sessions++)
                get_session(r, m.sessions + m.n_sessions);
        k = wire_reader_finish(r);
        if (k < 0)
                return k;
        *ret = m;
        m = (FwStatus) {};
        return 0;
}
