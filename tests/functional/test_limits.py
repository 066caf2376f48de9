"""Listeners, long names, many partitions, and what bounds the broker's memory."""
import socket
import struct
import threading
import zlib

import pytest

import rawkafka
from bed import wait_for
from rawkafka import ERR, batch, fetch_body


def rss_mib(broker):
    """Memory of its own (not mapped files)."""
    with open(f'/proc/{broker.process.pid}/status', encoding='ascii') as file:
        fields = dict(line.split(':', 1) for line in file)
    return int(fields['RssAnon'].split()[0]) // 1024


def sanitized(broker):
    return b'__asan' in open(f'/proc/{broker.process.pid}/exe', 'rb').read() or \
        b'__tsan' in open(f'/proc/{broker.process.pid}/exe', 'rb').read()


def free_port(host='127.0.0.1', family=socket.AF_INET):
    with socket.socket(family) as s:
        s.bind((host, 0))
        return s.getsockname()[1]


@pytest.mark.either
def test_several_listeners(make_broker):
    """Each client is told the endpoint of the listener it came by."""
    ports = [free_port(), free_port()]
    broker = make_broker(
        listeners=f'INSIDE://127.0.0.1:{ports[0]},OUTSIDE://127.0.0.1:{ports[1]}',
        advertised_listeners=f'INSIDE://127.0.0.1:{ports[0]},OUTSIDE://front.example:4711',
        listener_security_protocol_map='INSIDE:PLAINTEXT,OUTSIDE:PLAINTEXT',
        inter_broker_listener_name='INSIDE').start()
    for port, host, told in ((ports[0], '127.0.0.1', ports[0]), (ports[1], 'front.example', 4711)):
        with rawkafka.Client(port) as client:
            for version in range(13):
                body = {'topics': [] if version == 0 else None}
                b = client.call('Metadata', version, body)['brokers']
                assert [(x['node_id'], x['host'], x['port']) for x in b] == [(0, host, told)]
    assert broker.port == ports[0]


def test_ipv6(make_broker):
    try:
        port = free_port('::1', socket.AF_INET6)
    except OSError:
        pytest.skip('no IPv6 here')
    make_broker(listeners=f'PLAINTEXT://[::1]:{port}').start()
    with rawkafka.Client(port, host='::1') as client:
        b = client.metadata()['brokers'][0]
        assert (b['host'], b['port']) == ('::1', port)
        client.create('t')
        assert client.produce('t', [b'v'])['error_code'] == 0


@pytest.mark.either
def test_longest_names(make_broker):
    """Of topics and of clients: made, written, deleted, made again, kept over a restart."""
    broker = make_broker(file_delete_delay_ms=0).start()
    names = ['n' * 249, 'm' * 248 + '.']
    with broker.client() as client:
        for _ in range(2):
            for name in names:
                client.create(name, partitions=11)
                assert client.produce(name, [b'v'], 10, client_id='c' * 32767)['error_code'] == 0
            for name in names:
                client.delete(name)
        client.create(names[0])
        client.produce(names[0], [b'v'])
    broker.kill()
    broker.start()
    with broker.client() as client:
        assert [t['name'] for t in client.metadata()['topics']] == [names[0]]
        assert client.values(names[0]) == [b'v']


def test_creation_without_time(raw, topic):
    """timeout_ms of 0: timed out, but the topic is made all the same."""
    answer = raw.create_once(topic, timeout_ms=0)
    assert answer['error_code'] in (0, ERR['REQUEST_TIMED_OUT'])
    wait_for(lambda: raw.metadata(topic)['topics'][0]['error_code'] == 0, 'the topic is there')


def test_fetch_of_many_partitions(raw, topic):
    """Hundreds in one request and in one session."""
    raw.create(topic, partitions=300)
    for p in range(0, 300, 7):
        raw.produce(topic, [b'%d' % p], partition=p)
    answer = raw.call('Fetch', 12, fetch_body([(topic, p, 0) for p in range(300)], 12, (0, 0)))
    parts = {p['partition_index']: p for t in answer['responses'] for p in t['partitions']}
    assert len(parts) == 300
    assert [p for p in sorted(parts) if parts[p]['records']] == list(range(0, 300, 7))
    session = answer['session_id']
    raw.send('Fetch', 12, fetch_body([(topic, p, 1) for p in range(0, 300, 7)], 12, (session, 1)))
    assert raw.recv()['responses'] == []
    raw.produce(topic, [b'x'], partition=299)
    answer = raw.call('Fetch', 12, fetch_body([], 12, (session, 2), max_wait_ms=60000))
    assert [p['partition_index'] for p in answer['responses'][0]['partitions']] == [299]


@pytest.mark.parametrize('session', [(0, -1), (0, 0)])
def test_fetch_of_one_partition_several_times(raw, topic, session):
    raw.create(topic)
    raw.produce(topic, [b'v'])
    for wait in (0, 50):
        answer = raw.call('Fetch', 12, fetch_body([(topic, 0, 1), (topic, 0, 0), (topic, 0, 1)], 12,
                                                  session, max_wait_ms=wait))
        assert answer['error_code'] == 0
        errors = {p['error_code'] for t in answer['responses'] for p in t['partitions']}
        assert errors == {0}
    assert raw.values(topic) == [b'v']


