# SPDX-License-Identifier: LGPL-2.1-or-later
# fish completion of ocsbctl(1). Options: see tests/unit/check-options.py.

set -l verbs list status show create run exec shell kill freeze thaw rm explain profiles pending approve deny lockdown firewall monitor doctor version help

function __ocsbctl_sessions
    ocsbctl list --no-legend --no-ask-password 2>/dev/null | string replace -r '^(\S+)\s+(\S+).*' '$1\t$2'
end

function __ocsbctl_profiles
    ocsbctl profiles --no-legend --no-ask-password 2>/dev/null | string replace -r '^(\S+)\s+(.*)' '$1\t$2'
end

function __ocsbctl_requests
    ocsbctl pending --no-legend --no-ask-password 2>/dev/null | string replace -r '^\s*(\d+)\s+(.*)' '$1\t$2'
end

function __ocsbctl_for
    __fish_seen_subcommand_from $argv
end

complete -c ocsbctl -f

complete -c ocsbctl -n "not __fish_seen_subcommand_from $verbs" -a list -d 'List sessions'
complete -c ocsbctl -n "not __fish_seen_subcommand_from $verbs" -a status -d 'Show what a session is, does and has proven'
complete -c ocsbctl -n "not __fish_seen_subcommand_from $verbs" -a show -d 'Show properties of sessions or of the daemon'
complete -c ocsbctl -n "not __fish_seen_subcommand_from $verbs" -a create -d 'Make a session and print its id'
complete -c ocsbctl -n "not __fish_seen_subcommand_from $verbs" -a run -d 'Run a command in a session of its own'
complete -c ocsbctl -n "not __fish_seen_subcommand_from $verbs" -a exec -d 'Run a command in a session'
complete -c ocsbctl -n "not __fish_seen_subcommand_from $verbs" -a shell -d 'Open an interactive shell in a session'
complete -c ocsbctl -n "not __fish_seen_subcommand_from $verbs" -a kill -d 'Send a signal to running commands'
complete -c ocsbctl -n "not __fish_seen_subcommand_from $verbs" -a freeze -d 'Stop everything in a session'
complete -c ocsbctl -n "not __fish_seen_subcommand_from $verbs" -a thaw -d 'Continue a frozen session'
complete -c ocsbctl -n "not __fish_seen_subcommand_from $verbs" -a rm -d 'Kill everything in a session and remove it'
complete -c ocsbctl -n "not __fish_seen_subcommand_from $verbs" -a explain -d 'Show what a session would be, and why'
complete -c ocsbctl -n "not __fish_seen_subcommand_from $verbs" -a profiles -d 'List profiles'
complete -c ocsbctl -n "not __fish_seen_subcommand_from $verbs" -a pending -d 'List requests that wait for an admin'
complete -c ocsbctl -n "not __fish_seen_subcommand_from $verbs" -a approve -d 'Allow a pending request once'
complete -c ocsbctl -n "not __fish_seen_subcommand_from $verbs" -a deny -d 'Drop a pending request'
complete -c ocsbctl -n "not __fish_seen_subcommand_from $verbs" -a lockdown -d 'End every session and refuse new ones, or end that'
complete -c ocsbctl -n "not __fish_seen_subcommand_from $verbs" -a firewall -d 'See, prove and open what sessions reach'
complete -c ocsbctl -n "not __fish_seen_subcommand_from $verbs" -a monitor -d 'Follow sessions and requests as they come and go'
complete -c ocsbctl -n "not __fish_seen_subcommand_from $verbs" -a doctor -d 'Check what this machine can enforce'
complete -c ocsbctl -n "not __fish_seen_subcommand_from $verbs" -a version -d 'Show versions of ocsbctl and of the daemon'
complete -c ocsbctl -n "not __fish_seen_subcommand_from $verbs" -a help -d 'Show help'

complete -c ocsbctl -n '__ocsbctl_for status show exec shell kill freeze thaw rm' -a '(__ocsbctl_sessions)'
complete -c ocsbctl -n '__ocsbctl_for approve deny' -a '(__ocsbctl_requests)'
complete -c ocsbctl -n '__ocsbctl_for lockdown' -a 'on off'
complete -c ocsbctl -n '__ocsbctl_for firewall' -a 'status verify allow revoke show reload'
complete -c ocsbctl -n '__ocsbctl_for help' -a "$verbs"
complete -c ocsbctl -n '__ocsbctl_for run exec' -a '(__fish_complete_command)'

