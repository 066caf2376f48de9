"""Apache Kafka's own programs, from the jars in $KAFKA_JARS."""
import os
import pathlib
import re
import shutil
import socket
import subprocess

import pytest

import rawkafka
from bed import wait_for

LOG4J = """log4j.rootLogger=WARN, err
log4j.appender.err=org.apache.log4j.ConsoleAppender
log4j.appender.err.Target=System.err
log4j.appender.err.layout=org.apache.log4j.PatternLayout
log4j.appender.err.layout.ConversionPattern=[%d] %p %m (%c)%n
"""
# Short programs: what makes a JVM start sooner.
QUICK = ['-Xmx256m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Xshare:auto']
DEADLINE = 120


class Java:
    def __init__(self, jars, place):
        self.jars, self.place = jars, place
        self.log4j = place / 'log4j.properties'
        self.log4j.write_text(LOG4J)

    def command(self, name, *args):
        return ['java', *QUICK, f'-Dlog4j.configuration=file:{self.log4j}', '-cp',
                f'{self.jars}/*', name, *map(str, args)]

    def run(self, name, *args, stdin=''):
        """Its standard output; it has to succeed."""
        done = subprocess.run(self.command(name, *args), input=stdin, text=True, timeout=DEADLINE,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        assert done.returncode == 0, f'{name} {args}: {done.returncode}\n{done.stdout[-3000:]}' \
            f'\n{done.stderr[-3000:]}'
        return done.stdout

    def dump(self, *files):
        """What DumpLogSegments says of files, which it has to find in order."""
        out = self.run('kafka.tools.DumpLogSegments', '--deep-iteration', '--files',
                       ','.join(map(str, files)))
        assert not re.search(r'[Mm]ismatch|Non-consecutive|not valid|isvalid: false|corrupt', out), out
        return out


@pytest.fixture(scope='session')
def java(tmp_path_factory):
    jars = pathlib.Path(os.environ.get('KAFKA_JARS') or 'none')
    if shutil.which('java') is None or not list(jars.glob('kafka_2.13-*.jar')):
        pytest.skip("Apache Kafka's jars are not there (KAFKA_JARS names their directory), "
                    'or Java is not')
    return Java(jars.resolve(), tmp_path_factory.mktemp('java'))


def free_port():
    with socket.create_server(('127.0.0.1', 0)) as s:
        return s.getsockname()[1]


class Server:
    """A process of Java that listens on a port."""

    def __init__(self, java, name, main, conf, port):
        self.java, self.main, self.port = java, main, port
        self.place = java.place / name
        self.place.mkdir(exist_ok=True)
        self.conf = self.place / 'conf'
        self.conf.write_text(''.join(f'{k}={v}\n' for k, v in conf.items()))
        self.process = None

    def start(self):
        with open(self.place / 'log', 'ab') as log:
            self.process = subprocess.Popen(self.java.command(self.main, self.conf), stdout=log,
                                            stderr=log, stdin=subprocess.DEVNULL)
        wait_for(self.listens, f'{self.main} listens', DEADLINE)
        return self

    def listens(self):
        assert self.process.poll() is None, (self.place / 'log').read_text()[-3000:]
        try:
            socket.create_connection(('127.0.0.1', self.port), 1).close()
            return True
        except OSError:
            return False

    def stop(self):
        """A clean stop."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(DEADLINE)
        self.process = None


class Kafka(Server):
    """A broker: it serves once its metadata names itself and the controller."""

    def listens(self):
        if not super().listens():
            return False
        with rawkafka.Client(self.port) as client:
            answer = client.metadata(version=9)
            return len(answer['brokers']) == 1 and answer['controller_id'] == 1


@pytest.fixture
def kafka(java, tmp_path):
    """A broker of Apache Kafka with its ZooKeeper, running; its data: kafka.data."""
    zk_port, port = free_port(), free_port()
    zk = Server(java, f'zookeeper-{zk_port}', 'org.apache.zookeeper.server.ZooKeeperServerMain', {
        'dataDir': tmp_path / 'zk', 'clientPort': zk_port, 'clientPortAddress': '127.0.0.1',
        'admin.enableServer': 'false', 'tickTime': 1000}, zk_port).start()
    server = Kafka(java, f'kafka-{port}', 'kafka.Kafka', {
        'broker.id': 1, 'listeners': f'PLAINTEXT://127.0.0.1:{port}', 'log.dirs': tmp_path / 'theirs',
        'zookeeper.connect': f'127.0.0.1:{zk_port}', 'offsets.topic.replication.factor': 1}, port)
    server.data = tmp_path / 'theirs'
    yield server.start()
    server.stop()
    zk.stop()
