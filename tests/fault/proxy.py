"""A TCP proxy that goes wrong on purpose, byte for byte, in front of any HTTP/1.1 server. Standard library only.

    proxy = Proxy(url, choose)        # proxy.url takes the place of url
    choose(number, line) -> Fault     # for the number-th request (from 1) with this first line; None: nothing goes wrong

A request is read whole before anything happens, and so is the answer, so that every cut is at exactly the byte that was asked for. A fault:

    request_cut N   only N bytes of the request (head and body) reach the server, then both sides are closed
    answer_cut N    only N bytes of the answer's body reach the client; head_cut N counts from the first byte of its head instead
    drop            the server did its work, the client gets nothing
    reset           these ends are a reset (SO_LINGER 0) and not an orderly close
    delay           seconds before the answer
    drip            so many bytes of the answer at a time, `pause` seconds apart
"""
import dataclasses
import socket
import struct
import threading
import time
import urllib.parse


@dataclasses.dataclass
class Fault:
    request_cut: int = None
    answer_cut: int = None
    head_cut: int = None
    drop: bool = False
    reset: bool = False
    delay: float = 0
    drip: int = 0
    pause: float = 0


class Ended(Exception):
    """The other side closed."""


class Reader:
    """Whole HTTP messages from a socket, as the bytes they came in."""

    def __init__(self, sock):
        self.sock, self.buffer = sock, b""

    def more(self):
        got = self.sock.recv(65536)
        if not got:
            raise Ended
        self.buffer += got

    def take(self, size):
        while len(self.buffer) < size:
            self.more()
        taken, self.buffer = self.buffer[:size], self.buffer[size:]
        return taken

    def until(self, mark):
        while mark not in self.buffer:
            self.more()
        return self.take(self.buffer.index(mark) + len(mark))

    def rest(self):
        try:
            while True:
                self.more()
        except Ended:
            return self.take(len(self.buffer))

    def chunks(self):
        body = b""
        while True:
            line = self.until(b"\r\n")
            body += line + self.take(int(line.split(b";")[0], 16) + 2)
            if int(line.split(b";")[0], 16) == 0:
                return body

    def message(self, is_answer):
        head = self.until(b"\r\n\r\n")
        fields = {line.split(b":", 1)[0].strip().lower(): line.split(b":", 1)[1].strip() for line in head.split(b"\r\n")[1:] if b":" in line}
        if is_answer and head.split(b" ", 2)[1][:1] == b"1":  # 100 Continue: the answer proper comes behind it
            rest, body = self.message(True)
            return head + rest, body
        if b"chunked" in fields.get(b"transfer-encoding", b"").lower():
            return head, self.chunks()
        if b"content-length" in fields:
            return head, self.take(int(fields[b"content-length"]))
        return head, self.rest() if is_answer and b"close" in fields.get(b"connection", b"").lower() else b""


class Proxy:
    def __init__(self, url, choose=None):
        parts = urllib.parse.urlsplit(url)
        self.upstream = (parts.hostname, parts.port)
        self.choose = choose or (lambda number, line: None)
        self.requests = 0  # whole ones that arrived here
        self.faults = 0    # those that went wrong
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.is_open = True
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while self.is_open:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def stop(self):
        self.is_open = False
        self.listener.close()

    def serve(self, client):
        server = None
        try:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            server = socket.create_connection(self.upstream)
            server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            from_client, from_server = Reader(client), Reader(server)
            while self.one(client, server, from_client, from_server):
                pass
        except (Ended, OSError):
            pass
        finally:
            client.close()
            if server is not None:
                server.close()

    def one(self, client, server, from_client, from_server):
        """One request and its answer; False when the connection ends with it."""
        head, body = from_client.message(False)
        with self.lock:
            self.requests += 1
            fault = self.choose(self.requests, head.split(b"\r\n", 1)[0].decode("latin-1")) or Fault()
            self.faults += fault != Fault()
        if fault.request_cut is not None:
            server.sendall((head + body)[:fault.request_cut])
            self.end(server, fault)
            self.end(client, fault)
            return False
        server.sendall(head + body)
        head, body = from_server.message(True)
        whole = head + body
        time.sleep(fault.delay)
        allowed = 0 if fault.drop else fault.head_cut if fault.head_cut is not None else len(head) + fault.answer_cut if fault.answer_cut is not None else len(whole)
        step = fault.drip or max(allowed, 1)
        for at in range(0, min(allowed, len(whole)), step):
            client.sendall(whole[at:min(at + step, allowed)])
            time.sleep(fault.pause)
        if fault.drop or allowed < len(whole):
            self.end(client, fault)
            return False
        return b"connection: close" not in head.lower()

    @staticmethod
    def end(sock, fault):
        if fault.reset:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
