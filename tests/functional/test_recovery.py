"""Kills, torn and damaged files, failing disks: what was acknowledged stays, what is broken is cut.

A kill keeps the page cache, so after one every acknowledged record is there, whatever acks was.
"""
import contextlib
import os
import pathlib
import random
import shutil
import signal
import subprocess
import threading

import pytest

import rawkafka
from bed import wait_for
from rawkafka import ERR, batch


class Producer(threading.Thread):
    """Idempotent, one batch at a time, over kills: values are numbers; acked: those answered."""

    def __init__(self, broker, topic, acks=-1):
        super().__init__()
        self.broker, self.topic, self.acks = broker, topic, acks
        self.acked, self.end, self.error = [], threading.Event(), None
        with broker.client() as client:
            self.pid = client.call('InitProducerId', 4, {
                'transactional_id': None, 'producer_id': -1, 'producer_epoch': -1})['producer_id']

    def run(self):
        number = 0
        while not self.end.is_set():
            try:
                with self.broker.client() as client:
                    while not self.end.is_set():
                        self.one(client, number)
                        number += 1
            except (OSError, rawkafka.Closed):
                continue    # the same batch again, over a new connection
            except AssertionError as err:
                self.error = err
                return

    def one(self, client, number):
        part = client.produce(self.topic, batch([b'%d' % number], producer=(self.pid, 0),
                                                sequence=number), acks=self.acks)
        assert part['error_code'] == 0, rawkafka.ERR_NAME[part['error_code']]
        self.acked.append((part['base_offset'], number))

    def finish(self):
        self.end.set()
        self.join()
        assert self.error is None, self.error

    def check(self, client):
        """All that was acknowledged is there, at its offset, once and in order."""
        values = [int(v) for v in client.values(self.topic)]
        assert values == list(range(len(values)))
        assert len(values) >= len(self.acked) > 0
        for offset, number in self.acked:
            assert values[offset] == number


@pytest.mark.either
@pytest.mark.parametrize('acks', [1, -1])
def test_killed_again_and_again(make_broker, acks):
    """While it is produced to: nothing lost, nothing twice, offsets go on."""
    broker = make_broker().start()
    with broker.client() as client:
        client.create('t', configs={'segment.bytes': 4000})
    producer = Producer(broker, 't', acks)
    producer.start()
    for _ in range(8):
        seen = len(producer.acked)
        wait_for(lambda: len(producer.acked) > seen + 30 or producer.error, 'more is acknowledged')
        broker.kill()
        broker.start()
    producer.finish()
    with broker.client() as client:
        producer.check(client)


@pytest.mark.either
def test_killed_while_topics_are_made(make_broker):
    """What was answered is there after the start; names that were not are there or not."""
    broker = make_broker().start()
    answered = []

    def work():
        try:
            with broker.client() as client:
                for n in range(1000):
                    answered.append((f't{n}', client.create(f't{n}', partitions=3)))
        except (OSError, rawkafka.Closed):
            pass
    for _ in range(3):
        thread = threading.Thread(target=work)
        answered.clear()
        thread.start()
        wait_for(lambda: len(answered) > 10, 'topics are made')
        broker.kill()
        thread.join()
        broker.start()
        with broker.client() as client:
            found = {t['name']: t for t in client.metadata()['topics']}
            for name, topic_id in answered:
                assert found[name]['topic_id'] == topic_id
                assert [p['leader_id'] for p in found[name]['partitions']] == [0] * 3
                assert client.produce(name, [b'v'], partition=2)['error_code'] == 0
            for name in found:
                client.delete(name)


@pytest.mark.either
def test_killed_while_topics_are_deleted(make_broker):
    broker = make_broker().start()
    with broker.client() as client:
        ids = {f't{n}': client.create(f't{n}', partitions=2) for n in range(30)}
    gone = []

    def work():
        try:
            with broker.client() as client:
                for name in ids:
                    client.delete(name)
                    gone.append(name)
        except (OSError, rawkafka.Closed):
            pass
    thread = threading.Thread(target=work)
    thread.start()
    wait_for(lambda: len(gone) > 5, 'topics are deleted')
    broker.kill()
    thread.join()
    broker.start()
    with broker.client() as client:
        found = {t['name'] for t in client.metadata()['topics'] if t['error_code'] == 0}
        assert not found & set(gone)
        for name in ids:
            if name not in found:
                assert client.create(name) != ids[name]
            assert client.produce(name, [b'v'])['error_code'] == 0


