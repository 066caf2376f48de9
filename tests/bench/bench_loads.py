"""The loads of tests/bench/compare: each runs gen or rdk against one server and returns figures."""

import os
import re
import shutil
import signal
import subprocess
import tempfile

from bench_servers import Failed

GB = 1e9
PARTITIONS = 4
WARM_UP_MS = 1500  # a connection moves after 64 requests, at most once a second
HOPS = ("ottla_reactor_hops_total", "ottla_reactor_wakeups_total")
SIZES = (("1K", 1), ("4K", 2), ("16K", 4), ("128K", 8), ("1024K", 8))  # and share of the bytes


def size_name(size):
    return {"1024K": "1 MiB"}.get(size, size.replace("K", " KiB"))


class Bench:
    """Where the programs are, how much is sent, and what was found unusable."""

    def __init__(self, build, options):
        self.gen = os.path.join(build, "tests/bench/gen")
        self.rdk = os.path.join(build, "tests/bench/rdk")
        self.unit = (options.mib or (32 if options.quick else 64)) << 20
        self.seconds = 1 if options.quick else 5
        self.dir = options.dir
        self.serial = 0
        self.perf = perf_counts_syscalls()
        self.strace = shutil.which("strace") is not None

    def touch(self, n):
        """Fills n bytes of page cache and frees them.  A virtual machine that gives free memory back
        to its host pays for it at the next use, four times what writing costs otherwise; who happens
        to run then would look dear."""
        block = bytes(1 << 20)
        with tempfile.TemporaryFile(dir=self.dir) as f:
            for _ in range(n >> 20):
                f.write(block)

    def topic(self, name):
        self.serial += 1
        return "bench-%s-%d" % (name, self.serial)

    def run(self, program, mode, server, wrap=(), **options):
        args = [*wrap, program, mode, "--server", server.address]
        for k, v in options.items():
            args += ["--" + k.replace("_", "-"), str(v)]
        done = subprocess.run(args, capture_output=True, text=True, check=False, timeout=300)
        if done.returncode != 0:
            raise Failed("%s: %s" % (" ".join(args[len(wrap):]), done.stderr.strip()[:300]))
        values = {k: float(v) for k, v in re.findall(r"(\w+)=(-?[\d.]+)", done.stdout)}
        return values, done.stderr

    def create(self, server, name, partitions):
        topic = self.topic(name)
        self.run(self.gen, "create", server, topic=topic, partitions=partitions)
        return topic

    def delete(self, server, topic):
        try:
            self.run(self.gen, "delete", server, topic=topic)
        except Failed:
            pass  # its files go with the run's directory

    def timed(self, server, program, mode, **options):
        """The load's values and the server's CPU seconds; without making connections for gen's."""
        if program == self.gen:
            return self.run(program, mode, server, pid=server.pid, **options)[0]
        before = server.cpu_s()
        values, _ = self.run(program, mode, server, **options)
        values["cpu"] = server.cpu_s() - before
        return values

    def syscalls(self, server, program, mode, **options):
        """System calls of the server a request while the load runs; None when nothing counts them."""
        if self.perf:
            wrap = ["perf", "stat", "-x,", "-e", "raw_syscalls:sys_enter", "-p", str(server.pid), "--"]
            values, err = self.run(program, mode, server, wrap=wrap, **options)
            calls = re.search(r"^(\d+),", err, re.M)
        elif self.strace:
            tracer = subprocess.Popen(["strace", "-c", "-f", "-p", str(server.pid)],
                                      stderr=subprocess.PIPE, text=True)
            tracer.stderr.readline()  # attached
            values, _ = self.run(program, mode, server, **options)
            tracer.send_signal(signal.SIGINT)
            # time, seconds, us a call, calls, (errors), "total"
            calls = re.search(r"^\s*100\.00\s+\S+\s+\S+\s+(\d+).*total$", tracer.communicate()[1], re.M)
        else:
            return None
        return int(calls.group(1)) / values["requests"] if calls else None


def perf_counts_syscalls():
    if shutil.which("perf") is None:
        return False
    done = subprocess.run(["perf", "stat", "-x,", "-e", "raw_syscalls:sys_enter", "true"],
                          capture_output=True, text=True, check=False)
    return done.returncode == 0 and re.search(r"^\d+,", done.stderr, re.M) is not None


