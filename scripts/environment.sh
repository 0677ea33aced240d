# shellcheck shell=bash
# Sourced by ./run and ./test: a virtual environment of the locked dependencies, made once and renewed when the locks change.

find_python() {
    local name
    for name in ${PYTHON:-} python3.13 python3.12 python3.11 python3 python; do
        if command -v "$name" >/dev/null 2>&1 && "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
            command -v "$name"
            return
        fi
    done
    echo "Python 3.11, 3.12 or 3.13 is needed, and none was found. Name one in PYTHON, as in PYTHON=/opt/python3.12/bin/python3 $0" >&2
    return 1
}

# prepare runtime|dev: after it, $VENV has the locked dependencies and this project
prepare() {
    local kind=$1 python stamp wanted
    VENV="$here/.venv-$kind"
    python=$(find_python)
    wanted="$("$python" -c 'import sys; print(sys.executable, sys.version)') $here $(cat "$here/requirements/$kind.txt" "$here/pyproject.toml" "$here/scripts/environment.sh" | cksum)"
    stamp="$VENV/.prepared"
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
        return
    fi
    echo "Setting up $(basename "$VENV") (once) ..." >&2
    rm -rf "$VENV"
    if ! "$python" -m venv "$VENV" >/dev/null 2>&1; then
        rm -rf "$VENV"
        echo "$python cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv" >&2
        return 1
    fi
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --requirement "$here/requirements/build.txt"
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --requirement "$here/requirements/$kind.txt"
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable "$here"
    echo "$wanted" > "$stamp"
}
