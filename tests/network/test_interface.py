# SPDX-License-Identifier: LGPL-2.1-or-later
"""The D-Bus interface Firewall and Session.Update against the real ocsb-fw: who may open what, what is refused, and Verify."""

import contextlib

import pytest

from client import FIREWALL, ROOT, SESSION, BusError
from stack import as_user, wait_until
from world import HOST_LAN, HOST_PUBLIC, LLM, LLM_PORT, RESOLVERS, WEB


def firewall(bus, member, signature="", *args, **how):
    return bus.call(ROOT, FIREWALL, member, signature, args, **how)


@contextlib.contextmanager
def error(*names):
    with pytest.raises(BusError) as caught:
        yield caught
    assert caught.value.name.rsplit(".", 1)[-1] in names, caught.value


def rows_of(answer):
    return [dict(zip(("target", "what", "fence", "expected", "seen", "ok"), row)) for row in answer]


def bad(rows):
    return [(r["target"], r["what"], r["fence"], r["seen"]) for r in rows if not r["ok"]]


# Verify

def test_verify_proves_both_fences(world, stack, root):
    rows = rows_of(firewall(root, "Verify", "sa{sv}", "", {"internet": ("as", [WEB[0] + ":443", f"[{WEB[1]}]:443"]),
                                                           "llm": ("as", [f"{LLM[0]}:{LLM_PORT}"])}, timeout=60)[0])
    assert not bad(rows)
    assert {r["fence"] for r in rows} == {"both", "outer"}
    what = {r["what"].split(" ")[0] for r in rows}
    assert {"internet", "LLM", "resolver", "another", "metadata", "this", "private", "UDP", "ping", "dropped"} <= what
    for address in (*HOST_LAN, *HOST_PUBLIC):
        assert [r for r in rows if address in r["target"] and r["what"] == "this host"]
    assert not root.sessions()


def test_verify_sees_a_drop_in_somebody_elses_table(world, stack, root):
    """Docker's FORWARD policy, say: what must be reachable is not, and the row says so."""
    world.host.nft("table inet other { chain f { type filter hook forward priority 0; policy drop; }; }")
    rows = rows_of(firewall(root, "Verify", "sa{sv}", "", {"internet": ("as", [WEB[0] + ":443"])}, timeout=60)[0])
    assert {r["what"] for r in rows if not r["ok"]} == {"internet", "resolver of the session"}


def test_the_owner_verifies_his_session(sandbox, openclaw):
    rows = rows_of(firewall(openclaw, "Verify", "sa{sv}", sandbox.id, {"internet": ("as", [WEB[0] + ":443"]),
                                                                       "llm": ("as", [f"{LLM[0]}:{LLM_PORT}"])}, timeout=60)[0])
    assert not bad(rows) and {r["fence"] for r in rows} == {"both"}
    allow(openclaw, sandbox.id, LLM[0], LLM_PORT)
    rows = rows_of(firewall(openclaw, "Verify", "sa{sv}", sandbox.id, {"internet": ("as", [WEB[0] + ":443"]),
                                                                       "llm": ("as", [f"{LLM[0]}:{LLM_PORT}"])}, timeout=60)[0])
    assert not bad(rows)
    assert [r["expected"] for r in rows if r["what"] == "LLM server"] == ["reachable"]


def test_verify_has_no_options_but_these(stack, root):
    for options in ({"llm": ("as", ["llm.example:80"])}, {"llm": ("as", ["192.0.2.1"])}, {"internet": ("s", "1.1.1.1:443")},
                    {"internet": ("as", ["1.1.1.1:0"])}, {"color": ("s", "red")}):
        with error("InvalidArgument"):
            firewall(root, "Verify", "sa{sv}", "", options)


# Allow and Revoke

def allow(bus, ident, to, ports=None, proto=None, **more):
    grant = {"to": ("s", to)}
    if ports:
        grant["ports"] = ("s", str(ports))
    if proto:
        grant["proto"] = ("s", proto)
    grant.update({k.replace("_", "-"): ("t", v) for k, v in more.items()})
    return firewall(bus, "Allow", "sa{sv}", ident, grant)[0]


