#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# export.sh - the service hands its audit log on: to the journal, to syslog, into a mirror
#
# The receivers are ours (python): away at first, then there; killed, and back.  At the end each
# has every record of the log, the journal's with the log's own lines, byte for byte.
set -u -o pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/service_lib.sh"
[ "$(id -u)" = 0 ] || skip "needs root"
for program in jq python3 sqlite3; do command -v $program >/dev/null || skip "needs $program"; done

receiver() { # receiver NAME: each datagram that comes to $work/NAME.socket, into $work/NAME
	python3 - "$work/$1" <<'PYTHON' &
import os, socket, sys
path = sys.argv[1] + ".socket"
if os.path.exists(path):
    os.unlink(path)
receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
receiver.bind(path)
with open(sys.argv[1], "ab", buffering=0) as out:
    while True:
        out.write(receiver.recv(65536) + b"\n")
PYTHON
	process=$!
	pids+=("$process")
	wait_until 20 test -S "$work/$1.socket" || fail "no receiver $1"
}
log_numbers() { "$sg" audit show --json "$state/audit" | jq '.records[].sequence'; }
syslog_numbers() { grep -ao 'spoolguard@99999 sequence="[0-9]*"' "$work/syslog" 2>/dev/null | grep -o '"[0-9]*"' | tr -d '"'; }
journal_numbers() { sed -n 's/^SPOOLGUARD_SEQUENCE=//p' "$work/journal" 2>/dev/null; }
is_same() { [ -n "$("$1")" ] && cmp -s <("$1" | awk '!seen[$1]++') <(log_numbers); }
has_all() { is_same syslog_numbers && is_same journal_numbers; }
is_mirrored() { cmp -s <(sqlite3 "$work/mirror.db" 'SELECT sequence FROM events ORDER BY 1') <(log_numbers); }

configure '[audit]' 'journal = yes' "journal_socket = $work/journal.socket" 'syslog = yes' \
	"syslog_socket = $work/syslog.socket" "sqlite = $work/mirror.db" 'enterprise_number = 99999' \
	'device_uuid = urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6'
start_service
wait_until 60 test -S "$SPOOLGUARD_SOCKET" || fail "the service does not answer: $(cat "$work/log")"
"$sg" events >"$work/out" || fail "a receiver that is away holds the service up"
wait_until 60 test -s "$state/audit/segment-00000001.jsonl" || fail "no log: $(ls "$state")"
receiver syslog
syslog=$process
receiver journal
wait_until 60 has_all || fail "syslog: $(syslog_numbers | tr '\n' ' ') journal: $(journal_numbers | tr '\n' ' ') log: $(log_numbers | tr '\n' ' ')"
wait_until 60 is_mirrored || fail "the mirror: $(sqlite3 "$work/mirror.db" 'SELECT count(*) FROM events')"
grep -aq 'DUU="urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"' "$work/syslog" || fail "the printer's UUID: $(head -1 "$work/syslog")"
ok "receivers that were away get every record; the mirror has them too"

kill -9 "$syslog"
wait "$syslog" 2>/dev/null
for _ in 1 2 3; do "$sg" selftest >/dev/null 2>&1; done
kill -9 "$service"
wait "$service" 2>/dev/null
start_service
receiver syslog
wait_until 60 test -S "$SPOOLGUARD_SOCKET" || fail "the service does not answer: $(cat "$work/log")"
wait_until 60 has_all || fail "after kill -9: syslog: $(syslog_numbers | tr '\n' ' ') log: $(log_numbers | tr '\n' ' ')"
ok "the receiver and the service are killed: nothing is missing, the order is kept"

stop_service TERM || fail "exit code $? after SIGTERM"
grep -aq ' service-stopped ' "$work/syslog" || fail "its end was not handed on: $(tail -1 "$work/syslog")"
ok "the service's end is handed on before it ends"
start_service
wait_until 60 has_all || fail "syslog: $(syslog_numbers | tail -1) log: $(log_numbers | tail -1)"
wait_until 60 is_mirrored || fail "the mirror: $(sqlite3 "$work/mirror.db" 'SELECT count(*) FROM events')"
journal_lines() { sed -n 's/^SPOOLGUARD_RECORD=//p' "$work/journal" | awk '!seen[$0]++'; }
has_lines() { cmp -s <(journal_lines) <(cat "$state"/audit/segment-*.jsonl); }
wait_until 20 has_lines || fail "the journal's records are not the log's lines"
id=$(printf 'spoolguard.event/service-stopped' | sha256sum | cut -c1-32)
grep -aqx "MESSAGE_ID=$id" "$work/journal" || fail "no MESSAGE_ID $id"
ok "the journal has the log's own lines, and each event's id"
stop_service TERM
echo "$pass_count checks passed"
