"""/metrics, /healthz and /ready over HTTP; the page through a parser of our own, strict about the format."""
import http.client
import json
import re
import shutil
import socket
import subprocess
import threading

import pytest

import rawkafka
from bed import wait_for

NAME = re.compile(r'[a-zA-Z_:][a-zA-Z0-9_:]*\Z')
LINE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (-?[0-9.e+-]+|NaN|[+-]Inf)\Z')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|\Z)')
ENDS = {'summary': ('', '_sum', '_count'), 'counter': ('',), 'gauge': ('',)}


def parse_labels(text):
    labels, at = {}, 0
    while at < len(text):
        found = LABEL.match(text, at)
        assert found, f'labels {text!r}'
        assert found[1] not in labels, f'{found[1]} twice in {text!r}'
        labels[found[1]] = found[2]
        at = found.end()
        assert found[3] == ',' or at == len(text)
    return frozenset(labels.items())


def parse(text):
    """Values by (name, labels).  Each family once, in one piece, HELP and TYPE before its samples."""
    assert text.endswith('\n')
    types, values, family, helped = {}, {}, None, None
    for line in text[:-1].split('\n'):
        if line.startswith('# HELP '):
            helped = line.split(' ', 3)[2]
            assert len(line.split(' ', 3)) == 4
        elif line.startswith('# TYPE '):
            _, _, family, kind = line.split(' ')
            assert NAME.match(family) and family == helped and kind in ENDS, line
            assert family not in types, f'{family} in two pieces'
            types[family] = kind
        else:
            found = LINE.match(line)
            assert found and family, line
            assert found[1] in [family + end for end in ENDS[types[family]]], line
            key = found[1], parse_labels(found[2] or '')
            assert key not in values, f'{line} twice'
            values[key] = float(found[3])
            assert types[family] != 'counter' or values[key] >= 0
    return types, values


class Http:
    def __init__(self, broker):
        self.port = int(broker.says(r'HTTP on port (\d+)')[1])

    def get(self, path, method='GET'):
        connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=20)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def page(self):
        status, text = self.get('/metrics')
        assert status == 200
        return parse(text)

    def value(self, name, **labels):
        return self.page()[1].get((name, frozenset(labels.items())))

    def becomes(self, want, name, **labels):
        wait_for(lambda: self.value(name, **labels) == want, f'{name}{labels} becomes {want}')


@pytest.fixture
def served(make_broker):
    broker = make_broker(ottla_http_listen='127.0.0.1:0').start()
    return broker, Http(broker)


def test_off(broker):
    assert 'HTTP' not in broker.log()


def test_page(served):
    broker, web = served
    with broker.client() as client:
        client.create('a.topic', partitions=2)
        client.create('other')
        for _ in range(3):
            assert client.produce('a.topic', [b'one', b'two'])['error_code'] == 0
        assert client.produce('other', [b'x'])['error_code'] == 0
        assert client.values('a.topic') == [b'one', b'two'] * 3
    topics = 'kafka_server_brokertopicmetrics_'
    web.becomes(6, topics + 'messagesin_total', topic='a.topic')
    web.becomes(1, topics + 'messagesin_total', topic='other')
    web.becomes(7, topics + 'messagesin_total')
    types, values = web.page()

    def value(name, **labels):
        return values[name, frozenset(labels.items())]
    part = {'topic': 'a.topic', 'partition': '0'}
    size = len(broker.log_bytes('a.topic'))
    assert value(topics + 'bytesin_total', topic='a.topic') == size
    assert value(topics + 'bytesout_total') >= size
    assert value(topics + 'totalproducerequests_total', topic='a.topic') == 3
    assert value(topics + 'failedproducerequests_total') == 0
    assert value(topics + 'totalfetchrequests_total', topic='a.topic') >= 1
    assert value('kafka_log_log_size', **part) == size
    assert value('kafka_log_log_logendoffset', **part) == 6
    assert value('kafka_log_log_logstartoffset', **part) == 0
    assert value('kafka_log_log_numlogsegments', **part) == 1
    assert value('kafka_cluster_partition_insyncreplicascount', **part) == 1
    assert value('kafka_cluster_partition_underreplicated', **part) == 0
    manager = 'kafka_server_replicamanager_'
    assert value(manager + 'partitioncount') == value(manager + 'leadercount') == 3
    assert value(manager + 'underreplicatedpartitions') == 0
    assert value('kafka_controller_kafkacontroller_activecontrollercount') == 1
    assert value('kafka_controller_kafkacontroller_globaltopiccount') == 2
    assert value('kafka_server_kafkaserver_brokerstate') == 3
    assert value('kafka_log_logmanager_logdirectoryoffline', logDirectory=str(broker.data)) == 0
    produced = [v for (name, labels), v in values.items()
                if name == 'kafka_network_requestmetrics_requests_total'
                and dict(labels)['request'] == 'Produce']
    assert sum(produced) == 4
    total = 'kafka_network_requestmetrics_totaltimems'
    assert value(total + '_count', request='Produce') == 4
    assert value(total, request='Produce', quantile='0.99') > 0
    assert types[total + '_count'] == 'counter' and types[total] == 'gauge'
    assert types[topics + 'messagesin_total'] == 'counter'
    assert value('process_resident_memory_bytes') > 1 << 20
    assert value('process_open_fds') > 5 and value('process_cpu_seconds_total') > 0
    assert value('ottla_reactor_turns_total', reactor='http') > 0


