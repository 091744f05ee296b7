# SPDX-License-Identifier: LGPL-2.1-or-later
"""ocsbd and ocsb-fw, as far as that can be seen without a network: no ocsb-fw, and one that says what it likes. What sessions reach
with the real one is tested in tests/network."""

import contextlib
import os
import select
import socket
import struct
import threading

import pytest

import wire
from client import FIREWALL, MANAGER, ROOT
from conftest import error, wait_until

SOCKET = "/run/ocsb/fw.sock"
SET, OPEN_INNER, STATUS, SHOW, RELOAD, LOCKDOWN = range(176, 182)
STATUS_REPLY, SHOW_REPLY, DRIFT, EXPIRED = range(193, 197)


def destination(to, ports=None, proto=None, **more):
    d = {"to": ("s", to)}
    if ports:
        d["ports"] = ("s", ports)
    if proto:
        d["proto"] = ("s", proto)
    d.update(more)
    return d


def status_body(lockdown=0, ipv6=0, repairs=0, hosts=(), problems=""):
    return (struct.pack("<IIQ", lockdown, ipv6, repairs) + wire.string(bytes([198, 18, 0, 0])) + struct.pack("<I", 16)
            + wire.string(bytes([0xfd, 0x6f, 0x63, 0x73, 0x62]) + bytes(11)) + struct.pack("<I", 64) + struct.pack("<I", len(hosts))
            + b"".join(wire.string(socket.inet_aton(h)) for h in hosts) + wire.string(problems) + struct.pack("<I", 0))


class Peer:
    """Stands in for ocsb-fw. answers: kind of request -> function of (connection, tag, body)."""

    def __init__(self, **status):
        self.status, self.seen, self.connections = status, [], []
        self.answers = {STATUS: lambda c, tag, body: wire.send(c, STATUS_REPLY, tag, status_body(**self.status))}
        with contextlib.suppress(FileNotFoundError):
            os.unlink(SOCKET)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(SOCKET)
        os.chmod(SOCKET, 0o666)
        self.listener.listen(16)
        self.stop_r, self.stop_w = os.pipe()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            readable, _, _ = select.select([self.stop_r, self.listener, *self.connections], [], [])
            if self.stop_r in readable:
                return
            for s in readable:
                if s is self.listener:
                    self.connections.append(s.accept()[0])
                    continue
                try:
                    data = s.recv(1 << 20)
                except OSError:
                    data = b""
                if not data:
                    self.connections.remove(s)
                    s.close()
                    continue
                _, kind, tag, _ = struct.unpack_from("<IIII", data)
                self.seen.append((kind, data[16:]))
                answer = self.answers.get(kind, lambda c, tag, body: wire.send(c, wire.ACK, tag, struct.pack("<I", 0) + wire.string("")))
                with contextlib.suppress(OSError):
                    answer(s, tag, data[16:])

    def tell(self, kind, body):
        for c in list(self.connections):
            with contextlib.suppress(OSError):
                wire.send(c, kind, 0, body)

    def close(self):
        os.write(self.stop_w, b"x")
        self.thread.join()
        for s in (self.listener, *self.connections):
            s.close()
        os.unlink(SOCKET)
        os.close(self.stop_r)
        os.close(self.stop_w)


@pytest.fixture
def make_peer(stack, root):
    made = []

    def make(**status):
        made.append(Peer(**status))
        return made[-1]
    yield make
    for peer in made:
        peer.close()
    wait_until(lambda: root.get(ROOT, FIREWALL, "Active") is False)


def active(bus):
    return bus.get(ROOT, FIREWALL, "Active")


# Nobody there

def test_without_ocsb_fw_a_network_is_refused_with_what_to_start(openclaw):
    with error("SetupFailed") as refused:
        openclaw.create("internet")
    assert "systemctl start ocsb-fw.service" in str(refused.value)
    assert not openclaw.sessions()
    session = openclaw.create("internet", network="none")
    assert session.get("Network") == "none" and session.get("Addresses") == [] and session.get("Grants") == []


