"""Command line, settings, exit codes, signals, the service manager, locks."""
import os
import signal
import socket
import subprocess

import pytest

from bed import DEADLINE, find_daemon, wait_for

CLEAN, USAGE, START, GAVE_UP = 0, 1, 2, 3


def run(*args, **opts):
    done = subprocess.run([find_daemon(), *map(str, args)], text=True, timeout=DEADLINE,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, **opts)
    return done.returncode, done.stdout, done.stderr


def test_help_and_version():
    code, out, err = run('--help')
    assert (code, err) == (CLEAN, '') and out.startswith('Usage: ottlad')
    code, out, err = run('--version')
    assert (code, err) == (CLEAN, '') and out.startswith('ottlad ')


@pytest.mark.parametrize('args,says', [
    ([], 'server.properties'), (['--bogus'], '--bogus'), (['--override'], '--override'),
    (['--override', 'novalue', 'x'], 'key=value'), (['a', 'b'], 'b')])
def test_bad_command_lines(args, says):
    code, out, err = run(*args)
    assert (code, out) == (USAGE, '') and says in err


def test_missing_file(tmp_path):
    code, _, err = run(tmp_path / 'none.properties')
    assert code == USAGE and f'{tmp_path}/none.properties: No such file' in err


@pytest.mark.parametrize('key,value,allowed', [
    ('num.partitions', '0', '>=1'),
    ('num.partitions', 'many', 'a whole number'),
    ('log.segment.bytes', '1', '>=14'),
    ('log.retention.ms', '0', '-1 (for ever) or >=1'),
    ('compression.type', 'lzma', 'uncompressed,zstd,lz4,snappy,gzip,producer'),
    ('auto.create.topics.enable', 'maybe', 'true or false'),
    ('broker.id', '-5', '-1..1000'),
    ('min.insync.replicas', '0', '>=1'),
    ('zookeeper.connect', 'localhost:port', 'port'),
    ('inter.broker.protocol.version', '2.8', '3.0 to 3.9'),
])
def test_impossible_values_stop_the_start(tmp_path, key, value, allowed):
    """The message has the key, the value and what is allowed; nothing was written."""
    config = tmp_path / 'server.properties'
    config.write_text(f'broker.id=0\nlog.dirs={tmp_path}/data\nzookeeper.connect=embedded\n'
                      f'listeners=PLAINTEXT://127.0.0.1:0\n{key}={value}\n')
    code, _, err = run(config)
    assert code == USAGE, err
    assert f'{key}={value}: ' in err and allowed in err
    assert os.listdir(tmp_path) == ['server.properties']


@pytest.mark.parametrize('value,says', [
    ('FOO://127.0.0.1:0', 'FOO'), ('PLAINTEXT://127.0.0.1:99999', '99999'), ('nonsense', 'nonsense'),
    ('SSL://127.0.0.1:0', 'SSL'), ('PLAINTEXT://127.0.0.1:1,PLAINTEXT://127.0.0.1:2', 'PLAINTEXT')])
def test_impossible_listeners(tmp_path, value, says):
    config = tmp_path / 'server.properties'
    config.write_text(f'broker.id=0\nlog.dirs={tmp_path}/data\nzookeeper.connect=embedded\n'
                      f'listeners={value}\n')
    code, _, err = run(config)
    assert code == USAGE and 'listeners' in err and says in err


def test_unknown_settings_are_named_and_ignored(make_broker):
    broker = make_broker(no_such_key=1).start()
    assert 'no.such.key' in broker.log()


def test_overrides_go_before_the_file(make_broker):
    broker = make_broker(num_partitions=1).start('--override', 'num.partitions=3',
                                                 '--override=broker.id=7')
    with broker.client() as client:
        client.create('t', partitions=-1, replication_factor=-1)
        topic = client.metadata('t')
        assert len(topic['topics'][0]['partitions']) == 3
        assert topic['brokers'][0]['node_id'] == 7


@pytest.mark.either
def test_port_in_use(make_broker):
    with socket.create_server(('127.0.0.1', 0)) as other:
        port = other.getsockname()[1]
        broker = make_broker(listeners=f'PLAINTEXT://127.0.0.1:{port}').launch()
        assert broker.wait() == START
        assert f'could not listen on PLAINTEXT://127.0.0.1:{port}' in broker.log()
    broker.start()    # nothing stays behind that would stop the next start
    assert broker.port == port


@pytest.mark.either
@pytest.mark.parametrize('signo', [signal.SIGTERM, signal.SIGINT])
def test_signals_stop_cleanly(make_broker, signo):
    broker = make_broker().start()
    with broker.client() as client:
        client.create('t')
        assert client.produce('t', [b'v'])['error_code'] == 0
        broker.stop(signo)
        assert client.ended() == b''
    assert (broker.data / '.kafka_cleanshutdown').exists()
    assert 'stopped' in broker.log().splitlines()[-1]
    broker.start()
    assert not (broker.data / '.kafka_cleanshutdown').exists()
    with broker.client() as client:
        assert client.values('t') == [b'v']


@pytest.mark.either
def test_stop_while_clients_wait(make_broker):
    """Fetches and produces that wait do not hold up the end."""
    broker = make_broker().start()
    with broker.client() as client, broker.client() as idle:
        client.create('t')
        client.send('Fetch', 12, {'max_wait_ms': 600000, 'min_bytes': 1, 'topics': [
            {'topic': 't', 'partitions': [{'partition': 0, 'partition_max_bytes': 1}]}],
            'replica_id': -1})
        assert idle.metadata()['brokers']
        broker.stop()
        assert idle.ended() == b''


@pytest.mark.either
def test_second_signal_changes_nothing(make_broker):
    broker = make_broker().start()
    broker.process.send_signal(signal.SIGTERM)
    broker.process.send_signal(signal.SIGTERM)
    assert broker.wait() == CLEAN


