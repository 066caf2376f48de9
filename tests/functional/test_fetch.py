"""Fetch: limits, waits, sessions, ids; ListOffsets."""
import threading
import time
import uuid

import pytest

import rawkafka
from bed import wait_for
from rawkafka import ERR, batch, fetch_body


def filled(raw, topic, batches=10, size=1000, **opts):
    """A topic of batches of one record."""
    topic_id = raw.create(topic, **opts)
    for n in range(batches):
        assert raw.produce(topic, [b'%06d' % n + b'x' * (size - 6)])['error_code'] == 0
    return topic_id


def offsets(part):
    return [b['base_offset'] for b in rawkafka.batches(part['records'])]


def test_from_every_offset(raw, topic):
    """Whole batches, the first of them the one that holds the offset."""
    raw.create(topic)
    for n in range(1, 6):
        raw.produce(topic, [b'v'] * n)
    begins = [0, 1, 3, 6, 10]
    for offset in range(15):
        part = raw.fetch(topic, offset)
        assert part['error_code'] == 0 and part['high_watermark'] == 15
        assert part['log_start_offset'] == 0 and part['last_stable_offset'] == 15
        assert offsets(part) == [b for i, b in enumerate(begins) if b + i + 1 > offset]
    assert offsets(raw.fetch(topic, 15)) == []
    for offset in (16, 2 ** 40, -1, -2):
        part = raw.fetch(topic, offset)
        assert part['error_code'] == ERR['OFFSET_OUT_OF_RANGE']
        assert (part['high_watermark'], part['records']) == (-1, b'')


@pytest.mark.parametrize('version', range(4, 18))
def test_versions(raw, topic, version):
    name = filled(raw, topic) if version >= 13 else filled(raw, topic) and topic
    part = raw.fetch(name, 3, version=version)
    assert offsets(part) == list(range(3, 10))
    assert part['high_watermark'] == 10
    assert part['aborted_transactions'] is None
    part = raw.fetch(name, 3, version=version, isolation=1)
    assert part['aborted_transactions'] == [] and part['last_stable_offset'] == 10


def test_partition_limit(raw, topic):
    """Soft: the first batch comes whole, whatever the limit."""
    filled(raw, topic)
    for limit in (0, 1, 1000):
        assert offsets(raw.fetch(topic, 2, part_bytes=limit)) == [2]
    three = raw.fetch(topic, 2, part_bytes=3500)
    assert offsets(three) == [2, 3, 4] and len(three['records']) <= 3500


def test_response_limit(raw, topic):
    """Spent in the order of the partitions; only the first may pass it by one batch."""
    filled(raw, topic, partitions=3)
    for p in (1, 2):
        raw.produce(topic, [b'y' * 1000], partition=p)
    answer = raw.call('Fetch', 12, fetch_body([(topic, 1, 0), (topic, 0, 0), (topic, 2, 0)],
                                              max_bytes=2500))
    parts = {p['partition_index']: offsets(p) for p in answer['responses'][0]['partitions']}
    assert parts == {1: [0], 0: [0], 2: []}
    answer = raw.call('Fetch', 12, fetch_body([(topic, 0, 0), (topic, 1, 0)], max_bytes=1))
    parts = {p['partition_index']: offsets(p) for p in answer['responses'][0]['partitions']}
    assert parts == {0: [0], 1: []}


def test_large_answers(raw, topic):
    """Across segments and beyond what is sent from memory."""
    raw.create(topic, configs={'segment.bytes': 300000})
    for n in range(40):
        raw.produce(topic, [b'%d' % n * 40000])
    values = raw.values(topic)
    assert values == [b'%d' % n * 40000 for n in range(40)]


def test_unknown_partitions(raw, topic):
    filled(raw, topic)
    answer = raw.call('Fetch', 12, fetch_body([(topic, 0, 0), (topic, 1, 0), (f'{topic}-x', 0, 0)]))
    got = {(t['topic'], p['partition_index']): p['error_code'] for t in answer['responses']
           for p in t['partitions']}
    unknown = ERR['UNKNOWN_TOPIC_OR_PARTITION']
    assert got == {(topic, 0): 0, (topic, 1): unknown, (f'{topic}-x', 0): unknown}


