# SPDX-License-Identifier: LGPL-2.1-or-later
"""Wrong input to CreateSession, EnsureSession and Explain: a named error, nothing done, nothing lost."""

import os
import pathlib
import pty
import socket

import pytest

from client import MANAGER, ROOT, SESSION, SESSION_OPTIONS, User, being
from conftest import error, uid_of

# A value of every type that a variant is likely to hold.
SAMPLES = {"s": "text", "ay": b"bytes", "aay": [b"a", b"b"], "u": 7, "t": 7, "i": -1, "x": -1, "q": 7, "b": True, "d": 1.5,
           "y": 1, "o": "/", "g": "s", "as": ["a"], "a{sv}": {}, "v": ("s", "x"), "a{st}": {"memory": 1 << 20}, "(s)": ("x",),
           "a(hays)": [], "aas": [["x"]], "h": 0}
MAKERS = ("CreateSession", "EnsureSession", "Explain")


def make(bus, member, values, profile="default"):
    head = ("wrong", "hash") if member == "EnsureSession" else ()
    return bus.manager(member, "s" * len(head) + "sa{sv}", *head, profile, values)


@pytest.mark.parametrize("member", MAKERS)
@pytest.mark.parametrize("option", SESSION_OPTIONS)
def test_T57_every_other_type_for_an_option_is_refused(openclaw, member, option):
    right = SESSION_OPTIONS[option]
    for kind, value in SAMPLES.items():
        if kind != right:
            with error("InvalidArgument", "InvalidArgs") as e:
                make(openclaw, member, {option: (kind, value)})
            assert option in e.value.message, (kind, e.value)
    assert openclaw.sessions() == []


@pytest.mark.parametrize("member", MAKERS)
@pytest.mark.parametrize("key", ["binds", "Mounts", "privileged", "network_mode", "ID", " id", "", "id\x1b", "x" * 10000, "workspace\n"])
def test_T64_unknown_option_is_an_error(openclaw, member, key):
    with error("InvalidArgument") as e:
        make(openclaw, member, {key: ("s", "x")})
    assert len(e.value.message) < 1000
    assert openclaw.sessions() == []


@pytest.mark.parametrize("member", MAKERS)
def test_option_given_twice_is_an_error(openclaw, member):
    from client import BusError
    m = openclaw.message(ROOT, MANAGER, member, ("ss" if member == "EnsureSession" else "") + "sa{sv}",
                         (("dup", "h") if member == "EnsureSession" else ())
                         + ("default", [("hostname", ("s", "a")), ("hostname", ("s", "b"))]))
    with pytest.raises(BusError) as e:
        openclaw.unwrap(openclaw.conn.send_and_get_reply(m, timeout=30))
    assert e.value.short == "InvalidArgument" and "hostname" in e.value.message


def with_values(option, *values):
    return [pytest.param(option, v, id=f"{option}-{i}") for i, v in enumerate(values)]


