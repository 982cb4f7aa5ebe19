# SPDX-License-Identifier: Apache-2.0
# lib.sh - what the benchmarks share; sourced
#
# Every figure is a ratio of two things measured in turns in one run (A B A B),
# so that a machine whose speed drifts does not decide it.  Medians are quoted.
# What is printed is also kept in build/bench/results.tsv, for bench/report.sh.

build=${BUILD:-$(cd "$(dirname "$0")/.." && pwd)/build}
sg=$build/spoolguard
work=$(mktemp -d "${BENCH_DIR:-/var/tmp}/spoolguard-bench.XXXXXX")
pass=$work/passphrase
results=$build/bench/results.tsv
export SPOOLGUARD_RUNTIME_DIR=$work/run
mkdir -p "$build/bench"
printf 'correct horse battery staple' > "$pass"
chmod 600 "$pass"
runs=${RUNS:-3}

cleanup() {
	trap - EXIT INT TERM
	"$sg" detach --all >/dev/null 2>&1
	# What was mounted last goes first: a mount may stand on a device whose file another carries.
	findmnt -rno TARGET | grep -F "$work" | tac | while read -r at; do umount "$at" 2>/dev/null; done
	losetup -nO NAME,BACK-FILE | awk -v w="$work" 'index($2, w) {print $1}' | while read -r l; do losetup -d "$l"; done
	findmnt -rno TARGET | grep -F "$work" | tac | while read -r at; do umount -l "$at"; done
	chattr -R -i "$work" 2>/dev/null
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

have() { command -v "$1" >/dev/null 2>&1; }
median() { sort -g | awk '{v[NR]=$1} END {if (NR%2) print v[(NR+1)/2]; else print (v[NR/2]+v[NR/2+1])/2}'; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN {printf "%.2f", (b > 0) ? a / b : 0}'; }
short() { awk -v x="$1" 'BEGIN {if (x + 0 != x) print x; else printf (x < 10) ? "%.3f" : (x < 100) ? "%.1f" : "%.0f", x}'; }
row() { # row WHAT OURS PEER RATIO BAR
	printf '| %s | %s | %s | %s | %s |\n' "$1" "$(short "$2")" "$(short "$3")" "$4" "$5"
	printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$section" "$1" "$(short "$2")" "$(short "$3")" "$4" "$5" >> "$results"
}
header() {
	section=$1
	printf '\n### %s\n\n| what | spoolguard | peer | ratio | bar |\n|---|---|---|---|---|\n' "$1"
}
seconds() { # seconds COMMAND...: wall time
	local start end
	start=$(date +%s.%N)
	"$@" >/dev/null 2>&1
	end=$(date +%s.%N)
	awk -v a="$start" -v b="$end" 'BEGIN {printf "%.4f", b - a}'
}
memory_medium() { # memory_medium DIRECTORY SIZE: a file system in memory there
	mkdir -p "$1" && mount -t tmpfs -o "size=$2" spoolguard-bench "$1"
}
format_volume() { # format_volume OPTION... IMAGE: its key derivation is short, nothing here measures it
	"$sg" format --kdf-time 50 --passphrase-file "$pass" "$@" >/dev/null
}
attach_volume() { # attach_volume OPTION... IMAGE: prints the device
	"$sg" attach --passphrase-file "$pass" --json "$@" 2>/dev/null | jq -r .device
}
volume_process() { pgrep -n -f "^[^ ]*spoolguard-volume --path $1 "; }
