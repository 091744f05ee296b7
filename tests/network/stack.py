# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemons of the instance, and what can be done to ocsb-fw."""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

from client import ROOT, Bus, BusError, User
from namespace import Namespace

LOG = pathlib.Path("/run/with-ocsb/log/ocsbd")
DAEMON = pathlib.Path("/usr/libexec/ocsb/ocsbd")
TABLE = "inet oc_sandbox"
INNER = "inet ocsb_inner"


def wait_until(condition, seconds=20, every=0.005, what=None):
    """The first true value of condition(), else an assertion."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"not within {seconds} s: {what or condition}"
        time.sleep(every)
    return value


def read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as f:
            return f.read()
    except OSError:
        return ""


def processes():
    """(pid, ppid, name, state) of everybody in the instance."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            head, _, tail = read(f"/proc/{name}/stat").rpartition(")")
            if tail:
                state, ppid = tail.split()[:2]
                yield int(name), int(ppid), head.partition("(")[2], state


def same_rules(a, b):
    """Whatever the order of sets and chains, which is that of their making."""
    return sorted(re.findall(r"[^\s,{}]+", a)) == sorted(re.findall(r"[^\s,{}]+", b))


class Stack:
    def __init__(self, host):
        self.host = host
        self.pids = dict((n, int(p)) for n, p in (line.split() for line in read(os.environ["OCSB_PIDS"]).splitlines()))

    def child(self, name):
        return next((pid for pid, ppid, comm, state in processes()
                     if ppid == self.pids["supervisor"] and comm == name[:15] and state != "Z"), None)

    @property
    def fw(self):
        return wait_until(lambda: self.child("ocsb-fw"), what="ocsb-fw runs")

    def answers(self):
        """ocsbd does, and ocsb-fw is there."""
        try:
            with Bus() as bus:
                return bus.get(ROOT, "org.openclaw.Sandbox1.Firewall", "Active")
        except (BusError, OSError):
            return False

    def stop(self):
        pid = self.pids["supervisor"]
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not any(p == pid and s != "Z" for p, _, _, s in processes()))

    def start(self, **env):
        base = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "ASAN_OPTIONS": "log_path=/run/with-ocsb/sanitizer/asan",
                "UBSAN_OPTIONS": "log_path=/run/with-ocsb/sanitizer/ubsan:print_stacktrace=1"}
        with self.host, open(LOG, "ab") as log:
            self.pids["supervisor"] = subprocess.Popen(
                [str(DAEMON), "--standalone"], env={**base, **env}, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, cwd="/").pid
        wait_until(self.answers, what="ocsbd answers:\n" + read(LOG)[-3000:])

    def restart(self, **env):
        self.stop()
        self.start(**env)

    def kill_fw(self):
        """kill -9, and until another one has taken its place."""
        pid = self.fw
        os.kill(pid, signal.SIGKILL)
        return wait_until(lambda: (new := self.child("ocsb-fw")) not in (None, pid) and new, what="another ocsb-fw")

    @contextlib.contextmanager
    def frozen_fw(self):
        """Nobody repairs."""
        pid = self.fw
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def table(self):
        """The outer fence as text, without counters; "" when it is not there."""
        return self.host.run(["nft", "-s", "list", "table", *TABLE.split()], check=False) if self.host.table_exists(TABLE) else ""

    def repaired(self, wanted, seconds=5):
        """How long until the outer fence is as it was."""
        begin = time.monotonic()
        wait_until(lambda: same_rules(self.table(), wanted), seconds, what="the table is as it was before")
        return time.monotonic() - begin


