# SPDX-License-Identifier: LGPL-2.1-or-later
"""T81, T93, T96: others flush, reload and meddle while a sender never pauses; not one packet arrives, and our table is back within
a second. And what is new on the host (an address, an interface, a bridge) is covered before it can be used."""

import socket
import threading
import time

import pytest

from stack import TABLE, same_rules, wait_until
from world import HOST_PUBLIC, LLM, LLM_PORT, WEB

SECOND = 1.0
# The most telling ones, so that a round of the sender is short and each is sent thousands of times.
SHARP = [f"{kind} {address} {port}" for kind in ("tcp", "udp") for port in (LLM_PORT, 53, 22)
         for address in (*LLM, *HOST_PUBLIC, "169.254.169.254", "fd00:ec2::254", "10.1.2.3", "9.9.9.9")
         if (kind, address, port) not in (("tcp", "9.9.9.9", LLM_PORT), ("tcp", "9.9.9.9", 22))]

FLUSH = "flush ruleset\n"
NFTABLES_SERVICE = """
flush ruleset
table inet filter {
  chain input { type filter hook input priority filter; }
  chain forward { type filter hook forward priority filter; }
  chain output { type filter hook output priority filter; }
}
"""
# Each is something that a stranger does; "" where nothing of ours is lost.
FOREIGN_CHANGES = {
    "nft flush ruleset": FLUSH,
    "nftables.service starts": NFTABLES_SERVICE,
    "our table deleted": f"delete table {TABLE}\n",
    "our table flushed": f"flush table {TABLE}\n",
    "our forward chain flushed": f"flush chain {TABLE} forward\n",
    "our input chain flushed": f"flush chain {TABLE} input\n",
    "the sources of sessions emptied": f"flush set {TABLE} sources_ipv4\nflush set {TABLE} sources_ipv6\n",
    "the private ranges emptied": f"flush set {TABLE} private_ipv4\nflush set {TABLE} private_ipv6\n",
    "a rule put before ours": f"insert rule {TABLE} forward accept\ninsert rule {TABLE} input accept\n",
    "the table made dormant": f"add table {TABLE} {{ flags dormant; }}\n",
    "a table of our name loaded by somebody": f"flush ruleset\ntable {TABLE} {{ chain forward {{ type filter hook forward priority 0; }}; }}\n",
}


class Sender:
    """In the background, from before until after."""

    def __init__(self, sandbox, seconds):
        self.spraying = sandbox.start_spray(SHARP, seconds=seconds)
        self.sandbox, self.end = sandbox, time.monotonic() + seconds

    def finish(self):
        report = self.sandbox.finish(self.spraying)
        assert report["rounds"] > 50, f"the sender paused: {report}"


@pytest.mark.parametrize("change", FOREIGN_CHANGES)
def test_t81_nothing_leaks_and_it_is_repaired_after(world, stack, sandbox, change, network_round):
    wanted = stack.table()
    with world.nothing_forbidden_arrives():
        sender = Sender(sandbox, 0.8)
        time.sleep(0.1)
        world.host.nft(FOREIGN_CHANGES[change])
        took = stack.repaired(wanted)
        sender.finish()
    assert took < SECOND, f"{took:.3f} s"
    assert sandbox.fetch(WEB[0]).startswith("internet")


def test_t81_a_flush_every_few_milliseconds(world, stack, sandbox):
    """Who repairs must not be worn out, and what the one inside holds, it holds for long."""
    wanted = stack.table()
    with world.nothing_forbidden_arrives():
        sender = Sender(sandbox, 2)
        end = time.monotonic() + 1.5
        while time.monotonic() < end:
            world.host.nft(FLUSH)
        sender.finish()
    assert stack.repaired(wanted) < SECOND


def test_t81_an_iptables_flush(world, stack, sandbox):
    world.host.run(["iptables-nft", "-A", "FORWARD", "-j", "ACCEPT"])
    wanted = stack.table()
    with world.nothing_forbidden_arrives():
        sender = Sender(sandbox, 0.8)
        for program in ("iptables-nft", "ip6tables-nft"):
            for argv in (["-F"], ["-X"], ["-t", "nat", "-F"], ["-t", "nat", "-X"], ["-P", "FORWARD", "ACCEPT"]):
                world.host.run([program, *argv])
        sender.finish()
    assert stack.repaired(wanted) < SECOND