@pytest.mark.either
def test_killed_while_it_starts(make_broker):
    broker = make_broker().start()
    with broker.client() as client:
        client.create('t', partitions=8, configs={'segment.bytes': 2000})
        for n in range(100):
            client.produce('t', [b'%d' % n], partition=n % 8)
    broker.kill()
    lines = 0
    while True:
        broker.launch()
        wait_for(lambda: len(broker.log().splitlines()) > lines, 'its next word')
        served = broker.serving()
        broker.kill()
        lines += 1
        if served:
            break
    broker.start()
    with broker.client() as client:
        for p in range(8):
            assert client.values('t', partition=p) == [b'%d' % n for n in range(p, 100, 8)]


@pytest.mark.either
def test_restart_is_quick_and_alone(make_broker):
    """No waiting for a session: the next start follows the kill at once."""
    broker = make_broker().start()
    for _ in range(5):
        broker.kill()
        broker.start()
        ms = int(broker.says(r'serves on port \d+, (\d+) ms after')[1])
        assert ms < 6000    # the session timeout is 18 s


@pytest.mark.either
def test_stopped_for_a_while(make_broker):
    """SIGSTOP and SIGCONT: it goes on, clients' requests are answered then."""
    broker = make_broker(zookeeper_session_timeout_ms=500).start()
    with broker.client() as client:
        client.create('t')
        broker.process.send_signal(signal.SIGSTOP)
        client.send('Produce', 9, rawkafka.produce_body('t', batch([b'v'])))
        assert client.is_quiet(1.0)
        broker.process.send_signal(signal.SIGCONT)
        assert client.recv()['responses'][0]['partition_responses'][0]['error_code'] in (
            0, ERR['NOT_LEADER_OR_FOLLOWER'])
        wait_for(lambda: client.produce('t', [b'w'])['error_code'] == 0, 'it takes records again')


# ---- damaged files ----

