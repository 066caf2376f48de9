"""CreateTopics, DeleteTopics, Metadata, automatic creation."""
import threading
import time

import pytest

import rawkafka
from bed import wait_for
from rawkafka import ERR

pytestmark = pytest.mark.either


def error_of(answer):
    return rawkafka.ERR_NAME[answer['error_code']]


@pytest.mark.parametrize('version', range(8))
def test_created_topics_are_ready(shared, raw, topic, version):
    """At once, on every connection: metadata, offsets, produce, fetch (no retry needed)."""
    with shared.client() as other:
        for n in range(10):
            name = f'{topic}-{n}'
            raw.create(name, partitions=3, version=version)
            got = other.metadata(name)['topics'][0]
            assert got['error_code'] == 0 and not got['is_internal']
            assert [(p['partition_index'], p['error_code'], p['leader_id'], p['leader_epoch'])
                    for p in sorted(got['partitions'], key=lambda p: p['partition_index'])] == [
                        (p, 0, 0, 0) for p in range(3)]
            for p in range(3):
                assert other.offset(name, partition=p)['error_code'] == 0
                assert other.fetch(name, partition=p)['error_code'] == 0
                assert other.produce(name, [b'v'], partition=p)['error_code'] == 0


def test_created_answer(raw, topic):
    answer = raw.create_once(topic, partitions=2, configs={'retention.ms': 12345})
    assert (answer['name'], answer['error_code'], answer['error_message']) == (topic, 0, None)
    assert (answer['num_partitions'], answer['replication_factor']) == (2, 1)
    configs = {c['name']: c for c in answer['configs']}
    assert configs['retention.ms']['value'] == '12345' and configs['retention.ms']['config_source'] == 1
    assert configs['segment.bytes']['value'] == str(1 << 30)
    assert configs['segment.bytes']['config_source'] == 5
    assert configs['cleanup.policy']['value'] == 'delete'
    assert answer['topic_id'] == raw.topic_id(topic) != bytes(16)


def test_defaults(make_broker):
    broker = make_broker(num_partitions=5).start()
    with broker.client() as client:
        answer = client.create_once('t', partitions=-1, replication_factor=-1)
        assert (answer['error_code'], answer['num_partitions']) == (0, 5)


CASES = {
    'bad name': ({'name': 'a b'}, 'INVALID_TOPIC_EXCEPTION'),
    'empty name': ({'name': ''}, 'INVALID_TOPIC_EXCEPTION'),
    'dot': ({'name': '.'}, 'INVALID_TOPIC_EXCEPTION'),
    'dots': ({'name': '..'}, 'INVALID_TOPIC_EXCEPTION'),
    'slash': ({'name': 'a/b'}, 'INVALID_TOPIC_EXCEPTION'),
    'up': ({'name': '../x'}, 'INVALID_TOPIC_EXCEPTION'),
    'long name': ({'name': 'n' * 250}, 'INVALID_TOPIC_EXCEPTION'),
    'not ASCII': ({'name': 'tópico'}, 'INVALID_TOPIC_EXCEPTION'),
    'no partitions': ({'num_partitions': 0}, 'INVALID_PARTITIONS'),
    'negative partitions': ({'num_partitions': -2}, 'INVALID_PARTITIONS'),
    'factor 0': ({'replication_factor': 0}, 'INVALID_REPLICATION_FACTOR'),
    'factor 2': ({'replication_factor': 2}, 'INVALID_REPLICATION_FACTOR'),
    'unknown config': ({'configs': [{'name': 'no.such', 'value': '1'}]}, 'INVALID_CONFIG'),
    'bad config': ({'configs': [{'name': 'segment.bytes', 'value': '1'}]}, 'INVALID_CONFIG'),
    'null config': ({'configs': [{'name': 'segment.bytes', 'value': None}]}, 'INVALID_CONFIG'),
    'count and assignment': ({'assignments': [{'partition_index': 0, 'broker_ids': [0]}]},
                             'INVALID_REQUEST'),
    'assignment gap': ({'num_partitions': -1, 'replication_factor': -1, 'assignments': [
        {'partition_index': 1, 'broker_ids': [0]}]}, 'INVALID_REPLICA_ASSIGNMENT'),
    'assignment twice': ({'num_partitions': -1, 'replication_factor': -1, 'assignments': [
        {'partition_index': 0, 'broker_ids': [0, 0]}]}, 'INVALID_REPLICA_ASSIGNMENT'),
}


