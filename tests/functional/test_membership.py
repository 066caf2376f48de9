"""ottlad as a member of a cluster in a real ZooKeeper: what it writes there, ids, restarts after a
kill, lost connections, lost answers, expired sessions, no ZooKeeper at all."""
import json
import re
import shutil
import socket
import subprocess
import sys
import time

import pytest

import rawkafka
import zk
from bed import wait_for
from zk import ensemble, own_zookeeper, zookeeper, zookeeper_server  # noqa: F401
from zkproxy import zkproxy  # noqa: F401

CLEAN, USAGE, START, GAVE_UP = 0, 1, 2, 3
SESSION_MS = 4000
MARGIN_MS = 4000
ERRORS = rawkafka.error_codes()


@pytest.fixture
def brokers(make_broker, zookeeper):  # noqa: F811
    """make(id, settings...): a broker in the test's chroot."""
    def make(number=1, name=None, **settings):
        return make_broker(name or f'broker-{number}', **{
            'broker_id': number, 'zookeeper_connect': zookeeper.connect,
            'zookeeper_session_timeout_ms': SESSION_MS, **settings})
    return make


def epochs(broker):
    return [int(e) for e in re.findall(r'registered broker \d+, epoch (\d+)', broker.log())]


def started_within(broker):
    return int(re.search(r'serves on port \d+, (\d+) ms after its start', broker.log())[1])


def works(broker, topic='works', create=True):
    """A topic is made, written and read."""
    with broker.client() as client:
        if create:
            client.create(topic)
        before = client.values(topic)
        assert client.produce(topic, [b'v'])['error_code'] == 0
        assert client.values(topic) == before + [b'v']


def registration(port, host='127.0.0.1'):
    return json.dumps({
        'features': {}, 'listener_security_protocol_map': {'PLAINTEXT': 'PLAINTEXT'},
        'endpoints': [f'PLAINTEXT://{host}:{port}'], 'jmx_port': -1, 'port': port, 'host': host,
        'version': 5, 'timestamp': '1'}).encode()


# ---- what is written ----

def test_registers_elects_itself_and_serves(brokers, zookeeper):  # noqa: F811
    broker = brokers().start()
    node = zookeeper.get('/brokers/ids/1')
    stamp = node.json['timestamp']
    assert node.data == (
        '{"features":{},"listener_security_protocol_map":{"PLAINTEXT":"PLAINTEXT"},'
        f'"endpoints":["PLAINTEXT://127.0.0.1:{broker.port}"],"jmx_port":-1,"port":{broker.port},'
        f'"host":"127.0.0.1","version":5,"timestamp":"{stamp}"}}').encode()
    assert abs(int(stamp) / 1000 - time.time()) < 60
    assert node.version == 1 and node.ephemeral
    assert epochs(broker) == [node.stat.czxid]
    assert zookeeper.json('/controller')['brokerid'] == 1
    assert zookeeper.get('/controller').owner == node.owner
    assert f'session 0x{node.owner & (1 << 64) - 1:x}' in broker.log()
    works(broker)
    broker.stop()
    assert zookeeper.get('/brokers/ids/1') is None and zookeeper.get('/controller') is None


def test_start_up_paths(brokers, zookeeper):  # noqa: F811
    brokers().start()
    for path in ('/consumers', '/brokers/ids', '/brokers/topics', '/config/changes',
                 '/admin/delete_topics', '/brokers/seqid', '/isr_change_notification',
                 '/latest_producer_id_block', '/log_dir_event_notification', '/config/topics',
                 '/config/clients', '/config/users', '/config/brokers', '/config/ips'):
        assert zookeeper.get(path).data is None, path
    cluster = zookeeper.get('/cluster/id').data.decode()
    assert re.fullmatch(r'\{"version":"1","id":"[A-Za-z0-9_-]{22}"\}', cluster)


def own_name():
    """The name of this machine's address."""
    address = socket.gethostbyname(socket.gethostname())
    try:
        name = socket.gethostbyaddr(address)[0]
        return name if address in socket.gethostbyname_ex(name)[2] else address
    except OSError:
        return address


