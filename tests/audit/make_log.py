#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes an audit log as audit/log.h and audit/record.h describe it, sharing no code with spoolguard.

    make_log.py DIR [--records N] [--segment-bytes N] [--drop K] [--seed N] [--torn]

Into DIR: audit/ (log.json, segments, heads, signatures), audit-position and enrolment.pub.  The
same seed makes the same bytes.  --drop: the oldest K segments are gone, as by rotation, and a
record names each.  --torn: half a line stands at the end, as a crash leaves it.
"""
import argparse
import base64
import hashlib
import json
import os
import random
import uuid
from datetime import datetime, timedelta, timezone

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

EVENTS = [
    ("job-retired", {"job": "cups 12", "volume": "5b1f"}, "success"),
    ("job-held", {"job": "watch scans 7"}, "success"),
    ("access-denied", None, "denied"),
    ("selftest", None, "success"),
    ("sweep", {"volume": "5b1f"}, "begun"),
    ("wipe", {"volume": "5b1f", "drive": "WD-123"}, "failure"),
]
START = datetime(2026, 11, 24, 9, 0, 0, tzinfo=timezone.utc)


class Key:
    def __init__(self, rng):
        self.id = rng.randbytes(8)
        self.private = Ed25519PrivateKey.from_private_bytes(rng.randbytes(32))
        self.public = self.private.public_key().public_bytes(
            serialization.Encoding.Raw, serialization.PublicFormat.Raw)

    def line(self):
        return base64.b64encode(b"Ed" + self.id + self.public).decode()

    def signature(self, message, comment):
        first = self.private.sign(hashlib.blake2b(message).digest())
        second = self.private.sign(first + comment.encode())
        return (f"untrusted comment: signature from a spoolguard device\n"
                f"{base64.b64encode(b'ED' + self.id + first).decode()}\n"
                f"trusted comment: {comment}\n{base64.b64encode(second).decode()}\n")


def dump(value):
    return json.dumps(value, separators=(",", ":"))


def moment(ms):
    return (START + timedelta(milliseconds=ms)).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class Log:
    def __init__(self, directory, seed):
        self.rng = random.Random(seed)
        self.top = directory
        self.directory = os.path.join(directory, "audit")
        os.makedirs(self.directory)
        self.device, self.key = Key(self.rng), Key(self.rng)
        self.boot, self.id = (str(uuid.UUID(int=self.rng.getrandbits(128))) for _ in "ab")
        self.ms = self.sequence = 0
        self.segment = 1
        self.lines = []
        root = dump({"schema": "spoolguard.log/1", "log": self.id, "time": moment(0),
                     "device": self.device.line(), "segment": 1, "key": self.key.line()}) + "\n"
        self.previous = self.previous_head = sha256(root.encode())
        self.write("log.json", root, self.device, f"spoolguard.log/1 {self.id}")
        with open(os.path.join(directory, "enrolment.pub"), "w") as out:
            out.write(f"untrusted comment: spoolguard device\n{self.device.line()}\n"
                      f"untrusted comment: spoolguard log, segment 1\n{self.key.line()}\n")
        self.add("audit-started", None, "success", "a new log")

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, name, text, key, comment):
        with open(self.path(name), "w") as out:
            out.write(text)
        with open(self.path(name + ".minisig"), "w") as out:
            out.write(key.signature(text.encode(), comment))

    def bytes(self):
        return sum(map(len, self.lines))

    def add(self, event, target, outcome, detail=None, data=None):
        self.sequence += 1
        self.ms += self.rng.randrange(1, 500)
        record = {"sequence": self.sequence, "time": moment(self.ms), "monotonic_ms": 5000 + self.ms,
                  "boot": self.boot, "event": event, "subject": {"role": "service", "uid": 0}}
        if target:
            record["object"] = target
        record["outcome"] = outcome
        if detail:
            record["detail"] = detail
        if data:
            record["data"] = data
        record["previous"] = self.previous
        line = dump(record) + "\n"
        self.previous = sha256(line.encode())
        self.lines.append(line)

    def flush(self):
        with open(self.path(f"segment-{self.segment:08}.jsonl"), "w") as out:
            out.writelines(self.lines)

    def close_segment(self):
        self.flush()
        first, following = self.sequence - len(self.lines) + 1, Key(self.rng)
        whole = "".join(self.lines).encode()
        head = dump({"schema": "spoolguard.log-head/1", "log": self.id, "segment": self.segment,
                     "first": first, "last": self.sequence, "records": len(self.lines),
                     "bytes": len(whole), "sha256": sha256(whole), "last_record": self.previous,
                     "previous_head": self.previous_head, "time": moment(self.ms),
                     "next_segment": self.segment + 1, "next_key": following.line()}) + "\n"
        self.write(f"head-{self.segment:08}.json", head, self.key,
                   f"spoolguard.log-head/1 {self.id} {self.segment}")
        self.previous_head = sha256(head.encode())
        self.key, self.segment, self.lines = following, self.segment + 1, []

    def drop(self, segment):
        head = json.load(open(self.path(f"head-{segment:08}.json")))
        self.add("log-dropped", None, "success", f"segment {segment} made room",
                 {name: head[name] for name in ("segment", "first", "last", "sha256")})
        os.unlink(self.path(f"segment-{segment:08}.jsonl"))

    def finish(self, torn):
        self.flush()
        with open(os.path.join(self.top, "audit-position"), "w") as out:
            text = dump({"schema": "spoolguard.log-position/1", "log": self.id, "segment": self.segment,
                         "sequence": self.sequence, "sha256": self.previous})[:-1]
            text += f',"check":"{sha256(text.encode())}"'
            out.write(text.ljust(510) + "}\n")
        if torn:
            with open(self.path(f"segment-{self.segment:08}.jsonl"), "a") as out:
                out.write('{"sequence":%d,"time":"2026-' % (self.sequence + 1))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("directory")
    parser.add_argument("--records", type=int, default=1000)
    parser.add_argument("--segment-bytes", type=int, default=65536)
    parser.add_argument("--drop", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--torn", action="store_true")
    options = parser.parse_args()
    log = Log(options.directory, options.seed)
    while log.sequence < options.records - options.drop:
        if log.bytes() > options.segment_bytes - 1024:
            log.close_segment()
        event, target, outcome = log.rng.choice(EVENTS)
        log.add(event, target, outcome, log.rng.choice([None, "caf\u00e9 \"x\"", "2 extents"]),
                log.rng.choice([None, {"bytes": log.rng.randrange(1 << 40)}]))
    for segment in range(1, options.drop + 1):
        log.drop(segment)
    log.finish(options.torn)


if __name__ == "__main__":
    main()
