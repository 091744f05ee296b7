# SPDX-License-Identifier: LGPL-2.1-or-later
"""The services as units: activation, privileges, hardening, watchdog, log level, journal."""

import glob
import os
import signal
import stat
import time

from harness import *

ID_CREATED = '5d0d2c7f6d3b4f0f8a1c0a3c8b5e1f01'
ID_ENDED = '5d0d2c7f6d3b4f0f8a1c0a3c8b5e1f02'
ID_DENIED = '5d0d2c7f6d3b4f0f8a1c0a3c8b5e1f03'


@test
def boot_is_clean():
    """the machine boots to "running" with no failed unit"""
    p = sh('systemctl', 'is-system-running', check=False)
    assert p.stdout.strip() == 'running', p.stdout + sh('systemctl', '--failed').stdout


@test
def units_verify():
    """systemd-analyze verify has nothing to say about any unit"""
    p = sh('systemd-analyze', 'verify', '--man=no', *units(), check=False)
    # It names what it does not understand but exits with 0.
    ours = [line for line in p.stderr.splitlines() if 'ocsb' in line]
    assert p.returncode == 0 and not ours, p.stderr


@test
def libraries_are_there():
    """every installed program finds its libraries on this release"""
    programs = [f for f in installed_files() if re.search(r'/(bin|libexec)/', f) and os.access(f, os.X_OK)]
    assert programs
    for f in programs:
        # A static program is "not a dynamic executable".
        assert 'not found' not in sh('ldd', f, check=False).stdout, f


@test
def activation():
    """a call on the bus starts ocsbd, and a session starts ocsb-stage"""
    services = [u for u in units() if u.endswith('.service')]
    assert {'ocsbd.service', 'ocsb-stage.service'} <= set(services)
    sh('systemctl', 'stop', 'ocsbd.service')  # which calls the others back as long as it is there
    sh('systemctl', 'stop', *services)
    for u in services:
        assert unit(u, 'ActiveState') == 'inactive', u
    version = busctl('get-property', BUS, ROOT, MANAGER, 'Version', user='nobody')
    assert re.fullmatch(r'\d+\.\d+\.\d+', version), version
    assert unit('ocsbd.service', 'ActiveState') == 'active'
    sh('systemctl', 'stop', 'ocsb-stage.service')
    session = create()
    assert unit('ocsb-stage.service', 'ActiveState') == 'active'
    assert execute(session, 'echo', 'alive').stdout == 'alive\n'


@test
def activation_is_one():
    """twenty first calls at once start one daemon, and all are answered"""
    sh('systemctl', 'stop', 'ocsbd.service')
    calls = [Command('busctl', '--timeout=30', 'get-property', BUS, ROOT, MANAGER, 'Version', user='nobody')
             for _ in range(20)]
    assert [c.wait() for c in calls] == [0] * 20, [c.text() for c in calls]
    assert len(sh('pgrep', '-x', 'ocsbd').stdout.split()) == 1


@test
def name_is_guarded():
    """nobody but user ocsb can own the bus name, and the owner is ocsbd itself"""
    assert busctl('call', 'org.freedesktop.DBus', '/', 'org.freedesktop.DBus', 'GetConnectionUnixProcessID', 's',
                  BUS) == [main_pid('ocsbd')]
    sh('systemctl', 'stop', 'ocsbd.service')
    p = sh('busctl', '--timeout=5', 'call', 'org.freedesktop.DBus', '/', 'org.freedesktop.DBus', 'RequestName', 'su',
           BUS, '0', user='openclaw', check=False)
    assert p.returncode != 0
    says(p.stderr, 'denied|not allowed')


@test
def daemon_has_no_privilege():
    """ocsbd runs as ocsb: five empty capability sets, no_new_privs, seccomp, no privileged group"""
    bus_answers()
    status = status_of(main_pid('ocsbd'))
    uid = str(pwd.getpwnam('ocsb').pw_uid)
    assert status['Uid'].split() == [uid] * 4, status['Uid']
    for field in 'CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb':
        assert int(status[field], 16) == 0, (field, status[field])
    assert status['NoNewPrivs'] == '1'
    assert status['Seccomp'] == '2'
    assert set(status['Groups'].split()) <= {str(pwd.getpwnam('ocsb').pw_gid)}, status['Groups']


