# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fixtures of the bus tests. They run as root inside an instance of scripts/with-ocsb (see run), where the accounts
openclaw (with the example rule), alice (with nothing) and admin (in group sudo, password "admin-password") exist, so they
may kill daemons, rewrite rules and be anybody without touching the machine."""

import contextlib
import os
import pathlib
import signal
import subprocess
import tempfile
import time

import pytest

from client import ROOT_USER, Bus, BusError, User, being

SOURCE = pathlib.Path(__file__).resolve().parents[2]
RULES = pathlib.Path("/etc/polkit-1/rules.d")
LOG = pathlib.Path("/run/with-ocsb/log")
DENY_ALL = "polkit.addRule(function(action, subject) { return polkit.Result.NO; });"
ALLOW_OURS = ("polkit.addRule(function(action, subject) {"
              " if (action.id.indexOf('org.openclaw.sandbox1.') == 0) return polkit.Result.YES; });")
PASSWORD = "admin-password"
DAEMON = pathlib.Path("/usr/libexec/ocsb/ocsbd")
# A sanitizer build is slow and keeps freed memory: fewer rounds then, and no look at the memory.
SANITIZED = DAEMON.exists() and b"__asan_init" in DAEMON.read_bytes()


def pytest_collection_modifyitems(items):
    """Slow and disruptive ones last, so that a broken basis is seen first."""
    last = ("test_load", "test_faults")
    items.sort(key=lambda item: next((i + 1 for i, name in enumerate(last) if name in item.nodeid), 0))


def read(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read()


def wait_until(condition, seconds=20, every=0.01):
    """The first true value of condition(), else an assertion."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"not within {seconds} s: {condition}"
        time.sleep(every)
    return value


def processes():
    """pid -> (ppid, name, state) of everybody in the instance."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                head, _, tail = read(f"/proc/{name}/stat").rpartition(")")
                rest = tail.split()
                found[int(name)] = (int(rest[1]), head.partition("(")[2], rest[0])
    return found


def uid_of(pid):
    return int(next(line for line in read(f"/proc/{pid}/status").splitlines() if line.startswith("Uid:")).split()[1])


class Stack:
    """The daemons of the instance, and what can be done to them."""

    def __init__(self):
        self.pids = dict((name, int(pid)) for name, pid in (line.split() for line in read(os.environ["OCSB_PIDS"]).splitlines()))
        self.original_rules = {p.name: p.read_bytes() for p in RULES.iterdir()}
        self.mock = None
        self.command = read(f"/proc/{self.supervisor}/cmdline").split("\0")[:-1]

    # polkit

    def stop_polkit(self):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pids["polkitd"], signal.SIGKILL)
        wait_until(lambda: not self.owner("org.freedesktop.PolicyKit1"))

    def start_polkit(self):
        self.pids["polkitd"] = subprocess.Popen(
            ["/usr/lib/polkit-1/polkitd"], stdin=subprocess.DEVNULL,
            stdout=open(LOG / "polkitd", "ab"), stderr=subprocess.STDOUT, start_new_session=True, cwd="/").pid
        wait_until(lambda: self.owner("org.freedesktop.PolicyKit1"))

    def set_rules(self, *texts):
        """These rules instead of the present ones; polkitd is started anew, for it looks at its directory when it likes."""
        for path in RULES.iterdir():
            path.unlink()
        for i, text in enumerate(texts):
            (RULES / f"{i:02}-test.rules").write_text(text)
        self.stop_polkit()
        self.start_polkit()

    def reset_rules(self):
        for path in RULES.iterdir():
            path.unlink()
        for name, data in self.original_rules.items():
            (RULES / name).write_bytes(data)
        if self.owner("org.freedesktop.PolicyKit1"):
            self.stop_polkit()
        self.start_polkit()

    def owner(self, name):
        with Bus() as bus:
            return bus.call("/org/freedesktop/DBus", "org.freedesktop.DBus", "NameHasOwner", "s", (name,),
                            destination="org.freedesktop.DBus")[0]

    # our own

    @property
    def supervisor(self):
        return self.pids["supervisor"]

    def child(self, name):
        """The supervisor's child of that name, or None."""
        for pid, (ppid, comm, state) in processes().items():
            if ppid == self.supervisor and comm == name[:15] and state != "Z":
                return pid
        return None

    @property
    def ocsbd(self):
        return wait_until(lambda: self.child("ocsbd"))

    @property
    def stage(self):
        return wait_until(lambda: self.child("ocsb-stage"))

    def kill(self, *names):
        """kill -9 of ocsbd, ocsb-stage or both at once."""
        pids = [getattr(self, {"ocsb-stage": "stage"}.get(n, n)) for n in names]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):  # the one that was killed before was still dying
                os.kill(pid, signal.SIGKILL)
        return pids

    def wait_ready(self, seconds=30):
        """Until a new daemon answers."""
        def answers():
            try:
                with Bus() as bus:
                    bus.sessions()
                return True
            except (BusError, OSError):
                return False
        wait_until(answers, seconds)

    def stop(self):
        pid = self.supervisor
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        wait_until(lambda: processes().get(pid, (0, "", "Z"))[2] == "Z")

    def start(self, **env):
        """The supervisor again, with something in its environment."""
        base = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "ASAN_OPTIONS": "log_path=/run/with-ocsb/sanitizer/asan",
                "UBSAN_OPTIONS": "log_path=/run/with-ocsb/sanitizer/ubsan:print_stacktrace=1"}
        self.pids["supervisor"] = subprocess.Popen(
            self.command, env={**base, **env}, stdin=subprocess.DEVNULL,
            stdout=open(LOG / "ocsbd", "ab"), stderr=subprocess.STDOUT, start_new_session=True, cwd="/").pid
        self.wait_ready()

    def log(self):
        return read(LOG / "ocsbd")

    def monitors(self):
        """Processes of sessions outside of the sandboxes."""
        return [pid for pid, (_, name, state) in processes().items()
                if state != "Z" and pid != self.stage and name.startswith(("ocsb-stage", "ocsb-mon"))]

    def usage(self):
        """What grows when something leaks."""
        pids = {"ocsbd": self.ocsbd, "stage": self.stage}
        found = {"sessions": len(list_all()), "processes": len([1 for p in processes().values() if p[2] != "Z"])}
        for name, pid in pids.items():
            found[name + " fds"] = len(os.listdir(f"/proc/{pid}/fd"))
            found[name + " rss"] = int(next(line for line in read(f"/proc/{pid}/status").splitlines()
                                            if line.startswith("VmRSS")).split()[1])
        found["mounts"] = len(read("/proc/self/mounts").splitlines())
        found["state files"] = sorted(os.listdir("/run/ocsb/state"))
        return found


