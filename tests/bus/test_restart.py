# SPDX-License-Identifier: LGPL-2.1-or-later
"""kill -9 of ocsbd, of ocsb-stage, or of both, at any moment: sessions and running execs go on, their output and exit status
arrive, a new daemon finds them all, and nothing half-built stays behind."""

import contextlib
import os
import random
import threading
import time

import pytest

import wire
from client import ROOT, Bus, BusError, User, open_channel
from conftest import SANITIZED, list_all, processes, read, wait_until

VICTIMS = [("ocsbd",), ("ocsb-stage",), ("ocsbd", "ocsb-stage")]
victims = pytest.mark.parametrize("victims", VICTIMS, ids=["ocsbd", "stage", "both"])
GONE = ("NoReply", "ServiceUnknown", "NameHasNoOwner", "Disconnected", "NoSuchSession", "UnknownObject", "SetupFailed", "Busy")


@victims
def test_session_goes_on(stack, session, victims):
    monitor = session.get("MonitorPid")
    stack.kill(*victims)
    stack.wait_ready()
    assert session.sh("echo on").ok() == "on\n"
    assert session.get("MonitorPid") == monitor


@victims
def test_every_property_is_the_same_afterwards(stack, openclaw, session, victims):
    session.proven()
    session.sh("true").ok()
    before = openclaw.get_all(session.path, "org.openclaw.Sandbox1.Session")
    stack.kill(*victims)
    stack.wait_ready()
    wait_until(lambda: session.get("Proven"))
    assert openclaw.get_all(session.path, "org.openclaw.Sandbox1.Session") == before


@victims
def test_running_execs_go_on_and_their_output_and_status_arrive(stack, session, victims):
    running = []
    for i in range(5):
        in_r, in_w = os.pipe()
        out_r, out_w = os.pipe()
        running.append((i, in_w, out_r, session.exec(["/bin/sh", "-c", f"read x; echo {i} $x; exit {i}"], fds={0: in_r, 1: out_w})
                        .wait_started()))
        os.close(in_r)
        os.close(out_w)
    stack.kill(*victims)
    for i, in_w, _, _ in running[:2]:
        os.write(in_w, b"meanwhile\n")  # nobody is there to help, and nobody needs to be
    stack.wait_ready()
    assert set(session.get("Execs")) >= {r.id for _, _, _, r in running[2:]}
    for _, in_w, _, _ in running[2:]:
        os.write(in_w, b"afterwards\n")
    for i, in_w, out_r, exec_ in running:
        assert exec_.wait().code == i
        with os.fdopen(out_r) as f:
            assert f.read() == f"{i} {'meanwhile' if i < 2 else 'afterwards'}\n"
        os.close(in_w)


@victims
def test_channels_go_on(stack, session, openclaw, victims):
    channels = [session.channel(), open_channel(openclaw.user, session.id)]
    for channel in channels:
        channel.run(["/bin/true"]).ok()
    stack.kill(*victims)
    for channel in channels:
        assert channel.run(["/bin/echo", "meanwhile"]).ok() == "meanwhile\n"
    stack.wait_ready()
    for channel in channels:
        assert channel.run(["/bin/echo", "afterwards"]).ok() == "afterwards\n"
        channel.close()


def test_channel_sock_waits_for_the_new_daemon(stack, session, openclaw):
    """The listening socket is the supervisor's: whoever connects while nobody is there is served afterwards."""
    stack.kill("ocsbd")
    channel = open_channel(openclaw.user, session.id)
    assert channel.run(["/bin/echo", "served"]).ok() == "served\n"
    channel.close()


@victims
def test_execs_can_be_controlled_afterwards(stack, session, victims):
    running = session.exec(["/bin/sh", "-c", "trap 'exit 9' TERM; echo up > /tmp/up; while :; do sleep 0.02; done"]).wait_started()
    session.sh("until test -e /tmp/up; do sleep 0.02; done").ok()
    terminal = session.exec(["/bin/bash", "-c", "trap 'stty size > /tmp/size' WINCH; echo up > /tmp/up2; while :; do sleep 0.02; done"],
                            pty=True).wait_started()
    session.sh("until test -e /tmp/up2; do sleep 0.02; done").ok()
    stack.kill(*victims)
    stack.wait_ready()
    session.call("Signal", "ui", running.id, 15)
    assert running.wait().code == 9
    session.call("Resize", "uqq", terminal.id, 44, 55)
    assert session.sh("until test -s /tmp/size; do sleep 0.02; done; cat /tmp/size").ok() == "44 55\n"
    terminal.close()
    session.call("Freeze")
    session.call("Thaw")


