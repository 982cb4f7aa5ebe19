#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# inprocess.sh - a spool without FUSE, loop devices, mounting or root
# Time limit: 240 s
#
# The same story as whoever runs this and, if that is root, as nobody with no privileges and 64 KiB
# of memory that may be locked.  Judges: e2fsck and grep on what an independent decryptor makes
# of the image, and grep on the raw image.  Files and damage that only a mounted file system
# makes come from debugfs, through the decryptor: that is a foreign write, too.
set -u -o pipefail
export LC_ALL=C
. "$(dirname "$0")/lib.sh"

decryptor=$root/tests/tools/luks2_decrypt.py
command -v debugfs >/dev/null || PATH=$PATH:/sbin:/usr/sbin
command -v debugfs >/dev/null || skip "needs e2fsprogs"

mark=SECRETJOB$$
title=TITLE$$
text() { yes "$mark body of job $1 " | head -c "$2"; true; }
plain=$work/plain
chmod 711 "$work"

# do_it ...: spoolguard as the user of the story
as_nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all
	prlimit --memlock=65536:65536 --)
who=()
do_it() { "${who[@]}" "$program" "$@"; }
pw=(--passphrase-file "$pass")
decrypt() { python3 "$decryptor" "$image" "$pass" > "$plain" || fail "independent decryptor"; }
encrypt_back() { python3 "$decryptor" --encrypt-back "$image" "$pass" < "$plain" 2>/dev/null || fail "encrypt back"; }
whole() { decrypt; e2fsck -fn "$plain" >"$work/fsck" 2>&1 || fail "e2fsck after $*: $(tail -5 "$work/fsck")"; }
hits() { grep -a -c -e "$1" "$2"; }
put() { do_it put "${pw[@]}" "$@" >/dev/null || fail "put $*"; }
names() { do_it ls "${pw[@]}" "$image" "$@" | sort | tr '\n' ' '; }
retire() { do_it job complete --image "$image" "${pw[@]}" "$@"; }

