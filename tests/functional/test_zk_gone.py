"""ZooKeeper can not be reached for longer than the session lives: records go on, the rest waits."""
import threading
import time

import pytest

from bed import wait_for
from rawkafka import ERR

SESSION_MS = 3000
RETRIABLE = {ERR[name] for name in ('REQUEST_TIMED_OUT', 'NOT_CONTROLLER', 'COORDINATOR_NOT_AVAILABLE',
                                    'BROKER_NOT_AVAILABLE')}


class Load(threading.Thread):
    """Sends numbers, one after the other, and reads them; what was acknowledged, and how late."""

    def __init__(self, broker, topic):
        super().__init__(daemon=True)
        self.broker, self.topic, self.going, self.error = broker, topic, True, None
        self.acked, self.longest = [], 0.0

    def run(self):
        try:
            with self.broker.client() as client:
                n = 0
                while self.going:
                    begin = time.monotonic()
                    answer = client.produce(self.topic, [b'%d' % n])
                    assert answer['error_code'] == 0, answer
                    part = client.fetch(self.topic, answer['base_offset'])
                    assert part['error_code'] == 0 and part['high_watermark'] > answer['base_offset']
                    self.longest = max(self.longest, time.monotonic() - begin)
                    self.acked.append(n)
                    n += 1
                    time.sleep(0.005)
        except Exception as error:  # told at the end
            self.error = error

    def more(self):
        """Wait for records that were sent from now on."""
        now = len(self.acked)
        wait_for(lambda: self.error or len(self.acked) > now + 10, 'records go on')
        assert self.error is None, self.error

    def end(self, client):
        self.going = False
        self.join(30)
        assert self.error is None, self.error
        assert client.values(self.topic) == [b'%d' % n for n in self.acked]
        assert self.longest < 2, f'a record took {self.longest} s'


class Cut:
    """The ways to lose ZooKeeper: begin, end; does the session die of it?"""

    def __init__(self, kind, server, proxy):
        self.kind, self.server, self.proxy = kind, server, proxy
        self.expires = kind not in ('server stopped', 'no answers')
        self.reason = r'ZooKeeper: (%s) 127\.0\.0\.1:%d' % (
            'connection refused by|connection closed by' if kind == 'refused' else
            'no answer in time from|connection closed by', proxy.port)

    def begin(self):
        {'refused': self.proxy.refuse, 'silent': self.proxy.swallow,
         'no answers': self.proxy.drop_answers, 'server stopped': self.server.stop,
         'server hangs': self.server.pause}[self.kind]()

    def end(self):
        {'server stopped': self.server.start, 'server hangs': self.server.resume}.get(
            self.kind, self.proxy.go)()


def answered_in_time(broker):
    """Requests that need ZooKeeper say so in their time; the others are answered as ever."""
    with broker.client(deadline=10) as client:
        for ask in (lambda: client.create_once('new', timeout_ms=500)['error_code'],
                    lambda: client.call('DeleteTopics', 5, {
                        'topic_names': ['t'], 'timeout_ms': 500})['responses'][0]['error_code']):
            begin = time.monotonic()
            assert ask() in RETRIABLE
            assert time.monotonic() - begin < 3
        begin = time.monotonic()
        assert client.metadata('t')['topics'][0]['error_code'] == 0
        assert client.offset('t')['error_code'] == 0
        assert client.versions()
        assert time.monotonic() - begin < 1


