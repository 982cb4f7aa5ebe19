#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# keys.sh - key slots and headers, with stock cryptsetup as judge and as the other hand
#
# What spoolguard makes, cryptsetup lists, opens and changes; what cryptsetup
# makes or changes, spoolguard serves or refuses by name.  Needs no device-mapper.
# shellcheck disable=SC2086 # the option lists are to be split
#
# Time limit: 420 s
set -u -o pipefail
. "$(dirname "$0")/lib.sh"
command -v cryptsetup >/dev/null || skip "needs cryptsetup (package cryptsetup-bin)"

second=$work/second third=$work/third backup=$work/backup
printf 'the second passphrase' > "$second"
printf 'the third passphrase' > "$third"
quick="--kdf-memory 8M --kdf-time 100"
cheap="--batch-mode --pbkdf pbkdf2 --pbkdf-force-iterations 1000"
opens() { cryptsetup open --test-passphrase --key-file "$1" "${2:-$image}" 2>/dev/null; }
dump() { cryptsetup luksDump "$image"; }
field() { python3 -c 'import json,sys; print(eval("json.load(sys.stdin)" + sys.argv[1]))' "$1"; }
slots() { "$sg" key list --json "$image" | field '["slots"]' | grep -o "'slot': [0-9]*" | grep -o '[0-9]*$' | xargs; }
token() { "$sg" key list --json "$image" | field "[\"token\"][\"$1\"]"; }
stock() { # stock IMAGE SECTOR [OPTION...]
	rm -f "$1"
	truncate -s 48M "$1"
		cryptsetup luksFormat $cheap --key-file "$pass" --cipher aes-xts-plain64 --key-size 512 \
		--sector-size "$2" "${@:3}" "$1" || fail "luksFormat $*"
}
copy_of() { cp --sparse=always "$1" "$2"; }

# --- ours, in stock hands ---

make_volume 64M >/dev/null
dump | grep -q 'cipher: aes-xts-plain64' || fail "luksDump does not show our segment"
dump | grep -q 'sector: 4096' || fail "luksDump does not show our sectors"
dump | grep -q ': spoolguard' || fail "luksDump does not show our token"
opens "$pass" || fail "stock cryptsetup does not open our volume"
opens "$second" && fail "stock cryptsetup opens it with anything"
ok "luksDump lists our volume, cryptsetup opens it"

[ "$(dump | awk '/Memory:/ {print $2}')" = 32768 ] || fail "--kdf-memory of format is not what luksDump shows"
"$sg" key add --kdf-time 100 --passphrase-file "$pass" --new-passphrase-file "$second" "$image" >/dev/null || fail "key add"
[ "$(dump | awk '/Memory:/ {print $2}' | tail -1)" = 65536 ] || fail "the default KDF memory is not 64 MiB"
opens "$second" || fail "stock cryptsetup does not open with a key that we added"
"$sg" key change --kdf-memory 16M --kdf-time 100 --passphrase-file "$second" --new-key-file "$third" "$image" >/dev/null ||
	fail "key change"
[ "$(dump | awk '/Memory:/ {print $2}' | tail -1)" = 16384 ] || fail "--kdf-memory is not what luksDump shows"
opens "$third" || fail "the changed key does not open"
opens "$second" && fail "the old passphrase still opens"
[ "$(slots)" = "0 2" ] || fail "slots: $(slots)"
"$sg" key list "$image" | grep -qE '^ +2 +argon2id +[0-9]+ passes over 16.0 MiB' || fail "key list says otherwise"
ok "keys added and changed by us open in stock; memory is bounded as asked"

cryptsetup luksAddKey $cheap --key-file "$pass" "$image" "$second" || fail "luksAddKey"
[ "$(slots)" = "0 1 2" ] || fail "luksAddKey is not seen: $(slots)"
cryptsetup luksKillSlot --batch-mode --key-file "$pass" "$image" 2 || fail "luksKillSlot"
[ "$(slots)" = "0 1" ] || fail "luksKillSlot is not seen: $(slots)"
"$sg" key remove --slot 1 --passphrase-file "$pass" "$image" >/dev/null || fail "key remove"
[ "$(slots)" = 0 ] || fail "key remove: $(slots)"
opens "$second" && fail "a removed key opens"
refuses 1 'last one' "$sg" key remove --slot 0 "$image"
[ "$(token key_generation)" = 3 ] || fail "removals are not counted: $(token key_generation)"
ok "stock changes survive ours, and ours theirs"

# --- backups ---