story() { # story DIRECTORY
	local at=$1 i got killed
	image=$at/spool.img
	do_it format --size 40M --kdf-memory 32M "${pw[@]}" "$image" >/dev/null || fail "format"
	# Stock cryptsetup makes the key slot a quick one, for all the commands below.
	cryptsetup luksConvertKey --key-file "$pass" --pbkdf pbkdf2 --pbkdf-force-iterations 1000 "$image" || fail "luksConvertKey"
	whole format
	for i in 1 2 3 4 5 6; do text $i $((i * 70001)) > "$at/job-$i"; done
	: > "$at/empty"
	{ text sparse 5000; head -c 3000000 /dev/zero; text sparse 5000; } > "$at/sparse"
	chmod 644 "$at"/job-* "$at/empty" "$at/sparse"

	put "$image" "$at/job-1"
	put --parents "$image" "$at/job-2" "in/deep/er/$title-2"
	put "$image" "$at/job-3" in/
	text 4 280004 | do_it put "${pw[@]}" "$image" - "$title-4" >/dev/null || fail "put from standard input"
	put "$image" "$at/empty"
	put "$image" "$at/sparse"
	for i in 5 6; do put "$image" "$at/job-$i" "$title-$i"; done
	whole "seven puts"
	[ "$(names)" = "$title-4 $title-5 $title-6 empty in job-1 lost+found sparse " ] || fail "ls: $(names)"
	[ "$(names in)" = "deep job-3 " ] || fail "ls in: $(names in)"
	do_it get "${pw[@]}" "$image" "in/deep/er/$title-2" - | cmp - "$at/job-2" || fail "get"
	do_it get "${pw[@]}" "$image" sparse "$at/sparse.out" && cmp "$at/sparse" "$at/sparse.out" || fail "get sparse"
	[ "$(stat -c %b "$at/sparse.out")" -lt 1000 ] || fail "holes are gone"
	do_it get "${pw[@]}" "$image" empty - | cmp - "$at/empty" || fail "get empty"
	[ "$(hits "$mark" "$image")" = 0 ] || fail "plaintext on the raw medium"
	[ "$(hits "$mark" "$plain")" -gt 1000 ] || fail "the decrypted volume does not show live jobs"
	ok "files go in and come out; e2fsck is content"

	refuses 1 'is on the volume already' do_it put "${pw[@]}" "$image" "$at/job-1"
	refuses 1 'no directory "none"' do_it put "${pw[@]}" "$image" "$at/job-1" none/job
	refuses 1 'is a directory' do_it put "${pw[@]}" "$image" "$at" x
	refuses 1 'not a directory' do_it put "${pw[@]}" "$image" "$at/job-1" job-1/x
	refuses 1 'cannot be opened' do_it put "${pw[@]}" "$image" "$at/no-such" x
	refuses 1 'not followed' do_it put "${pw[@]}" "$image" "$at/job-1" ../x
	refuses 1 'no such file' do_it get "${pw[@]}" "$image" no-such -
	refuses 1 'exists' do_it get "${pw[@]}" "$image" job-1 "$at/sparse.out"
	refuses 1 'is a directory' retire --id 1 in
	refuses 1 'no such file' retire --id 1 job-1 no-such
	refuses 1 'named twice' retire --id 1 job-1 /job-1
	refuses 2 'SOURCE' do_it put "${pw[@]}" "$image"
	printf wrong > "$at/wrong"
	chmod 644 "$at/wrong"
	refuses 1 'passphrase' do_it ls --passphrase-file "$at/wrong" "$image"
	[ "$(names)" = "$title-4 $title-5 $title-6 empty in job-1 lost+found sparse " ] || fail "a refusal did something"
	head -c 40000000 /dev/urandom > "$at/big"
	chmod 644 "$at/big"
	refuses 1 'full' do_it put "${pw[@]}" "$image" "$at/big"
	rm "$at/big"
	whole "what was refused"

	retire --id 17 --json "in/deep/er/$title-2" "$title-4" > "$at/receipt" || fail "retire"
	python3 - "$at/receipt" <<-'CHECK' || fail "receipt: $(cat "$at/receipt")"
	import json, sys
	r = json.load(open(sys.argv[1]))
	assert r["schema"] == "spoolguard.job/1" and r["id"] == "17" and r["files"] == 2
	blocks = r["requested_blocks"]
	assert blocks == (140002 + 4095) // 4096 + (280004 + 4095) // 4096, blocks
	assert blocks == r["written_blocks"] == r["durable_blocks"] == r["verified_blocks"]
	assert r["refused_blocks"] == r["lost_blocks"] == r["not_owed_blocks"] == 0
	assert r["passes"] == 3 == len(r["pass_times"]) and r["scheme"] == "three-pass"
	CHECK
	printf '18\tempty\n19\tsparse\n19\t%s\n' "$title-5" > "$at/jobs"
	chmod 644 "$at/jobs"
	[ "$(retire --jobs "$at/jobs" --json | grep -c '"result":"retired"')" = 2 ] || fail "retire a list"
	whole retiring
	for i in "$title-2" "$title-4" "$title-5" 'body of job 2 ' 'body of job 4 ' 'body of job 5 ' 'job sparse'; do
		[ "$(hits "$i" "$plain")" = 0 ] || fail "\"$i\" is still there"
	done
	[ "$(hits "body of job 6 " "$plain")" -gt 100 ] || fail "a job that was not retired is gone"
	ok "retired: neither content nor name is left, the others are"

	mkfifo "$at/pipe"
	chmod 644 "$at/pipe"
	"${who[@]}" "$program" put "${pw[@]}" "$image" "$at/pipe" "$title-killed" >/dev/null 2>&1 &
	killed=$!
	{ text killed 12000000; sleep 1; kill -9 $killed; } > "$at/pipe" 2>/dev/null
	wait $killed 2>/dev/null
	[ "$(names)" = "$title-6 in job-1 lost+found " ] || fail "after a kill: $(names)"
	retire --id 20 job-1 >/dev/null || fail "retire after a kill"
	whole "a kill"
	[ "$(hits "body of job killed" "$plain")" = 0 ] || fail "what a killed put wrote is left"
	ok "killed in the middle of a put: as if it had not been, and overwritten"

	python3 - "$image" <<-'HOLD' &
	import fcntl, struct, sys, time
	f = open(sys.argv[1], "r+b")
	fcntl.fcntl(f, 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))  # F_OFD_SETLK
	time.sleep(60)
	HOLD
	pids+=($!)
	sleep 1
	refuses 1 'use|lock' do_it ls "${pw[@]}" "$image"
	kill "${pids[-1]}" && wait "${pids[-1]}" 2>/dev/null
	unset 'pids[-1]'
}

