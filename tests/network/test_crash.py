# SPDX-License-Identifier: LGPL-2.1-or-later
"""T100: ocsb-fw is killed, at random and between any two of its steps, while sessions come and go, grants change and a sender
never pauses. The table is the old one or the new one, never half and never gone; nothing leaks; everything works afterwards."""

import os
import pathlib
import random
import re
import signal
import threading
import time

import pytest

import firewall
from client import Bus, BusError, User
from stack import DAEMON, LOG, TABLE, read, same_rules, wait_until
from test_drift import SHARP
from world import LLM, LLM_PORT, WEB

SOURCE = pathlib.Path(__file__).resolve().parents[2]
# Those of a lockdown, which stops all traffic, are in tests/fw.
POINTS = sorted({name for path in (SOURCE / "src").rglob("*.c") for name in re.findall(r'\bFAULT\("(fw\.[^"]+)"\)', path.read_text())
                 if not name.startswith("fw.lockdown.")})
BUILT_WITH_FAULTS = DAEMON.exists() and b"OCSB_FAULT_ONCE" in DAEMON.read_bytes()
# What may come of a call whose server has just been killed.
BRIEFLY = ("SetupFailed", "NotSupported", "Busy", "NoSuchSession", "NoReply", "Failed", "NoSuchGrant")


class Watcher(threading.Thread):
    """Looks at the outer table as fast as it can: it is always there, and always with its default."""

    def __init__(self, stack):
        super().__init__(daemon=True)
        self.stack, self.bad, self.looks, self.ending = stack, [], 0, threading.Event()

    def run(self):
        while not self.ending.is_set():
            text = self.stack.host.run(["nft", "-s", "list", "table", *TABLE.split()], check=False)
            self.looks += 1
            for word in ("hook forward", 'iifname "ocsb*"', "hook input", "set private_ipv4", "192.168.0.0/16"):
                if word not in text:
                    self.bad.append(f"without {word}: {text[:500]}")
            time.sleep(0.005)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.join()
        assert self.looks > 3
        assert not self.bad, self.bad[0]


class Churn(threading.Thread):
    """Sessions and grants that come and go, by a connection of its own."""

    def __init__(self):
        super().__init__(daemon=True)
        self.ending, self.tries, self.strange = threading.Event(), 0, []

    def run(self):
        with Bus(User.named("openclaw")) as bus:
            while not self.ending.is_set():
                self.tries += 1
                try:
                    session = bus.create(profile="internet", timeout=20)
                    ident = firewall.allow(bus, session.id, LLM[0], LLM_PORT)
                    firewall.revoke(bus, session.id, ident)
                    session.terminate()
                except BusError as e:
                    if e.short not in BRIEFLY:
                        self.strange.append(str(e))
                    time.sleep(0.01)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ending.set()
        self.join(60)
        assert not self.strange, self.strange[:3]


def everything_works(world, stack, openclaw, sandbox):
    """The session from before, and a new one."""
    ident = wait_until(lambda: try_allow(openclaw, sandbox), 20, 0.05, "a grant is taken")
    assert sandbox.fetch(LLM[0], LLM_PORT).startswith("lan")
    firewall.revoke(openclaw, sandbox.id, ident)
    assert sandbox.fetch(WEB[0]).startswith("internet")
    new = openclaw.create(profile="internet")
    new.terminate()


def try_allow(openclaw, sandbox):
    try:
        return firewall.allow(openclaw, sandbox.id, LLM[0], LLM_PORT)
    except BusError as e:
        assert e.short in BRIEFLY, e
        return None


def leftovers(stack):
    links = set(re.findall(r"\b(ocsb\d+)[@:]", stack.host.run(["ip", "-o", "link"])))
    rules = set(re.findall(r'"(ocsb\d+)"', stack.table()))
    sessions = {s["interface"] for s in firewall_sessions()}
    return {"interfaces": links - sessions, "rules": rules ^ sessions}


def no_leftovers(stack):
    """No interface and no rule of a session that is gone."""
    end = time.monotonic() + 20
    while any((found := leftovers(stack)).values()):
        assert time.monotonic() < end, f"{found}\n{read(LOG)[-3000:]}"
        time.sleep(0.1)


