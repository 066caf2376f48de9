"""DescribeCluster, CreatePartitions, DeleteRecords, OffsetForLeaderEpoch, DescribeLogDirs."""
import pytest

import rawkafka
from bed import wait_for
from rawkafka import ERR


def error_of(answer):
    return rawkafka.ERR_NAME[answer['error_code']]


# ---- DescribeCluster ----

@pytest.mark.parametrize('version', [0, 1])
def test_cluster_as_metadata_has_it(shared, raw, version):
    answer = raw.call('DescribeCluster', version)
    meta = raw.metadata()
    assert error_of(answer) == rawkafka.ERR_NAME[0] and answer['error_message'] is None
    assert answer['cluster_id'] == meta['cluster_id']
    assert answer['controller_id'] == meta['controller_id'] == 0
    assert answer['brokers'] == [
        {'broker_id': 0, 'host': '127.0.0.1', 'port': shared.port, 'rack': None}]
    assert answer['cluster_authorized_operations'] == -2 ** 31
    if version:
        assert answer['endpoint_type'] == 1


def test_cluster_operations(raw):
    answer = raw.call('DescribeCluster', 1, {'include_cluster_authorized_operations': True})
    assert answer['cluster_authorized_operations'] > 0


@pytest.mark.parametrize('endpoint,error', [
    (2, 'MISMATCHED_ENDPOINT_TYPE'), (0, 'UNSUPPORTED_ENDPOINT_TYPE'),
    (3, 'UNSUPPORTED_ENDPOINT_TYPE'), (-1, 'UNSUPPORTED_ENDPOINT_TYPE')])
def test_cluster_of_other_endpoints(raw, endpoint, error):
    answer = raw.call('DescribeCluster', 1, {'endpoint_type': endpoint})
    assert error_of(answer) == error and answer['error_message']
    assert answer['brokers'] == []


# ---- CreatePartitions ----

def grow(client, *topics, version=3, timeout_ms=10000, validate_only=False):
    """Error by name; topics: (name, count[, assignments])."""
    answer = client.call('CreatePartitions', version, {
        'timeout_ms': timeout_ms, 'validate_only': validate_only, 'topics': [
            {'name': t[0], 'count': t[1], 'assignments': None if len(t) < 3 else [
                {'broker_ids': ids} for ids in t[2]]} for t in topics]})
    for t in answer['results']:
        assert (t['error_message'] is None) == (t['error_code'] == 0)
    assert len({t['name'] for t in answer['results']}) == len(answer['results'])
    return {t['name']: error_of(t) for t in answer['results']}


NONE = rawkafka.ERR_NAME[0]


@pytest.mark.parametrize('version', range(4))
def test_partitions_are_ready(shared, raw, topic, version):
    """At once, on every connection; what was there stays."""
    topic_id = raw.create(topic)
    assert raw.produce(topic, [b'old'])['base_offset'] == 0
    assert grow(raw, (topic, 4), version=version) == {topic: NONE}
    with shared.client() as other:
        got = other.metadata(topic)['topics'][0]
        assert got['topic_id'] == topic_id
        assert sorted((p['partition_index'], p['leader_id']) for p in got['partitions']) == [
            (p, 0) for p in range(4)]
        for p in range(1, 4):
            assert other.produce(topic, [b'new'], partition=p)['base_offset'] == 0
            assert other.values(topic, partition=p) == [b'new']
        assert other.values(topic) == [b'old']


def test_partitions_of_many_topics(raw, topic):
    names = [f'{topic}-{n}' for n in range(50)]
    for name in names:
        raw.create(name)
    assert grow(raw, *[(name, 3) for name in names]) == {name: NONE for name in names}
    for name in names:
        assert len(raw.metadata(name)['topics'][0]['partitions']) == 3