@pytest.mark.parametrize("option, value", [
    *with_values("workspace_access", "", "RW", "rwx", "write", "rw\0".strip("\0") + " ", "\x1b[2J"),
    *with_values("workspace_path", b"", b"relative", b"/", b"/a/../b", b"/a//b", b"/a/", b"/proc", b"/proc/self", b"/sys", b"/dev",
                 b"/etc", b"/usr", b"/bin", b"/a\0b", b"/" + b"x" * 5000, b"/./a"),
    *with_values("workdir", b"relative", b"/a/../b", b"/a\0b", b"/" + b"x" * 5000, b"/proc/self/fd/3"),
    *with_values("deny", [b""], [b"relative"], [b"/a/../b"], [b"/a\0"], [b"/x" * 3000], [b"/a"] * 2000),
    *with_values("deny_write", [b""], [b"relative"], [b"/a/../b"], [b"/a\0"], [b"/x" * 3000], [b"/a"] * 2000),
    *with_values("env", [b""], [b"NOEQUALS"], [b"=x"], [b"1A=x"], [b"A B=x"], [b"A\0=x"], [b"A=x\0y"], [b"A=" + b"x" * (200 << 10)],
                 [b"A%d=x" % i for i in range(2000)]),
    *with_values("hostname", "", "-x", "a.b", "a b", "x" * 64, "ä", "a\n", "a\x1b"),
    *with_values("limits", {"": 1}, {"memroy": 1}, {"memory": 0}, {"pids": 0}, {"cpu": 0}, {"io-weight": 0}, {"io-weight": 10001},
                 {"nofile": 0}, {"scratch": 0}, {"execs": 0}, {"memory": 1}, {"scratch": (1 << 64) - 1}),
    *with_values("idle_usec", 0),
    *with_values("max_age_usec", 0),
    *with_values("network", "", "host", "nat", "container:x", "ns:/proc/1/ns/net", "None", "none "),
    *with_values("profile_data", b"", b"{", b"[]", b"null", b"{}x", b'{"a":1,"a":2}', b'{"unknown-key": 1}', b"\xff", b"{" * 60000,
                 b'{"name": "\\u0000"}', b" " * (65 << 10)),
])
def test_value_out_of_range_is_refused(openclaw, workspace, option, value):
    values = {option: value}
    if option.startswith("workspace"):
        values["workspace"] = workspace.fd
    with error("InvalidArgument", "ProfileInvalid", "CeilingExceeded", "NotSupported", "InvalidArgs"):
        openclaw.create(**values)
    assert openclaw.sessions() == []


@pytest.mark.parametrize("name", ["LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "GCONV_PATH", "XDG_CONFIG_HOME", "PATH", "TMPDIR",
                                  "BASH_ENV", "PYTHONPATH", "MALLOC_TRACE", "DBUS_SYSTEM_BUS_ADDRESS"])
def test_T04_environment_of_a_request_touches_nothing_outside(stack, openclaw, workspace, name):
    """Either refused, or only there inside: no process of ours has it, and nothing outside was loaded or written."""
    marker = workspace.path / "loaded"
    value = f"{name}={marker}".encode()
    try:
        made = openclaw.create(workspace=workspace.fd, env=[value])
    except Exception as e:  # noqa: BLE001
        assert e.short == "InvalidArgument"
        return
    made.run(["/bin/true"], env=[value])
    for pid in [stack.ocsbd, stack.stage, made.get("MonitorPid")]:
        assert value not in pathlib.Path(f"/proc/{pid}/environ").read_bytes()
    assert not marker.exists()


# Descriptors of the wrong kind


def fd_kinds(path):
    r, w = os.pipe()
    a, b = socket.socketpair()
    master, slave = pty.openpty()
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    memfd = os.memfd_create("m")
    file = os.open(path / "file", os.O_RDWR | os.O_CREAT)
    link = os.open(path / "link", os.O_PATH | os.O_NOFOLLOW)
    return {"pipe": r, "pipe's other end": w, "socket": a.detach(), "socket's other end": b.detach(), "terminal": slave, "pty": master,
            "listening socket": listening.detach(), "memfd": memfd, "file": file, "symlink": link,
            "null": os.open("/dev/null", os.O_RDWR), "epoll": os_epoll(), "pidfd": os.pidfd_open(os.getpid()),
            "proc": os.open("/proc/self/status", os.O_RDONLY)}


def os_epoll():
    import select
    e = select.epoll()
    fd = os.dup(e.fileno())
    e.close()
    return fd


@pytest.mark.parametrize("kind", ["pipe", "pipe's other end", "socket", "socket's other end", "terminal", "pty", "listening socket",
                                  "memfd", "file", "symlink", "null", "epoll", "pidfd", "proc"])
def test_workspace_that_is_no_directory_is_refused(openclaw, workspace, kind):
    os.symlink("/", workspace.path / "link")
    fds = fd_kinds(workspace.path)
    try:
        with error("InvalidArgument") as e:
            openclaw.create(workspace=fds[kind])
        assert "workspace" in e.value.message
    finally:
        for fd in fds.values():
            os.close(fd)
    assert openclaw.sessions() == []


@pytest.mark.parametrize("kind", ["pipe", "socket", "terminal", "pty", "listening socket", "null", "epoll", "pidfd", "symlink"])
def test_grant_that_is_neither_directory_nor_file_is_refused(openclaw, workspace, kind):
    os.symlink("/", workspace.path / "link")
    fds = fd_kinds(workspace.path)
    try:
        with error("InvalidArgument"):
            openclaw.create(grants=[(fds[kind], b"/granted", "r")])
    finally:
        for fd in fds.values():
            os.close(fd)


