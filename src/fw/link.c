/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A session's interface. There is no address on the host's side and no ARP or neighbour discovery: each side knows the other's
 * hardware address for good, so a sandbox has nobody to lie to about who has an address. */

#include "link.h"

#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <stdio.h>
#include <time.h>

#include "base/text.h"
#include "fw/netlink.h"
#include "wire/network.h"

/* Of links that leave: all of a group go in one step. No other program's number by accident ("ocsb"). */
#define GROUP_LEAVING 0x6f637362u

#define READY_TRIES 20
#define READY_PAUSE_NSEC 500000

/* Locally administered. The same for every session: no two of them share a link. */
static const uint8_t host_mac[6] = { 0x02, 0x6f, 0x63, 0x73, 0x62, 0x01 };
static const uint8_t sandbox_mac[6] = { 0x02, 0x6f, 0x63, 0x73, 0x62, 0x02 };

uint32_t link_slot(const char *name) {
        uint32_t slot;

        return str_has_prefix(name, "ocsb") && parse_u32(name + 4, &slot) >= 0 ? slot : 0;
}

static void link_name(uint32_t slot, char buf[static IFNAMSIZ]) {
        (void) snprintf(buf, IFNAMSIZ, "ocsb%u", slot);
}

static struct nlmsghdr *put_link(NlBatch *b, uint16_t type, uint16_t flags, uint32_t iff) {
        struct ifinfomsg *i;
        struct nlmsghdr *m = nl_batch_put(b, type, flags, sizeof(*i), (void **) &i);

        i->ifi_flags = i->ifi_change = iff;
        return m;
}

/* ---- asking ---- */

static int on_link(const struct nlmsghdr *m, void *userdata) {
        const struct ifinfomsg *i = mnl_nlmsg_get_payload(m);

        if (m->nlmsg_type == RTM_NEWLINK)
                *(int *) userdata = i->ifi_index;
        return 0;
}