@test
def daemon_has_no_child():
    """ocsbd is no parent of anything, also with a session and a running command"""
    session = create()
    c = Command('ocsbctl', 'exec', session, '--', 'sleep', '60', user='openclaw')
    wait_for_exec(session)
    with open(f'/proc/{main_pid("ocsbd")}/task/{main_pid("ocsbd")}/children', encoding='ascii') as f:
        assert f.read() == ''
    assert c.p.poll() is None


@test
def monitor_has_no_privilege():
    """a session's monitor and everything in the session is without any capability on the host"""
    session = create()
    c = Command('ocsbctl', 'exec', session, '--', 'sleep', '60', user='openclaw')
    wait_for_exec(session)
    cgroup = session_property(session, 'Cgroup')
    pids = []
    for directory, _, files in os.walk(f'/sys/fs/cgroup{cgroup}'):
        if 'cgroup.procs' in files:
            with open(f'{directory}/cgroup.procs', encoding='ascii') as f:
                pids += f.read().split()
    assert str(session_property(session, 'MonitorPid')) in pids, pids
    assert len(pids) >= 3, pids
    names = set()
    for pid in pids:
        status = status_of(pid)
        names.add(status['Name'])
        assert '0' not in status['Uid'].split(), status
        assert status['NoNewPrivs'] == '1', status
        for field in 'CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb':
            # init may keep a capability over its own user namespace, where it means nothing to the host
            if os.readlink(f'/proc/{pid}/ns/user') == os.readlink('/proc/1/ns/user') or status['Name'] == 'sleep':
                assert int(status[field], 16) == 0, (field, status)
    assert 'sleep' in names, names
    c.p.kill()


@test
def stage_is_reachable_for_ocsb_only():
    """the sockets and directories in /run/ocsb have their owners and modes"""
    create('--name=modes')
    uid = pwd.getpwnam('ocsb').pw_uid
    expected = {'/run/ocsb': (0, 0o755), '/run/ocsb/stage.sock': (uid, 0o600), '/run/ocsb/state': (uid, 0o700),
                '/run/ocsb/monitor': (0, 0o750), '/run/ocsb/monitor/modes': (0, 0o660), '/var/lib/ocsb': (uid, 0o700)}
    for path, (owner, mode) in expected.items():
        st = os.lstat(path)
        assert (st.st_uid, stat.S_IMODE(st.st_mode)) == (owner, mode), (path, st.st_uid, oct(st.st_mode))
    assert stat.S_IMODE(os.lstat('/run/ocsb/channel.sock').st_mode) == 0o666
    for path in '/run/ocsb/stage.sock', '/run/ocsb/monitor/modes':
        p = sh('python3', '-c', f'import socket; s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); '
               f's.connect("{path}")', user='openclaw', check=False)
        says(p.stderr, 'PermissionError')


@test
def hardening_score():
    """systemd-analyze security: ocsbd at most 0.6, ocsb-stage at most 8.2 (its sandboxes would inherit the rest)"""
    for name, threshold in ('ocsbd.service', 6), ('ocsb-stage.service', 82):
        p = sh('systemd-analyze', 'security', '--no-pager', f'--threshold={threshold}', name, check=False)
        assert p.returncode == 0, '\n'.join(line for line in p.stdout.splitlines() if not line.startswith('✓'))


@test
def log_level():
    """systemctl service-log-level reads and changes the daemon's log level"""
    bus_answers()
    assert sh('systemctl', 'service-log-level', 'ocsbd').stdout.strip() == 'info'
    for level, expected in ('err', 0), ('debug', 1), ('info', 1):
        sh('systemctl', 'service-log-level', 'ocsbd', level)
        assert sh('systemctl', 'service-log-level', 'ocsbd').stdout.strip() == level
        since = time.time()
        session = create()
        ocsbctl('rm', session)
        assert len(journal(f'MESSAGE_ID={ID_CREATED}', since=since)) == expected, level
    p = sh('busctl', 'set-property', BUS, '/org/freedesktop/LogControl1', 'org.freedesktop.LogControl1', 'LogLevel',
           's', 'debug', user='openclaw', check=False)
    assert p.returncode != 0 and sh('systemctl', 'service-log-level', 'ocsbd').stdout.strip() == 'info'


