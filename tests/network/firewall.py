# SPDX-License-Identifier: LGPL-2.1-or-later
"""org.openclaw.Sandbox1.Firewall and Session.Update, as Python would have them."""

from client import ROOT

INTERFACE = "org.openclaw.Sandbox1.Firewall"
TYPES = {"to": "s", "ports": "s", "proto": "s", "until-usec": "t", "for-usec": "t"}


def destination(to, ports=None, proto=None, **values):
    values = {"to": to, "ports": None if ports is None else str(ports), "proto": proto, **values}
    return {k.replace("_", "-"): (TYPES[k.replace("_", "-")], v) for k, v in values.items() if v is not None}


def destinations(*items):
    """For the options allow of CreateSession and Update."""
    return ("aa{sv}", list(items))


def call(bus, method, signature="", *args, **how):
    return bus.call(ROOT, INTERFACE, method, signature, args, **how)


def allow(bus, session, to, ports=None, proto=None, **values):
    """The number of the grant."""
    return call(bus, "Allow", "sa{sv}", session, destination(to, ports, proto, **values))[0]


def revoke(bus, session, ident):
    call(bus, "Revoke", "su", session, ident)


def update(session, **options):
    session.call("Update", "a{sv}", options)


def plain(value):
    """Without the types of variants."""
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str) and not isinstance(value[1], str | int):
        return plain(value[1])
    if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str) and value[0] in ("s", "b", "u", "t", "q", "i"):
        return value[1]
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [plain(v) for v in value]
    return value


def status(bus):
    return plain(call(bus, "Status")[0])


def session_status(bus, ident):
    return next(s for s in status(bus)["sessions"] if s["session"] == ident)


def verify(bus, session="", timeout=120, **options):
    """Rows of target, meaning, fence, expected, seen, ok."""
    return call(bus, "Verify", "sa{sv}", session, {k: ("as", v) for k, v in options.items()}, timeout=timeout)[0]
