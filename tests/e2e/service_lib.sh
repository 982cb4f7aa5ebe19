# SPDX-License-Identifier: Apache-2.0
# service_lib.sh - what scripts share that run spoolguardd; sourced after lib.sh
#
# One service at a time, with its own state, runtime and configuration; what it says is in
# $work/log, its events are in the audit log, $state/audit.

daemon=$build/spoolguardd
conf=$work/spoolguard.conf
state=$work/state
service=0 # its process
unset INVOCATION_ID # systemd may have started whoever runs the tests
export SPOOLGUARD_SOCKET=$work/run/io.spoolguard

# Our mounter is in a session of its own, and outlives a service that is killed: known by its configuration.
service_processes() { pgrep -f "^$daemon .*--config $conf"; }
end_service_processes() {
	local pid
	for pid in $(service_processes); do kill -9 "$pid" 2>/dev/null; done
}
service_cleanup() {
	local code=$?
	end_service_processes
	(exit "$code")
	cleanup
}
trap service_cleanup EXIT

# configure [LINES...]: [service] is written, and whatever follows it
configure() {
	{
		printf '[service]\nsocket = %s\nstate_directory = %s\n' "$SPOOLGUARD_SOCKET" "$state"
		printf '%s\n' "$@"
	} >"$conf"
}
# volume NAME MEDIUM MOUNT [LINES...]: such a section
volume() {
	local name=$1 medium=$2 at=$3
	shift 3
	printf '[volume %s]\nmedium = %s\nmount = %s\n' "$name" "$medium" "$at"
	[ $# = 0 ] || printf '%s\n' "$@"
}

# cups_section [LINES...]: a private cupsd at $server (cupsd.sh), whose spool is $mount
cups_section() {
	printf '%s\n' '[cups]' "server = $server/run/cups.sock" "spool = $mount" "temp = $mount/tmp" \
		"cache = $server/cache" "wake = $server/run/spoolguard.wake" "$@"
}
# cups_volume [LINES...]: $image at $mount, cupsd's cache and log on it too
cups_volume() {
	volume spool "$image" "$mount" 'unlock = key-file' "key_file = $pass" \
		"bind = .cups/cache:$server/cache" "bind = .cups/log:$server/log" "$@"
}

# wait_until SECONDS COMMAND...
wait_until() {
	local deadline=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $deadline ] || return 1
		sleep 0.05
	done
}

# events [FILTER]: those since the mark, as jq chooses
mark=0
log_lines() { cat "$state"/audit/segment-*.jsonl 2>/dev/null; }
# A line that is being written is no JSON yet.
mark_events() { mark=$(log_lines | jq -nR '[inputs | (fromjson? | .sequence)] | max // 0'); }
events() { log_lines | jq -cR "(fromjson? | select(.sequence > $mark)) | ${1:-.}" 2>/dev/null; }
has_event() { [ -n "$(events "select($1)")" ]; }
# seen NAME [OBJECT [DETAIL]]: waits for that event since the mark; OBJECT: a job, a volume's UUID or name
seen() {
	local filter=".event == \"$1\""
	[ -z "${2:-}" ] || filter="$filter and (([.object[]?, .data.name] | index(\"$2\")) != null)"
	[ -z "${3:-}" ] || filter="$filter and (.detail // \"\" | test(\"$3\"))"
	wait_until 60 has_event "$filter" || fail "no event $* in: $(events)"
}

start_service() {
	mark_events
	"$daemon" --config "$conf" "$@" 2>>"$work/log" &
	service=$!
	pids+=("$service")
}
is_running() { kill -0 "$service" 2>/dev/null; }
# stop_service SIGNAL: waits for its end, gives its exit code
stop_service() {
	local code
	kill -"${1:-TERM}" "$service"
	wait "$service" 2>/dev/null
	code=$?
	pids=("${pids[@]/$service/}")
	return $code
}
is_open() { "$sg" status --json 2>/dev/null | jq -e '.volumes[0].state == "open"'; }
mounter() { pgrep -f "^$daemon --mounter --config $conf"; }
process_of() { "$sg" status --json "$1" 2>/dev/null | jq -r .process; }
