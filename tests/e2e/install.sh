#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# install.sh - what "make install" puts in place is whole, is what it says, and "make uninstall" takes all
# of it away.  Nothing of this machine is touched: all of it goes below a directory of the test.
# Time limit: 120 s
. "$(dirname "$0")/lib.sh"

cd "$root" || exit 1
version=$(sed -n 's/^VERSION := //p' Makefile)
to=$work/to
run_install() { # run_install install|uninstall|list [VARIABLE=VALUE...]
	local what=$1
	shift
	env VERSION="$version" BUILD="$build" DESTDIR="$to" PREFIX=/usr "$@" packaging/install.sh "$what"
}
[ -e "$build/libspoolguard.a" ] || make -s BUILD="${build#"$root"/}" "${build#"$root"/}/libspoolguard.a" >/dev/null || fail "libspoolguard.a"

# --- it is all there ---

(umask 077 && run_install install) || fail "install"
missing=$(run_install list | while read -r mode path; do
	[ "$(stat -c %a "$to$path" 2>/dev/null)" = "$mode" ] || echo "$path"
done)
[ -z "$missing" ] || fail "not there, or of another mode: $missing"
! grep -rlE '@[a-z_]+@' "$to/etc" "$to/usr/lib" "$to/usr/share/man" || fail "a directory was not written in"
[ -z "$(find "$to" -type d ! -perm -755)" ] || fail "a directory is closed: $(find "$to" -type d ! -perm -755)"
ok "everything is there, and readable whatever the umask"

programs=$("$to/usr/bin/spoolguard" selftest 2>/dev/null | grep -E '^.{0,12}program/' || :)
"$to/usr/bin/spoolguard" selftest --json 2>/dev/null | jq -e '[.tests[] | select(.name | startswith("program/"))]
	| length > 0 and all(.ok)' >/dev/null || fail "the programs are not as their manifest says: $programs"
(cd "$to/usr/lib/spoolguard" && sha256sum -c --quiet manifest) || fail "manifest"
ok "the installed programs know themselves by the manifest"

# --- what else reads it ---

