#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# demo.sh - a print server and a printer on an encrypted spool, twenty jobs, and what is left of them
#
# The real thing: Debian's cupsd with its filters and ghostscript, ippeveprinter as the multifunction
# printer, spoolguardd over both, in a directory of its own.  Twenty jobs of several kinds by several
# users are printed, cancelled, held and released; nobody calls anything to have them retired.  Then
# everything is searched: the raw medium, the decrypted volume with its free blocks and its journal, logs
# and caches, for text, titles and user names.  Last a drive has its last day.
#
# usage: demo.sh [BUILD-DIRECTORY]        KEEP=1 leaves the directory behind
set -u -o pipefail
export BUILD=${1:-build}
BUILD=$(realpath "$BUILD")
here=$(dirname "$(realpath "$0")")
TMPDIR=/var/tmp
export TMPDIR
. "$here/../tests/e2e/lib.sh"
. "$here/../tests/e2e/cupsd.sh"

server=$work/server # cupsd's directory
mfp=$mount/mfp	     # the printer's own spool
conf=$work/spoolguard.conf
export SPOOLGUARD_SOCKET=$work/run/io.spoolguard
failed=0

say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
shown() { local line=${*//$work\//}; line=${line//$sg/spoolguard}; printf '$ %s\n' "$line"; }
run() { shown "$@"; "$@" 2>&1 | sed "s#$work/##g"; return "${PIPESTATUS[0]}"; }
die() { echo "demo: $*" >&2; exit 1; }
expect() { # expect WHAT HITS some|none: keeps score
	local found=none
	[ "$2" -gt 0 ] && found=some
	if [ $found = "$3" ]; then
		echo "  $1: $2 hits"
	else
		echo "  $1: $2 hits, WRONG: $3 expected"
		failed=1
	fi
}
words='SECRET-BODY|Secret-Title|secretuser'
hits() { grep -a -o -E "$words" "$1" 2>/dev/null | wc -l; }
hits_below() { grep -r -a -o -E "$words" "$@" 2>/dev/null | wc -l; }

[ -x "$sg" ] || die "$sg is not built; run: make"
mkdir -p "$mount" "$server"/{etc,log,cache,run}
head -c 32 /dev/urandom | base64 > "$pass"
chmod 600 "$pass"

say "1. An encrypted spool of 512 MiB in one file"
run "$sg" format --size 512M --passphrase-file "$pass" "$image" || die "format failed"
run cryptsetup isLuks --type luks2 "$image" && echo "  stock cryptsetup recognises it"
if ! "$sg" attach --passphrase-file "$pass" "$image" >/dev/null 2>&1; then
	echo
	echo "FUSE, loop devices or mounting are not allowed here: the demo goes on without them, in-process."
	trap - EXIT INT TERM
	exec env KEEP="${KEEP:-}" "$here/demo-inprocess.sh" "$build" "$work"
fi
"$sg" detach "$image"

say "2. The service: it tests itself, then opens the spool and keeps it open"
cat > "$conf" <<EOF
[service]
socket = $SPOOLGUARD_SOCKET
state_directory = $work/state

[volume spool]
medium = $image
mount = $mount
unlock = key-file
key_file = $pass
bind = .cups/cache:$server/cache
bind = .cups/log:$server/log

[cups]
enabled = yes
server = $server/run/cups.sock
spool = $mount
temp = $mount/tmp
cache = $server/cache
wake = $server/run/spoolguard.wake
orphan = 5s
EOF
mkdir -p "$work/state"
run "$sg" config check "$conf" || die "the configuration is wrong"
shown spoolguardd --config "$conf" '&'
"$build/spoolguardd" --config "$conf" >"$work/spoolguardd.log" 2>&1 &
pids+=($!)
for _ in $(seq 300); do mountpoint -q "$server/log" && break; sleep 0.1; done
mountpoint -q "$server/log" || { cat "$work/spoolguardd.log"; die "the service did not open the spool"; }
run "$sg" selftest | tail -n 3
run "$sg" status | grep -v "not approved"


say "3. cupsd, as Debian ships it, starts on that spool; what would it leave behind?"
cp "$build/spoolguard-notifier" "$work/notifier" 2>/dev/null
cupsd_spool=$mount cupsd_start "$server" 'LogLevel info' || die "cupsd did not start"
[ -x "$work/notifier" ] && install -m 755 "$work/notifier" "$server/bin/notifier/spoolguard"
cups_files=(--config "$server/etc/cupsd.conf" --files-config "$server/etc/cups-files.conf")
run "$sg" cups check "${cups_files[@]}"
run "$sg" cups apply "${cups_files[@]}" || die "cups apply failed"

say "4. A printer (ippeveprinter) with a spool of its own on the volume, and queues for it"
mkdir -p "$mfp"
cat > "$work/engine" <<'EOF'
#!/bin/sh
# The print engine: takes the pages, and drops them.
cat "$1" >/dev/null
sleep 0.2
EOF
chmod +x "$work/engine"
cat > "$work/dbus.conf" <<EOF
<busconfig><type>system</type><listen>unix:path=$work/bus</listen>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>
EOF
dbus-daemon --config-file="$work/dbus.conf" --nofork --nopidfile 2>"$work/bus.log" &
pids+=($!)
for _ in $(seq 50); do [ -S "$work/bus" ] && break; sleep 0.1; done
mfp_port=$(cupsd_free_port)
env DBUS_SYSTEM_BUS_ADDRESS="unix:path=$work/bus" SPOOLGUARD="$sg" SPOOLGUARD_COMMAND="$work/engine" \
	ippeveprinter -p "$mfp_port" -n localhost -r off -k -d "$mfp" -f application/pdf,image/pwg-raster \
	-c "$here/../pipeline/spoolguard-ippeve-command.sh" "Ward 3" >"$work/mfp.log" 2>&1 &
pids+=($!)
for _ in $(seq 100); do
	ipptool -q "ipp://localhost:$mfp_port/ipp/print" get-printer-attributes.test 2>/dev/null && break
	sleep 0.1
done
lpadmin -p mfp -v "ipp://localhost:$mfp_port/ipp/print" -m everywhere -E || die "no queue for the printer"
queue_ps postscript 0.3
queue_raw labels 0.1
queue_raster photo 0.2
echo "  queues: mfp (pdf -> raster -> the printer), postscript (text -> pdf -> ps), photo (pdf -> raster), labels (raw)"

say "5. Twenty jobs by four users; nobody calls anything afterwards"
make_text() { # make_text NUMBER: a letter
	local line
	for line in $(seq 120); do printf 'SECRET-BODY of job %s, line %s: patient, diagnosis, invoice\n' "$1" "$line"; done
}
make_pdf() { # make_pdf NUMBER FILE: uncompressed, so that a search can find its text
	{
		printf '%%!PS-Adobe-3.0\n/Courier findfont 10 scalefont setfont\n'
		for page in 1 2; do
			for line in $(seq 40); do
				printf '40 %d moveto (SECRET-BODY of job %s page %d line %d) show\n' $((790 - line * 14)) "$1" $page "$line"
			done
			echo showpage
		done
	} | gs -q -dSAFER -dNOPAUSE -dBATCH -sDEVICE=pdfwrite -dCompressPages=false -dCompressStreams=false -sOutputFile="$2" -
}
users=(secretuser-ada secretuser-ben secretuser-cy secretuser-dee)
held=()
for i in $(seq 20); do
	make_text "$i" > "$work/letter.txt"
	make_pdf "$i" "$work/letter.pdf"
	options=(-U "${users[i % 4]}" -t "Secret-Title $i")
	case $((i % 5)) in
	0) lp -d mfp "${options[@]}" "$work/letter.pdf" ;;
	1) lp -d postscript "${options[@]}" "$work/letter.txt" ;;
	2) lp -d labels "${options[@]}" -o raw "$work/letter.txt" "$work/letter.pdf" ;;
	3) lp -d photo "${options[@]}" "$work/letter.pdf" ;;
	4) lp -d labels "${options[@]}" -o raw -H hold "$work/letter.txt" ;;
	esac > "$work/lp.out" || die "lp refused job $i"
	id=$(sed -n 's/^request id is .*-\([0-9]*\) .*/\1/p' "$work/lp.out")
	[ $((i % 5)) = 4 ] && held+=("$id")
	[ "$i" = 10 ] && echo "  ... while they print: $(hits "$image") hits on the raw medium, $(sync -f "$mount"; hits "$(findmnt -no SOURCE "$mount")") decrypted"
