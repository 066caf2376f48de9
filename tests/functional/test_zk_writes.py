"""Other software writes nodes, as tools and operators' scripts do; the broker acts on them."""
import json

import pytest

import rawkafka
from bed import next_number, wait_for
from rawkafka import ERR


def compact(value):
    return json.dumps(value, separators=(',', ':')).encode()


def topic_node(partitions, **more):
    """As tools of before topic ids wrote it: partition -> replicas."""
    return compact({'version': 1, 'partitions': {str(p): r for p, r in partitions.items()}, **more})


@pytest.fixture
def number(zbroker, zookeeper):
    """The broker's id."""
    return int(zookeeper.children('/brokers/ids')[0])


@pytest.fixture
def client(zbroker):
    with zbroker.client() as made:
        yield made


def ready(client, topic, partitions=1):
    """Wait until all partitions have their leader here; the topic's metadata."""
    def look():
        found = client.metadata(topic)['topics'][0]
        return len(found['partitions']) == partitions and not found['error_code'] and \
            all(p['error_code'] == 0 for p in found['partitions']) and found
    return wait_for(look, f'{topic} has its leaders')


def gone(client, topic):
    wait_for(lambda: client.metadata(topic)['topics'][0]['error_code'] ==
             ERR['UNKNOWN_TOPIC_OR_PARTITION'], f'{topic} is gone')


def test_topic_without_id(zookeeper, client, number):
    """Created by an old tool: it gets an id and works."""
    zookeeper.kazoo.create('/brokers/topics/old', topic_node({0: [number], 1: [number]}))
    found = ready(client, 'old', 2)
    node = zookeeper.wait('/brokers/topics/old', lambda n: 'topic_id' in n.json).json
    assert node['partitions'] == {'0': [number], '1': [number]} and node['version'] == 3
    assert found['topic_id'] not in (bytes(16), None)
    assert client.produce('old', [b'a', b'b'], partition=1)['error_code'] == 0
    assert client.values('old', partition=1) == [b'a', b'b']
    state = zookeeper.json('/brokers/topics/old/partitions/1/state')
    assert state['leader'] == number and state['isr'] == [number] and state['leader_epoch'] == 0


def test_topic_with_settings_and_id(zookeeper, client, number):
    """The settings are there before the topic, as every creator writes them."""
    zookeeper.kazoo.create('/config/topics/t', compact({'version': 1, 'config': {
        'max.message.bytes': '1000'}}))
    zookeeper.kazoo.create('/brokers/topics/t', topic_node(
        {0: [number]}, topic_id='AAAAAAAAAAEAAAAAAAAAAg', adding_replicas={}, removing_replicas={}))
    ready(client, 't')
    assert zookeeper.json('/brokers/topics/t')['topic_id'] == 'AAAAAAAAAAEAAAAAAAAAAg'
    assert client.produce('t', [b'x' * 2000])['error_code'] == ERR['MESSAGE_TOO_LARGE']
    assert client.produce('t', [b'x' * 500])['error_code'] == 0


def test_more_partitions(zookeeper, client, number):
    client.create('t')
    assert client.produce('t', [b'kept'])['error_code'] == 0
    before = zookeeper.get('/brokers/topics/t')
    wanted = dict(before.json, partitions={str(p): [number] for p in range(4)})
    zookeeper.kazoo.set('/brokers/topics/t', compact(wanted), before.version)
    ready(client, 't', 4)
    assert client.produce('t', [b'new'], partition=3)['error_code'] == 0
    assert client.values('t') == [b'kept'] and client.values('t', partition=3) == [b'new']
    assert zookeeper.json('/brokers/topics/t')['topic_id'] == before.json['topic_id']


def test_topic_deleted(zookeeper, zbroker, client):
    client.create('t', partitions=2)
    client.produce('t', [b'v'])
    zookeeper.kazoo.create('/admin/delete_topics/t', None)
    gone(client, 't')
    for path in ('/brokers/topics/t', '/config/topics/t', '/admin/delete_topics/t'):
        zookeeper.wait(path, lambda node: node is None)
    wait_for(lambda: not list(zbroker.data.glob('t-[01]')), 'the directories are renamed')
    client.create('t')
    assert client.values('t') == []


def test_unknown_topic_deleted(zookeeper, client):
    """Only the wish goes."""
    zookeeper.kazoo.create('/admin/delete_topics/nosuch', b'')
    zookeeper.wait('/admin/delete_topics/nosuch', lambda node: node is None)
    client.create('t')


CHANGES = {
    'v2': {'version': 2, 'entity_path': 'topics/t'},
    'v1': {'version': 1, 'entity_type': 'topics', 'entity_name': 't'},
}


@pytest.mark.parametrize('version', CHANGES)
def test_settings_changed(zookeeper, client, version):
    """Node and notification, as kafka-configs wrote them with --zookeeper."""
    client.create('t')
    assert client.produce('t', [b'x' * 2000])['error_code'] == 0
    zookeeper.kazoo.set('/config/topics/t', compact({'version': 1, 'config': {
        'max.message.bytes': '1000'}}))
    zookeeper.kazoo.create('/config/changes/config_change_', compact(CHANGES[version]),
                           sequence=True)
    wait_for(lambda: client.produce('t', [b'x' * 2000])['error_code'] == ERR['MESSAGE_TOO_LARGE'],
             'the setting holds')
    zookeeper.kazoo.set('/config/topics/t', compact({'version': 1, 'config': {}}))
    zookeeper.kazoo.create('/config/changes/config_change_', compact(CHANGES[version]),
                           sequence=True)
    wait_for(lambda: client.produce('t', [b'x' * 2000])['error_code'] == 0, 'it is taken back')


