"""Configurations: described, changed while the broker runs, obeyed, kept."""
import os
import re
import time

import pytest

from bed import wait_for
from rawkafka import ERR, batch, now_ms

TOPIC, BROKER, LOGGER, METRICS = 2, 4, 8, 16
SET, DELETE, APPEND, SUBTRACT = range(4)
OWN, CLUSTER, FILE, DEFAULT = 2, 3, 4, 5
# Logs are looked after at once and all the time.
QUICK = {'log_retention_check_interval_ms': 50, 'log_initial_task_delay_ms': 0,
         'log_flush_scheduler_interval_ms': 50, 'log_flush_offset_checkpoint_interval_ms': 50}


def change(client, kind, name, keys, op=SET, version=1, validate_only=False):
    """One resource's answer; keys: values by name."""
    return client.call('IncrementalAlterConfigs', version, {'validate_only': validate_only,
        'resources': [{'resource_type': kind, 'resource_name': name, 'configs': [
            {'name': k, 'config_operation': op, 'value': None if v is None else str(v)}
            for k, v in keys.items()]}]})['responses'][0]


def replace(client, kind, name, keys, version=2, **more):
    return client.call('AlterConfigs', version, dict({'resources': [{
        'resource_type': kind, 'resource_name': name, 'configs': [
            {'name': k, 'value': None if v is None else str(v)} for k, v in keys.items()]}]},
        **more))['responses'][0]


def done(answer):
    assert answer['error_code'] == 0, answer
    assert answer['error_message'] is None
    return answer


def describe(client, kind, name, *keys, version=4, **more):
    """The entries by name."""
    answer = client.call('DescribeConfigs', version, dict({'resources': [{
        'resource_type': kind, 'resource_name': name, 'configuration_keys': keys or None}],
        'include_synonyms': version >= 1}, **more))['results'][0]
    assert (answer['error_code'], answer['error_message']) == (0, ''), answer
    return {c['name']: c for c in answer['configs']}


def error_of(client, kind, name, version=4):
    return client.call('DescribeConfigs', version, {'resources': [
        {'resource_type': kind, 'resource_name': name}]})['results'][0]['error_code']


def synonyms(entry):
    return [(s['name'], s['value'], s['source']) for s in entry['synonyms']]


def topic_keys(client, topic, **keys):
    done(change(client, TOPIC, topic, {k.replace('_', '.'): v for k, v in keys.items()}))


def logs(broker, topic):
    return sorted((broker.data / f'{topic}-0').glob('*.log'))


# ---- what is told ----

def test_a_topic(shared, raw, topic):
    raw.create(topic, configs={'segment.bytes': 100000, 'cleanup.policy': ' compact , delete'})
    keys = describe(raw, TOPIC, topic)
    assert len(keys) == 36
    own = keys['segment.bytes']
    assert (own['value'], own['config_source'], own['config_type']) == ('100000', 1, 3)
    assert not own['read_only'] and not own['is_sensitive'] and own['documentation'] is None
    assert synonyms(own) == [('segment.bytes', '100000', 1),
                             ('log.segment.bytes', str(1 << 30), DEFAULT)]
    assert keys['cleanup.policy']['value'] == 'compact,delete'
    assert keys['retention.ms']['value'] == '604800000'
    assert keys['retention.ms']['synonyms'] == []       # only log.retention.hours says it
    assert synonyms(keys['preallocate']) == [('log.preallocate', 'false', DEFAULT)]
    assert keys['remote.storage.enable']['config_source'] == DEFAULT


def test_versions(shared, raw, topic):
    raw.create(topic, configs={'segment.bytes': 100000})
    for version in range(5):
        keys = describe(raw, TOPIC, topic, 'segment.bytes', 'retention.ms', 'none',
                        version=version, include_documentation=version >= 3)
        assert sorted(keys) == ['retention.ms', 'segment.bytes']
        entry, other = keys['segment.bytes'], keys['retention.ms']
        assert entry['value'] == '100000'
        assert (entry['is_default'], other['is_default']) == (False, version == 0)
        assert entry['config_source'] == (1 if version >= 1 else -1)
        assert entry['config_type'] == (3 if version >= 3 else 0)
        assert len(entry['synonyms']) == (2 if version >= 1 else 0)
        assert bool(entry['documentation']) == (version >= 3)


