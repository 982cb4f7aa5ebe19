#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# fill-manual.sh - a manual page, with what it has from elsewhere written in
#
# usage: fill-manual.sh PROGRAM INTERFACE PAGE
#
# The line @verbs@ of PAGE gives way to a subsection for each verb that "PROGRAM help" lists, made of
# the verb's own usage text, and @interface@ to the file INTERFACE, so that they cannot differ.
#
# A usage text is: lines of "usage: ..." (what follows them indented), paragraphs apart from each
# other by empty lines, and lists of "  --option ARG   what it does", whose text goes on in lines that
# are indented further.  Anything else that is indented stays as it is.
set -eu -o pipefail
program=$1 interface=$2 page=$3

verb_to_mdoc() { # verb_to_mdoc VERB < USAGE-TEXT
	awk -v name="$1" '
	# A text line must not be taken for a request, nor a backslash for an escape.
	function quoted(text) {
		gsub(/\\/, "\\e", text)
		gsub(/-/, "\\-", text)
		if (text ~ /^[.\047]/)
			text = "\\&" text
		return text
	}

	# Running text: a sentence begins on a line of its own.
	function say(text) {
		text = quoted(text)
		gsub(/[.]  /, ".\n", text)
		print text
	}

	function end_list() {
		if (list)
			print ".El"
		list = 0
	}

	function end_literal() {
		if (literal)
			print ".Ed"
		literal = 0
	}

	function begin_literal() {
		end_list()
		if (!literal)
			print ".Bd -literal -offset indent"
		literal = 1
	}

	BEGIN {
		print ".Ss " name
		first = 1
	}

	# The lines of "usage:" are one synopsis, to the next empty line.
	/^usage: / { begin_literal(); sub(/^usage: /, ""); synopsis = 1; print quoted($0); next }
	synopsis && /^ / { sub(/^       /, ""); print quoted($0); next }
	synopsis { synopsis = 0; end_literal() }

	/^$/ { end_literal(); apart = 1; next }

	/^  -/ {
		end_literal()
		match($0, /^  +-[^ ]*( ?[^ ]+)*/)
		option = substr($0, 3, RLENGTH - 2)
		text = substr($0, RLENGTH + 1)
		# What stands two blanks or more after the option is its text.
		if (match(substr($0, 3), /   */)) {
			option = substr($0, 3, RSTART - 1)
			text = substr($0, 2 + RSTART + RLENGTH)
		}
		if (!list)
			print ".Pp\n.Bl -tag -width Ds -compact"
		list = 1
		print ".It " quoted(option)
		if (text != "")
			say(text)
		apart = 0
		next
	}

	list && /^    / { sub(/^ +/, ""); say($0); next }

	/^ / { begin_literal(); print quoted($0); apart = 0; next }

	{
		end_list()
		end_literal()
		if (apart || first)
			print ".Pp"
		apart = first = 0
		say($0)
	}

	END { end_list(); end_literal() }
'
}

verbs() {
	local verb list
	list=$("$program" help)
	for verb in $(awk '/^  [a-z]/ {print $1}' <<<"$list"); do
		"$program" help "$verb" | verb_to_mdoc "$verb"
	done
}

interface_text() { sed 's/\\/\\e/g; s/-/\\-/g; s/^[.'"'"']/\\\&&/' "$interface"; }

while IFS= read -r line; do
	case $line in
	@verbs@) verbs ;;
	@interface@) interface_text ;;
	*) printf '%s\n' "$line" ;;
	esac
done <"$page"
