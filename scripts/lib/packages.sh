# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# install_packages KIND…: installs what lib/packages lists for these kinds and the machine lacks.

install_packages() {
    local list wanted=() missing=() package kind
    list=$(dirname "${BASH_SOURCE[0]}")/packages
    for kind in "$@"; do
        mapfile -t -O "${#wanted[@]}" wanted < <(sed -n "s/^$kind //p" "$list" | xargs -n 1)
    done
    for package in "${wanted[@]}"; do
        dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^ii' || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    echo "Installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get -qq update && apt-get -qq install -y --no-install-recommends "${missing[@]}" </dev/null
}
