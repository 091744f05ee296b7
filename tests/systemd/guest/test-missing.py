# SPDX-License-Identifier: LGPL-2.1-or-later
# kernel: cgroup_disable=memory,cpu
"""A kernel without the controllers memory and cpu (but with cpuset, whose name begins the same)."""

from harness import *


def refused(option, controller):
    with open('/sys/fs/cgroup/cgroup.controllers', encoding='ascii') as f:
        there = f.read().split()
    assert controller not in there and 'pids' in there and 'cpuset' in there, there
    p = ocsbctl('create', option, check=False)
    assert p.returncode not in (0, 77), p.stdout
    says(p.stderr, rf'\b{controller}\b', 'controller|cgroup')
    assert sessions() == []
    p = ocsbctl('run', option, '--', 'true', check=False)
    assert p.returncode == 125, (p.returncode, p.stderr)
    assert sh('systemctl', 'list-units', '--all', '--plain', '--no-legend', 'ocsb-*.scope').stdout == ''


@test
def memory_limit_is_refused():
    """a memory limit that cannot be enforced is an error that names the controller, and nothing is made"""
    refused('--memory=64M', 'memory')


@test
def cpu_limit_is_refused():
    """a CPU limit that cannot be enforced is an error that names the controller, and nothing is made"""
    refused('--cpus=0.5', 'cpu')


@test
def other_limits_hold():
    """limits of the controllers that are there still bite"""
    session = create('--pids=30')
    assert cgroup_file(session, 'pids.max') == '30'


@test
def doctor_says_so():
    """doctor and the property Controllers say what is missing"""
    assert 'memory' not in busctl('get-property', BUS, ROOT, MANAGER, 'Controllers')
    findings = {name: (state, text) for name, state, text in call('Doctor')[0]}
    assert any(state != 'ok' and 'memory' in name + text for name, (state, text) in findings.items()), findings


allow_openclaw()
run_tests()
