"""Which processes train one model together, and where each is reached."""

import dataclasses
import json

EXAMPLE = (
    'TF_CONFIG=\'{"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}, '
    '"task": {"type": "worker", "index": 0}}\''
)


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The processes of one training, and which of them this one is.

    Args:
        addresses: `host:port` of each process; the first is the chief, which writes
            the files of the run.
        rank: The number of this process, counted from 0.

    Example:

    >>> Cluster(("10.0.0.1:2222", "10.0.0.2:2222"), 1).chief
    False
    """

    addresses: tuple[str, ...]
    rank: int

    @property
    def chief(self):
        return self.rank == 0

    def host_and_port(self, rank):
        """Split the address of a process.

        Args:
            rank: Its number.

        Returns:
            Host and port.

        Example:

        >>> Cluster(("10.0.0.1:2222", "10.0.0.2:2222"), 1).host_and_port(0)
        ('10.0.0.1', 2222)
        """
        host, _, port = self.addresses[rank].rpartition(":")
        return host.strip("[]"), int(port)

    def name_of(self, rank):
        """Name a process for people.

        Args:
            rank: Its number.

        Returns:
            Text.

        Example:

        >>> Cluster(("10.0.0.1:2222", "10.0.0.2:2222"), 1).name_of(1)
        'worker 1 (10.0.0.2:2222)'
        """
        return f"worker {rank} ({self.addresses[rank]})"


def read_cluster(environment):
    """Read the cluster from `TF_CONFIG`, which every process has.

    Args:
        environment: Mapping of environment variables.

    Returns:
        `Cluster`.

    Raises:
        ValueError: If the variable is missing, or tells of no cluster of workers.

    Example:

    >>> text = '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"index": 1}}'
    >>> read_cluster({"TF_CONFIG": text})
    Cluster(addresses=('a:1', 'b:1'), rank=1)
    """
    text = environment.get("TF_CONFIG")
    if not text:
        raise ValueError(
            "training on several workers needs the variable TF_CONFIG in every "
            f"process, with an index of its own: {EXAMPLE}"
        )
    try:
        told = json.loads(text)
        jobs, task = told["cluster"], told["task"]
        rank = int(task["index"])
    except (ValueError, KeyError, TypeError) as problem:
        raise ValueError(
            f"TF_CONFIG is {text!r} and cannot be read ({problem!r}). Expected "
            f"something like {EXAMPLE}"
        ) from None
    kind = task.get("type", "worker")
    if set(jobs) != {"worker"} or kind != "worker":
        raise ValueError(
            f"TF_CONFIG tells of the jobs {sorted(jobs)} and makes this process a "
            f"{kind!r}: all take an equal part here, so name every process a 'worker'. "
            "The first is the chief."
        )
    cluster = Cluster(tuple(jobs["worker"]), rank)
    _check(cluster)
    return cluster


def _check(cluster):
    count = len(cluster.addresses)
    if count < 2:
        raise ValueError(
            f"TF_CONFIG names {count} worker: several are two or more. On one machine "
            "take --distribute mirrored."
        )
    if not 0 <= cluster.rank < count:
        raise ValueError(
            f"TF_CONFIG names {count} workers, and this process is number "
            f"{cluster.rank}: the index counts from 0 to {count - 1}."
        )
    for rank, address in enumerate(cluster.addresses):
        if not address.rpartition(":")[2].isdecimal():
            raise ValueError(
                f"TF_CONFIG gives worker {rank} the address {address!r}: expected "
                "host:port, such as 10.0.0.1:2222."
            )
    if len(set(cluster.addresses)) < count:
        raise ValueError(
            f"TF_CONFIG gives two workers one address: {', '.join(cluster.addresses)}."
        )
