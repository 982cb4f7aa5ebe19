#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# service.sh - spoolguardd keeps its volumes open, whatever dies, and says so
#
# Volumes on images: opened at start, adopted after a restart, brought back with their binds after
# the death of their process, of the mounter, of the service; locked, absent, damaged ones; what
# systemd is told; configuration errors, two services, a state directory that is full or read-only.
#
# Time limit: 300 s
set -u -o pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/service_lib.sh"
need_root_and_fuse
command -v jq >/dev/null || skip "needs jq"
command -v python3 >/dev/null || skip "needs python3"

cache=$work/cache
is_open() { mountpoint -q "$mount" && mountpoint -q "$cache"; }

make_volume 64M >/dev/null
printf 'not the key' >"$work/wrong"
mkdir "$cache"
spool=$(volume spool "$image" "$mount" "unlock = key-file" "key_file = $pass" "bind = cache:$cache")

# --- configuration errors ---
configure "on_failure = maybe"
refuses 1 "spoolguard.conf, line 4, on_failure: " "$daemon" --config "$conf"
refuses 1 "absent.conf cannot be read" "$daemon" --config "$work/absent.conf"
configure "$spool"
chmod 666 "$conf"
refuses 1 "can be changed by others" "$daemon" --config "$conf"
chmod 600 "$conf"
refuses 2 "not an option" "$daemon" --nonsense
configure "[service]"
refuses 1 "line 4, \[service\]: this section is there already" "$daemon" --mounter --config "$conf"
[ ! -e "$state" ] || fail "a service that refused its configuration left $state"

# --- start ---
python3 "$root/tests/tools/notify_listener.py" "$work/notify" "$work/told" &
pids+=($!)
wait_until 10 test -S "$work/notify"
configure "$spool"
NOTIFY_SOCKET=$work/notify WATCHDOG_USEC=1000000 start_service
seen service-ready
is_open || fail "it says ready, and the spool is not mounted"
seen volume-attached spool
wait_until 5 grep -qx 'READY=1' "$work/told" || fail "systemd was not told: $(cat "$work/told")"
grep -q '^EXTEND_TIMEOUT_USEC=' "$work/told" || fail "no more time was asked for: $(cat "$work/told")"
[ "$(stat -c %a "$work/run")" = 711 ] || fail "the runtime directory has mode $(stat -c %a "$work/run")"
echo kept >"$mount/file" && echo cached >"$cache/file" && sync -f "$mount"
ok "it opens its volume, and is ready when it is open"
wait_until 5 grep -q '^WATCHDOG=1' "$work/told" || fail "the watchdog is not fed"
grep -q '^STATUS=DEGRADED: key beside the lock' "$work/told" || fail "status: $(grep STATUS "$work/told")"
ok "systemd is told the state, and that it is alive; a key beside the lock is called so"

# --- figures ---
configure "metrics_file = $work/spoolguard.prom" "$spool"
kill -HUP "$service"
wait_until 10 grep -qx 'spoolguard_volume_open{volume="spool"} 1' "$work/spoolguard.prom" || fail "metrics: $(cat "$work/spoolguard.prom")"
grep -qx 'spoolguard_backlog_jobs 0' "$work/spoolguard.prom" || fail "metrics: $(cat "$work/spoolguard.prom")"
"$build/check_spoolguard" -w 1 -c 10 >"$work/out"
[ $? = 1 ] || fail "check_spoolguard: $(cat "$work/out")"
grep -q "^SPOOLGUARD WARNING - 0 jobs pending, DEGRADED: key beside the lock.* | 'backlog'=0;1;10;0; 'oldest'=0s;;;0; 'owed'=[0-9]*B;;;0;$" "$work/out" ||
	fail "check_spoolguard: $(cat "$work/out")"
ok "metrics are written, and the monitoring plugin says what is wrong"

# --- two of them ---
refuses 1 "$state is in use by another spoolguardd" "$daemon" --config "$conf"
sed "s,^state_directory.*,state_directory = $work/state2," "$conf" >"$work/second.conf"
refuses 1 "$work/run is in use by another spoolguardd" "$daemon" --config "$work/second.conf"
refuses 1 "another mounter listens" "$daemon" --mounter --config "$conf"

