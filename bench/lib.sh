# SPDX-License-Identifier: Apache-2.0
# lib.sh - what the benchmarks share; sourced
#
# Every figure is a ratio of two things measured in turns in one run (A B A B),
# so that a machine whose speed drifts does not decide it.  Medians are quoted.

build=${BUILD:-$(cd "$(dirname "$0")/.." && pwd)/build}
sg=$build/spoolguard
work=$(mktemp -d "${BENCH_DIR:-/var/tmp}/spoolguard-bench.XXXXXX")
pass=$work/passphrase
export SPOOLGUARD_RUNTIME_DIR=$work/run
printf 'correct horse battery staple' > "$pass"
chmod 600 "$pass"
runs=${RUNS:-3}

cleanup() {
	trap - EXIT INT TERM
	"$sg" detach --all >/dev/null 2>&1
	findmnt -rno TARGET | grep -F "$work" | sort -r | while read -r at; do umount -l "$at"; done
	losetup -nO NAME,BACK-FILE | awk -v w="$work" 'index($2, w) {print $1}' | while read -r l; do losetup -d "$l"; done
	chattr -R -i "$work" 2>/dev/null
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

median() { sort -g | awk '{v[NR]=$1} END {if (NR%2) print v[(NR+1)/2]; else print (v[NR/2]+v[NR/2+1])/2}'; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN {printf "%.2f", (b > 0) ? a / b : 0}'; }
row() { printf '| %s | %s | %s | %s | %s |\n' "$@"; }
header() { printf '\n### %s\n\n| what | spoolguard | peer | ratio | bar |\n|---|---|---|---|---|\n' "$1"; }
seconds() { # seconds COMMAND...: wall time
	local start end
	start=$(date +%s.%N)
	"$@" >/dev/null 2>&1
	end=$(date +%s.%N)
	awk -v a="$start" -v b="$end" 'BEGIN {printf "%.4f", b - a}'
}
