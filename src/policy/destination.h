/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A destination as people write it, {"to": "192.0.2.10", "ports": "8000-8100", "proto": "tcp"}, and as the NetGrant that rules are
 * made of. What a grant may never be is decided here, for profiles, requests and ceilings alike. */

#include "json.h"
#include "wire/network.h"

#define DESTINATION_TEXT_MAX 96u

/* For whom: a grant opens exactly what was meant; a ceiling may also name a private range as a whole. */
typedef enum DestinationUse {
        DESTINATION_GRANT,
        DESTINATION_CEILING,
} DestinationUse;

/* ports NULL: none given; proto NULL: "tcp". The grant gets no id and does not end. -EINVAL with *ret_why (g_free()), a sentence that
 * says what to write instead. */
int destination_parse(DestinationUse use, const char *to, const char *ports, const char *proto, NetGrant *ret,
                char **ret_why);
/* The address of a resolver. */
int resolver_parse(const char *text, NetAddress *ret, char **ret_why);

/* "192.0.2.10:1234/tcp", "[2001:db8::]/64:8000-8100/udp", "192.0.2.1/icmp". Returns buf. */
const char *destination_format(const NetGrant *g, char buf[static DESTINATION_TEXT_MAX]);
/* "1234", "8000-8100", "". */
const char *destination_format_ports(const NetGrant *g, char buf[static DESTINATION_TEXT_MAX]);

/* Whether everything that grant opens is open by allowed already. */
bool destination_covers(const NetGrant *allowed, const NetGrant *grant);

/* For JsonField: GArray ** of NetGrant, of NetAddress; made also when the list is empty. */
int destinations_read(const JsonAt *at, const json_t *v, void *out);
int destinations_read_ceiling(const JsonAt *at, const json_t *v, void *out);
int resolvers_read(const JsonAt *at, const json_t *v, void *out); /* at most NET_RESOLVERS_MAX, no address twice */
int resolvers_read_ceiling(const JsonAt *at, const json_t *v, void *out);

/* Names of the keys of a destination, for the test that compares them with the schema. */
const JsonField *destination_fields(size_t *ret_n);
