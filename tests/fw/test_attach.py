# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sessions come, pass what they may and nothing else, and go. Rows of threats.md 4.4 are named by their numbers."""

import glob
import ipaddress
import os
import random
import socket
import struct
import time

import pytest

from client import ICMP, TCP, UDP, Gone, Refused, grant, intent, string
from conftest import INTERNET, LAN
from world import BUILD, others, ours, sessions_in, sh, wait_until

DNS = ("1.1.1.1", "2606:4700:4700::1111")
SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def test_the_internet_and_nothing_else(stage, policy, sandbox, world):
    a = sandbox()
    got = stage.attach("a", a, intent(DNS))
    assert got["interface"].startswith("ocsb") and got["ipv4"].startswith("198.18.") and got["ipv6"].startswith("fd6f:6373:6200::")
    for to in INTERNET:
        assert a.udp(to, 443) == "rejected", f"UDP to {to}"
        assert a.ping(to) == "closed"
    for to in DNS:
        assert a.udp(to, 53) == "open", f"T85: {to} is listed"
    for to in ("9.9.9.9", "2620:fe::fe"):
        assert a.udp(to, 53) == "rejected", f"T85: {to} is not listed"
    for to in LAN:
        assert a.udp(to, 53) == "rejected"
    expected = {(to, 443): "open" for to in INTERNET}
    expected |= {(to, 53): "open" for to in DNS}
    expected |= {(to, 853): "rejected" for to in INTERNET}  # T85: DNS over TLS
    expected |= {(to, 53): "rejected" for to in ("9.9.9.9", "2620:fe::fe")}
    expected |= {(to, port): "rejected" for to in LAN for port in (53, 80, 1234)}  # T84, T87
    assert a.tcp_all(expected) == expected
    status = policy.status()["sessions"]["a"]
    assert all(status["packets"][name] > 0 for name in ("allowed", "dns", "private", "resolver", "protocol"))
    # The inner fence said no to all of it: nothing came out.
    for name in ("private", "resolver", "protocol", "host", "spoofed"):
        assert f'"{got["interface"]}" counter packets 0 bytes 0' in sh(f"nft list set inet oc_sandbox count_{name}"), name


def test_what_is_refused_is_logged_a_few_times_a_minute(stage, policy, sandbox, fw):
    a = sandbox()
    stage.attach("talkative", a, intent(DNS))
    begin = time.monotonic()
    for _ in range(20):
        assert a.tcp("192.168.50.10", 1234) == "rejected" and a.tcp("fd50::10", 853) == "rejected"
    assert a.udp("9.9.9.9", 4433) == "rejected"

    def lines():
        with open("/run/fw.log", encoding="utf-8") as f:
            return [line for line in f if "talkative" in line and "Refused" in line]
    wait_until(lambda: len(lines()) >= 11 and any("udp" in line for line in lines()))
    text = "".join(lines())
    assert "Refused tcp to 192.168.50.10 port 1234 (private)" in text
    assert "Refused tcp to fd50::10 port 853 (resolver)" in text
    assert "Refused udp to 9.9.9.9 port 4433 (protocol)" in text
    assert len(lines()) <= 2 * (6 + (time.monotonic() - begin) / 10) + 1
    assert policy.status()["sessions"]["talkative"]["packets"]["private"] >= 20


def opened(stage, policy, sandbox, what, name="a"):
    """A sandbox whose inner fence is open: the outer one is seen alone."""
    box = sandbox()
    stage.attach(name, box, what)
    policy.call(177, string(name))
    return box


def test_each_fence_is_enough(stage, policy, sandbox):
    a = opened(stage, policy, sandbox, intent(DNS))
    for to in INTERNET:
        assert a.udp(to, 443) == "timeout"
        assert a.ping(to) == "closed"
    assert a.udp("9.9.9.9", 53) == "timeout" and a.udp("1.1.1.1", 53) == "open" and a.udp(DNS[1], 53) == "open"
    expected = {(to, 443): "open" for to in INTERNET}
    expected |= {(to, 853): "timeout" for to in INTERNET}
    expected |= {(to, port): "timeout" for to in LAN for port in (53, 80, 1234)}
    assert a.tcp_all(expected, 0.5) == expected
    packets = policy.status()["sessions"]["a"]["packets"]
    for name in ("allowed", "dns", "private", "resolver", "protocol"):
        assert packets[name] > 0, name


