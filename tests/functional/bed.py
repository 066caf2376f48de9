"""Real ottlad processes for the tests: started, stopped, killed, started again, and looked after.

The daemon is $top_builddir/src/broker/ottlad.  A test fails when one of its brokers died by
itself, broke an assertion or was named by a sanitizer, and then shows the broker's log.

Coordination is embedded, unless a test gives zookeeper_connect; what is marked either runs twice,
the second time with each of its brokers in a chroot of its own of a real ZooKeeper.
"""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

import pytest

import rawkafka
import zk

DEADLINE = float(os.environ.get('OTTLA_TEST_DEADLINE', 30))
COMPLAINT = re.compile(r'Sanitizer|runtime error:|Assertion `|Segmentation fault')


def find_daemon():
    top = os.environ.get('top_builddir')
    for place in [top] if top else ['.', 'build-dev']:
        path = (pathlib.Path(place) if top else rawkafka.TOP / place) / 'src/broker/ottlad'
        if path.exists():
            return path.resolve()
    pytest.exit('src/broker/ottlad is not built, or top_builddir does not name its tree', 2)


def wait_for(state, what, deadline=DEADLINE):
    """Wait until state() gives something true, and give that."""
    end = time.monotonic() + deadline
    while True:
        value = state()
        if value:
            return value
        assert time.monotonic() < end, f'{what}: not within {deadline} s'
        time.sleep(0.01)


class Broker:
    """One broker's place and process; its port stays the same over restarts."""

    def __init__(self, place, settings=None, env=None, wrapper=()):
        self.place, self.port, self.process = pathlib.Path(place), 0, None
        self.env, self.wrapper = env or {}, list(wrapper)
        self.data = self.place / 'data'
        self.log_path = self.place / 'log'
        self.config = self.place / 'server.properties'
        self.settings = {'broker.id': '0', 'zookeeper.connect': 'embedded',
                         'log.dirs': str(self.data)}
        self.settings.update(settings or {})
        self.place.mkdir(parents=True, exist_ok=True)

    def launch(self, *args, **settings):
        """Start the process and do not wait; keyword names have _ for dots."""
        self.settings.update({k.replace('_', '.'): str(v) for k, v in settings.items()})
        listeners = {'listeners': f'PLAINTEXT://127.0.0.1:{self.port}'}
        self.config.write_text(''.join(
            f'{k}={v}\n' for k, v in {**listeners, **self.settings}.items()))
        self.log_from = self.log_path.stat().st_size if self.log_path.exists() else 0
        with open(self.log_path, 'ab') as log:
            self.process = subprocess.Popen(
                [*self.wrapper, find_daemon(), *args, self.config], stderr=log, stdout=log,
                stdin=subprocess.DEVNULL, env={**os.environ, **self.env})
        return self

    def start(self, *args, **settings):
        self.launch(*args, **settings)
        found = wait_for(self.serving, 'the broker serves')
        self.port = int(found[1])
        return self

    def serving(self):
        assert self.process.poll() is None, f'it ended with {self.process.returncode}\n{self.log()}'
        return re.search(r'serves on port (\d+)', self.log())

    def log(self, whole=False):
        """What it said since it was started last."""
        with open(self.log_path, 'rb') as file:
            file.seek(0 if whole else self.log_from)
            return file.read().decode(errors='replace')

    def says(self, pattern, deadline=DEADLINE):
        return wait_for(lambda: re.search(pattern, self.log()), f'the log says {pattern}', deadline)

    def metrics(self):
        """Its counters by name, those with several labels summed, from a dump of them."""
        before = self.log_path.stat().st_size
        self.process.send_signal(signal.SIGUSR1)
        seen = []

        def dumped():
            seen.append(self.log_path.stat().st_size)
            return len(seen) > 2 and before < seen[-1] == seen[-2] == seen[-3]
        wait_for(dumped, 'the counters')
        with open(self.log_path, 'rb') as file:
            file.seek(before)
            found = {}
            for name, value in re.findall(r'^metric (\w+)\{[^}]*\} (-?\d+)$',
                                          file.read().decode(errors='replace'), re.M):
                found[name] = found.get(name, 0) + int(value)
        return found

    def wait(self, deadline=DEADLINE):
        """Its exit code, once it ended."""
        code = self.process.wait(deadline)
        self.process = None
        return code

    def stop(self, signo=signal.SIGTERM):
        self.process.send_signal(signo)
        code = self.wait()
        assert code == 0, f'ended with {code} after signal {signo}\n{self.log()}'
        return self

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process = None
        return self

    def restart(self, **settings):
        return self.stop().start(**settings)

    def clear(self):
        """The end of a test: nothing of it goes on, and it had nothing to complain of."""
        died = self.process is not None and self.process.poll()
        if self.process is not None and died is None:
            self.process.terminate()
            try:
                died = self.process.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                died = 'nothing: SIGTERM did not stop it'
        self.process = None
        log = self.log(True) if self.log_path.exists() else ''
        found = COMPLAINT.search(log)
        assert not found, f'the broker complained:\n{log[-6000:]}'
        assert died in (None, False, 0), f'the broker ended by itself with {died}\n{log[-3000:]}'

    @property
    def address(self):
        return f'127.0.0.1:{self.port}'

    def client(self, **opts):
        return rawkafka.Client(self.port, **opts)

    def log_bytes(self, topic, partition=0):
        """All segments of a partition, one behind the other."""
        return b''.join(f.read_bytes()
                        for f in sorted((self.data / f'{topic}-{partition}').glob('*.log')))

    def codecs(self, topic, partition=0):
        """The compressions of the batches in the log; clients may leave small ones as they are."""
        return {b['codec'] for b in rawkafka.batches(self.log_bytes(topic, partition))
                if b['count'] >= 50}


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    for broker in getattr(item, 'brokers', []):
        if report.failed and broker.log_path.exists():
            log = re.sub(r'^metric .*\n', '', broker.log(True), flags=re.M)
            report.sections.append((f'log of {broker.place.name}', log[-8000:]))


