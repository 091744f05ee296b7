# SPDX-License-Identifier: LGPL-2.1-or-later
"""The world that the tests share. They run as root in a network and a mount namespace of their own (see run)."""

import contextlib
import os
import shutil
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

from world import FW_UID, OCSB_UID, STATE, Daemon, Echo, Namespace, Sandbox, sh  # noqa: E402

INTERNET = ("1.1.1.1", "9.9.9.9", "2606:4700:4700::1111", "2620:fe::fe")
LAN = ("192.168.50.10", "10.77.0.1", "169.254.169.254", "100.100.100.200", "fd50::10", "fd00:ec2::254")
PORTS = (53, 80, 443, 853, 1234, 8080)


def private_mounts():
    assert os.stat("/proc/self/net/dev").st_ino != os.stat("/proc/1/net/dev").st_ino, "started without tests/fw/run"
    sh("mount -t tmpfs -o mode=0755 run /run")
    sh("mount -t sysfs sys /sys", check=False)
    for name, line in (("passwd", "{0}:x:{1}:{1}::/:/usr/sbin/nologin\n"), ("group", "{0}:x:{1}:\n")):
        shutil.copy("/etc/" + name, "/run/" + name)
        with open("/run/" + name, "a", encoding="utf-8") as f:
            f.write(line.format("ocsb", OCSB_UID) + line.format("ocsb-fw", FW_UID))
        sh(f"mount --bind /run/{name} /etc/{name}")


def connect(namespace, name, v4, v6):
    """A link between the host and a neighbour; addresses (host, neighbour) with their lengths."""
    sh(f"ip link add {name} type veth peer name {name}p")
    pid = os.getpid()
    sh(f"ip link set {name}p netns /proc/{pid}/fd/{namespace.fd}")
    sh(f"ip addr add {v4[0]}/24 dev {name}; ip -6 addr add {v6[0]}/64 dev {name} nodad; ip link set {name} up")
    namespace.sh(f"ip link set {name}p name far; ip addr add {v4[1]}/24 dev far; ip -6 addr add {v6[1]}/64 dev far nodad; ip link set far up")
    namespace.sh(f"ip route add default via {v4[0]}; ip -6 route add default via {v6[0]}")


@pytest.fixture(scope="session")
def world():
    private_mounts()
    sh("ip link set lo up")

    class World:
        internet, lan = Namespace(), Namespace()
    connect(World.internet, "wan0", ("5.5.5.1", "5.5.5.2"), ("2a05::1", "2a05::2"))
    connect(World.lan, "lan0", ("192.168.50.1", "192.168.50.2"), ("fd50::1", "fd50::2"))
    sh("ip route add default via 5.5.5.2; ip -6 route add default via 2a05::2")
    for to in LAN:
        host = "fd50::2" if ":" in to else "192.168.50.2"
        if not to.startswith(("192.168.50.", "fd50:")):
            sh(f"ip route add {to} via {host}")
    for namespace, addresses in ((World.internet, INTERNET), (World.lan, LAN)):
        for to in addresses:
            device = "far" if to.startswith(("192.168.50.", "fd50:")) else "lo"
            namespace.sh(f"ip addr add {to}/{128 if ':' in to else 32} dev {device}{' nodad' if ':' in to else ''}")
        Echo(namespace, PORTS, PORTS)
    World.host = Echo(Host(), (8080, 53), (8080, 53))
    yield World


class Host:
    """This namespace, with the manners of the others."""

    @staticmethod
    def run(function, *args):
        return function(*args)


@pytest.fixture
def fw(world):
    daemon = Daemon()
    yield daemon
    daemon.close()
    shutil.rmtree(STATE, ignore_errors=True)
    sh("nft delete table inet oc_sandbox", check=False)
    for name in os.listdir("/proc/sys/net/ipv4/conf"):
        if name.startswith("ocsb"):
            sh(f"ip link del {name}", check=False)


@pytest.fixture
def stage(fw):
    with contextlib.closing(fw.root()) as client:
        yield client


@pytest.fixture
def policy(fw):
    with contextlib.closing(fw.ocsb()) as client:
        yield client


@pytest.fixture
def sandbox(world):
    made = []

    def make():
        made.append(Sandbox())
        return made[-1]
    yield make
    for each in made:
        each.close()
