# SPDX-License-Identifier: LGPL-2.1-or-later
"""T95 and the grants: what a session is given, it alone has, as long as it was said, and what it loses ends within a second, also
in the middle of a connection."""

import time

import pytest

import firewall
from client import BusError
from firewall import destination, destinations
from stack import FLOW, same_rules, wait_until
from world import HOST_LAN, HOST_PUBLIC, LLM, LLM_PORT, METADATA, RESOLVERS, WEB

SECOND = 1.0


def grants_of(address):
    return [(address, "tcp", LLM_PORT)]


class Flow:
    """A busy connection from inside."""

    def __init__(self, sandbox, address, port, seconds=6):
        import os
        self.reader, writer = os.pipe()
        self.running = sandbox.session.exec(["/usr/bin/python3", "-I", "-c", FLOW, address, str(port), str(seconds)],
                                            fds={1: writer, 2: writer})
        os.close(writer)
        said = os.read(self.reader, 1000)
        assert said == b"open\n", said

    def end(self):
        import os
        self.running.close()
        os.close(self.reader)


def last_packet(world, address, seconds):
    """When, within so many seconds from now, the last packet to it arrived: in seconds from now, 0 for none."""
    begin, last = time.monotonic(), 0.0
    count = sum(n for s, n in world.seen().items() if s.address == address)
    while time.monotonic() - begin < seconds:
        time.sleep(0.05)
        now = sum(n for s, n in world.seen().items() if s.address == address)
        if now != count:
            count, last = now, time.monotonic() - begin
    return last


@pytest.mark.parametrize("address", LLM)
def test_a_grant_opens_one_destination_for_one_session(world, openclaw, make_sandbox, address):
    one, other = make_sandbox(), make_sandbox()
    with world.nothing_forbidden_arrives(allowed=grants_of(address)):
        firewall.allow(openclaw, one.id, address, LLM_PORT)
        assert one.fetch(address, LLM_PORT).startswith("lan " + address)
        assert other.fetch(address, LLM_PORT, 0.3) is None
        # not another port, not UDP, not its neighbour
        one.spray([f"tcp {address} 22", f"udp {address} {LLM_PORT}", f"tcp {'fd50::1' if ':' in address else '192.168.50.1'} {LLM_PORT}"])
    world.clear()
    other.spray([f"tcp {address} {LLM_PORT}"], rounds=10)
    time.sleep(0.1)
    assert not world.forbidden(), "the other session's packets"


def test_a_grant_at_creation(world, make_sandbox):
    sandbox = make_sandbox(allow=destinations(destination(LLM[0], LLM_PORT)))
    assert sandbox.fetch(LLM[0], LLM_PORT).startswith("lan")
    assert sandbox.fetch(LLM[1], LLM_PORT, 0.3) is None, "the IPv6 twin was not granted"


def test_udp_and_icmp_grants(world, openclaw, sandbox):
    firewall.allow(openclaw, sandbox.id, LLM[0], 5000, "udp")
    firewall.allow(openclaw, sandbox.id, LLM[0], None, "icmp")
    world.clear()
    sandbox.spray([f"udp {LLM[0]} 5000", f"udp {LLM[0]} 5001", f"icmp {LLM[0]} 0"])
    time.sleep(0.1)
    seen = {(s.protocol, s.port) for s in world.seen() if s.address == LLM[0]}
    assert ("udp", 5000) in seen and ("udp", 5001) not in seen
    assert firewall.session_status(openclaw, sandbox.id)["counters"]["granted"][0] >= 1


def test_a_grant_ends_with_its_session_and_its_slot_inherits_nothing(world, openclaw, make_sandbox):
    first = make_sandbox()
    firewall.allow(openclaw, first.id, LLM[0], LLM_PORT)
    address = first.addresses()[0]
    first.end()
    for _ in range(5):
        again = make_sandbox()
        if again.addresses()[0] == address:
            break
    assert again.fetch(LLM[0], LLM_PORT, 0.3) is None


def test_expiry_closes_by_itself_and_is_told(world, openclaw, sandbox):
    with openclaw.signals(interface=firewall.INTERFACE, member="GrantExpired") as received:
        ident = firewall.allow(openclaw, sandbox.id, LLM[0], LLM_PORT, for_usec=1_500_000)
        begin = time.monotonic()
        assert sandbox.fetch(LLM[0], LLM_PORT).startswith("lan")
        told = received(5)
        assert (told.body if hasattr(told, "body") else told)[:2] == (sandbox.id, ident)
        assert 1.4 < time.monotonic() - begin < 1.5 + SECOND
    with world.nothing_forbidden_arrives():
        assert sandbox.fetch(LLM[0], LLM_PORT, 0.3) is None


def test_t95_expiry_cuts_an_open_connection(world, openclaw, sandbox):
    firewall.allow(openclaw, sandbox.id, LLM[0], LLM_PORT, for_usec=1_500_000)
    flow = Flow(sandbox, LLM[0], LLM_PORT)
    assert 0.5 < last_packet(world, LLM[0], 3) < 1.5 + SECOND
    flow.end()


@pytest.mark.parametrize("address", LLM)
@pytest.mark.parametrize("how", ["Revoke", "Update"])
def test_t95_narrowing_cuts_an_open_connection(world, openclaw, sandbox, address, how):
    ident = firewall.allow(openclaw, sandbox.id, address, LLM_PORT)
    flow = Flow(sandbox, address, LLM_PORT)
    assert last_packet(world, address, 0.5) > 0.3, "it is busy"
    if how == "Revoke":
        firewall.revoke(openclaw, sandbox.id, ident)
    else:
        firewall.update(sandbox.session, allow=destinations())
    assert last_packet(world, address, 1.5) < SECOND
    with world.nothing_forbidden_arrives():
        time.sleep(0.2)
    flow.end()


