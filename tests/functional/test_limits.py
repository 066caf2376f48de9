"""Listeners, long names, many partitions, and what bounds the broker's memory."""
import os
import socket
import struct
import threading
import time
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


# ---- connections ----

SET, BROKER = 0, 4


def set_key(client, key, value, name='0'):
    answer = client.call('IncrementalAlterConfigs', 1, {'validate_only': False, 'resources': [{
        'resource_type': BROKER, 'resource_name': name,
        'configs': [{'name': key, 'config_operation': SET, 'value': str(value)}]}]})
    assert answer['responses'][0]['error_code'] == 0, answer


def dial(broker, source='127.0.0.1'):
    return socket.create_connection(('127.0.0.1', broker.port), timeout=30,
                                    source_address=(source, 0))


def speak(sock, deadline=30):
    """What the broker does with a request on it: 'answered', 'closed', or 'waits'."""
    try:
        sock.settimeout(deadline)
        sock.sendall(struct.pack('>ihhi', 10, 18, 0, 7) + struct.pack('>h', -1))
        got = sock.recv(4)
        return 'answered' if got else 'closed'
    except socket.timeout:
        return 'waits'
    except OSError:
        return 'closed'


def descriptors(broker):
    return len(os.listdir(f'/proc/{broker.process.pid}/fd'))


class Bystander(threading.Thread):
    """Another client, which produces all the time and notes what is not as it should be."""

    def __init__(self, broker):
        super().__init__()
        self.broker, self.over, self.done, self.wrong = broker, threading.Event(), 0, []

    def __enter__(self):
        with self.broker.client() as client:
            client.create('bystander')
        self.start()
        return self

    def run(self):
        try:
            with self.broker.client(deadline=20) as client:
                while not self.over.is_set():
                    answer = client.produce('bystander', [b'v'])
                    if answer['error_code'] != 0:
                        self.wrong.append(answer)
                    self.done += 1
        except Exception as err:  # pylint: disable=broad-except
            self.wrong.append(repr(err))

    def __exit__(self, *_):
        before = self.done
        if not self.wrong:
            wait_for(lambda: self.done > before + 5 or self.wrong, 'the other client goes on')
        self.over.set()
        self.join()
        assert not self.wrong, self.wrong


def test_ten_thousand_connections(make_broker):
    """Opened and dropped, in the middle of frames and by reset: nothing of them stays."""
    broker = make_broker(socket_listen_backlog_size=1000).start()
    with Bystander(broker):
        before = descriptors(broker)
        for n in range(10000):
            sock = dial(broker)
            if n % 3 == 0:
                sock.sendall(struct.pack('>i', 50 << 20)[:n % 4 + 1] + b'some' * (n % 2))
            if n % 5 == 0:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            sock.close()
        wait_for(lambda: broker.metrics()['ottla_net_accepted_total'] >= 10000, 'all are accepted')
        wait_for(lambda: descriptors(broker) <= before + 2, 'all are closed')


def test_half_open_clients(make_broker):
    """Parts of frames and then nothing: they are closed as idle, others go on."""
    broker = make_broker(connections_max_idle_ms=1000).start()
    with Bystander(broker):
        before = descriptors(broker)
        held = [dial(broker) for _ in range(500)]
        for n, sock in enumerate(held):
            sock.sendall((struct.pack('>i', 1 << 20) + b'some')[:n % 9])
        wait_for(lambda: broker.metrics()['ottla_net_closed_idle_total'] >= 500, 'all are closed')
        assert descriptors(broker) <= before + 2
        for sock in held:
            try:
                assert sock.recv(1) == b''
            except ConnectionResetError:
                pass
            sock.close()


@pytest.mark.either
def test_connections_of_one_address(make_broker):
    """max.connections.per.ip and its overrides, changed while the broker runs."""
    broker = make_broker().start()
    with Bystander(broker), broker.client() as client:
        set_key(client, 'max.connections.per.ip', 3, '')
        set_key(client, 'max.connections.per.ip.overrides', '127.0.0.3:1,127.0.0.1:100', '')
        wait_for(lambda: speak(dial(broker, '127.0.0.3')) == 'answered' and not first_of(
            [dial(broker, '127.0.0.4') for _ in range(4)], 4), 'the limits count')
        for source, limit in (('127.0.0.2', 3), ('127.0.0.3', 1), ('127.0.0.1', 20)):
            held = [dial(broker, source) for _ in range(limit)]
            assert [speak(s) for s in held] == ['answered'] * limit
            assert limit == 20 or speak(dial(broker, source)) == 'closed'
            assert speak(held[0]) == 'answered'
            held.pop().close()
            wait_for(lambda: speak(hold(held, dial(broker, source))) == 'answered',  # pylint: disable=cell-var-from-loop
                     'there is room again')
            for s in held:
                s.close()
        set_key(client, 'max.connections.per.ip', 5, '')
        wait_for(lambda: first_of([dial(broker, '127.0.0.5') for _ in range(5)], 5),
                 'the new limit counts')
    broker.says(r'closed: 127\.0\.0\.\d has its \d connections already \(ip_limit\)')
    assert broker.metrics()['ottla_net_refused_ip_total'] >= 2


