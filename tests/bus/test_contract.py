# SPDX-License-Identifier: LGPL-2.1-or-later
"""The written contract, dbus/org.openclaw.Sandbox1.xml, against the running daemon, and the files that are installed with it."""

import re
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest

from client import EXEC_OPTIONS, FIREWALL, MANAGER, OBJECT_MANAGER, ROOT, SESSION, SESSION_OPTIONS
from conftest import SOURCE

CONTRACT = SOURCE / "dbus/org.openclaw.Sandbox1.xml"
OURS = (MANAGER, FIREWALL, SESSION)
CHANGED = "org.freedesktop.DBus.Property.EmitsChangedSignal"


def describe(node):
    """Everything that a client can rely on, in a form that compares: names and types of arguments, access, annotations."""
    found = {}
    for interface in node.iter("interface"):
        if interface.get("name") not in OURS:
            continue
        for method in interface.findall("method"):
            found[interface.get("name"), "method", method.get("name")] = [
                (a.get("name"), a.get("type"), a.get("direction", "in")) for a in method.findall("arg")]
        for signal in interface.findall("signal"):
            found[interface.get("name"), "signal", signal.get("name")] = [
                (a.get("name"), a.get("type")) for a in signal.findall("arg")]
        for prop in interface.findall("property"):
            notes = {a.get("name"): a.get("value") for a in prop.findall("annotation")}
            found[interface.get("name"), "property", prop.get("name")] = [
                prop.get("type"), prop.get("access"), notes.get(CHANGED, "true")]
    return found


@pytest.fixture(scope="module")
def contract():
    return ElementTree.parse(CONTRACT).getroot()


def test_running_manager_is_the_contract(contract, openclaw):
    running = describe(ElementTree.fromstring(openclaw.introspect(ROOT)))
    written = {k: v for k, v in describe(contract).items() if k[0] in (MANAGER, FIREWALL)}
    assert running == written and running


def test_running_session_is_the_contract(contract, openclaw, session):
    running = describe(ElementTree.fromstring(openclaw.introspect(session.path)))
    written = {k: v for k, v in describe(contract).items() if k[0] == SESSION}
    assert running == written and running


def test_every_argument_has_a_name(contract):
    assert all(a.get("name") for a in contract.iter("arg"))


def test_daemon_prints_the_same_introspection_without_a_bus(contract):
    printed = subprocess.run(["/usr/libexec/ocsb/ocsbd", "--bus-introspect"], capture_output=True, check=True, text=True).stdout
    roots = re.findall(r"<node.*?</node>\s*(?=<!DOCTYPE|\Z)", printed, re.S) or [printed]
    found = {}
    for text in roots:
        found.update(describe(ElementTree.fromstring(text)))
    assert found == describe(contract)


def test_documented_session_options_are_the_ones_of_these_tests():
    text = CONTRACT.read_text()
    part = text[text.index("Session options:"):text.index('<method name="CreateSession">')]
    documented = dict(re.findall(r"^        ([a-z-]+) +([a-z(){}]+)  ", part, re.M))
    assert documented == SESSION_OPTIONS


def test_documented_exec_options_are_the_ones_of_these_tests():
    text = CONTRACT.read_text()
    part = " ".join(text[text.index("@options: env aay"):text.index("@exec_id: number within")].split())
    for name, kind in EXEC_OPTIONS.items():
        assert re.search(rf"\b{name}\b( q,)? ?[a-z-]*,? ?{kind}\b|\b{name} {kind}\b", part), name


def test_sessions_are_seen_by_object_manager_and_introspection(openclaw, session):
    objects = openclaw.call(ROOT, OBJECT_MANAGER, "GetManagedObjects")[0]
    assert SESSION in objects[session.path]
    assert objects[session.path][SESSION]["Id"] == ("s", session.id)
    children = ElementTree.fromstring(openclaw.introspect(ROOT + "/session")).findall("node")
    assert session.id in [c.get("name").rsplit("/", 1)[-1] for c in children]


def test_object_manager_shows_nobody_the_sessions_of_others(session, alice):
    objects = alice.call(ROOT, OBJECT_MANAGER, "GetManagedObjects")[0]
    shown = objects.get(session.path, {}).get(SESSION, {})
    assert not set(shown) - {"Id"}, "only the owner and root read a session's properties"


def test_object_manager_says_when_a_session_comes_and_goes(openclaw, workspace):
    with openclaw.signals(interface=OBJECT_MANAGER, member="InterfacesAdded") as added, \
            openclaw.signals(interface=OBJECT_MANAGER, member="InterfacesRemoved") as removed:
        made = openclaw.create(workspace=workspace.fd)
        assert added().body[0] == made.path
        made.terminate()
        path, interfaces = removed().body
        assert path == made.path and SESSION in interfaces


def test_contract_is_valid_xml_for_the_dtd():
    subprocess.run(["xmllint", "--noout", "--nonet", "--dtdvalid", "/usr/share/xml/dbus-1/introspect.dtd", CONTRACT], check=True)


def test_bus_policy_lets_nobody_else_own_the_name(nobody):
    reply = None
    try:
        reply = nobody.call("/org/freedesktop/DBus", "org.freedesktop.DBus", "RequestName", "su",
                            ("org.openclaw.Sandbox1", 0), destination="org.freedesktop.DBus")
    except Exception as e:  # noqa: BLE001  any refusal is one
        assert "AccessDenied" in e.name
    assert reply is None


def test_activation_file_names_the_unit():
    text = (SOURCE / "dbus/org.openclaw.Sandbox1.service").read_text() if (
        SOURCE / "dbus/org.openclaw.Sandbox1.service").exists() else open(
            "/usr/share/dbus-1/system-services/org.openclaw.Sandbox1.service", encoding="utf-8").read()
    entries = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    assert entries["Name"] == "org.openclaw.Sandbox1"
    assert entries["SystemdService"] == "ocsbd.service"
    assert entries["User"] == "root" and entries["Exec"] == "/bin/false"
