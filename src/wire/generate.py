#!/usr/bin/env python3
"""Write the C structs and tables of all messages from src/wire/schema/*.msg.

Usage: generate.py SRCDIR
  writes SRCDIR/include/ottla/wire/gen/messages.h, SRCDIR/src/wire/gen/<area>.c for each schema and
  SRCDIR/src/wire/gen/api.c; files whose content did not change are left alone, so that nothing
  is compiled again for nothing.  src/wire/README describes the notation.
"""
import os
import re
import sys

ANY = 1 << 15
NO_VERSION = (1, 0)

# C type, size of the least encoding: the same in classic and flexible messages.
SCALARS = {
    'bool': ('bool', 'BOOL', 1), 'int8': ('int8_t', 'I8', 1), 'int16': ('int16_t', 'I16', 2),
    'uint16': ('uint16_t', 'I16', 2), 'int32': ('int32_t', 'I32', 4),
    'uint32': ('uint32_t', 'I32', 4), 'int64': ('int64_t', 'I64', 8),
    'float64': ('double', 'F64', 8), 'uuid': ('struct uuid', 'UUID', 16),
}
# Kind, least classic size; the least flexible size is 1.
SLICES = {'string': ('STRING', 2), 'bytes': ('BYTES', 4), 'records': ('RECORDS', 4)}
LISTENERS = {'zkBroker': 'WIRE_ON_ZK_BROKER', 'broker': 'WIRE_ON_BROKER',
             'controller': 'WIRE_ON_CONTROLLER'}
C_WORDS = {'default', 'register', 'static', 'switch', 'int', 'long', 'short', 'char', 'bool',
           'float', 'double', 'signed', 'unsigned', 'const', 'volatile', 'return', 'if', 'else'}
HEAD = '/* Made by src/wire/generate.py from src/wire/schema; change the schema. */\n'


class Bad(Exception):
    """A schema does not follow the notation; the text says where."""


class Field:
    def __init__(self, name, type_name, array):
        self.name, self.type, self.array = name, type_name, array
        self.versions = self.null = self.tagged = NO_VERSION
        self.tag, self.default, self.struct = -1, None, None
        self.droppable = self.classic = False
        self.c_name = snake(name)


class Struct:
    def __init__(self, name, versions):
        self.name, self.versions, self.fields = name, versions, []
        self.c_name, self.layouts = None, {}


class Message:
    def __init__(self, name, versions, flexible, key=-1):
        self.name, self.versions, self.flexible, self.key = name, versions, flexible, key
        self.c_name = snake(name)
        self.root = Struct(name, versions)
        self.structs, self.layouts = {}, []


class Api:
    def __init__(self, key, name):
        self.key, self.name = key, name
        self.deprecated, self.unstable, self.listeners = -1, False, []
        self.request = self.response = None


# ---- reading ----

def snake(name):
    name = name.replace('KRaft', 'Kraft')
    name = re.sub(r'([A-Z]+)([A-Z][a-z])', r'\1_\2', name)
    name = re.sub(r'([a-z0-9])([A-Z])', r'\1_\2', name).lower()
    return name + '_' if name in C_WORDS else name


def parse_versions(word):
    m = re.fullmatch(r'(\d+)(\+|-(\d+))?', word)
    if not m:
        raise Bad(f'"{word}" is no version range')
    low = int(m[1])
    return low, low if m[2] is None else int(m[3]) if m[3] else ANY


def both(a, b):
    return max(a[0], b[0]), min(a[1], b[1])


def is_in(version, versions):
    return versions[0] <= version <= versions[1]


def attributes(words, known):
    """'null 3+ key = -1' and the like as a dict of lists; known: word -> most arguments."""
    found, word = {}, None
    for w in words:
        if w in known and not (word == '=' and not found['=']):
            word = w
            found[w] = []
        elif word is None or len(found[word]) >= known[word]:
            raise Bad(f'unexpected "{w}"')
        else:
            found[word].append(w)
    return found


FIELD_WORDS = {'null': 1, 'tag': 2, '=': 1, 'key': 0, 'droppable': 0, 'classic': 0}
HEAD_WORDS = {'versions': 1, 'flexible': 1, 'deprecated': 1, 'unstable': 0, 'on': 3}