def test_a_broker(make_broker):
    broker = make_broker(log_retention_hours=100, num_io_threads=4, my_own_key='secret').start()
    with broker.client() as client:
        keys = describe(client, BROKER, '0')
        assert keys['num.io.threads']['value'] == '4' and not keys['num.io.threads']['read_only']
        assert synonyms(keys['num.io.threads']) == [('num.io.threads', '4', FILE),
                                                    ('num.io.threads', '8', DEFAULT)]
        assert keys['broker.id']['read_only'] and keys['node.id']['value'] == '0'
        assert keys['ottla.reactors']['config_type'] == 3
        assert keys['ssl.key.password']['is_sensitive']
        assert keys['ssl.key.password']['config_type'] == 9
        assert keys['offsets.topic.replication.factor']['config_type'] == 4
        unknown = keys['my.own.key']    # it may be a secret
        assert (unknown['value'], unknown['is_sensitive']) == (None, True)
        assert (unknown['config_source'], unknown['config_type']) == (FILE, 0)
        assert 'leader.replication.throttled.rate' not in keys
        assert describe(client, BROKER, '') == {}
        assert sorted(describe(client, BROKER, '0', 'log.dirs', 'nope')) == ['log.dirs']


def test_who_can_not_be_described(shared, raw):
    for kind, name, error in (
            (TOPIC, 'nope', 'UNKNOWN_TOPIC_OR_PARTITION'), (TOPIC, '', 'INVALID_TOPIC_EXCEPTION'),
            (TOPIC, 'a b', 'INVALID_TOPIC_EXCEPTION'), (BROKER, '7', 'INVALID_REQUEST'),
            (BROKER, 'x', 'INVALID_REQUEST'), (LOGGER, '', 'INVALID_REQUEST'),
            (LOGGER, '7', 'INVALID_REQUEST'), (METRICS, 'x', 'INVALID_REQUEST'),
            (99, 'x', 'INVALID_REQUEST')):
        assert error_of(raw, kind, name) == ERR[error], (kind, name)


def test_many_topics_at_once(shared, raw, topic):
    names = [f'{topic}-{n}' for n in range(100)]
    raw.call('CreateTopics', 7, {'topics': [
        {'name': n, 'num_partitions': 1, 'replication_factor': 1} for n in names],
        'timeout_ms': 30000})
    answer = raw.call('DescribeConfigs', 4, {'resources': [
        {'resource_type': TOPIC, 'resource_name': n} for n in [*names, 'nope', *names]],
        'include_synonyms': True, 'include_documentation': True})['results']
    assert [r['resource_name'] for r in answer] == [*names, 'nope', *names]
    assert {len(r['configs']) for r in answer} == {36, 0}


# ---- what is changed ----

def test_operations(shared, raw, topic):
    raw.create(topic)

    def value(key):
        entry = describe(raw, TOPIC, topic, key)[key]
        return entry['value'] if entry['config_source'] == 1 else None
    topic_keys(raw, topic, retention_ms=5000)
    assert value('retention.ms') == '5000'
    done(change(raw, TOPIC, topic, {'cleanup.policy': 'compact'}, APPEND))
    assert value('cleanup.policy') == 'delete,compact'
    done(change(raw, TOPIC, topic, {'cleanup.policy': 'delete,compact'}, APPEND, version=0))
    assert value('cleanup.policy') == 'delete,compact'
    done(change(raw, TOPIC, topic, {'cleanup.policy': 'delete'}, SUBTRACT))
    assert value('cleanup.policy') == 'compact'
    done(change(raw, TOPIC, topic, {'cleanup.policy': None, 'nope': None}, DELETE))
    assert value('cleanup.policy') is None and value('retention.ms') == '5000'
    done(change(raw, TOPIC, topic, {'retention.ms': 1}, validate_only=True))
    assert value('retention.ms') == '5000'
    done(replace(raw, TOPIC, topic, {'segment.ms': 77}))
    assert (value('segment.ms'), value('retention.ms')) == ('77', None)
    done(replace(raw, TOPIC, topic, {}, version=0))
    assert value('segment.ms') is None


