#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# selftest.sh - the self-tests through the command: media attached and not, injections, programs that are
# not as they were built
#
# Time limit: 120 s
. "$(dirname "$0")/lib.sh"
need_root_and_fuse
command -v jq >/dev/null || skip "needs jq"

json=$work/report.json
# run CODE [ARGUMENT...]: the self-test exits with CODE, and its report is in $json
run() {
	local code=$1 got
	shift
	"$sg" selftest --json "$@" >"$json" 2>"$work/err"
	got=$?
	[ $got = "$code" ] || fail "selftest $*: exit $got instead of $code: $(cat "$work/err"; jq -c '.tests[]|select(.ok|not)' "$json")"
}
# of QUERY...: what jq says of the report
of() { jq -r "$@" "$json"; }
# not_ok: the names of claim tests that did not pass
not_ok() { of '[.tests[]|select(.weight=="claim" and (.ok|not)).name]|unique|join(" ")'; }

run 0
[ "$(of .schema)" = spoolguard.selftest/1 ] || fail "schema $(of .schema)"
[ "$(of .ok)" = true ] || fail "not ok: $(not_ok)"
[ "$(of '.tests|length')" -ge 40 ] || fail "only $(of '.tests|length') tests"
[ "$(of '.id|length')" = 32 ] || fail "id $(of .id)"
[ "$(of '[.tests[]|select(.ok and .remedy!="")]|length')" = 0 ] || fail "a passed test has a remedy"
[ "$(of '[.tests[]|select((.ok|not) and .remedy=="")]|length')" = 0 ] || fail "a failed test has no remedy"
"$sg" selftest >"$work/text" || fail "as text: exit $?"
grep -q '^self-test [0-9a-f]\{32\}: ' "$work/text" || fail "as text: $(tail -n 1 "$work/text")"
ok "all tests pass on a sound machine"

refuses 2 'name media' "$sg" selftest --nonsense
refuses 2 'no test "rot13"' "$sg" selftest --inject rot13
refuses 2 'name media' "$sg" selftest --list "$image"

# Not attached: opened for a moment.
make_volume 64M
before=$(sha256sum "$image")
run 0 "$image"
[ "$(of '[.tests[]|select(.subject!="")|.name+" "+.result]|join(", ")')" = \
	"medium/overwrite ok, medium/header ok, medium/token ok, medium/superblock ok, medium/map skipped" ] ||
	fail "medium: $(of '[.tests[]|select(.subject!="")]')"
[ "$before" != "$(sha256sum "$image")" ] || fail "nothing was written to the scratch area"
"$sg" inspect "$image" >/dev/null 2>&1 </dev/null # whatever it says, it must not be hurt
ok "a volume that is not attached is tested"

# Each injection of a medium's tests, and one of each other group: that test fails alone.
list=$("$sg" selftest --list)
[ "$(wc -l <<<"$list")" = "$(of '.tests|length')" ] || fail "--list: $(wc -l <<<"$list") tests"
for name in $(grep ^medium/ <<<"$list") algorithm/sha-256 random/system-sanity pattern/three-pass memory/locked \
	memory/guard-page program/manifest program/running program/files; do
	run 1 --inject "$name" "$image"
	[ "$(not_ok)" = "$name" ] || fail "--inject $name: failed are: $(not_ok)"
	[ "$(of .injected)" = "$name" ] || fail "--inject $name is not told"
done
run 0 --inject host/swap
[ "$(of .degraded)" = true ] || fail "an injected condition of the host does not degrade"
run 3 --inject medium/token
ok "injected faults are caught"

# Attached and mounted, jobs on it.
attach
printf 'a job in flight %.0s' {1..1000} >"$mount/job"
sync "$mount/job"
refuses 1 'no fault is injected while a volume is attached' "$sg" selftest --inject memory/locked
run 0
[ "$(of '[.tests[]|select(.subject!="")|.name+" "+.result]|join(", ")')" = \
	"medium/overwrite ok, medium/header ok, medium/token ok, medium/superblock ok, medium/map ok" ] ||
	fail "attached: $(of '[.tests[]|select(.subject!="")]')"
[ "$(of '.tests[]|select(.name=="host/mount-options").result')" = ok ] || fail "mount options: $(of '.tests[]|select(.name=="host/mount-options")')"
of '.tests[]|select(.name=="medium/overwrite").detail' | grep -q "16 blocks, 4 passes.*by the volume's process" ||
	fail "$(of '.tests[]|select(.name=="medium/overwrite").detail')"