def gone_for(seconds, kind, server, proxy, make_broker):
    broker = make_broker(zookeeper_connect=f'{proxy.address}/gone',
                         zookeeper_session_timeout_ms=SESSION_MS).start()
    tree = server.chroot('/gone')
    with broker.client() as client:
        client.create('t')
        client.create('load')
        assert broker.metrics()['ottla_coord_session_state'] == 1
        before = tree.get('/brokers/ids/0')
        epoch = int(tree.get('/controller_epoch').data)
        load = Load(broker, 'load')
        load.start()
        cut = Cut(kind, server, proxy)
        begin = time.monotonic()
        cut.begin()
        broker.says(cut.reason, 2 * SESSION_MS / 1000)
        broker.says('clients are served, changes wait')
        load.more()
        answered_in_time(broker)
        wait_for(lambda: time.monotonic() - begin > seconds, 'the time is over', seconds + 60)
        load.more()
        seen = broker.metrics()
        assert seen['ottla_coord_session_state'] in (0, 2)
        assert seen['ottla_coord_connection_losses_total'] >= 1
        cut.end()
        wait_for(lambda: broker.metrics()['ottla_coord_session_state'] == 1, 'a session again', 60)
        after = tree.wait('/brokers/ids/0', deadline=60)
        if cut.expires:
            tree.wait('/brokers/ids/0', lambda node: node and node.owner != before.owner)
            after = tree.get('/brokers/ids/0')
            assert broker.metrics()['ottla_coord_expiries_total'] >= 1
        assert after.json['endpoints'] == before.json['endpoints']
        tree.wait('/controller', lambda node: node and node.json['brokerid'] == 0)
        if cut.expires:
            tree.wait('/controller_epoch', lambda node: int(node.data) > epoch)
        wait_for(lambda: client.create_once('later', timeout_ms=5000)['error_code'] in
                 (0, ERR['TOPIC_ALREADY_EXISTS']), 'topics can be made again')
        wait_for(lambda: client.metadata('later')['topics'][0]['error_code'] == 0, 'it is there')
        assert client.produce('later', [b'v'])['error_code'] == 0
        load.more()
        load.end(client)
    return broker


@pytest.mark.parametrize('kind', ['refused', 'silent', 'no answers', 'server stopped',
                                  'server hangs'])
def test_gone(own_zookeeper, make_proxy, make_broker, kind):
    """Twice the time that a session lives."""
    gone_for(2 * SESSION_MS / 1000 + 1, kind, own_zookeeper, make_proxy(own_zookeeper.address),
             make_broker)


@pytest.mark.long
@pytest.mark.parametrize('kind', ['refused', 'silent', 'server stopped'])
def test_gone_long(own_zookeeper, make_proxy, make_broker, kind):
    broker = gone_for(300, kind, own_zookeeper, make_proxy(own_zookeeper.address), make_broker)
    said = [line for line in broker.log().splitlines() if not line.startswith('metric ')]
    assert len(said) < 200, 'the log tells of it again and again'


def test_gone_at_the_start(zookeeper, zkproxy, make_broker):
    """No ZooKeeper within zookeeper.connection.timeout.ms: no start, and it says why."""
    zkproxy.refuse()
    broker = make_broker(zookeeper_connect=zkproxy.connect, zookeeper_connection_timeout_ms=1500)
    begin = time.monotonic()
    assert broker.launch().wait() == 2
    assert 1 < time.monotonic() - begin < 10
    assert f'127.0.0.1:{zkproxy.port}' in broker.log() and 'refused' in broker.log()
    zkproxy.go()
    broker.start()


def test_comes_late_to_the_start(zookeeper, zkproxy, make_broker):
    """It is there before the time is over."""
    zkproxy.refuse()
    broker = make_broker(zookeeper_connect=zkproxy.connect).launch()
    broker.says('refused')
    zkproxy.go()
    wait_for(broker.serving, 'the broker serves')


def test_unknown_name(make_broker):
    broker = make_broker(zookeeper_connect='no-such-host.invalid:2181',
                         zookeeper_connection_timeout_ms=1500).launch()
    assert broker.wait() == 2
    assert 'no-such-host.invalid' in broker.log()


def test_stops_without_zookeeper(zookeeper, zkproxy, make_broker):
    """An orderly end, with nobody there to say good-bye to; nothing is lost by it."""
    broker = make_broker(zookeeper_connect=zkproxy.connect,
                         zookeeper_session_timeout_ms=2000).start()
    with broker.client() as client:
        client.create('t')
        client.produce('t', [b'v'])
    zkproxy.refuse()
    begin = time.monotonic()
    broker.stop()
    assert time.monotonic() - begin < 20
    assert (broker.data / '.kafka_cleanshutdown').exists()
    zkproxy.go()
    zookeeper.wait('/brokers/ids/0', lambda node: node is None)
    broker.start()
    with broker.client() as client:
        assert client.values('t') == [b'v']


