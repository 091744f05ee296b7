# SPDX-License-Identifier: LGPL-2.1-or-later
"""A scope per session and the limits that bite in it."""

import time

from harness import *

MEGABYTE = 1 << 20
HOG = "b = bytearray({} << 20)\nfor i in range(0, len(b), 4096): b[i] = 1\nprint('had it')"


def scope(session):
    return f'ocsb-{session}.scope'


@test
def scope_is_visible():
    """a session is ocsb-ID.scope in ocsb.slice, seen by systemctl status and systemd-cgls"""
    session = create('--name=seen')
    c = Command('ocsbctl', 'exec', session, '--', 'sleep', '987', user='openclaw')
    wait_for_exec(session)
    assert unit(scope(session), 'Slice') == 'ocsb.slice'
    assert unit(scope(session), 'Delegate') == 'yes'
    says(sh('systemctl', 'status', '--no-pager', scope(session)).stdout, 'ocsb-seen.scope', r'active \(running\)',
         'sleep 987')
    says(sh('systemctl', 'status', '--no-pager', 'ocsb.slice').stdout, 'ocsb-seen.scope', 'sleep 987')
    says(sh('systemd-cgls', '--no-pager', '-u', 'ocsb.slice').stdout, 'ocsb-seen.scope', 'sleep 987')
    cgroup = session_property(session, 'Cgroup')
    assert cgroup.startswith('/ocsb.slice/ocsb-seen.scope'), cgroup
    c.p.kill()


@test
def scope_goes_with_the_session():
    """with the session its scope, cgroup, processes and mounts are gone"""
    session = create()
    Command('ocsbctl', 'exec', session, '--', 'sh', '-c', 'setsid sleep 987 & sleep 987', user='openclaw')
    wait_for_exec(session)
    cgroup = session_property(session, 'Cgroup')
    monitor = session_property(session, 'MonitorPid')
    ocsbctl('rm', session)
    wait_for('the scope to go', lambda: unit(scope(session), 'ActiveState') == 'inactive')
    wait_for('the cgroup to go', lambda: not os.path.exists(f'/sys/fs/cgroup{cgroup}'))
    wait_for('the monitor to go', lambda: not os.path.exists(f'/proc/{monitor}'))
    assert sh('pgrep', '-f', 'sleep 987', check=False).stdout == ''
    with open('/proc/1/mountinfo', encoding='utf-8') as f:
        assert 'ocsb' not in f.read()
    assert session not in os.listdir('/run/ocsb/state') + os.listdir('/run/ocsb/monitor')


@test
def scope_name_again():
    """twelve sessions of one name one after the other: each is made, and no scope is left"""
    for i in range(12):
        create('--name=again')
        if i % 3 == 0:
            execute('again', 'true')
        ocsbctl('rm', 'again')
    left = sh('systemctl', 'list-units', '--all', '--plain', '--no-legend', 'ocsb-*.scope').stdout
    assert left == '', left


@test
def scope_can_be_stopped():
    """systemctl stop of a scope, and of the slice, ends sessions as cleanly as ocsbctl rm"""
    first, second, third = create(), create(), create()
    running = [Command('ocsbctl', 'exec', s, '--', 'sh', '-c', 'trap "" TERM HUP; while :; do sleep 1; done',
                       user='openclaw') for s in (first, second)]
    for s in first, second:
        wait_for_exec(s)
    running[1].p.kill()
    start = time.monotonic()
    sh('systemctl', 'stop', scope(first))
    wait_for('the session to go', lambda: sessions() == sorted([second, third]))
    sh('systemctl', 'stop', 'ocsb.slice')
    # Not by the timeout that makes a machine with sessions hang at shutdown.
    assert time.monotonic() - start < 8
    wait_for('all sessions to go', lambda: sessions() == [])
    wait_for('their state to go', lambda: os.listdir('/run/ocsb/state') == [])
    assert execute(create(), 'echo', 'again').stdout == 'again\n'


@test
def memory():
    """beyond the memory limit an exec is killed: exit status 137, flagged as out of memory, the session goes on"""
    session = create('--memory=64M', '--swap=0')
    assert int(cgroup_file(session, 'memory.max')) == 64 * MEGABYTE
    assert execute(session, 'python3', '-c', HOG.format(16)).stdout == 'had it\n'
    p = execute(session, 'python3', '-c', HOG.format(200), check=False)
    assert p.returncode == 137, (p.returncode, p.stdout, p.stderr)
    says(p.stderr, 'memory')
    # Nothing else was hurt: neither the session nor another exec in it.
    assert execute(session, 'echo', 'alive').stdout == 'alive\n'
    assert ' oom_kill 1' in ' ' + cgroup_file(session, 'memory.events').replace('\n', ' ')


@test
def memory_of_others():
    """an exec that runs out of memory does not take its neighbour in the session with it"""
    session = create('--memory=64M', '--swap=0')
    c = Command('ocsbctl', 'exec', session, '--', 'sh', '-c', 'sleep 5; exit 6', user='openclaw')
    wait_for_exec(session)
    assert execute(session, 'python3', '-c', HOG.format(200), check=False).returncode == 137
    assert c.wait() == 6, c.text()


