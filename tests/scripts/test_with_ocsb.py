# SPDX-License-Identifier: LGPL-2.1-or-later
"""scripts/with-ocsb on the machine itself: it keeps statuses and streams, changes nothing, and leaves nothing, however it ends.
Bus and polkit alone are enough to see that; tests/bus sees the rest."""

import os
import pathlib
import pty
import select
import signal
import subprocess
import time

import pytest

WITH = str(pathlib.Path(__file__).resolve().parents[2] / "scripts/with-ocsb")
BASE = [WITH, "--no-daemon", "--installed"]


def run(*argv, options=(), **how):
    return subprocess.run([*BASE, *options, "--", *argv], capture_output=True, timeout=120, check=False, **how)


@pytest.fixture(scope="module", autouse=True)
def own_cgroup():
    """A cgroup for these tests alone: with-ocsb makes its own below it, and other instances may run elsewhere."""
    top = next(line.split(" - ")[0].split()[4] for line in open("/proc/self/mountinfo", encoding="utf-8") if " - cgroup2 " in line)
    old = top + next(line[3:-1] for line in open("/proc/self/cgroup", encoding="utf-8") if line.startswith("0::"))
    machine.cgroup = pathlib.Path(old) / f"test-with-ocsb.{os.getpid()}"
    machine.cgroup.mkdir()
    (machine.cgroup / "cgroup.procs").write_text("0")
    yield
    pathlib.Path(old, "cgroup.procs").write_text("0")
    machine.cgroup.rmdir()


def machine():
    """What must not change: mounts, accounts, cgroups, sockets, files of the overlaid directories."""
    return {
        "mounts": pathlib.Path("/proc/self/mounts").read_text(),
        "passwd": pathlib.Path("/etc/passwd").read_bytes() + pathlib.Path("/etc/group").read_bytes() + pathlib.Path("/etc/shadow").read_bytes(),
        "cgroups": [p for p, _, _ in os.walk(machine.cgroup)],
        "home": sorted(os.listdir("/home")),
        "run": os.path.exists("/run/with-ocsb") or os.path.exists("/run/ocsb"),
        "rules": sorted(os.listdir("/etc/polkit-1/rules.d")),
        "etc": os.path.exists("/etc/ocsb"),
    }


@pytest.fixture(autouse=True)
def unchanged():
    before = machine()
    yield
    end = time.monotonic() + 10
    while machine() != before and time.monotonic() < end:
        time.sleep(0.02)
    assert machine() == before


@pytest.mark.parametrize("status", [0, 1, 77, 255])
def test_status_is_kept(status):
    assert run("sh", "-c", f"exit {status}").returncode == status


def test_death_by_signal_is_128_and_its_number():
    assert run("sh", "-c", "kill -SEGV $$").returncode == 139


def test_program_that_is_not_there_is_127_and_one_that_cannot_run_126():
    assert run("/no/such").returncode == 127
    assert run("/etc/passwd").returncode == 126


def test_streams_pass_through():
    done = run("sh", "-c", "cat; echo err >&2", input=b"in")
    assert (done.stdout, done.stderr) == (b"in", b"err\n")


def test_runs_as_a_new_account_in_no_further_group():
    done = run("sh", "-c", "id; echo $HOME; touch $HOME/x && stat -c %U $HOME/x", options=["-u", "somebody_new"])
    lines = done.stdout.decode().splitlines()
    assert "(somebody_new)" in lines[0] and lines[0].count("(somebody_new)") == 3
    assert lines[1:] == ["/home/somebody_new", "somebody_new"]


def test_runs_as_root_when_told():
    assert run("id", "-u", options=["-u", "root"]).stdout == b"0\n"


def test_further_accounts():
    assert run("id", "-u", "second", options=["--account", "second"]).returncode == 0


@pytest.mark.parametrize("name", ["../x", "a:b", "-x", "", "A B", "x\n"])
def test_account_name_that_is_none(name):
    assert run("true", options=["-u", name]).returncode == 125


def test_environment_is_clean():
    done = run("env", env={**os.environ, "SECRET": "x", "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/nowhere", "KEPT": "kept"},
               options=["--env", "KEPT", "--env", "GIVEN=given"])
    names = dict(line.split("=", 1) for line in done.stdout.decode().splitlines())
    assert set(names) - {"TERM", "PWD", "_", "SHLVL"} == {"HOME", "USER", "LOGNAME", "SHELL", "PATH", "LANG", "OCSB_PIDS", "KEPT", "GIVEN"}
    assert names["KEPT"] == "kept" and names["GIVEN"] == "given"


def test_directory_is_kept(tmp_path):
    os.chmod(tmp_path, 0o755)
    assert run("pwd", cwd=tmp_path).stdout.decode().strip() == str(tmp_path)


def test_bus_and_polkit_are_there_and_the_machines_are_not():
    done = run("busctl", "--no-pager", "list")
    assert b"org.freedesktop.PolicyKit1" in done.stdout and b"org.freedesktop.systemd1" not in done.stdout


def test_processes_of_the_machine_are_not_seen():
    assert int(run("sh", "-c", "ls /proc | grep -c '^[0-9]'").stdout) < 20


