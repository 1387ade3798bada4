#!/bin/sh
# The agent of Rehost @version@, for any Linux: `sh rehost-agent.run --service URL --code CODE` as
# root installs it, `sh rehost-agent.run` alone upgrades it, `sh rehost-agent.run uninstall` takes
# it off again, `sh rehost-agent.run extract FILE` only unpacks it. Other words are passed on:
# `discover` shows what it finds out about this machine. It needs no network to start.
#
# After this text come the agent's programs: a zip for a Python that is here, and for machines
# without one an executable that has its own.
set -eu

# Each: name, first byte, size, SHA-256.
programs='@programs@'
# Of the Pythons that the zip has packages for.
tags='@tags@'

say() { printf 'rehost-agent: %s\n' "$*" >&2; }
fail() {
    say "$*"
    exit 1
}

# Where programs may be run: /tmp often is no such place.
make_folder() {
    for place in /usr/local /var/lib /root "${TMPDIR:-/tmp}"; do
        folder=$(mktemp -d "$place/rehost-agent.XXXXXX" 2>/dev/null) || continue
        printf '#!/bin/sh\n' >"$folder/try" && chmod 700 "$folder/try"
        if "$folder/try" 2>/dev/null; then
            rm "$folder/try"
            return
        fi
        rm -r "$folder"
    done
    fail "found no folder that programs may be run from; set TMPDIR to one"
}

unpack() { # name
    line=$(printf '%s\n' "$programs" | grep "^$1 ") || return 1
    set -- $line
    tail -c "+$2" "$self" | head -c "$3" >"$folder/$1"
    chmod 700 "$folder/$1"
    found=$(sha256sum <"$folder/$1")
    [ "${found%% *}" = "$4" ] ||
        fail "this file is damaged: $1 in it is not what it should be; fetch it again"
}

# What Python calls itself in the names of compiled modules; nothing if it cannot run the agent.
python_tag() {
    python3 -I -S -c '
import sys
if sys.version_info < (3, 11):
    sys.exit(1)
import ctypes, fcntl, ssl, sysconfig, zlib
print(sysconfig.get_config_var("EXT_SUFFIX")[1:-3])' 2>/dev/null
}

choose() {
    executable=rehost-agent-linux-$(uname -m)
    tag=$(python_tag) || tag=
    case " $tags " in
        *" ${tag:-none} "*)
            say "taking the Python that is here ($(python3 --version))"
            unpack rehost-agent.pyz
            program=$folder/rehost-agent.pyz
            return
            ;;
    esac
    if unpack "$executable"; then
        if "$folder/$executable" --version >/dev/null 2>&1; then
            say "no Python here has all that the agent needs; taking the executable"
            program=$folder/$executable
            return
        fi
        say "the executable does not run here; it needs glibc 2.17 or newer, and /proc"
    fi
    [ -n "$tag" ] || fail "there is neither a Python 3.11 or newer here, nor an executable for" \
        "$(uname -m) in this file; install the former"
    say "taking the Python that is here ($(python3 --version)); to copy disks it lacks packages," \
        "which who runs the service can add; docs/agent.md says how"
    unpack rehost-agent.pyz
    program=$folder/rehost-agent.pyz
}

run() {
    case $program in
        *.pyz) python3 -I -S "$program" "$@" ;;
        *) "$program" "$@" ;;
    esac
}

self=$0
[ -f "$self" ] || fail "run it as a file: sh rehost-agent.run"
[ "$(id -u)" = 0 ] || fail "run it as root: sudo sh $self"
folder=
trap '[ -z "$folder" ] || rm -rf "$folder"' EXIT
trap 'exit 130' INT TERM HUP
make_folder
choose
case ${1-} in
    extract)
        cp "$program" "${2:?a name for the file is missing}"
        say "it is in $2"
        ;;
    '' | -*) run install "$@" ;;
    *) run "$@" ;;
esac
exit
