#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# cups_config.sh - "spoolguard cups check | apply | revert" with the system's cupsd in a private instance
#
# check finds each residue and shows nothing of a job; after apply cupsd runs with it and does what it is
# to do (it is asked, and prints); revert gives back the same bytes; what an administrator edits
# survives; what cupsd would not run with is never left in place; killed at any system call that
# changes a file, a second apply or revert finishes.
#
# Time limit: 240 s
set -u -o pipefail
. "$(dirname "$0")/lib.sh"
. "$root/tests/e2e/cupsd.sh"
need_cupsd
command -v jq >/dev/null || skip "needs jq"
export SPOOLGUARD_CONFINE=$work
chmod 755 "$work"

title=GEHEIMTITEL$$ person=geheimnutzer$$
r=$work/root
conf=$work/c/etc/cupsd.conf files=$work/c/etc/cups-files.conf
cups() { # cups ACTION OPTION...
	local action=$1
	shift
	"$sg" cups "$action" --config "$conf" --files-config "$files" --root "$r" "$@"
}
expect() { # expect CODE COMMAND...: output in $work/out and $work/err
	local code=$1 got
	shift
	"$@" >"$work/out" 2>"$work/err"
	got=$?
	[ $got = "$code" ] || fail "$*: exit $got instead of $code: $(cat "$work/out" "$work/err")"
}
found() { jq -r --arg id "$1" '.findings[] | select(.id == $id) | "\(.line) \(.value)"' "$work/check"; }
left_over() { find "$work/c/etc" -name '*spoolguard*' -printf '%f '; }
line_of() { grep -n "^$1" "${2:-$conf}" | tail -n 1 | cut -d: -f1; }
both() { sha256sum < "$conf"; sha256sum < "$files"; stat -c '%a %U %G' "$conf" "$files"; }
restart_job() { # as any local user would
	ipp Restart-Job "ATTR uri job-uri $cupsd_uri/jobs/$1" 'ATTR name requesting-user-name root' 2>&1 </dev/null |
		sed -n 's/^ *status-code = \([a-z-]*\).*/\1/p'
}

# --- check

mkdir -p "$r/etc/systemd/system" "$r/etc/foomatic"
cat > "$work/directives" <<'CONF'
LogLevel warn
LogLevel debug
PreserveJobFiles No
PreserveJobFiles nonsense
PreserveJobHistory No
AutoPurgeJobs Yes
MaxJobs 100
PageLogFormat %p %u %{job-name}
AccessLogLevel all
Classification confidential
JobRetryInterval 1
CONF
mapfile -t directives < "$work/directives"
cupsd_policy=system
cupsd_start "$work/c" "${directives[@]}"
printf '#!/bin/sh\ncat >/dev/null\n' > "$work/c/bin/backend/cups-pdf"
chmod 755 "$work/c/bin/backend/cups-pdf"
queue_raw raw
queue_failing failing
queue_add pdf -v cups-pdf:/ -m raw
queue_add out -v "file:$work/c/out" -m raw
echo 'debug: 1' > "$r/etc/foomatic/filter.conf"
# A machine that swaps to a bare disk.
mkdir -p "$r/proc/sys/kernel" "$r/proc/sys/fs" "$r/sys/power" "$r/sys/class/block"
printf 'Filename\tType\tSize\tUsed\tPriority\n/dev/sda2 partition 1048572 0 -2\n' > "$r/proc/swaps"
echo 'DebugLogging file' > "$work/c/etc/cups-browsed.conf"
LP_OPTIONS="-t $title -U $person"
job_wait "$(job_submit raw "$conf")" ''
kill -HUP "$cupsd_pid" # printers.conf is written up to DirtyCleanInterval later
for _ in $(seq 100); do grep -q 'file:' "$work/c/etc/printers.conf" 2>/dev/null && break; sleep 0.1; done
sleep 1
gzip < "$work/c/log/error_log" > "$work/c/log/error_log.2.gz"

