# SPDX-License-Identifier: LGPL-2.1-or-later
"""ocsbctl firewall, and the options of a new session, as a user and an administrator type them."""

import json
import subprocess

import pytest

from world import LLM, LLM_PORT, WEB


def ocsbctl(user, *argv, check=True):
    """As that user; the outcome of the process."""
    def become():
        import os
        os.setgroups([])
        os.setgid(user.gid)
        os.setuid(user.uid)
    done = subprocess.run(["/usr/bin/ocsbctl", *argv], capture_output=True, text=True, timeout=60, cwd="/", preexec_fn=become,
                          env={"PATH": "/usr/bin:/bin", "HOME": user.home, "LANG": "C.UTF-8", "TERM": "dumb"})
    assert not check or done.returncode == 0, done
    return done


@pytest.fixture
def user(world, openclaw):
    return openclaw.user


def test_run_reaches_the_internet_and_what_is_allowed(user, world):
    script = ("import socket, sys\n"
              "for a in sys.argv[1:]:\n"
              "    host, port = a.rsplit(':', 1)\n"
              "    s = socket.socket()\n"
              "    s.settimeout(3)\n"
              "    print(s.connect_ex((host, int(port))))\n")
    argv = ["run", "-p", "internet", f"--allow={LLM[0]}:{LLM_PORT}", "--dns=8.8.8.8", "--", "/usr/bin/python3", "-I", "-c", script,
            WEB[0] + ":443", f"{LLM[0]}:{LLM_PORT}", f"{LLM[0]}:80"]
    assert [int(n) == 0 for n in ocsbctl(user, *argv).stdout.split()] == [True, True, False]
    text = ocsbctl(user, "run", "-p", "internet", "--dns=8.8.8.8", "--", "/bin/cat", "/etc/resolv.conf").stdout
    assert [line for line in text.splitlines() if line.startswith("nameserver")] == ["nameserver 8.8.8.8"]
    assert "no resolvers" in ocsbctl(user, "run", "-p", "internet", "--dns=none", "--", "/bin/cat", "/etc/resolv.conf").stdout


def test_a_profile_without_a_network_says_which_one_has_it(user):
    done = ocsbctl(user, "run", "-p", "default", "--network=nat", "--", "/bin/true", check=False)
    assert done.returncode == 125 and 'such as "internet"' in done.stderr


@pytest.mark.parametrize("argv", [
    ["firewall"], ["firewall", "nonsense"], ["firewall", "allow", "s1"], ["firewall", "allow", "s1", "192.0.2.1"],
    ["firewall", "allow", "s1", "fd00::1:80"], ["firewall", "allow", "s1", "192.0.2.1:80/icmp"], ["firewall", "revoke", "s1", "x"],
    ["firewall", "allow", "s1", "192.0.2.1:80", "--for=-1h"], ["firewall", "status", "--for=1h"], ["firewall", "show", "x"],
    ["firewall", "status", "--llm=192.0.2.1:80"], ["create", "--allow=x"], ["create", "--dns=dns.google"],
    ["create", "--dns=none", "--dns=1.1.1.1"]], ids=" ".join)
def test_usage(user, argv):
    done = ocsbctl(user, *argv, check=False)
    assert done.returncode == 2 and done.stderr.startswith("ocsbctl: ") and not done.stdout


def test_allow_status_revoke(user, world):
    ident = ocsbctl(user, "create", "-p", "internet").stdout.strip()
    grant = ocsbctl(user, "firewall", "allow", ident, f"{LLM[0]}:{LLM_PORT}", "--for", "1h").stdout.strip()
    assert ocsbctl(user, "firewall", "allow", ident, f"[{LLM[1]}]:1-65535").stdout.strip() == str(int(grant) + 1)
    text = ocsbctl(user, "firewall", "status").stdout
    assert "Firewall: active" in text and LLM[0] in text and LLM[1] in text and ident in text and "ocsb" in text
    status = json.loads(ocsbctl(user, "firewall", "status", "--json=short").stdout)
    mine, = [s for s in status["sessions"] if s["session"] == ident]
    assert [g["to"] for g in mine["grants"]] == list(LLM) and "until-usec" in mine["grants"][0]
    assert LLM[0] in ocsbctl(user, "status", ident).stdout
    assert LLM[0] in ocsbctl(user, "show", ident, "-p", "Grants").stdout
    ocsbctl(user, "firewall", "revoke", ident, grant)
    assert ocsbctl(user, "firewall", "revoke", ident, grant, check=False).returncode == 4
    done = ocsbctl(user, "firewall", "allow", ident, "10.9.8.7:80", check=False)
    assert done.returncode == 77 and "ocsbctl approve" in done.stderr
    done = ocsbctl(user, "firewall", "allow", ident, "192.168.50.2:22", check=False)
    assert done.returncode == 77 and "address of this host" in done.stderr
    ocsbctl(user, "rm", ident)


def test_verify_in_one_command(world, stack, root):
    done = ocsbctl(root.user, "firewall", "verify", "--llm", f"{LLM[0]}:{LLM_PORT}", "--internet", WEB[0] + ":443")
    assert "are as expected" in done.stdout and "LLM server" in done.stdout
    world.host.nft("table inet other { chain f { type filter hook forward priority 0; policy drop; }; }")
    done = ocsbctl(root.user, "firewall", "verify", "--internet", WEB[0] + ":443", "-q", check=False)
    assert done.returncode == 1 and "FAILED" in done.stdout and "private range" not in done.stdout
    rows = json.loads(ocsbctl(root.user, "firewall", "verify", "--internet", WEB[0] + ":443", "--json=short", check=False).stdout)
    assert {r["result"] for r in rows} == {"ok", "FAILED"}


def test_show_reload_and_explain(user, root, world):
    assert "table inet oc_sandbox" in ocsbctl(root.user, "firewall", "show").stdout
    ocsbctl(root.user, "firewall", "reload")
    assert ocsbctl(user, "firewall", "show", check=False).returncode == 77
    text = ocsbctl(user, "explain", "-p", "internet", f"--allow={LLM[0]}:{LLM_PORT}").stdout
    assert "RESOLVER" in text and "1.1.1.1" in text and LLM[0] in text and "request" in text


def test_doctor_knows_the_firewall(user):
    done = ocsbctl(user, "doctor", "--json=short", check=False)
    found = {f["name"]: (f["state"], f["text"]) for f in json.loads(done.stdout)}
    assert found["firewall"][0] == "ok" and found["firewall.ipv6"][0] == "ok"