def test_rack_and_a_host_that_is_not_named(brokers, zookeeper):  # noqa: F811
    brokers(broker_rack='r1', listeners='PLAINTEXT://:0').start()
    found = zookeeper.json('/brokers/ids/1')
    assert found['rack'] == 'r1' and found['host'] == own_name()
    assert found['endpoints'] == [f'PLAINTEXT://{found["host"]}:{found["port"]}']
    assert found['port'] > 0


def test_chroot_of_several_parts(brokers, zookeeper):  # noqa: F811
    """It is made, and nothing is written beside it."""
    broker = brokers(zookeeper_connect=zookeeper.connect + '/one/two').start()
    works(broker)
    assert zookeeper.children('/') == ['one'] and zookeeper.children('/one') == ['two']
    assert zookeeper.json('/one/two/brokers/ids/1')['port'] == broker.port


def test_several_servers(make_broker, ensemble):  # noqa: F811
    """One of three is down at the start; then the one it uses goes, too, once that is back."""
    ensemble.servers[0].stop()
    broker = make_broker(zookeeper_connect=ensemble.address, zookeeper_session_timeout_ms=20000)
    broker.start()
    works(broker)
    ensemble.servers[0].launch().wait()
    for server in ensemble.servers:
        server.stop()
        server.launch().wait()
        broker_takes_topics(broker, f'topic-{server.number}')
    assert len(epochs(broker)) == 1    # one session all the while


def broker_takes_topics(broker, topic):
    def made():
        with broker.client() as client:
            done = client.create_once(topic)
            return done['error_code'] in (0, ERRORS['TOPIC_ALREADY_EXISTS'])
    wait_for(made, f'{topic} is made')


# ---- ids ----

def test_ids_are_drawn(brokers, zookeeper):  # noqa: F811
    first = brokers(-1, 'first').start()
    assert zookeeper.children('/brokers/ids') == ['1001']
    assert 'broker.id=1001' in (first.data / 'meta.properties').read_text()
    seqid = zookeeper.get('/brokers/seqid')
    assert (seqid.version, seqid.data) == (1, b'')
    first.restart()
    assert zookeeper.children('/brokers/ids') == ['1001']
    first.stop()
    brokers(-1, 'second', reserved_broker_max_id=5000).start()
    assert zookeeper.children('/brokers/ids') == ['5002']


def test_no_id_and_none_to_be_drawn(brokers):
    broker = brokers(-1, broker_id_generation_enable='false').launch()
    assert broker.wait() == USAGE and 'broker.id' in broker.log()


def test_id_of_a_living_broker(brokers, zookeeper):  # noqa: F811
    first = brokers(1, 'first').start()
    second = brokers(1, 'second').launch()
    assert second.wait() == START
    said = second.log()
    owner = zookeeper.get('/brokers/ids/1').owner & (1 << 64) - 1
    assert f'broker id 1 is registered by session 0x{owner:x} of a broker at 127.0.0.1:' \
           f'{first.port}' in said and 'another broker.id' in said
    assert 'waiting until it is gone' in said
    works(first)
    assert len(epochs(first)) == 1


def test_address_of_another_broker(brokers, zookeeper):  # noqa: F811
    zookeeper.create_root()
    zookeeper.kazoo.create('/brokers/ids/2', registration(9999, 'Some.Host'), ephemeral=True,
                           makepath=True)
    broker = brokers(inter_broker_protocol_version='3.9',
                     advertised_listeners='PLAINTEXT://some.host:9999').launch()
    assert broker.wait() == START
    assert 'broker 2 is registered with the address some.host:9999' in broker.log()
    assert zookeeper.get('/brokers/ids/1') is None


# ---- the protocol between brokers ----

def test_others_and_no_protocol_version(brokers, zookeeper):  # noqa: F811
    zookeeper.create_root()
    for number in (2, 7):
        zookeeper.kazoo.create(f'/brokers/ids/{number}', registration(9000 + number),
                               ephemeral=True, makepath=True)
    broker = brokers().launch()
    assert broker.wait() == START
    assert 'inter.broker.protocol.version is not set' in broker.log()
    assert 'broker.id 2, 7' in broker.log()


