# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What kernel, bed and run share. Exit status 77: cannot be done on this machine, the reason is on stderr.

if [ "$(id -u)" = 0 ]; then
    cache=${OCSB_BED_CACHE:-/var/cache/ocsb-testbed}
else
    cache=${OCSB_BED_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/ocsb-testbed}
fi

skip() {
    echo "skip: $*" >&2
    exit 77
}

need() {
    local c
    for c; do
        command -v "$c" >/dev/null || skip "command $c is not installed"
    done
}

# The mirror from which apt on this machine gets SUITE-of-its-own$1 ("", "-security"): other suites are there, too.
mirror() {
    local codename
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    # shellcheck disable=SC2016 # apt expands these
    apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 2>/dev/null |
        awk -v r="$codename${1:-}" '$2 == r { print $1; exit }'
}

# Runs "$@" holding the lock $cache/NAME.lock, so that two runs at once build a thing once.
locked() {
    local name=$1
    shift
    mkdir -p "$cache"
    (
        flock 9
        "$@"
    ) 9>"$cache/$name.lock"
}
