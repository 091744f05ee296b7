/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "unit.h"

#include "wire/network.h"

static NetAddress address(const char *s) {
        NetAddress a;

        assert_int_equal(net_address_parse(s, &a), 0);
        return a;
}

static NetGrant grant(uint32_t id, const char *to, NetProtocol protocol, uint32_t first, uint32_t last) {
        NetGrant g = { .id = id, .protocol = protocol, .port_first = first, .port_last = last, .until_usec = USEC_INFINITY };

        assert_int_equal(net_prefix_parse(to, &g.to), 0);
        return g;
}

/* One of each kind; each negative test breaks one thing in it. */
static NetIntent sample(void) {
        NetIntent n = { .n_resolvers = 2, .n_grants = 3 };

        n.resolvers[0] = address("1.1.1.1");
        n.resolvers[1] = address("2606:4700:4700::1111");
        n.grants[0] = grant(1, "192.168.1.10", NET_PROTOCOL_TCP, 1234, 1234);
        n.grants[1] = grant(4, "fd00:1::/64", NET_PROTOCOL_UDP, 1, 65535);
        n.grants[2] = grant(5, "8.8.8.0/24", NET_PROTOCOL_ICMP, 0, 0);
        n.grants[2].until_usec = 1700000000000000;
        return n;
}

static void same_intent(const NetIntent *a, const NetIntent *b) {
        assert_int_equal(a->n_resolvers, b->n_resolvers);
        for (size_t i = 0; i < a->n_resolvers; i++)
                assert_true(net_address_equal(a->resolvers + i, b->resolvers + i));
        assert_int_equal(a->n_grants, b->n_grants);
        for (size_t i = 0; i < a->n_grants; i++) {
                assert_true(net_grant_equal(a->grants + i, b->grants + i));
                assert_int_equal(a->grants[i].id, b->grants[i].id);
                assert_true(a->grants[i].until_usec == b->grants[i].until_usec);
        }
}

static void names_go_both_ways(void **state) {
        (void) state;
        for (int i = 0; i < _NET_PROTOCOL_MAX; i++)
                assert_int_equal(net_protocol_from_string(net_protocol_to_string(i)), i);
        assert_null(net_protocol_to_string(_NET_PROTOCOL_MAX));
        assert_int_equal(net_protocol_from_string("TCP"), -EINVAL);
        assert_int_equal(net_protocol_from_string("tcp "), -EINVAL);
        assert_int_equal(net_protocol_from_string(""), -EINVAL);
        assert_int_equal(net_protocol_from_string("6"), -EINVAL);
        assert_string_equal(fw_counter_to_string(FW_COUNTER_ALLOWED), "allowed");
        assert_string_equal(fw_counter_to_string(FW_COUNTER_INBOUND), "inbound");
        assert_null(fw_counter_to_string(_FW_COUNTER_MAX));
}

static void every_range_is_found_by_an_address_in_it(void **state) {
        static const struct {
                const char *text, *range;
        } rows[] = {
                { "0.1.2.3", "0.0.0.0/8" }, { "10.9.9.9", "10.0.0.0/8" }, { "100.100.100.200", "100.64.0.0/10" },
                { "127.0.0.53", "127.0.0.0/8" }, { "169.254.169.254", "169.254.0.0/16" }, { "172.17.0.1", "172.16.0.0/12" },
                { "192.0.0.192", "192.0.0.0/24" }, { "192.0.2.10", "192.0.2.0/24" }, { "192.88.99.1", "192.88.99.0/24" },
                { "192.168.65.7", "192.168.0.0/16" }, { "198.19.255.255", "198.18.0.0/15" }, { "198.51.100.1", "198.51.100.0/24" },
                { "203.0.113.9", "203.0.113.0/24" }, { "239.255.255.250", "224.0.0.0/4" }, { "255.255.255.255", "240.0.0.0/4" },
                { "::", "::/128" }, { "::1", "::1/128" }, { "::ffff:a00:1", "::ffff:0:0/96" }, { "64:ff9b::a00:1", "64:ff9b::/96" },
                { "64:ff9b:1::a00:1", "64:ff9b:1::/48" }, { "100::1", "100::/64" }, { "2001::1", "2001::/32" },
                { "2001:db8::1", "2001:db8::/32" }, { "2002:a00:1::", "2002::/16" }, { "fd00:ec2::254", "fc00::/7" },
                { "fe80::1", "fe80::/10" }, { "fec0::1", "fec0::/10" }, { "ff02::1", "ff00::/8" },
                { "0.0.0.0/1", "0.0.0.0/8" }, { "8.0.0.0/6", "10.0.0.0/8" }, { "2000::/3", "2001::/32" },
                { "1.1.1.1", NULL }, { "100.128.0.1", NULL }, { "172.32.0.1", NULL }, { "198.20.0.1", NULL },
                { "2606:4700:4700::1111", NULL }, { "2001:1::1", NULL }, { "2003::/16", NULL },
        };
        NetPrefix p;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                const char *found;

                assert_int_equal(net_range_parse(rows[i].text, &p), 0);
                found = net_private_range(&p);
                if (!rows[i].range)
                        assert_null(found);
                else
                        assert_string_equal(found ? found : "none", rows[i].range);
        }
        for (const char *const *s = net_private_ipv4; *s; s++)
                assert_int_equal(net_range_parse(*s, &p), 0);
        for (const char *const *s = net_private_ipv6; *s; s++)
                assert_int_equal(net_range_parse(*s, &p), 0);
}