@pytest.mark.parametrize("fences", ("both", "outer"))
def test_T82_no_way_to_the_host(stage, policy, sandbox, fences):
    a = sandbox() if fences == "both" else opened(stage, policy, sandbox, intent(DNS))
    if fences == "both":
        stage.attach("a", a, intent(DNS))
    for to in ("5.5.5.1", "192.168.50.1", "2a05::1", "fd50::1"):
        for port in (8080, 53):
            assert a.tcp(to, port, 0.3) in ("rejected", "timeout"), (to, port)
            assert a.udp(to, port, 0.3) in ("rejected", "timeout"), (to, port)
        assert a.ping(to) == "closed"
    if fences == "outer":
        assert policy.status()["sessions"]["a"]["packets"]["host"] > 0


def test_T83_an_address_that_comes_later_is_covered(stage, policy, sandbox):
    a = sandbox()
    stage.attach("a", a, intent(DNS))
    b = opened(stage, policy, sandbox, intent(DNS), "b")
    sh("ip link add late0 type veth peer name late1; ip addr add 7.7.7.7/32 dev late0; ip -6 addr add 2a07::7/128 dev late0 nodad; ip link set late0 up")
    try:
        wait_until(lambda: "7.7.7.7" in policy.status()["host_addresses"])
        for to in ("7.7.7.7", "2a07::7"):
            assert a.tcp(to, 8080) == "rejected"
            assert b.tcp(to, 8080, 0.5) == "timeout"
    finally:
        sh("ip link del late0")
    wait_until(lambda: "7.7.7.7" not in policy.status()["host_addresses"])
    assert "7.7.7.7" not in a.sh("nft list table inet ocsb_inner")


def test_T82_a_port_published_by_others_is_no_way_around(stage, policy, sandbox):
    """DNAT as Docker does it, from an address of the host to somewhere that alone would be allowed."""
    a = opened(stage, policy, sandbox, intent(DNS))
    sh("nft -f - <<'X'\ntable ip foreign {\n chain pre { type nat hook prerouting priority dstnat; policy accept;\n"
       "  ip daddr 5.5.5.1 tcp dport 8443 dnat to 9.9.9.9:443\n }\n}\nX")
    try:
        assert a.tcp("5.5.5.1", 8443, 0.5) == "timeout"
        assert policy.status()["sessions"]["a"]["packets"]["host"] > 0
    finally:
        sh("nft delete table ip foreign")


def test_no_way_between_sandboxes(stage, policy, sandbox):
    everything = intent(DNS, [grant(1, "198.0.0.0/8"), grant(2, "fd00::/8"), grant(3, "198.0.0.0/8", ICMP)])
    a, b = opened(stage, policy, sandbox, everything, "a"), opened(stage, policy, sandbox, everything, "b")
    from world import Echo
    echo = Echo(b, (8080,), (8080,))
    there = policy.status()["sessions"]["b"]
    for to in (there["ipv4"], there["ipv6"]):
        assert b.tcp(to, 8080) == "open", "the listener is there"
        assert a.tcp(to, 8080, 0.4) == "timeout"
        assert a.ping(to) == "closed"
    echo.stopped = True


def test_the_host_cannot_begin_a_flow_into_a_sandbox(stage, policy, sandbox, world):
    a = opened(stage, policy, sandbox, intent(DNS))
    from world import Echo
    echo = Echo(a, (8080,), (8080,))
    there = policy.status()["sessions"]["a"]
    from world import Namespace
    for to in (there["ipv4"], there["ipv6"]):
        family = socket.AF_INET6 if ":" in to else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as s:
            s.settimeout(0.4)
            with pytest.raises(OSError):
                s.connect((to, 8080))
    world.lan.sh(f"ip route replace {there['ipv4']} via 192.168.50.1")
    assert Namespace.tcp(world.lan, there["ipv4"], 8080, 0.4) == "timeout"
    assert policy.status()["sessions"]["a"]["packets"]["inbound"] > 1
    echo.stopped = True


