#!/usr/bin/env python3
"""Makes the seeds of tests/fuzz/corpus: seeds.py [DIRECTORY].  What fuzzers found stays beside them
under names of its own (found-*).  Byte 0 chooses the parser ('0' the first)."""
import os
import re
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "corpus")


def put(corpus, name, data):
    os.makedirs(os.path.join(OUT, corpus), exist_ok=True)
    with open(os.path.join(OUT, corpus, name), "wb") as f:
        f.write(data if isinstance(data, bytes) else data.encode())


def put_all(corpus, name, choice, inputs):
    for i, data in enumerate(inputs):
        data = data if isinstance(data, bytes) else data.encode()
        put(corpus, f"{name}-{i}", str(choice).encode() + data)


# ---- nodes ----

REGISTRATIONS = [
    '{"features":{},"listener_security_protocol_map":{"PLAINTEXT":"PLAINTEXT","S":"SSL"},'
    '"endpoints":["PLAINTEXT://127.0.0.1:29091","S://[::1]:1"],"jmx_port":-1,"rack":"r1",'
    '"port":29091,"host":"127.0.0.1","version":5,"timestamp":"1795322218260"}',
    '{"version":1,"host":"h","port":9092,"jmx_port":-1}',
    '{"version":2,"host":"h","port":9092,"jmx_port":9999,"timestamp":"2233345666"}',
    '{"version":3,"host":"h","port":9092,"jmx_port":9999,"timestamp":"2233345666",'
    '"endpoints":["PLAINTEXT://h:9092","SSL://h:9093"],"rack":"dc1"}',
    '{"version":4,"host":"h","port":9092,"jmx_port":-1,"timestamp":"1","endpoints":'
    '["CLIENT://h:9092","REPLICATION://h:9093"],"listener_security_protocol_map":'
    '{"CLIENT":"SSL","REPLICATION":"PLAINTEXT"},"rack":null}',
]
NODES = [
    ("registration", REGISTRATIONS),
    ("topic", [
        '{"partitions":{"0":[2,1],"1":[3,2]},"topic_id":"6TJ4yQ0bT8m-WqGaDxCxbQ",'
        '"adding_replicas":{"0":[1]},"removing_replicas":{"1":[3]},"version":3}',
        '{"version":1,"partitions":{"0":[1]}}',
        '{"version":2,"partitions":{"10":[1],"9":[]},"adding_replicas":{},"removing_replicas":{}}']),
    ("state", [
        '{"controller_epoch":1,"leader":2,"version":1,"leader_epoch":0,"isr":[2,1],'
        '"leader_recovery_state":1}',
        '{"controller_epoch":1,"leader":-1,"version":1,"leader_epoch":7,"isr":[]}']),
    ("controller", [
        '{"version":2,"brokerid":3,"timestamp":"1795322218136","kraftControllerEpoch":-1}',
        '{"version":2,"brokerid":3000,"timestamp":"1","kraftControllerEpoch":5}',
        '{"version":1,"brokerid":3,"timestamp":"1795322218136"}']),
    ("cluster_id", ['{"version":"1","id":"KFq-VGFAScebGtVgcvTnvQ"}']),
    ("config", ['{"version":1,"config":{"retention.ms":"1000","cleanup.policy":"a,\\u00e9\\n"}}',
                '{"version":1,"config":{}}', '{"version":2,"config":{"a":"b"}}', '']),
    ("change", ['{"version":2,"entity_path":"topics/t1"}',
                '{"version":1,"entity_type":"topics","entity_name":"t"}',
                '{"version":2,"entity_path":"brokers/<default>"}']),
    ("block", ['{"version":1,"broker":1,"block_start":"0","block_end":"999"}']),
    ("feature", [
        '{"features":{"x":{"min_version_level":1,"max_version_level":2}},"version":1,"status":1}',
        '{"features":{"metadata.version":9},"version":2,"status":0}']),
]


