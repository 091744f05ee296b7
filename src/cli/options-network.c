/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Destinations on the command line: 192.0.2.10:1234, 10.1.2.0/24:8000-8100/udp, [2001:db8::1]:443, 192.0.2.1/icmp. Only the form is
 * looked at here; what may be granted is ocsbd's matter. */

#include <string.h>

#include "options.h"

void destination_option_done(DestinationOption *d) {
        free(d->to);
        free(d->ports);
        *d = (DestinationOption) {};
}

/* A word of digits and the given other characters. */
static size_t span(const char *s, const char *accept) {
        return strspn(s, accept);
}

/* The address: within brackets, or up to the first ':' or '/'. Returns what follows it, or NULL. */
static const char *split_address(const char *s, const char **ret_address, size_t *ret_n) {
        const char *end;

        if (*s == '[') {
                end = strchr(s, ']');
                if (!end || end == s + 1 || !memchr(s + 1, ':', (size_t) (end - s - 1)))
                        return NULL;
                *ret_address = s + 1;
                *ret_n = (size_t) (end - s - 1);
                return end + 1;
        }
        end = s + strcspn(s, ":/");
        /* Two colons: an IPv6 address without brackets. */
        if (end == s || (*end == ':' && strchr(end + 1, ':')))
                return NULL;
        *ret_address = s;
        *ret_n = (size_t) (end - s);
        return end;
}

static const char *known_protocol(const char *s) {
        static const char *const names[] = { "tcp", "udp", "icmp" };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (streq(s, names[i]))
                        return names[i];
        return NULL;
}

static char *join(const char *address, size_t n, const char *length, size_t n_length) {
        char *s = malloc(n + n_length + 1);

        if (!s)
                return NULL;
        memcpy(s, address, n);
        memcpy(s + n, length, n_length);
        s[n + n_length] = 0;
        return s;
}

int destination_option_parse(const char *s, DestinationOption *ret) {
        static const char digits[] = "0123456789";
        const char *address, *rest, *length = "", *ports = NULL, *proto = "tcp";
        DestinationOption d = {};
        size_t n, n_length = 0, n_ports = 0;

        rest = split_address(s, &address, &n);
        if (!rest)
                return -EINVAL;
        if (rest[0] == '/' && span(rest + 1, digits) > 0) {
                length = rest;
                n_length = 1 + span(rest + 1, digits);
                rest += n_length;
        }
        if (rest[0] == ':') {
                ports = rest + 1;
                n_ports = span(ports, "0123456789-");
                rest = ports + n_ports;
        }
        if (rest[0] == '/') {
                proto = known_protocol(rest + 1);
                rest = "";
        }
        if (*rest || !proto || (ports && n_ports == 0) || streq(proto, "icmp") == (ports != NULL))
                return -EINVAL;
        d.proto = proto;
        d.to = join(address, n, length, n_length);
        d.ports = ports ? join(ports, n_ports, "", 0) : NULL;
        if (!d.to || (ports && !d.ports)) {
                destination_option_done(&d);
                return -ENOMEM;
        }
        *ret = d;
        return 0;
}

FirewallVerb firewall_verb_from_string(const char *s) {
        static const char *const names[_FIREWALL_VERB_MAX] = {
                [FIREWALL_STATUS] = "status", [FIREWALL_VERIFY] = "verify", [FIREWALL_ALLOW] = "allow",
                [FIREWALL_REVOKE] = "revoke", [FIREWALL_SHOW] = "show",     [FIREWALL_RELOAD] = "reload",
        };

        for (FirewallVerb v = 0; v < _FIREWALL_VERB_MAX; v++)
                if (streq(s, names[v]))
                        return v;
        return _FIREWALL_VERB_INVALID;
}
