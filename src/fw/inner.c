/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* libnftables works in the namespace of its process and cannot take a socket, so the part of the inner fence that differs
 * between sessions is made by libnftnl. Rules and not a set of intervals for the grants: grants may overlap, intervals may not. */

#include "inner.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <netinet/in.h>
#include <stdio.h>

#include "base/fd.h"
#include "fw/netlink.h"
#include "fw/nft.h"
#include "fw/ruleset.h"

#define ELEMENTS_PER_MESSAGE 128u

static void put_batch(NlBatch *b, uint16_t type) {
        struct nfgenmsg *g;
        struct nlmsghdr *m = nl_batch_put(b, type, 0, sizeof(*g), (void **) &g);

        (void) m;
        g->nfgen_family = AF_UNSPEC;
        g->res_id = htons(NFNL_SUBSYS_NFTABLES);
        nl_batch_push(b);
}

static struct nlmsghdr *put_message(NlBatch *b, uint16_t type, uint16_t flags) {
        struct nfgenmsg *g;
        struct nlmsghdr *m = nl_batch_put(b, (uint16_t) (NFNL_SUBSYS_NFTABLES << 8 | type), flags, sizeof(*g), (void **) &g);

        g->nfgen_family = NFPROTO_INET;
        return m;
}

/* ---- rules ---- */

static void add_expr(struct nftnl_rule *rule, struct nftnl_expr *e) {
        if (e)
                nftnl_rule_add_expr(rule, e);
}

static void add_meta(struct nftnl_rule *rule, uint32_t key) {
        struct nftnl_expr *e = nftnl_expr_alloc("meta");

        if (e) {
                nftnl_expr_set_u32(e, NFTNL_EXPR_META_KEY, key);
                nftnl_expr_set_u32(e, NFTNL_EXPR_META_DREG, NFT_REG_1);
        }
        add_expr(rule, e);
}

static void add_payload(struct nftnl_rule *rule, uint32_t base, uint32_t offset, uint32_t len) {
        struct nftnl_expr *e = nftnl_expr_alloc("payload");

        if (e) {
                nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_BASE, base);
                nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
                nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_LEN, len);
                nftnl_expr_set_u32(e, NFTNL_EXPR_PAYLOAD_DREG, NFT_REG_1);
        }
        add_expr(rule, e);
}

static void add_cmp(struct nftnl_rule *rule, uint32_t op, const void *data, uint32_t len) {
        struct nftnl_expr *e = nftnl_expr_alloc("cmp");

        if (e) {
                nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
                nftnl_expr_set_u32(e, NFTNL_EXPR_CMP_OP, op);
                nftnl_expr_set(e, NFTNL_EXPR_CMP_DATA, data, len);
        }
        add_expr(rule, e);
}

static void add_cmp_u8(struct nftnl_rule *rule, uint8_t v) {
        add_cmp(rule, NFT_CMP_EQ, &v, sizeof(v));
}

static void add_destination(struct nftnl_rule *rule, const NetPrefix *p) {
        bool v4 = p->address.family == 4;
        uint32_t len = v4 ? 4 : 16;

        add_meta(rule, NFT_META_NFPROTO);
        add_cmp_u8(rule, v4 ? NFPROTO_IPV4 : NFPROTO_IPV6);
        add_payload(rule, NFT_PAYLOAD_NETWORK_HEADER, v4 ? 16 : 24, len);
        if (p->length < len * 8) {
                struct nftnl_expr *e = nftnl_expr_alloc("bitwise");
                static const uint8_t zero[16];
                uint8_t mask[16] = {};

                for (uint32_t i = 0; i < p->length; i++)
                        mask[i / 8] |= (uint8_t) (0x80 >> i % 8);
                if (e) {
                        nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
                        nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
                        nftnl_expr_set_u32(e, NFTNL_EXPR_BITWISE_LEN, len);
                        nftnl_expr_set(e, NFTNL_EXPR_BITWISE_MASK, mask, len);
                        nftnl_expr_set(e, NFTNL_EXPR_BITWISE_XOR, zero, len);
                }
                add_expr(rule, e);
        }
        add_cmp(rule, NFT_CMP_EQ, p->address.bytes, len);
}