expect 1 cups check --json
mv "$work/out" "$work/check"
[ "$(jq -r .schema "$work/check")" = spoolguard.cups-check/1 ] || fail "no schema"
[ "$(jq -r .result "$work/check")" = residue ] || fail "no verdict"
for expected in "log-level:$(line_of 'LogLevel debug') debug" "job-files:$(line_of 'PreserveJobFiles No') No" \
	"job-history:$(line_of PreserveJobHistory) No" "auto-purge:$(line_of AutoPurgeJobs) Yes" \
	"max-jobs:$(line_of MaxJobs) 100" "dirty-interval:0 30" "log-history:0 200" \
	"page-log:$(line_of PageLogFormat) %p %u %{job-name}" "access-log:$(line_of AccessLogLevel) all" \
	"classification:$(line_of Classification) confidential" \
	"file-device:$(line_of FileDevice "$files") Yes" "spool-place:$(line_of RequestRoot "$files") $work/c/spool" \
	"cache-place:$(line_of CacheDir "$files") $work/c/cache" "temp-place:$(line_of TempDir "$files") $work/c/spool/tmp" \
	"browsed-log:1 file" "filter-debug:1 debug: 1"; do
	[ "$(found "${expected%%:*}")" = "${expected#*:}" ] || fail "check: ${expected%%:*}: \"$(found "${expected%%:*}")\""
done
[ "$(found log-place | wc -l)" = 3 ] || fail "check: the places of logs"
[ "$(found log-content | wc -l)" -ge 2 ] || fail "check: the content of logs: $(found log-content)"
[ "$(found log-copies | wc -l)" = 1 ] || fail "check: a compressed copy of a log"
[ "$(found reprint | wc -l)" = 3 ] || fail "check: the policies: $(found reprint)"
found host | grep -q swap || fail "check: swap on a bare disk: $(jq -c .could_not_tell "$work/check")"
found queue-device | grep -q cups-pdf: && found queue-device | grep -q file: || fail "check: queues that keep documents"
[ "$(cat /proc/"$cupsd_pid"/limits | awk '/Max core file size/ {print $5}')" = 0 ] || [ -n "$(found core-dumps)" ] ||
	fail "check: core dumps"
ok "check finds each residue where it stands"
cups check > "$work/text"
cat "$work/check" "$work/text" | grep -q -e "$title" -e "$person" && fail "check shows the title or the user of a job"
grep -q "^$conf:$(line_of 'LogLevel debug'): LogLevel debug  \[log-level\]" "$work/text" || fail "check: the line of text"
ok "check shows nothing of a job"
(cd "$work/c/etc" && "$sg" cups check --config cupsd.conf --root "$r" --json) > "$work/out"
jq -e '.config | startswith("/")' "$work/out" >/dev/null || fail "a relative path"
expect 1 cups check --json --without reprint
[ -z "$(jq -r '.findings[] | select(.id == "reprint")' "$work/out")" ] || fail "--without in check"

refuses 2 'say what' "$sg" cups
refuses 2 'no "cups frobnicate"' "$sg" cups frobnicate
refuses 2 'means nothing to "cups check"' cups check --dry-run
refuses 2 'no such id' cups apply --without nonsense
refuses 3 'does not|No such' "$sg" cups check --config "$work/none" --root "$r"
refuses 3 'CONFINE' "$sg" cups check
refuses 1 'CONFINE' "$sg" cups apply
refuses 1 'CONFINE' "$sg" cups revert --config /etc/cups/cupsd.conf --root "$r"
printf '<Policy x>\n' > "$work/open.conf"
refuses 3 'open.conf:1: <Policy> is not closed' "$sg" cups check --config "$work/open.conf" --root "$r"

# --- apply

chmod 640 "$conf"
chgrp lp "$conf"
cp -p "$conf" "$work/before.conf"
cp -p "$files" "$work/before.files"
before=$(both)
expect 0 cups apply --dry-run
grep -q '^    - LogLevel debug' "$work/out" && grep -q '^    + LogLevel warn' "$work/out" && grep -q '^    lose: ' "$work/out" ||
	fail "apply --dry-run: $(cat "$work/out")"
grep -q 'NOT DONE: the queue "out"' "$work/out" || fail "a queue that would stop is not named"
[ "$(both)" = "$before" ] && [ -z "$(left_over)" ] || fail "--dry-run changed something"
ok "apply --dry-run shows each change with what users lose, and changes nothing"

expect 0 cups apply
grep -q 'cupsd has read it, and answers' "$work/out" || fail "apply: $(cat "$work/out")"
[ "$(stat -c '%a %U %G' "$conf")" = "640 root lp" ] || fail "owner or mode of $conf changed"
backup=$(ls "$work"/c/etc/cupsd.conf.spoolguard-*)
[ "$(stat -c %a "$backup")" = 600 ] && cmp -s "$backup" "$work/before.conf" || fail "the backup"
kill -0 "$cupsd_pid" || fail "cupsd ended"
grep -qx "#spoolguard\[log-level\] was: LogLevel debug" "$conf" || fail "the old line does not stay readable"
ok "apply: cupsd has read it and answers, owner and mode are kept, and so is a backup"