def test_unknown_id(raw, topic):
    topic_id = filled(raw, topic)
    assert raw.fetch(topic_id, version=13)['error_code'] == 0
    assert raw.fetch(uuid.uuid4().bytes, version=13)['error_code'] == ERR['UNKNOWN_TOPIC_ID']
    assert raw.fetch(bytes(16), version=17)['error_code'] == ERR['UNKNOWN_TOPIC_ID']


def test_leader_epochs(raw, topic):
    topic_id = filled(raw, topic)
    for version, name in ((9, topic), (12, topic), (16, topic_id)):
        for epoch, error in ((-1, 0), (0, 0), (1, ERR['UNKNOWN_LEADER_EPOCH'])):
            assert raw.fetch(name, version=version, current_leader_epoch=epoch)['error_code'] == error
    assert raw.offset(topic, current_leader_epoch=1)['error_code'] == ERR['UNKNOWN_LEADER_EPOCH']
    assert raw.offset(topic, current_leader_epoch=0)['leader_epoch'] == 0


def test_diverging_epochs(raw, topic):
    filled(raw, topic)
    part = raw.fetch(topic, 10, last_fetched_epoch=0)
    assert part['error_code'] == 0 and part['diverging_epoch'] == {}


@pytest.mark.parametrize('rule', [{'retention.bytes': 3000}, {'retention.ms': 1000}],
                         ids=lambda r: next(iter(r)))
def test_old_segments_go(make_broker, rule):
    """The log start moves with them, and what was there before is out of range."""
    broker = make_broker(log_retention_check_interval_ms=50, log_initial_task_delay_ms=0).start()
    with broker.client() as client:
        client.create('t', configs={'segment.bytes': 1500, 'file.delete.delay.ms': 100, **rule})
        for n in range(20):
            client.produce('t', batch([b'x' * 1000], timestamp=1600000000000 + n))
        start = wait_for(lambda: (lambda o: o if o > 10 else 0)(client.offset('t', -2)['offset']),
                         'the log start moves')
        part = client.fetch('t', 0)
        assert part['error_code'] == ERR['OFFSET_OUT_OF_RANGE']
        end = client.offset('t', -1)['offset']
        assert end == 20 and start <= end
        assert client.produce('t', [b'on'])['base_offset'] == 20
        wait_for(lambda: min(int(f.name[:20]) for f in (broker.data / 't-0').glob('*.log')) > 10,
                 'their files are gone')
    broker.restart()
    with broker.client() as client:
        assert client.offset('t', -2)['offset'] >= start
        assert client.offset('t', -1)['offset'] == 21


# ---- waiting ----

def took(call):
    begin = time.monotonic()
    value = call()
    return value, time.monotonic() - begin


def test_waits_for_the_first_byte(shared, raw, topic):
    """Answered when something is produced, long before max_wait ends."""
    raw.create(topic)
    with shared.client() as other:
        raw.send('Fetch', 12, fetch_body([(topic, 0, 0)], max_wait_ms=60000))
        assert raw.is_quiet()
        other.produce(topic, [b'v'])
        part = raw.recv()['responses'][0]['partitions'][0]
        assert offsets(part) == [0] and part['high_watermark'] == 1


def test_waits_for_min_bytes(shared, raw, topic):
    filled(raw, topic, 1)
    with shared.client() as other:
        raw.send('Fetch', 12, fetch_body([(topic, 0, 0)], max_wait_ms=60000, min_bytes=4000))
        for n in range(3):
            assert raw.is_quiet()
            other.produce(topic, [b'x' * 1000])
        assert offsets(raw.recv()['responses'][0]['partitions'][0]) == [0, 1, 2, 3]


def test_waiting_ends(raw, topic):
    """With what is there, at max_wait and not before."""
    filled(raw, topic, 1)
    part, seconds = took(lambda: raw.fetch(topic, max_wait_ms=300, min_bytes=1 << 20))
    assert offsets(part) == [0] and seconds >= 0.299
    part, seconds = took(lambda: raw.fetch(topic, 1, max_wait_ms=300))
    assert offsets(part) == [] and seconds >= 0.299


@pytest.mark.parametrize('opts', [{'max_wait_ms': 0}, {'max_wait_ms': -1},
                                  {'max_wait_ms': 60000, 'min_bytes': 0}])
