#!/usr/bin/env bash
# Runs the tests; arguments go to pytest. With --fast first: what needs no server, browser or Langroid. Gets what they need where it can: Python packages into .venv, programs by apt.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source scripts/venv.sh

# program of the tests -> Debian package
declare -A packages=([redis-server]=redis-server [postgres]=postgresql [nginx]=nginx [chromium]=chromium
    [systemd-analyze]=systemd [pgbouncer]=pgbouncer [caddy]=caddy)

missing_programs() {
    "$python" -m tests.programs "${!packages[@]}"
}

# Run a command as root; fail where that would need a password.
as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

install_programs() {
    local program missing
    missing=$(missing_programs)
    [ -n "$missing" ] || return 0
    if command -v apt-get >/dev/null && as_root true 2>/dev/null; then
        echo "Installing" $missing "..."
        as_root apt-get update -qq || true
        for program in $missing; do # RUNLEVEL: the tests start servers of their own, the system's are not wanted
            as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
                apt-get install -y -qq --no-install-recommends "${packages[$program]}" >/dev/null || true
        done
        missing=$(missing_programs)
        if [[ $missing == *chromium* ]]; then # where the package is only a pointer to a snap
            as_root "$python" -m playwright install-deps chromium >/dev/null &&
                "$python" -m playwright install chromium >/dev/null || true
            missing=$(missing_programs)
        fi
    fi
    [ -z "$missing" ] || echo "Not found, and their tests are skipped:" $missing >&2
}

prepare_venv requirements-dev.txt
if [ "${1:-}" = --fast ]; then # the inner loop: under 20 s on two quiet cores
    shift
    set -- tests/{wire,models,connection,live,cluster,mends} tests/test_*.py tests/project/test_docs.py "$@"
else
    install_programs
fi
cores=$(nproc 2>/dev/null || echo 2)
# They often wait; a file's tests share servers; tests/conftest.py knows which are long.
exec "$python" -m pytest -n $((cores + 1)) --dist loadfile --no-loadscope-reorder "$@"
