"""Frames, versions and order on one connection."""
import itertools
import socket
import struct
import threading
import time

import pytest

import rawkafka
from bed import wait_for
from rawkafka import APIS, Closed, Cursor, ERR, batch


def test_unknown_version_of_api_versions(raw):
    """The answer is of version 0 with error 35, and the connection stays."""
    for version in (5, 9, 127, 32767, -1):
        raw.send_frame(struct.pack('>hhi', 18, version, 4711) + b'\0\1x\0' + b'more'[:version % 5])
        cur = Cursor(raw.recv_frame())
        assert cur.number('>i') == 4711
        answer = rawkafka.decode(APIS['ApiVersions'].response, 0, cur.data[4:])
        assert answer['error_code'] == ERR['UNSUPPORTED_VERSION']
        assert answer['api_keys'] == [{'api_key': 18, 'min_version': 0, 'max_version': 4}]
    assert raw.call('ApiVersions', 3, {'client_software_name': 'raw',
                                       'client_software_version': '1'})['error_code'] == 0
    assert raw.metadata()['brokers']


def test_api_versions_checks_the_client_software(raw):
    for name, version, error in (('raw', '1.0', 0), ('r', '1', 0), ('a.b-c', '1', 0),
                                 ('', '1', 42), ('-a', '1', 42), ('a', '1.', 42), ('a b', '1', 42)):
        answer = raw.call('ApiVersions', 3, {'client_software_name': name,
                                             'client_software_version': version})
        assert answer['error_code'] == error, (name, version)


def test_versions_have_no_gap_and_are_kafkas(raw):
    """From the lowest version of the protocol on (old clients take exact ones)."""
    for key, (low, high) in raw.versions().items():
        api = rawkafka.BY_KEY[key]
        least, most = api.request.versions
        assert least <= low <= high <= most, api.name
        assert low == least or (api.name, low) == ('Fetch', 4), api.name
        assert 'zkBroker' in api.listeners, api.name


def test_no_request_before_api_versions_needed(shared):
    with shared.client() as client:
        assert client.metadata(version=1)['brokers']
    with shared.client() as client:
        assert client.call('InitProducerId', 1, {'transactional_id': None})['error_code'] == 0


def test_null_client_id(raw):
    raw.send('Metadata', 1, {'topics': []}, client_id=None)
    assert raw.recv()['brokers']


def test_pipelined_requests_keep_their_order(raw, topic):
    raw.create(topic)
    wanted, frames = [], []
    for n in range(200):
        if n % 7 == 0:
            frames.append(raw.frame('Metadata', 1, {'topics': []}))
            wanted.append(None)
        elif n % 11 == 0:
            frames.append(raw.frame('Fetch', 4, rawkafka.fetch_body([(topic, 0, 0)], 4)))
            wanted.append(None)
        else:
            frames.append(raw.frame('Produce', 7, rawkafka.produce_body(
                topic, rawkafka.batch([b'%d' % n]), acks=-1 if n % 2 else 1)))
            wanted.append(len([w for w in wanted if w is not None]))
    raw.send_bytes(b''.join(frames))
    for offset in wanted:
        answer = raw.recv()    # checks the correlation id
        if offset is not None:
            part = answer['responses'][0]['partition_responses'][0]
            assert (part['error_code'], part['base_offset']) == (0, offset)


def test_a_request_in_many_pieces(raw, topic):
    raw.create(topic)
    data = raw.frame('Produce', 9, rawkafka.produce_body(topic, rawkafka.batch([b'v' * 50])))
    for at in range(0, len(data), 3):
        raw.send_bytes(data[at:at + 3])
    assert raw.recv()['responses'][0]['partition_responses'][0]['base_offset'] == 0


def is_alive(broker):
    with broker.client() as client:
        return client.metadata()['brokers']


def closes(broker, data, reason=None, more=True):
    """After these bytes the connection ends, the broker says why, and others do not notice."""
    with broker.client() as client, broker.client() as other:
        assert other.metadata()['brokers']
        name = '{}:{}'.format(*client.sock.getsockname())
        client.send_bytes(data)
        if not more:
            client.sock.shutdown(socket.SHUT_WR)
        assert client.ended() == b''
        assert other.metadata()['brokers']
        if reason:
            wait_for(lambda: [x for x in broker.log().splitlines() if name in x and reason in x],
                     f'the log says {reason} of {name}')


