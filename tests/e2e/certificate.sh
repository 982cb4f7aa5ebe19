#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# certificate.sh - a certificate of sanitization on another machine: verified, and each forgery
# found, by spoolguard and by the lines of docs/EVIDENCE.md; and its page
set -u -o pipefail
. "$(dirname "$0")/lib.sh"
for tool in minisign jq sha256sum pdftotext pdfinfo pdffonts; do
	command -v $tool >/dev/null || skip "needs $tool"
done
export SPOOLGUARD_SOCKET=''
writer=$build/tests/decommission/certificate_writer
make -s -C "$root" BUILD="${build#"$root"/}" "${build#"$root"/}/tests/decommission/certificate_writer" >/dev/null || fail "certificate_writer is not built"

sed -n '/^### A certificate with stock tools/,/^## /{/^```sh$/,/^```$/p}' "$root/docs/EVIDENCE.md" | grep -v '^```' >"$work/lines.sh"
[ "$(wc -l <"$work/lines.sh")" = 10 ] || fail "EVIDENCE.md does not have ten lines: $(wc -l <"$work/lines.sh")"
run_lines() { TRUSTED=$1 FILE=$2 bash "$work/lines.sh" >"$work/said" 2>&1; }

mkdir "$work/good"
file=$work/good/drive.json key=$work/key.pub
sum=$("$writer" "$file" "$key") || fail "certificate_writer"
minisign -Vq -p "$key" -m "$file" || fail "stock minisign does not take it"
"$sg" certificate verify --trust "$key" "$file" >"$work/out" || fail "a good one: $(cat "$work/out")"
for words in 'good, signed by' 'neither Clear nor Purge' ZC1ABCDE 'remains uncertain' "$sum" 'Jürgen Großmann' 'approved by'; do
	grep -qF "$words" "$work/out" || fail "verify does not print: $words"
done
run_lines "$key" "$file"
! grep -q BAD "$work/said" || fail "the lines of EVIDENCE.md: $(cat "$work/said")"
grep -q "$sum" "$work/said" || fail "the lines do not print its digest"
"$sg" certificate show "$file" | grep -q 'not verified here' || fail "show does not say that it did not verify"
[ "$("$sg" certificate verify --json --trust "$key" "$file" | jq -r '.result, .verdict, .serial')" = $'good\nneither\nZC1ABCDE' ] || fail "verify --json"
ok "a good certificate, by spoolguard, by stock tools alone"

refuses 3 'no key to believe' "$sg" certificate verify "$file"
refuses 3 'No such file' "$sg" certificate verify --trust "$work/none" "$file"
refuses 3 'No such file' "$sg" certificate verify --trust "$key" "$work/none.json"
refuses 2 'one certificate' "$sg" certificate verify --trust "$key"
refuses 2 'means nothing' "$sg" certificate verify --nonsense x "$file"
refuses 1 'no certificate' "$sg" certificate show "$key"
"$writer" "$work/other.json" "$work/other.pub" >/dev/null || fail "certificate_writer"
refuses 1 "another device's" "$sg" certificate verify --trust "$work/other.pub" "$file"

# is_found HOW WORDS COMMAND: done to a copy; found by verify, and by the lines
is_found() {
	local what=$1 code=$2 words=$3 bad=$work/bad
	shift 3
	rm -rf "$bad"
	cp -a "$work/good" "$bad"
	(cd "$bad" && eval "$*") || fail "$what: could not be done"
	refuses "$code" "$words" "$sg" certificate verify --trust "$key" "$bad/drive.json"
	run_lines "$key" "$bad/drive.json"
	grep -q BAD "$work/said" || fail "$what: is not found by the lines of EVIDENCE.md"
}
is_found "an edited field" 1 changed "sed -i s/ZC1ABCDE/ZC1ABCDF/ drive.json"
is_found "a verdict raised by hand" 1 changed "sed -i 's/\"reached\":\"neither\"/\"reached\":\"Purge\"/' drive.json"
is_found "a cut file" 1 changed "truncate -s -100 drive.json"
is_found "a byte more" 1 changed "echo >>drive.json"
is_found "no signature" 3 'minisig: No such file' "rm drive.json.minisig"
is_found "another's signature" 1 "another device's" "cp '$work/other.json.minisig' drive.json.minisig"
is_found "a signature that is none" 1 "none of minisign" "echo x >drive.json.minisig"
is_found "an empty file" 1 changed ": >drive.json"
ok "each change is found by verify and by the lines"

