#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Answers every call on a socket with the bytes of a file, for tests of what asks the service.

usage: fake_service.py SOCKET ANSWER

The answer is read anew for each call; a NUL is put behind it.  An answer of the one word "silence"
is none at all, "close" ends the connection.
"""
import os
import socket
import sys
import threading


def serve(connection, path):
    received = b""
    while not received.endswith(b"\0"):
        some = connection.recv(65536)
        if not some:
            return
        received += some
    with open(path, "rb") as file:
        answer = file.read()
    if answer.strip() == b"silence":
        connection.recv(1)
    elif answer.strip() != b"close":
        try:
            connection.sendall(answer + b"\0")
        except OSError:
            pass
    connection.close()


listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
listener.bind(sys.argv[1] + ".new")
listener.listen(16)
os.rename(sys.argv[1] + ".new", sys.argv[1])
while True:
    peer, _ = listener.accept()
    threading.Thread(target=serve, args=(peer, sys.argv[2]), daemon=True).start()
