#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Change a value in the JSON of both copies of a LUKS2 header, checksums made right.

    luks2_edit.py IMAGE PATH VALUE      luks2_edit.py x.img segments.0.encryption '"serpent-xts-plain64"'

For headers that this machine's cryptsetup cannot make (a cipher that the kernel lacks, integrity
tags without device-mapper).  PATH is a dotted path; its last part may be new.  VALUE is JSON.
"""
import hashlib
import json
import sys


def edit(image, offset, path, value):
    image.seek(offset)
    binary = bytearray(image.read(4096))
    size = int.from_bytes(binary[8:16], "big")
    header = json.loads(image.read(size - 4096).split(b"\0", 1)[0])
    at = header
    for part in path[:-1]:
        at = at[part]
    at[path[-1]] = value
    area = json.dumps(header, separators=(",", ":")).encode().ljust(size - 4096, b"\0")
    binary[0x1C0:0x200] = bytes(64)
    binary[0x1C0:0x1E0] = hashlib.sha256(bytes(binary) + area).digest()
    image.seek(offset)
    image.write(bytes(binary) + area)
    return size


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    path, value = sys.argv[2].split("."), json.loads(sys.argv[3])
    with open(sys.argv[1], "r+b") as image:
        edit(image, edit(image, 0, path, value), path, value)


main()
