# SPDX-License-Identifier: LGPL-2.1-or-later
"""A small world in network namespaces: this one is the host with ocsb-fw, beside it an internet, a LAN, and sandboxes."""

import contextlib
import ctypes
import errno
import os
import re
import selectors
import signal
import socket
import subprocess
import threading
import time

from client import Client

BUILD = os.environ.get("OCSB_BUILD", "build")
PROGRAM = f"{BUILD}/src/fw/ocsb-fw"
SOCKET, STATE, CONFIG = "/run/ocsb/fw.sock", "/run/ocsb/fw", "/run/firewall.json"
OCSB_UID, FW_UID = 961, 962
libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000


def sh(command, check=True):
    done = subprocess.run(command, shell=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False)
    assert not check or done.returncode == 0, f"{command}: {done.stdout}"
    return done.stdout


def wait_until(condition, seconds=10, every=0.005):
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(every)
    return value


class Namespace:
    """A network namespace that lives as long as its descriptor (and sockets in it)."""

    def __init__(self):
        def make():
            if libc.unshare(CLONE_NEWNET) < 0:
                raise OSError(ctypes.get_errno(), "unshare")
            return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self.fd = in_thread(make)
        self.sh("ip link set lo up")

    def run(self, function, *args):
        def inside():
            if libc.setns(self.fd, CLONE_NEWNET) < 0:
                raise OSError(ctypes.get_errno(), "setns")
            return function(*args)
        return in_thread(inside)

    def sh(self, command, check=True):
        return self.run(sh, command, check)

    def close(self):
        os.close(self.fd)

    # What a process in it sees

    def tcp(self, to, port, seconds=1.6, source=None):
        """"open", or how it failed: "refused", "rejected" (by the inner fence, with the second SYN), "timeout"."""
        return self.tcp_all([(to, port)], seconds, source)[to, port]

    def tcp_all(self, targets, seconds=1.6, source=None):
        """The same for many at a time."""
        return self.run(lambda: connect_all(targets, seconds, source))

    def udp(self, to, port, seconds=0.5):
        family = socket.AF_INET6 if ":" in to else socket.AF_INET

        def attempt():
            with socket.socket(family, socket.SOCK_DGRAM) as s:
                s.settimeout(seconds)
                try:
                    s.connect((to, port))
                    s.send(b"x")
                    return "open" if s.recv(1) == b"x" else "closed"
                except ConnectionRefusedError:
                    return "refused"
                except TimeoutError:
                    return "timeout"
                except OSError:
                    return "rejected"
        return self.run(attempt)

    def ping(self, to, seconds=0.4):
        """By a ping socket, as a program without capabilities does it."""
        six = ":" in to

        def attempt():
            with socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM,
                               socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP) as s:
                s.settimeout(seconds)
                try:
                    s.connect((to, 0))
                    s.send(bytes([128 if six else 8, 0, 0, 0, 0, 0, 0, 1]) + b"ping")
                    return "open" if s.recv(64)[8:] == b"ping" else "closed"
                except OSError:
                    return "closed"
        return self.run(attempt)


def connect_all(targets, seconds, source):
    found, selector = {}, selectors.DefaultSelector()
    for target in targets:
        s = socket.socket(socket.AF_INET6 if ":" in target[0] else socket.AF_INET, socket.SOCK_STREAM)
        s.setblocking(False)
        if source:
            s.setsockopt(socket.SOL_IP, 15, 1)  # IP_FREEBIND
            s.bind((source, 0))
        error = s.connect_ex(target)
        if error == errno.EINPROGRESS:
            selector.register(s, selectors.EVENT_WRITE, target)
        else:
            found[target] = "rejected"
            s.close()
    end = time.monotonic() + seconds
    while selector.get_map() and (left := end - time.monotonic()) > 0:
        for key, _ in selector.select(left):
            s, target = key.fileobj, key.data
            error = s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if not error and key.events == selectors.EVENT_WRITE:
                s.send(b"x")
                selector.modify(s, selectors.EVENT_READ, target)
                continue
            try:
                found[target] = {0: "open", errno.ECONNREFUSED: "refused"}.get(error, "rejected")
                if not error and s.recv(1) != b"x":
                    found[target] = "closed"
            except OSError:
                found[target] = "closed"
            selector.unregister(s)
            s.close()
    for key in list(selector.get_map().values()):
        found[key.data] = "timeout"
        key.fileobj.close()
    return found


def in_thread(function):
    box = {}

    def go():
        try:
            box["value"] = function()
        except BaseException as e:  # noqa: BLE001  handed to the caller
            box["error"] = e
    t = threading.Thread(target=go)
    t.start()
    t.join()
    if "error" in box:
        raise box["error"]
    return box["value"]


