# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a sandbox with network "nat" reaches, and what it does not: every row of the threat list, each measured at the destination,
with both fences and with each alone."""

import pytest

import targets
from stack import INNER, TABLE
from world import (FOREIGN_RESOLVERS, HOST_LAN, HOST_PUBLIC, LLM, LLM_PORT, METADATA, RESOLVERS, RESOLVERS_IPV6, WEB, describe,
                   special)

HOST_ADDRESSES = [*HOST_PUBLIC, *HOST_LAN, "fd00:ec2::1"]
PUBLIC = [f"tcp {WEB[0]} 443", f"tcp {WEB[1]} 443", f"tcp {WEB[0]} 8080", f"udp {RESOLVERS[0]} 53", f"tcp {RESOLVERS[1]} 53"]


def came_through(world):
    """The control: what may arrive did, so the sender sent and the way was open."""
    seen = {(s.address, s.protocol, s.port) for s in world.seen()}
    return all((a, k, int(p)) in seen for k, a, p in (line.split() for line in PUBLIC))


# What is allowed works

@pytest.mark.parametrize("address", WEB)
def test_the_public_internet_is_reached(sandbox, address):
    assert sandbox.fetch(address, 80).startswith("internet " + address)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("resolver", RESOLVERS)
def test_t85_the_listed_resolvers_answer(sandbox, resolver, transport):
    assert sandbox.resolve(resolver, transport)


@pytest.mark.parametrize("resolver", RESOLVERS_IPV6)
def test_t85_a_listed_ipv6_resolver_answers(make_sandbox, resolver):
    sandbox = make_sandbox(dns=("as", [resolver]))
    assert sandbox.resolve(resolver)
    assert not sandbox.resolve(RESOLVERS[0])


def test_resolv_conf_lists_what_the_rules_allow(sandbox, make_sandbox):
    def servers(box):
        return [line.split()[1] for line in box.session.sh("cat /etc/resolv.conf").ok().splitlines() if line.startswith("nameserver")]
    assert servers(sandbox) == list(RESOLVERS)
    assert servers(make_sandbox(dns=("as", ["8.8.8.8"]))) == ["8.8.8.8"]


def test_a_blocked_connect_fails_at_once(sandbox):
    """Rejected by the inner fence: nobody waits two minutes for a LAN address."""
    import time
    begin = time.monotonic()
    assert sandbox.fetch(LLM[0], LLM_PORT, seconds=10) is None
    assert time.monotonic() - begin < 3


def test_the_host_still_reaches_the_llm(world, sandbox):
    for address in LLM:
        assert world.fetch(world.host, address, LLM_PORT).startswith("lan")


# What is not: one big spray, and a test for each row

class Sprayed:
    def __init__(self, seen, forbidden, control):
        self.seen, self.forbidden, self.control = seen, forbidden, control


@pytest.fixture(scope="module")
def sprayed(the_world, stack, sender):
    """Every structured destination in every way, twice, and what arrived where."""
    from stack import Sandbox, as_user
    with as_user("openclaw") as bus:
        sandbox = Sandbox(stack, bus, sender)
        try:
            the_world.clear()
            sandbox.spray(targets.structured() + PUBLIC, rounds=2)
            import time
            time.sleep(0.5)
            return Sprayed(the_world.seen(), the_world.forbidden(), came_through(the_world))
        finally:
            sandbox.end()


def test_the_sender_sent_and_the_way_was_open(sprayed):
    assert sprayed.control


def arrivals(sprayed, *addresses):
    wanted = {a.partition("%")[0] for a in addresses}
    return {s: n for s, n in sprayed.seen.items() if s.address in wanted}


@pytest.mark.parametrize("name, address", [(n, a) for n, pair in targets.NAMED for a in pair if a])
def test_t84_not_one_packet_to(sprayed, name, address):
    found = arrivals(sprayed, address)
    assert not found, f"{name}: {describe(found)}"


@pytest.mark.parametrize("address", HOST_ADDRESSES[:4])
def test_t82_not_one_packet_to_the_host(sprayed, address):
    assert not arrivals(sprayed, address)


def test_t82_nothing_at_all_is_delivered_in_the_host(sprayed):
    assert not {s: n for s, n in sprayed.seen.items() if s.where == "host"}


@pytest.mark.parametrize("address", METADATA)
def test_t87_not_one_packet_to_metadata(sprayed, address):
    assert not arrivals(sprayed, address)
    assert not {s for s in sprayed.seen if s.where == "metadata"}


@pytest.mark.parametrize("address", FOREIGN_RESOLVERS)
@pytest.mark.parametrize("port", [53, 853])
def test_t85_not_one_packet_to_a_foreign_resolver(sprayed, address, port):
    assert not {s for s in arrivals(sprayed, address) if s.port == port}


@pytest.mark.parametrize("port", [2375, 2376])
def test_t97_not_one_packet_to_an_engine_api(sprayed, port):
    found = {s for s in sprayed.seen if s.port == port and (s.where != "internet" or special(s.address))}
    assert not found


def test_nothing_else_forbidden_arrived(sprayed):
    assert not sprayed.forbidden, describe(sprayed.forbidden)


def test_t97_no_socket_of_the_host_is_in_the_sandbox(sandbox):
    done = sandbox.session.sh("ls -d /run/docker.sock /var/run/docker.sock /run/podman /run/containerd /run/dbus /run/ocsb 2>/dev/null")
    assert done.out == b""


# Each fence alone, with the structured and with ten thousand random destinations

@pytest.fixture
def lines(pytestconfig, random_seed):
    return targets.structured() + targets.random_targets(random_seed, pytestconfig.getoption("--network-tuples"), HOST_ADDRESSES)


def test_both_fences_hold_against_random_destinations(world, sandbox, lines):
    with world.nothing_forbidden_arrives():
        sandbox.spray(lines + PUBLIC)
        assert came_through(world)


def test_the_outer_fence_alone_holds(world, sandbox, lines):
    """Somebody has broken the one inside."""
    sandbox.break_inner()
    with world.nothing_forbidden_arrives():
        sandbox.spray(lines + PUBLIC)
        assert came_through(world)


def test_the_inner_fence_alone_holds(world, stack, sandbox, lines):
    """Somebody has flushed the host's rules, and nobody repairs."""
    wanted = stack.table()
    with stack.frozen_fw():
        world.host.nft("flush ruleset")
        with world.nothing_forbidden_arrives():
            sandbox.spray(lines)
        assert not world.host.table_exists(TABLE)
    stack.repaired(wanted)
    assert sandbox.fetch(WEB[0]).startswith("internet")