done
rm -f "$work/letter.txt" "$work/letter.pdf"
echo "  held: jobs ${held[*]}; two are cancelled, two released"
run "$sg" status | grep -v "not approved"
cancel "${held[0]}" "${held[1]}"
lp -i "${held[2]}" -H resume; lp -i "${held[3]}" -H resume

say "6. Every job is retired, by the service"
for _ in $(seq 600); do
	left=$("$sg" status --json | jq '.jobs.seen + .jobs.retiring + .jobs.held + .jobs.failed')
	waiting=$(lpstat -o 2>/dev/null | wc -l)
	[ "$left" = 0 ] && [ "$waiting" = 0 ] && [ -z "$(spool_files)" ] && break
	sleep 0.2
done
sleep 8 # the settle rounds, for what cupsd rewrites a second or more after a job
run "$sg" job list | tail -n 25
run "$sg" job show --source cups "${held[2]}"
run "$sg" status | grep -v "not approved"

say "7. What is left?"
sync -f "$mount"; echo 1 > /proc/sys/vm/drop_caches
shown find "$mount" -type f
find "$mount" -xdev -type f | sed "s#$work/##"
expect "files on the spool, in cupsd's logs and cache" "$(hits_below "$mount" "$server/log" "$server/cache")" none
expect "the service's ledger, events and log" "$(hits_below "$work/state" "$work/spoolguardd.log")" none
expect "raw medium (the image file)" "$(hits "$image")" none
expect "decrypted volume, free blocks and journal included" "$(hits "$(findmnt -no SOURCE "$mount")")" none