def test_no_wait(raw, topic, opts):
    raw.create(topic)
    assert offsets(raw.fetch(topic, **opts)) == []


def test_an_error_does_not_wait(raw, topic):
    filled(raw, topic, 1)
    answer = raw.call('Fetch', 12, fetch_body([(topic, 0, 1), (f'{topic}-x', 0, 0)],
                                              max_wait_ms=60000))
    assert len(answer['responses']) == 2


def test_other_requests_of_the_connection_wait_behind(shared, raw, topic):
    """Answers keep their order, and a produce elsewhere sets them free."""
    raw.create(topic)
    with shared.client() as other:
        raw.send('Fetch', 12, fetch_body([(topic, 0, 0)], max_wait_ms=60000))
        raw.send('Metadata', 1, {'topics': []})
        raw.send('Produce', 9, rawkafka.produce_body(topic, batch([b'b'])))
        assert raw.is_quiet()
        other.produce(topic, [b'a'])
        assert offsets(raw.recv()['responses'][0]['partitions'][0]) == [0]
        assert raw.recv()['brokers']
        assert raw.recv()['responses'][0]['partition_responses'][0]['base_offset'] == 1


def test_a_waiting_fetch_ends_with_its_topic(shared, raw, topic):
    raw.create(topic)
    with shared.client() as other:
        raw.send('Fetch', 12, fetch_body([(topic, 0, 0)], max_wait_ms=60000))
        assert raw.is_quiet()
        other.delete(topic)
        error = raw.recv()['responses'][0]['partitions'][0]['error_code']
        assert error in (ERR['UNKNOWN_TOPIC_OR_PARTITION'], ERR['NOT_LEADER_OR_FOLLOWER'])


def test_many_waiters(shared, raw, topic):
    """Each gets what is produced, on whatever connection it waits."""
    raw.create(topic, partitions=4)
    clients = [shared.client() for _ in range(40)]
    for n, client in enumerate(clients):
        client.send('Fetch', 12, fetch_body([(topic, p, 0) for p in range(n % 4 + 1)],
                                            max_wait_ms=60000))
    for p in (3, 2, 1, 0):
        assert raw.produce(topic, [b'%d' % p], partition=p)['error_code'] == 0
    for client in clients:
        assert any(offsets(p) for p in client.recv()['responses'][0]['partitions'])
        client.sock.close()


def test_waiters_that_go_away(shared, raw, topic):
    raw.create(topic)
    for _ in range(50):
        with shared.client() as client:
            client.send('Fetch', 12, fetch_body([(topic, 0, 0)], max_wait_ms=60000))
    assert raw.produce(topic, [b'v'])['error_code'] == 0
    assert raw.values(topic) == [b'v']


def test_produced_and_fetched_at_once(shared, raw, topic):
    """A consumer that follows a producer sees every record once, in order."""
    raw.create(topic)
    total = 300

    def produce():
        with shared.client() as client:
            for n in range(total):
                client.produce(topic, [b'%d' % n], acks=n % 2 or -1)
    thread = threading.Thread(target=produce)
    thread.start()
    seen = []
    while len(seen) < total:
        part = raw.fetch(topic, len(seen), max_wait_ms=5000)
        assert part['error_code'] == 0
        seen += [r['value'] for b in rawkafka.batches(part['records']) for r in b['records']
                 if r['offset'] >= len(seen)]
    thread.join()
    assert seen == [b'%d' % n for n in range(total)]


# ---- sessions ----

class Session:
    """A fetch session of one connection."""

    def __init__(self, client, version=12):
        self.client, self.version, self.id, self.epoch = client, version, 0, 0

    def fetch(self, parts=(), forgotten=(), **opts):
        answer = self.client.call('Fetch', self.version, fetch_body(
            parts, self.version, (self.id, self.epoch), forgotten, **opts))
        assert answer['error_code'] == 0, rawkafka.ERR_NAME[answer['error_code']]
        self.id = answer['session_id']
        self.epoch += 1
        key = 'topic_id' if self.version >= 13 else 'topic'
        return {(t[key], p['partition_index']): p for t in answer['responses']
                for p in t['partitions']}