def test_these_tests_can_fail(world, stack, sandbox, lines):
    """Without both fences the same spray reaches the LLM server, the host, metadata and foreign resolvers, and is seen there."""
    wanted = stack.table()
    sandbox.break_inner()
    with stack.frozen_fw():
        world.host.nft("flush ruleset")
        world.clear()
        sandbox.spray(lines)
        found = {s.address for s in world.forbidden()}
        assert {LLM[0], LLM[1], METADATA[0], METADATA[1], METADATA[2], HOST_PUBLIC[0], HOST_LAN[0], *FOREIGN_RESOLVERS} <= found
        assert len(found) > 1000
    stack.repaired(wanted)


# The sandbox and its own namespace

@pytest.mark.parametrize("argv", [
    ["nft", "flush", "ruleset"], ["nft", "delete", "table", *INNER.split()], ["ip", "link", "set", "eth0", "down"],
    ["ip", "addr", "add", "198.18.77.77/32", "dev", "eth0"], ["ip", "route", "add", "10.0.0.0/8", "dev", "eth0"],
    ["ip", "link", "add", "dummy0", "type", "veth"], ["unshare", "-Urn", "true"]], ids=lambda a: " ".join(a[:3]))
def test_the_sandbox_cannot_change_its_network(sandbox, argv):
    before = sandbox.namespace.ruleset() + sandbox.namespace.run(["ip", "addr"])
    program = next((d + argv[0] for d in ("/usr/sbin/", "/usr/bin/") if sandbox.session.run(["/usr/bin/test", "-x", d + argv[0]]).code == 0), None)
    if program:
        sandbox.session.run([program, *argv[1:]])
    assert before == sandbox.namespace.ruleset() + sandbox.namespace.run(["ip", "addr"])


