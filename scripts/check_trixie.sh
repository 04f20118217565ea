#!/usr/bin/env bash
# Shows without a board that a board with Python 3.13, for which there is no rknn-toolkit-lite2, runs models: in an aarch64
# Debian 13 under qemu, installs `.[board]`, builds the C++ library by docs/cpp.md's commands, and lets it run a bundle on
# the pretended NPU of cpp/tests, which answers with what the vendor's simulator gave here. The detections must be the
# simulator's. 1 GB the first time; under qemu it takes half an hour to an hour.
#
# Usage: sudo bash scripts/check_trixie.sh [BUNDLE [FOLDER]]
#   BUNDLE  a *_rknn_model folder that finds something in models/sample-pose.jpg; default: the one of scripts/demo.sh
#   FOLDER  for the aarch64 system, which is kept for the next time; default: e2erknn-trixie in the temporary folder
#
# Needs root on an x86_64 Debian or Ubuntu, and installs debootstrap and qemu-user-static if they are missing. Packages
# come from where the host gets its own (apt's sources, pip's settings); DEBIAN_MIRROR names another Debian mirror.
# The simulator is that of scripts/demo.sh's environment; PYTHON names another with the extra "convert".
set -euo pipefail

HINT="such a container: docker run --privileged"
# shellcheck source=scripts/debian.sh
source "$(dirname "$0")/debian.sh"
# shellcheck source=scripts/board_root.sh
source "$(dirname "$0")/board_root.sh"

bundle=$(realpath -m "${1:-$project/.demo/shapes-pose_rknn_model}")
root=$(realpath -m "${2:-${TMPDIR:-/tmp}/e2erknn-trixie}")
log=$root.log
python=${PYTHON:-$project/.demo/venv/bin/python}
picture=$project/models/sample-pose.jpg
[ -f "$bundle/metadata.yaml" ] ||
    stop "$bundle is not a bundle." "Make one with: bash scripts/demo.sh, or name its folder here."
"$python" -c 'import rknn' 2> /dev/null ||
    stop "$python has no rknn-toolkit2." "Make one with: bash scripts/demo.sh, or name one: PYTHON=/path/to/python"

board_root trixie python3-venv,g++,cmake,make
cp -r "$bundle" "$picture" "$root/e2erknn/"
install_board
model=$(basename "$bundle")
try 0 uname -m
try 0 python --version
try 0 pip list --disable-pip-version-check

echo "4. What it does without the C++ library"
refused "cannot be loaded" e2erknn demo sample-pose.jpg --model "$model" --backend native
try 1 e2erknn doctor "$model"
refused "Python 3.10 to 3.12" e2erknn convert shapes --soc rk3566

echo "5. The C++ library, by the commands of docs/cpp.md"
# shellcheck disable=SC2016
commands=$(sed -n '/^## For the Python package/,/^## /p' "$project/docs/cpp.md" | sed -n '/^```/,/^```/{/^```/d;p}')
echo "$commands"
quietly inside sh -ec "cd project; ${commands//sudo /}"
quietly inside cc -shared -fPIC -o librknnrt.so project/cpp/tests/standin.c
quietly "$python" "$project/tests/cpp/recording.py" "$bundle" "$root/e2erknn/recorded" "$picture"

echo "6. A picture through it"
environment=(E2ERKNN_RKNNRT=/e2erknn/librknnrt.so E2ERKNN_STANDIN=/e2erknn/recorded)
try '0|1' e2erknn doctor "$model"
try 0 e2erknn demo sample-pose.jpg --model "$model" --backend native
try 0 e2erknn bench "$model" --images sample-pose.jpg --runs 3 --warmup 1 --backend native
inside e2erknn demo sample-pose.jpg --model "$model" --backend native --json -q > "$root/e2erknn/native.json"
"$python" -m rknn_zoo_e2e demo "$picture" --model "$bundle" --backend simulator --no-save --json -q > "$root/e2erknn/simulator.json"
"$python" - "$root"/e2erknn/{native,simulator}.json << 'EOF' || failed "the detections are not the simulator's"
import json, sys
native, simulator = ([image["detections"] for image in json.load(open(path))["images"]] for path in sys.argv[1:])
print(len(native[0]), "detections by the C++ library,", len(simulator[0]), "in the simulator")
sys.exit(not native[0] or native != simulator)
EOF

echo "7. The other extras"
quietly inside pip install --no-compile --disable-pip-version-check './project[onnx,hub,heic]'
try 0 e2erknn demo sample-pose.jpg --model "$model" --backend onnx

finish "Debian 13 with Python 3.13 installs the package and runs models by the C++ library."
