#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# audit.sh - what the audit log costs: records a second, bytes of a record, time to verify
#
# Records as the service writes one for each job, each durable before its caller goes on, by 1, 8 and
# 64 callers at once (bench/audit.c).  The peer writes as many bytes to a plain file and flushes
# it for each, alone: what the disk gives to who does not share flushes.  Then a log of a million
# records is made and verified by "spoolguard audit verify"; the peer reads the same bytes by
# sha256sum, which looks at nothing.
#
#   SECONDS_EACH (2)    RECORDS (1000000)    RUNS (3)
set -u -o pipefail
. "$(dirname "$0")/lib.sh"

each=${SECONDS_EACH:-2} records=${RECORDS:-1000000}

header "Audit log: durable records a second (median of $runs runs, $each s each)"
for threads in 1 8 64; do
	: > "$work/ours"; : > "$work/peer"
	for _ in $(seq "$runs"); do
		rm -rf "$work/log"; mkdir "$work/log"
		"$build/bench/audit" append "$work/log" $threads "$each" >> "$work/ours" || exit 1
		"$build/bench/audit" raw "$work/log" "$each" >> "$work/peer" || exit 1
	done
	ours=$(median < "$work/ours") peer=$(median < "$work/peer")
	row "$threads callers / write and fdatasync, one" "$ours" "$peer" "$(ratio "$ours" "$peer")" "-"
done

rm -rf "$work/log"; mkdir "$work/log"
bytes=$("$build/bench/audit" fill "$work/log" "$records") || exit 1
header "Audit log: size and verification of $records records"
row "bytes of a record of a job / (nothing)" "$bytes" 0 "-" "-"
: > "$work/ours"; : > "$work/peer"
for _ in $(seq "$runs"); do
	seconds "$sg" audit verify --trust "$work/log/keys/enrolment.pub" "$work/log/audit" >> "$work/ours"; echo >> "$work/ours"
	seconds sh -c "sha256sum '$work'/log/audit/segment-*" >> "$work/peer"; echo >> "$work/peer"
done
"$sg" audit verify --trust "$work/log/keys/enrolment.pub" "$work/log/audit" > "$work/verdict" || { cat "$work/verdict" >&2; exit 1; }
ours=$(median < "$work/ours") peer=$(median < "$work/peer")
row "verify, s / sha256sum of the segments, s" "$ours" "$peer" "$(ratio "$ours" "$peer")" "< 10 s for a million"