FORBIDDEN = ["/", "/etc", "/proc", "/proc/self", "/sys", "/sys/fs/cgroup", "/dev", "/dev/shm", "/root", "/boot", "/run", "/run/dbus",
             "/run/ocsb", "/var/run", "/run/../etc", "//etc", "/usr/../root"]


@pytest.mark.parametrize("path", FORBIDDEN)
@pytest.mark.parametrize("access", ["rw", "ro"])
def test_T65_directory_of_the_system_is_no_workspace(openclaw, path, access):
    if not os.path.isdir(path):
        pytest.skip(f"this machine has no {path}")
    if access == "ro" and path in ("/etc", "/run/../etc", "//etc"):
        access = "rw"
    fd = os.open(path, os.O_PATH | os.O_DIRECTORY)
    try:
        with error("InvalidArgument", "CeilingExceeded", "NotPermitted", "SetupFailed"):
            openclaw.create(workspace=fd, workspace_access=access)
    finally:
        os.close(fd)
    assert openclaw.sessions() == []


@pytest.mark.parametrize("path", ["/", "/etc", "/proc", "/sys", "/dev", "/root", "/boot", "/run", "/run/ocsb"])
def test_T65_directory_of_the_system_is_no_grant(openclaw, path):
    fd = os.open(path, os.O_PATH | os.O_DIRECTORY)
    try:
        with error("InvalidArgument", "CeilingExceeded", "NotPermitted", "SetupFailed"):
            openclaw.create(grants=[(fd, b"/granted", "rw")])
    finally:
        os.close(fd)
    assert openclaw.sessions() == []


def test_T65_symlink_to_a_directory_of_the_system_is_no_way_around(openclaw, workspace):
    os.symlink("/etc", workspace.path / "innocent")
    fd = os.open(workspace.path / "innocent", os.O_PATH | os.O_DIRECTORY)
    try:
        with error("InvalidArgument", "CeilingExceeded", "NotPermitted", "SetupFailed"):
            openclaw.create(workspace=fd)
    finally:
        os.close(fd)


def test_T66_no_network_namespace_of_anybody_can_be_joined(openclaw, session):
    for network in (f"container:{session.id}", f"session:{session.id}", "host", f"ns:/proc/{session.get('MonitorPid')}/ns/net"):
        with error("InvalidArgument", "CeilingExceeded", "NotSupported"):
            openclaw.create(network=network)


@pytest.mark.parametrize("access", ["", "w", "x", "R", "rwxx", "wr", "r\n", "ro"])
def test_grant_access_that_is_none_is_refused(openclaw, workspace, access):
    with error("InvalidArgument"):
        openclaw.create(grants=[(workspace.fd, b"/granted", access)])


@pytest.mark.parametrize("path", [b"", b"x", b"/a/../b", b"/a\0", b"/proc/x", b"/usr", b"/dev/x", b"/"])
def test_grant_path_that_is_none_is_refused(openclaw, workspace, path):
    with error("InvalidArgument", "CeilingExceeded"):
        openclaw.create(grants=[(workspace.fd, path, "r")])


def test_grants_appear_with_their_access(openclaw, workspace):
    user = User.named("openclaw")
    with being(user):
        for name in ("reading", "writing", "running"):
            (workspace.path / name).mkdir()
            (workspace.path / name / "f").write_text("#!/bin/sh\necho it ran\n")
            (workspace.path / name / "f").chmod(0o755)
        fds = {n: os.open(workspace.path / n, os.O_PATH) for n in ("reading", "writing", "running")}
    made = openclaw.create(grants=[(fds["reading"], b"/grants/r", "r"), (fds["writing"], b"/grants/w", "rw"),
                                   (fds["running"], b"/grants/x", "rx")])
    for fd in fds.values():
        os.close(fd)
    assert "it ran" in made.sh("cat /grants/r/f").ok()
    assert made.sh("echo new > /grants/r/g").code != 0
    assert made.sh("/grants/r/f").code == 126
    assert made.sh("echo new > /grants/w/g && cat /grants/w/g").ok() == "new\n"
    assert made.sh("/grants/w/f").code == 126
    assert made.sh("/grants/x/f").ok() == "it ran\n"
    assert made.sh("echo new > /grants/x/g").code != 0
    assert (workspace.path / "writing/g").read_text() == "new\n"