"$sg" key backup --file "$backup" "$image" >/dev/null || fail "key backup"
[ "$(token backups)" = 1 ] || fail "the backup is not recorded"
opens "$pass" "$backup" || fail "stock cryptsetup does not open our backup"
refuses 1 'exists already' "$sg" key backup --file "$backup" "$image"
refuses 1 'left alone' "$sg" key backup --force --file "$pass" "$image"
"$sg" key backup --force --file "$backup" "$image" >/dev/null || fail "key backup --force"
cryptsetup luksAddKey $cheap --key-file "$pass" "$image" "$second" || fail "luksAddKey"
refuses 1 'lose those of key slots: 1' "$sg" key restore --file "$backup" "$image"
cryptsetup luksHeaderRestore --batch-mode --header-backup-file "$backup" "$image" || fail "luksHeaderRestore of our backup"
[ "$(slots)" = 0 ] || fail "luksHeaderRestore is not seen"
[ "$(token backups)" = 2 ] || fail "the copy does not carry the record: $(token backups)"
cryptsetup luksHeaderBackup --header-backup-file "$work/stock.backup" "$image" || fail "luksHeaderBackup"
"$sg" key restore --file "$work/stock.backup" "$image" >/dev/null || fail "key restore of a stock backup"
opens "$pass" || fail "restored, and does not open"
ok "header backups of either open and restore with the other"

copy_of "$image" "$work/good.img"
printf damage | dd of="$image" bs=1 seek=100 conv=notrunc status=none
opens_readonly=$(cksum < "$image")
[ "$(slots)" = 0 ] || fail "a damaged first copy is not read through"
[ "$(cksum < "$image")" = "$opens_readonly" ] || fail "\"key list\" changed the medium"
printf damage | dd of="$image" bs=1 seek=16500 conv=notrunc status=none
refuses 1 'both copies of its LUKS2 header are damaged' "$sg" key list "$image"
refuses 3 'cannot be compared' "$sg" key restore --file "$backup" "$image"
"$sg" key restore --force --file "$backup" "$image" >/dev/null || fail "key restore --force"
cmp -s "$image" "$work/good.img" || opens "$pass" || fail "restored by force, and does not open"
copy_of "$work/good.img" "$image"
printf damage | dd of="$image" bs=1 seek=16500 conv=notrunc status=none
"$sg" key add $quick --passphrase-file "$pass" --new-passphrase-file "$third" "$image" >/dev/null ||
	fail "a damaged second copy is not repaired"
opens "$third" || fail "the key that was added does not open"
ok "one damaged copy is repaired, two are refused until restored"

# --- command line ---

copy_of "$work/good.img" "$image"
refuses 1 'opens none of its key slots' "$sg" key add --passphrase-file "$third" --new-passphrase-file "$second" "$image"
refuses 1 'does not exist' "$sg" key list "$work/nothing"
refuses 1 'is a directory' "$sg" key list "$work"
refuses 1 'has no LUKS2 header' "$sg" key list "$pass"
refuses 1 'passphrase file .* is empty' "$sg" key add --passphrase-file /dev/null --new-passphrase-file "$second" "$image"
refuses 2 'list, add, change' "$sg" key
refuses 2 'no "key lost"' "$sg" key lost "$image"
refuses 2 'numbered 0 to 31' "$sg" key remove --slot 32 "$image"
refuses 2 '1M to 4G' "$sg" key add --kdf-memory 5G "$image"
refuses 2 'from 100 to 60000' "$sg" key add --kdf-time 1 "$image"
refuses 2 'means nothing' "$sg" key list --force "$image"
refuses 2 'needs --file' "$sg" key backup "$image"
refuses 2 'name one' "$sg" key list
refuses 2 'one stream' "$sg" key add --passphrase-file - --new-passphrase-file - "$image"
truncate -s 3M "$image"
refuses 1 'cut short' "$sg" key list "$image"
copy_of "$work/good.img" "$image"
truncate -s 5M "$image"
refuses 1 'cut short' "$sg" key list "$image"
copy_of "$work/good.img" "$image"

# The last two keys, removed by two commands at one moment: one of them stays.
cryptsetup luksAddKey $cheap --key-file "$pass" "$image" "$second" || fail "luksAddKey"
"$sg" key remove --slot 0 "$image" >/dev/null 2>&1 &
one=$!
"$sg" key remove --slot 1 "$image" >/dev/null 2>&1 &
wait $one
wait $!
[ -n "$(slots)" ] || fail "two commands that raced removed all keys"
ok "two commands that race leave a key"
copy_of "$work/good.img" "$image"

# --- secrets ---

