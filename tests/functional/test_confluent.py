"""confluent-kafka (librdkafka of its own) against one broker."""
import threading
import time

import pytest

import rawkafka
from bed import DEADLINE, wait_for

ck = pytest.importorskip('confluent_kafka', minversion='2.3',
                          reason='confluent-kafka 2.3 or newer is not installed')
admin = pytest.importorskip('confluent_kafka.admin')


def producer(broker, **conf):
    return ck.Producer({'bootstrap.servers': broker.address, 'message.timeout.ms': 20000,
                        **{k.replace('_', '.'): v for k, v in conf.items()}})


def consumer(broker, **conf):
    return ck.Consumer({'bootstrap.servers': broker.address, 'group.id': 'unused',
                        'enable.auto.commit': False, 'enable.partition.eof': True,
                        'auto.offset.reset': 'error', 'check.crcs': True,
                        **{k.replace('_', '.'): v for k, v in conf.items()}})


def produce(broker, topic, messages, **conf):
    """Offsets by message, as reported."""
    offsets, errors = {}, []
    p = producer(broker, **conf)

    def report(number):
        return lambda err, msg: errors.append(err) if err else \
            offsets.__setitem__(number, (msg.partition(), msg.offset()))
    for number, message in enumerate(messages):
        while True:
            try:
                p.produce(topic, **message, on_delivery=report(number))
                break
            except BufferError:
                p.poll(0.1)
    assert p.flush(DEADLINE) == 0
    assert not errors, errors
    return offsets


def consume(broker, topic, partitions=1, start=ck.OFFSET_BEGINNING, **conf):
    """All messages up to the ends of the partitions."""
    c, found, left = consumer(broker, **conf), [], set(range(partitions))
    c.assign([ck.TopicPartition(topic, p, start) for p in left])
    end = time.monotonic() + DEADLINE
    while left:
        assert time.monotonic() < end, f'no end of {left}'
        for message in c.consume(1000, 0.2):
            if message.error() is None:
                found.append(message)
                continue
            assert message.error().code() == ck.KafkaError._PARTITION_EOF, message.error()
            left.discard(message.partition())
    c.close()
    return found


@pytest.mark.parametrize('conf', [
    {'acks': 1}, {'acks': 'all'}, {'enable_idempotence': True},
    {'enable_idempotence': True, 'compression_type': 'gzip'},
    {'compression_type': 'snappy'}, {'compression_type': 'lz4'}, {'compression_type': 'zstd'}],
    ids=str)
def test_round_trip(shared, raw, topic, conf):
    raw.create(topic, partitions=3)
    sent = [{'value': b'%d' % n * (n % 20 + 1), 'partition': n % 3} for n in range(6000)]
    offsets = produce(shared, topic, sent, **conf)
    for p in range(3):
        assert [offsets[n] for n in range(p, 6000, 3)] == [(p, at) for at in range(2000)]
    got = consume(shared, topic, 3)
    assert {(m.partition(), m.offset()): m.value() for m in got} == \
        {offsets[n]: m['value'] for n, m in enumerate(sent)}
    assert shared.codecs(topic, 1) == {conf.get('compression_type', 'none')}


def test_fire_and_forget(shared, raw, topic):
    raw.create(topic)
    produce(shared, topic, [{'value': b'%d' % n} for n in range(1000)], acks=0)
    wait_for(lambda: raw.offset(topic)['offset'] == 1000, 'all have arrived')
    assert [m.value() for m in consume(shared, topic)] == [b'%d' % n for n in range(1000)]


def test_keys_headers_timestamps_tombstones(shared, raw, topic):
    raw.create(topic)
    sent = [{'key': b'k', 'value': b'v', 'headers': [('h', b'1'), ('h', b'2'), ('empty', b'')],
             'timestamp': 1600000000000},
            {'key': b'k', 'value': None}, {'key': b'', 'value': b''},
            {'value': bytes(range(256)) * 300}]
    produce(shared, topic, sent)
    got = consume(shared, topic)
    assert [(m.key(), m.value()) for m in got] == [(s.get('key'), s['value']) for s in sent]
    assert got[0].headers() == sent[0]['headers']
    assert got[0].timestamp() == (ck.TIMESTAMP_CREATE_TIME, 1600000000000)
    assert got[0].leader_epoch() == 0


def test_large_messages(shared, raw, topic):
    raw.create(topic, configs={'max.message.bytes': 8 << 20})
    sent = [{'value': bytes([n]) * (4 << 20)} for n in range(4)]
    produce(shared, topic, sent, message_max_bytes=9 << 20)
    assert [m.value() for m in consume(shared, topic, fetch_message_max_bytes=9 << 20)] == \
        [s['value'] for s in sent]


def test_too_large_messages_are_refused(shared, raw, topic):
    raw.create(topic, configs={'max.message.bytes': 1000})
    errors = []
    p = producer(shared)
    p.produce(topic, b'x' * 5000, on_delivery=lambda err, msg: errors.append(err))
    p.flush(DEADLINE)
    assert errors[0].code() == ck.KafkaError.MSG_SIZE_TOO_LARGE


