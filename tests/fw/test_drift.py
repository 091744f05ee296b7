# SPDX-License-Identifier: LGPL-2.1-or-later
"""Foreign changes, restarts and upgrades."""

import os
import socket
import threading
import time

import pytest

from client import TCP, Gone, grant, intent
from conftest import LAN
from world import connect_all, ours, sessions_in, sh, wait_until

DNS = ("1.1.1.1", "2606:4700:4700::1111")


@pytest.fixture
def counted(world):
    """Counts what reaches the LAN from sandboxes, by an own table there."""
    world.lan.sh("nft -f - <<'X'\ntable inet count {\n counter seen { }\n chain c { type filter hook prerouting priority -400; policy accept;\n"
                 "  iifname far meta l4proto { tcp, udp } counter name seen\n }\n}\nX")
    yield lambda: int(world.lan.sh("nft list counters table inet count").split("packets ")[1].split()[0])
    world.lan.sh("nft delete table inet count")


class Flood:
    """A sender that never pauses: UDP and TCP to every forbidden place."""

    def __init__(self, sandbox):
        self.sandbox, self.stopped, self.sent = sandbox, False, 0
        self.thread = threading.Thread(target=lambda: sandbox.run(self.go))
        self.thread.start()

    def go(self):
        v4, v6 = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        while not self.stopped:
            for to in LAN:
                for port in (53, 80, 1234):
                    try:
                        (v6 if ":" in to else v4).sendto(b"x", (to, port))
                    except OSError:
                        pass
                    self.sent += 1
            connect_all([(to, 80) for to in LAN], 0.001, None)
        v4.close()
        v6.close()

    def stop(self):
        self.stopped = True
        self.thread.join()


CHANGES = (
    "nft flush ruleset",
    "nft delete table inet oc_sandbox",
    "nft flush chain inet oc_sandbox forward",
    "nft delete element inet oc_sandbox sources_ipv4 '{ \"ocsb1\" . 198.18.0.1 }'",
    "nft insert rule inet oc_sandbox sent accept",
    "nft add element inet oc_sandbox grants '{ \"ocsb1\" : accept }'",
    "nft insert rule inet oc_sandbox lockdown accept",
    "nft flush set inet oc_sandbox private_ipv4",
    "nft 'flush ruleset; add table inet other; add chain inet other c'",
)


@pytest.mark.parametrize("change", CHANGES)
def test_T81_a_foreign_change_opens_nothing_and_is_repaired(stage, policy, sandbox, counted, change):
    a = sandbox()
    stage.attach("a", a, intent(DNS))
    before = ours()
    flood = Flood(a)
    try:
        time.sleep(0.1)
        begin = time.monotonic()
        sh(change)
        event = policy.event(195, 5)
        seconds = time.monotonic() - begin
        wait_until(lambda: ours() == before, 2)
        assert seconds < 1
        assert event.take("<Q") < 1000000 and "oc_sandbox" in event.string()
        time.sleep(0.1)
    finally:
        flood.stop()
        sh("nft delete table inet other", check=False)
    assert flood.sent > 200 and counted() == 0, "not one packet reached the LAN"
    assert policy.status()["repairs"] >= 1
    assert a.tcp("9.9.9.9", 443) == "open"
    assert ours() == before


def test_T81_again_and_again_while_traffic_runs(stage, policy, sandbox, counted):
    a = sandbox()
    stage.attach("a", a, intent(DNS))
    before = ours()
    flood = Flood(a)
    try:
        for _ in range(60):
            sh("nft flush ruleset")
    finally:
        flood.stop()
    wait_until(lambda: ours() == before, 2)
    assert counted() == 0
    assert a.tcp("9.9.9.9", 443) == "open"


def test_the_outer_fence_alone_is_back_within_a_second(stage, policy, sandbox):
    from test_attach import opened
    a = opened(stage, policy, sandbox, intent(DNS))
    assert a.tcp("192.168.50.10", 1234, 0.3) == "timeout"
    sh("nft flush ruleset")
    policy.event(195)
    assert a.tcp("192.168.50.10", 1234, 0.3) == "timeout"


def test_changes_elsewhere_are_nobody_s_business(stage, policy, sandbox):
    stage.attach("a", sandbox(), intent(DNS))
    sh("nft add table inet other; nft add chain inet other oc_sandbox; nft add table ip oc_sandbox; nft delete table ip oc_sandbox;"
       "nft delete table inet other")
    for i in range(5):
        policy.set("a", intent(DNS, [grant(i + 1, "10.77.0.1/32")]))
    assert policy.status()["repairs"] == 0


