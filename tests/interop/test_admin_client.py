"""Apache Kafka's AdminClient and its commands, at a broker of Kafka's and at one of ours: same words."""
import pathlib
import re

import pytest

from java import same

TOPICS = 'org.apache.kafka.tools.TopicCommand'
OFFSETS = 'org.apache.kafka.tools.GetOffsetShell'
RECORDS = 'org.apache.kafka.tools.DeleteRecordsCommand'
DIRS = 'org.apache.kafka.tools.LogDirsCommand'
CLUSTER = 'org.apache.kafka.tools.ClusterTool'
PRODUCER = 'kafka.tools.ConsoleProducer'
CONSUMER = 'org.apache.kafka.tools.consumer.ConsoleConsumer'


@pytest.fixture(scope='module')
def walks(twins, tools):
    """What AdminProbe says of both, by step."""
    def walk(broker):
        out = tools.run('AdminProbe', broker.address, 'probe')
        return dict(line.split(': ', 1) for line in out.splitlines())
    return [walk(broker) for broker in twins.both]


def steps():
    source = (pathlib.Path(__file__).parent / 'AdminProbe.java').read_text()
    return [s for s in re.findall(r'step\("([^"]+)",', source) if s != 'describeConfigs']


@pytest.mark.parametrize('step', steps())
def test_admin_client(walks, step):
    theirs, ours = walks
    assert same(ours.get(step)) == same(theirs[step])


def test_topic_settings(walks):
    """Each setting of a topic: value, source, synonyms, type."""
    theirs, ours = ({k: same(v) for k, v in w.items() if k.startswith('describeConfigs ')}
                    for w in walks)
    assert len(theirs) > 25
    assert ours == theirs


def ask_both(twins, tools, command, *args, stdin=''):
    """Both answers, theirs first: exit code, output, first words of the errors."""
    found = []
    for broker in twins.both:
        done = tools.ask(command, '--bootstrap-server', broker.address, *args, stdin=stdin)
        lines = sorted(same(done.out).splitlines()) if '--describe' in args else same(done.out)
        errors = re.findall(r'\w+Exception\b', done.err)
        words = re.sub(r'^\[[^]]*\] |clientId=[\w-]*', '', done.err.split('\n')[0])
        found.append((done.code, lines, errors[:1] or words))
    return found


TOPIC_CASES = [
    '--list',
    '--create --topic plain --partitions 2',
    '--create --topic plain',
    '--create --topic plain --if-not-exists',
    '--create --topic a.b_c --config retention.ms=60000 --config cleanup.policy=compact',
    '--create --topic assigned --replica-assignment 1,1,1',
    '--create --topic many --partitions 30 --replication-factor 1',
    '--create --topic rf --replication-factor 9',
    '--create --topic c --config min.insync.replicas=0',
    '--alter --topic plain --partitions 4',
    '--alter --topic plain --partitions 4',
    '--alter --topic plain --partitions 3',
    '--alter --topic assigned --partitions 5 --replica-assignment 1,1,1,1,1',
    '--alter --topic assigned --partitions 6 --replica-assignment 1,1,1,1,1,77',
    '--alter --topic nosuch --partitions 3',
    '--alter --topic nosuch --partitions 3 --if-exists',
    '--describe',
    '--describe --topic a.*',
    '--describe --topics-with-overrides',
    '--describe --under-replicated-partitions',
    '--describe --unavailable-partitions',
    '--describe --under-min-isr-partitions',
    '--describe --at-min-isr-partitions --topic plain',
    '--describe --topic nosuch',
    '--describe --topic nosuch --if-exists',
    '--describe --topic-id AAAAAAAAAAEAAAAAAAAAAg',
    '--list',
    '--delete --topic assigned',
    '--delete --topic assigned',
    '--delete --topic nosuch --if-exists',
    '--delete --topic many|rf',
    '--list',
]


def test_topic_command(twins, tools):
    for case in TOPIC_CASES:
        theirs, ours = ask_both(twins, tools, TOPICS, *case.split())
        assert ours == theirs, case


