"""How much of the time that Odoo gives to one request is used up."""

import time

from odoo.tools import config

#: the share of it that documents may use; the rest is for the answer, the log and the commit
USABLE = 0.5
_LIMITS = (("limit_time_real", time.monotonic), ("limit_time_cpu", time.thread_time))


class Budget:
    """The time of one request, from when this is made, against Odoo's own limits, after which it ends the worker.

    Odoo enforces them where it runs several workers; here they count wherever they are set.
    """

    def __init__(self):
        self._started = {name: clock() for name, clock in _LIMITS}

    def used(self) -> float:
        """Return the share that is used of the limit that is nearer: 1 is the end, 0 that there is no limit."""
        return max((clock() - self._started[name]) / config[name] if config[name] else 0.0 for name, clock in _LIMITS)

    def is_spent(self) -> bool:
        return self.used() >= USABLE
