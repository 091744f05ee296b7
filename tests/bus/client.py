# SPDX-License-Identifier: LGPL-2.1-or-later
"""A client of org.openclaw.Sandbox1 that can be anybody: connections of any uid, raw control of types and descriptors."""

import contextlib
import dataclasses
import errno
import os
import pwd
import select
import socket
import threading
import time

from jeepney import DBusAddress, HeaderFields, MatchRule, MessageFlag, MessageType, new_method_call
from jeepney.bus_messages import message_bus
from jeepney.io.blocking import DBusConnection

import wire

BUS_SOCKET = "/run/dbus/system_bus_socket"
NAME = "org.openclaw.Sandbox1"
ROOT = "/org/openclaw/Sandbox1"
MANAGER, SESSION, FIREWALL = NAME + ".Manager", NAME + ".Session", NAME + ".Firewall"
PROPERTIES = "org.freedesktop.DBus.Properties"
INTROSPECTABLE = "org.freedesktop.DBus.Introspectable"
OBJECT_MANAGER = "org.freedesktop.DBus.ObjectManager"
CHANNEL_SOCKET = "/run/ocsb/channel.sock"

# The session options of the contract and their types; test_contract.py compares them with the XML.
SESSION_OPTIONS = {
    "id": "s", "workspace": "h", "workspace-access": "s", "workspace-path": "ay", "workdir": "ay", "grants": "a(hays)",
    "deny": "aay", "deny-write": "aay", "env": "aay", "hostname": "s", "limits": "a{st}", "idle-usec": "t",
    "max-age-usec": "t", "network": "s", "profile-data": "ay", "plan-digest": "s", "dns": "as",
    "allow": "aa{sv}",
}
EXEC_OPTIONS = {"env": "aay", "timeout-usec": "t", "pty": "b", "rows": "q", "cols": "q", "detach": "b"}


class BusError(Exception):
    def __init__(self, name, message):
        super().__init__(f"{name}: {message}")
        self.name, self.message = name, message

    @property
    def short(self):
        """The name without org.openclaw.Sandbox1.Error."""
        return self.name.removeprefix(NAME + ".Error.").removeprefix("org.freedesktop.DBus.Error.")


@dataclasses.dataclass(frozen=True)
class User:
    name: str
    uid: int
    gid: int
    home: str = "/"

    @staticmethod
    def named(name):
        e = pwd.getpwnam(name)
        return User(name, e.pw_uid, e.pw_gid, e.pw_dir)


ROOT_USER = User("root", 0, 0, "/root")


