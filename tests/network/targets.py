# SPDX-License-Identifier: LGPL-2.1-or-later
"""Destinations that no sandbox may reach: the structured ones, and any number of random ones."""

import ipaddress
import random

import world
from world import FOREIGN_RESOLVERS, HOST_LAN, HOST_PUBLIC, LLM, LLM_PORT, METADATA, PORTS, SPECIAL, WEB

KINDS = ("tcp", "udp", "icmp", "udp-connected", "tcp-fast-open", "mptcp", "udplite", "sctp", "dccp", "raw", "gre")
ONLY_IPV4 = ("tcp-mapped", "udp-mapped", "tcp-routed", "udp-routed")
# Of these the public internet gets only TCP.
NOT_TCP = ("udp", "icmp", "udp-connected", "udplite", "sctp", "dccp", "raw", "gre", "udp-mapped")

# A word for each address: a leak is named, and each has its IPv6 twin where there is one.
NAMED = (
    ("the LLM server", LLM), ("the LAN's router", ("192.168.50.1", "fd50::1")), ("a LAN host", ("192.168.50.77", "fd50::77")),
    ("10/8", ("10.1.2.3", "fc00::1")), ("172.16/12", ("172.20.30.40", "fd12:3456::1")), ("carrier-grade NAT", ("100.64.1.1", None)),
    ("192.168/16", ("192.168.65.7", "fec0::1")), ("metadata", (METADATA[0], METADATA[1])), ("Alibaba's metadata", (METADATA[2], None)),
    ("ECS's metadata", ("169.254.170.2", None)), ("benchmarking", ("198.19.0.1", None)), ("documentation", ("203.0.113.9", "2001:db8::1")),
    ("the host's public address", HOST_PUBLIC), ("the host's LAN address", HOST_LAN),
    ("the sandbox's gateway", ("169.254.1.1", "fe80::1%eth0")), ("multicast", ("224.0.0.1", "ff02::1%eth0")),
    ("broadcast", ("255.255.255.255", "ff05::2")), ("class E", ("240.0.0.1", None)), ("6to4", ("192.88.99.1", "2002:c0a8:320a::1")),
    ("NAT64 of the LLM", (None, "64:ff9b::c0a8:320a")), ("local NAT64", (None, "64:ff9b:1::c0a8:320a")),
    ("Teredo", (None, "2001:0:4136:e378:8000:63bf:3fff:fdd2")), ("discard", (None, "100::1")), ("this network", ("0.1.2.3", None)),
)
DNS_PORTS = (53, 853)


def line(kind, address, port):
    return f"{kind} {address} {port}"


def kinds_for(address):
    return KINDS if world.is_ipv6(address) else KINDS + ONLY_IPV4


def structured(granted=()):
    """Each named address in every way on some ports; what is public but not allowed. granted: addresses to leave out."""
    found = []
    for _, pair in NAMED:
        for address in pair:
            if address and address not in granted:
                for kind in kinds_for(address):
                    ports = (0,) if kind in ("icmp", "raw", "gre") else (LLM_PORT, *PORTS)
                    found += [line(kind, address, p) for p in ports]
    for address in (*FOREIGN_RESOLVERS, *WEB):
        for kind in kinds_for(address):
            if kind in NOT_TCP:
                found.append(line(kind, address, 443))
            if kind not in ("icmp", "raw", "gre", "tcp-routed", "udp-routed"):
                found += [line(kind, address, p) for p in DNS_PORTS]
    for address in WEB:  # QUIC
        found.append(line("udp", address, 443))
    return found


def random_address(rng, network):
    return str(network[rng.randrange(network.num_addresses)])


def some_forbidden_address(rng, host_addresses):
    if rng.random() < 0.1:
        return rng.choice(host_addresses)
    network = rng.choice([n for n in SPECIAL if str(n) not in ("127.0.0.0/8", "::1/128", "::/128", "::ffff:0:0/96")])
    if rng.random() < 0.3:  # the borders
        return str(rng.choice((network[0], network[-1], network[min(1, network.num_addresses - 1)])))
    return random_address(rng, network)


def public_address(rng):
    while True:
        ip = ipaddress.ip_address(rng.getrandbits(32)) if rng.random() < 0.5 else \
            ipaddress.ip_address((0x2 << 124 | rng.getrandbits(124)))
        if not world.special(str(ip)) and str(ip) not in (*world.RESOLVERS, *world.RESOLVERS_IPV6):
            return str(ip)


def random_targets(seed, count, host_addresses):
    """Forbidden by policy, whatever they are: the seed makes them again."""
    rng = random.Random(seed)
    found = []
    while len(found) < count:
        if rng.random() < 0.8:
            address = some_forbidden_address(rng, host_addresses)
            kind = rng.choice(kinds_for(address))
            port = rng.choice((rng.choice(PORTS), rng.randrange(1, 65536)))
        else:
            address = public_address(rng)
            if rng.random() < 0.5:
                kind, port = rng.choice([k for k in kinds_for(address) if k in NOT_TCP]), rng.randrange(1, 65536)
            else:
                kind, port = rng.choice(("tcp", "udp", "mptcp", "tcp-fast-open")), rng.choice(DNS_PORTS)
        if address == "0.0.0.0" or address == "::":  # the sandbox itself
            continue
        found.append(line(kind, address, 0 if kind in ("icmp", "raw", "gre") else port))
    return found
