# SPDX-License-Identifier: GPL-2.0-or-later
# Sourced by the tests of fence_kemari against simulated BMCs: the agent, a host whose power is a file, and steps.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
make=${MAKE:-make}
$make -s "$($make -s print-build)/fence_kemari"
agent=$($make -s print-build)/fence_kemari
dir=$(mktemp -d)
sim=
finish() {
    [ -z "$sim" ] || kill "$sim" 2> /dev/null || true
    rm -rf "$dir"
}
trap finish EXIT

uuid=a1234567-89ab-cdef-a123-456789abcd01
cat > "$dir/power" <<'POWER'
#!/bin/bash
# chassis control: get|set VAR [VALUE]...; an order takes effect after $dir/takes seconds, or not at all
dir=${0%/*}
case $1 in
get)
    shift
    for v; do if [ "$v" = power ]; then echo "power:$(cat "$dir/on")"; else echo "$v:0"; fi; done ;;
set)
    shift
    while [ $# -ge 2 ]; do
        if [ "$1" = power ]; then
            echo "$2" >> "$dir/orders"
            if [ "$(cat "$dir/takes")" != never ]; then
                (sleep "$(cat "$dir/takes")"; echo "$2" > "$dir/on") > /dev/null 2>&1 < /dev/null &
            fi
        fi
        shift 2
    done ;;
esac
exit 0
POWER
chmod +x "$dir/power"

# power NOW TAKES: the state of the host, and how long an order takes
power() { echo "$1" > "$dir/on"; echo "$2" > "$dir/takes"; : > "$dir/orders"; }

# step NAME EXPECTED-STATUS TEXT OPTION...: as Pacemaker calls it; by way of the command via
via=()
step() {
    local name=$1 expected=$2 text=$3 status=0 out
    shift 3
    out=$(printf '%s\n' "${options[@]}" plug=xa nodename=xa "$@" | "${via[@]}" "$agent" 2>&1) || status=$?
    if [ "$status" != "$expected" ] || ! grep -qF -- "$text" <<< "$out"; then
        echo "$name: status $status, expected $expected and '$text': $out"
        exit 1
    fi
    if grep -qF s3cret <<< "$out"; then
        echo "$name: it shows the password: $out"
        exit 1
    fi
}

# is NAME VALUE FILE: what is in it, in one line
is() {
    local now
    now=$(tr '\n' ' ' < "$dir/$3")
    [ "$now" = "$2" ] || { echo "$1: $3 is '$now', expected '$2'"; exit 1; }
}

