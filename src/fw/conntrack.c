/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A dump that the kernel filters by source (Linux 5.8; the filter is repeated here), then one deletion for each entry found: to
 * delete by filter needs a newer kernel. */

#include "conntrack.h"

#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>

#include "base/fd.h"
#include "fw/netlink.h"

#ifndef CTA_FILTER_F_CTA_IP_SRC
#define CTA_FILTER_F_CTA_IP_SRC (1u << 0) /* of the kernel's nf_internals.h: part of its interface by use */
#endif
#define ROUND_MAX 16384
#define ROUNDS_MAX 16

typedef struct Cut {
        const NetAddress *from;
        size_t n_from;
        uint32_t family; /* of this round */
        ConntrackDoomed doomed;
        void *userdata;
        NlBatch batch;
        int n;
} Cut;

static struct nlmsghdr *put_request(NlBatch *b, uint16_t type, uint16_t flags, uint32_t family) {
        struct nfgenmsg *g;
        struct nlmsghdr *m = nl_batch_put(b, (uint16_t) (NFNL_SUBSYS_CTNETLINK << 8 | type), flags, sizeof(*g), (void **) &g);

        g->nfgen_family = family == 4 ? AF_INET : AF_INET6;
        return m;
}

static const struct nlattr *find(const struct nlattr *nest, uint16_t type) {
        struct nlattr *a;

        if (nest)
                mnl_attr_for_each_nested(a, nest)
                        if (mnl_attr_get_type(a) == type)
                                return a;
        return NULL;
}

static bool get_address(const struct nlattr *ip, bool source, uint32_t family, NetAddress *ret) {
        uint16_t type = family == 4 ? (source ? CTA_IP_V4_SRC : CTA_IP_V4_DST) : (source ? CTA_IP_V6_SRC : CTA_IP_V6_DST);
        const struct nlattr *a = find(ip, type);

        if (!a || mnl_attr_get_payload_len(a) < (family == 4 ? 4 : 16))
                return false;
        *ret = (NetAddress) { .family = family };
        memcpy(ret->bytes, mnl_attr_get_payload(a), family == 4 ? 4 : 16);
        return true;
}

static bool is_ours(const Cut *c, const NetAddress *from) {
        for (size_t i = 0; i < c->n_from; i++)
                if (net_address_equal(c->from + i, from))
                        return true;
        return false;
}

static int on_entry(const struct nlmsghdr *m, void *userdata) {
        Cut *c = userdata;
        const struct nlattr *tuple = NULL, *id = NULL, *zone = NULL, *ip, *proto, *number, *port;
        struct nlmsghdr *d;
        struct nlattr *a;
        NetAddress from, to;

        mnl_attr_for_each(a, m, sizeof(struct nfgenmsg)) {
                if (mnl_attr_get_type(a) == CTA_TUPLE_ORIG)
                        tuple = a;
                else if (mnl_attr_get_type(a) == CTA_ID)
                        id = a;
                else if (mnl_attr_get_type(a) == CTA_ZONE)
                        zone = a;
        }
        ip = find(tuple, CTA_TUPLE_IP);
        proto = find(tuple, CTA_TUPLE_PROTO);
        number = find(proto, CTA_PROTO_NUM);
        port = find(proto, CTA_PROTO_DST_PORT);
        if (!get_address(ip, true, c->family, &from) || !get_address(ip, false, c->family, &to) ||
                        !is_ours(c, &from))
                return 0;
        if (c->n >= ROUND_MAX)
                return 0;
        if (c->doomed && !c->doomed(&to, number ? mnl_attr_get_u8(number) : 0, port ? ntohs(mnl_attr_get_u16(port)) : 0, c->userdata))
                return 0;
        d = put_request(&c->batch, IPCTNL_MSG_CT_DELETE, 0, c->family);
        mnl_attr_put(d, CTA_TUPLE_ORIG | NLA_F_NESTED, mnl_attr_get_payload_len(tuple), mnl_attr_get_payload(tuple));
        if (id) /* that entry, and not one that took its place */
                mnl_attr_put(d, CTA_ID, mnl_attr_get_payload_len(id), mnl_attr_get_payload(id));
        if (zone)
                mnl_attr_put(d, CTA_ZONE, mnl_attr_get_payload_len(zone), mnl_attr_get_payload(zone));
        nl_batch_push(&c->batch);
        c->n++;
        return 0;
}

