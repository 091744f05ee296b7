/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "foreign.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <stdio.h>

#include "fw/netlink.h"
#include "fw/ruleset.h"

#define CHAINS_MAX 16u
#define NAME_MAX_SHOWN 64u

typedef struct Chain {
        uint8_t family;
        char table[NAME_MAX_SHOWN + 1], name[NAME_MAX_SHOWN + 1];
} Chain;

typedef struct Found {
        Chain chains[CHAINS_MAX];
        size_t n;
        bool docker_user[2]; /* iptables' table filter has Docker's chain for the admin; ip, ip6 */
} Found;

/* Names are somebody else's: of what is odd, or longer than any is, nothing is said that a person could paste. */
static bool copy_name(char to[static NAME_MAX_SHOWN + 1], const struct nlattr *a) {
        const char *s;

        if (!a || mnl_attr_validate(a, MNL_TYPE_NUL_STRING) < 0)
                return false;
        s = mnl_attr_get_str(a);
        if (!*s || strlen(s) > NAME_MAX_SHOWN || strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") != strlen(s))
                return false;
        (void) snprintf(to, NAME_MAX_SHOWN + 1, "%s", s);
        return true;
}

static bool is_forward_hook(const struct nlattr *hook) {
        const struct nlattr *a;

        if (!hook)
                return false;
        mnl_attr_for_each_nested(a, hook)
                if (mnl_attr_get_type(a) == NFTA_HOOK_HOOKNUM && mnl_attr_validate(a, MNL_TYPE_U32) >= 0)
                        return ntohl(mnl_attr_get_u32(a)) == NF_INET_FORWARD;
        return false;
}

static int on_chain(const struct nlmsghdr *m, void *userdata) {
        const struct nfgenmsg *g = mnl_nlmsg_get_payload(m);
        const struct nlattr *table = NULL, *name = NULL, *hook = NULL, *policy = NULL, *a;
        Found *f = userdata;
        Chain c = {};

        if (m->nlmsg_len < NLMSG_LENGTH(sizeof(*g)))
                return 0;
        mnl_attr_for_each(a, m, sizeof(*g))
                switch (mnl_attr_get_type(a)) {
                case NFTA_CHAIN_TABLE: table = a; break;
                case NFTA_CHAIN_NAME: name = a; break;
                case NFTA_CHAIN_HOOK: hook = a; break;
                case NFTA_CHAIN_POLICY: policy = a; break;
                default: break;
                }
        c.family = g->nfgen_family;
        if ((c.family != NFPROTO_IPV4 && c.family != NFPROTO_IPV6 && c.family != NFPROTO_INET) || !copy_name(c.table, table) ||
                        !copy_name(c.name, name) || streq(c.table, RULESET_TABLE))
                return 0;
        if (streq(c.table, "filter") && streq(c.name, "DOCKER-USER") && c.family != NFPROTO_INET)
                f->docker_user[c.family == NFPROTO_IPV6] = true;
        if (is_forward_hook(hook) && policy && mnl_attr_validate(policy, MNL_TYPE_U32) >= 0 &&
                        ntohl(mnl_attr_get_u32(policy)) == NF_DROP && f->n < CHAINS_MAX)
                f->chains[f->n++] = c;
        return 0;
}

static void tell(FILE *out, const Chain *c, const Found *f) {
        const char *family = c->family == NFPROTO_IPV4 ? "ip" : c->family == NFPROTO_IPV6 ? "ip6" : "inet";
        const char *iptables = c->family == NFPROTO_IPV6 ? "ip6tables" : "iptables";

        fprintf(out, "chain %s of table %s %s drops what is forwarded, and a drop is final. Unless it lets ocsb* pass already: ", c->name, family,
                        c->table);
        if (c->family != NFPROTO_INET && streq(c->table, "filter") && streq(c->name, "FORWARD"))
                fprintf(out,
                                "%s -I %s -i ocsb+ -j ACCEPT && %s -I %s -o ocsb+ -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT\n",
                                iptables, f->docker_user[c->family == NFPROTO_IPV6] ? "DOCKER-USER" : "FORWARD", iptables,
                                f->docker_user[c->family == NFPROTO_IPV6] ? "DOCKER-USER" : "FORWARD");
        else
                fprintf(out, "nft 'insert rule %s %s %s iifname \"ocsb*\" accept; insert rule %s %s %s oifname \"ocsb*\" ct state established,related accept'\n",
                                family, c->table, c->name, family, c->table, c->name);
}

int foreign_drops(int fd, char **ret) {
        _cleanup_batch_ NlBatch b = {};
        struct nfgenmsg *g;
        Found found = {};
        char *text = NULL;
        size_t len;
        FILE *out;
        int r;

        (void) nl_batch_put(&b, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN, NLM_F_DUMP, sizeof(*g), (void **) &g);
        g->nfgen_family = NFPROTO_UNSPEC;
        nl_batch_push(&b);
        r = nl_query(fd, &b, on_chain, &found);
        if (r < 0)
                return r;
        out = open_memstream(&text, &len);
        if (!out)
                return -ENOMEM;
        for (size_t i = 0; i < found.n; i++)
                tell(out, found.chains + i, &found);
        if (fclose(out) != 0) {
                free(text);
                return -ENOMEM;
        }
        *ret = text;
        return 0;
}