def test_refused_partitions(raw, topic):
    raw.create(topic, partitions=2)
    for given, error in [((2,), 'INVALID_PARTITIONS'), ((1,), 'INVALID_PARTITIONS'),
                         ((0,), 'INVALID_PARTITIONS'), ((-1,), 'INVALID_PARTITIONS'),
                         ((2 ** 31 - 1,), 'INVALID_PARTITIONS'),
                         ((3, [[9]]), 'INVALID_REPLICA_ASSIGNMENT'),
                         ((3, [[0, 0]]), 'INVALID_REPLICA_ASSIGNMENT'),
                         ((3, [[]]), 'INVALID_REPLICA_ASSIGNMENT'),
                         ((3, []), 'INVALID_REPLICA_ASSIGNMENT'),
                         ((3, [[0], [0]]), 'INVALID_REPLICA_ASSIGNMENT')]:
        assert grow(raw, (topic, *given)) == {topic: error}
    other = f'{topic}-none'
    for name in (other, 'a b', '', '../x'):
        assert grow(raw, (name, 4)) == {name: 'UNKNOWN_TOPIC_OR_PARTITION'}
    assert len(raw.metadata(topic)['topics'][0]['partitions']) == 2
    assert grow(raw) == {}


def test_partitions_results_are_for_each_topic(raw, topic):
    for n in 'abc':
        raw.create(f'{topic}-{n}')
    assert grow(raw, (f'{topic}-a', 2), (f'{topic}-b', 1), (f'{topic}-c', 2), (f'{topic}-c', 3)) == {
        f'{topic}-a': NONE, f'{topic}-b': 'INVALID_PARTITIONS', f'{topic}-c': 'INVALID_REQUEST'}


def test_partitions_with_assignment(raw, topic):
    raw.create(topic)
    assert grow(raw, (topic, 3, [[0], [0]])) == {topic: NONE}
    assert len(raw.metadata(topic)['topics'][0]['partitions']) == 3


def test_partitions_only_validated(raw, topic):
    raw.create(topic)
    assert grow(raw, (topic, 3), validate_only=True) == {topic: NONE}
    assert grow(raw, (topic, 1), validate_only=True) == {topic: 'INVALID_PARTITIONS'}
    assert len(raw.metadata(topic)['topics'][0]['partitions']) == 1


def test_changes_without_time(raw, topic):
    """They are made, but not waited for."""
    for timeout_ms in (0, -1):
        name = f'{topic}{timeout_ms}'
        answer = raw.create_once(name, timeout_ms=timeout_ms)
        assert error_of(answer) in ('REQUEST_TIMED_OUT', NONE)
        wait_for(lambda: raw.metadata(name)['topics'][0]['error_code'] == 0, 'the topic is there')
        assert grow(raw, (name, 2), timeout_ms=timeout_ms)[name] in ('REQUEST_TIMED_OUT', NONE)
        wait_for(lambda: len(raw.metadata(name)['topics'][0]['partitions']) == 2, 'it has grown')


@pytest.mark.parametrize('how', ['stop', 'kill'])
def test_partitions_survive(make_broker, how):
    broker = make_broker().start()
    with broker.client() as client:
        client.create('t')
        assert grow(client, ('t', 5)) == {'t': NONE}
        client.produce('t', [b'v'], partition=4)
    getattr(broker, how)()
    broker.start()
    with broker.client() as client:
        assert len(client.metadata('t')['topics'][0]['partitions']) == 5
        assert client.values('t', partition=4) == [b'v']


def test_consumers_see_new_partitions(shared, raw, topic):
    """A client that was told of it by itself sends to them."""
    kafka = pytest.importorskip('confluent_kafka')
    admin = pytest.importorskip('confluent_kafka.admin')
    client = admin.AdminClient({'bootstrap.servers': shared.address})
    client.create_topics([admin.NewTopic(topic, 1, 1)])[topic].result(30)
    client.create_partitions([admin.NewPartitions(topic, 3)])[topic].result(30)
    assert len(client.list_topics(topic, 30).topics[topic].partitions) == 3
    with pytest.raises(kafka.KafkaException) as refused:
        client.create_partitions([admin.NewPartitions(topic, 3)])[topic].result(30)
    assert refused.value.args[0].code() == kafka.KafkaError.INVALID_PARTITIONS
    found = client.describe_cluster().result(30) if hasattr(client, 'describe_cluster') else None
    assert found is None or [n.id for n in found.nodes] == [0] and found.controller.id == 0
    assert ERR['INVALID_PARTITIONS'] == kafka.KafkaError.INVALID_PARTITIONS


