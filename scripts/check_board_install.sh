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

HINT="such a container: docker run --privileged"
# shellcheck source=scripts/debian.sh
source "$(dirname "$0")/debian.sh"
# shellcheck source=scripts/board_root.sh
source "$(dirname "$0")/board_root.sh"

bundle=$(realpath -m "${1:-$project/.demo/shapes-pose_rknn_model}")
root=$(realpath -m "${2:-${TMPDIR:-/tmp}/e2erknn-board}")
log=$root.log
[ -f "$bundle/metadata.yaml" ] ||
    stop "$bundle is not a bundle." "Make one with: e2erknn convert shapes --soc rk3566, and name its folder here."

board_root bookworm python3-venv
cp -r "$bundle" "$project/models/sample.jpg" "$root/e2erknn/"
install_board

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

finish "The board install works."
