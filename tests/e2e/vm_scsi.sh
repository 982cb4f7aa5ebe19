#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A real kernel's /dev/sdX: models of SCSI and ATA drives behind target_core_user, and QEMU's own
# disk.  What they offer, sanitize and security erase to their true end, drives that lie, an area
# that is hidden, and the power cut in the middle of a sanitize.
# Time limit: 600 s
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/../vm/vm.sh"
vm_need
for program in scsi_target tcmu_front drive_tool; do
	[ -x "$build/tests/drives/$program" ] || make -s -C "$root" BUILD="${build#"$root"/}" "${build#"$root"/}/tests/drives/$program" >/dev/null || fail "$program does not build"
done

targets=()
serve() { # serve KIND NAME [OPTION...]: sets port; its medium is $work/NAME
	local kind=$1 image=$work/$2
	shift 2
	yes SECRETDATA | head -c 1M >"$image"
	: >"$image.port"
	"$build/tests/drives/scsi_target" 0 "$kind" "$image" "$@" >"$image.port" &
	pids+=($!) targets+=($!)
	until grep -q port "$image.port"; do kill -0 $! || fail "no target"; sleep 0.1; done
	port=$(awk '{print $2}' "$image.port")
}

attach='number=1
mount -t configfs c /sys/kernel/config
mkdir -p /etc/target
attach() { # attach NAME PORT BYTES: sets disk
	at=/sys/kernel/config/target
	mkdir -p $at/core/user_$number/$1 || exit 1
	echo "dev_config=sim/$1,dev_size=$3,hw_block_size=512,nl_reply_supported=-1" >$at/core/user_$number/$1/control
	echo 1 >$at/core/user_$number/$1/enable || exit 1
	for uio in /sys/class/uio/uio*; do
		case $(cat $uio/name) in tcm-user/$number/$1/*) break ;; esac
	done
	tcmu_front /dev/${uio##*/} $(cat $uio/maps/map0/size) 10.0.2.2 $2 >/tmp/$1.front &
	until grep -q serving /tmp/$1.front; do usleep 50000; done
	ls /sys/block >/tmp/before
	loop=$at/loopback/naa.500140500000000$number
	mkdir -p $loop/tpgt_1
	echo naa.500140500000001$number >$loop/tpgt_1/nexus
	mkdir -p $loop/tpgt_1/lun/lun_0
	ln -s $at/core/user_$number/$1 $loop/tpgt_1/lun/lun_0/port || exit 1
	disk=
	until [ -n "$disk" ] && [ -b "$disk" ]; do
		usleep 50000
		for found in /sys/block/sd*; do
			grep -qx "${found##*/}" /tmp/before || disk=/dev/${found##*/}
		done
	done
	number=$((number + 1))
}
fill() { yes SECRETDATA | dd of=$disk bs=64k count=16 iflag=fullblock conv=fsync 2>/dev/null; }
left() { echo "$1 left $(dd if=$disk bs=64k iflag=direct 2>/dev/null | grep -a -c SECRETDATA)"; }
try() { # try NAME METHOD: filled, done, looked at
	fill; left "$1-before"
	drive_tool $disk $2; echo "$1 result $?"
	left "$1-after"
}'

serve scsi scsi sanitize_ms=500 opal
scsi=$port
serve ata ata sanitize_ms=500
ata=$port
serve scsi scsi-liar sanitize_ms=500 lie
scsi_liar=$port
serve ata ata-liar sanitize_ms=500 lie
ata_liar=$port
serve ata hidden hidden_bytes=262144 dco_hidden_bytes=131072
hidden=$port
serve scsi scsi-slow sanitize_ms=20000
scsi_slow=$port
serve ata ata-slow sanitize_ms=20000
ata_slow=$port
yes SECRETDATA | head -c 1M >"$work/qemu"
vm_make "virtio_pci virtio_net virtio_scsi sd_mod sg target_core_user tcm_loop" "$build/tests/drives/drive_tool" "$build/tests/drives/tcmu_front"

