#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# service_keys.sh - keys that live for one boot, credentials, and keys that die first
#
# A volume with unlock = boot-key: lives through the death of its process and of the service, and
# is new after a power cut (everything killed, mounts and devices cleared); what is not known to be
# ours is never overwritten.  A renewal destroys the old keys before anything else, is refused
# with a wrong passphrase, and is finished by the next attach if it is killed in the middle.
#
# Time limit: 300 s
set -u -o pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/service_lib.sh"
need_root_and_fuse
command -v jq >/dev/null || skip "needs jq"
command -v python3 >/dev/null || skip "needs python3"

cache=$work/cache
mkdir "$cache"
is_open() { mountpoint -q "$mount" && mountpoint -q "$cache"; }
uuid_of() { cryptsetup luksUUID "$1"; }
call() { # call METHOD VOLUME [FILE]
	python3 "$root/tests/tools/varlink_call.py" "$work/run/mounter" "io.spoolguard.mounter.$1" \
		"{\"volume\":\"${2:-}\"}" ${3:+"$3"} >"$work/answer"
}
# As a power cut would leave it: nothing in memory, nothing mounted, no runtime directory.
cut_power() {
	local pid
	kill -9 "$service"
	wait "$service" 2>/dev/null
	end_service_processes
	for pid in $(pgrep -f "^$build/spoolguard-volume --path $image"); do kill -9 "$pid"; done
	clear_devices
	rm -rf "$work/run"
}

# --- a key of one boot ---
boot() { volume spool "$image" "$mount" "unlock = boot-key" "bind = cache:$cache" "$@"; }
configure "$(boot)"
start_service
seen service-ready
seen volume-waits spool
stop_service TERM
ok "without a size an image that is not there is not made"

configure "$(boot "size = 64M")"
start_service
seen volume-attached spool "are new"
is_open || fail "not mounted"
for i in $(seq 2000); do echo "BOOTKEYSECRET $i"; done >"$mount/job"
sync -f "$mount"
first=$(uuid_of "$image")
kill -9 "$(process_of "$image")"
seen volume-failed spool "process ended"
seen volume-attached spool "not detached in order"
wait_until 5 is_open || fail "not back"
[ "$(tail -1 "$mount/job")" = "BOOTKEYSECRET 2000" ] || fail "the spool was lost with the process"
ok "the key outlives the volume process"
stop_service TERM
mounter >/dev/null || fail "the mounter that holds the key was ended"
start_service
seen volume-attached spool "attached already"
kill -9 "$(process_of "$image")"
seen volume-failed spool "process ended"
wait_until 20 is_open || fail "not back"
[ "$(tail -1 "$mount/job")" = "BOOTKEYSECRET 2000" ] || fail "the key did not outlive the service"
ok "... and the service"

mark_events
kill -9 "$(mounter)"
seen service-fault "" "it ended"
wait_until 10 mounter
kill -9 "$(process_of "$image")"
seen volume-attached spool "what was on it before is gone"
wait_until 5 is_open || fail "not back"
[ ! -e "$mount/job" ] || fail "the spool is there, and its key was lost"
[ "$(uuid_of "$image")" != "$first" ] || fail "the same volume"
ok "without the mounter that held its key a dead volume is made anew, and that is said"

for i in $(seq 2000); do echo "BOOTKEYSECRET $i"; done >"$mount/job"
sync -f "$mount"
first=$(uuid_of "$image")
cut_power
start_service
seen volume-attached spool "what was on it before is gone"
wait_until 5 is_open || fail "not open after the power cut"
[ ! -e "$mount/job" ] && [ "$(uuid_of "$image")" != "$first" ] || fail "the old spool is there"
grep -q BOOTKEYSECRET "$image" && fail "plaintext on the medium"
wait_until 60 bash -c "[ \"\$('$sg' status --json '$image' | jq .owed_bytes)\" = 0 ]" || fail "what lay there is not overwritten"
ok "after a power cut it is new; what lay there was owed its passes, and got them"
seen service-ready
stop_service TERM
end_service_processes
"$sg" detach "$image" || fail "detach"

# --- what is not ours ---
rm -rf "$work/run" "$image"
make_volume 64M >/dev/null
before=$(uuid_of "$image")
start_service
seen volume-failed spool "is left alone"
[ "$(uuid_of "$image")" = "$before" ] || fail "somebody's volume was overwritten"
stop_service TERM
rm -f "$image"
truncate -s 64M "$image"
mkfs.ext4 -q "$image"
sum=$(sha256sum <"$image")
start_service
seen volume-failed spool "is left alone"
[ "$(sha256sum <"$image")" = "$sum" ] || fail "somebody's file system was overwritten"
stop_service TERM
end_service_processes
ok "a medium that holds something else is refused, and untouched"

# --- credentials ---
rm -f "$image" "$state"/volume.*
make_volume 64M >/dev/null
configure "$(volume spool "$image" "$mount" "unlock = credential" "bind = cache:$cache")"
start_service
seen volume-waits spool "LoadCredentialEncrypted=spoolguard.spool"
stop_service TERM
mkdir "$work/credentials"
cp "$pass" "$work/credentials/spoolguard.spool"
CREDENTIALS_DIRECTORY=$work/credentials start_service
seen volume-attached spool
seen service-ready
ok "a credential opens it"
stop_service TERM
"$sg" detach "$image" || fail "detach"