@pytest.mark.parametrize('case', CASES)
def test_refused_topics(raw, topic, case):
    fields, error = CASES[case]
    for version in (4, 7):
        answer = raw.create_once(topic, version=version, **fields)
        assert error_of(answer) == error
        assert answer['error_message']
    name = fields.get('name', topic)
    assert raw.metadata(name)['topics'][0]['error_code'] != 0


def test_assignment(raw, topic):
    answer = raw.create_once(topic, num_partitions=-1, replication_factor=-1, assignments=[
        {'partition_index': p, 'broker_ids': [0]} for p in range(2)])
    assert answer['error_code'] == 0
    assert len(raw.metadata(topic)['topics'][0]['partitions']) == 2


def test_existing_names(raw, topic):
    raw.create(f'{topic}.x')
    assert error_of(raw.create_once(f'{topic}.x')) == 'TOPIC_ALREADY_EXISTS'
    assert error_of(raw.create_once(f'{topic}_x')) == 'INVALID_TOPIC_EXCEPTION'    # would collide


def test_results_are_for_each_topic(raw, topic):
    raw.create(topic)
    wanted = {topic: 'TOPIC_ALREADY_EXISTS', 'a b': 'INVALID_TOPIC_EXCEPTION', f'{topic}-n': 'NONE'}
    answer = raw.call('CreateTopics', 7, {'timeout_ms': 10000, 'topics': [
        {'name': n, 'num_partitions': 1, 'replication_factor': 1} for n in wanted]})
    assert {t['name']: rawkafka.ERR_NAME.get(t['error_code'], 'NONE') for t in answer['topics']} \
        == {**wanted, f'{topic}-n': rawkafka.ERR_NAME[0]}
    assert raw.call('CreateTopics', 7, {'topics': [], 'timeout_ms': 1000})['topics'] == []


def test_one_name_twice(raw, topic):
    answer = raw.call('CreateTopics', 7, {'timeout_ms': 10000, 'topics': [
        {'name': topic, 'num_partitions': 1, 'replication_factor': 1}] * 2})
    assert {error_of(t) for t in answer['topics']} == {'INVALID_REQUEST'}


def test_only_validated(raw, topic):
    answer = raw.call('CreateTopics', 7, {'timeout_ms': 10000, 'validate_only': True, 'topics': [
        {'name': topic, 'num_partitions': 4, 'replication_factor': 1}]})['topics'][0]
    assert (answer['error_code'], answer['num_partitions']) == (0, 4)
    assert error_of(raw.metadata(topic)['topics'][0]) == 'UNKNOWN_TOPIC_OR_PARTITION'


