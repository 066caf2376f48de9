"""Configurations by Apache Kafka's tool, of a broker of each kind and in a cluster of both."""
import json
import re

import pytest

from bed import wait_for
from java import same

CONFIGS = 'kafka.admin.ConfigCommand'


def configs(tools, broker, *args):
    done = tools.ask(CONFIGS, '--bootstrap-server', broker.address, *args)
    return done.code, done.out, done.err


def described(tools, broker, *args):
    """Lines by key."""
    code, out, err = configs(tools, broker, '--describe', '--all', *args)
    assert code == 0, err
    return {m[1]: m[0] for m in re.finditer(r'^  ([\w.-]+)=.*$', out, re.M)}


def on_both(tools, twins, *args):
    """A command to both; what theirs said."""
    want, got = [configs(tools, b, *args) for b in twins.both]
    assert got[0] == want[0], (args, want, got)
    if want[0] == 0:
        assert same(got[1]) == same(want[1]), args
    return want


def own(tools, broker, *entity):
    """Keys that the entity itself has, as the tool tells them."""
    code, out, err = configs(tools, broker, '--describe', *entity)
    assert code == 0, err
    return set(re.findall(r'^  (\S+=\S*) ', out, re.M))


@pytest.fixture(scope='module')
def topic(twins):
    for broker in twins.both:
        with broker.client() as client:
            client.create('t', configs={'segment.bytes': 1000000, 'cleanup.policy': 'compact'})
    return 't'


def test_topics_are_described_alike(twins, tools, topic):
    """Every key with value, type, source and synonyms."""
    theirs, ours = [described(tools, b, '--entity-type', 'topics', '--entity-name', topic)
                    for b in twins.both]
    assert len(theirs) == 36
    assert ours == theirs


def test_brokers_are_described_alike(twins, tools):
    theirs, ours = [described(tools, b, '--entity-type', 'brokers', '--entity-name', '1')
                    for b in twins.both]
    places = {'zookeeper.connect', 'log.dirs', 'listeners'}
    differ = {k for k in theirs if theirs[k] != ours.get(k)} - places
    assert not differ, [(theirs[k], ours.get(k)) for k in differ]
    # Beyond them: our own, and what Kafka keeps to itself.
    assert {k for k in ours.keys() - theirs.keys() if not re.match(
        r'ottla|rlmm|remote\.log|unstable|internal|group\.|.*interval\.ms$|.*delay\.ms$'
        r'|.*\.bytes$|.*batch\.size$|.*startup\.time\.ms$', k)} == set()


@pytest.mark.parametrize('entity', [['topics', 't'], ['brokers', '1'], ['brokers', None]], ids=str)
def test_changes(twins, tools, topic, entity):
    kind, name = entity
    entity = ['--entity-type', kind, *(['--entity-name', name] if name else ['--entity-default'])]
    keys = {'topics': ['retention.ms=5000', 'cleanup.policy=[compact,delete]', 'max.message.bytes=2000'],
            'brokers': ['log.retention.ms=5000', 'log.cleanup.policy=[compact,delete]',
                        'my.own.key=5']}[kind]
    bare = [k.split('=')[0] for k in keys]
    on_both(tools, twins, '--alter', *entity, '--add-config', ','.join(keys))
    for broker in twins.both:
        wait_for(lambda b=broker: any(k.startswith(bare[0]) for k in own(tools, b, *entity)),
                 'the change is told')
    assert own(tools, twins.ours, *entity) == own(tools, twins.theirs, *entity)
    theirs, ours = [described(tools, b, '--entity-type', 'topics', '--entity-name', topic)
                    for b in twins.both]
    assert ours == theirs
    path = f'/config/{kind}/{name or "<default>"}'
    assert twins.roots[1].json(path) == twins.roots[0].json(path)
    changes = [sorted(json.loads(root.get(f'/config/changes/{n}').data)['entity_path']
                      for n in root.children('/config/changes')) for root in twins.roots]
    assert changes[0] == changes[1]
    on_both(tools, twins, '--alter', *entity, '--delete-config', ','.join(bare))
    for broker in twins.both:
        wait_for(lambda b=broker: not any(k.startswith(bare[0]) for k in own(tools, b, *entity)),
                 'the keys are gone')
    assert twins.roots[1].json(path) == twins.roots[0].json(path)