def list_all():
    with Bus() as bus:
        return bus.sessions()


def end_all_sessions():
    with Bus() as bus:
        for ident, _, _, _, _ in bus.sessions():
            with contextlib.suppress(BusError):
                bus.session(ident).terminate()


@pytest.fixture(scope="session")
def stack():
    if os.geteuid() != 0 or "OCSB_PIDS" not in os.environ:
        pytest.exit("the bus tests run inside an instance: tests/bus/run", 2)
    subprocess.run(["/usr/sbin/usermod", "-aG", "sudo", "admin"], check=True)
    subprocess.run(["/usr/sbin/chpasswd"], input=f"admin:{PASSWORD}\n".encode(), check=True)
    return Stack()


@pytest.fixture(autouse=True)
def clean(stack):
    """Each test ends as it began: no session, the daemons alive, the original rules."""
    yield
    if not stack.owner("org.freedesktop.PolicyKit1") or {p.name for p in RULES.iterdir()} != set(stack.original_rules):
        stack.reset_rules()
    stack.wait_ready()
    with Bus() as bus:
        if bus.get("/org/openclaw/Sandbox1", "org.openclaw.Sandbox1.Manager", "LockedDown"):
            bus.manager("Lockdown", "b", False)
        for request in bus.manager("Pending")[0]:
            bus.manager("Deny", "u", request[0])
    end_all_sessions()


def account(name):
    @pytest.fixture(name=name)
    def connection(stack):
        with Bus(User.named(name)) as bus:
            yield bus
    return connection


openclaw, alice, nobody, admin = account("openclaw"), account("alice"), account("nobody"), account("admin")


@pytest.fixture
def root(stack):
    with Bus(ROOT_USER) as bus:
        yield bus


@pytest.fixture
def workspace():
    """A directory of openclaw's: its path; workspace.fd is open."""
    class Workspace:
        def __init__(self, user):
            self.path = pathlib.Path(tempfile.mkdtemp(prefix="workspace-", dir=user.home))
            os.chown(self.path, user.uid, user.gid)
            with being(user):
                self.fd = os.open(self.path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    made = Workspace(User.named("openclaw"))
    yield made
    os.close(made.fd)
    end_all_sessions()  # they take their placeholders away themselves
    subprocess.run(["rm", "-rf", made.path], check=True)


@pytest.fixture
def session(openclaw, workspace):
    """A session of openclaw with the default profile and the workspace."""
    return openclaw.create(workspace=workspace.fd)


@contextlib.contextmanager
def error(*names):
    """with error("InvalidArgument") as e: … ; the error has one of the names and a sentence."""
    with pytest.raises(BusError) as caught:
        yield caught
    assert caught.value.short in names, caught.value
    assert len(caught.value.message) > 10, "an error message says what to do"
    assert caught.value.message.isprintable(), "an error message carries no control characters"
