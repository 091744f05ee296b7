# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who may do what: real polkitd, real rules, real prompts; the mock only where polkit has to fail."""

import contextlib
import json
import os
import pathlib
import pty
import random
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree

import pytest

import mock_polkit
from client import FIREWALL, MANAGER, ROOT, SESSION, SESSION_OPTIONS, Bus, BusError, Connector, User, being, open_channel, options
from conftest import ALLOW_OURS, DENY_ALL, PASSWORD, SOURCE, error, list_all, read, wait_until

HERE = pathlib.Path(__file__).parent
ACTIONS = pathlib.Path("/usr/share/polkit-1/actions/org.openclaw.sandbox1.policy")
REFUSED = ("NotPermitted", "ApprovalPending", "AccessDenied", "InteractiveAuthorizationRequired", "NoSuchSession")

# What anybody may do for himself without being asked about.
FREE = {"Explain", "ListProfiles", "Doctor", "ListSessions", "Pending"}
ARGUMENTS = {
    "CreateSession": ("sa{sv}", ("default", {})), "EnsureSession": ("sssa{sv}", ("x54", "h", "default", {})),
    "GetSession": ("s", ("ID",)), "ListSessions": ("", ()), "Explain": ("sa{sv}", ("default", {})), "ListProfiles": ("", ()),
    "Pending": ("", ()), "Approve": ("u", (1,)), "Deny": ("u", (1,)), "Lockdown": ("b", (True,)), "Doctor": ("", ()),
    "Exec": ("aayaya{uh}a{sv}", ([b"/bin/true"], b"", {}, {})), "OpenChannel": ("", ()), "Signal": ("ui", (1, 9)),
    "Resize": ("uqq", (1, 24, 80)), "Freeze": ("", ()), "Thaw": ("", ()), "Terminate": ("", ()), "Remove": ("", ()),
    "Update": ("a{sv}", ({"dns": ("as", ["9.9.9.9"])},)), "Status": ("", ()), "Show": ("", ()), "Reload": ("", ()),
    "Verify": ("sa{sv}", ("ID", {})), "Revoke": ("su", ("ID", 1)),
    "Allow": ("sa{sv}", ("ID", {"to": ("s", "192.0.2.10"), "ports": ("s", "1234")})),
}


def methods(contract_interface):
    root = ElementTree.parse(SOURCE / "dbus/org.openclaw.Sandbox1.xml").getroot()
    return [m.get("name") for i in root.iter("interface") if i.get("name") == contract_interface for m in i.findall("method")]


# The method-to-action table


@pytest.mark.parametrize("interface", [MANAGER, FIREWALL, SESSION])
def test_T54_every_method_of_the_introspection_is_tested(openclaw, session, interface):
    path = session.path if interface == SESSION else ROOT
    node = ElementTree.fromstring(openclaw.introspect(path))
    running = [m.get("name") for i in node.findall("interface") if i.get("name") == interface for m in i.findall("method")]
    assert set(running) == set(methods(interface)) and set(running) <= set(ARGUMENTS)


@pytest.mark.parametrize("member", methods(MANAGER))
def test_T54_manager_method_as_nobody_under_deny_all(stack, openclaw, nobody, root, member):
    session = openclaw.create()
    running = session.exec(["/bin/sleep", "600"]).wait_started()
    stack.set_rules(DENY_ALL)
    signature, args = ARGUMENTS[member]
    args = tuple(session.id if a == "ID" else a for a in args)
    if member in FREE:
        answer = nobody.manager(member, signature, *args)[0]
        assert session.id not in json.dumps(answer)
    else:
        with error(*REFUSED, "NoSuchRequest"):
            nobody.manager(member, signature, *args)
    assert session.get("Execs") == [running.id] and session.get("State") == "running"
    assert [row[0] for row in root.sessions()] == [session.id]
    assert root.get(ROOT, MANAGER, "LockedDown") is False


@pytest.mark.parametrize("member", methods(SESSION))
def test_T54_session_method_as_nobody_under_deny_all(stack, openclaw, nobody, root, member):
    session = openclaw.create()
    running = session.exec(["/bin/sleep", "600"]).wait_started()
    stack.set_rules(DENY_ALL)
    signature, args = ARGUMENTS[member]
    with error(*REFUSED):
        session.on(nobody).call(member, signature, *args)
    assert session.get("Execs") == [running.id] and session.get("State") == "running"


