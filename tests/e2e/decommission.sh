#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# decommission.sh - a drive's last day on loop devices: rehearsed, refused, done, cut off, taken up
#
# What is claimed is looked at with programs that nobody here wrote: cmp, minisign, cryptsetup.
# The programs are confined to the directory of this test.
#
# Time limit: 600 s
set -u
. "$(dirname "$0")/lib.sh"
need_root_and_fuse
export SPOOLGUARD_CONFINE=$work SPOOLGUARD_STATE_DIR=$work/state SPOOLGUARD_SOCKET=
chmod 755 "$work"

# new_drive FILE SIZE: something stands on it; the loop device is in $loop
new_drive() {
	head -c "$2" /dev/urandom >"$1"
	sync "$1"
	loop=$(losetup -f --show "$1") || fail "losetup $1"
}
serial_of() { "$sg" decommission --dry-run --json "$1" | jq -r '.drives[0].serial'; }
expect() { # expect CODE COMMAND...: output in $work/out and $work/err
	local code=$1 got
	shift
	"$@" >"$work/out" 2>"$work/err"
	got=$?
	[ $got = "$code" ] || fail "$*: exit $got instead of $code: $(cat "$work/out" "$work/err")"
}
shows_pattern() { # every byte of the file is 0x97
	sync "$1"
	[ -z "$(tr -d '\227' <"$1" | head -c 1 | tr '\0' 0)" ] || fail "$1 does not show 0x97 alone"
}
verified() { minisign -Vq -p "$SPOOLGUARD_STATE_DIR/keys/enrolment.pub" -m "$1" >/dev/null 2>&1 || minisign -Vq -P "$(sed -n 2p "$SPOOLGUARD_STATE_DIR/keys/enrolment.pub")" -m "$1"; }
decommission() { "$sg" decommission --standalone "$@"; }

# --- the command line

refuses 2 'name the drives' "$sg" decommission
refuses 2 'no scheme "nonesuch"' "$sg" decommission --scheme nonesuch /dev/loop0
refuses 2 'full, stratified, hcd or none' "$sg" decommission --verify some /dev/loop0
refuses 2 'for one drive' "$sg" decommission --certificate "$work/c" /dev/loop0 /dev/loop1
refuses 2 'never done from a list' "$sg" decommission --this-machine --batch "$work/list"
refuses 2 'not an option' "$sg" decommission --frobnicate /dev/loop0
refuses 1 'is a file' "$sg" decommission --dry-run "$0"
refuses 1 'no such file|cannot be looked at' "$sg" decommission --dry-run /dev/spoolguard-none

# --- rehearse

new_drive "$work/a.img" 5243392 # not a multiple of 4096
a=$loop
digest=$(sha256sum <"$work/a.img")
expect 0 "$sg" decommission --dry-run --json "$a"
[ "$(jq -r .schema "$work/out")" = spoolguard.decommission-plan/1 ] || fail "schema of the plan"
serial=$(jq -r '.drives[0].serial' "$work/out")
[ "$(jq -r '.drives[0].serial_is_stand_in' "$work/out")" = true ] || fail "a loop device has no serial of its own"
expect 0 "$sg" decommission --dry-run "$a"
grep -q "confirm $serial" "$work/out" || fail "the plan does not say what to confirm"
[ "$digest" = "$(sha256sum <"$work/a.img")" ] || fail "a dry run changed the drive"
[ ! -e "$SPOOLGUARD_STATE_DIR" ] || fail "a dry run made the state directory"
ok "a dry run changes nothing"

refuses 1 'say its stand-in.*--confirm' "$sg" decommission "$a" </dev/null
refuses 1 'is not the drive' "$sg" decommission --confirm WRONG "$a"
[ "$digest" = "$(sha256sum <"$work/a.img")" ] || fail "a refused run changed the drive"

# --- in use, and places on the target

