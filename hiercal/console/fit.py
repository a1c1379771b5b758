"""One fit of real data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from rich.text import Text

from hiercal.console._table import console, table_of

if TYPE_CHECKING:
    from hiercal.real_data import Fitted

LOG_LIK = "log_lik"
TAILS = (0.055, 0.945)
MOST_SHOWN = 50
"""Elements of a parameter that are shown, unless all are asked for."""


def show_fit(fitted: Fitted, *, every: bool = False, log_lik: bool = False) -> None:
    """Print a posterior beside the exact one.

    Parameters
    ----------
    every : bool
        Show all elements of each parameter, not only the first 50.
    log_lik : bool
        Compute the exact interval of the log likelihood, which is dear where groups are many.
    """
    from hiercal.sbc import efficiency

    out = console()
    fit, exact = fitted.fit, fitted.exact
    n_chains, n_draws = next(iter(fit.draws.values())).shape[:2]
    total = n_chains * n_draws
    out.print(Text("\n").append(fitted.label, "bold"), f": {n_chains} x {n_draws} draws", sep="")
    if fit.stats:
        out.print(
            f"{fit.divergences} of {total} draws diverged; "
            f"{fit.stats['n_steps'].mean():.1f} leapfrog steps a draw"
        )
    columns = ["", "mean", "mcse", "sd", "89 %", "ESS bulk", "tail", "R-hat"]
    if exact is not None:
        columns += ["exact mean", "sd", "89 %", "z"]
    table = table_of(None, *columns, numeric=True)
    left_out = {} if every else _left_out(fitted)
    hidden = {label for labels in left_out.values() for label in labels}
    names = [name for name in fitted.quantities if name not in hidden]
    draws = np.stack([fitted.quantities[name] for name in names], axis=-1)
    diagnostics = efficiency.diagnostics(draws)
    infinite: list[str] = []
    for q, name in enumerate(names):
        pooled = draws[..., q].ravel()
        mean, sd = pooled.mean(), pooled.std(ddof=1)
        mcse = sd / np.sqrt(diagnostics["ess_mean"][q])
        row = [
            name,
            f"{mean:.3f}",
            f"{mcse:.3f}",
            f"{sd:.3f}",
            _interval(np.quantile(pooled, TAILS)),
            f"{diagnostics['ess_bulk'][q]:.0f}",
            f"{diagnostics['ess_tail'][q]:.0f}",
            f"{diagnostics['r_hat'][q]:.3f}",
        ]
        if exact is not None and name in exact.names:
            of_name = exact.mean(name), exact.sd(name), (mean - exact.mean(name)) / mcse
            shown = zip(of_name, (".3f", ".3f", "+.1f"), strict=True)
            exact_mean, exact_sd, z = (f"{x:{f}}" if np.isfinite(x) else "–" for x, f in shown)
            dear = name == LOG_LIK and not log_lik
            row += [exact_mean, exact_sd, "" if dear else _interval(exact.quantile(name, TAILS)), z]
            infinite += [name] * (exact_mean == "–")
        table.add_row(*row)
    out.print(table)
    for name, labels in left_out.items():
        out.print(
            f"{name}: {len(labels):,} elements are not shown; --all shows them.", markup=False
        )
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
        if LOG_LIK in exact.names and not log_lik:
            out.print("--log-lik computes the exact interval of log_lik too.")
    if fitted.no_exact:
        out.print(f"No exact posterior of these data: {fitted.no_exact}.", markup=False)


def _left_out(fitted: Fitted) -> dict[str, list[str]]:
    """Elements of each parameter beyond the first few."""
    labels = {name: fitted.story.labels(name) for name in fitted.fit.draws}
    return {name: each[MOST_SHOWN:] for name, each in labels.items() if len(each) > MOST_SHOWN}


def _interval(ends: np.ndarray) -> str:
    return f"[{ends[0]:.2f}, {ends[1]:.2f}]"