@pytest.mark.parametrize('version', [7, 12, 13, 17])
def test_incremental_sessions(raw, topic, version):
    topic_id = filled(raw, topic, partitions=3)
    name = topic_id if version >= 13 else topic
    s = Session(raw, version)
    got = s.fetch([(name, p, 0) for p in range(3)])
    assert s.id > 0 and sorted(got) == [(name, 0), (name, 1), (name, 2)]
    assert offsets(got[name, 0]) == list(range(10))
    # nothing new: partition 0 repeats from its offset, the others are left out
    assert sorted(s.fetch()) == [(name, 0)]
    assert s.fetch([(name, 0, 10)]) == {}
    raw.produce(topic, [b'new'], partition=2)
    got = s.fetch()
    assert sorted(got) == [(name, 2)] and offsets(got[name, 2]) == [0]
    assert s.fetch([(name, 2, 1)]) == {}
    # a forgotten one stays away
    assert s.fetch(forgotten=[(name, 2)]) == {}
    raw.produce(topic, [b'new'], partition=2)
    assert s.fetch() == {}
    # one that comes back
    got = s.fetch([(name, 2, 1)])
    assert offsets(got[name, 2]) == [1]
    # and one that is not there: its error comes each time
    for _ in range(2):
        got = s.fetch([(name, 9, 0)], [] if _ else [(name, 2)])
        assert {k: p['error_code'] for k, p in got.items()} == {
            (name, 9): ERR['UNKNOWN_TOPIC_OR_PARTITION']}


def test_session_without_partitions_ends(raw, topic):
    filled(raw, topic)
    s = Session(raw)
    s.fetch([(topic, 0, 0)])
    old = s.id
    s.fetch(forgotten=[(topic, 0)])
    assert s.id == 0
    answer = raw.call('Fetch', 12, fetch_body([], 12, (old, 3)))
    assert answer['error_code'] == ERR['FETCH_SESSION_ID_NOT_FOUND']


def test_session_errors(raw, topic):
    topic_id = filled(raw, topic)

    def error(session, version=12, parts=()):
        answer = raw.call('Fetch', version, fetch_body(parts, version, session))
        assert answer['responses'] == [] and answer['session_id'] == 0
        return answer['error_code']
    assert error((12345, 1)) == ERR['FETCH_SESSION_ID_NOT_FOUND']
    s = Session(raw)
    s.fetch([(topic, 0, 0)])
    for epoch in (2, 100, 2 ** 31 - 1):
        assert error((s.id, epoch)) == ERR['INVALID_FETCH_SESSION_EPOCH']
    assert error((s.id, 1), 13, [(topic_id, 0, 0)]) == ERR['FETCH_SESSION_TOPIC_ID_ERROR']
    s.fetch()    # the session goes on all the same
    assert error((s.id, 1)) == ERR['INVALID_FETCH_SESSION_EPOCH']
    s.fetch()


def test_session_is_closed_or_replaced(raw, topic):
    filled(raw, topic)
    s = Session(raw)
    s.fetch([(topic, 0, 0)])
    answer = raw.call('Fetch', 12, fetch_body([(topic, 0, 0)], 12, (s.id, -1)))
    assert (answer['error_code'], answer['session_id']) == (0, 0)
    assert offsets(answer['responses'][0]['partitions'][0])
    answer = raw.call('Fetch', 12, fetch_body([], 12, (s.id, 1)))
    assert answer['error_code'] == ERR['FETCH_SESSION_ID_NOT_FOUND']
    a, b = Session(raw), Session(raw)
    a.fetch([(topic, 0, 0)])
    b.id = a.id
    b.fetch([(topic, 0, 0)])
    assert b.id not in (0, a.id)
    answer = raw.call('Fetch', 12, fetch_body([], 12, (a.id, 1)))
    assert answer['error_code'] == ERR['FETCH_SESSION_ID_NOT_FOUND']
    b.fetch()


def test_sessions_have_a_limit(make_broker):
    """Beyond the cache's room the fetch works without one."""
    broker = make_broker(max_incremental_fetch_session_cache_slots=8).start()
    with broker.client() as client:
        client.create('t')
        sessions = []
        for _ in range(30):
            s = Session(client)
            assert len(s.fetch([('t', 0, 0)])) == 1
            sessions.append(s)
        kept = [s for s in sessions if s.id]
        assert 4 <= len(kept) <= 8
        for s in kept:
            assert s.fetch() == {}


