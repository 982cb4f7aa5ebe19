#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# media.sh - what an attached volume lies on, and what overwriting can promise there
#
# Volumes on the file systems that this machine can mount; status names the layers, the drive and
# the verdict, from what was found at attach.
set -u -o pipefail
. "$(dirname "$0")/lib.sh"
need_root_and_fuse

report() { "$sg" status --no-service --json "$image" | jq "${2:--r}" ".medium_report | $1"; }

make_volume 64M
attach >/dev/null
[ "$(report .overwrite)" = neither ] || [ "$(report .overwrite)" = Clear ] || fail "no verdict: $(report .)"
report 'if .complete then .layers | map(.depth) == (map(.depth) | sort) else true end' -e >/dev/null ||
	fail "layers are not from the top down: $(report .layers)"
report '(.reason | length > 20) and (.clause | test("SP 800-88r2")) and (.looked_at | test("^20.*Z$"))' -e >/dev/null ||
	fail "no reason, clause or time: $(report .)"
report '.cryptographic_erase | .possible and .claimed == "neither" and (.open | length >= 2)' -e >/dev/null ||
	fail "cryptographic erase is not said: $(report .cryptographic_erase)"
"$sg" status --no-service "$image" | grep -q '^  overwriting there: ' || fail "the text does not say what overwriting promises"
ok "status names layers, drive, verdict, reason and clause"
