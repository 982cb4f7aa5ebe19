#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# devices.sh - what "spoolguard devices" says of loop devices: who uses them, what lies on them, what
# is refused, and that nothing outside of this test's directory is looked at
# Time limit: 240 s
set -u -o pipefail
. "$(dirname "$0")/lib.sh"
need_root_and_fuse
export SPOOLGUARD_CONFINE=$work
loop() { # loop NAME: a loop device on a new file of 64 MiB
	truncate -s 64M "$work/$1" && losetup -f --show "$work/$1" || skip "no loop device is free"
}
look() { "$sg" devices --json "$@" >"$work/json" 2>"$work/err" || fail "devices $*: $(cat "$work/err")"; }
is() { # is FILTER: true of the first device in $work/json
	jq -e ".devices[0] | $1" "$work/json" >/dev/null || fail "not $1: $(cat "$work/json")"
}

# --- one that nobody uses ---
plain=$(loop plain)
look "$plain"
jq -e '.schema == "spoolguard.devices/1" and (.devices | length) == 1' "$work/json" >/dev/null || fail "schema: $(cat "$work/json")"
is ".path == \"$plain\" and .serial_is_stand_in and .class == \"loop\" and .transport == \"loop\" and .bytes == 67108864 and .logical_bytes == 512"
is '(.serial | test("^loop[0-9]+-64")) and .in_use_by == [] and .volumes == [] and .asked'
is '.recommendation.method == "overwrite" and .recommendation.verdict == "neither" and (.recommendation.why | length) > 20'
"$sg" devices "$plain" >"$work/out" || fail "no text"
awk 'length > 100 {exit 1}' "$work/out" || fail "lines are too long: $(cat "$work/out")"
grep -q "stand-in" "$work/out" && grep -q "recommended *overwrite" "$work/out" || fail "$(cat "$work/out")"
ok "a drive without a serial number has a stand-in, and it is marked"
before=$(stat -c %y "$work/plain")
sum=$(sha256sum <"$work/plain")
look "$plain"
[ "$(stat -c %y "$work/plain")" = "$before" ] && [ "$(sha256sum <"$work/plain")" = "$sum" ] || fail "it was written to"
ok "nothing is changed"

# --- who uses it ---
exec 9<"$plain"
look "$plain"
is "[.in_use_by[] | select(.kind == \"open\" and .device == \"${plain#/dev/}\")] | length == 1 and (.[0].text | test(\"process $$\\\\)\"))"
exec 9<&-
exec 9<"$work/plain"
look "$plain"
is '[.in_use_by[] | select(.kind == "open")] | length == 1'
exec 9<&-
ok "a program that has it, or its file, open is named"

mounted=$(loop mounted)
mke2fs -qF "$mounted"
mkdir "$work/m"
mount "$mounted" "$work/m"
truncate -s 1M "$work/m/inner"
inner=$(losetup -f --show "$work/m/inner")
look "$mounted"
is ".in_use_by | any(.kind == \"mount\" and .text == \"$work/m\")"
is ".in_use_by | any(.kind == \"loop\" and .text == \"$inner on $work/m/inner\")"
is '.holds | test("ext2")'
ok "a mount, and a loop device on a file of its file system"
losetup -d "$inner"
umount "$work/m"

second=$(losetup -f --show "$work/plain")
look "$plain"
is ".in_use_by | any(.kind == \"loop\" and (.text | startswith(\"$second on \")))"
losetup -d "$second"
ok "another loop device on the same file"

swap=$(loop swap)
chmod 600 "$work/swap"
mkswap -q "$swap"
if swapon "$swap" 2>/dev/null; then
	look "$swap"
	is '.in_use_by | any(.kind == "swap")'
	swapoff "$swap"
	ok "swap space"
fi

