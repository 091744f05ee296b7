# SPDX-License-Identifier: LGPL-2.1-or-later
"""Restart, stop and start, and kill -9 of every unit while sessions work: they go on."""

import time

from harness import *

# Prints a line each 50 ms for about four seconds, then ends with 7: a lost line or status shows.
COUNTER = 'i=0; while [ $i -lt 60 ]; do echo line-$i; i=$((i+1)); sleep 0.05; done; exit 7'
LINES = [f'line-{i}' for i in range(60)]
LOAD = '''
n=0; bad=0
while [ ! -e "$2" ]; do
    out=$(ocsbctl exec "$1" -- echo "word $n" 2>>errors); rc=$?
    case $rc.$out in "0.word $n") ;; 125.) bad=$((bad+1)) ;; *) echo "WRONG: $rc, '$out' for word $n" ;; esac
    n=$((n+1))
    sleep 0.03
done
echo "did $n, failed $bad"
'''


def kill(*names):
    for name in names:
        os.kill(main_pid(name), 9)


def under_load(action, services, may_fail):
    """Does action while execs run in one session, short execs come and go in another and calls go over the bus."""
    busy, other = create('--name=busy'), create('--name=other')
    stop = f'/run/stop-{time.time()}'  # seen by every user
    runs = [Command('ocsbctl', 'exec', busy, '--', 'sh', '-c', COUNTER, user='openclaw') for _ in range(2)]
    held = Command('ocsbctl', 'exec', busy, '--', 'cat', user='openclaw', tty=True)
    ocsbctl('exec', '--detach', other, '--', 'sh', '-c', 'sleep 2; exit 0')
    load = Command('bash', '-c', LOAD, 'load', other, stop, user='openclaw')
    calls = Command('sh', '-c', 'while [ ! -e "$0" ]; do busctl --timeout=20 get-property org.openclaw.Sandbox1 '
                    '/org/openclaw/Sandbox1 org.openclaw.Sandbox1.Manager Sessions; sleep 0.1; done >/dev/null 2>&1', stop,
                    user='nobody')
    for c in runs:
        c.expect('line-5\r?\n')
    before = {s: main_pid(s) for s in services}
    monitors = {s: session_property(s, 'MonitorPid') for s in (busy, other)}
    action()
    for s in services:
        wait_for(f'a new {s}', lambda s=s: main_pid(s) not in (0, before[s]))
    for c in runs:
        rc = c.wait()
        assert rc == 7 and c.text().split() == LINES, (rc, c.text())
    assert wait_for('the sessions', sessions) == [busy, other]
    assert {s: session_property(s, 'MonitorPid') for s in (busy, other)} == monitors
    held.send('typed after\n')
    held.expect('typed after')
    assert held.p.poll() is None
    time.sleep(0.5)
    with open(stop, 'w', encoding='ascii'):
        pass
    load.wait()
    calls.wait()
    m = load.expect(r'did (\d+), failed (\d+)')
    assert 'WRONG' not in load.text(), load.text()
    with open('/home/openclaw/errors', encoding='utf-8') as f:
        assert int(m[1]) > 3 and (may_fail or int(m[2]) == 0), load.text() + f.read()
    assert ocsbctl('run', '--', 'echo', 'new').stdout == 'new\n'
    assert execute(busy, 'echo', 'old').stdout == 'old\n'
    held.p.kill()
    held.wait()
    wait_for('the held exec to be killed', lambda: session_property(busy, 'Execs') == [])
    for s in busy, other:
        wait_for('the detached exec', lambda s=s: session_property(s, 'Execs') == [])
        ocsbctl('rm', s)
    assert os.listdir('/run/ocsb/state') == [] and os.listdir('/run/ocsb/monitor') == []
    assert unit('ocsb.slice', 'ActiveState') in ('active', 'inactive')
    assert sh('systemctl', 'list-units', '--all', '--plain', '--no-legend', 'ocsb-*.scope').stdout == ''


def case(name, services, action, may_fail=True):
    def function():
        under_load(action, services, may_fail)
    function.__doc__ = name
    function.__name__ = re.sub(r'\W+', '_', name)
    function.seconds = 100
    test(function)


def systemctl(*args):
    return lambda: sh('systemctl', *args)


def stop_start(*services):
    def action():
        # The sockets too: otherwise the load starts the service again at once.
        sockets = {'ocsbd': 'ocsbd.socket', 'ocsb-stage': 'ocsb-stage.socket'}
        units = list(services) + [sockets[s] for s in services]
        # Fails where the load activated one of them again in between: it was down all the same.
        sh('systemctl', 'stop', *units, check=False)
        time.sleep(0.3)
        sh('systemctl', 'start', *units)
    return action


case('under load: systemctl restart ocsbd', ['ocsbd'], systemctl('restart', 'ocsbd'))
case('under load: systemctl restart ocsb-stage, without one failed exec', ['ocsb-stage'],
     systemctl('restart', 'ocsb-stage'), may_fail=False)