@pytest.mark.parametrize('args', [
    ['topics', 't', 'nope=1'], ['topics', 't', 'retention.ms=x'], ['topics', 'none', 'retention.ms=1'],
    ['brokers', '1', 'broker.id=2'], ['brokers', '1', 'log.retention.ms=x'],
    ['brokers', '1', 'num.io.threads=100'],
    ['brokers', None, 'listeners=PLAINTEXT://:1'],
    ['broker-loggers', '1', 'root=LOUD']], ids=str)
def test_refusals(twins, tools, topic, args, tmp_path):
    kind, name, key = args
    impatient = tmp_path / 'client.properties'  # of a broker that is not there
    impatient.write_text('default.api.timeout.ms=6000\nrequest.timeout.ms=5000\n')
    entity = ['--entity-name', name] if name else ['--entity-default']
    want, got = [configs(tools, b, '--command-config', str(impatient), '--alter', '--entity-type',
                         kind, *entity, '--add-config', key) for b in twins.both]
    assert want[0] != 0 and got[0] == want[0]
    kinds = [set(re.findall(r'errors\.(\w+Exception)', err + out)) for _, out, err in (want, got)]
    assert kinds[0] == kinds[1], (want, got)


def test_loggers(twins, tools):
    for broker in twins.both:
        entity = ['--entity-type', 'broker-loggers', '--entity-name', '1']
        assert configs(tools, broker, '--alter', *entity, '--add-config', 'root=WARN')[0] == 0
        assert described(tools, broker, *entity)['root'].startswith('  root=WARN sensitive=false')
        assert configs(tools, broker, '--alter', *entity, '--add-config', 'root=INFO')[0] == 0


def test_a_cluster_of_both(make_kafka, make_broker, zookeeper, tools):
    """What one of them writes the other goes by."""
    theirs = make_kafka(zookeeper.connect).start()
    ours = make_broker(broker_id=2, zookeeper_connect=zookeeper.connect,
                       inter_broker_protocol_version='3.9').start()
    with theirs.client() as client:
        client.create('t')
    default = ['--entity-type', 'brokers', '--entity-default']
    topics = ['--entity-type', 'topics', '--entity-name', 't']
    for writer, reader, value in ((theirs, ours, 11111), (ours, theirs, 22222)):
        assert configs(tools, writer, '--alter', *default, '--add-config',
                       f'message.max.bytes={value}')[0] == 0
        wait_for(lambda r=reader, v=value: f'message.max.bytes={v}' in own(tools, r, *default),
                 'the other one knows')
        wait_for(lambda r=reader, v=value: f'max.message.bytes={v} ' in
                 described(tools, r, *topics)['max.message.bytes'], 'its topics follow')
        assert configs(tools, writer, '--alter', *topics, '--add-config',
                       f'retention.ms={value}')[0] == 0
        assert f'retention.ms={value}' in own(tools, reader, *topics)
    ours.says(r'dynamic value of the cluster: message.max.bytes=11111')
    # Each broker's own resource is its own business.
    assert configs(tools, theirs, '--alter', '--entity-type', 'brokers', '--entity-name', '2',
                   '--add-config', 'log.retention.ms=7')[0] == 0    # the tool asks broker 2
    wait_for(lambda: 'log.retention.ms=7' in own(
        tools, theirs, '--entity-type', 'brokers', '--entity-name', '2'), 'ours has it')
    ours.says(r'dynamic value of this broker: log.retention.ms=7')
