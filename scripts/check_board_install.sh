#!/usr/bin/env bash
# Shows without a board that the board install works: in an aarch64 Debian 12 under qemu, installs `.[board]` as a board
# does, checks what the commands say where there is no NPU, and the size. Five minutes and 700 MB the first time.
#
# Usage: sudo bash scripts/check_board_install.sh [BUNDLE [FOLDER]]
#   BUNDLE  a *_rknn_model folder, as `e2erknn convert shapes --soc rk3566` makes; default: the one of scripts/demo.sh
#   FOLDER  for the aarch64 system, which is kept for the next time; default: e2erknn-board in the temporary folder
#
# Needs root on an x86_64 Debian or Ubuntu, and installs debootstrap and qemu-user-static if they are missing. Packages
# come from where the host gets its own (apt's sources, pip's settings); DEBIAN_MIRROR names another Debian mirror.
set -euo pipefail

limit=220 # MB, the whole virtual environment

stop() {
    printf '%s\n' "$@" >&2
    exit 1
}

if [ "$(uname -m)" != x86_64 ] || [ ! -e /etc/debian_version ] || ! unshare --mount true 2> /dev/null; then
    stop "This needs root on an x86_64 Debian or Ubuntu." "Use sudo, or such a container: docker run --privileged"
fi
# In a mount namespace of its own, so that no mount outlives the script, however it ends.
[ -n "${E2ERKNN_UNSHARED:-}" ] || E2ERKNN_UNSHARED=1 exec unshare --mount bash "$0" "$@"

project=$(realpath "$(dirname "$0")/..")
bundle=$(realpath -m "${1:-$project/.demo/shapes-pose_rknn_model}")
root=$(realpath -m "${2:-${TMPDIR:-/tmp}/e2erknn-board}")
log=$root.log
[ -f "$bundle/metadata.yaml" ] ||
    stop "$bundle is not a bundle." "Make one with: e2erknn convert shapes --soc rk3566, and name its folder here."

# Runs a command with its output in the log, the end of which is shown if it fails.
quietly() {
    "$@" > "$log" 2>&1 && return
    tail -n 20 "$log" >&2
    stop "That failed; the whole log is in $log" "Look at apt's sources and 'pip config list', then run this again."
}

# Runs a command in the aarch64 system, with the host's settings of pip and nothing else of its environment.
inside() {
    chroot "$root" env -i PATH=/e2erknn/venv/bin:/usr/bin:/bin HOME="$HOME" LC_ALL=C.UTF-8 COLUMNS=100 \
        "${settings[@]}" sh -c 'cd /e2erknn && exec "$@"' sh "$@"
}

echo "1. Emulation of aarch64"
if ! dpkg -s debootstrap qemu-user-static debian-archive-keyring > /dev/null 2>&1; then
    quietly apt-get update
    quietly apt-get install -y --no-install-recommends debootstrap qemu-user-static debian-archive-keyring
fi
binfmt=/proc/sys/fs/binfmt_misc
[ -e $binfmt/register ] || mount -t binfmt_misc binfmt_misc $binfmt ||
    stop "binfmt_misc cannot be mounted here." "In a container, start it with: docker run --privileged"
# The header of an aarch64 ELF file, and its mask. F: the kernel keeps qemu open, so there need be none in the chroot.
# The entry is this run's own and goes with it: the host's entries and other runs are left alone.
magic='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
trap 'if [ -e $binfmt/e2erknn-$$ ]; then echo -1 > $binfmt/e2erknn-$$; fi' EXIT
printf '%s' ":e2erknn-$$:M::$magic:$mask:/usr/bin/qemu-aarch64-static:F" > $binfmt/register

if [ -O "$root/e2erknn" ]; then
    echo "2. The aarch64 Debian in $root is used again"
else
    echo "2. An aarch64 Debian in $root (some minutes)"
    [ ! -e "$root" ] || stop "$root is there, but this script did not make it." "Remove it, or name another folder."
    # Of the host's sources Debian's own, without its security updates; none on Ubuntu: debootstrap knows one.
    # shellcheck disable=SC2016
    own=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' |
        sed -n 1p)
    mirror=${DEBIAN_MIRROR:-$own}
    rm -rf "$root.part"
    quietly debootstrap --arch=arm64 --variant=minbase --include=python3-venv bookworm "$root.part" ${mirror:+"$mirror"}
    mkdir "$root.part/e2erknn"
    mv "$root.part" "$root" # so that what has the name is whole
fi

echo "3. pip install .[board]"
mount -t proc proc "$root/proc"
mapfile -t settings < <(env | grep -E '^(PIP_|SSL_CERT_|REQUESTS_CA_|(https?|HTTPS?|no|NO|all|ALL)_(proxy|PROXY)=)')
# Mounted and not copied: pip's settings may hold a password.
for file in /etc/resolv.conf /etc/hosts /etc/ssl/certs/ca-certificates.crt /etc/pip.conf "$HOME/.pip/pip.conf" \
    "$HOME/.config/pip/pip.conf" "${PIP_CONFIG_FILE:-}" "${PIP_CONSTRAINT:-}" "${PIP_CERT:-}" "${SSL_CERT_FILE:-}"; do
    [ -f "$file" ] || continue
    [ -e "$root$file" ] || install -D -m 600 /dev/null "$root$file"
    mount --bind "$file" "$root$file"
done
rm -rf "$root"/e2erknn/*
mkdir "$root/e2erknn/project"
# What git would take: none of the host's environments and builds, but changes that are not committed yet.
git -C "$project" ls-files -z --cached --others --exclude-standard |
    while IFS= read -r -d '' file; do if [ -e "$project/$file" ]; then printf '%s\0' "$file"; fi; done |
    tar -C "$project" --null -T - -c | tar -C "$root/e2erknn/project" --no-same-owner -x
cp -r "$bundle" "$project/models/sample.jpg" "$root/e2erknn/"
quietly inside python3 -m venv venv
quietly inside pip install --no-compile --disable-pip-version-check './project[board]'

failures=0
failed() {
    echo "FAILED: $*" >&2
    failures=$((failures + 1))
}

# STATUSES COMMAND...: runs it in the aarch64 system, shows what it says and how it ends, which must be as expected.
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

echo "4. What was installed"
try 0 uname -m
try 0 python --version
try 0 pip list --disable-pip-version-check
try 0 sh -c 'grep Tag venv/lib/python3*/site-packages/rknn_toolkit_lite2-*/WHEEL'
try 0 python -c 'import cv2, rknnlite.api; print("OpenCV", cv2.__version__)'

echo "5. What it does where there is no NPU"
try 0 e2erknn --help
try '0|1' e2erknn doctor
refused "no NPU" e2erknn demo sample.jpg --model "$(basename "$bundle")" --backend board
refused "onnxruntime" e2erknn demo sample.jpg --model "$(basename "$bundle")" --backend onnx

echo "6. Its size after use, all of it: pip, setuptools and compiled files too"
du -m --max-depth=1 "$root"/e2erknn/venv/lib/python3*/site-packages | sort -rn | sed -nE '2,11s|\t.*/| MB  |p'
size=$(du -sm "$root/e2erknn/venv" | cut -f1)
echo "$size MB  in all, of at most $limit"
[ "$size" -le $limit ] || failed "the environment is $((size - limit)) MB too large: which package above can go?"

[ $failures -eq 0 ] || stop "$failures of the checks failed." "Put right what the FAILED lines say, and run this again."
echo "The board install works."