mkfs.ext4 -q "$work/a.img" 2>/dev/null
mkdir -p "$work/other"
mount "$a" "$work/other" || fail "mount"
refuses 1 'in use.*unmount' decommission --confirm "$serial" --certificate "$work/c.json" "$a"
expect 1 decommission --confirm "$serial" --certificate "$work/other/c.json" "$a"
grep -q 'name a file on another medium' "$work/err" || fail "a certificate on the target: $(cat "$work/err")"
expect 1 decommission --confirm "$serial" --state "$work/other/state" "$a"
grep -q -- '--state DIR' "$work/err" || fail "state on the target: $(cat "$work/err")"
umount "$work/other"
ok "in use, certificate and state on the target: refused"

# --- the whole run

head -c 5243392 /dev/urandom >"$work/fill"
dd if="$work/fill" of="$a" bs=64k conv=fsync status=none
expect 3 decommission --confirm "$serial" --certificate "$work/a.json" --operator 'Otto Operator' --asset A-17 --search 'a canary text' "$a"
shows_pattern "$work/a.img"
verified "$work/a.json" || fail "stock minisign does not verify the certificate"
head -c 5 "$work/a.json.pdf" | grep -q "^%PDF-" || fail "there is no page beside the certificate"
expect 0 "$sg" certificate verify --trust "$SPOOLGUARD_STATE_DIR/keys/enrolment.pub" "$work/a.json"
grep -q 'a canary text' "$work/a.json" "$work/out" "$work/err" && fail "what is searched for is shown"
grep -q 'Otto Operator' "$work/a.json" && grep -q A-17 "$work/a.json" || fail "who and what is not in the certificate"
grep -q "$serial" "$work/a.json" || fail "the stand-in is not in the certificate"
sed 's/A-17/A-18/' "$work/a.json" >"$work/b.json"
cp "$work/a.json.minisig" "$work/b.json.minisig"
verified "$work/b.json" && fail "a changed certificate verifies"
expect 0 "$sg" decommission status
[ ! -s "$work/out" ] || fail "a finished one is still listed"
ok "every byte is 0x97, and stock minisign verifies the certificate"
refuses 1 'could not be written|no such file' decommission --confirm "$serial" --certificate "$work/missing/c.json" "$a"

# --- a volume on it: attached, with files; its keys

new_drive "$work/v.img" 64M
v=$loop
printf 'correct horse battery staple' >"$pass"
chmod 600 "$pass"
mkdir -p "$mount"
vserial=$(serial_of "$v")
"$sg" format --kdf-memory 32M --kdf-time 50 --passphrase-file "$pass" --force "$v" >/dev/null || fail "format"
"$sg" key backup --file "$work/header.bak" "$v" >/dev/null || fail "key backup"
"$sg" attach --passphrase-file "$pass" --mount "$mount" "$v" >/dev/null || fail "attach"
echo "a job" >"$mount/job1"
expect 0 "$sg" decommission --dry-run --json "$v"
[ "$(jq -r '.drives[0].volumes[0].attached' "$work/out")" = true ] || fail "the plan does not show the volume"
[ "$(jq -r '.drives[0].volumes[0].header_backups' "$work/out")" = 1 ] || fail "the plan does not show the header backup"
expect 3 decommission --confirm "$vserial" --json --certificate "$work/v.json" --backup "$work/header.bak" "$v"
mountpoint -q "$mount" && fail "the volume is still mounted"
shows_pattern "$work/v.img"
[ ! -e "$work/header.bak" ] || fail "the header backup is still there"
cryptsetup open --test-passphrase --key-file "$pass" "$v" 2>/dev/null && fail "the volume still opens"
verified "$work/v.json" || fail "the certificate of the volume's drive"
grep -q slot "$work/v.json" || fail "the certificate says nothing of key slots"
ok "an attached volume is detached, its keys are dead, its header backup too"

# --- killed at any moment, and taken up

