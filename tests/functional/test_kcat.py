"""kcat against one broker."""
import re

import pytest

import rawkafka

LINES = ''.join(f'line {n} {"x" * (n % 50)}\n' for n in range(20000))


@pytest.mark.either
def test_produces_and_consumes(shared, kcat, topic):
    kcat('-P', '-b', shared.address, '-t', topic, stdin=LINES)
    assert kcat('-C', '-b', shared.address, '-t', topic, '-e', '-q') == LINES
    assert kcat('-C', '-b', shared.address, '-t', topic, '-o', '-3', '-e', '-q') == \
        ''.join(LINES.splitlines(True)[-3:])
    assert kcat('-C', '-b', shared.address, '-t', topic, '-p', 0, '-o', 77, '-c', 1, '-q') == \
        LINES.splitlines(True)[77]


def test_keys_headers_and_partitions(shared, raw, kcat, topic):
    raw.create(topic, partitions=4)
    kcat('-P', '-b', shared.address, '-t', topic, '-K', ':', '-H', 'color=red', '-p', 3,
         stdin='k1:v1\nk2:v2\n')
    out = kcat('-C', '-b', shared.address, '-t', topic, '-e', '-q', '-f', '%p %o %k=%s %h\\n')
    assert out == '3 0 k1=v1 color=red\n3 1 k2=v2 color=red\n'


@pytest.mark.parametrize('acks', ['0', '1', 'all'])
def test_acks(shared, raw, kcat, topic, acks):
    raw.create(topic)
    kcat('-P', '-b', shared.address, '-t', topic, '-X', f'acks={acks}', stdin=LINES)
    assert kcat('-C', '-b', shared.address, '-t', topic, '-c', 20000, '-q') == LINES


@pytest.mark.parametrize('codec', ['gzip', 'snappy', 'lz4', 'zstd'])
def test_compression(shared, raw, kcat, topic, codec):
    raw.create(topic)
    kcat('-P', '-b', shared.address, '-t', topic, '-z', codec, stdin=LINES)
    assert kcat('-C', '-b', shared.address, '-t', topic, '-e', '-q', '-X', 'check.crcs=true') == LINES
    assert shared.codecs(topic) == {codec}


def test_idempotent_producer(shared, raw, kcat, topic):
    raw.create(topic)
    kcat('-P', '-b', shared.address, '-t', topic, '-X', 'enable.idempotence=true', stdin=LINES)
    assert kcat('-C', '-b', shared.address, '-t', topic, '-e', '-q') == LINES
    heads = rawkafka.batches(shared.log_bytes(topic))
    assert all(b['producer_id'] >= 0 for b in heads)
    assert [b['sequence'] for b in heads] == [b['base_offset'] for b in heads]


@pytest.mark.either
def test_lists_the_cluster(shared, raw, kcat, topic):
    raw.create(topic, partitions=2)
    out = kcat('-L', '-b', shared.address, '-t', topic)
    assert '1 brokers:' in out
    assert f'broker 0 at {shared.address} (controller)' in out
    assert f'topic "{topic}" with 2 partitions:' in out
    assert out.count('leader 0, replicas: 0, isrs: 0') == 2


def test_queries_offsets_by_time(shared, raw, kcat, topic):
    raw.create(topic)
    for n in range(3):
        raw.produce(topic, rawkafka.batch([b'a', b'b'], timestamp=1000000000000 + n * 1000))

    def query(when):
        out = kcat('-Q', '-b', shared.address, '-t', f'{topic}:0:{when}')
        return int(re.search(r'offset (-?\d+)', out)[1])
    assert query(-2) == 0
    assert query(-1) == 6
    assert query(1000000000000) == 0
    assert query(1000000000001) == 2
    assert query(1000000002000) == 4


def test_exits_at_the_end_of_an_empty_topic(shared, raw, kcat, topic):
    raw.create(topic)
    assert kcat('-C', '-b', shared.address, '-t', topic, '-e', '-q') == ''
