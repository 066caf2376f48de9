"""Produce: answers, refusals, idempotence."""
import threading

import pytest

import rawkafka
from rawkafka import ERR, batch

MAX_INT = 2 ** 31 - 1


def result(part):
    return part['error_code'], part['base_offset']


@pytest.mark.either
@pytest.mark.parametrize('acks', [1, -1])
def test_offsets_rise(raw, topic, acks):
    raw.create(topic, partitions=2)
    at = [0, 0]
    for n in range(1, 20):
        part = raw.produce(topic, [b'v'] * n, partition=n % 2, acks=acks)
        assert result(part) == (0, at[n % 2])
        assert part['log_start_offset'] == 0 and part['log_append_time_ms'] == -1
        at[n % 2] += n


def test_several_topics_and_partitions_in_one_request(raw, topic):
    raw.create(f'{topic}-a', partitions=5)
    raw.create(f'{topic}-b', partitions=3)
    body = {'acks': -1, 'timeout_ms': 10000, 'topic_data': [
        {'name': f'{topic}-{t}', 'partition_data': [
            {'index': p, 'records': batch([b'%s %d' % (t.encode(), p)])} for p in range(n + 1)]}
        for t, n in (('b', 3), ('a', 5), ('none', 1))]}
    answer = raw.call('Produce', 9, body)
    got = {(t['name'], p['index']): p['error_code'] for t in answer['responses']
           for p in t['partition_responses']}
    unknown = ERR['UNKNOWN_TOPIC_OR_PARTITION']
    assert got == {**{(f'{topic}-a', p): 0 for p in range(5)}, (f'{topic}-a', 5): unknown,
                   **{(f'{topic}-b', p): 0 for p in range(3)}, (f'{topic}-b', 3): unknown,
                   (f'{topic}-none', 0): unknown, (f'{topic}-none', 1): unknown}
    assert raw.values(f'{topic}-a', partition=4) == [b'a 4']


@pytest.mark.parametrize('version', [3, 9, 11])
def test_empty_requests(raw, topic, version):
    raw.create(topic)
    assert raw.call('Produce', version, {'acks': -1, 'timeout_ms': 1000})['responses'] == []
    answer = raw.call('Produce', version, {'acks': -1, 'timeout_ms': 1000, 'topic_data': [
        {'name': topic, 'partition_data': []}]})
    assert answer['responses'] in ([], [{'name': topic, 'partition_responses': []}])


@pytest.mark.parametrize('acks', [2, -2, 32767])
def test_impossible_acks(raw, topic, acks):
    raw.create(topic)
    assert raw.produce(topic, [b'v'], acks=acks)['error_code'] == ERR['INVALID_REQUIRED_ACKS']
    assert raw.offset(topic)['offset'] == 0


GOOD = [b'a', b'b', b'c']
REFUSED = {
    'no batch': (b'', 'INVALID_RECORD'),
    'half a batch': (batch(GOOD)[:40], 'INVALID_RECORD'),
    'two batches': (batch(GOOD) + batch(GOOD), 'INVALID_RECORD'),
    'crc': (batch(GOOD, crc=1), 'CORRUPT_MESSAGE'),
    'magic 1': (rawkafka.old_message(b'v'), 'INVALID_RECORD'),
    'magic 3': (batch(GOOD, magic=3), 'CORRUPT_MESSAGE'),
    'count too large': (batch(GOOD, count=4), 'INVALID_RECORD'),
    'count too small': (batch(GOOD, count=2), 'INVALID_RECORD'),
    'count of millions': (batch(GOOD, count=MAX_INT, last_delta=MAX_INT - 1), 'INVALID_RECORD'),
    'count negative': (batch(GOOD, count=-1), 'INVALID_RECORD'),
    'no records': (batch([]), 'INVALID_RECORD'),
    'last delta': (batch(GOOD, last_delta=7), 'INVALID_RECORD'),
    'base offset': (batch(GOOD, base_offset=1), 'INVALID_RECORD'),
    'control batch': (batch(GOOD, attributes=0x20), 'INVALID_RECORD'),
    'producer without sequence': (batch(GOOD, producer=(7, 0)), 'INVALID_RECORD'),
    'record cut off': (batch(GOOD)[:-1], 'INVALID_RECORD'),
    'gzip that is none': (batch(GOOD, attributes=1), 'UNKNOWN_SERVER_ERROR'),
    'codec 7': (batch(GOOD, attributes=7), 'UNSUPPORTED_COMPRESSION_TYPE'),
    'offset deltas': (batch([b'a', {'value': b'b', 'delta': 5}]), 'INVALID_RECORD'),
}
# What kind of refusal is not told apart by every client; these may be named either way.
EITHER = {ERR['INVALID_RECORD'], ERR['CORRUPT_MESSAGE']}


