# SPDX-License-Identifier: LGPL-2.1-or-later
"""The Manager interface: sessions are made, found, listed, explained; what the machine can do is told."""

import json
import os

import pytest

from client import MANAGER, ROOT, SESSION, BusError
from conftest import error, wait_until


def test_create_session_gives_an_object_and_an_id(openclaw, workspace):
    made = openclaw.create(workspace=workspace.fd)
    assert made.path == f"{ROOT}/session/{made.id}"
    assert made.run(["/bin/echo", "hello"]).ok() == "hello\n"


def test_create_session_with_the_wanted_id(openclaw):
    assert openclaw.create(id="my_session_1").id == "my_session_1"


def test_create_session_with_an_id_in_use_is_busy(openclaw):
    openclaw.create(id="taken")
    with error("Busy"):
        openclaw.create(id="taken")


def test_create_session_with_the_id_of_another_user_is_busy_and_tells_nothing_about_it(stack, openclaw, alice):
    stack.set_rules("polkit.addRule(function(a, s) { if (a.id.indexOf('org.openclaw.sandbox1.create') == 0) return 'yes'; });")
    openclaw.create(id="theirs")
    with error("Busy", "NotPermitted") as e:
        alice.create(id="theirs")
    assert "openclaw" not in e.value.message


@pytest.mark.parametrize("bad", ["", "A", "a-b", "a b", "../x", "a/b", "x" * 33, "ä", "a\n"])
def test_create_session_refuses_an_id_that_is_none(openclaw, bad):
    with error("InvalidArgument"):
        openclaw.create(id=bad)


def test_create_session_of_an_unknown_profile(openclaw):
    with error("NoSuchProfile") as e:
        openclaw.create("no-such-profile")
    assert "no-such-profile" in e.value.message


@pytest.mark.parametrize("bad", ["../default", "/etc/passwd", "a/b", "..", "-x", "A", "x" * 65, "a\x1b[2K", "a\nb"])
def test_create_session_of_a_profile_name_that_is_none(openclaw, bad):
    with error("NoSuchProfile", "InvalidArgument"):
        openclaw.create(bad)


def test_empty_profile_name_is_default(openclaw):
    assert openclaw.create("").get("Profile") == "default"


@pytest.mark.parametrize("profile", ["default", "workspace", "readonly"])
def test_built_in_profile_runs(openclaw, workspace, profile):
    made = openclaw.create(profile, workspace=workspace.fd)
    assert made.get("Profile") == profile
    assert made.sh("echo ok").ok() == "ok\n"


def test_root_is_refused(root):
    with error("NotPermitted") as e:
        root.create()
    assert "root" in e.value.message or "uid 0" in e.value.message


def test_ensure_session_makes_it_once(openclaw, workspace):
    first, state = openclaw.ensure("e1", "hash-1", workspace=workspace.fd)
    assert state == "fresh"
    monitor = first.get("MonitorPid")
    again, state = openclaw.ensure("e1", "hash-1", workspace=workspace.fd)
    assert (state, again.path, again.get("MonitorPid")) == ("running", first.path, monitor)
    assert again.get("ConfigHash") == "hash-1"


def test_ensure_session_replaces_an_idle_one_of_another_configuration(openclaw):
    first, _ = openclaw.ensure("e2", "hash-1")
    monitor = first.get("MonitorPid")
    again, state = openclaw.ensure("e2", "hash-2")
    assert state == "recreated"
    assert again.get("MonitorPid") != monitor and again.get("ConfigHash") == "hash-2"


def test_ensure_session_leaves_a_busy_one_of_another_configuration_alone(openclaw):
    first, _ = openclaw.ensure("e3", "hash-1")
    running = first.exec(["/bin/sleep", "600"]).wait_started()
    again, state = openclaw.ensure("e3", "hash-2")
    assert state == "stale"
    assert again.get("ConfigHash") == "hash-1" and again.get("Execs") == [running.id]


def test_ensure_session_of_another_user_is_refused(openclaw, alice):
    openclaw.ensure("e4", "hash-1")
    with error("NotPermitted"):
        alice.ensure("e4", "hash-1")


def test_ensure_session_refuses_a_config_hash_that_is_too_long(openclaw):
    with error("InvalidArgument"):
        openclaw.ensure("e5", "x" * 129)


@pytest.mark.parametrize("odd", ["", "a\nb\x1b[0m", "x" * 128, "ä" * 60])
def test_ensure_session_takes_any_short_string_as_config_hash(openclaw, odd):
    openclaw.ensure("e5", odd)
    again, state = openclaw.ensure("e5", odd)
    assert state == "running" and again.get("ConfigHash") == odd


def test_ensure_session_called_twice_at_once_makes_one(openclaw, session):
    serials = [openclaw.send(ROOT, MANAGER, "EnsureSession", "sssa{sv}", ("e6", "h", "default", {})) for _ in range(8)]
    replies = {}
    while len(replies) < len(serials):
        m = openclaw.conn.receive(timeout=60)
        serial = m.header.fields.get(5)
        if serial in serials:
            replies[serial] = openclaw.unwrap(m)
    assert len({path for path, _ in replies.values()}) == 1
    assert sorted(state for _, state in replies.values()) == ["fresh"] + ["running"] * 7