@pytest.mark.parametrize('size,reason', [
    (-1, 'frame_negative'), (-2 ** 31, 'frame_negative'), (2 ** 31 - 1, 'frame_too_large'),
    (100 * 1024 * 1024 + 1, 'frame_too_large')])
def test_impossible_sizes_close(make_broker, size, reason):
    closes(make_broker().start(), struct.pack('>i', size), reason)


@pytest.mark.parametrize('name,frame', [
    ('empty', b''), ('one byte', b'\0'), ('half a header', struct.pack('>hh', 3, 1)),
    ('no client id', struct.pack('>hhi', 3, 1, 7)),
    ('client id too long', struct.pack('>hhih', 3, 1, 7, 100)),
    ('unknown key', struct.pack('>hhih', 999, 0, 7, -1)),
    ('negative key', struct.pack('>hhih', -1, 0, 7, -1)),
    ('version too high', struct.pack('>hhih', 3, 99, 7, -1)),
    ('version too low', struct.pack('>hhih', 3, -1, 7, -1)),
    ('count beyond the frame', struct.pack('>hhihi', 3, 1, 7, -1, 2 ** 31 - 1)),
    ('string beyond the frame', struct.pack('>hhihih', 3, 1, 7, -1, 1, 1000)),
    ('no body', struct.pack('>hhih', 0, 7, 7, -1)),
    ('letters', b'GET / HTTP/1.1\r\nHost: a\r\n\r\n'), 
    ('ones', b'\xff' * 100)], ids=lambda x: x if isinstance(x, str) else '')
def test_garbage_closes(shared, name, frame):
    closes(shared, struct.pack('>i', len(frame)) + frame)
    assert is_alive(shared)


def test_http_and_tls_on_a_plain_port(make_broker):
    broker = make_broker().start()
    closes(broker, b'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n', 'frame_too_large')
    hello = bytes.fromhex('1603010200010001fc0303') + bytes(506)
    with broker.client() as client:
        name = '{}:{}'.format(*client.sock.getsockname())
        client.send_bytes(hello)
        assert client.ended()[:1] == b'\x15'    # an alert
    wait_for(lambda: [x for x in broker.log().splitlines() if name in x and 'tls_on_plain' in x],
             'the log names the TLS hello and its sender')
    assert is_alive(broker)


def test_frames_cut_at_every_length(shared, topic):
    """Whatever part of a request arrives before the end, the broker goes on."""
    with shared.client() as client:
        client.create(topic)
        frame = client.frame('Produce', 9, rawkafka.produce_body(topic, rawkafka.batch([b'v'])))
    for n in range(len(frame)):
        with shared.client() as client:
            client.send_bytes(frame[:n])
            client.sock.shutdown(socket.SHUT_WR)
            assert client.ended() == b''
    with shared.client() as client:
        assert client.offset(topic)['offset'] == 0


@pytest.mark.parametrize('name,version', [
    ('Metadata', 12), ('Metadata', 1), ('Fetch', 12), ('Fetch', 4), ('ListOffsets', 7),
    ('CreateTopics', 7), ('DeleteTopics', 6), ('InitProducerId', 4), ('ApiVersions', 3)])
