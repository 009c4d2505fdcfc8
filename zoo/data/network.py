"""Whether a download can begin, found out in seconds."""

import queue
import threading
import time
import urllib.error
import urllib.parse

PATIENCE = 10.0  # seconds for all hosts together


def require_network(urls, patience=PATIENCE):
    """Make sure that one of these hosts can be reached.

    Asks as downloads do, so proxies named in the environment are used. Name servers
    that never answer are not waited for.

    Args:
        urls: Addresses that will be downloaded.
        patience: Seconds to wait for the first answer of any kind.

    Raises:
        ConnectionError: If none answered; it names the hosts and the last reason.

    Example:

    >>> require_network(["http://127.0.0.1:9/nothing/listens/here"])
    Traceback (most recent call last):
    ConnectionError: 127.0.0.1:9 cannot be reached (...)
    """
    hosts = {}
    for url in urls:
        hosts.setdefault(urllib.parse.urlsplit(url).netloc, url)
    hosts = dict(list(hosts.items())[:4])
    answers = queue.Queue()
    for url in hosts.values():
        # a thread that nobody waits for: looking up a name cannot be cut short
        threading.Thread(target=_ask, args=(url, answers), daemon=True).start()
    reason, until = f"no answer within {patience:g} s", time.monotonic() + patience
    for _ in hosts:
        try:
            problem = answers.get(timeout=max(0.0, until - time.monotonic()))
        except queue.Empty:
            break
        if problem is None:
            return
        reason = problem
    raise ConnectionError(f"{', '.join(hosts)} cannot be reached ({reason})")


def is_connection_failure(error):
    """Tell whether an error, or one behind it, is a failed connection.

    Args:
        error: An exception.

    Returns:
        Whether the network is to blame.

    Example:

    >>> is_connection_failure(TimeoutError()), is_connection_failure(KeyError("a"))
    (True, False)
    """
    import requests

    blame = (
        requests.ConnectionError,
        requests.Timeout,
        urllib.error.URLError,
        ConnectionError,
        TimeoutError,
    )
    seen = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, blame):
            return True
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return False


def _ask(url, answers):
    import requests

    try:
        requests.head(url, timeout=(4, 4), allow_redirects=False)
        answers.put(None)
    except Exception as problem:
        answers.put(type(problem).__name__)
