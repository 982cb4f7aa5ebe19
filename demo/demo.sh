#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# demo.sh - one spool, a real printer program, real jobs, and what is left of them
#
# Makes an image file, formats it as a spoolguard volume, mounts it, lets
# ippeveprinter (a real IPP printer program) write print jobs into it, retires
# each job, and searches the raw medium and the decrypted volume before and
# after.  Touches nothing but a directory of its own.
#
# usage: demo.sh [BUILD-DIRECTORY]        KEEP=1 leaves the directory behind
set -u -o pipefail

build=$(realpath "${1:-build}")
here=$(dirname "$(realpath "$0")")
sg=$build/spoolguard
work=$(mktemp -d /var/tmp/spoolguard-demo.XXXXXX)
image=$work/spool.img
mount=$work/spool
pass=$work/passphrase
bus= printer= attached= failed=0
port=$((20000 + $$ % 20000))
export SPOOLGUARD_RUNTIME_DIR=$work/run

cleanup() {
	trap - EXIT INT TERM
	[ -n "$printer" ] && kill "$printer" 2>/dev/null && wait "$printer" 2>/dev/null
	[ -n "$bus" ] && kill "$bus" 2>/dev/null && wait "$bus" 2>/dev/null
	[ -n "$attached" ] && "$sg" detach "$image" >/dev/null
	if [ -n "${KEEP:-}" ]; then
		echo "Kept: $work (passphrase in $pass)"
	else
		chattr -i "$mount" 2>/dev/null
		rm -rf "$work"
	fi
}
trap cleanup EXIT
trap 'exit 130' INT TERM

say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
run() { printf '$ %s\n' "${*//$work\//}"; "$@"; }
die() { echo "demo: $*" >&2; exit 1; }
expect() { # expect WHAT FOUND some|none: keeps score
	local found=none
	[ "$2" -gt 0 ] && found=some
	if [ $found = "$3" ]; then
		echo "  $1: $2 hits"
	else
		echo "  $1: $2 hits, WRONG: $3 expected"
		failed=1
	fi
}
hits() { grep -a -o -E 'PATIENT-[0-9]+-SECRET' "$1" 2>/dev/null | wc -l; }

make_document() { # make_document NUMBER FILE.ps: a letter of a few pages, plain PostScript
	{
		printf '%%!PS-Adobe-3.0\n/Courier findfont 11 scalefont setfont\n'
		for page in 1 2 3; do
			for line in $(seq 1 60); do
				printf '40 %d moveto (PATIENT-%d-SECRET page %d line %d) show\n' \
					$((790 - line * 12)) "$1" $page "$line"
			done
			echo showpage
		done
	} > "$2"
}

cat > "$work/print.test" <<'EOF'
{
	OPERATION Print-Job
	GROUP operation-attributes-tag
	ATTR charset attributes-charset utf-8
	ATTR language attributes-natural-language en
	ATTR uri printer-uri $uri
	ATTR name requesting-user-name $user
	ATTR name job-name $title
	ATTR mimeMediaType document-format $filetype
	FILE $filename
	STATUS successful-ok
}
EOF

start_printer() {
	cat > "$work/dbus.conf" <<-EOF
	<busconfig><type>system</type><listen>unix:path=$work/bus</listen>
	<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>
	EOF
	dbus-daemon --config-file="$work/dbus.conf" --nofork --nopidfile 2>"$work/bus.log" &
	bus=$!
	for _ in $(seq 50); do [ -S "$work/bus" ] && break; sleep 0.1; done
	cat > "$work/engine" <<-EOF
	#!/bin/sh
	# The print engine: rasterises the document, as a printer would, and drops the pages.
	gs -q -dSAFER -dNOPAUSE -dBATCH -sDEVICE=pbmraw -r50 -sOutputFile=/dev/null "\$1" >/dev/null
	EOF
	chmod +x "$work/engine"
	DBUS_SYSTEM_BUS_ADDRESS=unix:path=$work/bus ippeveprinter -p $port -n localhost -r off -k \
		-d "$mount/jobs" -f application/pdf,application/postscript -c "$work/engine" "Ward 3" \
		>"$work/printer.log" 2>&1 &
	printer=$!
	for _ in $(seq 100); do
		ipptool -q "ipp://localhost:$port/ipp/print" get-printer-attributes.test 2>/dev/null && return
		sleep 0.1
	done
	cat "$work/printer.log" >&2
	die "ippeveprinter did not come up"
}