def test_without_ocsb_fw_the_interface_says_so(openclaw, root):
    status = {k: v[1] for k, v in openclaw.call(ROOT, FIREWALL, "Status")[0].items()}
    assert status["active"] is False and "ocsb-fw" in status["problems"] and status["sessions"] == []
    assert active(openclaw) is False
    for member in ("Show", "Reload"):
        with error("SetupFailed"):
            root.call(ROOT, FIREWALL, member)
    with error("SetupFailed"):
        root.call(ROOT, FIREWALL, "Verify", "sa{sv}", ("", {}))
    assert "firewall" in [f[0] for f in openclaw.manager("Doctor")[0]]


@pytest.mark.parametrize("options, name", [
    ({"dns": ("s", "1.1.1.1")}, "InvalidArgument"), ({"dns": ("as", ["dns.google"])}, "InvalidArgument"),
    ({"dns": ("as", ["1.1.1.1"] * 2)}, "InvalidArgument"), ({"dns": ("as", [f"1.1.1.{i}" for i in range(5)])}, "InvalidArgument"),
    ({"dns": ("as", ["192.168.1.1"])}, "CeilingExceeded"), ({"allow": ("as", [])}, "InvalidArgument"),
    ({"allow": ("aa{sv}", [{}])}, "InvalidArgument"), ({"allow": ("aa{sv}", [destination("192.0.2.1")])}, "InvalidArgument"),
    ({"allow": ("aa{sv}", [destination("0.0.0.0/0", "80")])}, "InvalidArgument"),
    ({"allow": ("aa{sv}", [destination("fc00::/6", "80")])}, "InvalidArgument"),
    ({"allow": ("aa{sv}", [destination("localhost", "80")])}, "InvalidArgument"),
    ({"allow": ("aa{sv}", [destination("192.0.2.1", "80", "sctp")])}, "InvalidArgument"),
    ({"allow": ("aa{sv}", [destination("192.0.2.1", "80", x=("s", "y"))])}, "InvalidArgument"),
    ({"allow": ("aa{sv}", [destination("192.0.2.1", "80", **{"for-usec": ("t", 5)})])}, "InvalidArgument"),
    ({"allow": ("aa{sv}", [destination("192.0.2.1", "80", **{"until-usec": ("t", 5)})])}, "InvalidArgument"),
    ({"allow": ("aa{sv}", [destination("192.0.2.1", str(i + 1)) for i in range(65)])}, "InvalidArgument"),
    ({"allow": ("aa{sv}", [destination("192.0.2.1", "80")])}, "CeilingExceeded"),
    ({"network": ("s", "none"), "dns": ("as", ["9.9.9.9"])}, "InvalidArgument"), ({"network": ("s", "host")}, "InvalidArgument"),
], ids=str)
def test_wrong_options_are_named(openclaw, options, name):
    with error(name):
        openclaw.manager("Explain", "sa{sv}", "internet", options)


# Somebody there

def test_what_ocsb_fw_says_is_shown(make_peer, openclaw, root):
    make_peer(ipv6=1, repairs=3, hosts=("192.0.2.77",), problems="pool 198.18.0.0/16 meets a route\x1b[31m\n")
    wait_until(lambda: active(root))
    assert root.get(ROOT, FIREWALL, "Ipv6") is True and root.get(ROOT, FIREWALL, "Repairs") == 3
    assert root.get(ROOT, FIREWALL, "PoolIpv4") == "198.18.0.0/16"
    status = {k: v[1] for k, v in openclaw.call(ROOT, FIREWALL, "Status")[0].items()}
    assert status["host-addresses"] == ["192.0.2.77"] and status["problems"].startswith("pool")
    assert ("missing", "pool 198.18.0.0/16 meets a route\x1b[31m") in [tuple(f[1:]) for f in root.manager("Doctor")[0] if f[0] == "firewall"]


