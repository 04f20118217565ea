#!/usr/bin/env bash
# Builds the C++ library and program into .test/cpp for tests/cpp; says what to install where there is no compiler.
# Usage: bash scripts/test_cpp.sh           the build that scripts/test.sh tests
#        bash scripts/test_cpp.sh --all     then also: sanitizers, the statically linked runtime, other processors, fuzzing
# Each of --all is done where its tools are installed (.ci/run installs them), and said where not.
set -euo pipefail
cd "$(dirname "$0")/.."
fuzz_seconds=${E2ERKNN_FUZZ_SECONDS:-20}
python=.test/venv/bin/python

build() { # FOLDER CMAKE-ARGUMENTS...
    local folder=$1
    shift
    if ! { cmake -S cpp -B "$folder" -DE2ERKNN_TESTS=ON "$@" && cmake --build "$folder" -j 2; } > "$folder.log" 2>&1; then
        tail -n 30 "$folder.log" >&2
        echo "Building $folder failed; the whole log is in $folder.log" >&2
        return 1
    fi
}

missing() { echo "C++: $1 left out; install $2"; }

has() { command -v "$1" > /dev/null; }

if ! has cmake || ! has c++; then
    missing "its tests are" "them with: apt-get install g++ cmake libjpeg62-turbo-dev libpng-dev"
    exit 0
fi
mkdir -p .test
build .test/cpp -DBUILD_SHARED_LIBS=ON
[ "${1:-}" = --all ] || exit 0

export E2ERKNN_SIMULATED=.test/cpp-simulated  # made once, by the first tests that need them

echo "C++: the vendor's library linked in, as for RV1103 and RV1106"
build .test/cpp-rv -DE2ERKNN_RKNN="$PWD/.test/cpp/tests/librknnmrt.a"
E2ERKNN_CPP_BUILD=.test/cpp-rv E2ERKNN_CPP_STATIC=1 $python -m pytest -q tests/cpp/test_cpp_run.py -k 'not document'

echo "C++: with ASan and UBSan"
build .test/cpp-asan -DBUILD_SHARED_LIBS=ON -DE2ERKNN_SANITIZE=ON
E2ERKNN_CPP_BUILD=.test/cpp-asan ASAN_OPTIONS=detect_leaks=0 \
    LD_PRELOAD="$(c++ -print-file-name=libasan.so) $(c++ -print-file-name=libubsan.so)" \
    $python -m pytest -q tests/cpp --ignore tests/cpp/test_cpp_building.py

# JPEG and PNG libraries of another architecture, unpacked: installing them beside ours needs equal versions of both.
sysroot() { # DEBIAN-ARCHITECTURE
    local folder=$PWD/.test/sysroot-$1
    if [ ! -d "$folder" ]; then
        mkdir -p "$folder.part"
        (cd "$folder.part" && apt-get download -q libjpeg62-turbo-dev:"$1" libpng-dev:"$1" zlib1g-dev:"$1" > /dev/null &&
            for package in *.deb; do dpkg -x "$package" . || exit 1; done) || return 1
        mv "$folder.part" "$folder"
    fi
    echo "$folder"
}

cross() { # TOOLCHAIN TRIPLE DEBIAN-ARCHITECTURE EMULATOR
    local root libraries
    if ! has "$2-g++" || ! has "$4"; then
        missing "$1 is" "g++-$2 and qemu-user-static"
        return
    fi
    if ! root=$(sysroot "$3"); then
        missing "$1 is" "its libraries: dpkg --add-architecture $3 && apt-get update"
        return
    fi
    echo "C++: $1, emulated"
    libraries=$root/usr/lib/$2
    build ".test/cpp-$1" -DCMAKE_TOOLCHAIN_FILE="$PWD/cpp/cmake/$1.cmake" \
        -DJPEG_INCLUDE_DIR="$root/usr/include;$root/usr/include/$2" -DJPEG_LIBRARY="$libraries/libjpeg.a" \
        -DPNG_PNG_INCLUDE_DIR="$root/usr/include" -DPNG_LIBRARY="$libraries/libpng16.a" \
        -DZLIB_INCLUDE_DIR="$root/usr/include" -DZLIB_LIBRARY="$libraries/libz.a"
    E2ERKNN_CPP_BUILD=.test/cpp-$1 E2ERKNN_CPP_RUNNER="$4 -L /usr/$2" \
        $python -m pytest -q tests/cpp/test_cpp_run.py tests/cpp/test_cpp_simulator.py ${emulated:+-k "$emulated"}
}

# An emulator is slow: by default what depends on the processor. E2ERKNN_EMULATED= (empty) runs everything.
emulated=${E2ERKNN_EMULATED-memory or every_call or TestStream or TestPictures or (document and int16)}
cross aarch64 aarch64-linux-gnu arm64 qemu-aarch64-static &
one=$!
cross armhf arm-linux-gnueabihf armhf qemu-arm-static &
other=$!
wait $one
wait $other

if has clang++; then
    echo "C++: fuzzing, $fuzz_seconds s a target"
    build .test/cpp-fuzz -DCMAKE_CXX_COMPILER=clang++ -DCMAKE_C_COMPILER=clang -DE2ERKNN_FUZZ=ON -DE2ERKNN_SANITIZE=ON
    $python tests/cpp/seeds.py .test/cpp-fuzz/seeds
    mkdir -p .test/cpp-fuzz/corpus/{decode,spec,picture}
    for target in decode spec picture; do
        .test/cpp-fuzz/fuzz/fuzz-$target -max_total_time="$fuzz_seconds" -max_len=4096 -verbosity=0 \
            -artifact_prefix=.test/cpp-fuzz/ ".test/cpp-fuzz/corpus/$target" ".test/cpp-fuzz/seeds/$target"
    done
else
    missing "fuzzing is" "clang and libclang-rt-14-dev"
fi