@pytest.mark.parametrize("member", methods(FIREWALL))
def test_T54_firewall_method_as_nobody_under_deny_all(stack, openclaw, nobody, member):
    session = openclaw.create()
    stack.set_rules(DENY_ALL)
    signature, args = ARGUMENTS[member]
    args = tuple(session.id if a == "ID" else a for a in args)
    if member == "Status":
        assert session.id not in json.dumps(nobody.call(ROOT, FIREWALL, member, signature, args)[0], default=str)
        return
    with error(*REFUSED):
        nobody.call(ROOT, FIREWALL, member, signature, args)


def test_T54_every_action_is_in_the_policy_file_and_known_to_polkit(stack):
    ids = [a.get("id") for a in ElementTree.parse(ACTIONS).getroot().iter("action")]
    expected = {"create-session", "exec", "manage-sessions", "launch", "approve-request", "lockdown", "grant-network",
                "manage-firewall"}
    assert {"org.openclaw.sandbox1." + e for e in expected} <= set(ids)
    for ident in ids:
        shown = subprocess.run(["pkaction", "--verbose", "--action-id", ident], capture_output=True, text=True, check=True).stdout
        assert "implicit any" in shown


def test_T58_defaults_widen_nothing_for_anybody():
    """A password of an admin, or no; nothing is kept whose meaning lies in its details."""
    keep_allowed = {"org.openclaw.sandbox1.manage-sessions", "org.openclaw.sandbox1.read-audit"}
    for action in ElementTree.parse(ACTIONS).getroot().iter("action"):
        values = {k: action.findtext(f"defaults/allow_{k}") for k in ("any", "inactive", "active")}
        for value in values.values():
            assert value in ("no", "auth_admin", "auth_admin_keep"), (action.get("id"), values)
            assert value != "auth_admin_keep" or action.get("id") in keep_allowed, action.get("id")
        owner = [a.text for a in action.findall("annotate") if a.get("key") == "org.freedesktop.policykit.owner"]
        assert owner == ["unix-user:ocsb"], action.get("id")


def test_polkit_file_is_valid_xml_for_its_dtd():
    subprocess.run(["xmllint", "--noout", "--nonet", "--dtdvalid", "/usr/share/polkit-1/policyconfig-1.dtd", ACTIONS], check=True)


def test_imply_annotations_name_actions_that_exist():
    root = ElementTree.parse(ACTIONS).getroot()
    ids = {a.get("id") for a in root.iter("action")}
    for a in root.iter("annotate"):
        if a.get("key") == "org.freedesktop.policykit.imply":
            assert set(a.text.split()) <= ids


def test_T50_no_process_subject_anywhere_in_the_source():
    found = [str(p) for p in (SOURCE / "src").rglob("*.[ch]") if re.search(r"unix-process|unix-session", p.read_text())]
    assert found == []


# The example rule


def test_example_rule_lets_openclaw_create_sessions_of_the_shipped_profiles(openclaw, workspace):
    for profile in ("default", "workspace", "readonly"):
        openclaw.create(profile, workspace=workspace.fd)


def test_example_rule_gives_openclaw_nothing_else(stack, openclaw, alice):
    with error(*REFUSED):
        openclaw.manager("Lockdown", "b", True)
    with error(*REFUSED, "NoSuchRequest"):
        openclaw.manager("Approve", "u", 1)
    with error(*REFUSED, "ProfileInvalid", "CeilingExceeded"):
        openclaw.create(profile_data=b'{"root": "host"}')


def test_example_rule_gives_nobody_else_anything(alice, nobody):
    for bus in (alice, nobody):
        with error(*REFUSED):
            bus.create()
        assert bus.sessions() == []


def test_own_profile_text_is_not_one_of_the_shipped_profiles(openclaw):
    """@profile only names it: "default" with other text is another thing to polkit."""
    with error(*REFUSED):
        openclaw.create("default", profile_data=b'{"extends": "default"}')


def test_owner_needs_no_polkit_for_his_own_session(stack, openclaw, session):
    stack.stop_polkit()
    assert session.sh("echo still").ok() == "still\n"
    running = session.exec(["/bin/sleep", "600"]).wait_started()
    session.call("Signal", "ui", running.id, 9)
    session.call("Freeze")
    session.call("Thaw")
    assert openclaw.sessions()[0][0] == session.id
    session.terminate()


