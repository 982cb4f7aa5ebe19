#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# wipe-test.sh - the tests T1 to T6 of FPT_WIPE_EXT.1 (HCD cPP Supporting Document v1.0e) on a drive
#
# usage: wipe-test.sh --destroy SERIAL [OPTION...] DEVICE
#
# EVERYTHING ON DEVICE IS LOST.  SERIAL is what "spoolguard devices" prints for it.
#
#   T1  an encrypted volume is made on the drive, a job with known text is put into it; the same text,
#       this host's address as text and hexadecimal, and an administrator's name are also written in
#       clear to a thousand places beyond the volume's header, as if the drive had been used before
#   T2  "spoolguard decommission" is run; it shows progress, and says when it is done
#   T3  the drive's own commands were really issued: from the certificate's status logs
#   T4  the last pattern stands at the sectors that the document lists (read with dd)
#   T5  no key is left: stock cryptsetup does not open the volume, and no sector of the key slots
#       reads as before
#   T6  nothing that T1 left is found on the medium (grep over all of it); what cannot be read after
#       a cryptographic erase counts as not found, and is said
#
# Only the wipe is spoolguard's: the judging is done by dd, cmp, grep, jq and cryptsetup.  The volume
# begins at the beginning of the drive; nothing that uses the drive may be running.
#
#   --pattern BYTE     what the scheme leaves, in hexadecimal (97)
#   --verify HOW       of the wipe: full, stratified, hcd (full)
#   --keep DIR         where certificate and notes go (a new directory in the current one)
#   --option TEXT      one more option for "spoolguard decommission"; may be said again
#   --format-option TEXT  one more option for "spoolguard format"
#   --no-volume        T1 without the encrypted volume: T5 is then not applicable
#
# Exit: 0 every test passed or is not applicable, 1 one failed, 2 usage, 3 it could not be done.
# The program is found as SPOOLGUARD (spoolguard).
set -u -o pipefail
export LC_ALL=C

program=${SPOOLGUARD:-spoolguard}
pattern=97
verify=full
serial=
keep=
volume=yes
options=()
format_options=()

die() { echo "wipe-test: $1" >&2; exit "${2:-3}"; }
usage() { sed -n 's/^# usage: /usage: /p' "$0" >&2; exit 2; }

while [ $# -gt 0 ]; do
	case $1 in
	--destroy) serial=${2:?} && shift ;;
	--pattern) pattern=${2:?} && shift ;;
	--verify) verify=${2:?} && shift ;;
	--keep) keep=${2:?} && shift ;;
	--option) options+=("${2:?}") && shift ;;
	--format-option) format_options+=("${2:?}") && shift ;;
	--no-volume) volume= ;;
	-*) usage ;;
	*) break ;;
	esac
	shift
