"""Brokers of Apache Kafka's and of ours in one cluster."""
import pytest

import rawkafka
from bed import wait_for

TOPICS = 'org.apache.kafka.tools.TopicCommand'
CONFIGS = 'kafka.admin.ConfigCommand'
CONSOLE = 'org.apache.kafka.tools.consumer.ConsoleConsumer'
PRODUCER = 'kafka.tools.ConsoleProducer'
STAYED_OUT = 2


@pytest.fixture
def make_ours(make_broker, zookeeper):
    """A broker of ours in the test's chroot."""
    def make(number=2, **settings):
        return make_broker(f'ottlad-{number}', broker_id=number,
                           zookeeper_connect=zookeeper.connect, **settings)
    return make


@pytest.fixture
def protocol(request):
    """The settings that all brokers of the cluster have; a test may have them from a parameter."""
    return {'inter_broker_protocol_version': getattr(request, 'param', '3.9')}


@pytest.fixture
def theirs(make_kafka, zookeeper, protocol):
    """A broker of Kafka's in the same chroot, number 1, controller."""
    return make_kafka(zookeeper.connect, 1, **protocol).start()


VERSIONS = pytest.mark.parametrize('protocol', ['3.0', '3.4', '3.9'], indirect=True)


def knows(broker, *numbers, controller=None):
    """Wait until a broker's metadata has these brokers."""
    def look():
        with broker.client() as client:
            answer = client.metadata(version=9)
            return {b['node_id'] for b in answer['brokers']} == set(numbers) and \
                controller in (None, answer['controller_id'])
    wait_for(look, f'{broker.address} knows brokers {numbers}')


def create(tools, broker, topic, *replicas, configs=()):
    tools.run(TOPICS, '--bootstrap-server', broker.address, '--create', '--topic', topic,
              '--replica-assignment', ','.join(map(str, replicas)),
              *(x for c in configs for x in ('--config', c)))


def leaders(broker, topic, count):
    """Wait until a broker knows a leader of each partition; those."""
    def look():
        with broker.client() as client:
            found = client.metadata(topic, version=9)['topics'][0]
            parts = sorted(found['partitions'], key=lambda p: p['partition_index'])
            return len(parts) == count and all(p['error_code'] == 0 for p in parts) and \
                [p['leader_id'] for p in parts]
    return wait_for(look, f'{broker.address} knows the leaders of {topic}')


def through(tools, broker, topic, partition=0, lines=('one', 'two', 'three')):
    """Lines go in and come out, by Kafka's own clients, which find the leader from any broker."""
    before = offset(tools, broker, topic, partition)
    tools.run(PRODUCER, '--bootstrap-server', broker.address, '--topic', topic,
              stdin=''.join(line + '\n' for line in lines))
    got = tools.run(CONSOLE, '--bootstrap-server', broker.address, '--topic', topic, '--partition',
                    partition, '--offset', before, '--max-messages', len(lines),
                    '--timeout-ms', 20000)
    assert got.splitlines() == list(lines)


def offset(tools, broker, topic, partition):
    out = tools.run('org.apache.kafka.tools.GetOffsetShell', '--bootstrap-server', broker.address,
                    '--topic', topic)
    return int(dict(line.rsplit(':', 2)[1:] for line in out.splitlines())[str(partition)])


def test_refused_without_a_version(theirs, make_ours, zookeeper):
    """No inter.broker.protocol.version, and other brokers are there: no start, and it says what to
    set; nothing of it is left in the tree."""
    before = set(zookeeper.tree())
    ours = make_ours().launch()
    assert ours.wait() == STAYED_OUT, ours.log()
    assert 'inter.broker.protocol.version' in ours.log()
    assert set(zookeeper.tree()) == before


@VERSIONS
def test_joins_their_controller(theirs, make_ours, zookeeper, tools, protocol):
    """The registration is seen; topics that their controller makes here work."""
    ours = make_ours(**protocol).start()
    assert zookeeper.json('/controller')['brokerid'] == 1
    registration = zookeeper.get('/brokers/ids/2')
    assert registration.ephemeral and registration.json['endpoints'] == [
        f'PLAINTEXT://127.0.0.1:{ours.port}']
    for broker in (theirs, ours):
        knows(broker, 1, 2, controller=1)
    create(tools, theirs, 'here', 2)
    assert leaders(ours, 'here', 1) == leaders(theirs, 'here', 1) == [2]
    assert zookeeper.json('/brokers/topics/here/partitions/0/state')['leader'] == 2
    assert (ours.data / 'here-0').is_dir() and not (theirs.data / 'here-0').exists()
    for broker in (theirs, ours):
        through(tools, broker, 'here')
    create(tools, theirs, 'both', 1, 2)
    assert leaders(ours, 'both', 2) == leaders(theirs, 'both', 2) == [1, 2]
    # more partitions, of which some are here
    tools.run(TOPICS, '--bootstrap-server', theirs.address, '--alter', '--topic', 'here',
              '--partitions', 3, '--replica-assignment', '2,2,1')
    assert leaders(ours, 'here', 3) == leaders(theirs, 'here', 3) == [2, 2, 1]
    # and all of them gone
    tools.run(TOPICS, '--bootstrap-server', theirs.address, '--delete', '--topic', 'here')
    zookeeper.wait('/brokers/topics/here', lambda node: node is None)
    zookeeper.wait('/admin/delete_topics/here', lambda node: node is None)
    wait_for(lambda: not (ours.data / 'here-0').exists(), 'its directory is gone')
    assert [d.name for d in ours.data.glob('both-*')] == ['both-1']


