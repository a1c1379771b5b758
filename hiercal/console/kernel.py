"""What a check of a kernel prints."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from hiercal import words
from hiercal.console._table import console, table_of

if TYPE_CHECKING:
    from hiercal.kernel_check import KernelCheck

MOST = 5
"""Quantities that are shown, the clearest first."""

EVERY = 10.0
"""Seconds between two lines of a log."""


@contextmanager
def kernel_progress() -> Generator[Callable[[KernelCheck], None]]:
    """Say after each look how a check gets on: in place on a terminal, in lines elsewhere."""
    if sys.stderr.isatty():
        with Console(stderr=True).status("compiling the kernel") as status:
            yield lambda found: status.update(Text(so_far(found)))
        return
    said = time.monotonic()

    def line(found: KernelCheck) -> None:
        nonlocal said
        if time.monotonic() - said >= EVERY:
            said = time.monotonic()
            print(so_far(found), file=sys.stderr, flush=True)

    yield line


def so_far(found: KernelCheck) -> str:
    """What was spent, and the evidence beside what it takes."""
    return (
        f"{words.count(found.simulations, 'simulation')}, "
        f"{words.count(found.gradients, 'gradient')}, evidence {found.log_e:.1f} of "
        f"{math.log(1 / found.alpha):.1f}"
    )


def show_kernel(found: KernelCheck) -> None:
    """Print the verdict, the evidence, what was spent, and the smallest error that shows."""
    out = console()
    verdict = Text("wrong", "bold red") if found.rejected else Text("no evidence", "green")
    out.print(Text.assemble(f"{found.kernel} on {found.story}: ", verdict))
    shown = table_of(None, "quantity", "log e", "", numeric=True)
    for name, log_e in sorted(found.evidence.items(), key=lambda item: -item[1])[:MOST]:
        shown.add_row(Text(name), f"{log_e:.1f}", "found" if name in found.named else "")
    out.print(shown)
    for line in lines(found):
        out.print(Text(line))


def lines(found: KernelCheck) -> list[str]:
    """What is to be said below the table, a sentence each."""
    said = [
        f"Evidence {found.log_e:.1f}, rejected from {math.log(1 / found.alpha):.1f}: at most "
        f"{found.alpha:g} of right kernels are, however often one looks. A single quantity is "
        f"named from {found.threshold:.1f}.",
        f"{words.count(found.simulations, 'simulation')}, "
        f"{words.count(found.transitions, 'transition')}, "
        f"{words.count(found.gradients, 'gradient')} in {found.seconds:.0f} s.",
    ]
    if found.undefined:
        said.append(f"{words.count(found.undefined, 'state')} had no finite log density or value.")
    if not found.rejected:
        shift, scale = found.smallest
        of = "posterior sd" if found.reversible else "sd given a prediction from the data"
        said.append(
            f"Half of such checks find a quantity shifted by {shift:.2f} {of}, or with an sd "
            f"{scale:.2f} times too large or small. Adaptation and mixing are not checked."
        )
    return said