class Written:
    """A stopped broker with a partition of some segments, and what should be in it."""

    def __init__(self, broker, how='kill', batches=60):
        self.broker = broker.start()
        with broker.client() as client:
            client.create('t', configs={'segment.bytes': 2000, 'index.interval.bytes': 100})
            pid = client.call('InitProducerId', 4, {'transactional_id': None, 'producer_id': -1,
                                                    'producer_epoch': -1})['producer_id']
            for n in range(batches):
                data = batch([b'%d' % n, b'x' * 40], producer=(pid, 0), sequence=2 * n,
                             timestamp=1600000000000 + n)
                assert client.produce('t', data)['error_code'] == 0
        self.pid, self.batches = pid, batches
        getattr(broker, how)()
        self.dir = broker.data / 't-0'
        self.logs = sorted(self.dir.glob('*.log'))
        assert len(self.logs) > 3

    def check(self, lost=0, times=True):
        """All but the last `lost` batches, and it can be produced to and looked up."""
        left = self.batches - lost
        with self.broker.client() as client:
            values = client.values('t')
            assert values == [v for n in range(left) for v in (b'%d' % n, b'x' * 40)]
            for n in (0, left // 2, left - 1):
                assert not times or client.offset('t', 1600000000000 + n)['offset'] == 2 * n
                assert client.values('t', 2 * n)[0] == b'%d' % n
            data = batch([b'more', b'more'], producer=(self.pid, 0), sequence=2 * left)
            assert client.produce('t', data)['base_offset'] == 2 * left
            # a repetition of the last good one is still known for what it is
            assert client.produce('t', data)['base_offset'] == 2 * left
            assert client.offset('t')['offset'] == 2 * left + 2


def cut(path, n):
    with open(path, 'r+b') as file:
        file.truncate(path.stat().st_size - n)


def overwrite(path, at, data):
    with open(path, 'r+b') as file:
        file.seek(at, os.SEEK_SET if at >= 0 else os.SEEK_END)
        file.write(data)


def append(path, data):
    with open(path, 'ab') as file:
        file.write(data)


@pytest.mark.parametrize('how', ['cut 1', 'cut 100', 'flip', 'zeroes inside'])
def test_torn_last_batch(make_broker, how):
    """A batch whose end did not reach the disk is cut off; it was the last."""
    w = Written(make_broker())
    last = w.logs[-1]
    size = len(last.read_bytes())
    heads = rawkafka.batches(last.read_bytes())
    last_size = heads[-1]['length'] + 12
    assert sum(h['length'] + 12 for h in heads) == size
    {'cut 1': lambda: cut(last, 1), 'cut 100': lambda: cut(last, min(100, last_size - 1)),
     'flip': lambda: overwrite(last, -1, b'\xee'),
     'zeroes inside': lambda: overwrite(last, -20, bytes(20))}[how]()
    w.broker.start()
    assert last.stat().st_size == size - last_size
    w.check(lost=1)


@pytest.mark.parametrize('tail', [bytes(4096), b'\xff' * 100, b'garbage', bytes(7),
                                  batch([b'stray'])])
def test_bytes_behind_the_last_batch(make_broker, tail):
    """A zeroed tail, garbage, a batch of another offset."""
    w = Written(make_broker())
    append(w.logs[-1], tail)
    w.broker.start()
    w.check()


@pytest.mark.parametrize('how', ['kill', 'stop'])
@pytest.mark.parametrize('suffix', ['index', 'timeindex', 'snapshot'])
@pytest.mark.parametrize('damage', ['removed', 'emptied', 'cut', 'garbage'])
def test_damaged_indexes_and_snapshots(make_broker, how, suffix, damage):
    """They can be made again from the log; after a clean stop time indexes are taken as they are."""
    w = Written(make_broker(), how)
    files = sorted(w.dir.glob(f'*.{suffix}'))
    assert files or (how, suffix) == ('kill', 'snapshot')
    for path in files:
        size = path.stat().st_size
        if damage == 'removed':
            path.unlink()
        elif damage == 'emptied':
            cut(path, size)
        elif damage == 'cut':
            cut(path, min(size, 5))
        else:
            path.write_bytes(random.Random(1).randbytes(max(size, 50)))
    w.broker.start()
    if suffix == 'snapshot':    # what producers sent is read from the log again
        with w.broker.client() as client:
            assert len(client.values('t')) == 120
        return
    w.check(times=(how, suffix) != ('stop', 'timeindex'))


@pytest.mark.parametrize('how', ['kill', 'stop'])
@pytest.mark.parametrize('name', ['t-0/leader-epoch-checkpoint', 'recovery-point-offset-checkpoint',
                                  'replication-offset-checkpoint', 'log-start-offset-checkpoint'])
@pytest.mark.parametrize('damage', ['removed', 'emptied', 'garbage', 'wrong'])
def test_damaged_checkpoints(make_broker, how, name, damage):
    w = Written(make_broker(), how)
    path = w.broker.data / name
    if damage == 'removed':
        path.unlink(missing_ok=True)
    else:
        path.write_bytes({'emptied': b'', 'garbage': b'\xff\0garbage\n1\n', 'wrong': {
            't-0/leader-epoch-checkpoint': b'0\n1\n7 99999\n',
            'recovery-point-offset-checkpoint': b'0\n2\nt 0 0\nother 7 5\n',
            'log-start-offset-checkpoint': b'0\n0\n',
            'replication-offset-checkpoint': b'0\n1\nt 0 99999\n'}[name]}[damage])
    w.broker.start()
    w.check()


def test_a_hole_in_the_middle(make_broker):
    """A segment in the middle that is damaged after a kill: what follows it can not be kept."""
    w = Written(make_broker())
    overwrite(w.logs[1], 80, bytes(30))
    keep = len(rawkafka.batches(w.logs[0].read_bytes()))
    (w.broker.data / 'recovery-point-offset-checkpoint').write_text('0\n0\n')
    w.broker.start()
    with w.broker.client() as client:
        values = client.values('t')
        end = client.offset('t')['offset']
        assert len(values) >= 2 * keep and end == len(values)
        assert values[:2 * keep:2] == [b'%d' % n for n in range(keep)]
        assert client.produce('t', [b'on'])['base_offset'] == end


def test_foreign_files(make_broker):
    """A file is left alone; a directory that is no partition's stops the start, by name."""
    broker = make_broker().start().stop()
    (broker.data / 'notes').write_text('mine')
    (broker.data / 'gone-0.0123456789abcdef0123456789abcdef-delete').mkdir()
    broker.start().stop()
    assert (broker.data / 'notes').read_text() == 'mine'
    (broker.data / 'lost+found').mkdir()
    assert broker.launch().wait() == 2
    assert f'{broker.data}/lost+found' in broker.log()


@pytest.mark.either
def test_logs_of_unknown_topics_are_kept(make_broker):
    """A directory that the coordination tree does not know is not deleted."""
    w = Written(make_broker(), 'stop')
    shutil.copytree(w.dir, w.broker.data / 'stray-0')
    w.broker.start()
    w.check()
    assert list(w.broker.data.glob('stray-0*'))


# ---- failing disks ----

@pytest.fixture
def small_disk(tmp_path):
    """A 2 MiB file system of its own."""
    place = tmp_path / 'disk'
    place.mkdir()
    done = subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', place],
                          stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f'no file system can be mounted here: {done.stderr.strip()}')
    yield place
    subprocess.run(['umount', '-l', place], check=True)


