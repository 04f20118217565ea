#!/usr/bin/env bash
# Shows without a Docker engine that the Dockerfile works: runs its steps in a fresh Debian 12, then
# `e2erknn convert shapes --soc rk3566` as a user without a name, as `docker run -u` does, and prints the size of it all,
# which is about that of the image. Five minutes; downloads 3 GB, or 1 GB with TORCH_INDEX=... as for `docker build --build-arg`.
#
# Usage: sudo bash scripts/check_dockerfile.sh [FOLDER]
#   FOLDER  for the Debian, made anew each time; default: e2erknn-image in the temporary folder
#
# Needs root on an x86_64 Debian or Ubuntu, and installs debootstrap if it is missing. Packages come from where the host
# gets its own (apt's sources, pip's settings); DEBIAN_MIRROR names another Debian mirror.
set -euo pipefail

HINT="build the image itself: docker build -t e2erknn ."
# shellcheck source=scripts/debian.sh
source "$(dirname "$0")/debian.sh"

root=$(realpath -m "${1:-${TMPDIR:-/tmp}/e2erknn-image}")
log=$root.log

declare -A set_by=([PATH]=/usr/sbin:/usr/bin:/sbin:/bin [TORCH_INDEX]="${TORCH_INDEX:-}") # of the image: ARG and ENV
folder=/
entry=()

# USER COMMAND...: runs it in the Debian, with the image's environment and the host's settings of pip.
inside() {
    local user=$1 name variables=()
    for name in "${!set_by[@]}"; do variables+=("$name=${set_by[$name]}"); done
    # shellcheck disable=SC2016
    chroot --userspec="$user" "$root" env -i "${settings[@]}" "${variables[@]}" sh -c 'cd "$0" && exec "$@"' "$folder" "${@:2}"
}

# The files `COPY .` takes: those .dockerignore names with !, without what git ignores.
copy() {
    local taken
    mapfile -t taken < <(sed -n 's/^!//p' "$project/.dockerignore")
    copy_project "$root$1" "${taken[@]}"
}

fresh_debian() {
    needed debootstrap debian-archive-keyring
    [ ! -e "$root" ] || [ -e "$root/.e2erknn-image" ] ||
        stop "$root is there, but this script did not make it." "Remove it, or name another folder."
    rm -rf "$root"
    mkdir -p "$root"
    touch "$root/.e2erknn-image"
    # python3-venv brings ca-certificates, which cannot be set up once the host's are mounted.
    new_debian "$root" "$1" --include=ca-certificates
    share_settings
    settings+=(HOME=/root)
    mount --rbind /dev "$root/dev"
    mount -t tmpfs -o size=64m,mode=1777 tmpfs "$root/dev/shm" # as large as Docker's
}

# Instructions, each on one line; what this script would not do as Docker does ends it.
while read -r word rest <&3; do
    echo "$word $rest"
    case $word in
        FROM)
            [ "$rest" = debian:bookworm-slim ] || stop "This knows debian:bookworm-slim, not $rest." "Say here how it is made."
            fresh_debian bookworm
            ;;
        ARG) [ -n "${set_by[${rest%%=*}]+given}" ] || stop "ARG ${rest%%=*} is new." "Say its value in set_by." ;;
        ENV) set_by[${rest%%=*}]=${rest#*=} ;;
        WORKDIR) folder=$rest && mkdir -p "$root$rest" ;;
        COPY) [ "${rest% *}" = . ] || stop "This copies the whole folder only." "Teach copy() more." && copy "${rest#* }" ;;
        RUN) quietly inside 0:0 /bin/sh -c "$rest" ;;
        ENTRYPOINT) mapfile -t entry < <(grep -o '"[^"]*"' <<< "$rest" | tr -d '"') ;;
        *) stop "$word is an instruction this script does not know." "Teach it what Docker does then." ;;
    esac
done 3< <(sed -e '/^#/d' -e '/^$/d' "$project/Dockerfile" | sed -e ':a' -e '/\\$/N; s/\\\n *//; ta')

size=$(du -smx "$root" | cut -f1)
user=12345:12345
chown "$user" "$root/work"
settings=()
unset 'set_by[TORCH_INDEX]' # an ARG is not there when it runs
echo "docker run -u $user -v FOLDER:/work e2erknn convert shapes --soc rk3566"
inside "$user" "${entry[@]}" convert shapes --soc rk3566
inside "$user" "${entry[@]}" inspect shapes_rknn_model --json |
    inside "$user" python -c 'import json, sys; [a] = json.load(sys.stdin)["artifacts"]; print("verified:", a["parity"]); assert a["parity"]["passed"]'
echo "$size MB, unpacked, is about the size of the image."
echo "The Dockerfile works."
