# SPDX-License-Identifier: LGPL-2.1-or-later
"""Exec: arguments, descriptors, status, terminals, time-outs, and what becomes of those who leave. What holds for the bus holds
for the channel: the tests of RUN run through both."""

import fcntl
import os
import pty
import select
import socket
import struct
import termios
import time

import pytest

import wire
from client import BusError, open_channel
from conftest import error, wait_until


@pytest.fixture(params=["bus", "channel", "channel.sock"])
def run(request, session, openclaw):
    """Runs argv in the session through each of the three ways."""
    if request.param == "bus":
        def through_bus(argv, env=(), cwd=b"", timeout_usec=0, **how):
            values = {"env": list(env)} if env else {}
            if timeout_usec:
                values["timeout_usec"] = timeout_usec
            return session.run(argv, cwd=cwd, **values, **how)
        yield through_bus
        return
    channel = session.channel() if request.param == "channel" else open_channel(openclaw.user, session.id)
    yield channel.run
    channel.close()


def test_output_error_and_status_arrive(run):
    done = run(["/bin/sh", "-c", "echo out; echo err >&2; exit 3"])
    assert (done.out, done.err, done.code, done.signal) == (b"out\n", b"err\n", 3, 0)


def test_standard_input_arrives_and_ends(run):
    assert run(["/bin/cat"], stdin=b"x" * 300_000).out == b"x" * 300_000


def test_binary_arguments_arrive_as_they_are(run):
    odd = bytes(range(1, 256))
    assert run(["/usr/bin/printf", "%s", odd]).out == odd


def test_program_is_found_through_path(run):
    assert run(["echo", "found"]).ok() == "found\n"


def test_program_is_found_through_the_path_of_the_execs_environment(run):
    assert run(["echo", "x"], env=[b"PATH=/nowhere"]).failed.status == 127


def test_environment_of_the_exec_is_over_the_sessions(run):
    assert run(["/usr/bin/env"], env=[b"A=1", b"HOME=/elsewhere"]).text.splitlines().count("HOME=/elsewhere") == 1


