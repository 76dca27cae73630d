# The companion: connects to destinations on the node, and sends what they say to its own output.
# Sent along with each command, without comments; no single quotes, no braces in pairs.
import _thread, binascii, collections, errno, fcntl, os, select, socket, struct, sys, time

KEPT = 8 << 20  # of the output, until it is acknowledged
CHUNK = 32 << 10
HEARD, SAID = select.POLLIN | select.POLLHUP | select.POLLERR, select.POLLOUT
GUESTS, AGE = 8, 5
WORD = 32


class Stream:
    def __init__(self, number, credit):
        self.id, self.credit, self.socket, self.fd = number, credit, None, -1
        self.up, self.used, self.got = bytearray(), 0, 0
        self.is_ended = self.is_shut = self.is_over = False


parent, born = os.getppid(), time.monotonic()
secret = binascii.hexlify(os.urandom(WORD))
poll, masks = select.poll(), {}
streams, sockets = {}, {}
kept, written, out, is_full = bytearray(), 0, 1, False
uplink, incoming, back = None, bytearray(), bytearray()
used = told = time.monotonic()
dialled = collections.deque()
wake, waker = os.pipe()


def watch(fd, mask):
    if masks.get(fd, 0) != mask:
        if mask:
            poll.register(fd, mask)
        else:
            poll.unregister(fd)
        masks[fd] = mask


def unblock(fd):
    fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_NONBLOCK)


def leave():
    os._exit(0)  # What is open is reset: SO_LINGER.


# --- Blocks: kind, stream and a number in letters, then bytes that the agent passes as they are.


def put(kind, number, value, data=b""):
    kept.extend(("%s%08x%08x" % (kind, number, value)).encode())
    kept.extend(data)


def put_data(number, data):
    if b"\xef\xbf\xbd" in data:
        data = binascii.hexlify(data)
        put("H", number, len(data), data)
    else:
        put("D", number, len(data), data)
        kept.extend(b"~~~")  # Behind which the agent holds nothing back.


def tell(kind, number, value):
    back.extend(struct.pack(">cII", kind, number, value))


def answer():
    try:
        while back:
            del back[: uplink.send(back)]
    except BlockingIOError:
        pass
    except OSError:
        leave()
    watch(uplink.fileno(), HEARD | SAID if back else HEARD)


def flush():
    global written, is_full
    while out >= 0 and written < len(kept):
        try:
            written += os.write(out, kept[written : written + (64 << 10)])
        except BlockingIOError:
            break
        except OSError:
            lose()
    if out >= 0:
        watch(out, SAID if written < len(kept) else select.POLLERR)
    if is_full != (len(kept) >= KEPT):
        is_full = not is_full
        for stream in streams.values():
            arm(stream)


def lose():
    global out
    if out == 1:
        leave()
    if out >= 0:
        watch(out, 0)
        os.close(out)
    out = -1


def move(port, word):
    global out, written
    if out > 1:
        lose()
    elif out == 1:
        watch(1, select.POLLERR)
    out, written = -1, 0
    try:
        carrier, end = socket.create_connection(("127.0.0.1", port), AGE), time.monotonic() + AGE
        carrier.sendall(word[:WORD] + b"O")
        proof, data = b"", b"?"
        while data and len(proof) < WORD:
            carrier.settimeout(max(0.01, end - time.monotonic()))
            data = carrier.recv(WORD - len(proof))
            proof += data
        if proof != word[WORD:]:
            return
        carrier.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        carrier.setblocking(False)
        out = carrier.detach()
    except OSError:
        pass


# --- Streams.


def arm(stream):
    if stream.socket:
        mask = 0
        if stream.credit > 0 and not is_full and not stream.is_over:
            mask |= HEARD
        if stream.up:
            mask |= SAID
        watch(stream.fd, mask)