def test_file_can_be_granted(openclaw, workspace):
    path = workspace.path / "one"
    path.write_text("only this\n")
    fd = os.open(path, os.O_RDONLY)
    made = openclaw.create(grants=[(fd, b"/given/one", "r")])
    os.close(fd)
    assert made.sh("cat /given/one; ls /given").ok() == "only this\none\n"


def test_denied_paths_are_hidden_or_fixed(openclaw, workspace):
    user = User.named("openclaw")
    with being(user):
        (workspace.path / "secret").write_text("s3cret")
        (workspace.path / "fixed").write_text("fixed")
    made = openclaw.create(workspace=workspace.fd, deny=[b"/workspace/secret", b"/workspace/not-there"],
                           deny_write=[b"/workspace/fixed"])
    assert "s3cret" not in made.sh("cat secret").text
    assert made.sh("echo x > not-there").code != 0
    assert made.sh("cat fixed").ok() == "fixed"
    assert made.sh("echo x > fixed").code != 0 and made.sh("mv fixed elsewhere").code != 0 and made.sh("rm -f fixed").code != 0
    assert (workspace.path / "fixed").read_text() == "fixed"
    assert (workspace.path / "secret").read_text() == "s3cret"


def test_T57_descriptor_index_out_of_range_is_refused(openclaw):
    """The message says "descriptor 5" and carries one; libdbus and sd-bus both count."""
    good = openclaw.message(ROOT, MANAGER, "CreateSession", "sa{sv}", ("default", {"workspace": ("h", 0)}))
    import array
    for index in (1, 5, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF):
        serial = next(openclaw.conn.outgoing_serial)
        data = bytearray(good.serialise(serial=serial, fds=array.array("i")))
        at = data.rindex(b"\x01h\0")
        at += 3 + (-(at + 3)) % 4
        data[at:at + 4] = index.to_bytes(4, "little")
        openclaw.conn._send_with_fds(bytes(data), array.array("i", [0]))
        with error("InvalidArgument", "InvalidArgs"):
            openclaw.wait_reply(serial)
    assert openclaw.sessions() == []


def test_seventeen_descriptors_never_reach_the_daemon(openclaw, workspace, stack):
    """dbus-daemon ends such a connection; the daemon and everybody else go on."""
    pid = stack.ocsbd
    with pytest.raises((OSError, AssertionError, Exception)):
        openclaw.create(grants=[(workspace.fd, b"/g%d" % i, "r") for i in range(17)])
    assert stack.ocsbd == pid
    stack.wait_ready()


def test_sixteen_descriptors_are_accepted(openclaw, workspace):
    made = openclaw.create(grants=[(workspace.fd, b"/grants/g%d" % i, "r") for i in range(16)])
    assert made.sh("ls /grants | wc -l").ok().strip() == "16"


@pytest.mark.parametrize("field, value", [
    ("user", '"0x0"'), ("user", '"-1"'), ("user", '"4294967295"'), ("user", '"1000:"'), ("user", "0"), ("uid", "0"), ("run-as", '"root"')])
def test_T13_T53_no_request_names_the_user_it_runs_as(openclaw, field, value):
    with error("ProfileInvalid", "InvalidArgument"):
        openclaw.create(profile_data=f'{{"{field}": {value}}}'.encode())
    with error("InvalidArgument"):
        openclaw.manager("CreateSession", "sa{sv}", "default", {field: ("s", value)})


def test_T53_owner_is_the_caller_whatever_the_message_says(openclaw, session):
    assert session.get("OwnerUid") == openclaw.user.uid
    assert session.sh("id -u").ok().strip() == str(openclaw.user.uid)
    assert uid_of(session.get("MonitorPid")) not in (0, openclaw.user.uid)