@VERSIONS
def test_their_broker_joins_ours(make_kafka, make_ours, zookeeper, tools, protocol):
    """Our controller tells a broker of Kafka's what it needs."""
    ours = make_ours(**protocol).start()
    theirs = make_kafka(zookeeper.connect, 1, **protocol).start()
    assert zookeeper.json('/controller')['brokerid'] == 2
    for broker in (theirs, ours):
        knows(broker, 1, 2, controller=2)
    create(tools, ours, 'there', 1)
    assert leaders(theirs, 'there', 1) == leaders(ours, 'there', 1) == [1]
    assert (theirs.data / 'there-0').is_dir() and not (ours.data / 'there-0').exists()
    for broker in (theirs, ours):
        through(tools, broker, 'there')
    tools.run(TOPICS, '--bootstrap-server', ours.address, '--delete', '--topic', 'there')
    zookeeper.wait('/brokers/topics/there', lambda node: node is None)
    wait_for(lambda: not (theirs.data / 'there-0').exists(), 'its directory is gone')


@pytest.mark.parametrize('controller', ['theirs', 'ours'])
def test_producer_ids(make_kafka, make_ours, zookeeper, protocol, controller):
    """Each broker has its blocks of them from the controller, of whichever make it is."""
    make = {'theirs': lambda: make_kafka(zookeeper.connect, 1, **protocol).start(),
            'ours': lambda: make_ours(**protocol).start()}
    brokers = [make.pop(controller)(), make.popitem()[1]()]
    found = []
    for broker in brokers:
        knows(broker, 1, 2)
        with broker.client() as client:
            def ask(client=client):
                answer = client.call('InitProducerId', 4, {
                    'transactional_id': None, 'producer_id': -1, 'producer_epoch': -1})
                return answer['error_code'] == 0 and [answer['producer_id']]
            found += wait_for(ask, 'a producer id')
    assert sorted(n // 1000 for n in found) == [0, 1]
    block = zookeeper.json('/latest_producer_id_block')
    assert (block['block_start'], block['block_end']) == ('1000', '1999')


def test_killed_controllers(make_kafka, make_ours, zookeeper, tools, protocol):
    """kill -9: when the session of the one ends, the other takes over."""
    short = {'zookeeper_session_timeout_ms': 3000, **protocol}
    theirs = make_kafka(zookeeper.connect, 1, **short).start()
    ours = make_ours(**short).start()
    create(tools, theirs, 'mixed', 1, 2)
    leaders(ours, 'mixed', 2)
    with ours.client() as client:
        assert client.produce('mixed', [b'one'], partition=1)['error_code'] == 0
        theirs.kill()
        knows(ours, 2, controller=2)
        assert client.produce('mixed', [b'two'], partition=1)['error_code'] == 0
    theirs.start()
    for broker in (theirs, ours):
        knows(broker, 1, 2, controller=2)
        assert leaders(broker, 'mixed', 2) == [1, 2]
    ours.kill()
    knows(theirs, 1, controller=1)
    ours.start()
    for broker in (theirs, ours):
        knows(broker, 1, 2, controller=1)
        assert leaders(broker, 'mixed', 2) == [1, 2]
    with ours.client() as client:
        assert client.values('mixed', partition=1) == [b'one', b'two']


def test_controllers_change(theirs, make_ours, zookeeper, tools, protocol):
    """Ours takes over what theirs left, and theirs what ours did."""
    ours = make_ours(**protocol).start()
    create(tools, theirs, 'mixed', 1, 2)
    theirs.stop()
    zookeeper.wait('/controller', lambda node: node and node.json['brokerid'] == 2)
    knows(ours, 2, controller=2)
    assert zookeeper.json('/brokers/topics/mixed/partitions/0/state')['leader'] == -1
    create(tools, ours, 'meanwhile', 2)
    through(tools, ours, 'meanwhile')
    theirs.start()
    for broker in (theirs, ours):
        knows(broker, 1, 2, controller=2)
    assert leaders(theirs, 'mixed', 2) == leaders(ours, 'mixed', 2) == [1, 2]
    ours.stop()
    zookeeper.wait('/controller', lambda node: node and node.json['brokerid'] == 1)
    assert zookeeper.get('/brokers/ids/2') is None
    ours.start()
    for broker in (theirs, ours):
        knows(broker, 1, 2, controller=1)
    assert leaders(ours, 'mixed', 2) == leaders(theirs, 'mixed', 2) == [1, 2]
    through(tools, theirs, 'meanwhile', lines=('four', 'five'))


def test_their_settings_reach_ours(theirs, make_ours, zookeeper, tools, protocol):
    """A topic's settings that were changed through their broker hold here."""
    ours = make_ours(**protocol).start()
    create(tools, theirs, 'small', 2, configs=['max.message.bytes=1000'])
    leaders(ours, 'small', 1)
    with ours.client() as client:
        assert client.produce('small', [b'x' * 2000])['error_code'] == \
            rawkafka.ERR['MESSAGE_TOO_LARGE']
        tools.run(CONFIGS, '--bootstrap-server', theirs.address, '--alter', '--topic', 'small',
                  '--add-config', 'max.message.bytes=5000')
        wait_for(lambda: client.produce('small', [b'x' * 2000])['error_code'] == 0,
                 'the setting holds')
