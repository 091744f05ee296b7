/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Destinations: reading them, and refusing those that nobody can have meant. A name is refused because it is another address
 * tomorrow, a wide prefix because it opens the LAN together with what was meant. */

#include "destination.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/text.h"

/* No place outside of the sandbox. */
static const struct {
        const char *range, *what;
} never[] = {
        { "0.0.0.0/8", "no address of a host" },
        { "127.0.0.0/8", "the sandbox's own loopback, which needs no grant" },
        { "224.0.0.0/4", "multicast, which sandboxes do not have" },
        { "240.0.0.0/4", "reserved or broadcast, no address of a host" },
        { "::/128", "no address of a host" },
        { "::1/128", "the sandbox's own loopback, which needs no grant" },
        { "fe80::/10", "link-local, and sandboxes have no link to others" },
        { "ff00::/8", "multicast, which sandboxes do not have" },
};

static int refuse(char **ret_why, const char *format, ...) _printf_(2, 3);
static int refuse(char **ret_why, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        *ret_why = g_strdup_vprintf(format, ap);
        va_end(ap);
        return -EINVAL;
}

static void clear_bits_behind(NetPrefix *p) {
        for (uint32_t i = p->length; i < 128; i++)
                p->address.bytes[i / 8] &= (uint8_t) ~(0x80 >> i % 8);
}

/* What is wrong with a text that is no prefix. */
static int refuse_text(const char *text, const char *quoted, int error, char **ret_why) {
        const char *slash = strchr(text, '/');
        g_autofree char *head = slash ? g_strndup(text, (gsize) (slash - text)) : g_strdup(text);
        char network[NET_ADDRESS_TEXT_MAX], host[NET_ADDRESS_TEXT_MAX];
        NetPrefix p = {};

        if (error == -EAFNOSUPPORT)
                return refuse(ret_why, "%s is an IPv4 address within an IPv6 one: write the IPv4 address", quoted);
        if (slash && net_address_parse(head, &p.address) >= 0 && parse_u32(slash + 1, &p.length) >= 0 &&
                        p.length <= (p.address.family == 4 ? 32u : 128u)) {
                (void) net_address_format(&p.address, host);
                clear_bits_behind(&p);
                (void) net_prefix_format(&p, network);
                return refuse(ret_why, "%s has bits behind its prefix: write %s for the network or %s for the host", quoted,
                                network, host);
        }
        if (strpbrk(text, "ghijklmnopqrstuvwxyzGHIJKLMNOPQRSTUVWXYZ"))
                return refuse(ret_why, "%s is a name, which is another address tomorrow: write the address", quoted);
        return refuse(ret_why, "%s is not an address or ADDRESS/LENGTH, such as 192.0.2.10 or 2001:db8:1::/64", quoted);
}

static int refuse_private(DestinationUse use, const NetPrefix *to, const char *quoted, char **ret_why) {
        const char *const *ranges = to->address.family == 4 ? net_private_ipv4 : net_private_ipv6;

        for (size_t i = 0; i < ELEMENTSOF(never); i++) {
                NetPrefix range;

                if (net_range_parse(never[i].range, &range) >= 0 && range.length <= to->length &&
                                net_prefix_contains(&range, &to->address))
                        return refuse(ret_why, "%s is %s", quoted, never[i].what);
        }
        for (; *ranges; ranges++) {
                NetPrefix range;

                if (net_range_parse(*ranges, &range) < 0 || !net_prefix_contains(to, &range.address))
                        continue;
                if (to->length < range.length)
                        return refuse(ret_why, "%s covers the whole of %s with all that is around it: name the hosts or the "
                                               "network that are meant, such as 192.0.2.10 or 10.1.2.0/24",
                                        quoted, *ranges);
                if (to->length == range.length && use == DESTINATION_GRANT)
                        return refuse(ret_why, "%s is a private range as a whole: name the hosts or the network in it that are "
                                               "meant, such as 192.0.2.10 or 10.1.2.0/24",
                                        quoted);
        }
        return 0;
}