@test
def memory_of_scratch():
    """files in /tmp of a session count: they end at the scratch limit with ENOSPC"""
    session = create('--memory=128M', '--scratch=8M')
    p = execute(session, 'dd', 'if=/dev/zero', 'of=/tmp/x', 'bs=1M', 'count=64', check=False)
    assert p.returncode == 1, p.stderr
    says(p.stderr, 'No space left')


@test
def pids():
    """a fork bomb ends at the pids limit, and the machine and other sessions do not feel it"""
    session, other = create('--pids=40'), create()
    assert cgroup_file(session, 'pids.max') == '40'
    c = Command('ocsbctl', 'exec', session, '--', 'sh', '-c', 'f() { sleep 30 & f; }; f; wait', user='openclaw')
    wait_for('the limit to be hit', lambda: int(cgroup_file(session, 'pids.events').split()[1]) > 0)
    assert int(cgroup_file(session, 'pids.current')) <= 40
    start = time.monotonic()
    assert execute(other, 'echo', 'alive').stdout == 'alive\n'
    assert time.monotonic() - start < 10
    # The session can still be ended, from outside, without a process of its own.
    ocsbctl('rm', session)
    assert c.wait() != 0
    assert sessions() == [other]


@test
def cpu():
    """measured CPU time stays within the limit"""
    session = create('--cpus=0.2')
    c = Command('ocsbctl', 'exec', session, '--', 'sh', '-c', 'while :; do :; done', user='openclaw')
    wait_for_exec(session)

    def used():
        return int(dict(line.split() for line in cgroup_file(session, 'cpu.stat').splitlines())['usage_usec'])

    before, start = used(), time.monotonic()
    time.sleep(4)
    share = (used() - before) / 1e6 / (time.monotonic() - start)
    assert 0.05 < share < 0.26, share
    assert cgroup_file(session, 'cpu.max').split() in (['20000', '100000'], ['200000', '1000000']), \
        cgroup_file(session, 'cpu.max')
    c.p.kill()


@test
def io_weight():
    """an IO weight is set in the session's cgroup, or refused where the kernel's io controller has no weights"""
    p = ocsbctl('create', '--limit=io-weight=50', check=False)
    if os.path.exists('/sys/fs/cgroup/ocsb.slice/io.weight') or os.path.exists('/sys/fs/cgroup/ocsb.slice/io.bfq.weight'):
        session = p.stdout.strip()
        says(cgroup_file(session, 'io.weight'), r'\b50\b')
    else:
        assert p.returncode != 0, 'a limit that nothing enforces was accepted'
        says(p.stderr, r'\bio\b')


@test
def execs_and_nofile():
    """limits of execs at a time and of open files hold"""
    session = create('--limit=execs=2', '--limit=nofile=300')
    assert execute(session, 'sh', '-c', 'ulimit -n; ulimit -Hn').stdout.split() == ['300', '300']
    held = [Command('ocsbctl', 'exec', session, '--', 'sleep', '60', user='openclaw') for _ in range(2)]
    wait_for_exec(session, 2)
    p = execute(session, 'true', check=False)
    assert p.returncode == 125, (p.returncode, p.stderr)
    for c in held:
        c.p.kill()
    wait_for('none', lambda: session_property(session, 'Execs') == [])
    execute(session, 'true')


@test
def limits_stay():
    """from inside no limit can be raised and no other cgroup seen (T113)"""
    session = create('--pids=40')
    p = execute(session, 'sh', '-c', 'cat /proc/self/cgroup; for f in /sys/fs/cgroup/pids.max '
                '/sys/fs/cgroup/*/pids.max; do echo max > $f; done; echo $$ > /sys/fs/cgroup/cgroup.procs', check=False)
    assert p.returncode != 0
    assert 'ocsb.slice' not in p.stdout, p.stdout
    assert cgroup_file(session, 'pids.max') == '40'


@test
def own_slice_limits():
    """a limit that an admin sets on ocsb.slice holds for all sessions together"""
    sh('systemctl', 'set-property', '--runtime', 'ocsb.slice', 'TasksMax=60')
    try:
        first, second = create('--pids=50'), create('--pids=50')
        commands = [Command('ocsbctl', 'exec', s, '--', 'sh', '-c', 'for i in $(seq 45); do sleep 20 & done; wait',
                            user='openclaw') for s in (first, second)]
        wait_for('the limit to be hit', lambda: any('annot fork' in c.text() or not c._read(0.1) for c in commands))
        with open('/sys/fs/cgroup/ocsb.slice/pids.current', encoding='ascii') as f:
            assert int(f.read()) <= 60
    finally:
        sh('systemctl', 'set-property', '--runtime', 'ocsb.slice', 'TasksMax=infinity')


@test
def idle_and_age():
    """a session is removed when idle for its time, and at its greatest age whatever it does"""
    idle, old = create('--idle=2s'), create('--max-age=4s')
    busy = Command('ocsbctl', 'exec', old, '--', 'sleep', '60', user='openclaw')
    wait_for('the idle one to go', lambda: sessions() == [old])
    wait_for('the old one to go', lambda: sessions() == [])
    assert busy.wait() != 0
    assert idle != old


allow_openclaw()
run_tests()
