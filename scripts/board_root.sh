# A Debian for aarch64 under qemu that stands for a board, in which the checks of the board install run. Source it after
# debian.sh; set root (its folder, kept for the next time) and log before.

# SUITE PACKAGES: the Debian, made where it is not there yet, with the project in /e2erknn/project.
board_root() {
    echo "1. Emulation of aarch64"
    needed debootstrap qemu-user-static debian-archive-keyring
    emulate_aarch64
    if [ -O "$root/e2erknn" ]; then
        echo "2. The aarch64 Debian in $root is used again"
    else
        echo "2. An aarch64 Debian $1 in $root (some minutes)"
        [ ! -e "$root" ] || stop "$root is there, but this script did not make it." "Remove it, or name another folder."
        rm -rf "$root.part"
        new_debian "$root.part" "$1" --arch=arm64 --include="$2"
        mkdir "$root.part/e2erknn"
        mv "$root.part" "$root" # so that what has the name is whole
    fi
    share_settings
    rm -rf "$root"/e2erknn/*
    copy_project "$root/e2erknn/project"
}

environment=() # NAME=VALUE of the commands run there

# Runs a command there, with the host's settings of pip and nothing else of its environment.
inside() {
    chroot "$root" env -i PATH=/e2erknn/venv/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME="$HOME" LC_ALL=C.UTF-8 COLUMNS=100 \
        "${settings[@]}" "${environment[@]}" sh -c 'cd /e2erknn && exec "$@"' sh "$@"
}

# pip install .[board], as docs/board.md says.
install_board() {
    echo "3. pip install .[board]"
    quietly inside python3 -m venv venv
    quietly inside pip install --no-compile --disable-pip-version-check './project[board]'
}

failures=0
failed() {
    echo "FAILED: $*" >&2
    failures=$((failures + 1))
}

# STATUSES COMMAND...: runs it there, shows what it says and how it ends, which must be as expected.
try() {
    local expected=$1 status=0
    shift
    echo "\$ $*"
    inside "$@" 2> "$log" || status=$?
    sed 's/^/  stderr: /' "$log"
    echo "  exit code: $status"
    [[ $status =~ ^($expected)$ ]] || failed "$* ended with $status, not with $expected"
    ! grep -q Traceback "$log" || failed "$* shows a traceback"
}

# WORDS COMMAND...: it must end with 1 and our two sentences, and these words in them.
refused() {
    local words=$1
    try 1 "${@:2}"
    tail -n 2 "$log" | sed -n 1p | grep -q '^Error: ' || failed "${*:2} does not end in our two sentences"
    tail -n 2 "$log" | grep -qiF "$words" || failed "${*:2} does not say '$words'"
}

# THE LAST LINE: it is said where nothing failed.
finish() {
    [ $failures -eq 0 ] || stop "$failures of the checks failed." "Put right what the FAILED lines say, and run this again."
    echo "$1"
}