# A printer that is still busy with the last job says so, and is asked again.
print_job() {
	for _ in $(seq 150); do
		ipptool -q -f "$2" -d "filetype=$3" -d "title=discharge letter $1" -d "user=nurse$1" \
			"ipp://localhost:$port/ipp/print" "$work/print.test" && return
		sleep 0.2
	done
	return 1
}

[ -x "$sg" ] || die "$sg is not built; run: make"
mkdir -p "$mount"
head -c 32 /dev/urandom | base64 > "$pass"
chmod 600 "$pass"

say "1. An encrypted spool of 256 MiB in one file"
run "$sg" format --size 256M --passphrase-file "$pass" "$image" || die "format failed"
run cryptsetup isLuks --type luks2 "$image" && echo "  stock cryptsetup recognises it"

if ! run "$sg" attach --passphrase-file "$pass" --mount "$mount" "$image"; then
	echo
	echo "FUSE, loop devices or mounting are not allowed here: the demo goes on without them, in-process."
	exec env KEEP="${KEEP:-}" "$here/demo-inprocess.sh" "$build" "$work"
fi
attached=1
device=$(findmnt -n -o SOURCE "$mount")
mkdir -p "$mount/jobs"

say "2. A printer starts on it, and six jobs arrive"
start_printer
for i in 1 2 3 4 5 6; do
	make_document $i "$work/letter$i.ps"
	file=$work/letter$i.ps
	type=application/postscript
	if [ $((i % 2)) = 0 ]; then # every second job is a PDF
		gs -q -dSAFER -dNOPAUSE -dBATCH -sDEVICE=pdfwrite -dCompressPages=false -dCompressStreams=false \
			-sOutputFile="$work/letter$i.pdf" "$file"
		file=$work/letter$i.pdf
		type=application/pdf
	fi
	print_job "$i" "$file" "$type" || die "job $i was not accepted"
	echo "  job $i: $(basename "$file"), $(stat -c %s "$file") bytes"
done
for _ in $(seq 200); do # printed?
	[ "$(ipptool -tv "ipp://localhost:$port/ipp/print" get-completed-jobs.test 2>/dev/null |
		grep -c 'job-id (integer)')" -ge 6 ] && break
	sleep 0.1
done
sync -f "$mount"
run ls -l "$mount/jobs"

say "3. While the jobs are there"
run "$sg" status "$image"
echo "Search for the letters' text:"
expect "raw medium (the image file)" "$(hits "$image")" none
expect "decrypted volume ($device)" "$(hits "$device")" some

say "4. Each job is retired: three passes in place, read back, removed, free space and journal swept"
for i in 1 2 3 4 5 6; do
	run "$sg" job complete --id "$i" "$mount"/jobs/"$i"-* || failed=1
done

say "5. Afterwards"
run ls -l "$mount/jobs"
run "$sg" status "$image"
echo "Search for the letters' text:"
expect "raw medium (the image file)" "$(hits "$image")" none
sync -f "$mount"; echo 1 > /proc/sys/vm/drop_caches
expect "decrypted volume ($device)" "$(hits "$device")" none

say "6. The printer stops, the volume is detached, and everything is searched offline"
kill "$printer"; wait "$printer" 2>/dev/null; printer=
run "$sg" detach "$image" && attached=
run "$sg" inspect --passphrase-file "$pass" --search PATIENT- --search 'discharge letter' --search nurse "$image" || failed=1

cat <<EOF

By hand:
  spoolguard format --size 256M spool.img            asks for a passphrase
  spoolguard attach --mount /mnt/spool spool.img
  ... print into /mnt/spool ...
  spoolguard job complete --id 17 /mnt/spool/FILE    prints the receipt
  spoolguard detach spool.img
  spoolguard inspect --search TEXT spool.img
  grep -a -c TEXT spool.img; cryptsetup luksDump spool.img
EOF
[ $failed = 0 ] && say "Nothing of the jobs is left." || say "SOMETHING IS WRONG: see above."
exit $failed
