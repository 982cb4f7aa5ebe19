#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One call to a Varlink service; prints its answer, one JSON object.

usage: varlink_call.py SOCKET METHOD [PARAMETERS [FILE]]

FILE is opened and its descriptor sent along.  Exit code 1: the answer is an error.
"""
import json
import os
import socket
import sys


def receive(connection):
    received = b""
    while not received.endswith(b"\0"):
        some = connection.recv(65536)
        if not some:
            sys.exit("varlink_call: the service went away")
        received += some
    return json.loads(received[:-1])


def encode(method, parameters):
    return json.dumps({"method": method, "parameters": parameters}).encode() + b"\0"


connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
connection.connect(sys.argv[1])
call = encode(sys.argv[2], json.loads(sys.argv[3]) if len(sys.argv) > 3 else {})
if len(sys.argv) > 4:
    # Descriptors are taken from whom the service knows: something is asked first.
    connection.sendall(encode("org.varlink.service.GetInfo", {}))
    receive(connection)
    socket.send_fds(connection, [call], [os.open(sys.argv[4], os.O_RDONLY)])
else:
    connection.sendall(call)
answer = receive(connection)
print(json.dumps(answer))
sys.exit(1 if "error" in answer else 0)
