# SPDX-License-Identifier: LGPL-2.1-or-later
"""Many callers, many calls, much nonsense: everybody is served, nothing grows."""

import array
import os
import random
import socket
import struct
import threading
import time

import pytest

import wire
from client import MANAGER, ROOT, SESSION, Bus, BusError, connect_channel_socket, open_channel, options
from conftest import SANITIZED, wait_until

GROWTH_KB = 1 << 30 if SANITIZED else 4096  # of resident memory; caches and arenas settle below it
MALFORMED = 3_000 if SANITIZED else 100_000
MANY = 50 if SANITIZED else 1000


def grown(before, after):
    """What is more than before, by name."""
    return {key: (before[key], after[key]) for key in before
            if (after[key] > before[key] + GROWTH_KB if key.endswith("rss") else after[key] != before[key])}


@pytest.fixture
def no_growth(stack, openclaw, workspace):
    """The daemons' descriptors, memory, processes, mounts and records are afterwards as before. Some sessions first, so that
    what is allocated once (templates of roots, spare network namespaces) has been."""
    for values in ({}, {"workspace": workspace.fd}) * 2:
        warm = openclaw.create(**values)
        warm.sh("true")
        warm.terminate()
    time.sleep(0.5)
    before = stack.usage()
    yield
    end = time.monotonic() + 15
    while (more := grown(before, stack.usage())) and time.monotonic() < end:
        time.sleep(0.1)
    assert not more, more


def replies(bus, serials, timeout=120):
    found, end = {}, time.monotonic() + timeout
    while len(found) < len(serials):
        m = bus.conn.receive(timeout=max(0, end - time.monotonic()))
        serial = m.header.fields.get(5)
        if serial in serials:
            try:
                found[serial] = bus.unwrap(m)
            except BusError as e:
                found[serial] = e
    return found


def test_200_calls_in_parallel_by_one_caller_are_all_answered(no_growth, openclaw):
    """Some by "you have too much in work": dbus-daemon allows 128 unanswered calls, our quota fewer."""
    serials = []
    for i in range(200):
        serials.append(openclaw.send(ROOT, MANAGER, "Explain" if i % 2 else "Doctor", *(("sa{sv}", ("default", {})) if i % 2 else ())))
    answers = replies(openclaw, serials)
    errors = {e.short for e in answers.values() if isinstance(e, BusError)}
    assert errors <= {"LimitsExceeded", "QuotaExceeded"}
    assert sum(not isinstance(a, BusError) for a in answers.values()) >= 50


def test_200_creates_in_parallel_hold_to_the_quota(no_growth, openclaw):
    serials = [openclaw.send(ROOT, MANAGER, "CreateSession", "sa{sv}", ("default", {})) for _ in range(200)]
    answers = replies(openclaw, serials)
    errors = {e.short for e in answers.values() if isinstance(e, BusError)}
    made = [a for a in answers.values() if not isinstance(a, BusError)]
    assert made and errors <= {"LimitsExceeded", "QuotaExceeded"}, errors
    assert len(openclaw.sessions()) == len(made)
    for path, ident in made:
        openclaw.session(ident).terminate()


def test_quota_of_sessions_is_named_and_is_each_users_own(stack, openclaw, alice):
    from conftest import ALLOW_OURS
    stack.set_rules(ALLOW_OURS)
    made = []
    with pytest.raises(BusError) as e:
        for _ in range(600):
            made.append(openclaw.create())
    assert e.value.short == "QuotaExceeded"
    assert alice.create().sh("echo mine").ok() == "mine\n"
    made.pop().terminate()
    openclaw.create()


