#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# binds.sh - directories of the volume that are seen at other places too
#
# Attach makes and binds them, detach ends them, a refusal of either leaves everything as it
# was, and what a killed volume process left is cleared.  A bind that we did not make is
# somebody else's.
#
# Time limit: 120 s
set -u -o pipefail
. "$(dirname "$0")/lib.sh"
need_root_and_fuse

spool=$work/var/spool/cups
cache=$work/var/cache/cups
binds=(--bind "cups/spool:$spool" --bind "cache:$cache")
mkdir -p "$spool" "$cache" "$work/else"
chown 7:8 "$spool" && chmod 0710 "$spool"
chown 9:8 "$cache" && chmod 1770 "$cache"

is_bound() { [ "$(findmnt -nro SOURCE --mountpoint "$1" | grep -c "^$(device_of_mount)\[/$2\]$")" = 1 ]; }
nothing_is_bound() { ! findmnt -nro TARGET | grep -qF "$work/var"; }
is_closed() { ! touch "$1/x" 2>/dev/null && [ "$(stat -c '%u:%g %a' "$1")" = "$2" ]; }

make_volume 64M

# --- what cannot be ---
refuses 2 'needs --mount' "$sg" attach --passphrase-file "$pass" --bind "a:$spool" "$image"
for bad in "$spool" ":$spool" "a:" "../a:$spool" "/a:$spool" "a//b:$spool" "a/./b:$spool" "a/:$spool" "$(printf 'a%.0s' $(seq 256)):$spool"; do
	refuses 2 'bind' "$sg" attach --passphrase-file "$pass" --mount "$mount" --bind "$bad" "$image"
done
nine=()
for i in $(seq 9); do nine+=(--bind "d$i:$work/d$i"); done
refuses 2 'at most 8' "$sg" attach --passphrase-file "$pass" --mount "$mount" "${nine[@]}" "$image"

refused_whole() { # refused_whole PATTERN OPTION...: nothing of the attach is left, nor of the first bind
	local pattern=$1
	shift
	refuses 1 "$pattern" "$sg" attach --passphrase-file "$pass" --mount "$mount" --bind "first:$spool" "$@" "$image"
	findmnt -nro TARGET | grep -F "$work" | grep -v "else$" >"$work/left" && fail "mounts are left: $(cat "$work/left")"
	"$sg" status "$image" >/dev/null 2>&1 && fail "attached after a refusal"
	touch "$spool/x" && rm "$spool/x" || fail "the first place stays sealed"
	[ "$(stat -c '%u:%g %a' "$spool")" = "7:8 710" ] || fail "the first place is not what it was"
}
refused_whole 'make it first' --bind "a:$work/none"
refused_whole 'no directory' --bind "a:$pass"
touch "$cache/file"
refused_whole 'not empty' --bind "a:$cache"
rm "$cache/file"
mount -t tmpfs none "$work/else"
refused_whole 'mounted at' --bind "a:$work/else"
findmnt "$work/else" >/dev/null || fail "a stranger's mount was ended"
umount "$work/else"
refused_whole 'volume itself' --bind "a:$mount/first"
refused_whole 'already' --bind "a:$spool"
attach >/dev/null
ln -s / "$mount/link"
: >"$mount/file"
detach
refused_whole 'symbolic link|not a directory' --bind "link:$cache"
refused_whole 'symbolic link|not a directory' --bind "link/etc:$cache"
refused_whole 'not a directory' --bind "file:$cache"
refuses 1 'for writing once' "$sg" attach --read-only --passphrase-file "$pass" --mount "$mount" "${binds[@]}" "$image"
nothing_is_bound || fail "bound read-only"

# --- made, used, ended ---
attach "${binds[@]}" >"$work/out"
grep -q "^bind   cache at $cache$" "$work/out" || fail "the binds are not told: $(cat "$work/out")"
is_bound "$spool" cups/spool && is_bound "$cache" cache || fail "not bound: $(findmnt -rn | grep -F "$work")"
[ "$(stat -c '%u:%g %a' "$spool" "$cache" | paste -sd' ')" = "7:8 710 9:8 1770" ] || fail "owner and mode are not the old ones"
for at in "$spool" "$cache"; do
	for option in nosuid nodev noexec; do
		findmnt -nro OPTIONS --mountpoint "$at" | grep -q "\b$option\b" || fail "$at is not $option"
	done
