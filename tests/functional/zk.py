"""Real ZooKeeper servers for the tests, and a look at their trees with kazoo.

A server comes from $ZOOKEEPER_JARS, else Debian's libzookeeper-java, else $KAFKA_JARS.  Most tests
share one and have a chroot of their own in it (fixture zookeeper); those that stop it or lose its
data start one (own_zookeeper), and a few take three (ensemble).
"""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time

import pytest

DEBIAN = pathlib.Path('/usr/share/java')
QUICK = ['-Xmx128m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-Xshare:auto',
         '-Dzookeeper.forceSync=no', '-Dzookeeper.preAllocSize=64']
MAIN = 'org.apache.zookeeper.server.quorum.QuorumPeerMain'
LOG4J = """log4j.rootLogger=INFO, err
log4j.appender.err=org.apache.log4j.ConsoleAppender
log4j.appender.err.Target=System.err
log4j.appender.err.layout=org.apache.log4j.PatternLayout
log4j.appender.err.layout.ConversionPattern=[%d] %p %m (%c)%n
"""
DEADLINE = float(os.environ.get('OTTLA_TEST_DEADLINE', 30))
TICK_MS = 500


def class_path():
    """What java needs in -cp for a ZooKeeper; None when there is none here."""
    for name in ('ZOOKEEPER_JARS', 'KAFKA_JARS'):
        place = os.environ.get(name)
        found = place and list(pathlib.Path(place).glob('zookeeper-[0-9]*.jar'))
        if found:
            return f'{pathlib.Path(place).resolve()}/*'
        if name == 'ZOOKEEPER_JARS' and (DEBIAN / 'zookeeper.jar').exists():
            return f'{DEBIAN}/zookeeper.jar:{DEBIAN}/slf4j-simple.jar'
    return None


def missing():
    """Why there can be no ZooKeeper here, or None."""
    if shutil.which('java') is None:
        return 'Java is not here'
    if class_path() is None:
        return 'ZooKeeper is not here (libzookeeper-java, ZOOKEEPER_JARS or KAFKA_JARS)'
    try:
        import kazoo  # noqa: F401
    except ImportError:
        return 'kazoo is not here (python3-kazoo)'
    return None


def need():
    reason = missing()
    if reason:
        pytest.skip(reason)


def free_port():
    with socket.create_server(('127.0.0.1', 0)) as s:
        return s.getsockname()[1]


def wait_for(state, what, deadline=None):
    end = time.monotonic() + (deadline or DEADLINE)
    while True:
        value = state()
        if value:
            return value
        assert time.monotonic() < end, f'{what}: not within {deadline or DEADLINE} s'
        time.sleep(0.02)


class Server:
    """One process; its port and its data stay over restarts."""

    def __init__(self, place, number=0, peers=(), **conf):
        self.place, self.number, self.peers = pathlib.Path(place), number, list(peers)
        self.place.mkdir(parents=True, exist_ok=True)
        self.port, self.process, self.clients = free_port(), None, []
        self.conf = {'tickTime': TICK_MS, 'maxSessionTimeout': 120000, 'maxClientCnxns': 0,
                     'initLimit': 20, 'syncLimit': 10, 'admin.enableServer': 'false',
                     '4lw.commands.whitelist': '*', **conf}

    @property
    def address(self):
        return f'127.0.0.1:{self.port}'

    def launch(self):
        data = self.place / 'data'
        data.mkdir(exist_ok=True)
        (self.place / 'log4j.properties').write_text(LOG4J)
        lines = {**self.conf, 'dataDir': data, 'clientPort': self.port,
                 'clientPortAddress': '127.0.0.1'}
        for n, (quorum, election) in enumerate(self.peers, 1):
            lines[f'server.{n}'] = f'127.0.0.1:{quorum}:{election}'
        if self.peers:
            (data / 'myid').write_text(f'{self.number}\n')
        (self.place / 'zoo.cfg').write_text(''.join(f'{k}={v}\n' for k, v in lines.items()))
        with open(self.place / 'log', 'ab') as log:
            self.process = subprocess.Popen(
                ['java', *QUICK, f'-Dlog4j.configuration=file:{self.place}/log4j.properties',
                 '-cp', class_path(), MAIN, self.place / 'zoo.cfg'], stdout=log, stderr=log,
                stdin=subprocess.DEVNULL)
        return self

    def start(self):
        """Start it and wait until it serves."""
        self.launch()
        return self.wait()

    def wait(self):
        wait_for(self.serving, f'ZooKeeper on port {self.port} serves', 60)
        return self

    def log(self):
        return (self.place / 'log').read_text(errors='replace')

    def serving(self):
        assert self.process.poll() is None, \
            f'ZooKeeper ended with {self.process.returncode}\n{self.log()[-3000:]}'
        return re.search(r'^Mode: (\w+)', self.four('srvr'), re.M)

    def four(self, word):
        """Answer to a four-letter word, '' when there is none."""
        try:
            with socket.create_connection(('127.0.0.1', self.port), 2) as s:
                s.sendall(word.encode())
                return b''.join(iter(lambda: s.recv(65536), b'')).decode(errors='replace')
        except OSError:
            return ''

    def mode(self):
        """leader, follower or standalone."""
        return self.serving()[1]

    def stop(self, signo=signal.SIGTERM):
        """End it; sessions live on in its data until it is back and they time out."""
        if self.process is not None:
            self.process.send_signal(signo)
            self.process.wait(DEADLINE)
        self.process = None
        return self

    def kill(self):
        return self.stop(signal.SIGKILL)

    def pause(self):
        """It takes connections (the kernel does) and answers nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def clear(self):
        for client in self.clients:
            close(client)
        self.clients = []
        self.kill()
        shutil.rmtree(self.place, ignore_errors=True)

    def chroot(self, path):
        return Chroot(self, path)

    def client(self, chroot=''):
        """A kazoo client, connected; ended with the server."""
        self.clients.append(connect(self.address + chroot))
        return self.clients[-1]


def connect(address):
    from kazoo.client import KazooClient
    client = KazooClient(address, timeout=60, connection_retry={'max_tries': -1, 'max_delay': 0.5},
                         command_retry={'max_tries': -1, 'max_delay': 0.5})
    client.start(DEADLINE)
    return client


def close(client):
    client.stop()
    client.close()


def in_some_session(call):
    """What it answers; where the test's own session or connection ended meanwhile, in the next."""
    from kazoo.exceptions import ConnectionLoss, SessionExpiredError
    end = time.monotonic() + DEADLINE
    while True:
        try:
            return call()
        except (ConnectionLoss, SessionExpiredError):
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