@test
def watchdog():
    """a daemon that hangs is replaced by the watchdog, and the session is still there"""
    os.makedirs('/run/systemd/system/ocsbd.service.d', exist_ok=True)
    with open('/run/systemd/system/ocsbd.service.d/test.conf', 'w', encoding='ascii') as f:
        f.write('[Service]\nWatchdogSec=2s\nWatchdogSignal=SIGKILL\n')
    try:
        sh('systemctl', 'daemon-reload')
        sh('systemctl', 'restart', 'ocsbd')
        session = create()
        pid = main_pid('ocsbd')
        time.sleep(2.5)
        assert main_pid('ocsbd') == pid, 'the watchdog bit a daemon that works'
        os.kill(pid, signal.SIGSTOP)
        wait_for('a new ocsbd', lambda: main_pid('ocsbd') not in (0, pid))
        assert wait_for('the session', lambda: sessions()) == [session]
    finally:
        os.unlink('/run/systemd/system/ocsbd.service.d/test.conf')
        sh('systemctl', 'daemon-reload')
        sh('systemctl', 'restart', 'ocsbd')


@test
def journal_of_a_session():
    """a session's beginning and end are journal records with MESSAGE_ID, OCSB_SESSION, OCSB_OWNER_UID, OCSB_PROFILE"""
    since = time.time()
    uid = str(pwd.getpwnam('openclaw').pw_uid)
    session = create()
    ocsbctl('rm', session)
    for message_id in ID_CREATED, ID_ENDED:
        records = wait_for(message_id, lambda: journal(f'MESSAGE_ID={message_id}', since=since))
        assert len(records) == 1, records
        r = records[0]
        assert r['OCSB_SESSION'] == session and r['OCSB_OWNER_UID'] == uid and r['OCSB_PROFILE'] == 'default', r
        assert r['_SYSTEMD_UNIT'] == 'ocsbd.service' and r['SYSLOG_IDENTIFIER'] == 'ocsbd', r


@test
def journal_of_a_denial():
    """a denial is a journal record with the action and the caller's uid"""
    since = time.time()
    p = call('Lockdown', 'b', 'true', user='bob', check=False)
    assert p.returncode != 0
    r = wait_for('the record', lambda: journal(f'MESSAGE_ID={ID_DENIED}', since=since))[0]
    assert r['OCSB_ACTION'] == 'org.openclaw.sandbox1.lockdown', r
    assert r['OCSB_OWNER_UID'] == str(pwd.getpwnam('bob').pw_uid), r


@test
def journal_has_no_secret():
    """neither arguments nor environment of a command are in the journal, also at level debug"""
    sh('systemctl', 'service-log-level', 'ocsbd', 'debug')
    try:
        session = create('--env=TOKEN=secret-of-the-session')
        ocsbctl('exec', '--env=TOKEN=secret-of-the-exec', session, '--', 'sh', '-c', ': secret-in-argv')
    finally:
        sh('systemctl', 'service-log-level', 'ocsbd', 'info')
    sh('journalctl', '--sync')
    text = sh('journalctl', '-q', '--no-pager', '-o', 'export').stdout
    for secret in 'secret-of-the-session', 'secret-of-the-exec', 'secret-in-argv':
        assert secret not in text, [line for line in text.splitlines() if secret in line]


@test
def payload_cannot_write_our_records():
    """what a command prints does not reach the journal as a record of ours"""
    session = create()
    p = execute(session, 'sh', '-c', 'echo x > /run/systemd/journal/socket; ls /run/systemd /dev/log', check=False)
    assert p.returncode != 0
    assert not os.path.exists('/run/systemd/journal/x')


allow_openclaw()
run_tests()
