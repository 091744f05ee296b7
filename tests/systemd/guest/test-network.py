# SPDX-License-Identifier: LGPL-2.1-or-later
"""ocsb-fw as a unit: its rights, its place in the boot, and a session's network through restarts, flushes and stops. Behind the
interface wan there is an internet of one host, in a network namespace."""

import time

from harness import *

INTERNET = '93.184.215.14'
SERVER = '''
import socket
s = socket.create_server(("", 80), reuse_port=True)
while True:
    c, _ = s.accept()
    c.sendall(b"hello from the internet")
    c.close()
'''
CLIENT = '''
import socket, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 3)
print(s.recv(100).decode())
'''
CAP_NET_ADMIN = 1 << 12
UNITS = ('ocsb-fw.service', 'ocsb-stage.service', 'ocsbd.service')


def make_internet():
    for line in f'''
        ip netns add internet
        ip link add wan type veth peer name wan0 netns internet
        ip address add 192.0.2.2/24 dev wan
        ip link set wan up
        ip -n internet address add 192.0.2.1/24 dev wan0
        ip -n internet link set wan0 up
        ip -n internet link set lo up
        ip -n internet address add {INTERNET}/32 dev lo
        ip route add default via 192.0.2.1
        '''.strip().splitlines():
        sh(*line.split())
    subprocess.Popen(['ip', 'netns', 'exec', 'internet', 'python3', '-c', SERVER], stdin=subprocess.DEVNULL, start_new_session=True)
    subprocess.Popen(['python3', '-c', SERVER.replace('80', '8080')], stdin=subprocess.DEVNULL, start_new_session=True)


def allow_all():
    with open('/etc/polkit-1/rules.d/40-all.rules', 'w', encoding='ascii') as f:
        f.write('polkit.addRule(function(a, s) { if (a.id.indexOf("org.openclaw.sandbox1.") == 0) return polkit.Result.YES; });')
    sh('systemctl', 'restart', 'polkit')


def nat(name):
    return create(f'--name={name}', '--profile=internet')


def reach(session, address=INTERNET, port=80):
    return execute(session, 'python3', '-c', CLIENT, address, str(port), check=False)


def works(session):
    return 'hello from the internet' in reach(session).stdout


def table():
    return sh('nft', 'list', 'table', 'inet', 'oc_sandbox', check=False).returncode == 0


@test
def rights():
    """ocsb-fw runs as ocsb-fw with CAP_NET_ADMIN as the whole of what it has or could get"""
    sh('systemctl', 'start', 'ocsb-fw')
    status = status_of(main_pid('ocsb-fw'))
    assert status['Uid'].split() == [str(pwd.getpwnam('ocsb-fw').pw_uid)] * 4, status['Uid']
    for field, expected in ('CapPrm', CAP_NET_ADMIN), ('CapEff', CAP_NET_ADMIN), ('CapAmb', 0), ('CapInh', 0):
        assert int(status[field], 16) == expected, (field, status[field])
    assert int(status['CapBnd'], 16) in (0, CAP_NET_ADMIN), status['CapBnd']
    assert status['NoNewPrivs'] == '1' and status['Seccomp'] == '2', status


@test
def order():
    """the fence is there after the boot, before any session, and ordered before the network and container engines"""
    before = unit('ocsb-fw.service', 'Before').split()
    assert {'network-pre.target', 'docker.service'} <= set(before), before
    assert unit('ocsb-fw.service', 'ActiveState') == 'active'
    assert table()


@test
def exposure():
    """systemd-analyze security: ocsb-fw at most 1.6"""
    p = sh('systemd-analyze', 'security', '--no-pager', '--threshold=16', 'ocsb-fw.service', check=False)
    print('# ' + p.stdout.strip().splitlines()[-1].strip('→ '))
    assert p.returncode == 0, '\n'.join(line for line in p.stdout.splitlines() if not line.startswith('✓'))


@test
def socket_mode():
    """the socket is for root and group ocsb alone, the records for ocsb-fw alone"""
    st = os.lstat('/run/ocsb/fw.sock')
    assert (st.st_uid, st.st_gid, st.st_mode & 0o7777) == (0, pwd.getpwnam('ocsb').pw_gid, 0o660)
    st = os.lstat('/run/ocsb/fw')
    assert (st.st_uid, st.st_mode & 0o7777) == (pwd.getpwnam('ocsb-fw').pw_uid, 0o700)


@test
def network_of_a_session():
    """a session with nat has eth0, reaches the internet, and not the host"""
    session = nat('first')
    interfaces = execute(session, 'cat', '/proc/self/net/dev').stdout
    assert 'eth0:' in interfaces and 'lo:' in interfaces, interfaces
    assert table()
    p = reach(session)
    assert 'hello' in p.stdout, p.stderr
    for address in '192.0.2.2', '198.18.0.1', '169.254.1.1':
        assert 'hello' not in reach(session, address, 8080).stdout, address
    wait_for('the self-probe', lambda: session_property(session, 'Proven'))
    assert sessions() == ['first']
    ocsbctl('rm', session)
    wait_for('the interface to go', lambda: not re.search(r'\bocsb\d', sh('ip', '-br', 'link').stdout))


@test
def flush():
    """systemctl restart nftables (flush ruleset) while a session lives is repaired within a second, and it goes on"""
    session = nat('flushed')
    assert works(session)
    with open('/etc/nftables.conf', 'w', encoding='ascii') as f:
        f.write('flush ruleset\n')
    sh('systemctl', 'restart', 'nftables')
    end = time.monotonic() + 1
    while not table() and time.monotonic() < end:
        time.sleep(0.02)
    assert table()
    assert 'hello' not in reach(session, '192.0.2.2', 8080).stdout
    assert works(session)


@test
def restart():
    """systemctl restart of all three services, and kill -9 of them, keep a session's network working"""
    session = nat('kept')
    assert works(session)
    for action in (lambda: sh('systemctl', 'restart', *UNITS), lambda: [os.kill(main_pid(u), 9) for u in UNITS],
                   lambda: sh('systemctl', 'restart', 'ocsb-fw'), lambda: os.kill(main_pid('ocsb-fw'), 9)):
        before = main_pid('ocsb-fw')
        action()
        wait_for('a new ocsb-fw', lambda: main_pid('ocsb-fw') not in (0, before))
        wait_for('the network', lambda: works(session))
        assert 'hello' not in reach(session, '192.0.2.2', 8080).stdout
    other = nat('other')
    assert works(other) and works(session)


@test
def stop():
    """stopping ocsb-fw leaves the table and the fence; a new session with a network is refused with a sentence"""
    session = nat('left')
    sh('systemctl', 'stop', 'ocsb-fw.socket', 'ocsb-fw.service')
    try:
        assert table()
        assert 'hello' not in reach(session, '192.0.2.2', 8080).stdout
        p = ocsbctl('create', '--profile=internet', check=False)
        assert p.returncode != 0
        says(p.stderr, 'ocsb-fw')
        assert execute(create('--name=none'), 'echo', 'alive').stdout == 'alive\n'
    finally:
        sh('systemctl', 'start', 'ocsb-fw.socket', 'ocsb-fw.service')
    wait_for('the network', lambda: works(session))


@test
def unmanaged():
    """networkd and NetworkManager are told to leave ocsb* alone"""
    texts = [open(f, encoding='utf-8').read() for f in installed(r'/systemd/network/.*ocsb|/NetworkManager/.*ocsb')]
    assert len(texts) == 2 and all('ocsb*' in t for t in texts), texts


make_internet()
allow_openclaw()
allow_all()
run_tests()
