/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Attempts on the network: families and protocols that would pass beside the fence, and the way out itself.
 */

#include "probe-private.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
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

static void try_outside(Probe *p) {
        if (p->context->network != PLAN_NETWORK_NONE)
                return;
        probe_expect(p, REFUSED_OUTSIDE, try_connect(AF_INET, SOCK_DGRAM, 0), "UDP to 192.0.2.1");
        probe_expect(p, REFUSED_OUTSIDE, try_connect(AF_INET, SOCK_STREAM, 0), "TCP");
        probe_expect(p, REFUSED_OUTSIDE, try_connect(AF_INET, SOCK_DGRAM, IPPROTO_ICMP), "ICMP");
        probe_expect(p, REFUSED_OUTSIDE, try_connect(AF_INET6, SOCK_DGRAM, 0), "UDP to 2001:db8::1");
        probe_expect(p, REFUSED_OUTSIDE, try_connect(AF_INET6, SOCK_STREAM, 0), "TCP");
}

static void try_tcp_fastopen(Probe *p) {
        if (p->context->network != PLAN_NETWORK_NONE)
                return;
        probe_expect(p, REFUSED_OUTSIDE | REFUSED_OPTION, try_fastopen(0), "MSG_FASTOPEN to 192.0.2.1");
        probe_expect(p, REFUSED_OUTSIDE | REFUSED_OPTION, try_fastopen(1), "TCP_FASTOPEN_CONNECT");
}

static void try_interfaces(Probe *p) {
        _cleanup_free_ char *text = NULL;
        char *save = NULL;
        unsigned line = 0;
        int r;

        if (p->context->network != PLAN_NETWORK_NONE)
                return;
        r = file_read(AT_FDCWD, "/proc/self/net/dev", 16384, &text, NULL);
        if (r < 0) {
                probe_say(p, PROBE_NOT_PROVABLE, "/proc/self/net/dev: %s", probe_error(-r));
                return;
        }
        for (char *l = strtok_r(text, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
                l += strspn(l, " ");
                if (line++ >= 2 && !str_has_prefix(l, "lo:"))
                        probe_say(p, PROBE_BROKEN, "there is an interface %.*s",
                                        (int) MIN(strcspn(l, ":"), 15u), l);
        }
        probe_say(p, PROBE_HELD, "lo is the only interface");
}

const ProbeAttempt probe_network_attempts[] = {
                {"network", try_outside},
                {"interfaces", try_interfaces},
                {"tcp-fastopen", try_tcp_fastopen},
                {"transports", try_transports},
                {"raw-socket", try_raw_socket},
                {"packet-socket", try_packet_socket},
                {"vsock", try_vsock},
                {"netlink", try_netlink},
                {"socket-families", try_families},
                {},
};