static void grants_are_equal_by_what_they_open(void **state) {
        NetGrant a = grant(1, "10.0.0.1", NET_PROTOCOL_TCP, 80, 90), b = a;

        (void) state;
        b.id = 9;
        b.until_usec = 1;
        assert_true(net_grant_equal(&a, &b));
        b.port_last = 91;
        assert_false(net_grant_equal(&a, &b));
        b = grant(1, "10.0.0.1", NET_PROTOCOL_UDP, 80, 90);
        assert_false(net_grant_equal(&a, &b));
        b = grant(1, "10.0.0.0/31", NET_PROTOCOL_TCP, 80, 90);
        assert_false(net_grant_equal(&a, &b));
        b = grant(1, "10.0.0.0/32", NET_PROTOCOL_TCP, 80, 90);
        assert_false(net_grant_equal(&a, &b));
}

static void an_intent_survives_the_way(void **state) {
        _cleanup_writer_ WireWriter w = {}, again = {};
        NetIntent n = sample(), got = {}, empty = {};
        const char *why = "unset";
        WireReader r;

        (void) state;
        net_intent_encode(&w, &n);
        wire_put_u32(&w, 42);
        assert_int_equal(w.error, 0);
        r = WIRE_READER(w.data, w.len);
        assert_int_equal(net_intent_decode(&r, &got, &why), 0);
        assert_null(why);
        same_intent(&n, &got);
        /* It is a part of other bodies: the reader stands behind it. */
        assert_int_equal(wire_get_u32(&r), 42);
        assert_int_equal(wire_reader_finish(&r), 0);
        net_intent_encode(&again, &got);
        wire_put_u32(&again, 42);
        assert_int_equal(again.len, w.len);
        assert_memory_equal(again.data, w.data, w.len);
        assert_int_equal(net_intent_validate(&empty, &why), 0);
}

/* The same refusal before it is sent and after it was received, and nothing handed out. */
static void refused(const NetIntent *n, int error, const char *why) {
        _cleanup_writer_ WireWriter w = {};
        NetIntent got = { .n_grants = 77 };
        const char *said = NULL;
        WireReader r;
        int k;

        assert_int_equal(net_intent_validate(n, &said), error);
        assert_string_equal(said, why);
        assert_int_equal(net_intent_validate(n, NULL), error);
        if (error == -E2BIG)
                return; /* the array ends there */
        net_intent_encode(&w, n);
        r = WIRE_READER(w.data, w.len);
        said = NULL;
        k = net_intent_decode(&r, &got, &said);
        assert_int_equal(k, -EBADMSG);
        assert_int_equal(got.n_grants, 77);
        assert_non_null(said);
        assert_int_equal(wire_reader_finish(&r), -EBADMSG);
}

#define PORTS "grant: ports are 1 to 65535, the lower one first"
#define NO_NETWORK "grant: the destination is no network"
#define CARRIES "grant: an IPv6 form of IPv4 addresses; name the IPv4 address"
#define NO_HOST "resolvers: not the address of one host"