@victims
def test_closing_the_status_meanwhile_kills_the_exec(stack, session, victims):
    running = session.exec(["/bin/sleep", "600"]).wait_started()
    stack.kill(*victims)
    running.close()
    stack.wait_ready()
    wait_until(lambda: session.get("Execs") == [])


@victims
def test_detached_exec_goes_on(stack, session, workspace, victims):
    session.exec(["/bin/sh", "-c", "sleep 1; echo done > d"], detach=True).wait_started().close()
    stack.kill(*victims)
    stack.wait_ready()
    wait_until(lambda: (workspace.path / "d").exists() and (workspace.path / "d").read_text() == "done\n")


@victims
def test_exec_ids_are_never_given_twice(stack, session, victims):
    first = session.sh("true").exec_id
    stack.kill(*victims)
    stack.wait_ready()
    assert session.sh("true").exec_id > first


@victims
def test_sessions_can_be_made_and_ended_afterwards(stack, openclaw, session, victims):
    stack.kill(*victims)
    stack.wait_ready()
    made = openclaw.create()
    assert made.sh("echo new").ok() == "new\n"
    made.terminate()
    session.terminate()
    assert openclaw.sessions() == []


@victims
def test_frozen_session_is_still_frozen(stack, session, victims):
    session.call("Freeze")
    stack.kill(*victims)
    stack.wait_ready()
    wait_until(lambda: session.get("State") == "frozen")
    session.call("Thaw")
    assert session.sh("echo thawed").ok() == "thawed\n"


@victims
def test_idle_time_still_ends_a_session(stack, openclaw, victims):
    made = openclaw.create(idle_usec=1_500_000)
    stack.kill(*victims)
    stack.wait_ready()
    wait_until(lambda: made.id not in [row[0] for row in openclaw.sessions()])


def test_session_that_ended_meanwhile_is_gone_afterwards(stack, openclaw, session):
    monitor = session.get("MonitorPid")
    stack.kill("ocsbd")
    os.kill(monitor, 9)
    stack.wait_ready()
    wait_until(lambda: openclaw.sessions() == [])
    assert session.id not in " ".join(os.listdir("/run/ocsb/state"))


def test_death_of_a_monitor_ends_its_session_and_everything_in_it(stack, openclaw, session):
    running = session.exec(["/bin/sh", "-c", "setsid sleep 4321 & sleep 4321"]).wait_started()
    os.kill(session.get("MonitorPid"), 9)
    wait_until(lambda: openclaw.sessions() == [])
    with pytest.raises((EOFError, ConnectionError)):
        running.wait()
    wait_until(lambda: not [1 for _, name, state in processes().values() if name == "sleep" and state != "Z"])


def test_new_session_waits_for_a_new_builder(stack, openclaw):
    stack.kill("ocsb-stage")
    assert openclaw.create().sh("echo built").ok() == "built\n"


def test_ended_daemon_leaves_no_session_behind_that_was_promised_to_nobody(stack, openclaw):
    """A create is in work when the daemon dies: afterwards there is either the session or nothing."""
    for delay in (0, 0.002, 0.005, 0.01, 0.02):
        bus = Bus(openclaw.user)
        bus.send(ROOT, "org.openclaw.Sandbox1.Manager", "CreateSession", "sa{sv}", ("default", {"id": ("s", "halfway")}))
        time.sleep(delay)
        stack.kill("ocsbd")
        stack.wait_ready()
        bus.close()
        check_nothing_half_built(stack)
        for ident, *_ in openclaw.sessions():
            assert openclaw.session(ident).sh("echo whole").ok() == "whole\n"
            openclaw.session(ident).terminate()


def session_directories():
    """cgroups of sessions that exist."""
    top = next(line.split(" - ")[0].split()[4] for line in read("/proc/self/mountinfo").splitlines() if " - cgroup2 " in line)
    own = next(line[3:] for line in read("/proc/self/cgroup").splitlines() if line.startswith("0::"))
    base = top + own.rsplit("/", 1)[0]
    return {name[len("ocsb-"):-len(".scope")] for _, directories, _ in os.walk(base) for name in directories
            if name.startswith("ocsb-") and name.endswith(".scope")}