def test_T68_policy_is_never_read_from_the_workspace(openclaw, workspace):
    before = openclaw.explain(workspace=workspace.fd)["digest"]
    with being(User.named("openclaw")):
        for name in (".ocsb.json", "ocsb.json", ".ocsb/profile.json", "default.json", ".ocsb/default.json"):
            (workspace.path / name).parent.mkdir(exist_ok=True)
            (workspace.path / name).write_text('{"network": "host", "root": "host"}')
    assert openclaw.explain(workspace=workspace.fd)["digest"] == before


def test_limits_that_this_machine_cannot_enforce_are_an_error_that_names_the_controller(openclaw):
    controllers = set(openclaw.get(ROOT, MANAGER, "Controllers"))
    for limit, value, controller in (("memory", 64 << 20, "memory"), ("swap", 1 << 20, "memory"), ("pids", 50, "pids"),
                                     ("cpu", 500_000, "cpu"), ("io-weight", 50, "io")):
        if controller in controllers:
            openclaw.create(limits={limit: value}).remove()
        else:
            with error("NotSupported", "SetupFailed") as e:
                openclaw.create(limits={limit: value})
            assert controller in e.value.message
            assert openclaw.sessions() == []


def test_limits_that_need_no_controller_hold(openclaw):
    made = openclaw.create(limits={"nofile": 64, "fsize": 1 << 20, "scratch": 4 << 20})
    assert made.sh("ulimit -n").ok() == "64\n"
    assert made.sh("head -c 2000000 /dev/zero > /tmp/big").code != 0
    assert made.sh("for i in 1 2 3 4 5 6 7 8; do head -c 1000000 /dev/zero > /tmp/f$i || exit 7; done").code == 7


def test_hostname_is_the_sandboxs_own(openclaw):
    assert openclaw.create(hostname="inner").sh("hostname").ok() == "inner\n"
    assert os.uname().nodename != "inner"


def test_get_all_refuses_a_foreign_interface(openclaw, session):
    with error("UnknownInterface", "InvalidArgs", "UnknownProperty"):
        openclaw.call(session.path, "org.freedesktop.DBus.Properties", "Get", "ss", ("no.such.Interface", "Id"))


def test_properties_cannot_be_set(openclaw, session):
    with error("PropertyReadOnly", "AccessDenied", "NotPermitted"):
        openclaw.call(session.path, "org.freedesktop.DBus.Properties", "Set", "ssv", (SESSION, "OwnerUid", ("u", 0)))


@pytest.mark.parametrize("member, signature, args", [
    ("CreateSession", "", ()), ("CreateSession", "s", ("default",)), ("CreateSession", "a{sv}s", ({}, "default")),
    ("CreateSession", "sa{ss}", ("default", {})), ("EnsureSession", "sa{sv}", ("default", {})), ("GetSession", "o", ("/",)),
    ("GetSession", "u", (1,)), ("Approve", "s", ("1",)), ("Approve", "i", (-1,)), ("Deny", "t", (1,)), ("Lockdown", "s", ("yes",)),
    ("Lockdown", "", ()), ("ListSessions", "s", ("x",)), ("Explain", "s", ("default",)), ("Pending", "u", (0,)), ("NoSuchMethod", "", ())])
def test_wrong_signature_is_refused(root, member, signature, args):
    with error("InvalidArgs", "UnknownMethod"):
        root.manager(member, signature, *args)


def test_create_session_of_a_workspace_the_caller_cannot_reach_gives_no_more_than_he_has(openclaw):
    """The descriptor came from somebody else (root): inside, its owner's permissions hold as everywhere."""
    path = pathlib.Path("/home/openclaw/../not-yours").resolve()
    path.mkdir(mode=0o700, exist_ok=True)
    (path / "f").write_text("root's")
    fd = os.open(path, os.O_PATH | os.O_DIRECTORY)
    try:
        made = openclaw.create(workspace=fd)
    except Exception as e:  # noqa: BLE001
        assert e.short in ("InvalidArgument", "NotPermitted", "SetupFailed", "CeilingExceeded")
    else:
        assert "root's" not in made.sh("cat /workspace/f").text
    finally:
        os.close(fd)
        (path / "f").unlink()
        path.rmdir()
