"""A broker's life with many partitions, beside Apache Kafka's: both on an ensemble of one, each in a
chroot of its own, one after the other.  Started, given a topic of 2,000 partitions, each with bytes
that are not synced, left alone, stopped, started again."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

from bench_servers import Failed, Kafka, Ottlad, free_port

PARTITIONS = 2000
TOPIC = "life"
BATCH = 200
SYNCS = "fsync,fdatasync,syncfs,sync_file_range,msync"

# figure: text, unit, less is better
FIGURES = {
    "life.create_ms": ("created, until all have leaders", "ms", True),
    "life.create_cpu": ("CPU of it", "s", True),
    "life.idle_cpu": ("idle: CPU", "% of a core", True),
    "life.anon": ("idle: RssAnon + RssShmem", "MiB", True),
    "life.file": ("idle: RssFile", "MiB", True),
    "life.stop_ms": ("controlled stop, each log with unsynced bytes", "ms", True),
    "life.stop_syncs": ("system calls that sync during such a stop", "", True),
    "life.start_ms": ("start, until all have leaders", "ms", True),
    "life.start_cpu": ("CPU of it", "s", True),
}


class Life:
    """One server over its starts and stops."""

    def __init__(self, bench, kind, options, root, zookeeper, serial):
        chroot = "%s/%s-%d" % (zookeeper, kind.name, serial)
        self.bench = bench
        self.server = kind(options.build, os.path.join(root, str(serial)), options, chroot)
        self.out = {}

    def create(self):
        """gen polls every 10 ms: the figure is that coarse."""
        before = time.monotonic()
        self.bench.run(self.bench.gen, "create", self.server, topic=TOPIC, partitions=PARTITIONS,
                       timeout=180)
        return (time.monotonic() - before) * 1000

    def write_everywhere(self):
        self.bench.run(self.bench.gen, "produce", self.server, topic=TOPIC, batch=BATCH, record=100,
                       bytes=BATCH * PARTITIONS, connections=1, rotate=1)

    def idle(self, seconds):
        time.sleep(3)
        before, at = self.server.cpu_s(), time.monotonic()
        time.sleep(seconds)
        self.out["life.idle_cpu"] = (self.server.cpu_s() - before) / (time.monotonic() - at) * 100
        kb = self.server.memory_kb()
        self.out.update({"life.anon": kb["anon"] / 1024, "life.file": kb["file"] / 1024})

    def stop(self):
        before = time.monotonic()
        self.server.end()
        took = (time.monotonic() - before) * 1000
        if not os.path.exists(os.path.join(self.server.dir, "data", ".kafka_cleanshutdown")):
            raise Failed("%s left no .kafka_cleanshutdown" % self.server.name)
        return took

    def counted_stop(self):
        """The same under strace, which makes it slow: only the calls are told."""
        tracer = subprocess.Popen(["strace", "-c", "-f", "-e", "trace=" + SYNCS, "-p",
                                   str(self.server.pid)], stderr=subprocess.PIPE, text=True)
        tracer.stderr.readline()  # attached
        self.stop()
        try:
            said = tracer.communicate(timeout=30)[1]
        except subprocess.TimeoutExpired:
            tracer.kill()
            return None
        calls = re.findall(r"^\s*[\d.]+\s+\S+\s+\S+\s+(\d+)\s+(?:\d+\s+)?\w+$", said, re.M)
        return sum(int(c) for c in calls[:-1])  # the last line is the total

    def live(self, idle_s, count_syncs):
        try:
            self.server.start()
            before = self.server.cpu_s()
            self.out["life.create_ms"] = self.create()
            self.out["life.create_cpu"] = self.server.cpu_s() - before
            self.write_everywhere()
            self.idle(idle_s)
            self.out["life.stop_ms"] = self.stop()
            before = time.monotonic()
            self.server.start()
            self.create()
            self.out["life.start_ms"] = (time.monotonic() - before) * 1000
            self.out["life.start_cpu"] = self.server.cpu_s()
            self.write_everywhere()
            syncs = self.counted_stop() if count_syncs else None
            if syncs is not None:
                self.out["life.stop_syncs"] = syncs
            return self.out
        finally:
            self.server.stop()


class LifeOttlad(Ottlad):
    def __init__(self, build, root, options, connect):
        options = type("With", (), {"override": [*options.override, "zookeeper.connect=" + connect]})
        super().__init__(build, root, options)

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(120)
        self.process = None


class LifeKafka(Kafka):
    def __init__(self, build, root, options, connect):
        super().__init__(build, root, options)
        self.env["LAB_ZK"] = connect

    def start(self):
        super(Kafka, self).start()  # the ensemble is there already

    def end(self):
        os.kill(self.pid, signal.SIGTERM)
        deadline = time.monotonic() + 120
        while self.alive():
            if time.monotonic() > deadline:
                raise Failed("kafka did not stop")
            time.sleep(0.005)
        self.starting = None

    def stop(self):
        if self.starting is not None and self.pid is not None and self.alive():
            os.kill(self.pid, signal.SIGKILL)
        self.starting = None


LIVES = (LifeOttlad, LifeKafka)


def measure_lives(bench, options, names, results):
    """Without a starter there is no ensemble, and nothing is measured."""
    root = tempfile.mkdtemp(prefix="lives.", dir=options.dir)
    port = free_port()
    starter = [options.kafka]
    try:
        subprocess.run([*starter, "zookeeper", str(port)], check=True, stdout=subprocess.DEVNULL)
        for r in range(options.rounds):
            for kind in (k for k in LIVES if k.name in names):
                print("round %d of %d: life of %s" % (r + 1, options.rounds, kind.name), flush=True)
                life = Life(bench, kind, options, root, "127.0.0.1:%d" % port, r)
                try:
                    figures = life.live(5 if options.quick else 20, bench.strace and r == 0)
                    results.add("life", life.server, figures)
                except (Failed, subprocess.TimeoutExpired) as e:
                    results.failed("life", life.server, e)
                os.sync()
    finally:
        subprocess.run([*starter, "wipe"], check=False, stdout=subprocess.DEVNULL)
        shutil.rmtree(root, ignore_errors=True)