done
[ $# = 1 ] && [ -n "$serial" ] || usage
[[ $pattern =~ ^[0-9a-fA-F]{2}$ ]] || die "--pattern is two hexadecimal digits, not \"$pattern\"" 2
device=$1
for tool in dd cmp grep jq cryptsetup blockdev od awk sha256sum; do
	command -v $tool >/dev/null || die "$tool is missing: install it"
done
[ -b "$device" ] || die "$device is no block device: nothing was done"

# --- exactly this drive ---

told=$("$program" devices --json "$device" | jq -r '.devices[0].serial') || die "spoolguard cannot look at $device"
[ "$told" = "$serial" ] || die "$device is not the drive \"$serial\": nothing was done"
bytes=$(blockdev --getsize64 "$device") || die "$device tells no size"
sectors=$((bytes / 512))
[ $sectors -ge 65536 ] || die "$device is smaller than 32 MiB: nothing was done"
keep=${keep:-$PWD/wipe-test.$(date +%Y%m%dT%H%M%S)}
mkdir -p "$keep" || die "$keep cannot be made"

# --- the table ---

declare -A result detail
note() { # note T VERDICT TEXT
	[ "${result[$1]:-}" != FAIL ] || [ "$2" = FAIL ] || return 0
	[ "${result[$1]:-}" = "$2" ] || detail[$1]=
	result[$1]=$2
	detail[$1]+="${detail[$1]:+; }$3"
}

# --- T1: known data ---

mark=SPOOLGUARD-T1-$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n')
address=$(hostname -I 2>/dev/null | awk '{print $1}')
address=${address:-192.0.2.77} # a documentation address, where the host has none
hex=$(printf '%02x' ${address//./ } 2>/dev/null) || hex=
administrator=${SUDO_USER:-$(id -un)}-$mark # so that no chance finds "root"
header_sectors=0

leave_known_data() {
	{
		echo "$mark confidential: quarterly figures"
		echo "host address $address"
		[ -z "$hex" ] || { printf 'IPHEX:' && printf '%b' "$(sed 's/../\\x&/g' <<<"$hex")" && echo; }
		echo "administrator $administrator"
	} >"$keep/words"
	for ((i = 0; i < 64; i++)); do cat "$keep/words"; done >"$keep/job"
	head -c 4096 "$keep/job" >"$keep/piece"
	if [ -n "$volume" ]; then
		printf 'wipe test %s' "$mark" >"$keep/passphrase"
		"$program" format --force "${format_options[@]}" --passphrase-file "$keep/passphrase" "$device" >"$keep/format.txt" 2>&1 ||
			{ note T1 FAIL "no volume could be made: $(tail -n 1 "$keep/format.txt")" && return; }
		"$program" put --passphrase-file "$keep/passphrase" "$device" "$keep/job" job.prn >"$keep/put.txt" 2>&1 ||
			note T1 FAIL "the job could not be put into the volume: $(tail -n 1 "$keep/put.txt")"
		cryptsetup open --test-passphrase --key-file "$keep/passphrase" "$device" ||
			note T1 FAIL "stock cryptsetup does not open the volume"
		header_sectors=$(($(cryptsetup luksDump --dump-json-metadata "$device" | jq -r '.segments["0"].offset') / 512))
		# The key slots as they are, to be compared afterwards (T5).
		dd if="$device" of="$keep/header.before" bs=512 count=$header_sectors status=none
	fi
	local step i places at
	step=$(((sectors - header_sectors - 8) / 1000))
	[ $step -ge 8 ] || step=8
	for ((at = header_sectors; at + 8 <= sectors; at += step)); do
		dd if="$keep/piece" of="$device" bs=512 seek=$at conv=notrunc status=none || { note T1 FAIL "sector $at could not be written"; break; }
	done
	dd if="$keep/piece" of="$device" bs=512 seek=$((sectors - 8)) conv=notrunc status=none
	sync "$device"
	blockdev --flushbufs "$device"
	places=$(grep -aobF "$mark confidential" "$device" | wc -l)
	[ "$places" -ge 900 ] || note T1 FAIL "the known data is not on the medium"
	note T1 PASS "\"$mark\" at $places places"
}

# --- T2: the wipe ---

wipe() {
	local code
	"$program" decommission --confirm "$serial" --verify "$verify" --certificate "$keep/certificate.json" \
		"${options[@]}" "$device" >"$keep/wipe.txt" 2>"$keep/wipe.err"
	code=$?
	case $code in
	0 | 3) note T2 PASS "ended with exit code $code: $(tail -n 1 "$keep/wipe.txt")" ;;
	*) note T2 FAIL "exit code $code: $(tail -n 1 "$keep/wipe.err")" ;;
	esac
	[ -s "$keep/certificate.json" ] || note T2 FAIL "there is no certificate"
}

# --- T3: the command was issued ---

judge_command() {
	local methods
	[ -s "$keep/certificate.json" ] || { note T3 FAIL "no certificate to read" && return; }
	methods=$(jq -r '[.. | objects | select(has("status_after")) | "\(.method // .kind // .name): \(.state)"] | join(", ")' "$keep/certificate.json")
	if [ -n "$methods" ]; then
		note T3 PASS "$methods; status logs before and after are in the certificate"
		if command -v nvme >/dev/null && [[ $device == /dev/nvme* ]]; then
			nvme sanitize-log "$device" >"$keep/sanitize-log.txt" 2>&1 && note T3 PASS "nvme-cli's sanitize-log is kept"
		fi
	else
		note T3 NA "the drive offers no command of its own; the overwrite was written by the host"
	fi
}

# --- T4: the pattern at the listed sectors ---

check_run() { # check_run NAME FIRST COUNT
	local first=$2 count=$3 wrong
	wrong=$(dd if="$device" bs=512 skip="$first" count="$count" iflag=fullblock status=none |
		tr -d "\\$(printf '%03o' "0x$pattern")" | wc -c)
	local got
	got=$(dd if="$device" bs=512 skip="$first" count="$count" iflag=fullblock status=none | wc -c)
	[ "$got" = $((count * 512)) ] || { note T4 FAIL "$1: sectors from $first on cannot be read" && return; }
	[ "$wrong" = 0 ] || note T4 FAIL "$1: $wrong bytes from sector $first on are not 0x$pattern"
}
judge_pattern() {
	local middle=$((sectors / 2)) i at
	blockdev --flushbufs "$device"
	check_run "first 2049" 0 2049
	check_run "middle" $((middle - 129)) 259
	check_run "last 1025" $((sectors - 1025)) 1025
	for ((i = 0; i < 10; i++)); do
		at=$(($(od -An -N7 -tu8 /dev/urandom | tr -d ' ') % sectors))
		check_run "random" $at 1
	done
	[ $sectors -le 268435456 ] || check_run "beyond 2^28" 268435327 259
	[ $sectors -le 4294967296 ] || check_run "beyond 2^32" 4294967167 259
	note T4 PASS "0x$pattern at every listed sector"
}

# --- T5: no key ---

judge_keys() {
	local same
	[ -n "$volume" ] || { note T5 NA "no volume was made" && return; }
	! cryptsetup open --test-passphrase --key-file "$keep/passphrase" "$device" 2>/dev/null ||
		{ note T5 FAIL "the volume still opens" && return; }
	# Sectors of the header that held anything (not one byte over and over) and read as before.
	same=$({
		dd if="$device" bs=512 count=$header_sectors status=none | cmp -l - "$keep/header.before"
		echo END
		od -An -v -tx1 -w512 "$keep/header.before"
	} | awk 'BEGIN {n = 0} $1 == "END" {lines = 1; next}
		!lines {changed[int(($1 - 1) / 512)] = 1; next}
		{gsub(" " $1, ""); if ($0 != "" && !(n in changed)) same++; n++}
		END {print same + 0}')
	[ "$same" = 0 ] || note T5 FAIL "$same sectors of the header read as before"
	note T5 PASS "cryptsetup does not open it; none of $header_sectors sectors of its header reads as before"
}

# --- T6: nothing is found ---

search_for() { # search_for NAME TEXT
	local hits
	hits=$(grep -aobF -e "$2" "$device" 2>"$keep/search.err" | wc -l)
	[ "$hits" = 0 ] || note T6 FAIL "$1 is found $hits times"
	[ ! -s "$keep/search.err" ] || note T6 PASS "$1: not all of the medium could be read, which counts as not found"
}
judge_search() {
	blockdev --flushbufs "$device"
	search_for "the job's text" "$mark"
	search_for "the address as text" "host address $address"
	[ -z "$hex" ] || search_for "the address in hexadecimal digits" "IPHEX:$hex"
	if [ -n "$hex" ]; then
		[ "$(grep -aobP "IPHEX:$(sed 's/../\\x&/g' <<<"$hex")" "$device" 2>/dev/null | wc -l)" = 0 ] ||
			note T6 FAIL "the address as four bytes is found"
	fi
	search_for "the administrator's name" "$administrator"
	note T6 PASS "nothing of T1 is found in $bytes bytes"
}

leave_known_data
if [ "${result[T1]}" = PASS ]; then
	wipe
	judge_command
	judge_pattern
	judge_keys
	judge_search
fi
rm -f "$keep/header.before" "$keep/passphrase" "$keep/job" "$keep/words" "$keep/piece" # an escrow of the key is not left behind
failed=0
{
	echo "FPT_WIPE_EXT.1 on $device, serial $serial, $bytes bytes, $(date -u +%Y-%m-%dT%H:%M:%SZ)"
	for t in T1 T2 T3 T4 T5 T6; do
		printf '%s  %-4s  %s\n' $t "${result[$t]:-----}" "${detail[$t]:-not done}"
	done
} | tee "$keep/result.txt"
for t in T1 T2 T3 T4 T5 T6; do
	case ${result[$t]:-} in PASS | NA) ;; *) failed=1 ;; esac
done
exit $failed
