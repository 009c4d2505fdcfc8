"""Waiting until all processes of a training are there."""

import json
import select
import socket
import struct
import time

from .line import Line, WorkerLost, receive

WAIT = 300.0  # seconds in which all workers must be there


def connect(cluster, wait=WAIT):
    """Wait until all processes of a cluster are there.

    Args:
        cluster: `Cluster`.
        wait: Seconds.

    Returns:
        `Line`.

    Raises:
        WorkerLost: If not all have come.
        OSError: If the address of the chief cannot be listened on.

    Example:

    >>> connect.__name__
    'connect'
    """
    deadline = time.monotonic() + wait
    gather = _gather if cluster.chief else _join
    sockets = gather(cluster, wait, deadline)
    return Line(cluster, sockets)


def _gather(cluster, wait, deadline):
    """Accept the others, and tell all of them when all are there."""
    _, port = cluster.host_and_port(0)
    sockets = {}
    missing = set(range(1, len(cluster.addresses)))
    with socket.create_server(("", port), backlog=len(missing)) as server:
        while missing:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([server], [], [], left)[0]:
                names = ", ".join(cluster.name_of(rank) for rank in sorted(missing))
                raise WorkerLost(
                    f"{names} did not come within {wait:g} seconds: start the same "
                    "command there, with the same TF_CONFIG but its own index."
                )
            connection, _ = server.accept()
            rank = _greet(connection, cluster)
            if rank in missing:
                sockets[rank] = connection
                missing.remove(rank)
            else:
                connection.close()
    for connection in sockets.values():
        connection.sendall(b"+")
    return sockets


def _greet(connection, cluster):
    """Give the number of who has come, `None` for a stranger."""
    try:
        connection.settimeout(5)
        size = struct.unpack(">I", receive(connection, 4))[0]
        told = json.loads(receive(connection, min(size, 1 << 20)))
        connection.settimeout(None)
        same = told["addresses"] == list(cluster.addresses)
        return told["rank"] if same else None
    except (OSError, ValueError, KeyError, TypeError, struct.error):
        return None


def _join(cluster, wait, deadline):
    """Reach the chief, and wait for its word that all are there."""
    hello = {"rank": cluster.rank, "addresses": list(cluster.addresses)}
    text = json.dumps(hello).encode()
    while True:
        try:
            left = max(deadline - time.monotonic(), 0.01)
            connection = socket.create_connection(cluster.host_and_port(0), left)
            connection.sendall(struct.pack(">I", len(text)) + text)
            connection.settimeout(max(deadline - time.monotonic(), 0.01))
            if receive(connection, 1) == b"+":
                connection.settimeout(None)
                return {0: connection}
        except OSError:
            pass
        if time.monotonic() >= deadline:
            raise WorkerLost(
                f"{cluster.name_of(0)} did not answer within {wait:g} seconds: start "
                "the same command there, with the same TF_CONFIG but index 0, and "
                "see that its port can be reached."
            )
        time.sleep(0.2)
