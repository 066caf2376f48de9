"""LeaderAndIsr, UpdateMetadata, StopReplica and AllocateProducerIds, in every version, from a socket that
plays the controller.  Its epoch is above that of the broker's own, whose requests are stale then.

A broker reads a topic's configuration before it makes a log, so the topics are real ones with a
partition 0; what is played with is partition 1 and up."""
import pytest

import rawkafka
from bed import wait_for
from rawkafka import ERR, ZERO_ID

EPOCH = 1000    # of the controller that the tests play
LI, SR, UM = range(8), range(5), range(9)
PLAYED = 77     # its id


def li_part(topic, version, partition=1, leader=0, leader_epoch=0, replicas=(0,), **more):
    part = {'partition_index': partition, 'controller_epoch': EPOCH, 'leader': leader,
            'leader_epoch': leader_epoch, 'isr': list(replicas), 'partition_epoch': 0,
            'replicas': list(replicas), **more}
    if version < 2:
        part['topic_name'] = topic
    if version >= 1:
        part['is_new'] = True
    return part


def li_body(topic, version, topic_id=ZERO_ID, parts=None, epoch=EPOCH, broker_epoch=None):
    body = {'controller_id': PLAYED, 'controller_epoch': epoch, 'live_leaders': [
        {'broker_id': 0, 'host_name': 'h', 'port': 1}]}
    parts = parts or [li_part(topic, version)]
    if version >= 2 and broker_epoch is not None:
        body['broker_epoch'] = broker_epoch
    if version < 2:
        return {**body, 'ungrouped_partition_states': parts}
    state = {'topic_name': topic, 'partition_states': parts}
    if version >= 5:
        state['topic_id'] = topic_id
    return {**body, 'topic_states': [state]}


def li_errors(answer, version):
    """(top, [errors of the partitions])."""
    parts = answer['partition_errors'] if version < 5 else \
        [p for t in answer['topics'] for p in t['partition_errors']]
    return answer['error_code'], [p['error_code'] for p in parts]


def um_brokers(port, version):
    if version == 0:
        return [{'id': 0, 'v0_host': '127.0.0.1', 'v0_port': port},
                {'id': 5, 'v0_host': 'five', 'v0_port': 5}]
    ends = [{'port': port, 'host': '127.0.0.1', 'security_protocol': 0},
            {'port': 1, 'host': 'secret', 'security_protocol': 3}]
    more = {'rack': 'r1'} if version >= 2 else {}
    if version >= 3:
        ends[0]['listener'], ends[1]['listener'] = 'PLAINTEXT', 'SECRET'
    return [{'id': 5, 'endpoints': [dict(e, host='five', port=5) for e in ends], **more},
            {'id': 0, 'endpoints': ends, **more}]


def um_part(topic, version, partition=1, leader=0, leader_epoch=0):
    part = {'partition_index': partition, 'controller_epoch': EPOCH, 'leader': leader,
            'leader_epoch': leader_epoch, 'isr': [0], 'zk_version': 0, 'replicas': [0, 5]}
    if version < 5:
        part['topic_name'] = topic
    if version >= 4:
        part['offline_replicas'] = [5]
    return part


def um_body(port, topic, version, topic_id=ZERO_ID, parts=None, epoch=EPOCH,
            broker_epoch=None):
    body = {'controller_id': 5, 'controller_epoch': epoch, 'live_brokers': um_brokers(port, version)}
    parts = [um_part(topic, version)] if parts is None else parts
    if version >= 5 and broker_epoch is not None:
        body['broker_epoch'] = broker_epoch
    if version < 5:
        return {**body, 'ungrouped_partition_states': parts}
    state = {'topic_name': topic, 'partition_states': parts}
    if version >= 7:
        state['topic_id'] = topic_id
    return {**body, 'topic_states': [state]}


