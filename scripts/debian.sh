# What the scripts share that try this project in a Debian of their own. Source it first thing in a script: it needs root
# on an x86_64 Debian or Ubuntu, and starts the script again in a mount namespace of its own, so that no mount outlives
# it, however it ends. Set HINT before: what to do instead of sudo.
#
# Packages come from where the host gets its own (apt's sources, pip's settings); DEBIAN_MIRROR names another mirror.

stop() {
    printf '%s\n' "$@" >&2
    exit 1
}

if [ "$(uname -m)" != x86_64 ] || [ ! -e /etc/debian_version ] || ! unshare --mount true 2> /dev/null; then
    stop "This needs root on an x86_64 Debian or Ubuntu." "Use sudo, or $HINT"
fi
[ -n "${E2ERKNN_UNSHARED:-}" ] || E2ERKNN_UNSHARED=1 exec unshare --mount bash "$0" "$@"

project=$(realpath "$(dirname "$0")/..")

# Runs a command with its output in $log, the end of which is shown if it fails.
quietly() {
    "$@" > "$log" 2>&1 && return
    tail -n 20 "$log" >&2
    stop "That failed; the whole log is in $log" "Look at apt's sources and 'pip config list', then run this again."
}

# Installs what is missing of some packages.
needed() {
    dpkg -s "$@" > /dev/null 2>&1 && return
    quietly apt-get update
    quietly apt-get install -y --no-install-recommends "$@"
}

# FOLDER SUITE OPTIONS...: a Debian.
new_debian() {
    local folder=$1 suite=$2 own mirror
    # Of the host's sources Debian's own, without its security updates; none on Ubuntu: debootstrap knows one.
    # shellcheck disable=SC2016
    own=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' |
        sed -n 1p)
    mirror=${DEBIAN_MIRROR:-$own}
    quietly debootstrap --variant=minbase "${@:3}" "$suite" "$folder" ${mirror:+"$mirror"}
}

# Lets the kernel run programs for aarch64 in qemu, until the script ends.
emulate_aarch64() {
    binfmt=/proc/sys/fs/binfmt_misc
    [ -e $binfmt/register ] || mount -t binfmt_misc binfmt_misc $binfmt ||
        stop "binfmt_misc cannot be mounted here." "In a container, start it with: docker run --privileged"
    # The header of an aarch64 ELF file, and its mask. F: the kernel keeps qemu open, so there need be none in the chroot.
    # The entry is this run's own and goes with it: the host's entries and other runs are left alone.
    local magic='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
    local mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
    trap 'if [ -e $binfmt/e2erknn-$$ ]; then echo -1 > $binfmt/e2erknn-$$; fi' EXIT
    printf '%s' ":e2erknn-$$:M::$magic:$mask:/usr/bin/qemu-aarch64-static:F" > $binfmt/register
}

# Gives a Debian in $root the host's names, certificates and settings of pip; those of the environment are in $settings.
share_settings() {
    local file
    mount -t proc proc "$root/proc"
    mapfile -t settings < <(env | grep -E '^(PIP_|SSL_CERT_|REQUESTS_CA_|(https?|HTTPS?|no|NO|all|ALL)_(proxy|PROXY)=)')
    # Mounted and not copied: pip's and apt's settings may hold a password.
    for file in /etc/resolv.conf /etc/hosts /etc/ssl/certs/ca-certificates.crt /etc/pip.conf "${HOME:-/root}/.pip/pip.conf" \
        "${HOME:-/root}/.config/pip/pip.conf" "${PIP_CONFIG_FILE:-}" "${PIP_CONSTRAINT:-}" "${PIP_CERT:-}" \
        "${SSL_CERT_FILE:-}"; do
        [ -f "$file" ] || continue
        [ -e "$root$file" ] || install -D -m 600 /dev/null "$root$file"
        mount --bind "$file" "$root$file"
    done
}

# FOLDER PATHS...: what git would take of the project (of some paths only), with changes that are not committed yet, and
# none of the host's environments and builds.
copy_project() {
    mkdir -p "$1"
    git -C "$project" ls-files -z --cached --others --exclude-standard -- "${@:2}" |
        while IFS= read -r -d '' file; do if [ -e "$project/$file" ]; then printf '%s\0' "$file"; fi; done |
        tar -C "$project" --null -T - -c | tar -C "$1" --no-same-owner -x
}
