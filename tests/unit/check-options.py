#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Options and verbs of ocsbctl are the same in --help, in the man page and in the completions of three shells.

check-options.py OCSBCTL-BUS SOURCE-ROOT
"""

import pathlib
import re
import shutil
import subprocess
import sys

PROGRAM, ROOT = sys.argv[1], pathlib.Path(sys.argv[2])
failures = []


def check(where, expected, found):
    for o in sorted(expected - found):
        failures.append(f'{where}: {o} is missing')
    for o in sorted(found - expected):
        failures.append(f'{where}: {o} is not in --help')


def run(*argv, **kwargs):
    return subprocess.run(argv, check=True, text=True, stdout=subprocess.PIPE, **kwargs).stdout


def help_options(text):
    options = set()
    for line in text.split('Options:\n')[1].splitlines():
        m = re.match(r'  (?:(-\w)|  )?(?: ?(--[\w-]+)(?:=\S+)?)?\s', line)
        if m:
            options.update(o for o in m.groups() if o)
    return options


def help_verbs():
    verbs = []
    for line in run(PROGRAM, '--help').split('Verbs:\n')[1].split('\n\n')[0].splitlines():
        verbs.append(line.split()[0])
    return verbs


verbs = help_verbs()
options = {v: help_options(run(PROGRAM, v, '--help')) for v in verbs if v != 'help'}
options[''] = help_options(run(PROGRAM, '--help'))
everything = set().union(*options.values())
if len(verbs) < 20 or len(everything) < 40 or '--profile' not in options['run']:
    sys.exit('--help was not understood')
# A verb's rows that hold for no --help of the program itself.
check('ocsbctl --help', {'-h', '--help', '-H', '--host', '--json', '-j', '-q', '--quiet'}, options[''] & {
    '-h', '--help', '-H', '--host', '--json', '-j', '-q', '--quiet'})

# Man page: definitions stand at the start of a line.
man = (ROOT / 'man/ocsbctl.1.rst').read_text()
found = set()
for line in man.splitlines():
    if re.match(r'--?\w', line):
        found.update(m.group(0) for m in re.finditer(r'(?<![\w-])--?[a-zA-Z][\w-]*', re.sub(r'=\S*', '', line)))
check('ocsbctl(1)', everything, found)
found = {v for line in man.splitlines() if re.match(r'\*\*\w+\*\*', line) for v in re.findall(r'\*\*(\w+)\*\*', line)}
check('ocsbctl(1)', set(verbs), found & set(verbs))

# bash: asked for its answers, with the one function of the bash-completion package that is called here replaced.
bash = '''
_init_completion() {
    words=("${COMP_WORDS[@]}"); cword=$COMP_CWORD; cur=${words[cword]}; prev=${words[cword - 1]}
}
ocsbctl() { :; }
. "$1"; shift
COMP_WORDS=(ocsbctl "$@"); COMP_CWORD=$#
_ocsbctl
printf '%s\\n' "${COMPREPLY[@]}"
'''
file = str(ROOT / 'completions/ocsbctl.bash')
for verb, expected in options.items():
    if verb == '':
        continue
    found = set(run('bash', '-c', bash, 'bash', file, verb, '-').split())
    check(f'bash completion of {verb}', expected, found)
check('bash completion', set(verbs), set(run('bash', '-c', bash, 'bash', file, '').split()))

# fish: the conditions are of three kinds only.
fish = {v: set() for v in verbs}
fish_verbs = set()
for line in (ROOT / 'completions/ocsbctl.fish').read_text().splitlines():
    if not line.startswith('complete '):
        continue
    m = re.search(r''' -n (['"])(.*?)\1''', line)
    condition = m.group(2) if m else ''
    names = {'--' + n for n in re.findall(r' -l ([\w-]+)', line)} | {'-' + n for n in re.findall(r' -s (\w)', line)}
    m = re.search(r'seen_subcommand_from \$verbs" -a (\w+)', line)
    if m:
        fish_verbs.add(m.group(1))
    for verb in verbs:
        if condition == '':
            applies = True
        elif condition.startswith('not __ocsbctl_for $verbs; or __ocsbctl_for '):
            applies = verb in condition.split('; or __ocsbctl_for ')[1].split()
        elif condition.startswith('not __ocsbctl_for '):
            applies = verb not in condition.split()
        else:
            applies = condition.startswith('__ocsbctl_for ') and verb in condition.split()
        if applies:
            fish[verb] |= names
for verb, expected in options.items():
    if verb:
        check(f'fish completion of {verb}', expected, fish[verb])
check('fish completion', set(verbs), fish_verbs)
if shutil.which('fish'):
    answer = run('fish', '--no-config', '-c', f"source {ROOT / 'completions/ocsbctl.fish'}; complete -C 'ocsbctl run --'")
    check('fish itself', {o for o in options['run'] if o.startswith('--')}, {line.split('\t')[0].rstrip('=')
                                                                             for line in answer.split('\n') if line})

# zsh: _arguments is replaced by something that prints what it is called with.
zsh_file = ROOT / 'completions/_ocsbctl'
zsh_text = zsh_file.read_text()
check('zsh completion', set(verbs), set(re.findall(r"^        '(\w+):", zsh_text, re.M)))
if shutil.which('zsh'):
    script = '''
    _arguments() { [[ $* == *"->verb"*"->arguments"* ]] || print -rl -- "$@"; state=arguments }
    _describe() { : }
    words=("$2" -); source "$1"
    '''
    for verb, expected in options.items():
        if verb == '':
            continue
        found = set()
        for spec in run('zsh', '-f', '-c', script, 'zsh', str(zsh_file), verb).splitlines():
            m = re.match(r'(?:\([^)]*\))?\*?(--?[\w-]+?)[=+]?(?:\[.*)?$', spec)
            if m and spec not in ('-s', '-S', '-C'):
                found.add(m.group(1))
        check(f'zsh completion of {verb}', expected, found)

for f in failures:
    print(f)
sys.exit(1 if failures else 0)