def test_a_sandbox_sends_from_its_own_address_only(stage, policy, sandbox, world):
    a = opened(stage, policy, sandbox, intent(DNS))
    a.sh("ip addr add 198.18.7.7/32 dev eth0; ip addr add 192.168.50.99/32 dev eth0; ip -6 addr add fd50::99/128 dev eth0 nodad")
    for source in ("198.18.7.7", "192.168.50.99"):
        assert a.tcp("9.9.9.9", 443, 0.4, source) == "timeout"
    assert policy.status()["sessions"]["a"]["packets"]["spoofed"] > 0


def test_grants(stage, policy, sandbox):
    a = sandbox()
    stage.attach("a", a, intent(DNS, [
        grant(1, "192.168.50.10/32", TCP, (1234, 1234)), grant(2, "10.77.0.0/24", UDP, (80, 443)), grant(3, "10.77.0.0/16", ICMP),
        grant(4, "fd50::/64", TCP, (1, 1234)), grant(5, "fd50::10/128", ICMP), grant(6, "10.0.0.0/8", UDP, (443, 500))]))
    assert a.tcp("192.168.50.10", 1234) == "open"
    assert a.tcp("192.168.50.10", 80) == "rejected" and a.udp("192.168.50.10", 1234) == "rejected"
    assert a.udp("10.77.0.1", 443) == "open" and a.udp("10.77.0.1", 80) == "open"
    assert a.udp("10.77.0.1", 1234) == "rejected" and a.tcp("10.77.0.1", 443) == "rejected"
    assert a.ping("10.77.0.1") == "open" and a.ping("192.168.50.10") == "closed"
    assert a.tcp("fd50::10", 1234) == "open" and a.tcp("fd50::10", 8080) == "rejected" and a.ping("fd50::10") == "open"
    assert a.tcp("fd00:ec2::254", 80) == "rejected"
    status = policy.status()["sessions"]["a"]
    assert status["packets"]["granted"] > 0
    assert [g[0] for g in status["grants"]] == [1, 2, 3, 4, 5, 6]
    policy.set("a", intent(DNS))
    for attempt in (lambda: a.tcp("192.168.50.10", 1234), lambda: a.udp("10.77.0.1", 443), lambda: a.tcp("fd50::10", 1234)):
        assert attempt() == "rejected"
    assert a.ping("10.77.0.1") == "closed"


@pytest.mark.parametrize("to", ("192.168.50.10", "fd50::10"))
def test_T95_narrowing_cuts_what_is_established(stage, policy, sandbox, to):
    a = opened(stage, policy, sandbox, intent(DNS, [grant(1, f"{to}/{128 if ':' in to else 32}", TCP, (1234, 1234)), grant(2, "10.77.0.1/32")]))

    def connect(address, port):
        s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        s.settimeout(1)
        s.connect((address, port))
        s.sendall(b"x")
        assert s.recv(1) == b"x"
        return s
    lost, kept, public = a.run(connect, to, 1234), a.run(connect, "10.77.0.1", 80), a.run(connect, "9.9.9.9", 443)
    with lost, kept, public:
        policy.set("a", intent(DNS, [grant(2, "10.77.0.1/32")]))
        lost.sendall(b"y")
        with pytest.raises(TimeoutError):
            lost.recv(1)
        for each in (kept, public):
            each.sendall(b"z")
            assert each.recv(1) == b"z", "a flow that stays allowed goes on"
    table = sh("cat /proc/net/nf_conntrack 2>/dev/null || true")
    assert f"dst={to} " not in table or "dport=1234" not in table


