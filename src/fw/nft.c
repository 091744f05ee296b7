/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Text goes to the kernel through libnftables, which needs one context for life: closing one waits for RCU. Counters come back through
 * libnftnl: a listing by libnftables would build every rule of every session again as an object. */

#include "nft.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <nftables/libnftables.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "fw/netlink.h"
#include "fw/ruleset.h"

struct Nft {
        struct nft_ctx *context;
        uint32_t port;
        int query; /* for what libnftables is not asked */
};

Nft *nft_new(void) {
        _cleanup_(nft_freep) Nft *n = calloc(1, sizeof(*n));
        struct sockaddr_nl sa = { .nl_family = AF_NETLINK };
        int expected;

        if (!n)
                return NULL;
        n->query = -EBADF;
        /* Its descriptor is the lowest free one; the library does not tell. */
        expected = open("/dev/null", O_RDONLY | O_CLOEXEC);
        if (expected < 0)
                return NULL;
        fd_close(expected);
        if (expected > 1000)
                return NULL;
        n->context = nft_ctx_new(NFT_CTX_DEFAULT);
        if (!n->context)
                return NULL;
        /* The library leaves the binding to the first send; the port is wanted before. */
        if (!nl_is(expected, NETLINK_NETFILTER) || bind(expected, (struct sockaddr *) &sa, sizeof(sa)) < 0)
                return NULL;
        n->port = nl_port(expected);
        if (n->port == 0)
                return NULL;
        (void) nft_ctx_buffer_output(n->context);
        (void) nft_ctx_buffer_error(n->context);
        n->query = nl_open(NETLINK_NETFILTER, 0);
        if (n->query < 0)
                return NULL;
        return TAKE_PTR(n);
}

Nft *nft_free(Nft *n) {
        if (!n)
                return NULL;
        if (n->context)
                nft_ctx_free(n->context);
        fd_close(n->query);
        free(n);
        return NULL;
}

uint32_t nft_port(const Nft *n) {
        return n->port;
}

int nft_query_socket(const Nft *n) {
        return n->query;
}

int nft_apply(Nft *n, const char *text, char **ret_why) {
        const char *said;
        int r;

        errno = 0;
        r = nft_run_cmd_from_buffer(n->context, text);
        r = r == 0 ? 0 : errno == EPERM || errno == ENOMEM ? -errno : -EIO;
        said = nft_ctx_get_error_buffer(n->context);
        if (r < 0 && ret_why)
                *ret_why = strndup(said && *said ? said : "no reason given", 1000);
        /* Reading a buffer empties it for the next run. */
        (void) nft_ctx_get_output_buffer(n->context);
        return r;
}

static struct nlmsghdr *put_request(NlBatch *b, uint16_t type, uint16_t flags) {
        struct nfgenmsg *g;
        struct nlmsghdr *m = nl_batch_put(b, (uint16_t) (NFNL_SUBSYS_NFTABLES << 8 | type), flags, sizeof(*g), (void **) &g);

        g->nfgen_family = NFPROTO_INET;
        return m;
}

static int on_generation(const struct nlmsghdr *m, void *userdata) {
        struct nlattr *a;

        mnl_attr_for_each(a, m, sizeof(struct nfgenmsg))
                if (mnl_attr_get_type(a) == NFTA_GEN_ID && mnl_attr_validate(a, MNL_TYPE_U32) >= 0)
                        *(uint32_t *) userdata = ntohl(mnl_attr_get_u32(a));
        return 0;
}

uint32_t nft_generation(Nft *n) {
        _cleanup_batch_ NlBatch b = {};
        uint32_t id = 0;

        (void) put_request(&b, NFT_MSG_GETGEN, 0);
        nl_batch_push(&b);
        return nl_query(n->query, &b, on_generation, &id) < 0 ? 0 : id;
}

/* ---- counters ---- */

typedef struct Reading {
        NftCounter fn;
        void *userdata;
        FwCounter reason; /* of the elements of a set */
} Reading;

static int find_comment(const struct nftnl_udata *u, void *userdata) {
        if (nftnl_udata_type(u) == NFTNL_UDATA_RULE_COMMENT && nftnl_udata_len(u) > 0)
                *(const struct nftnl_udata **) userdata = u;
        return 0;
}

/* "granted 4" is the counter "granted". */
static int reason_of(const struct nftnl_rule *rule) {
        const struct nftnl_udata *comment = NULL;
        const char *text;
        uint32_t n;
        const void *data = nftnl_rule_get_data(rule, NFTNL_RULE_USERDATA, &n);
        size_t len;

        if (!data || nftnl_udata_parse(data, n, find_comment, &comment) < 0 || !comment)
                return -EINVAL;
        text = nftnl_udata_get(comment);
        len = strnlen(text, nftnl_udata_len(comment));
        for (FwCounter c = 0; c < _FW_COUNTER_MAX; c++) {
                const char *name = fw_counter_to_string(c);
                size_t k = strlen(name);

                if (len >= k && memcmp(text, name, k) == 0 && (len == k || text[k] == ' '))
                        return (int) c;
        }
        return -EINVAL;
}