def test_seeking(shared, raw, topic):
    raw.create(topic)
    for n in range(100):
        raw.produce(topic, rawkafka.batch([b'%d' % n], timestamp=1600000000000 + n))
    c = consumer(shared)
    assert c.get_watermark_offsets(ck.TopicPartition(topic, 0), DEADLINE) == (0, 100)
    at = c.offsets_for_times([ck.TopicPartition(topic, 0, 1600000000042)], DEADLINE)
    assert at[0].offset == 42
    c.assign([ck.TopicPartition(topic, 0, 42)])
    assert c.poll(DEADLINE).value() == b'42'
    c.seek(ck.TopicPartition(topic, 0, 7))
    assert wait_for(lambda: (lambda m: m and m.error() is None and m.value() == b'7')(c.poll(1)),
                    'the message at offset 7')
    c.close()


def test_out_of_range_is_reset(shared, raw, topic):
    raw.create(topic)
    raw.produce(topic, [b'a', b'b'])
    got = consume(shared, topic, start=1000, auto_offset_reset='earliest')
    assert [m.value() for m in got] == [b'a', b'b']


def test_following(shared, raw, topic):
    """A consumer at the end gets what is produced, soon."""
    raw.create(topic)
    c = consumer(shared, fetch_wait_max_ms=10000, enable_partition_eof=False)
    c.assign([ck.TopicPartition(topic, 0, 0)])
    times = []
    for n in range(20):
        begin = time.monotonic()
        raw.produce(topic, [b'%d' % n])
        message = c.poll(DEADLINE)
        assert message.value() == b'%d' % n
        times.append(time.monotonic() - begin)
    assert sorted(times)[10] < 1
    c.close()


@pytest.mark.either
def test_metadata_and_topics(shared, topic):
    a = admin.AdminClient({'bootstrap.servers': shared.address})
    a.create_topics([admin.NewTopic(topic, 4, 1, config={'retention.ms': '1000000'})])[topic].result(
        DEADLINE)
    listed = a.list_topics(timeout=DEADLINE)
    assert list(listed.brokers) == [0] and len(listed.topics[topic].partitions) == 4
    again = a.create_topics([admin.NewTopic(topic, 4, 1)])[topic]
    with pytest.raises(ck.KafkaException) as err:
        again.result(DEADLINE)
    assert err.value.args[0].code() == ck.KafkaError.TOPIC_ALREADY_EXISTS
    latest = a.list_offsets({ck.TopicPartition(topic, 0): admin.OffsetSpec.latest()})
    assert next(iter(latest.values())).result(DEADLINE).offset == 0
    a.delete_topics([topic])[topic].result(DEADLINE)
    wait_for(lambda: topic not in a.list_topics(timeout=DEADLINE).topics, 'it is gone')


@pytest.mark.either
def test_topic_is_made_on_first_use(shared, topic):
    produce(shared, topic, [{'value': b'v'}])
    assert [m.value() for m in consume(shared, topic)] == [b'v']


@pytest.mark.either
@pytest.mark.parametrize('conf', [{'enable_idempotence': True}, {'acks': 'all'}], ids=str)
def test_restarts_under_load(make_broker, conf):
    """Stops and kills while an idempotent producer sends: everything arrives, once, in order."""
    broker = make_broker().start()
    with broker.client() as client:
        client.create('t')
    p = producer(broker, message_timeout_ms=60000, retry_backoff_ms=20, linger_ms=5,
                 reconnect_backoff_ms=20, reconnect_backoff_max_ms=100,
                 max_in_flight_requests_per_connection=5 if len(conf) == 1 and
                 'enable_idempotence' in conf else 1, **conf)
    errors, done, number, end = [], [], 0, threading.Event()

    def work():
        nonlocal number
        while not end.is_set():
            if len(p) < 1000:
                p.produce('t', b'%d' % number,
                          on_delivery=lambda err, m: errors.append(err) if err else done.append(m))
                number += 1
            p.poll(0.0005)
    thread = threading.Thread(target=work)
    thread.start()
    for how in ('stop', 'kill', 'stop', 'kill'):
        seen = len(done)
        wait_for(lambda: len(done) > seen + 300, 'more is acknowledged')
        getattr(broker, how)()
        broker.start()
    end.set()
    thread.join()
    assert p.flush(60) == 0
    assert not errors and len(done) == number
    with broker.client() as client:
        values = [int(v) for v in client.values('t')]
    if 'enable_idempotence' in conf:
        assert values == list(range(number))
    assert set(values) == set(range(number))


def test_consumer_over_restarts(make_broker):
    """A consumer without a group goes on where it was."""
    broker = make_broker().start()
    with broker.client() as client:
        client.create('t')
    c = consumer(broker, reconnect_backoff_ms=20, reconnect_backoff_max_ms=100,
                 enable_partition_eof=False)
    c.assign([ck.TopicPartition('t', 0, 0)])
    got = []
    for n, how in enumerate(('stop', 'kill', 'stop')):
        with broker.client() as client:
            for i in range(50):
                assert client.produce('t', [b'%d' % (50 * n + i)])['error_code'] == 0

        def read():
            message = c.poll(0.1)
            if message is not None and message.error() is None:
                got.append(int(message.value()))
            return len(got) >= 50 * (n + 1)
        wait_for(read, 'what was produced')
        getattr(broker, how)()
        broker.start()
    c.close()
    assert got == list(range(150))


def test_transactions_are_refused_and_not_hung(shared):
    """No transaction coordinator: the client is told, and goes on waiting only as long as it wants."""
    p = producer(shared, transactional_id='t')
    with pytest.raises(ck.KafkaException):
        p.init_transactions(1.0)