static int parse_ports(const char *text, NetGrant *g, char **ret_why) {
        g_auto(GStrv) parts = g_strsplit(text, "-", 2);
        g_autofree char *quoted = json_quote(text);

        if (parse_u32(parts[0] ? parts[0] : "", &g->port_first) < 0 ||
                        parse_u32(parts[0] && parts[1] ? parts[1] : parts[0] ? parts[0] : "", &g->port_last) < 0 ||
                        g->port_first == 0 || g->port_last > 65535)
                return refuse(ret_why, "%s is no port or FIRST-LAST within 1 to 65535, such as 1234 or 8000-8100", quoted);
        if (g->port_first > g->port_last)
                return refuse(ret_why, "%s ends before it begins: write the lower port first", quoted);
        return 0;
}

int destination_parse(DestinationUse use, const char *to, const char *ports, const char *proto, NetGrant *ret,
                char **ret_why) {
        g_autofree char *quoted = json_quote(to);
        NetGrant g = { .until_usec = USEC_INFINITY };
        int r;

        r = net_prefix_parse(to, &g.to);
        if (r < 0)
                return refuse_text(to, quoted, r, ret_why);
        r = refuse_private(use, &g.to, quoted, ret_why);
        if (r < 0)
                return r;
        r = proto ? net_protocol_from_string(proto) : NET_PROTOCOL_TCP;
        if (r < 0) {
                g_autofree char *shown = json_quote(proto);

                return refuse(ret_why, "%s is no protocol: tcp, udp or icmp", shown);
        }
        g.protocol = (uint32_t) r;
        if (g.protocol == NET_PROTOCOL_ICMP && ports)
                return refuse(ret_why, "icmp has no ports: leave them out");
        if (g.protocol != NET_PROTOCOL_ICMP && !ports)
                return refuse(ret_why, "%s needs ports, such as 1234 or 8000-8100", proto ? proto : "tcp");
        if (ports) {
                r = parse_ports(ports, &g, ret_why);
                if (r < 0)
                        return r;
        }
        *ret = g;
        return 0;
}

int resolver_parse(const char *text, NetAddress *ret, char **ret_why) {
        g_autofree char *quoted = json_quote(text);
        NetAddress a;
        int r;

        r = net_address_parse(text, &a);
        if (r < 0) {
                if (r == -EAFNOSUPPORT || strpbrk(text, "ghijklmnopqrstuvwxyzGHIJKLMNOPQRSTUVWXYZ"))
                        return refuse_text(text, quoted, r, ret_why);
                return refuse(ret_why, "%s is not the address of a resolver, such as 1.1.1.1 or 2606:4700:4700::1111", quoted);
        }
        r = refuse_private(DESTINATION_CEILING, &(NetPrefix) { a, a.family == 4 ? 32 : 128 }, quoted, ret_why);
        if (r < 0)
                return r;
        *ret = a;
        return 0;
}

const char *destination_format_ports(const NetGrant *g, char buf[static DESTINATION_TEXT_MAX]) {
        if (g->protocol == NET_PROTOCOL_ICMP)
                buf[0] = 0;
        else if (g->port_first == g->port_last)
                (void) snprintf(buf, DESTINATION_TEXT_MAX, "%" PRIu32, g->port_first);
        else
                (void) snprintf(buf, DESTINATION_TEXT_MAX, "%" PRIu32 "-%" PRIu32, g->port_first, g->port_last);
        return buf;
}

const char *destination_format(const NetGrant *g, char buf[static DESTINATION_TEXT_MAX]) {
        bool six = g->to.address.family == 6, whole = g->to.length == (six ? 128u : 32u);
        char address[NET_ADDRESS_TEXT_MAX], length[8] = "", ports[DESTINATION_TEXT_MAX];

        if (!whole)
                (void) snprintf(length, sizeof(length), "/%u", g->to.length & 0xffu);
        (void) destination_format_ports(g, ports);
        (void) snprintf(buf, DESTINATION_TEXT_MAX, "%s%s%s%s%s%.11s/%s", six ? "[" : "",
                        net_address_format(&g->to.address, address), six ? "]" : "", length, ports[0] ? ":" : "", ports,
                        net_protocol_to_string((NetProtocol) g->protocol));
        return buf;
}

