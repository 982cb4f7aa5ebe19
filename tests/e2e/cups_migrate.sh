#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# cups_migrate.sh - "spoolguard cups migrate": a live spool of the system's cupsd moved onto a volume
#
# The old spool lies on an ext4 of its own (a loop device), so that its raw medium can be searched.
# Jobs that are held are there afterwards and print; nothing of the old files is left on the raw
# medium; cupsd that does not stop, or does not come up, leaves everything as it was; killed at
# every step, a job is whole in one place at least, and the same command goes on.
#
# Time limit: 240 s
set -u -o pipefail
. "$(dirname "$0")/lib.sh"
. "$root/tests/e2e/cupsd.sh"
need_root_and_fuse
need_cupsd
command -v jq >/dev/null || skip "needs jq"
export SPOOLGUARD_CONFINE=$work
chmod 755 "$work"

# As systemd mounts everything: shared, where a mount cannot be moved but by a second one (mount.c).
mount --bind "$work" "$work" && mount --make-shared "$work" || fail "a shared mount"

body=AKTENKOPIE$$ title=GEHEIMTITEL$$
old=$work/old d=$work/old/c r=$work/root
spool=$d/spool
conf=$d/etc/cupsd.conf

cups() { # cups ACTION OPTION...
	local action=$1
	shift
	"$sg" cups "$action" --config "$conf" --files-config "$d/etc/cups-files.conf" --root "$r" "$@"
}
migrate() { cups migrate --start-command "$work/start" --wait 15 "$@"; }
expect() { # expect CODE COMMAND...: output in $work/out and $work/err
	local code=$1 got
	shift
	"$@" >"$work/out" 2>"$work/err"
	got=$?
	[ $got = "$code" ] || fail "$*: exit $got instead of $code: $(cat "$work/out" "$work/err")"
}
raw_hits() { # raw_hits TEXT: on the old medium
	sync -f "$old"
	grep -a -c -e "$1" "$work/old.img"
}
device_of_mount_at() { findmnt -nro SOURCE --mountpoint "$1" | sed 's/\[.*//'; }
is_bound() { findmnt -rno TARGET --mountpoint "$1" >/dev/null; }

# --- a server with a past

fallocate -l 96M "$work/old.img" && mkfs.ext4 -q -F "$work/old.img" && mkdir "$old" && mount -o loop "$work/old.img" "$old" ||
	fail "the old medium"
