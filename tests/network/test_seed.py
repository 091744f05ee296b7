# SPDX-License-Identifier: LGPL-2.1-or-later
"""The small world tells the truth: it is asked about a container behind Docker's bridge and the rule set that ocsb replaces (the reference
set-up's /etc/nftables.conf), whose promise and whose holes are known. If a hole were not seen here, the tests beside this
one would prove nothing."""

import pytest

import targets
from namespace import Namespace, veth
from world import (FOREIGN_RESOLVERS, HOST_LAN, HOST_PUBLIC, LLM, LLM_PORT, METADATA, RESOLVERS, WEB, World)
from witness import Seen

SEED = """
flush ruleset

table inet oc_sandbox {
  set private_ipv4 {
    type ipv4_addr
    flags interval
    elements = { 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 169.254.0.0/16 }
  }
  set dns_servers {
    type ipv4_addr
    elements = { 1.1.1.1, 8.8.8.8 }
  }
  chain forward {
    type filter hook forward priority 0; policy accept;
    iifname "docker0" oifname "docker0" accept
    iifname "docker0" ip daddr @private_ipv4 drop
    iifname "docker0" ip daddr @dns_servers tcp dport 53 accept
    iifname "docker0" ip daddr @dns_servers udp dport 53 accept
    iifname "docker0" accept
  }
}
"""
MASQUERADE = """
table inet docker_nat {
  chain postrouting {
    type nat hook postrouting priority 100; policy accept;
    ip saddr 172.16.0.0/12 oifname != "docker0" masquerade
    ip6 saddr fd00:d0c::/64 oifname != "docker0" masquerade
  }
}
"""


