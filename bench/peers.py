# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is measured beside ocsb: how each peer is asked for the nearest to the same sandbox.

All get the host's /usr read-only, namespaces of every kind, no network, a small /dev and /tmp, no capability. None of them
has masks, Landlock, a self-probe, limits or someone who decides. The OCI runtimes run as root: without a login session they
have no cgroup as a user. Their seccomp filters are left out, which spares them 15 ms."""

import json
import os
import subprocess
import time

import kernel

DIRECTORY = "/run/ocsb-bench"
LINKS = ("bin", "sbin", "lib", "lib64")


def bubblewrap(workspace):
    argv = ["bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--ro-bind", "/usr", "/usr"]
    for name in LINKS:
        argv += ["--symlink", f"usr/{name}", f"/{name}"]
    return argv + ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--bind", workspace, "/workspace",
                   "--chdir", "/workspace", "/bin/true"]


def enter_mounts():
    """In the process that will run the peers: a mount namespace in which /sys/fs/cgroup is cgroup2 and nothing else, which
    the runtimes need to see to stay within the instance's own subtree."""
    directory, path = kernel.own_cgroup(), cgroup_path()
    top = directory[:len(directory) - len(path)] if path != "/" else directory
    kernel.unshare(kernel.CLONE_NEWNS)
    kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    if top != "/sys/fs/cgroup":
        kernel.mount(top, "/sys/fs/cgroup", None, kernel.MS_BIND)


def cgroup_path():
    with open("/proc/self/cgroup", encoding="ascii") as f:
        return next(line[3:].rstrip("\n") for line in f if line.startswith("0::"))


def make_bundle(name, argv, workspace):
    bundle = f"{DIRECTORY}/{name}"
    for part in ("usr", "proc", "dev", "tmp", "workspace"):
        os.makedirs(f"{bundle}/rootfs/{part}")
    for link in LINKS:
        os.symlink(f"usr/{link}", f"{bundle}/rootfs/{link}")
    nothing = {kind: [] for kind in ("bounding", "effective", "inheritable", "permitted", "ambient")}
    bind = [{"destination": path, "type": "bind", "source": source, "options": ["rbind", "nosuid", "nodev", *extra]}
            for path, source, extra in (("/usr", "/usr", ["ro"]), ("/workspace", workspace, []))]
    tmpfs = [{"destination": path, "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=" + mode]}
             for path, mode in (("/dev", "755"), ("/tmp", "1777"))]
    config = {
        "ociVersion": "1.0.0", "hostname": "peer", "root": {"path": "rootfs", "readonly": True},
        "process": {"terminal": False, "user": {"uid": 0, "gid": 0}, "args": argv, "cwd": "/workspace",
                    "env": ["PATH=/usr/bin:/bin"], "capabilities": nothing, "noNewPrivileges": True},
        "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}, *tmpfs,
                   {"destination": "/dev/pts", "type": "devpts", "source": "devpts",
                    "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]}, *bind],
        # Beside the one that we are in, so that with-ocsb removes it.
        "linux": {"cgroupsPath": f"{os.path.dirname(cgroup_path())}/peer-{name}",
                  "namespaces": [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "cgroup", "mount")]},
    }
    with open(f"{bundle}/config.json", "w", encoding="ascii") as f:
        json.dump(config, f)
    return bundle


def oci_runtime(name, workspace):
    """The command of a cold start and that of an exec in a container that this starts."""
    root = f"{DIRECTORY}/{name}-state"
    cold = make_bundle(name + "-cold", ["/bin/true"], workspace)
    warm = make_bundle(name + "-warm", ["/bin/sleep", "1000000"], workspace)
    run([name, "--root", root, "run", "--detach", "--bundle", warm, "warm"])
    return ([name, "--root", root, "run", "--bundle", cold, "cold"], [name, "--root", root, "exec", "warm", "/bin/true"])


def podman(workspace):
    """With crun, a directory as root file system, and none of its storage drivers in the way."""
    rootfs = f"{DIRECTORY}/crun-cold/rootfs"
    base = ["podman", "--root", DIRECTORY + "/podman", "--runroot", DIRECTORY + "/podman-run",
            "--tmpdir", DIRECTORY + "/podman-tmp",
            "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--events-backend", "none", "--runtime", "crun"]
    how = ["--network", "none", "--cgroups", "disabled", "--read-only", "--cap-drop", "all", "--volume", "/usr:/usr:ro",
           "--volume", workspace + ":/workspace", "--workdir", "/workspace"]
    run([*base, "run", "--detach", "--name", "warm", *how, "--rootfs", rootfs, "/bin/sleep", "1000000"])
    return ([*base, "run", "--rm", *how, "--rootfs", rootfs, "/bin/true"], [*base, "exec", "warm", "/bin/true"])


def run(argv):
    """Its words are wanted only when it fails; a detached container keeps the file open, so it is no pipe."""
    log = DIRECTORY + "/log"
    with open(log, "w+b") as f:
        status = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=f, stderr=f, check=False, timeout=60,
                                preexec_fn=enter_mounts).returncode
        f.seek(0)
        text = f.read().decode(errors="replace").strip()
    if status:
        raise OSError(f"{argv[0]} cannot run here: {text.splitlines()[-1] if text else status}")
    time.sleep(0.05)
