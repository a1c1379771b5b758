"""What ``hiercal list`` prints: the catalogue, and what each story has."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path
from typing import Any

from rich.text import Text

from hiercal import catalogue, story_table
from hiercal.console._table import console, table_of

TICKS = {True: "✓", False: "✗"}


def show_catalogue(kinds: list[str]) -> None:
    """Names, what they are, their options and defaults."""
    out = console()
    classes = {
        "stories": catalogue.story_class,
        "fitters": catalogue.fitter_class,
        "studies": catalogue.study_class,
        "kernels": catalogue.kernel_class,
    }
    for kind in kinds:
        table = table_of(kind.capitalize(), "name", "what it is", "options and defaults")
        for name in catalogue.names(kind):
            cls: Any = classes[kind](name)
            about = inspect.getdoc(inspect.getmodule(cls))
            options = "\n".join(f"{f.name} = {f.default!r}" for f in dataclasses.fields(cls))
            if kind == "stories":
                options += f"\nmodels: {', '.join(cls.models)}"
            if kind == "studies" and cls.claims:
                options += f"\nclaims: {', '.join(claim.id for claim in cls.claims)}"
            table.add_row(
                Text(name, "bold"), Text((about or "").partition("\n\n")[0]), Text(options)
            )
        out.print(table)


def show_story_table(names: list[str], results: Path) -> None:
    """Print what each story has, after trying all of it."""
    out = console()
    with out.status("") as status:
        rows = story_table.rows(names, results, lambda name: status.update(Text(name)))
    models = list(dict.fromkeys(model for row in rows for model in row.models))
    libraries = ("pymc", "numpyro")
    codings = [model.replace("_", "\n").replace("noncentred", "non-\ncentred") for model in models]
    arms = [f"SBC\n{arm.partition('-')[0]}" for arm in story_table.CALIBRATED]
    shown = table_of(None, "story", "simulates", *codings, "exact", *arms)
    for row in rows:
        ticks = [
            " ".join(TICKS[row.agrees(model, library)] for library in libraries)
            if model in row.models
            else "-"
            for model in models
        ]
        exact = f"{sum(row.exact.values())} of {len(row.exact)}"
        verdicts = [
            {"calibrated": TICKS[True], "miscalibrated": TICKS[False]}.get(v, v)
            for v in row.verdicts.values()
        ]
        shown.add_row(row.story, TICKS[row.simulates], *ticks, exact, *verdicts)
    out.print(shown)
    out.print(
        "Under a model: PyMC, NumPyro; a tick where the log density is that of the NumPy coding "
        f"at 12 points drawn from the prior, to {story_table.TOLERANCE:g}. exact: how many of the "
        "models have an exact posterior.\n"
        f"SBC, non-centred and exact: a tick where every quantity is calibrated in {results}, with "
        f"{story_table.ENOUGH} simulations or more; made by hiercal run examples/stories.toml."
    )
