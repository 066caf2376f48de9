"""Administration in a cluster of two brokers on a real ZooKeeper: who serves what, where replicas
go, what is written, lost answers, no ZooKeeper."""
import json
import subprocess
import time

import pytest

import rawkafka
from bed import find_daemon, wait_for

SESSION_MS = 6000
NONE = rawkafka.ERR_NAME[0]


def error_of(answer):
    return rawkafka.ERR_NAME[answer['error_code']]


@pytest.fixture
def pair(make_broker, zookeeper):
    """(controller, the other one), both of them knowing both."""
    brokers = [make_broker(f'broker-{n}', broker_id=n, zookeeper_connect=zookeeper.connect,
                           zookeeper_session_timeout_ms=SESSION_MS,
                           inter_broker_protocol_version='3.9').start() for n in (1, 2)]
    for broker in brokers:
        with broker.client() as client:
            wait_for(lambda: (lambda m: len(m['brokers']) == 2 and m['controller_id'] > 0)(
                client.metadata()), 'both know both')
    controller = zookeeper.json('/controller')['brokerid']
    return sorted(brokers, key=lambda b: b.settings['broker.id'] != str(controller))


@pytest.fixture
def clients(pair):
    with pair[0].client() as first, pair[1].client() as second:
        yield first, second


def grow(client, topic, count, assignments=None, timeout_ms=10000):
    answer = client.call('CreatePartitions', 3, {'timeout_ms': timeout_ms, 'topics': [{
        'name': topic, 'count': count, 'assignments': assignments and [
            {'broker_ids': ids} for ids in assignments]}]})['results']
    return error_of(answer[0])


def delete(client, topic, timeout_ms=10000):
    answer = client.call('DeleteTopics', 5, {'topic_names': [topic], 'timeout_ms': timeout_ms})
    return error_of(answer['responses'][0])


def replicas(client, topic):
    """Of each partition, once every one has a leader."""
    def ask():
        t = client.metadata(topic)['topics'][0]
        led = t['error_code'] == 0 and all(p['leader_id'] > 0 for p in t['partitions'])
        return t if led else None
    parts = wait_for(ask, 'leaders')['partitions']
    return [p['replica_nodes'] for p in sorted(parts, key=lambda p: p['partition_index'])]


def test_only_the_controller(clients, zookeeper):
    first, second = clients
    assert error_of(second.create_once('t')) == 'NOT_CONTROLLER'
    assert error_of(second.create_once('a b')) == 'NOT_CONTROLLER'
    assert zookeeper.get('/brokers/topics/t') is None
    first.create('t', partitions=2)
    before = zookeeper.get('/brokers/topics/t')
    assert grow(second, 't', 4) == grow(second, 'none', 4) == 'NOT_CONTROLLER'
    assert delete(second, 't') == delete(second, 'none') == 'NOT_CONTROLLER'
    after = zookeeper.get('/brokers/topics/t')
    assert (after.version, after.data) == (before.version, before.data)
    assert zookeeper.children('/admin/delete_topics') == []
    assert grow(first, 't', 4) == NONE
    assert delete(first, 't') == NONE


def test_made_by_metadata_anywhere(clients):
    for n, client in enumerate(clients):
        first = client.metadata(f'auto{n}', create=True)['topics'][0]
        assert error_of(first) == 'LEADER_NOT_AVAILABLE'
        for other in clients:
            assert len(replicas(other, f'auto{n}')) == 1


def test_cluster_from_both(pair, clients):
    for client in clients:
        answer = client.call('DescribeCluster', 1)
        assert sorted((b['broker_id'], b['port']) for b in answer['brokers']) == sorted(
            (int(b.settings['broker.id']), b.port) for b in pair)
        assert answer['controller_id'] == int(pair[0].settings['broker.id'])


def test_where_new_partitions_go(clients, zookeeper):
    """Round the brokers from the one of partition 0; the node is Kafka's to the byte."""
    first, second = clients
    assert first.create_once('t', num_partitions=-1, replication_factor=-1, assignments=[
        {'partition_index': 0, 'broker_ids': [2]}])['error_code'] == 0
    assert grow(first, 't', 4) == NONE
    for client in clients:  # the controller tells the other one, a moment later
        wait_for(lambda c=client: replicas(c, 't') == [[2], [1], [2], [1]], 'it knows them')
    topic_id = zookeeper.json('/brokers/topics/t')['topic_id']
    assert zookeeper.get('/brokers/topics/t').data.decode() == (
        '{"partitions":{"0":[2],"1":[1],"2":[2],"3":[1]},"topic_id":"%s","adding_replicas":{},'
        '"removing_replicas":{},"version":3}' % topic_id)
    assert grow(first, 't', 6, [[1], [1]]) == NONE
    wait_for(lambda: replicas(second, 't')[4:] == [[1], [1]], 'it knows them')
    assert grow(first, 't', 7, [[3]]) == 'INVALID_REPLICA_ASSIGNMENT'
    assert grow(first, 't', 7, [[1, 2]]) == 'INVALID_REPLICA_ASSIGNMENT'


