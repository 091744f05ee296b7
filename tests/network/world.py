# SPDX-License-Identifier: LGPL-2.1-or-later
"""A small world in network namespaces, with no way out of it:

    internet  5.9.10.1, 2a01:4f8:10::1 and every public address: web servers, resolvers, the resolvers of others
        |
      uplink  5.9.10.2, 2a01:4f8:10::2
       host   the machine with ocsb (the namespace of whoever makes the world, or one of its own)
        lan0  192.168.50.2, fd50::2 ---- lan   192.168.50.1, fd50::1: the router, and every private address behind it;
       meta0                              |    192.168.50.10:1234, fd50::10: the LLM server
          |                               `--- what is routed to it: 10/8, 172.16/12, 100.64/10, fc00::/8, 64:ff9b::/96, …
       metadata  169.254.169.254 (all of 169.254/16), fd00:ec2::254, 100.100.100.200

In internet, lan and metadata any address is a local one, so whatever is let through arrives, and is counted there."""

import collections
import contextlib
import ipaddress
import itertools
import socket
import time

import servers
from namespace import Namespace, veth
from witness import HostWitness, Witness

GATEWAY = ("5.9.10.1", "2a01:4f8:10::1")
HOST_PUBLIC = ("5.9.10.2", "2a01:4f8:10::2")
HOST_LAN = ("192.168.50.2", "fd50::2")
LLM = ("192.168.50.10", "fd50::10")
LLM_PORT = 1234
WEB = ("93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946")
RESOLVERS = ("1.1.1.1", "8.8.8.8")
RESOLVERS_IPV6 = ("2606:4700:4700::1111", "2001:4860:4860::8888")
FOREIGN_RESOLVERS = ("9.9.9.9", "2620:fe::fe")
METADATA = ("169.254.169.254", "fd00:ec2::254", "100.100.100.200")
POOLS = ("198.18.0.0/16", "fd6f:6373:6200::/64")
PORTS = (22, 53, 80, 443, 853, 1234, 2375, 2376, 8080, 11434, 18789)

# Not the pools' own, which must not meet a route of the host.
LAN_ROUTES = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24",
              "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4", "0.0.0.0/8")
LAN_ROUTES_IPV6 = ("fc00::/8", "fd12::/16", "fd00::/32", "fec0::/10", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/32",
                   "2001:db8::/32", "2002::/16")


def is_ipv6(address):
    return ":" in address


