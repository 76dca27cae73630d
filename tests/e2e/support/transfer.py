"""Bytes over a connection, and how long they take.

    transfer.py serve ADDRESS PORT               serves any number of connections, which are:
    transfer.py upload ADDRESS PORT LEN START    LEN bytes from here to the server
    transfer.py download ADDRESS PORT LEN START  LEN bytes from the server
    transfer.py type ADDRESS PORT                a byte every 250 ms, which the server sends back

Who sends bulk says when it began. Who receives it says how many bytes came before its patience
ended, and whether they are the ones that were sent; how many it had when the first START bytes, which
are no part of the measurement, had come; and when it "started" to have these and "ended". Who types
says "ready" when a first byte came back, and on SIGTERM how long each one since has taken, or has
taken so far.

What is said is a line of JSON on stdout; times are seconds of a clock that all processes share.
"""

import collections
import json
import random
import select
import signal
import socket
import sys
import threading
import time

BLOCK_LEN = 65536  # bytes
PATIENCE = 25  # seconds that bulk may take
TYPING_PAUSE = 0.25  # seconds


def main():
    role, address, port, arguments = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:]
    if role == "serve":
        return serve(address, port)
    connection = without_delay(socket.create_connection((address, port)))
    request = [role] + arguments
    connection.sendall((" ".join(request) + "\n").encode())
    {"upload": send, "download": receive, "type": type_keys}[role](connection, *arguments)


def serve(address, port):
    listener = socket.create_server((address, port))
    say(listening=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=answer, args=[without_delay(connection)], daemon=True).start()


def answer(connection):
    request = b""
    while not request.endswith(b"\n"):
        request += connection.recv(1)
    role, *arguments = request.decode().split()
    {"upload": receive, "download": send, "type": echo}[role](connection, *arguments)
    connection.close()


def send(connection, length, *_):
    content = noise(int(length))
    say(began=time.monotonic())
    connection.sendall(content)
    connection.recv(1)  # the other's end


def receive(connection, length, start):
    content, received = noise(int(length)), bytearray()
    started, had = time.monotonic(), 0
    give_up_at = started + PATIENCE
    while len(received) < len(content):
        connection.settimeout(max(0.001, give_up_at - time.monotonic()))
        try:
            block = connection.recv(BLOCK_LEN)
        except TimeoutError:
            break
        if not block:
            break
        received += block
        if had < int(start) <= len(received):
            started, had = time.monotonic(), len(received)
    ended = time.monotonic()
    exact = received == content[: len(received)]
    say(bytes=len(received), exact=exact, had=had, started=started, ended=ended)


def echo(connection):
    while block := connection.recv(BLOCK_LEN):
        connection.sendall(block)


def type_keys(connection):
    connection.sendall(b"k")
    connection.recv(1)
    # The signal comes as something to read.
    told, teller = socket.socketpair()
    teller.setblocking(False)
    signal.set_wakeup_fd(teller.fileno())
    signal.signal(signal.SIGTERM, lambda *_: None)
    say(ready=True)

    typed, taken = collections.deque(), []
    next_key_at = time.monotonic()
    while True:
        pause = max(0.0, next_key_at - time.monotonic())
        readable, _, _ = select.select([connection, told], [], [], pause)
        now = time.monotonic()
        if told in readable:
            break
        if connection in readable:
            keys = connection.recv(BLOCK_LEN)
            assert keys, "the connection has ended"
            for _ in keys:
                taken.append(now - typed.popleft())
        if now >= next_key_at:
            connection.sendall(b"k")
            typed.append(now)
            next_key_at += TYPING_PAUSE
    say(taken=taken + [now - key for key in typed])


def noise(length):
    """Bytes that no compression shortens, the same ones for everybody who wants as many."""
    return random.Random(length).randbytes(length)


def without_delay(connection):
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def say(**what):
    print(json.dumps(what), flush=True)


main()