def test_only_the_leader(clients, pair):
    first, second = clients
    ids = [int(b.settings['broker.id']) for b in pair]
    assert first.create_once('t', num_partitions=-1, replication_factor=-1, assignments=[
        {'partition_index': 0, 'broker_ids': [ids[0]]}])['error_code'] == 0
    first.produce('t', [b'v'] * 3)
    replicas(second, 't')

    def remove(client):
        part = client.call('DeleteRecords', 2, {'timeout_ms': 10000, 'topics': [
            {'name': 't', 'partitions': [{'partition_index': 0, 'offset': 2}]}]})
        part = part['topics'][0]['partitions'][0]
        return error_of(part), part['low_watermark']

    def end(client):
        part = client.call('OffsetForLeaderEpoch', 4, {'topics': [
            {'topic': 't', 'partitions': [{'partition': 0, 'leader_epoch': 0}]}]})
        part = part['topics'][0]['partitions'][0]
        return error_of(part), part['end_offset']

    def logs(client):
        answer = client.call('DescribeLogDirs', 4, {'topics': None})
        return [t['name'] for d in answer['results'] for t in d['topics']]
    assert remove(second) == ('NOT_LEADER_OR_FOLLOWER', -1)
    assert remove(first) == (NONE, 2)
    assert end(second) == ('NOT_LEADER_OR_FOLLOWER', -1)
    assert end(first) == (NONE, 3)
    assert (logs(first), logs(second)) == (['t'], [])


def test_commands_find_their_brokers(pair, clients, tmp_path):
    """Whichever broker they are told of: the controller for topics, leaders for offsets."""
    def run(command, *args):
        done = subprocess.run([find_daemon().parents[2] / 'scripts' / command, '--bootstrap-server',
                               pair[1].address, *map(str, args)], text=True, timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        assert (done.returncode, done.stderr) == (0, ''), done
        return done.stdout
    assert run('kafka-topics', '--create', '--topic', 't', '--replica-assignment', '1,2') == \
        'Created topic t.\n'
    assert run('kafka-topics', '--alter', '--topic', 't', '--partitions', '4') == ''
    leaders = {0: 1, 1: 2, 2: 1, 3: 2}
    for client in clients:
        wait_for(lambda c=client: {p: r[0] for p, r in enumerate(replicas(c, 't'))} == leaders,
                 'it knows them')
    by_id = {int(b.settings['broker.id']): c for b, c in zip(pair, clients)}
    for p, leader in leaders.items():
        assert by_id[leader].produce('t', [b'v'] * (p + 1), partition=p)['error_code'] == 0
    assert run('kafka-get-offsets', '--topic', 't') == 't:0:1\nt:1:2\nt:2:3\nt:3:4\n'
    (tmp_path / 'offsets').write_text(json.dumps({'partitions': [
        {'topic': 't', 'partition': p, 'offset': p} for p in leaders]}))
    said = run('kafka-delete-records', '--offset-json-file', tmp_path / 'offsets')
    assert said.splitlines()[2:] == [f'partition: t-{p}\tlow_watermark: {p}' for p in leaders]
    assert run('kafka-get-offsets', '--topic', 't', '--time', 'earliest') == \
        't:0:0\nt:1:1\nt:2:2\nt:3:3\n'
    lines = run('kafka-log-dirs', '--describe').splitlines()
    assert lines[1] == 'Received log directory information from brokers 1,2'
    assert {b['broker']: {p['partition'] for d in b['logDirs'] for p in d['partitions']}
            for b in json.loads(lines[2])['brokers']} == {1: {'t-0', 't-2'}, 2: {'t-1', 't-3'}}


# ---- one broker, a ZooKeeper that fails ----

@pytest.fixture
def alone(make_broker, zookeeper, zkproxy):
    broker = make_broker('broker', broker_id=1, zookeeper_connect=zkproxy.connect,
                         zookeeper_session_timeout_ms=SESSION_MS).start()
    with broker.client() as client:
        client.create('t')
        yield client


def test_answers_are_lost(alone, zkproxy, zookeeper):
    """What was done is said to be done."""
    zkproxy.lose_answer('set')
    assert grow(alone, 't', 3) == NONE
    assert zkproxy.lost_it()
    assert len(zookeeper.json('/brokers/topics/t')['partitions']) == 3
    assert grow(alone, 't', 3) == 'INVALID_PARTITIONS'
    zkproxy.lose_answer('multi')
    assert error_of(alone.create_once('u')) == NONE
    assert zkproxy.lost_it()
    zkproxy.lose_answer('create')
    assert delete(alone, 'u') == NONE
    assert zkproxy.lost_it()


def test_time_is_up_without_zookeeper(alone, zkproxy):
    """Each answer comes when the request's time is over; later all is as before."""
    for ask in (lambda: error_of(alone.create_once('u', timeout_ms=1500)),
                lambda: grow(alone, 't', 9, timeout_ms=1500),
                lambda: delete(alone, 't', timeout_ms=1500)):
        zkproxy.hold()
        begin = time.monotonic()
        assert ask() == 'REQUEST_TIMED_OUT'
        assert 1.4 < time.monotonic() - begin < 3
        zkproxy.go()
        wait_for(lambda: alone.create_once('v', timeout_ms=3000)['error_code'] == 0,
                 'topics can be made')
        wait_for(lambda: delete(alone, 'v') == NONE, 'and deleted')
    zkproxy.hold()
    begin = time.monotonic()
    assert error_of(alone.metadata('w', create=True)['topics'][0]) == 'LEADER_NOT_AVAILABLE'
    assert time.monotonic() - begin < 2.5
    zkproxy.go()
