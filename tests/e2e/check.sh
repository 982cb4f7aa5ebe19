#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# check.sh - "spoolguard check" on a machine that is set up well, and with one thing wrong after the other
#
# A volume under spoolguardd, a private cupsd on it, the service's state in memory, and a proc, sys and
# etc of our own.  All is well but for what this machine cannot give (below).  Then one thing is
# spoiled at a time: the right parts turn, and no others.
#
# Time limit: 300 s
set -u -o pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cupsd.sh"
. "$(dirname "$0")/service_lib.sh"
need_root_and_fuse
need_cupsd
command -v jq >/dev/null || skip "needs jq"
export SPOOLGUARD_CONFINE=$work
chmod 755 "$work"

# Programs that may be damaged.
mkdir "$work/bin"
cp "$build/manifest" "$work/bin/"
sed -n 's/^[0-9a-f]\{64\}  //p' "$build/manifest" | while read -r program; do
	cp "$build/$program" "$work/bin/$program" || exit 1
done || fail "the programs of the manifest could not be copied"
daemon=$work/bin/spoolguardd
sg=$work/bin/spoolguard
server=$work/server
host=$work/host
pass=$state/passphrase
segment=$state/audit/segment-00000001.jsonl

# What depends on the machine that the tests run on: its disk, its clock; that no unit confines the service.
machine="clear drives clock sandbox key-erase unavailable"

call() { python3 "$root/tests/tools/varlink_call.py" "$SPOOLGUARD_SOCKET" "io.spoolguard.$1" "${2:-"{}"}" >"$work/answer"; }
check() { # check CODE [OPTION...]: its JSON is in $work/report
	local code=$1 got
	shift
	"$sg" check --json --config "$conf" --cups-config "$server/etc/cupsd.conf" --host-root "$host" "$@" \
		>"$work/report" 2>"$work/err"
	got=$?
	[ $got = "$code" ] || fail "check $*: exit $got instead of $code: $(cat "$work/err"; show)"
}
is_open() { [ "$("$sg" status --json 2>/dev/null | jq -r '.volumes[0].state')" = open ]; }
# parts STATE: the parts in that state, sorted, without those of the machine
parts() {
	jq -r --arg s "$1" --arg m "$machine" \
		'([.controls[].parts[] | select(.state == $s).id] | unique) - ($m | split(" ")) | join(" ")' "$work/report"
}
show() { jq -r '[.controls[].parts[] | select(.state != "met") | "\(.id): \(.state): \(.evidence)"] | unique[]' "$work/report"; }
# expect WHAT NOT-MET CANNOT-TELL [OPTION...]: exactly these parts
expect() {
	local what=$1 not_met=$2 untold=$3
	shift 3
	check 1 "$@"
	[ "$(parts 'not met')" = "$not_met" ] || fail "$what: not met: \"$(parts 'not met')\" instead of \"$not_met\": $(show)"
	[ "$(parts 'cannot tell')" = "$untold" ] || fail "$what: cannot tell: \"$(parts 'cannot tell')\" instead of \"$untold\": $(show)"
	ok "$what"
}
# turned PART WORDS: what is said of it
turned() {
	jq -e --arg id "$1" --arg re "$2" \
		'[.controls[].parts[] | select(.id == $id)] | all(.evidence | test($re)) and all(.remedy != "")' "$work/report" >/dev/null ||
		fail "$1 does not say /$2/: $(show)"
}

# --- a machine that is set up well ---

mkdir -p "$host"/{etc/systemd/system,etc/rsyslog.d,proc/sys/kernel,proc/sys/fs,sys/power,sys/class/block}
printf 'Filename\tType\tSize\tUsed\tPriority\n' >"$host/proc/swaps"
echo '|/bin/false' >"$host/proc/sys/kernel/core_pattern"
uname -r >"$host/proc/sys/kernel/osrelease"
echo 1 >"$host/proc/sys/fs/protected_hardlinks"
echo mem >"$host/sys/power/state"
echo '[disabled]' >"$host/sys/power/disk"
sed "s/loghost.example/log.ward/; s|/run/spoolguard-syslog/socket|$work/syslog|" "$root/packaging/rsyslog/60-spoolguard.conf" >"$host/etc/rsyslog.d/60-spoolguard.conf"

