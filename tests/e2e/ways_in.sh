#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Time limit: 200 s
# ways_in.sh - the ways into the service that docs/INTEGRATING.md names, other than CUPS itself
#
# ippeveprinter with our job command, a printer application on PAPPL, a program that dies with jobs
# begun, the command line, and watched directories: real programs, as the user lp where that is
# how they run.  Each job is RETIRED, its files are gone, and at the end nothing of any is on the
# medium, decrypted or not.
. "$(dirname "$0")/lib.sh"
need_root_and_fuse
command -v jq >/dev/null || skip "needs jq"
command -v setpriv >/dev/null || skip "needs setpriv"
for tool in ippeveprinter ipptool dbus-daemon; do command -v $tool >/dev/null || skip "needs $tool"; done
. "$(dirname "$0")/service_lib.sh"
chmod 755 "$work"
install -d -m 755 "$work/scan"

body=WAYS-BODY title=WAYS-Title
lp=(setpriv --reuid lp --regid lp --clear-groups)
document() { # document FILE [OWNER]
	{ echo '%!PS'; yes "$body of $(basename "$1")"; } | head -c 150000 >"$1"
	chown "${2:-root}" "$1"
}
job_state() { "$sg" job show ${2:+--source "$2"} --json "$1" 2>/dev/null | jq -r .job.state; }
is_retired() { [ "$(job_state "$@")" = retired ]; }
retired() { # retired ID [SOURCE]
	wait_until 30 is_retired "$@" || fail "job $1 is \"$(job_state "$@")\": $("$sg" job list; tail -n 3 "$work/log")"
}
all_retired() { "$sg" job list --json | jq -e --argjson n "$1" '[.jobs[] | select(.state == "retired")] | length == $n' >/dev/null; }
empty() { [ -z "$(find "$1" -type f)" ]; }
port=$(python3 -c 'import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >"$work/print.test" <<'EOT'
{
	OPERATION Print-Job
	GROUP operation-attributes-tag
	ATTR charset attributes-charset utf-8
	ATTR language attributes-natural-language en
	ATTR uri printer-uri $uri
	ATTR name requesting-user-name $who
	ATTR name job-name $title
	ATTR mimeMediaType document-format $filetype
	FILE $filename
	STATUS successful-ok
}
EOT
print_to() { # print_to URI TYPE FILE; a printer that is busy is asked again
	local i
	for i in $(seq 100); do
		ipptool -q -f "$3" -d "filetype=$2" -d "title=$title" -d who=waysuser "$1" "$work/print.test" && return 0
		sleep 0.1
	done
	fail "$1 takes no job: $(ipptool -tv -f "$3" -d "filetype=$2" -d "title=$title" -d who=waysuser "$1" "$work/print.test" 2>&1 | tail -n 30; cat "$work/mfp.log" | tail -n 20)"
}
completed() { # completed URI: how many the printer shows as completed
	ipptool -tv "$1" get-completed-jobs.test 2>/dev/null | grep -c 'job-id (integer)'
}

on_volume() { dd if="$(device_of_mount)" bs=1M iflag=direct status=none | grep -a -c -i -E "$1"; }

make_volume 192M >/dev/null
configure 'job_abandoned = 1s' '[roles]' 'pipeline = lp' '[cups]' 'enabled = no' \
	"$(volume spool "$image" "$mount" 'unlock = key-file' "key_file = $pass" "bind = scan:$work/scan")" \
	'[watch scan]' "directory = $work/scan" 'pattern = !(*.part)' 'settle = 300ms' \
	'[watch fax]' "directory = $mount/fax" 'when = unlinked'
start_service
is_open() { "$sg" status --json | jq -e '.volumes[0].state == "open"'; }
wait_until 60 is_open || fail "not open: $("$sg" status; cat "$work/log")"
for dir in mfp pappl program fax; do install -d -o lp -g lp -m 700 "$mount/$dir"; done
document "$work/doc"

# --- ippeveprinter, and our job command ---

cat >"$work/dbus.conf" <<EOT
<busconfig><type>system</type><listen>unix:path=$work/bus</listen>
<policy context="default"><allow user="*"/><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>
EOT
dbus-daemon --config-file="$work/dbus.conf" --nofork --nopidfile 2>"$work/bus.log" &
pids+=($!)
wait_until 10 test -S "$work/bus" || fail "no bus: $(cat "$work/bus.log")"
cat >"$work/engine" <<'EOT'
#!/bin/sh
# Prints: the pages go where ippeveprinter keeps them.
cat "$1"
EOT
chmod 755 "$work/engine"
cp "$root/pipeline/spoolguard-ippeve-command.sh" "$work/command"
cat >"$work/sg" <<EOT
#!/bin/sh
SPOOLGUARD_SOCKET=$SPOOLGUARD_SOCKET exec $sg "\$@"
EOT
chmod 755 "$work/sg" "$work/command"
uri=ipp://localhost:$port/ipp/print type=application/postscript
start_ippeve() {
	DBUS_SYSTEM_BUS_ADDRESS=unix:path=$work/bus SPOOLGUARD_COMMAND=$work/engine SPOOLGUARD=$work/sg HOME=$work \
		"${lp[@]}" ippeveprinter -p "$port" -n localhost -r off -k -d "$mount/mfp" -f application/postscript \
		-c "$work/command" MFP >"$work/mfp.log" 2>&1 &
	printer=$!
	pids+=("$printer")
	wait_until 10 ipptool -q "$uri" get-printer-attributes.test || fail "ippeveprinter: $(cat "$work/mfp.log")"
}
start_ippeve
for i in 1 2 3; do print_to "$uri" "$type" "$work/doc"; done
wait_until 20 eval '[ "$(completed "$uri")" = 3 ]' || fail "ippeveprinter printed $(completed "$uri"): $(cat "$work/mfp.log")"
[ -z "$(find "$mount/mfp" -name '*.ps')" ] || fail "completed, and its document is there: $(ls "$mount/mfp")"
for i in 1 2 3; do is_retired ippeve-$i || fail "completed, and job ippeve-$i is $(job_state ippeve-$i)"; done
for i in 1 2 3; do retired ippeve-$i-pages; done
wait_until 10 empty "$mount/mfp" || fail "left: $(ls "$mount/mfp")"
ipptool -tv "$uri" get-printer-attributes.test | grep -q 'not overwritten' && fail "the printer complains"
ok "ippeveprinter: a job that is shown as completed has been overwritten, its pages a moment later"

stop_service TERM || fail "the service does not end"
print_to "$uri" "$type" "$work/doc"
wait_until 20 eval '[ "$(completed "$uri")" = 4 ]' || fail "without the service it does not print: $(cat "$work/mfp.log")"
ipptool -tv "$uri" get-printer-attributes.test >"$work/out"
grep -q 'printer-state-reasons .* = other' "$work/out" && grep -q 'printer-alert-description .*not overwritten' "$work/out" || fail "the printer does not say that a job was not retired"
[ "$(find "$mount/mfp" -type f | wc -l)" -ge 1 ] || fail "without the service its file is gone"
start_service
wait_until 60 is_open || fail "not open again"
print_to "$uri" "$type" "$work/doc"
retired ippeve-5
wait_until 5 eval '! ipptool -tv "$uri" get-printer-attributes.test | grep -q "not overwritten"' || fail "the printer still complains"
find "$mount/mfp" -type f -printf 'late\t%p\n' >"$work/list"
"$sg" job complete --jobs "$work/list" --wait >/dev/null || fail "what it left cannot be completed by hand"
kill "$printer"
ok "ippeveprinter: without the service it prints, keeps the file and says so"

# --- PAPPL ---

if pkg-config --exists pappl && make -s -C "$root" BUILD="$build" "$build/examples/pappl_printer" >"$work/make.log" 2>&1; then
	port=$(python3 -c 'import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	uri=ipp://localhost:$port/ipp/print/example type=application/octet-stream
	TMPDIR=$work HOME=$work "${lp[@]}" "$build/examples/pappl_printer" "$port" "$mount/pappl" 1 >"$work/pappl.log" 2>&1 &
	printer=$!
	pids+=("$printer")
	wait_until 10 ipptool -q "$uri" get-printer-attributes.test || fail "PAPPL: $(cat "$work/pappl.log")"
	for i in 1 2 3; do print_to "$uri" "$type" "$work/doc"; done
	wait_until 10 eval '! empty "$mount/pappl"' || fail "PAPPL keeps nothing on the volume"
	for i in 1 2 3; do retired pappl-1-$i; done
	wait_until 5 empty "$mount/pappl" || fail "left: $(ls "$mount/pappl")"
	# A job that is cancelled while it prints.
	print_to "$uri" "$type" "$work/doc"
	ipptool -q "$uri" cancel-current-job.test 2>/dev/null
	retired pappl-1-4
	kill -9 "$printer"
	wait "$printer" 2>/dev/null
	ok "PAPPL: printed and cancelled jobs are retired a moment after they ended"
else
	echo "(no PAPPL here: $(tail -n 1 "$work/make.log" 2>/dev/null))"
fi

# --- any program: it dies with jobs begun ---

make -s -C "$root" BUILD="$build" "$build/libspoolguard.a" >"$work/make.log" 2>&1 || fail "$(cat "$work/make.log")"
cat >"$work/program.c" <<'EOT'
#include "client/spoolguard.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* program COMPLETE FILE DIRECTORY/: begins two jobs, completes them or is killed. */
int main(int argc, char **argv)
{
	const char *file[] = {argv[2]}, *directory[] = {argv[3]};
	struct spoolguard *session;
	char *receipt = NULL;
	int r = spoolguard_open(NULL, &session);

	if (r >= 0)
		r = spoolguard_job_begin(session, argc > 4 ? argv[4] : "program", file, 1);
	if (r >= 0)
		r = spoolguard_job_begin(session, argc > 5 ? argv[5] : "program-pages", directory, 1);
	printf("begun %d\n", r);
	fflush(stdout);
	if (strcmp(argv[1], "complete") == 0) {
		r = spoolguard_job_complete(session, argv[4], NULL, 0, true, &receipt);
		printf("%s %d\n", receipt ? receipt : spoolguard_text(session), r);
		return r < 0;
	}
	for (;;)
		pause();
}
EOT
cc -std=c17 -D_GNU_SOURCE -I"$root" -o "$work/program" "$work/program.c" "$build/libspoolguard.a" -ljson-c || fail "the library does not link"
install -d -o lp -g lp "$mount/program/pages"
document "$mount/program/doc" lp
"${lp[@]}" "$work/program" die "$mount/program/doc" "$mount/program/pages/" >"$work/out" &
program=$!
pids+=("$program")
wait_until 10 grep -q 'begun 0' "$work/out" || fail "a program cannot begin jobs: $(cat "$work/out")"
document "$mount/program/pages/1" lp # after it was begun
document "$mount/program/pages/2" lp
sync
[ "$(on_volume "$body")" -gt 0 ] || fail "what is searched for at the end would not be found"
sleep 1.5
[ "$(job_state program)" = begun ] || fail "a job whose program lives is $(job_state program)"
kill -9 "$program"
wait "$program" 2>/dev/null
retired program
retired program-pages
wait_until 5 empty "$mount/program" || fail "left: $(find "$mount/program" -type f)"
ok "a program that is killed with jobs begun: they are retired, with what came into their directory later"

document "$mount/program/doc" lp
"${lp[@]}" "$work/program" complete "$mount/program/doc" "$mount/program/pages/" second second-pages >"$work/out" || fail "complete: $(cat "$work/out")"
sed -n 's/ 0$//p' "$work/out" | grep '^{' | jq -e '.result == "retired" and .id == "second"' >/dev/null || fail "no receipt: $(cat "$work/out")"
[ ! -e "$mount/program/doc" ] || fail "completed, and its file is there"
retired second-pages
ok "a program that completes a job has its receipt when the file is gone"

# --- the command line ---

document "$mount/program/doc" lp
"${lp[@]}" "$sg" job begin --id line "$mount/program/doc" >/dev/null || fail "job begin"
"${lp[@]}" "$sg" job complete --id line --wait --json >"$work/out" || fail "job complete: $(cat "$work/out")"
jq -e '.result == "retired" and .removed_files == 1' "$work/out" >/dev/null || fail "receipt: $(cat "$work/out")"
empty "$mount/program" || fail "left: $(find "$mount/program" -type f)"
ok "the command line: begun, completed, gone"

# --- watched directories ---

if command -v scanimage >/dev/null; then
	(cd "$work" && scanimage -d test --resolution 50 --batch="$work/scan/page%d.pnm" --batch-count=3 2>/dev/null) || fail "scanimage"
else
	for i in 1 2 3; do document "$work/scan/page$i.pnm.part" && mv "$work/scan/page$i.pnm.part" "$work/scan/page$i.pnm"; done
fi
document "$work/scan/$title.pdf"
watched() { "$sg" job list --json | jq --arg s "$1" '[.jobs[] | select(.source == $s and .state == "retired")] | length'; }
wait_until 20 eval '[ "$(watched watch:scan)" = 4 ]' || fail "scans: $("$sg" job list)"
empty "$work/scan" || fail "left: $(ls "$work/scan")"
document "$mount/fax/q1" lp
document "$mount/fax/q2" lp
wait_until 5 eval '[ "$(stat -c %h "$mount/fax/q2")" = 2 ]' || fail "a fax has no second name"
says_waiting() { "$sg" status >"$work/out" 2>&1; grep -q 'watch:fax.*not removed' "$work/out"; } # a status may be 2 s old
wait_until 10 says_waiting || fail "status does not say what waits: $(cat "$work/out")"
rm "$mount/fax/q1"
wait_until 20 eval '[ "$(watched watch:fax)" = 1 ]' || fail "fax: $("$sg" job list)"
stop_service KILL
rm "$mount/fax/q2"
start_service
wait_until 60 is_open || fail "not open again"
wait_until 20 eval '[ "$(watched watch:fax)" = 2 ]' || fail "what was removed while the service was dead is not retired: $("$sg" job list)"
empty "$mount/.spoolguard/pending" || fail "left in pending: $(find "$mount/.spoolguard/pending" -type f)"
ok "watched directories: scans that settle, faxes that are removed, also while the service is dead"

# --- what is left of all that ---

"$sg" job list --json | jq -e '[.jobs[] | select(.state != "retired")] | length == 0' >/dev/null || fail "not retired: $("$sg" job list)"
# What ippeveprinter and PAPPL wrote besides (their logs are not on the volume) has been freed.
"$sg" sweep spool >/dev/null || fail "sweep"
sync
echo 1 >/proc/sys/vm/drop_caches
for what in "$body" 'WAYS.?Title' waysuser; do # PAPPL and ippeveprinter make file names of titles
	n=$(on_volume "$what")
	[ "$n" = 0 ] || fail "$what is in the decrypted volume, $n times"
	grep -aqiE "$what" "$image" && fail "$what is on the raw medium"
	grep -qiE "$what" "$state"/* "$work/log" && fail "$what is in what the service writes"
done
ok "no body, title or user is left, decrypted or raw, nor in ledger, events or log"
stop_service TERM || fail "the service did not end in order"
detach >/dev/null
echo "$pass_count checks passed"