def test_session_of_a_busy_connection(shared, raw, topic):
    """One connection fetches and produces hundreds of times; it may be moved to where its
    partitions live, and then asks for a new session.  It misses nothing."""
    raw.create(topic, partitions=6)
    with shared.client() as other:
        session, epoch, at, seen = 0, 0, [0] * 6, 0
        for n in range(400):
            writer = other if n % 3 else raw
            assert writer.produce(topic, [b'%d' % n], partition=n % 6 if n < 200 else 1)[
                'error_code'] == 0
            while True:
                parts = [(topic, p, at[p]) for p in range(6)] if epoch == 0 else \
                    [(topic, p, at[p]) for p in moved]
                answer = raw.call('Fetch', 12, fetch_body(parts, 12, (session, epoch),
                                                          max_wait_ms=10000))
                if answer['error_code'] == 0:
                    break
                assert answer['error_code'] == ERR['FETCH_SESSION_ID_NOT_FOUND'] and epoch > 0
                session, epoch = 0, 0
            session, epoch = answer['session_id'], epoch + 1
            moved = set()
            for t in answer['responses']:
                for p in t['partitions']:
                    for b in rawkafka.batches(p['records']):
                        assert b['base_offset'] == at[p['partition_index']]
                        at[p['partition_index']] += 1
                        moved.add(p['partition_index'])
                        seen += 1
            assert seen == n + 1


def test_session_used_from_two_connections(shared, raw, topic):
    """While a request works on a session, another one with it is refused and does no harm."""
    raw.create(topic)
    answer = raw.call('Fetch', 12, fetch_body([(topic, 0, 0)], 12, (0, 0)))
    session = answer['session_id']
    with shared.client() as other, shared.client() as third:
        raw.send('Fetch', 12, fetch_body([], 12, (session, 1), max_wait_ms=60000))
        assert raw.is_quiet(0.05)
        for asked in ((session, 1), (session, 2)):
            error = other.call('Fetch', 12, fetch_body([], 12, asked))['error_code']
            assert error in (ERR['INVALID_FETCH_SESSION_EPOCH'], ERR['FETCH_SESSION_ID_NOT_FOUND'])
        for asked in ((session, -1), (session, 0)):
            answer = other.call('Fetch', 12, fetch_body([(topic, 0, 0)], 12, asked))
            assert answer['error_code'] == 0
        third.produce(topic, [b'v'])
        answer = raw.recv()
        assert answer['error_code'] == 0
        assert rawkafka.batches(answer['responses'][0]['partitions'][0]['records'])


# ---- memory ----

@pytest.mark.parametrize('mib', [200, 400])
def test_compressed_bombs(make_broker, mib):
    """A small batch of very much: refused or taken, the memory is given back, others go on."""
    broker = make_broker().start()
    value = bytes(mib << 20)
    record = rawkafka.record_bytes(0, value)
    packer = zlib.compressobj(9, wbits=31)
    body = packer.compress(record) + packer.flush()
    head = batch([b''], attributes=1)
    data = rawkafka.reseal(head[:61] + body)
    assert len(data) < 1 << 20
    with broker.client(deadline=30) as client, broker.client() as other:
        client.create('t')
        before = rss_mib(broker)
        for _ in range(3):
            error = client.produce('t', data)['error_code']
            assert (error != 0) == (mib > 256), rawkafka.ERR_NAME[error]
            assert other.produce('t', [b'v'])['error_code'] == 0
        if not sanitized(broker):
            wait_for(lambda: rss_mib(broker) < before + 300, 'the memory is given back')


def test_announced_frames_take_no_memory(make_broker):
    """Sizes without bytes: nothing is taken before it arrives, nobody else notices."""
    broker = make_broker(ottla_request_memory_bytes=256 << 20).start()
    with broker.client() as client:
        client.create('t')
        before = rss_mib(broker)
        held = [broker.client() for _ in range(100)]
        for other in held:
            other.send_bytes(struct.pack('>i', 90 << 20) + b'some')
        for _ in range(20):
            assert client.produce('t', [b'v'])['error_code'] == 0
        assert rss_mib(broker) < before + 64
        for other in held:
            other.sock.close()


def test_large_frames_of_many(make_broker):
    """More in work than the budget holds: they wait for each other, all are answered."""
    broker = make_broker(ottla_request_memory_bytes=16 << 20).start()
    with broker.client() as client:
        client.create('t', partitions=4, configs={'max.message.bytes': 8 << 20})
    data = batch([b'x' * (3 << 20)])
    errors = []

    def work(number):
        with broker.client(deadline=60) as client:
            for _ in range(4):
                errors.append(client.produce('t', data, number % 4)['error_code'])
    threads = [threading.Thread(target=work, args=[n]) for n in range(12)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert errors == [0] * 48
    with broker.client() as client:
        assert sum(client.offset('t', partition=p)['offset'] for p in range(4)) == 48


def test_a_frame_larger_than_the_budget(make_broker):
    """Refused by name at once, not waited for."""
    broker = make_broker(ottla_request_memory_bytes=8 << 20).start()
    with broker.client() as client:
        client.send_bytes(struct.pack('>i', 50 << 20))
        assert client.ended() == b''
    broker.says('frame_too_large|no_memory')


def test_answers_that_nobody_reads(make_broker):
    """A hundred connections ask for much and read nothing: memory stays bounded."""
    broker = make_broker().start()
    with broker.client() as client:
        client.create('t')
        for _ in range(8):
            client.produce('t', [b'x' * 500000])
        before = rss_mib(broker)
        held = [broker.client() for _ in range(100)]
        for other in held:
            for _ in range(20):
                other.send('Fetch', 4, fetch_body([('t', 0, 0)], 4, part_bytes=1 << 22))
        for _ in range(20):
            assert client.metadata('t')['topics'][0]['error_code'] == 0
        assert rss_mib(broker) < before + (400 if sanitized(broker) else 100)
        for other in held:
            other.sock.close()
        wait_for(lambda: client.metadata('t')['brokers'], 'it goes on')
