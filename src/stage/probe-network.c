/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Attempts on the network: families and protocols that would pass beside the fence, and the way out itself.
 */

#include "probe-private.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "wire/plan.h"

#define REFUSED_SOCKET (REFUSED_DOOR | REFUSED_FAMILY)

static int try_socket(int family, int type, int protocol) {
        return probe_fd_error(socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
}

static void try_raw_socket(Probe *p) {
        probe_expect(p, REFUSED_SOCKET, try_socket(AF_INET, SOCK_RAW, IPPROTO_ICMP), "SOCK_RAW ICMP");
        probe_expect(p, REFUSED_SOCKET, try_socket(AF_INET, SOCK_RAW, IPPROTO_RAW), "SOCK_RAW");
        probe_expect(p, REFUSED_SOCKET, try_socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6), "IPv6");
}

static void try_packet_socket(Probe *p) {
        probe_expect(p, REFUSED_SOCKET, try_socket(AF_PACKET, SOCK_RAW, 0), "AF_PACKET raw");
        probe_expect(p, REFUSED_SOCKET, try_socket(AF_PACKET, SOCK_DGRAM, 0), "datagram");
}

static void try_vsock(Probe *p) {
        probe_expect(p, REFUSED_SOCKET, try_socket(AF_VSOCK, SOCK_STREAM, 0), "AF_VSOCK stream");
        probe_expect(p, REFUSED_SOCKET, try_socket(AF_VSOCK, SOCK_DGRAM, 0), "datagram");
}

/* Everything but unix, inet, inet6 and netlink; the three above have their own items. Each would load its
 * module. */
static void try_families(Probe *p) {
        unsigned good = 0;

        for (int family = 0; family < 48; family++) {
                int e;

                if (family == AF_UNIX || family == AF_INET || family == AF_INET6 || family == AF_NETLINK)
                        continue;
                if (family == AF_PACKET || family == AF_VSOCK)
                        continue;
                e = try_socket(family, SOCK_DGRAM, 0);
                if (probe_judge(REFUSED_SOCKET, e) == PROBE_HELD)
                        good++;
                else
                        probe_expect(p, REFUSED_SOCKET, e, "socket family %d", family);
        }
        probe_say(p, PROBE_HELD,
                        "%u other families: no socket (alg, bluetooth, can, tipc, rds, smc, xdp, ...)",
                        good);
}

static void try_netlink(Probe *p) {
        static const struct {
                int protocol;
                const char *name;
        } protocols[] = {{NETLINK_AUDIT, "audit"}, {NETLINK_NETFILTER, "netfilter"}, {NETLINK_XFRM, "xfrm"},
                        {NETLINK_KOBJECT_UEVENT, "uevent"}, {NETLINK_CONNECTOR, "connector"},
                        {NETLINK_SOCK_DIAG, "sock_diag"}, {NETLINK_GENERIC, "generic"},
                        {NETLINK_CRYPTO, "crypto"}};

        for (size_t i = 0; i < ELEMENTSOF(protocols); i++)
                probe_expect(p, REFUSED_SOCKET, try_socket(AF_NETLINK, SOCK_RAW, protocols[i].protocol),
                                "%s", protocols[i].name);
}

/* Transports that Landlock's TCP rights and a TCP filter do not see. */
static void try_transports(Probe *p) {
        probe_expect(p, REFUSED_SOCKET, try_socket(AF_INET, SOCK_STREAM, 262 /* IPPROTO_MPTCP */), "MPTCP");
        probe_expect(p, REFUSED_SOCKET, try_socket(AF_INET6, SOCK_STREAM, 262), "IPv6");
        probe_expect(p, REFUSED_SOCKET, try_socket(AF_INET, SOCK_SEQPACKET, IPPROTO_SCTP), "SCTP");
        probe_expect(p, REFUSED_SOCKET, try_socket(AF_INET, SOCK_DCCP, IPPROTO_DCCP), "DCCP");
        probe_expect(p, REFUSED_SOCKET, try_socket(AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE), "UDP-Lite");
        probe_expect(p, REFUSED_SOCKET, try_socket(AF_INET, SOCK_STREAM, 256 /* IPPROTO_SMC */), "SMC");
}

/* Documentation addresses: nobody has them, but a way out would have a route to them. */
static const struct sockaddr_in outside4 = {.sin_family = AF_INET,
                .sin_port = 0x3500,        /* 53 */
                .sin_addr = {0x010200c0}}; /* 192.0.2.1 */
static const struct sockaddr_in6 outside6 = {.sin6_family = AF_INET6,
                .sin6_port = 0x3500,
                .sin6_addr = {{{0x20, 0x01, 0x0d, 0xb8, [15] = 1}}}}; /* 2001:db8::1 */

#define REFUSED_OUTSIDE (REFUSED_SOCKET | REFUSED_UNREACHABLE)

static int try_connect(int family, int type, int protocol) {
        _cleanup_close_ int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
        const struct sockaddr *sa = family == AF_INET6 ? (const struct sockaddr *) &outside6
                                                       : (const struct sockaddr *) &outside4;

        if (fd < 0)
                return errno;
        return ERRNO_OF(connect(fd, sa, family == AF_INET6 ? sizeof(outside6) : sizeof(outside4)));
}

