# SPDX-License-Identifier: LGPL-2.1-or-later
"""The messages of src/wire/network.h, written a second time so that a change of the bytes is noticed."""

import array
import contextlib
import ipaddress
import os
import socket
import struct

MAGIC = 0x3142434F
ACK = 64
ATTACH, DETACH, SYNCED = 160, 161, 162
SET, OPEN_INNER, STATUS, SHOW, RELOAD, LOCKDOWN = 176, 177, 178, 179, 180, 181
ATTACHED, STATUS_REPLY, SHOW_REPLY, DRIFT, EXPIRED = 192, 193, 194, 195, 196
TCP, UDP, ICMP = 0, 1, 2
FOREVER = 2**64 - 1
COUNTERS = ("allowed", "granted", "dns", "spoofed", "resolver", "private", "host", "protocol", "inbound")


def string(value):
    value = value.encode() if isinstance(value, str) else value
    return struct.pack("<I", len(value)) + value


def address(text):
    return string(ipaddress.ip_address(text).packed) if text else string(b"")


def grant(number, to, protocol=TCP, ports=(1, 65535), until=FOREVER):
    net = ipaddress.ip_network(to)
    first, last = (0, 0) if protocol == ICMP else ports
    return (struct.pack("<I", number) + string(net.network_address.packed)
            + struct.pack("<IIIIQ", net.prefixlen, protocol, first, last, until))


def intent(resolvers=(), grants=()):
    return (struct.pack("<I", len(resolvers)) + b"".join(address(r) for r in resolvers)
            + struct.pack("<I", len(grants)) + b"".join(grants))


class Reader:
    def __init__(self, data):
        self.data, self.pos = data, 0

    def take(self, form):
        values = struct.unpack_from(form, self.data, self.pos)
        self.pos += struct.calcsize(form)
        return values[0] if len(values) == 1 else values

    def bytes(self):
        n = self.take("<I")
        value = self.data[self.pos:self.pos + n]
        assert len(value) == n
        self.pos += n
        return value

    def string(self):
        return self.bytes().decode()

    def address(self):
        raw = self.bytes()
        return str(ipaddress.ip_address(raw)) if raw else None

    def intent(self):
        resolvers = [self.address() for _ in range(self.take("<I"))]
        grants = []
        for _ in range(self.take("<I")):
            number = self.take("<I")
            to = self.address()
            length, protocol, first, last, until = self.take("<IIIIQ")
            grants.append((number, f"{to}/{length}", protocol, first, last, until))
        return resolvers, grants

    def attached(self):
        return {"id": self.string(), "interface": self.string(), "ipv4": self.address(), "ipv6": self.address()}

    def end(self):
        assert self.pos == len(self.data), "bytes left over"


class Refused(Exception):
    def __init__(self, error, text):
        super().__init__(f"{error}: {text}")
        self.error, self.text = error, text


class Gone(Exception):
    """The daemon has closed the connection."""


class Client:
    def __init__(self, path, uid=0):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.settimeout(20)
        os.seteuid(uid)
        try:
            self.sock.connect(path)
        finally:
            os.seteuid(0)
        self.tag = 0
        self.events = []

    def close(self):
        self.sock.close()

    def receive(self):
        try:
            data, ancillary, _, _ = self.sock.recvmsg(80 << 10, socket.CMSG_SPACE(4 * 32), socket.MSG_CMSG_CLOEXEC)
        except ConnectionResetError:
            data, ancillary = b"", []
        if not data:
            raise Gone
        fds = array.array("i")
        for _, _, raw in ancillary:
            fds.frombytes(raw[:len(raw) // 4 * 4])
        magic, kind, tag, flags = struct.unpack_from("<IIII", data)
        assert magic == MAGIC
        body = data[16:]
        if flags & 1:
            body = os.pread(fds[-1], os.fstat(fds[-1]).st_size, 0)
        for fd in fds:
            os.close(fd)
        return kind, tag, body

    def send(self, kind, body=b"", fds=()):
        self.tag += 1
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        try:
            self.sock.sendmsg([struct.pack("<IIII", MAGIC, kind, self.tag, 0) + body], rights)
        except (BrokenPipeError, ConnectionResetError):
            raise Gone from None

    def call(self, kind, body=b"", fds=()):
        """The answer's type and body; Refused for an ACK with an error."""
        self.send(kind, body, fds)
        while True:
            got, tag, body = self.receive()
            if tag != self.tag:
                self.events.append((got, body))
                continue
            if got == ACK:
                r = Reader(body)
                error, text = r.take("<I"), r.string()
                r.end()
                if error:
                    raise Refused(error, text)
            return got, body

    def event(self, wanted, seconds=10):
        """The next event of that kind."""
        self.sock.settimeout(seconds)
        try:
            while True:
                while self.events:
                    got, body = self.events.pop(0)
                    if got == wanted:
                        return Reader(body)
                got, _, body = self.receive()
                self.events.append((got, body))
        finally:
            self.sock.settimeout(20)

    # Requests

    def attach(self, name, sandbox, what=None, uid=1000, sockets=None):
        body = string(name) + struct.pack("<I", uid) + (intent() if what is None else what)
        with contextlib.ExitStack() as stack:
            fds = sockets or sandbox.sockets()
            for fd in fds:
                stack.callback(os.close, fd)
            kind, reply = self.call(ATTACH, body, [sandbox.fd, *fds])
        assert kind == ATTACHED
        r = Reader(reply)
        value = r.attached()
        r.end()
        return value

    def detach(self, name):
        self.call(DETACH, string(name))

    def synced(self):
        self.call(SYNCED)

    def set(self, name, what):
        self.call(SET, string(name) + what)

    def lockdown(self, on):
        self.call(LOCKDOWN, struct.pack("<I", on))

    def show(self):
        _, body = self.call(SHOW)
        return Reader(body).string()

    def status(self):
        _, body = self.call(STATUS)
        r = Reader(body)
        value = {"lockdown": r.take("<I"), "ipv6": r.take("<I"), "repairs": r.take("<Q")}
        value["pool_ipv4"] = f"{r.address()}/{r.take('<I')}"
        value["pool_ipv6"] = f"{r.address()}/{r.take('<I')}"
        value["host_addresses"] = [r.address() for _ in range(r.take("<I"))]
        value["problems"] = r.string()
        value["sessions"] = {}
        for _ in range(r.take("<I")):
            attached = r.attached()
            attached["resolvers"], attached["grants"] = r.intent()
            attached["packets"], attached["bytes"] = {}, {}
            for name in COUNTERS:
                attached["packets"][name], attached["bytes"][name] = r.take("<QQ")
            value["sessions"][attached["id"]] = attached
        r.end()
        return value
