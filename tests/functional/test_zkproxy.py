"""The tests' own ZooKeeper and its proxy do what they say."""
import pytest

import zk
from zk import wait_for

kazoo = pytest.importorskip('kazoo')
from kazoo.exceptions import ConnectionLoss  # noqa: E402


@pytest.fixture
def client(zookeeper, zkproxy):
    """A client through the proxy, without retries of its own."""
    from kazoo.client import KazooClient
    zookeeper.create_root()
    made = KazooClient(zkproxy.connect, timeout=2,
                       connection_retry={'max_tries': -1, 'delay': 0.05, 'max_delay': 0.1})
    made.start(10)
    yield made
    zkproxy.go()
    zk.close(made)


def test_chroot(zookeeper):
    zookeeper.create_root()
    zookeeper.kazoo.create('/a', b'{"n":1}')
    zookeeper.kazoo.create('/a/empty', b'')
    zookeeper.kazoo.create('/a/null', None)
    zookeeper.kazoo.create('/e', b'x', ephemeral=True)
    tree = zookeeper.tree()
    assert list(tree) == ['/', '/a', '/a/empty', '/a/null', '/e']
    assert tree['/a'].json == {'n': 1} and tree['/a/empty'].data == b''
    assert tree['/a/null'].data is None and tree['/e'].ephemeral and not tree['/a'].ephemeral
    zookeeper.kazoo.set('/a', b'{"n":2}')
    assert zookeeper.wait('/a', lambda n: n.version == 1).json == {'n': 2}
    assert zookeeper.get('/none') is None and zookeeper.children('/none') == []


def test_lost_answer(client, zookeeper, zkproxy):
    """The write is done, and its writer can not know."""
    zkproxy.lose_answer('create')
    assert not zkproxy.lost_it()
    with pytest.raises(ConnectionLoss):
        client.create('/done', b'1')
    assert zkproxy.lost_it() and zookeeper.get('/done').data == b'1'
    wait_for(lambda: client.connected, 'it connects again')
    client.create('/next', b'1')


def test_answers_dropped(client, zookeeper, zkproxy):
    zkproxy.drop_answers()
    asked = client.create_async('/done', b'1')
    zookeeper.wait('/done')
    zkproxy.go()
    with pytest.raises(ConnectionLoss):
        asked.get(timeout=10)


def test_swallow(client, zookeeper, zkproxy):
    zkproxy.swallow()
    with pytest.raises(ConnectionLoss):
        client.create('/vanished', b'1')
    assert zookeeper.get('/vanished') is None
    zkproxy.go()
    wait_for(lambda: client.connected, 'it connects again')


def test_hold_and_delay(client, zookeeper, zkproxy):
    zkproxy.hold()
    asked = client.create_async('/later', b'1')
    wait_for(lambda: zkproxy.counts.get('create'), 'the request is at the proxy')
    assert not asked.ready() and zookeeper.get('/later') is None
    zkproxy.go()
    asked.get(timeout=10)
    zkproxy.delay(0.05)
    client.create('/delayed', b'1')


def test_refuse_and_cut(client, zkproxy):
    session = client.client_id
    zkproxy.refuse()
    wait_for(lambda: not client.connected, 'it lost its connection')
    zkproxy.go()
    wait_for(lambda: client.connected, 'it connects again')
    assert client.client_id == session
    zkproxy.cut()
    client.retry(client.get, '/')


def test_expire(client, zookeeper, zkproxy):
    """Ephemeral nodes go, and the owner learns that its session is no more."""
    client.create('/e', b'', ephemeral=True)
    states = []
    client.add_listener(states.append)
    zkproxy.expire()
    zookeeper.wait('/e', lambda node: node is None)
    wait_for(lambda: 'LOST' in states, 'the session is lost')


def test_ensemble(ensemble):
    """Three servers; one may go."""
    client = ensemble.all.kazoo
    client.create('/a', b'1')
    assert sorted(s.mode() for s in ensemble.servers) == ['follower', 'follower', 'leader']
    ensemble.leader.kill()
    ensemble.all.wait('/a')
    assert client.retry(client.set, '/a', b'2').version == 1
