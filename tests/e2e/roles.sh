#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# roles.sh - every method of the service, called as every role and as nobody
#
# What roles.h draws is read from there and held against what a running service does: who is not
# drawn is refused in words that name the roles, the refusal is an event under the caller's uid and
# roles, and it changed nothing.  A technician meets nothing of jobs and no key; an auditor leaves
# ledger, volumes and configuration as they were.
#
# Time limit: 150 s
set -u
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/service_lib.sh"
need_root_and_fuse
command -v jq >/dev/null || skip "needs jq"
command -v setpriv >/dev/null || skip "needs setpriv"
[ -x /usr/bin/python3 ] || skip "needs /usr/bin/python3" # one that other users can run
chmod 755 "$work"

roles="pipeline operator technician administrator auditor"
declare -A group=([pipeline]=lp [operator]=tty [technician]=disk [administrator]=kmem [auditor]=adm [none]=nogroup)
declare -A uid=([pipeline]=23461 [operator]=23462 [technician]=23463 [administrator]=23464 [auditor]=23465 [none]=23466)
as() { # as ROLE COMMAND...
	local role=$1
	shift
	setpriv --reuid "${uid[$role]}" --regid "${uid[$role]}" \
		--groups "$(getent group "${group[$role]}" | cut -d: -f3)" "$@"
}
call() { # call ROLE METHOD PARAMETERS: the answer is in $work/answer
	as "$1" /usr/bin/python3 - "$SPOOLGUARD_SOCKET" "io.spoolguard.$2" "$3" <"$work/varlink_call.py" >"$work/answer" 2>&1
}
cp "$root/tests/tools/varlink_call.py" "$work/"
cat >"$work/calls.py" <<'PY'
import json, socket, sys
connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
for line in open(sys.argv[2]):
    method, parameters = line.rstrip("\n").split("\t")
    call = {"method": "io.spoolguard." + method, "parameters": json.loads(parameters)}
    connection.sendall(json.dumps(call).encode() + b"\0")
    answer = b""
    while not answer.endswith(b"\0"):
        some = connection.recv(65536)
        assert some, "the service went away"
        answer += some
    print(method, json.dumps(json.loads(answer[:-1])), sep="\t")
PY
calls() { # calls ROLE: "METHOD<TAB>PARAMETERS" lines to "METHOD<TAB>ANSWER" lines in $work/answers
	cat >"$work/calls"
	as "$1" /usr/bin/python3 "$work/calls.py" "$SPOOLGUARD_SOCKET" "$work/calls" >"$work/answers" || fail "the calls of $1"
}
error() { jq -r '.error // "" | sub(".*[.]"; "")' "$work/answer"; }

make_volume 64M >/dev/null
configure 'job_abandoned = 1s' '[roles]' 'pipeline = lp' 'operator = tty' 'technician = disk' 'administrator = kmem' 'auditor = adm' \
	'[cups]' 'enabled = no' "$(volume spool "$image" "$mount" 'unlock = key-file' "key_file = $pass")"
start_service
seen service-ready
seen volume-attached spool
is_open() { "$sg" status --json | jq -e '.volumes[0].state == "open"'; }
wait_until 30 is_open || fail "not open: $("$sg" status)"

# --- what is drawn ---
drawn() { # drawn METHOD ROLE: "x", "own" (or a part of it) or nothing, by the columns of roles.h
	awk -v method="$1" -v role="$2" '
		$2 == "pipeline" && $3 == "operator" { line = $0; for (i = 2; i <= NF; i++) { at[$i] = index(line, $i); wide[$i] = length($i) } next }
		$2 == method { print substr($0, at[role], wide[role]); exit }' "$root/supervisor/roles.h" | tr -d ' '
}
methods=$(sed -n 's/^method \([A-Za-z]*\)(.*/\1/p' "$root/supervisor/io.spoolguard.varlink")
for method in $methods; do
	grep -q "^ \*   $method  *[xo ]" "$root/supervisor/roles.h" || fail "$method is not drawn in roles.h"
done

# --- each as each ---
# Values that do no harm where they are taken, so that what is judged is the role.
declare -A harmless=([JobBegin]='{"id":"job of ROLE","volume":"spool"}' [JobComplete]='{"id":"job of ROLE"}'
	[JobShow]='{"id":"nosuch"}' [JobHold]='{"id":"nosuch","reason":"because"}' [JobRelease]='{"id":"nosuch"}'
	[Sweep]='{"volume":"nosuch"}' [WipeSpool]='{"volume":"nosuch","scope":"standard","dry_run":true}'
	[Attach]='{"volume":"nosuch"}' [Detach]='{"volume":"nosuch"}' [Events]='{"since":999999999}')
asked=0 refused=0
for role in $roles none; do
	for method in $methods; do
		[ "$role$method" != administratorSetLogAside ] || continue # it takes nothing that could be wrong
		parameters=${harmless[$method]:-"{}"}
		printf '%s\t%s\n' "$method" "${parameters/ROLE/$role}"
	done | calls $role
	while IFS=$'\t' read -r method answer; do
		echo "$answer" >"$work/answer"
		[ "$(error)" != MethodNotFound ] || continue # a service that is built without it
		asked=$((asked + 1))
		want=$([ $role = none ] || drawn "$method" $role)
		if [ -n "$want" ]; then
			[ "$(error)" != PermissionDenied ] || fail "$method is refused to $role: $(cat "$work/answer")"
			continue
		fi
		[ "$(error)" = PermissionDenied ] || fail "$method is not refused to $role: $(cat "$work/answer")"
		jq -e --arg r "you have ${role/none/no role}" '.parameters.text | contains("needs one of the roles") and endswith($r)' \
			"$work/answer" >/dev/null || fail "$method as $role says $(cat "$work/answer")"
		refused=$((refused + 1))
	done <"$work/answers"
