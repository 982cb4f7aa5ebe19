#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# package.sh - the Debian package, on a machine of its own: install, upgrade, remove and purge each leave
# cups printing; a volume stays attached over an upgrade, is detached in order at a shutdown, and is there
# again after the next start without a person
#
# The machine: systemd as process 1 in a container, over a copy (overlay) of this system's files, with
# network, processes and mounts of its own.  The kernel, its loop devices and FUSE are this one's.
# Time limit: 240 s
# Runs alone.  Mounts of others would be copied into the machine, and could not end.
. "$(dirname "$0")/lib.sh"

need_root_and_fuse
for tool in dpkg-buildpackage dh dh_apparmor lintian systemd-nspawn cupsd lp lpadmin unshare; do
	command -v $tool >/dev/null || skip "needs $tool (make deps)"
done
[ -x /lib/systemd/systemd ] || skip "needs systemd"
unshare --mount sh -c "mkdir -p $work/try/m && mount -t tmpfs none $work/try && mkdir $work/try/u $work/try/w $work/try/m &&
	mount -t overlay overlay -o lowerdir=/,upperdir=$work/try/u,workdir=$work/try/w $work/try/m" 2>/dev/null ||
	skip "needs overlayfs"
cd "$root" || exit 1

# --- the package ---

version=$(sed -n 's/^VERSION := //p' Makefile)
[ -e "$build/libspoolguard.a" ] || make -s BUILD="${build#"$root"/}" "${build#"$root"/}/libspoolguard.a" >/dev/null || fail "libspoolguard.a"
DEB_BUILD_OPTIONS=noautodbgsym VERSION=$version DEB_OUTPUT=$work/deb SPOOLGUARD_BUILD=$build packaging/deb.sh >/dev/null || fail "deb.sh"
deb=$(echo "$work"/deb/spoolguard_*.deb)
lintian --fail-on error --no-tag-display-limit "$work"/deb/*.changes >"$work/lintian" 2>&1 || fail "lintian: $(cat "$work/lintian")"
ok "lintian has no errors: $(grep -c '^W:' "$work/lintian") warnings"

dpkg-deb -R "$deb" "$work/next" || fail "dpkg-deb"
sed -i "s/^Version: .*/&+1/" "$work/next/DEBIAN/control"
mkdir -p "$work/media"
dpkg-deb --root-owner-group -Znone -b "$work/next" "$work/media/next.deb" >/dev/null || fail "dpkg-deb"
cp "$deb" "$work/media/first.deb"

printf 'correct horse battery staple' >"$pass"
"$sg" format --size 64M --kdf-memory 32M --kdf-time 50 --passphrase-file "$pass" "$work/media/spool.img" >/dev/null || fail "format"
uuid=$(cryptsetup luksUUID "$work/media/spool.img")
cp "$pass" "$work/media/passphrase"

# --- what runs in there ---

cat >"$work/media/common" <<'EOF_COMMON'
exec >>/media/sg/log 2>&1
set -u
fail() {
	echo "FAILED: $*"
	systemctl --no-pager --lines=0 status spoolguardd spoolguard-mounter cups
	journalctl -b --no-pager -u spoolguardd -u spoolguard-mounter -u spoolguard-volumes -u cups | tail -n 40
	exit 1
}
ok() { echo "ok: $*"; }
wait_for() { # wait_for SECONDS COMMAND...
	local tries=$(($1 * 10))
	shift
	until "$@"; do
		[ $((tries -= 1)) -gt 0 ] || return 1
		sleep 0.1
	done
}
is_mounted() { findmnt -nro SOURCE /var/spool/cups >/dev/null; }
is_printed() { grep -qx "$1" /root/printed 2>/dev/null; }
prints() { # a job gets all the way through cups
	local text
	text="job $RANDOM $RANDOM"
	echo "$text" >/root/document
	wait_for 10 lpstat -r >/dev/null
	lp -s -d sink /root/document || fail "$1: lp"
	wait_for 15 is_printed "$text" || fail "$1: cups does not print"
}
pid_of() { systemctl show -P MainPID "$1"; }
volume_pid() { pgrep -f 'spoolguard-volume --path' || fail "no volume process"; }
# What cupsd itself writes is left out.
etc_cups() { (cd /etc/cups && find . -type f ! -name 'printers.conf*' ! -name 'subscriptions.conf*' ! -name '*.O' -exec sha256sum {} + | sort -k 2); }
same_etc_cups() { [ "$(etc_cups)" = "$(cat /root/etc_cups)" ] || fail "$1: /etc/cups has changed"; }
install_package() { dpkg -i "/media/sg/$1" >/root/dpkg 2>&1 || fail "dpkg -i $1: $(cat /root/dpkg)"; }
EOF_COMMON