class Container:
    """What docker run would make, by hand."""

    def __init__(self, world, bridge="docker0", network="172.17.0", network_ipv6="fd00:d0c:"):
        self.namespace = world.attach_network(bridge, bridge, [f"{network}.1/16", f"{network_ipv6}:1/64"],
                                              [f"{network}.2/16", f"{network_ipv6}:2/64"])

    def spray(self, sender, lines, rounds=2):
        return self.namespace.run([sender, "--rounds", str(rounds)], stdin="\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def world():
    world = World(sources=("172.16.0.0/12", "fd00:d0c::/32"))
    world.host.sysctl(ipv4__ip_forward=1, ipv6__conf__all__forwarding=1)
    yield world
    world.close()


@pytest.fixture(scope="module")
def container(world):
    return Container(world)


@pytest.fixture
def seed(world):
    """The rule set, as a boot would load it; Docker's NAT comes after it."""
    world.host.nft("flush ruleset")
    world.host.nft(SEED)
    world.host.nft(MASQUERADE)
    world.clear()
    yield
    world.host.nft("flush ruleset")


def arrived(world, address, protocol=None, port=None):
    return sum(n for s, n in world.seen().items()
               if s.address == address and protocol in (None, s.protocol) and port in (None, s.port))


def test_without_rules_every_named_destination_is_reached_and_seen(world, container, sender):
    """A counter that never counts would pass every other test."""
    world.host.nft("flush ruleset")
    world.clear()
    container.spray(sender, targets.structured())
    seen = {s.address for s in world.seen()}
    # What a router does not forward, by its nature: this and that are not found beyond it, and not counted as holes either.
    unrouted = {"198.19.0.1"} | {a for _, pair in targets.NAMED for a in pair
                                 if a and (a.startswith(("0.", "224.", "255.", "169.254.1.1", "ff", "fe80")))}
    wanted = {a for _, pair in targets.NAMED for a in pair if a} - unrouted
    wanted |= {*WEB, *FOREIGN_RESOLVERS}
    assert wanted <= seen, wanted - seen
    assert {"tcp", "udp", "udplite"} <= {s.protocol for s in world.seen()}
    assert any(s.where == "host" for s in world.seen())


def test_the_seed_keeps_its_promise(world, container, seed, sender):
    container.spray(sender, [f"tcp {LLM[0]} {LLM_PORT}", "tcp 10.1.2.3 80", f"udp {METADATA[0]} 80", f"tcp {WEB[0]} 443"])
    assert arrived(world, LLM[0]) == arrived(world, "10.1.2.3") == arrived(world, METADATA[0]) == 0
    assert arrived(world, WEB[0], "tcp", 443) >= 2
    assert world.fetch(container.namespace, WEB[0]).startswith("internet")


@pytest.mark.parametrize("hole, line", [
    ("T82: the host's own services, by INPUT", f"tcp {HOST_PUBLIC[0]} 22"),
    ("T82: the host on its LAN address", f"tcp {HOST_LAN[0]} 2375"),
    ("T84: the LLM server by IPv6", f"tcp {LLM[1]} {LLM_PORT}"),
    ("T84: carrier-grade NAT", "tcp 100.64.1.1 80"),
    ("T84: NAT64 of the LLM server", "tcp 64:ff9b::c0a8:320a 1234"),
    ("T85: DNS to anybody", f"udp {FOREIGN_RESOLVERS[0]} 53"),
    ("T85: DNS over TLS", f"tcp {FOREIGN_RESOLVERS[0]} 853"),
    ("T87: metadata by IPv6", f"tcp {METADATA[1]} 80"),
    ("T87: Alibaba's metadata", f"tcp {METADATA[2]} 80"),
    ("UDP to anybody", f"udp {WEB[0]} 443"),
    ("source routes", f"udp-routed {FOREIGN_RESOLVERS[0]} 53"),
], ids=lambda value: value if ":" in value or " " not in value else None)
def test_the_seeds_hole_is_seen(world, container, seed, sender, hole, line):
    kind, address, port = line.split()
    if kind.endswith("-routed"):
        world.host.sysctl(ipv4__conf__all__accept_source_route=1)
        address = WEB[0]  # whom the list names first
    container.spray(sender, [line])
    found = world.forbidden()
    world.host.sysctl(ipv4__conf__all__accept_source_route=0)
    assert any(s.address == address for s in found), f"{hole}: {found}"


def test_the_seeds_hole_t83_another_bridge_is_seen(world, seed, sender):
    other = Container(world, "br-other", "172.29.0", "fd00:d0c:2:")
    try:
        other.spray(sender, [f"tcp {LLM[0]} {LLM_PORT}"])
        assert arrived(world, LLM[0], "tcp", LLM_PORT)
    finally:
        world.detach_network(other.namespace, "br-other")


def test_the_seeds_hole_t81_a_flush_is_seen(world, container, seed, sender):
    """While it sends: nothing before, everything after."""
    line = f"tcp {LLM[0]} {LLM_PORT}"
    container.spray(sender, [line], rounds=100)
    assert not arrived(world, LLM[0])
    world.host.nft("flush ruleset")
    container.spray(sender, [line], rounds=100)
    assert arrived(world, LLM[0]) == 100


def test_loading_the_seed_takes_away_what_others_have(world, seed):
    """T80: and the comparison of foreign tables sees it."""
    before = world.host.ruleset(without=("inet oc_sandbox",))
    assert "docker_nat" in before
    world.host.nft(SEED)
    assert world.host.ruleset(without=("inet oc_sandbox",)) != before


def test_permitted_destinations_are_not_called_forbidden(world, container, seed, sender):
    container.spray(sender, [f"tcp {WEB[0]} 443", f"tcp {WEB[1]} 443", *(f"udp {r} 53" for r in RESOLVERS),
                             *(f"tcp {r} 53" for r in RESOLVERS)])
    assert len(world.seen()) == 6 and not world.forbidden()
    assert Seen("internet", "tcp", WEB[0], 443) in world.seen()


def test_nothing_of_a_world_stays_behind(tmp_path):
    """Namespaces are descriptors: when nobody holds them they are gone, also after kill -9."""
    import os
    import signal
    import subprocess
    import sys
    import time
    here = os.path.dirname(os.path.abspath(__file__))
    script = ("import os, sys, time; sys.path.insert(0, sys.argv[1]); from world import *; w = World(); "
              "print(*(os.stat(n.fd).st_ino for n in (w.host, w.internet, w.lan, w.metadata)), flush=True); time.sleep(100)")
    process = subprocess.Popen([sys.executable, "-B", "-c", script, here], stdout=subprocess.PIPE, text=True)
    inodes = {int(i) for i in process.stdout.readline().split()}
    assert len(inodes) == 4
    process.send_signal(signal.SIGKILL)
    process.wait()
    end = time.monotonic() + 10
    while (left := inodes & everybodys_namespaces()) and time.monotonic() < end:
        time.sleep(0.05)
    assert not left
    assert Namespace.here("x").run(["ip", "netns"]) == ""


def everybodys_namespaces():
    import glob
    import os
    found = set()
    for link in glob.glob("/proc/[0-9]*/ns/net") + glob.glob("/proc/[0-9]*/fd/*"):
        try:
            if os.readlink(link).startswith("net:["):
                found.add(int(os.readlink(link)[5:-1]))
        except OSError:
            pass
    return found


def test_two_cables_do_not_leak_into_each_other():
    a, b, c = Namespace("a"), Namespace("b"), Namespace("c")
    veth(a, "x", b, "y")
    assert "lo" in c.run(["ip", "-br", "link"]) and "y" not in c.run(["ip", "-br", "link"])
    for n in (a, b, c):
        n.close()