# Sessions of others


@pytest.mark.parametrize("member", methods(SESSION))
def test_T61_session_of_another_user_is_out_of_reach(session, alice, member):
    running = session.exec(["/bin/sleep", "600"]).wait_started()
    signature, args = ARGUMENTS[member]
    with error(*REFUSED):
        session.on(alice).call(member, signature, *args)
    assert session.get("Execs") == [running.id]


def test_T61_session_of_another_user_is_not_even_there(session, alice, nobody):
    for bus in (alice, nobody):
        with error("NoSuchSession"):
            bus.session(session.id)
        assert session.id not in json.dumps(bus.sessions())


def test_T61_channel_of_another_users_session_is_refused(session, alice, nobody):
    for bus in (alice, nobody):
        channel = open_channel(bus.user, session.id)
        channel.sock.settimeout(10)
        with pytest.raises((BusError, EOFError, OSError)):
            outcome = channel.send_exec(["/bin/echo", "mine"]).wait(10)
            assert outcome.failed, outcome
            raise BusError("failed", outcome.failed.text)
        channel.close()
    assert session.get("Execs") == []


def test_session_of_another_user_with_manage_sessions(stack, session, alice):
    stack.set_rules("polkit.addRule(function(a, s) { if (a.id == 'org.openclaw.sandbox1.manage-sessions' && s.user == 'alice') return 'yes'; });")
    assert alice.session(session.id).path == session.path
    assert session.id in [row[0] for row in alice.sessions()]
    theirs = session.on(alice)
    theirs.call("Freeze")
    theirs.call("Thaw")
    with error(*REFUSED):
        theirs.exec(["/bin/true"])
    theirs.terminate()
    assert list_all() == []


def test_exec_in_the_session_of_another_user_needs_its_own_action(stack, session, alice):
    stack.set_rules("polkit.addRule(function(a, s) { if (a.id == 'org.openclaw.sandbox1.exec' && s.user == 'alice') return 'yes'; });")
    assert session.on(alice).run(["/usr/bin/id", "-u"]).ok().strip() == str(session.bus.user.uid)
    with error(*REFUSED):
        session.on(alice).terminate()


# Uids


@pytest.mark.parametrize("uid", [2147483648, 4294967294])
def test_T52_uid_beyond_int_max_is_refused(stack, session, uid):
    stack.set_rules(ALLOW_OURS)
    user = User("beyond", uid, 65534)
    with contextlib.ExitStack() as cleanup:
        try:
            bus = cleanup.enter_context(Bus(user))
        except (OSError, ValueError):
            return  # the bus does not even let it in
        with error(*REFUSED):
            bus.create()
        with error(*REFUSED):
            bus.manager("Lockdown", "b", True)
        with error(*REFUSED):
            session.on(bus).terminate()
    assert session.get("State") == "running"


def test_uid_without_an_account_is_served_or_refused_by_name(stack):
    stack.set_rules(ALLOW_OURS)
    try:
        bus = Bus(User("ghost", 54321, 54321))
    except ConnectionError:
        return  # dbus-daemon does not let him in
    with bus:
        try:
            assert bus.create().sh("id -u").ok() == "54321\n"
        except BusError as e:
            assert e.short in ("NotPermitted", "InvalidArgument") and "54321" in e.message


# What polkit is told, and what it shows


RECORD = """polkit.addRule(function(action, subject) {
    if (action.id.indexOf("org.openclaw.sandbox1.") != 0) return polkit.Result.NOT_HANDLED;
    polkit.log("SEEN " + action.id + " " + subject.user + " " + ["profile", "origin", "network", "digest", "root", "summary"].map(
        function(k) { return k + "=" + action.lookup(k); }).join(" | ") + " | text=" + action.lookup("polkit.message"));
    return polkit.Result.YES;
});"""


def seen():
    return [line.partition("SEEN ")[2] for line in read("/run/with-ocsb/log/polkitd").splitlines() if "SEEN " in line]


def test_T55_details_carry_profile_network_and_digest_of_the_plan(stack, alice, workspace):
    stack.set_rules(RECORD)
    digest = alice.explain(network="none")["digest"]
    count = len(seen())
    made = alice.create(network="none")
    line = wait_until(lambda: seen()[count:])[0]
    assert line.startswith("org.openclaw.sandbox1.create-session alice")
    assert "profile=default" in line and "network=none" in line and digest in line
    assert made.get("PlanDigest") == digest


