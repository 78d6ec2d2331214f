"""Many clients at once, and how long each of their requests takes, from the connection until the answer is read."""

import random
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from statistics import mean

import documents


class Tally:
    """The requests of a crowd: the seconds that each took, and those of all of them."""

    def __init__(self):
        self.durations: list[float] = []
        self.seconds = 0.0

    def timed(self, send: Callable[[], object]):
        started = time.perf_counter()
        try:
            return send()
        finally:
            self.durations.append(time.perf_counter() - started)

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.durations) / self.seconds

    @property
    def mean(self) -> float:
        """Milliseconds."""
        return 1000 * mean(self.durations)

    def within(self, percent: int) -> float:
        """The milliseconds within which ``percent`` of the requests were answered."""
        ordered = sorted(self.durations)
        return 1000 * ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def together(clients, work: Callable) -> Tally:
    """Let each of ``clients`` do ``work(client, number, tally)`` at once."""
    tally = Tally()
    started = time.perf_counter()
    with ThreadPoolExecutor(len(clients)) as pool:
        list(pool.map(lambda number: work(clients[number], number, tally), range(len(clients))))
    tally.seconds = time.perf_counter() - started
    return tally


def send_all(clients, requests: Iterable[tuple[str, object]]) -> Tally:
    """Post ``requests``, path and body; whoever is answered takes the next one."""
    queue = iter(list(requests))

    def work(client, _number, tally):
        for path, body in queue:
            tally.timed(lambda path=path, body=body: client.post(path, body))

    return together(clients, work)


def mixed(seconds: float, currency: str) -> Callable:
    """Work for :func:`together` of all kinds, as long as ``seconds``.

    Of 20 requests, 6 bring a new parent, 3 one that is known, 3 one that changed, 2 a batch of ten, 3 read a document,
    1 reads a page, 1 is refused, and 1 brings a family with a billing.
    """
    deadline = time.monotonic() + seconds

    def work(client, number, tally):
        dice, known = random.Random(number), documents.parents(2)

        def send_new():
            known.extend(documents.parents(1))
            client.post("parents", known[-1])

        def change():
            place = dice.randrange(len(known))
            known[place] = documents.changed([known[place]])[0]
            client.post("parents", known[place])

        kinds = {
            send_new: 6,
            lambda: client.post("parents", dice.choice(known)): 3,
            change: 3,
            lambda: client.post("parents", [*documents.parents(8), *known[:2]]): 2,
            lambda: client.get(f"parents/{dice.choice(known)['externalId']}"): 3,
            lambda: client.get("parents?limit=50"): 1,
            lambda: client.request("POST", "/api/parents", {**known[0], "name": None}, also=(422,)): 1,
            lambda: client.post("sync", documents.families(1, currency)): 1,
        }
        client.post("parents", known)
        while time.monotonic() < deadline:
            tally.timed(*dice.choices(list(kinds), list(kinds.values())))

    return work
