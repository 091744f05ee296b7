# SPDX-License-Identifier: LGPL-2.1-or-later
"""README.md: every example that it marks with "run: USER" works as it is printed, in the order in which it is printed."""

import re
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest

from conftest import SOURCE

TEXT = (SOURCE / "README.md").read_text()
BLOCKS = re.findall(r"^<!-- run: (\w+) -->\n```sh\n(.*?)^```$", TEXT, re.M | re.S)
# Those that need ocsb-fw are run by tests/network.
NETWORK_BLOCKS = re.findall(r"^<!-- network: (\w+) -->\n```sh\n(.*?)^```$", TEXT, re.M | re.S)


def run_as(user, script):
    return subprocess.run(["runuser", "-u", user, "--", "env", "-C", "/", f"HOME=/home/{user}" if user != "root" else "HOME=/root",
                           "bash", "-e", "-o", "pipefail", "-c", script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=120, check=False)


def test_examples_work_as_printed(stack):
    assert len(BLOCKS) >= 5
    for user, script in BLOCKS:
        done = run_as(user, script)
        assert done.returncode == 0, f"as {user}:\n{script}\n-->\n{done.stdout}"


@pytest.mark.parametrize("expected", ['"running"', "hello", "made-inside", "not there", "waits for an admin", '"frozen"', "held"])
def test_examples_show_what_they_say(stack, expected, shown={}):  # noqa: B006  run once
    if not shown:
        shown["text"] = "".join(run_as(user, script).stdout for user, script in BLOCKS)
    assert expected in shown["text"], shown["text"]


def test_every_method_has_an_example():
    lines = [line for _, script in BLOCKS + NETWORK_BLOCKS for line in script.splitlines()]
    for method in ElementTree.parse(SOURCE / "dbus/org.openclaw.Sandbox1.xml").getroot().iter("method"):
        assert any(re.search(rf"busctl .*call .* {method.get('name')}\b", line) for line in lines), method.get("name")


def test_test_command_and_demo_are_named():
    assert "sudo scripts/check" in TEXT and "sudo scripts/demo" in TEXT