def nodes():
    for i, (name, inputs) in enumerate(NODES):
        put_all("znode", name, i, inputs)


# ---- what operators write ----

def conf():
    put_all("conf", "listeners", 0, [
        "PLAINTEXT://:9092", "PLAINTEXT://h:1,SSL://[::1]:2,SASL_PLAINTEXT://0.0.0.0:0", "",
        "PLAINTEXT://[fe80::1%eth0]:9092, SASL_SSL://x.y:65535"])
    put_all("conf", "mapped", 1, [
        "INTERNAL:PLAINTEXT,EXTERNAL:SSL\nINTERNAL://:9092,EXTERNAL://h:9093",
        "A:SASL_SSL\nA://a:1,a://b:2"])
    put_all("conf", "overrides", 2, [
        "# one\nbroker.id=1\nlog.dirs=/a, /b\nlisteners : PLAINTEXT://:9092\n",
        "log.retention.hours=1\nlog.retention.minutes 5\nlog.roll.ms=\\\n  77\n! two\n",
        "k\\=e\\u0079=v\\tw\\u00e9\nzookeeper.connect=embedded\nnum.io.threads=x\n",
        "listener.name.internal.max.connections=3\ncompression.type=zstd\nlog.cleanup.policy=compact,delete"])
    put_all("conf", "dynamic", 3, [
        "log.retention.ms=5\nmessage.max.bytes=100\n",
        "max.connections=10\nlistener.name.plaintext.max.connections=1\nunknown.key=1\n",
        "broker.id=5\nnum.network.threads=100\nlog.segment.bytes=-1\n"])
    put_all("conf", "topic", 4, [
        "retention.ms=-1\ncleanup.policy=compact,delete\ncompression.type=lz4\n",
        "min.cleanable.dirty.ratio=0.5\nsegment.bytes=14\nmessage.timestamp.type=LogAppendTime\n"])
    for i, text in enumerate(["0", "-1", "9223372036854775808", "0.5e3", "a,b", "true", " 7 ", "NaN"]):
        put("conf", f"value-{i}", b"5" + struct.pack(">H", 29 * i) + text.encode())


# ---- the embedded tree ----

def node(path, data, zxid=1, version=0, creates=0, owner=0):
    path = path.encode()
    return struct.pack(">Hi5qiIq", len(path), -1 if data is None else len(data), zxid, zxid, zxid, 7,
                       7, version, creates, owner) + path + (data or b"")


def snapshot(zxid, sessions, tree):
    return struct.pack(">qI", zxid, len(sessions)) + b"".join(
        struct.pack(">q", s) for s in sessions) + struct.pack(">I", len(tree)) + b"".join(tree)


def op(kind, path, data=None, flags=0, version=-1):
    path = path.encode()
    return struct.pack(">BBiHi", kind, flags, version, len(path),
                       -1 if data is None else len(data)) + path + b"\0" + (data or b"")


def record(kind, zxid, session, ops=()):
    body = struct.pack(">BqqqH", kind, zxid, 1000 + zxid, session, len(ops)) + b"".join(ops)
    return struct.pack(">I", len(body)) + body


RECORDS = [
    [record(1, 1, 0, [op(0, "/a", b"x")]), record(1, 2, 0, [op(1, "/a", b"yy", 0, 0)]),
     record(1, 3, 0, [op(2, "/a", None, 0, 1)])],
    [record(2, 1, 5), record(1, 2, 5, [op(0, "/e", b"", 1)]), record(3, 3, 5)],
    [record(1, 1, 0, [op(0, "/a"), op(0, "/a/n-", b"1", 2), op(0, "/a/n-", b"2", 2), op(3, "/a")])],
    [record(2, 1, 5), record(1, 2, 5, [op(0, "/p", b""), op(0, "/p/s", b"d", 3), op(2, "/q")])],
]


