# SPDX-License-Identifier: LGPL-2.1-or-later
"""Just enough of the D-Bus protocol to ask the bus whether a name has an owner: two strings and a boolean."""

import os
import socket
import struct
import time


def _call(serial, member, argument=None):
    def field(code, kind, value):
        raw = value.encode()
        if kind == b"g":
            body = struct.pack("<B", len(raw)) + raw + b"\0"
        else:
            body = struct.pack("<I", len(raw)) + raw + b"\0"
        return struct.pack("<B", code) + b"\x01" + kind + b"\0" + body

    fields = b""
    for code, kind, value in ((1, b"o", "/org/freedesktop/DBus"), (2, b"s", "org.freedesktop.DBus"),
                              (3, b"s", member), (6, b"s", "org.freedesktop.DBus"), (8, b"g", "s")):
        if code == 8 and argument is None:
            continue
        fields += b"\0" * (-len(fields) % 8) + field(code, kind, value)
    body = b"" if argument is None else struct.pack("<I", len(argument)) + argument.encode() + b"\0"
    head = b"l\x01\0\x01" + struct.pack("<III", len(body), serial, len(fields)) + fields
    return head + b"\0" * (-len(head) % 8) + body


class MiniBus:
    def __init__(self, path):
        self._sock = socket.socket(socket.AF_UNIX)
        self._sock.settimeout(10)
        for _ in range(1000):
            if self._sock.connect_ex(path) == 0:
                break
            time.sleep(0.002)  # bound, but not yet listening
        self._buffer = b""
        self._serial = 0
        self._sock.sendall(b"\0AUTH EXTERNAL " + str(os.geteuid()).encode().hex().encode() + b"\r\n")
        while not self._buffer.endswith(b"\r\n"):
            self._fill()
        if not self._buffer.startswith(b"OK "):
            raise RuntimeError("the bus refused the connection")
        self._buffer = b""
        self._sock.sendall(b"BEGIN\r\n")
        self._ask("Hello")

    def _fill(self):
        data = self._sock.recv(65536)
        if not data:
            raise RuntimeError("the bus closed the connection")
        self._buffer += data

    def _ask(self, member, argument=None):
        self._serial += 1
        self._sock.sendall(_call(self._serial, member, argument))
        while True:
            while len(self._buffer) < 16:
                self._fill()
            kind = self._buffer[1]
            body_len, _, fields_len = struct.unpack("<III", self._buffer[4:16])
            start = 16 + fields_len + (-fields_len % 8)
            while len(self._buffer) < start + body_len:
                self._fill()
            body, self._buffer = self._buffer[start:start + body_len], self._buffer[start + body_len:]
            if kind in (2, 3):
                return kind == 2 and body

    def has_owner(self, name):
        return struct.unpack("<I", self._ask("NameHasOwner", name)[:4])[0] != 0

    def wait_for(self, name, still_alive, seconds=20):
        end = time.monotonic() + seconds
        while not self.has_owner(name):
            if not still_alive() or time.monotonic() > end:
                return False
            time.sleep(0.003)
        return True

    def close(self):
        self._sock.close()