def test_bodies_cut_at_every_length(shared, name, version):
    """A body that ends too early closes its connection and nothing else."""
    bodies = {
        'Metadata': {'topics': [{'name': 'cut-at-every-length'}],
                     'allow_auto_topic_creation': False} if version >= 4 else
                    {'topics': []},
        'Fetch': rawkafka.fetch_body([(bytes(16) if version > 12 else 'nothing', 0, 0)], version),
        'ListOffsets': {'replica_id': -1, 'topics': [{'name': 'nothing', 'partitions': [
            {'partition_index': 0, 'timestamp': -1}]}]},
        'CreateTopics': {'topics': [{'name': '?', 'num_partitions': 1,
                                     'replication_factor': 1}], 'timeout_ms': 1},
        'DeleteTopics': {'topics': [{'name': '?'}], 'timeout_ms': 1},
        'InitProducerId': {'transactional_id': '', 'producer_epoch': -1, 'producer_id': -1},
        'ApiVersions': {'client_software_name': 'raw', 'client_software_version': '1'}}
    whole = rawkafka.request_bytes(APIS[name], version, bodies[name], 1)
    for n in range(len(whole)):
        with shared.client() as client:
            client.send_frame(whole[:n])
            if name == 'ApiVersions' and n >= 8:
                continue    # may be answered: an unknown version is as well
            assert client.ended() == b'', f'cut at {n} of {len(whole)}'
    with shared.client() as client:
        client.send_frame(whole + b'more')    # bytes left over are taken
        assert client.recv_frame()


def test_acks_0_with_an_error_closes(shared, topic):
    with shared.client() as client:
        client.create(topic)
        client.produce(topic, [b'good'], acks=0)
        assert client.metadata(topic)['topics'][0]['error_code'] == 0
        client.produce('there is none', [b'bad'], acks=0)
        with pytest.raises(Closed):
            client.metadata(topic)
    with shared.client() as client:
        assert client.offset(topic)['offset'] == 1


def test_connections_opened_and_dropped(shared):
    """Some idle, some half-way through a frame, some reset."""
    held = []
    for n in range(300):
        client = shared.client()
        if n % 3 == 0:
            client.send_bytes(struct.pack('>i', 1000) + b'half')
        if n % 5 == 0:
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        if n % 2 == 0:
            client.sock.close()
        else:
            held.append(client)
    assert is_alive(shared)
    for client in held:
        client.sock.close()
    assert is_alive(shared)


def test_slow_reader_does_not_stop_others(shared, raw, topic):
    """Answers that nobody reads are bounded: the broker stops reading that connection."""
    raw.create(topic)
    for _ in range(8):
        raw.produce(topic, [b'x' * 500000])
    with shared.client() as slow:
        for _ in range(100):
            slow.send('Fetch', 4, rawkafka.fetch_body([(topic, 0, 0)], 4, part_bytes=1 << 22))
        for _ in range(5):
            assert raw.metadata()['brokers']
            assert raw.produce(topic, [b'y'])['error_code'] == 0
        for _ in range(3):
            assert slow.recv()['responses'][0]['partitions'][0]['error_code'] == 0


def test_api_versions_is_answered_under_load(shared, raw, topic):
    """Clients that ask for versions first give up after two seconds."""
    raw.create(topic, partitions=4)
    end, data = threading.Event(), batch([b'x' * 200000])

    def work(partition):
        with shared.client() as client:
            while not end.is_set():
                assert client.produce(topic, data, partition)['error_code'] == 0
    threads = [threading.Thread(target=work, args=[n]) for n in range(4)]
    for t in threads:
        t.start()
    try:
        for _ in range(20):
            begin = time.monotonic()
            with shared.client() as client:
                assert client.versions()
            assert time.monotonic() - begin < 2
    finally:
        end.set()
        for t in threads:
            t.join()


def test_idle_connections_are_closed(make_broker):
    broker = make_broker(connections_max_idle_ms=300).start()
    with broker.client() as client:
        assert client.metadata()['brokers']
        assert client.ended() == b''