def test_a_resolver_of_the_host_is_refused(make_peer, openclaw, root):
    make_peer(hosts=("9.9.9.9",))
    wait_until(lambda: active(root))
    with error("NotPermitted") as refused:
        openclaw.create("internet", dns=["9.9.9.9"])
    assert "address of this host" in str(refused.value)


def test_drift_is_told(make_peer, root):
    peer = make_peer()
    wait_until(lambda: active(root))
    with root.signals(interface=FIREWALL, member="DriftRepaired") as repaired:
        peer.tell(DRIFT, struct.pack("<Q", 1500) + wire.string("nft\x1b[31m"))
        usec, what = repaired().body
    assert usec == 1500 and "\x1b" not in what
    assert root.get(ROOT, FIREWALL, "Repairs") == 1
    peer.tell(EXPIRED, wire.string("nosuch") + struct.pack("<I", 1))
    assert active(root)


def test_lockdown_is_told_and_told_again_to_a_new_one(make_peer, root):
    peer = make_peer()
    wait_until(lambda: active(root))
    try:
        root.manager("Lockdown", "b", True)
        wait_until(lambda: (LOCKDOWN, struct.pack("<I", 1)) in peer.seen)
        second = make_peer_again(peer)
        wait_until(lambda: (LOCKDOWN, struct.pack("<I", 1)) in second.seen)
    finally:
        root.manager("Lockdown", "b", False)
    wait_until(lambda: (LOCKDOWN, struct.pack("<I", 0)) in second.seen)
    assert root.get(ROOT, MANAGER, "LockedDown") is False


def make_peer_again(peer):
    """The same one after a restart that has forgotten everything."""
    for c in list(peer.connections):
        c.shutdown(socket.SHUT_RDWR)
    peer.seen.clear()
    return peer


@pytest.mark.parametrize("garbage", [
    b"", b"x", b"\0" * 16, struct.pack("<IIII", wire.MAGIC, 9999, 0, 0), struct.pack("<IIII", wire.MAGIC, STATUS_REPLY, 1, 0) + b"\xff" * 40,
    struct.pack("<IIII", wire.MAGIC, SHOW_REPLY, 1, 0) + b"\xff" * 4, struct.pack("<IIII", wire.MAGIC, DRIFT, 0, 0),
    struct.pack("<IIII", wire.MAGIC, EXPIRED, 0, 0) + wire.string("../x") + struct.pack("<I", 1),
    struct.pack("<IIII", wire.MAGIC, wire.ACK, 1, 0) + struct.pack("<I", 99999) + wire.string("x"),
], ids=lambda g: g[:24].hex())
def test_garbage_ends_the_connection_and_nothing_else(stack, make_peer, openclaw, root, garbage):
    session = openclaw.create()
    daemon = stack.ocsbd
    peer = make_peer()
    wait_until(lambda: active(root))
    for c in list(peer.connections):
        with contextlib.suppress(OSError):
            c.send(garbage)
    wait_until(lambda: sum(kind == STATUS for kind, _ in peer.seen) >= 2)  # connected again
    wait_until(lambda: active(root))
    assert stack.ocsbd == daemon and session.sh("echo alive").ok() == "alive\n"


def test_one_that_refuses_is_quoted(make_peer, root):
    peer = make_peer()
    peer.answers[RELOAD] = lambda c, tag, body: wire.send(c, wire.ACK, tag, struct.pack("<I", 22) + wire.string("the pool is wrong\x07"))
    peer.answers[SHOW] = lambda c, tag, body: wire.send(c, SHOW_REPLY, tag, wire.string("table inet oc_sandbox {\n}\n"))
    wait_until(lambda: active(root))
    with error("SetupFailed") as refused:
        root.call(ROOT, FIREWALL, "Reload")
    assert "the pool is wrong\\x07" in str(refused.value)
    assert root.call(ROOT, FIREWALL, "Show")[0].startswith("table inet oc_sandbox")