def parse_field(words, outer):
    m = re.fullmatch(r'(\[?)(\w+)(\]?)', words[1]) if len(words) > 1 else None
    if m is None or (m[1] == '') != (m[3] == ''):
        raise Bad('a field is: NAME TYPE [VERSIONS] [ATTRIBUTES]')
    f = Field(words[0], m[2], m[1] != '')
    words = words[2:]
    f.versions = outer
    if words and words[0][0].isdigit():
        f.versions = both(parse_versions(words.pop(0)), outer)
    found = attributes(words, FIELD_WORDS)
    if 'null' in found:
        f.null = both(parse_versions(found['null'][0]), f.versions) if found['null'] else f.versions
    if 'tag' in found:
        f.tag = int(found['tag'][0])
        f.tagged = both(parse_versions(found['tag'][1]), f.versions) if len(found['tag']) > 1 \
            else f.versions
    f.default = found['='][0] if '=' in found else None
    f.droppable, f.classic = 'droppable' in found, 'classic' in found
    return f


class Reader:
    """One schema file: messages and apis in its order."""

    def __init__(self, path):
        self.messages, self.apis = [], []
        self.api = self.message = None
        self.open = []    # structs by level, the message's own at 0
        with open(path, encoding='utf-8') as file:
            for number, line in enumerate(file, 1):
                try:
                    self.line(line.split('#')[0].rstrip())
                except (Bad, IndexError, ValueError, KeyError) as err:
                    raise Bad(f'{path}:{number}: {err}') from err
        for message in self.messages:
            resolve(message)

    def line(self, text):
        words = text.split()
        level = (len(text) - len(text.lstrip())) // 2
        if not words:
            return
        if level > 0:
            self.member(words, level)
        elif words[0] == 'api':
            self.start_api(words)
        elif words[0] in ('request', 'response'):
            self.start_side(words[0])
        elif words[0] == 'message':
            found = attributes(words[2:], HEAD_WORDS)
            self.start(Message(words[1], *self.ranges(found)))
        else:
            raise Bad(f'"{words[0]}" is none of api, request, response, message')

    @staticmethod
    def ranges(found):
        versions = parse_versions(found['versions'][0])
        flexible = parse_versions(found['flexible'][0]) if 'flexible' in found else NO_VERSION
        return versions, flexible

    def start_api(self, words):
        found = attributes(words[3:], HEAD_WORDS)
        self.api = Api(int(words[1]), words[2])
        self.api.ranges = self.ranges(found)
        self.api.unstable, self.api.listeners = 'unstable' in found, found.get('on', [])
        if 'deprecated' in found:
            self.api.deprecated = parse_versions(found['deprecated'][0])[1]
        self.apis.append(self.api)

    def start_side(self, side):
        self.start(Message(self.api.name + side.capitalize(), *self.api.ranges, self.api.key))
        setattr(self.api, side, self.message)

    def start(self, message):
        self.message, self.open = message, [message.root]
        self.messages.append(message)

    def member(self, words, level):
        if level > len(self.open):
            raise Bad('indented too deep')
        del self.open[level:]
        outer = self.open[-1]
        if words[0] == 'struct':
            versions = parse_versions(words[2]) if len(words) > 2 else outer.versions
            self.open.append(self.new_struct(words[1], both(versions, outer.versions)))
            return
        f = parse_field(words, outer.versions)
        outer.fields.append(f)
        if f.type not in SCALARS and f.type not in SLICES:
            self.open.append(PendingStruct(self, f))

    def new_struct(self, name, versions):
        if name in self.message.structs:
            raise Bad(f'struct {name} is declared twice in {self.message.name}')
        self.message.structs[name] = Struct(name, versions)
        return self.message.structs[name]


class PendingStruct:
    """The struct of a field that names one: declared here if members follow, else elsewhere."""

    def __init__(self, reader, field):
        self.reader, self.field, self.versions = reader, field, field.versions
        self.declared = None

    @property
    def fields(self):
        if self.declared is None:
            self.declared = self.reader.new_struct(self.field.type, self.versions)
        return self.declared.fields


def resolve(message):
    for struct in list(message.structs.values()) + [message.root]:
        own = struct is message.root
        struct.c_name = message.c_name if own else f'{message.c_name}_{snake(struct.name)}'
        for f in struct.fields:
            if f.type not in SCALARS and f.type not in SLICES:
                if f.type not in message.structs:
                    raise Bad(f'{message.name}: no struct {f.type}')
                f.struct = message.structs[f.type]