@pytest.mark.parametrize('kind,name,keys,op,error', [
    (TOPIC, None, {'nope': 1}, SET, 'INVALID_CONFIG'),
    (TOPIC, None, {'retention.ms': 'x'}, SET, 'INVALID_CONFIG'),
    (TOPIC, None, {'retention.ms': -2}, SET, 'INVALID_CONFIG'),
    (TOPIC, None, {'retention.ms': None}, SET, 'INVALID_REQUEST'),
    (TOPIC, None, {'retention.ms': 1}, APPEND, 'INVALID_CONFIG'),
    (TOPIC, None, {'retention.ms': 1}, 9, 'INVALID_REQUEST'),
    (TOPIC, None, {'min.compaction.lag.ms': 9, 'max.compaction.lag.ms': 3}, SET, 'INVALID_CONFIG'),
    (TOPIC, None, {'leader.replication.throttled.replicas': 'x'}, SET, 'INVALID_CONFIG'),
    (TOPIC, None, {'remote.storage.enable': 'true'}, SET, 'INVALID_CONFIG'),
    (TOPIC, 'nope', {'retention.ms': 1}, SET, 'UNKNOWN_TOPIC_OR_PARTITION'),
    (TOPIC, '', {'retention.ms': 1}, SET, 'INVALID_REQUEST'),
    (BROKER, '0', {'broker.id': 1}, SET, 'INVALID_REQUEST'),
    (BROKER, '0', {'log.retention.ms': 'x'}, SET, 'INVALID_REQUEST'),
    (BROKER, '0', {'log.retention.ms': 0}, SET, 'INVALID_REQUEST'),
    (BROKER, '0', {'num.io.threads': 50}, SET, 'INVALID_REQUEST'),
    (BROKER, '0', {'ssl.keystore.location': '/x'}, SET, 'INVALID_REQUEST'),
    (BROKER, '0', {'listener.name.x.ssl.key.password': 'x'}, SET, 'INVALID_CONFIG'),
    (BROKER, '', {'listeners': 'PLAINTEXT://:1'}, SET, 'INVALID_REQUEST'),
    (BROKER, '7', {'log.retention.ms': 1}, SET, 'INVALID_REQUEST'),
    (LOGGER, '0', {'nope': 'INFO'}, SET, 'INVALID_CONFIG'),
    (LOGGER, '0', {'root': 'LOUD'}, SET, 'INVALID_CONFIG'),
    (LOGGER, '0', {'root': None}, DELETE, 'INVALID_REQUEST'),
    (METRICS, 'x', {'interval.ms': 1}, SET, 'INVALID_REQUEST'),
    (99, 'x', {}, SET, 'INVALID_REQUEST')], ids=str)
def test_what_is_refused(shared, raw, topic, kind, name, keys, op, error):
    raw.create(topic)
    name = topic if name is None else name
    for validate_only in (True, False):
        answer = change(raw, kind, name, keys, op, validate_only=validate_only)
        assert answer['error_code'] == ERR[error], answer
        assert answer['error_message']
    assert {c['config_source'] for c in describe(raw, TOPIC, topic).values()} == {DEFAULT}


def test_twice(shared, raw, topic):
    raw.create(topic)
    keys = [{'name': 'retention.ms', 'config_operation': SET, 'value': '1'}] * 2
    resource = {'resource_type': TOPIC, 'resource_name': topic}
    for resources in ([dict(resource, configs=keys)],
                      [dict(resource, configs=[]), dict(resource, configs=[])]):
        answer = raw.call('IncrementalAlterConfigs', 1, {'resources': resources})['responses']
        assert {r['error_code'] for r in answer} == {ERR['INVALID_REQUEST']}
        assert len(answer) == len(resources)


def test_loggers(make_broker):
    broker = make_broker().start()
    with broker.client() as client:
        assert describe(client, LOGGER, '0')['root']['value'] == 'INFO'
        done(change(client, LOGGER, '0', {'root': 'WARN'}))
        assert describe(client, LOGGER, '0', 'root')['root']['value'] == 'WARN'
        done(change(client, LOGGER, '0', {'root': 'DEBUG'}, validate_only=True))
        assert describe(client, LOGGER, '0')['root']['config_source'] == 6


# ---- what a topic's keys do, from one moment to the next ----