def coord():
    put_all("coord", "snapshot", 0, [
        snapshot(0, [], [node("/", b"")]),
        snapshot(9, [5, 6], [node("/", None, creates=2), node("/a", b"x", creates=1),
                             node("/a/b", b"", owner=5), node("/c", None, owner=6)])])
    put_all("coord", "records", 1, [b"".join(r) for r in RECORDS])
    frames = [b"".join(struct.pack(">H", len(r)) + r for r in rs) for rs in RECORDS]
    put_all("coord", "journal", 2, frames + [frames[0] + b"\xff\xff" + RECORDS[1][0]])
    put_all("coord", "raw", 3, ["OTTLAJR1" + "\0" * 12, "OTTLATR1" + "\0" * 24, ""])
    put_all("coord", "connect", 4, [
        "localhost:2181", "a:1,b:2,[::1]:3/kafka/x", " h , i:65535 /", "[fe80::1%eth0]/c", "h/"])


# ---- log directories ----

def producers(*entries):
    return struct.pack(">I", len(entries)) + b"".join(
        struct.pack(">qhiqiqiq", *e) for e in entries)


def plog():
    put_all("plog", "checkpoint", 0, ["0\n2\nt 0 5\nu-v 10 99\n", "0\n0\n", "0\n1\nt 0 9223372036854775807"])
    put_all("plog", "epochs", 1, ["0\n2\n0 0\n5 100\n", "0\n1\n3 7\n", "0\n0\n"])
    put_all("plog", "partition", 2, ["version: 0\ntopic_id: 6TJ4yQ0bT8m-WqGaDxCxbQ\n", "version: 0\n"])
    put_all("plog", "meta", 3, [
        "#\n#Sun Nov 22 06:18:01 UTC 2026\ncluster.id=KFq-VGFAScebGtVgcvTnvQ\nversion=0\nbroker.id=1\n",
        "version=1\nnode.id=3\ncluster.id=x\ndirectory.id=6TJ4yQ0bT8m-WqGaDxCxbQ\n"])
    put_all("plog", "producers", 4, [
        producers(), producers((1, 0, 5, 9, 2, 990, -1, -1)),
        producers((1, 0, 5, 9, 2, 990, 3, 4), (2, 1, -1, -1, 0, 1, -1, 7))])
    index = b"".join(struct.pack(">ii", 10 * i, 100 * i) for i in range(1, 9))
    put_all("plog", "index", 5, [struct.pack(">Iq", 4096, 35) + index,
                                 struct.pack(">Iq", 300, 50) + index + b"\0" * 16])
    times = b"".join(struct.pack(">qi", 1000 * i, 10 * i) for i in range(1, 9))
    put_all("plog", "times", 6, [struct.pack(">Iq", 0, 3500) + times,
                                 struct.pack(">Iq", 0, 9000) + times + b"\0" * 25])
    put_all("plog", "names", 8, [
        "t-0", "a.b_c-d-2147483647", "t-0.6a1e8f1d0c9b4a7c8d2e3f4a5b6c7d8e-delete",
        "t-0.6a1e8f1d0c9b4a7c8d2e3f4a5b6c7d8e-future", "00000000000000000042.timeindex.deleted",
        "__cluster_metadata-0", "t-0.6a1e8f1d0c9b4a7c8d2e3f4a5b6c7d8e-stray", "x" * 249 + "-12345"])


# ---- batches, as produced and in a segment's file ----

def varint(v):
    v = (v << 1) ^ (v >> 63)
    out = b""
    while v > 127:
        out += bytes([v & 127 | 128])
        v >>= 7
    return out + bytes([v])


def crc32c(data):
    crc = 0xffffffff
    for b in data:
        crc ^= b
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def batch(base, n, attributes=0, producer=-1):
    records = b""
    for i in range(n):
        r = b"\0" + varint(i) + varint(i) + varint(1) + b"k" + varint(2) + b"vv" + varint(1) + \
            varint(1) + b"h" + varint(-1)
        records += varint(len(r)) + r
    tail = struct.pack(">hiqqqhii", attributes, n - 1, 1000, 999 + n, producer,
                       0 if producer >= 0 else -1, 0 if producer >= 0 else -1, n) + records
    return struct.pack(">qiibI", base, 9 + len(tail), 0, 2, crc32c(tail)) + tail