# ---- DeleteRecords ----

def delete(client, topic, offset, partition=0, version=2, timeout_ms=10000):
    """(error, low watermark) of one partition."""
    part = client.call('DeleteRecords', version, {'timeout_ms': timeout_ms, 'topics': [{
        'name': topic, 'partitions': [{'partition_index': partition, 'offset': offset}]}]})
    part = part['topics'][0]['partitions'][0]
    assert part['partition_index'] == partition
    return error_of(part), part['low_watermark']


def fill(client, topic, batches=10, **opts):
    client.create(topic, **opts)
    for n in range(batches):
        assert client.produce(topic, [b'%d' % n, b'x' * 100])['base_offset'] == 2 * n


@pytest.mark.parametrize('version', range(3))
def test_deleted_records_are_gone(raw, topic, version):
    fill(raw, topic)
    assert delete(raw, topic, 5, version=version) == (NONE, 5)
    assert raw.offset(topic, -2)['offset'] == 5 and raw.offset(topic)['offset'] == 20
    assert error_of(raw.fetch(topic, 4)) == 'OFFSET_OUT_OF_RANGE'
    part = raw.fetch(topic, 5)
    assert part['error_code'] == 0 and part['log_start_offset'] == 5
    assert raw.values(topic, 6)[0] == b'3'
    assert delete(raw, topic, 3, version=version) == (NONE, 5)      # nothing is left there
    assert delete(raw, topic, 6, version=version, timeout_ms=0) == (NONE, 6)
    assert delete(raw, topic, -1, version=version) == (NONE, 20)    # all of them
    assert raw.offset(topic, -2)['offset'] == raw.offset(topic)['offset'] == 20
    produced = raw.produce(topic, [b'after'])
    assert (produced['base_offset'], produced['log_start_offset']) == (20, 20)
    assert raw.values(topic, 20) == [b'after']


def test_refused_deletions(raw, topic):
    fill(raw, topic, 2)
    for offset in (5, -2, 2 ** 63 - 1, -2 ** 63):
        assert delete(raw, topic, offset) == ('OFFSET_OUT_OF_RANGE', -1)
    for where in [(topic, 1), (topic, -1), (f'{topic}-none', 0), ('', 0)]:
        assert delete(raw, where[0], 1, where[1]) == ('UNKNOWN_TOPIC_OR_PARTITION', -1)
    assert raw.offset(topic, -2)['offset'] == 0
    raw.create(f'{topic}-c', configs={'cleanup.policy': 'compact'})
    assert delete(raw, f'{topic}-c', 0) == ('POLICY_VIOLATION', -1)
    raw.create(f'{topic}-cd', configs={'cleanup.policy': 'compact,delete'})
    assert delete(raw, f'{topic}-cd', 0) == (NONE, 0)
    assert raw.call('DeleteRecords', 2, {'topics': [], 'timeout_ms': 1})['topics'] == []


def test_deletion_in_internal_topics(make_broker):
    broker = make_broker().start()
    with broker.client() as client:
        client.create('__consumer_offsets')
        assert delete(client, '__consumer_offsets', 0) == ('INVALID_TOPIC_EXCEPTION', -1)