def firewall_sessions():
    with Bus() as bus:
        return firewall.status(bus)["sessions"]


def test_t100_kill_at_random_while_everything_changes(world, stack, openclaw, sandbox, pytestconfig, random_seed):
    rng = random.Random(random_seed)
    kills = pytestconfig.getoption("--network-kills")
    with world.nothing_forbidden_arrives(allowed=[(LLM[0], "tcp", LLM_PORT)]), Churn() as churn, Watcher(stack):
        end = time.monotonic() + kills * 0.6 + 2
        done = 0
        spraying = sandbox.start_spray([line for line in SHARP if line != f"tcp {LLM[0]} {LLM_PORT}"], seconds=min(kills * 0.12, 20))
        while done < kills and time.monotonic() < end:
            time.sleep(rng.random() * 0.1)
            pid = stack.child("ocsb-fw")
            if pid:
                os.kill(pid, signal.SIGKILL)
                done += 1
        sandbox.finish(spraying)
        wait_until(lambda: stack.child("ocsb-fw"), 30)
    assert done >= kills * 0.5, f"{done} kills: it is started again too slowly for more"
    everything_works(world, stack, openclaw, sandbox)
    assert churn.tries
    no_leftovers(stack)


def test_there_are_fault_points_in_every_change():
    assert len(POINTS) >= 5


@pytest.mark.skipif(not BUILT_WITH_FAULTS, reason="this build has no fault points (-Dfault-points=true)")
@pytest.mark.parametrize("point", POINTS)
def test_t100_kill_at(world, stack, openclaw, sandbox, point, network_round):
    once = f"/run/with-ocsb/fault/{point}"
    if os.path.exists(once):
        os.unlink(once)
    stack.restart(OCSB_FAULT=point, OCSB_FAULT_ONCE=once)
    try:
        with world.nothing_forbidden_arrives(allowed=[(LLM[0], "tcp", LLM_PORT)]), Watcher(stack):
            spraying = sandbox.start_spray([line for line in SHARP if line != f"tcp {LLM[0]} {LLM_PORT}"], seconds=0.5)
            for step in (lambda: openclaw.create(profile="internet"), lambda: try_allow(openclaw, sandbox),
                         lambda: world.host.ip("addr add 203.0.112.90/32 dev lan0"),
                         lambda: firewall.update(sandbox.session, allow=firewall.destinations()),
                         lambda: firewall.call(openclaw, "Status")):
                try:
                    step()
                except BusError as e:
                    assert e.short in BRIEFLY, e
                wait_until(stack.answers)
            for ident, *_ in openclaw.sessions():
                if ident != sandbox.id:
                    openclaw.session(ident).terminate()
            sandbox.finish(spraying)
            world.host.ip("addr del 203.0.112.90/32 dev lan0")
        assert os.path.exists(once), f"{point} was not passed"
        everything_works(world, stack, openclaw, sandbox)
        no_leftovers(stack)
    finally:
        stack.restart()


@pytest.mark.parametrize("who", ["ocsb-fw", "ocsb-stage", "ocsbd"])
def test_a_restart_of_any_daemon_keeps_the_network(world, stack, openclaw, sandbox, who):
    """Nobody's restart needs another's: the flow goes on, the fences stand."""
    from test_grants import Flow, last_packet
    firewall.allow(openclaw, sandbox.id, LLM[0], LLM_PORT)
    wanted = stack.table()
    flow = Flow(sandbox, LLM[0], LLM_PORT, seconds=8)
    pid = wait_until(lambda: stack.child(who))
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: stack.child(who) not in (None, pid), what="another " + who)
    wait_until(stack.answers)
    assert last_packet(world, LLM[0], 1) > 0.7
    assert same_rules(stack.table(), wanted)
    flow.end()


def test_our_stop_leaves_the_table(world, stack, openclaw, sandbox):
    wanted = stack.table()
    stack.stop()
    try:
        assert same_rules(stack.table(), wanted)
        with world.nothing_forbidden_arrives():
            time.sleep(0.2)
    finally:
        stack.start()
    stack.repaired(wanted, 10)
