#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# vm_devices.sh - "spoolguard devices" of a machine with partitions, device-mapper, RAID and NVMe,
# which a machine that tests run on has not, or may not be touched: who uses what, which whole drive
# a refusal names, drives that nobody could tell apart
# Time limit: 600 s
set -u -o pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/../vm/vm.sh"
vm_need
for tool in dmsetup sfdisk jq mke2fs; do command -v "$tool" >/dev/null || skip "needs $tool"; done
[ -x "$build/tests/drives/nvme_target" ] || make -s -C "$root" BUILD="${build#"$root"/}" "${build#"$root"/}/tests/drives/nvme_target" >/dev/null || fail "nvme_target does not build"

targets=()
serve() { # serve IMAGE [OPTION...]: sets port
	local image=$1
	shift
	truncate -s 4M "$image"
	: >"$image.port"
	"$build/tests/drives/nvme_target" 0 "$image" "$@" >"$image.port" &
	pids+=($!) targets+=($!)
	until grep -q port "$image.port"; do kill -0 $! || fail "no target"; sleep 0.1; done
	port=$(awk '{print $2}' "$image.port")
}
serve "$work/one.img" opal sanitize_ms=3000
one=$port

# A disk with a volume on its first partition, a file system and swap on the others.
printf 'correct horse battery staple' >"$pass"
"$sg" format --size 24M --kdf-memory 32M --kdf-time 50 --passphrase-file "$pass" "$work/volume" >/dev/null || fail "format"
"$sg" key backup --file "$work/backup" "$work/volume" >/dev/null || fail "backup"
truncate -s 64M "$work/disk"
printf 'label: dos\nstart=2048,size=49152\nstart=51200,size=16384\nstart=67584,size=16384\n' | sfdisk -q "$work/disk" || fail "sfdisk"
dd if="$work/volume" of="$work/disk" bs=1M seek=1 conv=notrunc status=none
truncate -s 8M "$work/ext"
mke2fs -qF "$work/ext"
dd if="$work/ext" of="$work/disk" bs=1M seek=25 conv=notrunc status=none
for name in bare1 bare2 same1 same2 linear crypt raid1 raid2; do truncate -s 16M "$work/$name"; done