/* Sends data with the first packet, without connect(). */
static int try_fastopen(int option) {
        _cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        int one = 1, e;

        if (fd < 0)
                return errno;
        if (!option)
                return ERRNO_OF(sendto(fd, "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL,
                                (const struct sockaddr *) &outside4, sizeof(outside4)));
        e = ERRNO_OF(setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &one, sizeof(one)));
        return e > 0 ? e : ERRNO_OF(connect(fd, (const struct sockaddr *) &outside4, sizeof(outside4)));
}

/* Network "nat": what the fence inside rejects, it rejects at once, unless the kernel's limit of ICMP errors (50 at once, 1000 a second)
 * is used up by what else the sandbox sends: then the first or second retransmission hears of it, after 1 or 3 seconds. What is neither
 * refused nor answered within this time got through the fence. */
#define REJECTED_WITHIN_MS 3500

static int settle(int fd, int e) {
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        socklen_t n = sizeof(e);

        if (e != EINPROGRESS)
                return e;
        if (poll(&p, 1, REJECTED_WITHIN_MS) <= 0)
                return 0;
        return getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &n) < 0 ? errno : e;
}

/* A connection, or a packet: an echo request for ICMP, nothing that means anything elsewhere. */
static int try_reach(const NetAddress *to, NetProtocol protocol, uint16_t port) {
        struct sockaddr_in sa4 = {.sin_family = AF_INET, .sin_port = htons(port)};
        struct sockaddr_in6 sa6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
        bool four = to->family == 4;
        const struct sockaddr *sa = four ? (const struct sockaddr *) &sa4 : (const struct sockaddr *) &sa6;
        char packet[8] = {four ? 8 : (char) 128};
        _cleanup_close_ int fd = -EBADF;
        int one = 1, e;

        memcpy(four ? (void *) &sa4.sin_addr : (void *) &sa6.sin6_addr, to->bytes, four ? 4 : 16);
        fd = socket(four ? AF_INET : AF_INET6, (protocol == NET_PROTOCOL_TCP ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK,
                        protocol != NET_PROTOCOL_ICMP ? 0 : four ? IPPROTO_ICMP : IPPROTO_ICMPV6);
        if (fd < 0)
                return errno;
        /* The rejection comes while connect() holds the socket. IPv4 keeps it in the socket's queue of errors, IPv6 only for who
         * has asked for that queue; others hear of it after the first retransmission, a second later. */
        if (!four)
                (void) setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &one, sizeof(one));
        e = settle(fd, ERRNO_OF(connect(fd, sa, four ? sizeof(sa4) : sizeof(sa6))));
        if (e != 0 || protocol == NET_PROTOCOL_TCP)
                return e;
        return ERRNO_OF(send(fd, packet, sizeof(packet), MSG_NOSIGNAL));
}

static bool is_granted(const NetIntent *n, const NetAddress *to, NetProtocol protocol, uint16_t port) {
        for (size_t i = 0; i < n->n_resolvers; i++)
                if (net_address_equal(n->resolvers + i, to))
                        return true;
        for (size_t i = 0; i < n->n_grants; i++) {
                const NetGrant *g = n->grants + i;

                if (g->protocol == protocol && net_prefix_contains(&g->to, to) &&
                                (protocol == NET_PROTOCOL_ICMP || (port >= g->port_first && port <= g->port_last)))
                        return true;
        }
        return false;
}

static void try_private(Probe *p) {
        static const struct {
                const char *to;
                NetProtocol protocol;
                uint16_t port;
                const char *what;
        } destinations[] = {
                        {"169.254.169.254", NET_PROTOCOL_TCP, 80, "TCP to 169.254.169.254"},
                        {"169.254.169.254", NET_PROTOCOL_UDP, 53, "UDP"},
                        {"192.0.2.1", NET_PROTOCOL_TCP, 80, "TCP to 192.0.2.1"},
                        {"192.0.2.1", NET_PROTOCOL_UDP, 53, "UDP"},
                        {"192.0.2.1", NET_PROTOCOL_ICMP, 0, "ICMP"},
                        {"fd00:ec2::254", NET_PROTOCOL_TCP, 80, "TCP to fd00:ec2::254"},
                        {"2001:db8::1", NET_PROTOCOL_UDP, 53, "UDP to 2001:db8::1"},
        };

        for (size_t i = 0; i < ELEMENTSOF(destinations); i++) {
                NetAddress to;

                if (net_address_parse(destinations[i].to, &to) < 0 ||
                                is_granted(p->context->net, &to, destinations[i].protocol, destinations[i].port))
                        continue;
                probe_expect(p, REFUSED_OUTSIDE | REFUSED_NOBODY, try_reach(&to, destinations[i].protocol, destinations[i].port), "%s",
                                destinations[i].what);
        }
}