def grants(bus, session):
    return {g["id"][1]: {k: v[1] for k, v in g.items()} for g in bus.get(session.path, SESSION, "Grants")}


def test_a_grant_opens_one_destination_and_its_revocation_closes_it(sandbox, openclaw):
    assert sandbox.fetch(LLM[0], LLM_PORT) is None
    number = allow(openclaw, sandbox.id, LLM[0], LLM_PORT)
    assert sandbox.fetch(LLM[0], LLM_PORT).startswith("lan")
    assert sandbox.fetch(LLM[0], 80) is None and sandbox.fetch("192.168.50.1", LLM_PORT) is None
    assert grants(openclaw, sandbox.session) == {number: {"id": number, "to": LLM[0], "ports": str(LLM_PORT), "proto": "tcp"}}
    assert allow(openclaw, sandbox.id, LLM[0], LLM_PORT) == number, "the same once more changes nothing"
    firewall(openclaw, "Revoke", "su", sandbox.id, number)
    assert sandbox.fetch(LLM[0], LLM_PORT) is None
    assert allow(openclaw, sandbox.id, LLM[0], LLM_PORT) == number + 1, "no number comes twice"
    with error("NoSuchGrant"):
        firewall(openclaw, "Revoke", "su", sandbox.id, number)


def test_a_grant_ends_by_itself(sandbox, openclaw, root):
    with openclaw.signals(interface=FIREWALL, member="GrantExpired") as expired:
        number = allow(openclaw, sandbox.id, LLM[0], LLM_PORT, for_usec=1500000)
        assert sandbox.fetch(LLM[0], LLM_PORT).startswith("lan")
        assert expired().body == (sandbox.id, number)
    assert not grants(openclaw, sandbox.session)
    assert sandbox.fetch(LLM[0], LLM_PORT) is None


@pytest.mark.parametrize("grant, name", [
    ({"to": ("s", "llm.example"), "ports": ("s", "80")}, "InvalidArgument"),
    ({"to": ("s", "0.0.0.0/0"), "ports": ("s", "80")}, "InvalidArgument"),
    ({"to": ("s", "::/0"), "ports": ("s", "80")}, "InvalidArgument"),
    ({"to": ("s", "192.168.0.0/16"), "ports": ("s", "80")}, "InvalidArgument"),
    ({"to": ("s", "192.168.50.1/24"), "ports": ("s", "80")}, "InvalidArgument"),
    ({"to": ("s", "::ffff:192.168.50.10"), "ports": ("s", "80")}, "InvalidArgument"),
    ({"to": ("s", "192.168.50.10"), "ports": ("s", "0")}, "InvalidArgument"),
    ({"to": ("s", "192.168.50.10"), "ports": ("s", "70000")}, "InvalidArgument"),
    ({"to": ("s", "192.168.50.10"), "ports": ("s", "90-80")}, "InvalidArgument"),
    ({"to": ("s", "192.168.50.10"), "ports": ("u", 80)}, "InvalidArgument"),
    ({"to": ("s", "192.168.50.10"), "ports": ("s", "80"), "proto": ("s", "sctp")}, "InvalidArgument"),
    ({"to": ("s", "192.168.50.10"), "ports": ("s", "80"), "until-usec": ("t", 5)}, "InvalidArgument"),
    ({"to": ("s", "192.168.50.10"), "ports": ("s", "80"), "until-usec": ("t", 2**64 - 5)}, "InvalidArgument"),
    ({"to": ("s", "192.168.50.10"), "ports": ("s", "80"), "until-usec": ("x", -5)}, "InvalidArgument"),
    ({"to": ("s", "192.168.50.10"), "ports": ("s", "80"), "colour": ("s", "red")}, "InvalidArgument"),
    ({"ports": ("s", "80")}, "InvalidArgument"),
    ({"to": ("s", HOST_LAN[0]), "ports": ("s", "22")}, "NotPermitted"),
    ({"to": ("s", HOST_PUBLIC[1]), "ports": ("s", "22")}, "NotPermitted"),
], ids=str)
def test_wrong_input_changes_nothing(sandbox, stack, openclaw, grant, name):
    before = stack.table()
    with error(name):
        firewall(openclaw, "Allow", "sa{sv}", sandbox.id, grant)
    assert stack.table() == before and not grants(openclaw, sandbox.session)