def dial(stream, host, port):
    try:
        found = socket.create_connection((host, port))
    except (OSError, UnicodeError, OverflowError) as error:
        found = error
    dialled.append((stream, found))
    os.write(waker, b"x")


def refuse(stream, error):
    if streams.pop(stream.id, None):
        why = str(getattr(error, "strerror", None) or error).encode("ascii", "replace")
        put("F", stream.id, len(why), why)


def connected():
    os.read(wake, 4096)
    while dialled:
        stream, found = dialled.popleft()
        if not isinstance(found, socket.socket):
            refuse(stream, found)
        elif stream.id not in streams:
            close(found, True)
        else:
            found.setblocking(False)
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            reset_on_close(found, True)
            stream.socket, stream.fd = found, found.fileno()
            sockets[stream.fd] = stream
            send(stream)


def reset_on_close(found, is_reset):
    found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", is_reset, 0))


def close(found, is_reset):
    try:
        reset_on_close(found, is_reset)
    except OSError:
        pass
    found.close()


def drop(stream, is_reset):
    streams.pop(stream.id, None)
    if stream.socket:
        watch(stream.fd, 0)
        del sockets[stream.fd]
        close(stream.socket, is_reset)
        stream.socket = None


def broken(stream, error):
    why = str(error.strerror).encode("ascii", "replace")
    put("R", stream.id, len(why), why)
    drop(stream, True)


def send(stream):
    try:
        while stream.up:
            count = stream.socket.send(stream.up)
            del stream.up[:count]
            stream.used += count
        if stream.is_ended and not stream.is_shut:
            stream.socket.shutdown(socket.SHUT_WR)
            stream.is_shut = True
    except BlockingIOError:
        pass
    except OSError as error:
        return broken(stream, error)
    if stream.used >= 8192 or stream.used and stream.is_shut:
        tell(b"U", stream.id, stream.used)
        stream.used = 0
    settle(stream)


def receive(stream):
    if stream.credit <= 0 or len(kept) >= KEPT or stream.is_over:
        return
    try:
        data = stream.socket.recv(min(stream.credit, CHUNK))
    except BlockingIOError:
        return
    except OSError as error:
        return broken(stream, error)
    if data:
        stream.credit -= len(data)
        stream.got = (stream.got + len(data)) & 0xFFFFFFFF
        put_data(stream.id, data)
    else:
        put("E", stream.id, stream.got)
        stream.is_over = True
    settle(stream)


def settle(stream):
    if stream.is_over and stream.is_shut:
        drop(stream, False)
    else:
        arm(stream)


# --- What the client says: kind, stream, length, and so many bytes.


def heard():
    global used, told
    try:
        data = uplink.recv(256 << 10)
    except BlockingIOError:
        return
    except OSError:
        leave()
    if not data:
        leave()
    used = told = time.monotonic()
    incoming.extend(data)
    at = 0
    while len(incoming) >= at + 9:
        kind, number, length = struct.unpack_from(">cII", incoming, at)
        if len(incoming) < at + 9 + length:
            break
        obey(kind, number, bytes(incoming[at + 9 : at + 9 + length]))
        at += 9 + length
    del incoming[:at]


def obey(kind, number, data):
    global written
    stream = streams.get(number)
    if kind == b"A":
        (count,) = struct.unpack(">I", data)
        del kept[:count]
        written -= count
    elif kind == b"P":
        (value,) = struct.unpack(">I", data)
        tell(b"P", 0, value)
        put("P", 0, value)
    elif kind == b"M":
        move(struct.unpack(">H", data[:2])[0], data[2:])
    elif kind == b"O":
        credit, port = struct.unpack(">IH", data[:6])
        stream = streams[number] = Stream(number, credit)
        try:
            _thread.start_new_thread(dial, (stream, data[6:].decode("utf-8", "replace"), port))
        except RuntimeError as error:
            refuse(stream, error)
    elif stream is None:
        pass
    elif kind == b"D":
        stream.up.extend(data)
        if stream.socket and len(stream.up) == len(data):
            send(stream)
    elif kind == b"E":
        stream.is_ended = True
        if stream.socket and not stream.up:
            send(stream)
    elif kind == b"C":
        stream.credit += struct.unpack(">I", data)[0]
        arm(stream)
    elif kind == b"X":
        drop(stream, True)


