# Makes a virtual environment and installs this project into it. Source it: make_venv FOLDER EXTRAS
# Prints the plan, keeps pip's own output in FOLDER/install.log, and shows its end if something fails.

find_python() {
    local python
    for python in "${PYTHON:-}" python3.11 python3.12 python3.10 python3; do
        if [ -n "$python" ] && "$python" -c 'import sys, venv; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 13))' 2>/dev/null; then
            echo "$python"
            return
        fi
    done
    echo "Python 3.10, 3.11 or 3.12 is needed and was not found." >&2
    echo "Install one, or name it: PYTHON=/path/to/python3.11 $0" >&2
    return 1
}

# What was installed, so that the quick loop need not ask pip again.
installed() { cat "$1/installed" 2> /dev/null; }
wanted() { echo "$1 $PWD" | cat - pyproject.toml rknn_zoo_e2e/__init__.py | sha256sum; } # the version stands in the latter

make_venv() {
    local folder=$1 extras=$2 python
    python=$(find_python) || return 1
    if [ ! -x "$folder/bin/python" ]; then
        "$python" -m venv "$folder" || return 1
    fi
    echo "Installing .[$extras] into $folder (the first time downloads up to 3 GB) ..."
    if ! "$folder/bin/python" -m pip install --disable-pip-version-check -e ".${extras:+[$extras]}" \
        > "$folder/install.log" 2>&1; then
        tail -n 20 "$folder/install.log" >&2
        echo "Installing failed; the whole log is in $folder/install.log" >&2
        return 1
    fi
    wanted "$extras" > "$folder/installed"
}
