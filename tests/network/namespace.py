# SPDX-License-Identifier: LGPL-2.1-or-later
"""Network namespaces that live as long as a descriptor of this process: nothing has a name, so nothing can stay behind, also
after kill -9."""

import contextlib
import ctypes
import os
import subprocess

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENVIRONMENT = {"PATH": PATH, "LANG": "C.UTF-8"}


def _current():
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _setns(fd):
    if _libc.setns(fd, CLONE_NEWNET) < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"setns: {os.strerror(error)}")


class CommandFailed(Exception):
    pass


class Namespace:
    """with namespace: … runs the calling thread, and what it starts, in it."""

    def __init__(self, name, fd=None):
        """A new one; fd: an existing one, whose descriptor is taken over."""
        self.name, self._left = name, []
        if fd is not None:
            self.fd = fd
            return
        here = _current()
        try:
            if _libc.unshare(CLONE_NEWNET) < 0:
                error = ctypes.get_errno()
                raise OSError(error, f"unshare: {os.strerror(error)}")
            self.fd = _current()
        finally:
            _setns(here)
            os.close(here)
        self.ip("link set lo up")

    @classmethod
    def here(cls, name):
        return cls(name, _current())

    @classmethod
    def of_process(cls, pid, name):
        return cls(name, os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC))

    def __enter__(self):
        self._left.append(_current())
        _setns(self.fd)
        return self

    def __exit__(self, *_):
        fd = self._left.pop()
        _setns(fd)
        os.close(fd)

    @property
    def path(self):
        """As "ip link … netns" takes it."""
        return f"/proc/{os.getpid()}/fd/{self.fd}"

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def run(self, argv, stdin=None, check=True, timeout=60, **how):
        """A command in it; its output."""
        with self:
            done = subprocess.run(argv, input=stdin, stdin=None if stdin is not None else subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=ENVIRONMENT, check=False,
                                  timeout=timeout, **how)
        if check and done.returncode:
            raise CommandFailed(f"{self.name}: {' '.join(argv)}: status {done.returncode}\n{done.stdout}\n{(stdin or '')[:4000]}")
        return done.stdout

    def start(self, argv, **how):
        with self:
            return subprocess.Popen(argv, env=ENVIRONMENT, **how)

    def ip(self, *commands):
        """One process for all of them."""
        return self.run(["ip", "-batch", "-"], stdin="\n".join(commands) + "\n")

    def nft(self, text):
        return self.run(["nft", "-f", "-"], stdin=text)

    def ruleset(self, without=()):
        """Every table as text, without these tables ("inet oc_sandbox"), counters as they are not."""
        tables = [t.removeprefix("table ") for t in self.run(["nft", "list", "tables"]).splitlines()]
        return "".join(self.run(["nft", "-s", "list", "table", *t.split()]) for t in tables if t not in without)

    def table_exists(self, table):
        return "table " + table in self.run(["nft", "list", "tables"]).splitlines()

    def sysctl(self, **values):
        """net_ipv4_ip_forward=1, or a mapping with "/" in the names."""
        with self:
            for name, value in values.items():
                with open("/proc/sys/net/" + name.replace("__", "/"), "w", encoding="ascii") as f:
                    f.write(str(value))

    @contextlib.contextmanager
    def table(self, text):
        """with namespace.table("table inet x { … }"): …"""
        self.nft(text)
        try:
            yield
        finally:
            name = text.split("{")[0].removeprefix("table ").strip()
            if self.table_exists(name):
                self.run(["nft", "delete", "table", *name.split()])


def veth(a, a_name, b, b_name):
    """One cable: both ends are up."""
    a.ip(f"link add {a_name} type veth peer name {b_name} netns {b.path}")
    a.ip(f"link set {a_name} up")
    b.ip(f"link set {b_name} up")
