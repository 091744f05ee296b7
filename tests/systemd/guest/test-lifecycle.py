# SPDX-License-Identifier: LGPL-2.1-or-later
"""Power cut with running sessions; the next boot is test-lifecycle.2.py."""

from harness import *


@test
def before_the_cut():
    """a session works in a workspace with a denied path in it when the power fails"""
    workspace = '/home/openclaw/work'
    sh('mkdir', '-p', f'{workspace}/sub', user='openclaw')
    session = create('--name=cut', f'--workspace={workspace}', '--deny-write=/workspace/sub/not-there-yet',
                     '--profile=workspace')
    execute(session, 'sh', '-c', 'echo kept > /workspace/file')
    Command('ocsbctl', 'exec', session, '--', 'sleep', '60', user='openclaw')
    wait_for_exec(session)
    ocsbctl('create', '--name=cut2')
    sh('sync')


allow_openclaw()
try:
    run_tests()
except SystemExit as e:
    # run_tests() has ended the sessions: make them again, and pull the plug.
    before_the_cut()
    sh('sync', '-f', '/root')
    with open('/job/rc', 'w', encoding='ascii') as f:
        f.write(f'{e.code}\n')
    with open('/proc/sysrq-trigger', 'w', encoding='ascii') as f:
        f.write('o')
    signal.pause()
