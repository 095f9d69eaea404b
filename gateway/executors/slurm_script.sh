# Runs one attempt's command on a node and writes down how it ended: the batch script that Slurm is given.
#
# The gateway puts `#!/bin/sh` and `attempt_folder=...` in front. It finds in that folder what it is to run,
# `launch`, which defines attempt_run and is deleted once it is read: secrets are in it. It writes there
#
#   begun     the id of the Slurm job that runs the attempt, created exclusively: of two jobs that Slurm was
#             given for one attempt, or of two runs of one job, the first runs the command
#   stdout, stderr   what the command writes
#   shell     what the shell has to say
#   refused   why the command could not be run
#   exit      status, exit or signal: a line that counts with its newline
#   container state of the container, once it runs: written by a hook of its runtime, with the process id
#
# Slurm sends signals to the script and to the command alike. The script outlives them. SIGUSR2 is the
# gateway's "kill now": all other processes of the session are killed. SIGURG is its "ask the container to end".
# Needs dash or bash.
#
# A container is a step of the Slurm job, that srun begins and waits for: the script stays on the node. It is in
# no session of the script's; its first process gets signals from here, and the others die with it.

# Kills all processes of this session but the script, whoever asks, and Slurm's own, which leads the session;
# fails when there are none.
attempt_slay() {
    read -r attempt_line </proc/self/stat
    attempt_self=${attempt_line%% *}
    attempt_found=1
    for attempt_stat in /proc/[0-9]*/stat; do
        attempt_line=
        { read -r attempt_line <"$attempt_stat"; } 2>/dev/null || continue
        attempt_pid=${attempt_line%% *}
        # Behind the name, which may hold anything: state, parent, group, session.
        # shellcheck disable=SC2086
        set -- ${attempt_line##*) }
        [ "$4" = "$attempt_session" ] && [ "$1" != Z ] || continue
        case " $$ $PPID $attempt_self $attempt_session " in
            *" $attempt_pid "*) continue ;;
        esac
        case $attempt_line in
            *"(slurmstepd)"*) continue ;;
        esac
        kill -KILL "$attempt_pid" 2>/dev/null && attempt_found=0
    done
    return "$attempt_found"
}

# Kills until nothing is left: what is forked meanwhile, too.
attempt_slay_all() {
    attempt_rounds=0
    while [ "$attempt_rounds" -lt 100 ] && attempt_slay; do
        attempt_rounds=$((attempt_rounds + 1))
    done
}