# Signed by the right key, and untrue in itself.
"$writer" "$work/purge.json" "$work/purge.pub" purge >/dev/null || fail "certificate_writer purge"
refuses 1 'claims Purge' "$sg" certificate verify --trust "$work/purge.pub" "$work/purge.json"
refuses 1 'claims Purge' "$sg" certificate render --trust "$work/purge.pub" "$work/purge.json"
[ ! -e "$work/purge.json.pdf" ] || fail "a page was drawn of what contradicts itself"
run_lines "$work/purge.pub" "$work/purge.json"
grep -q BAD "$work/said" || fail "a signed untruth is not found by the lines"

# --- the page ---

"$sg" certificate render --trust "$key" "$file" >/dev/null || fail "render"
"$sg" certificate render --trust "$key" --output "$work/again.pdf" "$file" >/dev/null || fail "render --output"
cmp -s "$file.pdf" "$work/again.pdf" || fail "the page is not the same bytes each time"
pdftotext -layout "$file.pdf" "$work/text"
for words in 'Certificate of sanitization' 'NEITHER CLEAR NOR PURGE' 'Jürgen Großmann' Servicetechniker 'Müller & Söhne' 'Köln' '+49 221' \
	Seagate ST4000NM0035 ZC1ABCDE naa.5000c500a1b2c3d4 INV-2021-0042 XRX-C8155-998877 'human resources' confidential public 'returned at the end' \
	'external reuse' 'spoolguard 0.1.0' 'three-pass (0x35, random, 0x97)' 'verified 4000787027968' '3 blocks of 512 bytes refused' \
	'validated by' 'Åsa Öberg' 'What remains uncertain' 'refused the passes' "$sum" 'JSON file is what is signed' 'rotational' 'read back otherwise'; do
	grep -qF -- "$words" "$work/text" || fail "the page does not have: $words"
done
! grep -qi 'not verified:' "$work/text" || fail "a verified page says that it was not"
grep -qF "$("$sg" certificate verify --json --trust "$key" "$file" | jq -r .signer)" "$work/text" || fail "the page does not name the signer"
ok "every field is on the page"

"$sg" certificate render --output "$work/unverified.pdf" "$file" | grep -q 'NOT VERIFIED' || fail "render without trust does not say so"
pdftotext "$work/unverified.pdf" - | grep -q 'NOT VERIFIED: this page' || fail "the page does not say that it was not verified"
n=0
for variant in large long open=0 open=1 open=24 'open=24 long large' bare stand-in cut sample; do
	n=$((n + 1))
	# shellcheck disable=SC2086 # several words
	"$writer" "$work/v$n.json" "$work/v$n.pub" $variant >/dev/null || fail "certificate_writer $variant"
	"$sg" certificate render --trust "$work/v$n.pub" "$work/v$n.json" >/dev/null || fail "render: $variant"
	pdfinfo "$work/v$n.json.pdf" >"$work/info"
	grep -qE '^Pages: +1$' "$work/info" && grep -q 'A4' "$work/info" || fail "$variant: not one page A4: $(cat "$work/info")"
	[ -z "$(pdffonts "$work/v$n.json.pdf" | awk 'NR > 2 && $(NF-4) != "yes"')" ] || fail "$variant: a font is not embedded"
	# Nothing is drawn outside of the page.
	pdftotext -bbox "$work/v$n.json.pdf" - | sed -n 's/.*xMax="\([0-9.]*\)" yMax="\([0-9.]*\)".*/\1 \2/p' |
		awk '$1 > 568 || $2 > 820 {bad = 1} END {exit bad}' || fail "$variant: text leaves its place"