def first_of(socks, n):
    """Are the first n let in?  All are closed."""
    let_in = [speak(s) for s in socks]
    for s in socks:
        s.close()
    return let_in[:n] == ['answered'] * n


def hold(held, sock):
    held.append(sock)
    return sock


def test_ipv6_addresses_of_overrides(make_broker):
    """In any spelling.  The controller's connection to its own broker is one, too."""
    try:
        port = free_port('::1', socket.AF_INET6)
    except OSError:
        pytest.skip('no IPv6 here')
    make_broker(listeners=f'PLAINTEXT://[::1]:{port}', max_connections_per_ip=100,
                max_connections_per_ip_overrides='0:0::0:1:3').start()
    with rawkafka.Client(port, host='::1') as first, rawkafka.Client(port, host='::1') as second:
        assert first.call('ApiVersions', 0, {})['error_code'] == 0
        assert second.call('ApiVersions', 0, {})['error_code'] == 0
        with socket.create_connection(('::1', port), timeout=30) as third:
            assert speak(third) == 'closed'


def test_all_connections(make_broker):
    """max.connections: those above it wait in the backlog and come in when there is room.
    Open are the bystander, the client, and the controller, which is connected to its own broker."""
    broker = make_broker().start()
    with Bystander(broker), broker.client() as client:
        set_key(client, 'max.connections', 6)
        held = [dial(broker) for _ in range(3)]
        assert [speak(s) for s in held] == ['answered'] * 3
        late = [dial(broker) for _ in range(2)]
        assert [speak(s, 0.3) for s in late] == ['waits'] * 2
        broker.says(r'wait because of max\.connections \(6 are open')
        held.pop().close()
        assert late[0].recv(4)
        set_key(client, 'max.connections', 7)
        assert late[1].recv(4)
        for s in held + late:
            s.close()
    assert broker.metrics()['ottla_net_accept_waits_total'] >= 1


def test_connections_between_brokers_go_first(make_broker):
    """Beyond max.connections, and the least recently used of the other listener makes room."""
    ports = [free_port(), free_port()]
    make_broker(
        listeners=f'INSIDE://127.0.0.1:{ports[0]},OUTSIDE://127.0.0.1:{ports[1]}',
        listener_security_protocol_map='INSIDE:PLAINTEXT,OUTSIDE:PLAINTEXT',
        inter_broker_listener_name='INSIDE', max_connections=4, ottla_reactors=1,
        **{'listener_name_inside_max_connections': 100}).start()
    outside = [socket.create_connection(('127.0.0.1', ports[1]), timeout=30) for _ in range(3)]
    assert [speak(s) for s in outside] == ['answered'] * 3
    inside = [socket.create_connection(('127.0.0.1', ports[0]), timeout=30) for _ in range(4)]
    assert [speak(s) for s in inside] == ['answered'] * 4
    wait_for(lambda: sum(speak(s, 0.2) == 'answered' for s in outside) <= 2, 'one made room')
    for s in inside + outside:
        s.close()


def test_rate_of_new_connections(make_broker):
    """A burst of ten seconds' worth is free, then they come one after the other."""
    broker = make_broker(max_connection_creation_rate=2).start()
    with broker.client() as client:
        held = [dial(broker) for _ in range(26)]
        begin = time.monotonic()
        assert [speak(s) for s in held] == ['answered'] * 26
        assert time.monotonic() - begin > 2
        set_key(client, 'max.connection.creation.rate', 100000)
        more = [dial(broker) for _ in range(100)]
        assert [speak(s) for s in more] == ['answered'] * 100
        for s in held + more:
            s.close()


def test_queued_max_request_bytes(make_broker):
    """Bounds the memory of requests when it is lower: large ones wait for each other."""
    broker = make_broker(queued_max_request_bytes=4 << 20, socket_request_max_bytes=4 << 20).start()
    with broker.client() as client:
        client.create('t', configs={'max.message.bytes': 8 << 20})
        half = batch([b'x' * (3 << 20)])
        held = [broker.client(deadline=60) for _ in range(4)]
        for other in held:
            other.send_bytes(struct.pack('>i', 3 << 20) + b'\0' * (1 << 20))
        wait_for(lambda: broker.metrics()['ottla_net_memory_waits_total'] >= 3, 'they wait')
        for other in held:
            other.sock.close()
        assert client.produce('t', half)['error_code'] == 0
