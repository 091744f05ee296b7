# SPDX-License-Identifier: LGPL-2.1-or-later
"""The messages of src/wire/message.h that a client sees, written a second time so that a change of the bytes is noticed."""

import array
import os
import socket
import struct

MAGIC = 0x3142434F
HELLO, EXEC, SIGNAL, RESIZE = 32, 33, 34, 35
ACK, STARTED, FAILED, EXITED = 64, 65, 66, 67
PTY, DETACH = 1, 2
TIMEOUT, OOM, KILLED = 1, 2, 4
NO_TIMEOUT = 0


def string(value):
    if isinstance(value, str):
        value = value.encode()
    return struct.pack("<I", len(value)) + value


def strings(values):
    return struct.pack("<I", len(values)) + b"".join(string(v) for v in values)


def exec_body(argv, env=(), cwd=b"", numbers=(), flags=0, rows=0, cols=0, timeout_usec=NO_TIMEOUT):
    return (struct.pack("<IIIQ", flags, rows, cols, timeout_usec) + strings(argv) + strings(env) + string(cwd)
            + struct.pack("<I", len(numbers)) + b"".join(struct.pack("<I", n) for n in numbers))


def send(sock, kind, tag, body=b"", fds=(), flags=0, magic=MAGIC):
    head = struct.pack("<IIII", magic, kind, tag, flags)
    fds = list(fds)
    spill = None
    if len(body) > 64 << 10 and flags == 0:
        spill = os.memfd_create("body", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.write(spill, body)
        import fcntl
        fcntl.fcntl(spill, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE)
        fds.append(spill)
        body = b""
        head = struct.pack("<IIII", magic, kind, tag, 1)
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    try:
        sock.sendmsg([head + body], rights)
    finally:
        if spill is not None:
            os.close(spill)


class Reader:
    def __init__(self, data):
        self.data, self.pos = data, 0

    def u32(self):
        value, = struct.unpack_from("<I", self.data, self.pos)
        self.pos += 4
        return value

    def u64(self):
        value, = struct.unpack_from("<Q", self.data, self.pos)
        self.pos += 8
        return value

    def string(self):
        n = self.u32()
        value = self.data[self.pos:self.pos + n]
        assert len(value) == n
        self.pos += n
        return value.decode(errors="surrogateescape")

    def end(self):
        assert self.pos == len(self.data), "bytes left over"


class Message:
    """kind, tag, fds (owned by the receiver) and the members of the body by name."""

    def __init__(self, kind, tag, body, fds):
        self.kind, self.tag, self.fds = kind, tag, fds
        r = Reader(body)
        if kind == ACK:
            self.error, self.text = r.u32(), r.string()
        elif kind == STARTED:
            self.exec_id, self.pid = r.u32(), r.u32()
        elif kind == FAILED:
            self.error, self.status, self.step, self.text = r.u32(), r.u32(), r.string(), r.string()
        elif kind == EXITED:
            self.exec_id, self.code, self.signal, self.flags = r.u32(), r.u32(), r.u32(), r.u32()
            self.user_usec, self.system_usec, self.max_rss = r.u64(), r.u64(), r.u64()
        else:
            raise AssertionError(f"unexpected message {kind}")
        r.end()

    def __repr__(self):
        return f"Message({vars(self)})"


def receive(sock):
    """One message, or None at the end of the stream. The socket's timeout applies."""
    try:
        data, ancillary, _, _ = sock.recvmsg(80 << 10, socket.CMSG_SPACE(4 * 32), socket.MSG_CMSG_CLOEXEC)
    except ConnectionResetError:
        # The other end left unread what was sent behind. What it said before is still there.
        data, ancillary, _, _ = sock.recvmsg(80 << 10, socket.CMSG_SPACE(4 * 32), socket.MSG_CMSG_CLOEXEC)
    if not data:
        return None
    fds = []
    for level, kind, raw in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds += array.array("i", raw[:len(raw) // 4 * 4])
    magic, kind, tag, message_flags = struct.unpack_from("<IIII", data)
    assert magic == MAGIC
    body = data[16:]
    if message_flags & 1:
        spill = fds.pop()
        body = os.pread(spill, os.fstat(spill).st_size, 0)
        os.close(spill)
    return Message(kind, tag, body, fds)