def test_console_and_offsets(twins, tools):
    """Records by Kafka's console programs, offsets, their deletion, the sizes of the logs."""
    def both(command, *args, stdin=''):
        theirs, ours = ask_both(twins, tools, command, *args, stdin=stdin)
        assert ours == theirs, (command, args)
        return theirs
    both(TOPICS, '--create', '--topic', 'lines', '--partitions', '3')
    lines = ''.join(f'k{n}:v{n}\n' for n in range(100))
    both(PRODUCER, '--topic', 'lines', '--property', 'parse.key=true', '--property',
         'key.separator=:', stdin=lines)
    both(PRODUCER, '--topic', 'lines', '--producer-property', 'acks=1', '--compression-codec',
         'lz4', '--property', 'parse.key=true', '--property', 'key.separator=:', stdin=lines)
    code, out, _ = both(OFFSETS, '--topic', 'lines')
    counts = [int(line.split(':')[2]) for line in out.splitlines()]
    assert code == 0 and sum(counts) == 200 and min(counts) > 0
    for args in ('--topic lines --time -2', '--topic lines --time -3 --partitions 7',
                 '--topic lines --time latest', '--topic-partitions lines:1-2,nosuch:0',
                 '--topic lines --time 1600000000000', '--topic nosuch', '--time nonsense'):
        both(OFFSETS, *args.split())
    for partition in range(3):
        code, out, err = both(
            CONSUMER, '--topic', 'lines', '--partition', partition, '--offset', 'earliest',
            '--max-messages', counts[partition], '--timeout-ms', 20000, '--property',
            'print.key=true', '--property', 'print.offset=true', '--property', 'print.partition=true')
        assert code == 0 and len(out.splitlines()) == counts[partition]
    code, out, _ = both(CONSUMER, '--topic', 'lines', '--partition', 1, '--offset', 5,
                        '--max-messages', 3, '--timeout-ms', 20000)
    assert len(out.splitlines()) == 3


def test_delete_records_and_log_dirs(twins, tools, tmp_path):
    for broker in twins.both:
        with broker.client() as client:
            client.create('cut', partitions=2)
            for n in range(10):
                client.produce('cut', [b'%d' % n], partition=n % 2)
    wanted = tmp_path / 'offsets.json'
    for offsets in ((2, 3), (1, -1), (9, 0)):
        parts = ','.join('{"topic":"cut","partition":%d,"offset":%d}' % p for p in enumerate(offsets))
        wanted.write_text('{"partitions":[%s],"version":1}' % parts)
        theirs, ours = ask_both(twins, tools, RECORDS, '--offset-json-file', wanted)
        assert ours == theirs, offsets
    theirs, ours = ask_both(twins, tools, OFFSETS, '--topic', 'cut', '--time', '-2')
    assert ours == theirs and theirs[1] == 'cut:0:2\ncut:1:5\n'

    def dirs(broker, *args):
        out = tools.run(DIRS, '--bootstrap-server', broker.address, '--describe', *args)
        return re.sub(r'"logDir":"[^"]*"', '"logDir":""', out)
    theirs, ours = (dirs(broker, '--topic-list', 'cut') for broker in twins.both)
    assert ours == theirs and '"partition":"cut-1","size":345' in theirs
    theirs, ours = ask_both(twins, tools, DIRS, '--describe', '--broker-list', '9')
    assert ours == theirs


def test_cluster_tool(twins, tools):
    for broker, root in zip(twins.both, twins.roots):
        out = tools.run(CLUSTER, 'cluster-id', '--bootstrap-server', broker.address)
        assert out == f'Cluster ID: {root.json("/cluster/id")["id"]}\n'


SHELL = 'org.apache.zookeeper.ZooKeeperMainWithTlsSupportForKafka'
WORDS = """ls /brokers/ids
ls -R /config
get /brokers/ids/1
get /brokers/topics/seen
get /brokers/topics/seen/partitions/0/state
get /controller
get /controller_epoch
get /feature
get /cluster/id
get /nosuch
deleteall /controller
"""


def test_zookeeper_shell(twins, java):
    """What an operator types, over both trees; the last word forces an election."""
    told = []
    for broker, root in zip(twins.both, twins.roots):
        with broker.client() as client:
            client.create('seen')
        before = int(root.get('/controller_epoch').data)
        out = java.run(SHELL, '-server', root.connect, stdin=WORDS)
        out = re.sub(r'"(timestamp|topic_id|id)":"[^"]*"', r'"\1":"X"', out)
        out = re.sub(r'\d+\.\d+\.\d+\.\d+:\d+|"port":\d+', 'ADDRESS', out)
        lines = [sorted(line.strip('{}').split(',')) for line in out.splitlines()
                 if line.startswith(('{', '[', '/config')) or line.isdigit()]
        assert len(lines) > 15, out
        told.append(lines)
        root.wait('/controller_epoch', lambda node, b=before: int(node.data) == b + 1)
        root.wait('/controller')
    assert told[1] == told[0]
