/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Addresses are read anew after each notification about one: a list that is patched could be wrong for ever after a lost one. */

#include "host.h"

#include <dirent.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fd.h"
#include "fw/link.h"
#include "fw/netlink.h"
#include "wire/network.h"

int host_open(Host *h) {
        static const unsigned groups[] = { RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE,
                RTNLGRP_IPV6_ROUTE };
        int size = 4 << 20, r;

        h->fd = nl_open(NETLINK_ROUTE, 0);
        if (h->fd < 0)
                return h->fd;
        h->monitor = nl_open(NETLINK_ROUTE, 0);
        if (h->monitor < 0)
                return h->monitor;
        (void) setsockopt(h->monitor, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
        for (size_t i = 0; i < ELEMENTSOF(groups); i++) {
                r = nl_join(h->monitor, groups[i]);
                if (r < 0)
                        return r;
        }
        return 0;
}

void host_close(Host *h) {
        fd_close(h->fd);
        fd_close(h->monitor);
        free(h->addresses);
        *h = (Host) { .fd = -EBADF, .monitor = -EBADF };
}

/* ---- addresses ---- */

typedef struct Addresses {
        NetAddress *list;
        size_t n, allocated;
} Addresses;

static int keep_address(Addresses *all, uint8_t family, const struct nlattr *a) {
        static const NetPrefix local[] = { { { 4, { 127 } }, 8 }, { { 6, { [15] = 1 } }, 128 }, { { 6, { 0xfe, 0x80 } }, 10 } };
        NetAddress address = { .family = family == AF_INET ? 4 : 6 };
        size_t size = family == AF_INET ? 4 : 16;

        if (!a || mnl_attr_get_payload_len(a) < size)
                return 0;
        memcpy(address.bytes, mnl_attr_get_payload(a), size);
        /* No way leads there from elsewhere, and every new bridge has such ones. */
        for (size_t i = 0; i < ELEMENTSOF(local); i++)
                if (net_prefix_contains(local + i, &address))
                        return 0;
        for (size_t i = 0; i < all->n; i++)
                if (net_address_equal(all->list + i, &address))
                        return 0;
        if (all->n >= FW_ADDRESSES_MAX)
                return -E2BIG;
        if (all->n == all->allocated) {
                size_t want = MAX(all->allocated * 2, (size_t) 32);
                NetAddress *p = reallocarray(all->list, want, sizeof(*p));

                if (!p)
                        return -ENOMEM;
                all->list = p;
                all->allocated = want;
        }
        all->list[all->n++] = address;
        return 0;
}

static int on_address(const struct nlmsghdr *m, void *userdata) {
        const struct ifaddrmsg *i = mnl_nlmsg_get_payload(m);
        const struct nlattr *own = NULL, *address = NULL, *broadcast = NULL;
        struct nlattr *a;
        int r;

        if (m->nlmsg_type != RTM_NEWADDR || (i->ifa_family != AF_INET && i->ifa_family != AF_INET6))
                return 0;
        mnl_attr_for_each(a, m, sizeof(*i)) {
                if (mnl_attr_get_type(a) == IFA_LOCAL)
                        own = a;
                else if (mnl_attr_get_type(a) == IFA_ADDRESS)
                        address = a;
                else if (mnl_attr_get_type(a) == IFA_BROADCAST)
                        broadcast = a;
        }
        r = keep_address(userdata, i->ifa_family, own ? own : address);
        return r < 0 ? r : keep_address(userdata, i->ifa_family, broadcast);
}

static int compare(const void *a, const void *b) {
        return memcmp(a, b, sizeof(NetAddress));
}

int host_read_addresses(Host *h) {
        Addresses all = {};
        bool same;
        int r = -EINTR;

        for (int i = 0; i < 5 && r == -EINTR; i++) {
                _cleanup_batch_ NlBatch b = {};
                struct ifaddrmsg *m;

                all.n = 0;
                (void) nl_batch_put(&b, RTM_GETADDR, NLM_F_DUMP, sizeof(*m), (void **) &m);
                m->ifa_family = AF_UNSPEC;
                nl_batch_push(&b);
                r = nl_query(h->fd, &b, on_address, &all);
        }
        if (r < 0) {
                free(all.list);
                return r;
        }
        if (all.n > 0)
                qsort(all.list, all.n, sizeof(*all.list), compare);
        same = all.n == h->n_addresses && (all.n == 0 || memcmp(all.list, h->addresses, all.n * sizeof(*all.list)) == 0);
        free(h->addresses);
        h->addresses = all.list;
        h->n_addresses = all.n;
        return !same;
}

bool host_has_address(const Host *h, const NetAddress *a) {
        for (size_t i = 0; i < h->n_addresses; i++)
                if (net_address_equal(h->addresses + i, a))
                        return true;
        return false;
}

/* ---- routes ---- */

/* A default route, or its halves as VPNs set them, leads everywhere: a session's own route is narrower. */
#define EVERYWHERE_MAX 3u

static bool route_of(const struct nlmsghdr *m, NetPrefix *ret, uint32_t *ret_oif) {
        const struct rtmsg *t = mnl_nlmsg_get_payload(m);
        size_t size = t->rtm_family == AF_INET ? 4 : 16;
        bool found = false;
        struct nlattr *a;

        if ((t->rtm_family != AF_INET && t->rtm_family != AF_INET6) || (t->rtm_flags & RTM_F_CLONED) ||
                        (t->rtm_type != RTN_UNICAST && t->rtm_type != RTN_LOCAL) || t->rtm_dst_len > size * 8)
                return false;
        *ret = (NetPrefix) { .address.family = t->rtm_family == AF_INET ? 4 : 6, .length = t->rtm_dst_len };
        *ret_oif = 0;
        mnl_attr_for_each(a, m, sizeof(*t)) {
                if (mnl_attr_get_type(a) == RTA_DST && mnl_attr_get_payload_len(a) >= size) {
                        memcpy(ret->address.bytes, mnl_attr_get_payload(a), size);
                        found = true;
                } else if (mnl_attr_get_type(a) == RTA_OIF && mnl_attr_get_payload_len(a) >= 4)
                        *ret_oif = mnl_attr_get_u32(a);
        }
        return found;
}

static bool meets_pools(const Host *h, const NetPrefix *p) {
        return p->length > EVERYWHERE_MAX && (net_prefix_overlaps(h->pools, p) || net_prefix_overlaps(h->pools + 1, p));
}

static int on_route(const struct nlmsghdr *m, void *userdata) {
        char to[NET_ADDRESS_TEXT_MAX], pool[NET_ADDRESS_TEXT_MAX], name[IFNAMSIZ] = "?";
        Host *h = userdata;
        uint32_t oif;
        NetPrefix p;

        if (m->nlmsg_type != RTM_NEWROUTE || !route_of(m, &p, &oif) || !meets_pools(h, &p))
                return 0;
        (void) if_indextoname(oif, name);
        if (link_slot(name) > 0)
                return 0;
        (void) snprintf(h->collision, sizeof(h->collision),
                        "%s %s meets the host's route to %s by %s: set another pool in /etc/ocsb/firewall.json",
                        p.address.family == 4 ? "pool_ipv4" : "pool_ipv6",
                        net_prefix_format(h->pools + (p.address.family == 6), pool), net_prefix_format(&p, to), name);
        return 0;
}

int host_read_routes(Host *h) {
        int r = -EINTR;

        for (int i = 0; i < 5 && r == -EINTR; i++) {
                _cleanup_batch_ NlBatch b = {};
                struct rtmsg *t;

                h->collision[0] = 0;
                (void) nl_batch_put(&b, RTM_GETROUTE, NLM_F_DUMP, sizeof(*t), (void **) &t);
                t->rtm_family = AF_UNSPEC;
                nl_batch_push(&b);
                r = nl_query(h->fd, &b, on_route, h);
        }
        return r;
}

static int on_default(const struct nlmsghdr *m, void *userdata) {
        const struct rtmsg *t = mnl_nlmsg_get_payload(m);

        *(bool *) userdata = m->nlmsg_type == RTM_NEWROUTE && t->rtm_type == RTN_UNICAST;
        return 0;
}

bool host_has_ipv6(Host *h) {
        /* Any address of the public internet answers the question. */
        static const uint8_t somewhere[16] = { 0x2a, 0x00, [15] = 1 };
        _cleanup_batch_ NlBatch b = {};
        bool found = false;
        struct rtmsg *t;
        struct nlmsghdr *m = nl_batch_put(&b, RTM_GETROUTE, 0, sizeof(*t), (void **) &t);

        t->rtm_family = AF_INET6;
        t->rtm_dst_len = 128;
        mnl_attr_put(m, RTA_DST, sizeof(somewhere), somewhere);
        nl_batch_push(&b);
        return nl_query(h->fd, &b, on_default, &found) >= 0 && found;
}

/* ---- notifications ---- */

typedef struct Dispatch {
        Host *host;
        HostEvents *events;
} Dispatch;

static int on_event(const struct nlmsghdr *m, void *userdata) {
        Dispatch *d = userdata;
        uint32_t oif;
        NetPrefix p;

        switch (m->nlmsg_type) {
        case RTM_NEWADDR:
        case RTM_DELADDR:
                d->events->addresses = true;
                return 0;
        case RTM_NEWROUTE:
                return d->host->collision[0] ? 0 : on_route(m, d->host);
        case RTM_DELROUTE:
                if (d->host->collision[0] && route_of(m, &p, &oif) && meets_pools(d->host, &p))
                        d->events->routes = true;
                return 0;
        default:
                return 0;
        }
}

int host_dispatch(Host *h, HostEvents *e) {
        Dispatch d = { .host = h, .events = e };
        int r = nl_drain(h->monitor, on_event, &d);

        if (r == -ENOBUFS) {
                e->addresses = e->routes = true;
                r = 0;
        }
        return r;
}

/* ---- forwarding ---- */

/* An interface that learns its route from router advertisements stops that when it forwards, unless told 2: the host would lose
 * its own IPv6. */
static void keep_advertisements(int conf) {
        int fd = openat(conf, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *d = fd < 0 ? NULL : fdopendir(fd);

        if (!d) {
                fd_close(fd);
                return;
        }
        for (struct dirent *e; (e = readdir(d));) {
                _cleanup_free_ char *text = NULL;
                char name[NAME_MAX + 16];
                size_t n;

                if (e->d_name[0] == '.' || link_slot(e->d_name) > 0)
                        continue;
                (void) snprintf(name, sizeof(name), "%s/accept_ra", e->d_name);
                if (file_read(conf, name, 16, &text, &n) >= 0 && text[0] == '1')
                        (void) file_write_at(conf, name, "2");
        }
        (void) closedir(d);
}

static int turn_on(const char *path) {
        _cleanup_free_ char *text = NULL;
        size_t n;

        /* Writing what is there already would reset settings of every interface. */
        if (file_read(AT_FDCWD, path, 16, &text, &n) >= 0 && text[0] == '1')
                return 0;
        return file_write_at(AT_FDCWD, path, "1");
}

int host_forward(Host *h, bool ipv6, const char **ret_what) {
        _cleanup_close_ int conf = -EBADF;
        int r;

        if (!h->forwards_ipv4) {
                *ret_what = "/proc/sys/net/ipv4/ip_forward";
                r = turn_on(*ret_what);
                if (r < 0)
                        return r;
                h->forwards_ipv4 = true;
        }
        if (!ipv6 || h->forwards_ipv6)
                return 0;
        *ret_what = "/proc/sys/net/ipv6/conf";
        conf = open(*ret_what, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (conf < 0)
                return -errno;
        keep_advertisements(conf);
        *ret_what = "/proc/sys/net/ipv6/conf/all/forwarding";
        r = turn_on(*ret_what);
        if (r >= 0)
                h->forwards_ipv6 = true;
        return r;
}
