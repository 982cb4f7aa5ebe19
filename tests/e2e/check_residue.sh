#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Time limit: 400 s
# check_residue.sh - "spoolguard check residue" finds nothing where nothing is, and whatever is left where something is
#
# Through a cupsd whose spool is a volume under spoolguardd, as a printer program calls, and without
# the service.  Then what it has to find: an eraser that writes nothing, a title in a log, a stray copy
# of the document, and a copy that was deleted without a discard.  What it cannot tell, it does not pass.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cupsd.sh"
need_root_and_fuse
need_cupsd
command -v jq >/dev/null || skip "needs jq"
. "$(dirname "$0")/service_lib.sh"

server=$work/server
broken=$root/build/mutants/spoolguard-volume

# check CODE [OPTION...]: its exit code; the report is in $work/report
check() {
	local want=$1 got
	shift
	"$sg" check residue --json --config "$conf" "$@" >"$work/report" 2>"$work/err"
	got=$?
	[ $got = "$want" ] || { jq -c '.verdict,.reasons,(.places[]|select(.state!="clean" and .state!="left out"))' "$work/report"; tail -n 3 "$work/log" 2>/dev/null; fail "check residue $*: exit $got instead of $want: $(cat "$work/err")"; }
}
report() { jq -e "$1" "$work/report" >/dev/null || { jq -c '.verdict,.reasons,(.places[]|select(.state!="clean" and .state!="left out"))' "$work/report"; fail "the report does not say: $1"; }; }
place() { report ".places[] | select(.id == \"$1\") | $2"; }
only_found_in() { # only_found_in PLACE...
	local want
	want=$(printf '%s\n' "$@" | jq -R . | jq -sc sort)
	report "[.places[] | select(.state == \"found\" and .judged) | .id] | sort == $want"
}
settings=('PreserveJobFiles Yes' 'PreserveJobHistory Yes' 'DirtyCleanInterval 0' 'MaxJobs 0' 'LogDebugHistory 0')

# --- without the service ---

configure '[cups]' 'enabled = no'
export SPOOLGUARD_SOCKET=
refuses 3 'no volume is attached' "$sg" check residue --config "$conf"
refuses 2 'no way' "$sg" check residue --way round
refuses 2 'no place' "$sg" check residue --without attic
refuses 2 'go through CUPS' "$sg" check residue --print --way direct
make_volume 64M >/dev/null
attach >/dev/null
check 0
report '.ok == true and .verdict == "clean" and .way.name == "direct" and .job.state == "retired"'
report '.seen_before.text > 100 and .seen_before.title > 0 and (.job.receipt_digest | length) == 64'
report '[.places[] | select(.state == "clean") | .id] == ["memory", "state", "system-logs", "swap", "decrypted", "medium"]'
place medium '.bytes == 67108864'
place memory '.bytes > 1000000'
[ "$(ls -A "$mount")" = lost+found ] || fail "it left a file: $(ls -A "$mount")"
ok "a volume without a service is clean"

check 0 --without swap --without medium --rate 200M
report '[.places[] | select(.id == "swap" or .id == "medium") | .state] == ["left out", "left out"]'
ok "a place that is left out is named, and does not count"
refuses 3 'does not run' "$sg" check residue --way call

# Interrupted, it ends what it planted.
"$sg" check residue --json --config "$conf" --rate 1M >"$work/report" 2>"$work/err" &
pid=$!
pids+=("$pid")
hears_interrupts() { [ $((0x$(sed -n 's/^SigCgt:\t//p' "/proc/$pid/status") & 2)) != 0 ]; }
wait_until 60 hears_interrupts
kill -INT "$pid"
wait "$pid"
[ $? = 3 ] || fail "an interrupted run exits with something else: $(cat "$work/err")"
report '.ok == null and .verdict == "cannot tell"'
[ "$(ls -A "$mount")" = lost+found ] || fail "an interrupted run left a file"
check 0
ok "an interrupted run ends its job and passes nothing"
detach

# --- an eraser that writes nothing ---

[ -x "$broken" ] && [ ! "$root/base/mutant.h" -nt "$broken" ] ||
	nice make -s -C "$root" -j2 MUTANTS=1 build/mutants/spoolguard-volume >"$work/make" 2>&1 ||
	{ tail "$work/make"; fail "the build with mutants"; }
mkdir "$work/broken"
cp "$sg" "$broken" "$work/broken/"
SPOOLGUARD_MUTANT=erase-nothing SPOOLGUARD_CONFINE=$work \
	"$work/broken/spoolguard" attach --passphrase-file "$pass" --mount "$mount" "$image" >/dev/null || fail "attach"
check 1
only_found_in decrypted
report '.ok == false and .verdict == "found" and .job.state == "retired"'
place decrypted '.hits.text >= 1000 and .hits.title >= 1'
place decrypted '[.examples[] | select(.where | test("map calls it clean"))] != []'
ok "an eraser that writes nothing is caught, although the job has its receipt"
detach

# --- through CUPS ---

