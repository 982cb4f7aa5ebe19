#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# test_manuals.sh - the manuals, the shipped configuration and the completion say what the programs say
#
#   every program that is installed has a page, and no page has a warning
#   every verb, every option and every key is in its page, and every key of a page is one
#   spoolguard.conf as shipped shows each key with its default, and is accepted, also with all of it uncommented
set -u
cd "$(dirname "$0")/../.." || exit 2
build=${BUILD:-$PWD/build}
work=$(mktemp -d "${TMPDIR:-/var/tmp}/sg-manuals.XXXXXX")
trap 'rm -rf "$work"' EXIT
bad=0
wrong() { echo "FAILED: $*" >&2; bad=1; }

[ -x "$build/spoolguard" ] || { echo "skipped: $build/spoolguard is not built"; exit 77; }

# --- pages ---

pages=$build/man
tools/have.sh mandoc >/dev/null && mandoc=1
tools/have.sh groff >/dev/null && groff=1
for page in "$pages"/*.in; do
	said=$(${mandoc:+mandoc -Tlint -Wwarning "$page"} 2>&1 </dev/null)
	[ -z "$said" ] || wrong "$said"
	said=$(${groff:+groff -ww -mandoc -Tutf8 -z "$page"} 2>&1 </dev/null)
	[ -z "$said" ] || wrong "${page##*/}: $said"
done

BUILD=$build PREFIX=/usr packaging/install.sh list >"$work/list"
while read -r mode path; do
	name=${path##*/}
	case $mode$path in
	755*/notifier/*) name=spoolguard-notifier ;;
	755*/nbdkit-spoolguard-plugin.so) name=nbdkit-spoolguard-plugin ;;
	755*/share/spoolguard/*) continue ;; # called by others; docs/ has them
	755*) ;;
	*/spoolguard.conf | */io.spoolguard.varlink)
		[[ $path != /etc/* && $path != *.varlink ]] && continue
		name=${name%.varlink}
		;;
	*) continue ;;
	esac
	grep -qE "/man[1-8]/$name\.[1-8]$" "$work/list" || wrong "$path has no manual page"
done <"$work/list"

# --- verbs and options ---

has_option() { grep -qE -- "(^|[^a-z-])$2([^a-z-]|$)" "$1"; }
sed 's/\\-/-/g' "$pages/spoolguard.1.in" >"$work/spoolguard.1"
for verb in $("$build/spoolguard" help | awk '/^  [a-z]/ {print $1}'); do
	grep -qx "\.Ss $verb" "$work/spoolguard.1" || wrong "spoolguard.1 has no verb $verb"
	for option in $("$build/spoolguard" help "$verb" | grep -oE -- '--[a-z][a-z-]*' | sort -u); do
		has_option "$work/spoolguard.1" "$option" || wrong "spoolguard.1 lacks $option of $verb"
	done
done
for option in $("$build/spoolguardd" --help | grep -oE -- '--[a-z][a-z-]*' | sort -u); do
	grep -qE "(Fl |\| Fl )${option#-}( |$)" "$pages/spoolguardd.8.in" || wrong "spoolguardd.8 lacks $option"
done
while read -r method; do
	grep -q "method $method" "$pages/io.spoolguard.7.in" || wrong "io.spoolguard.7 lacks $method"
done < <(sed -n 's/^method \([A-Za-z]*\)(.*/\1/p' supervisor/io.spoolguard.varlink)

# --- keys: "SECTION KEY DEFAULT", of the program, of the page, of the file ---

# [roles] has other values as shipped: the page has their defaults.
"$build/spoolguardd" --print-config-keys | awk -F'\t' '{print $1 "|" $2 "|" $3}' | sort >"$work/keys"
awk '/^\.Ss \[/ {gsub(/^\.Ss \[|\]$/, ""); section = $0}
	/^\.Sh / {section = ""}
	section != "" && /^\.It Cm / {
		key = $3
		value = $0
		if (!sub(/.* Ar /, "", value)) value = ""
		print section "|" key "|" value
	}' "$pages/spoolguard.conf.5.in" | sort >"$work/page"
diff "$work/keys" "$work/page" >"$work/diff" || wrong "spoolguard.conf.5 (>) and the program (<) differ: $(grep '^[<>]' "$work/diff")"

awk '/^#?\[/ {
		section = $0
		gsub(/^#?\[|\]$/, "", section)
		sub(/^(volume|watch) .*/, "& NAME", section)
		split(section, word, " ")
		if (word[1] == "volume" || word[1] == "watch") section = word[1] " NAME"
	}
	/^#?[a-z_]+ =/ {
		line = $0
		sub(/^#/, "", line)
		key = line
		sub(/ =.*/, "", key)
		value = line
		sub(/^[a-z_]+ = ?/, "", value)
		print section "|" key "|" value
	}' packaging/spoolguard.conf | sort >"$work/file"
without() { # the values that an example has, or that are other than the default on purpose
	sed -E 's/^(roles\|[a-z]+|cups\|restart_command|volume NAME\|(medium|mount|bind)|watch NAME\|directory)\|.*/\1|/' "$1" | sort
}
diff <(without "$work/keys") <(without "$work/file") >"$work/diff" ||
	wrong "packaging/spoolguard.conf (>) and the program (<) differ: $(grep '^[<>]' "$work/diff")"

if "$build/spoolguard" help config >/dev/null 2>&1; then
	install -m 600 packaging/spoolguard.conf "$work/shipped.conf"
	"$build/spoolguard" config check "$work/shipped.conf" >"$work/said" 2>&1 ||
		wrong "packaging/spoolguard.conf: $(cat "$work/said")"
	sed -E 's/^#(\[|[a-z_]+ = ?)/\1/' packaging/spoolguard.conf >"$work/all.conf"
	chmod 600 "$work/all.conf"
	"$build/spoolguard" config check "$work/all.conf" >"$work/said" 2>&1 ||
		wrong "packaging/spoolguard.conf, all of it: $(cat "$work/said")"
fi

# --- completion ---

# shellcheck source=/dev/null
. packaging/bash-completion
complete_words() { # complete_words WORD...: what may stand for the last
	COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
	_spoolguard "$build/spoolguard" 2>/dev/null
	printf '%s\n' "${COMPREPLY[@]}"
}
for verb in $("$build/spoolguard" help | awk '/^  [a-z]/ {print $1}'); do
	complete_words spoolguard "$verb" | grep -qx "$verb" || wrong "the completion does not know $verb"
	for option in $("$build/spoolguard" help "$verb" | grep -oE -- '^  --[a-z][a-z-]*' | sort -u); do
		complete_words spoolguard "$verb" "$option" | grep -qx -- "$option" ||
			wrong "the completion does not know $option of $verb"
	done
done
complete_words spoolguard key '' | grep -qx backup || wrong "the completion does not know key backup"
complete_words spoolguard format --scheme thr | grep -qx three-pass || wrong "the completion does not know schemes"
complete_words spoolguard check --profile hi | grep -qx hipaa || wrong "the completion does not know the profiles of check"

exit $bad