bool destination_covers(const NetGrant *allowed, const NetGrant *grant) {
        return allowed->protocol == grant->protocol && allowed->port_first <= grant->port_first &&
                        allowed->port_last >= grant->port_last && allowed->to.length <= grant->to.length &&
                        net_prefix_contains(&allowed->to, &grant->to.address);
}

/* JSON */

typedef struct Text {
        char *to, *ports, *proto;
} Text;

/* A number is a port, a string one or a range. */
static int read_ports(const JsonAt *at, const json_t *v, void *out) {
        if (!json_is_integer(v))
                return json_read_string(at, v, out);
        *(char **) out = g_strdup_printf("%" JSON_INTEGER_FORMAT, json_integer_value(v));
        return 0;
}

static const JsonField fields[] = {
        { "to", json_read_string, offsetof(Text, to) },
        { "ports", read_ports, offsetof(Text, ports) },
        { "proto", json_read_string, offsetof(Text, proto) },
};

const JsonField *destination_fields(size_t *ret_n) {
        *ret_n = ELEMENTSOF(fields);
        return fields;
}

static int append(DestinationUse use, const JsonAt *at, const json_t *v, GArray *list) {
        g_autofree char *why = NULL;
        NetGrant g;
        Text t = {};
        int r;

        r = json_read_object(at, v, fields, ELEMENTSOF(fields), &t);
        if (r >= 0 && !t.to)
                r = json_fail(at, "needs \"to\", an address or ADDRESS/LENGTH");
        if (r >= 0 && destination_parse(use, t.to, t.ports, t.proto, &g, &why) < 0)
                r = json_fail(at, "%s", why);
        if (r >= 0 && list->len >= (use == DESTINATION_GRANT ? NET_GRANTS_MAX : JSON_LIST_MAX))
                r = json_fail(at, "more than %u grants", NET_GRANTS_MAX);
        if (r >= 0)
                g_array_append_val(list, g);
        g_free(t.to);
        g_free(t.ports);
        g_free(t.proto);
        return r;
}

static int append_grant(const JsonAt *at, const json_t *v, void *out) {
        return append(DESTINATION_GRANT, at, v, *(GArray **) out);
}

static int append_ceiling(const JsonAt *at, const json_t *v, void *out) {
        return append(DESTINATION_CEILING, at, v, *(GArray **) out);
}

int destinations_read(const JsonAt *at, const json_t *v, void *out) {
        *(GArray **) out = g_array_new(FALSE, FALSE, sizeof(NetGrant));
        return json_read_list(at, v, append_grant, out);
}

int destinations_read_ceiling(const JsonAt *at, const json_t *v, void *out) {
        *(GArray **) out = g_array_new(FALSE, FALSE, sizeof(NetGrant));
        return json_read_list(at, v, append_ceiling, out);
}

static int append_resolver(const JsonAt *at, const json_t *v, void *out) {
        GArray *list = *(GArray **) out;
        g_autofree char *s = NULL, *why = NULL;
        NetAddress a;
        int r;

        r = json_read_string(at, v, &s);
        if (r < 0)
                return r;
        if (resolver_parse(s, &a, &why) < 0)
                return json_fail(at, "%s", why);
        for (guint i = 0; i < list->len; i++)
                if (net_address_equal(&g_array_index(list, NetAddress, i), &a))
                        return json_fail(at, "%s is there twice", s);
        g_array_append_val(list, a);
        return 0;
}

int resolvers_read_ceiling(const JsonAt *at, const json_t *v, void *out) {
        *(GArray **) out = g_array_new(FALSE, FALSE, sizeof(NetAddress));
        return json_read_list(at, v, append_resolver, out);
}

int resolvers_read(const JsonAt *at, const json_t *v, void *out) {
        int r = resolvers_read_ceiling(at, v, out);

        if (r < 0)
                return r;
        return (*(GArray **) out)->len <= NET_RESOLVERS_MAX ? 0 : json_fail(at, "more than %u resolvers", NET_RESOLVERS_MAX);
}
