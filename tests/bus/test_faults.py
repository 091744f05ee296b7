# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every fault point in the source: the process that passes it is killed there, once, while sessions are made, used and removed.
Afterwards there is either the whole session or nothing, and everything works. Needs a build with -Dfault-points=true."""

import os
import re

import pytest

from client import Bus, BusError, User
from conftest import DAEMON, SOURCE, list_all
from test_restart import GONE, check_nothing_half_built

POINTS = sorted({name for path in (SOURCE / "src").rglob("*.c") for name in re.findall(r'\bFAULT\("([^"]+)"\)', path.read_text())
                 # Of sessions with a network, of ocsb-fw and of ocsb-import: tests/root/test-network.c, tests/fw, tests/import.
                 if not name.startswith(("network.", "fw.", "import.", "store."))})
BUILT_WITH_FAULTS = DAEMON.exists() and b"OCSB_FAULT_ONCE" in DAEMON.read_bytes()


pytestmark = pytest.mark.skipif(not BUILT_WITH_FAULTS, reason="this build has no fault points (-Dfault-points=true)")


def test_there_are_fault_points_in_create_exec_and_remove():
    text = " ".join(POINTS)
    assert len(POINTS) >= 10 and "create" in text and "exec" in text and ("remove" in text or "terminate" in text)


@pytest.fixture
def faulty(stack):
    """Starts the stack with one fault; the ordinary one comes back afterwards."""
    directory = "/run/with-ocsb/fault"

    def start(point, again=False):
        """again: whoever passes it, each time. The builder of a session cannot make the file that says "once", for it no
        longer sees that directory; what dies there is one session's, no daemon."""
        if again:
            stack.stop()
            stack.start(OCSB_FAULT=point)
            return None
        once = f"{directory}/{point}"
        if os.path.exists(once):
            os.unlink(once)
        stack.stop()
        stack.start(OCSB_FAULT=point, OCSB_FAULT_ONCE=once)
        return lambda: os.path.exists(once)
    yield start
    stack.stop()
    stack.start()


def attempt(call):
    """What the call gave, or None when the process that served it died."""
    try:
        return call()
    except BusError as e:
        assert e.short in GONE, e
    except (OSError, EOFError):
        pass
    return None


def work(stack, session, end):
    """A session used in every way; whatever dies on the way, what is answered is right."""
    done = attempt(lambda: session.sh("echo whole; exit 3"))
    if done is not None and not done.failed and not done.signal:
        assert (done.out, done.code) == (b"whole\n", 3)
    failed = attempt(lambda: session.run(["/no/such/program"]))
    assert failed is None or failed.signal or failed.failed.status in (125, 127)
    channel = attempt(session.channel)
    if channel:
        attempt(lambda: channel.run(["/bin/true"]))
        channel.close()
    stack.wait_ready()
    attempt(getattr(session, end))
    stack.wait_ready()


@pytest.mark.parametrize("point", [p for p in POINTS if p.startswith("build.")])
def test_kill_of_the_builder_at(stack, faulty, workspace, point):
    faulty(point, again=True)
    with Bus(User.named("openclaw")) as bus:
        with pytest.raises(BusError) as e:
            bus.create(id="faulted", workspace=workspace.fd)
        assert e.value.short == "SetupFailed"
        assert bus.sessions() == []
    check_nothing_half_built(stack)
    assert os.listdir(workspace.path) == []


@pytest.mark.parametrize("point", [p for p in POINTS if not p.startswith("build.")])
def test_kill_at(stack, faulty, workspace, point):
    hit = faulty(point)
    user = User.named("openclaw")
    for end in ("remove", "terminate"):
        with Bus(user) as bus:
            made = attempt(lambda: bus.create(id="faulted", workspace=workspace.fd))
            stack.wait_ready()
            if made is None and "faulted" in [row[0] for row in list_all()]:
                made = attempt(lambda: bus.session("faulted"))
        with Bus(user) as bus:
            if made is not None:
                work(stack, made.on(bus), end)
        # Whatever is left is whole.
        with Bus(user) as bus:
            for ident, *_ in bus.sessions():
                session = bus.session(ident)
                assert session.sh("echo whole").ok() == "whole\n"
                session.terminate()
            assert bus.sessions() == []
        check_nothing_half_built(stack)
    assert os.listdir(workspace.path) == [], "placeholders of protected paths are taken away"
    with Bus(user) as bus:
        made = bus.create()
        assert made.sh("echo afterwards").ok() == "afterwards\n"
        made.terminate()
    assert hit(), "the fault point was never passed"