def test_host_root_is_the_launch_action(stack, alice):
    stack.set_rules(RECORD)
    count = len(seen())
    with contextlib.suppress(BusError):
        alice.create(profile_data=b'{"root": "host"}')
    line = wait_until(lambda: seen()[count:])[0]
    assert line.startswith("org.openclaw.sandbox1.launch ")


def test_one_question_per_session_and_none_per_exec(stack, alice):
    stack.set_rules(RECORD)
    made = alice.create()
    count = len(seen())
    for _ in range(5):
        made.run(["/bin/true"]).ok()
    time.sleep(0.2)
    assert len(seen()) == count


NASTY = "a\x1b[2K\r\nGRANTED \u202egnp.exe \u2066x\x07"


def test_T62_caller_made_strings_are_escaped_in_details(stack, alice, workspace):
    stack.set_rules(RECORD)
    count = len(seen())
    path = ("/workspace/" + NASTY).encode()
    with being(User.named("alice")):
        fd = os.open("/home/alice", os.O_PATH)
    with contextlib.suppress(BusError):
        alice.create(workspace=fd, workspace_path=path)
    os.close(fd)
    for line in seen()[count:]:
        assert line.isprintable() or not re.search(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", line), ascii(line)


def test_T62_nothing_raw_comes_back_in_errors(openclaw):
    for call in (lambda: openclaw.create(NASTY), lambda: openclaw.session(NASTY), lambda: openclaw.create(hostname=NASTY),
                 lambda: openclaw.manager("CreateSession", "sa{sv}", "default", {NASTY: ("s", NASTY)})):
        with error("InvalidArgument", "NoSuchProfile", "NoSuchSession"):
            call()


# Prompts


def on_terminal(user, argv, password, seconds=30):
    """Runs argv as the user on a new terminal and answers password prompts; everything that was on the screen."""
    pid, master = pty.fork()
    if pid == 0:
        os.initgroups(user.name, user.gid)
        os.setresgid(user.gid, user.gid, user.gid)
        os.setresuid(user.uid, user.uid, user.uid)
        os.environ.clear()
        os.environ.update(PATH="/usr/bin:/bin", HOME=user.home, USER=user.name, LANG="C.UTF-8", TERM="dumb")
        os.execvp(argv[0], argv)
    screen, end, answered = b"", time.monotonic() + seconds, 0
    while time.monotonic() < end:
        if not select.select([master], [], [], 0.5)[0]:
            continue
        try:
            data = os.read(master, 4096)
        except OSError:
            data = b""
        if not data:
            break
        screen += data
        if screen.count(b"assword:") > answered:
            answered += 1
            time.sleep(0.1)
            os.write(master, password.encode() + b"\n")
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(master)
    return screen.decode(errors="replace")


def asking(call):
    """A program that registers pkttyagent for itself and then calls, allowing interaction."""
    return [sys.executable, "-c", f"""
import os, subprocess, sys, time
sys.path.insert(0, {str(HERE)!r}); sys.dont_write_bytecode = True
from client import *
r, w = os.pipe(); os.set_inheritable(w, True)
agent = subprocess.Popen(["pkttyagent", "--process", str(os.getpid()), "--notify-fd", str(w)], pass_fds=[w])
os.close(w); os.read(r, 1)
bus = Bus(None)
try:
    print("RESULT", {call})
except BusError as e:
    print("ERROR", e.short)
agent.terminate()
print("THE-END")
"""]


def test_prompt_with_the_right_password_makes_the_session(alice):
    screen = on_terminal(alice.user, asking("bus.create(interactive=True, timeout=60).sh('id -un || id -u').text"), PASSWORD)
    assert "Authentication is required" in screen and "'default'" in screen.replace('"', "'") or "default" in screen
    assert "RESULT" in screen, screen


def test_prompt_with_the_wrong_password_denies(alice):
    screen = on_terminal(alice.user, asking("bus.create(interactive=True, timeout=60)"), "wrong")
    assert "RESULT" not in screen and "ERROR NotPermitted" in screen, screen
    assert list_all() == []


def test_prompt_of_one_password_covers_one_request(alice):
    """auth_admin, never kept: the second, other request asks again."""
    screen = on_terminal(alice.user, asking(
        "bus.create(interactive=True, timeout=60).id and bus.create(hostname='other', interactive=True, timeout=60).id"), PASSWORD)
    assert screen.count("assword:") == 2 and "RESULT" in screen, screen


def test_T62_prompt_shows_no_control_characters_of_the_caller(alice):
    screen = on_terminal(alice.user, asking(f"bus.create(interactive=True, timeout=60, deny=[{('/workspace/' + NASTY).encode()!r}])"),
                         PASSWORD)
    shown = screen.partition("Authentication is required")[2]
    assert "\x1b[2K" not in shown and "\u202e" not in shown and "\r\nGRANTED" not in shown, ascii(screen)


def test_caller_without_permission_for_prompts_is_not_prompted(alice):
    screen = on_terminal(alice.user, asking("bus.create(timeout=60)"), PASSWORD)
    assert "assword:" not in screen and "ERROR ApprovalPending" in screen, screen


def test_ocsbctl_asks_for_the_password_on_a_terminal(alice):
    screen = on_terminal(alice.user, ["ocsbctl", "create", "--name", "asked"], PASSWORD)
    assert screen.count("assword:") == 1 and "asked" in screen, screen
    assert [row[0] for row in alice.sessions()] == ["asked"]


def test_ocsbctl_run_asks_for_the_password_on_a_terminal(alice):
    screen = on_terminal(alice.user, ["ocsbctl", "run", "--", "echo", "after", "the", "password"], PASSWORD)
    assert screen.count("assword:") == 1 and "after the password" in screen, screen
    assert alice.sessions() == []


def test_ocsbctl_does_not_ask_when_told_so(alice):
    screen = on_terminal(alice.user, ["ocsbctl", "--no-ask-password", "create"], PASSWORD)
    assert "assword:" not in screen and "ocsbctl approve" in screen, screen
    assert alice.sessions() == []


# Pending requests


def pending(bus):
    return bus.manager("Pending")[0]


def ask(bus, **values):
    with error("ApprovalPending") as e:
        bus.create(**values)
    number = int(re.search(r"\b(\d+)\b", e.value.message).group(1))
    return number


def test_request_of_a_caller_without_a_session_waits_for_an_admin(alice, root, nobody):
    number = ask(alice)
    mine = pending(alice)
    assert [row[0] for row in mine] == [number]
    _, uid, action, message, digest, left = mine[0]
    assert (uid, action, digest) == (alice.user.uid, "org.openclaw.sandbox1.create-session", alice.explain()["digest"])
    assert message and 0 < left <= 600
    assert [row[0] for row in pending(root)] == [number]
    assert pending(nobody) == []
    assert alice.sessions() == []


def test_new_request_is_announced_by_its_number_alone(alice, nobody):
    with nobody.signals(interface=MANAGER, member="RequestNew") as new:
        number = ask(alice)
        assert new().body == (number,)


def test_approved_request_is_good_for_the_very_thing_once(alice, root):
    number = ask(alice)
    root.manager("Approve", "u", number)
    assert pending(root) == []
    with error("ApprovalPending"):
        alice.create(hostname="other")
    assert alice.create().sh("echo approved").ok() == "approved\n"
    with error("ApprovalPending"):
        alice.create()


def test_approval_is_for_the_requester_alone(stack, alice, nobody, root):
    root.manager("Approve", "u", ask(alice))
    with error("ApprovalPending"):
        nobody.create()
    alice.create()


def test_denied_request_is_gone(alice, root):
    number = ask(alice)
    root.manager("Deny", "u", number)
    assert pending(alice) == [] and pending(root) == []
    with error("NoSuchRequest"):
        root.manager("Approve", "u", number)


def test_requester_can_withdraw_his_request(alice):
    alice.manager("Deny", "u", ask(alice))
    assert pending(alice) == []


def test_requester_cannot_approve_his_own_request(alice):
    number = ask(alice)
    with error(*REFUSED):
        alice.manager("Approve", "u", number)
    assert [row[0] for row in pending(alice)] == [number]
    with error("ApprovalPending"):
        alice.create()


def test_T61_request_of_another_user_cannot_be_answered(alice, nobody, openclaw):
    number = ask(alice)
    for bus in (nobody, openclaw):
        for member in ("Approve", "Deny"):
            with error(*REFUSED, "NoSuchRequest"):
                bus.manager(member, "u", number)
    assert [row[0] for row in pending(alice)] == [number]


def test_admin_approves_with_his_password(alice, admin):
    number = ask(alice)
    screen = on_terminal(admin.user, asking(f"bus.manager('Approve', 'u', {number}, interactive=True)"), PASSWORD)
    assert "assword:" in screen and "RESULT" in screen, screen
    assert alice.create().sh("echo yes").ok() == "yes\n"


def test_the_same_request_twice_is_one(alice):
    assert ask(alice) == ask(alice)
    assert len(pending(alice)) == 1


def test_pending_requests_are_bounded(alice):
    waiting = set()
    for i in range(200):
        try:
            waiting.add(ask(alice, hostname=f"h{i}"))
        except AssertionError:
            break
        except BusError as e:
            assert e.short == "QuotaExceeded"
            break
    with pytest.raises(BusError) as e:
        for i in range(200):
            try:
                alice.create(hostname=f"again{i}")
            except BusError as one:
                if one.short != "ApprovalPending":
                    raise
    assert e.value.short == "QuotaExceeded" and len(waiting) < 200


@pytest.mark.parametrize("number", [0, 1, 4294967295])
def test_request_that_is_none(root, number):
    for member in ("Approve", "Deny"):
        with error("NoSuchRequest"):
            root.manager(member, "u", number)


# polkit that fails


@contextlib.contextmanager
def mock(stack, mode):
    log = pathlib.Path(tempfile.mkdtemp(dir="/run/with-ocsb/fault")) / "calls"
    os.chmod(log.parent, 0o777)
    stack.stop_polkit()
    child = subprocess.Popen([sys.executable, "-B", "-c", (HERE / "mock_polkit.py").read_text(), mode, str(log)], user="polkitd", cwd="/")
    wait_until(lambda: stack.owner("org.freedesktop.PolicyKit1"))
    try:
        yield lambda: [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    finally:
        child.kill()
        child.wait()
        wait_until(lambda: not stack.owner("org.freedesktop.PolicyKit1"))


def asked(calls):
    return [c for c in calls() if c[0] == "CheckAuthorization"]


def test_T69_polkit_absent_denies(stack, alice, openclaw):
    stack.stop_polkit()
    pid = stack.ocsbd
    for bus in (alice, openclaw):
        with error(*REFUSED):
            bus.create()
    assert list_all() == [] and stack.ocsbd == pid


@pytest.mark.parametrize("mode", ["die", "error", "success-named-error", "no", "dismissed", *mock_polkit.GARBAGE])
def test_T69_polkit_that_dies_or_answers_garbage_denies(stack, alice, mode):
    pid = stack.ocsbd
    with mock(stack, mode) as calls:
        with error(*REFUSED):
            alice.create(timeout=90)
        assert asked(calls)
    assert list_all() == [] and stack.ocsbd == pid


def test_T69_polkit_that_hangs_stops_nobody_else(stack, alice, openclaw, session):
    with mock(stack, "hang") as calls:
        waiting = alice.send(ROOT, MANAGER, "CreateSession", "sa{sv}", ("default", {}))
        wait_until(lambda: asked(calls))
        begin = time.monotonic()
        assert session.sh("echo served").ok() == "served\n"
        assert openclaw.session(session.id).get("State") == "running" and openclaw.explain()
        session.call("Freeze")
        session.call("Thaw")
        assert time.monotonic() - begin < 5
        with pytest.raises(TimeoutError):
            alice.wait_reply(waiting, 0.2)
    with error(*REFUSED):
        alice.wait_reply(waiting, 30)
    assert [row[0] for row in list_all()] == [session.id]


def test_T69_polkit_that_hangs_holds_a_list_up_by_seconds_only(stack, alice, session):
    """Whether he may see the sessions of others is a question of what is shown, not of whether."""
    with mock(stack, "hang") as calls:
        begin = time.monotonic()
        assert alice.manager("ListSessions")[0] == []
        assert asked(calls) and time.monotonic() - begin < 10
    assert [row[0] for row in list_all()] == [session.id]


def test_T69_polkit_that_answers_late_is_waited_for(stack, alice):
    with mock(stack, "slow:3"):
        assert alice.create().sh("echo late").ok() == "late\n"


def test_T50_polkit_is_asked_about_the_bus_name_of_the_caller(stack, alice):
    with mock(stack, "no") as calls:
        with error(*REFUSED):
            alice.create()
        call = asked(calls)[0][1]
    assert "system-bus-name" in call and alice.name in call and "unix-process" not in call


def test_polkit_question_is_cancelled_when_the_caller_leaves(stack):
    with mock(stack, "hang") as calls:
        bus = Bus(User.named("alice"))
        bus.send(ROOT, MANAGER, "CreateSession", "sa{sv}", ("default", {}))
        wait_until(lambda: asked(calls))
        bus.close()
        wait_until(lambda: [c for c in calls() if c[0] == "CancelCheckAuthorization"])


def test_T51_caller_that_vanishes_while_polkit_asks_gets_nothing(stack):
    """1,000 callers leave at random moments of a create of which the real polkitd takes about 2 ms to decide. Whoever left before the answer
    has no session; whoever stayed may have one, and then it is his."""
    user = User.named("openclaw")
    generator = random.Random(51)
    made = 0
    for i in range(1000):
        bus = Bus(user)
        bus.send(ROOT, MANAGER, "CreateSession", "sa{sv}", ("default", options(SESSION_OPTIONS, {"id": f"v{i}"})))
        time.sleep(generator.random() * 0.006)
        bus.close()
        if i % 50 == 49:
            rows = list_all()
            made += len(rows)
            with Bus() as root:
                for row in rows:
                    assert row[4] == str(user.uid)
                    with contextlib.suppress(BusError):
                        root.session(row[0]).terminate()
    stack.wait_ready()
    wait_until(lambda: not settle())
    assert made < 1000, "not one caller was noticed to have left"


def settle():
    """Ends what is there; what was."""
    rows = list_all()
    with Bus() as root:
        for row in rows:
            with contextlib.suppress(BusError):
                root.session(row[0]).terminate()
    return rows


def test_T51_caller_that_vanished_before_a_late_yes_gets_nothing(stack):
    with mock(stack, "slow:1") as calls:
        for _ in range(3):
            bus = Bus(User.named("alice"))
            bus.send(ROOT, MANAGER, "CreateSession", "sa{sv}", ("default", {}))
            count = len(asked(calls))
            wait_until(lambda: len(asked(calls)) > count or asked(calls))
            bus.close()
        time.sleep(4)
    assert list_all() == []


def test_T50_caller_that_ended_while_polkit_asked_is_refused(stack):
    """Its connection is still open, held by another process: nobody is left whom the answer was about."""
    user = User.named("alice")
    with mock(stack, "slow:1.5") as calls:
        connector = Connector(user)
        with Connector.lock:
            usual, Connector.made[user.uid] = Connector.made.get(user.uid), connector
        try:
            bus = Bus(user)
        finally:
            with Connector.lock:
                Connector.made.pop(user.uid)
                if usual:
                    Connector.made[user.uid] = usual
        waiting = bus.send(ROOT, MANAGER, "CreateSession", "sa{sv}", ("default", {}))
        wait_until(lambda: asked(calls))
        os.kill(connector.pid, signal.SIGKILL)
        os.waitpid(connector.pid, 0)
        with error("NotPermitted"):
            bus.wait_reply(waiting)
        bus.close()
    assert list_all() == []


def test_T55_profile_changed_while_polkit_asks_is_not_executed(stack, alice):
    """What is carried out is what the question named, or nothing."""
    path = pathlib.Path("/etc/ocsb/profiles/changing.json")
    path.write_text('{"name": "changing", "extends": "default", "description": "before", "hostname": "before"}')
    try:
        reload(stack)
        with mock(stack, "slow:2") as calls:
            digest = alice.explain("changing")["digest"]
            waiting = alice.send(ROOT, MANAGER, "CreateSession", "sa{sv}", ("changing", {}))
            wait_until(lambda: asked(calls))
            path.write_text('{"name": "changing", "extends": "default", "description": "after", "hostname": "after"}')
            reload(stack)
            try:
                session_path, ident = alice.wait_reply(waiting)
            except BusError as e:
                assert e.short in ("Busy", "NotPermitted")
            else:
                assert alice.get(session_path, SESSION, "PlanDigest") == digest
                assert alice.session(ident).sh("hostname").ok() == "before\n"
    finally:
        path.unlink()
        reload(stack)


def reload(stack):
    os.kill(stack.ocsbd, signal.SIGHUP)
    stack.wait_ready()
