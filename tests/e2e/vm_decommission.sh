#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# vm_decommission.sh - a drive's last day with a drive that has methods of its own, on a real kernel
#
# Goal: "spoolguard decommission" has the drive erase itself, believes no drive that lies, and takes
# up what a power cut left, wherever it fell; its certificate says just that, and the overwrite is
# done in each case.
# Method: the model of an NVMe drive outside, a machine that attaches it as /dev/nvme0n1, with the
# state directory on a disk image.  The power cut is the end of the machine's process; the drive
# goes on.  What is claimed is looked at outside: the model's image, stock minisign, the certificate.
# Time limit: 600 s
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/../vm/vm.sh"
. "$(dirname "$0")/../vm/nvme.sh"
PATH=$PATH:/usr/sbin:/sbin
for tool in debugfs mkfs.ext4 minisign jq; do command -v "$tool" >/dev/null || skip "needs $tool"; done
vm_need
[ -x "$build/tests/drives/nvme_target" ] || make -s -C "$root" BUILD="${build#"$root"/}" "${build#"$root"/}/tests/drives/nvme_target" >/dev/null || fail "nvme_target does not build"

seed=${SEED:-$(od -An -N2 -tu2 /dev/urandom | tr -d ' ')}
RANDOM=$seed
echo "seed $seed"

# drive NAME SIZE [OPTION...]: full of something, behind $port
drive() {
	local image=$work/$1.img size=$2
	shift 2
	yes SECRETDATA | head -c "$size" >"$image"
	nvme_serve "$image" "$@"
}
state() { # state NAME: a disk for the state directory
	truncate -s 16M "$work/$1.state"
	mkfs.ext4 -q "$work/$1.state" || fail "mkfs.ext4"
}
boot() { vm_start "$work/$1.step" "$log" -drive "file=$work/$2.state,if=virtio,format=raw"; } # boot STEP STATE; its words in $log
power_cut() {
	kill -9 "$vm_pid"
	wait "$vm_pid" 2>/dev/null
}
ended() { # the machine, by itself
	vm_await "^VM-EXIT 0" "$log"
	wait "$vm_pid"
}
take_out() { # take_out STATE: what the disk holds, to $work/STATE.out; the machine has unmounted it
	mkdir "$work/$1.out"
	debugfs -R "rdump / $work/$1.out" "$work/$1.state" 2>/dev/null
}
verified() { minisign -Vq -P "$(sed -n 2p "$1/sg/keys/enrolment.pub")" -m "$2" || fail "stock minisign does not verify $2"; }
says() { # says CERTIFICATE FILTER...: each is true of it
	local certificate=$1 filter
	shift
	for filter; do jq -e "$filter" "$certificate" >/dev/null || fail "not so: $filter: $(jq -c '{verdict, steps, methods, overwrite}' "$certificate")"; done
}
shows_pattern() { # every byte of the drive's image is 0x97
	[ -z "$(tr -d '\227' <"$1" | head -c 1 | tr '\0' 0)" ] || fail "$1 does not show 0x97 alone"
}

# The self-test looks at every program that the manifest names.
mapfile -t programs < <(awk -v at="$build/" 'length($1) == 64 {print at $2}' "$build/manifest")
vm_make "virtio_pci virtio_net virtio_blk nvme-tcp ext4" "${programs[@]}" "$build/manifest"

begin="$nvme_connect"'
still() { echo "$1 still $(dd if=/dev/nvme0n1 bs=4k count=4 iflag=direct 2>/dev/null | grep -a -c SECRETDATA)"; }
echo # what the firmware left on the line
mkdir -p /state /run
mount -t ext4 /dev/vda /state || exit 1
decommission() { spoolguard decommission --standalone --state /state/sg "$@" /dev/nvme0n1; }
finish() { cd /; umount /state; }'

# --- an honest drive, and one that says done and changes nothing

