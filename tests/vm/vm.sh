# SPDX-License-Identifier: Apache-2.0
# vm.sh - a small virtual machine of a script's own; sourced after tests/e2e/lib.sh
#
# Debian's cloud kernel, an initial RAM disk of busybox and what the script adds, a serial
# console, no disk but those that it is given.  Software emulation: it boots in seconds, works
# where there is no KVM, and is slow.  The kernel is the installed one, or is fetched once into
# build/vm (nothing is installed).

vm=$work/vm
vm_cache=$root/build/vm

# vm_need [META]: sets vm_kernel and vm_modules (a root with lib/modules), or skips.  META is the package
# that depends on the kernel that is wanted; without one any cloud kernel will do.
vm_need() {
	local tool version package meta=${1:-}
	for tool in qemu-system-x86_64 cpio modprobe; do
		PATH=$PATH:/usr/sbin command -v "$tool" >/dev/null || skip "needs $tool"
	done
	[ "$(uname -m)" = x86_64 ] || skip "needs an x86_64 kernel to boot"
	PATH=$PATH:/usr/sbin
	mkdir -p "$vm" "$vm_cache"
	for version in /lib/modules/*-cloud-amd64; do
		version=${version##*/}
		[ -z "$meta" ] && [ -r "/boot/vmlinuz-$version" ] || continue
		vm_kernel=/boot/vmlinuz-$version vm_modules=/ vm_version=$version
	done
	if [ -z "${vm_kernel:-}" ]; then
		package=$(apt-cache depends "${meta:-linux-image-cloud-amd64}" 2>/dev/null | awk '/Depends: linux-image/ {print $2; exit}')
		[ -n "$package" ] || skip "needs a kernel: ${meta:-linux-image-cloud-amd64} is not to be had"
		vm_version=${package#linux-image-}
		vm_fetch "$package" "boot/vmlinuz-$vm_version"
		vm_kernel=$vm_cache/$package/boot/vmlinuz-$vm_version vm_modules=$vm_cache/$package
		[ -f "$vm_modules/lib/modules/$vm_version/modules.dep" ] || depmod -b "$vm_modules" "$vm_version"
	fi
	vm_busybox=$(command -v busybox)
	if [ -z "$vm_busybox" ] || ldd "$vm_busybox" >/dev/null 2>&1; then
		vm_fetch busybox-static bin/busybox
		vm_busybox=$vm_cache/busybox-static/bin/busybox
	fi
}

vm_fetch() { # vm_fetch PACKAGE FILE: unpacked into the cache
	local at=$vm_cache/$1
	[ ! -e "$at/$2" ] || return 0
	mkdir -p "$vm/fetch" "$at"
	(cd "$vm/fetch" && apt-get download "$1" >/dev/null 2>&1) || skip "needs $1, which cannot be fetched"
	dpkg -x "$vm/fetch/$1"_*.deb "$at"
	[ -e "$at/$2" ] || skip "$1 has no $2"
}

# vm_make MODULES PROGRAM...: $vm/base, which boots, loads these and runs /step.sh
vm_make() {
	local modules=$1 tree=$vm/tree module library program applet number=100
	shift
	mkdir -p "$tree"/{bin,proc,sys,dev,tmp,lib64,usr/lib,mods}
	cp "$vm_busybox" "$tree/bin/busybox"
	for applet in $("$vm_busybox" --list | grep -vx busybox); do ln -s busybox "$tree/bin/$applet"; done
	for program; do
		cp --remove-destination "$program" "$tree/bin/"
		for library in $(ldd "$program" 2>/dev/null | awk '/=> \// {print $3}'); do cp -Ln "$library" "$tree/usr/lib/"; done
	done
	cp -L /lib64/ld-linux-x86-64.so.2 "$tree/lib64/"
	for module in $modules; do
		modprobe -d "$vm_modules" -S "$vm_version" --show-depends "$module" || exit 1
	done | awk '/^insmod/ && !seen[$2]++ {print $2}' >"$vm/modules"
	[ -s "$vm/modules" ] || fail "no modules: $modules"
	while read -r module; do
		cp "$module" "$tree/mods/$number-${module##*/}"
		number=$((number + 1))
	done <"$vm/modules"
	cat >"$tree/init" <<-'INIT'
		#!/bin/sh
		export PATH=/bin LD_LIBRARY_PATH=/usr/lib
		mount -t proc p /proc; mount -t sysfs s /sys; mount -t devtmpfs d /dev
		for module in /mods/*; do insmod "$module"; done
		ip link set lo up; ip link set eth0 up; ip addr add 10.0.2.15/24 dev eth0
		sh /step.sh
		echo "VM-EXIT $?"
		poweroff -f
	INIT
	chmod +x "$tree/init"
	(cd "$tree" && find . | cpio -o -H newc --quiet | gzip -1) >"$vm/base"
}

# vm_start STEP LOG [QEMU-OPTION...]: in the background; vm_pid is its process
vm_start() {
	local step=$1 log=$2
	shift 2
	mkdir -p "$vm/step"
	: >"$log"
	cp "$step" "$vm/step/step.sh"
	(cd "$vm/step" && echo step.sh | cpio -o -H newc --quiet | gzip -1 | cat "$vm/base" - >"$vm/initrd.$vm_count")
	qemu-system-x86_64 -M q35 -accel tcg -cpu max -smp 1 -m 512 -nographic -no-reboot -nodefaults \
		-serial stdio -kernel "$vm_kernel" -initrd "$vm/initrd.$vm_count" \
		-append "console=ttyS0 quiet loglevel=3 panic=-1 mitigations=off random.trust_cpu=on" \
		-netdev user,id=net -device virtio-net-pci,netdev=net,romfile= "$@" </dev/null >"$log" 2>&1 &
	vm_pid=$!
	vm_count=$((vm_count + 1))
	pids+=("$vm_pid")
}
vm_count=0

vm_await() { # vm_await PATTERN LOG: until the log has it, or the machine has ended
	local turns=0
	until grep -aq "$1" "$2"; do
		turns=$((turns + 1))
		[ $turns -lt 2000 ] && kill -0 "$vm_pid" 2>/dev/null || { grep -aq "$1" "$2" && return; fail "the machine never said /$1/: $(tail -n 20 "$2")"; }
		sleep 0.1
	done
}