def test_environment_holds_nothing_of_the_daemons(run):
    names = {line.partition("=")[0] for line in run(["/usr/bin/env"]).ok().splitlines()}
    assert not names & {"NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "ASAN_OPTIONS", "OCSB_FAULT", "INVOCATION_ID", "JOURNAL_STREAM"}


def test_directory_of_the_exec(run):
    assert run(["/bin/pwd"], cwd=b"/tmp").ok() == "/tmp\n"
    assert run(["/bin/pwd"]).ok() == "/workspace\n"


def test_directory_that_is_not_there_is_125_or_127_by_name(run):
    done = run(["/bin/pwd"], cwd=b"/no/such")
    assert done.failed and done.failed.step == "cwd" and done.failed.status in (125, 127)


def test_program_that_is_not_there_is_127(run):
    done = run(["/no/such/program"])
    assert done.failed and (done.failed.status, done.failed.step) == (127, "exec")


def test_program_that_cannot_be_run_is_126(run):
    done = run(["/etc/passwd"])
    assert done.failed and (done.failed.status, done.failed.step) == (126, "exec")


def test_death_by_signal_is_told(run):
    done = run(["/bin/sh", "-c", "kill -SEGV $$"])
    assert done.signal == 11


def test_timeout_kills_the_whole_tree(run, openclaw, session):
    done = run(["/bin/sh", "-c", "setsid sleep 600 & (setsid sleep 600 &) ; sleep 600"], timeout_usec=300_000)
    assert done.signal == 9 and done.flags & wire.TIMEOUT
    # Not even who left the process group is there: only PID 1, its spare children and this very listing.
    left = run(["/bin/sh", "-c", "for p in /proc/[0-9]*/comm; do read c < $p && echo $c; done"])
    assert "sleep" not in left.text


@pytest.mark.parametrize("argv0", ["--bind", "-x", "-", "-c"])
def test_T05_leading_dash_is_a_program_name_and_nothing_else(run, argv0):
    done = run([argv0, "/", "/mnt"])
    assert done.failed and done.failed.status == 127


def test_T05_a_login_shell_can_be_asked_for_by_argument(run):
    assert run(["/bin/sh", "-c", "echo $0", "-sh"]).ok() == "-sh\n"


def test_T05_newline_in_argv0(run):
    assert run(["echo\n--bind"]).failed.status == 127


def test_T22_every_way_has_the_same_fences(run):
    """The denials that matter, through each way of starting something."""
    script = """
        cat /etc/shadow; ls /root; ls /home; ls /run/ocsb; mount -t tmpfs x /mnt; echo x > /usr/x; ls -d /run/dbus
        grep -E '^(Cap(Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs|Seccomp):' /proc/self/status
        echo pid $$; ls /proc | grep -c '^[0-9]'; ls /sys/class/net 2>/dev/null; ls -l /proc/self/fd"""
    done = run(["/bin/sh", "-c", script])
    lines = done.text.splitlines()
    assert "root:" not in done.text and "/run/dbus" not in lines
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert f"{name}:\t0000000000000000" in lines
    assert "NoNewPrivs:\t1" in lines and "Seccomp:\t2" in lines


def test_T09_only_the_declared_descriptors_are_open(run):
    listed = set(run(["/bin/ls", "/proc/self/fd"]).ok().split())
    assert listed == {"0", "1", "2", "3"}  # 3 is the directory that ls reads


@pytest.mark.parametrize("cwd", [b"/proc/self/fd/7", b"/proc/self/fd/7/../..", b"/proc/1/root", b"/proc/1/cwd"])
def test_T09_cwd_through_proc_leads_nowhere(session, cwd):
    try:
        done = session.run(["/bin/ls"], cwd=cwd)
    except BusError as e:
        assert e.short == "InvalidArgument"
    else:
        assert done.failed and done.failed.step == "cwd"


def test_T21_cwd_never_widens_the_grants(session, workspace):
    """A directory outside is not there; the home is one of its own."""
    (workspace.path.parent / "outside").write_text("x")
    for cwd in (str(workspace.path).encode(), b"/home/openclaw", b"/root", b"/home"):
        done = session.run(["/bin/ls", "-a"], cwd=cwd)
        assert done.failed and done.failed.step == "cwd" or not {"outside", workspace.path.name} & set(done.text.split())


def test_many_execs_at_once_keep_their_outputs_apart(session):
    started = []
    for i in range(20):
        r, w = os.pipe()
        started.append((i, r, session.exec(["/bin/sh", "-c", f"sleep 0.1; echo {i}; exit {i}"], fds={1: w})))
        os.close(w)
    for i, r, running in started:
        assert running.wait().code == i
        with os.fdopen(r) as f:
            assert f.read() == f"{i}\n"


def test_channel_runs_many_at_once(session):
    channel = session.channel()
    started = []
    for i in range(20):
        r, w = os.pipe()
        started.append((i, r, channel.send_exec(["/bin/sh", "-c", f"echo {i}; exit {i}"], fds={1: w})))
        os.close(w)
    outcomes = {}
    channel.sock.settimeout(30)
    while len(outcomes) < 20:
        m = wire.receive(channel.sock)
        if m.kind in (wire.EXITED, wire.FAILED):
            outcomes[m.tag] = m
    for i, r, running in started:
        assert outcomes[running.tag].code == i
        with os.fdopen(r) as f:
            assert f.read() == f"{i}\n"
    channel.close()


# Descriptors


def test_further_descriptors_appear_under_their_numbers(session):
    r, w = os.pipe()
    os.write(w, b"through nine")
    os.close(w)
    out_r, out_w = os.pipe()
    running = session.exec(["/bin/sh", "-c", "cat <&9 >&5"], fds={9: r, 5: out_w})
    os.close(r)
    os.close(out_w)
    assert running.wait().code == 0
    with os.fdopen(out_r) as f:
        assert f.read() == "through nine"


def test_absent_descriptors_are_null(session):
    assert session.exec(["/bin/sh", "-c", "test -c /dev/fd/0 && test -c /dev/fd/1 && test -c /dev/fd/2 && ! read x"]).wait().code == 0


def test_files_and_null_are_accepted_as_descriptors(session, workspace):
    with open(workspace.path / "f", "w+b") as f, open("/dev/null", "r+b", buffering=0) as null:
        assert session.exec(["/bin/echo", "into the file"], fds={0: null.fileno(), 1: f.fileno()}).wait().code == 0
        f.seek(0)
        assert f.read() == b"into the file\n"


def bad_fds(path):
    a, b = socket.socketpair()
    master, slave = pty.openpty()
    seq = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    seq.connect("/run/ocsb/channel.sock")
    return {"unix socket": a.detach(), "its other end": b.detach(), "terminal": slave, "pty": master,
            "directory": os.open(path, os.O_RDONLY), "O_PATH file": os.open("/etc/passwd", os.O_PATH),
            "O_PATH directory": os.open(path, os.O_PATH), "the daemon's own socket": seq.detach(),
            "pidfd": os.pidfd_open(os.getpid()), "mem": os.open("/dev/zero", os.O_RDWR), "tty device": os.open("/dev/ptmx", os.O_RDWR),
            "tcp socket": socket.socket().detach()}


@pytest.mark.parametrize("way", ["bus", "channel"])
@pytest.mark.parametrize("kind", ["unix socket", "its other end", "terminal", "pty", "directory", "O_PATH file", "O_PATH directory",
                                  "the daemon's own socket", "pidfd", "tty device", "tcp socket"])
def test_T01_T42_descriptor_of_a_dangerous_kind_is_refused_with_the_reason(session, workspace, kind, way):
    fds = bad_fds(workspace.path)
    channel = session.channel()
    try:
        for number in (0, 3):
            if way == "bus":
                with error("InvalidArgument") as e:
                    session.exec(["/bin/true"], fds={number: fds[kind]})
                assert str(number) in e.value.message
            else:
                running = channel.send_exec(["/bin/true"], fds={number: fds[kind]})
                with pytest.raises(BusError) as e:
                    outcome = running.wait()
                    assert outcome.failed, outcome
                    raise BusError("failed", outcome.failed.text)
                assert len(e.value.message) > 5
    finally:
        channel.close()
        for fd in fds.values():
            os.close(fd)


def test_descriptor_number_out_of_range_is_refused(session):
    for number in (16, 17, 255, 0x7FFFFFFF, 0xFFFFFFFF):
        with error("InvalidArgument"):
            session.exec(["/bin/true"], fds={number: 0})


def test_one_descriptor_under_two_numbers(session):
    r, w = os.pipe()
    running = session.exec(["/bin/sh", "-c", "echo a; echo b >&2"], fds={1: w, 2: w})
    os.close(w)
    assert running.wait().code == 0
    with os.fdopen(r) as f:
        assert f.read() == "a\nb\n"


# Wrong input


@pytest.mark.parametrize("argv", [[], [b""], [b"a\0b"], [b"x", b"y\0"], [b"a"] * 5000, [b"/bin/echo", b"x" * (128 << 10)],
                                  [b"/bin/echo"] + [b"x" * 100_000] * 12, [b"x" * (1 << 20)]])
def test_argv_out_of_range_is_refused(session, argv):
    with error("InvalidArgument", "InvalidArgs", "QuotaExceeded"):
        session.exec(argv)


def test_longest_argument_arrives(session):
    assert session.run(["/bin/sh", "-c", 'echo ${#1}', "sh", b"x" * ((128 << 10) - 1)]).ok() == f"{(128 << 10) - 1}\n"


@pytest.mark.parametrize("cwd", [b"relative", b"/a/../b", b"/a//b", b"/a/", b"/a\0b", b"/" + b"x" * 5000, b"."])
def test_cwd_that_is_no_path_is_refused(session, cwd):
    with error("InvalidArgument", "InvalidArgs"):
        session.exec(["/bin/true"], cwd=cwd)


@pytest.mark.parametrize("values", [
    {"env": [b"X"]}, {"env": [b"=x"]}, {"env": [b"A\0=x"]}, {"env": [b"A=x"] * 2000}, {"rows": 24}, {"cols": 80}, {"pty": True, "rows": 0},
    {"unknown": ("s", "x")}, {"env": ("as", ["A=x"])}, {"timeout-usec": ("u", 5)}, {"timeout-usec": ("s", "5")}, {"pty": ("s", "yes")},
    {"pty": ("i", 1)}, {"rows": ("u", 24), "pty": True}, {"detach": ("u", 1)}, {"detach": ("s", "")}, {"user": ("s", "root")},
    {"privileged": ("b", True)}, {"timeout-usec": ("x", -1)}])
def test_exec_option_out_of_range_or_unknown_is_refused(session, values):
    with error("InvalidArgument", "InvalidArgs"):
        session.exec(["/bin/true"], **values)
    assert session.get("Execs") == []


def test_pty_takes_no_descriptors(session):
    with error("InvalidArgument"):
        session.exec(["/bin/true"], fds={0: 0}, pty=True)


@pytest.mark.parametrize("signal", [0, -1, 65, 1000, -0x80000000, 0x7FFFFFFF])
def test_signal_that_is_none_is_refused(session, signal):
    running = session.exec(["/bin/sleep", "600"]).wait_started()
    with error("InvalidArgument"):
        session.call("Signal", "ui", running.id, signal)
    assert session.get("Execs") == [running.id]


# Control


def test_signal_reaches_the_process_group(session):
    r, w = os.pipe()
    running = session.exec(["/bin/sh", "-c", "trap 'echo got; exit 7' TERM; echo ready; while :; do sleep 0.05; done"], fds={1: w})
    os.close(w)
    with os.fdopen(r) as f:
        assert f.readline() == "ready\n"
        session.call("Signal", "ui", running.id, 15)
        assert f.readline() == "got\n"
    assert running.wait().code == 7


def test_signal_9_kills_everything_in_the_exec_and_nothing_else(session):
    other = session.exec(["/bin/sleep", "600"]).wait_started()
    running = session.exec(["/bin/sh", "-c", "setsid sleep 601 & sleep 602"]).wait_started()
    session.call("Signal", "ui", running.id, 9)
    done = running.wait()
    assert done.signal == 9 and done.flags & wire.KILLED
    wait_until(lambda: session.get("Execs") == [other.id])
    assert "601" not in session.sh("cat /proc/[0-9]*/cmdline | tr '\\0' ' '").text


def test_exec_exited_is_told_to_the_caller_alone(openclaw, session, root, alice):
    with openclaw.signals(member="ExecExited") as mine, alice.signals(member="ExecExited") as foreign:
        done = session.sh("exit 5")
        assert mine().body == (done.exec_id, 5, 0)
        with pytest.raises(TimeoutError):
            foreign(0.3)


def test_exec_exited_tells_a_signal_as_minus_one(openclaw, session):
    with openclaw.signals(member="ExecExited") as mine:
        done = session.sh("kill -TERM $$")
        assert mine().body == (done.exec_id, -1, 15)


def test_closing_the_status_kills_the_exec(session):
    running = session.exec(["/bin/sh", "-c", "setsid sleep 600 & sleep 600"]).wait_started()
    assert session.get("Execs") == [running.id]
    running.close()
    wait_until(lambda: session.get("Execs") == [])
    assert "sleep" not in session.sh("cat /proc/[0-9]*/comm").text


def test_detached_exec_outlives_its_caller(session, workspace):
    running = session.exec(["/bin/sh", "-c", "sleep 0.5; echo done > detached"], detach=True).wait_started()
    running.close()
    wait_until(lambda: (workspace.path / "detached").exists() and (workspace.path / "detached").read_text() == "done\n")


def test_closing_a_channel_kills_its_execs(session):
    channel = session.channel()
    channel.send_exec(["/bin/sleep", "600"]).wait_started()
    assert len(session.get("Execs")) == 1
    channel.close()
    wait_until(lambda: session.get("Execs") == [])


def test_death_of_the_client_kills_its_exec(session, openclaw):
    """A process of its own, killed: nobody closes anything by hand."""
    import subprocess
    import sys
    r, w = os.pipe()
    child = subprocess.Popen([sys.executable, "-c", f"""
import sys, os, time; sys.path.insert(0, {os.path.dirname(__file__)!r})
from client import *
s = Bus(None).session({session.id!r})
e = s.exec(["/bin/sleep", "600"]).wait_started()
os.write({w}, b"up"); time.sleep(600)
"""], user=openclaw.user.uid, group=openclaw.user.gid, extra_groups=[], pass_fds=[w], cwd="/")
    os.close(w)
    assert os.read(r, 2) == b"up"
    os.close(r)
    assert len(session.get("Execs")) == 1
    child.kill()
    child.wait()
    wait_until(lambda: session.get("Execs") == [])


def test_orphans_of_an_ended_exec_are_killed(session):
    session.sh("setsid sleep 600 > /dev/null 2>&1 < /dev/null & echo started").ok()
    wait_until(lambda: "sleep" not in session.sh("cat /proc/[0-9]*/comm").text)


def test_exited_tells_what_was_used(session):
    done = session.exec(["/bin/sh", "-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"])
    while (m := done.next()).kind != wire.EXITED:
        pass
    assert m.user_usec + m.system_usec > 10_000 and m.max_rss > 100 << 10


def test_quota_of_execs_is_named(openclaw):
    made = openclaw.create(limits={"execs": 2})
    running = [made.exec(["/bin/sleep", "600"]).wait_started() for _ in range(2)]
    try:
        third = made.exec(["/bin/true"]).wait()
    except BusError as e:
        assert e.short == "QuotaExceeded"
    else:
        assert third.failed and third.failed.status == 125
    running[0].close()
    wait_until(lambda: len(made.get("Execs")) == 1)
    assert made.run(["/bin/true"]).code == 0


def test_100_MB_of_output_and_a_slow_reader(session):
    r, w = os.pipe()
    running = session.exec(["/usr/bin/head", "-c", "100000000", "/dev/zero"], fds={1: w})
    os.close(w)
    total = 0
    while data := os.read(r, 1 << 20):
        total += len(data)
        if total < 1 << 20:
            time.sleep(0.01)
    os.close(r)
    assert total == 100_000_000 and running.wait().code == 0


# Terminals


def start_pty(session, argv, **values):
    running = session.exec(argv, pty=True, **values).wait_started()
    assert running.master is not None
    return running


def read_pty(running, until, seconds=20):
    text, end = b"", time.monotonic() + seconds
    while until not in text:
        assert select.select([running.master], [], [], max(0, end - time.monotonic()))[0], text
        try:
            data = os.read(running.master, 4096)
        except OSError:
            data = b""
        assert data, text
        text += data
    return text


def test_pty_is_a_terminal_of_the_asked_size(session):
    running = start_pty(session, ["/bin/sh", "-c", "test -t 0 && test -t 1 && test -t 2 && tty && stty size && echo end"], rows=33, cols=99)
    text = read_pty(running, b"end")
    assert b"/dev/pts/" in text and b"33 99" in text
    assert running.wait().code == 0
    running.close()


def test_pty_is_the_controlling_terminal(session):
    running = start_pty(session, ["/bin/sh", "-c", "trap 'echo interrupted; exit 4' INT; echo ready; while :; do sleep 0.05; done"])
    read_pty(running, b"ready")
    os.write(running.master, b"\x03")
    read_pty(running, b"interrupted")
    assert running.wait().code == 4
    running.close()


def test_resize_reaches_the_program(session):
    running = start_pty(session, ["/bin/bash", "-c", "trap 'stty size' WINCH; echo ready; while :; do sleep 0.05; done"])
    read_pty(running, b"ready")
    session.call("Resize", "uqq", running.id, 50, 132)
    read_pty(running, b"50 132")
    running.close()


@pytest.mark.parametrize("rows, cols", [(0, 80), (24, 0)])
def test_resize_to_nothing_is_refused(session, rows, cols):
    running = start_pty(session, ["/bin/sleep", "600"])
    with error("InvalidArgument"):
        session.call("Resize", "uqq", running.id, rows, cols)
    running.close()


def test_resize_of_an_exec_without_a_pty_is_refused(session):
    running = session.exec(["/bin/sleep", "600"]).wait_started()
    with error("InvalidArgument", "NotSupported", "NoSuchExec"):
        session.call("Resize", "uqq", running.id, 24, 80)


def test_hanging_up_the_pty_ends_the_exec(session):
    running = start_pty(session, ["/bin/sleep", "600"])
    running.close()
    wait_until(lambda: session.get("Execs") == [])


def test_T01_program_cannot_type_into_its_terminal(session):
    """TIOCSTI by its number, and with high bits set that a 64-bit compare would not see."""
    script = ("import fcntl, struct\n"
              "for n in (0x5412, 0x5412 | 1 << 32, 0x541C, 0x541C | 1 << 32):\n"
              "  import ctypes; libc = ctypes.CDLL(None, use_errno=True)\n"
              "  libc.ioctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_char_p]\n"
              "  print(n, libc.ioctl(0, n, b'x'), ctypes.get_errno())\n"
              "print('end')\n")
    running = start_pty(session, ["/usr/bin/python3", "-c", script])
    text = read_pty(running, b"end").decode()
    assert text.count(" -1 ") == 4, text
    running.close()


def test_master_is_no_terminal_of_the_daemon(session):
    running = start_pty(session, ["/bin/sleep", "600"])
    size = fcntl.ioctl(running.master, termios.TIOCGWINSZ, b"\0" * 8)
    assert struct.unpack("HHHH", size)[:2] == (24, 80)
    running.close()
