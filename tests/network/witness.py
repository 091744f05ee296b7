# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who counts what arrives, at the destination: a forbidden packet is one that is seen here."""

import collections
import ipaddress
import json
import socket
import struct
import threading

PROTOCOLS = {1: "icmp", 2: "igmp", 6: "tcp", 17: "udp", 33: "dccp", 58: "icmp", 132: "sctp", 136: "udplite"}
NAMES = {name: number for number, name in PROTOCOLS.items()}

# Before everything, connection tracking included. Not counted: what a kernel says by itself to find its neighbours and groups, and
# the resets with which the host answers what still comes for a connection that was cut.
RULES = """
table inet witness
delete table inet witness
table inet witness {
  set ports_ipv4 { type ipv4_addr . inet_proto . inet_service; flags dynamic; size 1000000; }
  set ports_ipv6 { type ipv6_addr . inet_proto . inet_service; flags dynamic; size 1000000; }
  set other_ipv4 { type ipv4_addr . inet_proto; flags dynamic; size 1000000; }
  set other_ipv6 { type ipv6_addr . inet_proto; flags dynamic; size 1000000; }
  chain arrived {
    type filter hook prerouting priority -500; policy accept;
    iifname "lo" accept
    meta l4proto igmp accept
    icmpv6 type { 130, 131, 132, 133, 134, 135, 136, 137, 143 } accept
    tcp flags & rst == rst accept
    meta nfproto ipv4 meta l4proto { tcp, udp, udplite, sctp, dccp } update @ports_ipv4 { ip daddr . meta l4proto . th dport counter } accept
    meta nfproto ipv6 meta l4proto { tcp, udp, udplite, sctp, dccp } update @ports_ipv6 { ip6 daddr . meta l4proto . th dport counter } accept
    meta nfproto ipv4 update @other_ipv4 { ip daddr . meta l4proto counter }
    meta nfproto ipv6 update @other_ipv6 { ip6 daddr . meta l4proto counter }
  }
}
"""

Seen = collections.namedtuple("Seen", "where protocol address port")


class Witness:
    """In a namespace that nobody's firewall touches."""

    SETS = ("ports_ipv4", "ports_ipv6", "other_ipv4", "other_ipv6")

    def __init__(self, namespace):
        self.namespace = namespace
        namespace.nft(RULES)

    def clear(self):
        self.namespace.nft("".join(f"flush set inet witness {s}\n" for s in self.SETS))

    def seen(self):
        """Seen to packets."""
        found = collections.Counter()
        for name in self.SETS:
            text = self.namespace.run(["nft", "-j", "-n", "list", "set", "inet", "witness", name])
            for item in json.loads(text)["nftables"]:
                for element in item.get("set", {}).get("elem", ()):
                    value = element["elem"]
                    address, protocol, *port = value["val"]["concat"]
                    found[Seen(self.namespace.name, protocol_name(protocol), address, int(port[0]) if port else 0)] += \
                        value["counter"]["packets"]
        return found


def protocol_name(value):
    value = str(value)
    value = {"ipv6-icmp": "icmp", "icmpv6": "icmp"}.get(value, value)
    return PROTOCOLS.get(int(value), value) if value.isdigit() else value


class HostWitness:
    """What is delivered in the host itself, from given sources: raw sockets get a copy of each packet that has passed every input
    chain, and no flush of rules takes them away."""

    def __init__(self, namespace, servers, sources):
        self.name, self.sources = namespace.name, [ipaddress.ip_network(s) for s in sources]
        self.found, self.lock = collections.Counter(), threading.Lock()
        with namespace:
            for number in PROTOCOLS:
                if number not in (2, 58):
                    self._open(servers, socket.AF_INET, number)
                if number not in (1, 2):
                    self._open(servers, socket.AF_INET6, number)

    def _open(self, servers, family, number):
        sock = socket.socket(family, socket.SOCK_RAW, number)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUFFORCE if hasattr(socket, "SO_RCVBUFFORCE") else 33, 8 << 20)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        servers.receive(sock, lambda s: self._read(s, family, number))

    def _read(self, sock, family, number):
        for _ in range(256):
            try:
                data, control, _, peer = sock.recvmsg(256, 256)
            except OSError:
                return
            source = ipaddress.ip_address(peer[0].partition("%")[0])
            if not any(source in n for n in self.sources):
                continue
            if family == socket.AF_INET:
                address, data = socket.inet_ntoa(data[16:20]), data[(data[0] & 15) * 4:]
            else:
                address = next((socket.inet_ntop(socket.AF_INET6, value[:16]) for _, _, value in control), "::")
                if number == 58 and data[0] in (*range(130, 138), 143):
                    continue
            port = struct.unpack("!H", data[2:4])[0] if number not in (1, 58) and len(data) >= 4 else 0
            with self.lock:
                self.found[Seen(self.name, PROTOCOLS[number], address, port)] += 1

    def clear(self):
        with self.lock:
            self.found.clear()

    def seen(self):
        with self.lock:
            return collections.Counter(self.found)