static void a_wrong_grant_is_refused_by_name(void **state) {
        NetIntent n;

        (void) state;
#define BROKEN(change, why)                                                                                 \
        do {                                                                                                \
                n = sample();                                                                               \
                change;                                                                                     \
                refused(&n, -EINVAL, (why));                                                                \
        } while (0)
        BROKEN(n.grants[0].id = 0, "grants: ids are not ascending from 1");
        BROKEN(n.grants[1].id = 1, "grants: ids are not ascending from 1");
        BROKEN(n.grants[1].id = 9, "grants: ids are not ascending from 1");
        BROKEN(n.grants[0].to.address.family = 0, NO_NETWORK);
        BROKEN(n.grants[0].to.address.family = 5, NO_NETWORK);
        BROKEN(n.grants[0].to.length = 33, NO_NETWORK);
        BROKEN(n.grants[0].to.length = 24, NO_NETWORK);
        BROKEN(n.grants[1].to.length = 129, NO_NETWORK);
        BROKEN((n.grants[0].to = (NetPrefix) { { 4, {} }, 0 }),
                        "grant: every address there is, the LAN and the host among them; name the network");
        BROKEN((n.grants[0].to = (NetPrefix) { { 6, {} }, 0 }),
                        "grant: every address there is, the LAN and the host among them; name the network");
        BROKEN((n.grants[0].to = (NetPrefix) { { 6, { [10] = 0xff, 0xff, 10, 0, 0, 1 } }, 128 }), CARRIES);
        BROKEN((n.grants[0].to = (NetPrefix) { { 6, { 0x20, 0x02 } }, 16 }), CARRIES);
        BROKEN(n.grants[0].protocol = _NET_PROTOCOL_MAX, "grant: an unknown protocol");
        BROKEN(n.grants[0].protocol = UINT32_MAX, "grant: an unknown protocol");
        BROKEN(n.grants[0].port_first = 0, PORTS);
        BROKEN(n.grants[0].port_first = 1235, PORTS);
        BROKEN(n.grants[0].port_last = 65536, PORTS);
        BROKEN((n.grants[1].port_first = n.grants[1].port_last = 0), PORTS);
        BROKEN(n.grants[2].port_last = 1, "grant: icmp has no ports");
        BROKEN(n.grants[2].port_first = 1, "grant: icmp has no ports");
        BROKEN(n.grants[2].until_usec = 0, "grant: until is 0");
        n = sample();
        n.n_grants = NET_GRANTS_MAX + 1;
        refused(&n, -E2BIG, "grants: more than 64");
}

static void a_wrong_resolver_is_refused_by_name(void **state) {
        NetIntent n;

        (void) state;
        BROKEN(n.resolvers[0].family = 0, "resolvers: no address");
        BROKEN(n.resolvers[0].family = 5, "resolvers: no address");
        BROKEN((n.resolvers[0] = (NetAddress) { 4, {} }), NO_HOST);
        BROKEN((n.resolvers[0] = (NetAddress) { 6, {} }), NO_HOST);
        BROKEN((n.resolvers[0] = (NetAddress) { 4, { 224, 0, 0, 1 } }), NO_HOST);
        BROKEN((n.resolvers[0] = (NetAddress) { 4, { 255, 255, 255, 255 } }), NO_HOST);
        BROKEN((n.resolvers[0] = (NetAddress) { 6, { 0xff, 2 } }), NO_HOST);
        BROKEN((n.resolvers[0] = (NetAddress) { 6, { [10] = 0xff, 0xff, 10, 0, 0, 1 } }),
                        "resolvers: an IPv6 form of an IPv4 address; name the IPv4 address");
        BROKEN(n.resolvers[1] = n.resolvers[0], "resolvers: one of them twice");
        n = sample();
        n.n_resolvers = NET_RESOLVERS_MAX + 1;
        refused(&n, -E2BIG, "resolvers: more than 4");
}

static void an_address_is_of_four_or_sixteen_bytes(void **state) {
        for (size_t length = 0; length <= 17; length++) {
                _cleanup_writer_ WireWriter w = {};
                uint8_t bytes[17];
                NetIntent got;
                WireReader r;

                (void) state;
                memset(bytes, 0x33, sizeof(bytes));
                wire_put_u32(&w, 1);
                wire_put_bytes(&w, bytes, length);
                wire_put_u32(&w, 0);
                r = WIRE_READER(w.data, w.len);
                assert_int_equal(net_intent_decode(&r, &got, NULL), length == 4 || length == 16 ? 0 : length > 16 ? -E2BIG : -EBADMSG);
        }
}

