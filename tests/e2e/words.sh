#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# words.sh - what is printed is true and harmless: volumes without a map, users without rights,
# names that would steer a terminal, options that are none
#
# Time limit: 240 s
set -u -o pipefail
. "$(dirname "$0")/lib.sh"
need_root_and_fuse

make_volume 64M
evil=$(printf 'a\033]0;owned\007\302\233\377"\n b')
harmless() { # harmless FILE: no byte that a terminal obeys, valid UTF-8
	LC_ALL=C grep -qP '[\x00-\x08\x0b-\x1f\x7f]' "$1" && fail "$2: control characters: $(cat -v "$1")"
	iconv -f UTF-8 -t UTF-8 "$1" >/dev/null 2>&1 || fail "$2: not UTF-8: $(cat -v "$1")"
}

# --- names and ids ---
attach >/dev/null
for where in text json; do
	option=
	[ $where = json ] && option=--json
	echo body >"$mount/$evil"
	"$sg" job complete $option --id "$evil" "$mount/$evil" >"$work/out" 2>"$work/err" || fail "an odd name is not retired: $(cat -v "$work/err")"
	harmless "$work/out" "receipt as $where"
	[ $where = text ] || jq -e '.result == "retired"' "$work/out" >/dev/null || fail "no JSON: $(cat -v "$work/out")"
	"$sg" job complete $option --id "$evil" "$mount/$evil" >"$work/out" 2>"$work/err" && fail "retired twice"
	harmless "$work/out" "failed receipt as $where"
	harmless "$work/err" "failure as $where"
	[ "$(wc -l <"$work/err")" = 1 ] || fail "more than one line: $(cat -v "$work/err")"
done
detach
mkdir "$work/$evil"
cp --sparse=always "$image" "$work/$evil/i"
"$sg" attach --json --passphrase-file "$pass" --mount "$work/$evil/m" "$work/$evil/i" >"$work/out" 2>"$work/err" || fail "attach of an odd path: $(cat -v "$work/err")"
jq -e .device "$work/out" >/dev/null || fail "no JSON: $(cat -v "$work/out")"
harmless "$work/out" attach
for verb in "status" "status --json" "sweep" "sweep --json" "resize --size 70M" "resize --size 70M --json"; do
	# shellcheck disable=SC2086
	if ! "$sg" $verb "$work/$evil/i" >"$work/out" 2>"$work/err"; then
		grep -q CAP_SYS_RESOURCE "$work/err" || fail "$verb of an odd path: $(cat -v "$work/err")"
		continue
	fi
	harmless "$work/out" "$verb"
	[[ $verb != *json ]] || jq -e .schema "$work/out" >/dev/null || fail "$verb: no JSON"
done
"$sg" detach "$work/$evil/i" || fail "detach of an odd path"
for verb in detach sweep status inspect attach format resize key\ list ls schemes devices "$evil"; do
	# shellcheck disable=SC2086
	"$sg" $verb "$work/none$evil" >"$work/out" 2>"$work/err" </dev/null
	harmless "$work/err" "$verb of what is not there"
	[ "$(wc -l <"$work/err")" = 1 ] || fail "$verb: not one line: $(cat -v "$work/err")"
done
ok "control characters and bytes that are no UTF-8 reach neither terminal nor JSON"

# --- the command line ---
for verb in format attach detach "job complete" sweep status overwrite inspect resize schemes devices put get ls "key list" events config selftest "job show" "audit show" "audit verify" "audit match"; do
	# shellcheck disable=SC2086
	refuses 2 'help' "$sg" $verb --no-such-option "$image"
	# shellcheck disable=SC2086
	"$sg" $verb --help >"$work/out" 2>&1 || fail "$verb --help"
	grep -q usage "$work/out" || fail "$verb --help shows no usage"
done
refuses 2 'timeout' "$sg" job complete --wait --timeout soon --id x "$image"
refuses 2 'timeout' "$sg" job complete --wait --timeout -1 --id x "$image"