def test_a_grant_ends_by_itself(stage, policy, sandbox):
    a = sandbox()
    until = int((time.time() + 1.0) * 1e6)
    stage.attach("a", a, intent(DNS, [grant(1, "192.168.50.10/32", TCP, (1234, 1234), until), grant(2, "10.77.0.1/32")]))
    assert a.tcp("192.168.50.10", 1234) == "open"
    event = policy.event(196, 5)
    assert event.string() == "a" and event.take("<I") == 1
    assert time.time() * 1e6 >= until
    assert a.tcp("192.168.50.10", 1234) == "rejected" and a.tcp("10.77.0.1", 80) == "open"
    policy.set("a", intent(DNS, [grant(3, "192.168.50.10/32", TCP, (1234, 1234), 1000)]))
    assert policy.event(196).take("<I") and a.tcp("192.168.50.10", 1234) == "rejected"
    assert policy.status()["sessions"]["a"]["grants"] == []


def test_lockdown_outlives_the_daemon(fw, stage, policy, sandbox):
    a = sandbox()
    stage.attach("a", a, intent(DNS))
    b = opened(stage, policy, sandbox, intent(DNS), "b")
    policy.lockdown(1)
    assert policy.status()["lockdown"] == 1
    for box in (a, b):
        assert box.tcp("9.9.9.9", 443, 0.4) == "timeout" and box.udp("1.1.1.1", 53) == "timeout"
    fw.kill()
    fw.start()
    policy = fw.ocsb()
    assert policy.status()["lockdown"] == 1 and a.tcp("9.9.9.9", 443, 0.4) == "timeout"
    policy.lockdown(0)
    assert a.tcp("9.9.9.9", 443) == "open" and b.udp("1.1.1.1", 53) == "open"
    assert policy.status()["lockdown"] == 0


def test_without_ipv6_on_the_host_it_is_closed(stage, policy, sandbox):
    sh("ip -6 route del default")
    try:
        a = opened(stage, policy, sandbox, intent(DNS))
        status = policy.status()
        assert status["ipv6"] == 0 and status["sessions"]["a"]["ipv6"] is None
        assert a.tcp("9.9.9.9", 443) == "open" and a.tcp("2620:fe::fe", 443) == "rejected"
        a.sh("ip -6 addr add fd6f:6373:6200::99/128 dev eth0 nodad; ip -6 neigh add fe80::1 lladdr 02:6f:63:73:62:01 dev eth0;"
             "ip -6 route add default via fe80::1 dev eth0 onlink")
        sh("ip -6 route add default via 2a05::2")
        assert a.tcp("2620:fe::fe", 443, 0.4) == "timeout"
    finally:
        sh("ip -6 route replace default via 2a05::2")


def test_a_session_leaves_nothing(stage, policy, sandbox):
    policy.status()  # it has built the table
    before = ours()
    names = set()
    for _ in range(3):
        a = sandbox()
        got = stage.attach("a", a, intent(DNS))
        assert got["interface"] not in names, "its slot is not used again so soon"
        names.add(got["interface"])
        assert a.tcp("9.9.9.9", 443) == "open"
        stage.detach("a")
        assert a.tcp("9.9.9.9", 443, 0.4) in ("timeout", "rejected")
    assert ours() == before
    assert policy.status()["sessions"] == {}
    assert os.listdir("/run/ocsb/fw") == []
    stage.detach("a")
    stage.detach("never_was")
    # The namespaces live on: ocsb-fw takes the interfaces away itself.
    wait_until(lambda: not glob.glob("/proc/sys/net/ipv4/conf/ocsb*"), 10)


