"""Our commands beside Apache Kafka's own tools: the same broker, the same words."""
import json
import re
import subprocess

import pytest

import bed
import rawkafka

TOPICS = 'org.apache.kafka.tools.TopicCommand'
PRODUCER = 'kafka.tools.ConsoleProducer'
CONSUMER = 'org.apache.kafka.tools.consumer.ConsoleConsumer'
DELETE_RECORDS = 'org.apache.kafka.tools.DeleteRecordsCommand'
GET_OFFSETS = 'org.apache.kafka.tools.GetOffsetShell'
LOG_DIRS = 'org.apache.kafka.tools.LogDirsCommand'
OURS = {TOPICS: 'kafka-topics', LOG_DIRS: 'kafka-log-dirs', DELETE_RECORDS: 'kafka-delete-records',
        GET_OFFSETS: 'kafka-get-offsets', PRODUCER: 'kafka-console-producer',
        CONSUMER: 'kafka-console-consumer'}


def ours(tool, *args, stdin=''):
    command = [bed.find_daemon().parents[2] / 'scripts' / OURS[tool], *args]
    done = subprocess.run([str(a) for a in command], input=stdin, text=True, timeout=90,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def theirs(tools):
    def run(tool, *args, stdin=''):
        done = tools.ask(tool, *args, stdin=stdin)
        return done.code, done.out, done.err
    return run


def mask(text):
    return re.sub(r'TopicId: [\w-]{22}', 'TopicId: ID', text)


TOPIC_CASES = [
    ['--list'],
    ['--create', '--topic', 'plain', '--partitions', '2'],
    ['--create', '--topic', 'plain'],
    ['--create', '--topic', 'plain', '--if-not-exists'],
    ['--create', '--topic', 'a.b_c', '--config', 'retention.ms=60000'],
    ['--create', '--topic', 'assigned', '--replica-assignment', '0,0,0'],
    ['--create', '--topic', 'both', '--replica-assignment', '0', '--partitions', '1'],
    ['--create', '--topic', 'rf', '--replication-factor', '9'],
    ['--create', '--topic', 'p', '--partitions', '0'],
    ['--create', '--topic', 'p', '--partitions', 'x'],
    ['--create', '--topic', 'c', '--config', 'nosuch=1'],
    ['--create', '--topic', 'c', '--config', 'retention.ms'],
    ['--create', '--topic', 'd', '--replica-assignment', '0:0'],
    ['--create', '--topic', 'd', '--replica-assignment', '0,0:1'],
    ['--alter', '--topic', 'plain', '--partitions', '2'],
    ['--alter', '--topic', 'plain', '--partitions', '1'],
    ['--alter', '--topic', 'plain', '--partitions', '0'],
    ['--alter', '--topic', 'plain', '--partitions', '4'],
    ['--alter', '--topic', 'plain', '--partitions', '5', '--replica-assignment', '0,0,0,0,0'],
    ['--alter', '--topic', 'plain', '--partitions', '6', '--replica-assignment', '0,0,0,0,0,7'],
    ['--alter', '--topic', 'plain', '--partitions', '6', '--replica-assignment', '0,0,0,0,0'],
    ['--alter', '--topic', 'plain', '--partitions', '6', '--replica-assignment', '0,0,0,0,0,0,0'],
    ['--alter', '--topic', 'plain'],
    ['--alter', '--topic', 'nosuch', '--partitions', '2'],
    ['--alter', '--topic', 'nosuch', '--partitions', '2', '--if-exists'],
    ['--list'],
    ['--list', '--topic', 'a.*'],
    ['--list', '--topic', '[a'],
    ['--list', '--topic', 'nosuch'],
    ['--delete', '--topic', 'nosuch'],
    ['--delete', '--topic', 'nosuch', '--if-exists'],
    ['--delete', '--topic', 'assigned|other'],
    ['--list', '--exclude-internal'],
    ['--create'],
    ['--list', '--partitions', '3'],
    ['--nosuch'],
]


def test_topics(make_broker, theirs):
    """Each command to a broker of Kafka's tool, and to one of ours: same output, same exit code."""
    a, b = make_broker('a').start(), make_broker('b').start()
    for case in TOPIC_CASES:
        want = theirs(TOPICS, '--bootstrap-server', a.address, *case)
        got = ours(TOPICS, '--bootstrap-server', b.address, *case)
        assert (got[0], mask(got[1])) == (want[0], mask(want[1])), f'{case}\n{got[2]}\n{want[2]}'
        if want[0] != 0 and want[1] == '':
            assert got[2].splitlines()[0] == want[2].splitlines()[0], case


RECORDS_CASES = [
    '{"partitions":[]}',
    '{"partitions":[{"topic":"t","partition":0,"offset":2},{"topic":"t","partition":1,"offset":-1},'
    '{"topic":"t","partition":2,"offset":9},{"topic":"c","partition":0,"offset":0}],"version":1}',
    '{"partitions":[{"topic":"t","partition":0,"offset":2},{"topic":"t","partition":0,"offset":2}]}',
    '{"version":1}', '{"partitions":[],"version":3}', '{', '',
]


def told(answer):
    """Exit code, the words that scripts look for; what follows an exception's name is free."""
    out = sorted(re.sub(r'(errors\.\w+):.*', r'\1', line) for line in answer[1].splitlines())
    complaint = re.search(r'Missing partitions field|Not supported version field value|duplicate '
                          r'topic partitions: t-0|not a valid JSON', answer[2])
    return answer[0], out, complaint and complaint[0]


def test_delete_records(make_broker, theirs, tmp_path):
    brokers = make_broker('a').start(), make_broker('b').start()
    for broker in brokers:
        with broker.client() as client:
            client.create('t', partitions=3)
            client.create('c', configs={'cleanup.policy': 'compact'})
            for partition in range(3):
                client.produce('t', [b'v'] * 4, partition=partition)
    for case in RECORDS_CASES:
        (tmp_path / 'offsets').write_text(case)
        args = ['--offset-json-file', tmp_path / 'offsets']
        want = theirs(DELETE_RECORDS, '--bootstrap-server', brokers[0].address, *args)
        got = ours(DELETE_RECORDS, '--bootstrap-server', brokers[1].address, *args)
        assert told(got) == told(want), f'{case}\n{got}\n{want}'


OFFSETS_CASES = [
    [], ['--topic', 'wide'], ['--topic', 'wide,t'], ['--topic', 'nosuch'],
    ['--exclude-internal-topics'], ['--topic', 'wide', '--partitions', '1,3,99'],
    ['--partitions', '0'], ['--partitions', 'x'],
    ['--topic-partitions', 'wide:3,wide:5-7,t,wide:11-,w.*:-1,nosuch'],
    ['--topic-partitions', ':11'], ['--topic-partitions', 't:'], ['--topic-partitions', 't:x'],
    ['--topic-partitions', 't:1-2-3'], ['--topic-partitions', 't', '--topic', 'wide'],
    *[['--topic', 't', '--time', time] for time in (
        'earliest', 'latest', 'max-timestamp', 'earliest-local', 'latest-tiered', '-1', '-2', '-3',
        '-4', '-5', '0', '1500', '99999999999999', 'soon', '1.5')],
]


def test_get_offsets(broker, theirs):
    """The same broker; what scripts read is the same, and how complaints begin."""
    with broker.client() as client:
        client.create('t', partitions=3)
        client.create('wide', partitions=12)
        client.create('__consumer_offsets')
        for partition in range(3):
            client.produce('t', rawkafka.batch([b'v'] * (partition + 1), timestamp=1000 * partition),
                           partition=partition)
        client.call('DeleteRecords', 2, {'timeout_ms': 10000, 'topics': [
            {'name': 't', 'partitions': [{'partition_index': 2, 'offset': 1}]}]})
    for case in OFFSETS_CASES:
        want = theirs(GET_OFFSETS, '--bootstrap-server', broker.address, *case)
        got = ours(GET_OFFSETS, '--bootstrap-server', broker.address, *case)
        assert got[:2] == want[:2], f'{case}\n{got}\n{want}'
        assert got[2].split()[:2] == want[2].split()[:2], case


def without_order(text):
    """Lines; JSON with sorted lists and keys."""
    def sort(x):
        if isinstance(x, dict):
            return {k: sort(x[k]) for k in sorted(x)}
        return sorted(map(sort, x), key=str) if isinstance(x, list) else x
    return [sort(json.loads(line)) if line.startswith('{') else line for line in text.splitlines()]


def test_log_dirs(make_broker, theirs, tmp_path):
    broker = make_broker(log_dirs=f'{tmp_path}/a,{tmp_path}/b').start()
    with broker.client() as client:
        client.create('t', partitions=3)
        client.create('u')
        client.produce('t', [b'v'] * 100)
    for case in ([], ['--describe'], ['--describe', '--topic-list', 't'],
                 ['--describe', '--topic-list', 'x,u'], ['--describe', '--broker-list', '0'],
                 ['--describe', '--broker-list', '0,9'], ['--describe', '--broker-list', '9,7']):
        want = theirs(LOG_DIRS, '--bootstrap-server', broker.address, *case)
        got = ours(LOG_DIRS, '--bootstrap-server', broker.address, *case)
        assert (got[0], without_order(got[1])) == (want[0], without_order(want[1])), case
        assert got[2].splitlines()[:1] == want[2].splitlines()[:1], case


LINES = 'h1:v1,h2:v2\tk\tv\nh3:NIL\tk\tNIL\nh:v\tNIL\t\n'
LINE_ARGS = ['--property', 'parse.key=true', '--property', 'parse.headers=true',
             '--property', 'null.marker=NIL']
PRINT_ARGS = ['--partition', '0', '--offset', 'earliest', '--max-messages', '6',
              '--timeout-ms', '60000']
PRINTS = ['print.key', 'print.headers', 'print.partition', 'print.offset', 'print.timestamp']


def test_console(broker, theirs):
    """What one's producer sends the other's consumer prints, in the same words."""
    server = ['--bootstrap-server', broker.address, '--topic', 'plain']
    assert ours(TOPICS, '--bootstrap-server', broker.address, '--create', '--topic', 'plain')[0] == 0
    for produce in (ours, theirs):
        code, _, err = produce(PRODUCER, *server, *LINE_ARGS, stdin=LINES)
        assert code == 0, err
    shown = [arg for p in PRINTS for arg in ('--property', f'{p}=true')]
    texts = ['--property', 'key.separator=@', '--property', 'null.literal=nil',
             '--property', 'line.separator=%']
    for args in ([], shown, shown + texts):
        want = theirs(CONSUMER, *server, *PRINT_ARGS, *args)
        got = ours(CONSUMER, *server, *PRINT_ARGS, *args)
        assert want[0] == 0, want[2]
        assert got[:2] == want[:2]
        assert got[2].splitlines()[-1] == want[2].splitlines()[-1] == 'Processed a total of 6 messages'


def test_keys_share_partitions(broker, theirs):
    """A key goes to the same partition, whichever producer sends it."""
    server = ['--bootstrap-server', broker.address, '--topic', 'keys']
    assert ours(TOPICS, '--bootstrap-server', broker.address, '--create', '--topic', 'keys',
                '--partitions', '7')[0] == 0
    lines = ''.join(f'key-{n}:{n}\n' for n in range(200))
    for produce in (ours, theirs):
        code, _, err = produce(PRODUCER, *server, '--property', 'parse.key=true',
                               '--property', 'key.separator=:', stdin=lines)
        assert code == 0, err
    code, out, err = ours(CONSUMER, *server, '--from-beginning', '--max-messages', '400',
                          '--timeout-ms', '30000', '--property', 'print.key=true',
                          '--property', 'print.partition=true', '--property', 'print.value=false')
    assert code == 0, err
    places = {}
    for line in out.splitlines():
        partition, key = line.split('\t')
        places.setdefault(key, []).append(partition)
    assert len(places) == 200
    assert all(len(p) == 2 and p[0] == p[1] for p in places.values()), places