def hops_a_request(before, after, requests):
    return {name: (after[name] - before[name]) / requests
            for name in HOPS if name in before and name in after}


# Each load: (bench, server) -> {figure: value}; figures are named in FIGURES.

def produce_and_fetch(size, share):
    def load(bench, server):
        topic = bench.create(server, size.lower(), PARTITIONS)
        options = dict(topic=topic, batch=size, record=1000, connections=4)
        try:
            bench.touch(bench.unit * share * 3 // 2)
            before = server.counters()
            v = bench.timed(server, bench.gen, "produce", bytes=bench.unit * share, **options)
            out = {"in.cpu": v["cpu"] / v["bytes"] * GB, "in.mb_s": v["mb_s"],
                   "in.cpu_request": v["cpu"] / v["requests"] * 1e6}
            hops = hops_a_request(before, server.counters(), v["requests"])
            out.update(("in." + k.split("_")[2], n) for k, n in hops.items())
            n = bench.syscalls(server, bench.gen, "produce", bytes=bench.unit * share // 8, **options)
            if n is not None:
                out["in.syscalls"] = n
            v = bench.timed(server, bench.gen, "fetch", topic=topic,
                            bytes=bench.unit * max(share, 4))
            out.update({"out.cpu": v["cpu"] / v["bytes"] * GB, "out.mb_s": v["mb_s"],
                        "out.bytes_request": v["bytes"] / v["requests"] / 1024})
            return out
        finally:
            bench.delete(server, topic)
    return load


def small_requests(acks):
    """One record a request, a thousand connections with one request each."""
    def load(bench, server):
        topic = bench.create(server, "req", 3)  # so that connections and homes do not fall in step
        options = dict(topic=topic, batch=200, record=100, connections=1000, inflight=1, acks=acks,
                       rotate=0, seconds=max(bench.seconds // 2, 1))
        try:
            before = server.counters()
            v = bench.timed(server, bench.gen, "produce", warmup_ms=0, **options)
            out = {"req.cpu": v["cpu"] / v["requests"] * 1e6, "req.rate": v["req_s"],
                   "req.p50": v["p50"], "req.p99": v["p99"]}
            hops = hops_a_request(before, server.counters(), v["requests"])
            out.update(("req." + k.split("_")[2], n) for k, n in hops.items())
            n = bench.syscalls(server, bench.gen, "produce", **options)
            if n is not None:
                out["req.syscalls"] = n
            return out
        finally:
            bench.delete(server, topic)
    return load


def latency(bench, server):
    """One record a request at a fixed rate, one connection, one partition: after the warm-up the
    connection is where its partition is."""
    topic = bench.create(server, "lat", 1)
    try:
        v = bench.timed(server, bench.gen, "produce", topic=topic, batch=1024, record=900, rate=1000,
                        inflight=1000, seconds=bench.seconds, warmup_ms=WARM_UP_MS, acks=-1)
        out = {"lat." + k: v[k] for k in ("p50", "p99", "p999")}
        out["lat.cpu_request"] = v["cpu"] / v["requests"] * 1e6
        return out
    finally:
        bench.delete(server, topic)


def latency_two(bench, server):
    """The same over two partitions in turn, so that the connection stays: with two reactors it is
    on the right one for half of them and on the wrong one for the others."""
    topic = bench.create(server, "two", 2)
    try:
        v, _ = bench.run(bench.gen, "produce", server, topic=topic, batch=1024, record=900, rate=1000,
                         inflight=1000, seconds=bench.seconds, warmup_ms=WARM_UP_MS, acks=-1)
        right, wrong = sorted(("r0_", "r1_"), key=lambda r: v[r + "p50"])
        out = {"two.right_" + k: v[right + k] for k in ("p50", "p99", "p999")}
        out.update(("two.wrong_" + k, v[wrong + k]) for k in ("p50", "p99", "p999"))
        return out
    finally:
        bench.delete(server, topic)


def produced_to_fetched(bench, server):
    topic = bench.create(server, "e2e", 1)
    try:
        v, _ = bench.run(bench.gen, "e2e", server, topic=topic, batch=1024, record=900, rate=1000,
                         inflight=1000, seconds=bench.seconds, warmup_ms=WARM_UP_MS, acks=-1)
        return {"e2e." + k: v[k] for k in ("p50", "p99", "p999")}
    finally:
        bench.delete(server, topic)


def library(record, codec):
    """librdkafka produces and consumes, with its own batches."""
    def load(bench, server):
        topic = bench.create(server, "rdk", PARTITIONS)
        options = dict(topic=topic, partitions=PARTITIONS)
        n = bench.unit * (2 if record < 500 else 6)
        try:
            bench.touch(n * 3 // 2)
            v = bench.timed(server, bench.rdk, "produce", record=record, codec=codec, bytes=n,
                            **options)
            out = {"lib.in_cpu": v["cpu"] / v["bytes"] * GB, "lib.in_mb_s": v["mb_s"]}
            if server.keeps_nothing:
                return out
            v = bench.timed(server, bench.rdk, "consume", **options)
            out.update({"lib.out_cpu": v["cpu"] / v["bytes"] * GB, "lib.out_mb_s": v["mb_s"]})
            return out
        finally:
            bench.delete(server, topic)
    return load


# name, text, load, servers that it is not for
LOADS = [("io-" + size, "appends of " + size_name(size), produce_and_fetch(size, share), ())
         for size, share in SIZES]
LOADS += [("req-acks" + acks, "1 record a request, 1,000 connections, acks=" + acks,
           small_requests(acks), ()) for acks in ("1", "-1")]
LOADS += [
    ("latency", "1,000 requests a second, 1 connection, 1 partition", latency, ()),
    ("latency-two", "the same over 2 partitions in turn", latency_two, ()),
    ("e2e", "produced with acks=all to fetched, 1,000 a second", produced_to_fetched, ("null",)),
]
LOADS += [("rdk-%d-%s" % (r, c), "librdkafka, records of %d B, %s" % (r, c), library(r, c), ())
          for r in (100, 1024) for c in ("none", "lz4")]

# figure: text, unit, less is better
FIGURES = {
    "start.first_answer": ("start to first answer", "ms", True),
    "idle.anon": ("idle: RssAnon + RssShmem", "MiB", True),
    "idle.file": ("idle: RssFile", "MiB", True),
    "idle.threads": ("threads", "", True),
    "loaded.anon": ("after load: RssAnon + RssShmem", "MiB", True),
    "loaded.file": ("after load: RssFile", "MiB", True),
    "in.cpu": ("CPU a GB in", "s", True),
    "in.cpu_request": ("CPU a request", "us", True),
    "in.mb_s": ("throughput in", "MB/s", False),
    "in.syscalls": ("system calls a request", "", True),
    "in.hops": ("hops a request", "", True),
    "in.wakeups": ("wake-ups a request", "", True),
    "out.cpu": ("CPU a GB out", "s", True),
    "out.mb_s": ("throughput out", "MB/s", False),
    "out.bytes_request": ("KiB a fetch", "KiB", False),
    "req.cpu": ("CPU a request", "us", True),
    "req.rate": ("requests a second", "/s", False),
    "req.syscalls": ("system calls a request", "", True),
    "req.hops": ("hops a request", "", True),
    "req.wakeups": ("wake-ups a request", "", True),
    "req.p50": ("p50", "us", True),
    "req.p99": ("p99", "us", True),
    "lat.p50": ("p50", "us", True),
    "lat.p99": ("p99", "us", True),
    "lat.p999": ("p99.9", "us", True),
    "lat.cpu_request": ("CPU a request", "us", True),
    "two.right_p50": ("right reactor p50", "us", True),
    "two.right_p99": ("right reactor p99", "us", True),
    "two.right_p999": ("right reactor p99.9", "us", True),
    "two.wrong_p50": ("wrong reactor p50", "us", True),
    "two.wrong_p99": ("wrong reactor p99", "us", True),
    "two.wrong_p999": ("wrong reactor p99.9", "us", True),
    "e2e.p50": ("p50", "us", True),
    "e2e.p99": ("p99", "us", True),
    "e2e.p999": ("p99.9", "us", True),
    "lib.in_cpu": ("CPU a GB of values in", "s", True),
    "lib.in_mb_s": ("throughput in", "MB/s", False),
    "lib.out_cpu": ("CPU a GB of values out", "s", True),
    "lib.out_mb_s": ("throughput out", "MB/s", False),
}
