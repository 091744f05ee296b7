# SPDX-License-Identifier: LGPL-2.1-or-later
"""The boot after a power cut, then removal of the package."""

from harness import *


@test
def after_the_cut():
    """after a power cut there is no session, nothing of one is left, and its name can be used again"""
    assert sessions('root') == [] and sessions() == []
    assert ocsbctl('list', '--no-legend').stdout == ''
    assert os.listdir('/run/ocsb/state') == []
    assert sh('systemctl', '--failed', '--no-legend', '--plain').stdout == ''
    with open('/home/openclaw/work/file', encoding='ascii') as f:
        assert f.read() == 'kept\n'
    assert create('--name=cut', '--workspace=/home/openclaw/work', '--profile=workspace') == 'cut'
    assert execute('cut', 'cat', '/workspace/file').stdout == 'kept\n'
    ocsbctl('rm', 'cut')


@test
def no_placeholder_left():
    """a placeholder that hid a path which was not there is gone, at the latest with the next session there"""
    assert os.listdir('/home/openclaw/work/sub') == []


@test
def lockdown_survives():
    """lockdown ends every session, refuses new ones, survives a restart, and ends when told"""
    create()
    ocsbctl('lockdown', 'on', user='root')
    try:
        wait_for('no session', lambda: sessions('root') == [])
        for action in ('restart', 'ocsbd'), ('kill', '--signal=KILL', 'ocsbd'):
            says(ocsbctl('create', check=False).stderr, 'lock')
            sh('systemctl', *action)
        says(wait_for('the daemon', lambda: ocsbctl('create', check=False)).stderr, 'lock')
    finally:
        ocsbctl('lockdown', 'off', user='root')
    create()


@test
def uninstall():
    """stopped, disabled and its files removed as a package does it, nothing of the project is left"""
    session = create()
    c = Command('ocsbctl', 'exec', session, '--', 'sleep', '987', user='openclaw')
    wait_for_exec(session)
    # prerm
    sh('systemctl', 'disable', '--now', *units())
    sh('systemctl', 'stop', 'ocsb.slice')
    assert c.wait() == 125, c.text()
    for f in sorted(installed_files(), reverse=True):
        os.unlink(f)
        # As dpkg does it: directories that become empty go, too.
        directory = os.path.dirname(f)
        while not os.listdir(directory):
            os.rmdir(directory)
            directory = os.path.dirname(directory)
    sh('systemctl', 'daemon-reload')
    sh('systemctl', 'reload', 'dbus')
    # postrm purge
    sh('rm', '-rf', '/run/ocsb', '/var/lib/ocsb', '/var/lib/ocsb-stage', '/etc/ocsb', '/etc/polkit-1/rules.d/50-ocsb.rules')
    sh('systemctl', 'reset-failed')
    left = sh('systemctl', 'list-units', '--all', '--plain', '--no-legend', '*ocsb*').stdout
    assert left == '', left
    left = sh('systemctl', 'list-unit-files', '--plain', '--no-legend', '*ocsb*', check=False).stdout
    assert left == '', left
    for what in ['ocsb'], ['-f', 'sleep 987']:
        left = sh('pgrep', '-a', *what, check=False).stdout
        assert left == '', left
    assert not [d for d, _, _ in os.walk('/sys/fs/cgroup') if 'ocsb' in d]
    with open('/proc/mounts', encoding='utf-8') as f:
        assert not [line for line in f if 'ocsb' in line.replace('ocsb-systemd', '')]
    assert BUS not in sh('busctl', 'list', '--no-legend').stdout
    left = sh('find', '/usr', '/etc', '/var', '/run', '/tmp', '/home', '-xdev', '(', '-name', '*ocsb*', '-o', '-name',
              '*Sandbox1*', ')', '-not', '-path', '/run/systemd/*', '-not', '-path', '/run/log/*').stdout
    assert left == '', left
    assert sh('systemctl', 'is-system-running', check=False).stdout.strip() == 'running'


allow_openclaw()
run_tests()
