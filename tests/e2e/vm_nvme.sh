#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# A real kernel's /dev/nvme0 (the model of a drive behind NVMe/TCP): what it offers, a sanitize and
# a format to their true end, a drive that lies, and the power cut in the middle of a sanitize.
# Time limit: 600 s
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/../vm/vm.sh"
. "$(dirname "$0")/../vm/nvme.sh"
vm_need
for program in nvme_target drive_tool; do
	[ -x "$build/tests/drives/$program" ] || make -s -C "$root" BUILD="${build#"$root"/}" "${build#"$root"/}/tests/drives/$program" >/dev/null || fail "$program does not build"
done

connect="$nvme_connect"'
fill() { yes SECRETDATA | dd of=/dev/nvme0n1 bs=64k count=64 iflag=fullblock conv=fsync 2>/dev/null; }'

nvme_serve "$work/honest.img" opal sanitize_ms=500
honest=$port
nvme_serve "$work/liar.img" lie sanitize_ms=500
liar=$port
nvme_serve "$work/slow.img" sanitize_ms=15000
slow=$port
vm_make "virtio_pci virtio_net nvme-tcp" "$build/tests/drives/drive_tool"

cat >"$work/first" <<E1
$connect
attach $honest
drive_tool /dev/nvme0n1
fill; left before
drive_tool /dev/nvme0n1 nvme-sanitize-crypto; echo "sanitize \$?"; left sanitized
fill
drive_tool /dev/nvme0n1 nvme-format-user-data; echo "format \$?"; left formatted
detach
attach $liar
fill
drive_tool /dev/nvme0n1 nvme-sanitize-block; echo "lie \$?"
detach
attach $slow
fill
drive_tool /dev/nvme0n1 nvme-sanitize-block | while read -r line; do echo "slow \$line"; done
E1
cat >"$work/second" <<E2
$connect
attach $slow
dd if=/dev/nvme0n1 of=/dev/null bs=4096 count=1 iflag=direct 2>&1
drive_tool /dev/nvme0n1 nvme-sanitize-block resume 2>&1; echo "resume \$?"
left resumed
E2

log=$work/first.log
vm_start "$work/first" "$log"
vm_await "^lie " "$log"
grep -aq "^serial SIMNVME0001" "$log" || fail "no serial: $(cat "$log")"
[ "$(grep -ac "^offers nvme" "$log")" = 5 ] || fail "offers: $(cat "$log")"
grep -aq "^opal yes" "$log" || fail "Opal is not seen"
ok "a kernel's NVMe drive tells what it offers"
grep -aq "^before left [1-9]" "$log" || fail "nothing was written: $(cat "$log")"
grep -aq "^sanitize 0" "$log" && grep -aq "^sanitized left 0" "$log" || fail "sanitize: $(cat "$log")"
grep -aq "^format 0" "$log" && grep -aq "^formatted left 0" "$log" || fail "format: $(cat "$log")"
ok "sanitize and format leave nothing"
grep -aq "^lie 1" "$log" && grep -aq "^survived 2128 of 2128" "$log" || fail "the liar is believed: $(cat "$log")"
ok "a drive that says done and did nothing is found out"

vm_await "^slow progress [1-9]" "$log"
kill -9 "$vm_pid"
wait "$vm_pid" 2>/dev/null
ok "power cut in the middle of a sanitize"
log=$work/second.log
vm_start "$work/second" "$log"
vm_await "^VM-EXIT" "$log"
# On a very slow machine it may have come to its end before the boot did.
if grep -aq "^progress" "$log"; then
	grep -aqE "(Input/output|I/O) error" "$log" || fail "it could be read while the drive was at it: $(cat "$log")"
	ok "still at it after the next boot, and nothing can be read meanwhile"
fi
grep -aq "^resume 0" "$log" && grep -aq "^resumed left 0" "$log" || fail "resume: $(cat "$log")"
! grep -aq "^record erase begin" "$log" || fail "it was begun again: $(cat "$log")"
ok "taken up after the next boot, and at its end nothing is left"
wait "$vm_pid"
nvme_end