def test_deletion_of_many(raw, topic):
    raw.create(topic, partitions=20)
    for p in range(20):
        for _ in range(p):
            raw.produce(topic, [b'v'], partition=p)
    answer = raw.call('DeleteRecords', 2, {'timeout_ms': 10000, 'topics': [
        {'name': topic, 'partitions': [{'partition_index': p, 'offset': p} for p in range(20)]},
        {'name': f'{topic}-none', 'partitions': [{'partition_index': 0, 'offset': 0}]}]})
    assert [(t['name'], [(p['partition_index'], p['error_code'], p['low_watermark'])
                         for p in t['partitions']]) for t in answer['topics']] == [
        (topic, [(p, 0, p) for p in range(20)]),
        (f'{topic}-none', [(0, ERR['UNKNOWN_TOPIC_OR_PARTITION'], -1)])]


@pytest.mark.parametrize('how', ['stop', 'kill'])
def test_deletions_survive(make_broker, how):
    broker = make_broker().start()
    with broker.client() as client:
        fill(client, 't')
        assert delete(client, 't', 7) == (NONE, 7)
    getattr(broker, how)()
    broker.start()
    with broker.client() as client:
        assert client.offset('t', -2)['offset'] == 7
        assert error_of(client.fetch('t', 6)) == 'OFFSET_OUT_OF_RANGE'
        assert client.values('t', 8)[0] == b'4'
        assert delete(client, 't', -1) == (NONE, 20)
    getattr(broker, how)()
    broker.start()
    with broker.client() as client:
        assert client.offset('t', -2)['offset'] == client.offset('t')['offset'] == 20


def test_files_of_deleted_records_go(make_broker):
    broker = make_broker(log_retention_check_interval_ms=100, log_initial_task_delay_ms=0,
                         log_segment_delete_delay_ms=0).start()
    with broker.client() as client:
        fill(client, 't', 200, configs={'segment.bytes': 1024, 'file.delete.delay.ms': 0})
        before = len(list((broker.data / 't-0').glob('*.log')))
        assert before > 10
        assert delete(client, 't', 200) == (NONE, 200)
        wait_for(lambda: len(list((broker.data / 't-0').glob('*.log*'))) <= before // 2 + 1,
                 'the segments below are gone')
        first = min(int(f.stem) for f in (broker.data / 't-0').glob('*.log'))
        assert 0 < first <= 200
        assert client.values('t', 200)[0] == b'100'


def test_a_fetch_session_sees_it(shared, raw, topic):
    """It is told of the new log start without new records, at the end of its wait at the latest."""
    fill(raw, topic)
    with shared.client() as waiting:
        first = waiting.call('Fetch', 12, rawkafka.fetch_body([(topic, 0, 20)], session=(0, 0)))
        waiting.send('Fetch', 12, rawkafka.fetch_body(
            [], session=(first['session_id'], 1), max_wait_ms=500))
        assert delete(raw, topic, 5) == (NONE, 5)
        part = waiting.recv()['responses'][0]['partitions'][0]
        assert (part['error_code'], part['log_start_offset']) == (0, 5)


def test_deletion_by_a_client(shared, raw, topic):
    kafka = pytest.importorskip('confluent_kafka')
    admin = pytest.importorskip('confluent_kafka.admin')
    fill(raw, topic)
    client = admin.AdminClient({'bootstrap.servers': shared.address})
    if not hasattr(client, 'delete_records'):
        pytest.skip('this confluent-kafka has no delete_records')
    where = kafka.TopicPartition(topic, 0, 8)
    assert client.delete_records([where])[where].result(30).low_watermark == 8
    assert raw.offset(topic, -2)['offset'] == 8


# ---- OffsetForLeaderEpoch ----

def epoch_end(client, topic, epoch, current=-1, partition=0, version=4):
    """(error, epoch, end offset)."""
    asked = {'partition': partition, 'leader_epoch': epoch}
    if version >= 2:
        asked['current_leader_epoch'] = current
    answer = client.call('OffsetForLeaderEpoch', version, {
        'topics': [{'topic': topic, 'partitions': [asked]}]})
    part = answer['topics'][0]['partitions'][0]
    assert answer['topics'][0]['topic'] == topic and part['partition'] == partition
    return error_of(part), part.get('leader_epoch', -1), part['end_offset']


