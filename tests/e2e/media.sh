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

report() { ("$sg" status --no-service --json "$image" || true) | jq "${2:--r}" ".medium_report | $1"; }

make_volume 64M >/dev/null
attach >/dev/null 2>&1
[ "$(report .overwrite)" = neither ] || [ "$(report .overwrite)" = Clear ] || fail "no verdict: $(report .)"
report 'if .complete then .layers | map(.depth) == (map(.depth) | sort) else true end' -e >/dev/null ||
	fail "layers are not from the top down: $(report .layers)"
report '(.reason | length > 20) and (.clause | test("SP 800-88r2")) and (.looked_at | test("^20.*Z$"))' -e >/dev/null ||
	fail "no reason, clause or time: $(report .)"
report '.cryptographic_erase | .possible and .claimed == "neither" and (.open | length >= 2)' -e >/dev/null ||
	fail "cryptographic erase is not said: $(report .cryptographic_erase)"
"$sg" status --no-service "$image" | grep >/dev/null '^  overwriting there: ' || fail "the text does not say what overwriting promises"
ok "status names layers, drive, verdict, reason and clause"
detach >/dev/null
[ ! -e "$(echo "$SPOOLGUARD_RUNTIME_DIR"/*/report)" ] || fail "what was found is kept after the detach"
report '.reason and .drives' -e >/dev/null || fail "of a volume that is not attached nothing is said"
("$sg" status --no-service "$image" || true) | grep >/dev/null '^  overwriting there: ' || fail "the text says nothing of one that is not attached"

# on FILE_SYSTEM COMMAND: the volume's image in a file system of its own; false: this machine has none
on() {
	local at=$work/on-$1
	mkdir -p "$at"
	truncate -s 400M "$work/$1.img"
	$2 "$work/$1.img" >/dev/null 2>&1 && mount -o loop "$work/$1.img" "$at" 2>/dev/null || return 1
	image=$at/spool.img
	make_volume 64M >/dev/null
	attach >/dev/null 2>&1
}
if on xfs 'mkfs.xfs -q -f -m reflink=1'; then
	[ "$(report '.layers[:3] | map(.class) | join(" ")')" = "file loop file" ] || fail "layers: $(report .layers)"
	[ "$(report '.layers[0].name')" = xfs ] || fail "not on xfs: $(report .layers)"
	report '.reason | test("reflink") | not' -e >/dev/null || fail "an image of its own is accused: $(report .reason)"
	found=$(report .looked_at)
	report '.drive.name and (.drives | length == 1)' -e >/dev/null || fail "no drive: $(report .drives)"
	[ "$(report .looked_at)" = "$found" ] || fail "it is looked at anew each time"
	# What was found says Clear, and then the image is shared: what was found is not believed.
	kept=$(echo "$SPOOLGUARD_RUNTIME_DIR"/*/report)
	cp --reflink=always "$image" "$image.copy" || fail "cp --reflink"
	jq -c '.overwrite = "Clear"' "$kept" >"$work/changed" && cp "$work/changed" "$kept"
	[ "$(report .overwrite)" = neither ] || fail "Clear is said of a shared image"
	report '.reason | test("reflink")' -e >/dev/null || fail "the shared image is not named: $(report .reason)"
	printf '{"overwrite":' >"$kept"
	report '.reason | test("reflink")' -e >/dev/null || fail "a torn file is not made anew"
	detach >/dev/null
	ok "below an image on xfs its drive is found; a copy made later by reflink is noticed"
fi
if on btrfs 'mkfs.btrfs -q'; then
	report '.reason | test("btrfs")' -e >/dev/null || fail "btrfs is not named: $(report .)"
	[ "$(report '.layers[1].class')" = loop ] || fail "below btrfs nothing is seen: $(report .layers)"
	detach >/dev/null
	ok "an image on btrfs: neither"
fi
