#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# cups_notifier.sh - our notifier under a real cupsd: it wakes, it tells nothing else, it never hurts
#
# A listener writes down each datagram. The notifier is killed, its listener is deaf or gone, its
# recipient is nonsense: jobs are printed all the same, and the next end of a job is told.
set -u -o pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cupsd.sh"
need_cupsd

cat >"$work/listen.py" <<'EOF2'
import os, socket, sys, time
path, log = sys.argv[1:3]
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(path)
os.chmod(path, 0o622)
out = open(log, "a", buffering=1)
print("listening", file=out)
if len(sys.argv) > 3:
    time.sleep(1000)
while True:
    out.write(repr(s.recv(4096).decode("latin-1")) + "\n")
EOF2

listener=
listen() { # listen [deaf]
	: >"$work/heard"
	rm -f "$wake"
	python3 "$work/listen.py" "$wake" "$work/heard" "$@" &
	listener=$!
	pids+=("$listener")
	for _ in $(seq 100); do
		grep -q listening "$work/heard" && return
		sleep 0.05
	done
	fail "the listener does not begin"
}
unlisten() { kill "$listener"; wait "$listener" 2>/dev/null; rm -f "$wake"; }

hears() { # hears JOB
	for _ in $(seq 100); do
		grep -qx "'$1'" "$work/heard" && return
		sleep 0.05
	done
	fail "job $1 was not told: $(tr '\n' ' ' <"$work/heard")"
}

subscribe() { # subscribe RECIPIENT
	ipp Create-Printer-Subscriptions "ATTR uri printer-uri $cupsd_uri/" \
		'ATTR name requesting-user-name root' 'GROUP subscription-attributes-tag' \
		"ATTR uri notify-recipient-uri $1" 'ATTR keyword notify-events job-completed' \
		'ATTR integer notify-lease-duration 0' >"$work/out" || fail "subscribe: $(cat "$work/out")"
}
notifier_pid() { ps -o pid=,args= -s "$cupsd_pid" | awk '/notifier|^ *[0-9]+ spoolguard:/ {print $1; exit}'; }

print_job() { # print_job: with a title and a user that must not be told
	local id
	id=$(LP_OPTIONS="-t TITLEMARK -U usermark" job_submit raw "$work/doc")
	job_wait "$id" 9 10
	echo "$id"
}

echo "a document" >"$work/doc"
cupsd_start "$work/c" "PreserveJobFiles Yes" "DirtyCleanInterval 0"
install -m 755 "$build/spoolguard-notifier" "$cupsd_dir/bin/notifier/spoolguard"
queue_raw raw
wake=$cupsd_dir/run/spoolguard.wake
subscribe "spoolguard://$wake"

listen
id=$(print_job)
hears "$id"
[ "$(sort -u "$work/heard" | grep -cv listening)" = 1 ] || fail "told more: $(cat "$work/heard")"
! grep -q MARK "$work/heard" || fail "told a name"
ok "the end of a job is told by its number, and nothing else"

pid=$(notifier_pid)
[ -n "$pid" ] || fail "no notifier runs"
[ "$(ps -o user= -p "$pid")" = lp ] || fail "it runs as $(ps -o user= -p "$pid")"
! tr '\0' '\n' <"/proc/$pid/environ" | grep -q MARK || fail "its environment names a job"
grep -q '^Max core file size *0 *0 ' "/proc/$pid/limits" || fail "it could leave a core file"
ok "it runs as lp, without core files"

kill -9 "$pid"
id=$(print_job)
hears "$id"
[ "$(notifier_pid)" != "$pid" ] || fail "it was not killed"
ok "killed, it is started again and no event is lost"

unlisten
began=$SECONDS
for _ in 1 2 3; do print_job >/dev/null; done
listen
id=$(print_job)
hears "$id"
ok "without a listener jobs are printed, and told again when there is one"

unlisten
listen deaf
for _ in $(seq 30); do LP_OPTIONS= job_submit raw "$work/doc" >/dev/null; done
id=$(print_job)
unlisten
listen
id=$(print_job)
hears "$id"
[ $((SECONDS - began)) -lt 40 ] || fail "it was slow"
ok "a listener that does not listen holds up nobody"

cupsd_restart
id=$(print_job)
hears "$id"
ok "after a restart of cupsd it goes on"

# Whoever may subscribe can name any path.
unlisten
wake=$cupsd_dir/run/other.sock
listen
wake=$cupsd_dir/run/spoolguard.wake
subscribe "spoolguard://$cupsd_dir/run/other.sock"
subscribe "spoolguard://nonsense"
subscribe "spoolguard:///../../../../../../$(printf 'x%.0s' $(seq 300))/spoolguard.wake"
print_job >/dev/null
print_job >/dev/null
sleep 0.3
[ "$(grep -cv listening "$work/heard")" = 0 ] || fail "sent to another socket: $(cat "$work/heard")"
ok "it sends to sockets of our name alone"

grep -iE 'notifier.*(crash|stopped with|exited)' "$cupsd_dir/log/error_log" | grep -v 'signal 9' && fail "cupsd complains of it"
# By itself: at the end of its input, with any argument, on any input, it ends with 0.
"$build/spoolguard-notifier" </dev/null || fail "ends with $?"
"$build/spoolguard-notifier" 'spoolguard://%zz' </dev/null || fail "ends with $?"
head -c 100000 /dev/urandom >"$work/noise"
"$build/spoolguard-notifier" "spoolguard://$wake" x <"$work/noise" || fail "ends with $?"
ok "it never fails"

unlisten
listen deaf
python3 -c '
import struct, sys
for job in range(1, 101):
    name = b"notify-job-id"
    sys.stdout.buffer.write(struct.pack(">BBHIBBH", 2, 0, 0, job, 7, 0x21, len(name)) + name +
        struct.pack(">HiB", 4, job, 3))' >"$work/events"
timeout 10 "$build/spoolguard-notifier" "spoolguard://$wake" x <"$work/events" || fail "it waits for a deaf listener: $?"
ok "it never waits"