say "8. A job of random words is retired and searched for, in memory and swap too"
run "$sg" check residue --config "$conf" || failed=1

say "9. What an auditor checks elsewhere: a receipt and the log, by the key that was enrolled"
audit=$work/auditor
mkdir "$audit"
run "$sg" key public --config "$conf" --output "$audit/device.pub" || failed=1
run "$sg" receipt show --source cups --output "$audit/receipt" "${held[2]}" || failed=1
run "$sg" audit export --format json --output "$audit/log" "$work/state/audit" || failed=1
if command -v minisign >/dev/null; then
	echo "  stock minisign, which knows nothing of spoolguard:"
	run minisign -V -p "$audit/device.pub" -m "$audit/receipt" || failed=1
fi
run "$sg" receipt verify --trust "$audit/device.pub" --job "cups/${held[2]}" --log "$audit/log/audit" "$audit/receipt" || failed=1
run "$sg" audit verify --trust "$audit/device.pub" "$audit/log/audit" || failed=1
echo "  ... and with one digit of the receipt changed:"
sed 's/"verified_blocks":\([0-9]*\)/"verified_blocks":1\1/' "$audit/receipt" > "$audit/changed"
cp "$audit/receipt.minisig" "$audit/changed.minisig"
run "$sg" receipt verify --trust "$audit/device.pub" "$audit/changed" && failed=1
expect "receipt and log" "$(hits_below "$audit")" none

say "10. Everything stops, and the volume is searched offline"
cupsd_stop
kill "${pids[@]}" 2>/dev/null
wait "${pids[@]}" 2>/dev/null
pids=()
run "$sg" detach --all
run "$sg" inspect --passphrase-file "$pass" --search SECRET-BODY --search Secret-Title --search secretuser "$image" || failed=1

say "11. A drive's last day: a loop device on a file of its own stands for the drive"
head -c 16M /dev/urandom > "$work/drive.img"
sync "$work/drive.img"
drive=$(losetup -f --show --direct-io=on "$work/drive.img" 2>/dev/null || losetup -f --show "$work/drive.img") || die "no loop device"
export SPOOLGUARD_STATE_DIR=$work/state-of-the-bench SPOOLGUARD_SOCKET=
run "$sg" decommission --dry-run "$drive" || failed=1
serial=$("$sg" decommission --dry-run --json "$drive" | jq -r '.drives[0].serial')
certificate=$work/drive.json
run "$sg" decommission --standalone --confirm "$serial" --asset A-17 --certificate "$certificate" "$drive"
case $? in 0 | 3) ;; *) failed=1 ;; esac # 3: done, and the medium below promises neither Clear nor Purge
losetup -d "$drive"
other=$(tr -d '\227' < "$work/drive.img" | wc -c)
expect "bytes of it that are not 0x97" "$other" none
trusted=$SPOOLGUARD_STATE_DIR/keys/enrolment.pub
if command -v minisign >/dev/null; then
	run minisign -V -P "$(sed -n 2p "$trusted")" -m "$certificate" || failed=1
fi
run "$sg" certificate verify --trust "$trusted" "$certificate" || failed=1

[ $failed = 0 ] && say "Nothing of the jobs is left, and nothing of the drive." || say "SOMETHING IS WRONG: see above."
exit $failed
