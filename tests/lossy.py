"""Fits that never come back, each in its own way."""

import os
import re
import signal
import time
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from mocks import Known


@dataclass(frozen=True, kw_only=True)
class Lossy(Known):
    """Where ``u`` of the data is above ``1 - share``, a fit is lost by its ``fault``.

    ``sleeps`` for ever; ``holds`` Python's lock for ever in compiled code; ``eats`` 960 MB;
    ``dies`` by a signal, as of the system; ``exits``; ``compiles`` exits before the first fit. With
    ``once``, a path, only where no such file is there, which it makes.
    """

    fault: str = "sleeps"
    share: float = 1.0
    once: str = ""

    name: ClassVar = "lossy"

    def prepare(self, story):
        if self.fault == "compiles":
            os._exit(3)
        return super().prepare(story)

    def _refit(self, data, seed):
        if data["u"] > 1 - self.share and not (self.once and os.path.exists(self.once)):
            if self.once:
                open(self.once, "w").close()
            getattr(self, f"_{self.fault}")()
        return super()._refit(data, seed)

    def _sleeps(self):
        while True:
            time.sleep(1)

    def _holds(self):
        re.match(r"(a+)+$", "a" * 64 + "b")

    def _eats(self):
        held = [np.ones(20_000_000) for _ in range(6)]
        while held:
            time.sleep(1)

    def _dies(self):
        os.kill(os.getpid(), signal.SIGKILL)

    def _exits(self):
        os._exit(17)