cat >"$work/first" <<E1
$attach
disk=/dev/sda
until [ -b \$disk ]; do usleep 50000; done
drive_tool \$disk | while read -r line; do echo "qemu \$line"; done
drive_tool \$disk scsi-sanitize-block; echo "qemu-sanitize result \$?"
try qemu-format format-unit
attach scsi $scsi 1048576
drive_tool \$disk | while read -r line; do echo "scsi \$line"; done
for method in crypto block overwrite; do try scsi-\$method scsi-sanitize-\$method; done
attach ata $ata 1048576
drive_tool \$disk | while read -r line; do echo "ata \$line"; done
for method in sanitize-crypto sanitize-block sanitize-overwrite enhanced-security-erase security-erase; do try ata-\$method ata-\$method; done
attach scsi-liar $scsi_liar 1048576
try scsi-lie scsi-sanitize-block
attach ata-liar $ata_liar 1048576
try ata-lie ata-sanitize-block
try ata-erase-lie ata-security-erase
attach hidden $hidden 655360
echo "hidden sectors before \$(cat /sys/block/\${disk##*/}/size)"
drive_tool \$disk lift-hidden; echo "hidden result \$?"
echo "hidden sectors after \$(cat /sys/block/\${disk##*/}/size)"
dd if=/dev/zero of=\$disk bs=64k oflag=direct 2>/dev/null
sync
echo "hidden overwritten"
attach scsi-slow $scsi_slow 1048576
slow=\$disk
attach ata-slow $ata_slow 1048576
drive_tool \$slow scsi-sanitize-block | while read -r line; do echo "scsi-slow \$line"; done &
drive_tool \$disk ata-sanitize-block | while read -r line; do echo "ata-slow \$line"; done
wait
E1
cat >"$work/second" <<E2
$attach
# Reads wait in the kernel until a sanitize has ended, and whoever opens the disk waits with them: so
# it is asked through its generic device.
resume() { # resume NAME METHOD
	until [ -c /dev/sg\$((number - 2)) ]; do usleep 50000; done
	drive_tool /dev/sg\$((number - 2)) \$2 resume 2>&1 | while read -r line; do echo "\$1-resume \$line"; done
	left "\$1-resumed"
}
attach scsi-slow $scsi_slow 1048576
resume scsi scsi-sanitize-block
attach ata-slow $ata_slow 1048576
resume ata ata-sanitize-block
E2

has() { grep -aq "$1" "$log" || fail "no /$1/: $(tail -n 40 "$log")"; }
forgets() { # forgets NAME: what was there is gone, and the tool knows
	has "^$1-before left [1-9]"
	has "^$1 result 0"
	has "^$1-after left 0"
}
survives() { # survives NAME: the drive says done, and is found out
	has "^$1 result 1"
	has "^$1-after left [1-9]"
}

log=$work/first.log
vm_start "$work/first" "$log" -device virtio-scsi-pci,id=scsi -drive "file=$work/qemu,format=raw,if=none,id=qemu" -device scsi-hd,drive=qemu,bus=scsi.0,serial=QEMU0001
vm_await "^qemu-format-after " "$log"
! grep -aq "^qemu offers scsi" "$log" || fail "QEMU's disk is said to have a sanitize: $(grep -a ^qemu "$log")"
has "^qemu no scsi-sanitize-block: the drive does not tell"
has "^qemu-sanitize result 1"
ok "a disk that does not tell of a sanitize is offered none"
has "^format-unit status 0 host 0"
survives qemu-format
ok "QEMU's FORMAT UNIT says GOOD, erases nothing, and is found out"

vm_await "^scsi-overwrite-after " "$log"
has "^scsi serial SIMSCSI0001"
[ "$(grep -ac "^scsi offers scsi" "$log")" = 3 ] || fail "offers: $(grep -a ^scsi "$log")"
has "^scsi opal yes"
has "^scsi health no failure is foreseen"
for method in crypto block overwrite; do forgets "scsi-$method"; done
ok "a kernel's SCSI disk: what it offers, and each sanitize leaves nothing"

vm_await "^ata-security-erase-after " "$log"
has "^ata serial SIMATA0001"
[ "$(grep -ac "^ata offers ata" "$log")" = 5 ] || fail "offers: $(grep -a ^ata "$log")"
for method in sanitize-crypto sanitize-block sanitize-overwrite enhanced-security-erase security-erase; do forgets "ata-$method"; done
ok "a kernel's ATA disk: each sanitize and security erase leaves nothing"

vm_await "^ata-erase-lie-after " "$log"
for name in scsi-lie ata-lie ata-erase-lie; do survives "$name"; done
[ "$(grep -ac "^survived 2048 of 2048" "$log")" = 4 ] || fail "survivors: $(grep -a ^survived "$log")"
ok "drives that say done and did nothing are found out"

vm_await "^hidden overwritten" "$log"
has "^hidden sectors before 1280"
has "^hidden 1048576 of 1048576, the device 1048576: 384.0 KiB more can be reached"
has "^hidden sectors after 2048"
! grep -aq SECRETDATA "$work/hidden" || fail "what was hidden is still there"
ok "an HPA and a configuration overlay are opened, the kernel sees it, and an overwrite reaches all"

vm_await "^scsi-slow progress [1-9]" "$log"
vm_await "^ata-slow progress [1-9]" "$log"
kill -9 "$vm_pid"
wait "$vm_pid" 2>/dev/null
ok "power cut in the middle of two sanitizes"
log=$work/second.log
vm_start "$work/second" "$log"
vm_await "^VM-EXIT" "$log"
for name in scsi ata; do
	# On a very slow machine it may have come to its end before it was cut off, and is begun again.
	if ! grep -aq "^$name-resume record erase begin" "$log"; then
		has "^$name-resume progress"
		ok "$name: still at it after the next boot, taken up and not begun again"
	fi
	has "^$name-resume state done"
	has "^$name-resumed left 0"
done
ok "at their end nothing is left"
wait "$vm_pid"
kill "${targets[@]}"
wait "${targets[@]}"
