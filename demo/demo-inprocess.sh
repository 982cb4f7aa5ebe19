#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# demo-inprocess.sh - the demo where FUSE, loop devices or mounting are not allowed
#
# The same story without a mount and without root: jobs go into the image, are listed, searched
# for, retired and searched for again, all in the process of the command.  demo.sh runs it when it
# cannot attach; it may be run by hand, by any user.
#
# usage: demo-inprocess.sh [BUILD-DIRECTORY [WORK-DIRECTORY]]        KEEP=1 leaves the directory
#
# A WORK-DIRECTORY that holds spool.img and passphrase (demo.sh's) is used, and removed at the end.
set -u -o pipefail

build=$(realpath "${1:-build}")
here=$(dirname "$(realpath "$0")")
sg=$build/spoolguard
work=${2:-$(mktemp -d /var/tmp/spoolguard-demo.XXXXXX)}
image=$work/spool.img
pass=$work/passphrase
failed=0
export SPOOLGUARD_RUNTIME_DIR=$work/run

cleanup() {
	trap - EXIT INT TERM
	if [ -n "${KEEP:-}" ]; then
		echo "Kept: $work (passphrase in $pass)"
	else
		[ "$(id -u)" = 0 ] && chattr -i "$work/spool" 2>/dev/null
		rm -rf "$work"
	fi
}
trap cleanup EXIT
trap 'exit 130' INT TERM

say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
run() { # as one would type it
	local line=${*//$work\//}
	printf '$ %s\n' "${line//$sg/spoolguard}"
	"$@"
}
die() { echo "demo: $*" >&2; exit 1; }
expect() { # expect WHAT FOUND WANTED: keeps score
	if { [ "$3" = some ] && [ "$2" -gt 0 ]; } || { [ "$3" = none ] && [ "$2" -eq 0 ]; }; then
		echo "  $1: $2 hits"
	else
		echo "  $1: $2 hits, WRONG: $3 expected"
		failed=1
	fi
}
hits() { grep -a -o -E 'PATIENT-[0-9]+-SECRET|discharge-letter' | wc -l; }

# What the encrypted volume holds, by a program that shares no code with spoolguard.
plain_hits() {
	python3 "$here/../tests/tools/luks2_decrypt.py" "$image" "$pass" 2>/dev/null | hits
}
can_decrypt() { python3 "$here/../tests/tools/luks2_decrypt.py" --info "$image" "$pass" >/dev/null 2>&1; }

letter() { # letter NUMBER: a letter of a few pages, plain PostScript
	printf '%%!PS-Adobe-3.0\n/Courier findfont 11 scalefont setfont\n'
	for page in 1 2 3; do
		for line in $(seq 1 60); do
			printf '40 %d moveto (PATIENT-%d-SECRET page %d line %d) show\n' \
				$((790 - line * 12)) "$1" $page "$line"
		done
		echo showpage
	done
}

search() { # search WANTED: the raw medium and the decrypted volume
	echo "Search for the letters' text and titles:"
	expect "raw medium (the image file)" "$(hits < "$image")" none
	if can_decrypt; then
		expect "decrypted volume (an independent decryptor)" "$(plain_hits)" "$1"
	else
		echo "  decrypted volume: left to \"spoolguard inspect\" (python3 with its cryptography package is not there)"
	fi
}

[ -x "$sg" ] || die "$sg is not built; run: make"
if [ ! -e "$image" ]; then
	head -c 32 /dev/urandom | base64 > "$pass"
	chmod 600 "$pass"
	say "1. An encrypted spool of 256 MiB in one file"
	run "$sg" format --size 256M --passphrase-file "$pass" "$image" || die "format failed"
fi
opened=(--passphrase-file "$pass")

say "In-process: nothing is mounted, no root is needed"
cat <<EOF
FUSE, loop devices or mount(2) are not to be had here (a container, or an ordinary user).  So no
printer program can write into the spool by itself; jobs are handed to "spoolguard put" through a pipe,
and never lie unencrypted on a disk.  Map, passes, read-back and receipts are the same.
EOF

say "2. Six jobs arrive: PostScript and PDF, made on the spot"
for i in 1 2 3 4 5 6; do
	if [ $((i % 2)) = 0 ] && command -v gs >/dev/null; then
		letter $i | gs -q -dSAFER -dNOPAUSE -dBATCH -sDEVICE=pdfwrite -dCompressPages=false \
			-dCompressStreams=false -sOutputFile=- - |
			run "$sg" put "${opened[@]}" --parents "$image" - "jobs/$i-discharge-letter.pdf"
	else
		letter $i | run "$sg" put "${opened[@]}" --parents "$image" - "jobs/$i-discharge-letter.ps"
	fi || die "job $i was not accepted"
done
run "$sg" ls -l "${opened[@]}" "$image" jobs

say "3. While the jobs are there"
search some

say "4. Each job is retired: removed, three passes, read back, name and inode and journal swept"
"$sg" ls "${opened[@]}" "$image" jobs | sed 's,^\([0-9]*\)-,\1\tjobs/&,' > "$work/list"
run cat "$work/list"
run "$sg" job complete --jobs "$work/list" --image "$image" "${opened[@]}" || failed=1

say "5. Afterwards"
run "$sg" ls -l "${opened[@]}" "$image" jobs
search none
run "$sg" inspect "${opened[@]}" --search PATIENT- --search discharge-letter "$image" || failed=1

cat <<EOF

By hand:
  spoolguard format --size 256M spool.img                 asks for a passphrase
  some-program | spoolguard put spool.img - job-17.pdf
  spoolguard ls -l spool.img; spoolguard get spool.img job-17.pdf -
  spoolguard job complete --id 17 --image spool.img job-17.pdf
  spoolguard inspect --search TEXT spool.img
Where mounting is allowed, the same image goes on with "spoolguard attach --mount DIR spool.img".
EOF
if [ $failed = 0 ]; then
	say "Nothing of the jobs is left."
else
	say "SOMETHING IS WRONG: see above."
fi
exit $failed