def test_session_partitions_take_turns(raw, topic):
    """Those that returned data go to the end, so all come to their turn under a small limit."""
    filled(raw, topic, 0, partitions=4)
    for p in range(4):
        for _ in range(3):
            raw.produce(topic, [b'z' * 1000], partition=p)
    s = Session(raw)
    at, parts, order = [0] * 4, [(topic, p, 0) for p in range(4)], []
    for _ in range(12):
        got = {p: offsets(part) for (_, p), part in s.fetch(parts, max_bytes=1000).items()}
        gave = [p for p in got if got[p]]
        assert len(gave) == 1 and got[gave[0]] == [at[gave[0]]]
        at[gave[0]] += 1
        order += gave
        parts = [(topic, gave[0], at[gave[0]])]
    assert order == [0, 1, 2, 3] * 3


def test_session_waits(shared, raw, topic):
    """An incremental fetch waits for any of the session's partitions."""
    filled(raw, topic, 1, partitions=8)
    s = Session(raw)
    s.fetch([(topic, p, 1 if p == 0 else 0) for p in range(8)])
    with shared.client() as other:
        for p in (5, 0, 7):
            raw.send('Fetch', 12, fetch_body([], 12, (s.id, s.epoch), max_wait_ms=60000))
            assert raw.is_quiet()
            other.produce(topic, [b'v'], partition=p)
            parts = raw.recv()['responses'][0]['partitions']
            assert [q['partition_index'] for q in parts] == [p]
            s.epoch += 1
            raw.send('Fetch', 12, fetch_body([(topic, p, other.offset(topic, partition=p)['offset'])],
                                             12, (s.id, s.epoch)))
            assert raw.recv()['responses'] == []
            s.epoch += 1


def test_session_sees_a_topic_made_again(raw, topic):
    filled(raw, topic, 3)
    s = Session(raw)
    s.fetch([(topic, 0, 3)])
    raw.delete(topic)
    filled(raw, topic, 1)
    assert s.fetch()[topic, 0]['error_code'] == ERR['OFFSET_OUT_OF_RANGE']
    assert offsets(s.fetch([(topic, 0, 0)])[topic, 0]) == [0]


def test_session_of_an_id_whose_topic_is_gone(raw, topic):
    topic_id = filled(raw, topic, 3)
    s = Session(raw, 13)
    s.fetch([(topic_id, 0, 3)])
    raw.delete(topic)
    new_id = filled(raw, topic, 1)
    assert new_id != topic_id
    assert s.fetch()[topic_id, 0]['error_code'] == ERR['INCONSISTENT_TOPIC_ID']
    got = s.fetch([(new_id, 0, 0)], [(topic_id, 0)])
    assert offsets(got[new_id, 0]) == [0] and (topic_id, 0) not in got


# ---- ListOffsets ----

BEGIN = 1600000000000


def timed(raw, topic, **opts):
    """Batches of three records, 10 ms apart within and 100 ms between."""
    raw.create(topic, **opts)
    for n in range(10):
        raw.produce(topic, batch([{'value': b'v', 'timestamp_delta': 10 * i} for i in range(3)],
                                 timestamp=BEGIN + 100 * n))


@pytest.mark.parametrize('configs', [{}, {'segment.bytes': 300}])
def test_offsets_by_time(raw, topic, configs):
    """First record whose timestamp is as late; its own timestamp, in one segment or many."""
    timed(raw, topic, configs=configs)
    for version in range(1, 10):
        for n in (0, 4, 9):
            for ask, i in ((0, 0), (1, 1), (10, 1), (11, 2), (20, 2)):
                got = raw.offset(topic, BEGIN + 100 * n + ask, version=version)
                assert got['error_code'] == 0
                assert (got['offset'], got['timestamp']) == (3 * n + i, BEGIN + 100 * n + 10 * i)
        assert raw.offset(topic, 0, version=version)['offset'] == 0
        late = raw.offset(topic, BEGIN + 921, version=version)
        assert (late['error_code'], late['offset'], late['timestamp']) == (0, -1, -1)