vm_make "virtio_pci virtio_net virtio_blk nvme-tcp dm-mod dm-crypt xts raid1" "$sg" "$(command -v dmsetup)"
cat >"$work/step" <<E1
echo
disk() { for d in /sys/block/vd*; do [ "\$(cat \$d/serial)" = "\$1" ] && echo /dev/\${d##*/} && return; done; }
show() { n=\$1; shift; echo "JSON-\$n \$(spoolguard devices --json "\$@" 2>/dev/null)"; }
no() { n=\$1; shift; o=\$(spoolguard devices "\$@" 2>&1); echo "NO-\$n \$? \$o"; }
attach() {
	echo "transport=tcp,traddr=10.0.2.2,trsvcid=\$1,nqn=nqn.2026-11.sim:drive,hostnqn=nqn.2014-08.org.nvmexpress:uuid:\$2,hostid=\$2,nr_io_queues=1" >/dev/nvme-fabrics || exit 1
	until [ -b /dev/nvme\${3}n1 ]; do usleep 50000; done
}
parted=\$(disk PARTED); linear=\$(disk LINEAR); crypt=\$(disk CRYPT); raid1=\$(disk RAID1); raid2=\$(disk RAID2)
show idle \$parted
mkdir /m; mount -t ext4 \${parted}2 /m || mount -t ext2 \${parted}2 /m
mkswap \${parted}3 >/dev/null; swapon \${parted}3
exec 7<\${parted}1
show used \$parted
exec 7<&-
dmsetup --noudevsync create lin --table "0 8192 linear \$linear 0"
dmsetup --noudevsync create cry --table "0 8192 crypt aes-xts-plain64 \$(printf '0%.0s' \$(seq 128)) 0 \$crypt 0"
echo md7 >/sys/module/md_mod/parameters/new_array
cd /sys/block/md7/md
echo none >metadata_version; echo raid1 >level; echo 2 >raid_disks; echo 8192 >component_size
cat /sys/block/\${raid1#/dev/}/dev >new_dev; cat /sys/block/\${raid2#/dev/}/dev >new_dev
for i in 0 1; do echo \$i >dev-\${raid1#/dev/}/slot 2>/dev/null; echo \$((1-i)) >dev-\${raid2#/dev/}/slot 2>/dev/null; [ \$i = 0 ] && break; done
echo active >array_state
cd /
show linear \$linear; show crypt \$crypt; show raid \$raid1
no part \${parted}1; no dm /dev/dm-0; no md /dev/md7; no char /dev/null
show all
attach $one 11111111-1111-1111-1111-111111111111 0
show nvme /dev/nvme0n1
spoolguard devices /dev/nvme0n1 | sed 's/^/TEXT /'
no ctrl /dev/nvme0
E1
drive() { # drive NAME[,serial=S]: options of QEMU for an image of $work
	printf -- '-drive if=none,id=%s,format=raw,file=%s -device virtio-blk-pci,drive=%s%s ' "${1%%,*}" "$work/${1%%,*}" "${1%%,*}" "${1#"${1%%,*}"}"
}
log=$work/log
# shellcheck disable=SC2046
vm_start "$work/step" "$log" $(drive disk,serial=PARTED; drive bare1; drive bare2; drive same1,serial=SAME; drive same2,serial=SAME; drive linear,serial=LINEAR; drive crypt,serial=CRYPT; drive raid1,serial=RAID1; drive raid2,serial=RAID2)
vm_await "^VM-EXIT" "$log"
tr -d '\r' <"$log" >"$work/lines"
is() { # is NAME FILTER: true of the first device of that JSON
	grep -a "^JSON-$1 " "$work/lines" | sed 's/^[^ ]* //' | jq -e ".devices[0] | $2" >/dev/null 2>&1 || fail "$1: not $2: $(grep -a "^JSON-$1 " "$work/lines" | cut -c1-3000)$(tail -n 5 "$work/lines")"
}
says() { # says NAME PATTERN: one line, and exit 1
	[ "$(grep -ac "^NO-$1 " "$work/lines")" = 1 ] && grep -aqE "^NO-$1 1 .*$2" "$work/lines" || fail "$1 does not say $2: $(grep -a "^NO-$1 " "$work/lines")"
	ok "refused: $2"
}

is idle '.serial == "PARTED" and (.serial_is_stand_in | not) and .transport == "virtio" and .class == "virtual" and .in_use_by == [] and (.is_twin | not)'
is idle '[.partitions[].device | test("vd.[123]$")] == [true, true, true] and (.partitions[1].holds | test("ext2"))'
is idle '.volumes | length == 1 and (.[0] | (.device | test("vd.1$")) and .spoolguard and .key_slots == 1 and .backups == 1)'
ok "partitions, and a volume on one of them"
is used '[.in_use_by[] | select(.kind == "mount" and .text == "/m" and (.device | test("vd.2$")))] | length == 1'
is used '[.in_use_by[] | select(.kind == "swap" and (.device | test("vd.3$")))] | length == 1'
is used '[.in_use_by[] | select(.kind == "open" and (.device | test("vd.1$")))] | length == 1'
ok "a mount, swap and an open file, each with its partition"
is linear '.in_use_by | any(.kind == "mapped" and .text == "lin")'
is crypt '.in_use_by | any(.kind == "mapped" and .text == "cry")'
is raid '.in_use_by | any(.kind == "raid" and .text == "md7")'
ok "device-mapper and RAID hold their drives"
says part 'only a part of a drive: name the whole drive /dev/vd.( |$)'
says dm 'name the whole drive /dev/vd.( |$)'
says md 'RAID array: name the whole drive /dev/vd. or /dev/vd.'
says char 'no block device'
says ctrl 'no block device'
grep -a "^JSON-all " "$work/lines" | sed 's/^[^ ]* //' >"$work/all"
jq -e '[.devices[].path] | length == 9 and all(test("^/dev/vd.$"))' "$work/all" >/dev/null || fail "not the nine drives: $(jq -c '[.devices[].path]' "$work/all")"
jq -e '[.devices[] | select(.serial_is_stand_in)] | length == 2 and all(.is_twin)' "$work/all" >/dev/null || fail "two without a serial are no twins: $(jq -c '[.devices[] | [.path, .serial, .is_twin]]' "$work/all")"
jq -e '[.devices[] | select(.serial == "SAME") | .is_twin] == [true, true]' "$work/all" >/dev/null || fail "two with one serial are no twins"
jq -e '[.devices[] | select((.serial_is_stand_in or .serial == "SAME") | not)] | length == 5 and all(.is_twin | not)' "$work/all" >/dev/null || fail "others are twins"
ok "nine drives; two without a serial and two with the same could be taken for one another"
is nvme '.serial == "SIMNVME0001" and .transport == "nvme-tcp" and .class == "network" and .opal.detected and .asked'
is nvme '[.methods[] | select(.offered) | .name] | index("nvme-sanitize-block") and index("nvme-format-user-data")'
is nvme '.methods[] | select(.name == "nvme-sanitize-block") | .reach == "subsystem" and .estimated_s != null'
is nvme '.recommendation.verdict == "neither"'
grep -aq '^TEXT .*recommended' "$work/lines" || fail "no text"
grep -a '^TEXT ' "$work/lines" | awk 'length > 105 {exit 1}' || fail "lines are too long"
ok "a kernel's NVMe drive: what it offers, and that nothing can be claimed of it behind a network"
wait "$vm_pid"
kill "${targets[@]}"
wait "${targets[@]}" 2>/dev/null
exit 0