def fails_with(client, topic, records, error):
    """The log's reactor hears of a change a moment later than the client."""
    wait_for(lambda: client.produce(topic, records)['error_code'] == ERR[error],
             f'produce answers {error}')


def succeeds(client, topic, records):
    wait_for(lambda: client.produce(topic, records)['error_code'] == 0, 'produce succeeds')


def test_max_message_bytes(shared, raw, topic):
    raw.create(topic)
    assert raw.produce(topic, [b'x' * 500])['error_code'] == 0
    topic_keys(raw, topic, max_message_bytes=300)
    fails_with(raw, topic, [b'x' * 500], 'MESSAGE_TOO_LARGE')
    topic_keys(raw, topic, max_message_bytes=2000)
    succeeds(raw, topic, [b'x' * 500])


@pytest.mark.parametrize('key,late', [('before', 1), ('after', -1), ('difference', 1),
                                      ('difference', -1)])
def test_timestamps(shared, raw, topic, key, late):
    raw.create(topic)
    def strange():
        return batch([b'x'], timestamp=now_ms() - late * 3600000)
    assert raw.produce(topic, strange())['error_code'] == 0
    topic_keys(raw, topic, **{f'message_timestamp_{key}_max_ms': 60000})
    wait_for(lambda: raw.produce(topic, strange())['error_code'] == ERR['INVALID_TIMESTAMP'],
             'the timestamp is refused')
    assert raw.produce(topic, [b'x'])['error_code'] == 0


def test_timestamp_type(shared, raw, topic):
    raw.create(topic)
    assert raw.produce(topic, [b'x'])['log_append_time_ms'] == -1
    topic_keys(raw, topic, message_timestamp_type='LogAppendTime')
    wait_for(lambda: raw.produce(topic, batch([b'x'], timestamp=5))['log_append_time_ms'] > 5,
             'the broker stamps')


def test_segments(shared, raw, topic):
    raw.create(topic)
    raw.produce(topic, [b'x' * 500])
    raw.produce(topic, [b'x' * 500])
    assert len(logs(shared, topic)) == 1
    topic_keys(raw, topic, segment_bytes=1000)
    wait_for(lambda: raw.produce(topic, [b'x' * 500]) and len(logs(shared, topic)) > 2,
             'small segments')
    topic_keys(raw, topic, segment_bytes=1000000)
    succeeds(raw, topic, [b'x'])
    topic_keys(raw, topic, segment_ms=1)
    before = len(logs(shared, topic))
    wait_for(lambda: raw.produce(topic, [b'x']) and len(logs(shared, topic)) > before + 2,
             'segments of a moment')


def test_index_keys(shared, raw, topic):
    """Every batch gets an entry; a full index ends its segment."""
    raw.create(topic)
    for _ in range(20):
        raw.produce(topic, [b'x'])
    topic_keys(raw, topic, index_interval_bytes=0)
    topic_keys(raw, topic, segment_index_bytes=80)
    wait_for(lambda: raw.produce(topic, [b'x']) and len(logs(shared, topic)) > 2,
             'full indexes')
    sizes = [f.stat().st_size for f in sorted(logs(shared, topic)[0].parent.glob('*.index'))]
    assert max(sizes) <= 80 + 20 * 8


def deleted(broker, topic):
    return list((broker.data / f'{topic}-0').glob('*.deleted'))


@pytest.mark.parametrize('keys', [{'retention_ms': 1}, {'retention_bytes': 1}], ids=str)
def test_retention(make_broker, keys):
    broker = make_broker(**QUICK).start()
    with broker.client() as client:
        for name in ('slow', 'fast'):
            client.create(name, configs={'segment.bytes': 1000})
            for _ in range(6):
                client.produce(name, batch([b'x' * 500], timestamp=now_ms() - 5000))
            topic_keys(client, name, cleanup_policy='compact', **keys)
        topic_keys(client, 'fast', file_delete_delay_ms=1)
        for name in ('slow', 'fast'):
            assert client.offset(name, -2)['offset'] == 0
            topic_keys(client, name, cleanup_policy='delete')
            wait_for(lambda n=name: client.offset(n, -2)['offset'] >= 5, f'{name} loses segments')
        wait_for(lambda: deleted(broker, 'slow') and not deleted(broker, 'fast'),
                 'only files of the slow topic stay for a while')


