#!/usr/bin/env bash
# The main job from a bare clone, offline but for package downloads: a starter model to a verified INT8 bundle,
# then a picture through the vendor's simulator. Usage: bash scripts/demo.sh
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/venv.sh
source scripts/venv.sh

make_venv .demo/venv convert
export PATH="$PWD/.demo/venv/bin:$PATH"
e2erknn convert shapes-pose --soc rk3566 --out .demo
e2erknn demo models/sample-pose.jpg --model .demo/shapes-pose_rknn_model --out .demo/pictures

echo
echo "Bundle:  $PWD/.demo/shapes-pose_rknn_model"
echo "Picture: $PWD/.demo/pictures/sample-pose.jpg"