static void add_protocol(struct nftnl_rule *rule, const NetGrant *g) {
        bool v4 = g->to.address.family == 4;
        uint16_t first = htons((uint16_t) g->port_first), last = htons((uint16_t) g->port_last);

        add_meta(rule, NFT_META_L4PROTO);
        switch ((NetProtocol) g->protocol) {
        case NET_PROTOCOL_ICMP:
                add_cmp_u8(rule, v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6);
                add_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, 0, 1);
                add_cmp_u8(rule, v4 ? 8 : 128); /* echo request */
                return;
        case NET_PROTOCOL_TCP:
        case NET_PROTOCOL_UDP:
        case _NET_PROTOCOL_MAX:
        default:
                add_cmp_u8(rule, g->protocol == NET_PROTOCOL_TCP ? IPPROTO_TCP : IPPROTO_UDP);
                add_payload(rule, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2);
                if (first == last) {
                        add_cmp(rule, NFT_CMP_EQ, &first, sizeof(first));
                        return;
                }
                add_cmp(rule, NFT_CMP_GTE, &first, sizeof(first));
                add_cmp(rule, NFT_CMP_LTE, &last, sizeof(last));
        }
}

static void put_grant(NlBatch *b, const NetGrant *g) {
        struct nftnl_rule *rule = nftnl_rule_alloc();
        struct nftnl_expr *e;

        if (!rule) {
                b->error = -ENOMEM;
                return;
        }
        nftnl_rule_set_u32(rule, NFTNL_RULE_FAMILY, NFPROTO_INET);
        nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, RULESET_INNER_TABLE);
        nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, RULESET_INNER_GRANTS);
        add_destination(rule, &g->to);
        add_protocol(rule, g);
        add_expr(rule, nftnl_expr_alloc("counter"));
        e = nftnl_expr_alloc("immediate");
        if (e) {
                nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_DREG, NFT_REG_VERDICT);
                nftnl_expr_set_u32(e, NFTNL_EXPR_IMM_VERDICT, NF_ACCEPT);
        } else
                b->error = -ENOMEM; /* any that is missing before would make the rule wider */
        add_expr(rule, e);
        nftnl_rule_nlmsg_build_payload(put_message(b, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND), rule);
        nl_batch_push(b);
        nftnl_rule_free(rule);
}

static void put_flush_rules(NlBatch *b, const char *chain) {
        struct nlmsghdr *m = put_message(b, NFT_MSG_DELRULE, 0);

        mnl_attr_put_strz(m, NFTA_RULE_TABLE, RULESET_INNER_TABLE);
        mnl_attr_put_strz(m, NFTA_RULE_CHAIN, chain);
        nl_batch_push(b);
}

static void put_intent(NlBatch *b, const NetIntent *n) {
        put_flush_rules(b, RULESET_INNER_GRANTS);
        for (size_t i = 0; i < n->n_resolvers; i++) {
                NetGrant g = { .to = { n->resolvers[i], n->resolvers[i].family == 4 ? 32 : 128 }, .port_first = 53, .port_last = 53 };

                g.protocol = NET_PROTOCOL_UDP;
                put_grant(b, &g);
                g.protocol = NET_PROTOCOL_TCP;
                put_grant(b, &g);
        }
        for (size_t i = 0; i < n->n_grants; i++)
                put_grant(b, n->grants + i);
}

/* ---- addresses of the host ---- */

static void put_flush_set(NlBatch *b, const char *set) {
        struct nlmsghdr *m = put_message(b, NFT_MSG_DELSETELEM, 0);

        mnl_attr_put_strz(m, NFTA_SET_ELEM_LIST_TABLE, RULESET_INNER_TABLE);
        mnl_attr_put_strz(m, NFTA_SET_ELEM_LIST_SET, set);
        nl_batch_push(b);
}

