/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A notification carries the port of the socket whose transaction it tells of. That tells ours from others' in any pid namespace, unlike
 * the process number in NFT_MSG_NEWGEN, which is the initial namespace's. */

#include "drift.h"

#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include "base/fd.h"
#include "fw/netlink.h"
#include "fw/ruleset.h"

int drift_open(Drift *d, uint32_t own_port) {
        int size = 16 << 20, r;

        *d = (Drift) { .own_port = own_port };
        d->fd = nl_open(NETLINK_NETFILTER, 0);
        if (d->fd < 0)
                return d->fd;
        /* Our own table with a thousand sessions comes by whenever it is built anew. */
        (void) setsockopt(d->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
        r = nl_join(d->fd, NFNLGRP_NFTABLES);
        if (r < 0)
                drift_close(d);
        return r;
}

void drift_close(Drift *d) {
        d->fd = fd_close(d->fd);
}

static int on_message(const struct nlmsghdr *m, void *userdata) {
        const struct nfgenmsg *g = mnl_nlmsg_get_payload(m);
        Drift *d = userdata;
        struct nlattr *a;

        if (m->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES || m->nlmsg_len < NLMSG_LENGTH(sizeof(*g)) || m->nlmsg_pid == d->own_port ||
                        g->nfgen_family != NFPROTO_INET || (m->nlmsg_type & 0xff) == NFT_MSG_NEWGEN)
                return 0;
        /* In each kind of message the first attribute names the table. */
        mnl_attr_for_each(a, m, sizeof(*g))
                if (mnl_attr_get_type(a) == NFTA_TABLE_NAME && mnl_attr_validate(a, MNL_TYPE_NUL_STRING) >= 0 &&
                                streq(mnl_attr_get_str(a), RULESET_TABLE))
                        d->touched = true;
        return 0;
}

int drift_dispatch(Drift *d) {
        int r = nl_drain(d->fd, on_message, d);
        bool touched = d->touched;

        d->touched = false;
        return r < 0 ? r : touched;
}
