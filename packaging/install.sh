#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# install.sh - the one list of what "make install" puts where, and "make uninstall" takes away
#
# usage: install.sh install | uninstall | list | manifest
#
# Environment: VERSION, BUILD (the build directory), DESTDIR, PREFIX, and each directory below by its name in
# capitals (SYSCONFDIR, CUPS_SERVERBIN, ...).  What is not built yet is left out.  Files named
# *.in get the directories written in.
#
#   I1  What is under SYSCONFDIR is the administrator's: a file that differs from ours is neither
#       overwritten nor removed, and that is said.
#   I2  Nothing of another package is changed: cups is tied to a spool by "spoolguard cups apply" alone.
#   I3  With DESTDIR, uninstall leaves no directory that install made; without, it leaves the
#       system's directories alone.
set -eu
umask 022
cd "$(dirname "$0")/.."

build=${BUILD:-build}
destdir=${DESTDIR:-}
prefix=${PREFIX:-/usr/local}
bindir=${BINDIR:-$prefix/bin}
sbindir=${SBINDIR:-$prefix/sbin}
libdir=${LIBDIR:-$prefix/lib}
libexecdir=${LIBEXECDIR:-$prefix/libexec}/spoolguard
includedir=${INCLUDEDIR:-$prefix/include}
mandir=${MANDIR:-$prefix/share/man}
docdir=${DOCDIR:-$prefix/share/doc/spoolguard}
datadir=${DATADIR:-$prefix/share}/spoolguard
completiondir=${COMPLETIONDIR:-$prefix/share/bash-completion/completions}
unitdir=${UNITDIR:-$prefix/lib/systemd/system}
sysusersdir=${SYSUSERSDIR:-$prefix/lib/sysusers.d}
tmpfilesdir=${TMPFILESDIR:-$prefix/lib/tmpfiles.d}
sysconfdir=${SYSCONFDIR:-/etc}
# The programs look for it from where they are.
manifest=$prefix/lib/spoolguard/manifest
# Where cupsd and Nagios look, whatever our prefix is.
cups_serverbin=${CUPS_SERVERBIN:-/usr/lib/cups}
nagiosdir=${NAGIOSDIR:-/usr/lib/nagios/plugins}
# Where nbdkit looks for "nbdkit spoolguard"; spoolguard-volume takes the one beside itself.
nbdkit_plugindir=${NBDKIT_PLUGINDIR:-$(pkg-config --variable=plugindir nbdkit 2>/dev/null || echo "$libdir/nbdkit/plugins")}

table() { # MODE SOURCE DESTINATION
	local file
	cat <<TABLE
755 $build/spoolguard                 $bindir/spoolguard
755 $build/spoolguardd                $sbindir/spoolguardd
755 $build/spoolguard-volume          $libexecdir/spoolguard-volume
755 $build/nbdkit-spoolguard-plugin.so $libexecdir/nbdkit-spoolguard-plugin.so
755 $build/nbdkit-spoolguard-plugin.so $nbdkit_plugindir/nbdkit-spoolguard-plugin.so
755 $build/spoolguard-notifier        $libexecdir/spoolguard-notifier
755 $build/spoolguard-notifier        $cups_serverbin/notifier/spoolguard
755 $build/check_spoolguard           $nagiosdir/check_spoolguard
755 pipeline/spoolguard-ippeve-command.sh $libexecdir/spoolguard-ippeve-command
755 packaging/pam/spoolguard-pam-event $libexecdir/spoolguard-pam-event
644 packaging/pam/common-auth.example.in $datadir/pam/common-auth.example
644 supervisor/io.spoolguard.varlink  $datadir/io.spoolguard.varlink
644 $build/libspoolguard.a            $libdir/libspoolguard.a
644 client/spoolguard.h               $includedir/spoolguard.h
644 packaging/systemd/spoolguardd.service.in        $unitdir/spoolguardd.service
644 packaging/systemd/spoolguard-mounter.service.in $unitdir/spoolguard-mounter.service
644 packaging/systemd/spoolguard-mounter.socket     $unitdir/spoolguard-mounter.socket
644 packaging/systemd/spoolguard-volumes.service.in $unitdir/spoolguard-volumes.service
644 packaging/systemd/spoolguard-residue.service.in $unitdir/spoolguard-residue.service
644 packaging/systemd/spoolguard-residue.timer      $unitdir/spoolguard-residue.timer
644 packaging/systemd/mounts.conf     $unitdir/run-spoolguard-.mount.d/10-spoolguard.conf
644 packaging/cups/50-spoolguard.conf $datadir/cups.service.d/50-spoolguard.conf
644 packaging/cups/var-spool-cups.mount $datadir/var-spool-cups.mount
644 packaging/compliance/openscap/spoolguard-xccdf.xml.in $datadir/openscap/spoolguard-xccdf.xml
755 packaging/compliance/openscap/spoolguard-check.sh $datadir/openscap/spoolguard-check.sh
644 packaging/compliance/serverspec/spoolguard_spec.rb $datadir/serverspec/spoolguard_spec.rb
644 packaging/compliance/inspec/inspec.yml $datadir/inspec/inspec.yml
644 packaging/compliance/inspec/controls/spoolguard.rb $datadir/inspec/controls/spoolguard.rb
644 packaging/rsyslog/60-spoolguard.conf $datadir/rsyslog.d/60-spoolguard.conf
644 packaging/sysusers.conf           $sysusersdir/spoolguard.conf
644 packaging/tmpfiles.conf           $tmpfilesdir/spoolguard.conf
644 packaging/spoolguard.conf         $sysconfdir/spoolguard/spoolguard.conf
644 packaging/logrotate               $sysconfdir/logrotate.d/spoolguard
644 packaging/apparmor/usr.sbin.spoolguardd.in $sysconfdir/apparmor.d/usr.sbin.spoolguardd
644 packaging/bash-completion         $completiondir/spoolguard
644 packaging/bash-completion         $completiondir/spoolguardd
755 tools/verify_log.py               $datadir/verify_log.py
644 LICENSE                           $docdir/LICENSE
TABLE
	for file in *.md docs/*.md; do
		echo "644 $file $docdir/${file##*/}"
	done
	for file in docs/cc/*.md; do
		echo "644 $file $docdir/cc/${file##*/}"
	done
	for file in docs/man/*.in; do
		local page=${file##*/}
		page=${page%.in}
		[ "$page" != check_spoolguard.1 ] || [ -e "$build/check_spoolguard" ] || continue
		echo "644 $build/man/$page.in $mandir/man${page##*.}/$page"
	done
	for file in examples/*.c; do
		echo "644 $file $docdir/examples/${file##*/}"
	done
}

