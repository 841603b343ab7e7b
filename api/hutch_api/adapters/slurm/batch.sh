#!/bin/bash
# One attempt of hutch as a job of Slurm: its steps, one after the other, in containers
# of the node. $1 is the directory of the attempt, which the runner sees as well, $2 the
# number of bytes that are kept of what the program writes.
#
# What is there before the job is submitted:
#   args-door args-in args-main args-out  how podman makes the containers: a NUL behind
#                                         each argument, so that none has to be quoted
#   args-gate                             the same, if the program fetches its input
#                                         itself, over the loopback of this container
#   args-volume                           the same for each volume
#   claim-in claim-out                    archives with the claim codes of hutch's steps
# What the job leaves, each of it whole or not at all:
#   begun                                 that it began; a second job then does nothing
#   node, step                            where it is, and how far
#   exit-in exit-main exit-out            how the steps ended
#   detail                                why one could not be executed: the node failed,
#                                         not the program
#   used                                  bytes below /out and /work
#   in.log main.log out.log door.log      what the containers wrote
set -u
umask 077
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
# The epilog has neither: both have to come to the same containers of one user.
unset XDG_RUNTIME_DIR DBUS_SESSION_BUS_ADDRESS LD_LIBRARY_PATH

readonly dir=$1
readonly name=hutch-${dir##*/}
readonly label=hutch.slurm-job=$SLURM_JOB_ID
readonly volumes=(in out work run claim door)
readonly most=$2 most_of_own=65536
readonly look_s=2 open_s=300 # nothing is lost by patience on a busy node

mkdir "$dir/begun" 2>/dev/null || exit 0

# tell NAME TEXT
tell() {
    printf '%s\n' "$2" >"$dir/.$1" && mv -f "$dir/.$1" "$dir/$1"
}

# fail WHY: no step failed, but what should execute it.
fail() {
    tell detail "$1"
    exit 1
}

# last FILE: what it says at its end.
last() {
    tail -n 1 "$dir/$1" 2>/dev/null | head -c 500
}

clean() {
    trap '' TERM INT HUP
    kill ${watcher:-} 2>/dev/null
    podman rm --force --time 0 --ignore --volumes "$name"-{out,main,in,door}
    # By itself: it cannot go before the program that shares its loopback.
    [ -z "$streams" ] || podman rm --force --time 0 --ignore --volumes "$name-gate"
    podman volume rm --force "${volumes[@]/#/$name-}"
} >/dev/null 2>&1

# make STEP: make its container, and hand it its claim code.
make() {
    local args devices=() gpu gpus=${SLURM_JOB_GPUS:-}
    mapfile -d '' -t args <"$dir/args-$1"
    if [ "$1" = main ]; then
        for gpu in ${gpus//,/ }; do devices+=(--device "nvidia.com/gpu=$gpu"); done
    fi
    podman create --label "$label" "${devices[@]}" "${args[@]}" >/dev/null 2>"$dir/error" || return
    if [ -e "$dir/claim-$1" ]; then
        podman cp - "$name-$1:/run/claim" <"$dir/claim-$1" 2>"$dir/error" || return
        rm -f "$dir/claim-$1"
    fi
}

# keep FILE BYTES: so much of what comes, at once; the rest goes nowhere, but is taken.
# By a limit of the kernel: head would write late, and dd counts what it reads, not bytes.
keep() {
    (
        trap '' XFSZ
        ulimit -f $(($2 / 1024))
        exec cat >"$dir/$1"
    ) 2>/dev/null
    cat >/dev/null
}

# attach STEP BYTES: start it, keep so much of what it writes, note how podman ended.
# Podman passes no signal on: what ends the job is not to look like an end of the program.
attach() {
    {
        podman start --attach --sig-proxy=false "$name-$1" 2>&1
        echo $? >"$dir/.code"
    } | keep "$1.log" "$2"
}

# step STEP BYTES: execute it; only a step that succeeds lets the job go on.
step() {
    local code state
    tell step "$1"
    make "$1" || fail "podman: $(last error)"
    # Bash looks at its traps while it waits, and at no other time.
    attach "$1" "$2" &
    wait $!
    code=$(cat "$dir/.code") || exit 1
    if [ "$code" -ge 125 ]; then # podman's own failures have such codes as well
        state=$(podman inspect --type container --format '{{.State.Status}} {{.State.ExitCode}}' \
            "$name-$1" 2>"$dir/error") || fail "podman: $(last error)"
        case $state in
        'exited '* | 'stopped '*) code=${state#* } ;;
        'created '* | 'configured '* | 'initialized '*) fail "podman: $(last "$1.log")" ;;
        *) exit 1 ;; # it goes on: somebody ends the job, not the program
        esac
    fi
    tell "exit-$1" "$code"
    [ "$code" -eq 0 ] || exit "$code"
}

# open NAME: run the door or the gate, and wait until it listens.
open() {
    local args turn
    mapfile -d '' -t args <"$dir/args-$1"
    podman run --label "$label" "${args[@]}" 2>&1 | keep "$1.log" "$most_of_own" &
    for ((turn = 0; turn < open_s * 10; turn++)); do
        grep -qs "\"$1\": \"open\"" "$dir/$1.log" && return
        kill -0 $! 2>/dev/null || break
        sleep 0.1
    done
    fail "the $1 of the job stays shut: $(last "$1.log")"
}

# Ends the job when the runner has removed the directory: a node that Slurm has given up
# may go on with what nobody wants any more. Once may be a file server that stumbles.
watch() {
    local absent=0 places sum before=
    mapfile -t places < <(podman volume inspect --format '{{.Mountpoint}}' "$name"-{out,work} 2>/dev/null)
    while sleep "$look_s"; do
        if [ -e "$dir/begun" ]; then absent=0; else absent=$((absent + 1)); fi
        if [ "$absent" -ge 3 ]; then kill -TERM $$ && return; fi
        # Else a file server would hear of the log when the program has ended.
        sync --data "$dir/main.log"
        [ ${#places[@]} -eq 2 ] || continue
        # What holds nothing counts as well: there is no end of names otherwise.
        sum=$("${owner[@]}" find "${places[@]}" -xdev -printf '%b\n' |
            awk '{ n = $1 * 512; sum += n < 4096 ? 4096 : n } END { printf "%.0f", sum }')
        [ "$sum" = "$before" ] || tell used "$sum"
        before=$sum
    done
}

streams=
[ ! -e "$dir/args-gate" ] || streams=yes
owner=()
[ "$(id -u)" -eq 0 ] || owner=(podman unshare) # who else may look into the volumes
trap clean EXIT
trap 'exit 143' TERM INT HUP

tell node "${SLURMD_NODENAME:-$(uname -n)}"
tell step in
mapfile -d '' -t args <"$dir/args-volume"
for volume in "${volumes[@]}"; do
    podman volume create --label "$label" "${args[@]}" "$name-$volume" >/dev/null 2>"$dir/error" ||
        fail "podman: $(last error)"
done
watch 2>/dev/null &
watcher=$!
open door
step in "$most_of_own"
[ -z "$streams" ] || open gate
step main "$most"
step out "$most_of_own"