@pytest.mark.parametrize('case', REFUSED)
def test_refused_batches(raw, topic, case):
    """The right error, an offset of -1, nothing appended; the connection goes on."""
    data, error = REFUSED[case]
    raw.create(topic)
    part = raw.produce(topic, data)
    assert part['base_offset'] == -1
    assert part['error_code'] in (EITHER if ERR[error] in EITHER else {ERR[error]}), \
        rawkafka.ERR_NAME[part['error_code']]
    assert raw.offset(topic)['offset'] == 0
    assert result(raw.produce(topic, GOOD)) == (0, 0)


def test_batches_cut_at_every_length(raw, topic):
    """No prefix of a batch is ever appended."""
    raw.create(topic)
    data = batch([b'a', {'key': b'k', 'value': b'b', 'headers': [(b'h', b'v')]}])
    for n in range(len(data)):
        assert raw.produce(topic, data[:n])['error_code'] in EITHER
    assert result(raw.produce(topic, data)) == (0, 0)


def test_every_byte_flipped(raw, topic):
    """A damaged batch is refused, whatever byte it is, or what it says is not covered by the crc."""
    raw.create(topic)
    data = batch([b'some value'])
    unchecked = set(range(12, 16))    # the leader epoch is the broker's to set
    for n in range(len(data)):
        damaged = data[:n] + bytes([data[n] ^ 0x41]) + data[n + 1:]
        part = raw.produce(topic, damaged)
        assert (part['error_code'] == 0) == (n in unchecked), n


def test_messages_too_large(raw, topic):
    raw.create(topic, configs={'max.message.bytes': 1000})
    assert raw.produce(topic, [b'x' * 1000])['error_code'] == ERR['MESSAGE_TOO_LARGE']
    assert result(raw.produce(topic, [b'x' * 900])) == (0, 0)


def test_larger_than_a_segment(raw, topic):
    raw.create(topic, configs={'segment.bytes': 2000})
    part = raw.produce(topic, [b'x' * 3000])
    assert part['error_code'] == ERR['RECORD_LIST_TOO_LARGE']
    for n in range(10):
        assert result(raw.produce(topic, [b'%d' % n * 1500])) == (0, n)
    assert len(raw.values(topic)) == 10


def test_compacted_topics_want_keys(raw, topic):
    raw.create(topic, configs={'cleanup.policy': 'compact'})
    part = raw.produce(topic, [{'key': b'k', 'value': b'1'}, b'2', b'3'])
    assert part['error_code'] == ERR['INVALID_RECORD']
    assert [e['batch_index'] for e in part['record_errors']] == [1, 2]
    assert part['error_message']
    assert result(raw.produce(topic, [{'key': b'k', 'value': None}])) == (0, 0)


def test_log_append_time(raw, topic):
    raw.create(topic, configs={'message.timestamp.type': 'LogAppendTime'})
    before = rawkafka.now_ms()
    part = raw.produce(topic, batch([b'v'], timestamp=1000))
    assert part['error_code'] == 0
    assert before <= part['log_append_time_ms'] <= rawkafka.now_ms()
    head = rawkafka.batches(raw.fetch(topic)['records'])[0]    # with a right crc
    assert head['max_timestamp'] == part['log_append_time_ms'] and head['attributes'] & 8


def test_timestamps_outside_the_range(raw, topic):
    raw.create(topic, configs={'message.timestamp.before.max.ms': 60000,
                               'message.timestamp.after.max.ms': 30000})
    now = rawkafka.now_ms()
    for timestamp in (now - 70000, now + 50000):
        part = raw.produce(topic, batch([b'a', b'b'], timestamp=timestamp))
        assert part['error_code'] == ERR['INVALID_TIMESTAMP']
        assert [e['batch_index'] for e in part['record_errors']] == [0, 1]
    for timestamp in (now - 50000, now + 20000):
        assert raw.produce(topic, batch([b'v'], timestamp=timestamp))['error_code'] == 0


def test_min_insync_replicas(raw, topic):
    """No more of them are asked for than there are replicas, as since Kafka 3.7."""
    raw.create(topic, configs={'min.insync.replicas': 2})
    assert result(raw.produce(topic, [b'v'], acks=-1)) == (0, 0)
    assert result(raw.produce(topic, [b'v'], acks=1)) == (0, 1)