cat >"$work/media/first" <<'EOF_FIRST'
#!/bin/bash
. /media/sg/common
lpadmin -p sink -v sgsink:/ -m raw -E 2>/dev/null || fail "lpadmin"
prints "before all"
etc_cups >/root/etc_cups
cups=$(pid_of cups)

install_package first.deb
systemctl --quiet is-active spoolguardd spoolguard-mounter.socket spoolguard-volumes || fail "the units do not run after install"
[ "$(pid_of cups)" = "$cups" ] || fail "install restarted cups"
[ ! -e /etc/systemd/system/cups.service.d ] || fail "install tied cups to us"
same_etc_cups install
getent group spoolguard-auditor >/dev/null || fail "no groups"
spoolguard selftest --json | grep -q '"name":"program/files","subject":"","ok":true' || fail "the manifest does not fit what was installed"
prints "after install"
ok "installed: cups prints on, nothing of it was changed, the service runs"

# The spool onto the volume, unattended.
systemctl stop cups.service cups.socket cups.path
rm -rf /var/spool/cups/*
cat >>/etc/spoolguard/spoolguard.conf <<X
[volume spool]
medium = /media/sg/spool.img
mount = /var/spool/cups
unlock = credential
X
mkdir -p /etc/credstore.encrypted
systemd-creds encrypt --with-key=host --name=spoolguard.spool /media/sg/passphrase /etc/credstore.encrypted/spoolguard.spool || fail "systemd-creds"
systemctl restart spoolguard-mounter spoolguardd || fail "restart"
wait_for 20 is_mounted || fail "the volume is not opened by its credential"
systemctl start cups.service
spoolguard cups apply >/root/apply 2>&1 || fail "cups apply: $(cat /root/apply)"
[ -e /etc/systemd/system/cups.service.d/50-spoolguard.conf ] || fail "cups apply did not tie cups to the mount: $(cat /root/apply)"
systemctl restart cups || fail "cups does not start when it is tied"
prints "on the volume"
is_retired() { cat /var/lib/spoolguard/audit/segment-* | grep -q '"event":"job-retired"'; }
wait_for 30 is_retired || fail "no job is retired: $(tail -n 5 /var/lib/spoolguard/audit/segment-*)"
ok "cups prints on the volume, tied to its mount, and jobs are retired"

systemctl --quiet is-enabled spoolguard-residue.timer || fail "no residue check is on schedule"
# cups's cache is not bound from the volume here: that is what it finds, and all.
systemctl start spoolguard-residue.service && fail "the residue check finds nothing in a cache that is not on the volume"
journalctl -b --no-pager -u spoolguard-residue >/root/residue
grep -q 'on hold and cancelled' /root/residue || fail "the residue check did not go through cups: $(cat /root/residue)"
[ "$(grep -oE ' (cups-cache|cups-logs|spool|state|memory|swap|medium|decrypted) +(clean|found|not searched) ' /root/residue | tr -s ' \n' ' ')" = \
	" memory clean spool clean cups-cache found cups-logs clean state clean swap clean decrypted clean medium clean " ] ||
	fail "the residue check: $(cat /root/residue)"
has_event() { spoolguard events --json 2>/dev/null | grep -q residue-check; }
has_event || fail "the residue check is no event"
systemctl reset-failed spoolguard-residue.service
ok "the residue check runs as its unit, through cups, and sees everything that it has to"

# A filter's file that has no name any more: its process is another user's, and the service is in its sandbox.
setpriv --reuid=7 --regid=7 --clear-groups bash -c 'exec 9>/var/spool/cups/tmp/filter && rm /var/spool/cups/tmp/filter
	head -c 100000 /dev/zero | tr "\0" x >&9; exec sleep 1000' &
filter=$!
unnamed_bytes() { stat -Lc %s /proc/$filter/fd/9 2>/dev/null; }
is_written() { [ "$(unnamed_bytes)" = 100000 ]; }
wait_for 10 is_written || fail "no file without a name"
spoolguard wipe-spool --standard --confirm spool --json >/root/wipe 2>&1 || fail "wipe-spool: $(cat /root/wipe)"
[ "$(unnamed_bytes)" = 0 ] || fail "a wipe does not see a file without a name: $(cat /root/wipe)"
kill $filter
prints "after a wipe"
ok "a wipe under the sandbox cuts what another user's program has open without a name"

volume=$(volume_pid) mounter=$(pid_of spoolguard-mounter) service=$(pid_of spoolguardd) cups=$(pid_of cups)
device=$(findmnt -nro SOURCE,ID /var/spool/cups)
install_package next.deb
[ "$(volume_pid)" = "$volume" ] || fail "the upgrade ended the volume process"
[ "$(findmnt -nro SOURCE,ID /var/spool/cups)" = "$device" ] || fail "the upgrade mounted anew"
[ "$(pid_of spoolguard-mounter)" = "$mounter" ] || fail "the upgrade restarted the mounter"
[ "$(pid_of cups)" = "$cups" ] || fail "the upgrade restarted cups"
[ "$(pid_of spoolguardd)" != "$service" ] || fail "the upgrade did not restart the service"
prints "after the upgrade"
ok "upgraded: the volume stayed attached, cups printed on, the service is the new one"

mkdir /root/fake
cat >/root/fake/systemctl <<'X'
#!/bin/sh
echo "$*" >>/root/fake/calls
case "$*" in *StatusText*) echo 'WIPING: volume spool' ;; esac
X
cp /root/fake/systemctl /root/fake/deb-systemd-invoke
chmod 755 /root/fake/*
PATH=/root/fake:$PATH /var/lib/dpkg/info/spoolguard.postinst configure 0.1.0 >/root/said 2>&1 || fail "postinst: $(cat /root/said)"
! grep -qE '(restart|stop).*spoolguard' /root/fake/calls || fail "an upgrade stops a wipe: $(cat /root/fake/calls)"
grep -q 'being wiped' /root/said || fail "says nothing of the wipe: $(cat /root/said)"
ok "while a spool is wiped an upgrade restarts nothing, and says so"

service=$(pid_of spoolguardd)
systemctl restart spoolguard-mounter spoolguardd
[ "$(volume_pid)" = "$volume" ] || fail "a restart ended the volume process"
prints "after restarts"
ok "restarts of service and mounter leave the volume attached"

kill -9 "$volume"
is_new() { [ -n "$(pgrep -f 'spoolguard-volume --path')" ] && [ "$(pgrep -f 'spoolguard-volume --path')" != "$volume" ]; }
wait_for 20 is_new || fail "the volume process was not started again"
is_new_cups() { [ "$(pid_of cups)" != 0 ] && [ "$(pid_of cups)" != "$cups" ]; }
wait_for 20 is_new_cups || fail "cups was not started again"
[ "$(findmnt -nro SOURCE /var/spool/cups | wc -l)" = 1 ] || fail "mounts: $(findmnt -R /var/spool/cups)"
prints "after the volume process was killed"
ok "killed, the volume came back, and cups with it"

dpkg -r spoolguard >/root/said 2>&1 && fail "the package is removed under cups"
grep -q 'spoolguard cups revert' /root/said || fail "does not say what to do first: $(cat /root/said)"
systemctl --quiet is-active spoolguardd || fail "a refused removal stopped the service"
prints "after a refused removal"
ok "not removed while cups depends on it, and cups prints on"
echo done >/media/sg/first.done
EOF_FIRST

cat >"$work/media/second" <<'EOF_SECOND'
#!/bin/bash
. /media/sg/common
wait_for 20 is_mounted || fail "after a start the volume is not opened"
wait_for 20 systemctl --quiet is-active cups || fail "after a start cups does not run"
prints "after a start"
[ -z "$(systemctl --failed --plain --no-legend | grep -E 'spool|cups')" ] || fail "failed: $(systemctl --failed --plain --no-legend)"
ok "after a start of the machine it prints again, without a person"

# Without the volume, cups does not run on the bare directory.
systemctl stop spoolguardd cups.service cups.socket cups.path
spoolguard detach --all || fail "detach"
touch /var/spool/cups/job 2>/dev/null && fail "the bare directory can be written to"
mv /media/sg/spool.img /media/sg/away
systemctl start spoolguardd
systemctl start cups 2>/dev/null && fail "cups starts without the volume"
[ "$(pid_of cups)" = 0 ] || fail "cups runs without the volume"
mv /media/sg/away /media/sg/spool.img
wait_for 30 systemctl --quiet is-active cups || fail "cups is not started when the volume is there"
prints "when the volume is there again"
ok "cups does not start on the bare directory, and by itself when the volume comes"

spoolguard cups revert >/root/said 2>&1 || fail "cups revert: $(cat /root/said)"
prints "after revert"
dpkg -r spoolguard >/root/said 2>&1 && fail "the package is removed with a volume attached"
grep -q 'detach --all' /root/said || fail "does not say what to do first: $(cat /root/said)"
systemctl stop cups.service cups.socket cups.path
spoolguard detach --all || fail "detach"
dpkg -r spoolguard >/root/said 2>&1 && fail "the package is removed, and cups could not print"
chattr -i /var/spool/cups || fail "chattr"
systemctl start cups
prints "on its own directory again"
cups=$(pid_of cups)
dpkg -L spoolguard >/root/files
dpkg -r spoolguard >/root/said 2>&1 || fail "dpkg -r: $(cat /root/said)"
# cupsd's notifier is cupsd's child, and ends with it.
[ -z "$(pgrep -af '/spoolguard(d|-volume)')" ] || fail "runs on after removal: $(pgrep -af '/spoolguard(d|-volume)')"
while read -r file; do
	[ -d "$file" ] || [[ $file == /etc/* ]] || [ ! -e "$file" ] || fail "removal left $file"
done </root/files
[ "$(pid_of cups)" = "$cups" ] || fail "removal restarted cups"
prints "after removal"
for file in cupsd.conf cups-files.conf; do
	[ "$(cd /etc/cups && sha256sum ./$file)" = "$(grep " ./$file$" /root/etc_cups)" ] || fail "/etc/cups/$file is not as it was"
done
ok "removed: cups prints, with the configuration that it had"

dpkg -P spoolguard >/root/said 2>&1 || fail "dpkg -P: $(cat /root/said)"
[ -s /var/lib/spoolguard/audit/log.json ] || fail "purge took the evidence"
grep -q '/var/lib/spoolguard' /root/said || fail "purge does not say where the evidence is: $(cat /root/said)"
[ ! -e /etc/spoolguard/spoolguard.conf ] || fail "purge left the configuration"
[ "$(pid_of cups)" = "$cups" ] || fail "purge restarted cups"
prints "after purge"
install_package first.deb
SPOOLGUARD_PURGE_EVIDENCE=yes dpkg -P spoolguard >/root/said 2>&1 || fail "dpkg -P: $(cat /root/said)"
[ ! -e /var/lib/spoolguard ] || fail "asked to, purge left $(ls /var/lib/spoolguard)"
prints "after a purge of everything"
ok "purged: evidence is kept, and where it is is said; cups prints"
echo done >/media/sg/second.done
EOF_SECOND

# --- the machine ---

cat >"$work/machine" <<'EOF_MACHINE'
# machine WORK: makes the root, starts it for "first", then for "second"
cd "$1" || exit 1
mount -t tmpfs tmpfs /run && mkdir -p top /run/systemd && mount -t tmpfs tmpfs top && mkdir top/upper top/work top/root || exit 1
m=$PWD/top/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$PWD/top/upper,workdir=$PWD/top/work" "$m" || exit 1
rm -f "$m/usr/sbin/policy-rc.d"
rm -rf "$m"/etc/systemd/system/*.wants "$m"/etc/systemd/system/*.requires "$m"/etc/systemd/system/cups.service.d \
	"$m/var/log/journal" "$m"/etc/spoolguard "$m/var/lib/spoolguard" "$m/root" "$m"/etc/fstab
# cups as freshly installed.
rm -rf "$m/var/spool/cups" "$m"/var/cache/cups/* "$m"/etc/cups/printers.conf* "$m"/etc/cups/subscriptions.conf* "$m"/etc/cups/*.O
install -d -m 710 -g lp "$m/var/spool/cups"
install -d -m 1770 -g lp "$m/var/spool/cups/tmp"
cp "$m/usr/share/cups/cupsd.conf.default" "$m/etc/cups/cupsd.conf"
cat >"$m/usr/lib/cups/backend/sgsink" <<'X'
#!/bin/sh
[ $# = 0 ] && { echo 'direct sgsink "Unknown" "Sink"'; exit 0; }
cat "${6:--}" >>/root/printed
X
chmod 700 "$m/usr/lib/cups/backend/sgsink"
mkdir -p "$m/media/sg" "$m/var/log/journal" "$m/root"
units=$m/etc/systemd/system
mkdir -p "$units/multi-user.target.wants" "$units/sockets.target.wants"
ln -s /lib/systemd/system/cups.service "$units/multi-user.target.wants/"
ln -s /lib/systemd/system/cups.path "$units/multi-user.target.wants/"
ln -s /lib/systemd/system/cups.socket "$units/sockets.target.wants/"
cat >"$units/sg-devices.service" <<'X'
[Unit]
DefaultDependencies=no
Before=basic.target
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'for i in $$(seq 0 255); do [ -e /dev/loop$$i ] || mknod /dev/loop$$i b 7 $$i; done'
X
cat >"$units/sg-stage.service" <<'X'
[Unit]
After=multi-user.target
[Service]
Type=oneshot
TimeoutStartSec=100
ExecStart=/bin/sh -c 'exec /media/sg/$$(cat /media/sg/stage)'
ExecStopPost=/bin/systemctl --no-block poweroff
X
cat >"$units/sg.target" <<'X'
[Unit]
Requires=multi-user.target
Wants=sg-devices.service sg-stage.service
AllowIsolate=yes
X
chmod 755 media/first media/second
for stage in first second; do
	echo $stage >media/stage
	timeout -k 5 110 systemd-nspawn --quiet --directory "$m" --boot --keep-unit --register=no --private-network \
		--link-journal=no --capability=all --console=pipe --machine "sg$$" --bind "$PWD/media:/media/sg" \
		--bind /dev/fuse --bind /dev/loop-control systemd.unit=sg.target >"$stage.console" 2>&1 </dev/null
	journalctl --directory "$m/var/log/journal" --no-pager >"$stage.journal" 2>/dev/null
	rm -rf "$m"/var/log/journal/*
	[ -e media/$stage.done ] || exit 1
	[ $stage = second ] || cp media/spool.img media/after-shutdown.img
done
EOF_MACHINE

# The volume's loop device outlives a machine that came to a bad end.
drop_loop() {
	losetup -nO NAME,BACK-FILE | awk -v u="/run/spoolguard/$uuid/" 'index($2, u) {print $1}' | while read -r l; do losetup -d "$l"; done
}
at_exit+=(drop_loop)

unshare --mount --propagation private --kill-child --fork bash "$work/machine" "$work" >"$work/machine.log" 2>&1
code=$?
grep -E '^ok: ' "$work/media/log"
[ $code = 0 ] || {
	grep -hvE '^ok: ' "$work/media/log" "$work/machine.log" >&2
	[ -s "$work/media/log" ] || tail -n 15 "$work"/*.console "$work"/*.journal >&2
	fail "the machine"
}

"$sg" inspect --passphrase-file "$pass" "$work/media/after-shutdown.img" >"$work/out" || fail "after the shutdown: $(cat "$work/out")"
grep -q 'detached in order' "$work/out" || fail "the shutdown did not detach the volume in order: $(cat "$work/out")"
order=$(grep -oE 'Stopped (cups|spoolguardd|spoolguard-volumes|spoolguard-mounter)\.service' "$work/first.journal" | tail -n 4 | awk '{print $2}' | tr '\n' ' ')
[ "$order" = "cups.service spoolguardd.service spoolguard-volumes.service spoolguard-mounter.service " ] || fail "order of the shutdown: $order"
ok "a shutdown ends cups, then the service, detaches the volume in order, then ends the mounter"
