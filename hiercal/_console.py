"""What the command line prints."""

from __future__ import annotations

import dataclasses
import inspect
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd

    from hiercal._real_data import Fitted
    from hiercal.studies import Result

STYLES = {"calibrated": "green", "miscalibrated": "bold red", "inconclusive": "yellow"}
CLAIM_STYLES = {"confirmed": "green", "refuted": "bold red", "undecided": "yellow"}
TICKS = {True: "✓", False: "✗"}
TAILS = (0.055, 0.945)
WIDTHS = {"arm": 31, "verdict": 13}
"""Columns that are never cut, and how wide they are at least."""
SEVERITY = ("miscalibrated", "inconclusive", "calibrated")


def console() -> Console:
    """Standard output, wide enough for the tables where it is not a terminal."""
    plain = Console(highlight=False)
    return plain if plain.is_terminal else Console(highlight=False, width=118)


def show_catalogue(kinds: list[str]) -> None:
    """Names, what they are, their options and defaults."""
    from hiercal import catalogue

    out = console()
    classes = {
        "stories": catalogue.story_class,
        "fitters": catalogue.fitter_class,
        "studies": catalogue.experiment_class,
    }
    for kind in kinds:
        table = _table(kind.capitalize(), "name", "what it is", "options and defaults")
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
    from hiercal import _story_table as table

    out = console()
    with out.status("") as status:
        rows = table.rows(names, results, status.update)
    models = list(dict.fromkeys(model for row in rows for model in row.models))
    libraries = ("pymc", "numpyro")
    codings = [model.replace("_", "\n").replace("noncentred", "non-\ncentred") for model in models]
    arms = [f"SBC\n{arm.partition('-')[0]}" for arm in table.CALIBRATED]
    shown = _table(None, "story", "simulates", *codings, "exact", *arms)
    for row in rows:
        found = [
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
        shown.add_row(row.story, TICKS[row.simulates], *found, exact, *verdicts)
    out.print(shown)
    out.print(
        "Under a model: PyMC, NumPyro; a tick where the log density is that of the NumPy coding "
        f"at 12 points drawn from the prior, to {table.TOLERANCE:g}. exact: how many of the models "
        "have an exact posterior.\n"
        f"SBC, non-centred and exact: a tick where every quantity is calibrated in {results}, with "
        f"{table.ENOUGH} simulations or more; made by hiercal run examples/stories.toml."
    )


def show_result(result: Result, every: bool = False) -> bool:
    """Print a run's verdicts; return whether any arm is miscalibrated."""
    import pandas as pd

    out = console()
    path = result.folder / "verdicts.csv"
    if not path.exists():
        raise FileNotFoundError(
            f"{path} is not there; the run has not ended: run the same command again to go on"
        )
    verdicts = pd.read_csv(path)
    manifest = result.manifest
    out.print(
        f"\n[bold]{manifest['name']}[/bold]: {manifest['simulations']} simulations, seed "
        f"{manifest['seed']}, {len(manifest['arms'])} arms"
    )
    if not manifest["complete"]:
        out.print(
            "[yellow]This run has not ended; below are the verdicts of the last one that did. "
            "The same command goes on.[/yellow]"
        )
    out.print(_arm_table(result, verdicts))
    seen = verdicts if every else verdicts[verdicts["verdict"] != "calibrated"]
    if len(seen):
        out.print(
            _quantity_table(seen, "Every quantity" if every else "Not calibrated, by quantity")
        )
    bias = result.folder / "bias.csv"
    if bias.exists():
        table = pd.read_csv(bias)
        for role in manifest["roles"].values():
            own = table[table["arm"].isin(role["arms"])]
            if len(own):
                out.print(_bias_table(own))
    family = len(verdicts)
    not_made = result.folder / "not_made.csv"
    if not_made.exists():
        for row in pd.read_csv(not_made).to_dict("records"):
            out.print(f"{row['name']} could not be made: {row['why']}", markup=False)
    for sentence in manifest.get("unseen", ()):
        out.print(sentence, markup=False)
    out.print(
        f"Family-wise level 5 % over {family} quantities of all arms (Holm). 'calibrated' is no "
        "evidence against: errors smaller than the detectable ones may be there.\n"
        f"All numbers and figures: {result.folder}"
    )
    return bool((verdicts["verdict"] == "miscalibrated").any())


def show_tables(tables: Mapping[str, pd.DataFrame], folder: Path) -> bool:
    """Print what a named study found; return whether any of its claims is refuted."""
    out = console()
    claims = tables.get("claims")
    if claims is not None:
        out.print(_claim_table(claims))
    out.print("Tables: " + ", ".join(f"{n}.csv ({len(t)} rows)" for n, t in tables.items()))
    out.print(f"All tables and figures: {folder}")
    return claims is not None and bool((claims["verdict"] == "refuted").any())


def show_claims(claims: pd.DataFrame) -> None:
    """Print the claims ledger."""
    console().print(_claim_table(claims))


def _claim_table(claims: pd.DataFrame) -> Table:
    table = _table("Claims", "", "claim", "verdict", "effect (se)", "bound", "of")
    for row in claims.to_dict("records"):
        table.add_row(
            row["claim"],
            row["says"],
            Text(row["verdict"], CLAIM_STYLES[row["verdict"]]),
            f"{row['effect']:.3g} ({row['se']:.2g})" if row["se"] else f"{row['effect']:.4g}",
            f"{row['bound']:.3g}",
            row["measure"],
        )
    return table


def show_fit(fitted: Fitted) -> None:
    """Print a posterior beside the exact one."""
    from hiercal.sbc import efficiency

    out = console()
    fit, exact = fitted.fit, fitted.exact
    n_chains, n_draws = next(iter(fit.draws.values())).shape[:2]
    total = n_chains * n_draws
    out.print(f"\n[bold]{fitted.label}[/bold]: {n_chains} x {n_draws} draws")
    if fit.stats:
        out.print(
            f"{fit.divergences} of {total} draws diverged; "
            f"{fit.stats['n_steps'].mean():.1f} leapfrog steps a draw"
        )
    columns = ["", "mean", "mcse", "sd", "89 %", "ESS bulk", "tail", "R-hat"]
    if exact is not None:
        columns += ["exact mean", "sd", "89 %", "z"]
    table = _table(None, *columns, numeric=True)
    draws = np.stack(list(fitted.quantities.values()), axis=-1)
    found = efficiency.diagnostics(draws)
    infinite: list[str] = []
    for q, name in enumerate(fitted.quantities):
        pooled = draws[..., q].ravel()
        mean, sd = pooled.mean(), pooled.std(ddof=1)
        mcse = sd / np.sqrt(found["ess_mean"][q])
        row = [
            name,
            f"{mean:.3f}",
            f"{mcse:.3f}",
            f"{sd:.3f}",
            _interval(np.quantile(pooled, TAILS)),
            f"{found['ess_bulk'][q]:.0f}",
            f"{found['ess_tail'][q]:.0f}",
            f"{found['r_hat'][q]:.3f}",
        ]
        if exact is not None and name in exact.names:
            of_name = exact.mean(name), exact.sd(name), (mean - exact.mean(name)) / mcse
            shown = zip(of_name, (".3f", ".3f", "+.1f"), strict=True)
            exact_mean, exact_sd, z = (f"{x:{f}}" if np.isfinite(x) else "–" for x, f in shown)
            row += [exact_mean, exact_sd, _interval(exact.quantile(name, TAILS)), z]
            infinite += [name] * (exact_mean == "–")
        table.add_row(*row)
    out.print(table)
    if infinite:
        out.print(
            f"–: {', '.join(infinite)} has no finite exact mean, so that of the draws means "
            "nothing; compare the 89 % intervals.",
            markup=False,
        )
    if exact is not None:
        out.print(
            "z: mean minus exact mean, in Monte Carlo standard errors (mcse); beyond 3 is a bias."
        )


def _interval(ends: np.ndarray) -> str:
    return f"[{ends[0]:.2f}, {ends[1]:.2f}]"


def _arm_table(result: Result, verdicts: pd.DataFrame) -> Table:
    import pandas as pd

    table = _table(
        "Verdicts",
        "arm",
        "verdict",
        "worst",
        "p (Holm)",
        "fits",
        "failed",
        "diverged",
        "ESS < L",
        "detects shift, scale of",
        numeric=True,
    )
    path = result.folder / "fits.parquet"
    fits = pd.read_parquet(path, columns=["arm", "error", "divergences"]) if path.exists() else None
    for arm, rows in verdicts.groupby("arm", sort=False):
        worst = rows.loc[rows["p_holm"].idxmin()] if rows["p_holm"].notna().any() else rows.iloc[0]
        verdict = min(rows["verdict"], key=SEVERITY.index)
        diverged = "-"
        if fits is not None:
            own = fits[(fits["arm"] == arm).to_numpy()]
            diverged = f"{(own['divergences'] > 0).mean():.0%}"
        table.add_row(
            str(arm),
            Text(verdict, STYLES[verdict]),
            worst["quantity"],
            f"{worst['p_holm']:.2g}",
            str(worst["n"] + worst["n_failed"]),
            str(worst["n_failed"]),
            diverged,
            f"{rows['low_ess'].max():.0%}",
            f"{rows['detectable_shift'].max():.2f} sd, x{rows['detectable_scale'].max():.2f}",
        )
    return table


def _quantity_table(verdicts: pd.DataFrame, title: str) -> Table:
    table = _table(title, "arm", "quantity", "verdict", "p ECDF", "p smooth", "p (Holm)", "why")
    for row in verdicts.to_dict("records"):
        table.add_row(
            row["arm"],
            row["quantity"],
            Text(row["verdict"], STYLES[row["verdict"]]),
            *(f"{row[p]:.2g}" for p in ("p_ecdf", "p_smooth", "p_holm")),
            row["reason"],
        )
    return table


def _bias_table(bias: pd.DataFrame) -> Table:
    name = bias["quantity"].iloc[0]
    table = _table(
        f"Posterior mean of {name} minus the exact one, by the true {name} (standard error)", "arm"
    )
    ranges = list(dict.fromkeys(zip(bias["truth_from"], bias["truth_to"], strict=True)))
    for i, (low, high) in enumerate(ranges):
        table.add_column("all" if i == 0 else f"{low:.2g} to {high:.2g}", justify="right")
    least = bias["se"][bias["se"] > 0].min()
    digits = 3 if np.isnan(least) else max(3, 1 - int(np.floor(np.log10(least))))
    for arm, rows in bias.groupby("arm", sort=False):
        table.add_row(
            str(arm),
            *(
                f"{b:+.{digits}f} ({s:.{digits}f})"
                for b, s in zip(rows["bias"], rows["se"], strict=True)
            ),
        )
    return table


def _table(title: str | None, *columns: str, numeric: bool = False) -> Table:
    from rich.box import SIMPLE_HEAD

    table = Table(
        title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False
    )
    table.padding = (0, 1, 0, 0)
    for i, column in enumerate(columns):
        words = column in ("", "arm", "verdict", "worst", "quantity", "why", "name")
        table.add_column(
            column,
            justify="left" if i == 0 or words or not numeric else "right",
            no_wrap=column in WIDTHS,
            min_width=WIDTHS.get(column),
        )
    return table