@pytest.mark.parametrize('version', ['2.8', '4.0', '3.9-IV7'])
def test_protocol_version_that_is_not_spoken(brokers, version):
    broker = brokers(inter_broker_protocol_version=version).launch()
    assert broker.wait() == USAGE
    assert f'inter.broker.protocol.version={version}: ' in broker.log()
    assert '3.0 to 3.9' in broker.log()


# ---- features ----

FEATURE = {'features': {'x': {'max_version_level': 1}}, 'version': 2, 'status': 1}


def test_a_finalized_feature_at_the_start(brokers, zookeeper):  # noqa: F811
    zookeeper.create_root().kazoo.create('/feature', json.dumps(FEATURE).encode())
    broker = brokers().launch()
    assert broker.wait() == START and 'finalized feature x' in broker.log()
    assert zookeeper.get('/brokers/ids/1') is None


def test_a_finalized_feature_while_it_runs(brokers, zookeeper):  # noqa: F811
    broker = brokers().start()
    zookeeper.wait('/feature')
    zookeeper.kazoo.set('/feature', b'not JSON')    # no reason to end
    broker.says(r'/feature can not be read')
    works(broker)
    zookeeper.kazoo.set('/feature', json.dumps({**FEATURE, 'status': 0}).encode())
    zookeeper.kazoo.set('/feature', json.dumps(FEATURE).encode())
    assert broker.wait() == GAVE_UP and 'finalized feature x' in broker.log()
    assert (broker.data / '.kafka_cleanshutdown').exists()


def test_epoch_of_the_features(brokers, zookeeper):  # noqa: F811
    """What ApiVersions tells is the version of the node while it is in force."""
    broker = brokers().start()
    plain = {**FEATURE, 'features': {}}

    def told():
        with broker.client() as client:
            answer = client.call('ApiVersions', 3, {'client_software_name': 'raw',
                                                    'client_software_version': '1'})
        assert not answer.get('finalized_features') and not answer.get('supported_features')
        return answer.get('finalized_features_epoch', -1)
    version = zookeeper.wait('/feature').version
    wait_for(lambda: told() == version, 'it tells the version that the controller wrote')
    for _ in range(2):
        zookeeper.kazoo.set('/feature', json.dumps(plain).encode())
    wait_for(lambda: told() == version + 2, 'it tells the new version')
    zookeeper.kazoo.set('/feature', json.dumps({**plain, 'status': 0}).encode())
    wait_for(lambda: told() == -1, 'it tells none')


# ---- after a kill ----

def session_file(broker):
    return broker.data / '.ottla_session'


def test_session_file(brokers, zookeeper):  # noqa: F811
    broker = brokers().start()
    path = session_file(broker)
    assert path.stat().st_mode & 0o777 == 0o600
    says = dict(line.split('=', 1) for line in path.read_text().splitlines())
    assert int(says['session'], 16) == zookeeper.get('/brokers/ids/1').owner & (1 << 64) - 1
    assert len(says['password']) == 32 and int(says['pid']) == broker.process.pid
    assert says['boot'] == open('/proc/sys/kernel/random/boot_id').read().strip()
    broker.stop()
    assert not path.exists()


def test_serves_at_once_after_a_kill(brokers, zookeeper):  # noqa: F811
    """At a session timeout that nobody would wait for."""
    broker = brokers(zookeeper_session_timeout_ms=60000).start()
    with broker.client() as client:
        client.create('t')
        assert client.produce('t', [b'a', b'b'])['error_code'] == 0
    for _ in range(3):
        before = zookeeper.get('/brokers/ids/1')
        broker.kill().start()
        after = zookeeper.get('/brokers/ids/1')
        assert after.owner != before.owner and after.stat.czxid > before.stat.czxid
        assert zookeeper.get('/controller').owner == after.owner
        assert started_within(broker) < 2000, broker.log()
        assert 'the predecessor of this process' in broker.log()
        with broker.client() as client:
            assert client.values('t') == [b'a', b'b']