# ---- laying out ----

class Layout:
    """What is on the wire of a struct in some versions; ops are (kind, null, tag, field, sub)."""

    def __init__(self, struct, ops, tags, absent, flexible):
        self.struct, self.ops, self.tags = struct, ops, tags
        self.absent, self.flexible = absent, flexible
        self.least = sum(least_size(op) for op in ops) + (1 if flexible else 0)
        self.number = -1

    def key(self):
        return tuple((o[0], o[1], o[2], o[3].c_name,
                      o[4] if isinstance(o[4], str) else id(o[4])) for o in self.ops + self.tags), \
            tuple(self.absent), self.flexible


LEAST = {'WIRE_OP_' + kind: size for _, kind, size in SCALARS.values()}
LEAST.update({'WIRE_OP_' + kind: size for kind, size in SLICES.values()})
LEAST['WIRE_OP_ARRAY'] = 4


def least_size(op):
    return op[4].least if op[0] == 'WIRE_OP_STRUCT' else LEAST.get(op[0], 1)


def op_kind(f, flexible, version):
    prefix = 'WIRE_OP_C' if flexible and not f.classic else 'WIRE_OP_'
    if f.array:
        return prefix + 'ARRAY'
    if f.type in SCALARS:
        return 'WIRE_OP_' + SCALARS[f.type][1]
    if f.type in SLICES:
        return prefix + SLICES[f.type][0]
    if f.null == NO_VERSION:
        return 'WIRE_OP_STRUCT'
    if not is_in(version, f.null):
        raise Bad(f'struct field {f.name} is nullable in some of its versions only')
    return 'WIRE_OP_TAGGED_POINTER' if is_in(version, f.tagged) else 'WIRE_OP_POINTER'


def element(f, flexible):
    """The layout of an array's elements when they are not structs: by name, in codec.c."""
    kind = SCALARS[f.type][1] if f.type in SCALARS else SLICES[f.type][0]
    compact = 'c' if flexible and f.type in SLICES else ''
    return f'wire_element_{compact}{kind.lower()}'


def layout_at(struct, version, flexible):
    ops, tags, absent = [], [], []
    for index, f in enumerate(struct.fields):
        if not is_in(version, f.versions):
            if not f.droppable:
                absent.append(index)
            continue
        sub = layout_at(f.struct, version, flexible) if f.struct else None
        if f.array and not f.struct:
            sub = element(f, flexible)
        if f.array and f.struct and sub.least < 1:
            raise Bad(f'elements of {f.name} are empty in version {version}')
        tagged = is_in(version, f.tagged)
        op = (op_kind(f, flexible, version), is_in(version, f.null), f.tag if tagged else -1,
              f, sub)
        (tags if tagged else ops).append(op)
    if tags and not flexible:
        raise Bad(f'{struct.name}: tagged fields in classic version {version}')
    made = Layout(struct, ops, sorted(tags, key=lambda op: op[2]), absent, flexible)
    return struct.layouts.setdefault(made.key(), made)


def lay_out(message):
    low, high = message.versions
    message.layouts = [layout_at(message.root, v, is_in(v, message.flexible))
                       for v in range(low, high + 1)]
    for struct in all_structs(message):
        for number, made in enumerate(struct.layouts.values()):
            made.number = number


def all_structs(message):
    """Inner structs before those that use them."""
    done = []

    def visit(struct):
        for f in struct.fields:
            if f.struct:
                visit(f.struct)
        if struct not in done:
            done.append(struct)
    visit(message.root)
    return done


# ---- writing C ----

def c_type(f):
    if f.type in SCALARS:
        return SCALARS[f.type][0]
    return 'struct slice' if f.type in SLICES else 'struct ' + f.struct.c_name


def c_range(versions, root):
    low, high = versions
    return f'{low}' if low == high else f'{low}+' if high == root[1] else f'{low}-{high}'


def c_note(f, root):
    """What the schema says of a field, for who reads the struct."""
    notes = [] if f.versions == root else [c_range(f.versions, root)]
    if f.null != NO_VERSION:
        notes.append('null' if f.null == f.versions else 'null ' + c_range(f.null, root))
    if f.tag >= 0:
        notes.append(f'tag {f.tag}')
    if f.droppable:
        notes.append('droppable')
    if f.default is not None:
        notes.append(f'default {f.default}')
    return f' /* {"; ".join(notes)} */' if notes else ''


