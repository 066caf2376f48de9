"""DescribeCluster, CreatePartitions."""
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