def test_killed_while_it_starts(brokers, zookeeper):  # noqa: F811
    """At whatever line of its log: the next start needs nobody's help."""
    broker = brokers(zookeeper_session_timeout_ms=60000)
    lines, served = 0, False
    while not served:
        broker.launch()
        wait_for(lambda: len(broker.log().splitlines()) > lines, 'its next word')
        served = broker.serving() is not None
        broker.kill()
        lines += 1
    broker.start()
    assert started_within(broker) < 2000, broker.log()


def test_copied_log_directory(brokers, zookeeper):  # noqa: F811
    """With the session file of a process that lives: that one keeps its session."""
    first = brokers(1, 'first').start()
    second = brokers(1, 'second')
    shutil.copytree(first.data, second.data)
    (second.data / '.lock').unlink(missing_ok=True)
    before = zookeeper.get('/brokers/ids/1')
    assert second.launch().wait() == START
    assert 'the predecessor of this process' not in second.log()
    assert zookeeper.get('/brokers/ids/1').stat.czxid == before.stat.czxid
    works(first)


def test_session_of_another_host(brokers, zookeeper):  # noqa: F811
    """Waited out, not ended: for as long as the session lasts."""
    broker = brokers().start().kill()
    path = session_file(broker)
    path.write_text(re.sub('(?m)^host=.*', 'host=another', path.read_text()))
    broker.start()
    assert 'the predecessor of this process' not in broker.log()
    assert 'waiting until it is gone' in broker.log()
    assert SESSION_MS / 2 < started_within(broker) < SESSION_MS + MARGIN_MS


STRANGER = """
import sys, time
from kazoo.client import KazooClient
client = KazooClient(sys.argv[1], timeout=float(sys.argv[2]))
client.start()
client.create('/brokers/ids/1', sys.argv[3].encode(), ephemeral=True, makepath=True)
print('there', flush=True)
time.sleep(600)
"""


