#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# nbd.sh - a volume through NBD, judged by other people's clients
#
# nbdinfo, nbdcopy, libnbd (nbdsh), qemu-io, qemu-img and fio read, write, trim and ask for zeros; the
# raw image shows what became of it.  Then what goes wrong: garbage, oversized requests, kill -9,
# a wrong passphrase, a volume in use, a detach under connected clients.
#
# Time limit: 240 s
set -u -o pipefail
. "$(dirname "$0")/lib.sh"
plugin=$build/nbdkit-spoolguard-plugin.so
[ "$(id -u)" = 0 ] || skip "needs root (memory is locked)"
export PATH=/usr/bin:$PATH # python3's libnbd is the system's
for tool in nbdkit nbdinfo nbdcopy nbdsh qemu-io qemu-img fio jq cryptsetup; do
	command -v $tool >/dev/null || skip "needs $tool"
done
nbdsh -c pass 2>/dev/null || skip "needs python3-libnbd"
[ -e "$plugin" ] || skip "the plugin was not built (nbdkit-plugin-dev)"

socket=$work/nbd
uri="nbd+unix:///?socket=$socket"
serve() { "$sg" attach --no-service --nbd "$socket" --passphrase-file "$pass" "$@" "$image" >"$work/attached" || fail "attach --nbd"; }
io() { qemu-io -f raw "$@" "$uri" >"$work/io" 2>&1 || fail "qemu-io $*: $(cat "$work/io")"; ! grep -qiE 'fail|error' "$work/io" || fail "qemu-io $*: $(cat "$work/io")"; }
shell() { timeout 100 nbdsh -u "$uri" "$@" || fail "nbdsh"; }
status() { "$sg" status --json "$image" | jq -r "$1"; }
map() { nbdinfo --map "$uri" | awk '{print $1 "+" $2 ":" $3}' | paste -sd' '; }
raw() { # raw BLOCK COUNT: what the medium holds there
	dd if="$image" bs=4096 skip=$((data_at / 4096 + $1)) count="$2" status=none
}
shows_pattern() { raw "$1" "$2" | tr -d '\227' | cmp -s - /dev/null; }

make_volume 64M --no-filesystem >/dev/null
data_at=$(cryptsetup luksDump "$image" | awk '/offset:/ {print $2; exit}')
size=$((54 * 1024 * 1024))

# --- somebody's own nbdkit ---

refuses 1 'command line can be read' nbdkit -f -U "$socket" "$plugin" "$image" passphrase=secret
refuses 1 'give the passphrase' nbdkit -f -U "$socket" "$plugin" "$image"
echo wrong >"$work/wrong"
refuses 1 'opens none of its key slots' nbdkit -U "$socket" "$plugin" "$image" passphrase-file="$work/wrong"
export plugin image pass
# shellcheck disable=SC2016
timeout 60 nbdkit -U - "$plugin" "$image" passphrase-fd=9 9<"$pass" --run '
	qemu-io -f raw -c "write -P 65 0 64k" -c flush "nbd+unix:///?socket=$unixsocket" &&
	! nbdkit -f -U - "$plugin" "$image" passphrase-file="$pass" --run true' >"$work/out" 2>&1 ||
	fail "nbdkit --run: $(cat "$work/out")"
grep -qi 'in use' "$work/out" || fail "a second server is not refused in words: $(cat "$work/out")"
"$sg" inspect --passphrase-file "$pass" "$image" >"$work/out" || fail "inspect: $(cat "$work/out")"
grep -q 'detached in order' "$work/out" || fail "nbdkit's end does not close the volume in order"
ok "nbdkit of one's own: passphrase by file or descriptor, one server at a time, closed in order"

# --- attach --nbd, and what is offered ---

refuses 2 'exclude each other' "$sg" attach --nbd "$socket" --mount "$mount" "$image"
touch "$socket"
refuses 1 'is there already' "$sg" attach --no-service --nbd "$socket" --passphrase-file "$pass" "$image"
rm "$socket"
refuses 1 'opens none of its key slots' "$sg" attach --no-service --nbd "$socket" --passphrase-file "$work/wrong" "$image"
[ ! -e "$socket" ] || fail "a failed attach leaves its socket"
serve
grep -qx "nbd    $socket" "$work/attached" || fail "attach does not say where"
[ "$(stat -c %a "$socket")" = 600 ] || fail "others may connect"
refuses 1 'attached already' "$sg" attach --no-service --nbd "$work/other" --passphrase-file "$pass" "$image"
pid=$(status .process)
grep -q '^Seccomp:.*2' "/proc/$pid/status" || fail "the server has no list of system calls"
[ "$(awk '/VmLck/ {print $2}' "/proc/$pid/status")" -gt 0 ] || fail "the server's memory is not locked"
! tr '\0' '\n' <"/proc/$pid/cmdline" | grep -q 'horse' || fail "the passphrase is on a command line"
nbdinfo --json "$uri" >"$work/info" || fail nbdinfo
jq -e ".exports[0] | .\"export-size\" == $size and .can_flush and .can_fua and .can_trim and .can_zero and
	.can_multi_conn and .block_size_minimum == 1 and .block_size_preferred == 4096" \
	"$work/info" >/dev/null || fail "not offered as it should be: $(cat "$work/info")"
