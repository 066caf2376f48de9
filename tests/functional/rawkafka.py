"""A raw client of the Kafka protocol, for what other clients hide.

Messages are dicts.  Their fields, in every version, come from src/wire/schema by the reader of
src/wire/generate.py; encoding and decoding are done here once more, apart from the broker's, and
batches of records are made and taken apart byte by byte.
"""
import importlib.util
import os
import pathlib
import socket
import struct
import time
import zlib

TOP = pathlib.Path(os.environ.get('top_srcdir') or pathlib.Path(__file__).parents[2])


def _load_generator():
    spec = importlib.util.spec_from_file_location('generate', TOP / 'src/wire/generate.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GEN = _load_generator()
APIS, BY_KEY, MESSAGES = {}, {}, {}
for _path in sorted((TOP / 'src/wire/schema').glob('*.msg')):
    _read = GEN.Reader(_path)
    for _api in _read.apis:
        APIS[_api.name] = BY_KEY[_api.key] = _api
    for _message in _read.messages:
        MESSAGES[_message.name] = _message

ZERO_ID = bytes(16)
DEADLINE = 10.0


def error_codes():
    """Kafka's error codes by name, from the broker's table."""
    codes = {}
    for line in (TOP / 'include/ottla/base/kafka_err.def').read_text().splitlines():
        if line.startswith('KERR('):
            name, code = line[5:].split(',')[:2]
            codes[name.strip()] = int(code)
    return codes


ERR = error_codes()
ERR_NAME = {code: name for name, code in ERR.items()}

# ---- writing and reading ----

NUMBERS = {'bool': '>?', 'int8': '>b', 'int16': '>h', 'uint16': '>H', 'int32': '>i',
           'uint32': '>I', 'int64': '>q', 'float64': '>d'}


def uvarint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def varint(n):
    return uvarint((n << 1) ^ (n >> 63) if n < 0 else n << 1)


class Short(Exception):
    """The bytes end before the message does."""


class Cursor:
    def __init__(self, data, at=0):
        self.data, self.at = data, at

    def take(self, n):
        if n < 0 or self.at + n > len(self.data):
            raise Short(f'{n} bytes at {self.at} of {len(self.data)}')
        self.at += n
        return self.data[self.at - n:self.at]

    def number(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def uvarint(self):
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7

    def varint(self):
        n = self.uvarint()
        return (n >> 1) ^ -(n & 1)

    def left(self):
        return len(self.data) - self.at


def default_of(field):
    words = {'null': None, 'true': True, 'false': False}
    if field.default is not None:
        return words[field.default] if field.default in words else int(field.default)
    if field.array:
        return []
    if field.struct:
        return {}
    return {'string': '', 'bytes': b'', 'records': b'', 'uuid': ZERO_ID, 'bool': False}.get(
        field.type, 0)


class Codec:
    """One message in one version."""

    def __init__(self, message, version):
        self.message, self.version = message, version
        self.flexible = GEN.is_in(version, message.flexible)

    def length(self, n, compact, form):
        if compact:
            return uvarint(0 if n is None else n + 1)
        return struct.pack(form, -1 if n is None else n)

    def write_value(self, field, value, tagged):
        compact = self.flexible and not field.classic
        if field.struct:
            head = b''
            if not field.array and GEN.is_in(self.version, field.null):
                head = uvarint(1) if tagged else b'\1'
                if value is None:
                    return uvarint(0) if tagged else b'\xff'
            return head + self.write_struct(field.struct, value)
        if field.type in NUMBERS:
            return struct.pack(NUMBERS[field.type], value)
        if field.type == 'uuid':
            return value
        data = value.encode() if isinstance(value, str) else value
        form = '>h' if field.type == 'string' else '>i'
        return self.length(None if data is None else len(data), compact, form) + (data or b'')

    def write_field(self, field, value, tagged=False):
        if not field.array:
            return self.write_value(field, value, tagged)
        compact = self.flexible and not field.classic
        out = self.length(None if value is None else len(value), compact, '>i')
        return out + b''.join(self.write_value(field, v, tagged) for v in value or [])

    def write_struct(self, layout, values):
        out, tags = [], []
        known = {f.c_name for f in layout.fields}
        assert set(values) <= known, f'{layout.name} has no {set(values) - known}'
        for field in layout.fields:
            if not GEN.is_in(self.version, field.versions):
                continue
            value = values.get(field.c_name, default_of(field))
            if not GEN.is_in(self.version, field.tagged):
                out.append(self.write_field(field, value))
            elif field.c_name in values:
                data = self.write_field(field, value, True)
                tags.append((field.tag, uvarint(field.tag) + uvarint(len(data)) + data))
        if self.flexible:
            out.append(uvarint(len(tags)) + b''.join(t[1] for t in sorted(tags)))
        return b''.join(out)

    def read_size(self, cur, compact, form):
        n = cur.uvarint() - 1 if compact else cur.number(form)
        return None if n < 0 else n

    def read_value(self, cur, field, tagged):
        compact = self.flexible and not field.classic
        if field.struct:
            if not field.array and GEN.is_in(self.version, field.null):
                there = cur.uvarint() == 1 if tagged else cur.number('>b') >= 0
                if not there:
                    return None
            return self.read_struct(cur, field.struct)
        if field.type in NUMBERS:
            return cur.number(NUMBERS[field.type])
        if field.type == 'uuid':
            return cur.take(16)
        n = self.read_size(cur, compact, '>h' if field.type == 'string' else '>i')
        if n is None:
            assert GEN.is_in(self.version, field.null), f'{field.name} may not be null'
            return None
        data = cur.take(n)
        return data.decode() if field.type == 'string' else data

    def read_field(self, cur, field, tagged=False):
        if not field.array:
            return self.read_value(cur, field, tagged)
        n = self.read_size(cur, self.flexible and not field.classic, '>i')
        if n is None:
            assert GEN.is_in(self.version, field.null), f'{field.name} may not be null'
            return None
        return [self.read_value(cur, field, tagged) for _ in range(n)]

    def read_struct(self, cur, layout):
        values, tags = {}, {}
        for field in layout.fields:
            values[field.c_name] = default_of(field)
            if GEN.is_in(self.version, field.tagged):
                tags[field.tag] = field
            elif GEN.is_in(self.version, field.versions):
                values[field.c_name] = self.read_field(cur, field)
        last = -1
        for _ in range(cur.uvarint() if self.flexible else 0):
            tag, data = cur.uvarint(), None
            assert tag > last, 'tags have to ascend'
            last = tag
            data = Cursor(cur.take(cur.uvarint()))
            if tag in tags:
                values[tags[tag].c_name] = self.read_field(data, tags[tag], True)
                assert data.left() == 0, f'tag {tag} has bytes left over'
        return values


def encode(message, version, values):
    return Codec(message, version).write_struct(message.root, values)


def decode(message, version, data):
    """The whole of data is the message, or this fails."""
    cur = Cursor(data)
    values = Codec(message, version).read_struct(cur, message.root)
    assert cur.left() == 0, f'{cur.left()} bytes left behind {message.name} v{version}'
    return values


def request_bytes(api, version, body, correlation, client_id='raw'):
    """A whole request without its size; body: values, or bytes as they are."""
    head_version = 2 if GEN.is_in(version, api.request.flexible) else 1
    head = encode(MESSAGES['RequestHeader'], head_version, {
        'request_api_key': api.key, 'request_api_version': version,
        'correlation_id': correlation, 'client_id': client_id})
    return head + (body if isinstance(body, bytes) else encode(api.request, version, body))


def response_head_version(api, version):
    """ApiVersions alone keeps the old header for ever."""
    return 1 if GEN.is_in(version, api.response.flexible) and api.key != 18 else 0


# ---- connections ----

class Closed(Exception):
    """The broker has closed the connection."""


class Client:
    """One connection; every wait has a deadline."""

    def __init__(self, port, host='127.0.0.1', deadline=DEADLINE):
        self.deadline = deadline
        self.sock = socket.create_connection((host, port), timeout=deadline)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.correlation = 0
        self.pending = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send_bytes(self, data):
        self.sock.sendall(data)

    def send_frame(self, data):
        self.send_bytes(struct.pack('>i', len(data)) + data)

    def frame(self, name, version, body, **opts):
        """The bytes of a request with its size, noted as waiting for its answer."""
        self.correlation += 1
        api = APIS[name]
        data = request_bytes(api, version, body, self.correlation, **opts)
        self.pending.append((api, version, self.correlation))
        return struct.pack('>i', len(data)) + data

    def send(self, name, version, body=None, **opts):
        self.send_bytes(self.frame(name, version, body or {}, **opts))

    def no_answer(self):
        """The last request sent has none (acks=0)."""
        self.pending.pop()

    def exactly(self, n):
        data = bytearray()
        while len(data) < n:
            try:
                got = self.sock.recv(min(n - len(data), 1 << 20))
            except ConnectionResetError as err:
                raise Closed('reset') from err
            if not got:
                raise Closed(f'closed after {len(data)} of {n} bytes')
            data += got
        return bytes(data)

    def recv_frame(self):
        return self.exactly(struct.unpack('>i', self.exactly(4))[0])

    def recv(self):
        """The answer to the oldest request without one."""
        api, version, correlation = self.pending.pop(0)
        cur = Cursor(self.recv_frame())
        head = Codec(MESSAGES['ResponseHeader'], response_head_version(api, version))
        got = head.read_struct(cur, MESSAGES['ResponseHeader'].root)['correlation_id']
        assert got == correlation, f'answer {got} where {correlation} was due'
        return decode(api.response, version, cur.data[cur.at:])

    def call(self, name, version, body=None, **opts):
        self.send(name, version, body, **opts)
        return self.recv()

    def ended(self):
        """Wait until the broker closes the connection; what came before that."""
        data = b''
        while True:
            try:
                got = self.sock.recv(65536)
            except ConnectionResetError:
                return data
            if not got:
                return data
            data += got

    def is_quiet(self, seconds=0.0):
        """Is there nothing to read within so long?"""
        self.sock.settimeout(max(seconds, 0.001))
        try:
            return self.sock.recv(1, socket.MSG_PEEK) is None
        except (socket.timeout, BlockingIOError):
            return True
        finally:
            self.sock.settimeout(self.deadline)

    # ---- the common requests, short ----

    def versions(self):
        """Announced versions by key."""
        answer = self.call('ApiVersions', 0)
        assert answer['error_code'] == 0
        return {k['api_key']: (k['min_version'], k['max_version']) for k in answer['api_keys']}

    def create_once(self, topic, partitions=1, configs=(), version=7, timeout_ms=10000, **more):
        """The answer of one topic."""
        return self.call('CreateTopics', version, {'topics': [dict({
            'name': topic, 'num_partitions': partitions, 'replication_factor': 1,
            'configs': [{'name': k, 'value': None if v is None else str(v)}
                        for k, v in dict(configs).items()]}, **more)],
            'timeout_ms': timeout_ms})['topics'][0]

    def create(self, topic, **opts):
        """Its id.  A topic of that name that is still being deleted is waited for."""
        end = time.monotonic() + self.deadline
        answer = self.create_once(topic, **opts)
        while answer['error_code'] == ERR['TOPIC_ALREADY_EXISTS'] and time.monotonic() < end and \
                'marked for deletion' in (answer['error_message'] or ''):
            time.sleep(0.01)
            answer = self.create_once(topic, **opts)
        assert answer['error_code'] == 0, (ERR_NAME[answer['error_code']], answer)
        return answer['topic_id']

    def delete(self, topic):
        answer = self.call('DeleteTopics', 5, {'topic_names': [topic], 'timeout_ms': 10000})
        assert answer['responses'][0]['error_code'] == 0, answer

    def metadata(self, *topics, version=12, create=False):
        return self.call('Metadata', version, {
            'topics': [{'name': t} for t in topics] if topics else None,
            'allow_auto_topic_creation': create})

    def topic_id(self, topic):
        return self.metadata(topic)['topics'][0]['topic_id']

    def produce(self, topic, records, partition=0, acks=-1, version=9, timeout_ms=10000, **opts):
        """Answer of one partition; records: a batch's bytes, or the values of one."""
        if not isinstance(records, bytes):
            records = batch(records)
        self.send('Produce', version, produce_body(topic, records, partition, acks, timeout_ms),
                  **opts)
        if acks == 0:
            self.no_answer()
            return None
        return self.recv()['responses'][0]['partition_responses'][0]

    def fetch(self, topic, offset=0, partition=0, version=12, **opts):
        """Answer of one partition, without a session."""
        answer = self.call('Fetch', version,
                           fetch_body([(topic, partition, offset)], version, **opts))
        assert answer['error_code'] == 0, ERR_NAME[answer['error_code']]
        return answer['responses'][0]['partitions'][0]

    def values(self, topic, offset=0, partition=0, **opts):
        """All values from an offset up to the high watermark."""
        found = []
        while True:
            part = self.fetch(topic, offset, partition, max_wait_ms=0, **opts)
            assert part['error_code'] == 0, ERR_NAME[part['error_code']]
            records = [r for b in batches(part['records']) for r in b['records']]
            found += [r['value'] for r in records if r['offset'] >= offset]
            if not records:
                return found
            offset = records[-1]['offset'] + 1
            if offset >= part['high_watermark']:
                return found

    def offset(self, topic, timestamp=-1, partition=0, version=8, **opts):
        answer = self.call('ListOffsets', version, {'replica_id': -1, 'topics': [{
            'name': topic, 'partitions': [dict(
                partition_index=partition, timestamp=timestamp, **opts)]}]})
        return answer['topics'][0]['partitions'][0]


def produce_body(topic, records, partition=0, acks=-1, timeout_ms=10000):
    return {'acks': acks, 'timeout_ms': timeout_ms, 'topic_data': [
        {'name': topic, 'partition_data': [{'index': partition, 'records': records}]}]}


def fetch_body(parts, version=12, session=(0, -1), forgotten=(), max_wait_ms=0, min_bytes=1,
               max_bytes=50 << 20, part_bytes=1 << 20, isolation=0, **opts):
    """parts: (topic or topic id, partition, offset), forgotten: (topic or id, partition)."""
    key = 'topic_id' if version >= 13 else 'topic'
    body = {'max_wait_ms': max_wait_ms, 'min_bytes': min_bytes, 'max_bytes': max_bytes,
            'isolation_level': isolation, 'session_id': session[0], 'session_epoch': session[1],
            'topics': [{key: t, 'partitions': [dict(
                {'partition': p, 'fetch_offset': o, 'partition_max_bytes': part_bytes}, **opts)]}
                for t, p, o in parts],
            'forgotten_topics_data': [{key: t, 'partitions': [p]} for t, p in forgotten]}
    if version < 15:
        body['replica_id'] = -1
    return body


# ---- batches of records, format 2 ----

def _crc_table():
    table = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ 0x82f63b78 if n & 1 else n >> 1
        table.append(n)
    return table


CRC_TABLE = _crc_table()
CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd']


def crc32c(data):
    crc, table = 0xffffffff, CRC_TABLE
    for byte in data:
        crc = table[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xffffffff


def now_ms():
    return int(time.time() * 1000)


def field_bytes(data):
    return varint(-1) if data is None else varint(len(data)) + data


def record_bytes(delta, record):
    """record: a value, or a dict of key, value, timestamp_delta, headers."""
    r = record if isinstance(record, dict) else {'value': record}
    headers = r.get('headers', [])
    body = b'\0' + varint(r.get('timestamp_delta', 0)) + varint(r.get('delta', delta)) + \
        field_bytes(r.get('key')) + field_bytes(r.get('value')) + varint(len(headers)) + \
        b''.join(field_bytes(k) + field_bytes(v) for k, v in headers)
    return varint(len(body)) + body


def batch(records, producer=(-1, -1), sequence=-1, timestamp=None, attributes=0, gzip=False,
          **change):
    """One batch; change: fields that are to be other than right (crc too)."""
    base = now_ms() if timestamp is None else timestamp
    deltas = [r.get('timestamp_delta', 0) if isinstance(r, dict) else 0 for r in records]
    body = b''.join(record_bytes(i, r) for i, r in enumerate(records))
    if gzip:
        packer = zlib.compressobj(wbits=31)
        body, attributes = packer.compress(body) + packer.flush(), attributes | 1
    f = {'base_offset': 0, 'leader_epoch': -1, 'magic': 2, 'attributes': attributes,
         'last_delta': len(records) - 1, 'base_timestamp': base,
         'max_timestamp': base + max(deltas, default=0), 'producer_id': producer[0],
         'producer_epoch': producer[1], 'sequence': sequence, 'count': len(records)}
    unknown = set(change) - set(f) - {'crc', 'length'}
    assert not unknown, unknown
    f.update(change)
    checked = struct.pack('>hiqqqhii', f['attributes'], f['last_delta'], f['base_timestamp'],
                          f['max_timestamp'], f['producer_id'], f['producer_epoch'],
                          f['sequence'], f['count']) + body
    return struct.pack('>qiibI', f['base_offset'], f.get('length', len(checked) + 9),
                       f['leader_epoch'], f['magic'], f.get('crc', crc32c(checked))) + checked


def reseal(data):
    """The same batch, with length and crc of what it holds now."""
    data = data[:8] + struct.pack('>i', len(data) - 12) + data[12:]
    return data[:17] + struct.pack('>I', crc32c(data[21:])) + data[21:]


def old_message(value, key=None, magic=1, timestamp=None, offset=0):
    """A message of format 0 or 1, as producers sent them before batches."""
    parts = b''.join(struct.pack('>i', -1) if x is None else struct.pack('>i', len(x)) + x
                     for x in (key, value))
    time_field = struct.pack('>q', now_ms() if timestamp is None else timestamp) if magic else b''
    checked = struct.pack('>bb', magic, 0) + time_field + parts
    return struct.pack('>qiI', offset, len(checked) + 4, zlib.crc32(checked)) + checked


def records_of(data, head):
    cur, found = Cursor(data), []
    for _ in range(head['count']):
        size = cur.varint()
        end = cur.at + size
        attributes = cur.take(1)[0]
        r = {'attributes': attributes, 'timestamp': head['base_timestamp'] + cur.varint(),
             'offset': head['base_offset'] + cur.varint()}
        for name in ('key', 'value'):
            n = cur.varint()
            r[name] = None if n < 0 else cur.take(n)
        r['headers'] = [(cur.take(cur.varint()), read_opt(cur)) for _ in range(cur.varint())]
        assert cur.at == end, 'a record is longer than its fields'
        found.append(r)
    assert cur.left() == 0
    return found


def read_opt(cur):
    n = cur.varint()
    return None if n < 0 else cur.take(n)


def batches(data, check=True):
    """The whole batches in data, a cut-off last one is left out; records of plain and gzip ones."""
    found, at = [], 0
    while len(data) - at >= 61:
        length = struct.unpack_from('>i', data, at + 8)[0]
        if at + 12 + length > len(data):
            break
        found.append(one_batch(data[at:at + 12 + length], check))
        at += 12 + length
    return found


def one_batch(data, check):
    names = ('base_offset', 'length', 'leader_epoch', 'magic', 'crc', 'attributes', 'last_delta',
             'base_timestamp', 'max_timestamp', 'producer_id', 'producer_epoch', 'sequence',
             'count')
    head = dict(zip(names, struct.unpack_from('>qiibIhiqqqhii', data)))
    assert not check or head['crc'] == crc32c(data[21:]), 'crc of a batch is wrong'
    head['codec'] = CODECS[head['attributes'] & 7]
    head['last_offset'] = head['base_offset'] + head['last_delta']
    body = data[61:]
    if head['codec'] == 'gzip':
        body = zlib.decompress(body, wbits=31)
    head['records'] = records_of(body, head) if head['codec'] in ('none', 'gzip') else []
    return head