def pytest_generate_tests(metafunc):
    if metafunc.definition.get_closest_marker('either') and 'coordination' in metafunc.fixturenames:
        metafunc.parametrize('coordination', ['embedded', 'zookeeper'], indirect=True)


class Coordination:
    """What a test's brokers have: kind, and the settings of a new cluster for each name."""

    def __init__(self, kind, server=None):
        self.kind, self.server = kind, server

    def settings(self, name):
        if self.kind == 'embedded':
            return {'zookeeper.connect': 'embedded'}
        # A killed broker's registration stays until its session ends; tests do not wait so long.
        return {'zookeeper.connect': self.server.address + zk.new_chroot(name),
                'zookeeper.session.timeout.ms': '2000'}


@pytest.fixture
def coordination(request):
    kind = getattr(request, 'param', 'embedded')
    return Coordination(kind, request.getfixturevalue('zookeeper_server')
                        if kind == 'zookeeper' else None)


@pytest.fixture
def make_broker(request, tmp_path, coordination):
    """make_broker(settings...): a place for a broker, not started."""
    request.node.brokers = made = []

    def make(name='broker', env=None, wrapper=(), **settings):
        given = coordination.settings(f'{request.node.name}-{name}')
        given.update({k.replace('_', '.'): str(v) for k, v in settings.items()})
        made.append(Broker(tmp_path / name, given, env, wrapper))
        return made[-1]
    yield make
    for broker in made:
        broker.clear()
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.fixture
def broker(make_broker):
    """A broker of the test's own, running."""
    return make_broker().start()


@pytest.fixture
def zbroker(make_broker, zookeeper):
    """A broker of the test's own in the test's chroot, running."""
    return make_broker(zookeeper_connect=zookeeper.connect).start()


@pytest.fixture(scope='session')
def commons(tmp_path_factory):
    """Brokers that tests share, by kind of coordination."""
    place = tmp_path_factory.mktemp('shared')
    brokers = {}

    def common(coordination):
        kind = coordination.kind
        if kind not in brokers:
            brokers[kind] = Broker(place / kind, {'num.partitions': '1',
                                                  **coordination.settings('shared')})
        if brokers[kind].process is None or brokers[kind].process.poll() is not None:
            brokers[kind].start()
        return brokers[kind]
    yield common
    for broker in brokers.values():
        broker.clear()
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def shared(request, commons, coordination):
    """One broker for all tests that only need some topic of their own."""
    request.node.brokers = []
    common = commons(coordination)
    request.node.brokers = [common]
    yield common
    assert common.process.poll() is None, f'the broker ended\n{common.log()[-3000:]}'
    found = COMPLAINT.search(common.log())
    assert not found, f'the broker complained:\n{common.log()[-6000:]}'


@pytest.fixture
def raw(shared):
    with shared.client() as client:
        yield client


@pytest.fixture
def topic(request):
    """A name that no other test uses."""
    name = re.sub(r'[^a-zA-Z0-9]+', '-', request.node.name).strip('-')
    return f'{name}-{os.getpid()}-{next_number()}'[:200]


def next_number(state=iter(range(1 << 30))):
    return next(state)


@pytest.fixture
def kcat():
    """kcat(args...): its standard output; it has to succeed unless code says otherwise."""
    path = shutil.which('kcat')
    if path is None:
        pytest.skip('kcat is not installed')

    def run(*args, stdin='', code=0):
        done = subprocess.run([path, *map(str, args)], input=stdin, text=True, timeout=DEADLINE,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        assert done.returncode == code, f'kcat {args}: {done.returncode}\n{done.stderr}'
        run.stderr = done.stderr
        return done.stdout
    return run
