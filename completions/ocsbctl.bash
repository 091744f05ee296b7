# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# bash completion of ocsbctl(1). Options: see tests/unit/check-options.py.

__ocsbctl_sessions() {
    ocsbctl list --no-legend --no-ask-password 2>/dev/null | while read -r id _; do echo "$id"; done
}

__ocsbctl_profiles() {
    ocsbctl profiles --no-legend --no-ask-password 2>/dev/null | while read -r name _; do echo "$name"; done
}

__ocsbctl_requests() {
    ocsbctl pending --no-legend --no-ask-password 2>/dev/null | while read -r number _; do echo "$number"; done
}

__ocsbctl_execs() {
    ocsbctl show --value -p Execs "$1" 2>/dev/null
}

_ocsbctl() {
    # shellcheck disable=SC2034 # split is set and used by _init_completion
    local cur prev words cword split i verb='' session='' rest=0
    _init_completion -s -n : || return

    local -A VERBS=(
        [NONE]='list profiles create run explain pending monitor doctor version help'
        [SESSIONS]='status show freeze thaw rm'
        [SESSION]='exec shell kill'
        [REQUESTS]='approve deny'
        [OTHER]='lockdown firewall'
    )
    local -A OPTS=(
        [COMMON]='-h --help --version -q --quiet -v --verbose --no-ask-password'
        [HOST]='-H --host'
        [PAGER]='--no-pager'
        [TABLE]='--no-legend -l --full'
        [JSON]='--json -j'
        [SHOW]='-p --property --value'
        [KILL]='-s --signal'
        [MAKE]='-p --profile --profile-file -w --workspace --workspace-path --ro --bind --deny --deny-write -E --env
                --workdir --network --dns --allow --memory --swap --pids --cpus --scratch --limit --idle --max-age --hostname'
        [NAME]='--name'
        [CREATE]='--plan-digest'
        [EXEC]='-E --env -w --workdir'
        [COMMAND]='--timeout -t --pty -d --detach'
        [KEEP]='--keep'
        [FIREWALL]='--for --llm --internet'
    )
    local all_verbs="${VERBS[*]}"

    # The verb, and for exec and shell the session: a word that is neither an option nor an option's value.
    for ((i = 1; i < cword; i++)); do
        case ${words[i]} in
        --)
            rest=$((i + 1))
            break
            ;;
        -H | --host | --json | -p | --property | --profile | -s | --signal | --profile-file | -w | --workspace | \
            --workspace-path | --bind | --deny | --deny-write | -E | --env | --workdir | --network | --dns | --allow | --memory | --swap | \
            --for | --llm | --internet | --pids | --cpus | --scratch | --limit | --idle | --max-age | --hostname | --name | --plan-digest | --timeout)
            ((i++))
            [[ ${words[i]} == = ]] && ((i++))
            ;;
        -*) ;;
        *)
            if [[ -z $verb ]]; then
                verb=${words[i]}
            elif [[ $verb == run || ($verb == exec && -n $session) ]]; then
                rest=$i
                break
            else
                session=${session:-${words[i]}}
            fi
            ;;
        esac
    done
    # What stands behind is completed as a command line of its own.
    if ((rest > 0)) && [[ $verb == run || $verb == exec ]]; then
        _command_offset "$rest"
        return
    fi

    case $prev in
    --json)
        mapfile -t COMPREPLY < <(compgen -W 'pretty short off' -- "$cur")
        return
        ;;
    --profile)
        mapfile -t COMPREPLY < <(compgen -W "$(__ocsbctl_profiles)" -- "$cur")
        return
        ;;
    -p)
        [[ $verb == show ]] || mapfile -t COMPREPLY < <(compgen -W "$(__ocsbctl_profiles)" -- "$cur")
        return
        ;;
    -s | --signal)
        mapfile -t COMPREPLY < <(compgen -A signal -- "SIG${cur#SIG}")
        return
        ;;
    -H | --host)
        _known_hosts_real -a -- "$cur"
        return
        ;;
    --profile-file)
        _filedir
        return
        ;;
    -w | --workspace)
        [[ $verb == exec ]] || _filedir -d
        return
        ;;
    --bind)
        [[ $cur == *:* ]] || _filedir
        return
        ;;
    -E | --env)
        mapfile -t COMPREPLY < <(compgen -e -- "$cur")
        return
        ;;
    --network)
        mapfile -t COMPREPLY < <(compgen -W 'none nat' -- "$cur")
        return
        ;;
    --limit)
        mapfile -t COMPREPLY < <(compgen -S = -W 'memory swap pids cpu io-weight scratch nofile nproc fsize execs' -- "$cur")
        compopt -o nospace
        return
        ;;
    --dns | --allow | --for | --llm | --internet | --property | --workspace-path | --deny | --deny-write | --workdir | --memory | --swap | --pids | --cpus | --scratch | \
        --idle | --max-age | --hostname | --name | --plan-digest | --timeout)
        return
        ;;
    esac

    if [[ $cur == -* ]]; then
        local options=${OPTS[COMMON]}
        case $verb in
        '') options+=" ${OPTS[HOST]} ${OPTS[PAGER]} ${OPTS[TABLE]} ${OPTS[JSON]}" ;;
        firewall) options+=" ${OPTS[HOST]} ${OPTS[PAGER]} ${OPTS[TABLE]} ${OPTS[JSON]} ${OPTS[FIREWALL]}" ;;
        list | profiles | pending | doctor) options+=" ${OPTS[HOST]} ${OPTS[PAGER]} ${OPTS[TABLE]} ${OPTS[JSON]}" ;;
        status) options+=" ${OPTS[HOST]} ${OPTS[PAGER]} ${OPTS[JSON]} -l --full" ;;
        show) options+=" ${OPTS[HOST]} ${OPTS[PAGER]} ${OPTS[JSON]} ${OPTS[SHOW]}" ;;
        create) options+=" ${OPTS[HOST]} ${OPTS[JSON]} ${OPTS[MAKE]} ${OPTS[NAME]} ${OPTS[CREATE]}" ;;
        run) options+=" ${OPTS[MAKE]} ${OPTS[NAME]} ${OPTS[COMMAND]} ${OPTS[KEEP]}" ;;
        exec) options+=" ${OPTS[EXEC]} ${OPTS[COMMAND]}" ;;
        shell) options+=" ${OPTS[MAKE]} ${OPTS[NAME]} ${OPTS[KEEP]}" ;;
        kill) options+=" ${OPTS[HOST]} ${OPTS[KILL]}" ;;
        explain) options+=" ${OPTS[HOST]} ${OPTS[PAGER]} ${OPTS[TABLE]} ${OPTS[JSON]} ${OPTS[MAKE]}" ;;
        monitor | version) options+=" ${OPTS[HOST]} ${OPTS[JSON]}" ;;
        help) options+=" ${OPTS[PAGER]}" ;;
        *) options+=" ${OPTS[HOST]}" ;;
        esac
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
        return
    fi

    case $verb in
    '') mapfile -t COMPREPLY < <(compgen -W "$all_verbs" -- "$cur") ;;
    status | show | freeze | thaw | rm) mapfile -t COMPREPLY < <(compgen -W "$(__ocsbctl_sessions)" -- "$cur") ;;
    exec | shell)
        [[ -n $session ]] || mapfile -t COMPREPLY < <(compgen -W "$(__ocsbctl_sessions)" -- "$cur")
        [[ $verb == exec && -n $session ]] && mapfile -t COMPREPLY < <(compgen -c -- "$cur")
        ;;
    kill)
        if [[ -z $session ]]; then
            mapfile -t COMPREPLY < <(compgen -W "$(__ocsbctl_sessions)" -- "$cur")
        else
            mapfile -t COMPREPLY < <(compgen -W "$(__ocsbctl_execs "$session")" -- "$cur")
        fi
        ;;
    run) mapfile -t COMPREPLY < <(compgen -c -- "$cur") ;;
    approve | deny) mapfile -t COMPREPLY < <(compgen -W "$(__ocsbctl_requests)" -- "$cur") ;;
    lockdown) mapfile -t COMPREPLY < <(compgen -W 'on off' -- "$cur") ;;
    firewall)
        if [[ -z $session ]]; then
            mapfile -t COMPREPLY < <(compgen -W 'status verify allow revoke show reload' -- "$cur")
        elif [[ $session == verify || $session == allow || $session == revoke ]]; then
            mapfile -t COMPREPLY < <(compgen -W "$(__ocsbctl_sessions)" -- "$cur")
        fi
        ;;
    help) mapfile -t COMPREPLY < <(compgen -W "$all_verbs" -- "$cur") ;;
    esac
}

complete -F _ocsbctl ocsbctl
