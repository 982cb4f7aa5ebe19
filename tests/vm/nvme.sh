# SPDX-License-Identifier: Apache-2.0
# nvme.sh - models of NVMe drives outside a virtual machine, and how it attaches them; sourced after vm.sh
#
# The models outlive the machine: killing it is a power cut of the machine, and the drive goes on.

targets=()
nvme_serve() { # nvme_serve IMAGE [OPTION...]: sets port; an IMAGE that is missing is made, 4 MiB
	local image=$1
	shift
	[ -e "$image" ] || truncate -s 4M "$image"
	: >"$image.port"
	"$build/tests/drives/nvme_target" 0 "$image" "$@" >"$image.port" &
	pids+=($!) targets+=($!)
	until grep -q port "$image.port"; do kill -0 $! || fail "no target"; sleep 0.1; done
	port=$(awk '{print $2}' "$image.port")
}
nvme_end() { kill "${targets[@]}" && wait "${targets[@]}"; }

# For a machine's step: attach PORT makes /dev/nvme0n1, detach takes it away.
# shellcheck disable=SC2034
nvme_connect='attach() {
	echo "transport=tcp,traddr=10.0.2.2,trsvcid=$1,nqn=nqn.2026-11.sim:drive,hostnqn=nqn.2014-08.org.nvmexpress:uuid:11111111-1111-1111-1111-111111111111,hostid=11111111-1111-1111-1111-111111111111,nr_io_queues=1" >/dev/nvme-fabrics || exit 1
	until [ -b /dev/nvme0n1 ]; do usleep 50000; done
}
detach() { echo 1 >/sys/class/nvme/nvme0/delete_controller; while [ -b /dev/nvme0n1 ]; do usleep 50000; done; }
left() { echo "$1 left $(dd if=/dev/nvme0n1 bs=64k iflag=direct 2>/dev/null | grep -a -c SECRETDATA)"; }'
