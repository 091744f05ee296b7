# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sessions come, pass what they may, and go."""

import pytest

from client import ICMP, TCP, UDP, Refused, grant, intent
from world import ours, sh, wait_until

DNS = ("1.1.1.1", "2606:4700:4700::1111")


def test_one_session(stage, policy, sandbox):
    a = sandbox()
    got = stage.attach("a", a, intent(DNS))
    print(got, a.sh("ip a; ip route; ip -6 route; ip neigh; ip -6 neigh"), sh("ip -d addr show dev " + got["interface"]))
    print(ours())
    assert a.tcp("9.9.9.9", 443) == "open"
    assert a.tcp("2620:fe::fe", 443) == "open"
    print(policy.status())