cupsd_start "$d" 'PreserveJobFiles Yes' 'DirtyCleanInterval 0'
cat > "$d/bin/backend/keeper" <<KEEPER
#!/bin/sh
[ \$# = 0 ] && exit 0
cat "\${6:--}" >> $work/printed
KEEPER
chmod 700 "$d/bin/backend/keeper" # runs as root
cat > "$work/start" <<START
#!/bin/bash
rm -f $d/run/cups.sock
setsid cupsd -f -c $conf -s $d/etc/cups-files.conf >/dev/null 2>&1 </dev/null &
echo \$! > $d/cupsd.pid
START
chmod 755 "$work/start"
queue_add keep -v keeper:/ -m raw
queue_raw raw
yes "$body page" | head -c 300000 > "$work/document"
yes "$body other" | head -c 70000 > "$work/other"
LP_OPTIONS="-t $title"
printed=$(job_submit raw "$work/document")
job_wait "$printed" 9
LP_OPTIONS="-t $title -H hold"
held=$(job_submit keep "$work/document" "$work/other")
second=$(job_submit keep "$work/other")
sum=$(sha256sum < "$spool/$(printf 'd%05d-001' "$held")")
# Whatever happens: the document of the held job is whole somewhere.
is_whole() {
	local place
	for place in "$spool" "$spool.spoolguard-old" "$spool.spoolguard-new" "$mount/cups" "$mount"; do
		[ "$({ sha256sum < "$place/$(printf 'd%05d-001' "$held")"; } 2>/dev/null)" = "$sum" ] && return 0
	done
	return 1
}
[ "$(raw_hits "$body")" -gt 0 ] || fail "the raw old medium does not show the documents"
make_volume 64M

# --- refused

refuses 1 'no volume is mounted' migrate
refuses 1 'no volume is mounted at' migrate --volume-mount "$work/nowhere"
attach >/dev/null
modes=$(stat -c '%a %U %G' "$spool" "$d/cache" "$d/log")
refuses 1 'say --start-command' cups migrate
expect 0 migrate --dry-run --json
[ "$(jq -r .result "$work/out")" = "would move" ] && [ "$(jq -r '.directories[0].files' "$work/out")" -ge 7 ] || fail "--dry-run: $(cat "$work/out")"
kill -0 "$cupsd_pid" && ! is_bound "$spool" && [ -z "$(find "$mount" -mindepth 1 -not -name lost+found)" ] || fail "--dry-run changed something"
expect 0 migrate --dry-run
grep -q 'not covered' "$work/out" || fail "--dry-run does not say what is not covered"
ok "--dry-run changes nothing"
refuses 1 'does not stop within 1 s' migrate --stop-command true --wait 1
[ "$(job_state "$held")" = 4 ] && ! is_bound "$spool" || fail "cupsd that does not stop: something was changed"
echo x > "$mount/c00001"
expect 1 migrate
grep -q 'is not empty' "$work/err" || fail "a directory that is not empty: $(cat "$work/err")"
rm "$mount/c00001"
cupsd_use "$d"
job_wait "$held" 4
ok "cupsd that does not stop, or a volume that is not empty, leaves everything as it was"

# --- it does not come up there

cat > "$work/start-not" <<START
#!/bin/bash
findmnt -rno TARGET --mountpoint $spool >/dev/null || exec $work/start
START
chmod 755 "$work/start-not"
expect 1 cups migrate --start-command "$work/start-not" --wait 3 --json
grep -q 'runs on the old spool again' "$work/err" || fail "not taken back: $(cat "$work/err")"
[ "$(jq -r .result "$work/out")" = "taken back" ] || fail "$(cat "$work/out")"
cupsd_use "$d"
[ "$(job_state "$held")" = 4 ] && [ "$(job_state "$second")" = 4 ] || fail "a job is gone after the move was taken back"
! is_bound "$spool" && ! is_bound "$d/cache" && [ -z "$(find "$d" -name '*spoolguard*')" ] || fail "the move was not taken back whole"
[ "$(stat -c '%a %U %G' "$spool" "$d/cache" "$d/log")" = "$modes" ] || fail "owners or modes are not what they were"
[ "$(jq '.binds | length' "$SPOOLGUARD_RUNTIME_DIR"/*/state)" = 0 ] && [ "$(jq -r .mount "$SPOOLGUARD_RUNTIME_DIR"/*/state)" = "$mount" ] || fail "binds stay recorded: $("$sg" status --json)"
lsattr -d "$spool" | grep -q -- '----i' && fail "the old spool stays immutable"
ok "if cupsd does not come up on the volume, it runs on the old spool again"

# cupsd empties TempDir when it starts, by unlinking: what is here now is there when it is moved.
echo "$body left by a filter" > "$spool/tmp/left"
chown lp "$spool/tmp/left"
sync -f "$old"

# --- killed at every step, and gone on with

if command -v strace >/dev/null && strace -qq -o /dev/null true 2>/dev/null; then
	killed=0
	# While it copies, sets aside (before and between both renames, of each directory), binds each,
	# starts cupsd, and overwrites.
	for point in fsync:2 fsync:5 syncfs:2 renameat2:1 rename:1 rename:1 renameat2:1 rename:2 \
		mount:1 mount:2 umount2:1 mount:1 mount:2 clone3:1 unlink:1 unlink:4 rmdir:2; do
		(
			strace -qq -o "$work/trace" -e trace="${point%:*}" -e inject="${point%:*}:signal=KILL:when=${point#*:}" \
				"$sg" cups migrate --config "$conf" --files-config "$d/etc/cups-files.conf" --root "$r" \
				--start-command "$work/start" --wait 15 >"$work/out" 2>"$work/err"
			exit $?
		) 2>/dev/null
		code=$?
		is_whole || fail "killed at $point: the document of a held job is whole nowhere"
		[ $code = 137 ] || fail "not killed at $point, number $killed: exit $code: $(cat "$work/err" "$work/out")"
		killed=$((killed + 1))
	done
	ok "killed $killed times, and the document of a held job was whole each time"
else
	echo "passed over: strace cannot be used here, so nothing is killed"
fi

# --- moved

expect 0 migrate
[ -n "$(find "$old" -name '*.spoolguard-*')" ] && fail "something of the old files is left: $(find "$old" -name '*.spoolguard-*')"
is_bound "$spool" && is_bound "$d/cache" && is_bound "$d/log" || fail "not in place: $(cat "$work/out")"
cupsd_use "$d"
[ "$(jq .ready "$SPOOLGUARD_RUNTIME_DIR"/*/state)" = true ] || fail "the volume counts as half attached"
[ "$(findmnt -rno TARGET -S "$(device_of_mount_at "$spool")" | wc -l)" = 3 ] || fail "mounted elsewhere too: $(findmnt -rno TARGET,SOURCE)"
[ "$(stat -c '%a %U %G' "$spool" "$d/cache" "$d/log")" = "$modes" ] || fail "owners or modes differ"
[ "$(job_state "$held")" = 4 ] && [ "$(job_state "$second")" = 4 ] && [ "$(job_state "$printed")" = 9 ] || fail "a job is gone"
lp -i "keep-$held" -H resume
job_wait "$held" 9
cat "$work/document" "$work/other" | cmp -s - "$work/printed" || fail "the held job printed something else"
ok "held jobs are there, and print what was submitted"
LP_OPTIONS=
job_wait "$(job_submit raw "$work/document")" 9
echo 3 > /proc/sys/vm/drop_caches
[ "$(raw_hits "$body")" = 0 ] || fail "the raw old medium still shows $(raw_hits "$body") lines of documents"
grep -q "$title" <(strings -a "$work/spool.img") && fail "the volume's raw medium shows a title"
ok "nothing of the documents is left on the raw old medium"
expect 0 migrate --json
[ "$(jq -r .result "$work/out")" = "nothing to move" ] || fail "a second migration: $(cat "$work/out")"
expect 1 cups check --json
jq -e '[.findings[].id] | any(. == ("spool-place", "cache-place", "log-place", "temp-place")) | not' "$work/out" >/dev/null ||
	fail "check still finds it on a disk: $(jq -c '[.findings[].id]' "$work/out")"

# --- the units that tie cups.service to it

templates=$root/packaging/cups
if [ ! -e "$templates/50-spoolguard.conf" ]; then
	templates=$work/templates
	mkdir -p "$templates"
	printf '[Unit]\nBindsTo=var-spool-cups.mount\n[Service]\nLimitCORE=0\n' > "$templates/50-spoolguard.conf"
	printf '[Mount]\nWhere=/var/spool/cups\n' > "$templates/var-spool-cups.mount"
fi
mkdir -p "$r/usr/share/spoolguard/cups.service.d" "$r/etc/systemd/system"
cp "$templates/50-spoolguard.conf" "$r/usr/share/spoolguard/cups.service.d/"
cp "$templates/var-spool-cups.mount" "$r/usr/share/spoolguard/"
drop=$r/etc/systemd/system/cups.service.d/50-spoolguard.conf
unit=$r/etc/systemd/system/$(systemd-escape --path --suffix=mount "$spool")
expect 0 cups apply
grep -qF "BindsTo=$(basename "$unit")" "$drop" && grep -q '^LimitCORE=0' "$drop" && grep -qxF "Where=$spool" "$unit" || fail "the units: $(cat "$work/out" "$drop")"
job_wait "$(job_submit raw "$work/document")" 9
printf '\n[Service]\nNice=5\n' >> "$drop"
expect 0 cups revert
[ ! -e "$unit" ] && grep -q 'Nice=5' "$drop" && ! grep -q 'LimitCORE\|BindsTo' "$drop" || fail "revert of the units: $(cat "$drop")"
rm "$drop"
expect 0 cups apply
[ -e "$drop" ] || fail "apply again"
expect 0 cups revert
[ ! -e "$drop" ] && [ ! -e "$(dirname "$drop")" ] || fail "the drop-in stays"
ok "cups.service is tied to the spool's mount, and let go again"

# --- away and back

attach_in_place() {
	"$sg" attach --passphrase-file "$pass" --mount "$1" "${@:2}" "$image" >/dev/null || fail "attach in place"
}
cupsd_stop
detach
touch "$spool/x" 2>/dev/null && fail "root can write to the bare directory"
[ -z "$(ls -A "$spool")" ] || fail "the bare directory is not empty"
attach_in_place "$spool" --bind "cache:$d/cache" --bind "log:$d/log"
cupsd_up
[ "$(job_state "$second")" = 4 ] || fail "the held job is gone after detach and attach"
ok "detached and attached, the jobs are there"
cupsd_stop
detach

# --- the other layout: directories of a volume that stays where it is

umount "$old" && mkfs.ext4 -q -F "$work/old.img" && mount -o loop "$work/old.img" "$old" || fail "a new old medium"
rm -f "$image" "$work/printed"
make_volume 64M
attach >/dev/null
cupsd_start "$d" 'PreserveJobFiles Yes' 'DirtyCleanInterval 0'
queue_raw raw
LP_OPTIONS="-H hold"
held=$(job_submit raw "$work/other")
refuses 2 'name is taken' migrate --directory cache
expect 0 migrate --directory cups --without log-place --json
cupsd_use "$d"
[ "$(jq -r .mount "$work/out")" = "$mount" ] && is_bound "$mount" && is_bound "$spool" && is_bound "$d/cache" && ! is_bound "$d/log" ||
	fail "--directory: $(cat "$work/out")"
[ "$(job_state "$held")" = 4 ] && [ -e "$mount/cups/$(printf 'd%05d-001' "$held")" ] || fail "--directory: the job is gone"
cupsd_stop
detach
[ -z "$(ls -A "$spool")" ] || fail "--directory: the bare directory is not empty"
attach_in_place "$mount" --bind "cups:$spool" --bind "cache:$d/cache"
cupsd_up
[ "$(job_state "$held")" = 4 ] || fail "--directory: the job is gone after an attach in place"
ok "directories of the volume can be bound in their places"
