# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Copyright (c) 2026 The pollux authors
#
# What the scripts in tools/ and .ci/ share: words on the terminal, build folders, test runs, and the tally that ends
# in "N passed, N failed, N skipped". Source it; it makes the root of the repository the working directory.
#
# Environment: CXX chooses the compiler, POLLUX_MESON_ARGS adds meson options to every build folder, NO_COLOR is honoured.

POLLUX_ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
cd -- "$POLLUX_ROOT" || exit 1

# shellcheck disable=SC2034 # most names here are for the scripts that source this

# --- words ---------------------------------------------------------------------------------------------------------

if [[ -t 1 && -z ${NO_COLOR:-} && ${TERM:-dumb} != dumb ]]; then
    bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' plain=$'\e[0m'
else
    bold='' dim='' red='' green='' plain=''
fi

say() { printf '%s\n' "$*"; }
headline() { printf '%s\n' "$bold== $*$plain"; }
complain() { printf '%s\n' "${0##*/}: $*" >&2; }
die() {
    complain "$*"
    exit 1
}
# A wrong option or argument: one line, exit 2.
die_usage() {
    complain "$* (try --help)"
    exit 2
}
# The comment block at the top of the calling script, between the copyright line and the first blank line, is its help.
show_help() { awk 'NR > 4 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"; }

# duration SECONDS: "42 s" or "3 min 07 s".
duration() {
    if (($1 < 60)); then printf '%d s' "$1"; else printf '%d min %02d s' $(($1 / 60)) $(($1 % 60)); fi
}

# --- things to undo when the script ends ---------------------------------------------------------------------------

scratch=$(mktemp -d "${TMPDIR:-/tmp}/pollux.XXXXXX") # private to this process, gone with it
at_exit() { :; }                                     # a script may define its own; it runs before the folder goes
trap 'at_exit; rm -rf -- "$scratch"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# --- build folders -------------------------------------------------------------------------------------------------

# setup_build DIR [meson option…]: a build folder with exactly these options. One that is there and was made with the
# same options from the same place costs nothing; an unfinished, moved or different one is made again.
setup_build() {
    local dir=$1 stamp=$1/.pollux-setup wanted extra
    shift
    [[ $dir == build/?* && $dir != *..* ]] || die "'$dir' is not a folder under build/"
    read -ra extra <<<"${POLLUX_MESON_ARGS:-}"
    set -- "$@" ${extra[@]+"${extra[@]}"}
    wanted=$(printf '%s\n' "$POLLUX_ROOT" "CXX=${CXX:-}" "CXXFLAGS=${CXXFLAGS:-}" "LDFLAGS=${LDFLAGS:-}" "$@")
    if [[ -f $dir/build.ninja && -f $dir/meson-private/coredata.dat && -f $stamp && $(<"$stamp") == "$wanted" ]]; then
        return 0
    fi
    if [[ -e $dir ]]; then
        say "$dir was made otherwise or is not whole: making it again"
        rm -rf -- "$dir"
    fi
    say "meson setup $dir $*"
    if ! meson setup "$dir" "$@" >"$scratch/setup.log" 2>&1; then
        cat "$scratch/setup.log"
        complain "meson setup failed; what it tried is in $dir/meson-logs/meson-log.txt"
        return 1
    fi
    printf '%s\n' "$wanted" >"$stamp"
}

# build DIR [target…]: ninja draws its own progress on a terminal; elsewhere each quarter is a line, and so is whatever
# the compiler says. Says nothing when there is nothing to do.
build() {
    local dir=$1 ninja start=$SECONDS
    shift
    ninja=$(command -v ninja || command -v ninja-build || command -v samu) || die "ninja is missing"
    if "$ninja" -C "$dir" -n "$@" 2>/dev/null | tail -n 1 | grep -q 'no work to do'; then return 0; fi
    if [[ -t 1 ]]; then
        "$ninja" -C "$dir" "$@" || return 1
    else
        "$ninja" -C "$dir" "$@" 2>&1 | awk -v dir="$dir" '
            /^ninja: / && !/error|fatal|stopped/ { next }
            match($0, /^\[[0-9]+\/[0-9]+\] /) {
                split(substr($0, 2, RLENGTH - 3), step, "/")
                quarter = int(4 * step[1] / step[2])
                if (quarter > shown) { shown = quarter; print "building " dir ": " step[1] " of " step[2]; fflush() }
                next
            }
            { print; fflush() }' || return 1
    fi
    say "built $dir in $(duration $((SECONDS - start)))"
}

# --- the tally -----------------------------------------------------------------------------------------------------
# A file with a line per stage: name, passed, failed, skipped, seconds, separated by tabs; beside it, in `.failed`, a line
# per failure, for the end of a long log. A script that is called by another one that keeps a tally adds its lines there
# when it closes its own.

tally_open() {
    outer_tally=${POLLUX_TALLY:-}
    export POLLUX_TALLY=$scratch/tally
    : >"$POLLUX_TALLY"
    : >"$POLLUX_TALLY.failed"
}

tally_add() { # NAME PASSED FAILED SKIPPED SECONDS
    printf '%s\t%d\t%d\t%d\t%d\n' "$@" >>"$POLLUX_TALLY"
}

tally_failures() { awk -F '\t' '{ sum += $3 } END { print sum + 0 }' "$POLLUX_TALLY"; }

# tally_close [--table]: the closing line, with a table of the stages above it. False if anything failed or nothing ran.
tally_close() {
    if [[ ${1:-} == --table ]]; then
        awk -F '\t' 'BEGIN { printf "\n%-34s %8s %8s %8s %8s\n", "stage", "passed", "failed", "skipped", "seconds" }
            { printf "%-34s %8d %8d %8d %8d\n", $1, $2, $3, $4, $5 }' "$POLLUX_TALLY"
        say "all of it took $(duration "$SECONDS")"
        sed 's/^/failed: /' "$POLLUX_TALLY.failed"
    fi
    if [[ -n $outer_tally ]]; then
        cat "$POLLUX_TALLY" >>"$outer_tally"
        cat "$POLLUX_TALLY.failed" >>"$outer_tally.failed"
    fi
    awk -F '\t' '{ p += $2; f += $3; s += $4 }
        END { printf "%d passed, %d failed, %d skipped\n", p, f, s; exit !(f == 0 && p > 0) }' "$POLLUX_TALLY"
}

# stage NAME COMMAND…: runs it under a headline with its time. A command that fails without having said so in the tally
# (a build that broke, say) is one failure of that name; whatever happens, the next stage runs. A command that runs no
# tests of its own and succeeds adds nothing.
stage() {
    local name=$1 start=$SECONDS before status=0
    shift
    before=$(tally_failures)
    headline "$name"
    "$@" || status=$?
    if ((status != 0 && $(tally_failures) == before)); then
        tally_add "$name" 0 1 0 $((SECONDS - start))
        say "$name" >>"$POLLUX_TALLY.failed"
    fi
    say "$dim$name: $(duration $((SECONDS - start)))$plain"
    return 0
}

# check NAME COMMAND…: a static check, one passed or one failed.
check() {
    local name=$1 start=$SECONDS
    shift
    if "$@"; then
        tally_add "$name" 1 0 0 $((SECONDS - start))
    else
        tally_add "$name" 0 1 0 $((SECONDS - start))
        say "$name" >>"$POLLUX_TALLY.failed"
        return 1
    fi
}

# --- tests ---------------------------------------------------------------------------------------------------------

# run_tests NAME DIR [--allow-empty] [meson test option…]: runs the tests of a build folder and adds what they count to
# the tally. --allow-empty: a filter is at work, an executable without a matching case is no failure.
run_tests() {
    local name=$1 dir=$2 start=$SECONDS sum_options=() passed failed skipped
    shift 2
    if [[ ${1:-} == --allow-empty ]]; then
        sum_options=(--allow-empty)
        shift
    fi
    rm -f -- "$dir/meson-logs/testlog.json"
    # Its exit status is not asked: the log says more, and no log is a failure too.
    ${test_wrapper[@]+"${test_wrapper[@]}"} meson test -C "$dir" --no-rebuild --print-errorlogs "$@" || true
    python3 tools/lib/sum-tests.py ${sum_options[@]+"${sum_options[@]}"} --counts "$scratch/counts" \
        --failures "$POLLUX_TALLY.failed" "$dir/meson-logs/testlog.json" || return 1
    read -r passed failed skipped <"$scratch/counts"
    tally_add "$name" "$passed" "$failed" "$skipped" $((SECONDS - start))
    ((failed == 0))
}

# build_and_test NAME DIR [meson setup option…] [-- run_tests option…]
build_and_test() {
    local name=$1 dir=$2 options=()
    shift 2
    while (($# > 0)) && [[ $1 != -- ]]; do
        options+=("$1")
        shift
    done
    (($# == 0)) || shift
    setup_build "$dir" ${options[@]+"${options[@]}"} && build "$dir" && run_tests "$name" "$dir" "$@"
}

# sanitized COMMAND…: with options that make every report a failure, and without address randomization where it can be
# turned off: the shadow memory of clang 14 and gcc 12 does not fit every layout that newer kernels choose.
sanitized() {
    local test_wrapper=()
    if setarch "$(uname -m)" -R true 2>/dev/null; then test_wrapper=(setarch "$(uname -m)" -R); fi
    ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1:abort_on_error=0${ASAN_OPTIONS:+:$ASAN_OPTIONS} \
        UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1${UBSAN_OPTIONS:+:$UBSAN_OPTIONS} \
        TSAN_OPTIONS=suppressions=$PWD/tests/tsan.supp:halt_on_error=1:second_deadlock_stack=1${TSAN_OPTIONS:+:$TSAN_OPTIONS} \
        "$@"
}

# The builds that CI and check-full share. Sanitizers need undefined symbols in shared libraries (b_lundef) and tests
# run several times slower (--timeout-multiplier).
# Reports need lines and names; all that a debugger could use takes half of the compilers' time.
line_tables=-Dcpp_args=-g1
# shellcheck disable=SC2054 # the comma is meson's
asan_options=(--buildtype=debug "$line_tables" -Doptimization=1 -Db_sanitize=address,undefined -Db_lundef=false -Dwerror=true)
tsan_options=(--buildtype=debug "$line_tables" -Doptimization=0 -Dsamples=false -Dtools=false -Db_sanitize=thread -Db_lundef=false -Dwerror=true)

with_gcc() { CXX=${POLLUX_GCC:-g++} "$@"; }
with_clang() { CXX=${POLLUX_CLANG:-clang++} "$@"; }
test_asan() { # NAME DIR
    sanitized build_and_test "$1" "$2" "${asan_options[@]}" -- --timeout-multiplier 4
}
test_tsan() { # NAME DIR: only the cases that use more than one thread
    sanitized build_and_test "$1" "$2" "${tsan_options[@]}" -- --allow-empty --timeout-multiplier 8 \
        --suite catch2 --test-args='[threads]'
}

# run_stages [--help] [STAGE…]: runs the named stages of `all_stages`, or all of them, after installing the groups in
# `install_groups`, and closes the tally. Stage "some-name" is the function stage_some_name.
install_groups=()
run_stages() {
    local name stages=()
    while (($# > 0)); do
        case $1 in
        --help | -h)
            show_help
            exit 0
            ;;
        *) stages+=("$1") ;;
        esac
        shift
    done
    ((${#stages[@]} > 0)) || stages=("${all_stages[@]}")
    for name in "${stages[@]}"; do
        [[ " ${all_stages[*]} " == *" $name "* ]] || die_usage "unknown stage '$name'"
    done
    tally_open
    tools/install-deps ${install_groups[@]+"${install_groups[@]}"}
    for name in "${stages[@]}"; do stage "$name" "stage_${name//-/_}"; done
    tally_close --table
}
