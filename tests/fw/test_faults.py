# SPDX-License-Identifier: LGPL-2.1-or-later
"""T100: kill -9 of ocsb-fw between any two steps, and at random. The table is the old or the new one, never empty, and the next
ocsb-fw goes on from there. The points are read from the sources, so that a new one is tested without a line here."""

import contextlib
import glob
import os
import random
import re
import threading
import time

import pytest

from client import TCP, Gone, Refused, grant, intent
from world import PROGRAM, ours, sessions_in, sh, wait_until

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
POINTS = sorted({name for path in glob.glob(SOURCE + "/src/fw/*.c") for name in re.findall(r'FAULT\("([^"]+)"\)', open(path, encoding="utf-8").read())})
DNS = ("1.1.1.1", "2606:4700:4700::1111")
FIRST, SECOND = intent(DNS, [grant(1, "10.77.0.1/32")]), intent(DNS, [grant(2, "192.168.50.10/32", TCP, (1234, 1234))])
BUILT_WITH = os.path.exists(PROGRAM) and b"OCSB_FAULT_ONCE" in open(PROGRAM, "rb").read()


def test_there_are_points():
    assert len(POINTS) > 15


def walk(fw, sandboxes):
    """Everything that a session goes through."""
    stage, policy = fw.root(), fw.ocsb()
    with contextlib.closing(stage), contextlib.closing(policy):
        for client in (stage, policy):
            client.sock.settimeout(3)
        stage.attach("a", sandboxes[0], FIRST)
        stage.attach("b", sandboxes[1], FIRST)
        stage.attach("a", sandboxes[0], FIRST)
        policy.set("a", SECOND)
        policy.lockdown(1)
        policy.lockdown(0)
        sh("ip addr add 7.7.7.7/32 dev lo")
        wait_until(lambda: "7.7.7.7" in policy.status()["host_addresses"], 5)
        sh("ip addr del 7.7.7.7/32 dev lo")
        wait_until(lambda: "7.7.7.7" not in policy.status()["host_addresses"], 5)
        stage.detach("b")
        stage.synced()


def complete(table):
    """Old or new, never a part: what the fence needs is in it, and each chain of a session is whole."""
    for part in ("chain forward", 'iifname "ocsb*" goto outgoing', "jump lockdown", "private_ipv4", "chain input", "chain output", "chain sent",
                 "iifname vmap @grants", "ip daddr @private_ipv4 goto drop_private", "meta l4proto != tcp goto drop_protocol"):
        assert part in table, f"{part} is missing:\n{table}"
    there = sessions_in(table)
    for name in ("allowed", "private", "host", "spoofed", "protocol", "resolver", "inbound"):
        found = re.search(rf"set count_{name} \{{(.*?)\n\t\}}", table, re.S).group(1)
        assert set(re.findall(r'"(ocsb\d+)"', found)) == there
    chains = re.findall(r"chain s_(\d+) \{(.*?)\n\t\}", table, re.S)
    assert {f"ocsb{number}" for number, _ in chains} == there == set(re.findall(r'"(ocsb\d+)" : jump s_', table))
    for _, chain in chains:
        assert ("10.77.0.1" in chain) != ("192.168.50.10" in chain), "one intent or the other"
    return there


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("passage", (1, 2))
@pytest.mark.skipif(not BUILT_WITH, reason="a build without fault points")
def test_T100_killed_at(fw, sandbox, tmp_path, point, passage):
    boxes = [sandbox(), sandbox()]
    fw.root().synced()
    fw.stop()
    once = f"/run/once-{os.getpid()}"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(once)
    sh("chmod 1777 /run")
    fw.start(OCSB_FAULT=f"{point}:{passage}", OCSB_FAULT_ONCE=once)
    before = ours()
    died = False
    try:
        with contextlib.suppress(Gone, AssertionError, TimeoutError):
            walk(fw, boxes)
        died = os.path.exists(once)
        if died:
            assert fw.wait() == -9
            table = ours()
            if "chain forward" not in before:
                assert point == "fw.table.before-build"
            else:
                complete(table)
            for box in boxes:
                assert box.udp("192.168.50.10", 1234) != "open" and box.tcp("10.77.0.1", 53, 0.1) in ("open", "rejected", "timeout")
        else:
            fw.stop()
        fw.start()
        # The next one takes it from there: everything works, nothing is left over.
        stage, policy = fw.root(), fw.ocsb()
        policy.lockdown(0)
        stage.attach("a", boxes[0], FIRST)
        stage.attach("b", boxes[1], FIRST)
        stage.synced()
        complete(ours())
        policy.set("a", SECOND)
        assert boxes[0].tcp("192.168.50.10", 1234) == "open" and boxes[1].tcp("9.9.9.9", 443) == "open"
        assert boxes[1].tcp("10.77.0.1", 80) == "open"
        assert len(sessions_in(ours())) == 2 and set(policy.status()["sessions"]) == {"a", "b"}
        stage.detach("a")
        stage.detach("b")
        assert not sessions_in(ours()) and os.listdir("/run/ocsb/fw") == []
    finally:
        sh("ip addr del 7.7.7.7/32 dev lo", check=False)
    if not died and passage == 1:
        pytest.fail(f"nobody passes {point}")


ROUNDS = int(os.environ.get("OCSB_TEST_KILLS", "60"))


def test_T100_killed_at_random(fw, sandbox):
    """Between any two messages: a sandbox that stays, one that comes and goes, an intent that changes."""
    stays, guest = sandbox(), sandbox()
    fw.root().attach("stays", stays, FIRST)
    dice = random.Random(3)
    for _ in range(ROUNDS):
        stop = threading.Event()

        def churn():
            with contextlib.suppress(Gone, Refused, AssertionError, OSError):
                stage, policy = fw.root(), fw.root()  # seteuid() is for the whole process
                stage.attach("stays", stays, FIRST)
                for i in range(50):
                    if stop.is_set():
                        return
                    policy.set("stays", (FIRST, SECOND)[i % 2])
                    if i % 3 == 0:
                        stage.attach("guest", guest, FIRST)
                        stage.detach("guest")
        thread = threading.Thread(target=churn)
        thread.start()
        time.sleep(dice.random() * 0.05)
        fw.kill()
        stop.set()
        assert complete(ours()), "the one that stays is always there"
        fw.start()
        thread.join()
    stage, policy = fw.root(), fw.ocsb()
    stage.attach("stays", stays, FIRST)
    stage.synced()
    assert set(policy.status()["sessions"]) == {"stays"}
    policy.set("stays", FIRST)
    assert stays.tcp("10.77.0.1", 80) == "open" and stays.tcp("9.9.9.9", 443) == "open"
    assert stays.tcp("192.168.50.10", 1234) == "rejected"