unfinished() { compgen -G "$SPOOLGUARD_STATE_DIR/decommission/*.json" | grep -qv '\.done\.json$'; }
new_drive "$work/k.img" 24M
k=$loop
kserial=$(serial_of "$k")
for attempt in 1 2 3 4 5 6 7 8; do
	"$sg" decommission --standalone --confirm "$kserial" --certificate "$work/k.json" "$k" >"$work/out" 2>"$work/err" &
	child=$!
	# Not before there is something to take up: the self-tests come first.
	until unfinished || ! kill -0 $child 2>/dev/null; do sleep 0.01; done
	sleep "0.$((RANDOM % 3))$((RANDOM % 10))"
	kill -9 $child 2>/dev/null
	wait $child 2>/dev/null
	[ ! -e "$work/k.json.minisig" ] || break
done
if [ ! -e "$work/k.json.minisig" ]; then
	expect 3 decommission --confirm "$kserial" --certificate "$work/k.json" "$k"
	grep -q 'taken up at the step' "$work/err" || fail "it does not say where it was taken up"
fi
shows_pattern "$work/k.img"
verified "$work/k.json" || fail "the certificate of the one that was killed"
ok "killed after $attempt attempts, taken up, certified"

# --- several at once, one that is wrong, and a list

new_drive "$work/m1.img" 8M
m1=$loop
new_drive "$work/m2.img" 12M
m2=$loop
s1=$(serial_of "$m1") s2=$(serial_of "$m2")
refuses 1 'is not the drive' decommission --confirm "$s1" "$m1" "$m2"
compgen -G "$SPOOLGUARD_STATE_DIR/certificates/*" >/dev/null && fail "one was begun though the other was refused"
expect 3 decommission --json --confirm "$s2" --confirm "$s1" "$m1" "$m2"
[ "$(jq '.drives | length' "$work/out")" = 2 ] || fail "two results"
for certificate in $(jq -r '.drives[].certificate' "$work/out"); do verified "$certificate" || fail "$certificate"; done
shows_pattern "$work/m1.img"
shows_pattern "$work/m2.img"
ok "two drives at once, each with its certificate"

new_drive "$work/l1.img" 4M
l1=$loop
new_drive "$work/l2.img" 4M
l2=$loop
cat >"$work/list" <<-LIST
	# drive confirm asset certificate
	$l1 $(serial_of "$l1") A-1 $work/l1.json
	$l2 WRONG
	no-such-serial no-such-serial
LIST
expect 1 "$sg" decommission --standalone --batch "$work/list"
verified "$work/l1.json" && grep -q A-1 "$work/l1.json" || fail "the good line of the list"
shows_pattern "$work/l1.img"
grep -q 'is not the drive "WRONG"' "$work/err" && grep -q 'no drive with this serial' "$work/err" || fail "the bad lines: $(cat "$work/err")"
ok "a list: the good line is done, the bad ones are named"

# --- the state directory: full, gone

mkdir "$work/small"
mount -t tmpfs -o size=64k none "$work/small" || fail "tmpfs"
head -c 1M /dev/zero >"$work/small/fill" 2>/dev/null
expect 1 decommission --state "$work/small" --certificate "$work/x.json" --confirm "$(serial_of "$l2")" "$l2"
grep -qi 'no space' "$work/err" || fail "a full disk: $(cat "$work/err")"
umount "$work/small"
cmp -s <(head -c 4M "$work/l2.img" | tr -d '\227' | head -c 1) /dev/null && fail "it was done without a state"
ok "a full disk for the state: nothing was done"

# --- a terminal: the serial is asked for, a progress line is shown

if command -v script >/dev/null; then
	answer=$(serial_of "$l2")
	printf '%s\n' "$answer" | script -qec "$sg decommission --standalone --certificate $work/t.json $l2" /dev/null >"$work/out" 2>&1
	grep -q 'Type its stand-in' "$work/out" || fail "the serial is not asked for"
	grep -q '%' "$work/out" || fail "no progress line"
	verified "$work/t.json" || fail "the certificate"
	ok "at a terminal"
fi

# --- dual control, with stock minisign

