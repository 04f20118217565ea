# The JPEG and PNG libraries of another architecture, for cross-builds. Source it: sysroot DEBIAN-ARCHITECTURE
# Unpacked and not installed: dpkg would want equal versions of both architectures. apt works in a folder of its own,
# so it needs neither root nor `dpkg --add-architecture`, and changes nothing of the machine.

sysroot() { # prints the folder
    local folder=$PWD/.test/sysroot-$1 state=$PWD/.test/apt-$1
    if [ ! -d "$folder" ]; then
        rm -rf "$folder.part"
        mkdir -p "$folder.part" "$state"/{lists,archives}/partial
        local apt=(apt-get -q -o "APT::Architecture=$1" -o "APT::Architectures::=$1" -o "Dir::State=$state"
            -o Dir::State::status=/dev/null -o "Dir::Cache=$state" -o "APT::Sandbox::User=$(id -un)")
        # Some source may have nothing for this architecture; the download tells what counts.
        "${apt[@]}" update > "$folder.log" 2>&1 || true
        (cd "$folder.part" && "${apt[@]}" download {libjpeg62-turbo-dev,libjpeg62-turbo,libpng-dev,libpng16-16,zlib1g-dev,zlib1g}:"$1" \
            >> "$folder.log" 2>&1 && for package in *.deb; do dpkg -x "$package" . || exit 1; done) || return 1
        mv "$folder.part" "$folder"
    fi
    echo "$folder"
}

# CMake's arguments for them. KIND: a (linked in) or so (the board's own are used)
with_pictures() { # FOLDER TRIPLE KIND
    local libraries=$1/usr/lib/$2 kind=$3
    local zlib=$libraries/libz.$kind
    [ -e "$zlib" ] || zlib=$(find "$1" -name 'libz.so.1' | head -n 1) # in /lib, where the link does not lead
    printf '%s\n' "-DJPEG_INCLUDE_DIR=$1/usr/include;$1/usr/include/$2" "-DJPEG_LIBRARY=$libraries/libjpeg.$kind" \
        "-DPNG_PNG_INCLUDE_DIR=$1/usr/include" "-DPNG_LIBRARY=$libraries/libpng16.$kind" \
        "-DZLIB_INCLUDE_DIR=$1/usr/include" "-DZLIB_LIBRARY=$zlib"
}
