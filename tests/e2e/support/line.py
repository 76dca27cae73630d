"""A slow line: two TUN devices, "near" and "far", and what is between them.

    line.py RATE DELAY QUEUE

Each way, an IP packet waits in a queue of QUEUE bytes until those before it have been sent at RATE
bytes a second, and arrives DELAY seconds after its last byte was sent. One that finds no room in the
queue is dropped; nothing else is lost, and nothing overtakes.

Says "up" when the devices exist; they may then be moved to other network namespaces. SIGTERM ends
it: it says what has passed each way, as JSON.
"""

import collections
import fcntl
import json
import os
import select
import signal
import struct
import sys
import time

LONGEST_PACKET = 65536  # bytes

# linux/if_tun.h
TUNSETIFF = 0x400454CA
IFF_TUN = 0x0001
IFF_NO_PI = 0x1000


class Way:
    """One direction of the line."""

    def __init__(self, source, sink, rate, delay, queue):
        self.source, self.sink = source, sink
        self.rate, self.delay, self.queue = rate, delay, queue
        self.free_at = 0.0  # when all that was queued has been sent
        self.on_the_way = collections.deque()  # (when it arrives, packet)
        self.counted = {"packets": 0, "bytes": 0, "dropped_packets": 0, "dropped_bytes": 0}

    def take(self):
        """Queues what the source has to send, or drops it."""
        while True:
            try:
                packet = os.read(self.source, LONGEST_PACKET)
            except BlockingIOError:
                return
            now = time.monotonic()
            start = max(self.free_at, now)
            waiting = (start - now) * self.rate
            if waiting + len(packet) > self.queue:
                self.count("dropped_", packet)
                continue
            self.free_at = start + len(packet) / self.rate
            self.on_the_way.append((self.free_at + self.delay, packet))

    def deliver(self):
        """Hands over what has arrived."""
        while self.on_the_way and self.on_the_way[0][0] <= time.monotonic():
            _, packet = self.on_the_way.popleft()
            self.count("", packet)
            os.write(self.sink, packet)

    def count(self, what, packet):
        self.counted[what + "packets"] += 1
        self.counted[what + "bytes"] += len(packet)


def device(name):
    """The packets of a new TUN device."""
    packets = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(packets, TUNSETIFF, struct.pack("16sH22x", name, IFF_TUN | IFF_NO_PI))
    return packets


def main():
    rate, delay, queue = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    near, far = device(b"near"), device(b"far")
    # The signal comes as something to read, so that it cannot be missed.
    told, teller = os.pipe2(os.O_NONBLOCK)
    signal.set_wakeup_fd(teller)
    signal.signal(signal.SIGTERM, lambda *_: None)
    print("up", flush=True)

    there = Way(near, far, rate, delay, queue)
    back = Way(far, near, rate, delay, queue)
    while True:
        arrivals = [way.on_the_way[0][0] for way in (there, back) if way.on_the_way]
        pause = max(0.0, min(arrivals) - time.monotonic()) if arrivals else None
        readable, _, _ = select.select([near, far, told], [], [], pause)
        if told in readable:
            break
        for way in (there, back):
            way.take()
            way.deliver()
    print(json.dumps({"there": there.counted, "back": back.counted}))


main()
