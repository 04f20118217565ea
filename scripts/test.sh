#!/usr/bin/env bash
# All checks from a bare clone: format, lint, types, imports, tests with the toolkit, and the base install without torch.
# Usage: bash scripts/test.sh [pytest arguments]
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/venv.sh
source scripts/venv.sh

make_venv .test/venv convert,test
make_venv .test/base ""
.test/base/bin/python -m pip install --disable-pip-version-check -q pytest
bin=.test/venv/bin
bash scripts/test_cpp.sh
if [ -d .test/cpp ]; then
    export E2ERKNN_CPP_BUILD=.test/cpp E2ERKNN_SIMULATED=.test/cpp-simulated
    rm -rf "$E2ERKNN_SIMULATED"
fi

$bin/ruff format --check .
$bin/ruff check .
$bin/mypy
# Rooms import downwards, and in no ring: pyproject.toml has the order.
$bin/lint-imports
# Every import is of a declared package: of the package's own, and with the test extra of the tests and scripts.
$bin/deptry rknn_zoo_e2e
$bin/deptry tests tests/cpp tests/hub tests/isolated scripts --exclude '^$' --ignore DEP002,DEP004
.test/base/bin/python -m pytest -q tests/base
$bin/python -m pytest tests "$@"