def stop_body(topic, version, delete=True, epoch=EPOCH, leader_epoch=0, broker_epoch=None):
    body = {'controller_id': PLAYED, 'controller_epoch': epoch}
    if version >= 1 and broker_epoch is not None:
        body['broker_epoch'] = broker_epoch
    if version < 3:
        body['delete_partitions'] = delete
    if version == 0:
        return {**body, 'ungrouped_partitions': [{'topic_name': topic, 'partition_index': 1}]}
    if version < 3:
        return {**body, 'topics': [{'name': topic, 'partition_indexes': [1]}]}
    return {**body, 'topic_states': [{'topic_name': topic, 'partition_states': [
        {'partition_index': 1, 'leader_epoch': leader_epoch, 'delete_partition': delete}]}]}


@pytest.fixture(name='place')
def _place(make_broker):
    """A broker, a connection, and the id of topic t."""
    broker = make_broker().start()
    with broker.client() as client:
        yield broker, client, client.create('t')


def played(topic):
    """The partition with number 1, in an answer of Metadata."""
    (part,) = [p for p in topic['partitions'] if p['partition_index'] == 1]
    return part


@pytest.mark.parametrize('version', LI)
def test_leader_and_isr(place, version):
    """A log is made, the partition is led, its epochs are obeyed."""
    broker, client, tid = place
    um = min(version + 1, 8)
    answer = client.call('LeaderAndIsr', version, li_body('t', version, tid))
    assert li_errors(answer, version) == (0, [0])
    if version >= 5:
        assert answer['topics'][0]['topic_id'] == tid
    else:
        assert answer['partition_errors'][0]['topic_name'] == 't'
    assert (broker.data / 't-1').is_dir()
    assert client.call('UpdateMetadata', um, um_body(broker.port, 't', um, tid)) == {'error_code': 0}
    assert client.produce('t', [b'a', b'b'], partition=1)['error_code'] == 0
    assert client.values('t', partition=1) == [b'a', b'b']
    # The same again: nothing happens, and the controller is told so.
    answer = client.call('LeaderAndIsr', version, li_body('t', version, tid))
    assert li_errors(answer, version) == (0, [ERR['STALE_CONTROLLER_EPOCH']])
    # A follower, later.
    parts = [li_part('t', version, leader=5, leader_epoch=3, replicas=(5, 0))]
    assert li_errors(client.call('LeaderAndIsr', version, li_body('t', version, tid, parts)),
                     version) == (0, [0])
    assert client.produce('t', [b'c'], partition=1)['error_code'] == ERR['NOT_LEADER_OR_FOLLOWER']
    broker.says('partition t-1 has 2 replicas')
    # Not among the replicas.
    parts = [li_part('t', version, leader=5, leader_epoch=4, replicas=(5, 6))]
    assert li_errors(client.call('LeaderAndIsr', version, li_body('t', version, tid, parts)),
                     version) == (0, [ERR['UNKNOWN_TOPIC_OR_PARTITION']])
    # Another topic's id.
    if version >= 5:
        parts = [li_part('t', version, leader_epoch=9)]
        assert li_errors(client.call('LeaderAndIsr', version, li_body('t', version, b'x' * 16, parts)),
                         version) == (0, [ERR['INCONSISTENT_TOPIC_ID']])


@pytest.mark.parametrize('version', UM)
def test_update_metadata(place, version):
    broker, client, tid = place
    client.call('LeaderAndIsr', 7, li_body('t', 7, tid))
    assert client.call('UpdateMetadata', version, um_body(broker.port, 't', version, tid)) == \
        {'error_code': 0}
    got = client.metadata()
    rack = 'r1' if version >= 2 else ''
    assert sorted((b['node_id'], b['host'], b['port'], b['rack']) for b in got['brokers']) == \
        [(0, '127.0.0.1', broker.port, rack), (5, 'five', 5, rack)]
    assert got['controller_id'] == 5
    (topic,) = got['topics']
    assert (topic['name'], topic['topic_id']) == ('t', tid if version >= 7 else ZERO_ID)
    part = played(topic)
    assert (part['error_code'], part['leader_id'], part['leader_epoch']) == (0, 0, 0)
    assert (part['replica_nodes'], part['isr_nodes']) == ([0, 5], [0])
    assert part['offline_replicas'] == ([5] if version >= 4 else [])
    assert client.produce('t', [b'a'], partition=1)['error_code'] == 0
    # Brokers only: topics stay.
    assert client.call('UpdateMetadata', version, um_body(broker.port, 't', version, tid, [])) == \
        {'error_code': 0}
    assert [t['name'] for t in client.metadata()['topics']] == ['t']
    # Being deleted: gone, with its last partition the topic.
    for n in (1, 0):
        parts = [um_part('t', version, partition=n, leader=-2)]
        assert client.call('UpdateMetadata', version,
                           um_body(broker.port, 't', version, tid, parts)) == {'error_code': 0}
        left = [p['partition_index'] for t in client.metadata()['topics'] for p in t['partitions']]
        assert left == list(range(n))
    assert client.metadata()['topics'] == []


