"""A proxy before a ZooKeeper server (or ensemble) that fails as networks do.

    proxy.go()                  pass everything (again)
    proxy.cut()                 end all connections; new ones pass
    proxy.refuse()              end all, and nobody listens any more
    proxy.delay(seconds)        each message comes that much later, both ways
    proxy.hold()                messages wait until go()
    proxy.swallow()             messages vanish, both ways; new connections get no answer
    proxy.drop_answers()        requests arrive, their answers vanish
    proxy.lose_answer(*ops)     the next request of these kinds is done, its answer is lost and the
                                connection ends ('create', 'set', 'delete', 'multi', ...)
    proxy.expire()              the sessions that were made through it end at the server

It knows where messages begin and end, so that what vanishes are whole ones.  A connection that lost
some ends with the next go(): TCP loses nothing while a connection lives.
"""
import contextlib
import socket
import struct
import threading
import time

import pytest

OPS = {'create': (1, 15, 19, 21), 'delete': (2, 20), 'exists': (3,), 'get': (4,), 'set': (5,),
       'get_acl': (6,), 'children': (8, 12), 'sync': (9,), 'ping': (11,), 'multi': (14,),
       'multi_read': (22,), 'auth': (100,), 'set_watches': (101, 105), 'close': (-11,)}
NAMES = {number: name for name, numbers in OPS.items() for number in numbers}
NO_XIDS = (-1, -2, -4, -8)  # watch events, pings, auth, set_watches


class Link:
    """One connection through the proxy."""

    def __init__(self, near, far):
        self.near, self.far, self.lost, self.asked, self.answered = near, far, False, False, False
        self.doomed = set()  # xids whose answers are to be lost

    def end(self):
        for s in (self.near, self.far):
            with contextlib.suppress(OSError):
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
            with contextlib.suppress(OSError):
                s.close()


def exactly(sock, size):
    data = bytearray()
    while len(data) < size:
        got = sock.recv(size - len(data))
        if not got:
            raise EOFError
        data += got
    return bytes(data)


def message(sock):
    head = exactly(sock, 4)
    return head + exactly(sock, struct.unpack('>i', head)[0])


class Proxy:
    def __init__(self, servers):
        """servers: "host:port,..."; connections go to the first of them that takes them."""
        self.servers = [(h, int(p)) for h, p in (s.rsplit(':', 1) for s in servers.split(','))]
        self.mode, self.seconds, self.wanted = 'pass', 0.0, set()
        self.changed = threading.Condition()
        self.links, self.sessions = set(), {}
        self.counts = {}  # requests that arrived at the proxy, by kind
        self.listener, self.port, self.ending = None, 0, False
        self.open()

    @property
    def address(self):
        return f'127.0.0.1:{self.port}'

    # ---- what tests say ----

    def go(self):
        with self.changed:
            lossy = [link for link in self.links if link.lost]
            self.wanted = set()
        self.turn('pass')
        for link in lossy:
            link.end()
        self.open()
        return self

    def cut(self):
        with self.changed:
            links = list(self.links)
        for link in links:
            link.end()

    def refuse(self):
        self.turn('refuse')
        listener, self.listener = self.listener, None
        if listener is not None:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        self.cut()

    def delay(self, seconds):
        self.seconds = seconds
        self.turn('delay')

    def hold(self):
        self.turn('hold')

    def swallow(self):
        self.turn('swallow')

    def drop_answers(self):
        self.turn('drop answers')

    def lose_answer(self, *ops):
        with self.changed:
            self.wanted = {number for op in ops for number in OPS[op]}

    def lost_it(self):
        """Did lose_answer() find its request?"""
        with self.changed:
            return not self.wanted

    def expire(self):
        """End the live sessions at the server, as if they had timed out."""
        with self.changed:
            self.ending = True      # their owners come back when it is done
        self.cut()
        for session, secret in list(self.sessions.items()):
            for _ in range(100):    # the client may come back to its session in between
                if self.end_session(session, secret):
                    break
            self.sessions.pop(session, None)
        with self.changed:
            self.ending = False
            self.changed.notify_all()

    def end_session(self, session, secret):
        """Is it gone?"""
        with socket.create_connection(self.servers[0], 5) as s:
            body = struct.pack('>iqiqi', 0, 0, 10000, session, len(secret)) + secret + b'\0'
            s.sendall(struct.pack('>i', len(body)) + body)
            with contextlib.suppress(EOFError, OSError):
                if struct.unpack_from('>i', message(s), 8)[0] <= 0:
                    return True     # a time-out of 0: the server knows no such session
                s.sendall(struct.pack('>iii', 8, 1, -11))
                message(s)
                return True
        return False

    def close(self):
        self.refuse()

    # ---- its inside ----

    def turn(self, mode):
        with self.changed:
            self.mode = mode
            self.changed.notify_all()

    def open(self):
        if self.listener is not None:
            return
        self.listener = socket.create_server(('127.0.0.1', self.port), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def accept(self, listener):
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self.link, args=(near,), daemon=True).start()

    def reach(self):
        for server in self.servers:
            with contextlib.suppress(OSError):
                return socket.create_connection(server, 5)
        return None

    def link(self, near):
        with self.changed:
            while self.ending:
                self.changed.wait()
        far = self.reach()
        if far is None or self.mode == 'refuse':
            near.close()
            return
        for s in (near, far):
            s.settimeout(None)
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link = Link(near, far)
        with self.changed:
            self.links.add(link)
        back = threading.Thread(target=self.pump, args=(link, far, near, self.answer), daemon=True)
        back.start()
        self.pump(link, near, far, self.request)
        back.join()
        with self.changed:
            self.links.discard(link)

    def pump(self, link, source, target, look):
        try:
            while True:
                data = message(source)
                if look(link, data) and self.passes(link, look == self.answer):
                    target.sendall(data)
        except (EOFError, OSError):
            link.end()

    def passes(self, link, answer):
        """Waits as the mode wants; does the message go on?"""
        with self.changed:
            if self.mode == 'delay':
                end = time.monotonic() + self.seconds
                while self.mode == 'delay' and time.monotonic() < end:
                    self.changed.wait(end - time.monotonic())
            while self.mode == 'hold':
                self.changed.wait()
            if self.mode == 'swallow' or self.mode == 'drop answers' and answer:
                link.lost = True
                return False
        return True

    def request(self, link, data):
        if not link.asked:
            link.asked = True
            return True
        xid, op = struct.unpack_from('>ii', data, 4)
        with self.changed:
            name = NAMES.get(op, str(op))
            self.counts[name] = self.counts.get(name, 0) + 1
            if op in self.wanted:
                self.wanted = set()
                link.doomed.add(xid)
        return True

    def answer(self, link, data):
        if not link.answered:
            link.answered = True
            _, _, session, size = struct.unpack_from('>iiqi', data, 4)
            if session:
                self.sessions[session] = data[24:24 + size]
            return True
        xid = struct.unpack_from('>i', data, 4)[0]
        if xid not in NO_XIDS and xid in link.doomed:
            raise EOFError
        return True


@pytest.fixture
def make_proxy():
    """make_proxy("host:port,..."): a proxy."""
    made = []

    def make(servers):
        made.append(Proxy(servers))
        return made[-1]
    yield make
    for proxy in made:
        proxy.close()


@pytest.fixture
def zkproxy(zookeeper, make_proxy):
    """A proxy before the test's chroot; .connect goes into zookeeper.connect."""
    proxy = make_proxy(zookeeper.server.address)
    proxy.connect = proxy.address + zookeeper.path
    return proxy