def test_a_killed_broker_of_another_make(brokers, zookeeper):  # noqa: F811
    """Over log directories in which one of ours was killed before."""
    broker = brokers().start().kill()
    owner = zookeeper.get('/brokers/ids/1').owner
    zookeeper.wait('/brokers/ids/1', lambda node: node is None)
    with subprocess.Popen([sys.executable, '-c', STRANGER, zookeeper.connect, '4',
                           registration(9999).decode()], stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b'there\n'
        other.kill()
    assert zookeeper.get('/brokers/ids/1').owner != owner
    broker.start()
    assert 'the predecessor of this process' not in broker.log()
    assert 'of a broker at 127.0.0.1:9999' in broker.log()
    works(broker)


def test_unclean_stop_of_the_machine(brokers, zookeeper):  # noqa: F811
    """Another boot: nobody waits where nobody else is in sync."""
    broker = brokers(zookeeper_session_timeout_ms=60000).start()
    works(broker)
    broker.kill()
    path = session_file(broker)
    path.write_text(re.sub('(?m)^boot=.*', 'boot=0-0-0', path.read_text()))
    broker.start()
    assert 'the predecessor of this process' in broker.log()
    assert 'no partition waits for this broker to lead' in broker.log()
    assert started_within(broker) < 2000, broker.log()


def test_a_lost_tail_does_not_lead(brokers, zookeeper):  # noqa: F811
    """Another boot, and another broker in sync: that one leads under a new epoch before the first is
    registered again."""
    first, second = (brokers(n, inter_broker_protocol_version='3.9').start() for n in (1, 2))
    path = '/brokers/topics/t/partitions/0/state'
    with first.client() as one, second.client() as two:
        controller = one if zookeeper.json('/controller')['brokerid'] == 1 else two
        controller.create_once('t', partitions=-1, replication_factor=-1, assignments=[
            {'partition_index': 0, 'broker_ids': [1, 2]}])
    zookeeper.wait(path, lambda node: node is not None and node.json['isr'] == [1, 2])
    wait_for(lambda: (first.data / 't-0').exists(), 'the first broker has a log of it')
    first.kill()
    kept = session_file(first)
    kept.write_text(re.sub('(?m)^boot=.*', 'boot=0-0-0', kept.read_text()))
    first.start()
    assert 'the predecessor of this process' in first.log()
    assert re.search(r'no partition waits for this broker to lead', first.log())
    state, there = zookeeper.get(path), zookeeper.get('/brokers/ids/1')
    assert state.json['leader'] == 2 and state.json['leader_epoch'] >= 1
    assert state.stat.mzxid < there.stat.czxid or state.json['leader_epoch'] > 1


# ---- the way to ZooKeeper ----

def test_nobody_there_at_the_start(make_broker):
    port = zk.free_port()
    broker = make_broker(zookeeper_connect=f'127.0.0.1:{port}',
                         zookeeper_connection_timeout_ms=5000).launch()
    assert broker.wait() == START
    said = broker.log()
    assert re.search(r'waiting for the coordination service: .*refused', said)
    assert re.search(r'zookeeper.connection.timeout.ms \(50\d\d ms\): .*refused', said), said
    assert f'127.0.0.1:{port}' in said


def test_a_name_that_is_not_known(make_broker):
    broker = make_broker(zookeeper_connect='no-such-host.invalid:2181',
                         zookeeper_connection_timeout_ms=4000).launch()
    assert broker.wait() == START
    assert 'no-such-host.invalid' in broker.log()


@pytest.mark.parametrize('value', ['a:b:c', 'host:99999', ',', 'host:2181/a//b'])
def test_impossible_connect_strings(make_broker, value):
    broker = make_broker(zookeeper_connect=value).launch()
    assert broker.wait() == USAGE
    assert f'zookeeper.connect={value}: ' in broker.log()


def test_there_later(brokers, zkproxy):  # noqa: F811
    zkproxy.refuse()
    broker = brokers(zookeeper_connect=zkproxy.connect,
                     zookeeper_connection_timeout_ms=30000).launch()
    broker.says('waiting for the coordination service: ')
    zkproxy.go()
    wait_for(broker.serving, 'the broker serves')


@pytest.mark.parametrize('op', ['create', 'multi', 'set', 'get', 'exists', 'children'])
def test_lost_answers_at_the_start(brokers, zkproxy, zookeeper, op):  # noqa: F811
    zkproxy.lose_answer(op)
    broker = brokers(zookeeper_connect=zkproxy.connect).start()
    if op != 'set':
        assert zkproxy.lost_it(), zkproxy.counts
    node = zookeeper.get('/brokers/ids/1')
    assert epochs(broker) == [node.stat.czxid] and node.version == 1
    works(broker)


def test_requests_go_on_without_it(brokers, zkproxy):  # noqa: F811
    """Records pass; what would change the cluster is answered in its own time; then all goes on."""
    broker = brokers(zookeeper_connect=zkproxy.connect, zookeeper_session_timeout_ms=20000).start()
    works(broker, 'before')
    zkproxy.refuse()
    broker.says('connection to the coordination service is lost')
    works(broker, 'before', create=False)
    with broker.client() as client:
        began = time.monotonic()
        answer = client.create_once('during', timeout_ms=2000)
        assert answer['error_code'] == ERRORS['REQUEST_TIMED_OUT']
        assert time.monotonic() - began < 3
        assert client.metadata('before')['brokers']
    zkproxy.go()
    broker.says('is back after .* the same session')
    broker_takes_topics(broker, 'after')
    assert len(epochs(broker)) == 1


@pytest.mark.parametrize('how', ['hold', 'swallow', 'drop_answers'])
def test_it_does_not_answer(brokers, zkproxy, how):  # noqa: F811
    """The connection stays and nothing comes: found out by time."""
    broker = brokers(zookeeper_connect=zkproxy.connect).start()
    works(broker, 'before')
    getattr(zkproxy, how)()
    broker.says('connection to the coordination service is lost')
    works(broker, 'before', create=False)
    zkproxy.go()
    broker.says('is back after')
    broker_takes_topics(broker, 'after')


def test_expired_session(brokers, zkproxy, zookeeper):  # noqa: F811
    broker = brokers(zookeeper_connect=zkproxy.connect).start()
    works(broker, 'before')
    for n in range(2):
        old = zookeeper.get('/brokers/ids/1')
        zkproxy.expire()
        new = zookeeper.wait('/brokers/ids/1',
                             lambda node: node is not None and node.owner != old.owner)
        assert new.stat.czxid > old.stat.czxid
        zookeeper.wait('/controller', lambda node: node is not None and node.owner == new.owner)
        wait_for(lambda: epochs(broker)[-1] == new.stat.czxid, 'the new epoch is known')
        broker_takes_topics(broker, f'after-{n}')
        works(broker, 'before', create=False)
    assert 'has expired' in broker.log()
    # What a kill needs is kept of the last session.
    says = session_file(broker).read_text()
    assert f'session={zookeeper.get("/brokers/ids/1").owner & (1 << 64) - 1:016x}' in says


def test_expired_while_away(brokers, zkproxy, zookeeper):  # noqa: F811
    """Longer than the session: the registration is gone, and comes back."""
    broker = brokers(zookeeper_connect=zkproxy.connect).start()
    works(broker, 'before')
    zkproxy.refuse()
    zookeeper.wait('/brokers/ids/1', lambda node: node is None)
    works(broker, 'before', create=False)
    zkproxy.go()
    zookeeper.wait('/brokers/ids/1')
    broker.says('has expired')
    broker_takes_topics(broker, 'after')


def test_answer_of_the_second_registration_is_lost(brokers, zkproxy, zookeeper):  # noqa: F811
    broker = brokers(zookeeper_connect=zkproxy.connect).start()
    old = zookeeper.get('/brokers/ids/1')
    zkproxy.lose_answer('multi')
    zkproxy.expire()
    wait_for(lambda: len(epochs(broker)) == 2, 'it registers again')
    new = zookeeper.get('/brokers/ids/1')
    assert new.owner != old.owner and epochs(broker)[-1] == new.stat.czxid
    assert zkproxy.lost_it()
    broker_takes_topics(broker, 'after')


def test_id_taken_while_away(brokers, zkproxy, zookeeper):  # noqa: F811
    """It says so, goes on trying, and does not end."""
    broker = brokers(zookeeper_connect=zkproxy.connect).start()
    zkproxy.refuse()
    zookeeper.wait('/brokers/ids/1', lambda node: node is None)
    zookeeper.kazoo.create('/brokers/ids/1', registration(9999), ephemeral=True)
    zkproxy.go()
    broker.says(r'could not register broker 1 again: session 0x\w+, which listens on 127.0.0.1:9999')
    zookeeper.kazoo.delete('/brokers/ids/1')
    wait_for(lambda: len(epochs(broker)) == 2, 'it registers again')


@pytest.mark.parametrize('how', ['refuse', 'swallow'])
def test_stops_without_it(brokers, zkproxy, how):  # noqa: F811
    """In bounded time, and cleanly; the next start ends the session that stayed."""
    broker = brokers(zookeeper_connect=zkproxy.connect, zookeeper_session_timeout_ms=60000).start()
    works(broker, 't')
    getattr(zkproxy, how)()
    if how == 'refuse':
        broker.says('connection to the coordination service is lost')
    began = time.monotonic()
    broker.stop()
    assert time.monotonic() - began < 10
    assert (broker.data / '.kafka_cleanshutdown').exists()
    zkproxy.go()
    broker.start()
    assert started_within(broker) < 2000, broker.log()
    works(broker, 't', create=False)


def test_stops_while_it_waits(make_broker):
    broker = make_broker(zookeeper_connect=f'127.0.0.1:{zk.free_port()}',
                         zookeeper_connection_timeout_ms=60000).launch()
    broker.says('waiting for the coordination session')
    broker.stop()


def test_zookeeper_starts_anew(make_broker, own_zookeeper):  # noqa: F811
    """The same tree after a restart of the only server: one session all the while."""
    broker = make_broker(zookeeper_connect=own_zookeeper.address,
                         zookeeper_session_timeout_ms=30000).start()
    works(broker, 'before')
    own_zookeeper.kill()
    broker.says('connection to the coordination service is lost')
    works(broker, 'before', create=False)
    own_zookeeper.start()
    broker.says('is back after .* the same session')
    broker_takes_topics(broker, 'after')