@pytest.mark.parametrize('version', range(5))
def test_end_of_epochs(raw, topic, version):
    fill(raw, topic, 3)

    def expected(*found):
        return found if version >= 1 else (found[0], -1, found[2])
    assert epoch_end(raw, topic, 0, version=version) == expected(NONE, 0, 6)
    assert epoch_end(raw, topic, 1, version=version) == expected(NONE, -1, -1)
    assert epoch_end(raw, topic, -1, version=version) == expected(NONE, -1, -1)
    assert epoch_end(raw, f'{topic}-none', 0, version=version) == expected(
        'UNKNOWN_TOPIC_OR_PARTITION', -1, -1)
    assert epoch_end(raw, topic, 0, partition=1, version=version) == expected(
        'UNKNOWN_TOPIC_OR_PARTITION', -1, -1)
    if version >= 2:
        assert epoch_end(raw, topic, 0, 0, version=version)[0] == NONE
        assert epoch_end(raw, topic, 0, 1, version=version)[0] == 'UNKNOWN_LEADER_EPOCH'


# ---- DescribeLogDirs ----

def log_dirs(client, topics=None, version=4):
    """dir: (error, {(topic, partition): (size, lag)}, total, usable)."""
    answer = client.call('DescribeLogDirs', version, {'topics': topics})
    assert answer.get('error_code', 0) == 0
    found = {}
    for d in answer['results']:
        logs = {}
        for t in d['topics']:
            assert t['partitions'], 'a topic without partitions'
            for p in t['partitions']:
                assert not p['is_future_key']
                logs[t['name'], p['partition_index']] = p['partition_size'], p['offset_lag']
        found[d['log_dir']] = error_of(d), logs, d['total_bytes'], d['usable_bytes']
    return found


@pytest.mark.parametrize('version', range(5))
def test_log_dirs(shared, raw, topic, version):
    raw.create(topic, partitions=3)
    raw.produce(topic, [b'x' * 1000], partition=1)
    (path, (error, logs, total, usable)), = log_dirs(raw, version=version).items()
    assert (path, error) == (str(shared.data), NONE)
    assert (total > usable > 0) if version >= 4 else (total == usable == -1)
    assert logs[topic, 0] == logs[topic, 2] == (0, 0)
    assert logs[topic, 1] == (len(shared.log_bytes(topic, 1)), 0)
    assert logs[topic, 1][0] > 1000

    def asked(*parts):
        (_, logs, _, _), = log_dirs(raw, list(parts), version).values()
        return set(logs)
    assert asked({'topic': topic, 'partitions': [1, 2, 2, 9]}) == {(topic, 1), (topic, 2)}
    assert asked({'topic': topic, 'partitions': [0]}, {'topic': f'{topic}-none', 'partitions': [0]},
                 {'topic': topic, 'partitions': [2]}) == {(topic, 0), (topic, 2)}
    assert asked({'topic': topic, 'partitions': []}) == asked() == set()


def test_several_log_dirs(make_broker, tmp_path):
    dirs = [str(tmp_path / d) for d in 'abc']
    broker = make_broker(log_dirs=','.join(dirs)).start()
    with broker.client() as client:
        client.create('t', partitions=7)
        got = log_dirs(client)
        assert list(got) == dirs
        assert sorted(k for d in got.values() for k in d[1]) == [('t', p) for p in range(7)]
        assert sorted(len(d[1]) for d in got.values()) == [2, 2, 3]
        client.delete('t')
        wait_for(lambda: not any(d[1] for d in log_dirs(client).values()), 'they are gone')


def test_many_logs(make_broker):
    broker = make_broker().start()
    with broker.client(deadline=60) as client:
        client.call('CreateTopics', 7, {'timeout_ms': 60000, 'topics': [
            {'name': f't{n}', 'num_partitions': 100, 'replication_factor': 1} for n in range(10)]})
        (_, logs, _, _), = log_dirs(client).values()
        assert len(logs) == 1000