static void put_filter(struct nlmsghdr *m, const NetAddress *from) {
        struct nlattr *tuple, *ip, *filter;

        tuple = mnl_attr_nest_start(m, CTA_TUPLE_ORIG);
        ip = mnl_attr_nest_start(m, CTA_TUPLE_IP);
        mnl_attr_put(m, from->family == 4 ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, from->family == 4 ? 4 : 16, from->bytes);
        mnl_attr_nest_end(m, ip);
        mnl_attr_nest_end(m, tuple);
        filter = mnl_attr_nest_start(m, CTA_FILTER);
        mnl_attr_put_u32(m, CTA_FILTER_ORIG_FLAGS, CTA_FILTER_F_CTA_IP_SRC);
        mnl_attr_nest_end(m, filter);
}

/* The one address of that family, or NULL. */
static const NetAddress *only(const Cut *c) {
        const NetAddress *found = NULL;

        for (size_t i = 0; i < c->n_from; i++)
                if (c->from[i].family == c->family) {
                        if (found)
                                return NULL;
                        found = c->from + i;
                }
        return found;
}

static int dump(int fd, Cut *c, bool filtered) {
        const NetAddress *from = filtered ? only(c) : NULL;
        _cleanup_batch_ NlBatch b = {};
        struct nlmsghdr *m = put_request(&b, IPCTNL_MSG_CT_GET, NLM_F_DUMP, c->family);

        if (from)
                put_filter(m, from);
        nl_batch_push(&b);
        return nl_query(fd, &b, on_entry, c);
}

static int cut_round(int fd, Cut *c) {
        int r = -EINTR;

        /* A table that changed while it was read: what was missed is found the second time. Old kernels know no filter. */
        for (int i = 0; i < 3 && r < 0 && r != -EPERM; i++) {
                nl_batch_done(&c->batch);
                c->n = 0;
                r = dump(fd, c, i < 2);
        }
        if (r == -EOPNOTSUPP || r == -ENOENT)
                return 0; /* no connection tracking, so there is nothing to forget */
        if (r < 0 || c->n == 0)
                return r;
        nl_batch_put_ack(&c->batch);
        r = nl_batch_run(fd, &c->batch, NULL);
        return r == -ENOENT ? 0 : r; /* ended by itself meanwhile */
}

static bool has_family(const NetAddress *a, size_t n, uint32_t family) {
        for (size_t i = 0; i < n; i++)
                if (a[i].family == family)
                        return true;
        return false;
}

int conntrack_cut(const NetAddress *from, size_t n_from, ConntrackDoomed doomed, void *userdata) {
        Cut c = { .from = from, .n_from = n_from, .doomed = doomed, .userdata = userdata };
        static int fd = -EBADF; /* for life: closing one waits for RCU, 7 to 20 ms */
        int r = 0, total = 0;

        if (fd < 0)
                fd = nl_open(NETLINK_NETFILTER, 0);
        if (fd < 0)
                return fd;
        for (c.family = 4; c.family <= 6 && r >= 0; c.family += 2) {
                if (!has_family(from, n_from, c.family))
                        continue;
                for (int i = 0; i < ROUNDS_MAX; i++) {
                        r = cut_round(fd, &c);
                        total += c.n;
                        if (r < 0 || c.n < ROUND_MAX)
                                break;
                }
        }
        nl_batch_done(&c.batch);
        return r < 0 ? r : total;
}
