# SPDX-License-Identifier: LGPL-2.1-or-later
"""README.md: every example that it marks with "network: USER" works as it is printed, in the order in which it is printed."""

import pathlib
import re
import subprocess

TEXT = (pathlib.Path(__file__).resolve().parents[2] / "README.md").read_text()
BLOCKS = re.findall(r"^<!-- network: (\w+) -->\n```sh\n(.*?)^```$", TEXT, re.M | re.S)


def test_examples_work_as_printed(world, stack):
    assert len(BLOCKS) >= 4
    shown = ""
    for user, script in BLOCKS:
        home = "/root" if user == "root" else f"/home/{user}"
        done = subprocess.run(["runuser", "-u", user, "--", "env", "-C", "/", f"HOME={home}", "bash", "-e", "-o", "pipefail", "-c", script],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False)
        assert done.returncode == 0, f"as {user}:\n{script}\n-->\n{done.stdout}"
        shown += done.stdout
    for expected in ("are as expected", "table inet oc_sandbox", "192.168.50.10", "LLM server"):
        assert expected in shown
