#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""syslog_feed.py SOCKET FILE FIRST LAST: sends those lines of a file, each as a datagram, and waits for room"""

import socket
import sys

path, file, first, last = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
to = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
to.connect(path)
with open(file, "rb") as lines:
    for number, line in enumerate(lines, 1):
        if first <= number <= last:
            to.send(line.rstrip(b"\n"))
