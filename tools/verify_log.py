#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Is this audit log what the device wrote, all of it, and nothing else?

    verify_log.py DIRECTORY ENROLMENT [--position FILE] [--json]

DIRECTORY is the log's ("audit", or a copy of it), ENROLMENT what "spoolguard key public" printed at
the first start and somebody kept elsewhere, FILE the device's "audit-position" (without the option:
the file of that name beside DIRECTORY, if there is one).

For auditors who do not want to trust spoolguard's own "audit verify": this shares no code with it.
Needs Debian's python3 and python3-cryptography, or python3-nacl instead.  No clock, no network.

Exit status: 0 the log is good, 1 it is not (each fault is told with its place), 2 usage, 3 it cannot
be told (no enrolment file, no directory).
"""
import argparse
import base64
import binascii
import hashlib
import json
import os
import re
import sys
from datetime import datetime

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    def ed25519_holds(public, message, signature):
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
            return True
        except InvalidSignature:
            return False
except ImportError:
    from nacl.bindings import crypto_sign_open
    from nacl.exceptions import BadSignatureError

    def ed25519_holds(public, message, signature):
        try:
            crypto_sign_open(signature + message, public)
            return True
        except (BadSignatureError, ValueError):
            return False

LINE_MAX = 8192
MEMBERS = ["sequence", "time", "monotonic_ms", "boot", "event", "subject", "object", "outcome", "detail",
           "data", "previous"]
OPTIONAL = {"object", "detail", "data"}
OUTCOMES = {"success", "failure", "denied", "begun", "progress"}
DIGEST = re.compile(r"[0-9a-f]{64}\Z")
NAME = re.compile(r"[a-z0-9-]{1,31}\Z")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
HEAD = {"schema": str, "log": str, "segment": int, "first": int, "last": int, "records": int, "bytes": int,
        "sha256": str, "last_record": str, "previous_head": str, "time": str, "next_segment": int,
        "next_key": str}
ROOT = {"schema": str, "log": str, "time": str, "device": str, "segment": int, "key": str}


# A log that is in use closes segments and drops them while it is read.
LOOKS_MAX = 8  # at all of it
LISTINGS_MAX = 8  # in one look


class CannotTell(Exception):
    pass


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def pairs_once(pairs):
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a member stands there twice")
    return result


def decode_base64(text):
    raw = base64.b64decode(text, validate=True)
    if base64.b64encode(raw) != text:
        raise ValueError("not the one way to write it")
    return raw


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise CannotTell(f"{path}: {error.strerror}; ask to be in the group of its readers") from error
    except OSError as error:
        raise CannotTell(f"{path}: {error.strerror}") from error


class Key:
    """A public key in minisign's format: "Ed", key id, 32 bytes."""

    def __init__(self, line):
        raw = decode_base64(line)
        if len(raw) != 42 or raw[:2] != b"Ed":
            raise ValueError("no minisign key")
        self.line, self.id, self.public = line, raw[2:10], raw[10:]

    def why_not(self, message, text):
        """None: text is this key's minisign signature of message; else what is wrong."""
        lines = text.split(b"\n")
        try:
            if len(lines) != 5 or lines[4] or not lines[0].startswith(b"untrusted comment: ") \
                    or not lines[2].startswith(b"trusted comment: "):
                return "its signature is no minisign signature"
            raw, both = decode_base64(lines[1]), decode_base64(lines[3])
        except (ValueError, binascii.Error):
            return "its signature is no minisign signature"
        if len(raw) != 74 or len(both) != 64 or raw[:2] not in (b"ED", b"Ed"):
            return "its signature is no minisign signature"
        if raw[2:10] != self.id:
            return "it was signed by another key"
        if raw[:2] == b"ED":
            message = hashlib.blake2b(message).digest()
        if not ed25519_holds(self.public, message, raw[10:]):
            return "it is not what was signed"
        if not ed25519_holds(self.public, raw[10:] + lines[2][len(b"trusted comment: "):], both):
            return "its trusted comment is not what was signed"
        return None


def read_enrolment(path):
    text = read(path)
    if text is None:
        raise CannotTell(f"{path}: there is no such file; it is what \"spoolguard key public\" printed")
    keys = []
    try:
        for line in text.split(b"\n"):
            if line and not line.startswith(b"untrusted comment:"):
                keys.append(Key(line))
    except (ValueError, binascii.Error) as error:
        raise CannotTell(f"{path}: it is no enrolment file") from error
    if not 1 <= len(keys) <= 2:
        raise CannotTell(f"{path}: it is no enrolment file")
    return keys[0], keys[1] if len(keys) == 2 else None