filled() { # filled SOURCE: its text, with our directories written into what is a template
	case $1 in
	*.in)
		sed -e "s|@bindir@|$bindir|g; s|@sbindir@|$sbindir|g; s|@libexecdir@|$libexecdir|g" \
			-e "s|@datadir@|$datadir|g; s|@sysconfdir@|$sysconfdir|g; s|@docdir@|$docdir|g" \
			-e "s|@manifest@|$manifest|g; s|@cups_serverbin@|$cups_serverbin|g; s|@nagiosdir@|$nagiosdir|g" "$1"
		;;
	*) cat "$1" ;;
	esac
}

is_admins() { case $1 in "$sysconfdir"/*) true ;; *) false ;; esac; }
is_ours() { filled "$1" | cmp -s - "$2"; }

# The programs as they lie now; the self-tests hold them against it.
write_manifest() {
	local programs=()
	while read -r mode source to; do
		[[ $source != "$build"/* || $mode != 755 || $to == "$nagiosdir"/* ]] ||
			[ ! -e "$source" ] || programs+=("$destdir$to")
	done < <(table)
	tools/manifest.sh "${VERSION:?}" "$destdir$manifest" "${programs[@]}"
	chmod 644 "$destdir$manifest"
}

install_all() {
	local mode source to
	while read -r mode source to; do
		[ -e "$source" ] || continue
		if is_admins "$to" && [ -e "$destdir$to" ] && ! is_ours "$source" "$destdir$to"; then
			echo "install: $destdir$to differs from ours and stays; ours is $source" >&2
			continue
		fi
		mkdir -p "$destdir${to%/*}"
		filled "$source" >"$destdir$to.new"
		chmod "$mode" "$destdir$to.new"
		mv -f "$destdir$to.new" "$destdir$to" # never half a file under its name
	done < <(table)
	write_manifest
}

remove_directory() { # remove_directory DIRECTORY
	if [ -n "$destdir" ]; then
		(cd "$destdir" && rmdir -p --ignore-fail-on-non-empty ".$1" 2>/dev/null) || :
		return
	fi
	while [[ $1 == */spoolguard* || $1 == */run-spoolguard-* ]]; do
		rmdir "$1" 2>/dev/null || return 0
		set -- "${1%/*}"
	done
}

uninstall_all() {
	local mode source to
	while read -r mode source to; do
		if [ -e "$destdir$to" ] && is_admins "$to" && ! is_ours "$source" "$destdir$to"; then
			echo "uninstall: $destdir$to was changed here and stays" >&2
			continue
		fi
		rm -f "$destdir$to"
		remove_directory "${to%/*}"
	done < <(table)
	rm -f "$destdir$manifest"
	remove_directory "${manifest%/*}"
}

case ${1:-} in
install) install_all ;;
uninstall) uninstall_all ;;
manifest) write_manifest ;; # anew: after strip
list) table | while read -r mode source to; do [ ! -e "$source" ] || echo "$mode $to"; done ;;
*)
	echo "usage: install.sh install | uninstall | list | manifest" >&2
	exit 2
	;;
esac
