# SPDX-License-Identifier: LGPL-2.1-or-later
"""T80, T93, T98: beside Docker's, firewalld's and ufw's own rule sets (made by Debian's packages, see rulesets/). Nobody's table
is changed by anything that we do, and nothing of theirs opens ours, in whichever order they are loaded."""

import itertools
import subprocess

import pytest

import firewall
from namespace import ENVIRONMENT
from stack import TABLE, Sandbox
from test_drift import SHARP
from world import HOST_LAN, HOST_PUBLIC, WEB

PACKAGES = ("docker", "firewalld", "ufw")


def foreign(world):
    return world.host.ruleset(without=(TABLE,))


@pytest.fixture(params=PACKAGES)
def package(request, rulesets, world):
    rulesets.load(world.host, request.param)
    return request.param


def test_the_rule_sets_are_the_real_ones(world, rulesets):
    for name, words in (("docker", ("DOCKER-ISOLATION-STAGE-1", "DNAT", "policy drop")), ("firewalld", ("filter_FWD_public", "lan0")),
                        ("ufw", ("ufw-before-forward", "policy drop"))):
        rulesets.load(world.host, name)
        text = world.host.run(["nft", "list", "ruleset"]) + world.host.run(["iptables-nft-save"])
        assert all(w.lower() in text.lower() for w in words), name


def test_t80_foreign_tables_are_the_same_after_everything_we_do(world, stack, package, openclaw, sender):
    """Load, attach, update, drift, crash, reload, unload: byte for byte."""
    before = foreign(world)
    assert len(before) > 1000

    def same(after):
        assert foreign(world) == before, after
    stack.restart()
    same("load")
    sandbox = Sandbox(stack, openclaw, sender)
    same("attach")
    with_grant = Sandbox(stack, openclaw, sender, allow=("aa{sv}", [{"to": ("s", HOST_LAN[0].replace(".2", ".10")), "ports": ("s", "1234")}]))
    same("attach with a grant")
    wanted = stack.table()
    world.host.nft(f"delete table {TABLE}\n")
    stack.repaired(wanted)
    same("repair")
    stack.kill_fw()
    same("crash")
    sandbox.spray(SHARP, rounds=1)
    sandbox.end()
    with_grant.end()
    same("detach")
    stack.stop()
    same("stop")
    stack.start()
    same("start")


@pytest.mark.parametrize("order", list(itertools.permutations(("ours", *PACKAGES))), ids=" ".join)
def test_t93_nothing_leaks_beside_all_of_them_in_the_order(world, stack, rulesets, order, sandbox, network_round):
    """Our drops hold in every order; the fence inside is taken away, so that it is ours outside that is seen."""
    sandbox.break_inner()
    wanted = stack.table()
    for name in order:
        if name == "ours":
            world.host.nft(f"delete table {TABLE}\n")
            stack.repaired(wanted)
        else:
            rulesets.load(world.host, name)
    with world.nothing_forbidden_arrives(settle=0.1):
        sandbox.spray(SHARP, rounds=2)


def test_t98_a_port_that_docker_publishes_is_closed_to_sandboxes(world, sandbox, rulesets):
    """8080 on every address of the host is DNATed to a container: past ufw's rules, not past ours."""
    from witness import Witness
    rulesets.load(world.host, "docker")
    container = world.attach_network("container", "docker0", ["172.17.0.1/16", "fd00:d0c::1/64"],
                                     ["172.17.0.2/16", "fd00:d0c::242:ac11:2/64"])
    try:
        world.servers.listen(container, 80)
        assert world.fetch(world.lan, HOST_LAN[0], 8080).startswith("container"), "the port is published, to those whom it is for"
        witness = Witness(container)
        for inside in ("with the fence inside", "without it"):
            for address in (*HOST_LAN, *HOST_PUBLIC, "172.17.0.1", "172.17.0.2"):
                assert sandbox.fetch(address, 8080, 0.3) is None, inside
                assert sandbox.fetch(address, 80, 0.3) is None, inside
            assert not witness.seen(), inside
            sandbox.break_inner()
    finally:
        world.detach_network(container, "docker0")


@pytest.mark.parametrize("package", ("docker", "ufw"), indirect=True)  # firewalld's rules let an interface of no zone out
def test_what_blocks_the_internet_is_named(world, sandbox, package, root):
    """A drop of theirs is final whatever ours accepts: then somebody must say so, and how to mend it."""
    assert not sandbox.fetch(WEB[0], seconds=1), package
    done = subprocess.run(["ocsbctl", "doctor"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          env=ENVIRONMENT, check=False, timeout=30)
    said = done.stdout + firewall.status(root)["problems"]
    assert "drops what is forwarded" in said and "-i ocsb+ -j ACCEPT" in said, said
    for line in firewall.status(root)["problems"].splitlines():
        if "drops what is forwarded" in line:
            world.host.run(["sh", "-c", line.split("pass already: ")[1]])
    assert sandbox.fetch(WEB[0], seconds=3), "the lines that were printed mend it"