# --- its processes die ---
mark_events
old=$(process_of "$image")
kill -9 "$old"
seen volume-failed spool "process ended"
seen volume-attached spool
is_open || fail "the spool did not come back whole"
[ "$(cat "$mount/file" "$cache/file")" = "kept
cached" ] || fail "what was flushed is gone"
[ "$(process_of "$image")" != "$old" ] || fail "the same process"
ok "the volume process is killed: mount and binds come back, and what was flushed"

mark_events
kill -9 "$(mounter)"
seen service-fault "" "it ended"
wait_until 10 mounter || fail "no new mounter"
is_open || fail "the mounter took the volume along"
kill -9 "$(process_of "$image")"
seen volume-attached spool
wait_until 5 is_open || fail "the new mounter does not bring it back"
ok "the mounter is killed: the volume stays, and a new one brings it back later"

old=$(process_of "$image")
stop_service KILL
is_open || fail "the service took the volume along"
start_service
seen service-ready
seen volume-attached spool "attached already"
[ "$(process_of "$image")" = "$old" ] || fail "it was attached anew"
ok "the service is killed: the volume stays, and is adopted"

# --- the end ---
stop_service TERM || fail "exit code $? after SIGTERM"
is_open || fail "SIGTERM detached the volume"
has_event '.event == "service-stopped"' || fail "no event of its end"
wait_until 5 test -z "$(mounter)" || fail "its mounter is left"
: >"$work/told"
NOTIFY_SOCKET=$work/notify start_service
seen service-ready
stop_service TERM
grep -qx 'STOPPING=1' "$work/told" || fail "systemd was not told of the end"
[ "$(process_of "$image")" = "$old" ] || fail "the volume did not live through an upgrade"
ok "SIGTERM: it ends with 0, says so, and the volume stays attached"

# --- reload ---
: >"$work/told"
NOTIFY_SOCKET=$work/notify start_service
seen service-ready
configure "debt_limit = 1G" "$spool"
kill -HUP "$service"
seen configuration-changed
wait_until 5 grep -q '^RELOADING=1 MONOTONIC_USEC=[0-9]*$' "$work/told" || fail "told: $(cat "$work/told")"
wait_until 5 grep -qx READY=1 <(sed '1,/RELOADING/d' "$work/told") || fail "told: $(cat "$work/told")"
mark_events
configure "debt_limit = 1G" "$spool" "verify = sample"
kill -HUP "$service"
wait_until 60 has_event '.event == "configuration-changed" and .data.kept == "volumes"' || fail "what was kept is not said: $(events)"
mark_events
configure "debt_limit = lots"
kill -HUP "$service"
seen configuration-changed "" "line 4, debt_limit"
is_running && is_open || fail "a wrong configuration did harm"
ok "SIGHUP: what can change does, what cannot is named, what is wrong is refused"

# --- closed on purpose ---
configure "$spool"
mark_events
"$sg" detach "$image" || fail "detach"
seen volume-detached spool
sleep 2.5
! is_open || fail "it was opened again"
"$build/check_spoolguard" >"$work/out"
[ $? = 2 ] || fail "check_spoolguard of a closed volume: $(cat "$work/out")"
stop_service TERM
start_service
seen volume-detached spool
sleep 1
! is_open || fail "a restart opened what was closed on purpose"
"$sg" attach --passphrase-file "$pass" --mount "$mount" "$image" >/dev/null || fail "attach"
seen volume-attached spool
wait_until 5 is_open || fail "an adopted volume lacks its bind"
ok "what was detached stays so, also over a restart, until somebody attaches it"

# --- too many deaths ---
mark_events
has_process() { old=$(process_of "$image") && [[ $old =~ ^[0-9]+$ ]]; }
for i in $(seq 11); do
	wait_until 20 is_open || fail "death $i: not open: $(events)"
	wait_until 20 has_process || fail "death $i: no process: $(events)"
	kill -9 "$old"
	wait_until 20 bash -c "[ \"\$('$sg' status --json '$image' 2>/dev/null | jq -r .process)\" != '$old' ]" || fail "death $i went unseen"
done
seen volume-failed spool "11 times within 10 minutes"
sleep 2.5
! pgrep -f "^$build/spoolguard-volume --path $image" >/dev/null || fail "it was not given up"
ok "a volume whose process dies again and again is given up, and that is said"
stop_service TERM
"$sg" detach "$image" 2>/dev/null

# --- locked, absent, wrong, damaged ---
ask=$(volume spool "$image" "$mount" "bind = cache:$cache")
configure "$ask"
start_service
seen service-ready
has_event '.event == "volume-waits" and (.detail | test("spoolguard attach spool"))' || fail "not locked: $(events)"
"$sg" attach --passphrase-file "$pass" --mount "$mount" "$image" >/dev/null || fail "attach"
seen volume-attached spool
mark_events
kill -9 "$(process_of "$image")"
seen volume-waits spool
ok "without a key it waits for an administrator, at the start and after a death"
stop_service TERM
"$sg" detach "$image" >/dev/null 2>&1

mv "$image" "$work/elsewhere"
cp "$work/wrong" "$work/key"
configure "$(volume spool "$image" "$mount" "unlock = key-file" "key_file = $work/key" "bind = cache:$cache")"
rm "$work/key"
start_service
seen service-ready
seen volume-waits spool
mv "$work/elsewhere" "$image"
seen volume-waits spool "key file"
cp "$work/wrong" "$work/key"
seen volume-waits spool "opens none of its key slots"
cp "$pass" "$work/key"
seen volume-attached spool
is_open || fail "not open"
ok "a medium, its key, the right key: each is waited for"
stop_service TERM
"$sg" detach "$image" || fail "detach"

head -c 4194304 "$image" >"$work/header"
dd if=/dev/urandom of="$image" bs=4096 count=8 conv=notrunc status=none
start_service
seen service-ready
seen volume-failed spool
mark_events
dd if="$work/header" of="$image" bs=1M conv=notrunc status=none
seen volume-attached spool
ok "a damaged header is said, and the volume opens when it has been repaired"
stop_service TERM
"$sg" detach "$image" || fail "detach"

# --- the state directory ---
no_log() { [ -n "$("$sg" status --json | jq '.reasons[] | select(.key == "audit-log" and .weight == "stops-claims")')" ]; }
rm -rf "$state"
mkdir "$state"
mount -t tmpfs -o size=8m tmpfs "$state"
head -c 10000000 /dev/zero >"$state/filler" 2>/dev/null
echo "the next events are on stderr alone" >>"$work/log"
"$daemon" --config "$conf" 2>"$work/full.log" &
service=$!
pids+=("$service")
wait_until 20 is_open || fail "a full state directory keeps the volume closed: $(cat "$work/full.log")"
wait_until 20 grep -q '"event":"service-ready"' "$work/full.log" || fail "not ready: $(cat "$work/full.log")"
wait_until 10 grep -q '"event":"state-changed".*DEGRADED' "$work/full.log" || fail "not degraded: $(cat "$work/full.log")"
wait_until 20 no_log || fail "claims go on without a log: $("$sg" status)"
rm "$state/filler"
mark=0
seen volume-attached
wait_until 60 eval '! no_log' || fail "it does not recover: $("$sg" status)"
ok "a full state directory: the spool opens, and events are written when there is room"
stop_service TERM
mount -o remount,ro "$state"
"$daemon" --config "$conf" 2>"$work/readonly.log" &
service=$!
pids+=("$service")
wait_until 20 grep -q '"event":"volume-attached"' "$work/readonly.log" || fail "read-only: $(cat "$work/readonly.log")"
ok "a read-only one: the same"
stop_service TERM
umount "$state"
"$sg" detach "$image" || fail "detach"
[ -z "$(mounter)" ] || fail "a mounter is left"
echo "$pass_count checks passed"