def test_t81_a_firewalld_reload(world, stack, sandbox, rulesets):
    """As it does it: its table deleted and made again in one transaction."""
    text = rulesets.firewalld
    world.host.nft(text)
    wanted = stack.table()
    with world.nothing_forbidden_arrives():
        sender = Sender(sandbox, 0.8)
        for _ in range(5):
            world.host.nft("delete table inet firewalld\n" + text)
        sender.finish()
    assert same_rules(stack.table(), wanted)


def test_t81_only_our_table_is_repaired(world, stack, sandbox):
    with world.host.table("table inet foreign { chain c { type filter hook forward priority 5; counter accept; }; }"):
        wanted, before = stack.table(), world.host.ruleset(without=(TABLE,))
        world.host.nft(f"delete table {TABLE}\n")
        stack.repaired(wanted)
        assert world.host.ruleset(without=(TABLE,)) == before


def test_t81_the_repair_is_told(world, stack, root, sandbox):
    wanted = stack.table()
    with root.signals(interface="org.openclaw.Sandbox1.Firewall", member="DriftRepaired") as received:
        world.host.nft(FLUSH)
        stack.repaired(wanted)
        assert received(5)


def test_t81_foreign_changes_elsewhere_cause_no_repair(world, stack, root, sandbox):
    """A busy neighbour costs us no rebuild."""
    with root.signals(interface="org.openclaw.Sandbox1.Firewall", member="DriftRepaired") as received:
        for i in range(20):
            world.host.nft(f"table inet other{i} {{ }}\n")
        time.sleep(0.3)
        with pytest.raises(TimeoutError):
            received(0.2)


# T93: accept elsewhere is not final, our drop is, whatever the order

@pytest.mark.parametrize("priority", [-400, -300, -150, -100, -11, -10, -9, 0, 100, 300])
@pytest.mark.parametrize("order", ["before ours", "after ours"])
def test_t93_our_drop_holds_with_foreign_accepts_at(world, stack, sandbox, priority, order):
    hooks = "".join(f"chain {h} {{ type filter hook {h} priority {priority}; policy accept; counter accept; }}\n"
                    for h in ("prerouting", "input", "forward", "output", "postrouting"))
    with world.host.table("table inet foreign {\n" + hooks + "}"):
        if order == "before ours":  # ours is made anew, and so comes behind theirs where the priority is the same
            wanted = stack.table()
            world.host.nft(f"delete table {TABLE}\n")
            stack.repaired(wanted)
        sandbox.break_inner()  # the one inside would hide it
        with world.nothing_forbidden_arrives(settle=0.1):
            sandbox.spray(SHARP, rounds=3)


# T82, T83: what is new

def in_set(world, name, address):
    return address in world.host.run(["nft", "list", "set", *TABLE.split(), name])


@pytest.mark.parametrize("address, family", [("203.0.112.77", 4), ("2a01:4f8:77::1", 6)])
def test_t82_a_new_address_of_the_host_is_covered(world, stack, sandbox, address, family):
    """Public ones: no range covers them. Both fences learn it."""
    name = "host_addresses" if family == 4 else "host_addresses_ipv6"
    prefix = 32 if family == 4 else 128
    world.host.ip(f"addr add {address}/{prefix} dev lan0{' nodad' if family == 6 else ''}")
    try:
        wait_until(lambda: in_set(world, name, address), 1, what="the address is in the set")
        wait_until(lambda: address in sandbox.namespace.ruleset(), 1, what="the address is in the set inside")
        with world.nothing_forbidden_arrives():
            sandbox.spray([f"{k} {address} {p}" for k in ("tcp", "udp", "icmp") for p in (22, 80, 2375)], rounds=20)
    finally:
        world.host.ip(f"addr del {address}/{prefix} dev lan0")
    wait_until(lambda: not in_set(world, name, address), 1, what="the address has gone from the set")


def test_t82_not_one_packet_reaches_an_address_while_it_is_new(world, stack, sandbox):
    """The sender tries it from before it exists: input is closed to sandboxes, whatever the address."""
    address = "203.0.112.78"
    with world.nothing_forbidden_arrives():
        spraying = sandbox.start_spray([f"tcp {address} 22", f"udp {address} 53"], seconds=1)
        time.sleep(0.2)
        world.clear()  # until now it was somebody else's, on the internet
        world.host.ip(f"addr add {address}/32 dev lan0")
        sandbox.finish(spraying)
        found = {s: n for s, n in world.seen().items() if s.where == "host"}
        world.host.ip(f"addr del {address}/32 dev lan0")
        assert not found


