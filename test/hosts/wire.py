"""Long cables: what passes between two virtual network devices is late, by a fixed time and a random one.

The kernel's own means for this (netem) is not everywhere, so this is a program of its own: it makes both devices of
each cable, and hands every frame on when its time has come, in the order of arrival, as a distant line does. Frames
that find more than QUEUE_FRAMES waiting are lost, as in any router. It runs until it is ended.

usage: wire.py DELAY_MS JITTER_MS DEVICE:DEVICE...
"""
import collections
import fcntl
import os
import random
import selectors
import struct
import sys
import time

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
FRAME_BYTES_MAX = 65536
QUEUE_FRAMES = 4096


class End:
    """One device; what arrives at it leaves at its other end."""

    def __init__(self, name):
        self.file = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(self.file, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
        self.other, self.waiting, self.last_due = None, collections.deque(), 0.0

    def take(self, now, delay, jitter):
        """Reads what has arrived, and notes when each frame is due."""
        while True:
            try:
                frame = os.read(self.file, FRAME_BYTES_MAX)
            except OSError:  # nothing more, or the device is down
                return
            if len(self.waiting) < QUEUE_FRAMES:
                self.last_due = max(self.last_due, now + delay + random.uniform(-jitter, jitter))
                self.waiting.append((self.last_due, frame))

    def hand_on(self, now):
        while self.waiting and self.waiting[0][0] <= now:
            try:
                os.write(self.other.file, self.waiting.popleft()[1])
            except OSError:  # the other device is down or full: lost
                pass


def main():
    delay, jitter = (float(word) / 1000 for word in sys.argv[1:3])
    watched, ends = selectors.DefaultSelector(), []
    for pair in sys.argv[3:]:
        one, other = (End(name) for name in pair.split(":"))
        one.other, other.other = other, one
        ends += [one, other]
    for end in ends:
        watched.register(end.file, selectors.EVENT_READ, end)
    print("ready", flush=True)
    while True:
        due = min((end.waiting[0][0] for end in ends if end.waiting), default=None)
        timeout = None if due is None else max(0.0, due - time.monotonic())
        for key, _ in watched.select(timeout):
            key.data.take(time.monotonic(), delay, jitter)
        now = time.monotonic()
        for end in ends:
            end.hand_on(now)


if __name__ == "__main__":
    main()