class World:
    def __init__(self, host=None, sources=POOLS):
        """sources: whose packets are forbidden in the host itself."""
        self.host = host or Namespace("host")
        self.internet, self.lan, self.metadata = Namespace("internet"), Namespace("lan"), Namespace("metadata")
        self.more, self.numbers = [], itertools.count()  # namespaces made later
        self.servers = servers.Servers()
        self._wire()
        self.witnesses = [Witness(n) for n in (self.internet, self.lan, self.metadata)]
        self.host_witness = HostWitness(self.host, self.servers, sources)
        self._serve()
        self.servers.start()

    def _wire(self):
        for n in (self.internet, self.lan, self.metadata):
            n.sysctl(ipv4__conf__all__rp_filter=0, ipv4__conf__default__rp_filter=0, ipv6__conf__default__accept_dad=0,
                     ipv6__conf__all__forwarding=0, ipv4__conf__all__accept_source_route=1)
        self.host.sysctl(ipv6__conf__default__accept_dad=0, ipv4__conf__default__rp_filter=0, ipv4__conf__all__rp_filter=0)
        veth(self.host, "uplink", self.internet, "eth0")
        veth(self.host, "lan0", self.lan, "eth0")
        veth(self.host, "meta0", self.metadata, "eth0")
        self.host.ip(f"addr add {HOST_PUBLIC[0]}/24 dev uplink", f"addr add {HOST_PUBLIC[1]}/64 dev uplink nodad",
                     f"route add default via {GATEWAY[0]}", f"route add ::/0 via {GATEWAY[1]}",
                     f"addr add {HOST_LAN[0]}/24 dev lan0", f"addr add {HOST_LAN[1]}/64 dev lan0 nodad",
                     *(f"route add {r} via 192.168.50.1" for r in LAN_ROUTES),
                     *(f"route add {r} via fd50::1" for r in LAN_ROUTES_IPV6),
                     "route add 169.254.0.0/16 dev meta0", "route add 100.100.100.200 dev meta0",
                     "addr add fd00:ec2::1/64 dev meta0 nodad")
        anything = ("route add local default dev lo table main", "route add local ::/0 dev lo table main")
        self.internet.ip(f"addr add {GATEWAY[0]}/24 dev eth0", f"addr add {GATEWAY[1]}/64 dev eth0 nodad", *anything)
        # What the LAN's hosts send to a sandbox goes to the host, as if the router had been told so.
        self.lan.ip("addr add 192.168.50.1/32 dev eth0", f"addr add {LLM[0]}/32 dev eth0", f"route add {HOST_LAN[0]} dev eth0",
                    *(f"addr add {a}/64 dev eth0 nodad" for a in ("fd50::1", LLM[1], "fd50::77")), *anything, f"route add {POOLS[0]} via {HOST_LAN[0]}",
                    f"route add {POOLS[1]} via {HOST_LAN[1]}", f"route add {HOST_PUBLIC[0]} via {HOST_LAN[0]}",
                    f"route add {HOST_PUBLIC[1]} via {HOST_LAN[1]}")
        self.metadata.ip("addr add 169.254.169.254/32 dev eth0", f"addr add {METADATA[1]}/64 dev eth0 nodad",
                         "addr add 100.100.100.200/32 dev eth0", f"route add {HOST_PUBLIC[0]} dev eth0",
                         f"route add {HOST_PUBLIC[1]} dev eth0", f"route add {HOST_LAN[0]} dev eth0",
                         f"route add {HOST_LAN[1]} dev eth0", *anything)

    def _serve(self):
        for n in (self.internet, self.lan, self.metadata):
            for port in PORTS:
                self.servers.listen(n, port)
        for address in (*RESOLVERS, *RESOLVERS_IPV6, *FOREIGN_RESOLVERS):
            self.servers.resolver(self.internet, address)
        # What the host itself offers; ports that docker and friends would.
        for port in (22, 80, 2375, 2376, 18789):
            self.servers.listen(self.host, port)

    def close(self):
        self.servers.stop()
        for n in (self.internet, self.lan, self.metadata, *self.more):
            n.close()

    def clear(self):
        time.sleep(0.05)  # what is on its way
        for w in (*self.witnesses, self.host_witness):
            w.clear()

    def seen(self):
        found = collections.Counter()
        for w in (*self.witnesses, self.host_witness):
            found.update(w.seen())
        return found

    def forbidden(self, allowed=()):
        """Of what was seen, what no sandbox may send. allowed: (address, protocol, port) that a test has granted; port None:
        any."""
        return {s: n for s, n in self.seen().items() if not permitted(s, allowed)}

    @contextlib.contextmanager
    def nothing_forbidden_arrives(self, allowed=(), settle=0.2):
        """with world.nothing_forbidden_arrives(): …; the failure names who got how many packets of what."""
        self.clear()
        yield
        time.sleep(settle)
        found = self.forbidden(allowed)
        assert not found, describe(found)

    def attach_network(self, name, host_interface, host_addresses, addresses):
        """Another network on the host: a namespace behind a bridge of this name."""
        n = Namespace(name)
        self.more.append(n)
        n.sysctl(ipv6__conf__default__accept_dad=0)
        self.host.ip(f"link add {host_interface} type bridge")
        port = f"port{next(self.numbers)}"
        veth(self.host, port, n, "eth0")
        self.host.ip(f"link set {port} master {host_interface}", f"link set {host_interface} up",
                     *(f"addr add {a} dev {host_interface}{' nodad' if is_ipv6(a) else ''}" for a in host_addresses))
        n.ip(*(f"addr add {a} dev eth0{' nodad' if is_ipv6(a) else ''}" for a in addresses))
        n.ip(*(f"route add {'::/0' if is_ipv6(a) else 'default'} via {a.partition('/')[0]}" for a in host_addresses))
        return n

    def detach_network(self, n, host_interface):
        self.host.ip(f"link del {host_interface}")
        self.more.remove(n)
        n.close()

    def fetch(self, namespace, address, port=80, seconds=3):
        """The body of a page, asked for from a namespace; None when nobody answers."""
        with namespace:
            sock = socket.socket(socket.AF_INET6 if is_ipv6(address) else socket.AF_INET)
        with sock:
            sock.settimeout(seconds)
            try:
                sock.connect((address, port))
                sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                return sock.recv(2000).decode().partition("\r\n\r\n")[2]
            except OSError:
                return None


def special(address):
    """In a range that is blocked unless granted (the list of the design, kept here a second time on purpose)."""
    ip = ipaddress.ip_address(address)
    return any(ip in n for n in SPECIAL if n.version == ip.version)


SPECIAL = [ipaddress.ip_network(n) for n in (
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
    "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
    "::/128", "::1/128", "::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/32", "2001:db8::/32", "2002::/16",
    "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8")]


def permitted(seen, allowed=()):
    """What network "nat" lets out: TCP to the public internet, DNS to the resolvers; and what a test granted."""
    for address, protocol, port in allowed:
        if protocol == seen.protocol and port in (None, seen.port) and \
                ipaddress.ip_address(seen.address) in ipaddress.ip_network(address):
            return True
    if seen.where != "internet" or special(seen.address):
        return False
    if seen.port == 53 and seen.protocol in ("tcp", "udp"):
        return seen.address in (*RESOLVERS, *RESOLVERS_IPV6)
    return seen.protocol == "tcp" and seen.port != 853


def describe(found):
    lines = sorted(f"{n} packets at {s.where}: {s.protocol} {s.address} {s.port}" for s, n in found.items())
    return f"{sum(found.values())} packets to {len(lines)} forbidden destinations\n" + "\n".join(lines[:40])
