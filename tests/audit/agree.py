#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Do two verifiers that share no code find the same in good and in damaged logs?

    agree.py SPOOLGUARD DIRECTORY ENROLMENT [--each N]

DIRECTORY holds "audit" and "audit-position", a good log.  It is copied, damaged in one way after the
other (N of each kind, from a fixed seed), and "SPOOLGUARD audit verify" and tools/verify_log.py are
asked.  Both have to find it, and name the same places.  Exit status: 0 they agree, 1 they do not.
"""
import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "tools"))
import verify_log  # noqa: E402


def names(directory, end):
    return sorted(n for n in os.listdir(os.path.join(directory, "audit")) if n.endswith(end))


class Log:
    def __init__(self, directory, rng):
        self.directory, self.rng = directory, rng

    def path(self, name):
        return os.path.join(self.directory, "audit", name)

    def read(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def write(self, name, text):
        with open(self.path(name), "wb") as file:
            file.write(text)

    def change_byte(self, name, low=0):
        text = bytearray(self.read(name))
        at = self.rng.randrange(low, len(text))
        text[at] = self.rng.choice([b for b in b"0a}\"\n,z\x80" if b != text[at]])
        self.write(name, text)

    def lines(self):
        name = self.rng.choice(names(self.directory, ".jsonl"))
        return name, self.read(name).splitlines(keepends=True)

    # --- one damage each ---

    def byte_of_a_record(self):
        self.change_byte(self.rng.choice(names(self.directory, ".jsonl")))

    def byte_of_a_head(self):
        self.change_byte(self.rng.choice(names(self.directory, ".json")))

    def byte_of_a_signature(self):
        name = self.rng.choice(names(self.directory, ".minisig"))
        self.change_byte(name, self.read(name).index(b"\n"))

    def removed(self):
        name, lines = self.lines()
        del lines[self.rng.randrange(len(lines))]
        self.write(name, b"".join(lines))

    def repeated(self):
        name, lines = self.lines()
        at = self.rng.randrange(len(lines))
        lines.insert(self.rng.randrange(at, len(lines)) + 1, lines[at])
        self.write(name, b"".join(lines))

    def swapped(self):
        name, lines = self.lines()
        at = self.rng.randrange(len(lines) - 1)
        lines[at], lines[at + 1] = lines[at + 1], lines[at]
        self.write(name, b"".join(lines))

    def cut(self):
        name = self.rng.choice(names(self.directory, ".jsonl"))
        text = self.read(name)
        self.write(name, text[:self.rng.randrange(len(text))])

    def garbage(self):
        name, lines = self.lines()
        lines.insert(self.rng.randrange(len(lines)), self.rng.randbytes(self.rng.randrange(1, 9000)) + b"\n")
        self.write(name, b"".join(lines))

    def head_gone(self):
        os.unlink(self.path(self.rng.choice([n for n in names(self.directory, "") if "segment" not in n])))

    def heads_swapped(self):
        one, two = self.rng.sample(names(self.directory, ".json"), 2)
        for end in "", ".minisig":
            first, second = self.read(one + end), self.read(two + end)
            self.write(one + end, second)
            self.write(two + end, first)

    def segment_gone(self):
        os.unlink(self.path(self.rng.choice(names(self.directory, ".jsonl"))))

    def position_edited(self):
        path = os.path.join(self.directory, "audit-position")
        position = json.load(open(path))
        key = self.rng.choice(["sequence", "sha256", "log"])
        if self.rng.random() < 0.7:
            position.pop("check", None)
        position[key] = position[key] + 1 if key == "sequence" else position[key].translate({48: 49, 49: 48})
        with open(path, "w") as file:
            file.write(json.dumps(position, separators=(",", ":")) + "\n")


DAMAGES = ["byte_of_a_record", "byte_of_a_head", "byte_of_a_signature", "removed", "repeated", "swapped", "cut",
           "garbage", "head_gone", "heads_swapped", "segment_gone", "position_edited"]
COUNTS = ["good", "log", "root_enrolled", "records", "first_sequence", "last_sequence", "segments",
          "closed_segments", "dropped_segments", "signed_up_to", "position_known", "clock_steps", "torn_bytes"]


def ours(program, directory, enrolment):
    done = subprocess.run([program, "audit", "verify", "--json", "--trust", enrolment,
                           os.path.join(directory, "audit")], capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        sys.exit(f"exit code {done.returncode}: {done.stderr}")
    return json.loads(done.stdout)


def theirs(directory, enrolment):
    audit = os.path.join(directory, "audit")
    position = verify_log.read_position(audit, None)
    verdict = verify_log.Verifier(audit, verify_log.read_enrolment(enrolment), position).run()
    return verify_log.summary(verdict)


def places(verdict):
    return sorted((f["segment"], f["line"], f["sequence"], f["kind"]) for f in verdict["findings"])


def compare(what, one, two, damaged):
    bad = [f"{n}: {one[n]} and {two[n]}" for n in COUNTS if one[n] != two[n]]
    if places(one) != places(two) and not one.get("more_findings"):
        bad.append(f"{places(one)}\n  and {places(two)}")
    if one["good"] == damaged:
        bad.append("a damage that is not found" if damaged else f"a good log is found bad: {one['findings']}")
    for line in bad:
        print(f"{what}: {line}")
    return not bad


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("directory")
    parser.add_argument("enrolment")
    parser.add_argument("--each", type=int, default=24)
    options = parser.parse_args()
    rng = random.Random(7)
    same = compare("good", ours(options.program, options.directory, options.enrolment),
                   theirs(options.directory, options.enrolment), False)
    for damage in DAMAGES:
        for number in range(options.each):
            with tempfile.TemporaryDirectory() as scratch:
                copy = os.path.join(scratch, "log")
                shutil.copytree(options.directory, copy)
                getattr(Log(copy, rng), damage)()
                same &= compare(f"{damage} {number}", ours(options.program, copy, options.enrolment),
                                theirs(copy, options.enrolment), True)
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