# --- Before that: who connects, and knows the secret.


def carry(source):
    poll.register(source, select.POLLIN)
    while os.getppid() == parent:
        for fd, event in poll.poll(5000):
            data = b"" if fd == 1 else source.recv(64 << 10)
            if not data:
                return
            while data:
                data = data[os.write(1, data) :]


def hold():
    # Whatever the agent takes localhost for, nobody else is to be there.
    for _ in range(99):
        doors = [socket.socket()]
        doors[0].bind(("127.0.0.1", 0))
        port = doors[0].getsockname()[1]
        try:
            door = socket.socket(socket.AF_INET6)
            door.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            door.bind(("::1", port))
            doors.append(door)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                continue
        for door in doors:
            door.listen(GUESTS)
        return port, dict((door.fileno(), door) for door in doors)
    leave()


def admit():
    port, doors = hold()
    sys.stdout.write("ssmport-turbo 1 %d %s\n" % (port, secret.decode()))
    sys.stdout.flush()
    for fd in doors:
        poll.register(fd, select.POLLIN)
    poll.register(1, select.POLLERR)
    guests = collections.OrderedDict()
    while True:
        for fd, event in poll.poll(1000):
            if fd == 1:
                leave()
            if fd in doors:
                guest, _ = doors[fd].accept()
                guest.setblocking(False)
                guests[guest.fileno()] = [guest, b"", time.monotonic()]
                poll.register(guest, select.POLLIN)
                if len(guests) <= GUESTS:
                    continue
                fd = next(iter(guests))
            guest = guests.get(fd)
            if guest is None:
                continue
            stays, word = len(guests) <= GUESTS, b""
            try:
                word = guest[0].recv(WORD + 1 - len(guest[1]))
            except BlockingIOError:
                if stays:
                    continue
            except OSError:
                pass
            guest[1] += word
            if stays and word and len(guest[1]) <= WORD:
                continue
            del guests[fd]
            poll.unregister(fd)
            if guest[1] in (secret[:WORD] + b"S", secret[:WORD] + b"O"):
                guest[0].send(secret[WORD:])
                for door in doors.values():
                    poll.unregister(door)
                    door.close()
                for other in guests.values():
                    poll.unregister(other[0])
                    other[0].close()
                return guest[0], guest[1][WORD:]
            guest[0].close()
        for fd in [fd for fd in guests if time.monotonic() - guests[fd][2] > AGE]:
            poll.unregister(fd)
            guests.pop(fd)[0].close()
        if time.monotonic() - born > 60 or os.getppid() != parent:
            leave()


uplink, role = admit()
if role == b"O":
    uplink.setblocking(True)
    try:
        carry(uplink)
    finally:
        leave()
uplink.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
unblock(1)
masks[1] = select.POLLERR
watch(uplink.fileno(), HEARD)
watch(wake, HEARD)
while True:
    for fd, event in poll.poll(5000):
        if fd == uplink.fileno():
            if event & HEARD:
                heard()
        elif fd == wake:
            connected()
        elif fd in sockets:
            stream = sockets[fd]
            if event & SAID:
                send(stream)
            if stream.socket and event & HEARD:
                receive(stream)
        elif fd == 1 and event & select.POLLERR:
            leave()
        elif fd == out and event & (select.POLLERR | select.POLLHUP):
            lose()
    answer()
    flush()
    if streams:
        used = time.monotonic()
    # No session is idle for longer than an hour.
    if max(time.monotonic() - used - 90, time.monotonic() - told - 3900) > 0 or os.getppid() != parent:
        leave()