static void try_outside(Probe *p) {
        if (p->context->network != PLAN_NETWORK_NONE) {
                try_private(p);
                return;
        }
        probe_expect(p, REFUSED_OUTSIDE, try_connect(AF_INET, SOCK_DGRAM, 0), "UDP to 192.0.2.1");
        probe_expect(p, REFUSED_OUTSIDE, try_connect(AF_INET, SOCK_STREAM, 0), "TCP");
        probe_expect(p, REFUSED_OUTSIDE, try_connect(AF_INET, SOCK_DGRAM, IPPROTO_ICMP), "ICMP");
        probe_expect(p, REFUSED_OUTSIDE, try_connect(AF_INET6, SOCK_DGRAM, 0), "UDP to 2001:db8::1");
        probe_expect(p, REFUSED_OUTSIDE, try_connect(AF_INET6, SOCK_STREAM, 0), "TCP");
}

/* Refused by the filter, whatever the network. */
static void try_tcp_fastopen(Probe *p) {
        unsigned refusals = (p->context->network == PLAN_NETWORK_NONE ? REFUSED_OUTSIDE : REFUSED_SOCKET) | REFUSED_OPTION;

        probe_expect(p, refusals, try_fastopen(0), "MSG_FASTOPEN to 192.0.2.1");
        probe_expect(p, refusals, try_fastopen(1), "TCP_FASTOPEN_CONNECT");
}

static void try_interfaces(Probe *p) {
        _cleanup_free_ char *text = NULL;
        bool nat = p->context->network == PLAN_NETWORK_NAT, there = false;
        char *save = NULL;
        unsigned line = 0;
        int r;

        r = file_read(AT_FDCWD, "/proc/self/net/dev", 16384, &text, NULL);
        if (r < 0) {
                probe_say(p, PROBE_NOT_PROVABLE, "/proc/self/net/dev: %s", probe_error(-r));
                return;
        }
        for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
                l += strspn(l, " ");
                if (line++ < 2 || str_has_prefix(l, "lo:"))
                        continue;
                if (nat && str_has_prefix(l, NET_INTERFACE ":"))
                        there = true;
                else
                        probe_say(p, PROBE_BROKEN, "there is an interface %.*s",
                                        (int) MIN(strcspn(l, ":"), 15u), l);
        }
        if (nat && !there)
                probe_say(p, PROBE_NOT_PROVABLE, "there is no " NET_INTERFACE);
        probe_say(p, PROBE_HELD, nat ? "lo and " NET_INTERFACE " are the only interfaces" : "lo is the only interface");
}

/* What a request of rtnetlink is answered. The permission is looked at before anything that is asked for, and nothing of it
 * exists: where it is missing, nothing happens. */
static int try_route(int fd, uint16_t type) {
        struct {
                struct nlmsghdr h;
                union {
                        struct ifinfomsg link;
                        struct ifaddrmsg address;
                        struct rtmsg route;
                        struct ndmsg neighbour;
                } body;
        } m = {.h = {.nlmsg_len = sizeof(m), .nlmsg_type = type, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK}};
        struct {
                struct nlmsghdr h;
                struct nlmsgerr e;
                char rest[512];
        } answer = {};
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

        m.body.link.ifi_family = AF_INET; /* of all four the first byte */
        if (send(fd, &m, sizeof(m), MSG_NOSIGNAL) < 0)
                return errno;
        if (poll(&poll_fd, 1, REJECTED_WITHIN_MS) <= 0 || recv(fd, &answer, sizeof(answer), 0) < (ssize_t) sizeof(answer.h) ||
                        answer.h.nlmsg_type != NLMSG_ERROR)
                return 0;
        return -answer.e.error;
}

/* The namespace is the initial user's: whoever is root in the sandbox changes nothing in it. */
static void try_administration(Probe *p) {
        static const struct {
                uint16_t type;
                const char *name;
        } requests[] = {{RTM_DELADDR, "RTM_DELADDR"}, {RTM_DELROUTE, "RTM_DELROUTE"}, {RTM_DELLINK, "RTM_DELLINK"},
                        {RTM_SETLINK, "RTM_SETLINK"}, {RTM_DELNEIGH, "RTM_DELNEIGH"}};
        _cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE),
                            dgram = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        struct ifreq r = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING | IFF_LOOPBACK};

        if (fd < 0)
                probe_expect(p, REFUSED_SOCKET, errno, "NETLINK_ROUTE");
        for (size_t i = 0; fd >= 0 && i < ELEMENTSOF(requests); i++)
                probe_expect(p, REFUSED_DOOR, try_route(fd, requests[i].type), "%s", requests[i].name);
        if (dgram >= 0)
                probe_expect(p, REFUSED_DOOR, ERRNO_OF(ioctl(dgram, SIOCSIFFLAGS, &r)), "SIOCSIFFLAGS");
}

const ProbeAttempt probe_network_attempts[] = {
                {"network", try_outside},
                {"interfaces", try_interfaces},
                {"network-admin", try_administration},
                {"tcp-fastopen", try_tcp_fastopen},
                {"transports", try_transports},
                {"raw-socket", try_raw_socket},
                {"packet-socket", try_packet_socket},
                {"vsock", try_vsock},
                {"netlink", try_netlink},
                {"socket-families", try_families},
                {},
};