expect 0 cups apply
grep -q 'nothing to change' "$work/out" || fail "a second apply changed something: $(cat "$work/out")"
expect 1 cups check --json
mv "$work/out" "$work/check"
[ "$(jq -r '[.findings[].id] | unique | join(" ")' "$work/check" | sed 's/ *core-dumps//')" = \
	"browsed-log cache-place classification file-device filter-debug host log-content log-copies log-place queue-device queue-unknown spool-place temp-place" ] ||
	fail "after apply: $(jq -r '[.findings[].id] | unique | join(" ")' "$work/check")"
ok "after apply what it covers is found no more"

# What it is to do, asked of cupsd itself.
: > "$work/c/log/error_log"
: > "$work/c/log/page_log"
job=$(job_submit raw "$conf")
job_wait "$job" 9
[ -e "$work/c/spool/$(printf 'd%05d-001' "$job")" ] || fail "PreserveJobFiles: the document is gone"
[ -e "$work/c/spool/$(printf 'c%05d' "$job")" ] || fail "DirtyCleanInterval: the control file is not there yet"
[ "$(restart_job "$job")" = client-error-not-authenticated ] || fail "a printed job can be printed again: $(restart_job "$job")"
LP_OPTIONS="-t $title -U $person" job_wait "$(job_submit failing "$conf")" 8
grep -q -e "$title" -e "$person" "$work"/c/log/{error,page}_log && fail "a failed job left its title or user in a log"
ok "cupsd keeps a job's files, writes at once, prints nothing twice, and logs no title"

lpadmin -x out
expect 0 cups apply --json
[ "$(jq -r '.changes[] | .id' "$work/out")" = file-device ] || fail "apply: $(cat "$work/out")"
job_wait "$(job_submit raw "$conf")" 9

# --- revert

expect 0 cups revert --dry-run
expect 0 cups revert
cmp -s "$conf" "$work/before.conf" && cmp -s "$files" "$work/before.files" || fail "revert does not give back the same bytes"
[ "$(both)" = "$before" ] || fail "revert: owner or mode"
job=$(job_submit raw "$conf")
job_wait "$job" ''
[ "$(restart_job 1)" != client-error-not-authenticated ] || fail "revert: cupsd still refuses"
expect 0 cups revert
grep -q 'nothing to take out' "$work/out" || fail "a second revert"
ok "revert gives back the same bytes, and cupsd runs with them"

