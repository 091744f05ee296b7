# SPDX-License-Identifier: LGPL-2.1-or-later
"""A throwaway machine within the machine: the inside of scripts/with-ocsb.

Runs as PID 1 of new pid, mount, ipc and uts namespaces. /etc, /usr and /var/lib are overlays and /run a tmpfs, so that
accounts, units, rules and sockets exist here alone; everything else is the host's. It starts dbus-daemon with the
distribution's own system.conf, the real polkitd and "ocsbd --standalone", runs the command, and ends; what is
left is an empty mount namespace that the kernel frees.
"""

import os
import re
import shutil
import signal
import sys
import time

import kernel
import minibus

HERE = "/run/with-ocsb"
BUS_SOCKET = "/run/dbus/system_bus_socket"
BUS_NAME = "org.openclaw.Sandbox1"
DAEMON = "/usr/libexec/ocsb/ocsbd"
EXAMPLE_RULE = "/usr/share/doc/ocsb/examples/50-ocsb.rules"
OVERLAYS = ("/etc", "/usr", "/var/lib")
# Files that container engines mount singly, which an overlay of the directory would lose.
KEEP = ("/etc/resolv.conf", "/etc/hosts", "/etc/hostname")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Failure(Exception):
    """Ends with-ocsb with status 125 and this sentence."""


def _read(path):
    try:
        with open(path, "rb") as f:
            return f.read()
    except OSError:
        return None


