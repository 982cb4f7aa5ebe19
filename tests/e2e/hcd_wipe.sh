#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# hcd_wipe.sh - packaging/compliance/hcd-cpp/wipe-test.sh (FPT_WIPE_EXT.1, T1 to T6) on a loop device
#
# Time limit: 300 s
# It passes after a real decommissioning, and fails after wipes that lie: one that does nothing, one
# that leaves the last sectors, one that leaves the key slots.
set -u -o pipefail
. "$(dirname "$0")/lib.sh"
need_root_and_fuse
command -v cryptsetup >/dev/null || skip "needs cryptsetup"
test_script=$root/packaging/compliance/hcd-cpp/wipe-test.sh
export SPOOLGUARD_STATE_DIR=$work/state SPOOLGUARD=$sg
mkdir -p "$work/state"

truncate -s 48M "$work/drive"
device=$(losetup -f --show "$work/drive") || skip "no loop device"
serial=$("$sg" devices --json "$device" | jq -r '.devices[0].serial')
[ -n "$serial" ] && [ "$serial" != null ] || fail "devices tells no serial of $device"

run() { # run NAME [OPTION...]
	local name=$1
	shift
	bash "$test_script" --destroy "$serial" --keep "$work/$name" --option --standalone \
		--format-option --kdf-memory=32M --format-option --kdf-time=50 "$@" "$device" >"$work/$name.out" 2>&1
}
verdict() { awk -v t="$2" '$1 == t {print $2}' "$work/$1/result.txt"; }

bash "$test_script" --destroy "not-$serial" --keep "$work/no" "$device" >"$work/out" 2>&1 && fail "another serial is accepted"
grep -q "nothing was done" "$work/out" || fail "it does not say that nothing was done: $(cat "$work/out")"
[ "$(tr -d '\000' <"$work/drive" | wc -c)" = 0 ] || fail "something was written for a wrong serial"
ok "a wrong serial: nothing is done"

run honest || fail "after a real wipe: $(cat "$work/honest.out")"
for t in T1 T2 T4 T5 T6; do [ "$(verdict honest $t)" = PASS ] || fail "$t: $(cat "$work/honest.out")"; done
[ "$(verdict honest T3)" = NA ] || fail "a loop device has no commands of its own: $(cat "$work/honest.out")"
ok "T1 to T6 after a real decommissioning"

# liar NAME BODY: a program whose wipe is BODY; all else is the real one's.
liar() {
	printf '#!/bin/bash\n[ "$1" = decommission ] || exec "%s" "$@"\nd=${!#}\necho "{}" >"%s/$(basename "$0").json"\n%s\necho done\n' \
		"$sg" "$work" "$2" >"$work/liar-$1"
	chmod +x "$work/liar-$1"
	SPOOLGUARD=$work/liar-$1 run "$1" && fail "a wipe that lies ($1) passes: $(cat "$work/$1.out")"
	[ "$(verdict "$1" T1)" = PASS ] || fail "T1 before $1: $(cat "$work/$1.out")"
}
fill='tr "\000" "\227" </dev/zero | dd of="$d" bs=1M count=48 iflag=fullblock conv=notrunc status=none'
liar nothing true
for t in T4 T5 T6; do [ "$(verdict nothing $t)" = FAIL ] || fail "$t passes though nothing was done"; done
liar tail "${fill/count=48/count=47}"
[ "$(verdict tail T4)" = FAIL ] && [ "$(verdict tail T6)" = FAIL ] || fail "a tail that is left is not seen: $(cat "$work/tail.out")"
[ "$(verdict tail T5)" = PASS ] || fail "T5 fails without a reason: $(cat "$work/tail.out")"
liar slots "dd if=\"\$d\" of=\"$work/head\" bs=1M count=1 status=none; $fill; dd if=\"$work/head\" of=\"\$d\" bs=1M conv=notrunc status=none"
[ "$(verdict slots T5)" = FAIL ] || fail "key slots that are left are not seen: $(cat "$work/slots.out")"
ok "wipes that do nothing, leave the tail or the key slots fail where they lie"