def test_t95_narrowing_cuts_each_fence_alone(world, openclaw, sandbox):
    """The fence inside is open: the outer one cuts as well."""
    ident = firewall.allow(openclaw, sandbox.id, LLM[0], LLM_PORT)
    sandbox.break_inner()
    flow = Flow(sandbox, LLM[0], LLM_PORT)
    firewall.revoke(openclaw, sandbox.id, ident)
    assert last_packet(world, LLM[0], 1.5) < SECOND
    flow.end()


def test_t95_other_flows_live_on(world, openclaw, sandbox):
    ident = firewall.allow(openclaw, sandbox.id, LLM[0], LLM_PORT)
    flow = Flow(sandbox, WEB[0], 8080)
    firewall.revoke(openclaw, sandbox.id, ident)
    assert last_packet(world, WEB[0], 1) > 0.7
    flow.end()


def test_t85_an_update_of_dns_holds_at_once(world, sandbox):
    assert sandbox.resolve(RESOLVERS[0]) and sandbox.resolve(RESOLVERS[1])
    firewall.update(sandbox.session, dns=("as", [RESOLVERS[1]]))
    assert not sandbox.resolve(RESOLVERS[0]) and sandbox.resolve(RESOLVERS[1])


def test_what_is_granted_survives_a_crash_and_a_flush(world, stack, openclaw, sandbox):
    firewall.allow(openclaw, sandbox.id, LLM[0], LLM_PORT)
    wanted = stack.table()
    stack.kill_fw()
    stack.repaired(wanted, 10)
    world.host.nft("flush ruleset")
    stack.repaired(wanted)
    assert sandbox.fetch(LLM[0], LLM_PORT).startswith("lan")


@pytest.mark.parametrize("address, port", [(HOST_LAN[0], 2375), (HOST_PUBLIC[0], 22), (HOST_LAN[1], 22), (METADATA[0], 80),
                                           ("0.0.0.0/0", 80), ("::/0", 80), ("10.0.0.0/8", 80), ("::ffff:192.168.50.10", 1234),
                                           ("example.com", 80), ("192.168.50.10", 0), ("192.168.50.10", -1), ("192.168.50.10", 65536),
                                           ("192.168.050.10", 80), ("3232248330", 80), ("0xc0a8320a", 80), ("", 80), ("fe80::1", 80)])
def test_wrong_grants_are_refused_and_change_nothing(world, stack, openclaw, sandbox, address, port):
    before = stack.table()
    with pytest.raises(BusError) as e:
        firewall.allow(openclaw, sandbox.id, address, port)
    assert len(e.value.message) > 10 and e.value.name.startswith("org.openclaw.Sandbox1.Error.")
    assert same_rules(stack.table(), before)


def test_a_grant_that_has_passed_is_refused(openclaw, sandbox):
    with pytest.raises(BusError):
        firewall.allow(openclaw, sandbox.id, LLM[0], LLM_PORT, until_usec=1)


def test_a_grant_for_a_session_that_is_gone(openclaw, make_sandbox):
    gone = make_sandbox()
    gone.end()
    with pytest.raises(BusError) as e:
        firewall.allow(openclaw, gone.id, LLM[0], LLM_PORT)
    assert e.value.short == "NoSuchSession"


def test_a_thousand_grants_are_too_many_and_the_first_ones_hold(world, openclaw, sandbox):
    made = 0
    with pytest.raises(BusError) as e:
        for port in range(1, 1001):
            firewall.allow(openclaw, sandbox.id, LLM[0], LLM_PORT + port)
            made += 1
    assert e.value.short == "QuotaExceeded" and made == 64
    assert sandbox.fetch(LLM[0], 11434, 0.3) is None


def test_lockdown_drops_everything(world, stack, root, openclaw, sandbox):
    from stack import TABLE
    root.manager("Lockdown", "b", True)
    try:
        text = stack.host.run(["nft", "list", "chain", *TABLE.split(), "lockdown"])
        assert "drop" in text
    finally:
        root.manager("Lockdown", "b", False)


def test_a_redirect_or_a_rebound_name_gains_nothing(world, sandbox):
    """T87: whatever a name or a page says, the address is what counts."""
    for form in ("169.254.169.254", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "::ffff:169.254.169.254"):
        done = sandbox.python("import socket, sys\nsocket.setdefaulttimeout(0.3)\nsocket.create_connection((sys.argv[1], 80))", form)
        assert done.code != 0
    assert not [s for s in world.seen() if s.where == "metadata"]


def test_counters_say_why(world, openclaw, sandbox):
    sandbox.break_inner()  # else nothing comes as far as the outer one
    sandbox.spray([f"tcp {LLM[0]} 80"] * 3 + [f"tcp {HOST_PUBLIC[0]} 22"] + ["tcp 9.9.9.9 53", "udp 9.9.9.9 853", f"udp {WEB[0]} 443"] * 2)
    assert sandbox.fetch(WEB[0])
    counters = wait_until(lambda: firewall.session_status(openclaw, sandbox.id)["counters"])
    packets = {name: value[0] for name, value in counters.items()}
    assert packets["private"] >= 3 and packets["resolver"] >= 4 and packets["protocol"] >= 2 and packets["allowed"] >= 3
    assert packets["host"] >= 1