case('under load: stop and start of ocsbd and its socket', ['ocsbd'], stop_start('ocsbd'))
case('under load: stop and start of both and their sockets', ['ocsbd', 'ocsb-stage'], stop_start('ocsbd', 'ocsb-stage'))
case('under load: kill -9 of ocsbd', ['ocsbd'], lambda: kill('ocsbd'))
case('under load: kill -9 of ocsb-stage, without one failed exec', ['ocsb-stage'], lambda: kill('ocsb-stage'),
     may_fail=False)
case('under load: kill -9 of both at once', ['ocsbd', 'ocsb-stage'], lambda: kill('ocsbd', 'ocsb-stage'))
case('under load: systemctl daemon-reexec and a restart of polkit', [],
     lambda: (sh('systemctl', 'daemon-reexec'), sh('systemctl', 'restart', 'polkit')), may_fail=False)


@test
def killed_while_creating():
    """kill -9 of either while sessions are made: each is whole and usable, or not there at all"""
    for i in range(5):
        makers = [Command('ocsbctl', 'create', f'--name=k{i}_{j}', user='openclaw') for j in range(4)]
        time.sleep(0.03 + 0.03 * i)
        kill(('ocsbd', 'ocsb-stage')[i % 2])
        made = {f'k{i}_{j}' for j, c in enumerate(makers) if c.wait() == 0}
        there = set(wait_for('an answer', lambda: [sessions()])[0])
        assert made <= there, (made, there)
        for s in there:
            assert execute(s, 'echo', s).stdout == f'{s}\n'
            ocsbctl('rm', s)
        assert os.listdir('/run/ocsb/state') == [] and os.listdir('/run/ocsb/monitor') == []
        # What was half-built goes with its builder.
        wait_for('no cgroup left', lambda: not [d for d in os.listdir('/sys/fs/cgroup/ocsb.slice')
                                                if d.startswith('ocsb-')] if os.path.isdir('/sys/fs/cgroup/ocsb.slice')
                 else True)


killed_while_creating.seconds = 150


@test
def end_while_daemon_is_down():
    """an exec that ends, and a session that ends, while ocsbd is down are told right afterwards"""
    session, gone = create(), create()
    c = Command('ocsbctl', 'exec', session, '--', 'sh', '-c', 'sleep 1; echo said; exit 9', user='openclaw')
    wait_for_exec(session)
    sh('systemctl', 'stop', 'ocsbd.socket', 'ocsbd')
    sh('systemctl', 'stop', f'ocsb-{gone}.scope')
    assert c.wait() == 9 and c.text() == 'said\n', c.text()
    sh('systemctl', 'start', 'ocsbd.socket', 'ocsbd')
    assert wait_for('the one', lambda: sessions() == [session])
    assert session_property(session, 'Execs') == []
    assert os.listdir('/run/ocsb/state') == [session]


@test
def restarts_are_not_limited():
    """six kills in a row do not put a unit out of service"""
    session = create()
    for _ in range(6):
        for name in 'ocsbd', 'ocsb-stage':
            pid = wait_for(name, lambda name=name: main_pid(name))
            os.kill(pid, 9)
            wait_for(f'a new {name}', lambda name=name, pid=pid: main_pid(name) not in (0, pid))
    assert wait_for('the session', lambda: sessions() == [session])
    assert execute(session, 'echo', 'alive').stdout == 'alive\n'


@test
def upgrade_in_place():
    """new program files, daemon-reload and restart: the session and its exec go on under the new daemons"""
    session = create()
    c = Command('ocsbctl', 'exec', session, '--', 'sh', '-c', COUNTER, user='openclaw')
    c.expect('line-5\n')
    for f in installed(r'/(bin|libexec/ocsb)/[^/]+$'):
        # As dpkg does it: a new file under the old name, then rename.
        sh('cp', '--preserve=all', f, f'{f}.dpkg-new')
        os.rename(f'{f}.dpkg-new', f)
    sh('systemctl', 'daemon-reload')
    sh('systemctl', 'restart', 'ocsbd.service', 'ocsb-stage.service')
    assert c.wait() == 7 and c.text().split() == LINES, c.text()
    assert sessions() == [session]
    assert execute(session, 'echo', 'alive').stdout == 'alive\n'
    for name in 'ocsbd', 'ocsb-stage':
        assert '(deleted)' not in os.readlink(f'/proc/{main_pid(name)}/exe')


@test
def nothing_failed():
    """after all of that no unit is failed and no program dumped core"""
    assert sh('systemctl', '--failed', '--no-legend', '--plain').stdout == ''
    dumps = [r['MESSAGE'] for r in journal('_TRANSPORT=kernel') if re.search(r'ocsb\S*\[\d+\].*(segfault|trap)', str(r['MESSAGE']))]
    assert not dumps, dumps


allow_openclaw()
run_tests()
