#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the medium shows where the file system says "free": nothing but a pattern, or zeros.

    free_blocks.py IMAGE PLAIN BYTE...

IMAGE is the raw medium of a spoolguard volume, PLAIN its decrypted data segment (luks2_decrypt.py),
BYTE the last byte of the scheme (0x97).  Free blocks come from dumpe2fs, the place of the data
segment from cryptsetup.  Prints one JSON object; exit status 1 if a free block shows anything but
one of the bytes, or zeros, repeated.
"""
import json
import re
import subprocess
import sys

BLOCK = 4096


def free_ranges(plain):
    text = subprocess.run(["dumpe2fs", plain], capture_output=True, text=True, check=True).stdout
    for line in re.findall(r"^\s+Free blocks: (.+)$", text, re.M):
        for item in line.split(", "):
            first, _, last = item.strip().partition("-")
            if first:
                yield int(first), int(last or first)


def data_offset(image):
    text = subprocess.run(
        ["cryptsetup", "luksDump", "--dump-json-metadata", image], capture_output=True, text=True, check=True
    ).stdout
    return int(json.loads(text)["segments"]["0"]["offset"])


def main():
    image, plain = sys.argv[1], sys.argv[2]
    allowed = {int(text, 0) for text in sys.argv[3:]} | {0}
    offset = data_offset(image)
    seen, wrong = {}, []
    with open(image, "rb") as medium:
        for first, last in free_ranges(plain):
            for block in range(first, last + 1):
                medium.seek(offset + block * BLOCK)
                content = medium.read(BLOCK)
                byte = content[0]
                if byte in allowed and content == bytes([byte]) * BLOCK:
                    seen[hex(byte)] = seen.get(hex(byte), 0) + 1
                else:
                    wrong.append(block)
    print(json.dumps({"free": seen, "wrong": len(wrong), "first_wrong": wrong[:8]}))
    return 1 if wrong or not seen else 0


sys.exit(main())