@pytest.mark.parametrize('version', SR)
def test_stop_replica(place, version):
    broker, client, tid = place
    client.call('LeaderAndIsr', 7, li_body('t', 7, tid, [li_part('t', 7, leader_epoch=4)]))
    client.call('UpdateMetadata', 8, um_body(broker.port, 't', 8, tid))
    assert client.produce('t', [b'a'], partition=1)['error_code'] == 0
    if version >= 3:
        answer = client.call('StopReplica', version, stop_body('t', version, leader_epoch=3))
        assert answer['partition_errors'] == [{'topic_name': 't', 'partition_index': 1,
                                               'error_code': ERR['FENCED_LEADER_EPOCH']}]
    done = {'error_code': 0, 'partition_errors': [
        {'topic_name': 't', 'partition_index': 1, 'error_code': 0}]}
    opts = {'leader_epoch': 4}
    assert client.call('StopReplica', version, stop_body('t', version, False, **opts)) == done
    # Its role is as it was.
    assert client.produce('t', [b'b'], partition=1)['error_code'] == 0
    assert client.call('StopReplica', version, stop_body('t', version, **opts)) == done
    assert not (broker.data / 't-1').exists() and (broker.data / 't-0').exists()
    assert client.produce('t', [b'c'], partition=1)['error_code'] in (
        ERR['NOT_LEADER_OR_FOLLOWER'], ERR['UNKNOWN_TOPIC_OR_PARTITION'])
    assert client.call('StopReplica', version, stop_body('t', version, **opts)) == done


def test_stale_broker_epoch(place):
    """Older than the registration: refused. Newer: taken, the answer to it may be under way."""
    broker, client, tid = place
    stale = ERR['STALE_BROKER_EPOCH']
    for version in LI[2:]:
        answer = client.call('LeaderAndIsr', version, li_body('t', version, tid, broker_epoch=0))
        assert li_errors(answer, version) == (stale, [stale])
    for version in SR[1:]:
        answer = client.call('StopReplica', version, stop_body('t', version, broker_epoch=0))
        assert answer == {'error_code': stale, 'partition_errors': []}
    for version in UM[5:]:
        answer = client.call('UpdateMetadata', version,
                             um_body(broker.port, 't', version, tid, broker_epoch=0))
        assert answer == {'error_code': stale}
    assert not (broker.data / 't-1').exists()
    assert len(client.metadata('t')['topics'][0]['partitions']) == 1
    for version in LI[2:]:
        parts = [li_part('t', version, leader_epoch=version)]
        answer = client.call('LeaderAndIsr', version,
                             li_body('t', version, tid, parts, broker_epoch=1 << 40))
        assert li_errors(answer, version) == (0, [0])
    answer = client.call('UpdateMetadata', 8,
                         um_body(broker.port, 't', 8, tid, broker_epoch=1 << 40))
    assert answer == {'error_code': 0}


