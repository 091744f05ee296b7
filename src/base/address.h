/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Network addresses as values: strict parsing, canonical text, prefixes. Text goes in and out here only; rules are
 * made of these values. */

#include <stddef.h>
#include <stdint.h>

#include "macro.h"

#define NET_ADDRESS_TEXT_MAX 64u /* with prefix and NUL */

typedef struct NetAddress {
        uint32_t family;   /* 4 or 6; 0: none */
        uint8_t bytes[16]; /* network order; the first four for IPv4, the rest zero */
} NetAddress;

typedef struct NetPrefix {
        NetAddress address; /* no bit set behind the prefix */
        uint32_t length;    /* 0 … 32 or 128 */
} NetPrefix;

/* Dotted quad of four plain decimal numbers, or an IPv6 address (RFC 4291, section 2.2) without zone. A v4-mapped,
 * v4-compatible or otherwise IPv4-carrying IPv6 text is refused (-EAFNOSUPPORT): it names one host in two ways, and rules for one of
 * them do not hold for the other. Names, ports, brackets, octal and hexadecimal quads: -EINVAL. */
int net_address_parse(const char *s, NetAddress *ret);
/* "ADDRESS" or "ADDRESS/LENGTH"; bits set behind the prefix: -EINVAL (a typing error, not a network). One that lies in a
 * range of IPv4-carrying addresses: -EAFNOSUPPORT as above. */
int net_prefix_parse(const char *s, NetPrefix *ret);
/* The same for a range that is to be blocked or compared with: IPv4-carrying ones are welcome. */
int net_range_parse(const char *s, NetPrefix *ret);

/* Canonical text (RFC 5952); "ADDRESS/LENGTH", or without the length when it is the whole address. Returns buf. */
const char *net_address_format(const NetAddress *a, char buf[static NET_ADDRESS_TEXT_MAX]);
const char *net_prefix_format(const NetPrefix *p, char buf[static NET_ADDRESS_TEXT_MAX]);

bool net_address_equal(const NetAddress *a, const NetAddress *b);
bool net_prefix_contains(const NetPrefix *p, const NetAddress *a);
/* True when the two share an address. */
bool net_prefix_overlaps(const NetPrefix *a, const NetPrefix *b);
/* What the receiver of bytes from elsewhere checks: a known family, nothing behind the prefix. */
bool net_address_valid(const NetAddress *a);
bool net_prefix_valid(const NetPrefix *p);
/* True when each address of it stands for an IPv4 one: mapped, compatible, translated, NAT64, 6to4, Teredo. */
bool net_prefix_carries_ipv4(const NetPrefix *p);
