# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fixtures of the network tests. They run as root inside an instance of scripts/with-ocsb --net (see run), whose own network
namespace is the host of the small world."""

import contextlib
import os
import pathlib
import random
import shutil
import subprocess
import sys

import pytest

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(SOURCE / "tests/bus"), str(SOURCE / "scripts/lib")]

from client import Bus, BusError  # noqa: E402
from namespace import Namespace  # noqa: E402
from stack import DAEMON, TABLE, Sandbox, Stack, as_user, wait_until  # noqa: E402
from world import POOLS, World  # noqa: E402


def pytest_addoption(parser):
    group = parser.getgroup("network")
    group.addoption("--network-rounds", type=int, default=1, help="how often crash, drift and coexistence tests are repeated")
    group.addoption("--network-kills", type=int, default=8, help="kills of ocsb-fw in the crash test (1000 before a release)")
    group.addoption("--network-sessions", type=int, default=60, help="sessions in the test of many (1000 before a release)")
    group.addoption("--network-tuples", type=int, default=10000, help="random forbidden destinations for each fence")
    group.addoption("--network-seed", type=int, default=None, help="of the random destinations; default: another each time")


def pytest_generate_tests(metafunc):
    if "network_round" in metafunc.fixturenames:
        metafunc.parametrize("network_round", range(metafunc.config.getoption("--network-rounds")))


@pytest.fixture(scope="session")
def sender(tmp_path_factory):
    """The program that sends, where everybody may run it."""
    built = pathlib.Path(os.environ.get("OCSB_BUILD", SOURCE / "build")) / "tests/network/sender"
    program = tmp_path_factory.mktemp("sender") / "sender"
    if built.exists():
        shutil.copy(built, program)
    else:
        subprocess.run(["cc", "-D_GNU_SOURCE", "-std=gnu17", "-O2", "-static", "-o", program, SOURCE / "tests/network/sender.c"],
                       check=True)
    return str(program)


@pytest.fixture
def random_seed(pytestconfig):
    chosen = pytestconfig.getoption("--network-seed")
    chosen = random.randrange(1 << 32) if chosen is None else chosen
    print(f"--network-seed {chosen} makes the same destinations again")
    return chosen


@pytest.fixture(scope="session")
def the_world():
    if "OCSB_PIDS" not in os.environ:
        pytest.exit("these tests run inside an instance: tests/network/run", 2)
    if not DAEMON.with_name("ocsb-fw").exists():
        pytest.skip("this build has no ocsb-fw")
    world = World(Namespace.here("host"), POOLS)
    yield world
    world.close()


@pytest.fixture(scope="session")
def stack(the_world):
    """The daemons, started again in the world: before, they were on a machine without any interface."""
    stack = Stack(the_world.host)
    stack.restart()
    return stack


@pytest.fixture
def world(the_world, stack):
    """Each test ends as it began: nobody's rules but ours, no session, everybody alive."""
    yield the_world
    wait_until(stack.answers)
    with Bus() as bus:
        for ident, *_ in bus.sessions():
            with contextlib.suppress(BusError):
                bus.session(ident).terminate()
    for line in the_world.host.run(["nft", "list", "tables"]).splitlines():
        table = line.removeprefix("table ")
        if table != TABLE:
            the_world.host.run(["nft", "delete", "table", *table.split()])


@pytest.fixture
def openclaw(stack):
    with as_user("openclaw") as bus:
        yield bus


@pytest.fixture
def root(stack):
    with as_user("root") as bus:
        yield bus


@pytest.fixture
def make_sandbox(world, stack, openclaw, sender):
    made = []

    def make(**values):
        made.append(Sandbox(stack, openclaw, sender, **values))
        return made[-1]
    yield make
    for sandbox in made:
        sandbox.end()


@pytest.fixture
def sandbox(make_sandbox):
    return make_sandbox()


class Rulesets:
    """What real packages load, from the files beside this one; the version is in a file's name."""

    def __init__(self):
        self.directory = pathlib.Path(__file__).parent / "rulesets"

    def text(self, name, suffix):
        return next(self.directory.glob(f"{name}-*.{suffix}")).read_text(encoding="utf-8")

    @property
    def firewalld(self):
        return self.text("firewalld", "nft")

    def load(self, namespace, name):
        if name == "firewalld":
            namespace.nft(self.firewalld)
            return
        for program, suffix in (("iptables-nft-restore", "ipv4"), ("ip6tables-nft-restore", "ipv6")):
            namespace.run([program, "--noflush"], stdin=self.text(name, suffix))


@pytest.fixture(scope="session")
def rulesets():
    return Rulesets()