done
jq -e --arg at "$spool" '.binds[0] == {directory: "cups/spool", at: $at}' <("$sg" status --json "$image") >/dev/null || fail "status does not name the binds"
yes BOUNDJOB | head -c 300000 >"$spool/d00001-001"
sync "$spool/d00001-001"
"$sg" job complete --id 1 "$spool/d00001-001" >"$work/out" || fail "a job below a bind is not retired"
grep -q '1 of 1 files' "$work/out" || fail "receipt: $(cat "$work/out")"

# in use, or bound by somebody else: nothing changes
refused_detach() { # refused_detach PATTERN
	refuses 1 "$1" "$sg" detach "$image"
	is_bound "$spool" cups/spool && is_bound "$cache" cache && findmnt "$mount" >/dev/null || fail "detached in part"
}
for at in "$spool" "$cache" "$mount"; do
	(cd "$at" && exec sleep 60) &
	pids+=($!)
	sleep 0.2
	refused_detach 'in use by sleep'
	kill "${pids[-1]}"
	wait "${pids[-1]}" 2>/dev/null
done
mount --bind "$mount/cache" "$work/else"
refused_detach "mounted at $work/else too"
umount "$work/else"
mount -t tmpfs none "$cache"
refuses 1 'something else is mounted over' "$sg" detach "$image"
umount "$cache"
refused_detach_not() { detach && nothing_is_bound; }
refused_detach_not || fail "binds are left"
is_closed "$spool" "7:8 710" && is_closed "$cache" "9:8 1770" || fail "the bare directories are open, or not what they were"
ok "bound, used, refused in use, ended; the bare directories are immutable"

# --- again, and read-only ---
attach --read-only "${binds[@]}" >/dev/null
is_bound "$cache" cache || fail "not bound read-only"
touch "$cache/x" 2>/dev/null && fail "a read-only bind was written to"
detach
# a new volume gets owner and mode from the closed places
mv "$image" "$work/old.img"
make_volume 64M
attach "${binds[@]}" >/dev/null
[ "$(stat -c '%u:%g %a' "$spool" "$cache" | paste -sd' ')" = "7:8 710 9:8 1770" ] || fail "a new volume does not get owner and mode"
[ "$(find "$mount" -mindepth 1 -printf '%P\n' | sort | paste -sd' ')" = "cache cups cups/spool lost+found" ] || fail "left on the volume: $(find "$mount")"
ok "read-only, and a new volume"

# --- the process dies: the next attach clears what it left ---
kill -9 "$("$sg" status --json "$image" | jq -r .process)"
attach "${binds[@]}" >/dev/null
is_bound "$spool" cups/spool && is_bound "$cache" cache || fail "not bound after a kill"
[ "$(findmnt -nro TARGET | grep -cF "$work/var")" = 2 ] || fail "dead binds are left: $(findmnt -rn | grep -F "$work/var")"
echo alive >"$spool/x" && rm "$spool/x" || fail "bind after a kill"
kill -9 "$("$sg" status --json "$image" | jq -r .process)"
"$sg" detach "$image" >/dev/null 2>&1
nothing_is_bound || fail "dead binds are left after detach"
is_closed "$spool" "7:8 710" || fail "the bare directory is open after a kill"
ok "killed: dead binds are cleared, and made anew"

# --- the command dies at a bad moment: what it recorded is known for ours ---
attach "${binds[@]}" >/dev/null
state=$(ls "$SPOOLGUARD_RUNTIME_DIR"/*/state)
umount "$cache" # recorded, and not made yet
detach
nothing_is_bound || fail "binds are left"
attach >/dev/null
mount --bind "$mount/cups/spool" "$spool" # made, and recorded as about to be
jq -c --arg at "$spool" '.binds = [{directory: "cups/spool", at: $at}]' "$state" >"$state.x" && mv "$state.x" "$state"
detach
nothing_is_bound || fail "a recorded bind is left"
ok "interrupted between record and bind: detach takes down what there is"

# --- a state file of an older program ---
attach >/dev/null
jq -c 'del(.binds)' "$state" >"$state.x" && mv "$state.x" "$state"
"$sg" status "$image" >/dev/null || fail "status with an older state file"
detach
ok "a state file without binds"
