#!/usr/bin/env bash
# Starts the chat on this machine: makes .venv, installs requirements.txt, prepares the database, serves.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
source scripts/venv.sh

usage() {
    cat <<'TEXT'
Usage: ./run.sh [--host ADDRESS] [--port NUMBER] [--noreload] [--admin NAME]

  --host ADDRESS   address to listen on (default: HOST, else 127.0.0.1; 0.0.0.0 for the whole network)
  --port NUMBER    port to listen on (default: PORT, else 8000)
  --noreload       do not restart when a source file changes
  --admin NAME     make NAME an administrator first; a new one chooses a password
TEXT
}

fail() {
    echo "$*" >&2
    exit 1
}

# A variable of the environment, or of the file .env, or a default.
setting() {
    local found=${!1:-}
    [ -n "$found" ] || found=$(sed -nE "s/^ *(export +)?$1 *= *[\"']?([^\"' #]+).*/\2/p" .env 2>/dev/null | tail -n1)
    echo "${found:-$2}"
}

host=$(setting HOST 127.0.0.1) port=$(setting PORT 8000) admin= options=()
while [ $# -gt 0 ]; do
    case $1 in
        --host | --port | --admin)
            [ -n "${2:-}" ] || fail "$1 needs a value."
            declare "${1#--}=$2"
            shift
            ;;
        --host=* | --port=* | --admin=*)
            name=${1%%=*}
            declare "${name#--}=${1#*=}"
            ;;
        --noreload) options+=(--noreload) ;;
        -h | --help) usage && exit ;;
        *) usage >&2 && fail "Unknown option: $1" ;;
    esac
    shift
done

prepare_venv requirements.txt

case $host in
    127.* | localhost | ::1 | "[::1]") ;;
    *)
        # Others on the network ask for this machine by one of these names.
        if [ -z "${ALLOWED_HOSTS:-}" ] && ! grep -Eqs '^ *(export +)?ALLOWED_HOSTS *= *[^ #]' .env; then
            names="localhost 127.0.0.1 $(hostname) $(hostname -I 2>/dev/null || true)"
            [ "$host" = 0.0.0.0 ] || names+=" $host"
            export ALLOWED_HOSTS=$(echo $names | tr ' ' ',')
        fi
        echo "Listening on $host: others on the network can reach this development server." >&2
        ;;
esac

shown=$host
[ "$host" = 0.0.0.0 ] && shown=localhost
[[ $host == *:* && $host != \[* ]] && host="[$host]" shown="[$host]"
address="http://$shown:$port/"

if [ -n "$admin" ]; then
    "$python" manage.py migrate --verbosity 0
    "$python" manage.py make_admin "$admin" --site "$address"
fi

echo "Chat: $address"
exec "$python" manage.py runserver "$host:$port" --migrate ${options[@]+"${options[@]}"}
