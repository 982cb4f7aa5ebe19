#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# fuzz.sh - every decoder of outside bytes under clang's libFuzzer, from generated seeds
#
# usage: fuzz.sh SECONDS      for each target; 0: the seeds alone
#
# The targets are tests/*/test_fuzz_*.c (see tests/support/fuzz.h).  What a run finds stays
# in build/fuzz/NAME/: inputs that reached new code, and crash-* for what failed.
set -eu
cd "$(dirname "$0")/.."
seconds=${1:?usage: fuzz.sh SECONDS}
make=${MAKE:-make}
unset MAKEFLAGS MAKELEVEL MFLAGS
san=fuzzer,address,undefined
built=build/san-${san//,/-}

tools/have.sh clang || exit 0
targets=()
for source in tests/*/test_fuzz_*.c; do
	targets+=("${source%.c}")
done
"$make" -s -j "${JOBS:-2}" "${targets[@]/#/build/}" >/dev/null
"$make" -s -j "${JOBS:-2}" CC=clang SAN="$san" CFLAGS=-DSPOOLGUARD_FUZZER \
	"${targets[@]/#/$built/}" >/dev/null

failed=0
for target in "${targets[@]}"; do
	name=${target##*/test_fuzz_}
	work=build/fuzz/$name
	mkdir -p "$work/seeds" "$work/found"
	"build/$target" --write "$work/seeds" >/dev/null
	limit=(-max_total_time="$seconds")
	[ "$seconds" != 0 ] || limit=(-runs=0)
	if "$built/$target" "${limit[@]}" -timeout=10 -rss_limit_mb=1024 -max_len=20000 \
		-print_final_stats=1 -artifact_prefix="$work/" "$work/found" "$work/seeds" \
		>"$work/log" 2>&1; then
		printf 'PASS  %-8s %s inputs\n' "$name" \
			"$(sed -n 's/^stat::number_of_executed_units: *//p' "$work/log")"
	else
		printf 'FAIL  %-8s see %s\n' "$name" "$work/log"
		tail -n 30 "$work/log"
		failed=1
	fi
done
exit $failed