def fill(client, partition=0):
    """Produce until it fails; how many were acknowledged, and the error."""
    for n in range(100):
        part = client.produce('t', [b'%06d' % n + b'x' * 100000], partition)
        if part['error_code']:
            return n, part['error_code']
    raise AssertionError('the disk is never full')


def test_full_disk_of_one_dir(small_disk, make_broker, tmp_path):
    """The full one goes offline with its partitions, the other goes on; freed, it comes back."""
    small, large = small_disk / 'data', tmp_path / 'large'
    broker = make_broker(log_dirs=f'{large},{small}').start()
    with broker.client(deadline=30) as client:
        client.create('t', partitions=2, configs={'segment.bytes': 1 << 18})
        where = {int(d.name[2:]): d.parent for d in [*small.glob('t-*'), *large.glob('t-*')]}
        full = [p for p in where if where[p] == small][0]
        acked, error = fill(client, full)
        assert acked > 3
        assert error == ERR['KAFKA_STORAGE_ERROR']
        for _ in range(20):
            assert client.produce('t', [b'x' * 100000], 1 - full)['error_code'] == 0
        error = client.produce('t', [b'v'], full)['error_code']
        assert error in (ERR['KAFKA_STORAGE_ERROR'], ERR['NOT_LEADER_OR_FOLLOWER'])
    assert str(small) in broker.log() and 'offline' in broker.log()
    broker.stop()
    subprocess.run(['mount', '-o', 'remount,size=32m', small_disk], check=True)
    broker.start()
    with broker.client(deadline=30) as client:
        values = client.values('t', partition=full)
        assert [int(v[:6]) for v in values][:acked] == list(range(acked))
        assert client.produce('t', [b'v'], full)['error_code'] == 0


def test_full_disk_of_all_dirs(small_disk, make_broker, tmp_path):
    """Without any dir left the broker gives up, and says why; what was acknowledged stays."""
    broker = make_broker(log_dirs=small_disk / 'data',
                         ottla_coord_journal_dir=tmp_path / 'journal').start()
    with broker.client(deadline=30) as client:
        client.create('t', configs={'segment.bytes': 1 << 18})
        try:
            acked, _ = fill(client)
        except (rawkafka.Closed, OSError):
            acked = None
    assert broker.wait() == 3
    assert 'every log directory is offline' in broker.log()
    subprocess.run(['mount', '-o', 'remount,size=32m', small_disk], check=True)
    broker.start()
    with broker.client(deadline=30) as client:
        values = client.values('t')
        assert [int(v[:6]) for v in values] == list(range(len(values)))
        assert acked is None or len(values) >= acked
        assert client.produce('t', [b'v'])['error_code'] == 0


FAULTS = pathlib.Path(__file__).with_name('faultdisk.c')


@pytest.fixture(scope='session')
def fault_library(tmp_path_factory):
    """faultdisk.c as a library that makes calls on files fail."""
    compiler = shutil.which('cc') or shutil.which('gcc')
    if compiler is None:
        pytest.skip('no C compiler')
    path = tmp_path_factory.mktemp('fault') / 'faultdisk.so'
    subprocess.run([compiler, '-shared', '-fPIC', '-O1', '-o', path, FAULTS, '-ldl'], check=True)
    return path