mkdir -p "$server"/{etc,log,cache,run} "$state"
mount -t tmpfs -o mode=700,size=64m spoolguard-state "$state" || fail "no tmpfs"
make_volume 128M >/dev/null
write_conf() { # write_conf [SERVICE-LINES...]: its key is in $key_file
	configure "$@" "$(volume spool "$image" "$mount" "unlock = key-file" "key_file = $key_file" \
		"bind = .cups/cache:$server/cache" "bind = .cups/log:$server/log")" "$(cups_section)" \
		'[audit]' 'syslog = yes' "syslog_socket = $work/syslog"
}
key_file=$pass
write_conf
python3 -c 'import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
while True: s.recv(65536)' "$work/syslog" & # in place of rsyslog
pids+=($!)
disown $! # its end is nothing to tell of
wait_until 20 test -S "$work/syslog"
start_service
wait_until 30 is_open || fail "the volume is not open: $(cat "$work/log")"
cupsd_spool=$mount cupsd_start "$server" 'DirtyCleanInterval 0'
"$sg" cups apply --config "$server/etc/cupsd.conf" --root "$host" >"$work/out" 2>&1 || fail "cups apply: $(cat "$work/out")"
queue_raw front 0
expect "before the first job nothing of jobs can be told" "" "host-events receipts residue"

title=GEHEIMTITEL$$ person=geheimnutzer$$
echo "the body of $title" >"$work/document"
id=$(LP_OPTIONS="-t $title -U $person" job_submit front "$work/document")
is_retired() { call JobShow "{\"id\":\"$id\",\"source\":\"cups\"}" && jq -e '.parameters.job.state == "retired"' "$work/answer"; }
wait_until 60 is_retired || fail "the job is not retired: $(cat "$work/answer")"
call RecordHostEvent '{"event":"authentication-failed","origin":"192.0.2.1"}' || fail "RecordHostEvent: $(cat "$work/answer")"
has_host_event() { grep -q authentication-failed "$segment"; }
wait_until 30 has_host_event || fail "the host's event is not in the log"
expect "what is set up well is met" "" "residue"
jq -e '[.controls[].parts[] | select(.id == "export")] | all(.evidence | test("log.ward"))' "$work/report" >/dev/null || fail "whereto"
jq -e '.technical_controls_met == false and .schema == "spoolguard.check/1" and (.device_key | length == 64) and
	(.log_position | length > 36) and (.days | length >= 1) and .days[-1].retired_jobs >= 1' "$work/report" >/dev/null ||
	fail "the report's head: $(jq -c 'del(.controls)' "$work/report")"

"$sg" check residue --config "$conf" --cups-config "$server/etc/cupsd.conf" >"$work/out" 2>&1 || fail "check residue: $(cat "$work/out")"
has_residue_check() { grep -q residue-check "$segment"; }
wait_until 30 has_residue_check || fail "the residue check is not in the log"
expect "with a residue check all is met that this machine can give" "" ""

# --- one thing after the other ---

printf '/dev/sda2 partition 1048572 0 -2\n' >>"$host/proc/swaps"
expect "swap in clear" "swap" ""
turned swap '/dev/sda2'
sed -i 2d "$host/proc/swaps"

cp -p "$server/etc/cupsd.conf" "$work/cupsd.conf"
echo 'PreserveJobFiles No' >>"$server/etc/cupsd.conf"
expect "a line of cupsd.conf" "stray" ""
cat "$work/cupsd.conf" >"$server/etc/cupsd.conf"

sed -i 's/x509\/name/anon/' "$host/etc/rsyslog.d/60-spoolguard.conf"
expect "a receiver that nobody checks" "export" ""
sed -i 's/"anon"/"x509\/name"/' "$host/etc/rsyslog.d/60-spoolguard.conf"

chmod 644 "$state/keys/device.key"
expect "a private key that others read" "device-keys" ""
chmod 600 "$state/keys/device.key"

chmod o+r "$segment"
expect "a log that others read" "log-readers" ""
chmod o-r "$segment"

sed -i "s|$work/syslog|/run/elsewhere|" "$host/etc/rsyslog.d/60-spoolguard.conf"
expect "a log that nobody fetches where it is handed on" "export" ""
turned export '/run/elsewhere'
sed -i "s|/run/elsewhere|$work/syslog|" "$host/etc/rsyslog.d/60-spoolguard.conf"