def test_get_session_finds_ones_own(openclaw, session):
    assert openclaw.session(session.id).path == session.path


@pytest.mark.parametrize("ident", ["nope", "", "../x", "a" * 300])
def test_get_session_of_none(openclaw, ident):
    with error("NoSuchSession", "InvalidArgument"):
        openclaw.session(ident)


def test_list_sessions_gives_ones_own_only(openclaw, session, alice):
    assert openclaw.sessions() == [(session.id, session.path, "default", "running", str(openclaw.user.uid))]
    assert alice.sessions() == []


def test_list_sessions_gives_root_all(session, root):
    assert session.id in [row[0] for row in root.sessions()]


def test_explain_makes_nothing(openclaw, workspace):
    plan = openclaw.explain(workspace=workspace.fd)
    assert isinstance(plan, dict) and plan["digest"]
    assert openclaw.sessions() == []


def test_explain_names_the_source_of_every_grant_and_denial(openclaw, workspace):
    text = json.dumps(openclaw.explain(workspace=workspace.fd))
    assert "/workspace" in text and "default" in text


def test_explain_needs_no_authorisation(stack, openclaw, alice, nobody):
    stack.set_rules("polkit.addRule(function() { return polkit.Result.NO; });")
    for bus in (openclaw, alice, nobody):
        assert bus.explain()["digest"]


def test_explain_digest_is_the_plans_name(openclaw, workspace):
    plan = openclaw.explain(workspace=workspace.fd)
    assert openclaw.explain(workspace=workspace.fd)["digest"] == plan["digest"]
    assert openclaw.explain(workspace=workspace.fd, hostname="other")["digest"] != plan["digest"]
    made = openclaw.create(workspace=workspace.fd, plan_digest=plan["digest"])
    assert made.get("PlanDigest") == plan["digest"]
    assert json.loads(made.get("Plan"))["digest"] == plan["digest"]


def test_create_session_with_an_outdated_digest_is_busy(openclaw):
    with error("Busy"):
        openclaw.create(plan_digest="0" * 64)
    assert openclaw.sessions() == []


@pytest.mark.parametrize("bad", ["", "x", "0" * 63, "g" * 64, "0" * 65])
def test_create_session_refuses_a_digest_that_is_none(openclaw, bad):
    with error("InvalidArgument", "Busy"):
        openclaw.create(plan_digest=bad)


def test_list_profiles_names_the_built_ins(nobody):
    found = {name: (description, origin) for name, description, origin in nobody.manager("ListProfiles")[0]}
    assert {"default", "workspace", "readonly"} <= set(found)
    assert all(description for description, _ in found.values())


def test_doctor_tells_anybody_what_this_machine_enforces(nobody):
    findings = nobody.manager("Doctor")[0]
    assert findings and all(state in ("ok", "missing", "limited") and sentence for _, state, sentence in findings)
    assert any("landlock" in name.lower() for name, _, _ in findings)


def test_lockdown_ends_all_sessions_and_refuses_new_ones(openclaw, session, root):
    running = session.exec(["/bin/sleep", "600"]).wait_started()
    root.manager("Lockdown", "b", True)
    assert root.get(ROOT, MANAGER, "LockedDown") is True
    assert openclaw.sessions() == []
    assert running.wait().signal == 9
    with error("LockedDown"):
        openclaw.create()
    root.manager("Lockdown", "b", False)
    assert openclaw.create().sh("echo again").ok() == "again\n"


def test_lockdown_survives_a_restart(stack, openclaw, root):
    root.manager("Lockdown", "b", True)
    stack.kill("ocsbd", "ocsb-stage")
    stack.wait_ready()
    with error("LockedDown"):
        openclaw.create()


def test_lockdown_is_not_for_ordinary_users(openclaw, session):
    with error("InteractiveAuthorizationRequired"):
        openclaw.manager("Lockdown", "b", True)
    assert session.sh("echo alive").ok() == "alive\n"


def test_manager_properties(openclaw, session, root):
    values = openclaw.get_all(ROOT, MANAGER)
    assert values["Version"] and values["LockedDown"] is False and values["Sessions"] == 1
    assert 1 <= values["LandlockAbi"] < 100
    assert set(values["Controllers"]) <= {"cpu", "cpuset", "io", "memory", "pids", "hugetlb", "rdma", "misc"}


def test_session_new_and_removed_are_broadcast_with_nothing_but_the_id(openclaw, nobody):
    with nobody.signals(interface=MANAGER, member="SessionNew") as new, \
            nobody.signals(interface=MANAGER, member="SessionRemoved") as removed:
        made = openclaw.create()
        assert new().body == (made.id, made.path)
        made.terminate()
        assert removed().body == (made.id, made.path)


def test_session_properties(openclaw, session, workspace):
    values = openclaw.get_all(session.path, SESSION)
    assert values["Id"] == session.id and values["Profile"] == "default" and values["State"] == "running"
    assert values["OwnerUid"] == openclaw.user.uid
    assert values["Root"] == "host-minimal" and values["Network"] == "none"
    assert values["CreatedUsec"] > 1_600_000_000_000_000
    assert values["Execs"] == []
    assert os.path.isdir(f"/proc/{values['MonitorPid']}")