export SPOOLGUARD_SOCKET=$work/run/io.spoolguard
mkdir -p "$server"/{etc,log,cache,run}
configure "$(cups_volume)" "$(cups_section 'poll = 500ms')"
start_service
wait_until 60 is_open || { cat "$work/log"; fail "the service did not open the volume"; }
cupsd_spool=$mount cupsd_start "$server" "${settings[@]}" 'PageLogFormat'
install -m 755 "$build/spoolguard-notifier" "$server/bin/notifier/spoolguard"
queue_raw paper 0
cat >"$server/bin/backend/slowsink" <<BACKEND
#!/bin/sh
[ \$# = 0 ] && { echo 'direct slowsink "Unknown" "Slow sink"'; exit 0; }
cat "\${6:--}" >/dev/null
echo printed >>"$server/cache/printed"
BACKEND
mark_events
check 0
report '.ok == true and .way.name == "cups-cancelled" and .way.queue == "paper" and .recorded'
report '.seen_before.text > 100 and .seen_before.title > 0 and .seen_before.user > 0'
report '[.places[] | select(.state != "clean" and .judged)] == []'
[ ! -e "$server/cache/printed" ] || fail "it printed, unasked"
seen residue-check spool clean
has_event '.event == "residue-check" and .outcome == "success" and .data.found == 0 and .data.places == 11' || fail "the event: $(events)"
ok "through CUPS, cancelled: clean, nothing printed, and an event"

check 0 --print
report '.way.name == "cups-printed"'
[ -e "$server/cache/printed" ] || fail "--print did not print"
ok "through CUPS, printed: clean"

check 0 --way call --volume spool
report '.way.name == "call" and .volume.name == "spool"'
ok "as a printer program calls: clean"

# --- what is left is found ---

# A log that has the title.
cupsd_stop
cupsd_start_again() {
	cupsd_spool=$mount cupsd_configure "$server" "$mount" "$cupsd_port" "${settings[@]}" "$@"
	cupsd_up
}
cupsd_start_again 'LogLevel debug' 'PageLogFormat %p %u %j %{job-name}'
check 1 --print
only_found_in cups-logs decrypted
place cups-logs '.hits.title > 0 and .hits.user > 0'
place cups-logs '[.examples[] | select(.where | test("_log$"))] != []'
seen residue-check spool found
has_event '.event == "residue-check" and .outcome == "failure" and .data.found > 0' || fail "the event: $(events)"
ok "a title in a log is found, and is an event"
cupsd_stop
rm -f "$server"/log/*
cupsd_start_again 'LogLevel warn' 'PageLogFormat'

# A backend that keeps a copy of what it prints, on the volume: a file of its own, and one that it deletes.
cat >"$server/bin/backend/slowsink" <<BACKEND
#!/bin/sh
[ \$# = 0 ] && { echo 'direct slowsink "Unknown" "Slow sink"'; exit 0; }
umask 077
cat "\${6:--}" >"$mount/kept/copy"
sync -f "$mount"
BACKEND
mkdir -m 777 "$mount/kept"
check 1 --print
place decrypted '.hits.text >= 1000'
place spool '.hits.text >= 1000 and ([.examples[] | select(.where | test("kept/copy"))] != [])'
ok "a copy that somebody kept is found"
rm -f "$mount/kept/copy"

check 0

# A stray copy that is deleted once the job is retired, and nothing of it is handed back.
mount -o remount,nodiscard "$mount"
cat >"$work/copier" <<'COPIER'
import os, sys
mount, copy = sys.argv[1], sys.argv[2]
open(sys.argv[3], "w").close()
while True:
    for name in os.listdir(mount):
        if len(name) == 24 and name.isalpha():
            data = open(os.path.join(mount, name), "rb").read()
            if data.endswith(b"%%EOF\n"):
                with open(copy, "wb") as out:
                    out.write(data)
                    os.fsync(out.fileno())
                sys.exit(0)
COPIER
newest() { "$sg" job list --json | jq '[.jobs[] | select(.state == "retired") | .job] | max // 0'; }
last=$(newest)
(
	timeout 60 python3 "$work/copier" "$mount" "$mount/kept/copy" "$work/ready"
	for _ in $(seq 600); do [ "$(newest)" = "$last" ] || break; done
	rm -f "$mount/kept/copy"
) &
pids+=($!)
wait_until 30 test -e "$work/ready"
check 1 --way call
wait $!
only_found_in decrypted
place decrypted '.hits.text >= 1000'
place medium '.hits.text == 0'
"$sg" sweep "$image" >/dev/null
check 0
ok "a copy in free space is found, and is gone after a sweep"

# --- what cannot be told is not passed ---

mkdir "$work/etc"
ln -s "$server/log/error_log" "$work/etc/link"
cp "$server/etc/cupsd.conf" "$work/etc/"
sed "s#^AccessLog .*#AccessLog $work/etc/link#" "$server/etc/cups-files.conf" >"$work/etc/cups-files.conf"
check 3 --cups-config "$work/etc/cupsd.conf"
report '.ok == null and .verdict == "cannot tell"'
place cups-logs '.state == "not searched" and (.why | test("link"))'
ok "a place that cannot be searched is no pass"
cupsd_stop
stop_service TERM
"$sg" detach "$image" >/dev/null || fail "detach"

echo "passed: $pass_count"