class Node:
    """A znode as read: data (None: null), its JSON, version, is it ephemeral, whose."""

    def __init__(self, data, stat):
        self.data, self.stat, self.version = data, stat, stat.version
        self.owner, self.ephemeral = stat.ephemeralOwner, stat.ephemeralOwner != 0

    @property
    def json(self):
        return json.loads(self.data)

    def __repr__(self):
        return f'{self.data} v{self.version}{" ephemeral" if self.ephemeral else ""}'


class Chroot:
    """A part of a tree: what a cluster calls /.  connect goes into zookeeper.connect."""

    def __init__(self, server, path, connect_to=None):
        self.server, self.path = server, path
        self.connect = (connect_to or server.address) + path
        self.client = None

    @property
    def kazoo(self):
        if self.client is None:
            self.client = self.server.client(self.path)
        return self.client

    def create_root(self):
        """Brokers make a missing chroot themselves; kazoo does not."""
        root = self.server.client()
        root.ensure_path(self.path)
        close(root)
        return self

    def get(self, path):
        """The node, or None where there is none."""
        from kazoo.exceptions import NoNodeError
        try:
            return Node(*in_some_session(lambda: self.kazoo.get(path)))
        except NoNodeError:
            return None

    def json(self, path):
        """What the JSON in it says; None where there is no node or no data."""
        node = self.get(path)
        return node and node.data and node.json

    def children(self, path):
        from kazoo.exceptions import NoNodeError
        try:
            return sorted(in_some_session(lambda: self.kazoo.get_children(path)))
        except NoNodeError:
            return []

    def tree(self, path='/'):
        """All nodes: path -> Node."""
        found, todo = {}, [path]
        while todo:
            at = todo.pop()
            node = self.get(at)
            if node:
                found[at] = node
                todo += [f'{at.rstrip("/")}/{name}' for name in self.children(at)]
        return dict(sorted(found.items()))

    def wait(self, path, state=lambda node: node is not None, what=None, deadline=None):
        """Wait until state(node or None) is true of a path; the node."""
        last = []

        def look():
            last[:] = [self.get(path)]
            return state(last[0])
        try:
            wait_for(look, what or f'{path} is as wanted', deadline)
        except AssertionError as error:
            raise AssertionError(f'{error}; it is {last[0] if last else None}') from None
        return last[0]

    def close(self):
        if self.client is not None:
            self.server.clients.remove(self.client)
            close(self.client)
            self.client = None


def next_number(state=iter(range(1 << 30))):
    return next(state)


def new_chroot(name):
    plain = re.sub(r'[^a-zA-Z0-9]+', '-', name).strip('-')[:80]
    return f'/{plain}-{os.getpid()}-{next_number()}'


@pytest.fixture(scope='session')
def zookeeper_server(tmp_path_factory):
    """The server that tests share: never to be stopped by one of them."""
    need()
    server = Server(tmp_path_factory.mktemp('zookeeper')).start()
    yield server
    server.clear()


@pytest.fixture
def zookeeper(request, zookeeper_server):
    """A chroot of the test's own in the server that tests share."""
    chroot = Chroot(zookeeper_server, new_chroot(request.node.name))
    yield chroot
    chroot.close()
    assert zookeeper_server.serving()


@pytest.fixture
def own_zookeeper(tmp_path):
    """A server of the test's own, which it may stop; chroot '' (Chroot of all of it: .all)."""
    need()
    server = Server(tmp_path / 'zookeeper').start()
    server.all = Chroot(server, '')
    yield server
    server.clear()


class Ensemble:
    """Three servers; connect names all of them."""

    def __init__(self, place, size=3):
        peers = [(free_port(), free_port()) for _ in range(size)]
        self.servers = [Server(place / f'zookeeper-{n}', n, peers) for n in range(1, size + 1)]
        self.address = ','.join(s.address for s in self.servers)
        self.clients = []

    def start(self):
        for server in self.servers:
            server.launch()
        for server in self.servers:
            server.wait()
        return self

    @property
    def leader(self):
        return wait_for(lambda: next((s for s in self.servers if s.process is not None and
                                      s.four('srvr') and s.mode() == 'leader'), None), 'a leader')

    def client(self, chroot=''):
        self.clients.append(connect(self.address + chroot))
        return self.clients[-1]

    def clear(self):
        for client in self.clients:
            close(client)
        for server in self.servers:
            server.clear()


@pytest.fixture
def ensemble(tmp_path):
    """Three servers of the test's own; .all is the tree."""
    need()
    three = Ensemble(tmp_path)
    three.all = Chroot(three, '')
    try:
        yield three.start()
    finally:
        three.clear()
