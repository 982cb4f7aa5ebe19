#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# report.sh - what "make bench" measured, as one page and as plots
#
# Reads build/bench/results.tsv; writes report.md and, if there is gnuplot, one SVG for each
# table beside it.
set -eu

build=${BUILD:-$(cd "$(dirname "$0")/.." && pwd)/build}
at=$build/bench
[ -s "$at/results.tsv" ] || { echo "report.sh: nothing was measured yet: make bench" >&2; exit 1; }

{
	echo "# Benchmarks, $(date -u +%Y-%m-%d)"
	echo
	echo "$(nproc) processors ($(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)), $(free -g | awk '/^Mem/ {print $2}') GiB, Linux $(uname -r), load $(cut -d' ' -f1-3 /proc/loadavg) at the end"
	awk -F '\t' '$1 != last {printf "\n### %s\n\n| what | spoolguard | peer | ratio | bar |\n|---|---|---|---|---|\n", $1; last = $1}
		{printf "| %s | %s | %s | %s | %s |\n", $2, $3, $4, $5, $6}' "$at/results.tsv"
} > "$at/report.md"
echo "report: $at/report.md"

command -v gnuplot >/dev/null 2>&1 || exit 0
n=0
cut -f1 "$at/results.tsv" | awk '!seen[$0]++' | while IFS= read -r section; do
	n=$((n + 1))
	awk -F '\t' -v s="$section" '$1 == s && $4 + 0 > 0 {printf "\"%s\"\t%s\t%s\n", $2, $3 + 0, $4 + 0}' "$at/results.tsv" > "$at/plot.tsv"
	[ -s "$at/plot.tsv" ] || continue
	gnuplot <<-EOF
		set terminal svg size 900,420 font "sans-serif,11"
		set output "$at/plot-$n.svg"
		set title "${section//\"/}" noenhanced
		set style data histogram
		set style histogram clustered gap 1
		set style fill solid 0.8 border -1
		set yrange [0:*]
		set grid y
		set xtics rotate by -15 noenhanced
		set bmargin 7
		set key top left
		plot "$at/plot.tsv" using 2:xtic(1) title "spoolguard" linecolor rgb "#3366aa", \
			"" using 3 title "peer" linecolor rgb "#bbbbbb"
	EOF
	echo "plot: $at/plot-$n.svg"
done
rm -f "$at/plot.tsv"