drive honest 4M sanitize_ms=500
honest=$port
drive liar 4M lie sanitize_ms=300
liar=$port
state two
cat >"$work/two.step" <<STEP
$begin
attach $honest
spoolguard devices --json /dev/nvme0n1 >/state/devices.json
decommission --dry-run --json >/state/plan.json; echo "plan \$?"
[ ! -e /state/sg ] && still rehearsed
decommission --confirm SIMNVME0002; echo "wrong \$?"
still refused
decommission --confirm SIMNVME0001 --certificate /state/honest.json; echo "honest \$?"
detach
attach $liar
decommission --confirm SIMNVME0001 --certificate /state/liar.json; echo "liar \$?"
finish
STEP
log=$work/two.log
boot two two
ended
take_out two
out=$work/two.out
says "$out/devices.json" '.devices[0].serial == "SIMNVME0001"' '.devices[0].serial_is_stand_in == false' '.devices[0].transport == "nvme-tcp"'
grep -aq "^plan 0" "$log" && grep -aq "^rehearsed still [1-9]" "$log" || fail "the rehearsal: $(cat "$log")"
says "$out/plan.json" '.drives[0].serial == "SIMNVME0001"' '[.. | strings] | any(startswith("nvme-sanitize-crypto"))'
ok "rehearsed, with the drive's own methods; nothing changed"
grep -aq "^wrong 1" "$log" && grep -aq "^refused still [1-9]" "$log" || fail "another serial: $(cat "$log")"
ok "another drive's serial is refused, and nothing changed"

# A server's medium cannot be seen: done, and neither Clear nor Purge is claimed (3).
grep -aq "^honest 3" "$log" || fail "the honest drive: $(cat "$log")"
shows_pattern "$work/honest.img"
verified "$out" "$out/honest.json"
says "$out/honest.json" '.media.serial_by_own_command == "SIMNVME0001"' '.media.namespaces_known' \
	'.methods | length == 1' '.methods[0].method == "nvme-sanitize-crypto"' '.methods[0].state == "done"' \
	'.methods[0].witness.survived_blocks == 0' '.methods[0].witness.held_data_blocks > 0' '.methods[0].resumes == 0' \
	'.overwrite.verified_bytes == .media.bytes' '.media.bytes == 4194304' \
	'.verdict.reached == "neither"' '.verdict.reason | contains("behind a network")' '[.steps[].state] | all(. != "failed")'
ok "it erases itself, 0x97 is everywhere, and stock minisign verifies the certificate"

grep -aq "^liar 3" "$log" || fail "the liar: $(cat "$log")"
shows_pattern "$work/liar.img"
verified "$out" "$out/liar.json"
says "$out/liar.json" '.methods | length == 5' \
	'.methods | all(.state == "failed" and .drive_said_done and .witness.survived_blocks > 0)' \
	'.steps[] | select(.step == "sanitize") | .state == "failed"' \
	'.steps[] | select(.step == "overwrite") | .state == "done"' \
	'.overwrite.verified_bytes == .media.bytes' '.verdict.reached == "neither"'
ok "a drive that lies is named as failed in the certificate, and is overwritten all the same"

# --- the power is cut: in the sanitize, in the overwrite, anywhere

drive slow 16M sanitize_ms=12000
state cut
cat >"$work/cut.step" <<STEP
$begin
attach $port
echo "going"
# Finished just before the cut: nothing is left to take up.
if ls /state/sg/decommission/*.done.json 2>/dev/null; then echo "code done"; else
	decommission --confirm SIMNVME0001 --certificate /state/cut.json; echo "code \$?"
fi
finish
STEP
log=$work/cut1.log
boot cut cut
vm_await "nvme-sanitize-crypto *[1-9]" "$log"
power_cut
ok "power cut in the middle of the sanitize"
log=$work/cut2.log
boot cut cut
vm_await 'taken up at the step "sanitize"' "$log"
vm_await "pass [23] of 3 *[1-9]" "$log"
power_cut
ok "taken up there; power cut in the middle of the overwrite"
log=$work/cut3.log
boot cut cut
vm_await "^going" "$log"
sleep "$((RANDOM % 6)).$((RANDOM % 10))"
power_cut
log=$work/cut.log
boot cut cut
ended
grep -aq "^code \(3\|done\)" "$log" || fail "taken up at last: $(cat "$log")"
take_out cut
out=$work/cut.out
shows_pattern "$work/slow.img"
verified "$out" "$out/cut.json"
says "$out/cut.json" '.methods | length == 1' '.methods[0].method == "nvme-sanitize-crypto"' '.methods[0].state == "done"' \
	'.methods[0].resumes > 0' '.methods[0].witness.survived_blocks == 0' '.methods[0].witness.held_data_blocks > 0' \
	'.steps[] | select(.step == "sanitize") | .resumes > 0 and .state == "done"' \
	'.steps[] | select(.step == "overwrite") | .resumes > 0 and .state == "done"' \
	'.overwrite.verified_bytes == .media.bytes' '.media.bytes == 16777216'
[ "$(find "$out/sg/decommission" -name '*.done.json' | wc -l)" = 1 ] || fail "it was begun more than once"
ok "after three power cuts, the last one anywhere: done, and the certificate says where it was taken up"
nvme_end
