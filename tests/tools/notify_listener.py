#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Stands where systemd would, and writes what it is told to a file, a line each.

usage: notify_listener.py SOCKET FILE
"""
import os
import socket
import sys

listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener.bind(sys.argv[1] + ".new")
os.rename(sys.argv[1] + ".new", sys.argv[1])
with open(sys.argv[2], "a", buffering=1, encoding="utf-8") as out:
    while True:
        out.write(listener.recv(65536).decode().replace("\n", " ") + "\n")
