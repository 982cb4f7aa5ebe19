#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# vm_nbd_new.sh - vm_nbd.sh on Linux 6.12, the newest that Debian 12's own sources offer
#
# Time limit: 600 s
exec "$(dirname "$0")/vm_nbd.sh" linux-image-6.12-cloud-amd64
