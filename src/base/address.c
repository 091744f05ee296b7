/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Addresses from text and back. IPv4 is parsed here, because inet_aton() takes octal, hexadecimal and short forms; IPv6
 * by inet_pton(), behind a check of the characters. */

#include "address.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "text.h"

/* IPv6 addresses that stand for an IPv4 one. */
static const NetPrefix carrying[] = {
        { { 6, { [10] = 0xff, 0xff } }, 96 },                         /* mapped, ::ffff:a.b.c.d */
        { { 6, { [8] = 0xff, 0xff } }, 96 },                          /* translated (RFC 2765), ::ffff:0:a.b.c.d */
        { { 6, {} }, 96 },                                            /* compatible, ::a.b.c.d */
        { { 6, { 0x00, 0x64, 0xff, 0x9b } }, 96 },                    /* NAT64 (RFC 6052) */
        { { 6, { 0x00, 0x64, 0xff, 0x9b, 0x00, 0x01 } }, 48 },        /* NAT64, local (RFC 8215) */
        { { 6, { 0x20, 0x02 } }, 16 },                                /* 6to4 */
        { { 6, { 0x20, 0x01, 0x00, 0x00 } }, 32 },                    /* Teredo */
};

static uint32_t address_bits(const NetAddress *a) {
        return a->family == 4 ? 32 : 128;
}

bool net_address_equal(const NetAddress *a, const NetAddress *b) {
        return a->family == b->family && (a->family == 0 || memcmp(a->bytes, b->bytes, address_bits(a) / 8) == 0);
}

/* The first n bits are the same. */
static bool bits_equal(const uint8_t *a, const uint8_t *b, uint32_t n) {
        if (memcmp(a, b, n / 8) != 0)
                return false;
        return n % 8 == 0 || ((a[n / 8] ^ b[n / 8]) >> (8 - n % 8)) == 0;
}

bool net_prefix_contains(const NetPrefix *p, const NetAddress *a) {
        return p->address.family != 0 && p->address.family == a->family &&
                        bits_equal(p->address.bytes, a->bytes, p->length);
}

bool net_prefix_overlaps(const NetPrefix *a, const NetPrefix *b) {
        return a->address.family != 0 && a->address.family == b->address.family &&
                        bits_equal(a->address.bytes, b->address.bytes, MIN(a->length, b->length));
}

bool net_address_valid(const NetAddress *a) {
        static const uint8_t zero[sizeof(a->bytes)];

        if (a->family == 6)
                return true;
        return a->family == 4 && memcmp(a->bytes + 4, zero, 12) == 0;
}

bool net_prefix_valid(const NetPrefix *p) {
        if (!net_address_valid(&p->address) || p->length > address_bits(&p->address))
                return false;
        for (uint32_t i = p->length; i < address_bits(&p->address); i++)
                if (p->address.bytes[i / 8] & (0x80 >> i % 8))
                        return false;
        return true;
}

bool net_prefix_carries_ipv4(const NetPrefix *p) {
        static const NetAddress loopback = { 6, { [15] = 1 } }, any = { 6, {} };

        /* In the compatible range by number only. */
        if (p->length == 128 && (net_address_equal(&p->address, &loopback) || net_address_equal(&p->address, &any)))
                return false;
        for (size_t i = 0; i < ELEMENTSOF(carrying); i++)
                if (p->length >= carrying[i].length && net_prefix_contains(carrying + i, &p->address))
                        return true;
        return false;
}

static int parse_ipv4(const char *s, NetAddress *ret) {
        NetAddress a = { .family = 4 };

        for (int i = 0; i < 4; i++) {
                size_t n = strspn(s, "0123456789");
                char digits[4] = {};
                uint32_t v;

                if (n == 0 || n > 3 || s[n] != (i < 3 ? '.' : 0))
                        return -EINVAL;
                memcpy(digits, s, n);
                /* "010" is 8 to some and 10 to others: refused. */
                if (parse_u32(digits, &v) < 0 || v > 255)
                        return -EINVAL;
                a.bytes[i] = (uint8_t) v;
                s += n + 1;
        }
        *ret = a;
        return 0;
}

/* Without the look at what the address carries. */
static int parse_any(const char *s, NetAddress *ret) {
        NetAddress a = { .family = 6 };

        if (strlen(s) >= INET6_ADDRSTRLEN)
                return -EINVAL;
        if (!strchr(s, ':'))
                return parse_ipv4(s, ret);
        /* inet_pton() of glibc takes no zone and no brackets; other C libraries are not asked. */
        if (s[strspn(s, "0123456789abcdefABCDEF:.")] != 0 || inet_pton(AF_INET6, s, a.bytes) != 1)
                return -EINVAL;
        *ret = a;
        return 0;
}

int net_address_parse(const char *s, NetAddress *ret) {
        NetAddress a;
        int r = parse_any(s, &a);

        if (r < 0)
                return r;
        if (a.family == 6 && (strchr(s, '.') || net_prefix_carries_ipv4(&(NetPrefix) { a, 128 })))
                return -EAFNOSUPPORT;
        *ret = a;
        return 0;
}

static int parse_prefix(const char *s, NetPrefix *ret) {
        const char *slash = strchr(s, '/');
        char text[INET6_ADDRSTRLEN];
        size_t n = slash ? (size_t) (slash - s) : strlen(s);
        NetPrefix p;
        int r;

        if (n >= sizeof(text))
                return -EINVAL;
        memcpy(text, s, n);
        text[n] = 0;
        r = parse_any(text, &p.address);
        if (r < 0)
                return r;
        p.length = address_bits(&p.address);
        if (slash && (parse_u32(slash + 1, &p.length) < 0 || p.length > address_bits(&p.address)))
                return -EINVAL;
        if (!net_prefix_valid(&p))
                return -EINVAL;
        *ret = p;
        return 0;
}

int net_prefix_parse(const char *s, NetPrefix *ret) {
        NetPrefix p;
        int r = parse_prefix(s, &p);

        if (r < 0)
                return r;
        if (p.address.family == 6 && (strchr(s, '.') || net_prefix_carries_ipv4(&p)))
                return -EAFNOSUPPORT;
        *ret = p;
        return 0;
}

int net_range_parse(const char *s, NetPrefix *ret) {
        return parse_prefix(s, ret);
}

const char *net_address_format(const NetAddress *a, char buf[static NET_ADDRESS_TEXT_MAX]) {
        if (a->family != 4 && a->family != 6)
                buf[0] = 0;
        else
                (void) inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->bytes, buf, NET_ADDRESS_TEXT_MAX);
        return buf;
}

const char *net_prefix_format(const NetPrefix *p, char buf[static NET_ADDRESS_TEXT_MAX]) {
        size_t n;

        (void) net_address_format(&p->address, buf);
        n = strlen(buf);
        if (n > 0 && p->length < address_bits(&p->address))
                (void) snprintf(buf + n, NET_ADDRESS_TEXT_MAX - n, "/%u", p->length);
        return buf;
}