def decode_object(text, members):
    try:
        value = json.loads(text.decode("ascii"), object_pairs_hook=pairs_once)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or any(type(value.get(n)) is not t for n, t in members.items()):
        return None
    return value


def is_as_written(record, line):
    """No blanks, no other spelling of the same.  (Fractions have several, and are left as they are.)"""
    text = json.dumps(record, separators=(",", ":")).replace("\x7f", "\\u007f").encode()
    return text == line or re.search(rb"[0-9][.eE][0-9+-]", line.split(b'"data":', 1)[-1])


def decode_record(line):
    """A record, or None.  record.h says what one is."""
    if len(line) >= LINE_MAX:
        return None
    record = decode_object(line, {"sequence": int, "time": str, "monotonic_ms": int, "boot": str,
                                  "event": str, "subject": dict, "outcome": str, "previous": str})
    if record is None or list(record) != [m for m in MEMBERS if m in record or m not in OPTIONAL]:
        return None
    if not is_as_written(record, line):
        return None
    subject = record["subject"]
    if type(subject.get("role")) is not str or type(subject.get("uid")) is not int \
            or set(subject) - {"role", "uid", "origin"} or record["outcome"] not in OUTCOMES \
            or not NAME.match(record["event"]) or not DIGEST.match(record["previous"]) or not UUID.match(record["boot"]) \
            or type(record.get("object", {})) is not dict or type(record.get("data", {})) is not dict \
            or type(record.get("detail", "")) is not str or set(record.get("object", {})) - {
                "job", "volume", "drive"}:
        return None
    try:
        record["ms"] = round(datetime.strptime(record["time"], "%Y-%m-%dT%H:%M:%S.%fZ").timestamp() * 1000)
    except ValueError:
        return None
    return record


class Verdict:
    def __init__(self):
        self.findings = []
        self.root_enrolled = False
        self.log = self.first = None
        self.records = self.last = self.segments = self.closed = self.dropped = 0
        self.signed_up_to = self.clock_steps = self.torn = 0
        self.position_known = False

    def find(self, kind, segment, line, sequence, text):
        self.findings.append({"kind": kind, "segment": segment, "line": line, "sequence": sequence,
                              "text": text})


class Chain:
    """Records in order: what is expected next, and what does not fit.

    expected is the next number (None: unknown), digest the last line's (None: unknown).  doubt is a
    record whose link back does not fit: the record behind it tells which of the two was changed.
    """

    def __init__(self, verdict):
        self.verdict = verdict
        self.expected, self.digest = 1, None
        self.damaged = 0  # lines since the last record that were none
        self.gap = self.doubt = self.before = None
        self.blamed = set()
        self.wanted = {}  # numbers whose digest is asked for
        self.dropped = set()

    def blame(self, segment, line, sequence, text):
        if sequence not in self.blamed:
            self.verdict.find("changed", segment, line, sequence, text)
        self.blamed.add(sequence)

    def settle(self, fits):
        """What comes behind the record in doubt has come: does it fit it?"""
        if not self.doubt:
            return
        here, previous = self.doubt
        self.doubt = None
        if fits and previous:
            self.blame(*previous, "the record behind it does not have its digest")
        elif not fits:
            self.blame(*here, "neither does it have the digest of the record before it, nor has the "
                              "record behind it its own")
        else:
            self.blame(*here, "it does not have the digest of what stands before it")

    def jump(self, expected, digest):
        self.expected, self.digest, self.damaged, self.gap = expected, digest, 0, None
        self.before = None  # a head vouches for it

    def take(self, segment, number, line):
        record = decode_record(line)
        if record is None:
            self.verdict.find("no record", segment, number, self.expected or 0, "this line is no record")
            self.doubt = None
            self.damaged += 1
            self.digest = None
            return
        sequence, here = record["sequence"], (segment, number, record["sequence"])
        if self.expected is None or self.expected <= sequence <= self.expected + 2 * self.damaged:
            pass
        elif self.digest is not None and record["previous"] == self.digest:
            self.blame(segment, number, self.expected, f"its number is {sequence} now")
            sequence = self.expected
        elif sequence > self.expected:
            self.settle(True)
            self.verdict.find("missing", segment, number, self.expected,
                              f"records {self.expected} to {sequence - 1} are not there")
            self.gap = (len(self.verdict.findings) - 1, self.expected, sequence - 1)
            self.digest = None
        else:
            self.go_back(segment, number, sequence)
            return
        fits = self.digest is None or record["previous"] == self.digest
        self.settle(fits)
        if not fits and sequence - 1 not in self.blamed:
            self.doubt = (here, self.before)
        self.accept(record, sequence, here, line)

    def go_back(self, segment, number, sequence):
        if self.gap and self.gap[1] <= sequence <= self.gap[2]:
            finding = self.verdict.findings[self.gap[0]]
            finding["kind"] = "swapped"
            finding["text"] = f"record {sequence} stands behind record {self.expected - 1}"
        else:
            self.verdict.find("repeated", segment, number, sequence, "this record stands there again")

    def accept(self, record, sequence, here, line):
        verdict = self.verdict
        self.digest = sha256(line + b"\n")
        if sequence in self.wanted:
            self.wanted[sequence] = self.digest
        last = getattr(self, "last_record", None)
        if last and last["boot"] == record["boot"] and abs(
                (record["ms"] - last["ms"]) - (record["monotonic_ms"] - last["monotonic_ms"])) > 1000:
            verdict.clock_steps += 1
        if record["event"] == "log-dropped" and type(record.get("data", {}).get("segment")) is int:
            self.dropped.add(record["data"]["segment"])
        self.last_record, self.before = record, here
        self.damaged = 0
        self.expected = sequence + 1
        verdict.records += 1
        verdict.first = verdict.first or sequence
        verdict.last = sequence