complete -c ocsbctl -s h -l help -d 'Show help'
complete -c ocsbctl -l version -d 'Show the version'
complete -c ocsbctl -s q -l quiet -d 'Say nothing but errors'
complete -c ocsbctl -s v -l verbose -d 'Also show D-Bus error names'
complete -c ocsbctl -l no-ask-password -d 'Do not ask for a password'
complete -c ocsbctl -n 'not __ocsbctl_for run exec shell help' -s H -l host -x -a '(__fish_complete_user_at_hosts)' -d 'Talk to the ocsbd of another machine'
complete -c ocsbctl -n "not __ocsbctl_for $verbs; or __ocsbctl_for list profiles pending doctor firewall explain status show help" -l no-pager -d 'Do not pipe output into a pager'
complete -c ocsbctl -n "not __ocsbctl_for $verbs; or __ocsbctl_for list profiles pending doctor firewall explain" -l no-legend -d 'Leave out headers and footers'
complete -c ocsbctl -n "not __ocsbctl_for $verbs; or __ocsbctl_for list profiles pending doctor firewall explain status" -s l -l full -d 'Do not shorten anything'
complete -c ocsbctl -n "not __ocsbctl_for $verbs; or __ocsbctl_for list profiles pending doctor firewall explain status show create monitor version" -l json -x -a 'pretty short off' -d 'Output as JSON'
complete -c ocsbctl -n "not __ocsbctl_for $verbs; or __ocsbctl_for list profiles pending doctor firewall explain status show create monitor version" -s j -d 'JSON output'
complete -c ocsbctl -n '__ocsbctl_for show' -s p -l property -x -d 'Show only this property'
complete -c ocsbctl -n '__ocsbctl_for show' -l value -d 'Show values without names'
complete -c ocsbctl -n '__ocsbctl_for kill' -s s -l signal -x -a 'HUP INT QUIT KILL USR1 USR2 TERM CONT STOP' -d 'The signal to send'

complete -c ocsbctl -n '__ocsbctl_for create run shell explain' -s p -l profile -x -a '(__ocsbctl_profiles)' -d 'The profile to start from'
complete -c ocsbctl -n '__ocsbctl_for create run shell explain' -l profile-file -r -F -d 'Use the profile in this file'
complete -c ocsbctl -n '__ocsbctl_for create run shell explain' -s w -l workspace -x -a '(__fish_complete_directories)' -d 'The directory to work in'
complete -c ocsbctl -n '__ocsbctl_for create run shell explain' -l workspace-path -x -d 'Where the workspace appears inside'
complete -c ocsbctl -n '__ocsbctl_for create run shell explain' -l ro -d 'The workspace may be read only'
complete -c ocsbctl -n '__ocsbctl_for create run shell explain' -l bind -r -F -d 'Grant a directory or file'
complete -c ocsbctl -n '__ocsbctl_for create run shell explain' -l deny -x -d 'Hide a path inside'
complete -c ocsbctl -n '__ocsbctl_for create run shell explain' -l deny-write -x -d 'Keep a path inside from being changed'
complete -c ocsbctl -n '__ocsbctl_for create run shell explain exec' -s E -l env -x -a '(set -xn)' -d 'Set a variable'
complete -c ocsbctl -n '__ocsbctl_for create run shell explain' -l workdir -x -d 'The directory inside to start in'
complete -c ocsbctl -n '__ocsbctl_for exec' -s w -l workdir -x -d 'The directory inside to start in'
complete -c ocsbctl -n '__ocsbctl_for create run shell explain' -l network -x -a 'none nat' -d Network
complete -c ocsbctl -n '__ocsbctl_for create run shell explain' -l dns -x -a none -d 'A resolver of network nat'
complete -c ocsbctl -n '__ocsbctl_for create run shell explain' -l allow -x -d 'With network nat also reach this'
complete -c ocsbctl -n '__ocsbctl_for firewall' -l for -x -d 'Close it again after so long'
complete -c ocsbctl -n '__ocsbctl_for firewall' -l llm -x -d 'An LLM server, blocked unless granted'
complete -c ocsbctl -n '__ocsbctl_for firewall' -l internet -x -d 'A public address that must be reachable'
complete -c ocsbctl -n '__ocsbctl_for create run shell explain' -l memory -x -d 'Limit of memory'
complete -c ocsbctl -n '__ocsbctl_for create run shell explain' -l swap -x -d 'Limit of swap'
complete -c ocsbctl -n '__ocsbctl_for create run shell explain' -l pids -x -d 'Limit of processes and threads'
complete -c ocsbctl -n '__ocsbctl_for create run shell explain' -l cpus -x -d 'Limit of CPU time'
complete -c ocsbctl -n '__ocsbctl_for create run shell explain' -l scratch -x -d 'Size of scratch space'
complete -c ocsbctl -n '__ocsbctl_for create run shell explain' -l limit -x -a 'memory= swap= pids= cpu= io-weight= scratch= nofile= nproc= fsize= execs=' -d 'Another limit'
complete -c ocsbctl -n '__ocsbctl_for create run shell explain' -l idle -x -d 'Remove the session when idle for so long'
complete -c ocsbctl -n '__ocsbctl_for create run shell explain' -l max-age -x -d 'Remove the session when so old'
complete -c ocsbctl -n '__ocsbctl_for create run shell explain' -l hostname -x -d 'Host name inside'
complete -c ocsbctl -n '__ocsbctl_for create run shell' -l name -x -d 'The id of the new session'
complete -c ocsbctl -n '__ocsbctl_for create' -l plan-digest -x -d 'Fail when the plan is another than explained'
complete -c ocsbctl -n '__ocsbctl_for run exec' -l timeout -x -d 'Kill the command after so long'
complete -c ocsbctl -n '__ocsbctl_for run exec' -s t -l pty -d 'Run on a new terminal inside'
complete -c ocsbctl -n '__ocsbctl_for run exec' -s d -l detach -d 'Do not wait for the command'
complete -c ocsbctl -n '__ocsbctl_for run shell' -l keep -d 'Do not remove the session at the end'
