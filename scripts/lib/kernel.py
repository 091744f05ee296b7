# SPDX-License-Identifier: LGPL-2.1-or-later
"""The system calls that Python 3.11 has no function for, and the cgroup tree of an instance."""

import ctypes
import fcntl
import os
import socket
import struct
import time

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18

_PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = [ctypes.c_char_p] * 3 + [ctypes.c_ulong, ctypes.c_char_p]


def _check(result, what):
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


def mount(source, target, fstype=None, flags=0, data=None):
    def encode(value):
        return None if value is None else os.fsencode(value)
    _check(_libc.mount(encode(source), encode(target), encode(fstype), flags, encode(data)), f"mount {target}")


def unshare(flags):
    _check(_libc.unshare(flags), "unshare")


def network_namespace(pid):
    """What names the network namespace of a process: each has files of its own in /proc. Unlike /proc/PID/ns/net anybody may look."""
    return os.stat(f"/proc/{pid}/net/dev").st_ino


def loopback_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        fcntl.ioctl(s, 0x8914, struct.pack("16sh22x", b"lo", 0x41))  # SIOCSIFFLAGS: IFF_UP | IFF_RUNNING


def die_with_parent(signal):
    _check(_libc.prctl(_PR_SET_PDEATHSIG, int(signal), 0, 0, 0), "prctl(PR_SET_PDEATHSIG)")


def own_cgroup():
    """The directory of this process's cgroup v2."""
    top = None
    with open("/proc/self/mountinfo") as f:
        for line in f:
            left, right = line.split(" - ", 1)
            if right.split()[0] == "cgroup2":
                top = left.split()[4]  # a later one covers an earlier one
    if top is None:
        raise RuntimeError("no cgroup2 file system is mounted; sandboxes cannot be made without one")
    with open("/proc/self/cgroup") as f:
        path = next(line[3:].rstrip("\n") for line in f if line.startswith("0::"))
    if path.startswith("/.."):
        raise RuntimeError("the cgroup of this process is outside the mounted cgroup2 tree")
    return top.rstrip("/") + path.rstrip("/")


def cgroup_write(directory, name, text):
    with open(f"{directory}/{name}", "w") as f:
        f.write(text)


def cgroup_join(directory):
    cgroup_write(directory, "cgroup.procs", "0")


def cgroup_controllers(directory):
    with open(f"{directory}/cgroup.controllers") as f:
        return [c for c in f.read().split() if c in ("cpu", "io", "memory", "pids")]


def cgroup_delegate(directory):
    """Hands the controllers down to the children; False where processes in it stand in the way."""
    done = True
    for controller in cgroup_controllers(directory):
        try:
            cgroup_write(directory, "cgroup.subtree_control", "+" + controller)
        except OSError:
            done = False
    return done


def cgroup_remove(directory, seconds=20):
    """Kills everything below and takes the directories away."""
    end = time.monotonic() + seconds
    while os.path.isdir(directory) and time.monotonic() < end:
        try:
            cgroup_write(directory, "cgroup.kill", "1")
        except OSError:
            pass
        for path, _, _ in os.walk(directory, topdown=False):
            try:
                os.rmdir(path)
            except OSError:
                pass
        if os.path.isdir(directory):
            time.sleep(0.005)
    return not os.path.isdir(directory)