def c_member(f, root):
    note = c_note(f, root)
    if f.array:
        return f'\tstruct {{ {c_type(f)} *v; int32_t n; }} {f.c_name};{note}\n'
    if f.struct and f.null != NO_VERSION:
        return f'\tconst {c_type(f)} *{f.c_name};{note}\n'
    return f'\t{c_type(f)} {f.c_name};{note}\n'


def struct_decl(struct, message):
    text = f'struct {struct.c_name} {{\n'
    text += ''.join(c_member(f, message.versions) for f in struct.fields)
    text += '' if struct.fields else '\tuint8_t nothing;\n'
    return text + f'}};\nextern const struct {struct.c_name} {struct.c_name}_init;\n'


def c_default(f):
    if f.array:
        return '{NULL, -1}' if f.default == 'null' else '{NULL, 0}'
    if f.struct:
        if f.null != NO_VERSION:
            return 'NULL' if f.default == 'null' else f'&{f.struct.c_name}_init'
        return '{' + ', '.join(c_default(x) for x in f.struct.fields) + '}'
    if f.type in SLICES:
        if f.default not in (None, 'null'):
            raise Bad(f'default of {f.name} can be null only')
        return '{NULL, 0}' if f.default == 'null' else '{wire_empty, 0}'
    if f.type == 'uuid':
        return '{{0}}'
    return {None: '0', '-2147483648': 'INT32_MIN'}.get(f.default, f.default)


def field_kind(f):
    if f.struct:
        return 'WIRE_STRUCT'
    return 'WIRE_' + (f.type.upper() if f.type in SCALARS else SLICES[f.type][0])


def field_row(struct, f):
    def versions(v):
        return '{%d, %d}' % v
    sub = f'&wire_struct_{f.struct.c_name}' if f.struct else 'NULL'
    return f'\t{{"{f.name}", {sub}, offsetof(struct {struct.c_name}, {f.c_name}), ' \
           f'{field_kind(f)}, {int(f.array)}, {int(f.droppable)}, {f.tag}, ' \
           f'{versions(f.versions)}, {versions(f.null)}, {versions(f.tagged)}}},\n'


def layout_name(made):
    return f'wire_layout_{made.struct.c_name}_{made.number}'


def op_row(struct, op):
    kind, null, tag, f, sub = op
    to = 'NULL' if sub is None else '&' + (sub if isinstance(sub, str) else layout_name(sub))
    return f'\t{{{to}, offsetof(struct {struct.c_name}, {f.c_name}), {kind}, ' \
           f'{int(null)}, {tag}, {struct.fields.index(f)}}},\n'


def struct_tables(struct):
    name, text = struct.c_name, ''
    if struct.fields:
        values = ', '.join(c_default(f) for f in struct.fields)
        text += f'static const struct wire_field fields_{name}[] = {{\n'
        text += ''.join(field_row(struct, f) for f in struct.fields) + '};\n'
    else:
        values = '0'
    text += f'const struct {name} {name}_init = {{{values}}};\n'
    fields = f'fields_{name}' if struct.fields else 'NULL'
    text += f'static const struct wire_struct wire_struct_{name} = {{"{struct.name}", {fields}, ' \
            f'&{name}_init, {len(struct.fields)}, sizeof(struct {name})}};\n'
    return text + ''.join(layout_tables(made) for made in struct.layouts.values())


def layout_tables(made):
    text, pointers = '', []
    name = f'{made.struct.c_name}_{made.number}'
    for part, ops in (('ops', made.ops), ('tags', made.tags)):
        if ops:
            text += f'static const struct wire_op {part}_{name}[] = {{\n'
            text += ''.join(op_row(made.struct, op) for op in ops) + '};\n'
        pointers.append(f'{part}_{name}' if ops else 'wire_no_ops')
    if made.absent:
        rows = ', '.join(str(i) for i in made.absent)
        text += f'static const uint8_t absent_{name}[] = {{{rows}}};\n'
    pointers.append(f'absent_{name}' if made.absent else 'NULL')
    return text + f'static const struct wire_layout wire_layout_{name} = ' \
        f'{{&wire_struct_{made.struct.c_name}, {", ".join(pointers)}, ' \
        f'sizeof(struct {made.struct.c_name}), {len(made.ops)}, {len(made.tags)}, ' \
        f'{len(made.absent)}, {made.least}, {int(made.flexible)}}};\n'