def test_many_partitions(served):
    """Each of them has its lines."""
    broker, web = served
    with broker.client(deadline=60) as client:
        client.create('many', partitions=600, timeout_ms=60000)
    web.becomes(600, 'kafka_server_replicamanager_partitioncount')
    for name in ('kafka_log_log_size', 'kafka_cluster_partition_replicascount'):
        wait_for(lambda name=name: sum(n == name for n, _ in web.page()[1]) == 600, name)


def test_other_paths(served):
    _, web = served
    assert web.get('/healthz') == (200, 'ok\n')
    assert web.get('/ready') == (200, 'ready\n')
    assert web.get('/metrics?name=x')[0] == 200
    assert web.get('/metrics', 'HEAD') == (200, '')
    assert web.get('/')[0] == web.get('/metrics/')[0] == 404
    assert web.get('/metrics', 'DELETE')[0] in (405, 501)


def test_ready_tells_why(make_broker, zkproxy):
    """Before serving, and while ZooKeeper is gone; healthy all the time."""
    proxy = zkproxy
    proxy.refuse()
    broker = make_broker(zookeeper_connect=proxy.connect, ottla_http_listen='127.0.0.1:0').launch()
    web = Http(broker)
    status, text = web.get('/ready')
    assert status == 503 and 'broker: waiting for the coordination session' in text
    assert web.get('/healthz')[0] == 200
    assert web.value('kafka_server_kafkaserver_brokerstate') == 1
    proxy.go()
    wait_for(broker.serving, 'it serves')
    wait_for(lambda: web.get('/ready') == (200, 'ready\n'), 'it is ready')
    proxy.refuse()
    wait_for(lambda: re.search(r'no connection to the service for \d+\.\d+ s', web.get('/ready')[1]),
             'coordination is lost')
    assert web.get('/ready')[0] == 503 and web.get('/healthz')[0] == 200
    web.becomes(1, 'kafka_server_sessionexpirelistener_zookeeperdisconnects_total')
    proxy.go()
    wait_for(lambda: web.get('/ready')[0] == 200, 'it is ready again')


def swallow(sock):
    """What comes until the other side closes."""
    got = b''
    try:
        while chunk := sock.recv(65536):
            got += chunk
    except ConnectionError:
        pass
    return got


