# SPDX-License-Identifier: LGPL-2.1-or-later
"""Many sessions: each has its own network, a change costs what it costs with few, and nothing of them stays."""

import re
import statistics
import time

import firewall
from stack import TABLE, same_rules, wait_until
from world import LLM, LLM_PORT, WEB


def named(stack):
    """The interfaces that the table names."""
    return set(re.findall(r'"(ocsb\d+)"', stack.table()))


def links(world):
    return set(re.findall(r"\b(ocsb\d+)[@:]", world.host.run(["ip", "-o", "link"])))


def test_many_sessions(world, stack, openclaw, make_sandbox, pytestconfig):
    wanted = pytestconfig.getoption("--network-sessions")
    before_links = links(world)
    first = make_sandbox()
    sessions, times = [], []
    for _ in range(wanted):
        begin = time.monotonic()
        sessions.append(openclaw.create(profile="internet", timeout=60))
        times.append(time.monotonic() - begin)
    assert len(named(stack)) == wanted + 1
    seen = {s["ipv4"] for s in firewall.status(openclaw)["sessions"]}
    assert len(seen) == wanted + 1, "each has an address of its own"
    tenth = max(5, wanted // 10)
    early, late = statistics.median(times[:tenth]), statistics.median(times[-tenth:])
    print(f"create: the first {early * 1000:.2f} ms, the last {late * 1000:.2f} ms")
    assert late < early * 3 + 0.01, "flat"
    # The last one and the first one work, a grant takes no longer, and a flush is repaired within the second.
    begin = time.monotonic()
    ident = firewall.allow(openclaw, first.id, LLM[0], LLM_PORT)
    assert time.monotonic() - begin < 0.5
    assert first.fetch(LLM[0], LLM_PORT).startswith("lan")
    firewall.revoke(openclaw, first.id, ident)
    before = stack.table()
    with world.nothing_forbidden_arrives():
        spraying = first.start_spray([f"tcp {a} {LLM_PORT}" for a in LLM], seconds=2)
        world.host.nft("flush ruleset\n")
        begin = time.monotonic()
        wait_until(lambda: world.host.table_exists(TABLE), 5, 0.002)
        took = time.monotonic() - begin
        first.finish(spraying)
    assert took < 1, f"{took:.3f} s"
    assert same_rules(stack.table(), before)
    assert first.fetch(WEB[0]).startswith("internet")
    for session in sessions:
        session.terminate()
    wait_until(lambda: len(named(stack)) == 1, 60, 0.05, "their rules go")
    wait_until(lambda: len(links(world)) <= len(before_links) + 1, 60, 0.1, "their interfaces go")
