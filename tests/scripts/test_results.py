# SPDX-License-Identifier: LGPL-2.1-or-later
"""scripts/check counts single tests, and counts them right, also where a suite breaks off."""

import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "scripts/lib"))
sys.dont_write_bytecode = True
from results import FAIL, PASS, SKIP, Results, add_junit, add_tap  # noqa: E402


def tap(text, status=0):
    results = Results()
    add_tap(results, "s", text, status)
    return tuple(results.count(s) for s in (PASS, FAIL, SKIP)), results


@pytest.mark.parametrize("text, status, expected", [
    ("1..2\nok 1 - a\nok 2 - b\n", 0, (2, 0, 0)),
    ("ok 1 - a\nnot ok 2 - b\n# why\nok 3 - c # SKIP no kernel\n1..3\n", 1, (1, 1, 1)),
    ("ok - a\nok - b\n", 0, (2, 0, 0)),
    ("1..0 # SKIP nothing here\n", 77, (0, 0, 1)),
    ("1..3\nok 1 - a\n", 0, (1, 1, 0)),                     # broke off
    ("", 0, (0, 1, 0)),                                      # said nothing
    ("ok 1 - a\nBail out! broken\n", 1, (1, 1, 0)),
    ("1..1\nok 1 - a\n", 139, (1, 1, 0)),                    # died after its results
    ("notok at all\nokay\n1..1\nok 1\n", 0, (1, 0, 0)),
])
def test_tap(text, status, expected):
    assert tap(text, status)[0] == expected


def test_tap_keeps_the_reasons():
    _, results = tap("not ok 1 - a\n# why it failed\nok 2 - b # SKIP no such kernel\n1..2\n", 1)
    assert "why it failed" in results.rows[0][3] and results.rows[1][3] == "no such kernel"


def test_tap_skip_that_another_run_covers_is_not_counted():
    results = Results()
    add_tap(results, "s", "1..2\nok 1 - a\nok 2 - b # SKIP a build without x has none\n", 0, elsewhere="a build without x")
    assert len(results.rows) == 1


def test_junit(tmp_path):
    path = tmp_path / "r.xml"
    path.write_text('<testsuites><testsuite><testcase classname="m" name="a"/><testcase classname="m" name="b"><failure message="x"/>'
                    '</testcase><testcase classname="m" name="c"><skipped message="why"/></testcase><testcase classname="m" name="d">'
                    '<error message="y"/></testcase></testsuite></testsuites>')
    results = Results()
    add_junit(results, "s", path, 1, "")
    assert [results.count(s) for s in (PASS, FAIL, SKIP)] == [1, 2, 1]


@pytest.mark.parametrize("content", [None, "", "<testsuites/>", "no xml"])
def test_junit_without_results_is_a_failure(tmp_path, content):
    path = tmp_path / "r.xml"
    if content is not None:
        path.write_text(content)
    results = Results()
    add_junit(results, "s", path, 0, "")
    assert results.count(FAIL) == 1


def test_check_refuses_an_unknown_suite():
    check = pathlib.Path(__file__).resolve().parents[2] / "scripts/check"
    done = subprocess.run([check, "--suite", "nope"], capture_output=True, check=False)
    assert done.returncode != 0 and b"nope" in done.stderr