static int on_expression(struct nftnl_expr *e, void *userdata) {
        struct nftnl_expr **found = userdata;

        if (streq(nftnl_expr_get_str(e, NFTNL_EXPR_NAME), "counter"))
                *found = e;
        return 0;
}

int nft_parse_counter(const struct nlmsghdr *m, NftRuleCounter *ret) {
        struct nftnl_rule *rule = nftnl_rule_alloc();
        struct nftnl_expr *counter = NULL;
        const char *chain;
        int reason, r = 0;

        if (!rule)
                return -ENOMEM;
        if (nftnl_rule_nlmsg_parse(m, rule) >= 0) {
                chain = nftnl_rule_get_str(rule, NFTNL_RULE_CHAIN);
                reason = reason_of(rule);
                (void) nftnl_expr_foreach(rule, on_expression, &counter);
                if (chain && reason >= 0 && counter) {
                        *ret = (NftRuleCounter) { .reason = (FwCounter) reason,
                                .packets = nftnl_expr_get_u64(counter, NFTNL_EXPR_CTR_PACKETS),
                                .bytes = nftnl_expr_get_u64(counter, NFTNL_EXPR_CTR_BYTES) };
                        (void) snprintf(ret->chain, sizeof(ret->chain), "%s", chain);
                        r = 1;
                }
        }
        nftnl_rule_free(rule);
        return r;
}

static int on_rule(const struct nlmsghdr *m, void *userdata) {
        const Reading *to = userdata;
        NftRuleCounter c;
        uint32_t slot;
        int r = nft_parse_counter(m, &c);

        if (r > 0 && str_has_prefix(c.chain, "s_") && parse_u32(c.chain + 2, &slot) >= 0)
                to->fn(slot, c.reason, c.packets, c.bytes, to->userdata);
        return MIN(r, 0);
}

static int on_element(struct nftnl_set_elem *e, void *userdata) {
        const Reading *to = userdata;
        const struct nftnl_expr *counter = nftnl_set_elem_get(e, NFTNL_SET_ELEM_EXPR, NULL);
        uint32_t n = 0, slot;
        const char *key = nftnl_set_elem_get(e, NFTNL_SET_ELEM_KEY, &n);
        char name[17] = {};

        if (!key || !counter)
                return 0;
        /* The interface comes first in every key. */
        memcpy(name, key, MIN(n, sizeof(name) - 1));
        if (str_has_prefix(name, "ocsb") && parse_u32(name + 4, &slot) >= 0)
                to->fn(slot, to->reason, nftnl_expr_get_u64(counter, NFTNL_EXPR_CTR_PACKETS),
                                nftnl_expr_get_u64(counter, NFTNL_EXPR_CTR_BYTES), to->userdata);
        return 0;
}

static int on_elements(const struct nlmsghdr *m, void *userdata) {
        struct nftnl_set *set = nftnl_set_alloc();

        if (!set)
                return -ENOMEM;
        if (nftnl_set_elems_nlmsg_parse(m, set) >= 0)
                (void) nftnl_set_elem_foreach(set, on_element, userdata);
        nftnl_set_free(set);
        return 0;
}

static int read_set(Nft *n, const char *set, Reading *to) {
        _cleanup_batch_ NlBatch b = {};
        struct nlmsghdr *m = put_request(&b, NFT_MSG_GETSETELEM, NLM_F_DUMP);

        mnl_attr_put_strz(m, NFTA_SET_ELEM_LIST_TABLE, RULESET_TABLE);
        mnl_attr_put_strz(m, NFTA_SET_ELEM_LIST_SET, set);
        nl_batch_push(&b);
        return nl_query(n->query, &b, on_elements, to);
}

int nft_counters(Nft *n, NftCounter fn, void *userdata) {
        static const struct {
                const char *set;
                FwCounter reason;
        } sets[] = {
                { "count_allowed", FW_COUNTER_ALLOWED }, { "count_spoofed", FW_COUNTER_SPOOFED }, { "count_resolver", FW_COUNTER_RESOLVER },
                { "count_private", FW_COUNTER_PRIVATE }, { "count_host", FW_COUNTER_HOST }, { "count_protocol", FW_COUNTER_PROTOCOL },
                { "count_inbound", FW_COUNTER_INBOUND }, { "dns_servers", FW_COUNTER_DNS }, { "dns_servers_ipv6", FW_COUNTER_DNS },
        };
        Reading to = { .fn = fn, .userdata = userdata };
        _cleanup_batch_ NlBatch b = {};
        struct nlmsghdr *m = put_request(&b, NFT_MSG_GETRULE, NLM_F_DUMP);
        int r;

        mnl_attr_put_strz(m, NFTA_RULE_TABLE, RULESET_TABLE);
        nl_batch_push(&b);
        r = nl_query(n->query, &b, on_rule, &to);
        for (size_t i = 0; i < ELEMENTSOF(sets) && r >= 0; i++) {
                to.reason = sets[i].reason;
                r = read_set(n, sets[i].set, &to);
        }
        return r;
}
