#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Is a good log good for tools/verify_log.py, if it turns over while it is looked at?

    verify_in_use.py LOG_WRITER STATE-DIRECTORY

Behind each of the first listings of the files the log is gone on with until nothing of it is left.
Exit status: 0 it is good, however often that happens; 1 it is not.
"""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "tools"))
import verify_log  # noqa: E402

TURNS = (1, 9)
RECORDS = "700"  # more than the segments have room for


def main():
    writer, state = sys.argv[1:]
    audit = os.path.join(state, "audit")
    trust = verify_log.read_enrolment(os.path.join(state, "keys", "enrolment.pub"))
    list_directory, left = os.listdir, 0

    def list_and_go_on(path):
        nonlocal left
        names = list_directory(path)
        if left > 0:
            left -= 1
            subprocess.run([writer, state, RECORDS, "16384", "131072"], check=True,
                           stdout=subprocess.DEVNULL)
            if set(names) & {n for n in list_directory(path) if n.startswith("segment-")}:
                sys.exit("verify_in_use: a segment is still there: the log did not turn over")
        return names

    verify_log.os.listdir = list_and_go_on
    for turns in TURNS:
        left = turns
        verdict = verify_log.verify(audit, trust, None)
        if verdict.findings or left:
            sys.exit(f"verify_in_use: {turns} turns: {verdict.findings}, {left} turns were left")
    return 0


if __name__ == "__main__":
    sys.exit(main())
