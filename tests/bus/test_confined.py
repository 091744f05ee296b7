# SPDX-License-Identifier: LGPL-2.1-or-later
"""Callers from inside a sandbox are refused everything, and the daemons' own doors are closed."""

import os
import pathlib
import pwd
import re
import subprocess
import sys

from conftest import read

HERE = pathlib.Path(__file__).parent


def enter_cgroup(session):
    """The directory of the session's payload, deepest first: where an exec of it runs."""
    top = None
    for line in read("/proc/self/mountinfo").splitlines():
        left, right = line.split(" - ", 1)
        if right.split()[0] == "cgroup2":
            top = left.split()[4]
    directory = top + session.get("Cgroup")
    leaves = [path for path, directories, _ in os.walk(directory) if not directories]
    return leaves[0]


CALLER = f"""
import sys; sys.path.insert(0, {str(HERE)!r}); sys.dont_write_bytecode = True
from client import *
import client
sys.stdin.readline()
try:
    channel = open_channel(None, sys.argv[1])
    outcome = channel.send_exec(["/bin/true"]).wait(10)
    print("channel", "failed" if outcome.failed else "done")
except (BusError, EOFError, OSError):
    print("channel", "refused")
bus = Bus(None)
for name, call in (("list", lambda: bus.sessions()), ("explain", lambda: bus.explain()), ("get", lambda: bus.session(sys.argv[1])),
                   ("create", lambda: bus.create()), ("doctor", lambda: bus.manager("Doctor")), ("pending", lambda: bus.manager("Pending")),
                   ("exec", lambda: Session(bus, ROOT + "/session/" + sys.argv[1], sys.argv[1]).exec(["/bin/true"])),
                   ("terminate", lambda: Session(bus, ROOT + "/session/" + sys.argv[1], sys.argv[1]).terminate())):
    try:
        call(); print(name, "done")
    except BusError as e:
        print(name, e.short)
"""


def call_from(session, prepare):
    """All of CALLER by a process of the owner that was put somewhere first."""
    user = session.bus.user
    child = subprocess.Popen([sys.executable, "-c", CALLER, session.id], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                             user=user.uid, group=user.gid, extra_groups=[], cwd="/")
    prepare(child.pid)
    out, _ = child.communicate("go\n", timeout=60)
    return dict(line.split() for line in out.splitlines())


def test_T70_caller_outside_is_served(session):
    results = call_from(session, lambda pid: None)
    assert set(results.values()) == {"done"}, results


def test_T67_T70_caller_in_the_cgroup_of_a_sandbox_is_refused_everything(session, stack):
    cgroup = enter_cgroup(session)

    def move(pid):
        with open(cgroup + "/cgroup.procs", "w", encoding="ascii") as f:
            f.write(str(pid))
    results = call_from(session, move)
    assert results.pop("channel") in ("refused", "failed")
    assert set(results.values()) == {"NotPermitted"} and len(results) == 8, results
    assert session.get("State") == "running"


def test_T70_caller_in_a_user_namespace_of_a_sandbox_is_refused_everything(session):
    """Through nsenter, with the bus of the host still in its mount namespace: the worst case of a leak."""
    running = session.exec(["/bin/sleep", "600"]).wait_started()
    user = session.bus.user
    pid = payload_pid(session)
    child = subprocess.run(["nsenter", "--target", str(pid), "--user", "--setuid", str(user.uid), "--setgid", str(user.gid), "--",
                            sys.executable, "-c", CALLER, session.id], input="go\n", text=True, capture_output=True, timeout=60,
                           check=False)
    results = dict(line.split() for line in child.stdout.splitlines())
    assert results, child.stderr
    assert results.pop("channel") in ("refused", "failed")
    assert set(results.values()) == {"NotPermitted"}, results
    running.close()


def payload_pid(session):
    """A process of the payload as the host numbers it."""
    top = enter_cgroup(session)
    base = top[:top.index(session.get("Cgroup")) + len(session.get("Cgroup"))]
    for path, _, _ in os.walk(base):
        for pid in read(path + "/cgroup.procs").split():
            if read(f"/proc/{pid}/comm").strip() == "sleep":
                return int(pid)
    raise AssertionError("no payload in the session's cgroup")


def test_T31_T32_no_socket_of_the_host_is_inside(session):
    script = """
        for s in /run/dbus/system_bus_socket /var/run/dbus/system_bus_socket /run/ocsb/channel.sock /run/ocsb/stage.sock \\
            /run/docker.sock /var/run/docker.sock /run/systemd/private /run/user/*/bus /tmp/.X11-unix/*; do
            test -e "$s" && echo "there: $s"
        done; true"""
    assert "there:" not in session.sh(script).ok()


def test_T63_missing_account_of_the_daemon_is_never_root(stack):
    """ocsbd runs as ocsb, with nothing in any capability set; the monitors as the subordinate id."""
    status = read(f"/proc/{stack.ocsbd}/status")
    assert f"Uid:\t{pwd.getpwnam('ocsb').pw_uid}" in status
    for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert re.search(rf"{name}:\t0+\n", status), name


def test_T12_directories_of_the_daemons_are_closed(stack):
    assert oct(os.stat("/run/ocsb/state").st_mode & 0o777) == "0o700"
    assert oct(os.stat("/run/ocsb/monitor").st_mode & 0o777) == "0o750"
    assert os.stat("/run/ocsb/monitor").st_uid == 0
    assert oct(os.stat("/run/ocsb/stage.sock").st_mode & 0o777) == "0o600"
