#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# vm_nbd.sh - a real kernel's nbd and ext4 on a volume that is attached with --nbd
#
# usage: vm_nbd.sh [META]   META: Debian's package of the kernel (vm.sh); vm_nbd_new.sh gives the newest
#
# Files are written, removed and trimmed in the machine; outside, an independent decryptor, e2fsck
# and "inspect" judge the medium.
# Time limit: 600 s
set -u -o pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/../vm/vm.sh"
[ "$(id -u)" = 0 ] || skip "needs root (memory is locked)"
[ -e "$build/nbdkit-spoolguard-plugin.so" ] || skip "the plugin was not built (nbdkit-plugin-dev)"
command -v nbdkit >/dev/null || skip "needs nbdkit"
vm_need ${1:+"$1"}
vm_fetch nbd-client sbin/nbd-client
client=$vm_cache/nbd-client/sbin/nbd-client
for package in libnl-3-200 libnl-genl-3-200; do vm_fetch $package usr/share/doc/$package/copyright; done
LD_LIBRARY_PATH=$(find "$vm_cache"/libnl* -name 'libnl*.so*' -printf '%h\n' | sort -u | paste -sd:)
export LD_LIBRARY_PATH
! ldd "$client" | grep -q 'not found' || skip "nbd-client needs a library: $(ldd "$client" | grep 'not found' | head -1)"
fstrim=$(command -v fstrim) || skip "needs fstrim"

mark=SECRETJOB$$
socket=$work/nbd
status() { "$sg" status --json "$image" | jq -r "$1"; }
plain() { # how often the mark is in what the medium decrypts to, whatever the map says of it
	/usr/bin/python3 "$root/tests/tools/luks2_decrypt.py" "$image" "$pass" >"$work/plain" || fail "independent decryptor"
	grep -a -c -e "$mark" "$work/plain"
}

make_volume 96M >/dev/null
"$sg" attach --no-service --nbd "$socket" --passphrase-file "$pass" "$image" >/dev/null || fail "attach --nbd"
# The machine has no way to a socket of ours but TCP: nbdkit's own client hands its requests on.
for port in $(seq 20809 20859); do
	nbdkit -f -i 127.0.0.1 -p "$port" nbd socket="$socket" 2>"$work/proxy" &
	proxy=$!
	until ! kill -0 $proxy 2>/dev/null || (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do sleep 0.1; done
	sleep 0.2
	! kill -0 $proxy 2>/dev/null || break
done
kill -0 $proxy 2>/dev/null || fail "no port for the machine: $(cat "$work/proxy")"
pids+=("$proxy")

vm_make "virtio_pci virtio_net nbd ext4" "$client" "$fstrim"
unset LD_LIBRARY_PATH
cat >"$work/step" <<STEP
mkdir -p /mnt
nbd-client 10.0.2.2 $port /dev/nbd0 -b 4096 -t 120 >/tmp/client 2>&1 || { cat /tmp/client; exit 1; }
echo "limits discard \$(cat /sys/block/nbd0/queue/discard_max_bytes) zeroes \$(cat /sys/block/nbd0/queue/write_zeroes_max_bytes) fua \$(cat /sys/block/nbd0/queue/fua)"
mount -t ext4 -o discard /dev/nbd0 /mnt || exit 1
for i in \$(seq 40); do yes "$mark body of job \$i" | dd of=/mnt/job-\$i bs=10000 count=\$i iflag=fullblock 2>/dev/null; done
sync
for i in \$(seq 30); do rm /mnt/job-\$i; done
sync
fstrim -v /mnt; sync; fstrim -v /mnt
for i in \$(seq 31 40); do sha256sum /mnt/job-\$i; done
umount /mnt || exit 1
nbd-client -d /dev/nbd0
echo done
STEP
log=$work/log
vm_start "$work/step" "$log"
vm_await '^VM-EXIT' "$log"
grep -aq '^VM-EXIT 0' "$log" || fail "in the machine: $(tail -n 20 "$log")"
grep -aE '^limits ' "$log"
[ "$(grep -ac '/mnt/job-' "$log")" -ge 10 ] || fail "not every file is left: $(tail -n 20 "$log")"
ok "Linux $vm_version: mounted through the kernel's nbd, written, removed, trimmed"

refuses 3 'what was trimmed is paid' "$sg" sweep "$image"
[ "$(status '"\(.residue) \(.unknown)"')" = "0 0" ] || fail "still owed: $(status .residue)"
kill $proxy
for i in $(seq 200); do "$sg" detach "$image" >/dev/null 2>&1 && break; sleep 0.1; done
"$sg" inspect --passphrase-file "$pass" "$image" >"$work/out" || fail "inspect: $(cat "$work/out")"
grep -q 'detached in order' "$work/out" || fail "not detached in order: $(cat "$work/out")"
shown=$(sed -n 's/.*show the last pattern \([0-9]*\).*/\1/p' "$work/out")
[ "$shown" -gt 1000 ] || fail "only $shown blocks show the pattern on the raw medium"
[ "$(grep -a -c -e "$mark" "$image")" = 0 ] || fail "plaintext on the raw medium"
hits=$(plain)
for i in $(seq 31 40); do
	yes "$mark body of job $i" | dd bs=10000 count=$i iflag=fullblock 2>/dev/null | sha256sum
done | awk '{print $1}' >"$work/want"
grep -a '/mnt/job-' "$log" | awk '{print $1}' | cmp -s - "$work/want" || fail "files that were left are not what was written"
for i in $(seq 1 30); do ! grep -aq -e "$mark body of job $i\$" "$work/plain" || fail "job $i is still on the medium"; done
e2fsck -fn "$work/plain" >"$work/fsck" 2>&1 || fail "e2fsck: $(tail -n 5 "$work/fsck")"
ok "removed files are gone from the medium ($shown blocks of pattern), those that are left are whole ($hits lines)"