# Sends a signal to the first process of the container; fails when there is none yet.
attempt_signal() {
    attempt_line=
    { read -r attempt_line <container || [ -n "$attempt_line" ]; } 2>/dev/null || return 1
    attempt_pid=${attempt_line#*\"pid\":}
    attempt_pid=${attempt_pid# }
    attempt_pid=${attempt_pid%%[!0-9]*}
    [ -n "$attempt_pid" ] && kill "-$1" "$attempt_pid" 2>/dev/null
}

# Stays beside the command and kills it when it is told to: the script itself waits for the command.
attempt_guard() {
    attempt_asked='' attempt_pause=3600
    trap ':' TERM HUP INT QUIT PIPE ALRM USR1
    trap 'attempt_signal KILL; attempt_slay_all; exit 0' USR2
    trap 'attempt_asked=1' URG
    while :; do
        if [ -n "$attempt_asked" ]; then
            # It may be asked to end before it runs.
            attempt_asked='' attempt_pause=3600
            attempt_signal TERM || attempt_asked=1 attempt_pause=1
        fi
        sleep "$attempt_pause" &
        wait "$!"
    done
}

# Whether a file can be executed; notes what is wrong with it.
attempt_try() {
    [ -f "$1" ] || return 1
    [ -x "$1" ] && return 0
    attempt_fault="the command is not executable"
    return 1
}

# Looks for a command as execvp(3) does. One that is not found is told of, and is the end.
attempt_find() {
    cd "$attempt_folder/work" || exit 126
    attempt_fault="there is no such command"
    case $1 in
        */*) attempt_try "$1" && return ;;
        ?*)
            attempt_rest=$PATH:
            while [ -n "$attempt_rest" ]; do
                attempt_place=${attempt_rest%%:*} attempt_rest=${attempt_rest#*:}
                # An empty entry of PATH is the working folder (POSIX, XBD 8.3).
                attempt_try "${attempt_place:-.}/$1" && return
            done
            ;;
    esac
    attempt_refuse "$attempt_fault on node ${SLURMD_NODENAME:-unknown}: $1"
}

# Tells why the command could not be run, and is the end.
attempt_refuse() {
    printf '%s\n' "$1" >"$attempt_folder/refused"
    exit 127
}

# Looks for what a container needs of the node. Without oci.conf Slurm would run the command on the node itself.
attempt_find_srun() {
    attempt_place="on node ${SLURMD_NODENAME:-unknown}"
    attempt_conf=${SLURM_CONF:-/etc/slurm/slurm.conf}
    attempt_conf=${attempt_conf%/*}/oci.conf
    [ -f "$attempt_conf" ] || attempt_refuse "Slurm cannot run containers $attempt_place: there is no $attempt_conf"
    attempt_srun=$(command -v srun) || attempt_refuse "Slurm cannot run containers $attempt_place: there is no srun"
    # See `step_words` of the gateway.
    [ -e 0 ] || ln -s . 0
}

# Becomes the command, whose words it is given.
attempt_become() {
    exec >>../stdout 2>>../stderr </dev/null || exit 126
    umask "$attempt_umask"
    # The shells export these.
    unset PWD OLDPWD SHLVL
    exec "$@"
}

# Becomes srun, whose words it is given. What srun itself has to say is not the command's.
attempt_become_srun() {
    umask "$attempt_umask"
    unset PWD OLDPWD SHLVL
    exec "$@" </dev/null
}

attempt_main() {
    attempt_umask=$(umask)
    umask 077
    cd "$attempt_folder" || exit 1
    # Handlers, because what is ignored would be ignored by the command, too.
    trap ':' TERM HUP INT QUIT PIPE ALRM USR1 URG
    attempt_slain=
    trap 'attempt_slain=1' USR2
    read -r attempt_line </proc/self/stat
    # shellcheck disable=SC2086
    set -- ${attempt_line##*) }
    attempt_session=$4

    set -C
    { printf '%s\n' "$SLURM_JOB_ID" >begun; } 2>/dev/null || exit 0
    set +C
    # shellcheck disable=SC1091
    . ./launch || exit 1
    rm -f launch
    attempt_guard &
    exec 2>>shell
    # In the foreground: a background command would have SIGINT ignored. A subshell has no traps.
    (attempt_run)
    attempt_status=$? attempt_how=exit

    # A status alone does not tell `exit 137` from SIGKILL. Shells write "Killed" and the like to their own
    # standard error when a signal ended the command, but for some.
    if [ -d bundle ]; then
        # Neither do runtimes tell the two apart.
        if [ "$attempt_status" -gt 128 ]; then
            attempt_how=signal
        elif [ "$attempt_status" -ne 0 ] && [ -z "$attempt_slain" ] && ! [ -e container ] && ! [ -e refused ]; then
            attempt_said=$(tail -q -n 1 stderr shell 2>/dev/null | tr '\n' ' ')
            printf 'the container could not begin on node %s: %s\n' "${SLURMD_NODENAME:-unknown}" \
                "$attempt_said" >refused
        fi
    elif [ "$attempt_status" -gt 128 ]; then
        attempt_silent=" 130 141 "
        [ -n "$BASH_VERSION" ] && attempt_silent=" 129 130 131 138 140 141 142 143 "
        case "$attempt_silent" in
            *" $attempt_status "*) attempt_how=signal ;;
            *) [ -s shell ] && attempt_how=signal ;;
        esac
    fi
    # Slurm gave it that signal, too, which says no more than that it was killed.
    [ "$attempt_slain $attempt_status" = "1 140" ] && attempt_status=137 attempt_how=signal
    attempt_slay_all
    printf '%s %s\n' "$attempt_status" "$attempt_how" >exit
    exit "$attempt_status"
}

attempt_main
