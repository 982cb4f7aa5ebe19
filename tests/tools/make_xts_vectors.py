#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Vectors of AES-256-XTS and of the regenerable stream, from an AES that is nobody's library.

    make_xts_vectors.py > tests/crypto/xts_vectors.txt

AES (FIPS 197), XTS (IEEE 1619-2007) and counter mode (NIST SP 800-38A) are written out below from
the standards, on integers and lists, sharing no code with OpenSSL or anything that wraps it.  Before
it prints, the program checks itself against FIPS 197 C.3 and IEEE 1619-2007 vectors 10 to 14.

Byte i of an input is (i + SALT * (i >> 8)) mod 256.  Long answers are given by their SHA-256.
"""
import hashlib
import sys


def make_sbox():
    sbox, p, q = [0] * 256, 1, 1
    while True:
        p ^= (p << 1 & 0xFF) ^ (0x1B if p & 0x80 else 0)  # times 3
        q ^= q << 1
        q ^= q << 2
        q = (q ^ q << 4) & 0xFF
        q ^= 0x09 if q & 0x80 else 0  # divided by 3
        x = q
        for shift in 1, 2, 3, 4:
            x ^= (q << shift | q >> 8 - shift) & 0xFF
        sbox[p] = x ^ 0x63
        if p == 1:
            sbox[0] = 0x63
            return sbox


def times(a, b):
    product = 0
    while b:
        if b & 1:
            product ^= a
        a = a << 1 ^ (0x11B if a & 0x80 else 0)
        b >>= 1
    return product


SBOX = make_sbox()
INVERSE = [SBOX.index(i) for i in range(256)]
TIMES = {n: [times(i, n) for i in range(256)] for n in (1, 2, 3, 9, 11, 13, 14)}
SHIFT = [0, 5, 10, 15, 4, 9, 14, 3, 8, 13, 2, 7, 12, 1, 6, 11]  # ShiftRows on 16 bytes by column
UNSHIFT = [SHIFT.index(i) for i in range(16)]
ROUNDS = 14


def expand(key):
    words = [list(key[i : i + 4]) for i in range(0, 32, 4)]
    rcon = 1
    for i in range(8, 4 * (ROUNDS + 1)):
        word = list(words[-1])
        if i % 8 == 0:
            word = [SBOX[b] for b in word[1:] + word[:1]]
            word[0] ^= rcon
            rcon = times(rcon, 2)
        elif i % 8 == 4:
            word = [SBOX[b] for b in word]
        words.append([a ^ b for a, b in zip(words[-8], word)])
    return [sum(words[i : i + 4], []) for i in range(0, len(words), 4)]


def mix(s, row):
    a, b, c, d = (TIMES[n] for n in row)
    out = []
    for i in range(0, 16, 4):
        w, x, y, z = s[i : i + 4]
        out += [
            a[w] ^ b[x] ^ c[y] ^ d[z],
            d[w] ^ a[x] ^ b[y] ^ c[z],
            c[w] ^ d[x] ^ a[y] ^ b[z],
            b[w] ^ c[x] ^ d[y] ^ a[z],
        ]
    return out


def add(s, key):
    return [a ^ b for a, b in zip(s, key)]


def encrypt_block(keys, block):
    s = add(block, keys[0])
    for i in range(1, ROUNDS + 1):
        s = [SBOX[s[j]] for j in SHIFT]
        s = add(mix(s, (2, 3, 1, 1)) if i < ROUNDS else s, keys[i])
    return bytes(s)


def decrypt_block(keys, block):
    s = add(block, keys[ROUNDS])
    for i in range(ROUNDS - 1, -1, -1):
        s = add([INVERSE[s[j]] for j in UNSHIFT], keys[i])
        s = mix(s, (14, 11, 13, 9)) if i else s
    return bytes(s)


def xts(key, tweak, step, unit, data, block_cipher):
    keys, tweak_keys = expand(key[:32]), expand(key[32:])
    out = bytearray()
    for first in range(0, len(data), unit):
        t = int.from_bytes(encrypt_block(tweak_keys, tweak.to_bytes(16, "little")), "little")
        for at in range(first, first + unit, 16):
            mask = t.to_bytes(16, "little")
            out += bytes(add(block_cipher(keys, add(data[at : at + 16], mask)), mask))
            t = t << 1 ^ ((1 << 128 | 0x87) if t >> 127 else 0)
        tweak = (tweak + step) % 2**64
    return bytes(out)


def stream(seed, offset, count):
    keys, out = expand(seed), bytearray()
    for block in range(offset // 16, (offset + count + 15) // 16):
        out += encrypt_block(keys, block.to_bytes(16, "big"))
    return bytes(out[offset % 16 : offset % 16 + count])


def pattern(count, salt):
    return bytes(i + salt * (i >> 8) & 0xFF for i in range(count))


IEEE_KEY = bytes.fromhex(
    "2718281828459045235360287471352662497757247093699959574966967627"
    "3141592653589793238462643383279502884197169399375105820974944592"
)
# IEEE 1619-2007 annex B, vectors 10 to 14: tweak, first block, last block
IEEE = [
    (0xFF, "1c3b3a102f770386e4836c99e370cf9b", "c4f36ffda9fcea70b9c6e693e148c151"),
    (0xFFFF, "77a31251618a15e6b92d1d66dffe7b50", "a4f9e27b42af8100cb9d59cef9645803"),
    (0xFFFFFF, "e387aaa58ba483afa7e8eb469778317e", "2263a1eef52dd6888c309f5a7d712826"),
    (0xFFFFFFFF, "bf53d2dade78e822a4d949a9bc6766b0", "4c82f335abb152c4a93411373aaa8220"),
    (0xFFFFFFFFFF, "64497e5a831e4a932c09be3e5393376d", "d609d273ad5b0d59631c531f6a0a57b9"),
]
# unit, tweak, step, bytes
OURS = [
    (16, 0, 1, 256),
    (512, 0, 1, 4096),
    (512, 2**32 - 2, 1, 2048),
    (512, 2**64 - 1, 1, 1024),
    (4096, 0, 8, 4096),
    (4096, 0, 8, 16384),
    (4096, 2**32 - 8, 8, 8192),
    (4096, 2**63 + 7, 8, 8192),
]
# offset, bytes
STREAMS = [(0, 16), (0, 4096), (1, 15), (4095, 2), (2**32 * 16 - 8, 48), (2**63 + 5, 1000)]


def check():
    keys = expand(bytes(range(32)))
    plain = bytes(i * 0x11 for i in range(16))
    cipher = bytes.fromhex("8ea2b7ca516745bfeafc49904b496089")
    if encrypt_block(keys, plain) != cipher or decrypt_block(keys, cipher) != plain:
        sys.exit("this AES is not that of FIPS 197 C.3")
    for tweak, head, tail in IEEE:
        out = xts(IEEE_KEY, tweak, 1, 512, pattern(512, 0), encrypt_block)
        if (out[:16].hex(), out[-16:].hex()) != (head, tail):
            sys.exit(f"this XTS is not that of IEEE 1619-2007 (tweak {tweak:#x})")


def print_xts(source, key, unit, tweak, step, count, salt):
    data = pattern(count, salt)
    print(f"SOURCE = {source}\nKEY = {key.hex()}\nUNIT = {unit}\nTWEAK = {tweak}\nSTEP = {step}")
    print(f"BYTES = {count}\nSALT = {salt}")
    for name, cipher in ("ENCRYPTED", encrypt_block), ("DECRYPTED", decrypt_block):
        out = xts(key, tweak, step, unit, data, cipher)
        print(f"{name}_FIRST = {out[:16].hex()}\n{name}_LAST = {out[-16:].hex()}")
        print(f"{name}_SHA256 = {hashlib.sha256(out).hexdigest()}")
    print()


def main():
    check()
    print("# Made by tests/tools/make_xts_vectors.py, which says what the fields mean.\n\n[XTS]\n")
    for i, (tweak, _, _) in enumerate(IEEE):
        print_xts(f"IEEE 1619-2007 vector {10 + i}", IEEE_KEY, 512, tweak, 1, 512, 0)
    key = bytes(range(7, 71))
    for unit, tweak, step, count in OURS:
        print_xts("make_xts_vectors.py", key, unit, tweak, step, count, 31)
    print("[STREAM]\n")
    for offset, count in STREAMS:
        out = stream(key[:32], offset, count)
        print(f"SOURCE = make_xts_vectors.py\nKEY = {key[:32].hex()}\nOFFSET = {offset}\nBYTES = {count}")
        print(f"STREAM_SHA256 = {hashlib.sha256(out).hexdigest()}\n")


if __name__ == "__main__":
    main()