/* Cut at every byte, with a byte more, and each byte changed: no decoder takes less, more, or looks behind the end. */
#define MANGLED(w, type, decode, done)                                                                      \
        do {                                                                                                \
                for (size_t n = 0; n < (w).len; n++) {                                                      \
                        uint8_t *copy = malloc(n > 0 ? n : 1);                                              \
                        WireReader in = WIRE_READER(copy, n);                                                \
                        type out = {};                                                                        \
                                                                                                            \
                        memcpy(copy, (w).data, n);                                                          \
                        assert_true(decode < 0);                                                            \
                        free(copy);                                                                         \
                }                                                                                           \
                for (size_t n = 0; n < (w).len; n++) {                                                      \
                        uint8_t *copy = malloc((w).len);                                                    \
                        WireReader in = WIRE_READER(copy, (w).len);                                          \
                        type out = {};                                                                        \
                                                                                                            \
                        memcpy(copy, (w).data, (w).len);                                                    \
                        copy[n] ^= 0xff;                                                                    \
                        if (decode >= 0)                                                                    \
                                done;                                                                       \
                        free(copy);                                                                         \
                }                                                                                           \
        } while (0)

static void an_attach_survives_the_way_and_no_part_of_it(void **state) {
        FwAttach m = { .id = "agent_1", .uid = 1000, .intent = sample() }, got = {};
        _cleanup_writer_ WireWriter w = {};
        const char *why = NULL;
        WireReader r;

        (void) state;
        fw_attach_encode(&w, &m);
        r = WIRE_READER(w.data, w.len);
        assert_int_equal(fw_attach_decode(&r, &got, &why), 0);
        assert_string_equal(got.id, "agent_1");
        assert_int_equal(got.uid, 1000);
        same_intent(&got.intent, &m.intent);
        MANGLED(w, FwAttach, fw_attach_decode(&in, &out, NULL), (void) 0);
        wire_put_u32(&w, 0);
        r = WIRE_READER(w.data, w.len);
        assert_int_equal(fw_attach_decode(&r, &got, &why), -EBADMSG);
        assert_string_equal(why, "the message is malformed");
}

static void an_attach_names_an_ordinary_user_and_a_session(void **state) {
        static const struct {
                const char *id;
                uint32_t uid;
        } bad[] = { { "a", 0 }, { "a", UINT32_MAX }, { "a", UINT32_C(1) << 31 }, { "", 1 }, { "A", 1 }, { "a/b", 1 }, { "..", 1 } };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
                FwAttach m = { .uid = bad[i].uid }, got;
                _cleanup_writer_ WireWriter w = {};
                WireReader r;

                strcpy(m.id, bad[i].id);
                fw_attach_encode(&w, &m);
                r = WIRE_READER(w.data, w.len);
                assert_int_equal(fw_attach_decode(&r, &got, NULL), -EBADMSG);
        }
}

static void attached_survives_the_way_and_no_part_of_it(void **state) {
        FwAttached m = { .id = "a", .interface = "ocsb12", .ipv4 = address("198.18.0.12"), .ipv6 = address("fd6f::c") }, got = {};
        static const char *const interfaces[] = { "", "eth0", "ocsb", "ocsbx", "ocsb1;drop", "ocsb01", "ocsb-1" };
        _cleanup_writer_ WireWriter w = {};
        WireReader r;

        (void) state;
        fw_attached_encode(&w, &m);
        r = WIRE_READER(w.data, w.len);
        assert_int_equal(fw_attached_decode(&r, &got), 0);
        assert_string_equal(got.id, "a");
        assert_string_equal(got.interface, "ocsb12");
        assert_true(net_address_equal(&got.ipv4, &m.ipv4) && net_address_equal(&got.ipv6, &m.ipv6));
        MANGLED(w, FwAttached, fw_attached_decode(&in, &out), (void) 0);
        for (size_t i = 0; i < ELEMENTSOF(interfaces); i++) {
                _cleanup_writer_ WireWriter x = {};

                strcpy(m.interface, interfaces[i]);
                fw_attached_encode(&x, &m);
                r = WIRE_READER(x.data, x.len);
                assert_int_equal(fw_attached_decode(&r, &got), -EBADMSG);
        }
        strcpy(m.interface, "ocsb1");
        for (int i = 0; i < 3; i++) {
                static const NetAddress none = {};
                FwAttached t = m;
                _cleanup_writer_ WireWriter x = {};

                *(i == 2 ? &t.ipv6 : &t.ipv4) = i == 0 ? none : i == 1 ? m.ipv6 : m.ipv4;
                fw_attached_encode(&x, &t);
                r = WIRE_READER(x.data, x.len);
                assert_int_equal(fw_attached_decode(&r, &got), -EBADMSG);
        }
        m.ipv6 = (NetAddress) {};
        wire_writer_done(&w);
        fw_attached_encode(&w, &m);
        r = WIRE_READER(w.data, w.len);
        assert_int_equal(fw_attached_decode(&r, &got), 0);
        assert_int_equal(got.ipv6.family, 0);
}