new_drive "$work/d.img" 4M
d=$loop
dserial=$(serial_of "$d")
for who in ada otto eve; do minisign -G -W -f -p "$work/$who.pub" -s "$work/$who.key" >/dev/null || fail "minisign -G"; done
{
	echo "untrusted comment: Ada Lovelace"; sed -n 2p "$work/ada.pub"
	echo "untrusted comment: Otto Operator"; sed -n 2p "$work/otto.pub"
} >"$work/approvers"
dual() { decommission --approvers "$work/approvers" --operator 'Otto Operator' --confirm "$dserial" --certificate "$work/d.json" "$d"; }
approve() { "$sg" decommission approve "$id" --approvers "$work/approvers" "$@"; }
refuses 1 'waits for 1 of 1 approvals' dual
id=$("$sg" decommission status --json | jq -r '.decommissionings[0].id')
request=$SPOOLGUARD_STATE_DIR/decommission/$id.request
refuses 1 'not in the list' approve --sign "$work/eve.key"
refuses 1 'nobody approves what he asked for' approve --sign "$work/otto.key"
sed 's/4194304/4194305/' "$request" >"$work/forged"
minisign -S -s "$work/ada.key" -m "$work/forged" -x "$work/forged.minisig" >/dev/null || fail "minisign -S"
refuses 1 'not of this request' approve --signature "$work/forged.minisig"
refuses 1 'nothing was done' dual
minisign -S -s "$work/ada.key" -m "$request" -x "$work/good.minisig" >/dev/null || fail "minisign -S"
expect 0 approve --signature "$work/good.minisig"
refuses 1 'one key counts once' approve --sign "$work/ada.key"
expect 3 dual
verified "$work/d.json" && grep -q 'Ada Lovelace' "$work/d.json" || fail "who approved is not in the certificate"
ok "dual control: a second person's key, once, for this request"

# --- [decommission] of the configuration, in a place that only this test sees as /etc

cp -a /etc "$work/etc"
mkdir -p "$work/etc/spoolguard"
configured() { unshare -m sh -c 'mount --bind "$0/etc" /etc && shift && exec "$@"' "$work" x "$@"; }
cat >"$work/etc/spoolguard/spoolguard.conf" <<-CONF
	[decommission]
	approvals = 1
	approvers = $work/approvers
	machine_serial = MFP-7
	scheme = zero
	verify = stratified
	organization = Ward & Sons
	asset_number = A-99
CONF
new_drive "$work/e.img" 4M
e=$loop
eserial=$(serial_of "$e")
{ echo "untrusted comment: Eve"; sed -n 2p "$work/eve.pub"; } >"$work/eve.list"
run_e() { configured "$sg" decommission --standalone --operator Otto --asset A-100 --confirm "$eserial" --certificate "$work/e.json" "$@" "$e"; }
refuses 1 'waits for 1 of 1 approvals' run_e
expect 1 run_e --approvers "$work/eve.list"
grep -q 'is not taken' "$work/err" && grep -q 'nothing was done' "$work/err" || fail "another list: $(cat "$work/err")"
id=$("$sg" decommission status --json | jq -r '.decommissionings[0].id')
expect 1 configured "$sg" decommission approve "$id" --approvers "$work/eve.list" --sign "$work/eve.key"
grep -q 'not in the list' "$work/err" || fail "an approver of another list: $(cat "$work/err")"
expect 0 configured "$sg" decommission approve "$id" --sign "$work/ada.key"
expect 3 run_e
[ "$(jq -r '[.person.organization, .media.property_number, .media.machine_serial, .overwrite.scheme, .overwrite.verification] | join(",")' "$work/e.json")" = "Ward & Sons,A-100,MFP-7,zero,stratified" ] ||
	fail "the configuration is not in the certificate: $(jq -c '[.person.organization, .media.property_number, .media.machine_serial, .overwrite.scheme, .overwrite.verification]' "$work/e.json")"
echo 'approvals = many' >>"$work/etc/spoolguard/spoolguard.conf"
refuses 1 'spoolguard.conf' run_e
ok "what the configuration says holds, and nobody gets around its approvers by an option"

echo "$pass_count passed"