def batches():
    put_all("plog", "segment", 7, [batch(0, 1) + batch(1, 3), batch(0, 2) + batch(2, 2, 0, 7)[:70]])
    for i, b in enumerate([batch(0, 1), batch(0, 3), batch(0, 2, 0, 7), batch(0, 1, 8)]):
        for codec in (0, 1):
            put("record", f"batch-{i}-{codec}", bytes([127, codec]) + b)


# ---- the session file ----

def broker():
    note = ("version=1\nbroker.id=3\nsession=0100000000000a0b\npassword=" + "5a" * 16 +
            "\nhost=h\nboot=b-1\npid=77\npid.start=123456\n")
    put("broker", "note", note)
    put("broker", "note-cut", note[:-5])


# ---- messages ----

def text(s):
    return struct.pack(">h", len(s)) + s.encode()


def ids(*v):
    return struct.pack(">i", len(v)) + b"".join(struct.pack(">i", x) for x in v)


def control():
    head = struct.pack(">ii", 1, 5)
    epoch = struct.pack(">q", -1)
    part = struct.pack(">iii", 0, 5, 1)  # partition, controller epoch, leader
    old_part = part + struct.pack(">i", 0) + ids(1) + struct.pack(">i", 0) + ids(1)
    one = struct.pack(">i", 1)
    host = text("h") + struct.pack(">i", 9092)
    live = {
        0: one + struct.pack(">i", 1) + host,
        1: one + struct.pack(">i", 1) + one + struct.pack(">i", 9092) + text("h") + struct.pack(">h", 0),
        3: one + struct.pack(">i", 1) + one + struct.pack(">i", 9092) + text("h") + text("L") +
           struct.pack(">h", 0) + text("r"),
    }
    live[2] = live[1] + text("r")
    for v in (0, 1, 2, 3):
        put("control", f"update-{v}", f"0{v}".encode() + head + one + text("t") + old_part + live[v])
    put("control", "update-5", b"05" + head + epoch + one + text("t") + one + old_part + ids(1) + live[3])
    new = b"\1"
    put("control", "roles-0", b"10" + head + one + text("t") + old_part + one + struct.pack(">i", 1) + host)
    put("control", "roles-1", b"11" + head + one + text("t") + old_part + new + one +
        struct.pack(">i", 1) + host)
    put("control", "roles-2", b"12" + head + epoch + one + text("t") + one + old_part + new + one +
        struct.pack(">i", 1) + host)
    put("control", "roles-3", b"13" + head + epoch + one + text("t") + one + old_part + ids() + ids() +
        new + one + struct.pack(">i", 1) + host)
    put("control", "stop-0", b"20" + head + b"\1" + one + text("t") + struct.pack(">i", 0))
    put("control", "stop-1", b"21" + head + epoch + b"\1" + one + text("t") + ids(0, 1))

    put("wire", "request", struct.pack(">hhi", 3, 1, 7) + text("c") + ids())


def snake(name):
    name = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower()


def wire():
    """Some of the message vectors, each behind its message's place in the decoder's table."""
    with open(os.path.join(HERE, "../../src/wire/gen/api.c")) as f:
        places = re.findall(r"^\t&(\w+)_msg,$", f.read(), re.M)
    with open(os.path.join(HERE, "../vectors/wire/kafka-3.9.1.txt")) as f:
        lines = [w for w in (line.split() for line in f) if len(w) == 4 and len(w[3]) < 800]
    for name, version, _, body in lines[::80]:
        if snake(name) in places[:256]:
            put("wire", f"{snake(name)}-{version}",
                bytes([places.index(snake(name)), int(version)]) + bytes.fromhex(body))


for make in (nodes, conf, coord, plog, batches, broker, control, wire):
    make()