def test_writes_to_overlaid_directories_stay_inside():
    assert run("sh", "-c", "touch /etc/x-with /usr/x-with /var/lib/x-with /run/x-with", options=["-u", "root"]).returncode == 0
    assert not any(os.path.exists(d + "/x-with") for d in ("/etc", "/usr", "/var/lib", "/run"))


def test_rules_and_ceilings_are_installed(tmp_path):
    (tmp_path / "10-a.rules").write_text("// a rule\n")
    (tmp_path / "c.json").write_text("{}\n")
    done = run("sh", "-c", "cat /etc/polkit-1/rules.d/10-a.rules /etc/ocsb/ceilings.d/c.json",
               options=["-u", "root", "--rule", tmp_path / "10-a.rules", "--ceiling", tmp_path / "c.json"])
    assert done.stdout == b"// a rule\n{}\n"


def test_net_is_a_network_of_its_own():
    inside = "readlink /proc/self/ns/net; tail -n +3 /proc/net/dev | wc -l; cat /sys/class/net/lo/operstate; id -u ocsb-fw; echo 1 > /proc/sys/net/ipv4/ip_forward"
    before = pathlib.Path("/proc/sys/net/ipv4/ip_forward").read_text()
    done = run("sh", "-c", inside, options=["--net", "-u", "root"])
    lines = done.stdout.decode().split()
    assert done.returncode == 0, done.stderr
    assert lines[0] != os.readlink("/proc/self/ns/net") and lines[1] == "1" and int(lines[3]) > 0
    assert pathlib.Path("/proc/sys/net/ipv4/ip_forward").read_text() == before


def test_without_net_the_network_is_the_machines():
    assert run("readlink", "/proc/self/ns/net").stdout.decode().strip() == os.readlink("/proc/self/ns/net")


def test_unknown_option_is_125():
    done = subprocess.run([WITH, "--no-such-option"], capture_output=True, check=False)
    assert done.returncode == 125 and b"--help" in done.stderr


def test_help_names_every_option():
    text = subprocess.run([WITH, "--help"], capture_output=True, check=True, text=True).stdout
    for option in ("--user", "--account", "--build", "--installed", "--ceiling", "--profile", "--rule", "--no-rule", "--env",
                   "--daemon-env", "--net", "--fault", "--no-daemon", "--log"):
        assert option in text


def test_needs_root():
    done = subprocess.run([*BASE, "true"], capture_output=True, user=65534, group=65534, extra_groups=[], cwd="/", check=False)
    assert done.returncode in (125, 126) and b"root" in done.stderr or done.returncode == 126


def start(script):
    """A running instance with a left-over that has its own session; the process."""
    p = subprocess.Popen([*BASE, "--", "sh", "-c", f"setsid sleep 98765 & echo up; {script}"], stdout=subprocess.PIPE)
    assert p.stdout.readline() == b"up\n"
    return p


def sleepers():
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if pathlib.Path(f"/proc/{pid}/cmdline").read_bytes() == b"sleep\x0098765\0":
                found.append(pid)
        except OSError:
            pass
    return found


def check_gone():
    end = time.monotonic() + 10
    while sleepers() and time.monotonic() < end:
        time.sleep(0.02)
    assert not sleepers()


def test_left_over_processes_end_with_the_command():
    assert start("exit 4").wait(20) == 4
    check_gone()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_ends_by_a_signal_and_cleans_up(number):
    p = start("sleep 600")
    p.send_signal(number)
    assert p.wait(20) == 128 + number
    check_gone()


def test_kill_9_leaves_nothing():
    p = start("sleep 600")
    p.kill()
    p.wait()
    check_gone()


def test_kill_9_while_it_starts_leaves_nothing():
    for delay in (0.02, 0.05, 0.08, 0.12, 0.2):
        p = subprocess.Popen([*BASE, "--", "sleep", "98765"])
        time.sleep(delay)
        p.kill()
        p.wait()
    time.sleep(0.3)
    check_gone()


def test_two_at_once_do_not_meet():
    a, b = start("sleep 1; id -u openclaw"), start("sleep 1; busctl --no-pager list | grep -c PolicyKit1")
    assert a.wait(20) == 0 and b.wait(20) == 0
    assert b.stdout.read() == b"1\n"


def test_ctrl_c_on_a_terminal_reaches_the_command_and_its_status_counts():
    pid, master = pty.fork()
    if pid == 0:
        os.execv(WITH, [*BASE, "--", "sh", "-c", "trap 'echo caught; exit 42' INT; test -t 0 && echo ready; while :; do sleep 0.1; done"])
    screen, sent, end = b"", False, time.monotonic() + 30
    while time.monotonic() < end and select.select([master], [], [], 5)[0]:
        try:
            data = os.read(master, 1000)
        except OSError:
            break
        screen += data
        if b"ready" in screen and not sent:
            sent = True
            os.write(master, b"\x03")
    _, status = os.waitpid(pid, 0)
    os.close(master)
    assert b"caught" in screen and os.waitstatus_to_exitcode(status) == 42


def test_starts_within_a_second_and_a_half():
    begin = time.monotonic()
    assert run("true").returncode == 0
    assert time.monotonic() - begin < 1.5 * max(1.0, os.getloadavg()[0])