static void put_elements(NlBatch *b, const char *name, const NetAddress *a, size_t n, uint32_t family) {
        for (size_t i = 0; i < n;) {
                struct nlmsghdr *m = put_message(b, NFT_MSG_NEWSETELEM, NLM_F_CREATE);
                struct nlattr *list;

                mnl_attr_put_strz(m, NFTA_SET_ELEM_LIST_TABLE, RULESET_INNER_TABLE);
                mnl_attr_put_strz(m, NFTA_SET_ELEM_LIST_SET, name);
                list = mnl_attr_nest_start(m, NFTA_SET_ELEM_LIST_ELEMENTS);
                for (unsigned k = 0; k < ELEMENTS_PER_MESSAGE && i < n; i++) {
                        struct nlattr *element, *key;

                        if (a[i].family != family)
                                continue;
                        element = mnl_attr_nest_start(m, NFTA_LIST_ELEM);
                        key = mnl_attr_nest_start(m, NFTA_SET_ELEM_KEY);
                        mnl_attr_put(m, NFTA_DATA_VALUE, family == 4 ? 4 : 16, a[i].bytes);
                        mnl_attr_nest_end(m, key);
                        mnl_attr_nest_end(m, element);
                        k++;
                }
                mnl_attr_nest_end(m, list);
                nl_batch_push(b);
        }
}

/* ---- transactions ---- */

static int run(int fd, NlBatch *b) {
        /* Of an empty batch the kernel would say nothing; this one is harmless and asks for the answer. */
        struct nlmsghdr *m = put_message(b, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_ACK);
        uint32_t last = m->nlmsg_seq;
        int r;

        mnl_attr_put_strz(m, NFTA_TABLE_NAME, RULESET_INNER_TABLE);
        nl_batch_push(b);
        put_batch(b, NFNL_MSG_BATCH_END);
        b->seq = last;
        r = nl_batch_run(fd, b, NULL);
        return r == -ENOENT ? -ESTALE : r; /* the table is not there: nobody may take a sandbox for fenced then */
}

int inner_update(int fd, const InnerUpdate *u) {
        _cleanup_batch_ NlBatch b = {};

        put_batch(&b, NFNL_MSG_BATCH_BEGIN);
        if (u->intent)
                put_intent(&b, u->intent);
        if (u->with_host_addresses) {
                put_flush_set(&b, "host_addresses");
                put_flush_set(&b, "host_addresses_ipv6");
                put_elements(&b, "host_addresses", u->host_addresses, u->n_host_addresses, 4);
                put_elements(&b, "host_addresses_ipv6", u->host_addresses, u->n_host_addresses, 6);
        }
        return run(fd, &b);
}

int inner_open(int fd) {
        static const char *const chains[] = { "output", "input" };
        _cleanup_batch_ NlBatch b = {};

        put_batch(&b, NFNL_MSG_BATCH_BEGIN);
        for (size_t i = 0; i < ELEMENTSOF(chains); i++) {
                struct nlmsghdr *m;

                put_flush_rules(&b, chains[i]);
                m = put_message(&b, NFT_MSG_NEWCHAIN, 0);
                mnl_attr_put_strz(m, NFTA_CHAIN_TABLE, RULESET_INNER_TABLE);
                mnl_attr_put_strz(m, NFTA_CHAIN_NAME, chains[i]);
                mnl_attr_put_u32(m, NFTA_CHAIN_POLICY, htonl(NF_ACCEPT));
                nl_batch_push(&b);
        }
        return run(fd, &b);
}

/* ---- what was refused ---- */

typedef struct Totals {
        uint64_t *packets, *bytes;
} Totals;

static int on_rule(const struct nlmsghdr *m, void *userdata) {
        const Totals *t = userdata;
        NftRuleCounter c;
        int r = nft_parse_counter(m, &c);

        if (r > 0 && str_has_prefix(c.chain, "refuse_")) {
                t->packets[c.reason] += c.packets;
                t->bytes[c.reason] += c.bytes;
        }
        return MIN(r, 0);
}