class Sandbox:
    """A session with network "nat" and a workspace in which the sender lies."""

    def __init__(self, stack, bus, sender, **values):
        self.stack, self.bus = stack, bus
        user = bus.user
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="network-", dir=user.home))
        shutil.copy(sender, self.directory / "sender")
        os.chmod(self.directory / "sender", 0o755)
        os.chown(self.directory, user.uid, user.gid)
        # As root, not as the user: effective ids belong to all threads, and others of ours need theirs.
        fd = os.open(self.directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self.session = bus.create(profile="internet", workspace=fd, **values)
        finally:
            os.close(fd)
        self.id, self.proven = self.session.id, None
        self._namespace = None

    @property
    def namespace(self):
        """Its network namespace, which root may enter."""
        if not self._namespace:
            wanted = self.session.sh("readlink /proc/self/ns/net").ok().strip()
            for pid, *_ in processes():
                with contextlib.suppress(OSError):
                    if os.readlink(f"/proc/{pid}/ns/net") == wanted:
                        self._namespace = Namespace.of_process(pid, self.id)
                        break
        return self._namespace

    def prove(self):
        """Waits for the self-probe, which ends a session whose fences are open; and which takes a rejection that it does not hear of
        for none: a sender before it uses up the kernel's limit of ICMP errors."""
        if not self.proven:
            self.proven = self.session.proven()
            assert self.proven and all(result == "held" for result, _ in self.proven.values()), self.proven

    def break_inner(self):
        """Opens the fence inside, as nobody but root can."""
        self.prove()
        self.namespace.nft("".join(f"insert rule {INNER} {chain} accept\n" for chain in ("output", "input")))

    def addresses(self):
        """Its own, IPv4 and IPv6; None for what it has not."""
        text = self.namespace.run(["ip", "-o", "addr", "show", "dev", "eth0", "scope", "global"])
        found = [line.split()[3].partition("/")[0] for line in text.splitlines()]
        return (next((a for a in found if "." in a), None), next((a for a in found if ":" in a), None))

    @property
    def interface(self):
        """On the host."""
        index = self.namespace.run(["ip", "-o", "link", "show", "eth0"]).split("@if")[1].split(":")[0]
        text = self.stack.host.run(["ip", "-o", "link"])
        return next(line.split()[1].partition("@")[0] for line in text.splitlines() if line.startswith(index + ":"))

    def spray(self, lines, seconds=None, rounds=1):
        """Sends to all of them; what the sender says."""
        return self.finish(self.start_spray(lines, seconds, rounds))

    def start_spray(self, lines, seconds=None, rounds=1):
        self.prove()
        name = f"targets-{time.monotonic_ns()}"
        (self.directory / name).write_text("\n".join(lines) + "\n")
        out_r, out_w = os.pipe()
        how = ["--seconds", str(seconds)] if seconds else ["--rounds", str(rounds)]
        running = self.session.exec(["/workspace/sender", *how, "/workspace/" + name], fds={1: out_w, 2: out_w})
        os.close(out_w)
        assert os.read(out_r, 100).startswith(b"sending")
        return running, out_r

    def finish(self, spraying, timeout=60):
        running, out_r = spraying
        with os.fdopen(out_r) as f:
            text = f.read()
        outcome = running.wait(timeout)
        assert outcome.code == 0 and not outcome.signal, f"{outcome}\n{text}\n{read(LOG)[-2000:]}"
        return {line.split()[0]: int(line.split()[1]) for line in text.splitlines() if line}

    def python(self, script, *args, timeout=30):
        done = self.session.run(["/usr/bin/python3", "-I", "-c", script, *map(str, args)], timeout=timeout)
        assert not done.signal and not done.failed, f"{done}\n{read(LOG)[-2000:]}"
        return done

    def fetch(self, address, port=80, seconds=2):
        """The page of a server, or None."""
        done = self.python(FETCH, address, port, seconds)
        return done.text if done.code == 0 else None

    def resolve(self, server, transport="udp", port=53):
        """Whether a resolver answers."""
        return self.python(RESOLVE, server, transport, port).code == 0

    def end(self):
        with contextlib.suppress(BusError):
            self.session.terminate()
        if self._namespace:
            self._namespace.close()
        shutil.rmtree(self.directory, ignore_errors=True)


FETCH = """
import socket, sys
address, port, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
s.settimeout(seconds)
try:
    s.connect((address, port))
    s.sendall(b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
    print(s.recv(2000).decode().partition("\\r\\n\\r\\n")[2])
except OSError as e:
    sys.exit(f"{e}")
"""
RESOLVE = """
import socket, struct, sys
server, transport, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
query = b"\\x12\\x34\\x01\\x00\\x00\\x01\\0\\0\\0\\0\\0\\0\\x07example\\x03com\\0\\0\\x01\\0\\x01"
s = socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET,
                  socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM)
s.settimeout(1.5)
try:
    s.connect((server, port))
    s.send(query if transport == "udp" else struct.pack("!H", len(query)) + query)
    answer = s.recv(1000)
except OSError as e:
    sys.exit(f"{e}")
sys.exit(0 if socket.inet_aton("93.184.216.34") in answer else 1)
"""
# A flow that is always busy: a line each 20 ms, and what comes back is noted with its time.
FLOW = """
import socket, sys, time
address, port, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
s.settimeout(2)
s.connect((address, port))
s.setblocking(False)
print("open", flush=True)
end = time.monotonic() + seconds
last = 0
while time.monotonic() < end:
    try:
        s.send(b"x" * 100)
        if s.recv(65536):
            last = time.time()
    except BlockingIOError:
        pass
    except OSError:
        break
    time.sleep(0.02)
print(last, flush=True)
"""


def as_user(name):
    return Bus(User.named(name))