run 0 "$image"
[ "$(of '[.tests[]|select(.name=="medium/map").result]|join(" ")')" = ok ] || fail "a name of an attached medium is not known"
ok "an attached volume is tested while it is used"

# Rot in the map of the open volume: found once, and written over.
page=$((4 * 1024 * 1024 + 2 * 4096))
flip() { # flip FILE BYTE
	local value
	value=$(od -An -tu1 -j "$2" -N 1 "$1")
	printf "\\x$(printf %02x $((value ^ 1)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
flip "$image" $((page + 1000))
run 1
[ "$(not_ok)" = medium/map ] || fail "rot in the map: failed are: $(not_ok)"
run 0
cmp -s <(printf 'a job in flight %.0s' {1..1000}) "$mount/job" || fail "the job is not what it was"
mount -o remount,exec "$mount"
run 0
[ "$(of .degraded)" = true ] || fail "a mount without noexec does not degrade"
of '.tests[]|select(.name=="host/mount-options").detail' | grep -q noexec || fail "noexec is not named"
mount -o remount,noexec "$mount"
detach
ok "rot in the map of an open volume is found and written over"

# A process that is gone.
attach
pid=$("$sg" status --json | jq '.volumes[0].status.process // .volumes[0].process')
[ "$pid" -gt 0 ] 2>/dev/null || fail "no process in status"
kill -9 "$pid"
run 3 "$image"
[ "$(not_ok)" = "medium/map medium/overwrite" ] || fail "without its process: failed are: $(not_ok)"
"$sg" detach "$image" >/dev/null 2>&1
ok "a volume whose process is gone cannot be told"

# In use by somebody else, or no volume.
exec 9<>"$image"
python3 - 9 <<'PY' || fail "the image could not be locked"
import fcntl, struct, sys
fcntl.fcntl(int(sys.argv[1]), 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))
PY
run 3 "$image"
[ "$(not_ok)" = medium/overwrite ] || fail "in use: failed are: $(not_ok)"
exec 9>&-
run 3 "$work/there-is-none"
printf 'no volume' >"$work/text"
run 3 "$work/text"
ok "what is in use, missing or no volume cannot be told"

# Programs: a copy of the build directory, and what happens to it.
copy=$work/build
mkdir "$copy"
cp "$build"/manifest "$copy"
for program in $(sed -n 's/^[0-9a-f]\{64\}  //p' "$build/manifest"); do cp "$build/$program" "$copy"; done
sg=$copy/spoolguard
run 0
(cd "$copy" && sha256sum --quiet -c manifest) || fail "the manifest is not sha256sum's"
printf 'x' >>"$copy/spoolguard-volume"
run 1
[ "$(not_ok)" = program/files ] || fail "a changed program: failed are: $(not_ok)"
of '.tests[]|select(.name=="program/files").detail' | grep -q spoolguard-volume || fail "it is not named"
rm "$copy/spoolguard-volume"
run 1
of '.tests[]|select(.name=="program/files").detail' | grep -q 'spoolguard-volume is missing' || fail "missing is not told"
cp "$build/spoolguard-volume" "$copy"
printf 'x' >>"$copy/spoolguard"
run 1
[ "$(not_ok)" = "program/files program/running" ] || fail "changed itself: failed are: $(not_ok)"
cp "$build/spoolguard" "$copy/new" && mv "$copy/new" "$copy/spoolguard"
sed -i '/^# version/s/version .*/version 0.0.0/' "$copy/manifest"
run 1
[ "$(not_ok)" = program/manifest ] || fail "another version: failed are: $(not_ok)"
rm "$copy/manifest"
run 1
[ "$(not_ok)" = "program/files program/manifest program/running" ] || fail "no manifest: failed are: $(not_ok)"
ok "programs that are not as they were built stop claims"

# Installed elsewhere: the manifest follows.
sg=$build/spoolguard
if "${MAKE:-make}" -s -C "$root" install DESTDIR="$work/root" PREFIX=/usr BUILD="$build" >"$work/install" 2>&1; then
	sg=$work/root/usr/bin/spoolguard
	run 0
	printf 'x' >>"$work/root/usr/libexec/spoolguard/spoolguard-volume"
	run 1
	[ "$(not_ok)" = program/files ] || fail "installed, changed: failed are: $(not_ok)"
	ok "an installed copy is held against the installed manifest"
else
	fail "make install: $(tail -n 3 "$work/install")"
fi
echo "$pass_count checks"
