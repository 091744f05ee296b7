/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Options about the network: resolvers, destinations and the end of a grant. What a destination may be is the policy's
 * (destination.c); here is what the bus adds to it. */

#include "options-private.h"

#include <stdio.h>
#include <time.h>

#include "errors.h"
#include "policy/destination.h"

static uint64_t realtime_usec(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_REALTIME, &ts);
        return (uint64_t) ts.tv_sec * USEC_PER_SEC + (uint64_t) ts.tv_nsec / 1000;
}

static int refuse(sd_bus_error *error, const char *key, char *why) {
        g_autofree char *text = why;

        return error_set(error, ERROR_INVALID_ARGUMENT, "'%s': %s.", key, text);
}

int options_read_resolvers(sd_bus_message *m, const char *key, GArray **ret, sd_bus_error *error) {
        g_autoptr(GArray) list = g_array_new(FALSE, FALSE, sizeof(NetAddress));
        const char *s;
        int r;

        if (sd_bus_message_enter_container(m, 'a', "s") < 0)
                return option_malformed(error, key);
        while ((r = sd_bus_message_read_basic(m, 's', &s)) > 0) {
                char *why = NULL;
                NetAddress a;

                if (resolver_parse(s, &a, &why) < 0)
                        return refuse(error, key, why);
                for (guint i = 0; i < list->len; i++)
                        if (net_address_equal(&g_array_index(list, NetAddress, i), &a))
                                return error_set(error, ERROR_INVALID_ARGUMENT, "'%s' has %s twice.", key, s);
                if (list->len >= NET_RESOLVERS_MAX)
                        return error_set(error, ERROR_INVALID_ARGUMENT, "'%s' has more than %u resolvers.", key,
                                        NET_RESOLVERS_MAX);
                g_array_append_val(list, a);
        }
        if (r < 0 || sd_bus_message_exit_container(m) < 0)
                return option_malformed(error, key);
        *ret = g_steal_pointer(&list);
        return 0;
}

/* A destination */

typedef struct Destination {
        const char *to, *ports, *proto;
        uint64_t until, duration; /* 0: not given */
} Destination;

static int read_text(sd_bus_message *m, const char *key, const char **ret, sd_bus_error *error) {
        return sd_bus_message_read_basic(m, 's', ret) < 0 ? option_malformed(error, key) : 0;
}

static int read_to(sd_bus_message *m, const char *key, void *target, sd_bus_error *error) {
        return read_text(m, key, &((Destination *) target)->to, error);
}

static int read_ports(sd_bus_message *m, const char *key, void *target, sd_bus_error *error) {
        return read_text(m, key, &((Destination *) target)->ports, error);
}

static int read_proto(sd_bus_message *m, const char *key, void *target, sd_bus_error *error) {
        return read_text(m, key, &((Destination *) target)->proto, error);
}

static int read_time(sd_bus_message *m, const char *key, uint64_t *ret, sd_bus_error *error) {
        uint64_t v;

        if (sd_bus_message_read_basic(m, 't', &v) < 0)
                return option_malformed(error, key);
        /* Half of the range, so that sums with a clock do not overflow: a negative number is in the other half. */
        if (v == 0 || v > INT64_MAX)
                return error_set(error, ERROR_INVALID_ARGUMENT, "'%s' must be at least 1 and no negative number.", key);
        *ret = v;
        return 0;
}

static int read_until(sd_bus_message *m, const char *key, void *target, sd_bus_error *error) {
        Destination *d = target;
        int r = read_time(m, key, &d->until, error);

        if (r < 0)
                return r;
        if (d->until <= realtime_usec())
                return error_set(error, ERROR_INVALID_ARGUMENT,
                                "'%s' has passed; it is a time in microseconds since 1970, or use 'for-usec'.", key);
        return 0;
}

static int read_for(sd_bus_message *m, const char *key, void *target, sd_bus_error *error) {
        return read_time(m, key, &((Destination *) target)->duration, error);
}

static const Option destination_table[] = {
        { "to", "s", read_to },
        { "ports", "s", read_ports },
        { "proto", "s", read_proto },
        { "until-usec", "t", read_until },
        { "for-usec", "t", read_for },
};

/* ret_duration NULL: a list of destinations, where "for-usec" would make a plan of every call another one. */
static int read_destination(sd_bus_message *m, const char *name, NetGrant *ret, uint64_t *ret_duration,
                sd_bus_error *error) {
        Destination d = {};
        char *why = NULL;
        int r;

        r = options_read(m, destination_table, ELEMENTSOF(destination_table), &d, error);
        if (r < 0)
                return r;
        if (!d.to)
                return error_set(error, ERROR_INVALID_ARGUMENT, "'%s' needs 'to', an address or ADDRESS/LENGTH.", name);
        if (d.until > 0 && d.duration > 0)
                return error_set(error, ERROR_INVALID_ARGUMENT, "'until-usec' and 'for-usec' exclude each other.");
        if (destination_parse(DESTINATION_GRANT, d.to, d.ports, d.proto, ret, &why) < 0)
                return refuse(error, name, why);
        if (d.duration > 0 && !ret_duration)
                return error_set(error, ERROR_INVALID_ARGUMENT,
                                "'for-usec' is for Firewall.Allow; give 'until-usec' in '%s'.", name);
        if (ret_duration)
                *ret_duration = d.duration;
        if (d.until > 0)
                ret->until_usec = d.until;
        return 0;
}