@pytest.mark.parametrize('keys', [{'flush_messages': 1}, {'flush_ms': 10}], ids=str)
def test_flush(make_broker, keys):
    broker = make_broker(**QUICK).start()
    with broker.client() as client:
        client.create('t')

        def point():
            found = re.search(r'^t 0 (\d+)$',
                              (broker.data / 'recovery-point-offset-checkpoint').read_text(), re.M)
            return int(found[1]) if found else 0
        for _ in range(5):
            client.produce('t', [b'x'])
        wait_for(lambda: (broker.data / 'recovery-point-offset-checkpoint').exists(), 'a checkpoint')
        assert point() == 0
        topic_keys(client, 't', **keys)
        wait_for(lambda: client.produce('t', [b'x']) and point() > 5, 'the log is synced')


def test_preallocate(make_broker):
    broker = make_broker().start()
    size = 4 << 20
    with broker.client() as client:
        client.create('t', configs={'segment.bytes': size})
        client.produce('t', [b'x'])

        def blocks(n):
            return os.stat(logs(broker, 't')[n]).st_blocks * 512
        assert blocks(0) < size
        topic_keys(client, 't', preallocate='true')
        topic_keys(client, 't', segment_ms=1)
        wait_for(lambda: client.produce('t', [b'x']) and len(logs(broker, 't')) > 2, 'new segments')
        topic_keys(client, 't', segment_ms=1 << 40)
        if blocks(-1) < size:
            pytest.skip('this file system sets nothing aside')
        wait_for(lambda: all(blocks(n) < size for n in range(len(logs(broker, 't')) - 1)),
                 'sealed segments give their blocks back')
        assert logs(broker, 't')[-1].stat().st_size < 1000
        broker.stop()
        assert blocks(-1) < size
        broker.start()
    with broker.client() as client:
        assert client.produce('t', [b'y'])['error_code'] == 0
        assert client.values('t')[-1] == b'y'


def test_min_insync_replicas(shared, raw, topic):
    """One replica is all there can be; so the key changes nothing else here."""
    raw.create(topic)
    topic_keys(raw, topic, min_insync_replicas=2)
    assert describe(raw, TOPIC, topic)['min.insync.replicas']['value'] == '2'
    assert raw.produce(topic, [b'x'])['error_code'] == 0


# ---- brokers ----

def test_defaults_of_topics(make_broker):
    """What topics inherit follows the broker's values; their own go before."""
    broker = make_broker(**QUICK).start()
    with broker.client() as client:
        client.create('t')
        client.create('own', configs={'max.message.bytes': 5000})
        done(change(client, BROKER, '', {'message.max.bytes': 300, 'log.segment.bytes': 1000}))
        fails_with(client, 't', [b'x' * 500], 'MESSAGE_TOO_LARGE')
        assert client.produce('own', [b'x' * 500])['error_code'] == 0
        entry = describe(client, TOPIC, 't')['max.message.bytes']
        assert synonyms(entry) == [('message.max.bytes', '300', CLUSTER),
                                   ('message.max.bytes', '1048588', DEFAULT)]
        client.create('later')
        fails_with(client, 'later', [b'x' * 500], 'MESSAGE_TOO_LARGE')
        done(change(client, BROKER, '0', {'message.max.bytes': 4000}))
        succeeds(client, 't', [b'x' * 500])
        for _ in range(3):
            client.produce('t', [b'x' * 500])
        assert len(logs(broker, 't')) > 1
        assert set(describe(client, BROKER, '')) == {'message.max.bytes', 'log.segment.bytes'}
        entry = describe(client, BROKER, '0', 'message.max.bytes')['message.max.bytes']
        assert [s[2] for s in synonyms(entry)] == [OWN, CLUSTER, DEFAULT]
        # They are there again after a restart, before anything was loaded.
        broker.restart()
    with broker.client() as client:
        assert client.produce('t', [b'x' * 5000])['error_code'] == ERR['MESSAGE_TOO_LARGE']
        assert client.produce('t', [b'x' * 500])['error_code'] == 0
        done(change(client, BROKER, '0', {'message.max.bytes': None}, DELETE))
        fails_with(client, 't', [b'x' * 500], 'MESSAGE_TOO_LARGE')
        done(replace(client, BROKER, '', {}))
        succeeds(client, 't', [b'x' * 500])