[ "$(status .port)" = nbd ] || fail "status does not say how it is served"
ok "attached as NBD: hardened, offered with flush, FUA, trim, zeros, many connections and blocks of 4096"

# --- semantics ---

[ "$(map)" = "0+65536:0 65536+$((size - 65536)):3" ] || fail "map: $(map)"
io -c 'read -P 65 0 64k' -c 'write -P 1 64k 64k' -c 'write -z 80k 16k' -c 'write -P 2 513 700' -c flush
io -c 'read -P 65 0 513' -c 'read -P 2 513 700' -c 'read -P 65 1213 2k' -c 'read -P 0 80k 16k' -c 'read -P 1 96k 32k'
[ "$(map)" = "0+131072:0 131072+$((size - 131072)):3" ] || fail "zeros that were written are a hole: $(map)"
ok "parts of blocks, and zeros that are written and free nothing"

live=$(status .live)
[ "$live" = 32 ] || fail "$live blocks live, not 32"
# From the middle of block 3 to the middle of block 7: blocks 4 to 6 are freed.
io -c "discard 14336 16384"
io -c 'read -P 65 12k 4k' -c 'read -P 0 16k 12k' -c 'read -P 65 28k 4k'
[ "$(map)" = "0+16384:0 16384+12288:3 28672+102400:0 131072+$((size - 131072)):3" ] || fail "map after trim: $(map)"
"$sg" sweep "$image" >/dev/null || fail "sweep without a mount"
[ "$(status '"\(.live) \(.residue)"')" = "29 0" ] || fail "after the sweep: $(status '"\(.live) \(.residue)"')"
shows_pattern 4 3 || fail "the raw medium does not show the last pattern in trimmed blocks"
! shows_pattern 3 1 || fail "a block that was trimmed in part was overwritten"
[ "$(raw 0 4096 | grep -ac AAAAAAAA)" = 0 ] || fail "plaintext on the raw medium"
ok "trim frees whole blocks; they get every pass; what reads as zeros is a hole"

shell -c '
import os, threading
size = h.get_size()
def raises(code, call, *args):
    try: call(*args)
    except nbd.Error as error: assert error.errno == code, (code, error)
    else: assert False, "not refused"
h.set_strict_mode(0)
raises("EINVAL", h.pread, 512, size)
raises("EINVAL", h.trim, 4096, size - 512)
raises("ENOSPC", h.pwrite, b"x" * 512, size) 
h.pwrite(b"F" * 4096, 1 << 20, nbd.CMD_FLAG_FUA)
h.trim(4096, 1 << 20, nbd.CMD_FLAG_FUA)
h.zero(4096, 1 << 20, nbd.CMD_FLAG_FUA | nbd.CMD_FLAG_NO_HOLE)
raises("ENOTSUP", h.zero, 4096, 1 << 20, nbd.CMD_FLAG_FAST_ZERO)
# A part of a block each, from eight connections at once, on blocks that are owed passes as well.
def part(i):
    c = nbd.NBD(); c.connect_uri("'"$uri"'")
    for turn in range(60):
        c.pwrite(bytes([i + 1]) * 512, (2 << 20) + i * 512)
        if turn % 7 == i: c.trim(4096, (2 << 20) + 4096)
        c.pwrite(bytes([i + 1]) * 512, (2 << 20) + 4096 * 2 + i * 512)
    c.shutdown()
threads = [threading.Thread(target=part, args=(i,)) for i in range(8)]
[t.start() for t in threads]; [t.join() for t in threads]
want = b"".join(bytes([i + 1]) * 512 for i in range(8))
assert h.pread(4096, 2 << 20) == want and h.pread(4096, (2 << 20) + 8192) == want
# Many requests under way on one connection; a flush on another covers them.
other = nbd.NBD(); other.connect_uri("'"$uri"'")
bufs = [nbd.Buffer.from_bytearray(bytearray([i % 251]) * 8192) for i in range(512)]
cookies = [h.aio_pwrite(b, (4 << 20) + i * 8192) for i, b in enumerate(bufs)]
while h.aio_in_flight() > 0: h.poll(-1)
for c in cookies: h.aio_command_completed(c)
other.flush()
for i in range(0, 512, 17): assert other.pread(8192, (4 << 20) + i * 8192) == bytes([i % 251]) * 8192
other.trim(512 * 8192, 4 << 20)
assert other.pread(512 * 8192, 4 << 20) == bytes(512 * 8192)
# Written again at once: each write waits for its passes, and none is lost.
cookies = [h.aio_pwrite(b, (4 << 20) + i * 8192) for i, b in enumerate(bufs)]
while h.aio_in_flight() > 0: h.poll(-1)
for c in cookies: h.aio_command_completed(c)
for i in range(512): assert h.pread(8192, (4 << 20) + i * 8192) == bytes([i % 251]) * 8192, i
'
ok "libnbd: errors, FUA, eight connections on one block, 512 requests under way, writes to owed blocks"