# --- renewal: keys die first ---
configure "$(volume spool "$image" "$mount" "unlock = key-file" "key_file = $pass" "bind = cache:$cache")"
start_service
seen service-ready
for i in $(seq 2000); do echo "OLDKEYSECRET $i"; done >"$mount/job"
sync -f "$mount"
before=$(uuid_of "$image")
printf 'another passphrase' >"$work/other"
call Renew spool "$work/other" && fail "a wrong passphrase was taken: $(cat "$work/answer")"
grep -q 'opens none of its key slots' "$work/answer" || fail "$(cat "$work/answer")"
[ "$(uuid_of "$image")" = "$before" ] && is_open && [ -e "$mount/job" ] || fail "a refused renewal did something"
exec 7<"$mount/job"
call Renew spool && fail "a spool in use was renewed"
[ -e "$mount/job" ] && [ "$(uuid_of "$image")" = "$before" ] || fail "a refused renewal did something"
exec 7<&-
ok "a wrong passphrase, a spool in use: refused before anything is destroyed"

head -c 4194304 "$image" >"$work/header"
mark_events
call Renew spool || fail "renew: $(cat "$work/answer")"
[ "$(jq .parameters.report.slots_destroyed "$work/answer")" = 1 ] || fail "$(cat "$work/answer")"
seen volume-attached spool "attached already" # behind the keeper's back
is_open || fail "not open after the renewal"
[ ! -e "$mount/job" ] && [ "$(uuid_of "$image")" != "$before" ] || fail "it is not new"
grep -q OLDKEYSECRET "$image" && fail "plaintext on the medium"
# Nothing of the old key slots is there: neither as it was, nor by another backup's place.
python3 - "$work/header" "$image" <<'PY' || fail "a sector of the old key slots is on the medium"
import sys
old = open(sys.argv[1], "rb").read()[32768:]
new = open(sys.argv[2], "rb").read()
sectors = {old[i:i + 512] for i in range(0, len(old), 512) if len(set(old[i:i + 512])) > 1}
left = sum(new[i:i + 512] in sectors for i in range(0, len(new), 512))
print(f"{len(sectors)} sectors of key slots, {left} left")
sys.exit(left != 0 or not sectors)
PY
ok "a renewal: a new key, a new file system, and no sector of the old key slots is left"

# The mounter alone, killed while it renews; then the service, which finds what is left.
start_mounter() {
	"$daemon" --mounter --config "$conf" 2>>"$work/log" &
	pids+=("$!")
	wait_until 10 test -S "$work/run/mounter" && wait_until 10 call Reload
}
for round in 1 2 3 4; do
	wait_until 20 is_open || fail "round $round: not open"
	echo "round $round" >"$mount/job"
	sync -f "$mount"
	stop_service TERM
	start_mounter || fail "round $round: no mounter"
	( call Renew spool ) 2>/dev/null &
	wait_until 20 grep -q '"making":true' "$state/volume.spool" || fail "round $round: no record"
	sleep 0.$((round * 2 - 2))
	kill -9 "$(mounter)"
	[ ! -e "$state/volume.spool" ] || interrupted=yes
	start_service
	seen volume-attached spool
	wait_until 20 is_open || fail "round $round: not open"
	[ ! -e "$mount/job" ] || fail "round $round: the old spool is there"
	[ ! -e "$state/volume.spool" ] || fail "round $round: the record is left"
	"$sg" status --json "$image" | jq -e '.faults == []' >/dev/null || fail "round $round: $("$sg" status "$image")"
done
[ "${interrupted:-}" = yes ] || fail "no kill fell into the middle of a renewal"
ok "a renewal that is killed in the middle is finished by the next attach"
echo still >"$mount/job"
sync -f "$mount"

# Killed, then made whole by hand: what is there now is nobody's to finish.
stop_service TERM
start_mounter || fail "no mounter"
( call Renew spool ) 2>/dev/null &
wait_until 20 grep -q '"making":true' "$state/volume.spool" || fail "no record"
end_service_processes
"$sg" detach "$image" >/dev/null 2>&1
[ -e "$state/volume.spool" ] || fail "the renewal was faster than its end"
"$sg" format --force --kdf-memory 32M --kdf-time 50 --passphrase-file "$pass" "$image" >/dev/null || fail "format"
"$sg" attach --passphrase-file "$pass" --mount "$mount" "$image" >/dev/null || fail "attach"
echo "by hand" >"$mount/job"
sync -f "$mount"
start_service
seen service-ready
is_open || fail "not adopted"
[ "$(cat "$mount/job")" = "by hand" ] || fail "a volume made by hand was destroyed"
[ ! -e "$state/volume.spool" ] || fail "the record is left"
ok "a volume that somebody made of the remains is kept"
stop_service TERM
"$sg" detach "$image" || fail "detach"
echo "$pass_count checks passed"