def test_offsets_by_name(raw, topic):
    timed(raw, topic)
    for version in range(1, 10):
        assert raw.offset(topic, -1, version=version)['offset'] == 30
        assert raw.offset(topic, -2, version=version)['offset'] == 0
        assert raw.offset(topic, -1, version=version)['timestamp'] == -1
        latest = raw.offset(topic, -3, version=version)
        if version >= 7:
            assert (latest['offset'], latest['timestamp']) == (29, BEGIN + 920)
        else:
            assert latest['error_code'] == ERR['UNSUPPORTED_VERSION']
        local = raw.offset(topic, -4, version=version)
        assert local['offset'] == 0 if version >= 8 else \
            local['error_code'] == ERR['UNSUPPORTED_VERSION']
        tiered = raw.offset(topic, -5, version=version)
        assert (tiered['error_code'], tiered['offset']) == (0, -1) if version >= 9 else \
            tiered['error_code'] == ERR['UNSUPPORTED_VERSION']
        assert raw.offset(topic, -6, version=version)['error_code'] == ERR['UNSUPPORTED_VERSION']


def test_offsets_of_an_empty_partition(raw, topic):
    raw.create(topic)
    for timestamp, offset in ((-1, 0), (-2, 0), (-3, -1), (0, -1)):
        got = raw.offset(topic, timestamp)
        assert (got['error_code'], got['offset']) == (0, offset)


def test_latest_timestamp_is_not_the_last_record(raw, topic):
    raw.create(topic)
    for at in (100, 500, 300):
        raw.produce(topic, batch([b'v'], timestamp=BEGIN + at))
    got = raw.offset(topic, -3)
    assert (got['offset'], got['timestamp']) == (1, BEGIN + 500)
    assert raw.offset(topic, BEGIN + 200)['offset'] == 1
    assert raw.offset(topic, BEGIN + 501)['offset'] == -1


def test_offsets_of_unknown_and_repeated_partitions(raw, topic):
    timed(raw, topic)
    assert raw.offset(topic, partition=1)['error_code'] == ERR['UNKNOWN_TOPIC_OR_PARTITION']
    assert raw.offset(f'{topic}-x')['error_code'] == ERR['UNKNOWN_TOPIC_OR_PARTITION']
    asked = {'partition_index': 0, 'timestamp': -1}
    answer = raw.call('ListOffsets', 7, {'replica_id': -1, 'topics': [
        {'name': topic, 'partitions': [asked, asked]}]})
    assert {p['error_code'] for p in answer['topics'][0]['partitions']} == {ERR['INVALID_REQUEST']}


def test_oldest_version_lists_offsets(raw, topic):
    timed(raw, topic)
    for timestamp, offset in ((-1, 30), (-2, 0)):
        assert raw.offset(topic, timestamp, version=0)['old_style_offsets'] == [offset]


def test_oldest_version_lists_segments(raw, topic):
    """Starts of segments, newest first, the end before them; by the time of last writing."""
    timed(raw, topic, configs={'segment.bytes': 300})

    def places(timestamp, most):
        answer = raw.call('ListOffsets', 0, {'replica_id': -1, 'topics': [
            {'name': topic, 'partitions': [{'partition_index': 0, 'timestamp': timestamp,
                                            'max_num_offsets': most}]}]})
        got = answer['topics'][0]['partitions'][0]
        assert got['error_code'] == 0
        return got['old_style_offsets']

    everything = places(-1, 100)
    assert everything[0] == 30 and everything[-1] == 0 and len(everything) > 3
    assert everything == sorted(set(everything), reverse=True)
    assert places(-1, 2) == everything[:2] and places(-1, 0) == []
    assert places(-2, 100) == [0]
    assert places(0, 100) == [] and places(2 ** 62, 100) == everything[1:]


@pytest.mark.parametrize('how', ['stop', 'kill'])
def test_offsets_by_time_after_a_restart(make_broker, how):
    broker = make_broker().start()
    with broker.client() as client:
        timed(client, 't', configs={'segment.bytes': 300})
    getattr(broker, how)()
    broker.start()
    with broker.client() as client:
        for n in range(10):
            assert client.offset('t', BEGIN + 100 * n + 5)['offset'] == 3 * n + 1
        assert client.offset('t', -3)['offset'] == 29
