#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Read and write the data segment of a LUKS2 image, sharing no code with spoolguard or cryptsetup.

    luks2_decrypt.py IMAGE KEYFILE                        decrypted data segment to stdout
    luks2_decrypt.py IMAGE KEYFILE --range FIRST BYTES    only these bytes of it
    luks2_decrypt.py IMAGE KEYFILE --encrypt-back < PLAIN writes PLAIN over the segment's beginning
    luks2_decrypt.py IMAGE KEYFILE --info                 segment and key slot as JSON

An independent oracle for tests: the header is parsed and the key slot opened by what the LUKS2
specification (version 1.1.1) says, with hashlib and python3-cryptography.  Only where this Python
has no Argon2 is the volume key asked of cryptsetup.

KEYFILE is the passphrase; if it does not open a slot, it is tried without its last newline.
--encrypt-back writes only the sectors that differ from what the image holds, as a program that
changes a file would.  --sparse-out writes runs of zeros as holes (stdout must be a file).
Exit status: 0 done, 1 failed, 2 usage, 3 no key slot opens with this passphrase.
"""
import argparse
import base64
import hashlib
import json
import os
import subprocess
import sys

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

TWEAK_UNIT = 512  # plain64 counts these, whatever the sector size
CHUNK = 1 << 20
MAGICS = {0: b"LUKS\xba\xbe", 0x4000: b"SKUL\xba\xbe"}
SECOND_HEADERS = [0x4000 << i for i in range(9)]


class Failure(Exception):
    pass


# --- header (specification 2) ---


def read_header(image):
    """The JSON of the valid header with the higher sequence number."""
    found = []
    for offset in [0] + SECOND_HEADERS:
        image.seek(offset)
        binary = image.read(4096)
        if len(binary) < 4096 or binary[:6] != (MAGICS[0] if offset == 0 else MAGICS[0x4000]):
            continue
        size = int.from_bytes(binary[8:16], "big")
        if binary[6:8] != b"\0\2" or not 0x4000 <= size <= 0x400000:
            continue
        area = binary[4096:] + image.read(size - 4096)
        zeroed = binary[:0x1C0] + bytes(64) + binary[0x200:]
        if hashlib.sha256(zeroed + area).digest() != binary[0x1C0:0x1E0]:
            continue
        found.append((int.from_bytes(binary[16:24], "big"), area.split(b"\0", 1)[0]))
    if not found:
        raise Failure("no whole LUKS2 header")
    return json.loads(max(found, key=lambda header: header[0])[1])


# --- AES-XTS ---


def crypt(key, sector_bytes, first_tweak, data, encrypt):
    algorithm = algorithms.AES(key)
    step = sector_bytes // TWEAK_UNIT
    out = []
    for at in range(0, len(data), sector_bytes):
        tweak = (first_tweak + at // sector_bytes * step).to_bytes(16, "little")
        cipher = Cipher(algorithm, modes.XTS(tweak))
        context = cipher.encryptor() if encrypt else cipher.decryptor()
        out.append(context.update(data[at : at + sector_bytes]) + context.finalize())
    return b"".join(out)


# --- key slots (specification 3.2, 4) ---


def derive(kdf, passphrase, key_bytes):
    salt = base64.b64decode(kdf["salt"])
    if kdf["type"] == "pbkdf2":
        return hashlib.pbkdf2_hmac(kdf["hash"], passphrase, salt, kdf["iterations"], key_bytes)
    if kdf["type"] != "argon2id":
        raise Failure("key derivation %s" % kdf["type"])
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

    return Argon2id(
        salt=salt,
        length=key_bytes,
        iterations=kdf["time"],
        lanes=kdf["cpus"],
        memory_cost=kdf["memory"],
    ).derive(passphrase)


def diffuse(block, hash_name):
    digest_bytes = hashlib.new(hash_name).digest_size
    out = b""
    for i in range(0, len(block), digest_bytes):
        piece = block[i : i + digest_bytes]
        digest = hashlib.new(hash_name, (i // digest_bytes).to_bytes(4, "big") + piece).digest()
        out += digest[: len(piece)]
    return out


def merge(split, key_bytes, stripes, hash_name):
    """The anti-forensic splitter, backwards (LUKS1 specification 2.4)."""
    block = bytes(key_bytes)
    for i in range(stripes):
        stripe = split[i * key_bytes : (i + 1) * key_bytes]
        block = bytes(a ^ b for a, b in zip(block, stripe))
        if i < stripes - 1:
            block = diffuse(block, hash_name)
    return block


def digest_of(header, slot_id):
    for digest in header["digests"].values():
        if digest["type"] == "pbkdf2" and slot_id in digest["keyslots"]:
            return digest
    return None


def open_slot(image, header, slot_id, passphrase):
    """The volume key, or None if the passphrase is not this slot's."""
    slot, digest = header["keyslots"][slot_id], digest_of(header, slot_id)
    area, af = slot["area"], slot["af"]
    if slot["type"] != "luks2" or digest is None or not digest["segments"]:
        return None
    if area["encryption"] != "aes-xts-plain64":
        raise Failure("key slot %s is encrypted with %s" % (slot_id, area["encryption"]))
    area_key = derive(slot["kdf"], passphrase, area["key_size"])
    split_bytes = slot["key_size"] * af["stripes"]
    image.seek(int(area["offset"]))
    encrypted = image.read(-(-split_bytes // TWEAK_UNIT) * TWEAK_UNIT)
    split = crypt(area_key, TWEAK_UNIT, 0, encrypted, encrypt=False)
    key = merge(split, slot["key_size"], af["stripes"], af["hash"])
    salt = base64.b64decode(digest["salt"])
    check = hashlib.pbkdf2_hmac(digest["hash"], key, salt, digest["iterations"])
    expected = base64.b64decode(digest["digest"])
    return key if check[: len(expected)] == expected else None


def ask_cryptsetup(image_path, key_path):
    command = ["cryptsetup", "luksDump", "--dump-volume-key", "--batch-mode"]
    command += ["--key-file", key_path, image_path]
    dump = subprocess.run(command, capture_output=True, text=True)
    if dump.returncode != 0:
        raise Failure("cryptsetup: %s" % dump.stderr.strip())
    return bytes.fromhex("".join(dump.stdout.split("MK dump:")[1].split()))


def unlock(image, header, image_path, key_path):
    """The volume key and the id of the slot that gave it."""
    passphrase = open(key_path, "rb").read()
    for attempt in dict.fromkeys((passphrase, passphrase.removesuffix(b"\n"))):
        for slot_id in sorted(header["keyslots"]):
            try:
                key = open_slot(image, header, slot_id, attempt)
            except ImportError:
                return ask_cryptsetup(image_path, key_path), "?"
            if key is not None:
                return key, slot_id
    sys.exit(3)


# --- the data segment ---


class Segment:
    def __init__(self, image, header, key):
        segments = list(header["segments"].values())
        if len(segments) != 1 or segments[0]["type"] != "crypt":
            raise Failure("the image has not one encrypted segment (re-encryption pending?)")
        about = segments[0]
        if about["encryption"] != "aes-xts-plain64":
            raise Failure("the data is encrypted with %s" % about["encryption"])
        self.image, self.key = image, key
        self.offset, self.sector = int(about["offset"]), about["sector_size"]
        self.tweak = int(about["iv_tweak"])
        end = image.seek(0, os.SEEK_END)
        self.bytes = (end - self.offset) // self.sector * self.sector
        if about["size"] != "dynamic":
            self.bytes = min(self.bytes, int(about["size"]))

    def read(self, first, count):
        """first and count are multiples of the sector."""
        self.image.seek(self.offset + first)
        tweak = self.tweak + first // TWEAK_UNIT
        return crypt(self.key, self.sector, tweak, self.image.read(count), encrypt=False)

    def write_sector(self, first, data):
        tweak = self.tweak + first // TWEAK_UNIT
        self.image.seek(self.offset + first)
        self.image.write(crypt(self.key, self.sector, tweak, data, encrypt=True))


def write_out(out, data, sparse):
    if sparse and not data.strip(b"\0"):
        out.seek(len(data), os.SEEK_CUR)
    else:
        out.write(data)


def decrypt(segment, first, count, sparse):
    out = sys.stdout.buffer
    end = min(first + count, segment.bytes)
    at = first // segment.sector * segment.sector
    while at < end:
        data = segment.read(at, min(CHUNK, segment.bytes - at))
        write_out(out, data[max(0, first - at) : end - at], sparse)
        at += CHUNK
    out.flush()
    if sparse:
        out.truncate(out.tell())


def encrypt_back(segment, plain):
    at, changed = 0, 0
    while data := plain.read(CHUNK):
        if at + len(data) > segment.bytes:
            raise Failure("the input is longer than the data segment")
        whole = -(-len(data) // segment.sector) * segment.sector
        before = segment.read(at, whole)
        data += before[len(data) :]  # a last partial sector keeps its rest
        for i in range(0, whole, segment.sector):
            if data[i : i + segment.sector] != before[i : i + segment.sector]:
                segment.write_sector(at + i, data[i : i + segment.sector])
                changed += 1
        at += whole
    segment.image.flush()
    os.fsync(segment.image.fileno())
    print("%d sectors changed" % changed, file=sys.stderr)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("image")
    parser.add_argument("keyfile")
    parser.add_argument("--range", nargs=2, type=int, metavar=("FIRST", "BYTES"))
    parser.add_argument("--encrypt-back", action="store_true")
    parser.add_argument("--sparse-out", action="store_true")
    parser.add_argument("--info", action="store_true")
    options = parser.parse_args()
    with open(options.image, "r+b" if options.encrypt_back else "rb") as image:
        header = read_header(image)
        key, slot_id = unlock(image, header, options.image, options.keyfile)
        segment = Segment(image, header, key)
        if options.info:
            about = {"offset": segment.offset, "bytes": segment.bytes, "sector": segment.sector}
            print(json.dumps({**about, "slot": slot_id, "tokens": header["tokens"]}))
        elif options.encrypt_back:
            encrypt_back(segment, sys.stdin.buffer)
        else:
            first, count = options.range or (0, segment.bytes)
            decrypt(segment, first, count, options.sparse_out)


if __name__ == "__main__":
    try:
        main()
    except (Failure, OSError, ValueError, KeyError) as error:
        print("luks2_decrypt.py: %s" % error, file=sys.stderr)
        sys.exit(1)