def test_late_answers_to_a_session_that_has_ended_go_nowhere(stage, policy, sandbox, world):
    world.internet.sh("nft -f - <<'X'\ntable inet count {\n counter seen { }\n chain c { type filter hook prerouting priority -400; policy accept;\n"
                      "  iifname far ip daddr 198.18.0.0/16 counter name seen\n  iifname far ip6 daddr fd6f:6373:6200::/64 counter name seen\n }\n}\nX")
    try:
        a = sandbox()
        got = stage.attach("a", a, intent(DNS))
        server = world.internet.run(lambda: socket.create_server(("9.9.9.9", 7777)))
        with server:
            s = a.run(lambda: socket.create_connection(("9.9.9.9", 7777), 2))
            answering, _ = server.accept()
            stage.detach("a")
            sh(f"ip link del {got['interface']}")
            with answering, s:
                answering.sendall(b"late")
                time.sleep(0.5)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as u:
            try:
                u.sendto(b"x", (got["ipv4"], 1))
            except PermissionError:
                pass
        assert "packets 0" in world.internet.sh("nft list counters table inet count")
    finally:
        world.internet.sh("nft delete table inet count")


def test_wrong_requests_are_refused_by_name(stage, policy, sandbox):
    a = sandbox()
    stage.attach("a", a, intent(DNS))
    before = ours()
    wrong = {
        "every address there is": intent((), [grant(1, "0.0.0.0/0")]),
        "an IPv6 form of IPv4": intent((), [grant(1, "::ffff:10.0.0.1/128")]),
        "ports are 1 to 65535": intent((), [grant(1, "10.0.0.1/32", TCP, (0, 0))]),
        "lower one first": intent((), [grant(1, "10.0.0.1/32", TCP, (9, 8))]),
        "unknown protocol": intent((), [grant(1, "10.0.0.1/32", 7)]),
        "more than 64": intent((), [grant(i + 1, "10.0.0.1/32") for i in range(65)]),
        "not ascending": intent((), [grant(2, "10.0.0.1/32"), grant(2, "10.0.0.2/32")]),
        "until is 0": intent((), [grant(1, "10.0.0.1/32", until=0)]),
        "Grant: 192.168.50.1 is an address of this host": intent((), [grant(1, "192.168.50.1/32")]),
        "Grant: 2a05::1 is an address of this host": intent((), [grant(1, "2a05::1/128")]),
        "Resolver 5.5.5.1 is an address of this host": intent(("5.5.5.1",)),
    }
    for why, body in wrong.items():
        with pytest.raises(Refused) as e:
            policy.set("a", body)
        assert why in e.value.text or (why == "more than 64" and e.value.error == 7), e.value.text
    with pytest.raises(Refused) as e:
        policy.set("gone", intent())
    assert e.value.error == 2 and "gone" in e.value.text
    with pytest.raises(Refused):
        stage.call(160, string("b") + struct.pack("<I", 1000) + intent(), [a.fd])
    with pytest.raises(Refused) as e:
        stage.call(160, string("b") + struct.pack("<I", 1000) + intent(), [a.fd, 0, 1])
    assert "netlink" in e.value.text
    assert ours() == before and sorted(os.listdir("/run/ocsb/fw")) == ["a"]


def test_who_may_ask(fw, stage, policy, sandbox):
    from client import Client
    from world import SOCKET
    for kind in (160, 161, 162, 16, 192, 4000):
        intruder = fw.ocsb()
        with pytest.raises(Gone):
            intruder.call(kind)
    stranger = Client(SOCKET, 1000)
    with pytest.raises(Gone):
        stranger.status()
    assert policy.status()["sessions"] == {}


def test_the_daemon_holds_one_capability(fw, policy):
    policy.status()
    with open(f"/proc/{fw.process.pid}/status", encoding="ascii") as f:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)
    for name, value in (("CapInh", 0), ("CapPrm", 1 << 12), ("CapEff", 1 << 12), ("CapBnd", 1 << 12), ("CapAmb", 0)):
        assert int(status[name], 16) == value, name
    assert status["NoNewPrivs"] == "1" and status["Uid"].split()[0] == "962"


@pytest.mark.parametrize("how", ("", "setpriv --bounding-set=-all,+net_admin,+sys_admin", "setpriv --reuid 962 --regid 962 --clear-groups"))
def test_it_refuses_other_rights(world, how):
    out = sh(f"{how} {BUILD}/src/fw/ocsb-fw; echo status $?")
    assert "CAP_NET_ADMIN and no other capability" in out and "status 1" in out