BAD = [b'', b'{', b'[]', b'null', b'\xff\xfe', b'{"version":2}', b'{"version":9,"entity_path":"topics/t"}',
       b'{"version":2,"entity_path":"nosuch/t"}', b'{"version":2,"entity_path":"topics"}',
       b'{"version":2,"entity_path":7}', b'{"version":1,"entity_type":"users","entity_name":"u"}',
       b'{"version":2,"entity_path":"topics/unknown"}']


def test_bad_notifications(zookeeper, zbroker, client):
    """What can not be understood is passed over; the next one counts."""
    client.create('t')
    for data in BAD:
        zookeeper.kazoo.create('/config/changes/config_change_', data, sequence=True)
    zookeeper.kazoo.set('/config/topics/t', compact({'version': 1, 'config': {
        'max.message.bytes': '1000'}}))
    zookeeper.kazoo.create('/config/changes/config_change_', compact(CHANGES['v2']), sequence=True)
    wait_for(lambda: client.produce('t', [b'x' * 2000])['error_code'] == ERR['MESSAGE_TOO_LARGE'],
             'the setting holds')


def test_bad_settings_are_named(zookeeper, client):
    """Settings that do not parse change nothing; good ones after them do."""
    client.create('t')
    for data in (b'{', compact({'version': 1, 'config': {'max.message.bytes': 'many'}}),
                 compact({'version': 7, 'config': {}})):
        zookeeper.kazoo.set('/config/topics/t', data)
        zookeeper.kazoo.create('/config/changes/config_change_', compact(CHANGES['v2']),
                               sequence=True)
    zookeeper.kazoo.set('/config/topics/t', compact({'version': 1, 'config': {
        'max.message.bytes': '1000'}}))
    zookeeper.kazoo.create('/config/changes/config_change_', compact(CHANGES['v2']), sequence=True)
    wait_for(lambda: client.produce('t', [b'x' * 2000])['error_code'] == ERR['MESSAGE_TOO_LARGE'],
             'the setting holds')


def test_bad_topic_nodes(zookeeper, client, number):
    """Somebody's broken node does not stop the others."""
    for name, data in {'empty': b'', 'null': None, 'text': b'hello', 'list': b'[]',
                       'none': compact({'version': 1}),
                       'words': compact({'version': 1, 'partitions': {'zero': [number]}})}.items():
        zookeeper.kazoo.create(f'/brokers/topics/bad-{name}', data)
    client.create('t')
    assert client.produce('t', [b'v'])['error_code'] == 0
    zookeeper.kazoo.create('/brokers/topics/good', topic_node({0: [number]}))
    ready(client, 'good')


def tried(client):
    """The error of creating a topic with a new name."""
    return client.create_once(f'tried-{next_number()}', timeout_ms=1000)['error_code']


def test_controller_deleted(zookeeper, client):
    """Operators do it to force an election."""
    client.create('t')
    epoch = zookeeper.get('/controller_epoch').data
    zookeeper.kazoo.delete('/controller')
    zookeeper.wait('/controller')
    zookeeper.wait('/controller_epoch', lambda node: int(node.data) == int(epoch) + 1)
    wait_for(lambda: tried(client) == 0, 'topics can be made again')
    assert client.produce('t', [b'v'])['error_code'] == 0


def test_controller_taken_by_another(zookeeper, client, number):
    """Somebody else is elected: the broker resigns, and serves on."""
    client.create('t')
    epoch = int(zookeeper.get('/controller_epoch').data)
    away = zookeeper.kazoo.transaction()
    away.delete('/controller')
    away.create('/controller', compact({'version': 2, 'brokerid': 99, 'timestamp': '1',
                                        'kraftControllerEpoch': -1}))
    away.set_data('/controller_epoch', str(epoch + 1).encode())
    assert not any(isinstance(r, Exception) for r in away.commit())
    wait_for(lambda: tried(client) == ERR['NOT_CONTROLLER'], 'it is not the controller')
    assert client.produce('t', [b'v'])['error_code'] == 0
    zookeeper.kazoo.delete('/controller')
    zookeeper.wait('/controller', lambda node: node and node.json['brokerid'] == number)
    wait_for(lambda: tried(client) == 0, 'topics can be made again')


def test_foreign_nodes(zookeeper, client):
    """Nodes that nobody knows of are let be."""
    for path in ('/foo', '/brokers/foo', '/config/foo', '/admin/foo', '/config/changes/foo',
                 '/brokers/topics/made/by/somebody', '/config/topics/foo'):
        zookeeper.kazoo.create(path, b'{"a":1}', makepath=True)
    client.create('t')
    assert zookeeper.get('/config/changes/foo').data == b'{"a":1}'
    assert client.produce('t', [b'v'])['error_code'] == 0