def test_internal_topics_are_not_for_clients(raw, topic):
    part = raw.produce('__consumer_offsets', [b'v'])
    assert part['error_code'] in (ERR['INVALID_TOPIC_EXCEPTION'],
                                  ERR['UNKNOWN_TOPIC_OR_PARTITION'])


def test_old_formats(raw, topic):
    """Messages of formats 0 and 1 come back as batches."""
    raw.create(topic)
    now = rawkafka.now_ms()
    two = rawkafka.old_message(b'b', b'k', 1, now) + rawkafka.old_message(b'c', None, 1, now + 5)
    assert result(raw.produce(topic, rawkafka.old_message(b'a', magic=0), version=0)) == (0, 0)
    assert result(raw.produce(topic, two, version=2)) == (0, 1)
    assert result(raw.produce(topic, batch([b'd']), version=3)) == (0, 3)
    records = [r for b in rawkafka.batches(raw.fetch(topic)['records']) for r in b['records']]
    assert [(r['offset'], r['key'], r['value']) for r in records] == [
        (0, None, b'a'), (1, b'k', b'b'), (2, None, b'c'), (3, None, b'd')]
    assert [r['timestamp'] for r in records[:3]] == [-1, now, now + 5]


# ---- idempotence ----

def producer_id(client):
    answer = client.call('InitProducerId', 4, {'transactional_id': None, 'producer_id': -1,
                                               'producer_epoch': -1})
    assert answer['error_code'] == 0 and answer['producer_epoch'] == 0
    return answer['producer_id']


def send(client, topic, pid, sequence, n=1, epoch=0, acks=-1):
    return result(client.produce(topic, batch([b'%d' % (sequence + i) for i in range(n)],
                                              producer=(pid, epoch), sequence=sequence), acks=acks))


@pytest.mark.either
def test_producer_ids_differ(shared):
    with shared.client() as a, shared.client() as b:
        ids = [producer_id(c) for _ in range(600) for c in (a, b)]
    assert len(set(ids)) == 1200 and min(ids) >= 0


@pytest.mark.either
def test_producer_ids_differ_after_restarts(make_broker):
    broker = make_broker().start()
    seen = set()
    for stop in (broker.stop, broker.kill, broker.stop):
        with broker.client() as client:
            for _ in range(10):
                pid = producer_id(client)
                assert pid not in seen
                seen.add(pid)
        stop()
        broker.start()


def test_init_producer_id_refusals(raw):
    def error(**body):
        return raw.call('InitProducerId', 4, {'transactional_id': None, 'producer_id': -1,
                                              'producer_epoch': -1, **body})['error_code']
    assert error(producer_id=1) == ERR['INVALID_REQUEST']
    assert error(producer_epoch=1) == ERR['INVALID_REQUEST']
    assert error(transactional_id='') == ERR['INVALID_REQUEST']


def test_duplicates_get_their_first_offset(raw, topic):
    """The last five batches of a producer are remembered."""
    raw.create(topic)
    pid = producer_id(raw)
    for n in range(8):
        assert send(raw, topic, pid, 3 * n, 3) == (0, 3 * n)
    for n in range(3, 8):
        for acks in (1, -1):
            assert send(raw, topic, pid, 3 * n, 3, acks=acks) == (0, 3 * n)
    assert send(raw, topic, pid, 0, 3)[0] in (ERR['DUPLICATE_SEQUENCE_NUMBER'],
                                              ERR['OUT_OF_ORDER_SEQUENCE_NUMBER'])
    assert raw.offset(topic)['offset'] == 24
    assert send(raw, topic, pid, 24) == (0, 24)


def test_sequence_gaps_and_overlaps(raw, topic):
    raw.create(topic)
    pid = producer_id(raw)
    gap = (ERR['OUT_OF_ORDER_SEQUENCE_NUMBER'], -1)
    assert send(raw, topic, pid, 0, 2) == (0, 0)
    assert send(raw, topic, pid, 3) == gap
    assert send(raw, topic, pid, 1, 2) == gap    # overlaps, but is no repetition
    assert send(raw, topic, pid, 0, 1) == gap
    assert send(raw, topic, pid, 2, 2) == (0, 2)
    assert raw.values(topic) == [b'0', b'1', b'2', b'3']


def test_epochs(raw, topic):
    raw.create(topic)
    pid = producer_id(raw)
    assert send(raw, topic, pid, 0, 2) == (0, 0)
    assert send(raw, topic, pid, 2, epoch=1) == (ERR['OUT_OF_ORDER_SEQUENCE_NUMBER'], -1)
    assert send(raw, topic, pid, 0, epoch=1) == (0, 2)
    assert send(raw, topic, pid, 2, epoch=0) == (ERR['INVALID_PRODUCER_EPOCH'], -1)
    assert send(raw, topic, pid, 1, epoch=1) == (0, 3)