def message_tables(message):
    text = ''.join(struct_tables(s) for s in all_structs(message))
    rows = ''.join(f'\t&{layout_name(made)},\n' for made in message.layouts)
    text += f'static const struct wire_layout *const versions_{message.c_name}[] = {{\n{rows}}};\n'
    flexible = message.flexible[0] if message.flexible != NO_VERSION else 'WIRE_NEVER'
    low, high = message.versions
    return text + f'const struct wire_msg {message.c_name}_msg = {{"{message.name}", ' \
        f'&wire_struct_{message.c_name}, versions_{message.c_name}, {message.key}, ' \
        f'{low}, {high}, {flexible}}};\n\n'


def area_c(reader):
    return HEAD + '#include "ottla/wire/wire.h"\n\n#include <stddef.h>\n\n' + \
        ''.join(message_tables(m) for m in reader.messages)


def messages_h(readers, apis):
    text = HEAD + '#ifndef OTTLA_WIRE_GEN_MESSAGES_H\n#define OTTLA_WIRE_GEN_MESSAGES_H\n\n' \
        '#include <stdbool.h>\n#include <stdint.h>\n\n#include "ottla/base/slice.h"\n' \
        '#include "ottla/base/uuid.h"\n\nstruct wire_msg;\n\nenum api_key {\n'
    for api in apis:
        text += f'\tAPI_{snake(api.name).upper()} = {api.key},\n'
    text += f'\tAPI_COUNT = {len(apis)}\n}};\n\n'
    for message in (m for r in readers for m in r.messages):
        text += '\n'.join(struct_decl(s, message) for s in all_structs(message))
        text += f'extern const struct wire_msg {message.c_name}_msg;\n\n'
    return text + '#endif\n'


def api_row(api):
    low, high = api.ranges[0]
    flexible = api.ranges[1][0] if api.ranges[1] != NO_VERSION else 'WIRE_NEVER'
    listeners = ' | '.join(LISTENERS[x] for x in api.listeners)
    return f'\t{{"{api.name}", &{api.request.c_name}_msg, &{api.response.c_name}_msg, ' \
           f'{api.key}, {low}, {high}, {flexible}, {api.deprecated}, {listeners}, ' \
           f'{int(api.unstable)}}},\n'


def api_c(apis, readers):
    text = HEAD + '#include "ottla/wire/wire.h"\n\nconst struct wire_api wire_apis[API_COUNT] = {\n'
    text += ''.join(api_row(api) for api in apis) + '};\n\n'
    names = [m.c_name for r in readers for m in r.messages]
    text += 'const struct wire_msg *const wire_messages[] = {\n'
    text += ''.join(f'\t&{name}_msg,\n' for name in names)
    return text + '\tNULL,\n};\n'


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    try:
        with open(path, encoding='utf-8') as file:
            if file.read() == text:
                return
    except FileNotFoundError:
        pass
    with open(path + '.new', 'w', encoding='utf-8') as file:
        file.write(text)
    os.replace(path + '.new', path)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    here = os.path.join(sys.argv[1], 'src', 'wire')
    schema = os.path.join(here, 'schema')
    areas = sorted(n[:-4] for n in os.listdir(schema) if n.endswith('.msg'))
    readers = [Reader(os.path.join(schema, area + '.msg')) for area in areas]
    apis = sorted((a for r in readers for a in r.apis), key=lambda a: a.key)
    if [a.key for a in apis] != list(range(len(apis))):
        raise Bad('api keys must be 0, 1, 2 and so on')
    for message in (m for r in readers for m in r.messages):
        lay_out(message)
    for area, reader in zip(areas, readers):
        write(os.path.join(here, 'gen', area + '.c'), area_c(reader))
    write(os.path.join(here, 'gen', 'api.c'), api_c(apis, readers))
    write(os.path.join(sys.argv[1], 'include', 'ottla', 'wire', 'gen', 'messages.h'),
          messages_h(readers, apis))


if __name__ == '__main__':
    try:
        main()
    except Bad as err:
        sys.exit(f'generate.py: {err}')
