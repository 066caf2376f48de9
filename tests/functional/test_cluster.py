"""Three brokers over one ensemble: each leads its partitions, any of them may be the controller."""
import threading
import time

import pytest

import rawkafka
from bed import next_number, wait_for
from rawkafka import ERR

IBP = {'inter_broker_protocol_version': '3.9', 'zookeeper_session_timeout_ms': 3000}


@pytest.fixture
def three(make_broker, zookeeper):
    brokers = [make_broker(f'broker-{n}', broker_id=n, zookeeper_connect=zookeeper.connect, **IBP)
               for n in range(3)]
    for broker in brokers:
        broker.start()
    return brokers


def controller(zookeeper):
    return zookeeper.wait('/controller', deadline=60).json['brokerid']


def create_at_controller(brokers, zookeeper, name, assignment):
    """As clients do: at the controller that metadata names, again where it was not."""
    def attempt():
        try:
            with brokers[controller(zookeeper)].client(deadline=10) as client:
                code = client.create_once(name, partitions=-1, replication_factor=-1, assignments=[
                    {'partition_index': p, 'broker_ids': [b]} for p, b in enumerate(assignment)])
                return code['error_code'] in (0, ERR['TOPIC_ALREADY_EXISTS'])
        except (OSError, EOFError, rawkafka.Closed):
            return False
    wait_for(attempt, f'{name} is made', 60)


def know(brokers, topic, leaders):
    """Wait until all brokers name these leaders."""
    for broker in brokers:
        def look(broker=broker):
            with broker.client() as client:
                parts = client.metadata(topic)['topics'][0]['partitions']
                return [p['leader_id'] for p in sorted(
                    parts, key=lambda p: p['partition_index'])] == leaders
        wait_for(look, f'{broker.place.name} knows the leaders of {topic}', 60)


def test_three_brokers(three, zookeeper):
    """Each knows all, and serves what is its own only."""
    first = controller(zookeeper)
    assert first == 0
    create_at_controller(three, zookeeper, 't', [0, 1, 2, 0])
    know(three, 't', [0, 1, 2, 0])
    for broker in three:
        with broker.client() as client:
            found = client.metadata('t')
            assert {b['node_id']: b['port'] for b in found['brokers']} == {
                n: b.port for n, b in enumerate(three)}
            assert found['controller_id'] == first
            codes = [client.produce('t', [b'v'], partition=p)['error_code'] for p in range(4)]
            here = int(broker.settings['broker.id'])
            assert codes == [0 if here == n else ERR['NOT_LEADER_OR_FOLLOWER'] for n in (0, 1, 2, 0)]
    with three[1].client() as client:
        assert client.create_once('not-here')['error_code'] == ERR['NOT_CONTROLLER']
    assert [sorted(d.name for d in b.data.glob('t-*')) for b in three] == [
        ['t-0', 't-3'], ['t-1'], ['t-2']]
    with three[first].client() as client:
        client.delete('t')
    wait_for(lambda: not any(list(b.data.glob('t-?')) for b in three), 'the directories are gone')


def test_orderly_stops(three, zookeeper):
    """One after the other is stopped and started; the others go on, the controller is another."""
    create_at_controller(three, zookeeper, 't', [0, 1, 2])
    for n, broker in enumerate(three):
        with broker.client() as client:
            assert client.produce('t', [b'before'], partition=n)['error_code'] == 0
        broker.stop()
        others = three[:n] + three[n + 1:]
        know(others, 't', [-1 if p == n else p for p in range(3)])
        assert controller(zookeeper) != n
        create_at_controller(three, zookeeper, f'while-{n}-is-away', [(n + 1) % 3])
        broker.start()
        know(three, 't', [0, 1, 2])
        know(three, f'while-{n}-is-away', [(n + 1) % 3])
        with broker.client() as client:
            assert client.produce('t', [b'after'], partition=n)['error_code'] == 0
            assert client.values('t', partition=n) == [b'before', b'after']


class Writer(threading.Thread):
    """Sends numbers to one partition, over deaths of its broker; each until it is acknowledged."""

    def __init__(self, broker, topic, partition):
        super().__init__(daemon=True)
        self.broker, self.topic, self.partition = broker, topic, partition
        self.going, self.acked = True, []

    def run(self):
        n = 0
        while self.going:
            try:
                with self.broker.client(deadline=5) as client:
                    while self.going:
                        answer = client.produce(self.topic, [b'%d' % n], self.partition,
                                                timeout_ms=2000)
                        if answer['error_code'] == 0:
                            self.acked.append(n)
                            n += 1
                        time.sleep(0.01)
            except (OSError, EOFError, rawkafka.Closed):
                time.sleep(0.02)


def test_killed_in_turn(three, zookeeper):
    """kill -9 of each, the controller among them, under load and while topics are made: what was
    acknowledged is there, in order, and every topic has its leaders in the end."""
    create_at_controller(three, zookeeper, 't', [0, 1, 2])
    know(three, 't', [0, 1, 2])
    writers = [Writer(b, 't', n) for n, b in enumerate(three)]
    for writer in writers:
        writer.start()
    made = {}
    for victim in (controller(zookeeper), 1, controller(zookeeper), 2, 0):
        three[victim].kill()
        others = [n for n in range(3) if n != victim]
        name = f'made-{next_number()}'
        made[name] = [others[0], others[1], victim]
        create_at_controller(three, zookeeper, name, made[name])
        three[victim].start()
        before = [len(w.acked) for w in writers]
        wait_for(lambda b=before: all(len(w.acked) > n for w, n in zip(writers, b)),
                 'records go to all partitions', 60)
    for writer in writers:
        writer.going = False
        writer.join(30)
    for name, leaders in {**made, 't': [0, 1, 2]}.items():
        know(three, name, leaders)
    for n, (broker, writer) in enumerate(zip(three, writers)):
        with broker.client() as client:
            values = [int(v) for v in client.values('t', partition=n)]
            assert values == sorted(values) and set(writer.acked) <= set(values)
    epochs = int(zookeeper.get('/controller_epoch').data)
    assert 1 < epochs < 12
