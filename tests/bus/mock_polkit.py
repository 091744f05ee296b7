# SPDX-License-Identifier: LGPL-2.1-or-later
"""A stand-in for polkitd that misbehaves as told: only for what the real one cannot be made to do on demand.

Runs as its own process (python3 mock_polkit.py MODE LOG) and appends a line per call of CheckAuthorization to LOG.
MODE: hang (never answers), die (exits when asked), slow:SECONDS (then says yes), and garbage by name, see GARBAGE."""

import json
import sys
import time

from jeepney import HeaderFields, MessageType, new_error, new_method_return
from jeepney.bus_messages import message_bus
from jeepney.io.blocking import DBusConnection, prep_socket

GARBAGE = {
    "no-body": (None, ()),
    "string": ("s", ("yes",)),
    "booleans": ("bb", (True, True)),
    "short-struct": ("(b)", ((True,),)),
    "strings-for-booleans": ("(ssa{ss})", (("true", "true", {}),)),
    "integers-for-booleans": ("(uua{ss})", ((1, 0, {}),)),
    "details-of-another-type": ("(bba{sv})", ((True, False, {"a": ("s", "b")}),)),
    "bytes": ("ay", (b"\1\0\0\0" * 8,)),
    "array-of-structs": ("a(bba{ss})", ([(True, False, {})],)),
}


def main(mode, log):
    conn = DBusConnection(prep_socket("/run/dbus/system_bus_socket", enable_fds=False))
    conn.send_and_get_reply(message_bus.RequestName("org.freedesktop.PolicyKit1"))
    while True:
        m = conn.receive()
        if m.header.message_type != MessageType.method_call:
            continue
        member = m.header.fields[HeaderFields.member]
        with open(log, "a", encoding="utf-8") as f:
            f.write(json.dumps([member, repr(m.body)]) + "\n")
        if member != "CheckAuthorization":
            conn.send(new_method_return(m))
        elif mode == "die":
            sys.exit(0)
        elif mode.startswith("slow:"):
            time.sleep(float(mode[5:]))
            conn.send(new_method_return(m, "(bba{ss})", ((True, False, {}),)))
        elif mode == "error":
            conn.send(new_error(m, "org.freedesktop.PolicyKit1.Error.Failed", "s", ("no",)))
        elif mode == "success-named-error":
            conn.send(new_error(m, "org.freedesktop.DBus.Error.NameHasNoOwner", "s", ("gone",)))
        elif mode == "no":
            conn.send(new_method_return(m, "(bba{ss})", ((False, False, {}),)))
        elif mode == "dismissed":
            conn.send(new_method_return(m, "(bba{ss})", ((False, False, {"polkit.dismissed": "true"}),)))
        elif mode in GARBAGE:
            signature, body = GARBAGE[mode]
            conn.send(new_method_return(m, signature, body))


if __name__ == "__main__":
    main(*sys.argv[1:])
