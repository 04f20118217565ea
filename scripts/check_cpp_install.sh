#!/usr/bin/env bash
# Shows without a board that what docs/cpp.md tells a board's owner to type works: in a fresh Debian 12 with nothing but
# the packages named there, runs its commands of "Build on the board" as a user without a name. Two minutes.
#
# Usage: sudo bash scripts/check_cpp_install.sh [FOLDER]
#   FOLDER  for the Debian, made anew each time; default: e2erknn-cpp in the temporary folder
#
# Needs root on a Debian or Ubuntu, and installs debootstrap if it is missing. Packages come from where the host gets its
# own (apt's sources); DEBIAN_MIRROR names another Debian mirror.
set -euo pipefail

stop() {
    printf '%s\n' "$@" >&2
    exit 1
}

if [ ! -e /etc/debian_version ] || ! unshare --mount true 2> /dev/null; then
    stop "This needs root on a Debian or Ubuntu." "Use sudo, or such a container: docker run --privileged"
fi
# In a mount namespace of its own, so that no mount outlives the script, however it ends.
[ -n "${E2ERKNN_UNSHARED:-}" ] || E2ERKNN_UNSHARED=1 exec unshare --mount bash "$0" "$@"

project=$(realpath "$(dirname "$0")/..")
root=$(realpath -m "${1:-${TMPDIR:-/tmp}/e2erknn-cpp}")
log=$root.log

# Runs a command with its output in the log, the end of which is shown if it fails.
quietly() {
    "$@" > "$log" 2>&1 && return
    tail -n 20 "$log" >&2
    stop "That failed; the whole log is in $log" "Put right what it says, and run this again."
}

# USER COMMAND: runs it in the Debian, in the clone.
inside() {
    quietly chroot --userspec="$1" "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp LC_ALL=C.UTF-8 \
        sh -c "cd /clone && $2"
}

# What the page says: the packages, and the commands but for those that need a board.
page=$(sed -n '/^## Build on the board/,/^## The program/p' "$project/docs/cpp.md")
packages=$(grep -o -m 1 '`apt-get install [^`]*`' <<< "$page" | tr -d '`')
mapfile -t commands < <(sed -n '/^```/,/^```/p' <<< "$page" | grep '^cmake ')
[ -n "$packages" ] && [ ${#commands[@]} -ge 5 ] || stop "docs/cpp.md has other commands than this script looks for." \
    "Say here how they are found."

echo "A Debian 12 in $root"
command -v debootstrap > /dev/null ||
    quietly sh -c 'apt-get update && apt-get install -y --no-install-recommends debootstrap debian-archive-keyring'
[ ! -e "$root" ] || [ -e "$root/.e2erknn-cpp" ] ||
    stop "$root is there, but this script did not make it." "Remove it, or name another folder."
rm -rf "$root"
mkdir -p "$root/clone"
touch "$root/.e2erknn-cpp"
# Of the host's sources Debian's own, without its security updates; none on Ubuntu: debootstrap knows one.
# shellcheck disable=SC2016
own=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | sed -n 1p)
mirror=${DEBIAN_MIRROR:-$own}
quietly debootstrap --variant=minbase --include=ca-certificates bookworm "$root" ${mirror:+"$mirror"}
mount -t proc proc "$root/proc"
for file in /etc/resolv.conf /etc/hosts /etc/ssl/certs/ca-certificates.crt; do
    [ -f "$file" ] || continue
    [ -e "$root$file" ] || install -D -m 600 /dev/null "$root$file"
    mount --bind "$file" "$root$file" # and not copied, so that nothing of the host stays
done
git -C "$project" ls-files -z --cached --others --exclude-standard -- cpp |
    tar -C "$project" --null -T - -c | tar -C "$root/clone" --no-same-owner -x
chown -R 12345:12345 "$root/clone"

echo "$packages"
inside 0:0 "apt-get update && ${packages/install/install -y --no-install-recommends}"
for command in "${commands[@]}"; do
    echo "$command"
    inside 12345:12345 "$command"
done
grep '^100% tests passed' "$log" || stop "No test has run." "Look at $log"
inside 12345:12345 "build/app/e2erknn-run --version"
cat "$log"
echo "The C++ install works."