def write_file(path, data, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.islink(path):
        os.unlink(path)
    with open(path, "wb") as f:
        f.write(data)
        os.fchmod(f.fileno(), mode)


def make_mounts(need_home, cwd):
    kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.mount("proc", "/proc", "proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
    kept = {path: _read(path) for path in KEEP}
    kernel.mount("run", "/run", "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=0755")
    os.makedirs(f"{HERE}/layers", 0o700)
    os.mkdir(f"{HERE}/log", 0o755)
    os.mkdir(f"{HERE}/sanitizer")
    os.chmod(f"{HERE}/sanitizer", 0o1777)
    os.mkdir(f"{HERE}/fault")
    os.chmod(f"{HERE}/fault", 0o1777)
    os.mkdir("/run/lock", 0o1777)
    for path in OVERLAYS:
        layer = f"{HERE}/layers/{path.strip('/').replace('/', '-')}"
        os.makedirs(f"{layer}/upper")
        os.mkdir(f"{layer}/work")
        st = os.stat(path)
        os.chmod(f"{layer}/upper", st.st_mode & 0o7777)
        try:
            kernel.mount("with-ocsb", path, "overlay", 0,
                         f"lowerdir={path},upperdir={layer}/upper,workdir={layer}/work")
        except OSError as e:
            raise Failure(f"cannot lay an overlay over {path}: {e.strerror}. with-ocsb needs root on a kernel with overlayfs, "
                          "outside of other containers")
    for path, data in kept.items():
        if data is not None and _read(path) != data:
            write_file(path, data)
    if need_home:
        _shadow_home()
    try:
        os.chdir(cwd)
    except OSError:
        print(f"with-ocsb: {cwd} does not exist in the instance; starting in /", file=sys.stderr)
        os.chdir("/")


def _shadow_home():
    """A home directory for a new account, without a new name in the host's /home: the present ones are bound over."""
    names = [e.name for e in os.scandir("/home") if e.is_dir(follow_symlinks=False)]
    os.mkdir(f"{HERE}/layers/home", 0o755)
    # A file system of its own: nothing that shares one with /run is ever shown in a sandbox.
    kernel.mount("home", f"{HERE}/layers/home", "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "mode=0755")
    for name in names:
        os.mkdir(f"{HERE}/layers/home/{name}")
        kernel.mount(f"/home/{name}", f"{HERE}/layers/home/{name}", None, kernel.MS_BIND | kernel.MS_REC)
    kernel.mount(f"{HERE}/layers/home", "/home", None, kernel.MS_BIND | kernel.MS_REC)


def _ids(path):
    with open(path) as f:
        return {int(line.split(":")[2]) for line in f if line.count(":") >= 3}


def account_exists(name):
    with open("/etc/passwd") as f:
        return any(line.startswith(name + ":") for line in f)


def add_account(name, system=False):
    """As useradd would, in a tenth of the time: name, own group, no further groups, locked password."""
    if not re.fullmatch(r"[a-z_][a-z0-9_-]{0,30}", name):
        raise Failure(f"'{name}' is no name for an account")
    used = _ids("/etc/passwd") | _ids("/etc/group")
    ident = next(i for i in (range(990, 100, -1) if system else range(1000, 60000)) if i not in used)
    home, shell = ("/nonexistent", "/usr/sbin/nologin") if system else (f"/home/{name}", "/bin/bash")
    with open("/etc/passwd", "a") as f:
        f.write(f"{name}:x:{ident}:{ident}::{home}:{shell}\n")
    with open("/etc/group", "a") as f:
        f.write(f"{name}:x:{ident}:\n")
    with open("/etc/shadow", "a") as f:
        f.write(f"{name}:!:19000:0:99999:7:::\n")
    if not system:
        os.mkdir(home, 0o700)
        os.chown(home, ident, ident)


def install_files(root):
    """Lays an installed tree over the instance."""
    for top, _, files in os.walk(root):
        target = "/" + os.path.relpath(top, root)
        os.makedirs(target, exist_ok=True)
        for name in files:
            source, destination = f"{top}/{name}", f"{target}/{name}"
            if os.path.lexists(destination):
                os.unlink(destination)
            shutil.copy2(source, destination, follow_symlinks=False)
            if not os.path.islink(destination):
                os.chown(destination, 0, 0)


def make_directories():
    """What units/ocsb.tmpfiles.conf says about persistent ones; those below /run are the daemon's own business here."""
    for path in ("/etc/ocsb/ceilings.d", "/etc/ocsb/profiles"):
        os.makedirs(path, 0o755, exist_ok=True)
    if not os.path.isdir("/var/lib/ocsb"):
        os.mkdir("/var/lib/ocsb", 0o700)
        shutil.chown("/var/lib/ocsb", "ocsb", "ocsb")


def example_rule(user):
    """The shipped example rule, for another user than the one whom it names."""
    text = _read(EXAMPLE_RULE)
    if text is None:
        raise Failure(f"{EXAMPLE_RULE} is not installed; give a rule with --rule, or --no-rule")
    return text.replace(b'"openclaw"', b'"' + user.encode() + b'"')


def spawn(argv, log, env=None, cgroup=None):
    """A daemon of the instance: own session (no Ctrl-C from the terminal), output to a log."""
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        if cgroup:
            kernel.cgroup_join(cgroup)
        null = os.open("/dev/null", os.O_RDONLY)
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(null, 0)
        os.dup2(out, 1)
        os.dup2(out, 2)
        reset_signals()
        os.chdir("/")
        os.umask(0o022)
        os.execve(argv[0], argv, env or {"PATH": PATH, "LANG": "C.UTF-8"})
    except BaseException as e:
        os.write(2, f"{argv[0]}: {e}\n".encode())
    os._exit(127)


def reset_signals():
    """Python ignores some, and who started us may have blocked others: a program starts with neither."""
    for s in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(s, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def bus_configuration():
    """The distribution's, without what belongs to its unit, and without activation: who is not there is not there."""
    with open("/usr/share/dbus-1/system.conf") as f:
        text = f.read()
    for element in (r"<fork/>", r"<syslog/>", r"<pidfile>.*?</pidfile>", r"<standard_system_servicedirs/>",
                    r"<servicehelper>.*?</servicehelper>"):
        text = re.sub(element, "", text, flags=re.S)
    return text.replace("<includedir>system.d</includedir>", "<includedir>/usr/share/dbus-1/system.d</includedir>")


def _alive(pid):
    done, _ = os.waitpid(pid, os.WNOHANG)
    return done == 0


class Stack:
    """dbus-daemon, polkitd and the supervisor of ocsbd."""

    def __init__(self, daemon_env, cgroup, firewall):
        self.env = {"PATH": PATH, "LANG": "C.UTF-8",
                    "ASAN_OPTIONS": f"log_path={HERE}/sanitizer/asan:exitcode=99",
                    "UBSAN_OPTIONS": f"log_path={HERE}/sanitizer/ubsan:print_stacktrace=1", **daemon_env}
        self.cgroup = cgroup
        self.daemon = [DAEMON, "--standalone"] + ([] if firewall else ["--no-firewall"])
        self.pids = {}

    def start(self, with_daemon):
        os.mkdir("/run/dbus", 0o755)
        write_file(f"{HERE}/bus.conf", bus_configuration().encode())
        bus = spawn(["/usr/bin/dbus-daemon", "--nofork", "--nopidfile", f"--config-file={HERE}/bus.conf"], f"{HERE}/log/bus")
        self._started("bus", bus)
        while not os.path.exists(BUS_SOCKET):
            if not _alive(bus):
                raise Failure("dbus-daemon did not start:\n" + self.log("bus"))
            time.sleep(0.002)
        polkit = next((p for p in ("/usr/lib/polkit-1/polkitd", "/usr/libexec/polkitd") if os.path.exists(p)), None)
        if not polkit:
            raise Failure("polkitd is not installed")
        self._started("polkitd", spawn([polkit], f"{HERE}/log/polkitd"))
        if with_daemon:
            self._started("supervisor", spawn(self.daemon, f"{HERE}/log/ocsbd", self.env, self.cgroup))
        asking = minibus.MiniBus(BUS_SOCKET)
        for who, name in (("supervisor", BUS_NAME), ("polkitd", "org.freedesktop.PolicyKit1")):
            if who in self.pids and not asking.wait_for(name, lambda: _alive(self.pids[who])):
                log = "ocsbd" if who == "supervisor" else who
                raise Failure(f"{log} did not take its name on the bus:\n" + self.log(log))
        asking.close()

    def _started(self, name, pid):
        self.pids[name] = pid
        with open(f"{HERE}/pids", "a") as f:
            f.write(f"{name} {pid}\n")

    def log(self, name):
        return (_read(f"{HERE}/log/{name}") or b"").decode(errors="replace")

    def stop(self):
        """Asks the supervisor to end, so that leak checks of a sanitizer build can report; everybody else just ends."""
        pid = self.pids.get("supervisor")
        try:
            if not pid or not _alive(pid):
                return
            os.kill(pid, signal.SIGTERM)
            end = time.monotonic() + 5
            while _alive(pid) and time.monotonic() < end:
                time.sleep(0.005)
        except (ChildProcessError, ProcessLookupError):
            pass  # reaped already

    def sanitizer_reports(self):
        reports = ""
        for name in sorted(os.listdir(f"{HERE}/sanitizer")):
            reports += f"--- {name}\n" + (_read(f"{HERE}/sanitizer/{name}") or b"").decode(errors="replace")
        log = self.log("ocsbd")  # where a process reports that was not given the options
        found = re.search(r"^.*(ERROR: \w+Sanitizer|runtime error:)", log, re.M)
        return reports + (log[found.start():] if found else "")


def run_command(argv, user, extra_env, cgroup):
    """Forks the command as the user, with a clean environment; stdio, terminal and directory are the caller's."""
    with open("/etc/passwd") as f:
        entry = next(line.rstrip("\n").split(":") for line in f if line.startswith(user + ":"))
    uid, gid, home, shell = int(entry[2]), int(entry[3]), entry[5], entry[6]
    env = {"HOME": home, "USER": user, "LOGNAME": user, "SHELL": shell, "PATH": PATH, "LANG": "C.UTF-8",
           "OCSB_PIDS": f"{HERE}/pids", **extra_env}
    if "TERM" in os.environ:
        env.setdefault("TERM", os.environ["TERM"])
    pid = os.fork()
    if pid:
        return pid
    try:
        kernel.cgroup_join(cgroup)
        reset_signals()
        os.initgroups(user, gid)
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
        os.umask(0o022)
        os.execvpe(argv[0] if argv else shell, argv or [shell], env)
    except OSError as e:
        os.write(2, f"with-ocsb: {argv[0] if argv else shell}: {e.strerror}\n".encode())
        os._exit(127 if isinstance(e, FileNotFoundError) else 126)
    os._exit(125)


def wait_for(pid):
    """Reaps everybody, as PID 1 must, until this one has ended; the status as a shell would give it."""
    while True:
        done, status = os.waitpid(-1, 0)
        if done == pid:
            return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