def test_t83_a_new_bridge_and_who_is_behind_it_are_covered(world, stack, sandbox):
    """docker network create, with a private and with a public address."""
    sandbox.break_inner()
    from witness import Witness
    victim = world.attach_network("victim", "br-new", ["172.30.0.1/16", "fd99::1/64"], ["172.30.0.2/16", "fd99::2/64"])
    witness = Witness(victim)
    try:
        sandbox.spray([f"{k} {a} {p}" for k in ("tcp", "udp", "icmp") for a in ("172.30.0.2", "fd99::2", "172.30.0.1", "fd99::1")
                       for p in (80, 2375)], rounds=20)
        time.sleep(0.2)
        assert not witness.seen()
        assert not {s for s in world.forbidden() if s.where == "host"}
    finally:
        world.detach_network(victim, "br-new")


def test_t96_an_interface_of_our_name_without_a_session_is_closed(world, stack):
    """Made by who knows whom, or left over: default is drop."""
    from namespace import Namespace, veth
    stranger = Namespace("stranger")
    try:
        stranger.sysctl(ipv6__conf__default__accept_dad=0)
        veth(world.host, "ocsb9999", stranger, "eth0")
        world.host.ip("addr add 10.99.0.1/24 dev ocsb9999", "addr add fd98::1/64 dev ocsb9999 nodad")
        stranger.ip("addr add 10.99.0.2/24 dev eth0", "addr add fd98::2/64 dev eth0 nodad", "route add default via 10.99.0.1",
                    "route add ::/0 via fd98::1")
        world.clear()
        for address in (*LLM, *WEB, *HOST_PUBLIC):
            assert world.fetch(stranger, address, 80, seconds=0.2) is None
        time.sleep(0.1)
        assert not world.seen()
    finally:
        world.host.run(["ip", "link", "del", "ocsb9999"], check=False)
        stranger.close()


@pytest.mark.parametrize("address", ["198.18.200.1", "fd6f:6373:6200::c8c8"])
def test_what_comes_back_for_a_session_that_is_gone_goes_nowhere(world, stack, sandbox, address):
    """Not by the default route to the internet: it may be what a LAN host said."""
    def send():
        world.clear()
        with world.lan, socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b"said in confidence", (address, 40000))
        time.sleep(0.1)
        return {seen.address for seen in world.seen()}
    assert address not in send()
    wanted = stack.table()
    with stack.frozen_fw():
        world.host.nft(FLUSH)
        assert address in send(), "without the rules it would"
    stack.repaired(wanted)


def test_t96_the_unit_comes_before_the_network_and_docker():
    import pathlib
    unit = pathlib.Path("/usr/lib/systemd/system/ocsb-fw.service")
    if not unit.exists():
        unit = pathlib.Path("/lib/systemd/system/ocsb-fw.service")
    before = [word for line in unit.read_text().splitlines() if line.startswith("Before=") for word in line[7:].split()]
    assert "docker.service" in before and any(w.startswith("network") for w in before)


@pytest.mark.parametrize("name", ["ocsb8888", "lan7"])
def test_t83_a_renamed_interface_stays_closed(world, stack, sandbox, name):
    """Who renames it (root on the host) gains nothing but silence: by an interface of no session, or by its source."""
    sandbox.break_inner()
    interface = sandbox.interface
    with world.nothing_forbidden_arrives():
        world.host.ip(f"link set {interface} down", f"link set {interface} name {name}", f"link set {name} up")
        sandbox.spray(SHARP, rounds=5)
    assert not world.seen()
    world.host.run(["ip", "link", "del", name])


def test_a_busy_reader_of_rules_sees_whole_tables_only(world, stack, sandbox, make_sandbox):
    """While sessions come and go: every dump has the policy."""
    stop, bad = threading.Event(), []

    def look():
        while not stop.is_set():
            text = stack.table()
            if "chain forward" not in text or 'iifname "ocsb*"' not in text:
                bad.append(text)
    thread = threading.Thread(target=look)
    thread.start()
    for _ in range(10):
        make_sandbox().end()
    stop.set()
    thread.join()
    assert not bad