# --- volumes ---
vol=$(loop vol)
printf 'correct horse battery staple' >"$pass"
chmod 600 "$pass"
"$sg" format --force --kdf-memory 32M --kdf-time 50 --passphrase-file "$pass" "$vol" >/dev/null || fail "format"
look "$vol"
is ".volumes | length == 1 and (.[0] | .device == \"$vol\" and .spoolguard and (.attached | not) and .key_slots == 1 and .backups == 0 and .filled_before)"
"$sg" key backup --file "$work/backup" "$vol" >/dev/null || fail "backup"
look "$vol"
is '.volumes[0].backups == 1'
ok "a volume, its key slots and its header backups"
if "$sg" attach --passphrase-file "$pass" --mount "$mount" "$vol" >/dev/null 2>&1; then
	look "$vol"
	is ".volumes[0] | .attached and .mount == \"$mount\""
	is '[.in_use_by[].kind] == ["volume"]'
	is ".in_use_by[0].text | test(\"^[0-9a-f-]{36}, mounted at $mount\")"
	outer=$(device_of_mount)
	# Below the FUSE file nothing is this test's for a confined process.
	SPOOLGUARD_CONFINE=/ refuses 1 "attached spoolguard volume: name the whole drive" "$sg" devices "$outer"
	"$sg" detach "$vol" || fail "detach"
	ok "an attached volume is told as one, once"
fi
dd if=/dev/zero of="$vol" bs=4096 seek=1 count=3 conv=notrunc,fsync status=none
dd if=/dev/zero of="$vol" bs=1 seek=100 count=300 conv=notrunc,fsync status=none
look "$vol"
is '.volumes | length == 1'
ok "a damaged header is told"

# --- all of them, and what is refused ---
look
jq -e "[.devices[].path] | index(\"$plain\") and index(\"$vol\")" "$work/json" >/dev/null || fail "not all: $(cat "$work/json")"
jq -e '[.devices[] | select(.class != "loop")] == []' "$work/json" >/dev/null || fail "a confined run looked elsewhere"
ok "all of them, and no others"
refuses 1 '"spoolguard overwrite" is for files' "$sg" devices "$work/plain"
refuses 1 "directory and no drive" "$sg" devices "$work"
refuses 1 "no block device" "$sg" devices /dev/null
refuses 1 "lists the drives" "$sg" devices /dev/no-such-drive
refuses 2 "not an option" "$sg" devices --jsn
SPOOLGUARD_CONFINE=$work/m refuses 1 "allows only loop devices" "$sg" devices "$plain"
"$sg" devices --json "$plain" /dev/no-such-drive >"$work/json" 2>"$work/err" && fail "one of two is refused, and it exits with 0"
is ".path == \"$plain\""
[ "$(wc -l <"$work/err")" = 1 ] || fail "not one line: $(cat "$work/err")"
ok "of two the one is shown, the other refused"
over=$(losetup -f --show "$plain")
at_exit+=(drop_over)
drop_over() { [ -z "$over" ] || losetup -d "$over"; over=; }
# A confined process is refused before it is told that.
refuses 1 "loop device on another device: name the whole drive $plain" env -u SPOOLGUARD_CONFINE "$sg" devices "$over"
drop_over
if printf 'label: dos\nsize=30M\n' | sfdisk -q "$work/plain" 2>/dev/null && losetup -d "$plain" && plain=$(losetup -P -f --show "$work/plain") && [ -b "${plain}p1" ]; then
	refuses 1 "only a part of a drive: name the whole drive $plain" "$sg" devices "${plain}p1"
fi

# --- without root ---
if command -v setpriv >/dev/null; then
	chmod 755 "$work"
	setpriv --reuid 65534 --regid 65534 --clear-groups "$sg" devices --json "$mounted" >"$work/json" 2>"$work/err" || { grep -q "ermission" "$work/err" && skip "the build cannot be reached by others"; fail "without root: $(cat "$work/err")"; }
	is '(.asked | not) and (.not_asked | test("run as root")) and .bytes == 67108864 and (.in_use_by | any(.kind == "unknown"))'
	ok "without root what could not be asked is said"
fi