def test_a_flush_while_it_was_away_is_repaired_at_its_start(fw, stage, policy, sandbox):
    a = sandbox()
    stage.attach("a", a, intent(DNS, [grant(1, "10.77.0.1/32")]))
    before = ours()
    fw.stop()
    assert ours() == before, "the table survives its stop"
    assert a.tcp("9.9.9.9", 443) == "open" and a.tcp("10.77.0.1", 80) == "open"
    sh("nft flush ruleset")
    assert a.tcp("192.168.50.10", 80) == "rejected"
    fw.start()
    assert fw.ocsb().status()["sessions"]["a"]["grants"][0][0] == 1
    assert ours() == before


def test_a_restart_and_those_who_come_back(fw, stage, policy, sandbox):
    boxes = {name: sandbox() for name in ("stays", "went")}
    for name, box in boxes.items():
        stage.attach(name, box, intent(DNS))
    policy.set("stays", intent(DNS, [grant(5, "10.77.0.1/32", TCP, (80, 80))]))
    interface = policy.status()["sessions"]["stays"]["interface"]
    fw.kill()
    with pytest.raises(Gone):
        stage.call(162)
    fw.start()
    stage, policy = fw.root(), fw.ocsb()
    assert set(policy.status()["sessions"]) == {"stays", "went"}
    # The plan's intent does not come back: ocsb-fw's own record says what was granted since.
    assert stage.attach("stays", boxes["stays"], intent(DNS))["interface"] == interface
    assert boxes["stays"].tcp("10.77.0.1", 80) == "open"
    stage.synced()
    assert set(policy.status()["sessions"]) == {"stays"}
    assert boxes["went"].tcp("9.9.9.9", 443, 0.4) == "timeout"
    policy.set("stays", intent(DNS))
    assert boxes["stays"].tcp("10.77.0.1", 80) == "rejected" and boxes["stays"].tcp("9.9.9.9", 443) == "open"
    assert os.listdir("/run/ocsb/fw") == ["stays"]


def test_another_session_of_the_same_name_inherits_nothing(stage, policy, sandbox):
    old, new = sandbox(), sandbox()
    stage.attach("a", old, intent(DNS))
    policy.set("a", intent(DNS, [grant(1, "192.168.50.10/32")]))
    first = policy.status()["sessions"]["a"]["interface"]
    assert stage.attach("a", new, intent(DNS))["interface"] != first
    assert policy.status()["sessions"]["a"]["grants"] == []
    assert new.tcp("192.168.50.10", 1234) == "rejected" and new.tcp("9.9.9.9", 443) == "open"
    assert old.tcp("9.9.9.9", 443, 0.4) == "timeout"


def test_ocsb_stage_starts_anew(fw, stage, policy, sandbox):
    a = sandbox()
    stage.attach("a", a, intent(DNS))
    before = ours()
    stage.close()
    again = fw.root()
    again.attach("a", a, intent(DNS))
    again.synced()
    assert ours() == before and a.tcp("9.9.9.9", 443) == "open"


def test_a_damaged_record_is_not_believed(fw, stage, policy, sandbox):
    a = sandbox()
    stage.attach("a", a, intent(DNS))
    fw.kill()
    with open("/run/ocsb/fw/a", "r+b") as f:
        f.truncate(20)
    fw.start()
    assert fw.ocsb().status()["sessions"] == {}
    assert not sessions_in(ours())
    stage = fw.root()
    stage.attach("a", a, intent(DNS))
    assert a.tcp("9.9.9.9", 443) == "open"


def test_an_interface_that_somebody_takes_away(fw, stage, policy, sandbox):
    a = sandbox()
    got = stage.attach("a", a, intent(DNS))
    sh(f"ip link del {got['interface']}")
    again = fw.root()
    again.attach("a", a, intent(DNS))
    assert a.tcp("9.9.9.9", 443) == "open"


def test_an_interface_without_a_session_goes_at_the_start(fw, stage, policy, sandbox):
    a, b = sandbox(), sandbox()
    gone, kept = stage.attach("gone", a, intent(DNS))["interface"], stage.attach("kept", b, intent(DNS))["interface"]
    fw.kill()
    os.unlink("/run/ocsb/fw/gone")
    sh("ip link add ocsb15000 type veth peer name ocsb15001p; ip link add ocsbx type veth peer name ocsby")
    fw.start()
    fw.ocsb().status()
    there = os.listdir("/proc/sys/net/ipv4/conf")
    sh("ip link del ocsbx")
    assert kept in there and "ocsbx" in there and gone not in there and "ocsb15000" not in there