def test_8_clients_by_200_execs(no_growth, openclaw):
    """Over the bus and over channels; each gets its own answers."""
    session = openclaw.create()
    wrong = []

    def client(index, channel, bus):
        target = channel or session.on(bus)
        for i in range(200 if not SANITIZED else 20):
            done = target.run(["/bin/echo", f"{index}-{i}"])
            if done.text != f"{index}-{i}\n" or done.code:
                wrong.append((index, i, done))
    channels = [session.channel() if i % 2 else None for i in range(8)]
    buses = [Bus(openclaw.user) for _ in range(8)]
    threads = [threading.Thread(target=client, args=(i, channels[i], buses[i]), daemon=True) for i in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for channel in filter(None, channels):
        channel.close()
    for bus in buses:
        bus.close()
    session.terminate()
    assert not wrong, wrong[:3]


def test_1000_sessions_created_and_removed_leave_nothing(no_growth, openclaw):
    for _ in range(MANY):
        openclaw.create().terminate()


def test_1000_execs_leave_nothing(no_growth, openclaw):
    session = openclaw.create()
    channel = session.channel()
    for i in range(MANY):
        assert (channel if i % 2 else session).run(["/bin/true"]).code == 0
    channel.close()
    session.terminate()


def test_callers_that_come_and_go_leave_nothing(no_growth, openclaw):
    for _ in range(300):
        bus = Bus(openclaw.user)
        bus.send(ROOT, MANAGER, "Explain", "sa{sv}", ("default", {}))
        bus.close()
        connect_channel_socket(openclaw.user).close()


def test_T59_10000_connections_to_the_channel_leave_nothing(no_growth, openclaw):
    for _ in range(100 if SANITIZED else 10_000):
        connect_channel_socket(openclaw.user).close()
    made = openclaw.create()
    assert made.sh("echo served").ok() == "served\n"
    made.terminate()


def random_variant(generator, fd):
    return generator.choice([
        ("s", "x" * generator.randrange(200)), ("ay", generator.randbytes(50)), ("aay", [generator.randbytes(9)] * 3), ("u", 0xFFFFFFFF),
        ("t", (1 << 64) - 1), ("i", -1), ("b", True), ("a{sv}", {"a": ("s", "b")}), ("h", fd), ("a(hays)", [(fd, b"/x", "q")]),
        ("a{st}", {"memory": 0}), ("v", ("v", ("s", "deep"))), ("d", float("nan")), ("as", [""] * 5), ("g", "a{sv}"), ("o", "/a")])


def test_T59_100000_malformed_messages_do_not_grow_the_daemon(no_growth, stack, openclaw, alice):
    """Wrong signatures, options, types, descriptors and objects, written without waiting for each answer."""
    generator = random.Random(59)
    names = ["CreateSession", "EnsureSession", "GetSession", "ListSessions", "Explain", "Approve", "Deny", "Exec", "Signal", "Resize", "Nope"]
    keys = ["id", "workspace", "grants", "env", "limits", "network", "profile-data", "x", ""]
    fd = os.open("/dev/null", os.O_RDONLY)
    pid = stack.ocsbd
    session = openclaw.create()
    pool = []
    for _ in range(300):
        member = generator.choice(names)
        path = generator.choice([ROOT, session.path, ROOT + "/session/none", "/", ROOT + "/session"])
        interface = generator.choice([MANAGER, SESSION])
        signature, args = generator.choice([
            ("", ()), ("s", ("x",)), ("u", (0,)), ("a{sv}", ({},)), ("sa{sv}", None), ("sssa{sv}", None), ("aayaya{uh}a{sv}", None)])
        if args is None:
            values = {generator.choice(keys): random_variant(generator, fd) for _ in range(generator.randrange(1, 4))}
            args = {"sa{sv}": ("default", values), "sssa{sv}": ("i", "h", "default", values),
                    "aayaya{uh}a{sv}": ([generator.randbytes(5)], b"", {generator.randrange(40): fd}, values)}[signature]
        pool.append((path, interface, member, signature, args))
    # What is not malformed would make sessions: those are taken out by what they answer.
    harmless = []
    for message in pool:
        try:
            openclaw.call(*message)
        except BusError:
            harmless.append(message)
    for row in openclaw.sessions():
        if row[0] != session.id:
            openclaw.session(row[0]).terminate()
    assert len(harmless) > 200
    sent = 0
    while sent < MALFORMED:
        batch = [openclaw.send(*generator.choice(harmless)) for _ in range(50)]
        assert all(isinstance(a, BusError) for a in replies(openclaw, batch).values())
        sent += len(batch)
        if sent % (MALFORMED // 10) == 0:
            begin = time.monotonic()
            assert alice.manager("Doctor")[0] and time.monotonic() - begin < 5, "another user is still served"
    os.close(fd)
    assert stack.ocsbd == pid
    assert [row[0] for row in openclaw.sessions()] == [session.id]
    session.terminate()


def test_T59_malformed_channel_messages_do_not_hurt(no_growth, stack, openclaw, session):
    """To channel.sock, and to a monitor through an open channel."""
    generator = random.Random(60)
    pid, monitor = stack.ocsbd, session.get("MonitorPid")
    null = os.open("/dev/null", os.O_RDONLY)
    for i in range(3 * MANY):
        if i % 2:
            sock = connect_channel_socket(openclaw.user)
            if i % 4 == 1:
                wire.send(sock, wire.HELLO, 1, wire.string(session.id))
        else:
            sock = session.channel().sock if i % 20 == 0 else open_channel(openclaw.user, session.id).sock
        good = struct.pack("<IIII", wire.MAGIC, generator.choice([wire.EXEC, wire.SIGNAL, wire.RESIZE, wire.HELLO]), 7, 0) + \
            wire.exec_body([b"/bin/true"])
        data = bytearray(good)
        for _ in range(generator.randrange(1, 6)):
            data[generator.randrange(len(data))] = generator.randrange(256)
        data = data[:generator.randrange(1, len(data) + 1)]
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [null] * generator.randrange(1, 20)))] \
            if generator.random() < 0.3 else []
        try:
            sock.sendmsg([bytes(data)], rights)
        except OSError:
            pass
        sock.close()
    os.close(null)
    assert stack.ocsbd == pid and session.get("MonitorPid") == monitor
    assert session.sh("echo alive").ok() == "alive\n"
    wait_until(lambda: session.get("Execs") == [])
    session.terminate()


def test_silent_connections_to_the_channel_are_bounded_per_user(stack, openclaw, alice, session):
    """One user holds as many as he gets; another, and his own bus calls, are still served."""
    held = []
    for _ in range(300):
        try:
            held.append(connect_channel_socket(alice.user))
        except OSError:
            break
    channel = open_channel(openclaw.user, session.id)
    assert channel.run(["/bin/echo", "served"]).ok() == "served\n"
    channel.close()
    assert alice.manager("Doctor")
    for sock in held:
        sock.close()


def test_unknown_option_beside_a_descriptor_leaks_nothing(no_growth, openclaw, workspace):
    for i in range(500):
        with pytest.raises(BusError):
            openclaw.manager("CreateSession", "sa{sv}", "default", options(
                {"workspace": "h", "bad": "s"}, {"workspace": workspace.fd, "bad": "x"}))


