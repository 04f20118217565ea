#!/usr/bin/env bash
# All checks from a bare clone: format, lint, types, imports, tests with the toolkit, and the base install without torch.
# Usage: bash scripts/test.sh [pytest arguments]           in two processes; -n 0: in one, which --pdb needs
#        bash scripts/test.sh --quick [pytest arguments]    without the tests that are marked slow; some two minutes
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/venv.sh
source scripts/venv.sh

quick=
if [ "${1:-}" = --quick ]; then
    quick=yes
    shift
fi
bin=.test/venv/bin
processes=(-n 2 --no-loadscope-reorder) # by file: tests/support/scheduling.py
export OMP_NUM_THREADS=1 # numpy's and torch's: with a process a core, more threads wait for each other
if [ -z "$quick" ] || [ "$(installed .test/venv)" != "$(wanted convert,test)" ]; then
    make_venv .test/venv convert,test
fi
if [ -z "$quick" ]; then
    make_venv .test/base ""
    .test/base/bin/python -m pip install --disable-pip-version-check -q pytest
    bash scripts/test_cpp.sh
    if [ -d .test/cpp ]; then
        export E2ERKNN_CPP_BUILD=.test/cpp E2ERKNN_SIMULATED=.test/cpp-simulated
        rm -rf "$E2ERKNN_SIMULATED"
    fi
fi

$bin/ruff format --check .
$bin/ruff check .
$bin/mypy
# Rooms import downwards, and in no ring: pyproject.toml has the order.
$bin/lint-imports
if [ -n "$quick" ]; then
    exec $bin/python -m pytest tests -m "not slow" -q "${processes[@]}" "$@"
fi
# Every import is of a declared package: of the package's own, and with the test extra of the tests and scripts.
$bin/deptry rknn_zoo_e2e
$bin/deptry tests tests/cpp tests/hub tests/isolated scripts --exclude '^$' --ignore DEP002,DEP004
.test/base/bin/python -m pytest -q tests/base
$bin/python -m pytest tests "${processes[@]}" "$@"
