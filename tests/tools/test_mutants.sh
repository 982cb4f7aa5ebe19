#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# test_mutants.sh - each deliberate defect of the map and the eraser is caught
#
# Every flush and every lock that the promises rest on is dropped in turn (base/mutant.h)
# in a build made for it; crash states, I/O errors and races must notice, and must find
# nothing where there is no mutant.  "make mutants" prints the table.
# Time limit: 900 s
set -eu
cd "$(dirname "$0")/../.."
exec "${MAKE:-make}" --no-print-directory mutants