done
[ $refused -gt 40 ] || fail "only $refused of $asked calls were refused"
ok "$asked calls by role: $refused refused in words, the others not, as roles.h draws it"

# --- refusals are events ---
is_told() { # of this uid: single ones, and a number for those beyond ten a minute
	events "select(.event == \"access-denied\" and .subject.uid == $1)" | grep -q .
}
for role in operator technician auditor none; do
	is_told "${uid[$role]}" || fail "no event of what $role was refused: $(events 'select(.event == "access-denied")')"
done
ok "refusals are events"

# --- what a technician meets ---
printf 'BODYMARK\n' >"$mount/secret-name"
chown "${uid[pipeline]}" "$mount/secret-name"
chmod 711 "$mount"
call pipeline JobBegin "{\"id\":\"shown-to-nobody\",\"files\":[\"$mount/secret-name\"]}"
for method in GetStatus SelfTest JobList JobShow Events; do
	call technician $method '{"id":"shown-to-nobody"}'
	grep -qE 'secret-name|BODYMARK' "$work/answer" && fail "$method shows a technician: $(cat "$work/answer")"
done
call technician Detach '{"volume":"spool"}' || fail "a technician cannot take a drive out: $(cat "$work/answer")"
mountpoint -q "$mount" && fail "detached, and mounted"
for fd in '' "$work/own-key"; do # neither by the configured key nor by one of his own
	printf 'correct horse battery staple' >"$work/own-key"
	chmod 644 "$work/own-key"
	as technician /usr/bin/python3 "$work/varlink_call.py" "$SPOOLGUARD_SOCKET" io.spoolguard.Attach '{"volume":"spool"}' $fd >"$work/answer" 2>&1
	grep -q '"error"\|went away\|Error' "$work/answer" || fail "a technician attached: $(cat "$work/answer")"
	mountpoint -q "$mount" && fail "a technician unlocked the volume"
done
[ "$("$sg" status --json | jq -r '.volumes[0].state')" = closed ] || fail "it is not closed: $("$sg" status)"
before=$("$sg" status --json | jq -c .selftest.id)
call technician SelfTest '{"inject":"algorithm/aes-256-xts-encrypt-512"}'
jq -e '.parameters | .injected and .ok == false' "$work/answer" >/dev/null || fail "nothing was injected: $(cat "$work/answer")"
[ "$("$sg" status --json | jq -c .selftest.id)" = "$before" ] || fail "an injected run counts"
"$sg" status --json | jq -e '[.reasons[] | select(.weight == "stops-claims")] == []' >/dev/null || fail "an injected run stops claims"
call administrator Attach '{"volume":"spool"}' || fail "an administrator by group cannot attach: $(cat "$work/answer")"
wait_until 30 is_open || fail "not open: $("$sg" status)"
[ -e "$mount/secret-name" ] || wait_until 20 eval '[ "$("$sg" job show --json shown-to-nobody | jq -r .job.state)" = retired ]' ||
	fail "the job that was begun: $("$sg" job list)"
ok "a technician takes a drive out, unlocks none, and sees nothing of jobs"

# --- what an auditor leaves ---
mount -o remount,exec "$mount" # a finding for the self-tests, which every role may read of
call technician SelfTest '{}' || fail "SelfTest: $(cat "$work/answer")"
jq -e '.parameters.tests[] | select(.name == "host/mount-options") | .result == "failed" and (.detail | contains("noexec"))' "$work/answer" >/dev/null ||
	fail "a mount without noexec goes unseen: $(jq -c '.parameters.tests[] | select(.name | test("host"))' "$work/answer")"
mount -o remount,noexec "$mount"
call technician SelfTest '{}'
jq -e '.parameters.tests[] | select(.name == "host/mount-options") | .ok' "$work/answer" >/dev/null || fail "$(cat "$work/answer")"
ok "the self-tests look at the mounts of the service's volumes"
picture() { sha256sum "$state/ledger" "$conf"; "$sg" status --json | jq -c '[.state, .volumes[0].uuid, .volumes[0].state, (.jobs | del(.oldest_seconds)), .selftest.id]'; }
wait_until 20 eval '[ "$("$sg" status --json | jq ".jobs.begun + .jobs.seen + .jobs.retiring")" = 0 ]'
picture >"$work/before"
for method in $methods; do
	[ "$method" != Monitor ] || continue
	printf '%s\t%s\n' "$method" '{"volume":"spool","id":"shown-to-nobody","reason":"r","files":[],"scope":"full","confirm":"spool"}' "$method" '{}'
done | calls auditor
picture | diff "$work/before" - >"$work/diff" || fail "an auditor changed something: $(cat "$work/diff")"
call auditor Events '{}' && jq -e '[.parameters.events[] | select(.event == "access-denied")] | length > 0' "$work/answer" >/dev/null ||
	fail "an auditor cannot read events"
ok "an auditor reads, and changes nothing"
grep -aq BODYMARK "$image" && fail "a body is on the raw medium"
stop_service TERM || fail "it did not end in order"
"$sg" detach "$image" || fail "detach"
echo "$pass_count checks passed"
