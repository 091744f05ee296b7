# SPDX-License-Identifier: LGPL-2.1-or-later
"""ocsbd --standalone on a machine with cgroup v2 and every controller, as if systemd were not its PID 1: in a delegated cgroup and
with /run/systemd hidden."""

from harness import *

START = 'mount --make-rprivate / && mount -t tmpfs hidden /run/systemd && exec /usr/libexec/ocsb/ocsbd --standalone'


@test
def limits_hold():
    """limits are enforced though the supervisor and its daemons were started in the parent of ocsb.slice"""
    session = create('--name=limited', '--memory=100M', '--pids=77')
    top = '/sys/fs/cgroup/system.slice/standalone.service'
    scope = f'{top}/ocsb.slice/ocsb-{session}.scope'
    for name, expected in ('memory.max', str(100 << 20)), ('pids.max', '77'):
        with open(f'{scope}/{name}', encoding='ascii') as f:
            assert f.read().strip() == expected, name
    assert execute(session, 'echo', 'alive').stdout == 'alive\n'
    ocsbctl('rm', session)
    with open(f'{top}/cgroup.procs', encoding='ascii') as f:
        assert f.read() == ''
    with open(f'{top}/ocsb-daemons/cgroup.procs', encoding='ascii') as f:
        assert str(main_pid('standalone.service')) in f.read().split()


@test
def restart_of_a_daemon():
    """a stage that is started again finds its slice, and the session with it"""
    session = create('--name=again')
    for pid in sh('pgrep', '-x', 'ocsb-stage').stdout.split():
        os.kill(int(pid), 9)
    wait_for('a new stage', lambda: execute(create('--name=new'), 'echo', 'x').stdout == 'x\n')
    assert execute(session, 'echo', 'alive').stdout == 'alive\n'
    assert not os.path.exists('/sys/fs/cgroup/system.slice/standalone.service/ocsb-daemons/ocsb.slice')
    for s in sessions():
        ocsbctl('rm', s)


allow_openclaw()
# Masked, since a call on the bus would start them again.
OURS = [u for u in units() if u.endswith(('.socket', '.service'))]
sh('systemctl', 'mask', '--runtime', *OURS)
sh('systemctl', 'stop', *OURS)
sh('systemd-run', '--unit=standalone', '-p', 'Delegate=yes', '-p', 'KillMode=mixed', 'unshare', '-m', 'sh', '-c', START)
wait_for('the daemon', lambda: sh('busctl', 'status', BUS, check=False).returncode == 0)
run_tests()
