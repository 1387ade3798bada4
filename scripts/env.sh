# Sourced by the other scripts: makes .venv with what pyproject.toml names, once, and again when
# that changes. Needs Python 3.11 or newer; installs python3-venv with apt where it is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PIP_DISABLE_PIP_VERSION_CHECK=1

say() { printf '%s\n' "$*" >&2; }

find_python() {
    local candidate
    for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    say "Rehost needs Python 3.11 or newer; on Debian 12 and later: apt-get install python3"
    return 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

make_venv() { # $1: python
    if ! "$1" -c 'import ensurepip, venv' 2>/dev/null; then
        say "installing python3-venv"
        { as_root apt-get -qq update && as_root apt-get -qq install -y python3-venv; } >/dev/null || {
            say "Python's venv module is missing; as root: apt-get install python3-venv"
            return 1
        }
    fi
    "$1" -m venv --clear .venv
}

# $1: the extra to install ("" for none)
ensure_env() {
    local python made wanted stamp=.venv/.installed
    python=$(find_python)
    made="$("$python" --version) $PWD" # an environment works where it was made only
    wanted="$made $(cat pyproject.toml constraints.txt | sha256sum)"
    case $(cat $stamp 2>/dev/null) in
        "$wanted $1" | "$wanted dev") return ;;
        "$made "*) say "bringing the environment in .venv up to date" ;;
        *)
            say "making the environment in .venv (about a minute, once)"
            make_venv "$python"
            ;;
    esac
    .venv/bin/python -m pip install -qq --progress-bar off -c constraints.txt -e ".${1:+[$1]}" >&2
    echo "$wanted $1" >$stamp
}
