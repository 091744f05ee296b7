# SPDX-License-Identifier: LGPL-2.1-or-later
"""The seed's functional tests (its section 15) in one command: "ocsbctl firewall verify" passes in the small world, and fails when a
fence is broken on purpose."""

import contextlib
import subprocess
import threading
import time

import pytest

import firewall
from namespace import ENVIRONMENT, CommandFailed
from stack import TABLE, same_rules
from world import HOST_LAN, LLM, LLM_PORT

VERIFY = ["ocsbctl", "firewall", "verify", "--llm", f"{LLM[0]}:{LLM_PORT}", "--llm", f"[{LLM[1]}]:{LLM_PORT}"]


def command(*argv):
    """Status and output, as an admin has them."""
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=ENVIRONMENT,
                          check=False, timeout=120)
    if "Unknown verb" in done.stdout:
        pytest.skip("this build has no 'ocsbctl firewall'")
    return done.returncode, done.stdout


def verify(*more):
    return command(*VERIFY, *more)


def test_the_seeds_section_15_passes_with_one_command(world, stack):
    code, text = verify()
    assert code == 0, text
    assert LLM[0] in text and "reachable" in text and "blocked" in text


def test_verify_tries_every_kind(world, root):
    rows = firewall.verify(root, llm=[f"{LLM[0]}:{LLM_PORT}"])
    assert all(row[5] for row in rows), [r for r in rows if not r[5]]
    text = " ".join(row[0] + " " + row[1] for row in rows)
    for needle in (LLM[0], "169.254.169.254", "fd00:ec2::254", "100.100.100.200", HOST_LAN[0], "10.", "172.", "9.9.9.9"):
        assert needle in text, needle
    assert {row[2] for row in rows} == {"both", "outer"}
    assert {row[3] for row in rows} == {"reachable", "blocked"}


def test_verify_leaves_nothing(world, stack, root):
    before = stack.table()
    firewall.verify(root)
    time.sleep(0.3)
    assert same_rules(stack.table(), before) and not firewall.status(root)["sessions"]


def test_verify_of_a_session_knows_its_grants(world, openclaw, sandbox):
    firewall.allow(openclaw, sandbox.id, LLM[0], LLM_PORT)
    rows = firewall.verify(openclaw, sandbox.id, llm=[f"{LLM[0]}:{LLM_PORT}"])
    assert all(row[5] for row in rows), [r for r in rows if not r[5]]
    assert [r[3] for r in rows if r[0].startswith(LLM[0])][0] == "reachable"


class Breaking:
    """Breaks our table again and again, faster than it is repaired: with ocsb-fw stopped it could not answer Verify at all."""

    def __init__(self, host, text):
        self.host, self.text, self.ending = host, text, threading.Event()
        self.threads = [threading.Thread(target=self.go, daemon=True) for _ in range(3)]

    def go(self):
        while not self.ending.is_set():
            with contextlib.suppress(CommandFailed):
                self.host.nft(self.text)

    def __enter__(self):
        for t in self.threads:
            t.start()

    def __exit__(self, *_):
        self.ending.set()
        for t in self.threads:
            t.join()


def test_verify_fails_when_the_outer_fence_is_broken(world, stack, root):
    """An accept before everything else in our own chains, by a stranger who is quicker than the repair."""
    with Breaking(world.host, f"insert rule {TABLE} forward accept\ninsert rule {TABLE} input accept\n"):
        tries = [verify() for _ in range(2)]
    assert any(code != 0 for code, _ in tries), tries[0][1]


def test_verify_fails_when_the_internet_is_blocked(world, stack, root):
    with world.host.table("table inet foreign { chain c { type filter hook forward priority 0; policy drop; }; }"):
        code, text = verify()
    assert code != 0, text


def test_verify_fails_for_a_session_whose_fences_are_gone(world, stack, openclaw, sandbox):
    """Both are broken by root: the probe reaches the LLM server, and says so."""
    sandbox.break_inner()
    with Breaking(world.host, f"insert rule {TABLE} forward accept\n"):
        # It is repaired within milliseconds, so that one attempt may meet it whole.
        tries = [firewall.verify(openclaw, sandbox.id, llm=[f"{LLM[0]}:{LLM_PORT}"]) for _ in range(4)]
    assert not all(row[5] for rows in tries for row in rows), tries[0]


@pytest.mark.parametrize("verb, needles", [("status", []), ("show", ["table inet oc_sandbox", "chain forward"]), ("reload", [])])
def test_the_command_line(world, sandbox, verb, needles):
    code, text = command("ocsbctl", "firewall", verb)
    assert code == 0, text
    assert all(n in text for n in needles + ([sandbox.id] if verb == "status" else [])), text