done
pdftotext "$work/v2.json.pdf" - | grep -q '\[JSON\]' || fail "a text that was cut is not marked"
pdftotext "$work/v8.json.pdf" - | grep -q 'stand-in' || fail "a stand-in is not marked"
pdftotext "$work/v9.json.pdf" - | grep -q 'not overwritten' || fail "what was not overwritten is not drawn"
ok "$n pages: one each, fonts in them, nothing outside"

# --- custody ---

chain=$file.custody
for who in a b c; do
	minisign -G -W -f -p "$work/$who.pub" -s "$work/$who.key" >/dev/null || fail "minisign -G"
done
cat "$work/a.pub" "$work/b.pub" >"$work/holders"
refuses 3 'No such file' "$sg" certificate verify --trust "$key" --holders "$work/holders" "$file"
refuses 2 'wants --sign KEY' "$sg" certificate handover --to x "$file"
refuses 1 'cannot be opened' "$sg" certificate handover --sign "$work/none" --to x "$file"
refuses 1 'no secret key' "$sg" certificate handover --sign "$work/a.pub" --to x "$file"
[ ! -e "$chain" ] || fail "a refused hand-over left a record"
"$sg" certificate handover --sign "$work/a.key" --to 'Spedition Köhler' --organization 'Köhler KG' --location Bonn --note 'sealed box 7' "$file" >/dev/null || fail "handover"
"$sg" certificate handover --json --sign "$work/b.key" --to 'Recycler' "$file" | jq -e '.number == 2' >/dev/null || fail "handover --json"
"$sg" certificate verify --trust "$key" --holders "$work/holders" "$file" | grep -q 'custody: 2 hand-overs, unbroken; now with Recycler' || fail "custody of a good chain"
[ "$(jq -r '.statement | fromjson | "\(.from) > \(.to), \(.serial), \(.asset_number)"' "$chain")" = "Jürgen Großmann > Spedition Köhler, ZC1ABCDE, INV-2021-0042
Spedition Köhler > Recycler, ZC1ABCDE, INV-2021-0042" ] || fail "what the records say: $(cat "$chain")"
head -n 1 "$chain" | jq -j .statement >"$work/one"
head -n 1 "$chain" | jq -j .signature >"$work/one.minisig"
minisign -Vq -p "$work/a.pub" -m "$work/one" || fail "stock minisign does not take a hand-over record"
[ "$(sed -n 2p "$chain" | jq -r '.statement | fromjson | .previous_sha256')  -" = "$(sha256sum <"$work/one")" ] || fail "the second record does not follow the first"
ok "two hand-overs, each signed by its holder, to stock minisign too"

is_broken() { # is_broken WHAT WORDS COMMAND
	local what=$1 words=$2
	shift 2
	cp "$chain" "$work/chain.kept"
	(cd "$work/good" && eval "$*") || fail "$what: could not be done"
	refuses 1 "$words" "$sg" certificate verify --trust "$key" --holders "${holders:-$work/holders}" "$file"
	cp "$work/chain.kept" "$chain"
}
is_broken "a reordered chain" 'record 1: it does not follow' "tac drive.json.custody >x; mv x drive.json.custody"
is_broken "a record that was left out" 'record 1: it does not follow' "sed -i 1d drive.json.custody"
is_broken "a repeated record" 'record 3: it does not follow' "sed -i 2p drive.json.custody"
is_broken "an edited record" 'record 1: changed' "sed -i '1s/Bonn/Rome/' drive.json.custody"
is_broken "a cut line" 'record 2: its line' "truncate -s -9 drive.json.custody"
is_broken "no JSON" 'record 1: its line' "sed -i 1s/^/x/ drive.json.custody"
holders=$work/c.pub is_broken "a stranger's key" "not among the holders" true
"$writer" "$work/good/second.json" "$work/second.pub" cut >/dev/null || fail "certificate_writer"
cp "$chain" "$work/good/second.json.custody"
refuses 1 'another certificate' "$sg" certificate verify --trust "$work/second.pub" --holders "$work/holders" "$work/good/second.json"
sed -i 1d "$chain"
refuses 1 'does not follow' "$sg" certificate handover --sign "$work/b.key" --to y "$file"
[ "$(wc -l <"$chain")" = 1 ] || fail "a record was added to a broken chain"
ok "each break of the chain is found"