class Verifier:
    def __init__(self, directory, trust, position):
        self.directory, self.position = directory, position
        self.device, self.enrolled_root = trust
        self.verdict = Verdict()
        self.chain = Chain(self.verdict)
        self.heads = {}
        self.list()

    def list(self):
        """Which files are there; True: not those that were there before."""
        before = getattr(self, "names", None)
        try:
            self.names = set(os.listdir(self.directory))
        except OSError as error:
            raise CannotTell(f"{self.directory}: {error.strerror}") from error
        self.present = self.numbers(self.names, r"segment-(\d{8})\.jsonl\Z")
        heads = self.numbers(self.names, r"head-(\d{8})\.json\Z")
        self.closed_names = heads & self.numbers(self.names, r"head-(\d{8})\.json\.minisig\Z")
        self.last_segment = max(self.present | self.closed_names, default=0)
        return self.names != before

    @staticmethod
    def numbers(names, pattern):
        return {int(m.group(1)) for m in (re.match(pattern, name) for name in names) if m}

    def file(self, name):
        return read(os.path.join(self.directory, name))

    def open_root(self):
        """The key of segment 1 and the digest of log.json, each None if it is not to be believed."""
        find = self.verdict.find
        text, signature = self.file("log.json"), self.file("log.json.minisig")
        if text is None or signature is None:
            find("file missing", 0, 0, 0, "log.json or its signature is not there")
            return self.enrolled_root, None
        why = self.device.why_not(text, signature)
        if why:
            find("key" if "another key" in why else "head", 0, 0, 0, f"log.json: {why}")
            return (None if "another key" in why else self.enrolled_root), None
        root = decode_object(text, ROOT)
        if not root or root["schema"] != "spoolguard.log/1" or root["segment"] != 1 \
                or root["device"].encode() != self.device.line:
            find("head", 0, 0, 0, "log.json: it is no beginning of a log of this device")
            return self.enrolled_root, None
        self.verdict.log = root["log"]
        if self.enrolled_root and root["key"].encode() != self.enrolled_root.line:
            find("key", 0, 0, 0, "log.json: this log does not begin with the key that was enrolled")
            return None, sha256(text)
        self.verdict.root_enrolled = self.enrolled_root is not None
        return Key(root["key"].encode()), sha256(text)

    def read_head(self, number, key, previous_head, first):
        """A head that the key vouches for, and its text; or None."""
        def find(kind, text):
            self.verdict.find(kind, number, 0, 0, f"head {number}: {text}")
        text, signature = self.file(f"head-{number:08}.json"), self.file(f"head-{number:08}.json.minisig")
        if text is None or signature is None:
            find("file missing", "it or its signature is not there; keys from here on are unknown")
            return None, text
        why = key.why_not(text, signature)
        head = None if why else decode_object(text, HEAD)
        if why or not head or head["schema"] != "spoolguard.log-head/1":
            find("head", f"{why or 'it is no head'}; keys from here on are unknown")
            return None, text
        if head["segment"] != number or head["next_segment"] != number + 1 or (
                self.verdict.log and head["log"] != self.verdict.log):
            find("head", "it is of another segment or log")
        elif previous_head and head["previous_head"] != previous_head:
            find("head", "it does not have the digest of the head before it")
        elif first and head["first"] != first or head["records"] != head["last"] - head["first"] + 1:
            find("head", "its record numbers do not fit the head before it")
        return head, text

    def read_heads(self, key, previous_head):
        """Heads are never dropped, and may be so many that all segments are others when the last is
        read: the files are listed again until no head is new."""
        number, first = 1, 1
        for _ in range(LISTINGS_MAX):
            while key and number < self.last_segment + (self.last_segment in self.closed_names):
                head, text = self.read_head(number, key, previous_head, first)
                if not head:
                    return
                self.heads[number] = head
                try:
                    key = Key(head["next_key"].encode())
                except (ValueError, binascii.Error):
                    key = None
                previous_head, first = sha256(text), head["last"] + 1
                self.verdict.signed_up_to = head["last"]
                number += 1
            if not self.list():
                break

    def read_segment(self, number, head):
        chain, verdict = self.chain, self.verdict
        text = self.file(f"segment-{number:08}.jsonl")
        if text is None:
            return False
        before = len(verdict.findings)
        lines = text.split(b"\n")
        for at, line in enumerate(lines, 1):
            if at == len(lines) or b"\0" in line:
                rest = b"\n".join(lines[at - 1:])
                if not rest or self.is_torn(number, at, rest, at == len(lines)):
                    break
            chain.take(number, at, line)
        if head:
            self.judge_closed(number, head, text, len(lines) - 1, len(verdict.findings) > before)
        verdict.segments += 1
        verdict.closed += head is not None
        return True

    def pass_over(self, first, end, head):
        """Segments first to end - 1 have no file; head: of the last of them."""
        if first > self.verdict.dropped:
            self.verdict.find("file missing", first, 0, 0, f"segments {first} to {end - 1} are not there")
        self.chain.jump(head["last"] + 1 if head else None, head["last_record"] if head else None)

    def is_torn(self, number, line, rest, is_last):
        """A crash leaves half a line, or zeros, behind what audit-position has, where no head vouches."""
        expected = self.chain.expected or 0
        known = self.position["sequence"] if self.position else None
        if number >= self.last_segment and number not in self.closed_names and known is not None \
                and known < expected:
            self.verdict.torn = len(rest)
            return True
        if is_last:
            self.verdict.find("cut", number, line, expected, "the last line has no end")
        return is_last

    def judge_closed(self, number, head, text, lines, found):
        chain, verdict = self.chain, self.verdict
        chain.settle(chain.digest == head["last_record"])
        found = found or any(f["segment"] == number and f["line"] for f in verdict.findings)
        if not found and lines < head["records"]:
            verdict.find("cut", number, lines + 1, chain.expected or 0,
                         f"it ends before record {head['last']}, which its head has")
        elif not found and chain.digest != head["last_record"] and chain.digest is not None:
            verdict.find("changed", number, lines, head["last"], "its head has another digest for it")
        elif not found and sha256(text) != head["sha256"]:
            verdict.find("changed", number, 0, 0, "it is not what its head has the digest of")
        chain.jump(head["last"] + 1, head["last_record"])

    def judge_position(self):
        chain, verdict, position = self.chain, self.verdict, self.position
        if not position:
            chain.settle(True)
            return
        sequence, digest = position["sequence"], chain.wanted.get(position["sequence"])
        if verdict.log and position["log"] != verdict.log:
            chain.settle(True)
            verdict.find("cut", 0, 0, 0, "audit-position is of another log")
        elif sequence >= (chain.expected or 0):
            chain.settle(True)
            verdict.find("cut", self.last_segment, 0, verdict.last + 1,
                         f"the log ends with record {verdict.last}; audit-position knows record {sequence}")
        elif digest is None and verdict.first and sequence < verdict.first:
            chain.settle(True)  # its segment made room, perhaps while we read: nothing to compare
        else:
            chain.settle(sequence != verdict.last or digest == position["sha256"])
            if digest != position["sha256"] and sequence not in chain.blamed:
                chain.blame(self.last_segment, 0, sequence, "audit-position has another digest for it")

    def dropped_prefix(self):
        kept = self.present
        return (min(kept) if kept else self.last_segment + 1) - 1

    def run(self):
        verdict, chain = self.verdict, self.chain
        if self.position == "unreadable":
            self.position = None
            verdict.find("cut", 0, 0, 0, "audit-position cannot be read, so a cut would not show")
        verdict.position_known = self.position is not None
        if self.position:
            chain.wanted[self.position["sequence"]] = None
        key, beginning = self.open_root()
        self.read_heads(key, beginning)
        heads = self.heads
        verdict.dropped = self.dropped_prefix()
        chain.jump(1, beginning)
        due = 1
        for number in sorted(self.present | {self.last_segment + 1}):
            if number > due:
                self.pass_over(due, number, heads.get(number - 1))
            if number <= self.last_segment and not self.read_segment(number, heads.get(number)):
                verdict.dropped = number  # since the names were listed, and all before it
                self.pass_over(number, number + 1, heads.get(number))
            due = number + 1
        while self.last_segment and self.read_segment(self.last_segment + 1, None):  # begun since
            self.last_segment += 1
        self.judge_position()
        if verdict.dropped > max(chain.dropped, default=0):
            verdict.find("file missing", verdict.dropped, 0, 0,
                         f"segment {verdict.dropped} is not there, and no record says that it made room")
        verdict.findings.sort(key=lambda f: (f["segment"], f["line"]))
        return verdict