mkfifo "$work/fifo"
"$sg" key add $quick --passphrase-file "$pass" --new-passphrase-file "$work/fifo" "$image" >/dev/null 2>&1 &
pids+=($!)
waits=$!
for _ in $(seq 100); do
	grep -qs lo <(awk '/VmFlags/ && / dd/ && / lo/ {print "lo"}' /proc/$waits/smaps) && break
	sleep 0.05
done
sleep 0.3 # the present passphrase is read; the process waits for the new one
python3 - "$waits" "$pass" <<'PY' || fail "a passphrase lies where it must not"
import re, sys
pid, secret = sys.argv[1], open(sys.argv[2], "rb").read()
for name in ("cmdline", "environ"):
    if secret in open("/proc/%s/%s" % (pid, name), "rb").read():
        sys.exit("in " + name)
found, span = 0, None
with open("/proc/%s/mem" % pid, "rb", 0) as memory:
    for line in open("/proc/%s/smaps" % pid):
        head = re.match(r"([0-9a-f]+)-([0-9a-f]+) r", line)
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            span = (int(head[1], 16), int(head[2], 16)) if head else None
        if not line.startswith("VmFlags:") or span is None:
            continue
        try:
            memory.seek(span[0])
            hit = secret in memory.read(span[1] - span[0])
        except (OSError, OverflowError, ValueError):
            continue
        if hit and not {"lo", "dd"} <= set(line.split()):
            sys.exit("in memory that is not locked, or may be dumped: " + line)
        found += hit
if found != 1:
    sys.exit("in %d mappings" % found)
PY
printf 'fourth passphrase' > "$work/fifo"
wait "$waits" || fail "key add from a FIFO"
ok "a passphrase lies in locked, undumpable memory alone: not in arguments, environment, buffers"

"$sg" key change $quick --passphrase-file - --new-passphrase-file fd:5 "$image" <"$pass" 5<"$second" >/dev/null ||
	fail "passphrases from standard input and a descriptor"
opens "$second" || fail "the passphrase of the descriptor does not open"
copy_of "$work/good.img" "$image"

# answers PASSPHRASE...: key add at a terminal; what the terminal showed is in $work/shown
at_terminal() {
	python3 - "$work/shown" "$sg" key add $quick "$image" -- "$@" <<'PY'
import os, pty, sys
shown, rest = sys.argv[1], sys.argv[2:]
command, answers = rest[: rest.index("--")], rest[rest.index("--") + 1 :]
pid, terminal = pty.fork()
if pid == 0:
    os.execv(command[0], command)
seen, asked = b"", 0
while True:
    try:
        data = os.read(terminal, 4096)
    except OSError:
        break
    if not data:
        break
    seen += data
    if seen.count(b": ") > asked and seen.endswith(b": ") and asked < len(answers):
        os.write(terminal, answers[asked].encode() + b"\n")
        asked += 1
open(shown, "wb").write(seen)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
PY
}
at_terminal "$(cat "$pass")" 'typed by hand' 'typed by hand' || fail "key add at a terminal: $(cat "$work/shown")"
grep -q 'New passphrase, again' "$work/shown" || fail "the new passphrase is not asked for twice"
grep -qE 'typed by hand|correct horse' "$work/shown" && fail "the terminal showed a passphrase"
printf 'typed by hand' > "$work/typed"
opens "$work/typed" || fail "what was typed does not open"
at_terminal "$(cat "$pass")" 'one thing' 'another thing' && fail "two passphrases that differ were taken"
grep -q 'differ; nothing was done' "$work/shown" || fail "does not say that they differ"
at_terminal 'not the passphrase' && fail "a wrong passphrase was taken"
grep -q 'New passphrase' "$work/shown" && fail "a new passphrase is asked for after a wrong one"
[ "$(slots)" = "0 1" ] || fail "slots: $(slots)"
refuses 1 'no terminal' setsid -w "$sg" key add "$image"
ok "passphrases come from standard input, a descriptor, or a terminal that does not show them"
copy_of "$work/good.img" "$image"

# --- hcd-cpp ---

cpp=$work/cpp.img long=$work/long
head -c 200 /dev/zero | tr '\0' x > "$long"
"$sg" format --profile hcd-cpp --size 64M --passphrase-file "$pass" "$cpp" >/dev/null || fail "format --profile hcd-cpp"
"$sg" key add --kdf-time 100 --passphrase-file "$pass" --new-passphrase-file "$long" "$cpp" >/dev/null || fail "key add"
"$sg" key change --kdf-time 100 --passphrase-file "$pass" --new-passphrase-file "$second" "$cpp" >/dev/null || fail "key change"
cryptsetup luksDump "$cpp" | grep -q argon2 && fail "an hcd-cpp volume has an Argon2 key slot"
[ "$(cryptsetup luksDump "$cpp" | awk '/PBKDF:/ {print $2}' | xargs)" = "pbkdf2 pbkdf2" ] || fail "PBKDF"
[ "$(cryptsetup luksDump "$cpp" | awk '/PBKDF:/ {p = 1} p && /Hash:/ {print $2; p = 0}' | xargs)" = "sha256 sha256" ] || fail "hash"
for n in $(cryptsetup luksDump "$cpp" | awk '/^Digests/ {exit} /Iterations:/ {print $2}'); do
	[ "$n" -ge 600000 ] || fail "$n iterations"
