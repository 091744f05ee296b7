# SPDX-License-Identifier: LGPL-2.1-or-later
"""ocsb-import from outside: its messages (src/wire/image.h, written a second time so that a change of the bytes is noticed), its process,
its store."""

import array
import os
import shutil
import signal
import socket
import stat
import struct
import subprocess
import tempfile

MAGIC = 0x3142434F
ACK = 64
IMPORT, TAG, REMOVE, PRUNE = 224, 225, 226, 227
PROGRESS, IMPORTED, PRUNED = 240, 241, 242
ARCHIVE_NAMES = 1
SUB, UID = 1879048192, 64123
BUILD = os.environ.get("OCSB_BUILD", "build")
MIB = 1 << 20


class Refused(Exception):
    def __init__(self, error, text):
        super().__init__(f"{os.strerror(error)}: {text}")
        self.error, self.text = error, text


class Died(Exception):
    pass


def string(value):
    value = value.encode() if isinstance(value, str) else value
    return struct.pack("<I", len(value)) + value


class Reader:
    def __init__(self, data):
        self.data, self.pos = data, 0

    def take(self, form):
        values = struct.unpack_from(form, self.data, self.pos)
        self.pos += struct.calcsize(form)
        return values[0] if len(values) == 1 else values

    def string(self):
        n = self.take("<I")
        self.pos += n
        return self.data[self.pos - n:self.pos].decode()

    def end(self):
        assert self.pos == len(self.data), "bytes left over"


class Request:
    """One process of ocsb-import with its request sent."""

    def __init__(self, kind, body, fds, fault=None):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        env = {"OCSB_FAULT": fault} if fault else {}
        for name in ("ASAN_OPTIONS",):
            if name in os.environ:
                env[name] = os.environ[name]
        self.stderr = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [f"{BUILD}/tests/import/start-import", f"{BUILD}/src/import/ocsb-import", str(UID), str(theirs.fileno())], env=env,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.stderr, pass_fds=[theirs.fileno()])
        theirs.close()
        self.socket = ours
        self.pid = int(self.process.stdout.readline() or 0)
        self.progress = []
        data = struct.pack("<IIII", MAGIC, kind, 7, 0) + body
        ours.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else [])
        ours.settimeout(60)

    def message(self):
        data = self.socket.recv(1 << 17)
        if not data:
            return None, None
        magic, kind, tag, flags = struct.unpack_from("<IIII", data)
        assert (magic, tag if kind != PROGRESS else 7, flags) == (MAGIC, 7, 0)
        return kind, Reader(data[16:])

    def answer(self):
        try:
            while True:
                kind, r = self.message()
                if kind is None:
                    raise Died(self.complaint())
                if kind != PROGRESS:
                    break
                self.progress.append(r.take("<IQQQII"))
                r.end()
            if kind == ACK:
                error, text = r.take("<I"), r.string()
                r.end()
                assert self.socket.recv(1) == b"", "more than one answer"
                if error:
                    raise Refused(error, text)
                return None
            return kind, r
        finally:
            self.end()

    def end(self):
        self.socket.close()
        self.status = self.process.wait(timeout=60)
        self.process.stdout.close()

    def complaint(self):
        self.stderr.seek(0)
        return self.stderr.read().decode(errors="replace")

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)


def limits(size=8 << 30, entries=1000000, ratio=200, layers=128):
    return struct.pack("<QQII", size, entries, ratio, layers)


def keep_list(digests):
    return struct.pack("<I", len(digests)) + b"".join(string(d) for d in digests)


class Store:
    def __init__(self, path):
        self.path = path
        os.mkdir(path, 0o750)
        os.chown(path, UID, UID)

    def open(self):
        return os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)

    def begin(self, source, reference="", flags=0, fault=None, **how):
        """source: a path, an open file, or an fd."""
        own = [self.open()]
        if isinstance(source, str):
            source = os.open(source, os.O_RDONLY)
            own.append(source)
        fd = source if isinstance(source, int) else source.fileno()
        body = string(reference) + struct.pack("<I", flags) + limits(**how)
        try:
            return Request(IMPORT, body, [own[0], fd], fault)
        finally:
            for n in own:
                os.close(n)

    def load(self, source, reference="", flags=0, fault=None, **how):
        request = self.begin(source, reference, flags, fault, **how)
        kind, r = request.answer()
        assert kind == IMPORTED
        result = {"id": r.string(), "progress": request.progress}
        result["layers"] = [dict(zip(("digest", "bytes", "entries", "shared"), (r.string(), *r.take("<QQI")))) for _ in range(r.take("<I"))]
        result["references"] = [r.string() for _ in range(r.take("<I"))]
        result["devices"], result["setuid"], result["xattrs"] = r.take("<QQQ")
        result["note"] = r.string()
        r.end()
        return result

    def request(self, kind, body, fault=None):
        fd = self.open()
        try:
            return Request(kind, body, [fd], fault).answer()
        finally:
            os.close(fd)

    def tag(self, image, reference, **how):
        return self.request(TAG, string(image) + string(reference), **how)

    def pruned(self, answer):
        kind, r = answer
        assert kind == PRUNED
        result = dict(zip(("images", "layers", "bytes"), r.take("<IIQ")))
        r.end()
        return result

    def remove(self, what, keep=(), **how):
        return self.pruned(self.request(REMOVE, string(what) + keep_list(keep), **how))

    def prune(self, everything=False, keep=(), **how):
        return self.pruned(self.request(PRUNE, struct.pack("<I", everything) + keep_list(keep), **how))

    # What is in it

    def names(self, part):
        return sorted(os.listdir(f"{self.path}/{part}")) if os.path.isdir(f"{self.path}/{part}") else []

    def tree(self, digest):
        return f"{self.path}/layers/{digest.removeprefix('sha256:')}/tree"

    def is_empty(self):
        return not any(self.names(part) for part in ("layers", "images", "tags", "tmp"))

    def listing(self, digest):
        """Path: (type and permissions, owner inside, what is in it)."""
        return listing(self.tree(digest))


def listing(top, sub=SUB):
    found = {}
    for directory, names, files in os.walk(top):
        for name in [".", *names, *files] if directory == top else [*names, *files]:
            path = os.path.join(directory, name)
            st = os.lstat(path)
            content = None
            if stat.S_ISREG(st.st_mode):
                with open(path, "rb") as f:
                    content = f.read()
            elif stat.S_ISLNK(st.st_mode):
                content = os.readlink(path)
            elif stat.S_ISCHR(st.st_mode):
                content = (os.major(st.st_rdev), os.minor(st.st_rdev))
            found[os.path.relpath(path, top)] = (stat.filemode(st.st_mode), (st.st_uid - sub, st.st_gid - sub), content)
    return found


def fresh_copy(path):
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    return path