# --- encryption only, through every verb ---
stock=$work/stock.img
truncate -s 32M "$stock"
cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --sector-size 4096 "$stock" "$pass" || fail luksFormat
"$sg" attach --passphrase-file "$pass" "$stock" >"$work/out" || fail "attach of a stock volume"
mkfs.ext4 -q "$(awk '/^device/ {print $2}' "$work/out")"
"$sg" detach "$stock" || fail detach
for mode in --mount "--read-only --mount"; do
	# shellcheck disable=SC2086
	"$sg" attach --passphrase-file "$pass" $mode "$mount" "$stock" >"$work/out" || fail "attach of a stock volume"
	grep -q 'encryption only' "$work/out" || fail "attach does not say what is not there"
	[ "$mode" = --mount ] && echo body >"$mount/f"
	if [ "$mode" = --mount ]; then
		refuses 1 'no residue map.*retiring' "$sg" job complete --id x "$mount/f"
		refuses 1 'no residue map.*sweep' "$sg" sweep "$stock"
	else
		refuses 1 'read-only' "$sg" job complete --id x "$mount/f"
		refuses 1 'read-only' "$sg" sweep "$stock"
	fi
	bytes=$(stat -c %s "$stock")
	refuses 1 'no residue map|read-only' "$sg" resize --size 64M "$stock"
	[ "$(stat -c %s "$stock")" = "$bytes" ] || fail "a refused resize grew the image"
	"$sg" status "$stock" | grep -q 'encryption only' || fail "status does not say what is not there"
	[ "$(cat "$mount/f")" = body ] || fail "a refused job touched its file"
	"$sg" detach "$stock" || fail detach
done
ok "a volume without a map says so through every verb"

# --- a sweep is whole, or says what is missing ---
"$sg" attach --passphrase-file "$pass" "$image" >/dev/null || fail attach
refuses 3 'nothing is mounted' "$sg" sweep "$image"
"$sg" sweep --json "$image" >"$work/out" 2>/dev/null
jq -e '.result == "not whole"' "$work/out" >/dev/null || fail "a sweep without the mount says it is whole"
detach
attach >/dev/null
"$sg" sweep --json "$image" | jq -e '.result == "swept"' >/dev/null || fail "a sweep"
kill -9 "$("$sg" status --json "$image" | jq .process)"
sleep 0.3
"$sg" attach --passphrase-file "$pass" "$image" >/dev/null || fail "attach after a kill"
refuses 1 'nobody has judged' "$sg" sweep "$image"
detach
attach >/dev/null
"$sg" sweep "$image" >/dev/null || fail "a sweep after the mount"
detach
ok "a sweep that cannot reach everything says so"

# --- read-only ---
"$sg" attach --passphrase-file "$pass" --read-only --mount "$mount" "$image" >/dev/null || fail "read-only"
bytes=$(stat -c %s "$image")
refuses 1 'read-only' "$sg" resize --size 128M "$image"
[ "$(stat -c %s "$image")" = "$bytes" ] || fail "a refused resize grew the image"
detach

# --- without root ---
attach >/dev/null
echo body >"$mount/f"
chmod 777 "$mount"
chown 65534 "$mount/f"
chmod 755 "$work"
as_nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups env SPOOLGUARD_RUNTIME_DIR="$SPOOLGUARD_RUNTIME_DIR" "$@"; }
refuses 1 'run as root' as_nobody "$sg" job complete --id x "$mount/f"
refuses 1 'run as root' as_nobody "$sg" sweep "$image"
refuses 1 'run as root' as_nobody "$sg" detach "$image"
refuses 1 'run as root' as_nobody "$sg" detach --all
refuses 3 'run as root' as_nobody "$sg" status
refuses 3 'run as root' as_nobody "$sg" status "$image"
[ "$(cat "$mount/f")" = body ] || fail "the file was touched"
detach
ok "who may not is told so, and is not told that nothing is attached"

# --- prompts ---
if command -v script >/dev/null; then
	for signal in INT TERM QUIT HUP; do
		cat >"$work/prompt.sh" <<-EOF
			stty echo
			( sleep 0.7; pkill -$signal -f -x "$sg attach $image" ) &
			$sg attach $image
			stty -a | grep -qw -- -echo && echo BROKEN
			echo DONE
		EOF
		script -qec "bash $work/prompt.sh" /dev/null >"$work/out" 2>&1 </dev/null
		grep -q DONE "$work/out" || fail "prompt, SIG$signal: $(cat -v "$work/out")"
		grep -q BROKEN "$work/out" && fail "SIG$signal at the prompt leaves a terminal that shows nothing"
	done
	printf '\n\n' | script -qec "$sg format --size 64M $work/new.img" /dev/null >"$work/out" 2>&1
	grep -q 'protects nothing' "$work/out" || fail "an empty passphrase was taken: $(cat -v "$work/out")"
	[ ! -e "$work/new.img" ] || fail "a file was made"
	ok "a signal at the prompt leaves the terminal as it was; an empty passphrase is refused"
fi