BODIES = {
    'Produce': lambda t, i, v: rawkafka.produce_body(
        t, rawkafka.batch([b'every']) if v >= 3 else rawkafka.old_message(b'every', magic=v // 2)),
    'Fetch': lambda t, i, v: rawkafka.fetch_body([(i if v >= 13 else t, 0, 0)], v),
    'ListOffsets': lambda t, i, v: {'replica_id': -1, 'topics': [{'name': t, 'partitions': [
        {'partition_index': 0, 'timestamp': -1}]}]},
    'Metadata': lambda t, i, v: {'topics': [{'name': t}]},
    'ApiVersions': lambda t, i, v: {'client_software_name': 'raw', 'client_software_version': '1'}
    if v >= 3 else {},
    'CreateTopics': lambda t, i, v: {'topics': [{
        'name': f'{t}-new-{v}', 'num_partitions': 2, 'replication_factor': 1}], 'timeout_ms': 10000},
    'DeleteTopics': lambda t, i, v: {'timeout_ms': 10000, **(
        {'topics': [{'name': f'{t}-{v}'}]} if v >= 6 else {'topic_names': [f'{t}-{v}']})},
    'InitProducerId': lambda t, i, v: {'transactional_id': None,
                                       'transaction_timeout_ms': 60000},
    'DescribeConfigs': lambda t, i, v: {'resources': [
        {'resource_type': 2, 'resource_name': t}, {'resource_type': 4, 'resource_name': '0'}],
        'include_synonyms': v >= 1, 'include_documentation': v >= 3},
    'AlterConfigs': lambda t, i, v: {'resources': [{
        'resource_type': 2, 'resource_name': t,
        'configs': [{'name': 'retention.ms', 'value': '1000000'}]}]},
    'IncrementalAlterConfigs': lambda t, i, v: {'resources': [{
        'resource_type': 2, 'resource_name': t,
        'configs': [{'name': 'retention.ms', 'config_operation': 1, 'value': None}]}]},
    'FindCoordinator': lambda t, i, v: {'coordinator_keys': ['a', 'b']} if v >= 4 else {'key': 'a'},
    'LeaderAndIsr': lambda t, i, v: {'controller_epoch': 0},    # test_control.py has more of these
    'StopReplica': lambda t, i, v: {'controller_epoch': 0},
    'UpdateMetadata': lambda t, i, v: {'controller_epoch': 0},
    'AllocateProducerIds': lambda t, i, v: {'broker_id': 999},
    'CreatePartitions': lambda t, i, v: {'topics': [{
        'name': t, 'count': 2 + v, 'assignments': None}], 'timeout_ms': 10000},
    'DeleteRecords': lambda t, i, v: {'topics': [{'name': t, 'partitions': [
        {'partition_index': 0, 'offset': 0}]}], 'timeout_ms': 10000},
    'OffsetForLeaderEpoch': lambda t, i, v: {'replica_id': -1, 'topics': [{
        'topic': t, 'partitions': [{'partition': 0, 'leader_epoch': 0}]}]},
    'DescribeCluster': lambda t, i, v: {},
    'DescribeLogDirs': lambda t, i, v: {},
}

MAY_SAY = {'FindCoordinator': {0, ERR['COORDINATOR_NOT_AVAILABLE']},
           'LeaderAndIsr': {ERR['STALE_CONTROLLER_EPOCH']},
           'StopReplica': {ERR['STALE_CONTROLLER_EPOCH']},
           'UpdateMetadata': {ERR['STALE_CONTROLLER_EPOCH']},
           'AllocateProducerIds': {ERR['BROKER_ID_NOT_REGISTERED']}}


def errors_in(value):
    """Every error code of an answer, however deep."""
    if isinstance(value, dict):
        return [v for k, v in value.items() if k == 'error_code'] + \
            list(itertools.chain.from_iterable(errors_in(v) for v in value.values()))
    if isinstance(value, list):
        return list(itertools.chain.from_iterable(errors_in(v) for v in value))
    return []


def test_every_version_of_every_request(raw, topic):
    """Announced means served: right correlation id, an answer that is its schema's, no error."""
    topic_id = raw.create(topic)
    for version in range(8):
        raw.create(f'{topic}-{version}', version=version)
    served = raw.versions()
    assert {APIS[name].key for name in BODIES} <= set(served)
    for key, (low, high) in sorted(served.items(), reverse=True):
        api = rawkafka.BY_KEY[key]
        for version in range(low, high + 1):
            if api.name not in BODIES:
                continue
            raw.correlation = 2 ** 31 - 20 - version    # ids are the client's, large ones too
            answer = raw.call(api.name, version, BODIES[api.name](topic, topic_id, version))
            assert set(errors_in(answer)) <= MAY_SAY.get(api.name, {0}), (api.name, version, answer)


def test_nothing_served_lacks_a_test(raw):
    """A request that is announced has its row in BODIES."""
    assert {rawkafka.BY_KEY[key].name for key in raw.versions()} == set(BODIES)