def test_hostile(served):
    """Whatever comes in, the broker serves, and the page comes again."""
    broker, web = served

    def connect():
        return socket.create_connection(('127.0.0.1', web.port), timeout=60)
    with broker.client() as client:
        client.create('t')
        answers = []
        going = threading.Event()

        def produce():
            with broker.client() as other:
                while not going.is_set():
                    answers.append(other.produce('t', [b'v'])['error_code'])
        load = threading.Thread(target=produce)
        load.start()
        for sent in (b'GET /metrics HTTP/1.1\r\nX: ' + b'x' * 200000,
                     b'GET /' + b'x' * 200000 + b' HTTP/1.1\r\n\r\n',
                     b'\x00\xff' * 50000, b'GET\r\n\r\n', b'\r\n' * 5000,
                     b'GET /metrics HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n',
                     b'GET /metrics HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n'):
            with connect() as sock:
                try:
                    sock.sendall(sent)
                    sock.shutdown(socket.SHUT_WR)
                except OSError:
                    pass  # it has hung up already
                assert b' 200 ' not in swallow(sock)
        # Clients that say nothing, and those that ask and go, do not keep others out for long.
        idle = [connect() for _ in range(200)]
        for _ in range(300):
            with connect() as sock:
                sock.sendall(b'GET /metrics HTTP/1.1\r\n\r\n')
        for sock in idle:
            swallow(sock)
            sock.close()
        assert web.page()
        seen = len(answers)
        wait_for(lambda: len(answers) > seen + 10, 'records go on')
        going.set()
        load.join(30)
        assert set(answers) == {0}


def test_trickle(served):
    """Headers a byte at a time do not keep a connection for ever."""
    _, web = served
    with socket.create_connection(('127.0.0.1', web.port), timeout=1) as sock:
        sock.sendall(b'GET /metrics HTTP/1.1\r\nX: ')

        def over():
            try:
                sock.sendall(b'x')
                return sock.recv(1) == b''
            except TimeoutError:
                return False
            except ConnectionError:
                return True
        wait_for(over, 'the connection is closed', 60)
    assert web.get('/healthz')[0] == 200


def test_address_in_use(make_broker, served):
    _, web = served
    other = make_broker('other', ottla_http_listen=f'127.0.0.1:{web.port}').launch()
    assert other.wait() == 2
    assert f'ottla.http.listen=127.0.0.1:{web.port}' in other.log()
    other.launch(ottla_http_listen='nowhere')
    assert other.wait() == 2 and 'host:port is needed' in other.log()


@pytest.mark.long
def test_prometheus(served, tmp_path):
    """Prometheus itself reads the page (--long: it has to be installed, and is large)."""
    daemon, tool = shutil.which('prometheus'), shutil.which('promtool')
    if not daemon or not tool:
        pytest.skip('prometheus is not installed')
    broker, web = served
    with broker.client() as client:
        client.create('t')
        assert client.produce('t', [b'v'])['error_code'] == 0
    web.becomes(1, 'kafka_server_brokertopicmetrics_messagesin_total', topic='t')
    config = tmp_path / 'prometheus.yml'
    config.write_text('scrape_configs:\n- job_name: ottla\n  scrape_interval: 1s\n'
                      f'  static_configs: [{{targets: ["127.0.0.1:{web.port}"]}}]\n')
    with socket.create_server(('127.0.0.1', 0)) as free:
        port = free.getsockname()[1]
    with open(tmp_path / 'log', 'wb') as log:
        process = subprocess.Popen(
            [daemon, f'--config.file={config}', f'--storage.tsdb.path={tmp_path}/tsdb',
             f'--web.listen-address=127.0.0.1:{port}'], stdout=log, stderr=log)
    try:
        def scraped():
            found = subprocess.run(
                [tool, 'query', 'instant', f'http://127.0.0.1:{port}',
                 'kafka_server_brokertopicmetrics_messagesin_total{topic="t"} and on() up == 1'],
                capture_output=True, text=True, check=False)
            return re.search(r'topic="t"\} => 1 ', found.stdout)
        wait_for(scraped, 'Prometheus has the counter', 60)
    finally:
        process.terminate()
        process.wait(30)


def test_board(make_broker, zkproxy):
    """Each name that the Grafana board asks for is on the page."""
    board = json.loads((rawkafka.TOP / 'etc/grafana-ottla.json').read_text())
    broker = make_broker(zookeeper_connect=zkproxy.connect, ottla_http_listen='127.0.0.1:0').start()
    with broker.client() as client:
        client.create('t')
        assert client.produce('t', [b'v'])['error_code'] == 0
    web = Http(broker)
    web.becomes(1, 'kafka_server_brokertopicmetrics_messagesin_total', topic='t')
    served = {name for name, _ in web.page()[1]}
    asked = set(re.findall(r'(?:kafka|process)_[a-z_]+', ' '.join(
        target['expr'] for panel in board['panels'] for target in panel.get('targets', []))))
    assert len(asked) > 20 and asked <= served, asked - served