def test_a_spoofed_source_does_not_leave(world, sandbox):
    """By somebody who has broken the fence inside and has rights there."""
    sandbox.break_inner()
    sandbox.namespace.ip("addr add 198.18.77.77/32 dev eth0", "addr add 192.168.50.99/32 dev eth0", "addr add fd50::99/128 dev eth0 nodad")
    with world.nothing_forbidden_arrives():
        for source in ("198.18.77.77", "192.168.50.99", "fd50::99"):
            to = WEB[1] if ":" in source else WEB[0]
            sandbox.namespace.run(["python3", "-I", "-c", "import socket, sys\ns = socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else "
                                   "socket.AF_INET)\ns.bind((sys.argv[1], 0))\ns.settimeout(0.3)\ns.connect((sys.argv[2], 443))",
                                   source, to], check=False)
    assert not [s for s in world.seen() if s.address in WEB and s.port == 443]


# Between sandboxes

def test_two_sandboxes_cannot_reach_each_other(world, make_sandbox):
    from witness import Witness
    a, b = make_sandbox(), make_sandbox()
    addresses = [x for x in b.addresses() if x]
    assert len(addresses) == 2
    listening = b.session.exec(["/usr/bin/python3", "-I", "-c", "import socket, time\ns = socket.create_server(('::', 8080), family=socket."
                                "AF_INET6, dualstack_ipv6=True)\ntime.sleep(20)"])
    witness = Witness(b.namespace)
    a.spray([f"{k} {x} {p}" for x in addresses for k in ("tcp", "udp", "udplite") for p in (8080, 22)], rounds=20)
    assert all(a.fetch(x, 8080, 0.5) is None for x in addresses)
    assert not witness.seen()
    # The fence inside a is gone: the outer one, and then b's own, still hold.
    a.break_inner()
    a.spray([f"{k} {x} {p}" for x in addresses for k in ("tcp", "udp", "udplite") for p in (8080, 22)], rounds=20)
    assert not witness.seen()
    # And the witness is no blind one.
    with b.namespace:
        import socket
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b"x", (addresses[0], 9))
    listening.close()


# What comes from outside

@pytest.mark.parametrize("where", ["lan", "host"])
def test_t98_t99_what_a_sandbox_offers_is_published_nowhere(world, sandbox, where):
    from witness import Witness
    listening = sandbox.session.exec(["/usr/bin/python3", "-I", "-c", "import socket, time\ns = socket.create_server(('::', 18789), family="
                                      "socket.AF_INET6, dualstack_ipv6=True)\ntime.sleep(20)"])
    witness = Witness(sandbox.namespace)
    source = getattr(world, where)
    for address in sandbox.addresses():
        assert world.fetch(source, address, 18789, seconds=0.5) is None
        assert world.fetch(source, address, 22, seconds=0.2) is None
    for address in (*HOST_LAN, *HOST_PUBLIC):  # and not on the host's addresses either; the host's own service is another one
        page = world.fetch(source, address, 18789, seconds=1)
        assert page is None or page.startswith("host ")
    assert not witness.seen()
    listening.close()


def test_t99_no_packet_of_a_sandbox_is_answered_by_another_listener_of_its_own(sandbox):
    """Its loopback is its own."""
    assert sandbox.fetch("127.0.0.1", 22, 0.5) is None and sandbox.fetch("::1", 2375, 0.5) is None