def test_it_refuses_a_wrong_configuration(fw, policy):
    policy.status()
    with open("/run/firewall.json", "w", encoding="ascii") as f:
        f.write('{"pool_ipv4": "10.200.0.0/16", "colour": 1}')
    try:
        with pytest.raises(Refused) as e:
            policy.call(180)
        assert 'unknown key "colour"' in e.value.text
        with open("/run/firewall.json", "w", encoding="ascii") as f:
            f.write('{"pool_ipv4": "10.200.0.0/16"}')
        policy.call(180)
        assert policy.status()["pool_ipv4"] == "10.200.0.0/16"
    finally:
        os.unlink("/run/firewall.json")


def test_a_pool_that_meets_a_route_is_refused_by_name(stage, policy, sandbox):
    sh("ip route add 198.18.4.0/24 via 192.168.50.2")
    try:
        wait_until(lambda: policy.status()["problems"])
        with pytest.raises(Refused) as e:
            stage.attach("a", sandbox(), intent())
        assert "198.18.4.0/24 by lan0" in e.value.text and "firewall.json" in e.value.text
        assert "ip daddr 198.18.0.0/16" not in ours(), "the host's own packets there are none of our business"
    finally:
        sh("ip route del 198.18.4.0/24")
    wait_until(lambda: not policy.status()["problems"])
    stage.attach("a", sandbox(), intent())


def test_what_is_shown_is_what_is_loaded(stage, policy, sandbox):
    stage.attach("a", sandbox(), intent(DNS, [grant(1, "192.168.50.10/32", TCP, (1234, 1234))]))
    shown = policy.show()
    with open("/run/shown.nft", "w", encoding="utf-8") as f:
        f.write(shown)
    loaded = ours()
    sh("nft -c -f /run/shown.nft")
    sh("unshare -n sh -c 'nft -f /run/shown.nft && nft -s list table inet oc_sandbox > /run/again.nft'")
    with open("/run/again.nft", encoding="utf-8") as f:
        assert f.read() == loaded


@pytest.mark.parametrize("path", sorted(glob.glob(SOURCE + "/tests/unit/golden/fw-*.nft")), ids=os.path.basename)
def test_nft_accepts_each_golden_file(world, path):
    golden = os.path.dirname(path)
    # What each is a change of; the others stand alone.
    start = {"add": "empty", "add-ipv4": "empty", "widen": "narrow", "lockdown-off": "locked"}
    name = os.path.basename(path)[3:-4]
    before = "" if name in ("empty", "full", "locked", "inner") else f"nft -f {golden}/fw-{start.get(name, 'full')}.nft && "
    if name == "widen":
        before = f"nft -f {golden}/fw-full.nft && " + before
    sh(f"unshare -n sh -c '{before}nft -c -f {path} && nft -f {path}'")


def test_T80_foreign_tables_stay_as_they_are(fw, stage, policy, sandbox):
    sh("nft -f - <<'X'\ntable ip nat {\n chain DOCKER { }\n chain POSTROUTING { type nat hook postrouting priority 100; policy accept;\n"
       "  ip saddr 172.17.0.0/16 masquerade\n }\n}\ntable inet firewalld {\n set s { type ipv4_addr; flags interval; elements = { 10.0.0.0/8 } }\n"
       " chain c { type filter hook forward priority filter + 10; policy accept; ct state established counter accept\n }\n}\nX")
    try:
        before = others()
        a = sandbox()
        stage.attach("a", a, intent(DNS))
        policy.set("a", intent(DNS, [grant(1, "10.77.0.1/32")]))
        policy.lockdown(1)
        policy.lockdown(0)
        policy.call(180)
        assert others() == before, "after changes"
        fw.kill()
        assert others() == before, "after a crash"
        fw.start()
        fw.ocsb().status()
        sh("nft delete table inet oc_sandbox")
        wait_until(lambda: sessions_in(ours()))
        assert others() == before, "after a repair"
        fw.stop()
        assert others() == before, "after a stop"
        assert sessions_in(ours()), "the table survives a stop"
    finally:
        sh("nft delete table ip nat; nft delete table inet firewalld")


