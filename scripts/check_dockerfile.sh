#!/usr/bin/env bash
# Shows without a Docker engine that the Dockerfile works: runs its steps in a fresh Debian 12, then
# `e2erknn convert shapes --soc rk3566` as a user without a name, as `docker run -u` does, and prints the size of it all,
# which is about that of the image. Downloads 3 GB, or 1 GB with TORCH_INDEX=... as for `docker build --build-arg`.
#
# Usage: sudo bash scripts/check_dockerfile.sh [FOLDER]
#   FOLDER  for the Debian, made anew each time; default: e2erknn-image in the temporary folder
#
# Needs root on an x86_64 Debian or Ubuntu, and installs debootstrap if it is missing. Packages come from where the host
# gets its own (apt's sources, pip's settings); DEBIAN_MIRROR names another Debian mirror.
set -euo pipefail

stop() {
    printf '%s\n' "$@" >&2
    exit 1
}

if [ "$(uname -m)" != x86_64 ] || [ ! -e /etc/debian_version ] || ! unshare --mount true 2> /dev/null; then
    stop "This needs root on an x86_64 Debian or Ubuntu." "Use sudo, or build the image itself: docker build -t e2erknn ."
fi
# In a mount namespace of its own, so that no mount outlives the script, however it ends.
[ -n "${E2ERKNN_UNSHARED:-}" ] || E2ERKNN_UNSHARED=1 exec unshare --mount bash "$0" "$@"

project=$(realpath "$(dirname "$0")/..")
root=$(realpath -m "${1:-${TMPDIR:-/tmp}/e2erknn-image}")
log=$root.log

# Runs a command with its output in the log, the end of which is shown if it fails.
quietly() {
    "$@" > "$log" 2>&1 && return
    tail -n 20 "$log" >&2
    stop "That failed; the whole log is in $log" "Look at apt's sources and 'pip config list', then run this again."
}

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
    mkdir -p "$root$1"
    git -C "$project" ls-files -z --cached --others --exclude-standard -- "${taken[@]}" |
        while IFS= read -r -d '' file; do if [ -e "$project/$file" ]; then printf '%s\0' "$file"; fi; done |
        tar -C "$project" --null -T - -c | tar -C "$root$1" --no-same-owner -x
}

fresh_debian() {
    command -v debootstrap > /dev/null ||
        quietly sh -c 'apt-get update && apt-get install -y --no-install-recommends debootstrap debian-archive-keyring'
    # Of the host's sources Debian's own, without its security updates; none on Ubuntu: debootstrap knows one.
    # shellcheck disable=SC2016
    own=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' |
        sed -n 1p)
    mirror=${DEBIAN_MIRROR:-$own}
    [ ! -e "$root" ] || [ -e "$root/.e2erknn-image" ] ||
        stop "$root is there, but this script did not make it." "Remove it, or name another folder."
    rm -rf "$root"
    mkdir -p "$root"
    touch "$root/.e2erknn-image"
    # python3-venv brings ca-certificates, which cannot be set up once the host's are mounted.
    quietly debootstrap --variant=minbase --include=ca-certificates "$1" "$root" ${mirror:+"$mirror"}
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs -o size=64m,mode=1777 tmpfs "$root/dev/shm" # as large as Docker's
    mapfile -t settings < <(env | grep -E '^(PIP_|SSL_CERT_|REQUESTS_CA_|(https?|HTTPS?|no|NO|all|ALL)_(proxy|PROXY)=)')
    settings+=(HOME=/root)
    # Mounted and not copied: pip's and apt's settings may hold a password.
    for file in /etc/resolv.conf /etc/hosts /etc/ssl/certs/ca-certificates.crt /etc/pip.conf \
        "${HOME:-/root}/.config/pip/pip.conf" "${PIP_CONFIG_FILE:-}" "${PIP_CONSTRAINT:-}" "${PIP_CERT:-}" "${SSL_CERT_FILE:-}"; do
        [ -f "$file" ] || continue
        [ -e "$root$file" ] || install -D -m 600 /dev/null "$root$file"
        mount --bind "$file" "$root$file"
    done
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
    inside "$user" python -c 'import json, sys; [a] = json.load(sys.stdin)["artifacts"]; print("verified:", a["parity"]); assert a["parity"]'
echo "$size MB, unpacked, is about the size of the image."
echo "The Dockerfile works."
