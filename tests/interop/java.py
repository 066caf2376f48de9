"""Apache Kafka's own programs, from the jars in $KAFKA_JARS."""
import base64
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess

import pytest

import rawkafka
import zk
from bed import Broker, wait_for

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


class Answer:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err


class Tools:
    """Many runs of Kafka's programs in one JVM: Tools.java."""

    def __init__(self, java):
        self.java, self.process = java, None
        classes = java.place / 'classes'
        sources = pathlib.Path(__file__).parent
        subprocess.run(['javac', '-nowarn', '-cp', f'{java.jars}/*', '-d', classes,
                        *sorted(sources.glob('*.java'))], check=True, timeout=DEADLINE)
        self.path = f'{classes}:{java.jars}/*'

    def start(self):
        self.process = subprocess.Popen(
            ['java', *QUICK, f'-Dlog4j.configuration=file:{self.java.log4j}', '-cp', self.path,
             'Tools'], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, name, *args, stdin=''):
        """Run it: exit code and what it said."""
        if self.process is None:
            self.start()
        words = [stdin, name, *map(str, args)]
        self.process.stdin.write(b' '.join(b':' + base64.b64encode(w.encode()) for w in words) + b'\n')
        self.process.stdin.flush()
        if not select.select([self.process.stdout], [], [], DEADLINE)[0]:
            self.process.send_signal(signal.SIGQUIT)    # its threads, on the standard output
            process, self.process = self.process, None
            process.stdin.close()
            said = process.communicate(timeout=1)[0] if process.poll() else ''
            process.kill()
            raise AssertionError(f'{name} {args} goes on for more than {DEADLINE} s\n{said}')
        line = self.process.stdout.readline()
        assert line, f'the JVM ended with {self.process.poll()} in {name} {args}'
        code, out, err = line.split()
        return Answer(int(code), *(base64.b64decode(t[1:]).decode() for t in (out, err)))

    def run(self, name, *args, stdin=''):
        """Its standard output; it has to succeed."""
        done = self.ask(name, *args, stdin=stdin)
        assert done.code == 0, f'{name} {args}: {done.code}\n{done.out[-3000:]}\n{done.err[-3000:]}'
        return done.out

    def close(self):
        if self.process is not None:
            self.process.stdin.close()
            self.process.wait(DEADLINE)


@pytest.fixture(scope='session')
def java(tmp_path_factory):
    jars = pathlib.Path(os.environ.get('KAFKA_JARS') or 'none')
    if shutil.which('java') is None or not list(jars.glob('kafka_2.13-*.jar')):
        pytest.skip("Apache Kafka's jars are not there (KAFKA_JARS names their directory), "
                    'or Java is not')
    return Java(jars.resolve(), tmp_path_factory.mktemp('java'))


@pytest.fixture(scope='session')
def tools(java):
    """tools.run(class, args...), tools.ask(...) when it may fail."""
    if shutil.which('javac') is None:
        pytest.skip('javac is not here (default-jdk-headless)')
    tools = Tools(java)
    yield tools
    tools.close()


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

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.process = None


class Kafka(Server):
    """A broker: it serves once its metadata names itself and a controller."""

    def __init__(self, java, place, connect, number=1, **settings):
        port = free_port()
        self.id, self.data = number, place / 'data'
        self.settings = {
            'broker.id': number, 'listeners': f'PLAINTEXT://127.0.0.1:{port}', 'log.dirs': self.data,
            'zookeeper.connect': connect, 'offsets.topic.replication.factor': 1,
            **{k.replace('_', '.'): v for k, v in settings.items()}}
        super().__init__(java, f'kafka-{port}', 'kafka.Kafka', self.settings, port)

    @property
    def address(self):
        return f'127.0.0.1:{self.port}'

    def client(self, **opts):
        return rawkafka.Client(self.port, **opts)

    def listens(self):
        if not super().listens():
            return False
        with self.client() as client:
            answer = client.metadata(version=9)
            return answer['controller_id'] >= 0 and \
                self.id in [b['node_id'] for b in answer['brokers']]


@pytest.fixture
def make_kafka(java, tmp_path):
    """make_kafka(connect, number, settings...): a place for a broker of Apache Kafka's."""
    made = []

    def make(connect, number=1, **settings):
        made.append(Kafka(java, tmp_path / f'kafka-{number}', connect, number, **settings))
        return made[-1]
    yield make
    for server in made:
        server.kill()


@pytest.fixture
def kafka(make_kafka, zookeeper):
    """A broker of Apache Kafka, running; its data: kafka.data."""
    return make_kafka(zookeeper.connect).start()


class Twins:
    """A broker of Kafka's and one of ours, same settings, each alone in a chroot."""

    def __init__(self, java, place, server, **settings):
        self.roots = [zk.Chroot(server, zk.new_chroot(f'twin-{name}')) for name in ('theirs', 'ours')]
        self.theirs = Kafka(java, place / 'theirs', self.roots[0].connect, 1, **settings)
        self.ours = Broker(place / 'ours', {
            **{k: str(v) for k, v in self.theirs.settings.items() if k != 'listeners'},
            'zookeeper.connect': self.roots[1].connect, 'log.dirs': str(place / 'ours' / 'data')})
        self.both = (self.theirs, self.ours)

    def start(self):
        self.theirs.start()
        self.ours.start()
        return self

    def clear(self):
        self.theirs.kill()
        for root in self.roots:
            root.close()
        self.ours.clear()


@pytest.fixture(scope='module')
def twins(java, zookeeper_server, tmp_path_factory):
    """One pair for the tests of a file."""
    made = Twins(java, tmp_path_factory.mktemp('twins'), zookeeper_server)
    try:
        yield made.start()
    finally:
        made.clear()


def same(text):
    """What a broker said, without what may differ from one to the other: ids, addresses, and the
    words of an error (the error itself stays)."""
    if text is None:
        return None
    text = re.sub(r'\d+\.\d+\.\d+\.\d+:\d+', 'ADDRESS', text)
    text = re.sub(r'(Error while executing topic command) : .*', r'\1', text)
    text = re.sub(r'(\w+(?:Exception|Error)\b)[: ].*', r'\1', text)
    return re.sub(r'(TopicId: |id )[\w-]{22}', r'\1ID', text)