def test_an_address_of_the_host_that_is_new_is_refused_as_well(world, sandbox, openclaw):
    world.host.ip("addr add 192.168.50.99/32 dev lan0")
    try:
        with error("NotPermitted"):
            allow(openclaw, sandbox.id, "192.168.50.99", 22)
    finally:
        world.host.ip("addr del 192.168.50.99/32 dev lan0")


def test_sixty_five_grants_are_too_many(sandbox, openclaw):
    for port in range(1, 65):
        allow(openclaw, sandbox.id, LLM[0], port)
    with error("QuotaExceeded"):
        allow(openclaw, sandbox.id, LLM[0], 65)
    assert len(grants(openclaw, sandbox.session)) == 64


def test_a_session_that_is_gone_is_named(sandbox, openclaw):
    ident = sandbox.id
    sandbox.session.terminate()
    with error("NoSuchSession"):
        allow(openclaw, ident, LLM[0], LLM_PORT)
    with error("NoSuchSession"):
        firewall(openclaw, "Revoke", "su", ident, 1)
    with error("NoSuchSession"):
        allow(openclaw, "../x", LLM[0], LLM_PORT)


def test_a_session_without_a_network_gets_no_grant(world, openclaw):
    session = openclaw.create()
    with error("InvalidArgument"):
        allow(openclaw, session.id, LLM[0], LLM_PORT)


def test_beyond_the_ceiling_an_administrator_is_asked(sandbox, openclaw, root):
    """openclaw has no one to ask: a pending request, which root approves, and then it is done once."""
    with error("ApprovalPending") as pending:
        allow(openclaw, sandbox.id, "10.1.2.3", 80)
    number, uid, action, message, _, _ = root.manager("Pending")[0][-1]
    assert str(number) in str(pending.value) and action.endswith("grant-network") and uid == openclaw.user.uid
    assert sandbox.id in message and "10.1.2.3:80/tcp" in message and "as long as the session" in message
    root.manager("Approve", "u", number)
    with error("ApprovalPending"):
        allow(openclaw, sandbox.id, "10.1.2.3", 81)  # another destination is another request
    allow(openclaw, sandbox.id, "10.1.2.3", 80)
    assert sandbox.fetch("10.1.2.3", 80).startswith("lan")
    for n, *_ in root.manager("Pending")[0]:
        root.manager("Deny", "u", n)


def test_somebody_else_opens_and_closes_nothing(sandbox, openclaw):
    with as_user("alice") as alice:
        number = allow(openclaw, sandbox.id, LLM[0], LLM_PORT)
        for call in (lambda: allow(alice, sandbox.id, LLM[0], 80), lambda: firewall(alice, "Revoke", "su", sandbox.id, number),
                     lambda: firewall(alice, "Verify", "sa{sv}", sandbox.id, {}), lambda: firewall(alice, "Verify", "sa{sv}", "", {}),
                     lambda: firewall(alice, "Show"), lambda: firewall(alice, "Reload")):
            with error("NotPermitted", "ApprovalPending", "InteractiveAuthorizationRequired"):
                call()
        assert sandbox.id not in str(firewall(alice, "Status")[0])
    assert list(grants(openclaw, sandbox.session)) == [number]


# Update

def update(sandbox, **values):
    sandbox.session.call("Update", "a{sv}", {k: v for k, v in values.items()})


def destination(to, ports):
    return {"to": ("s", to), "ports": ("s", str(ports))}