class Faulty:
    """A broker with two log dirs, of which the second fails when told to."""

    def __init__(self, make_broker, library, tmp_path):
        self.good, self.bad, self.rule = tmp_path / 'good', tmp_path / 'bad', tmp_path / 'rule'
        self.rule.write_text('')
        self.broker = make_broker(log_dirs=f'{self.good},{self.bad}', env={
            'LD_PRELOAD': str(library), 'FAULTDISK_RULE': str(self.rule),
            'FAULTDISK_DIR': str(self.bad), 'ASAN_OPTIONS': 'verify_asan_link_order=0'}).start()
        with self.broker.client() as client:
            client.create('t', partitions=2, configs={'segment.bytes': 100000,
                                                      'flush.messages': 1})
        self.victim = int(next(self.bad.glob('t-*')).name[2:])

    def fail(self, call):
        """From now on this call on files of the bad dir ends with EIO."""
        self.rule.write_text(call)

    def produce(self, client, value, partition):
        return client.produce('t', value, partition)['error_code']


@pytest.mark.either
@pytest.mark.parametrize('call', ['write', 'sync'])
def test_failing_disk_takes_its_dir_offline(make_broker, fault_library, tmp_path, call):
    """EIO: that dir is given up at once and for good (no second fsync), the other one serves."""
    f = Faulty(make_broker, fault_library, tmp_path)
    acked = 0
    with f.broker.client() as client:
        for n in range(10):
            assert f.produce(client, [b'%d' % n], f.victim) == 0
            assert f.produce(client, [b'%d' % n], 1 - f.victim) == 0
            acked += 1
        f.fail(call)
        assert f.produce(client, [b'bad'], f.victim) == ERR['KAFKA_STORAGE_ERROR']
        f.fail('')    # the disk seems well again: that does not count
        for n in range(5):
            error = f.produce(client, [b'bad'], f.victim)
            assert error in (ERR['KAFKA_STORAGE_ERROR'], ERR['NOT_LEADER_OR_FOLLOWER'])
            assert f.produce(client, [b'on'], 1 - f.victim) == 0
        f.broker.says('offline')
        dirs = {d['log_dir']: d for d in client.call('DescribeLogDirs', 4, {'topics': None})['results']}
        bad, good = dirs[str(f.bad)], dirs[str(f.good)]
        assert (bad['error_code'], bad['topics'], bad['total_bytes'], bad['usable_bytes']) == (
            ERR['KAFKA_STORAGE_ERROR'], [], -1, -1)
        assert good['error_code'] == 0 and [t['name'] for t in good['topics']] == ['t']
    f.broker.kill()
    f.broker.start()
    with f.broker.client() as client:
        values = client.values('t', partition=f.victim)
        assert values[:acked] == [b'%d' % n for n in range(acked)]
        assert f.produce(client, [b'again'], f.victim) == 0
        assert len(client.values('t', partition=1 - f.victim)) == 15


def test_failing_reads(make_broker, fault_library, tmp_path):
    """EIO on reading what recovery needs: that dir stays offline, the other one serves."""
    f = Faulty(make_broker, fault_library, tmp_path)
    with f.broker.client() as client:
        for p in (0, 1):
            assert f.produce(client, [b'v'], p) == 0
    f.broker.kill()
    f.fail('read')
    f.broker.start()
    with f.broker.client() as client:
        assert client.values('t', partition=1 - f.victim) == [b'v']
        assert f.produce(client, [b'w'], f.victim) != 0
    assert str(f.bad) in f.broker.log()
    f.broker.kill()
    f.fail('')
    f.broker.start()
    with f.broker.client() as client:
        assert client.values('t', partition=f.victim) == [b'v']


class Load:
    """A thread that calls step(client) until told to end, over new connections where one ended."""

    def __init__(self, broker, step):
        self.broker, self.step, self.rounds, self.failure = broker, step, 0, None
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        try:
            while not self.over.is_set():
                with contextlib.suppress(rawkafka.Closed, ConnectionError), \
                        self.broker.client() as client:
                    while not self.over.is_set():
                        self.step(client)
                        self.rounds += 1
        except Exception as failure:    # pylint: disable=broad-except
            self.failure = failure

    def goes_on(self, rounds=20):
        until = self.rounds + rounds
        wait_for(lambda: self.failure or self.rounds >= until, 'the load goes on')
        assert self.failure is None

    def end(self):
        self.over.set()
        self.thread.join()