io -c "discard 0 $size"
"$sg" sweep "$image" >/dev/null || fail "sweep"
[ "$(status .live)" = 0 ] || fail "something is live after all was trimmed"
head -c "$((20 << 20))" /dev/urandom >"$work/data"
truncate -s "$size" "$work/data"
nbdcopy --connections=4 --flush "$work/data" "$uri" || fail "nbdcopy"
nbdcopy "$uri" "$work/back" && cmp "$work/data" "$work/back" || fail "nbdcopy: not the same bytes"
qemu-img compare -f raw -F raw "$work/data" "$uri" >/dev/null || fail "qemu-img compare"
io -c "discard 0 $size"
qemu-img create -q -f qcow2 "$uri" 40M || fail "qemu-img create"
qemu-io -f qcow2 -c 'write -P 9 1M 3M' -c 'discard 2M 1M' "$uri" >/dev/null || fail "qcow2 on it"
qemu-img check -q -f qcow2 "$uri" || fail "qemu-img check"
ok "nbdcopy, qemu-img compare and check"

fio --name=nbd --ioengine=nbd --uri="$uri" --rw=randrw --bsrange=512-64k --blockalign=512 --size=32M --io_size=24M --iodepth=32 \
	--verify=crc32c --verify_state_save=0 --do_verify=1 --verify_fatal=1 --randseed=7 --fsync=64 --norandommap=0 >"$work/fio" 2>&1 ||
	fail "fio --verify: $(tail -n 5 "$work/fio")"
ok "fio with verify, blocks of 512 bytes to 64 KiB"

# --- what goes wrong ---

timeout 100 /usr/bin/python3 - "$socket" <<'PYTHON' || fail "hostile clients"
import os, socket, struct, sys
def connect():
    s = socket.socket(socket.AF_UNIX); s.settimeout(20); s.connect(sys.argv[1]); return s
for garbage in (b"", b"\0" * 64, os.urandom(4096), b"IHAVEOPT" * 500):
    s = connect(); s.recv(18)
    try: s.sendall(garbage)
    except OSError: pass
    s.close()
def transmission():
    s = connect()
    assert s.recv(18, socket.MSG_WAITALL)[:16] == b"NBDMAGICIHAVEOPT"
    s.sendall(struct.pack(">I", 3) + b"IHAVEOPT" + struct.pack(">II", 1, 0))
    s.recv(10, socket.MSG_WAITALL); return s
def request(s, kind, offset, length, data=b""):
    s.sendall(struct.pack(">IHHQQI", 0x25609513, 0, kind, 1, offset, length) + data)
# Larger than a server takes, past the end, of no known kind; data that never comes.
for kind, offset, length in ((0, 0, 0xffffffff), (0, 1 << 60, 512), (99, 0, 1), (4, 0, 0xfffff000), (6, 1 << 63, 1), (1, 0, 0xffffffff)):
    s = transmission()
    try:
        request(s, kind, offset, length)
        s.settimeout(5)
        s.recv(16)
    except OSError: pass
    s.close()
# Every command with every flag, offered or not.
for kind in range(0, 10):
    for bit in range(16):
        s = transmission()
        s.sendall(struct.pack(">IHHQQI", 0x25609513, 1 << bit, kind, 1, 8192, 4096) + (b"x" * 4096 if kind == 1 else b""))
        try:
            if kind != 2: s.recv(16, socket.MSG_WAITALL)
        except OSError: pass
        s.close()
for i in range(20):
    s = transmission(); request(s, 1, 0, 1 << 20, b"x" * 1000); s.close()
s = transmission(); s.sendall(b"\xff" * 28); s.close()
PYTHON
io -c 'read 0 1M' -c "discard 0 $size" -c 'write -P 3 0 1M' -c 'read -P 3 0 1M' -c flush
[ "$(status .process)" = "$pid" ] || fail "it is another process"
ok "garbage, oversized requests and clients that vanish: the volume serves on"

