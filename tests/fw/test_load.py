# SPDX-License-Identifier: LGPL-2.1-or-later
"""A thousand sessions. What adding and removing one costs with others present is printed (pytest -s shows it)."""

import os
import statistics
import time

from client import TCP, grant, intent
from world import Sandbox, ours, sessions_in, sh, wait_until

PLAN = intent(("1.1.1.1", "9.9.9.9"), [grant(1, "192.168.50.10/32", TCP, (1234, 1234))])
MANY = int(os.environ.get("OCSB_TEST_SESSIONS", "1000"))


def rank(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def timed(function, *args):
    begin = time.perf_counter()
    function(*args)
    return (time.perf_counter() - begin) * 1000


def measure(stage, policy, present, plan, what):
    """Medians of attach and detach of twenty sessions, one after the other."""
    spare = [Sandbox() for _ in range(20)]
    attach, change, detach = [], [], []
    for i, sandbox in enumerate(spare):
        attach.append(timed(stage.attach, f"x{i}", sandbox, plan, 1000, sandbox.sockets()))
        change.append(timed(policy.set, f"x{i}", intent(("1.1.1.1", "9.9.9.9", "8.8.8.8"), [grant(1, "192.168.50.10/32", TCP, (1234, 1234))])))
    for i, sandbox in enumerate(spare):
        detach.append(timed(stage.detach, f"x{i}"))
        sandbox.close()
    print(f"{present:5} present, {what}: " + ", ".join(f"{name} p50 {rank(v, .5):.2f} p99 {rank(v, .99):.2f} ms" for name, v in (
        ("attach", attach), ("widen", change), ("detach", detach))), flush=True)
    return statistics.median(attach), statistics.median(detach)


def test_a_thousand_sessions_cost_what_ten_do(fw, stage, policy):
    everyone, medians = [], {}
    print()
    for present in sorted({1, 10, 100, MANY}):
        while len(everyone) < present:
            everyone.append(Sandbox())
            stage.attach(f"s{len(everyone)}", everyone[-1], PLAN)
        medians[present] = measure(stage, policy, present, intent(("1.1.1.1", "9.9.9.9")), "no grant ")
        measure(stage, policy, present, PLAN, "one grant")
    begin = time.perf_counter()
    status = policy.status()
    print(f"status of {len(status['sessions'])}: {(time.perf_counter() - begin) * 1000:.0f} ms")
    assert len(status["sessions"]) == MANY
    # Flat: the machine is shared, so generously.
    assert medians[MANY][0] < 5 * medians[10][0] + 2
    assert medians[MANY][1] < 5 * medians[10][1] + 2

    begin = time.perf_counter()
    sh("nft delete table inet oc_sandbox")
    wait_until(lambda: policy.status()["repairs"] >= 1 and f"s{MANY}" in policy.status()["sessions"])
    repaired = policy.event(195).take("<Q") / 1000
    print(f"table of {MANY} repaired in {repaired:.0f} ms")
    assert len(sessions_in(ours())) == MANY
    assert repaired < 1000
    fw.kill()
    begin = time.perf_counter()
    fw.start()
    with_state = fw.ocsb()
    with_state.status()
    print(f"started anew with {MANY} in {(time.perf_counter() - begin) * 1000:.0f} ms")
    root = fw.root()
    begin = time.perf_counter()
    for i, sandbox in enumerate(everyone):
        root.attach(f"s{i + 1}", sandbox, PLAN)
    root.synced()
    print(f"attached again: {(time.perf_counter() - begin) * 1000 / MANY:.2f} ms each")
    begin = time.perf_counter()
    for i in range(MANY):
        root.detach(f"s{i + 1}")
    print(f"detached: {(time.perf_counter() - begin) * 1000 / MANY:.2f} ms each")
    for sandbox in everyone:
        sandbox.close()
    assert not sessions_in(ours())
    wait_until(lambda: not any(name.startswith("ocsb") for name in os.listdir("/proc/sys/net/ipv4/conf")), 60)