def read_position(directory, path):
    given = path is not None
    if not given and "/audit.set-aside-" in os.path.abspath(directory):
        return None  # what is beside it is the new log's
    text = read(path if given else os.path.join(directory, "..", "audit-position"))
    if text is None:
        if given:
            raise CannotTell(f"{path}: there is no such file")
        return None
    position = decode_object(text, {"log": str, "sequence": int, "sha256": str})
    whole, check, _ = text.partition(b',"check"')
    if not position or not text.endswith(b"}\n") or check and position.get("check") != sha256(whole):
        return "unreadable"
    return position


def verify(directory, trust, position_path):
    """If something was found, and the files that are there have changed, it is all looked at again."""
    for _ in range(LOOKS_MAX):
        position = read_position(directory, position_path)  # first: it never knows more than the files
        verifier = Verifier(directory, trust, position)
        verdict = verifier.run()
        if not verdict.findings or not verifier.list():
            break
    return verdict


def tell(verdict):
    for finding in verdict.findings:
        place = f"segment {finding['segment']}" if finding["segment"] else "log"
        if finding["line"]:
            place += f", line {finding['line']}"
        if finding["sequence"]:
            place += f", record {finding['sequence']}"
        print(f"{place}: {finding['kind']}: {finding['text']}")
    print(f"log {verdict.log or 'unknown'}: {verdict.records} records, {verdict.first or 0} to {verdict.last}; "
          f"{verdict.segments} segments, {verdict.closed} closed, {verdict.dropped} dropped")
    print(f"signatures reach record {verdict.signed_up_to}; "
          f"{max(0, verdict.last - verdict.signed_up_to)} records behind it are only chained")
    print("root: " + ("enrolled" if verdict.root_enrolled else "not enrolled, the device's key vouches for it"))
    print("audit-position: " + ("at hand" if verdict.position_known else "not at hand, a cut end would not show"))
    if verdict.torn:
        print(f"an unfinished line of {verdict.torn} bytes stands at the end, as a crash leaves it")
    if verdict.clock_steps:
        print(f"the clock was moved {verdict.clock_steps} times")
    print("good" if not verdict.findings else f"NOT GOOD: {len(verdict.findings)} findings")


def summary(verdict):
    return {
        "schema": "spoolguard.audit-verify/1", "good": not verdict.findings, "log": verdict.log or "",
        "root_enrolled": verdict.root_enrolled, "records": verdict.records,
        "first_sequence": verdict.first or 0, "last_sequence": verdict.last, "segments": verdict.segments,
        "closed_segments": verdict.closed, "dropped_segments": verdict.dropped,
        "signed_up_to": verdict.signed_up_to, "position_known": verdict.position_known,
        "clock_steps": verdict.clock_steps, "torn_bytes": verdict.torn, "findings": verdict.findings}


def main():
    parser = argparse.ArgumentParser(usage="verify_log.py DIRECTORY ENROLMENT [--position FILE] [--json]")
    parser.add_argument("directory")
    parser.add_argument("enrolment")
    parser.add_argument("--position")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    try:
        trust = read_enrolment(options.enrolment)
        verdict = verify(options.directory, trust, options.position)
    except CannotTell as error:
        print(f"verify_log: {error}", file=sys.stderr)
        return 3
    if options.json:
        print(json.dumps(summary(verdict)))
    else:
        tell(verdict)
    return 1 if verdict.findings else 0


if __name__ == "__main__":
    sys.exit(main())