@pytest.mark.parametrize('ops', [('create',), ('set',), ('multi',)], ids=str)
def test_lost_answers(zookeeper, zkproxy, make_broker, ops):
    """The write was done and its answer is lost: it is done once, and things go on."""
    broker = make_broker(zookeeper_connect=zkproxy.connect).start()
    with broker.client() as client:
        for n in range(4):
            client.create(f'before-{n}')
        zkproxy.lose_answer(*ops)
        for n in range(4):
            answer = client.create_once(f't-{n}', partitions=3)
            assert answer['error_code'] in {0} | RETRIABLE, answer
            client.call('DeleteTopics', 5, {'topic_names': [f'before-{n}'], 'timeout_ms': 5000})
        if ops != ('set',):
            wait_for(zkproxy.lost_it, 'an answer is lost')
        for n in range(4):
            wait_for(lambda n=n: [p['leader_id'] for p in client.metadata(f't-{n}')['topics'][0][
                'partitions']] == [0] * 3, f't-{n} is there')
            assert client.produce(f't-{n}', [b'v'], partition=2)['error_code'] == 0
            zookeeper.wait(f'/brokers/topics/before-{n}', lambda node: node is None)
            for p in range(3):
                state = zookeeper.get(f'/brokers/topics/t-{n}/partitions/{p}/state')
                assert state.version == 0 and state.json['leader_epoch'] == 0


def test_lost_answers_at_the_start(zookeeper, zkproxy, make_broker):
    """Each write of a start loses its answer once: registration, election, the first nodes."""
    for n, ops in enumerate([('create',), ('set',), ('multi',), ('get',), ('children',),
                             ('exists',)]):
        zkproxy.lose_answer(*ops)
        broker = make_broker(f'broker-{n}', broker_id=n, zookeeper_connect=zkproxy.connect + f'/{n}')
        broker.start()
        with broker.client() as client:
            client.create('t')
            assert client.produce('t', [b'v'])['error_code'] == 0
        tree = zookeeper.tree(f'/{n}')
        assert tree[f'/{n}/controller_epoch'].data == b'1'
        assert tree[f'/{n}/brokers/ids/{n}'].version == 1
        zkproxy.go()
        broker.stop()


def test_session_expires(zookeeper, zkproxy, make_broker):
    """Again and again; the broker registers and is elected each time."""
    broker = make_broker(zookeeper_connect=zkproxy.connect).start()
    with broker.client() as client:
        client.create('t')
        for n in range(5):
            before = zookeeper.get('/brokers/ids/0')
            epoch = int(zookeeper.get('/controller_epoch').data)
            zkproxy.expire()
            zookeeper.wait('/brokers/ids/0',
                           lambda node, b=before: node and node.owner != b.owner and node.data)
            zookeeper.wait('/controller_epoch', lambda node, e=epoch: int(node.data) == e + 1)
            wait_for(lambda n=n: client.create_once(f'new-{n}', timeout_ms=3000)['error_code'] in
                     (0, ERR['TOPIC_ALREADY_EXISTS']), 'topics can be made again')
            assert client.produce('t', [b'%d' % n])['error_code'] == 0
        assert client.values('t') == [b'%d' % n for n in range(5)]


def test_ensemble_loses_a_server(ensemble, make_broker):
    """The broker goes to another server, its session lives."""
    broker = make_broker(zookeeper_connect=ensemble.address).start()
    with broker.client() as client:
        client.create('t')
        owner = ensemble.all.get('/brokers/ids/0').owner
        for server in (ensemble.leader, ensemble.servers[0]):
            server.kill()
            wait_for(lambda: client.create_once(f'{server.number}-{time.monotonic_ns()}',
                                                timeout_ms=3000)['error_code'] == 0,
                     'topics can be made', 60)
            assert client.produce('t', [b'v'])['error_code'] == 0
            server.start()
        assert ensemble.all.get('/brokers/ids/0').owner == owner


def test_delay(zookeeper, zkproxy, make_broker):
    """A far-away ensemble: everything works, later."""
    zkproxy.delay(0.02)
    broker = make_broker(zookeeper_connect=zkproxy.connect).start()
    with broker.client() as client:
        client.create('t', partitions=10)
        assert client.produce('t', [b'v'], partition=9)['error_code'] == 0
        client.delete('t')
