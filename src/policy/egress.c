/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a session may reach: the resolvers and destinations of profile and request, held to the ceiling. The public internet needs no
 * entry here, and what is beyond it and the ceiling is opened by an administrator for a session that lives (Firewall.Allow). */

#include "policy-private.h"

#define RESOLVERS_BUILTIN "1.1.1.1", "8.8.8.8"

int policy_check_grant(const Policy *p, const Caller *caller, const NetGrant *g, char **ret_why) {
        const Ceiling *c = policy_ceiling(p, caller);
        char text[DESTINATION_TEXT_MAX];

        if (ceiling_allows_destination(c, g))
                return POLICY_OK;
        *ret_why = g_strdup_printf("%s does not allow %s (\"destinations\")", c->origin, destination_format(g, text));
        return POLICY_E_CEILING;
}

int policy_check_resolver(const Policy *p, const Caller *caller, const NetAddress *a, char **ret_why) {
        const Ceiling *c = policy_ceiling(p, caller);
        char text[NET_ADDRESS_TEXT_MAX];

        if (ceiling_allows_resolver(c, a))
                return POLICY_OK;
        *ret_why = g_strdup_printf("%s does not allow the resolver %s (\"resolvers\")", c->origin, net_address_format(a, text));
        return POLICY_E_CEILING;
}

static int add_resolver(Resolution *r, const NetAddress *a) {
        NetIntent *n = &r->plan->net;
        g_autofree char *why = NULL;

        if (policy_check_resolver(r->policy, r->caller, a, &why) != POLICY_OK)
                return resolution_fail(r, POLICY_E_CEILING, "%s asks for a resolver, but %s", r->resolvers_from, why);
        if (n->n_resolvers >= NET_RESOLVERS_MAX)
                return resolution_fail(r, POLICY_E_INVALID_ARGUMENT, "more than %u resolvers", NET_RESOLVERS_MAX);
        for (size_t i = 0; i < n->n_resolvers; i++)
                if (net_address_equal(n->resolvers + i, a))
                        return resolution_fail(r, POLICY_E_INVALID_ARGUMENT, "a resolver is there twice");
        n->resolvers[n->n_resolvers++] = *a;
        return 0;
}

static int add_resolvers(Resolution *r, const GArray *list) {
        int k = 0;

        for (guint i = 0; i < list->len && k == 0; i++)
                k = add_resolver(r, &g_array_index(list, NetAddress, i));
        return k;
}

/* When nobody asks for any, the ceiling's own list comes before the built-in one, as with limits. */
static int set_resolvers(Resolution *r) {
        static const char *const builtin[] = { RESOLVERS_BUILTIN };
        const GArray *list;
        int k = 0;

        if (r->request->dns) {
                r->resolvers_from = "request";
                return add_resolvers(r, r->request->dns);
        }
        if (r->profile->dns) {
                r->resolvers_from = r->profile->dns_from;
                return add_resolvers(r, r->profile->dns);
        }
        list = r->ceiling->resolvers;
        if (list) {
                r->resolvers_from = r->ceiling_from;
                for (guint i = 0; i < list->len && i < NET_RESOLVERS_MAX && k == 0; i++)
                        k = add_resolver(r, &g_array_index(list, NetAddress, i));
                return k;
        }
        r->resolvers_from = "built-in";
        for (size_t i = 0; i < ELEMENTSOF(builtin) && k == 0; i++) {
                NetAddress a;

                if (net_address_parse(builtin[i], &a) >= 0)
                        k = add_resolver(r, &a);
        }
        return k;
}

/* One that is there already is not opened twice; the one that ends later stays. */
static int add_grant(Resolution *r, const NetGrant *grant, const char *from) {
        NetIntent *n = &r->plan->net;
        g_autofree char *why = NULL;

        if (policy_check_grant(r->policy, r->caller, grant, &why) != POLICY_OK)
                return resolution_fail(r, POLICY_E_CEILING,
                                "%s asks for a destination, but %s; 'ocsbctl firewall allow' asks an administrator for it once "
                                "the session is there",
                                from, why);
        for (size_t i = 0; i < n->n_grants; i++)
                if (net_grant_equal(n->grants + i, grant)) {
                        n->grants[i].until_usec = MAX(n->grants[i].until_usec, grant->until_usec);
                        return 0;
                }
        if (n->n_grants >= NET_GRANTS_MAX)
                return resolution_fail(r, POLICY_E_INVALID_ARGUMENT,
                                "more than %u destinations: join them to networks or ranges of ports", NET_GRANTS_MAX);
        r->grants[n->n_grants].from = from;
        n->grants[n->n_grants] = *grant;
        n->grants[n->n_grants].id = (uint32_t) n->n_grants + 1;
        n->n_grants++;
        return 0;
}

static int set_grants(Resolution *r) {
        const GPtrArray *list = r->profile->destinations;
        const GArray *asked = r->request->allow;
        int k = 0;

        for (guint i = 0; i < list->len && k == 0; i++) {
                const ProfileDestination *d = list->pdata[i];

                k = add_grant(r, &d->grant, d->from);
        }
        for (guint i = 0; asked && i < asked->len && k == 0; i++)
                k = add_grant(r, &g_array_index(asked, NetGrant, i), "request");
        return k;
}

int egress_resolve(Resolution *r) {
        int k;

        if (r->plan->network != PLAN_NETWORK_NAT) {
                /* A profile's lists wait for a request with a network; a request contradicts itself. */
                if (r->request->dns || (r->request->allow && r->request->allow->len > 0))
                        return resolution_fail(r, POLICY_E_INVALID_ARGUMENT,
                                        "resolvers and destinations need network \"nat\", and this session has network \"%s\"",
                                        plan_network_to_string(r->plan->network));
                return 0;
        }
        k = set_resolvers(r);
        return k == 0 ? set_grants(r) : k;
}