done
opens "$long" "$cpp" || fail "stock does not open with a passphrase of 200 bytes"
ok "hcd-cpp: PBKDF2-HMAC-SHA-256 with at least 600000 iterations, also after add and change"

# --- token ---

cryptsetup token remove --token-id 0 "$image" || fail "token remove"
"$sg" key list "$image" | grep -q 'removed by another program' || fail "key list does not see that the token is gone"
refuses 1 'repair-token' "$sg" key backup --file "$work/b2" "$image"
[ ! -e "$work/b2" ] || fail "refused, and wrote a backup"

# --- re-encryption ---

copy_of "$work/good.img" "$work/re.img"
cryptsetup reencrypt $cheap --init-only --key-file "$pass" "$work/re.img" || fail "reencrypt --init-only"
refuses 1 're-encryption by cryptsetup is pending' "$sg" key list "$work/re.img"
refuses 1 're-encryption by cryptsetup is pending' "$sg" attach --passphrase-file "$pass" "$work/re.img"
cryptsetup reencrypt $cheap --resume-only --force-offline-reencrypt --key-file "$pass" "$work/re.img" >/dev/null || fail "reencrypt"
"$sg" key list "$work/re.img" >/dev/null || fail "key list after re-encryption"
refuses 1 'another volume key' "$sg" key restore --file "$backup" "$work/re.img"

# --- stock volumes ---

stock "$work/s512.img" 512
stock "$work/s4k.img" 4096
for i in s512 s4k; do
	"$sg" key list "$work/$i.img" | grep -q 'encryption only' || fail "key list of a stock volume"
	"$sg" key add $quick --passphrase-file "$pass" --new-passphrase-file "$second" "$work/$i.img" >/dev/null ||
		fail "key add to a stock volume"
	opens "$second" "$work/$i.img" || fail "the added key does not open"
done
"$sg" key backup --file "$work/s.backup" "$work/s4k.img" 2>"$work/err" >/dev/null || fail "backup of a stock volume"
grep -q 'recorded nowhere' "$work/err" || fail "no warning that nothing is recorded"
ok "stock volumes of both sector sizes are served"

