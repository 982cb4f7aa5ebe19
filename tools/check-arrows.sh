#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# check-arrows.sh - holds every #include against the arrows between folders
#
# usage: check-arrows.sh [ROOT]
#
# The arrows are read from ROOT/Makefile (FOLDERS, USES_folder, OWNS_folder), which links by
# them too.  Found are:
#   A1  a header of ours from a folder that this folder may not use
#   A2  a header of ours that is not named by its folder, or is not there
#   A3  a library's header in a folder that does not own it
#   A4  in tests/FOLDER: a header of ours that FOLDER may not use (tests may name any library,
#       they are judges; tests/support is for all)
set -u
cd "${1:-$(dirname "$0")/..}" || exit 2
[ -r Makefile ] || { echo "check-arrows: no Makefile in $PWD" >&2; exit 2; }

files=()
for folder in $(awk '/^FOLDERS[ \t]*:=/ { sub(/^[^=]*=/, ""); print }' Makefile) support; do
	for file in "$folder"/*.[ch] "tests/$folder"/*.[ch] "tests/$folder"/*/*.[ch]; do
		[ -e "$file" ] && files+=("$file")
	done
done
[ ${#files[@]} -gt 0 ] || { echo "check-arrows: no sources in $PWD" >&2; exit 2; }

awk '
	function fail(text) {
		printf "%s:%d: %s\n", FILENAME, FNR, text
		bad = 1
	}
	FILENAME == "Makefile" {
		if (match($0, /^(FOLDERS|USES_[a-z]+|OWNS_[a-z]+)[ \t]*:=/)) {
			name = $1
			sub(/:=.*/, "", name)
			value = $0
			sub(/^[^=]*=[ \t]*/, "", value)
			count = split(value, words, /[ \t]+/)
			for (i = 1; i <= count; i++) {
				if (name == "FOLDERS")
					is_folder[words[i]] = 1
				else if (name ~ /^USES_/)
					uses[substr(name, 6), words[i]] = 1
				else
					owner[words[i]] = substr(name, 6)
			}
		}
		next
	}
	FNR == 1 {
		count = split(FILENAME, part, "/")
		is_test = part[1] == "tests"
		folder = is_test ? part[2] : part[1]
	}
	/^[ \t]*#[ \t]*include[ \t]*"/ {
		split($0, quoted, "\"")
		header = quoted[2]
		there = header
		sub(/\/[^\/]*$/, "", there)
		if (header !~ /\// || (getline line < header) < 0)
			fail("\"" header "\": name it by its folder (A2)")
		else if (is_test && (folder == "support" || there ~ /^tests\/support(\/|$)/ || there == "tests/" folder))
			;
		else if (!(there in is_folder))
			fail("\"" header "\": " there "/ is none of the folders (A2)")
		else if (there != folder && !((folder, there) in uses))
			fail("\"" header "\": " folder "/ may not use " there "/ (" (is_test ? "A4" : "A1") ")")
		close(header)
	}
	/^[ \t]*#[ \t]*include[ \t]*</ && !is_test {
		header = $0
		sub(/^[^<]*</, "", header)
		sub(/>.*/, "", header)
		for (beginning in owner)
			if (index(header, beginning) == 1 && owner[beginning] != folder)
				fail("<" header ">: belongs to " owner[beginning] "/ alone (A3)")
		split(header, parts, "/")
		if (parts[1] in is_folder)
			fail("<" header ">: ours, so in quotes (A2)")
	}
	END { exit bad }
' Makefile "${files[@]}"