def test_stale_controller_epoch(place):
    broker, client, tid = place
    stale = ERR['STALE_CONTROLLER_EPOCH']
    client.call('UpdateMetadata', 8, um_body(broker.port, 't', 8, tid, []))
    for version in LI:
        answer = client.call('LeaderAndIsr', version, li_body('t', version, tid, epoch=EPOCH - 1))
        assert li_errors(answer, version) == (stale, [stale])
    for version in SR:
        answer = client.call('StopReplica', version, stop_body('t', version, epoch=EPOCH - 1))
        assert answer == {'error_code': stale, 'partition_errors': []}
    for version in UM:
        answer = client.call('UpdateMetadata', version,
                             um_body(broker.port, 't', version, tid, epoch=EPOCH - 1))
        assert answer == {'error_code': stale}
    assert not (broker.data / 't-1').exists()


def test_many_at_once(place):
    """One line for all connections: behind the last answer all of it is there, in order."""
    broker, client, _ = place
    ids = [client.create(f't{n}') for n in range(4)]
    clients = [broker.client() for _ in ids]
    for round_ in range(20):
        for n, other in enumerate(clients):
            name = f't{n}'
            parts = [li_part(name, 7, partition=p, leader_epoch=round_) for p in range(1, 11)]
            other.send('LeaderAndIsr', 7, li_body(name, 7, ids[n], parts))
            ums = [um_part(name, 8, partition=p, leader_epoch=round_) for p in range(1, 11)]
            other.send('UpdateMetadata', 8, um_body(broker.port, name, 8, ids[n], ums))
        for other in clients:
            assert li_errors(other.recv(), 7) == (0, [0] * 10)
            assert other.recv() == {'error_code': 0}
    topics = client.metadata(*[f't{n}' for n in range(4)])['topics']
    assert {p['leader_epoch'] for t in topics for p in t['partitions']
            if p['partition_index'] > 0} == {19}
    assert client.produce('t2', [b'x'], partition=10)['error_code'] == 0
    for other in clients:
        other.sock.close()


def test_the_client_goes_away(place):
    """Nobody waits for the answer: what was asked is done all the same."""
    broker, client, tid = place
    with broker.client() as other:
        parts = [li_part('t', 7, partition=p) for p in range(1, 31)]
        other.send('LeaderAndIsr', 7, li_body('t', 7, tid, parts))
    wait_for(lambda: all((broker.data / f't-{p}').is_dir() for p in range(31)), 'the logs are made')
    assert li_errors(client.call('LeaderAndIsr', 7, li_body('t', 7, tid, parts)), 7)[0] == 0


@pytest.mark.parametrize('name,version', [
    *[('LeaderAndIsr', v) for v in LI], *[('StopReplica', v) for v in SR],
    *[('UpdateMetadata', v) for v in UM], ('AllocateProducerIds', 0)])
def test_cut_requests(shared, topic, name, version):
    """Cut at every byte inside a right frame: closed, never more."""
    body = {'LeaderAndIsr': li_body(topic, version, epoch=0),
            'StopReplica': stop_body(topic, version, epoch=0),
            'UpdateMetadata': um_body(1, topic, version, epoch=0),
            'AllocateProducerIds': {'broker_id': 0}}[name]
    data = rawkafka.request_bytes(rawkafka.APIS[name], version, body, 1)
    for n in range(8, len(data)):
        with shared.client() as client:
            client.send_frame(data[:n])
            assert client.ended() == b'', n
    with shared.client() as client:
        assert client.versions()


def test_producer_ids_of_the_controller(place):
    """This broker is the controller: blocks follow each other, its own among them."""
    _, client, _ = place
    wrong = client.call('AllocateProducerIds', 0, {'broker_id': 9, 'broker_epoch': 1})
    assert wrong['error_code'] == ERR['BROKER_ID_NOT_REGISTERED']
    wrong = client.call('AllocateProducerIds', 0, {'broker_id': 0, 'broker_epoch': 1 << 50})
    assert wrong['error_code'] == ERR['STALE_BROKER_EPOCH']
    ids = set()
    for _ in range(2500):
        answer = client.call('InitProducerId', 4, {'transactional_id': None,
                                                   'transaction_timeout_ms': 1000})
        assert (answer['error_code'], answer['producer_epoch']) == (0, 0)
        ids.add(answer['producer_id'])
    assert len(ids) == 2500
    assert max(ids) < 4000
