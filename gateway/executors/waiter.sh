#!/bin/sh
# Runs one attempt's command, waits for it and writes down how it ended. Outlives the gateway.
#
#   sh waiter.sh FOLDER BOOT_ID OOM_KILLS UMASK MEMORY_KB CGROUP FILES CARRIED PREFIX ENV COMMAND \
#                 [ARGUMENT]...
#
#   FOLDER     the attempt's folder
#   BOOT_ID    goes into the file `pid`
#   OOM_KILLS  the host's oom_kill counter before the start; empty = not known
#   UMASK      the command's umask
#   MEMORY_KB  bound of the command's data segment; empty = none
#   CGROUP     folder of the attempt's cgroup; empty = none
#   FILES      the command's soft limit of open files; empty = the waiter's own
#   CARRIED    how many variables waiter_carried_1 ... hold a NAME=value each; with any, the command gets
#              these and nothing else; 0 = it gets the waiter's environment
#   PREFIX     words to put in front of the command (a change of user)
#   ENV        path of env(1)
#
# Descriptors: 0 nothing to read, 1 the command's stdout, 2 the file `waiter`, 3 the command's stderr.
# Writes `pid` (boot id, pid, start time; next line the cgroup) and `exit` (status, exit or signal, whether
# it was out of memory), each a line that counts only with its newline. Needs dash, bash or busybox; calls
# no program of its own, a fork costs more than all of the rest.

# Everything is in functions, so that the shell has read the file to its end before the command starts, and
# replacing the file by an update does no harm. All names begin with waiter_: none hides a variable of the job.

# Sets waiter_started to field 22 of the shell's stat line; (comm) has no blanks, it is the shell's name.
waiter_read_start() {
    shift 21
    waiter_started=$1
}

# Sets waiter_kills to the oom_kill counter in the file $1, empty without one.
waiter_read_kills() {
    waiter_kills=
    while read -r waiter_name waiter_value; do
        [ "$waiter_name" = oom_kill ] && waiter_kills=$waiter_value
    done <"$1"
}

# Becomes the command; in a child of the waiter.
waiter_become() {
    # What goes wrong from here on is for the job's eyes.
    exec 2>&3 3>&-
    # By its thread, the only one, it moves at once; by its process after a wait for all processors.
    [ -n "$waiter_cgroup" ] && {
        echo 0 >"$waiter_cgroup/cgroup.threads" || echo 0 >"$waiter_cgroup/cgroup.procs"
    } 2>/dev/null
    [ -n "$waiter_memory" ] && ulimit -d "$waiter_memory" 2>/dev/null
    [ -n "$waiter_files" ] && ulimit -S -n "$waiter_files" 2>/dev/null
    cd ./work || exit 126
    umask "$waiter_umask"
    # The shells export these. A job that sets them itself has them carried.
    unset PWD OLDPWD SHLVL
    if [ "$waiter_carried" -gt 0 ]; then
        # dash drops names that are no identifiers, every shell has names of its own (PWD, IFS, UID), and
        # LD_PRELOAD must not reach the waiter. Such variables come under neutral names, not as arguments,
        # because those of a process are there for everyone to see; env(1) shows them but for a moment.
        waiter_words=
        waiter_index=$waiter_carried
        while [ "$waiter_index" -gt 0 ]; do
            waiter_words="\"\$waiter_carried_$waiter_index\" $waiter_words"
            waiter_index=$((waiter_index - 1))
        done
        eval "set -- $waiter_words \"\$@\""
        while [ "$waiter_carried" -gt 0 ]; do
            unset "waiter_carried_$waiter_carried"
            waiter_carried=$((waiter_carried - 1))
        done
        set -- "$waiter_env" -i -- "$@"
    fi
    # Unquoted: it is a list of plain words.
    exec $waiter_prefix "$@"
}

waiter_main() {
    umask 077
    cd "$1" || exit 1
    waiter_boot=$2 waiter_kills_before=$3 waiter_umask=$4 waiter_memory=$5
    waiter_cgroup=$6 waiter_files=$7 waiter_carried=$8 waiter_prefix=$9 waiter_env=${10}
    shift 10

    # Handlers, because what is ignored would be ignored by the command, too. SIGTERM goes to the whole
    # session; the waiter stays to tell how the command ended.
    waiter_stop=
    trap 'waiter_stop=1' TERM
    trap ':' HUP INT QUIT PIPE ALRM USR1 USR2

    # The shell itself reads, so "self" is the shell.
    read -r waiter_line </proc/self/stat
    # shellcheck disable=SC2086
    waiter_read_start $waiter_line

    # The one place that decides who runs the attempt: `set -C` creates exclusively. The loser says nothing
    # and leaves nothing, the file `waiter` belongs to the winner.
    set -C
    {
        printf '%s %s %s\n%s\n' "$waiter_boot" "$$" "$waiter_started" "$waiter_cgroup" >pid || exit 0
    } 2>/dev/null
    set +C

    # Shells warn of a locale, say; only what they write from here on tells of the command.
    : >waiter

    if [ -n "$waiter_stop" ]; then
        # Stopped before it began.
        waiter_status=143 waiter_how=signal
    else
        # In the foreground: a background command would have SIGINT ignored. A subshell has no traps.
        (waiter_become "$@")
        waiter_status=$? waiter_how=exit
    fi

    # A status alone does not tell `exit 137` from SIGKILL. Shells write "Killed" and the like to their own
    # standard error when a signal ended the command, but are silent on some, which are taken for signals:
    # SIGINT and SIGPIPE; in bash all that it has traps for.
    if [ "$waiter_status" -gt 128 ]; then
        waiter_silent=" 130 141 "
        [ -n "$BASH_VERSION" ] && waiter_silent=" 129 130 131 138 140 141 142 143 "
        case "$waiter_silent" in
            *" $waiter_status "*) waiter_how=signal ;;
            *) [ -s waiter ] && waiter_how=signal ;;
        esac
    fi

    waiter_oom=false
    if [ "$waiter_status $waiter_how" = "137 signal" ]; then
        waiter_oom=unknown
        if [ -n "$waiter_cgroup" ] && [ -r "$waiter_cgroup/memory.events" ]; then
            waiter_kills_before=0
            waiter_read_kills "$waiter_cgroup/memory.events"
        elif [ -n "$waiter_kills_before" ]; then
            waiter_read_kills /proc/vmstat
        fi
        if [ -n "$waiter_kills" ]; then
            waiter_oom=false
            [ "$waiter_kills" -gt "$waiter_kills_before" ] && waiter_oom=true
        fi
    fi

    # One write of one line, whole or not there for those who look for its newline. A rename would need mv(1).
    printf '%s %s %s\n' "$waiter_status" "$waiter_how" "$waiter_oom" >exit
}

waiter_kills=
waiter_main "$@"
exit 0