if command -v systemd-analyze >/dev/null; then
	# Offline, and with what the units name taken for there.
	mkdir -p "$work/units"
	cp -R "$to/usr/lib/systemd/system/." "$to/usr/share/spoolguard/cups.service.d" \
		"$to/usr/share/spoolguard/var-spool-cups.mount" "$work/units"
	cp /lib/systemd/system/cups.* "$work/units" 2>/dev/null
	sed -i "s|=/usr/sbin/spoolguard|=$to/usr/sbin/spoolguard|; s|=/usr/bin/spoolguard|=$to/usr/bin/spoolguard|" "$work"/units/*.service
	said=$(SYSTEMD_UNIT_PATH="$work/units:" systemd-analyze verify --man=no "$work"/units/*.service \
		"$work"/units/*.socket "$work"/units/*.mount "$work"/units/*.timer 2>&1 | grep -E "spoolguard|cups\.service\.d|var-spool")
	[ -z "$said" ] || fail "systemd-analyze verify: $said"
	ok "systemd finds nothing wrong with the units"

	exposure() { systemd-analyze security --offline=yes --no-pager "$to/usr/lib/systemd/system/$1" 2>&1 | sed -n 's/.*: \([0-9.]*\) .*/\1/p' | tail -n 1; }
	for unit in spoolguardd.service:2.5 spoolguard-mounter.service:3.9 spoolguard-volumes.service:3.8 spoolguard-residue.service:3.4; do
		got=$(exposure "${unit%:*}")
		awk -v got="$got" -v most="${unit#*:}" 'BEGIN {exit !(got > 0 && got <= most)}' ||
			fail "systemd-analyze security: ${unit%:*} has ${got:-nothing}, at most ${unit#*:} is allowed"
	done
	ok "exposure: service $(exposure spoolguardd.service), mounter $(exposure spoolguard-mounter.service), volumes $(exposure spoolguard-volumes.service)"

	# What ties the order at shutdown together.
	order() { sed -n "s/^$2=//p" "$to/usr/lib/systemd/system/$1" | tr '\n' ' '; }
	[[ " $(order spoolguard-volumes.service Before)" == *" cups.service "* ]] || fail "volumes are detached before cups has stopped"
	[[ " $(order spoolguard-volumes.service After)" == *" spoolguard-mounter.service "* ]] || fail "the mounter ends before the volumes"
	! grep -qE '^(PartOf|BindsTo|Requires)=' "$to/usr/lib/systemd/system/spoolguard-volumes.service" || fail "another unit's stop detaches volumes"
	grep -q '^KillMode=process$' "$to/usr/lib/systemd/system/spoolguard-mounter.service" || fail "the mounter's stop ends volume processes"
	! grep -qE '^RuntimeDirectory=' "$to"/usr/lib/systemd/system/*.service || fail "a stop removes what /run/spoolguard has of open volumes"
	ok "stopping the service or the mounter reaches no volume"
fi
if command -v systemd-sysusers >/dev/null; then
	mkdir -p "$work/users/etc" "$work/users/usr/lib/sysusers.d"
	cp /etc/passwd /etc/group "$work/users/etc"
	cp "$to/usr/lib/sysusers.d/spoolguard.conf" "$work/users/usr/lib/sysusers.d"
	systemd-sysusers --root="$work/users" spoolguard.conf >/dev/null 2>&1 || fail "systemd-sysusers"
	for group in $(sed -n 's/^[a-z]* = .*\(spoolguard-[a-z]*\)$/\1/p' "$to/etc/spoolguard/spoolguard.conf"); do
		grep -q "^$group:" "$work/users/etc/group" || fail "spoolguard.conf names $group, which nobody makes"
	done
	cmp -s /etc/passwd "$work/users/etc/passwd" || fail "a user was made or changed"
	ok "the groups of spoolguard.conf are made, and no user is changed"
fi
if command -v systemd-tmpfiles >/dev/null && [ "$(id -u)" = 0 ] && [ -e "$work/users/etc/group" ]; then
	systemd-tmpfiles --root="$work/users" --create "$to/usr/lib/tmpfiles.d/spoolguard.conf" || fail "systemd-tmpfiles"
	[ "$(cd "$work/users" && stat -c %a run/spoolguard run/spoolguard-syslog var/lib/spoolguard var/log/spoolguard | tr '\n' ' ')" = "711 700 711 750 " ] ||
		fail "modes of the directories"
	ok "the directories are made, closed to whom they should be"
fi
if command -v apparmor_parser >/dev/null; then
	apparmor_parser --skip-kernel-load --skip-cache "$to/etc/apparmor.d/usr.sbin.spoolguardd" >"$work/out" 2>&1 ||
		fail "apparmor_parser: $(cat "$work/out")"
	for unit in spoolguardd spoolguard-mounter; do
		profile=$(sed -n 's/^AppArmorProfile=-//p' "$to/usr/lib/systemd/system/$unit.service")
		grep -q "^profile $profile " "$to/etc/apparmor.d/usr.sbin.spoolguardd" || fail "$unit.service: no profile $profile"
	done
	ok "AppArmor's parser takes the profiles that the units name"
fi
if command -v logrotate >/dev/null; then
	logrotate --debug --state "$work/rotated" "$to/etc/logrotate.d/spoolguard" >"$work/out" 2>&1 || fail "logrotate: $(cat "$work/out")"
	! grep -i '^error' "$work/out" || fail "logrotate: $(cat "$work/out")"
	ok "logrotate reads its file"
fi

# --- a second time, and away ---

echo '# mine' >>"$to/etc/spoolguard/spoolguard.conf"
run_install install 2>"$work/err" || fail "install over an install"
grep -q 'spoolguard.conf differs from ours and stays' "$work/err" || fail "says nothing of a changed spoolguard.conf"
tail -n 1 "$to/etc/spoolguard/spoolguard.conf" | grep -q '^# mine' || fail "an administrator's spoolguard.conf was overwritten"
run_install uninstall 2>"$work/err" || fail "uninstall"
grep -q 'spoolguard.conf was changed here and stays' "$work/err" || fail "says nothing of what stays"
[ "$(find "$to" -type f)" = "$to/etc/spoolguard/spoolguard.conf" ] || fail "left: $(find "$to" -type f)"
ok "a changed spoolguard.conf outlives install and uninstall"

rm "$to/etc/spoolguard/spoolguard.conf"
run_install install || fail "install"
run_install uninstall || fail "uninstall"
[ ! -d "$to" ] || [ -z "$(find "$to" -mindepth 1)" ] || fail "left: $(find "$to" -mindepth 1)"
ok "nothing is left"

mkdir -p "$to/opt/sg/lib/systemd" "$to/etc/logrotate.d" "$to/usr/lib/cups/notifier"
touch "$to/etc/logrotate.d/other" "$to/usr/lib/cups/notifier/mailto"
find "$to" -type f | sort >"$work/before"
run_install install PREFIX=/opt/sg || fail "install elsewhere"
[ -x "$to/opt/sg/sbin/spoolguardd" ] || fail "PREFIX"
grep -q '^ExecStart=/opt/sg/sbin/spoolguardd' "$to/opt/sg/lib/systemd/system/spoolguardd.service" || fail "PREFIX in units"
run_install uninstall PREFIX=/opt/sg || fail "uninstall elsewhere"
find "$to" -type f | sort | diff "$work/before" - || fail "files of others are not as they were"
ok "with another PREFIX, and between files of others"

refuse=$(make -s -C "$root" MUTANTS=1 -n install 2>&1)
[[ $refuse == *refused* ]] || fail "a build for tests would be installed"
ok "a build for tests is not installed"
echo "$pass_count checks"