int options_read_grant(sd_bus_message *m, NetGrant *ret, uint64_t *ret_duration_usec, sd_bus_error *error) {
        return read_destination(m, "grant", ret, ret_duration_usec, error);
}

int options_read_destinations(sd_bus_message *m, const char *key, GArray **ret, sd_bus_error *error) {
        g_autoptr(GArray) list = g_array_new(FALSE, FALSE, sizeof(NetGrant));
        int r;

        if (sd_bus_message_enter_container(m, 'a', "a{sv}") < 0)
                return option_malformed(error, key);
        while ((r = sd_bus_message_at_end(m, false)) == 0) {
                NetGrant g;

                if (list->len >= NET_GRANTS_MAX)
                        return error_set(error, ERROR_INVALID_ARGUMENT,
                                        "'%s' has more than %u destinations: join them to networks or ranges of ports.", key,
                                        NET_GRANTS_MAX);
                r = read_destination(m, key, &g, NULL, error);
                if (r < 0)
                        return r;
                g_array_append_val(list, g);
        }
        if (r < 0 || sd_bus_message_exit_container(m) < 0)
                return option_malformed(error, key);
        *ret = g_steal_pointer(&list);
        return 0;
}

/* Session.Update */

void update_options_done(UpdateOptions *o) {
        if (o->dns)
                g_array_unref(o->dns);
        if (o->allow)
                g_array_unref(o->allow);
        *o = (UpdateOptions) {};
}

static int read_update_dns(sd_bus_message *m, const char *key, void *target, sd_bus_error *error) {
        return options_read_resolvers(m, key, &((UpdateOptions *) target)->dns, error);
}

static int read_update_allow(sd_bus_message *m, const char *key, void *target, sd_bus_error *error) {
        return options_read_destinations(m, key, &((UpdateOptions *) target)->allow, error);
}

static const Option update_table[] = {
        { "dns", "as", read_update_dns },
        { "allow", "aa{sv}", read_update_allow },
};

int options_read_update(sd_bus_message *m, UpdateOptions *ret, sd_bus_error *error) {
        _cleanup_(update_options_done) UpdateOptions o = {};
        int r;

        r = options_read(m, update_table, ELEMENTSOF(update_table), &o, error);
        if (r < 0)
                return r;
        if (!o.dns && !o.allow)
                return error_set(error, ERROR_INVALID_ARGUMENT, "Nothing to update: give 'dns' or 'allow'.");
        *ret = o;
        o = (UpdateOptions) {};
        return 0;
}

/* Firewall.Verify */

/* "192.0.2.10:1234", "[2001:db8::1]:443". */
static int parse_endpoint(const char *s, VerifyEndpoint *ret) {
        const char *colon = strrchr(s, ':');
        g_autofree char *host = NULL;
        size_t n;

        if (!colon)
                return -EINVAL;
        n = (size_t) (colon - s);
        if (s[0] == '[' && n >= 2 && s[n - 1] == ']')
                host = g_strndup(s + 1, n - 2);
        else
                host = g_strndup(s, n);
        if ((s[0] == '[') != (strchr(host, ':') != NULL) || parse_u32(colon + 1, &ret->port) < 0 || ret->port < 1 ||
                        ret->port > 65535)
                return -EINVAL;
        return net_address_parse(host, &ret->address);
}

static int read_endpoints(sd_bus_message *m, const char *key, VerifyEndpoint *ret, size_t *ret_n, sd_bus_error *error) {
        const char *s;
        int r;

        if (sd_bus_message_enter_container(m, 'a', "s") < 0)
                return option_malformed(error, key);
        while ((r = sd_bus_message_read_basic(m, 's', &s)) > 0) {
                if (*ret_n >= VERIFY_ADDRESSES_MAX)
                        return error_set(error, ERROR_INVALID_ARGUMENT, "'%s' has more than %u elements.", key,
                                        VERIFY_ADDRESSES_MAX);
                if (parse_endpoint(s, ret + *ret_n) < 0)
                        return option_invalid(error, key, s,
                                        "an address and a port are needed, such as 192.0.2.10:1234 or [2001:db8::1]:443");
                (*ret_n)++;
        }
        return r < 0 || sd_bus_message_exit_container(m) < 0 ? option_malformed(error, key) : 0;
}

static int read_internet(sd_bus_message *m, const char *key, void *target, sd_bus_error *error) {
        VerifyOptions *o = target;

        return read_endpoints(m, key, o->internet, &o->n_internet, error);
}

static int read_llm(sd_bus_message *m, const char *key, void *target, sd_bus_error *error) {
        VerifyOptions *o = target;

        return read_endpoints(m, key, o->llm, &o->n_llm, error);
}

static const Option verify_table[] = {
        { "internet", "as", read_internet },
        { "llm", "as", read_llm },
};

int options_read_verify(sd_bus_message *m, VerifyOptions *ret, sd_bus_error *error) {
        VerifyOptions o = {};
        int r = options_read(m, verify_table, ELEMENTSOF(verify_table), &o, error);

        if (r >= 0)
                *ret = o;
        return r;
}