def check_nothing_half_built(stack):
    """Records, sockets, cgroups and processes are those of the sessions that are listed."""
    def leftovers():
        ids = {row[0] for row in list_all()}
        found = {}
        found["cgroups"] = session_directories() - ids
        for directory in ("state", "monitor"):
            names = {n.removesuffix(".sock") for n in os.listdir(f"/run/ocsb/{directory}")}
            found[directory] = {n for n in names if n not in ids and not n.startswith((".", "lock"))}
        return {k: v for k, v in found.items() if v}
    end = time.monotonic() + 15
    while (left := leftovers()) and time.monotonic() < end:
        time.sleep(0.05)
    assert not left


def test_kill_at_random_moments_under_load(stack, openclaw):
    """Four clients work, and the daemons are killed 30 times. Not one exec that was started loses its output or status."""
    generator = random.Random(118)
    stop = threading.Event()
    wrong, finished = [], [0]
    users = User.named("openclaw")
    buses = [Bus(users) for _ in range(4)]
    sessions = [bus.create(id=f"load{i}") for i, bus in enumerate(buses)]

    def work(index):
        session = sessions[index]
        count = 0
        while not stop.is_set():
            count += 1
            token = f"{index}-{count}"
            out_r, out_w = os.pipe()
            try:
                running = session.exec(["/bin/sh", "-c", f"sleep 0.0{count % 5}; echo {token}; exit {count % 100}"], fds={1: out_w})
            except (BusError, OSError, ConnectionError) as e:
                if isinstance(e, BusError) and e.short not in GONE:
                    wrong.append(f"{token}: {e}")
                os.close(out_r)
                os.close(out_w)
                time.sleep(0.01)
                continue
            os.close(out_w)
            try:
                done = running.wait(60)
                with os.fdopen(out_r) as f:
                    text = f.read()
                if (done.code, done.signal, text) != (count % 100, 0, token + "\n"):
                    wrong.append(f"{token}: {done} {text!r}")
                finished[0] += 1
            except (EOFError, OSError) as e:
                wrong.append(f"{token}: {e!r}")
            finally:
                running.close()

    threads = [threading.Thread(target=work, args=(i,), daemon=True) for i in range(4)]
    for t in threads:
        t.start()
    for _ in range(30):
        time.sleep(generator.random() * 0.2)
        stack.kill(*generator.choice(VICTIMS))
    time.sleep(0.5)
    stop.set()
    for t in threads:
        t.join(90)
    stack.wait_ready()
    for bus in buses:
        bus.close()
    assert not wrong, wrong[:5]
    assert finished[0] > (5 if SANITIZED else 30)
    assert {row[0] for row in list_all()} == {f"load{i}" for i in range(4)}
    check_nothing_half_built(stack)


def test_kill_at_random_moments_while_sessions_come_and_go(stack, openclaw):
    generator = random.Random(5)
    stop = threading.Event()
    wrong, made = [], [0]

    def work(index):
        bus = Bus(User.named("openclaw"))
        while not stop.is_set():
            with contextlib.suppress(OSError, ConnectionError):
                try:
                    session = bus.create()
                    session.terminate()
                    made[0] += 1
                except BusError as e:
                    if e.short not in GONE:
                        wrong.append(str(e))
                    time.sleep(0.01)
        bus.close()

    # Connections of another uid are made under one lock of effective ids: before the threads start.
    with contextlib.ExitStack():
        threads = [threading.Thread(target=work, args=(i,), daemon=True) for i in range(3)]
        for t in threads:
            t.start()
            time.sleep(0.05)
        for _ in range(20):
            time.sleep(generator.random() * 0.2)
            stack.kill(*generator.choice(VICTIMS))
        time.sleep(0.3)
        stop.set()
        for t in threads:
            t.join(90)
    stack.wait_ready()
    assert not wrong, wrong[:5]
    assert made[0] > 5
    for ident, *_ in openclaw.sessions():
        assert openclaw.session(ident).sh("echo whole").ok() == "whole\n"
        openclaw.session(ident).terminate()
    check_nothing_half_built(stack)


def test_status_message_is_not_repeated_or_lost_over_many_restarts(stack, session):
    in_r, in_w = os.pipe()
    running = session.exec(["/bin/sh", "-c", "read x; exit 6"], fds={0: in_r}).wait_started()
    os.close(in_r)
    for _ in range(5):
        stack.kill("ocsbd")
        stack.wait_ready()
    os.write(in_w, b"\n")
    os.close(in_w)
    running.status.settimeout(20)
    kinds = []
    while (m := wire.receive(running.status)) is not None:
        kinds.append(m.kind)
        if m.kind == wire.EXITED:
            break
    assert kinds == [wire.EXITED]