expect 0 cups apply --no-reload --without job-history --without reprint
grep -q 'was not told' "$work/out" || fail "--no-reload"
grep -q 'spoolguard\[job-history\]' "$conf" && fail "--without"
sed -i 's/^MaxJobs 0 .*/# mine\n&/; s/^Listen 127/# mine too\nListen 127/' "$conf"
printf 'MaxClients 50\n' >> "$conf"
expect 0 cups revert
sed -e 's/^MaxJobs 100/&\n# mine/; s/^Listen 127/# mine too\nListen 127/; $a MaxClients 50' "$work/before.conf" > "$work/edited"
cmp -s "$conf" "$work/edited" || fail "what was edited after apply did not survive: $(diff "$work/edited" "$conf")"
expect 0 cups apply --no-reload
sed -i 's/^LogLevel warn #/LogLevel info #/' "$conf"
now=$(both)
refuses 1 "cupsd.conf:[0-9]+: \"LogLevel info.*was changed" cups revert
[ "$(both)" = "$now" ] || fail "a refused revert changed something"
sed -i 's/^LogLevel info #.*/LogLevel info/' "$conf"
expect 0 cups revert
grep -qx 'LogLevel info' "$conf" || fail "an edited line did not survive"
# What cupsctl makes of it: no comments any more.
expect 0 cups apply --no-reload
sed -i 's/ *#.*//; /^$/d' "$conf"
refuses 1 "none of spoolguard's marks.*PreserveJobFiles was No" cups revert --no-reload
cp -p "$work/before.conf" "$conf"
cp -p "$work/before.files" "$files"
rm -f "$work"/c/etc/*.spoolguard-*
ok "what an administrator edits survives apply and revert"

# --- what cupsd would not run with

printf '#!/bin/sh\necho "Syntax error on line 3"; exit 1\n' > "$work/refusing"
chmod 755 "$work/refusing"
refuses 1 'refuses what .* nothing was changed: Syntax error on line 3' cups apply --cupsd "$work/refusing" 2>&1
[ "$(both)" = "$before" ] && [ -z "$(left_over)" ] || fail "a refused apply changed something"
# It starts with the old configuration, and not with the new one.
cat > "$work/restart" <<RESTART
#!/bin/bash
kill \$(cat $work/c/cupsd.pid)
while kill -0 \$(cat $work/c/cupsd.pid) 2>/dev/null; do sleep 0.05; done
grep -qF '#spoolguard[' $conf && exit 0
setsid cupsd -f -c $conf -s $files >/dev/null 2>&1 </dev/null &
echo \$! > $work/c/cupsd.pid
RESTART
chmod 755 "$work/restart"
expect 1 cups apply --wait 10 --reload-command "$work/restart"
cupsd_use "$work/c"
grep -q 'does not answer within 10 s.*what was before is in place again, and cupsd runs with it' "$work/err" || fail "restored: $(cat "$work/err")"
[ "$(both)" = "$before" ] || fail "what was before is not in place again"
job_wait "$(job_submit raw "$conf")" ''
[ ! -e "$work/c/etc/.spoolguard-apply" ] || fail "the mark of an unfinished apply stays"
refuses 1 'command that restarts cupsd .*failed: no' cups apply --reload-command 'echo no; exit 1' --wait 1
[ "$(both)" = "$before" ] || fail "what was before is not in place again after a failed command"
refuses 1 'symbolic link' "$sg" cups apply --root "$r" --config "$(ln -s "$conf" "$work/link.conf"; echo "$work/link.conf")" --files-config "$files" --no-reload
ok "what cupsd does not come up with is taken back"

exec 8<"$work/c/etc"
flock 8
refuses 1 'another "spoolguard cups" is at work' cups apply --no-reload
exec 8<&-

# --- killed

# killed_at ACTION CALL N: true if it was, at its Nth CALL that has to do with the configuration
killed_at() {
	local e=$work/c/etc paths=() path
	for path in "$e" "$conf" "$files" {"$conf","$files"}.spoolguard-new{,.backup} "$e"/.spoolguard-apply{,.spoolguard-new}; do
		paths+=(-P "$path")
	done
	(
		strace -qq -o "$work/trace" "${paths[@]}" -e trace="$2" -e inject="$2:signal=KILL:when=$3" \
			"$sg" cups "$1" --config "$conf" --files-config "$files" --root "$r" --no-reload >/dev/null 2>&1
		exit $?
	) 2>/dev/null
	[ $? = 137 ]
}
as_before() {
	cp -p "$work/before.conf" "$conf"
	cp -p "$work/before.files" "$files"
	rm -f "$work"/c/etc/*spoolguard* "$work"/c/etc/.spoolguard*
}
judge_killed() { # judge_killed WHAT N
	cupsd -t -c "$conf" -s "$files" >/dev/null 2>&1 || fail "$1 leaves what cupsd refuses"
	if [ $(($2 % 2)) = 0 ]; then
		cups apply --no-reload >/dev/null || fail "apply after $1"
		cups apply --dry-run | grep -q 'nothing to change' || fail "apply after $1 is not whole"
	fi
	cups revert --no-reload >/dev/null || fail "revert after $1"
	cmp -s "$conf" "$work/before.conf" && cmp -s "$files" "$work/before.files" || fail "revert after $1: $(diff "$work/before.conf" "$conf")"
	! left_over | grep -q -e spoolguard-new -e ' \.spoolguard' -e '^\.spoolguard' || fail "left behind after $1: $(left_over)"
}
if command -v strace >/dev/null && strace -qq -o /dev/null true 2>/dev/null; then
	killed=0
	for action in apply revert; do
		for call in write fchmod fchown fsync link unlink rename; do
			for n in $(seq 100); do
				as_before
				[ $action = apply ] || cups apply --no-reload >/dev/null || fail "apply before a revert that is killed"
				killed_at $action $call "$n" || break
				killed=$((killed + 1))
				judge_killed "$action, killed at $call number $n," "$killed"
			done
		done
	done
	[ $killed -gt 40 ] || fail "only $killed calls were found to kill at"
	ok "killed at each of $killed calls, a second apply or revert finishes"
else
	echo "passed over: strace cannot be used here, so nothing is killed"
fi

# One that was killed before cupsd came up with it: the next one looks, and takes it back.
as_before
cups apply --no-reload >/dev/null || fail "apply"
touch "$work/c/etc/.spoolguard-apply"
expect 1 cups apply --wait 10 --reload-command "$work/restart"
[ "$(both)" = "$before" ] || fail "an apply that was killed, and that cupsd does not come up with, is not taken back"
ok "an unfinished apply is finished or taken back by the next"