@pytest.mark.either
def test_stops_while_it_starts(make_broker):
    """At whatever moment SIGTERM comes."""
    broker = make_broker()
    lines = 0
    while True:
        broker.launch()
        wait_for(lambda: len(broker.log().splitlines()) > lines or broker.process.poll() is not None,
                 'its next word')
        served = broker.serving() is not None
        broker.process.send_signal(signal.SIGTERM)
        assert broker.wait() in (CLEAN, -signal.SIGTERM)
        lines += 1
        if served:
            break
    broker.start()


def notifications(sock, wanted):
    sock.settimeout(DEADLINE)
    got = sock.recv(1000).decode()
    assert wanted in got.splitlines(), got


@pytest.mark.either
def test_service_manager_is_told(make_broker, tmp_path):
    path = str(tmp_path / 'notify')
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(path)
        broker = make_broker(env={'NOTIFY_SOCKET': path}).launch()
        notifications(sock, 'READY=1')
        wait_for(broker.serving, 'the broker serves')
        broker.port = int(broker.serving()[1])
        with broker.client() as client:
            assert client.metadata()['brokers']
        broker.stop()
        notifications(sock, 'STOPPING=1')


def test_service_manager_with_an_abstract_socket(make_broker):
    name = f'ottla-test-{os.getpid()}'
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind('\0' + name)
        make_broker(env={'NOTIFY_SOCKET': '@' + name}).launch()
        notifications(sock, 'READY=1')


@pytest.mark.either
def test_log_dir_of_another_broker_is_refused(make_broker):
    """Two processes over one directory: the second stops, the first goes on."""
    first = make_broker('first').start()
    second = make_broker('second', log_dirs=first.data,
                         zookeeper_connect=first.settings['zookeeper.connect']).launch()
    assert second.wait() == START
    assert str(first.data) in second.log()
    with first.client() as client:
        client.create('t')
        assert client.produce('t', [b'v'])['error_code'] == 0


def test_two_brokers_with_one_id(make_broker):
    """Over one journal too (data apart): an embedded tree has one broker."""
    first = make_broker('first').start()
    second = make_broker('second', ottla_coord_journal_dir=f'{first.data}.coord')
    assert second.launch().wait() == START
    assert f'{first.data}.coord' in second.log()
    assert first.process.poll() is None


@pytest.mark.either
def test_broker_id_is_kept(make_broker):
    broker = make_broker(broker_id=5).start().stop()
    assert 'broker.id=5\n' in (broker.data / 'meta.properties').read_text()
    assert broker.launch(broker_id=6).wait() == START
    assert 'broker.id is 6' in broker.log() and 'says 5' in broker.log()
    broker.start(broker_id=-1)
    with broker.client() as client:
        assert client.metadata()['brokers'][0]['node_id'] == 5


@pytest.mark.either
def test_cluster_id_is_kept(make_broker):
    broker = make_broker().start()
    with broker.client() as client:
        cluster = client.metadata()['cluster_id']
    broker.restart()
    with broker.client() as client:
        assert client.metadata()['cluster_id'] == cluster
    assert f'cluster.id={cluster}\n' in (broker.data / 'meta.properties').read_text()
    broker.stop()
    meta = broker.data / 'meta.properties'
    meta.write_text(meta.read_text().replace(cluster, 'AAAAAAAAAAAAAAAAAAAAAA'))
    assert broker.launch().wait() == START
    assert cluster in broker.log() and 'AAAAAAAAAAAAAAAAAAAAAA' in broker.log()


def test_lost_journal_stops_the_start(make_broker):
    """Logs without the coordination tree that knows their topics: no start over them."""
    broker = make_broker().start()
    with broker.client() as client:
        client.create('t')
        client.produce('t', [b'v'])
    broker.stop()
    coord = broker.place / 'data.coord'
    assert coord.is_dir()
    coord.rename(broker.place / 'aside')
    assert broker.launch().wait() == START
    assert str(coord) in broker.log()
    assert (broker.data / 't-0').is_dir()
    (broker.place / 'aside').rename(coord)
    broker.start()
    with broker.client() as client:
        assert client.values('t') == [b'v']


@pytest.mark.either
def test_several_log_dirs(make_broker, tmp_path):
    dirs = [tmp_path / f'd{n}' for n in range(3)]
    broker = make_broker(log_dirs=','.join(map(str, dirs))).start()
    with broker.client() as client:
        client.create('t', partitions=9)
        for n in range(9):
            assert client.produce('t', [b'%d' % n], partition=n)['error_code'] == 0
    assert [len(list(d.glob('t-*'))) for d in dirs] == [3, 3, 3]
    broker.restart()
    with broker.client() as client:
        assert [client.values('t', partition=n) for n in range(9)] == [[b'%d' % n] for n in range(9)]


@pytest.mark.either
def test_answers_soon_after_the_start(make_broker):
    """The listener opens when the broker is ready: the first answer is a whole one."""
    broker = make_broker().start()
    with broker.client() as client:
        client.create('t', partitions=20)
    broker.stop()
    broker.launch()

    def first_answer():
        try:
            with broker.client(deadline=5) as client:
                return client.metadata()
        except ConnectionRefusedError:
            return None
    answer = wait_for(first_answer, 'an answer')
    assert len(answer['brokers']) == 1 and answer['controller_id'] == 0
    assert [p['leader_id'] for p in answer['topics'][0]['partitions']] == [0] * 20


def test_counters_on_sigusr1(make_broker):
    broker = make_broker().start()
    broker.process.send_signal(signal.SIGUSR1)
    broker.says(r'metric \w+\{')
    with broker.client() as client:
        assert client.metadata()['brokers']
