#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What scripts/demo shows, as the user openclaw, with ocsbd on the system bus: story.sh DIRECTORY-OF-EXAMPLES
set -u
examples=$1
bold=$(printf '\033[1m') plain=$(printf '\033[0m')
[ -t 1 ] || bold='' plain=''
failed=0

chapter() {
    printf '\n%s── %s%s\n' "$bold" "$*" "$plain"
}

# Shows a command and runs it.
show() {
    printf '%s$ %s%s\n' "$bold" "$*" "$plain"
    "$@" </dev/null || {
        echo "(exit status $?)"
        failed=1
    }
}

# Runs a command that must fail in the sandbox, and says how it did.
denied() {
    local what=$1 out
    shift
    if out=$(ocsbctl exec demo -- "$@" </dev/null 2>&1); then
        printf 'NOT DENIED  %-30s %s\n' "$what" "$out"
        failed=1
    else
        printf 'denied      %-30s %s\n' "$what" "$(printf '%s\n' "$out" | grep -v '^ ' | tail -n 1)"
    fi
}

chapter "1. An ordinary user: no sudo, no docker group, no capabilities"
show id
cd || exit 1
mkdir -p workspace .ssh
cp -r "$examples/." workspace/
echo "the key of everything" >.ssh/id_demo
echo "what I would rather keep" >diary.txt
show ls -a

chapter "2. He asks for a sandbox around ~/workspace. polkit says yes by the admin's rule: nobody is asked anything"
show ocsbctl create --name demo --workspace "$HOME/workspace"
show ocsbctl list

chapter "3. Who is he in there, and what is there?"
show ocsbctl exec demo -- id
show ocsbctl exec demo -- sh -c 'pwd; ls; ps ax 2>/dev/null || ls -d /proc/[0-9]*'

chapter "4. Real work: a C program is compiled and tested"
show ocsbctl exec demo -w /workspace/calc -- make

chapter "5. Real work: a Python program is tested"
show ocsbctl exec demo -w /workspace/words -- python3 -m unittest
show ocsbctl exec demo -w /workspace/words -- sh -c 'cat test_words.py | python3 words.py'

chapter "6. The results are in the user's own directory, and are his"
show ls -l workspace/calc/test-calc

chapter "7. What the same user cannot do in there"
denied "read his ssh key" cat "$HOME/.ssh/id_demo"
denied "read his diary" cat "$HOME/diary.txt"
denied "read /etc/shadow" cat /etc/shadow
denied "talk to docker" sh -c 'ls /run/docker.sock /var/run/docker.sock'
denied "talk to the system bus" sh -c 'ls /run/dbus/system_bus_socket && busctl list'
denied "ask ocsbd itself" sh -c 'ls /run/ocsb/channel.sock'
denied "reach the internet" python3 -c 'import socket; socket.create_connection(("1.1.1.1", 443), 3)'
denied "reach the host" python3 -c 'import socket; socket.create_connection(("127.0.0.1", 22), 3)'
denied "write to /usr" touch /usr/bin/surprise
denied "write to /etc" touch /etc/cron.d/surprise
denied "plant a git hook" sh -c 'mkdir -p .git/hooks; echo "evil" > .git/hooks/pre-commit'
denied "mount something" mount -t tmpfs none /mnt
denied "make a user namespace" unshare --user true
denied "signal a process of the host" kill -9 4000000
denied "become root" sh -c 'sudo -n true || su -c true </dev/null'

chapter "8. What the sandbox has proven about itself: each line was tried in there, and failed as it must"
for _ in 1 2 3 4 5 6 7 8 9 10; do
    ocsbctl status demo 2>/dev/null | grep -q held && break
    sleep 0.2
done
show ocsbctl status --no-pager demo

chapter "9. The end: everything in it is killed, the work stays"
show ocsbctl rm demo
show ocsbctl list
show ls workspace

exit "$failed"
