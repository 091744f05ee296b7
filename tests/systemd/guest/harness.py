# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs in the guest: a test is a function whose docstring's first line is its name; TAP goes to standard output."""

import json
import os
import pwd
import re
import select
import signal
import subprocess
import sys
import time
import traceback

BUS = 'org.openclaw.Sandbox1'
ROOT = '/org/openclaw/Sandbox1'
MANAGER = BUS + '.Manager'
SESSION = BUS + '.Session'

tests = []


class Skip(Exception):
    pass


class Timeout(Exception):
    pass


def test(function):
    tests.append(function)
    return function


def run_tests():
    def on_alarm(_signal, _frame):
        raise Timeout('test took too long')

    signal.signal(signal.SIGALRM, on_alarm)
    wanted = sys.argv[1:]
    failed = n = 0
    for function in tests:
        if wanted and function.__name__ not in wanted:
            continue
        n += 1
        name = function.__doc__.splitlines()[0]
        start = time.time()
        signal.alarm(getattr(function, 'seconds', 60))
        try:
            function()
            print(f'ok - {name}')
        except Skip as e:
            print(f'ok - {name} # SKIP {e}')
        except BaseException:
            failed += 1
            print(f'not ok - {name}')
            for line in traceback.format_exc().splitlines():
                print(f'# {line}')
            for line in our_journal(start):
                print(f'# journal: {line}')
        finally:
            signal.alarm(0)
        print(f'# {time.time() - start:.1f} s')
        sys.stdout.flush()
        Command.end_all()
        end_all_sessions()
    # Without this last line the host counts the group as broken off.
    print(f'1..{n}')
    sys.exit(1 if failed else 0)


def our_journal(since):
    out = subprocess.run(['journalctl', '-q', '--no-pager', '-o', 'short-monotonic', f'--since=@{since - 1:.0f}', '-n', '60'],
                         capture_output=True, text=True, errors='replace').stdout
    return [line for line in out.splitlines() if 'ocsb' in line or 'polkit' in line][-30:]


def end_all_sessions():
    """Whatever a test left: each test starts with no session."""
    subprocess.run(['systemctl', 'stop', 'ocsb.slice'], capture_output=True)


def sh(*argv, user='root', check=True, timeout=40, cwd=None, env=None, data=None):
    """Runs argv as user to its end; the result has text in stdout and stderr, and the exit status in returncode."""
    p = subprocess.run(argv, capture_output=True, timeout=timeout, input=data,
                       stdin=subprocess.DEVNULL if data is None else None, **_as(user, cwd, env))
    p.stdout = p.stdout.decode(errors='replace')
    p.stderr = p.stderr.decode(errors='replace')
    if check and p.returncode != 0:
        raise AssertionError(f'{argv} as {user}: exit status {p.returncode}\nstdout: {p.stdout}\nstderr: {p.stderr}')
    return p


def _as(user, cwd, env):
    entry = pwd.getpwnam(user)
    full = {'PATH': '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'HOME': entry.pw_dir, 'USER': user,
            'LOGNAME': user, 'LANG': 'C.UTF-8', 'TERM': 'dumb', **(env or {})}
    groups = os.getgrouplist(user, entry.pw_gid)
    home = entry.pw_dir if os.path.isdir(entry.pw_dir) else '/'
    return {'user': entry.pw_uid, 'group': entry.pw_gid, 'extra_groups': groups, 'env': full, 'cwd': cwd or home}


