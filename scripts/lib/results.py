# SPDX-License-Identifier: LGPL-2.1-or-later
"""Counting tests one by one, whatever speaks of them: TAP, JUnit XML, or a function of our own."""

import re
import subprocess
import threading
import xml.etree.ElementTree as ElementTree

PASS, FAIL, SKIP = "passed", "failed", "skipped"


class Results:
    def __init__(self):
        self._lock = threading.Lock()
        self.rows = []

    def add(self, suite, name, status, detail=""):
        with self._lock:
            self.rows.append((suite, name, status, detail))
            if status == FAIL:
                print(f"FAIL {suite}: {name}" + ("\n" + indent(detail) if detail else ""), flush=True)
            elif status == SKIP:
                print(f"SKIP {suite}: {name}: {detail or 'no reason given'}", flush=True)

    def count(self, status, suite=None):
        return sum(1 for s, _, t, _ in self.rows if t == status and suite in (None, s))

    def suites(self):
        return dict.fromkeys(row[0] for row in self.rows)

    def summary(self):
        return ", ".join(f"{self.count(s)} {s}" for s in (PASS, FAIL, SKIP))


def indent(text, limit=6000):
    text = text.strip()
    if len(text) > limit:
        text = text[:limit // 2] + "\n[…]\n" + text[-limit // 2:]
    return "\n".join("    " + line for line in text.splitlines())


def run(argv, timeout=600, **how):
    """Output and status; a time-out is a status too."""
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout,
                              errors="replace", check=False, **how)
        return done.returncode, done.stdout
    except subprocess.TimeoutExpired as e:
        return 124, (e.stdout or b"").decode(errors="replace") + f"\nno end within {timeout} s"
    except OSError as e:
        return 127, str(e)


TAP = re.compile(r"^(not )?ok\b\s*(\d+)?\s*(?:-\s*)?(.*?)\s*(?:#\s*(SKIP|TODO)\b\s*(.*))?$", re.I)


def add_tap(results, suite, text, status, prefix="", elsewhere=None):
    """Each line of a TAP stream; lines between go to the test before them when it failed. A skip whose reason begins with
    `elsewhere` is not counted: another run has that test."""
    pending = None
    planned, counted = None, 0
    bail = None

    def flush():
        if pending:
            results.add(suite, *pending[:2], "\n".join(pending[2]) if isinstance(pending[2], list) else pending[2])

    for line in text.splitlines():
        plan = re.match(r"^1\.\.(\d+)\s*(?:#\s*SKIP\s*(.*))?$", line, re.I)
        found = TAP.match(line)
        if plan:
            planned = int(plan.group(1))
            if planned == 0 and plan.group(2) is not None:
                flush()
                results.add(suite, prefix + "all", SKIP, plan.group(2))
                return
        elif line.startswith("Bail out!"):
            bail = line
        elif found:
            flush()
            counted += 1
            name = prefix + (found.group(3) or f"test {counted}")
            if (found.group(4) or "").upper() == "SKIP" and elsewhere and found.group(5).startswith(elsewhere):
                pending = None
            elif (found.group(4) or "").upper() == "SKIP":
                pending = (name, SKIP, found.group(5))
            elif found.group(1):
                pending = (name, FAIL, [])
            else:
                pending = (name, PASS, "")
        elif pending and pending[1] == FAIL:
            pending[2].append(line)
    flush()
    if bail or counted == 0 or (planned is not None and planned != counted):
        results.add(suite, prefix + "runs to its end", FAIL, f"{bail or ''} {counted} of {planned} results, status {status}\n" + text[-3000:])
    elif status not in (0, 1, 77) and not results.count(FAIL, suite):
        results.add(suite, prefix + "exit status", FAIL, f"{status}\n" + text[-3000:])


def add_junit(results, suite, path, status, output):
    try:
        cases = list(ElementTree.parse(path).getroot().iter("testcase"))
    except (OSError, ElementTree.ParseError):
        cases = []
    if not cases:
        results.add(suite, "runs to its end", FAIL, f"no results, status {status}\n{output}")
        return
    for case in cases:
        name = f"{case.get('classname', '').rsplit('.', 1)[-1]}.{case.get('name')}"
        problems = [c for c in case if c.tag in ("failure", "error")]
        skipped = case.find("skipped")
        if problems:
            results.add(suite, name, FAIL, "\n".join((c.get("message") or "") + "\n" + (c.text or "") for c in problems))
        elif skipped is not None:
            results.add(suite, name, SKIP, skipped.get("message"))
        else:
            results.add(suite, name, PASS)
    if status not in (0, 1):
        results.add(suite, "exit status", FAIL, f"{status}\n{output}")
