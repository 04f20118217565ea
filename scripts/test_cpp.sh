#!/usr/bin/env bash
# Builds the C++ library and program into .test/cpp for tests/cpp; says what to install where there is no compiler.
# Usage: bash scripts/test_cpp.sh           the build that scripts/test.sh tests
#        bash scripts/test_cpp.sh --rest    then what scripts/test.sh leaves out: sanitizers, the statically linked runtime,
#                                           other processors, the vendor's own librknnrt, fuzzing
#        bash scripts/test_cpp.sh --all     tests/cpp and the rest
#        bash scripts/test_cpp.sh --long    a million runs of each fuzz target and 100,000 frames, for before a release
# Each of it is done where its tools are installed (.ci/run installs them), and said where not.
# E2ERKNN_FUZZ_SECONDS (--rest), E2ERKNN_FUZZ_RUNS and E2ERKNN_SOAK_FRAMES (--long) name other lengths.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/cpp_sysroot.sh
source scripts/cpp_sysroot.sh
python=.test/venv/bin/python

missing() { echo "C++: $1 left out; install $2"; }

has() { command -v "$1" > /dev/null; }

build() { # FOLDER CMAKE-ARGUMENTS...
    local folder=$1
    shift
    if ! { cmake -S cpp -B "$folder" -DE2ERKNN_TESTS=ON "$@" && cmake --build "$folder" -j 2; } > "$folder.log" 2>&1; then
        tail -n 30 "$folder.log" >&2
        echo "Building $folder failed; the whole log is in $folder.log" >&2
        return 1
    fi
}

# Runs a step with its output in a log: a line when it is done, everything if it failed.
step() { # NAME WHAT COMMAND...
    local log=.test/cpp-$1.out what=$2 start=$SECONDS
    shift 2
    # Not in an `if`, which would switch `set -e` off within.
    set +e
    (
        set -e
        "$@"
    ) > "$log" 2>&1
    local status=$?
    set -e
    if [ $status != 0 ]; then
        cat "$log" >&2
        echo "C++: $what failed" >&2
        return 1
    fi
    grep '^C++: ' "$log" || echo "C++: $what: $(tail -n 1 "$log" | sed 's/ in .*//') ($((SECONDS - start)) s)"
}

# Steps run two at a time, for two cores: waits for them.
both() { # PROCESS-ID...
    local status=0
    for process in "$@"; do wait "$process" || status=1; done
    return $status
}

static_runtime() {
    build .test/cpp-rv -DE2ERKNN_RKNN="$PWD/.test/cpp/tests/librknnmrt.a"
    E2ERKNN_CPP_BUILD=.test/cpp-rv E2ERKNN_CPP_STATIC=1 $python -m pytest -q tests/cpp/test_cpp_run.py \
        -k 'not document'
}

sanitizers() {
    build .test/cpp-asan -DBUILD_SHARED_LIBS=ON -DE2ERKNN_SANITIZE=ON
    E2ERKNN_CPP_BUILD=.test/cpp-asan ASAN_OPTIONS=detect_leaks=0 \
        LD_PRELOAD="$(c++ -print-file-name=libasan.so) $(c++ -print-file-name=libubsan.so)" \
        $python -m pytest -q tests/cpp --ignore tests/cpp/test_cpp_building.py --ignore tests/cpp/test_cpp_card.py
}

cross() { # TOOLCHAIN TRIPLE DEBIAN-ARCHITECTURE EMULATOR
    local root arguments
    if ! has "$2-g++" || ! has "$4"; then
        missing "$1 is" "g++-$2 and qemu-user-static"
        return
    fi
    if ! root=$(sysroot "$3"); then
        echo "C++: $1 is left out; apt gave no libraries for it ($PWD/.test/sysroot-$3.log)"
        return
    fi
    mapfile -t arguments < <(with_pictures "$root" "$2" a)
    build ".test/cpp-$1" -DCMAKE_TOOLCHAIN_FILE="$PWD/cpp/cmake/$1.cmake" "${arguments[@]}"
    # An emulator is slow: by default what depends on the processor. E2ERKNN_EMULATED= (empty) runs everything.
    local emulated=${E2ERKNN_EMULATED-memory or (every_call and not clones) or TestStream or TestPictures or (document and int16)}
    E2ERKNN_CPP_BUILD=.test/cpp-$1 E2ERKNN_CPP_RUNNER="$4 -L /usr/$2" \
        $python -m pytest -q tests/cpp/test_cpp_run.py tests/cpp/test_cpp_simulator.py ${emulated:+-k "$emulated"}
}