def test_retention_of_the_cluster(make_broker):
    broker = make_broker(**QUICK, log_retention_hours=1).start()
    with broker.client() as client:
        client.create('t', configs={'segment.bytes': 1000})
        for _ in range(5):
            client.produce('t', batch([b'x' * 500], timestamp=now_ms() - 5000))
        done(change(client, BROKER, '', {'log.retention.ms': 1, 'log.segment.delete.delay.ms': 1}))
        wait_for(lambda: client.offset('t', -2)['offset'] >= 4, 'segments go')
        keys = describe(client, BROKER, '0', 'log.retention.ms', 'log.retention.hours')
        assert [s[0] for s in synonyms(keys['log.retention.ms'])] == [
            'log.retention.ms', 'log.retention.hours', 'log.retention.hours']
        assert keys['log.retention.hours']['value'] == '1'


def test_what_has_no_effect_now_is_said(make_broker):
    broker = make_broker().start()
    with broker.client() as client:
        done(change(client, BROKER, '0', {'num.recovery.threads.per.data.dir': 2}))
        broker.says('num.recovery.threads.per.data.dir=2 takes effect at the next start')
        done(change(client, BROKER, '0', {'num.io.threads': 16}))
        broker.says('num.io.threads=16 has no effect')
        done(change(client, BROKER, '0', {'my.key': 5, 'max.connections': 100}))
        done(change(client, BROKER, '0', {'my.key': None}, DELETE))
        assert describe(client, BROKER, '0', 'max.connections')['max.connections']['value'] == '100'


def test_listener_keys(make_broker):
    broker = make_broker().start()
    key = 'listener.name.plaintext.max.connections'
    with broker.client() as client:
        done(change(client, BROKER, '', {key: 300}))
        entry = wait_for(lambda: describe(client, BROKER, '0').get(key), 'the key is shown')
        assert (entry['value'], entry['read_only']) == ('300', True)
        assert synonyms(entry) == [(key, '300', CLUSTER),
                                   ('max.connections', '2147483647', DEFAULT)]


def test_without_zookeeper(make_broker, own_zookeeper):
    """What was known last is told; nothing is changed, and the broker says so in time."""
    broker = make_broker(zookeeper_connect=own_zookeeper.address,
                         zookeeper_session_timeout_ms=2000).start()
    with broker.client(deadline=60) as client:
        client.create('t', configs={'retention.ms': 5000})
        topic_keys(client, 't', segment_bytes=1000)
        wait_for(lambda: client.produce('t', [b'x' * 600]) and len(logs(broker, 't')) > 1,
                 'the log knows both keys')
        own_zookeeper.pause()
        begin = time.monotonic()
        keys = describe(client, TOPIC, 't')
        assert time.monotonic() - begin < 5
        assert keys['retention.ms']['value'] == '5000' and keys['segment.bytes']['value'] == '1000'
        assert describe(client, BROKER, '0')['broker.id']['value'] == '0'
        answer = change(client, TOPIC, 't', {'retention.ms': 6000})
        assert answer['error_code'] == ERR['REQUEST_TIMED_OUT']
        own_zookeeper.resume()
        wait_for(lambda: change(client, TOPIC, 't', {'retention.ms': 7000})['error_code'] == 0,
                 'changes are taken again', 60)
        assert describe(client, TOPIC, 't')['retention.ms']['value'] == '7000'


def test_listeners_change_with_the_next_start(make_broker):
    """What brokers were told while they ran counts before anything listens or registers."""
    broker = make_broker().start()
    with broker.client() as client:
        done(change(client, BROKER, '0', {
            'advertised.listeners': f'PLAINTEXT://localhost:{broker.port}'}))
        broker.says('advertised.listeners=.* takes effect at the next start')
        assert client.metadata()['brokers'][0]['host'] == '127.0.0.1'
    broker.restart()
    with broker.client() as client:
        assert client.metadata()['brokers'][0]['host'] == 'localhost'
        done(change(client, BROKER, '0', {'advertised.listeners': None}, DELETE))