foreign() { # the image of the story, changed by somebody else
	decrypt
	debugfs -w "$plain" >/dev/null 2>&1 <<-EOF
	symlink link in/job-3
	symlink way in
	ln in/job-3 second
	sif in/job-3 links_count 2
	write $work/foreign-file $title-foreign
	ea_set $title-foreign user.title foreign-small
	ea_set -f $work/attribute $title-foreign user.large
	EOF
	e2fsck -fn "$plain" >/dev/null 2>&1 || fail "the foreign change is not whole"
	encrypt_back
	[ "$(names)" = "$title-6 $title-foreign in link lost+found second way " ] || fail "foreign: $(names)"
	do_it get "${pw[@]}" "$image" "$title-foreign" - | cmp - "$work/foreign-file" || fail "a foreign file reads otherwise"
	refuses 1 'symbolic link' retire --id 1 link
	refuses 1 'symbolic link' retire --id 1 way/job-3
	refuses 1 '2 names' retire --id 1 second
	refuses 1 'regular files' do_it get "${pw[@]}" "$image" link -
	retire --id 21 "$title-foreign" >/dev/null || fail "retire a foreign file"
	whole "foreign writes"
	[ "$(hits foreign "$plain")" = 0 ] || fail "a foreign file or its name is left"
	ok "what somebody else wrote is noticed, kept, and retired"

	for i in $(seq 400); do echo "write $work/one $title-many-$i"; done | debugfs -w "$plain" >/dev/null 2>&1
	e2fsck -fyD "$plain" >/dev/null 2>&1
	debugfs -R 'htree_dump /' "$plain" 2>/dev/null | grep -q 'Root node' || fail "the directory has no index"
	encrypt_back
	retire --id 22 "$title-many-7" "$title-many-399" >/dev/null || fail "retire from an indexed directory"
	put "$image" "$work/one" "$title-late"
	whole "an indexed directory"
	[ "$(hits "$title-many-7[^0-9]" "$plain")" = 0 ] || fail "a name is left in an indexed directory"
	[ "$(names | wc -w)" -ge 400 ] || fail "names were lost"
	ok "directories with an index"

	decrypt
	debugfs -w -R 'feature needs_recovery' "$plain" >/dev/null 2>&1
	encrypt_back
	refuses 1 'journal must be replayed' do_it ls "${pw[@]}" "$image"
	debugfs -w -R 'feature -needs_recovery' "$plain" >/dev/null 2>&1
	debugfs -w -R "freeb $(debugfs -R 'bmap in/job-3 0' "$plain" 2>/dev/null)" "$plain" >/dev/null 2>&1
	encrypt_back
	refuses 1 'damaged' do_it ls "${pw[@]}" "$image"
	[ "$(hits 'body of job 3 ' "$plain")" -gt 100 ] && decrypt
	[ "$(hits 'body of job 3 ' "$plain")" -gt 100 ] || fail "a file whose blocks are marked free was erased"
	ok "a file system that is not whole is refused, and nothing is erased"
}

mounted() { # the same image by turns with and without a mount
	[ "$(id -u)" = 0 ] && [ -e /dev/fuse ] && [ -e /dev/loop-control ] || { echo "not mounted by turns: needs root and FUSE"; return; }
	mkdir -p "$mount"
	attach >/dev/null
	cmp "$work/own/job-6" "$mount/$title-6" || fail "what was put is not on the mount"
	cp "$work/own/job-2" "$mount/$title-mounted"
	sync -f "$mount"
	refuses 1 'in use' do_it ls "${pw[@]}" "$image"
	detach >/dev/null
	do_it get "${pw[@]}" "$image" "$title-mounted" - | cmp - "$work/own/job-2" || fail "what was mounted is not there"
	decrypt
	[ "$(hits "$title-mounted" "$plain")" -gt 1 ] || fail "the journal does not hold the name: this proves nothing"
	retire --id 23 "$title-mounted" >/dev/null || fail "retire what was mounted"
	whole "mounting by turns"
	[ "$(hits "$title-mounted" "$plain")" = 0 ] || fail "the journal still holds a retired name"
	attach >/dev/null
	[ -e "$mount/$title-6" ] && [ ! -e "$mount/$title-mounted" ] || fail "the mount shows other files"
	detach >/dev/null
	ok "mounted and in-process by turns; the journal holds no name"
}

program=$sg
printf 'correct horse battery staple' > "$pass"
chmod 644 "$pass"
text foreign 100000 > "$work/foreign-file"
echo one > "$work/one"
yes foreign-large | head -c 3000 > "$work/attribute"
mkdir "$work/own"
story "$work/own"
mounted
foreign

[ "$(id -u)" = 0 ] || exit 0
command -v setpriv >/dev/null || { echo "not as nobody: there is no setpriv"; exit 0; }
mkdir "$work/nobody" "$work/nobody-run"
install -m 755 "$sg" "$work/nobody-sg"
chown 65534:65534 "$work/nobody" "$work/nobody-run"
who=("${as_nobody[@]}")
program=$work/nobody-sg
export SPOOLGUARD_RUNTIME_DIR=$work/nobody-run
story "$work/nobody"
ok "all of it as nobody, without a capability"