vendor() { # above a pretended driver: PyPI has it within a wheel for aarch64
    local folder=$PWD/.test/rknpu runtime
    if [ ! -x .test/cpp-aarch64/app/e2erknn-run ]; then
        echo "C++: the vendor's own librknnrt is left out, as aarch64 is"
        return
    fi
    if [ ! -d "$folder" ]; then
        rm -rf "$folder.part"
        if ! $python -m pip download -q --no-deps --only-binary=:all: --platform manylinux2014_aarch64 \
            --python-version 3.10 -d "$folder.part" rknpu==1.5.2; then
            echo "C++: the vendor's own librknnrt is left out; pip gave no rknpu 1.5.2"
            return
        fi
        $python -m zipfile -e "$folder.part"/*.whl "$folder.part"
        mv "$folder.part" "$folder"
    fi
    runtime=$(echo "$folder"/rknpu.libs/librknnrt*.so)
    E2ERKNN_CPP_BUILD=.test/cpp-aarch64 E2ERKNN_CPP_RUNNER="qemu-aarch64-static -L /usr/aarch64-linux-gnu" \
        E2ERKNN_VENDOR_RKNNRT=$runtime $python -m pytest -q tests/cpp/test_cpp_vendor.py
}

build_fuzzers() {
    build .test/cpp-fuzz -DCMAKE_CXX_COMPILER=clang++ -DCMAKE_C_COMPILER=clang -DE2ERKNN_FUZZ=ON -DE2ERKNN_SANITIZE=ON
    $python tests/cpp/seeds.py .test/cpp-fuzz/seeds
    mkdir -p .test/cpp-fuzz/corpus/{decode,spec,picture}
    echo "built"
}

fuzz() { # TARGET LIBFUZZER-ARGUMENT
    local folder=.test/cpp-fuzz
    $folder/fuzz/fuzz-"$1" "$2" -max_len=4096 -verbosity=0 -print_final_stats=1 -artifact_prefix=$folder/ \
        "$folder/corpus/$1" "$folder/seeds/$1"
    sed -n 's/^stat::number_of_executed_units: *\(.*\)/\1 runs without a finding/p' ".test/cpp-fuzz-$1.out"
}

fuzz_all() { # LIBFUZZER-ARGUMENT
    if ! has clang++; then
        missing "fuzzing is" "clang and libclang-rt-14-dev"
        return
    fi
    step fuzzers "fuzz targets" build_fuzzers
    local running=()
    for target in decode spec picture; do
        step "fuzz-$target" "fuzzing $target" fuzz "$target" "$1" &
        running+=($!)
    done
    both "${running[@]}"
}

soak() {
    E2ERKNN_CPP_BUILD=.test/cpp $python -m pytest -q tests/cpp/test_cpp_run.py -k soak
}

if ! has cmake || ! has c++; then
    missing "its tests are" "them with: apt-get install g++ cmake make libjpeg62-turbo-dev libpng-dev"
    exit 0
fi
mkdir -p .test
build .test/cpp -DBUILD_SHARED_LIBS=ON
[ -n "${1:-}" ] || exit 0

export E2ERKNN_SIMULATED=.test/cpp-simulated # made once, by the first tests that need them
export OMP_NUM_THREADS=1                     # of numpy's and torch's: two steps run at a time
case $1 in
--all | --rest)
    if [ "$1" = --all ] || [ ! -d $E2ERKNN_SIMULATED ]; then
        step plain "on this machine" env E2ERKNN_CPP_BUILD=.test/cpp $python -m pytest -q tests/cpp
    fi
    step rv "the vendor's library linked in, as for RV1103 and RV1106" static_runtime & one=$!
    step asan "with ASan and UBSan" sanitizers & other=$!
    both $one $other
    step aarch64 "aarch64, emulated" cross aarch64 aarch64-linux-gnu arm64 qemu-aarch64-static & one=$!
    step armhf "armhf, emulated" cross armhf arm-linux-gnueabihf armhf qemu-arm-static & other=$!
    both $one $other
    step vendor "the vendor's own librknnrt, emulated" vendor & one=$!
    fuzz_all -max_total_time="${E2ERKNN_FUZZ_SECONDS:-20}"
    both $one
    ;;
--long)
    export E2ERKNN_SOAK_FRAMES=${E2ERKNN_SOAK_FRAMES:-100000}
    step soak "$E2ERKNN_SOAK_FRAMES frames through one process" soak & one=$!
    fuzz_all -runs="${E2ERKNN_FUZZ_RUNS:-1000000}"
    both $one
    ;;
*)
    echo "Usage: bash scripts/test_cpp.sh [--rest | --all | --long]" >&2
    exit 2
    ;;
esac
