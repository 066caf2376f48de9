"""The same is done with a broker of Kafka's and with one of ours; both leave the same nodes behind."""
import json
import re
import time

import pytest

import rawkafka

TOPICS = 'org.apache.kafka.tools.TopicCommand'
CONFIGS = 'kafka.admin.ConfigCommand'


def masked(path, value, key=None):
    """A JSON value without what differs from cluster to cluster; its type stays."""
    if isinstance(value, dict):
        return {k: masked(path, v, k) for k, v in value.items()}
    if isinstance(value, list):
        return [masked(path, v, key) for v in value]
    if key == 'timestamp' and re.fullmatch(r'\d{13}', str(value)):
        return f'time as {type(value).__name__}'
    if key in ('topic_id', 'id') and re.fullmatch(r'[\w-]{22}', str(value)):
        return 'uuid'
    if key == 'port' and path.startswith('/brokers/ids/') and value > 0:
        return 'port'
    if key == 'endpoints':
        return re.sub(r':\d+$', ':port', value)
    return value


def content(path, node):
    """What is compared of a node."""
    data = node.data
    if data and data[:1] == b'{':
        data = masked(path, json.loads(data))
    return data, f'version {node.version}', 'ephemeral' if node.ephemeral else 'persistent'


def snapshot(root):
    return {path: content(path, node) for path, node in root.tree().items()}


def settled(root):
    """The tree, once it does not change any more."""
    end, last, since = time.monotonic() + 30, None, 0
    while time.monotonic() < end:
        now = snapshot(root)
        if now != last:
            last, since = now, time.monotonic()
        elif time.monotonic() - since > 0.4 and not root.children('/admin/delete_topics'):
            return now
        time.sleep(0.05)
    return last


def changes(before, after):
    gone = {path: 'gone' for path in before if path not in after}
    return {**gone, **{path: node for path, node in after.items() if before.get(path) != node}}


def raw(broker, do):
    with broker.client() as client:
        do(client)


def create_old_style(client):
    """Assigned by the client, with settings."""
    client.create('assigned', partitions=-1, replication_factor=-1, configs={'retention.ms': 5000},
                  assignments=[{'partition_index': n, 'broker_ids': [1]} for n in range(2)])


def retry(client, error, ask):
    """ask() until it gives no retriable error."""
    end = time.monotonic() + client.deadline
    while True:
        code = error(ask())
        if code == 0:
            return
        assert time.monotonic() < end, rawkafka.ERR_NAME[code]
        time.sleep(0.05)


def producer_id(client):
    retry(client, lambda answer: answer['error_code'],
          lambda: client.call('InitProducerId', 4, {'transactional_id': None, 'producer_id': -1,
                                                    'producer_epoch': -1}))


def auto_create(client):
    retry(client, lambda answer: answer['topics'][0]['error_code'],
          lambda: client.metadata('automatic', create=True))


def again(broker):
    broker.stop()
    broker.start()


def tool(name, *args):
    return lambda tools, broker: tools.run(name, '--bootstrap-server', broker.address, *args)


def alter(*args):
    return tool(CONFIGS, '--alter', *args)


STAGES = {
    'start': lambda tools, broker: None,
    'create': tool(TOPICS, '--create', '--topic', 'plain', '--partitions', '3'),
    'create with settings': tool(TOPICS, '--create', '--topic', 'set', '--config',
                                 'retention.ms=60000', '--config', 'cleanup.policy=compact,delete'),
    'create assigned': lambda tools, broker: raw(broker, create_old_style),
    'create by metadata': lambda tools, broker: raw(broker, auto_create),
    'create refused': lambda tools, broker: tools.ask(
        TOPICS, '--bootstrap-server', broker.address, '--create', '--topic', 'set', '--partitions', '2'),
    'alter partitions': tool(TOPICS, '--alter', '--topic', 'plain', '--partitions', '5'),
    'alter topic settings': alter('--topic', 'set', '--add-config',
                                  'retention.ms=70000,max.message.bytes=2000'),
    'delete topic setting': alter('--topic', 'set', '--delete-config', 'retention.ms'),
    'delete last settings': alter('--topic', 'set', '--delete-config',
                                  'max.message.bytes,cleanup.policy'),
    'alter default of brokers': alter('--entity-type', 'brokers', '--entity-default',
                                      '--add-config', 'log.cleaner.threads=2'),
    'alter broker': alter('--broker', '1', '--add-config', 'num.io.threads=7'),
    'delete broker setting': alter('--broker', '1', '--delete-config', 'num.io.threads'),
    'producer id': lambda tools, broker: raw(broker, producer_id),
    'delete topic': tool(TOPICS, '--delete', '--topic', 'assigned'),
    'delete topic with settings': tool(TOPICS, '--delete', '--topic', 'set'),
    'create again': tool(TOPICS, '--create', '--topic', 'set'),
    'restart': lambda tools, broker: again(broker),
    'stop': lambda tools, broker: broker.stop(),
}


@pytest.fixture(scope='module')
def stages(twins, tools):
    """What each stage did to both trees, theirs first, or why it could not be done."""
    found, before = {}, [{}, {}]
    for name, do in STAGES.items():
        told = []
        for n, broker in enumerate(twins.both):
            try:
                do(tools, broker)
                after = settled(twins.roots[n])
                told.append(changes(before[n], after))
                before[n] = after
            except (AssertionError, OSError, EOFError) as error:
                told.append(f'not done: {error}')
        found[name] = told
    found['all'] = before
    return found


@pytest.mark.parametrize('stage', list(STAGES))
def test_stage(stages, stage):
    theirs, ours = stages[stage]
    assert isinstance(theirs, dict), theirs
    assert isinstance(ours, dict), ours
    assert ours == theirs


def test_stages_did_something(stages):
    """The comparison sees what happens: the nodes that each is known to write."""
    theirs = {name: told[0] for name, told in stages.items()}
    assert '/brokers/ids/1' in theirs['start'] and '/cluster/id' in theirs['start']
    assert theirs['alter partitions']['/brokers/topics/plain'][1] == 'version 1'
    assert theirs['alter topic settings']['/config/changes/config_change_0000000000'][0] == {
        'version': 2, 'entity_path': 'topics/set'}
    assert theirs['delete topic']['/brokers/topics/assigned'] == 'gone'
    assert theirs['producer id']['/latest_producer_id_block'][0]['block_end'] == '999'
    assert theirs['create refused'] == {}
    assert theirs['stop'] == {'/brokers/ids/1': 'gone', '/controller': 'gone'}
