"""What every agent says of every other, and when: read from their logs as they are written.

    watch = Watch({"ecbak": ECBAK_EVENT, "serf": SERF_EVENT})
    process = subprocess.Popen(..., stderr=watch.pipe("ecbak", 3))     # host 3's agent
    watch.until(lambda: watch.alive_everywhere("ecbak", 30), 60, "all see all")

Asking 30 agents ten times a second would be more work than the agents have, and would show in their figures. A line
in a log comes by itself: one select() for all, each line stamped when it is read. The same for every kind of agent.
Nothing is read but within until() and during().
"""
import fcntl
import os
import re
import selectors
import time

# Both have the groups `host` (the last byte of its address) and `event`.
ECBAK_EVENT = re.compile(r"member .*\(10\.77\.0\.(?P<host>\d+):\d+\) (?P<event>\w+)")
SERF_EVENT = re.compile(r"EventMember(?P<event>\w+): \S+ 10\.77\.0\.(?P<host>\d+)")
ALIVE = {"joined", "alive", "Join"}
DEAD = {"dead", "Failed"}
PIPE_BYTES = 1 << 20  # nothing is lost, and no agent waits, while we do something else


class Watch:
    def __init__(self, patterns):
        self.patterns = patterns
        self.selector = selectors.DefaultSelector()
        self.unread = {}
        self.views = {}   # (kind, observer): {host: alive?}
        self.deaths = []  # (seconds, kind, observer, host)
        self.lines = {}   # (kind, observer): its last lines

    def forget(self, kind):
        """As if these had said nothing before."""
        self.views = {agent: view for agent, view in self.views.items() if agent[0] != kind}
        self.lines = {agent: lines for agent, lines in self.lines.items() if agent[0] != kind}
        self.deaths = [death for death in self.deaths if death[1] != kind]

    @staticmethod
    def now():
        return time.monotonic()

    def pipe(self, kind, observer):
        """A descriptor for the agent's standard error; the caller closes it once the agent runs."""
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        fcntl.fcntl(reading, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self.selector.register(reading, selectors.EVENT_READ, (kind, observer))
        self.unread[reading] = b""
        return writing

    def take(self, key):
        now = time.monotonic()
        data = os.read(key.fd, PIPE_BYTES)
        if not data:
            self.selector.unregister(key.fd)
            os.close(key.fd)
            return
        *lines, self.unread[key.fd] = (self.unread[key.fd] + data).split(b"\n")
        for line in lines:
            self.hear(now, key.data, line.decode(errors="replace"))

    def hear(self, now, agent, line):
        kind, observer = agent
        self.lines.setdefault(agent, []).append(line)
        del self.lines[agent][:-20]
        match = self.patterns[kind].search(line)
        if not match:
            return
        host, event = int(match["host"]), match["event"]
        if event in DEAD:
            self.deaths.append((now, kind, observer, host))
        if (event in ALIVE or event in DEAD) and host != observer:
            self.views.setdefault(agent, {})[host] = event in ALIVE

    def read(self, seconds):
        """Waits so long for something to read; True when there was."""
        ready = self.selector.select(max(0, seconds))
        for key, _ in ready:
            self.take(key)
        return bool(ready)

    def until(self, condition, seconds, what):
        start = time.monotonic()
        while not condition():
            if time.monotonic() - start > seconds:
                raise AssertionError(f"not within {seconds} s: {what}")
            self.read(start + seconds - time.monotonic())
        return time.monotonic() - start

    def during(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.read(end - time.monotonic())

    # -- what was heard --------------------------------------------------------------------------------------
    def alive_everywhere(self, kind, count):
        views = [view for (of, _), view in self.views.items() if of == kind]
        return len(views) == count and all(sum(view.values()) == count - 1 for view in views)

    def deaths_of(self, kind, host, since):
        """When each other agent first said so: {observer: seconds after `since`}."""
        first = {}
        for seconds, of, observer, dead in self.deaths:
            if of == kind and dead == host and observer != host and seconds >= since:
                first.setdefault(observer, seconds - since)
        return first