class Sandbox(Namespace):
    """What ocsb-stage makes: a namespace with the inner fence."""

    def __init__(self):
        super().__init__()
        self.sh(PROGRAM + " --namespace")

    def sockets(self):
        def make():
            fds = []
            for protocol in (0, 12):  # NETLINK_ROUTE, NETLINK_NETFILTER
                with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol) as s:
                    fds.append(s.detach())
            return fds
        return self.run(make)


class Echo:
    """Answers on TCP and UDP ports of every address of a namespace."""

    def __init__(self, namespace, tcp=(), udp=()):
        self.selector = selectors.DefaultSelector()
        self.stopped = False

        def listen():
            for port in tcp:
                s = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
                s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.bind(("::", port))
                s.listen(64)
                self.selector.register(s, selectors.EVENT_READ, self.accept)
            for port in udp:
                for family, any_address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
                    s = socket.socket(family, socket.SOCK_DGRAM)
                    if family == socket.AF_INET6:
                        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                    # The answer comes from the address that was asked.
                    if family == socket.AF_INET:
                        s.setsockopt(socket.SOL_IP, 8, 1)
                    else:
                        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
                    s.bind((any_address, port))
                    self.selector.register(s, selectors.EVENT_READ, self.datagram)
        namespace.run(listen)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def accept(self, s):
        conn, _ = s.accept()
        self.selector.register(conn, selectors.EVENT_READ, self.echo)

    def echo(self, s):
        try:
            data = s.recv(4096)
            if data:
                s.sendall(data)
                return
        except OSError:
            pass
        self.selector.unregister(s)
        s.close()

    @staticmethod
    def datagram(s):
        data, ancillary, _, peer = s.recvmsg(4096, 256)
        keep = []
        for level, kind, raw in ancillary:
            if level == socket.SOL_IP and kind == 8:
                keep.append((level, kind, b"\0\0\0\0" + raw[8:12] + b"\0\0\0\0"))
            elif level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO:
                keep.append((level, kind, raw[:16] + b"\0\0\0\0"))
        with contextlib.suppress(OSError):
            s.sendmsg([data], keep, 0, peer)

    def serve(self):
        while not self.stopped:
            for key, _ in self.selector.select(0.2):
                with contextlib.suppress(OSError):
                    key.data(key.fileobj)


class Daemon:
    """ocsb-fw as its unit would start it."""

    def __init__(self, environment=None, start=True):
        self.environment = environment or {}
        self.process = None
        os.makedirs("/run/ocsb", exist_ok=True)
        sh(f"install -d -m 0700 -o {FW_UID} -g {FW_UID} {STATE}")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(SOCKET)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(SOCKET)
        os.chmod(SOCKET, 0o666)
        self.listener.listen(128)
        if start:
            self.start()

    def start(self, **environment):
        self.log = open("/run/fw.log", "ab")  # noqa: SIM115
        script = (f"LISTEN_PID=$$ LISTEN_FDS=1 exec setpriv --reuid {FW_UID} --regid {FW_UID} --clear-groups --inh-caps=-all,+net_admin "
                  f"--ambient-caps=-all,+net_admin --bounding-set=-all,+net_admin {PROGRAM} --config={CONFIG}")
        listener = self.listener.fileno()

        def prepare():
            os.dup2(listener, 3)
        self.process = subprocess.Popen(["/bin/sh", "-c", script], preexec_fn=prepare, close_fds=False, stdin=subprocess.DEVNULL,
                                        stdout=self.log, stderr=self.log, env={**os.environ, **self.environment, **environment})

    def wait(self, seconds=20):
        return self.process.wait(seconds)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            assert self.wait() == 0, "ocsb-fw did not end well: " + logged()
        return self

    def close(self):
        self.stop()
        self.listener.close()

    def root(self):
        return Client(SOCKET)

    def ocsb(self):
        return Client(SOCKET, OCSB_UID)


def logged():
    with open("/run/fw.log", encoding="utf-8", errors="replace") as f:
        return f.read()


def ours():
    """The outer table as the kernel has it, without counters."""
    return sh("nft -s list table inet oc_sandbox", check=False)


def sessions_in(table):
    """The interfaces that may send."""
    found = re.search(r"set sources_ipv4 \{(.*?)\n\t\}", table, re.S)
    return set(re.findall(r'"(ocsb\d+)" \.', found.group(1))) if found else set()


def others():
    """All that is not ours."""
    text, keep = [], True
    for line in sh("nft -s list ruleset").splitlines():
        if line.startswith("table "):
            keep = "oc_sandbox" not in line
        if keep:
            text.append(line)
    return "\n".join(text)