def test_update_narrows_at_once_and_widens_below_the_ceiling(make_sandbox, openclaw):
    sandbox = make_sandbox(allow=("aa{sv}", [destination(LLM[0], LLM_PORT), destination(LLM[0], 80)]))
    assert sandbox.fetch(LLM[0], LLM_PORT) and sandbox.fetch(LLM[0], 80)
    update(sandbox, allow=("aa{sv}", [destination(LLM[0], 80)]))
    assert sandbox.fetch(LLM[0], LLM_PORT) is None and sandbox.fetch(LLM[0], 80)
    update(sandbox, allow=("aa{sv}", [destination(LLM[0], 8080)]))
    assert sandbox.fetch(LLM[0], 80) is None and sandbox.fetch(LLM[0], 8080)
    update(sandbox, dns=("as", [RESOLVERS[1]]))
    assert not sandbox.resolve(RESOLVERS[0]) and sandbox.resolve(RESOLVERS[1]) and sandbox.fetch(LLM[0], 8080)
    update(sandbox, allow=("aa{sv}", []), dns=("as", []))
    assert sandbox.fetch(LLM[0], 8080) is None and not sandbox.resolve(RESOLVERS[1])
    with error("InvalidArgument"):
        update(sandbox)


def test_update_closes_before_it_asks(make_sandbox, openclaw, root):
    sandbox = make_sandbox(allow=("aa{sv}", [destination(LLM[0], LLM_PORT)]))
    with error("ApprovalPending"):
        update(sandbox, allow=("aa{sv}", [destination("10.1.2.3", 80)]))
    assert sandbox.fetch(LLM[0], LLM_PORT) is None, "what it gives up is closed whatever becomes of the rest"
    number = root.manager("Pending")[0][-1][0]
    root.manager("Approve", "u", number)
    update(sandbox, allow=("aa{sv}", [destination("10.1.2.3", 80)]))
    assert sandbox.fetch("10.1.2.3", 80)


# Status, and what survives

def test_status_counts_what_passed_and_what_did_not(sandbox, openclaw, root):
    assert sandbox.fetch(WEB[0]) and sandbox.resolve(RESOLVERS[0])
    for bus in (openclaw, root):
        status = {k: v[1] for k, v in firewall(bus, "Status")[0].items()}
        assert status["active"] and not status["lockdown"] and status["ipv6"]
        assert status["pool-ipv4"] == "198.18.0.0/16" and set(HOST_LAN) <= set(status["host-addresses"])
        mine, = [{k: v[1] for k, v in s.items()} for s in status["sessions"] if s["session"][1] == sandbox.id]
        assert mine["uid"] == openclaw.user.uid and mine["dns"] == list(RESOLVERS)
        assert mine["counters"]["allowed"][0] > 0 and mine["counters"]["dns"][0] > 0
    wanted = [a for a in sandbox.addresses() if a]
    wait_until(lambda: sandbox.session.get("Addresses") == wanted, 5, what="the session's addresses are known")
    assert openclaw.get(ROOT, FIREWALL, "Active") is True and openclaw.get(ROOT, FIREWALL, "Sessions") == 1


def test_show_is_nft_text(sandbox, root):
    assert "table inet oc_sandbox" in firewall(root, "Show")[0]
    firewall(root, "Reload")
    assert sandbox.fetch(WEB[0])


def test_grants_are_known_after_both_daemons_were_killed(sandbox, stack, openclaw):
    number = allow(openclaw, sandbox.id, LLM[0], LLM_PORT)
    stack.kill_fw()
    import os
    import signal
    os.kill(stack.child("ocsbd"), signal.SIGKILL)
    wait_until(stack.answers)
    with as_user("openclaw") as bus:
        wait_until(lambda: bus.get(ROOT, FIREWALL, "Active"), what="ocsb-fw is known again")
        wait_until(lambda: bus.get(sandbox.session.path, SESSION, "Grants"), what="its grants are known again")
        assert list(grants(bus, sandbox.session)) == [number]
        firewall(bus, "Revoke", "su", sandbox.id, number)
        assert allow(bus, sandbox.id, LLM[0], LLM_PORT) == number + 1


def test_lockdown_reaches_ocsb_fw(world, stack, root):
    root.manager("Lockdown", "b", True)
    try:
        wait_until(lambda: {k: v[1] for k, v in firewall(root, "Status")[0].items()}["lockdown"], 5)
    finally:
        root.manager("Lockdown", "b", False)
    wait_until(lambda: not {k: v[1] for k, v in firewall(root, "Status")[0].items()}["lockdown"], 5)


def test_a_create_while_ocsb_fw_restarts_waits_for_it(make_sandbox, stack):
    stack.kill_fw()
    assert make_sandbox().fetch(WEB[0])