cp -p "$state/keys/enrolment.pub" "$work/enrolled.pub"
flip() { # one byte of the log's second record
	python3 - "$segment" <<'PY'
import sys
with open(sys.argv[1], "r+b") as log:
    first = log.readline()
    at = len(first) + log.readline().index(b'"event":"') + 9
    log.seek(at)
    byte = log.read(1)
    log.seek(at)
    log.write(bytes([byte[0] ^ 1]))
PY
}
flip
check 1
[ "$(parts 'not met')" = log ] || fail "a damaged log: $(show)"
turned log 'segment 1, line [23]'
check 1 --trust "$work/enrolled.pub"
[ "$(parts 'not met')" = log ] || fail "a damaged log, by the enrolled key: $(show)"
flip
ok "a log in which one bit is another"
expect "by the key that was enrolled" "" "" --trust "$work/enrolled.pub"
jq -e '[.controls[].parts[] | select(.id == "log")] | all(.evidence | test("the file that was given"))' "$work/report" >/dev/null || fail "whose key"
# Another device: other bits in both public keys.
sed -E '/^RW/ { s/^(.{30})[A-Za-m]/\1n/; t; s/^(.{30})./\1A/ }' "$work/enrolled.pub" >"$work/other.pub"
cmp -s "$work/enrolled.pub" "$work/other.pub" && fail "the other key is the same"
expect "by another device's key" "log receipts" "" --trust "$work/other.pub"

printf x >>"$work/bin/check_spoolguard"
call SelfTest || fail "SelfTest: $(cat "$work/answer")"
expect "a program that is not what was built" "jobs programs self-test" ""
cp "$build/check_spoolguard" "$work/bin/check_spoolguard"
call SelfTest || fail "SelfTest: $(cat "$work/answer")"
expect "and mended" "" ""

cp "$pass" "$work/key-on-disk"
chmod 600 "$work/key-on-disk"
key_file=$work/key-on-disk
write_conf 'on_failure = continue-without-receipts' 'selftest = off'
stop_service
start_service
wait_until 60 is_open || fail "the volume is not open again: $(tail -n 5 "$work/log")"
check 1
if [ "$(jq -r '[.controls[].parts[] | select(.id == "key-beside").state] | first' "$work/report")" = "not met" ]; then
	expect "a key beside its lock, and settings that fail open" "fail-closed key-beside retest" ""
else
	expect "settings that fail open (this machine's disk is encrypted)" "fail-closed retest" ""
fi
key_file=$pass
write_conf

# --- without the service, and without rights ---

stop_service
machine="clear drives clock key-erase unavailable" # nothing is known of the sandbox either
expect "without the service" "" "jobs log-open receipts sandbox self-test wipe"
turned jobs 'no service answers'
cupsd_stop
detach >/dev/null
expect "without any volume open" "stray" \
	"debt jobs log-open read-back receipts refused-blocks sandbox self-test wipe"

chmod -R a+rX "$work/bin"
setpriv --reuid=65534 --regid=65534 --clear-groups "$sg" check --json --profile sp800-88 --config "$conf" \
	--cups-config "$server/etc/cupsd.conf" --host-root "$host" >"$work/report" 2>"$work/err"
[ $? = 3 ] && [ ! -s "$work/err" ] || fail "as nobody: $(cat "$work/err"; show)"
jq -e '.met == 0 and .not_met == 0' "$work/report" >/dev/null || fail "as nobody something is told: $(show)"
ok "nobody is told that he cannot tell"

# --- forms, and what is in none of them ---

for form in "" --all --json --html --oscal; do
	"$sg" check $form --config "$conf" --host-root "$host" --cups-config "$server/etc/cupsd.conf" --output "$work/form$form"
	[ $? = 1 ] && [ -s "$work/form$form" ] || fail "check $form --output"
done
grep -qE -e "$title" -e "$person" -e "correct horse" "$work"/form* && fail "a report has a title, a user or a passphrase"
grep -qi -e 'compliant' -e 'certified' "$work"/form* && fail "a report says more than it may"
ok "every form is written, and has no name of a job"
for part in $(jq -r '[.controls[].parts[].id] | unique[]' "$work/form--json"); do
	grep -qE "^\|.*\b$part\b" "$root/docs/CHECKING.md" || fail "docs/CHECKING.md does not name the part $part"
done
refuses 2 'no profile "none"' "$sg" check --profile none
refuses 2 'nothing to check called "frobnicate"' "$sg" check frobnicate
refuses 2 'lacks its value' "$sg" check --output
refuses 3 'cannot be written' "$sg" check --config "$conf" --host-root "$host" --cups-config "$server/etc/cupsd.conf" --output "$work/none/report"
echo "$pass_count checks passed"