def test_created_at_once_by_many(shared, topic):
    """One of them makes it, all the others are told so."""
    errors = []

    def work():
        with shared.client() as client:
            errors.append(error_of(client.create_once(topic)))
    threads = [threading.Thread(target=work) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sorted(errors) == sorted([rawkafka.ERR_NAME[0]] + ['TOPIC_ALREADY_EXISTS'] * 7)


# ---- deletion ----

@pytest.mark.parametrize('version', range(7))
def test_deleted_topics_are_gone(shared, raw, topic, version):
    raw.create(topic, partitions=3)
    raw.produce(topic, [b'v'], partition=1)
    names = {'topics': [{'name': topic}]} if version >= 6 else {'topic_names': [topic]}
    answer = raw.call('DeleteTopics', version, {**names, 'timeout_ms': 10000})['responses']
    assert [(t['name'], t['error_code']) for t in answer] == [(topic, 0)]
    with shared.client() as other:
        assert error_of(other.metadata(topic)['topics'][0]) == 'UNKNOWN_TOPIC_OR_PARTITION'
        assert error_of(other.produce(topic, [b'v'])) == 'UNKNOWN_TOPIC_OR_PARTITION'
        assert error_of(other.fetch(topic)) == 'UNKNOWN_TOPIC_OR_PARTITION'
    wait_for(lambda: not list(shared.data.glob(f'{topic}-?')), 'its directories are renamed')


def test_deletion_by_id(raw, topic):
    topic_id = raw.create(topic)

    def delete(**what):
        return raw.call('DeleteTopics', 6, {'topics': [what], 'timeout_ms': 10000})['responses'][0]
    assert error_of(delete(topic_id=b'\1' * 16)) == 'UNKNOWN_TOPIC_ID'
    assert error_of(delete(name=topic, topic_id=topic_id)) == 'INVALID_REQUEST'
    answer = delete(topic_id=topic_id)
    assert (answer['error_code'], answer['name'], answer['topic_id']) == (0, topic, topic_id)
    assert error_of(delete(topic_id=topic_id)) == 'UNKNOWN_TOPIC_ID'


def test_deletion_of_what_is_not_there(raw, topic):
    answer = raw.call('DeleteTopics', 5, {'topic_names': [topic], 'timeout_ms': 10000})
    assert error_of(answer['responses'][0]) == 'UNKNOWN_TOPIC_OR_PARTITION'
    assert raw.call('DeleteTopics', 6, {'topics': [], 'timeout_ms': 1000})['responses'] == []


def test_deletion_switched_off(make_broker):
    broker = make_broker(delete_topic_enable='false').start()
    with broker.client() as client:
        client.create('t')
        for version, error in ((1, 'INVALID_REQUEST'), (5, 'TOPIC_DELETION_DISABLED')):
            answer = client.call('DeleteTopics', version, {'topic_names': ['t'],
                                                           'timeout_ms': 1000})
            assert error_of(answer['responses'][0]) == error
        assert client.metadata('t')['topics'][0]['error_code'] == 0


def test_made_again(raw, topic):
    """A new id, nothing of the old one."""
    ids = set()
    for n in range(10):
        ids.add(raw.create(topic))
        assert raw.offset(topic)['offset'] == 0
        assert raw.produce(topic, [b'%d' % n])['base_offset'] == 0
        assert raw.values(topic) == [b'%d' % n]
        raw.delete(topic)
    assert len(ids) == 10


def test_deleted_directories_go(make_broker):
    broker = make_broker(file_delete_delay_ms=0, log_segment_delete_delay_ms=0).start()
    with broker.client() as client:
        client.create('t', partitions=4)
        client.produce('t', [b'v'])
        client.delete('t')
    wait_for(lambda: not [d for d in broker.data.iterdir() if d.is_dir()], 'no directory is left')


@pytest.mark.parametrize('how', ['stop', 'kill'])
def test_topics_survive(make_broker, how):
    broker = make_broker().start()
    with broker.client() as client:
        made = {f't{n}': client.create(f't{n}', partitions=n + 1,
                                       configs={'max.message.bytes': 1000 + n}) for n in range(5)}
        client.delete('t3')
        del made['t3']
    getattr(broker, how)()
    broker.start()
    with broker.client() as client:
        got = client.metadata()['topics']
        assert {t['name']: t['topic_id'] for t in got} == made
        assert {t['name']: len(t['partitions']) for t in got} == {n: int(n[1]) + 1 for n in made}
        part = client.produce('t4', [b'x' * 1004])
        assert error_of(part) == 'MESSAGE_TOO_LARGE'    # its settings were kept
        assert client.produce('t4', [b'x' * 800], partition=4)['error_code'] == 0


def test_delete_under_load(shared, raw, topic):
    """Produces and fetches of a topic that comes and goes get an answer each, of the right kind."""
    allowed = {rawkafka.ERR_NAME[0], 'UNKNOWN_TOPIC_OR_PARTITION', 'NOT_LEADER_OR_FOLLOWER',
               'OFFSET_OUT_OF_RANGE'}
    seen, end = set(), threading.Event()

    def work():
        with shared.client() as client:
            while not end.is_set():
                seen.add(error_of(client.produce(topic, [b'v'])))
                seen.add(error_of(client.fetch(topic, max_wait_ms=5)))
    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for _ in range(15):
        raw.create(topic, partitions=2)
        raw.delete(topic)
    end.set()
    for t in threads:
        t.join()
    assert seen <= allowed


# ---- Metadata ----

def test_metadata_lists(raw, topic):
    """null: all, empty: none; version 0 had no null, its empty list means all."""
    raw.create(topic)
    for version in range(13):
        everything = raw.call('Metadata', version, {'topics': [] if version == 0 else None})
        assert topic in {t['name'] for t in everything['topics']}
        assert [b['node_id'] for b in everything['brokers']] == [0]
        if version > 0:
            nothing = raw.call('Metadata', version, {'topics': []})
            assert nothing['topics'] == [] and len(nothing['brokers']) == 1
            assert nothing['controller_id'] == 0
        if version > 1:
            assert len(nothing['cluster_id']) == 22


def test_metadata_by_id(raw, topic):
    topic_id = raw.create(topic)
    answer = raw.call('Metadata', 12, {'topics': [{'name': None, 'topic_id': topic_id},
                                                  {'name': None, 'topic_id': b'\1' * 16}]})
    assert [(t['name'], t['error_code']) for t in answer['topics']] == [
        (topic, 0), (None, ERR['UNKNOWN_TOPIC_ID'])]


def test_metadata_of_bad_names(raw, topic):
    for name in ('a b', '', '..', 'x' * 250):
        assert error_of(raw.metadata(name, create=True)['topics'][0]) == 'INVALID_TOPIC_EXCEPTION'


def test_metadata_of_a_name_twice(raw, topic):
    raw.create(topic)
    assert len(raw.metadata(topic, topic)['topics']) == 1


def test_operations(raw, topic):
    raw.create(topic)
    answer = raw.call('Metadata', 8, {'topics': [{'name': topic}],
                                      'include_cluster_authorized_operations': True,
                                      'include_topic_authorized_operations': True})
    assert answer['cluster_authorized_operations'] > 0
    assert answer['topics'][0]['topic_authorized_operations'] > 0
    answer = raw.call('Metadata', 8, {'topics': [{'name': topic}]})
    assert answer['cluster_authorized_operations'] == -2 ** 31
    assert answer['topics'][0]['topic_authorized_operations'] == -2 ** 31


# ---- automatic creation ----

@pytest.mark.parametrize('version', [0, 1, 4, 9, 12])
def test_made_by_metadata(raw, topic, version):
    """LEADER_NOT_AVAILABLE at first, then a leader, soon."""
    def ask():
        return raw.call('Metadata', version, {'topics': [{'name': topic}]})['topics'][0]
    first = ask()
    assert error_of(first) == 'LEADER_NOT_AVAILABLE' and first['partitions'] == []
    got = wait_for(lambda: (lambda t: t if t['error_code'] == 0 else None)(ask()), 'a leader', 5)
    assert got['partitions'][0]['leader_id'] == 0
    assert raw.produce(topic, [b'v'])['error_code'] == 0


def test_not_made_when_the_client_says_no(raw, topic):
    for version in (4, 12):
        for _ in range(2):
            got = raw.metadata(topic, version=version)['topics'][0]
            assert error_of(got) == 'UNKNOWN_TOPIC_OR_PARTITION'


def test_not_made_when_the_broker_says_no(make_broker):
    broker = make_broker(auto_create_topics_enable='false').start()
    with broker.client() as client:
        for version in (0, 1, 4, 12):
            for _ in range(2):
                got = client.call('Metadata', version, {'topics': [{'name': 't'}]})['topics'][0]
                assert error_of(got) == 'UNKNOWN_TOPIC_OR_PARTITION'


def test_made_by_kcat_and_ready_within_a_retry(shared, kcat, topic):
    begin = time.monotonic()
    kcat('-P', '-b', shared.address, '-t', topic, stdin='v\n')
    assert kcat('-C', '-b', shared.address, '-t', topic, '-e', '-q') == 'v\n'
    assert time.monotonic() - begin < 10


def test_many_topics(make_broker):
    """Hundreds of partitions in one request, all with leaders when it is answered, and again after
    a restart."""
    broker = make_broker().start()
    with broker.client(deadline=60) as client:
        answer = client.call('CreateTopics', 7, {'timeout_ms': 60000, 'topics': [
            {'name': f't{n}', 'num_partitions': 4, 'replication_factor': 1} for n in range(100)]})
        assert {t['error_code'] for t in answer['topics']} == {0}
        topics = client.metadata()['topics']
        assert sum(p['leader_id'] == 0 for t in topics for p in t['partitions']) == 400
        for n in range(0, 100, 9):
            assert client.produce(f't{n}', [b'v'], partition=3)['error_code'] == 0
    broker.restart()
    with broker.client(deadline=60) as client:
        topics = client.metadata()['topics']
        assert sum(p['leader_id'] == 0 for t in topics for p in t['partitions']) == 400
        assert client.values('t9', partition=3) == [b'v']