static void a_status_survives_the_way_and_no_part_of_it(void **state) {
        NetAddress addresses[] = { address("192.168.1.2"), address("fe80::2") };
        _cleanup_free_ FwSession *sessions = calloc(2, sizeof(*sessions));
        FwStatus m = { .lockdown = 1, .ipv6 = 1, .repairs = 3, .host_addresses = addresses, .n_host_addresses = 2,
                .problems = (char *) "ufw drops what is forwarded\n", .sessions = sessions, .n_sessions = 2 };
        _cleanup_(fw_status_done) FwStatus got = {};
        _cleanup_writer_ WireWriter w = {};
        WireReader r;

        (void) state;
        assert_int_equal(net_prefix_parse("198.18.0.0/16", &m.pool_ipv4), 0);
        assert_int_equal(net_prefix_parse("fd6f:6373:6200::/64", &m.pool_ipv6), 0);
        for (size_t i = 0; i < 2; i++) {
                sessions[i].attached = (FwAttached) { .id = "a", .interface = "ocsb1", .ipv4 = address("198.18.0.1") };
                sessions[i].intent = sample();
                sessions[i].packets[FW_COUNTER_HOST] = 7 + i;
                sessions[i].bytes[FW_COUNTER_INBOUND] = 9 + i;
        }
        fw_status_encode(&w, &m);
        r = WIRE_READER(w.data, w.len);
        assert_int_equal(fw_status_decode(&r, &got), 0);
        assert_int_equal(got.lockdown, 1);
        assert_int_equal(got.repairs, 3);
        assert_int_equal(got.n_host_addresses, 2);
        assert_true(net_address_equal(got.host_addresses + 1, addresses + 1));
        assert_string_equal(got.problems, "ufw drops what is forwarded\n");
        assert_int_equal(got.n_sessions, 2);
        assert_int_equal(got.sessions[1].packets[FW_COUNTER_HOST], 8);
        assert_int_equal(got.sessions[1].bytes[FW_COUNTER_INBOUND], 10);
        same_intent(&got.sessions[1].intent, &m.sessions[1].intent);
        MANGLED(w, FwStatus, fw_status_decode(&in, &out), fw_status_done(&out));
        m.lockdown = 2;
        wire_writer_done(&w);
        fw_status_encode(&w, &m);
        r = WIRE_READER(w.data, w.len);
        assert_int_equal(fw_status_decode(&r, &got), -EBADMSG);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(names_go_both_ways),
                cmocka_unit_test(every_range_is_found_by_an_address_in_it),
                cmocka_unit_test(grants_are_equal_by_what_they_open),
                cmocka_unit_test(an_intent_survives_the_way),
                cmocka_unit_test(a_wrong_grant_is_refused_by_name),
                cmocka_unit_test(a_wrong_resolver_is_refused_by_name),
                cmocka_unit_test(an_address_is_of_four_or_sixteen_bytes),
                cmocka_unit_test(an_attach_survives_the_way_and_no_part_of_it),
                cmocka_unit_test(an_attach_names_an_ordinary_user_and_a_session),
                cmocka_unit_test(attached_survives_the_way_and_no_part_of_it),
                cmocka_unit_test(a_status_survives_the_way_and_no_part_of_it),
        };

        return RUN_TESTS(tests);
}
