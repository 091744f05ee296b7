# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who may do what: the example rule, password prompts, pending requests, other users, no polkit."""

import signal
import time

from harness import *


def login(user, *argv):
    """argv in a login session of user, on a terminal of its own: where an agent can ask for a password."""
    words = (a.replace('$', '$$') for a in argv)  # systemd-run would expand variables
    return Command('systemd-run', '--quiet', '--pty', '--wait', '--collect', '-p', f'User={user}', '-p',
                   'PAMName=login', f'--working-directory=/home/{user}', '-E', 'TERM=dumb', '--', *words, tty=True)


def answer(c, password):
    """Types a password at the prompt. The agent drops what was typed before it had switched the echo off."""
    c.expect(r'[Pp]assword: ')
    for _ in range(5):
        time.sleep(0.3)
        seen = len(c.text())
        c.send(password + '\n')
        c.expect('(?s).{%d}.*\n' % seen)
        if password not in c.text()[seen:]:
            return
    raise AssertionError(f'no silent prompt: {c.text()}')


@test
def rule_lets_openclaw_run():
    """openclaw, in no extra group, runs a command without being asked"""
    assert os.getgrouplist('openclaw', pwd.getpwnam('openclaw').pw_gid) == [pwd.getpwnam('openclaw').pw_gid]
    assert ocsbctl('run', '--', 'true').stdout == ''
    assert ocsbctl('run', '--', 'id', '-u').stdout == f'{pwd.getpwnam("openclaw").pw_uid}\n'
    assert ocsbctl('run', '--', 'sh', '-c', 'exit 7', check=False).returncode == 7
    assert ocsbctl('run', '--', '/nowhere', check=False).returncode == 127
    assert ocsbctl('run', '--', '/etc/passwd', check=False).returncode == 126
    assert sessions() == []


@test
def rule_lets_openclaw_nothing_else():
    """the example rule allows openclaw none of the admin's actions, and no other user anything"""
    for method, args in ('Lockdown', ['b', 'true']), ('Approve', ['u', '1']):
        p = call(method, *args, check=False)
        says(p.stderr, 'needs authentication as an administrator')
    assert busctl('get-property', BUS, ROOT, MANAGER, 'LockedDown') is False
    p = ocsbctl('run', '--no-ask-password', '--', 'true', user='bob', check=False)
    assert p.returncode == 125, p.stderr
    assert sessions('root') == []


@test
def right_password():
    """a user without a rule is asked on the terminal, and with an admin's password the command runs"""
    c = login('alice', 'ocsbctl', 'run', '--', 'sh', '-c', 'echo done-inside; exit 5')
    answer(c, 'carol-pw')
    c.expect('done-inside')
    assert c.wait() == 5, c.text()
    says(c.text(), r'Authentication is required[^\n]*sandbox', 'Authenticating as: carol')
    assert sessions('root') == []


@test
def wrong_password():
    """with wrong passwords the command does not run and nothing is made"""
    c = login('alice', 'ocsbctl', 'run', '--', 'echo', 'done-inside')
    answer(c, 'wrong')
    rc = c.wait()
    assert rc == 125, (rc, c.text())
    assert 'done-inside' not in c.text(), c.text()
    assert sessions('root') == []


@test
def password_of_the_user_himself():
    """a user's own password is not enough when he is no admin"""
    c = login('alice', 'ocsbctl', 'run', '--', 'echo', 'done-inside')
    answer(c, 'alice-pw')
    c.expect(r'(?i)failed|denied|permitted|authori', timeout=15)
    assert 'done-inside' not in c.text(), c.text()


@test
def prompt_is_escaped():
    """what a caller named cannot forge the prompt: control characters do not reach the terminal"""
    c = login('alice', 'ocsbctl', 'create', '--hostname=h', '--deny=/x\x1b[2J\nforged: yes\u202e')
    c.expect(r'[Pp]assword: |ocsbctl: |rror|nvalid')
    assert '\x1b[2J' not in c.text() and '\u202e' not in c.text(), repr(c.text())
    assert not re.search(r'^forged', c.text(), re.M), c.text()


@test
def no_ask_password():
    """--no-ask-password asks nothing, also on a terminal, and the exit status says why it failed"""
    c = login('alice', 'ocsbctl', 'run', '--no-ask-password', '--', 'true')
    assert c.wait() == 125, c.text()
    assert 'assword:' not in c.text().replace('--no-ask-password', ''), c.text()
    p = ocsbctl('create', '--no-ask-password', user='bob', check=False)
    assert p.returncode == 77, (p.returncode, p.stderr)


@test
def caller_leaves_while_asked():
    """a caller that leaves at the prompt gets nothing done (CVE-2021-3560)"""
    c = login('alice', 'ocsbctl', 'create', '--name=gone')
    c.expect(r'[Pp]assword: ')
    sh('pkill', '-KILL', '-u', 'alice', '-x', 'ocsbctl.*', check=False)
    os.killpg(c.p.pid, signal.SIGKILL)
    sh('systemctl', 'kill', '--signal=KILL', 'run-u*.service', check=False)
    time.sleep(2)
    assert sessions('root') == []
    bus_answers()