class Command:
    """A process of user in the background; with tty=True on a terminal of its own, in a session of its own."""
    running = []

    def __init__(self, *argv, user='root', tty=False, cwd=None, env=None):
        self.buffer = b''
        self.master = None
        how = _as(user, cwd, env)
        if tty:
            self.master, slave = os.openpty()
            self.fd = self.master
            self.p = subprocess.Popen(argv, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
                                      preexec_fn=_own_terminal, **how)
            os.close(slave)
        else:
            self.p = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT, start_new_session=True, **how)
            self.fd = self.p.stdout.fileno()
        self.argv = argv
        Command.running.append(self)

    def _read(self, timeout):
        if not select.select([self.fd], [], [], max(timeout, 0))[0]:
            return False
        try:
            data = os.read(self.fd, 65536)
        except OSError:  # the terminal's other side is gone
            data = b''
        self.buffer += data
        return bool(data)

    def text(self):
        return self.buffer.decode(errors='replace')

    def expect(self, pattern, timeout=30):
        """Waits until the output so far matches; returns the match."""
        end = time.monotonic() + timeout
        while True:
            m = re.search(pattern, self.text(), re.S)
            if m:
                return m
            left = end - time.monotonic()
            if left <= 0 or (not self._read(left) and self.p.poll() is not None):
                raise AssertionError(f'{self.argv}: no {pattern!r} in: {self.text()}')

    def send(self, text):
        os.write(self.master, text.encode())

    def wait(self, timeout=40):
        """Reads to the end; returns the exit status as a shell would."""
        end = time.monotonic() + timeout
        while self._read(end - time.monotonic()):
            pass
        try:
            rc = self.p.wait(max(end - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            raise AssertionError(f'{self.argv}: still running; output: {self.text()}') from None
        return rc if rc >= 0 else 128 - rc

    @classmethod
    def end_all(cls):
        for c in cls.running:
            if c.p.poll() is None:
                try:
                    os.killpg(c.p.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
                c.p.wait()
            if c.master is not None:
                os.close(c.master)
            elif c.p.stdout:
                c.p.stdout.close()
        cls.running = []


def _own_terminal():
    import fcntl
    import termios
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def ocsbctl(*args, user='openclaw', **more):
    return sh('ocsbctl', *args, user=user, **more)


def busctl(*args, user='root', check=True):
    """busctl's answer as python data (the list of the reply's arguments), or the process on failure with check=False."""
    p = sh('busctl', '--system', '--json=short', '--timeout=30', *args, user=user, check=check)
    if p.returncode != 0 or not p.stdout.strip():
        return p
    return json.loads(p.stdout)['data']


def call(method, *args, user='openclaw', path=ROOT, interface=MANAGER, check=True):
    return busctl('call', BUS, path, interface, method, *args, user=user, check=check)


def create(*options, user='openclaw', cwd=None):
    """A session by ocsbctl; returns its id."""
    return ocsbctl('create', *options, user=user, cwd=cwd).stdout.strip()


def execute(session, *argv, user='openclaw', **more):
    return ocsbctl('exec', session, '--', *argv, user=user, **more)


def session_path(session):
    return f'{ROOT}/session/{session}'


def session_property(session, name, user='root'):
    return busctl('get-property', BUS, session_path(session), SESSION, name, user=user)


def sessions(user='openclaw'):
    return sorted(s[0] for s in call('ListSessions', user=user)[0])


def cgroup_file(session, name):
    with open(f'/sys/fs/cgroup{session_property(session, "Cgroup")}/{name}', encoding='ascii') as f:
        return f.read().strip()


def unit(name, *properties):
    """systemctl show as a dict, or the one property's value."""
    out = sh('systemctl', 'show', name, *(f'-p{p}' for p in properties)).stdout
    d = dict(line.split('=', 1) for line in out.splitlines() if '=' in line)
    return d[properties[0]] if len(properties) == 1 else d


def main_pid(name):
    return int(unit(name, 'MainPID'))


def status_of(pid):
    with open(f'/proc/{pid}/status', encoding='utf-8') as f:
        return {k: v.strip() for k, _, v in (line.partition(':') for line in f)}


def journal(*matches, since=None):
    """Records that match, as dicts; journald is told to write out what it has first."""
    sh('journalctl', '--sync')
    args = [f'--since=@{since:.6f}'] if since else []
    out = sh('journalctl', '-q', '--no-pager', '-o', 'json', *args, *matches).stdout
    return [json.loads(line) for line in out.splitlines()]


def wait_for(what, condition, timeout=20):
    end = time.monotonic() + timeout
    while True:
        try:
            value = condition()
        except (OSError, AssertionError, KeyError):
            value = None
        if value:
            return value
        assert time.monotonic() < end, f'not within {timeout} s: {what}'
        time.sleep(0.05)


def wait_for_exec(session, n=1):
    """Until n execs run in the session; fails at once when there is no such session any more."""
    end = time.monotonic() + 20
    while len(session_property(session, 'Execs')) < n:
        assert time.monotonic() < end, f'no exec runs in {session}'
        time.sleep(0.05)


def installed_files():
    with open('/usr/local/share/installed-files', encoding='utf-8') as f:
        return f.read().splitlines()


def installed(pattern):
    found = [f for f in installed_files() if re.search(pattern, f)]
    assert found, f'nothing installed matches {pattern}'
    return found


def units():
    """Names of the units that came with the project, templates left out."""
    return sorted(os.path.basename(f) for f in installed_files() if re.search(r'/systemd/system/[^/@]+\.[a-z]+$', f))


def allow_openclaw():
    """Installs the example rule as its comment tells an admin to."""
    rule = installed(r'/examples/[^/]*\.rules$')[0]
    os.makedirs('/etc/polkit-1/rules.d', exist_ok=True)
    with open(rule, 'rb') as source, open('/etc/polkit-1/rules.d/50-ocsb.rules', 'wb') as target:
        target.write(source.read())
    os.chmod('/etc/polkit-1/rules.d/50-ocsb.rules', 0o644)
    # polkitd notices by inotify; a restart is quicker than to wait for that to have happened.
    sh('systemctl', 'restart', 'polkit')


def bus_answers():
    return call('ListProfiles', check=True)


def says(text, *words):
    for w in words:
        assert re.search(w, text, re.I), f'{w!r} not in: {text}'
