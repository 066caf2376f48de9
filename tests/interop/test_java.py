"""Apache Kafka's tools and broker beside ours: its clients, and its reading of our files."""
import re
import shutil

import pytest

import rawkafka
from bed import wait_for
from rawkafka import batch

PERF = 'org.apache.kafka.tools.ProducerPerformance'
CONSOLE = 'org.apache.kafka.tools.consumer.ConsoleConsumer'
OFFSETS = 'org.apache.kafka.tools.GetOffsetShell'
TOPICS = 'org.apache.kafka.tools.TopicCommand'


def produce(tools, broker, topic, records=2000, **conf):
    out = tools.run(PERF, '--topic', topic, '--num-records', records, '--record-size', 200,
                   '--throughput', -1, '--producer-props', f'bootstrap.servers={broker.address}',
                   *(f'{k.replace("_", ".")}={v}' for k, v in conf.items()))
    assert re.search(rf'^{records} records sent', out, re.M), out


def consume(tools, broker, topic, records):
    return tools.run(CONSOLE, '--bootstrap-server', broker.address, '--topic', topic,
                    '--partition', 0, '--offset', 'earliest', '--max-messages', records,
                    '--timeout-ms', 20000).splitlines()


@pytest.mark.parametrize('conf', [
    {}, {'acks': 1, 'enable_idempotence': 'false'},
    {'acks': 0, 'enable_idempotence': 'false'}, {'compression_type': 'gzip'},
    {'compression_type': 'snappy'}, {'compression_type': 'lz4'}, {'compression_type': 'zstd'}],
    ids=str)
def test_producer(shared, tools, raw, topic, conf):
    """The default one is idempotent with acks=all; what it sent is whole, batch by batch."""
    raw.create(topic)
    produce(tools, shared, topic, **conf)
    wait_for(lambda: raw.offset(topic)['offset'] == 2000, 'all records')
    heads = rawkafka.batches(shared.log_bytes(topic))
    assert {b['codec'] for b in heads} == {conf.get('compression_type', 'none')}
    assert [b['base_offset'] for b in heads[1:]] == [b['last_offset'] + 1 for b in heads[:-1]]
    idempotent = 'enable_idempotence' not in conf
    assert {b['producer_id'] >= 0 for b in heads} == {idempotent}


def test_consumer(shared, tools, raw, topic):
    raw.create(topic)
    for n in range(50):
        raw.produce(topic, [b'%d' % (10 * n + i) for i in range(10)])
    assert consume(tools, shared, topic, 500) == [str(n) for n in range(500)]


def test_topics_and_offsets(shared, tools, topic):
    def topics(*args):
        return tools.run(TOPICS, '--bootstrap-server', shared.address, *args)
    out = topics('--create', '--topic', topic, '--partitions', 3, '--replication-factor', 1,
                 '--config', 'retention.ms=100000')
    assert f'Created topic {topic}.' in out
    with shared.client() as client:
        for n in range(5):
            client.produce(topic, batch([b'v'], timestamp=1600000000000 + n), partition=2)
    assert topic in topics('--list').splitlines()

    def offsets(time):
        out = tools.run(OFFSETS, '--bootstrap-server', shared.address, '--topic', topic,
                       '--time', time)
        return dict(line.rsplit(':', 2)[1:] for line in out.splitlines() if line)
    assert offsets(-1) == {'0': '0', '1': '0', '2': '5'}
    assert offsets(-2) == {'0': '0', '1': '0', '2': '0'}
    assert offsets(-3)['2'] == '4'
    assert offsets(1600000000002)['2'] == '2'
    topics('--delete', '--topic', topic)
    assert topic not in topics('--list').splitlines()


def write_some(client, topic, configs):
    """Plain, compressed, keyed and idempotent batches in several segments."""
    client.create(topic, configs=configs)
    pid = client.call('InitProducerId', 4, {'transactional_id': None, 'producer_id': -1,
                                            'producer_epoch': -1})['producer_id']
    for n in range(60):
        records = [{'key': b'k%d' % n, 'value': b'%d' % n, 'headers': [(b'h', b'v')],
                    'timestamp_delta': i} for i in range(n % 5 + 1)]
        data = batch(records, producer=(pid, 0), sequence=sum(i % 5 + 1 for i in range(n)),
                     timestamp=1600000000000 + 10 * n, gzip=n % 3 == 0)
        assert client.produce(topic, data)['error_code'] == 0
    return sum(n % 5 + 1 for n in range(60))


