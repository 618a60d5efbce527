# Sourced by run.sh and test.sh: makes and updates .venv. Sets $python.

python=.venv/bin/python

# Print the first Python 3.11 or newer.
find_python() {
    local name
    for name in python3 python3.14 python3.13 python3.12 python3.11 python; do
        if "$name" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$name"
            return
        fi
    done
    echo "Python 3.11 or newer with its venv module is needed (on Debian: apt install python3-venv)." >&2
    return 1
}

# prepare_venv FILE: install the requirements of FILE, unless .venv has them already.
prepare_venv() {
    local stamp=.venv/installed-${1%.txt} hash base
    hash=$(cat requirements*.txt | cksum)
    [ -x "$python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$hash" ] && return
    if ! "$python" -c '' 2>/dev/null; then
        base=$(find_python)
        echo "Making .venv with $("$base" --version) ..."
        rm -rf .venv
        "$base" -m venv .venv
    fi
    echo "Installing $1 ..."
    "$python" -m pip install --quiet --disable-pip-version-check uv
    # uv does not read pip's variables. Compiled now, modules need not be compiled at each start.
    UV_DEFAULT_INDEX=${UV_DEFAULT_INDEX:-${PIP_INDEX_URL:-}} \
        UV_INDEX=${UV_INDEX:-${PIP_EXTRA_INDEX_URL:-}} \
        "$python" -m uv pip install --quiet --python "$python" --compile-bytecode -r "$1"
    echo "$hash" >"$stamp"
}
