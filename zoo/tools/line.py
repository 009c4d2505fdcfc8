"""The line between the processes of one training: who is there, and who is gone.

TensorFlow and JAX exchange gradients, each over connections of its own. What they do
not tell is kept here, over plain sockets between the chief and every other worker:
whether all are there before anything begins, what the chief has read and decided, and
which of them has died. The chief listens on its own address until all have come, and
leaves the port to TensorFlow or JAX then; the connections stay.
"""

import contextlib
import json
import os
import queue
import socket
import struct
import sys
import threading
import time

GRACE = 10.0  # seconds in which a step must fail after a worker has died
LOST_CODE = 2
_HEAD = struct.Struct(">cQ")
_DATA, _LOST, _BYE = b"D", b"L", b"B"


class WorkerLost(ConnectionError):
    """Another process of this training is gone, so that it cannot go on.

    Example:

    >>> issubclass(WorkerLost, ConnectionError)
    True
    """


class _ChiefStopped(ValueError):
    """What stopped the chief, told by another worker."""


class Line:
    """Connections between the chief and the other workers.

    Args:
        cluster: `Cluster`.
        sockets: Mapping of the number of a process to the socket that leads there:
            those of all others in the chief, that of the chief in the others.

    Attributes:
        lost: The number of the worker that is gone, or `None`.

    Example:

    >>> from .cluster import Cluster
    >>> cluster = Cluster(("10.0.0.1:2222", "10.0.0.2:2222"), 0)
    >>> line = Line(cluster, {})
    >>> line.chief, line.lost
    (True, None)
    """

    def __init__(self, cluster, sockets):
        self.cluster, self.lost, self.closed = cluster, None, False
        self._sockets = sockets
        self._received = {rank: queue.SimpleQueue() for rank in sockets}
        self._sending, self._timer = threading.Lock(), None
        for rank, connection in sockets.items():
            _keep_alive(connection)
            thread = threading.Thread(target=self._read, args=(rank,), daemon=True)
            thread.start()

    @property
    def chief(self):
        return self.cluster.chief

    def broadcast(self, data=b""):
        """Give everybody what the chief gives; all call it, in the same order.

        Args:
            data: The chief's bytes; those of the others are not looked at.

        Returns:
            The bytes of the chief.

        Raises:
            WorkerLost: If a worker is gone.

        Example:

        >>> from .cluster import Cluster
        >>> Line(Cluster(("10.0.0.1:2222", "10.0.0.2:2222"), 0), {}).broadcast(b"go")
        b'go'
        """
        if not self.chief:
            return self._take(0)
        for rank in self._sockets:
            self._send(rank, _DATA, data)
        return data

    def from_chief(self, ask):
        """Ask the chief, and give everybody its answer, or its error.

        Args:
            ask: Function without arguments that only the chief calls; it gives what
                JSON can hold.

        Returns:
            What it gave.

        Raises:
            ValueError: In the others, if it raised in the chief, where the error
                passes through as it is.
            WorkerLost: If a worker is gone.

        Example:

        >>> from .cluster import Cluster
        >>> line = Line(Cluster(("10.0.0.1:2222", "10.0.0.2:2222"), 0), {})
        >>> line.from_chief(lambda: [1, 2])
        [1, 2]
        """
        told = {}
        if self.chief:
            try:
                told = {"answer": ask()}
            except Exception as problem:
                self.broadcast(json.dumps({"error": str(problem)}).encode())
                raise
        told = json.loads(self.broadcast(json.dumps(told).encode()))
        if "error" in told:
            raise _ChiefStopped(f"{self.cluster.name_of(0)} stopped: {told['error']}")
        return told["answer"]

    def meet(self):
        """Wait until all have come to this place.

        Raises:
            WorkerLost: If a worker is gone.

        Example:

        >>> from .cluster import Cluster
        >>> Line(Cluster(("10.0.0.1:2222", "10.0.0.2:2222"), 0), {}).meet()
        """
        if not self.chief:
            self._send(0, _DATA, b"")
        for rank in self._sockets if self.chief else ():
            self._take(rank)
        self.broadcast()

    def close(self):
        """Say goodbye, so that nobody takes the end of this process for a death.

        Example:

        >>> from .cluster import Cluster
        >>> Line(Cluster(("10.0.0.1:2222", "10.0.0.2:2222"), 0), {}).close()
        """
        self.closed = True
        if self._timer is not None:
            self._timer.cancel()
        for rank in self._sockets:
            if self.lost is None:
                self._send(rank, _BYE, b"", quietly=True)
            self._sockets[rank].close()

    @contextlib.contextmanager
    def held(self):
        """Hold the line while a training goes on, and tell why it failed.

        Whoever fails leaves without goodbye, so that the others know.

        Yields:
            The line.

        Raises:
            WorkerLost: If something failed because a worker is gone.

        Example:

        >>> from .cluster import Cluster
        >>> cluster = Cluster(("10.0.0.1:2222", "10.0.0.2:2222"), 0)
        >>> with Line(cluster, {}).held() as line:
        ...     line.meet()
        """
        try:
            yield self
        except Exception as problem:
            told = isinstance(problem, (WorkerLost, _ChiefStopped))
            lost = None if told else self.why()
            self.hang_up()
            if lost is None:
                raise
            raise lost from problem
        except BaseException:
            self.hang_up()
            raise
        self.close()

    def hang_up(self):
        """End the connections without goodbye.

        Example:

        >>> from .cluster import Cluster
        >>> cluster = Cluster(("10.0.0.1:2222", "10.0.0.2:2222"), 0)
        >>> Line(cluster, {}).hang_up()
        """
        self.closed = True
        for connection in self._sockets.values():
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def why(self, moments=5.0):
        """Wait a little for the news that a worker is gone, and tell of it.

        Args:
            moments: Seconds: a failed step may be there before the news.

        Returns:
            `WorkerLost`, or `None` if all are there.

        Example:

        >>> from .cluster import Cluster
        >>> cluster = Cluster(("10.0.0.1:2222", "10.0.0.2:2222"), 0)
        >>> Line(cluster, {}).why(0) is None
        True
        """
        end = time.monotonic() + moments
        while self.lost is None and time.monotonic() < end:
            time.sleep(0.05)
        return None if self.lost is None else WorkerLost(self._told())

    def _told(self):
        return (
            f"{self.cluster.name_of(self.lost)} is gone, and without it the others "
            "cannot go on. Look for the reason in what it printed; then start the same "
            "command with --resume on all workers: it goes on from the newest state."
        )

    def _take(self, rank):
        if self.lost is not None:
            raise WorkerLost(self._told())
        while (found := self._received[rank].get()) is None:
            problem = self.why()
            if problem is not None:
                raise problem
        return found

    def _send(self, rank, kind, data, quietly=False):
        try:
            with self._sending:
                connection = self._sockets[rank]
                connection.sendall(_HEAD.pack(kind, len(data)) + data)
        except OSError:
            if not quietly:
                self._note_loss(rank)
                raise WorkerLost(self._told()) from None

    def _read(self, rank):
        """Read what a process sends until it is gone; runs in a thread."""
        while True:
            try:
                kind, size = _HEAD.unpack(receive(self._sockets[rank], _HEAD.size))
                data = receive(self._sockets[rank], size)
            except OSError:
                if not self.closed:
                    self._note_loss(rank)
                return
            if kind == _DATA:
                self._received[rank].put(data)
            elif kind == _LOST:
                self._note_loss(int(data))
            else:
                return

    def _note_loss(self, rank):
        if self.lost is not None:
            return
        self.lost = rank
        for other in self._sockets:
            if other != rank:
                self._send(other, _LOST, str(rank).encode(), quietly=True)
            self._received[other].put(None)
        self._timer = threading.Timer(GRACE, self._give_up)
        self._timer.daemon = True
        self._timer.start()

    def _give_up(self):
        """End the process: a step that waits for the dead cannot be interrupted."""
        if not self.closed:
            sys.stderr.write(f"kerasmith: {self._told()}\n")
            sys.stderr.flush()
            os._exit(LOST_CODE)


def receive(connection, size):
    """Receive so many bytes.

    Args:
        connection: Socket.
        size: How many.

    Returns:
        Bytes.

    Raises:
        ConnectionError: If it is closed.

    Example:

    >>> one, other = socket.socketpair()
    >>> one.sendall(b"go")
    >>> receive(other, 2)
    b'go'
    """
    data = bytearray()
    while len(data) < size:
        part = connection.recv(min(size - len(data), 1 << 20))
        if not part:
            raise ConnectionError("closed")
        data += part
    return bytes(data)


def _keep_alive(connection):
    """Notice a machine that vanished without a word, too."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for name, value in (("KEEPIDLE", 10), ("KEEPINTVL", 5), ("KEEPCNT", 3)):
        option = getattr(socket, f"TCP_{name}", None)
        if option is not None:
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