int inner_counters(int fd, uint64_t *packets, uint64_t *bytes) {
        _cleanup_batch_ NlBatch b = {};
        struct nlmsghdr *m = put_message(&b, NFT_MSG_GETRULE, NLM_F_DUMP);

        mnl_attr_put_strz(m, NFTA_RULE_TABLE, RULESET_INNER_TABLE);
        nl_batch_push(&b);
        return nl_query(fd, &b, on_rule, &(Totals) { packets, bytes });
}

int inner_log_bind(int fd) {
        const struct nfulnl_msg_config_cmd bind = { .command = NFULNL_CFG_CMD_BIND };
        const struct nfulnl_msg_config_mode mode = { .copy_mode = NFULNL_COPY_PACKET, .copy_range = htonl(64) };
        _cleanup_batch_ NlBatch b = {};
        struct nfgenmsg *g;
        struct nlmsghdr *m = nl_batch_put(&b, NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG, NLM_F_ACK, sizeof(*g), (void **) &g);

        g->res_id = htons(RULESET_INNER_LOG_GROUP);
        mnl_attr_put(m, NFULA_CFG_CMD, sizeof(bind), &bind);
        mnl_attr_put(m, NFULA_CFG_MODE, sizeof(mode), &mode);
        /* A message for each packet: they are few, and the default waits for a second. */
        mnl_attr_put_u32(m, NFULA_CFG_QTHRESH, htonl(1));
        nl_batch_push(&b);
        return nl_batch_run(fd, &b, NULL);
}

/* The payload is a sandbox's: every byte is looked at only when it is there. IPv6 extension headers are not walked, the sandbox has
 * no raw socket to make them. */
static bool parse_packet(const uint8_t *p, size_t n, InnerRefusal *r) {
        size_t header, address = 4;

        if (n >= 20 && p[0] >> 4 == 4 && (p[0] & 15) >= 5) {
                header = (size_t) (p[0] & 15) * 4;
                r->protocol = p[9];
                r->to.family = 4;
                p += 16, n -= 16, header -= 16;
        } else if (n >= 40 && p[0] >> 4 == 6) {
                header = 16;
                address = 16;
                r->protocol = p[6];
                r->to.family = 6;
                p += 24, n -= 24;
        } else
                return false;
        memcpy(r->to.bytes, p, address);
        if ((r->protocol == IPPROTO_TCP || r->protocol == IPPROTO_UDP) && header >= address && n >= header + 4)
                r->port = (uint32_t) p[header + 2] << 8 | p[header + 3];
        return true;
}

typedef struct Reader {
        InnerLog fn;
        void *userdata;
} Reader;

static int on_packet(const struct nlmsghdr *m, void *userdata) {
        const Reader *to = userdata;
        InnerRefusal r = { .reason = "unknown" };
        const struct nlattr *payload = NULL;
        struct nlattr *a;

        if (m->nlmsg_type != (NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET) || m->nlmsg_len < NLMSG_LENGTH(sizeof(struct nfgenmsg)))
                return 0;
        mnl_attr_for_each(a, m, sizeof(struct nfgenmsg)) {
                if (mnl_attr_get_type(a) == NFULA_PAYLOAD)
                        payload = a;
                else if (mnl_attr_get_type(a) == NFULA_PREFIX && mnl_attr_validate(a, MNL_TYPE_NUL_STRING) >= 0)
                        r.reason = mnl_attr_get_str(a);
        }
        if (payload && parse_packet(mnl_attr_get_payload(payload), mnl_attr_get_payload_len(payload), &r))
                to->fn(&r, to->userdata);
        return 0;
}

int inner_log_read(int fd, InnerLog fn, void *userdata) {
        int r = nl_drain(fd, on_packet, &(Reader) { fn, userdata });

        return r == -ENOBUFS ? 0 : r; /* some were lost: it is a log */
}

int inner_load(char **ret_why) {
        _cleanup_(nft_freep) Nft *n = nft_new();
        _cleanup_free_ char *text = NULL;
        int r;

        if (!n)
                return -ENOTSUP;
        r = ruleset_inner(&text);
        return r < 0 ? r : nft_apply(n, text, ret_why);
}