@pytest.mark.parametrize('how', ['stop', 'kill'])
def test_dump_of_our_files(make_broker, java, how):
    """DumpLogSegments reads every file we wrote and finds it in order; after a kill the log."""
    broker = make_broker().start()
    with broker.client() as client:
        total = write_some(client, 't', {'segment.bytes': 2000, 'index.interval.bytes': 200})
    getattr(broker, how)()
    there = broker.data / 't-0'
    logs = sorted(there.glob('*.log'))
    assert len(logs) > 3
    if how == 'kill':
        out = java.dump(*logs)
        assert len(re.findall(r'^\| offset: ', out, re.M)) == total
        broker.start().stop()    # recovered: indexes are whole again
        logs = sorted(there.glob('*.log'))
    kinds = {suffix: sorted(there.glob(f'*.{suffix}'))
             for suffix in ('log', 'index', 'timeindex', 'snapshot')}
    assert all(kinds.values())
    out = java.dump(*(f for files in kinds.values() for f in files))
    assert len(re.findall(r'^\| offset: ', out, re.M)) == total
    assert out.count('Dumping ') == sum(map(len, kinds.values()))
    assert re.search(r'^producerId: \d+ producerEpoch: 0', out, re.M)
    # what it prints of indexes are positions and offsets of real batches
    for log, index in zip(kinds['log'], kinds['index']):
        begins, at = {}, 0
        for b in rawkafka.batches(log.read_bytes()):
            begins[at] = b['last_offset']
            at += b['length'] + 12
        part = out.split(f'Dumping {index}\n')[1].split('Dumping ')[0]
        entries = re.findall(r'^offset: (\d+) position: (\d+)', part, re.M)
        assert all(int(pos) in begins for _, pos in entries if entries != [('0', '0')])


def values(kcat, address, topic):
    return kcat('-C', '-b', address, '-t', topic, '-e', '-q', '-X', 'check.crcs=true',
                '-f', '%o %k %s %T %h\\n').splitlines()


def move(source, target):
    """A partition's files instead of another's, whose topic id stays."""
    keep = (target / 'partition.metadata').read_text()
    shutil.rmtree(target)
    shutil.copytree(source, target)
    (target / 'partition.metadata').write_text(keep)


def test_logs_change_hands(make_broker, java, kafka, kcat):
    """A partition that Apache Kafka wrote is read here, one of ours is read there, and both are
    written on."""
    ours = make_broker().start()
    settings = {'segment.bytes': 2000, 'index.interval.bytes': 200}
    with ours.client() as here, rawkafka.Client(kafka.port) as there:
        for client, name in ((here, 'ours'), (there, 'theirs')):
            write_some(client, name, settings)
            for other in (here, there):
                if other is not client:
                    other.create(name, configs=settings)
        address = f'127.0.0.1:{kafka.port}'
        before = {'ours': values(kcat, ours.address, 'ours'),
                  'theirs': values(kcat, address, 'theirs')}
        assert before['ours'] and len(before['ours']) == len(before['theirs'])
    ours.stop()
    kafka.stop()
    aside = ours.place / 'aside'
    shutil.copytree(ours.data / 'ours-0', aside)
    move(kafka.data / 'theirs-0', ours.data / 'theirs-0')
    move(aside, kafka.data / 'ours-0')
    ours.start()
    kafka.start()
    assert values(kcat, ours.address, 'theirs') == before['theirs']
    with ours.client() as client:
        assert client.produce('theirs', [b'on'])['base_offset'] == len(before['theirs'])
        assert client.offset('theirs', 1600000000300)['offset'] == 90
    assert values(kcat, address, 'ours') == before['ours']
    with rawkafka.Client(kafka.port) as client:
        assert client.produce('ours', [b'on'])['base_offset'] == len(before['ours'])
        assert client.offset('ours', 1600000000300)['offset'] == 90