def test_ten_thousand_forbidden_destinations(stage, policy, sandbox, world):
    """Random and structured, from a sandbox with its inner fence open: none arrives at the LAN."""
    a = opened(stage, policy, sandbox, intent(DNS))
    world.lan.sh("nft -f - <<'X'\ntable inet count {\n counter seen { }\n chain c { type filter hook prerouting priority -400; policy accept;\n"
                 "  iifname far ip saddr 198.18.0.0/16 counter name seen\n  iifname far ip saddr 192.168.50.1 meta l4proto { tcp, udp } counter "
                 "name seen\n  iifname far ip6 saddr fd50::1 meta l4proto { tcp, udp } counter name seen\n }\n}\nX")
    sh("ip route add 172.16.0.0/12 via 192.168.50.2; ip route add 10.0.0.0/8 via 192.168.50.2; ip -6 route add fc00::/7 via fd50::2;"
       "ip route add 100.64.0.0/10 via 192.168.50.2; ip route add 192.168.0.0/16 via 192.168.50.2; ip route add 169.254.0.0/16 via 192.168.50.2")
    ranges = [ipaddress.ip_network(n) for n in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16",
                                              "fc00::/7", "fd50::/64", "192.168.50.0/24")]
    dice = random.Random(7)

    def flood():
        v4 = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        v6 = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        streams = []
        for i in range(10000):
            net = ranges[i % len(ranges)]
            to = str(net[dice.choice((0, 1, -1, dice.randrange(min(net.num_addresses, 1 << 60))))])
            port = dice.choice((53, 80, 443, 853, 1234, 2375, dice.randrange(1, 65536)))
            try:
                if i % 10:
                    (v6 if ":" in to else v4).sendto(b"x", (to, port))
                else:
                    s = socket.socket(socket.AF_INET6 if ":" in to else socket.AF_INET, socket.SOCK_STREAM)
                    s.setblocking(False)
                    streams.append(s)
                    s.connect((to, port))
            except OSError:
                pass
        time.sleep(0.2)
        for s in streams:
            s.close()
        v4.close()
        v6.close()
    try:
        a.run(flood)
        seen = world.lan.sh("nft list counters table inet count")
        assert "packets 0" in seen, seen
        assert policy.status()["sessions"]["a"]["packets"]["private"] > 5000
    finally:
        world.lan.sh("nft delete table inet count")
        sh("for r in 172.16.0.0/12 10.0.0.0/8 100.64.0.0/10 192.168.0.0/16 169.254.0.0/16; do ip route del $r; done; ip -6 route del fc00::/7")


def test_a_namespace_without_the_inner_fence_is_refused(stage, policy, sandbox):
    a = sandbox()
    a.sh("nft flush ruleset")
    with pytest.raises(Refused) as e:
        stage.attach("a", a, intent(DNS))
    assert "no inner fence" in e.value.text
    assert policy.status()["sessions"] == {} and a.sh("ip -o link").count("\n") == 1


def test_memory_does_not_grow_with_what_was_done(fw, stage, policy, sandbox):
    a = sandbox()
    stage.attach("a", a, intent(DNS))

    def resident():
        with open(f"/proc/{fw.process.pid}/statm", encoding="ascii") as f:
            return int(f.read().split()[1]) * 4

    def work(n):
        for i in range(n):
            policy.set("a", intent(DNS, [grant(k + 1, f"10.{i % 200}.{k}.1/32") for k in range(20)]))
            policy.call(180)
    work(40)
    before = resident()
    work(200)
    assert resident() < before + 2048, "KiB"
    assert len(os.listdir(f"/proc/{fw.process.pid}/fd")) < 25
