"""A proxy that passes requests on and now and then ends the connection instead of giving the answer back."""
import random
import socket
import struct
import threading

PRODUCE = 0


class LossyProxy:
    """Listens on a port of its own; `target` may be changed while it runs."""

    def __init__(self, target: int, seed: int, loss: float):
        self.target = target
        self.chance = random.Random(seed)
        self.loss = loss
        self.dropped = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        try:
            broker = socket.create_connection(("127.0.0.1", self.target))
        except OSError:
            client.close()
            return
        produces = set()
        threading.Thread(target=self._answers, args=(broker, client, produces), daemon=True).start()
        while (frame := read_frame(client)) is not None:
            key, _, correlation = struct.unpack(">hhi", frame[4:12])
            if key == PRODUCE:
                produces.add(correlation)
            try:
                broker.sendall(frame)
            except OSError:
                break
        hang_up(client, broker)

    def _answers(self, broker, client, produces):
        while (frame := read_frame(broker)) is not None:
            correlation, = struct.unpack(">i", frame[4:8])
            if correlation in produces and self.chance.random() < self.loss:
                self.dropped += 1
                break
            try:
                client.sendall(frame)
            except OSError:
                break
        hang_up(client, broker)


def hang_up(*sockets):
    for one in sockets:
        try:
            one.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def read_frame(stream):
    """A frame with its length before it; None at the end."""
    head = read_exactly(stream, 4)
    body = head and read_exactly(stream, struct.unpack(">i", head)[0])
    return head + body if body is not None and head else None


def read_exactly(stream, count):
    parts = b""
    while len(parts) < count:
        try:
            piece = stream.recv(count - len(parts))
        except OSError:
            return None
        if not piece:
            return None
        parts += piece
    return parts