static int link_index(int fd, const char *name) {
        _cleanup_batch_ NlBatch b = {};
        struct nlmsghdr *m = put_link(&b, RTM_GETLINK, 0, 0);
        int index = -ENODEV, r;

        mnl_attr_put_strz(m, IFLA_IFNAME, name);
        mnl_attr_put_u32(m, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
        nl_batch_push(&b);
        r = nl_query(fd, &b, on_link, &index);
        return r < 0 ? r : index;
}

bool link_exists(int outside, uint32_t slot) {
        char name[IFNAMSIZ];

        link_name(slot, name);
        return link_index(outside, name) > 0;
}

bool link_is_inside(int inside) {
        return link_index(inside, NET_INTERFACE) > 0;
}

typedef struct Listing {
        LinkFound found;
        void *userdata;
} Listing;

static int on_listed(const struct nlmsghdr *m, void *userdata) {
        const Listing *l = userdata;
        struct nlattr *a;
        uint32_t slot;

        mnl_attr_for_each(a, m, sizeof(struct ifinfomsg))
                if (mnl_attr_get_type(a) == IFLA_IFNAME && mnl_attr_validate(a, MNL_TYPE_NUL_STRING) >= 0) {
                        slot = link_slot(mnl_attr_get_str(a));
                        if (slot > 0)
                                l->found(slot, l->userdata);
                }
        return 0;
}

int link_list(int outside, LinkFound found, void *userdata) {
        _cleanup_batch_ NlBatch b = {};
        struct nlmsghdr *m = put_link(&b, RTM_GETLINK, NLM_F_DUMP, 0);
        Listing l = { .found = found, .userdata = userdata };

        mnl_attr_put_u32(m, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
        nl_batch_push(&b);
        return nl_query(outside, &b, on_listed, &l);
}

/* ---- making ---- */

static void put_pair(NlBatch *b, const char *name, int netns_fd) {
        struct nlmsghdr *m = put_link(b, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, 0);
        struct nlattr *info, *data, *peer;

        mnl_attr_put_strz(m, IFLA_IFNAME, name);
        mnl_attr_put(m, IFLA_ADDRESS, sizeof(host_mac), host_mac);
        mnl_attr_put_u32(m, IFLA_NUM_TX_QUEUES, 1);
        mnl_attr_put_u32(m, IFLA_NUM_RX_QUEUES, 1);
        info = mnl_attr_nest_start(m, IFLA_LINKINFO);
        mnl_attr_put_strz(m, IFLA_INFO_KIND, "veth");
        data = mnl_attr_nest_start(m, IFLA_INFO_DATA);
        peer = mnl_attr_nest_start(m, VETH_INFO_PEER);
        m->nlmsg_len += (uint32_t) NLMSG_ALIGN(sizeof(struct ifinfomsg)); /* zeroed: no wishes */
        memset((uint8_t *) mnl_attr_get_payload(peer), 0, sizeof(struct ifinfomsg));
        mnl_attr_put_strz(m, IFLA_IFNAME, NET_INTERFACE);
        mnl_attr_put(m, IFLA_ADDRESS, sizeof(sandbox_mac), sandbox_mac);
        mnl_attr_put_u32(m, IFLA_NUM_TX_QUEUES, 1);
        mnl_attr_put_u32(m, IFLA_NUM_RX_QUEUES, 1);
        mnl_attr_put_u32(m, IFLA_NET_NS_FD, (uint32_t) netns_fd);
        mnl_attr_nest_end(m, peer);
        mnl_attr_nest_end(m, data);
        mnl_attr_nest_end(m, info);
        nl_batch_push(b);
}

/* Up, without an IPv6 address that it would give itself. Two messages: the kernel sets the flags before the mode. */
static void put_up(NlBatch *b, const char *name, bool ipv6) {
        struct nlmsghdr *m;

        if (ipv6) {
                struct nlattr *spec, *inet6;

                m = put_link(b, RTM_SETLINK, NLM_F_ACK, 0);
                mnl_attr_put_strz(m, IFLA_IFNAME, name);
                spec = mnl_attr_nest_start(m, IFLA_AF_SPEC);
                inet6 = mnl_attr_nest_start(m, AF_INET6);
                mnl_attr_put_u8(m, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
                mnl_attr_nest_end(m, inet6);
                mnl_attr_nest_end(m, spec);
                nl_batch_push(b);
        }
        m = put_link(b, RTM_SETLINK, NLM_F_ACK, IFF_UP);
        mnl_attr_put_strz(m, IFLA_IFNAME, name);
        nl_batch_push(b);
}

static uint8_t native(const NetAddress *a) {
        return a->family == 4 ? AF_INET : AF_INET6;
}

static uint8_t bits(const NetAddress *a) {
        return a->family == 4 ? 32 : 128;
}

static void put_address(struct nlmsghdr *m, uint16_t type, const NetAddress *a) {
        mnl_attr_put(m, type, bits(a) / 8, a->bytes);
}

static void put_own_address(NlBatch *b, int index, const NetAddress *a) {
        struct ifaddrmsg *i;
        struct nlmsghdr *m = nl_batch_put(b, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK, sizeof(*i), (void **) &i);

        *i = (struct ifaddrmsg) { .ifa_family = native(a), .ifa_prefixlen = bits(a), .ifa_index = (unsigned) index,
                .ifa_scope = RT_SCOPE_UNIVERSE };
        put_address(m, IFA_LOCAL, a);
        put_address(m, IFA_ADDRESS, a);
        if (a->family == 6)
                mnl_attr_put_u32(m, IFA_FLAGS, IFA_F_NODAD | IFA_F_NOPREFIXROUTE | IFA_F_PERMANENT);
        nl_batch_push(b);
}

static void put_neighbour(NlBatch *b, int index, const NetAddress *a, const uint8_t mac[static 6]) {
        struct ndmsg *n;
        struct nlmsghdr *m = nl_batch_put(b, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK, sizeof(*n), (void **) &n);

        *n = (struct ndmsg) { .ndm_family = native(a), .ndm_ifindex = index, .ndm_state = NUD_PERMANENT, .ndm_type = RTN_UNICAST };
        put_address(m, NDA_DST, a);
        mnl_attr_put(m, NDA_LLADDR, 6, mac);
        nl_batch_push(b);
}

/* To the one address, or (gateway given) to everywhere by way of it. */
static void put_route(NlBatch *b, int index, const NetAddress *to, const NetAddress *gateway) {
        struct rtmsg *t;
        struct nlmsghdr *m = nl_batch_put(b, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE | NLM_F_ACK, sizeof(*t), (void **) &t);

        *t = (struct rtmsg) { .rtm_family = native(to), .rtm_dst_len = gateway ? 0 : bits(to), .rtm_table = RT_TABLE_MAIN,
                .rtm_protocol = RTPROT_STATIC, .rtm_scope = gateway ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK,
                .rtm_type = RTN_UNICAST, .rtm_flags = gateway ? RTNH_F_ONLINK : 0 };
        if (!gateway)
                put_address(m, RTA_DST, to);
        else {
                put_address(m, RTA_GATEWAY, gateway);
                put_address(m, RTA_PREFSRC, to);
        }
        mnl_attr_put_u32(m, RTA_OIF, (uint32_t) index);
        nl_batch_push(b);
}

static int configure_inside(int fd, const LinkAddresses *a, const char **ret_step) {
        const NetAddress own[] = { a->ipv4, a->ipv6 };
        static const char *const gateways[] = { LINK_GATEWAY_IPV4, LINK_GATEWAY_IPV6 };
        _cleanup_batch_ NlBatch b = {};
        int index;

        *ret_step = "find the interface in the sandbox";
        index = link_index(fd, NET_INTERFACE);
        if (index < 0)
                return index;
        put_up(&b, NET_INTERFACE, a->ipv6.family != 0);
        for (size_t i = 0; i < ELEMENTSOF(own); i++) {
                NetAddress gateway;

                if (own[i].family == 0 || net_address_parse(gateways[i], &gateway) < 0)
                        continue;
                put_own_address(&b, index, own + i);
                put_neighbour(&b, index, &gateway, host_mac);
                put_route(&b, index, own + i, &gateway);
        }
        *ret_step = "configure the interface in the sandbox";
        return nl_batch_run(fd, &b, NULL);
}

static int configure_outside(int fd, const char *name, const LinkAddresses *a, const char **ret_step) {
        _cleanup_batch_ NlBatch b = {};
        int index;

        *ret_step = "find the interface on the host";
        index = link_index(fd, name);
        if (index < 0)
                return index;
        put_up(&b, name, a->ipv6.family != 0);
        put_neighbour(&b, index, &a->ipv4, sandbox_mac);
        put_route(&b, index, &a->ipv4, NULL);
        if (a->ipv6.family != 0) {
                put_neighbour(&b, index, &a->ipv6, sandbox_mac);
                put_route(&b, index, &a->ipv6, NULL);
        }
        *ret_step = "configure the interface on the host";
        return nl_batch_run(fd, &b, NULL);
}

/* ---- readiness ---- */

static int on_queue(const struct nlmsghdr *m, void *userdata) {
        struct nlattr *a;

        mnl_attr_for_each(a, m, sizeof(struct ifinfomsg))
                if (mnl_attr_get_type(a) == IFLA_QDISC && mnl_attr_validate(a, MNL_TYPE_NUL_STRING) >= 0)
                        *(bool *) userdata = !streq(mnl_attr_get_str(a), "noop");
        return 0;
}

/* The side that came up first has no queue before the kernel's link watch saw the other one: what is sent to it until then is lost,
 * and a first connection stands still for a second. Since Linux 6.8 asking is enough; before, it takes a moment. */
static void wait_for_queue(int fd, const char *name) {
        bool ready = false;

        for (int i = 0; i < READY_TRIES && !ready; i++) {
                _cleanup_batch_ NlBatch b = {};
                struct nlmsghdr *m = put_link(&b, RTM_GETLINK, 0, 0);

                if (i > 0)
                        (void) nanosleep(&(struct timespec) { .tv_nsec = READY_PAUSE_NSEC }, NULL);
                mnl_attr_put_strz(m, IFLA_IFNAME, name);
                mnl_attr_put_u32(m, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
                nl_batch_push(&b);
                if (nl_query(fd, &b, on_queue, &ready) < 0)
                        return;
        }
}

static void delete_inside(int fd) {
        _cleanup_batch_ NlBatch b = {};
        struct nlmsghdr *m = put_link(&b, RTM_DELLINK, NLM_F_ACK, 0);

        mnl_attr_put_strz(m, IFLA_IFNAME, NET_INTERFACE);
        nl_batch_push(&b);
        (void) nl_batch_run(fd, &b, NULL);
}

int link_make(int outside, int inside, int netns_fd, const LinkAddresses *a, const char **ret_step) {
        _cleanup_batch_ NlBatch b = {};
        char name[IFNAMSIZ];
        int r;

        link_name(a->slot, name);
        put_pair(&b, name, netns_fd);
        *ret_step = "make the interface";
        r = nl_batch_run(outside, &b, NULL);
        if (r == -EEXIST) {
                /* Of a session of this namespace that has just ended, or of an ocsb-fw that was killed. */
                (void) link_delete(outside, &a->slot, 1);
                delete_inside(inside);
                r = nl_batch_run(outside, &b, NULL);
        }
        if (r < 0)
                return r;
        r = configure_outside(outside, name, a, ret_step);
        if (r >= 0)
                r = configure_inside(inside, a, ret_step);
        if (r < 0)
                (void) link_delete(outside, &a->slot, 1);
        else
                wait_for_queue(outside, name);
        return r;
}

/* ---- ending ---- */

int link_delete(int outside, const uint32_t *slots, size_t n) {
        _cleanup_batch_ NlBatch b = {};
        struct nlmsghdr *m;
        size_t found = 0;
        int r;

        for (size_t i = 0; i < n; i++) {
                char name[IFNAMSIZ];

                link_name(slots[i], name);
                if (link_index(outside, name) <= 0)
                        continue;
                m = put_link(&b, RTM_SETLINK, 0, 0);
                mnl_attr_put_strz(m, IFLA_IFNAME, name);
                mnl_attr_put_u32(m, IFLA_GROUP, GROUP_LEAVING);
                nl_batch_push(&b);
                found++;
        }
        if (found == 0)
                return 0;
        m = put_link(&b, RTM_DELLINK, NLM_F_ACK, 0);
        mnl_attr_put_u32(m, IFLA_GROUP, GROUP_LEAVING);
        nl_batch_push(&b);
        r = nl_batch_run(outside, &b, NULL);
        return r == -ENODEV ? 0 : r; /* some went by themselves meanwhile */
}