other=$work/other.img
for cipher in serpent-xts-plain64 'capi:xts(aes)-plain64' cipher_null-ecb aes-xts-plain aes-xts-random twofish-cbc-essiv:sha256; do
	copy_of "$work/s512.img" "$other"
	python3 "$root/tests/tools/luks2_edit.py" "$other" segments.0.encryption "\"$cipher\"" || fail "luks2_edit"
	name=${cipher//[()]/.}
	refuses 1 "encrypted with ${name}; spoolguard opens aes-xts-plain64 only" "$sg" key list "$other"
done
copy_of "$work/s512.img" "$other"
python3 "$root/tests/tools/luks2_edit.py" "$other" segments.0.integrity \
	'{"type":"hmac(sha256)","journal_encryption":"none","journal_integrity":"none"}' || fail "luks2_edit"
refuses 1 'integrity tags' "$sg" key list "$other"
copy_of "$work/s512.img" "$other"
python3 "$root/tests/tools/luks2_edit.py" "$other" segments.0.size '"1048576"' || fail "luks2_edit"
refuses 1 'fixed size' "$sg" key list "$other"
copy_of "$work/s512.img" "$other"
python3 "$root/tests/tools/luks2_edit.py" "$other" config.requirements '{"mandatory":["of-the-future"]}' || fail "luks2_edit"
refuses 1 'requires something' "$sg" key list "$other"
stock "$other" 512 --key-size 256
refuses 1 '256-bit volume key' "$sg" key list "$other"
cryptsetup luksFormat --type luks1 $cheap --key-file "$pass" "$other" || fail "luksFormat --type luks1"
refuses 1 'LUKS1' "$sg" key list "$other"

# --- a full host file system ---

if [ "$(id -u)" = 0 ] && mkdir "$work/full" && mount -t tmpfs -o size=40M,mode=700 none "$work/full" 2>/dev/null; then
	full=$work/full/spool.img
	"$sg" format --size 64M --kdf-memory 32M --no-filesystem --passphrase-file "$pass" "$full" >/dev/null || fail "format on tmpfs"
	stock "$work/full/stock.img" 4096
	truncate -s 36M "$work/full/stock.img"
	dd if=/dev/zero of="$work/full/filler" bs=4k 2>/dev/null
	"$sg" key add $quick --passphrase-file "$pass" --new-passphrase-file "$second" "$full" >/dev/null ||
		fail "the key slots of an image are not allocated at format"
	refuses 1 'could not be written: No space left' "$sg" key backup --file "$work/full/b" "$full"
	[ "$(find "$work/full" -name 'b*' | wc -l)" = 0 ] || fail "half a backup was left"
	"$sg" key add $quick --passphrase-file "$pass" --new-passphrase-file "$second" "$work/full/stock.img" >/dev/null 2>&1
	opens "$pass" "$work/full/stock.img" || fail "a full file system lost the key"
	umount "$work/full"
	ok "a full host file system loses no key, and leaves no half backup"
fi

# --- attached ---

need_root_and_fuse
copy_of "$work/good.img" "$image"
attach --json >/dev/null
"$sg" key list "$image" >/dev/null || fail "key list while attached"
"$sg" key add $quick --passphrase-file "$pass" --new-passphrase-file "$second" "$image" >/dev/null || fail "key add while attached"
"$sg" key change $quick --passphrase-file "$second" --new-passphrase-file "$third" "$image" >/dev/null || fail "key change while attached"
"$sg" key remove --passphrase-file "$third" "$image" >/dev/null || fail "key remove while attached"
"$sg" key backup --file "$work/attached.backup" "$image" >/dev/null || fail "key backup while attached"
refuses 1 'in use by spoolguard-volume' "$sg" key restore --file "$work/attached.backup" "$image"
refuses 1 'in use by spoolguard-volume' "$sg" key restore --force --file "$work/attached.backup" "$image"
echo "written while keys changed" > "$mount/file"
detach >/dev/null
attach --json >/dev/null
grep -q "while keys changed" "$mount/file" || fail "the file is lost"
detach >/dev/null
ok "keys are changed while the volume is attached; its header is not replaced"

copy_of "$image" "$work/before.img"
printf damage | dd of="$image" bs=1 seek=100 conv=notrunc status=none
before=$(cksum < "$image")
attach --read-only --json >/dev/null
grep -q "while keys changed" "$mount/file" || fail "read-only through a damaged copy"
detach >/dev/null
[ "$(cksum < "$image")" = "$before" ] || fail "a read-only attach changed the medium"
copy_of "$work/before.img" "$image"
ok "a read-only attach reads through a damaged copy and changes nothing"

cryptsetup token remove --token-id 0 "$image" || fail "token remove"
refuses 1 'token was removed' "$sg" attach --passphrase-file "$pass" --mount "$mount" "$image"
attach --repair-token --json >/dev/null
detach >/dev/null
[ "$(token backups)" -ge 1 ] || fail "a repaired token claims that there are no backups"
refuses 1 'older than the last removal' "$sg" key restore --file "$backup" "$image"
refuses 1 'another volume key|re-encrypt' "$sg" attach --passphrase-file "$pass" --mount "$mount" "$work/re.img"
refuses 1 'opens none of its key slots' "$sg" attach --passphrase-file "$third" --mount "$mount" "$image"
ok "a removed token and a finished re-encryption are noticed at attach"

for i in s512 s4k; do
	"$sg" attach --passphrase-file "$pass" --json "$work/$i.img" > "$work/out" || fail "attach of a stock volume"
	device=$(field '["device"]' < "$work/out")
	yes "written through $i" | head -c 100000 > "$work/text" # yes ends by SIGPIPE
	dd if="$work/text" of="$device" bs=4096 seek=700 conv=notrunc,fsync status=none || fail "write"
	{ "$sg" status "$work/$i.img"; "$sg" status --json "$work/$i.img"; } > "$work/out" 2>&1
	grep -qi "encryption only" "$work/out" && grep -q "\"managed\":false" "$work/out" || fail "status does not say that it is encryption only: $(cat "$work/out")"
	"$sg" detach "$work/$i.img" >/dev/null || fail "detach"
	python3 "$root/tests/tools/luks2_decrypt.py" "$work/$i.img" "$pass" --range 2867200 100000 > "$work/plain" || fail "decrypt"
	cmp -s "$work/text" "$work/plain" || fail "what was written to $i reads otherwise"
done
ok "stock volumes read and write right"
echo "$pass_count checks"
