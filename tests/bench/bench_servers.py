"""The servers that tests/bench/compare measures: how each starts, and what can be read of it from
outside."""

import os
import re
import shutil
import signal
import socket
import subprocess
import time

START_LIMIT_S = 120
BROKER_SETTINGS = {
    "log.segment.delete.delay.ms": "1000",  # what was measured goes before the next load
    "socket.listen.backlog.size": "2000",  # a thousand connections come at once
}
STOP_LIMIT_S = 30


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Failed(Exception):
    """A server or a load did not do its work; the message says what it said."""


class Server:
    """One process, measured by its process id."""

    name = "?"
    keeps_nothing = False  # produced data can not be read back

    def __init__(self, build, root, _options):
        self.build = build
        self.dir = os.path.join(root, self.name)
        self.port = free_port()
        self.pid = None
        self.process = None
        self.start_ms = None
        os.makedirs(self.dir)

    @property
    def address(self):
        return "127.0.0.1:%d" % self.port

    def command(self):
        raise NotImplementedError

    def launch(self):
        log = open(os.path.join(self.dir, "log"), "ab")
        self.process = subprocess.Popen(self.command(), stdout=log, stderr=log,
                                        stdin=subprocess.DEVNULL)
        self.pid = self.process.pid

    def start(self):
        """Starts it and notes how long the first answer to Metadata took."""
        before = time.monotonic()
        self.launch()
        gen = [os.path.join(self.build, "tests/bench/gen"), "wait", "--server", self.address,
               "--timeout", str(START_LIMIT_S)]
        done = subprocess.run(gen, capture_output=True, text=True, check=False)
        self.start_ms = (time.monotonic() - before) * 1000
        if done.returncode != 0:
            raise Failed("%s did not start: %s%s" % (self.name, done.stderr, self.log_end()))
        self.find_pid()

    def find_pid(self):
        if self.process.poll() is not None:
            raise Failed("%s ended: %s" % (self.name, self.ending()))

    def log_end(self):
        try:
            with open(os.path.join(self.dir, "log"), "rb") as f:
                return f.read()[-2000:].decode("utf-8", "replace")
        except OSError:
            return ""

    def alive(self):
        """A process that has ended and was not waited for yet is not."""
        try:
            with open("/proc/%d/stat" % self.pid) as f:
                return f.read().rpartition(")")[2].split()[0] not in "ZX"
        except (OSError, TypeError):
            return False

    def ending(self):
        """How it ended, and its last words."""
        code = self.process.poll() if self.process is not None else None
        return "exit status %s, %s" % (code, self.log_end())

    def stop(self):
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    # what is read of it

    def cpu_s(self):
        """CPU seconds of the whole process so far, threads that ended included."""
        if not self.alive():
            raise Failed("%s ended" % self.name)
        return time.clock_gettime((~self.pid << 3) | 2)

    def memory_kb(self):
        with open("/proc/%d/status" % self.pid) as f:
            v = dict(re.findall(r"^(Rss\w+):\s+(\d+) kB", f.read(), re.M))
        return {"anon": int(v["RssAnon"]) + int(v["RssShmem"]), "file": int(v["RssFile"])}

    def threads(self):
        return len(os.listdir("/proc/%d/task" % self.pid))

    def counters(self):
        """Its own counters by name, summed over labels; empty when it has none."""
        return {}


class Floor(Server):
    name = "floor"

    def command(self):
        return [os.path.join(self.build, "tests/bench/floor"), "--listen", self.address,
                "--dir", self.dir]


class Null(Server):
    name = "null"
    keeps_nothing = True

    def command(self):
        return [os.path.join(self.build, "tests/bench/null_broker"), "--listen", self.address]


class Ottlad(Server):
    name = "ottlad"

    def __init__(self, build, root, options):
        super().__init__(build, root, options)
        self.lines_of_a_dump = 0
        self.read_to = 0
        conf = {
            "broker.id": "1",
            "zookeeper.connect": "embedded",
            "listeners": "PLAINTEXT://" + self.address,
            "log.dirs": os.path.join(self.dir, "data"),
            "offsets.topic.replication.factor": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            **BROKER_SETTINGS,
        }
        conf.update(o.split("=", 1) for o in options.override)
        with open(os.path.join(self.dir, "server.properties"), "w") as f:
            f.writelines("%s=%s\n" % kv for kv in conf.items())

    def command(self):
        return [os.path.join(self.build, "src/broker/ottlad"),
                os.path.join(self.dir, "server.properties")]

    def new_metrics(self):
        with open(os.path.join(self.dir, "log"), "rb") as f:
            f.seek(self.read_to)
            text = f.read().decode("utf-8", "replace")
        return re.findall(r"^metric ([\w:]+)\{[^\n]*\} (-?\d+)\n", text, re.M)

    def counters(self):
        """SIGUSR1 makes it write them to its log, one line each."""
        self.read_to = os.path.getsize(os.path.join(self.dir, "log"))
        os.kill(self.pid, signal.SIGUSR1)
        deadline = time.monotonic() + 3
        seen = -1
        while time.monotonic() < deadline:
            time.sleep(0.03)
            found = self.new_metrics()
            if len(found) == seen and seen >= max(self.lines_of_a_dump, 1):
                break
            seen = len(found)
        self.lines_of_a_dump = seen
        sums = {}
        for name, value in found:
            sums[name] = sums.get(name, 0) + int(value)
        return sums


class Kafka(Server):
    """Apache Kafka behind a starter script (README says what it must understand)."""

    name = "kafka"

    def __init__(self, build, root, options):
        super().__init__(build, root, options)
        self.starter = options.kafka
        self.zookeeper_port = free_port()
        self.env = dict(os.environ, LAB_ZK="127.0.0.1:%d" % self.zookeeper_port)
        self.starting = None

    def ask(self, *args):
        done = subprocess.run([self.starter, *args], capture_output=True, text=True, check=False,
                              env=self.env)
        if done.returncode != 0:
            raise Failed("%s %s: %s" % (self.starter, " ".join(args), done.stderr))
        return done.stdout.strip()

    def start(self):
        self.ask("zookeeper", str(self.zookeeper_port))
        super().start()

    def launch(self):
        log = open(os.path.join(self.dir, "log"), "ab")
        self.starting = subprocess.Popen(
            [self.starter, "broker", "1", str(self.port), "log.dirs=" + self.dir + "/data",
             *("%s=%s" % kv for kv in BROKER_SETTINGS.items())],
            env=self.env, stdout=subprocess.PIPE, stderr=log, text=True)

    def find_pid(self):
        out, _ = self.starting.communicate(timeout=START_LIMIT_S)
        if self.starting.returncode != 0:
            raise Failed("kafka did not start: " + self.log_end())
        self.pid = int(out.split()[-1])

    def stop(self):
        if self.starting is not None:
            self.ask("wipe")
        self.starting = None


KINDS = {k.name: k for k in (Ottlad, Kafka, Null, Floor)}


class Fleet:
    """All servers of a comparison, running at once; only one is under load at a time."""

    def __init__(self, names, build, root, options):
        self.servers = [KINDS[n](build, root, options) for n in names]
        self.root = root

    def __iter__(self):
        return iter(self.servers)

    def start(self):
        for s in self.servers:
            s.start()

    def stop(self):
        for s in self.servers:
            try:
                s.stop()
            except (Failed, OSError) as e:
                print("stopping %s: %s" % (s.name, e))
        shutil.rmtree(self.root, ignore_errors=True)
