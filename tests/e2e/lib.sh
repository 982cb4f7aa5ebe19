# SPDX-License-Identifier: Apache-2.0
# lib.sh - what the end-to-end scripts share; sourced, not run
#
# Each script gets a directory of its own, and whatever it attached, mounted or
# started is gone when it ends, also after a failure.  77 = skipped.

build=${BUILD:-$(cd "$(dirname "$0")/../.." && pwd)/build}
root=$(cd "$(dirname "$0")/../.." && pwd)
sg=$build/spoolguard
work=$(mktemp -d "${TMPDIR:-/var/tmp}/sg-e2e.XXXXXX")
image=$work/spool.img
mount=$work/mnt
pass=$work/passphrase
export SPOOLGUARD_RUNTIME_DIR=$work/run
pids=()
at_exit=() # functions that a script wants called before anything is taken down

# Loop devices first: once its file is unmounted, a device does not tell any more whose it was.
clear_devices() {
	losetup -nO NAME,BACK-FILE | awk -v w="$work/" 'index($2, w) {print $1}' | while read -r l; do losetup -d "$l"; done
	findmnt -rno TARGET | grep -F "$work/" | sort -r | while read -r at; do umount -l "$at"; done
	! mountpoint -q "$work" || umount -l "$work"
}

cleanup() {
	local code=$?
	trap - EXIT INT TERM
	for hook in "${at_exit[@]}"; do $hook; done
	# Only what is still our child: numbers of those that ended long ago may be somebody else's by now.
	for pid in "${pids[@]}"; do
		[ "$(ps -o ppid= -p "$pid" 2>/dev/null | tr -d ' ')" != $$ ] || kill -9 "$pid" 2>/dev/null
	done
	wait 2>/dev/null
	"$sg" detach --all >/dev/null 2>&1
	clear_devices
	chattr -R -i "$work" 2>/dev/null
	[ -n "${KEEP:-}" ] && echo "Kept: $work" || rm -rf "$work"
	exit $code
}
trap cleanup EXIT
trap 'exit 130' INT TERM

fail() { echo "FAILED: $*" >&2; exit 1; }
skip() { echo "skipped: $*"; exit 77; }
pass_count=0
ok() { pass_count=$((pass_count + 1)); echo "ok: $*"; }

# refuses CODE PATTERN COMMAND...: exits with CODE, says one line on stderr that matches PATTERN
refuses() {
	local code=$1 pattern=$2 got
	shift 2
	"$@" >"$work/out" 2>"$work/err"
	got=$?
	[ $got = "$code" ] || fail "$* : exit $got instead of $code: $(cat "$work/err")"
	grep -qiE "$pattern" "$work/err" || fail "$* : does not say /$pattern/: $(cat "$work/err")"
	[ "$(wc -l <"$work/err")" -le 1 ] || fail "$* : says more than one line: $(cat "$work/err")"
	ok "refused: $pattern"
}

need_root_and_fuse() {
	[ "$(id -u)" = 0 ] || skip "needs root"
	[ -e /dev/fuse ] || skip "needs /dev/fuse"
	[ -e /dev/loop-control ] || skip "needs loop devices"
}

make_volume() { # make_volume SIZE [OPTION...]
	local size=$1
	shift
	printf 'correct horse battery staple' > "$pass"
	chmod 600 "$pass"
	mkdir -p "$mount"
	"$sg" format --size "$size" --kdf-memory 32M --kdf-time 50 --passphrase-file "$pass" "$@" "$image" || fail "format"
}

attach() { "$sg" attach --passphrase-file "$pass" --mount "$mount" "$@" "$image" || fail "attach"; }
detach() { "$sg" detach "$image" || fail "detach"; }
device_of_mount() { findmnt -nro SOURCE "$mount"; }