@contextlib.contextmanager
def being(user):
    """Effective ids of the user, to make and open files as he would. One thread at a time."""
    groups = os.getgroups()
    os.setgroups([user.gid])
    os.setegid(user.gid)
    os.seteuid(user.uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


class Connector:
    """A process of the user's that connects and hands the sockets over: the kernel and the bus take them for his, and when the
    broker looks at the process behind a connection, it finds one with his ids."""

    made, lock = {}, threading.Lock()

    def __init__(self, user):
        self.sock, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.turn = threading.Lock()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.closerange(3, theirs.fileno())
                os.closerange(theirs.fileno() + 1, 4096)
                os.setgroups([user.gid])
                os.setresgid(user.gid, user.gid, user.gid)
                os.setresuid(user.uid, user.uid, user.uid)
                os.chdir("/")
                self.serve(theirs)
            finally:
                os._exit(0)
        theirs.close()

    @staticmethod
    def serve(asking):
        while request := asking.recv(200):
            kind, _, path = request.partition(b" ")
            with socket.socket(socket.AF_UNIX, int(kind)) as sock:
                sock.setblocking(False)
                end = time.monotonic() + 10
                # A full backlog is EAGAIN: the server is busy, and takes the next one soon.
                while (error := sock.connect_ex(path)) == errno.EAGAIN and time.monotonic() < end:
                    time.sleep(0.001)
                sock.setblocking(True)
                if error:
                    asking.send(str(error).encode())
                else:
                    socket.send_fds(asking, [b"ok"], [sock.fileno()])

    @classmethod
    def of(cls, user):
        with cls.lock:
            if user.uid not in cls.made:
                cls.made[user.uid] = cls(user)
            return cls.made[user.uid]

    def connect(self, path, kind):
        with self.turn:
            self.sock.send(f"{int(kind)} {path}".encode())
            answer, fds, _, _ = socket.recv_fds(self.sock, 100, 1)
        if not fds:
            raise OSError(int(answer), os.strerror(int(answer)))
        return socket.socket(fileno=fds[0])


def connect(user, path, kind):
    """A socket that this user connected; None: the process as it is."""
    if user is not None and user.uid != os.geteuid():
        return Connector.of(user).connect(path, kind)
    sock = socket.socket(socket.AF_UNIX, kind)
    sock.connect(path)
    return sock


def connect_channel_socket(user):
    return connect(user, CHANNEL_SOCKET, socket.SOCK_SEQPACKET)


def bus_socket(user):
    """Connected and past the greeting."""
    sock = connect(user, BUS_SOCKET, socket.SOCK_STREAM)
    sock.settimeout(30)
    uid = os.geteuid() if user is None else user.uid
    for line, answer in ((b"\0AUTH EXTERNAL " + str(uid).encode().hex().encode(), b"OK "), (b"NEGOTIATE_UNIX_FD", b"AGREE_UNIX_FD")):
        sock.sendall(line + b"\r\n")
        got = sock.recv(1000)
        if not got.startswith(answer):
            sock.close()
            raise ConnectionRefusedError(f"the bus says {got!r}")
    sock.sendall(b"BEGIN\r\n")
    sock.settimeout(None)
    return sock


def options(types, values):
    """a{sv} from keyword arguments: workspace_access="ro" becomes {"workspace-access": ("s", "ro")}. A pair is taken as
    a variant as it is, for wrong types."""
    result = {}
    for key, value in values.items():
        key = key.replace("_", "-")
        result[key] = value if isinstance(value, tuple) else (types[key], value)
    return result


class Bus:
    """A connection to the system bus as a user."""

    def __init__(self, user=ROOT_USER):
        self.user = user
        self.conn = DBusConnection(bus_socket(user), enable_fds=True)
        self.name = self.conn.unique_name

    def close(self):
        self.conn.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def message(self, path, interface, member, signature="", args=(), interactive=False, destination=NAME):
        m = new_method_call(DBusAddress(path, destination, interface), member, signature or None, tuple(args))
        if interactive:
            m.header.flags |= MessageFlag.allow_interactive_authorization
        return m

    @staticmethod
    def unwrap(reply):
        if reply.header.message_type == MessageType.error:
            raise BusError(reply.header.fields[HeaderFields.error_name], reply.body[0] if reply.body else "")
        return reply.body

    def call(self, path, interface, member, signature="", args=(), timeout=60, **how):
        return self.unwrap(self.conn.send_and_get_reply(
            self.message(path, interface, member, signature, args, **how), timeout=timeout))

    def manager(self, member, signature="", *args, **how):
        return self.call(ROOT, MANAGER, member, signature, args, **how)

    def send(self, *message, **how):
        """Sends without waiting; the serial."""
        serial = next(self.conn.outgoing_serial)
        self.conn.send(self.message(*message, **how), serial=serial)
        return serial

    def wait_reply(self, serial, timeout=60):
        end = time.monotonic() + timeout
        while True:
            m = self.conn.receive(timeout=max(0, end - time.monotonic()))
            if m.header.fields.get(HeaderFields.reply_serial) == serial:
                return self.unwrap(m)

    def get(self, path, interface, name, **how):
        return self.call(path, PROPERTIES, "Get", "ss", (interface, name), **how)[0][1]

    def get_all(self, path, interface):
        return {k: v[1] for k, v in self.call(path, PROPERTIES, "GetAll", "s", (interface,))[0].items()}

    def introspect(self, path):
        return self.call(path, INTROSPECTABLE, "Introspect")[0]


    @contextlib.contextmanager
    def signals(self, **rule):
        """with bus.signals(member="SessionNew") as received: …; received(timeout) gives the next signal's body."""
        match = MatchRule(type="signal", **rule)
        self.unwrap(self.conn.send_and_get_reply(message_bus.AddMatch(match)))
        with self.conn.filter(match, bufsize=10000) as queue:
            yield lambda timeout=20: self.conn.recv_until_filtered(queue, timeout=timeout)

    # The broker's own

    def explain(self, profile="default", **values):
        import json
        return json.loads(self.manager("Explain", "sa{sv}", profile, options(SESSION_OPTIONS, values))[0])

    def create(self, profile="default", interactive=False, timeout=60, **values):
        path, ident = self.manager("CreateSession", "sa{sv}", profile, options(SESSION_OPTIONS, values), interactive=interactive,
                                   timeout=timeout)
        return Session(self, path, ident)

    def ensure(self, ident, config_hash, profile="default", **values):
        path, state = self.manager("EnsureSession", "sssa{sv}", ident, config_hash, profile, options(SESSION_OPTIONS, values))
        return Session(self, path, ident), state

    def sessions(self):
        return self.manager("ListSessions")[0]

    def session(self, ident):
        return Session(self, self.manager("GetSession", "s", ident)[0], ident)


def argv_of(argv):
    return [a.encode() if isinstance(a, str) else a for a in argv]


class Session:
    def __init__(self, bus, path, ident):
        self.bus, self.path, self.id = bus, path, ident
        self.execs = []  # kept: an exec whose status nobody holds is killed

    def call(self, member, signature="", *args, **how):
        return self.bus.call(self.path, SESSION, member, signature, args, **how)

    def on(self, bus):
        """The same session as seen by another connection."""
        return Session(bus, self.path, self.id)

    def get(self, name):
        return self.bus.get(self.path, SESSION, name)

    def exec(self, argv, cwd=b"", fds=None, **values):
        """Starts; fds is number inside to descriptor."""
        ident, status = self.call("Exec", "aayaya{uh}a{sv}", argv_of(argv), cwd, dict(fds or {}), options(EXEC_OPTIONS, values))
        self.execs.append(Exec(ident, socket.socket(fileno=status.to_raw_fd()), self))
        return self.execs[-1]

    def run(self, argv, stdin=b"", cwd=b"", timeout=60, **values):
        """Runs to the end; the outcome with .out and .err."""
        return run_through(lambda fds: self.exec(argv, cwd, fds, **values), stdin, timeout)

    def sh(self, script, **how):
        return self.run(["/bin/sh", "-c", script], **how)

    def channel(self):
        return Channel(socket.socket(fileno=self.call("OpenChannel")[0].to_raw_fd()))

    def terminate(self):
        self.call("Terminate")

    def remove(self):
        self.call("Remove")

    def proven(self, timeout=20):
        """The self-probe's result, waited for."""
        end = time.monotonic() + timeout
        while not (found := self.get("Proven")) and time.monotonic() < end:
            time.sleep(0.02)
        return {name: (result, detail) for name, result, detail in found}


@dataclasses.dataclass
class Outcome:
    code: int = -1
    signal: int = 0
    flags: int = 0
    failed: object = None  # the FAILED message
    out: bytes = b""
    err: bytes = b""
    pid: int = 0
    exec_id: int = 0

    @property
    def text(self):
        return self.out.decode(errors="replace")

    def ok(self):
        assert (self.code, self.signal, self.failed) == (0, 0, None), self
        return self.text


class Exec:
    """One exec and its status socket."""

    def __init__(self, ident, status, session=None, tag=None):
        self.id, self.status, self.session, self.tag = ident, status, session, tag
        self.master = None  # of a pty
        self.started = None

    def next(self, timeout=60):
        self.status.settimeout(timeout)
        while True:
            m = wire.receive(self.status)
            if m is None or self.tag is None or m.tag == self.tag or (m.kind == wire.ACK and m.error):
                break
        if m is not None and m.kind == wire.STARTED:
            self.started = m
            if m.fds:
                self.master = m.fds[0]
        return m

    def wait_started(self, timeout=60):
        m = self.next(timeout)
        assert m is not None and m.kind == wire.STARTED, m
        return self

    def wait(self, timeout=60):
        """To the end; an Outcome."""
        outcome = Outcome(exec_id=self.id or 0)
        end = time.monotonic() + timeout
        while True:
            m = self.next(max(0.01, end - time.monotonic()))
            if m is None:
                raise EOFError("the status socket ended without an outcome")
            if m.kind == wire.STARTED:
                outcome.pid, outcome.exec_id = m.pid, m.exec_id
            elif m.kind == wire.FAILED:
                outcome.failed, outcome.code = m, m.status
                return outcome
            elif m.kind == wire.EXITED:
                outcome.exec_id, outcome.code, outcome.signal, outcome.flags = m.exec_id, m.code, m.signal, m.flags
                return outcome
            elif m.kind == wire.ACK and m.error:
                raise BusError("ack", f"{m.error} {m.text}")

    def close(self):
        self.status.close()
        if self.master is not None:
            os.close(self.master)
        if self.session:
            self.session.execs.remove(self)


class Channel:
    """A channel to a monitor: execs by tag."""

    def __init__(self, sock):
        self.sock, self.tag = sock, 100

    def send_exec(self, argv, fds=None, **how):
        self.tag += 1
        fds = dict(fds or {})
        wire.send(self.sock, wire.EXEC, self.tag, wire.exec_body(argv_of(argv), numbers=list(fds), **how), list(fds.values()))
        return Exec(None, self.sock, tag=self.tag)

    def run(self, argv, stdin=b"", timeout=60, **how):
        return run_through(lambda fds: self.send_exec(argv, fds, **how), stdin, timeout, keep=True)

    def ask(self, kind, body, timeout=20):
        self.tag += 1
        wire.send(self.sock, kind, self.tag, body)
        self.sock.settimeout(timeout)
        while True:
            m = wire.receive(self.sock)
            if m is None or (m.kind == wire.ACK and m.tag == self.tag):
                return m

    def close(self):
        self.sock.close()


def open_channel(user, ident):
    """The channel of /run/ocsb/channel.sock, as ocsbctl exec uses it."""
    sock = connect_channel_socket(user)
    wire.send(sock, wire.HELLO, 1, wire.string(ident))
    return Channel(sock)


def run_through(start, stdin, timeout, keep=False):
    """Gives an exec pipes for 0, 1 and 2, feeds and drains them, waits for the outcome."""
    in_r, in_w = os.pipe()
    out_r, out_w = os.pipe()
    err_r, err_w = os.pipe()
    theirs, ours = [in_r, out_w, err_w], [in_w, out_r, err_r]
    try:
        running = start({0: in_r, 1: out_w, 2: err_w})
        while theirs:
            os.close(theirs.pop())
        out, err = pump(in_w, stdin, out_r, err_r, timeout, ours)
        outcome = running.wait(timeout)
        if not keep:
            running.close()
    finally:
        for fd in theirs + ours:
            os.close(fd)
    outcome.out, outcome.err = out, err
    return outcome


def pump(in_w, stdin, out_r, err_r, timeout, ours):
    end = time.monotonic() + timeout
    collected = {out_r: b"", err_r: b""}
    reading = {out_r, err_r}
    os.set_blocking(in_w, False)
    writing = {in_w}
    while reading:
        if not stdin and in_w in writing:
            writing.clear()
            os.close(in_w)
            ours.remove(in_w)
        r, w, _ = select.select(reading, writing, [], max(0, end - time.monotonic()))
        if not r and not w:
            raise TimeoutError(f"no end of output: {collected}")
        for fd in r:
            data = os.read(fd, 1 << 16)
            collected[fd] += data
            if not data:
                reading.discard(fd)
        if w:
            try:
                stdin = stdin[os.write(in_w, stdin[:1 << 16]):]
            except BrokenPipeError:
                stdin = b""
    return collected[out_r], collected[err_r]