mkfifo "$work/hold"
nbdsh -u "$uri" -c 'h.pread(512, 0)
import sys; print("in", flush=True); sys.stdin.read()' <"$work/hold" >"$work/holder" &
pids+=($!)
exec 8>"$work/hold"
for i in $(seq 200); do grep -q in "$work/holder" && break; sleep 0.1; done
[ "$(status .clients)" = 1 ] || fail "status counts $(status .clients) clients, not 1"
refuses 1 'client is connected' "$sg" detach "$image"
io -c 'read -P 3 0 1M'
"$sg" detach --disconnect "$image" || fail "detach --disconnect"
exec 8>&-
[ ! -e "$socket" ] || fail "detach leaves the socket"
for i in $(seq 200); do [ ! -e "/proc/$pid" ] && break; sleep 0.1; done
[ ! -e "/proc/$pid" ] || fail "the server outlives its volume"
"$sg" inspect --passphrase-file "$pass" "$image" >"$work/out" || fail "inspect: $(cat "$work/out")"
grep -q 'detached in order' "$work/out" || fail "not detached in order"
ok "a detach under a connected client is refused, and with --disconnect in order"

serve
io -c 'write -P 4 2M 1M' -c flush -c 'discard 0 1M'
"$sg" sweep "$image" >/dev/null || fail "sweep"
kill -9 "$(status .process)"
for i in $(seq 200); do "$sg" status --json "$image" >/dev/null 2>&1 || break; sleep 0.1; done
serve
io -c 'read -P 4 2M 1M' -c 'read -P 0 0 1M'
shows_pattern 0 256 || fail "the raw medium does not show the last pattern after a crash"
[ "$(status .was_unclean)" = true ] || fail "the crash was not noticed"
"$sg" detach "$image" || fail "detach after a crash"
ok "kill -9: what a flush had answered is there, what was paid stays paid"

serve --read-only
nbdinfo --json "$uri" | jq -e '.exports[0].is_read_only and (.exports[0].can_trim | not)' >/dev/null || fail "not read-only"
pid=$(status .process)
flags_of_all_kinds() {
	/usr/bin/python3 - "$socket" <<'PYTHON'
import socket, struct, sys
for kind in (1, 4, 5, 6, 7):
    for bit in range(16):
        s = socket.socket(socket.AF_UNIX); s.settimeout(20); s.connect(sys.argv[1])
        s.recv(18, socket.MSG_WAITALL)
        s.sendall(struct.pack(">I", 3) + b"IHAVEOPT" + struct.pack(">II", 1, 0))
        s.recv(10, socket.MSG_WAITALL)
        s.sendall(struct.pack(">IHHQQI", 0x25609513, 1 << bit, kind, 1, 8192, 4096) + (b"x" * 4096 if kind == 1 else b""))
        reply = s.recv(16, socket.MSG_WAITALL)
        assert len(reply) < 16 or struct.unpack(">I", reply[4:8])[0] != 0 or kind == 7, (kind, bit, reply)
        s.close()
PYTHON
}
flags_of_all_kinds || fail "a read-only volume takes a change"
io -r -c 'read -P 4 2M 1M'
[ "$(status .process)" = "$pid" ] || fail "it is another process"
"$sg" detach "$image" || fail "detach"
ok "read-only"

# --- a volume with a file system, written by somebody else in between ---

rm -f "$image"
make_volume 64M >/dev/null
serve
nbdcopy "$uri" "$work/fs" || fail nbdcopy
e2fsck -fn "$work/fs" >/dev/null 2>&1 || fail "e2fsck of what is served"
raw 0 1 >"$work/superblock"
debugfs -w -R 'mkdir job' "$work/fs" 2>/dev/null
nbdcopy "$work/fs" "$uri" || fail nbdcopy
"$sg" detach "$image" || fail detach
serve
[ "$(status '"\(.foreign_writes) \(.unknown) \(.trusted)"')" = "false 0 true" ] || fail "our own writes are taken for a stranger's"
"$sg" detach "$image" || fail detach
dd if="$work/superblock" of="$image" bs=4096 seek=$((data_at / 4096)) conv=notrunc status=none
serve
grep -q 'Something else wrote' "$work/attached" || fail "attach does not say that somebody else wrote"
[ "$(status '"\(.foreign_writes) \(.sweep_owed) \(.live)"')" = "true true 0" ] || fail "a stranger's writes are believed"
cmp -s <(nbdcopy "$uri" - | tail -c +4097) <(tail -c +4097 "$work/fs") || fail "what is not known does not read as it is"
"$sg" status "$image" >"$work/out"
grep -q 'ATTENTION: a sweep is owed' "$work/out" || fail "status does not say that a sweep is owed"
"$sg" detach "$image" || fail detach
ok "somebody else's writes are noticed without a mount, and nothing is erased on his word"