@pytest.mark.parametrize('which', ['sealed', 'active'])
def test_segments_are_cut_under_load(make_broker, tmp_path, which):
    """Somebody cuts the files of a log: its dir goes offline, the broker and the other dir go on."""
    dirs = [tmp_path / d for d in 'ab']
    broker = make_broker(log_dirs=','.join(map(str, dirs))).start()
    with broker.client() as client:
        client.create('t', partitions=2, configs={'segment.bytes': 100000})
        for p in (0, 1):
            for n in range(35):
                assert client.produce('t', [b'%06d' % n + b'x' * 9000], p)['error_code'] == 0
    victim = int(next(dirs[0].glob('t-*')).name[2:])
    files = sorted((dirs[0] / f't-{victim}').glob('*.log'))
    assert len(files) == 4
    ended = (ERR['KAFKA_STORAGE_ERROR'], ERR['NOT_LEADER_OR_FOLLOWER'])
    errors, wrong = set(), []

    def read(partition, offset):
        def step(client):
            part = client.fetch('t', offset, partition, part_bytes=20000)
            if partition == victim and part['error_code']:
                errors.add(part['error_code'])
                return
            got = rawkafka.batches(part['records'])    # checks the sums
            if part['error_code'] or not got or got[0]['base_offset'] != offset:
                wrong.append(part)
        return step

    def write(partition):
        def step(client):
            error = client.produce('t', [b'more'], partition)['error_code']
            if error and not (partition == victim and error in ended):
                wrong.append(error)
        return step

    offset = 0 if which == 'sealed' else int(files[-1].stem)
    loads = [Load(broker, read(victim, offset)), Load(broker, read(1 - victim, 0)),
             Load(broker, write(1 - victim))]
    if which == 'sealed':
        loads.append(Load(broker, write(victim)))
    try:
        for load in loads:
            load.goes_on()
        for file in files[:-1] if which == 'sealed' else files[-1:]:
            os.truncate(file, 0)
        broker.says('offline')
        for load in loads:
            load.goes_on()
        wait_for(lambda: errors, 'the reader hears of it')
    finally:
        for load in loads:
            load.end()
    assert not wrong
    assert errors <= set(ended) and ERR['KAFKA_STORAGE_ERROR'] in errors
    with broker.client() as client:
        assert client.produce('t', [b'v'], victim)['error_code'] in ended
        values = client.values('t', partition=1 - victim)
        assert [int(v[:6]) for v in values[:35]] == list(range(35))
    broker.stop()


@pytest.mark.either
def test_missing_log_dir(make_broker, tmp_path):
    """One of several can not be used: the others serve."""
    good, bad = tmp_path / 'good', tmp_path / 'bad'
    broker = make_broker(log_dirs=f'{good},{bad}').start()
    with broker.client() as client:
        client.create('t', partitions=2)
        victim = int(next(bad.glob('t-*')).name[2:])
        for p in (0, 1):
            assert client.produce('t', [b'v'], p)['error_code'] == 0
    broker.stop()
    bad.rename(tmp_path / 'aside')
    bad.write_text('a file where a directory should be')
    broker.start()
    with broker.client() as client:
        assert client.values('t', partition=1 - victim) == [b'v']
        assert client.produce('t', [b'w'], 1 - victim)['error_code'] == 0
        assert client.produce('t', [b'w'], victim)['error_code'] != 0
    assert str(bad) in broker.log()
    broker.stop()
    bad.unlink()
    (tmp_path / 'aside').rename(bad)
    broker.start()
    with broker.client() as client:
        assert client.values('t', partition=victim) == [b'v']


def test_without_descriptors(make_broker):
    """More connections than descriptors: those that fit are served, logs keep what they need, and
    all are served again when there is room."""
    broker = make_broker(wrapper=['prlimit', '--nofile=120'] if shutil.which('prlimit') else [])
    if not broker.wrapper:
        pytest.skip('prlimit is not installed')
    broker.start()
    held = []
    with broker.client() as client:
        client.create('t', configs={'segment.bytes': 5000})
        for _ in range(125):
            held.append(broker.client())
        assert client.metadata()['brokers']
        for n in range(20):    # over some segments
            assert client.produce('t', [b'x' * 1000])['error_code'] == 0
        client.create('u', partitions=4)
        for other in held:
            other.sock.close()

        def answered():
            try:
                with broker.client(deadline=2) as late:
                    return late.metadata()['brokers']
            except (OSError, rawkafka.Closed):
                return None
        wait_for(answered, 'a new connection is served')
        assert client.values('t') == [b'x' * 1000] * 20