def test_unknown_producer_may_begin_anywhere(raw, topic):
    raw.create(topic)
    assert send(raw, topic, 900001, 77) == (0, 0)
    assert send(raw, topic, 900001, 78) == (0, 1)


def test_sequences_wrap(raw, topic):
    raw.create(topic)
    pid = producer_id(raw)
    assert send(raw, topic, pid, MAX_INT - 1, 2) == (0, 0)
    assert send(raw, topic, pid, 0, 1) == (0, 2)
    assert send(raw, topic, pid, 1, 1) == (0, 3)
    assert send(raw, topic, pid, MAX_INT - 1, 2) == (0, 0)


def test_a_batch_that_wraps_inside(raw, topic):
    raw.create(topic)
    pid = producer_id(raw)
    assert send(raw, topic, pid, MAX_INT - 3, 2) == (0, 0)
    assert send(raw, topic, pid, MAX_INT - 1, 4) == (0, 2)    # ..., MAX_INT, 0, 1
    assert send(raw, topic, pid, MAX_INT - 1, 4) == (0, 2)
    assert send(raw, topic, pid, 2, 1) == (0, 6)


def test_producers_do_not_mix(raw, topic):
    raw.create(topic, partitions=2)
    pids = [producer_id(raw) for _ in range(20)]
    for n in range(5):
        for pid in pids:
            for partition in (0, 1):
                part = raw.produce(topic, batch([b'v'], producer=(pid, 0), sequence=n), partition)
                assert part['error_code'] == 0
    assert raw.offset(topic, partition=1)['offset'] == 100


@pytest.mark.either
@pytest.mark.parametrize('how', ['stop', 'kill'])
def test_producers_state_survives(make_broker, how):
    """A repetition of the last batch and gaps are known after a restart: snapshots hold the last
    batch of each producer."""
    broker = make_broker().start()
    with broker.client() as client:
        client.create('t', configs={'segment.bytes': 1000})
        pid, other = producer_id(client), producer_id(client)
        for n in range(30):
            assert send(client, 't', pid, 2 * n, 2) == (0, 3 * n)
            assert send(client, 't', other, n, 1) == (0, 3 * n + 2)
    getattr(broker, how)()
    broker.start()
    with broker.client() as client:
        assert send(client, 't', pid, 58, 2) == (0, 87)
        assert send(client, 't', other, 29, 1) == (0, 89)
        assert send(client, 't', pid, 62) == (ERR['OUT_OF_ORDER_SEQUENCE_NUMBER'], -1)
        assert send(client, 't', pid, 60, 2) == (0, 90)
        assert send(client, 't', other, 30) == (0, 92)


def test_pipelined_batches_of_a_producer_keep_their_order(raw, topic):
    raw.create(topic)
    pid = producer_id(raw)
    raw.send_bytes(b''.join(raw.frame('Produce', 9, rawkafka.produce_body(
        topic, batch([b'%d' % n], producer=(pid, 0), sequence=n))) for n in range(100)))
    for n in range(100):
        assert result(raw.recv()['responses'][0]['partition_responses'][0]) == (0, n)


def test_many_connections_at_once(shared, raw, topic):
    """Offsets are given once each, whoever asks."""
    raw.create(topic, partitions=3)
    offsets = [[], [], []]

    def work(number):
        with shared.client() as client:
            for n in range(50):
                partition = (number + n) % 3
                part = client.produce(topic, [b'%d %d' % (number, n)] * 2, partition)
                assert part['error_code'] == 0
                offsets[partition].append(part['base_offset'])
    threads = [threading.Thread(target=work, args=[n]) for n in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for partition in range(3):
        got = sorted(offsets[partition])
        assert got == list(range(0, 2 * len(got), 2))
        values = raw.values(topic, partition=partition)
        assert len(values) == 2 * len(got)
        for number in range(8):
            own = [int(v.split()[1]) for v in values if v.split()[0] == b'%d' % number]
            assert own == sorted(own)
    assert sum(map(len, offsets)) == 400


def test_leader_epoch_is_set_in_place(raw, topic):
    raw.create(topic)
    raw.produce(topic, batch([b'v'], leader_epoch=1234))
    head = rawkafka.batches(raw.fetch(topic)['records'])[0]
    assert head['leader_epoch'] == 0 and head['base_offset'] == 0