@test
def pending_request():
    """a caller without a login session gets a pending request; an admin approves, and it works once"""
    p = ocsbctl('create', '--name=asked', user='bob', check=False)
    assert p.returncode == 77, p.stderr
    number = re.search(r'approve (\d+)', p.stderr)
    assert number, p.stderr
    assert number[1] in ocsbctl('pending', '--no-legend', user='root').stdout.split()
    assert ocsbctl('approve', number[1], '--no-ask-password', user='bob', check=False).returncode != 0
    ocsbctl('approve', number[1], user='root')
    # the approval is for this very plan
    p = ocsbctl('create', '--name=asked', '--hostname=other', '--no-ask-password', user='bob', check=False)
    assert p.returncode != 0
    assert ocsbctl('create', '--name=asked', user='bob').stdout.strip() == 'asked'
    ocsbctl('rm', 'asked', user='bob')
    assert ocsbctl('create', '--name=asked', user='bob', check=False).returncode == 77


@test
def admin_approves_with_password():
    """an admin in a login session approves with the password"""
    p = ocsbctl('create', '--name=asked2', user='bob', check=False)
    number = re.search(r'approve (\d+)', p.stderr)[1]
    c = login('carol', 'ocsbctl', 'approve', number)
    answer(c, 'carol-pw')
    assert c.wait() == 0, c.text()
    assert ocsbctl('create', '--name=asked2', user='bob').stdout.strip() == 'asked2'


@test
def other_users_session():
    """bob neither sees nor touches openclaw's session (flatpak GHSA-89xm-3m96-w3jg)"""
    session = create()
    c = Command('ocsbctl', 'exec', session, '--', 'sleep', '60', user='openclaw')
    wait_for_exec(session)
    assert session not in ocsbctl('list', '--no-ask-password', user='bob').stdout
    assert sessions('bob') == []
    for args in (['status', session], ['show', session], ['exec', '--no-ask-password', session, '--', 'true'],
                 ['kill', '--no-ask-password', session], ['freeze', '--no-ask-password', session],
                 ['rm', '--no-ask-password', session]):
        p = ocsbctl(*args, user='bob', check=False)
        assert p.returncode not in (0, 124), (args, p.stdout, p.stderr)
    p = sh('busctl', 'get-property', BUS, session_path(session), SESSION, 'Plan', user='bob', check=False)
    assert p.returncode != 0
    assert c.p.poll() is None and sessions() == [session]


@test
def root_is_refused():
    """root is told to run as the user whom the sandbox serves"""
    p = ocsbctl('create', user='root', check=False)
    assert p.returncode == 77, p.stderr
    says(p.stderr, 'run as the user')


@test
def inside_there_is_no_bus():
    """in the sandbox there is no socket of the host: bus, journal, systemd, ours (T31, T70)"""
    session = create()
    script = ('for s in /run/dbus/system_bus_socket /run/systemd/private /run/systemd/journal/socket '
              '/run/ocsb/channel.sock /run/ocsb/stage.sock /run/user; do test -e $s && echo there: $s; done; true')
    assert execute(session, 'sh', '-c', script).stdout == ''
    for argv in (['ocsbctl', 'list'], ['ocsbctl', 'exec', session, '--', 'true'], ['busctl', 'list']):
        p = execute(session, *argv, check=False)
        assert p.returncode != 0, (argv, p.stdout)


@test
def polkit_gone():
    """without polkit everything that needs it is denied, the daemon lives, and own sessions go on (T69)"""
    session = create()
    sh('systemctl', 'mask', '--runtime', '--now', 'polkit.service')
    try:
        p = ocsbctl('create', '--no-ask-password', check=False)
        assert p.returncode != 0, p.stdout
        assert call('Lockdown', 'b', 'true', check=False).returncode != 0
        assert sessions() == [session]
        assert execute(session, 'echo', 'alive').stdout == 'alive\n'
    finally:
        sh('systemctl', 'unmask', '--runtime', 'polkit.service')
    assert create()


@test
def polkit_hangs():
    """while polkit hangs nobody else waits, and killing it denies"""
    session = create()
    pid = main_pid('polkit')
    os.kill(pid, signal.SIGSTOP)
    try:
        c = Command('ocsbctl', 'create', '--no-ask-password', '--name=hung', user='openclaw')
        time.sleep(1)
        assert c.p.poll() is None, c.text()
        assert execute(session, 'echo', 'alive').stdout == 'alive\n'
    finally:
        os.kill(pid, signal.SIGKILL)
    assert c.wait() != 0
    assert sessions() == [session]


allow_openclaw()
run_tests()