def test_session_properties_are_the_owners_and_roots_alone(session, alice, nobody, root):
    assert root.get(session.path, SESSION, "Profile") == "default"
    for bus in (alice, nobody):
        with pytest.raises(BusError):
            bus.get(session.path, SESSION, "Plan")
        with pytest.raises(BusError):
            bus.get_all(session.path, SESSION)


def test_last_used_follows_execs(session):
    before = session.get("LastUsedUsec")
    session.sh("true").ok()
    wait_until(lambda: session.get("LastUsedUsec") > before)


def test_idle_session_is_removed_after_its_time(openclaw):
    made = openclaw.create(idle_usec=300_000)
    wait_until(lambda: made.id not in [row[0] for row in openclaw.sessions()])


def test_idle_time_does_not_run_while_an_exec_does(openclaw):
    made = openclaw.create(idle_usec=500_000)
    assert made.sh("sleep 1.5; echo survived").ok() == "survived\n"


def test_session_is_removed_at_its_maximum_age_also_when_busy(openclaw):
    made = openclaw.create(max_age_usec=800_000)
    running = made.exec(["/bin/sleep", "600"])
    assert running.wait().signal == 9
    wait_until(lambda: made.id not in [row[0] for row in openclaw.sessions()])


def test_remove_refuses_a_busy_session(session, openclaw):
    session.exec(["/bin/sleep", "600"]).wait_started()
    with error("Busy"):
        session.remove()
    assert [row[0] for row in openclaw.sessions()] == [session.id]


def test_remove_of_an_idle_session(session, openclaw):
    session.remove()
    assert openclaw.sessions() == []
    with pytest.raises(BusError):
        session.get("State")


def test_terminate_kills_everything_and_returns_when_it_is_gone(session, openclaw):
    running = session.exec(["/bin/sh", "-c", "setsid sleep 600 & sleep 600"]).wait_started()
    monitor = session.get("MonitorPid")
    session.terminate()
    assert running.wait().signal == 9
    assert openclaw.sessions() == []
    wait_until(lambda: not os.path.exists(f"/proc/{monitor}"), 5)


def test_freeze_stops_everything_and_thaw_continues_it(session):
    running = session.exec(["/bin/sh", "-c", "while :; do echo x >> /tmp/ticks; sleep 0.01; done"]).wait_started()
    session.call("Freeze")
    assert session.get("State") == "frozen"
    session.call("Thaw")
    assert session.get("State") == "running"
    session.call("Signal", "ui", running.id, 9)
    assert running.wait().signal == 9


def test_freeze_really_freezes(session):
    r, w = os.pipe()
    running = session.exec(["/bin/sh", "-c", "while :; do echo x; sleep 0.01; done"], fds={1: w}).wait_started()
    os.close(w)
    os.read(r, 100)
    session.call("Freeze")
    os.set_blocking(r, False)
    try:
        while os.read(r, 1 << 16):
            pass
    except BlockingIOError:
        pass
    import time
    time.sleep(0.3)
    with pytest.raises(BlockingIOError):
        os.read(r, 1)
    session.call("Thaw")
    wait_until(lambda: _readable(r))
    session.call("Signal", "ui", running.id, 9)
    os.close(r)


def _readable(fd):
    try:
        return os.read(fd, 100)
    except BlockingIOError:
        return None


def test_frozen_session_can_be_terminated(session, openclaw):
    session.exec(["/bin/sleep", "600"]).wait_started()
    session.call("Freeze")
    session.terminate()
    assert openclaw.sessions() == []


def test_state_change_is_announced_to_nobody_with_a_value(session, openclaw):
    with openclaw.signals(interface="org.freedesktop.DBus.Properties", member="PropertiesChanged", path=session.path) as changed:
        session.call("Freeze")
        names = set()
        while "State" not in names:
            interface, values, invalidated = changed().body
            assert (interface, values) == (SESSION, {})
            names |= set(invalidated)


@pytest.mark.parametrize("member, signature, args", [
    ("Signal", "ui", (999, 15)), ("Resize", "uqq", (999, 24, 80))])
def test_unknown_exec_is_named(session, member, signature, args):
    with error("NoSuchExec"):
        session.call(member, signature, *args)


@pytest.mark.parametrize("member, signature, args", [
    ("GetAll", "s", (SESSION,)), ("Get", "ss", (SESSION, "Id"))])
def test_object_of_no_session(openclaw, member, signature, args):
    with error("NoSuchSession", "UnknownObject", "UnknownMethod", "UnknownInterface"):
        openclaw.call(ROOT + "/session/nope", "org.freedesktop.DBus.Properties", member, signature, args)


def test_methods_on_a_session_that_is_gone(session):
    session.terminate()
    for member in ("Terminate", "Remove", "Freeze", "Thaw", "OpenChannel"):
        with error("NoSuchSession", "UnknownObject", "UnknownMethod"):
            session.call(member)
