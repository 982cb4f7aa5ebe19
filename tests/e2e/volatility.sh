#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# volatility.sh - the statement of volatility says what this machine has, and what it cannot see
#
# Every place has every column; a volume is told attached and not, with and without the service; what
# lies on it is told from what lies beside it; who may not see something is told so, and the exit
# code with him; nothing of a job is in it.
set -u -o pipefail
. "$(dirname "$0")/lib.sh"
need_root_and_fuse
command -v jq >/dev/null || skip "needs jq"
. "$root/tests/e2e/service_lib.sh"
chmod 755 "$work"

etc=$work/etc
statement() { # statement CODE [OPTION...]: in $work/statement
	local code=$1 got
	shift
	"$sg" volatility --json --config "$conf" --cups-config "$etc/cupsd.conf" "$@" >"$work/statement" 2>"$work/err"
	got=$?
	[ $got = "$code" ] || fail "exit $got instead of $code: $(cat "$work/err" "$work/statement")"
	jq -e '.schema == "spoolguard.volatility/1" and (.not_covered | length >= 3) and
		.complete == (.places | all(.known))' "$work/statement" >/dev/null || fail "not a statement: $(cat "$work/statement")"
	[ -z "$(missing_columns)" ] || fail "columns without a word: $(missing_columns)"
}
columns='["id","place","type","removable","volatile","user_modifiable","encrypted","contents","cleared","by"]'
missing_columns() {
	jq -c --argjson want "$columns" '.places[] | . as $p | $want[] | select(($p[.] // "") == "") | [$p.place, .]' "$work/statement"
}
holds() { jq -e "$1" "$work/statement" >/dev/null || fail "not so: $1: $(jq -c .places "$work/statement")"; }
row() { printf '.places[] | select(.id == "%s")' "$1"; }

mkdir -p "$etc" "$work/cache" "$work/log-of-cups"
: >"$etc/cupsd.conf"
cat >"$etc/cups-files.conf" <<CONF
RequestRoot $mount/d
TempDir $mount/d/tmp
CacheDir $work/cache
AccessLog syslog
ErrorLog $work/log-of-cups/error_log
PageLog $work/log-of-cups/page_log
CONF
make_volume 64M >/dev/null
configure "$(volume spool "$image" "$mount")"

statement 3 # the access log is the host's
holds '.service == false'
holds "$(row spool-volume) | .place == \"spool volume, not attached\" and .where == \"$image\" and .encrypted == \"yes\" and .known"
holds "$(row spool-volume) | .medium.overwrite and (.medium.drives | length > 0)"
holds '[.places[] | select(.id == "volume-process")] == []'
holds "$(row memory) | .volatile == \"yes\" and .size_bytes > 1000000"
holds "[$(row swap)] | length > 0"
holds "$(row host-log) | .medium or (.volatile == \"yes\")"
holds "$(row core-dumps) | .where != \"\""
holds "$(row state) | (.where | startswith(\"$state\")) and .medium.clause"
holds '.places[] | select(.place | test("access log")) | .known == false and (.why | test("syslog"))'
ok "a volume that is not attached is told by its header, and where each thing lies"

attach >/dev/null
mkdir -p "$mount/d/tmp"
echo "GEHEIM$$" >"$mount/d/d00001-001"
statement 3
holds "$(row spool-volume) | .place == \"spool volume\" and .encrypted == \"yes\" and (.cleared | test(\"three-pass\"))"
holds "$(row spool-volume) | (.medium.cryptographic_erase.claimed == \"neither\") and .medium.looked_at"
holds "$(row volume-process) | .volatile == \"yes\" and .size_bytes > 100000 and (.contents | test(\"of it locked\"))"
holds '[.places[] | select(.id == "cups" and (.where | test("on the spool volume")))] | length == 2 and all(.encrypted == "yes" and (.cleared | test("volume")))'
holds '.places[] | select(.place | test("CacheDir")) | (.where | test("volume") | not) and .medium'
! grep -q "GEHEIM$$\|d00001" "$work/statement" || fail "something of a job is in the statement"
ok "an attached volume, its process, and what lies on it"

"$sg" volatility --config "$conf" --cups-config "$etc/cupsd.conf" >"$work/text"
[ $? = 3 ] || fail "the text has another exit code"
for word in 'Statement of volatility' "spool volume: $image" 'NOT KNOWN' 'Not covered:' 'overwriting'; do
	grep -q "$word" "$work/text" || fail "the text lacks \"$word\""
done
awk 'length > 600 { exit 1 }' "$work/text" || fail "a line of the text is too long"
ok "the text says the same"

sed -i 's/^AccessLog.*/AccessLog \/dev\/null/' "$etc/cups-files.conf"
sed -i "\$a AccessLog $work/log-of-cups/access_log" "$etc/cups-files.conf"
statement 0
holds '.complete'
ok "where all is known the exit code says so"

chmod 644 "$conf"
setpriv --reuid 65534 --regid 65534 --clear-groups "$sg" volatility --json --config "$conf" \
	--cups-config "$etc/cupsd.conf" >"$work/statement" 2>"$work/err"
[ $? = 3 ] || fail "nobody is told that all is known"
holds "[$(row spool-volume)] | any(.known == false and (.why | test(\"root\")))"
holds '[.places[] | select(.id == "volume-process")] == []'
ok "who may not see it is told so"

printf 'nonsense\n' >"$work/bad.conf"
"$sg" volatility --json --config "$work/bad.conf" --cups-config /nonexistent/cupsd.conf >"$work/statement" 2>"$work/err"
[ $? = 3 ] || fail "a configuration that cannot be read is no reason to doubt"
holds '[.places[] | select(.known | not)] | length >= 3'
ok "what cannot be read is not known"
refuses 2 'not an option' "$sg" volatility --nonsense
refuses 2 'one word too many' "$sg" volatility word

detach >/dev/null
configure "$(volume spool "$image" "$mount" 'unlock = key-file' "key_file = $pass")" '[cups]' 'enabled = no'
start_service
seen volume-attached spool
statement 0
holds '.service and ([.places[] | select(.id == "spool-volume")] | length == 1)'
holds "$(row spool-volume) | .medium.reason and .known"
holds "[$(row volume-process)] | length == 1"
stop_service
holds "$(row spool-volume) | .encrypted == \"yes, but its key lies beside it\""
ok "the service tells the same of its volumes; a key beside the lock is said"
