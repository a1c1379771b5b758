"""The chapter's comparison as a page of text and a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from hiercal.words import LIBRARIES, markdown

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from hiercal.studies.chapter.examples import Example

ROW, TITLE, TOP, BOTTOM = 0.19, 0.3, 0.3, 0.42
"""Inches of a row of the figure, a panel's title, and the margins."""
NARROW_ROW = 0.12
"""Inches of a row where the figure is a column of a paper."""
SOURCE = (
    "The textbook is known by one section: *Section 5.8 Hierarchical Models and Partial Pooling*, "
    "the last of a chapter on Bayesian inference. What is at hand of it names neither the book nor "
    "its author. L is a line of that section."
)


def report(tables: Mapping[str, pd.DataFrame], examples: Sequence[Example]) -> str:
    """The tables in Markdown, with what they say of each example."""
    comparison = tables["comparison"]
    counted = comparison[comparison["counted"].to_numpy(bool)]
    differ = int((counted["verdict"] == "differs").sum())
    parts = [
        "# The textbook's printed numbers, measured and exact\n",
        f"{SOURCE}\n",
        f"Of {len(counted)} distinct printed numbers {differ} are not those of the model that is "
        "stated. Each is counted once, on the data that are printed with it; the survey's and the "
        "hospitals' are compared a second time with the counts that the chapter's code draws.\n",
        "Written by `hiercal run chapter`. `exact` is the posterior of the stated model by "
        "quadrature (highest-density intervals: 40,000 independent exact draws). NumPyro and PyMC "
        "are fits with the chapter's settings, their distance from exact in Monte Carlo standard "
        "errors in brackets. `z` is that distance for the printed number: beyond 4 a run of the "
        "stated model that went well does not print it (a false alarm in 16,000 numbers). "
        "Intervals are 89 %; `saved` is how much narrower an "
        "interval is than without pooling.\n",
        _data_section(tables["data"]),
    ]
    for example in examples:
        rows = comparison[(comparison["example"] == example.name).to_numpy()]
        parts.append(f"## {markdown(example.title)}\n")
        parts.append(_findings(example, rows, tables))
        parts.append(_comparison(rows))
    parts.append(_by_hand(tables))
    parts.append("## Divergences\n")
    parts.append(_sampling(tables["sampling"]))
    return "\n".join(parts)


def _data_section(data: pd.DataFrame) -> str:
    lines = ["## Data\n"]
    for example in data["example"].unique():
        rows = data[(data["example"] == example).to_numpy()]
        seed = rows["seed"].iloc[0]
        same = int((rows["printed"] == rows["drawn"]).sum())
        lines.append(
            f"- **{markdown(example)}**: of {len(rows)} printed counts {same} are those "
            f"that the chapter's "
            f"code draws with its seed {seed}"
            + (". " if same == len(rows) else ": the printed data are not the code's. ")
            + f"Printed: {_list(rows['printed'])}; drawn: {_list(rows['drawn'])}."
        )
    return "\n".join(lines) + "\n"


def _list(values: pd.Series) -> str:
    return " ".join(str(v) for v in values)


def _findings(example: Example, rows: pd.DataFrame, tables: Mapping[str, pd.DataFrame]) -> str:
    differs = rows[(rows["verdict"] == "differs").to_numpy()]
    lines = [f"{len(differs)} of {len(rows)} printed numbers differ from the stated model's."]
    if len(differs):
        worst = differs.loc[differs["z"].abs().idxmax()]
        lines.append(
            f"The farthest: {worst['statistic']} of {markdown(worst['quantity'])}, printed "
            f"{_number(worst['printed'])}, exact {_number(worst['exact'])} (z {worst['z']:+.0f})."
        )
    measured = rows[[f"{library}_z" for library in _libraries(rows)]].abs().to_numpy()
    lines.append(f"Our own fits stay within {measured.max():.1f} standard errors of exact.")
    hypotheses = tables["hypotheses"]
    own = hypotheses[(hypotheses["example"] == example.name).to_numpy()]
    for row in own.to_dict("records"):
        lines.append(
            f"Under {markdown(row['hypothesis'])}{' (as stated)' if row['stated'] else ''} the "
            f"printed means "
            f"lie {row['rms']:.2f} posterior sd (root mean square) from the exact ones, whose "
            f"{markdown(row['scale'])} is {_number(row['scale_mean'])}."
        )
    return "\n".join(lines) + "\n"


def _comparison(rows: pd.DataFrame) -> str:
    titles = [*_libraries(rows).values()]
    lines = [
        f"| quantity | statistic | printed | exact | {' | '.join(titles)} | z | verdict |",
        "|---|---|" + "---:|" * (3 + len(titles)) + "---|",
    ]
    for row in rows.to_dict("records"):
        fits = " | ".join(
            f"{_number(row[library])} ({row[f'{library}_z']:+.1f})" for library in _libraries(rows)
        )
        lines.append(
            f"| {markdown(row['quantity'])} | {row['statistic']} | {_number(row['printed'])} | "
            f"{_number(row['exact'])} | {fits} | {row['z']:+.1f} | {row['verdict']} |"
        )
    return "\n".join(lines) + "\n"


def _by_hand(tables: Mapping[str, pd.DataFrame]) -> str:
    """What the chapter computes by hand, where it is not what it should be."""
    arithmetic, widths = tables["arithmetic"], tables["separate_widths"]
    wrong = arithmetic[(arithmetic["off"] > 0.5).to_numpy()]
    lines = [
        "## Computed by hand\n",
        f"Of {len(arithmetic)} shrinkage weights and estimates at mu = 8, tau = 6 "
        f"{len(arithmetic) - len(wrong)} are the formula's to the digits printed"
        + "".join(
            f"; {row['what']} {row['school']} is printed {row['printed']:g}, by the formula "
            f"{row['exact']:.3f}"
            for row in wrong.to_dict("records")
        )
        + ".\n",
        "Standard deviations of replicated school effects. `implied` is sqrt(sd^2 + sigma^2) with "
        "the posterior sd that is printed for the same draws: the chapter's two tables contradict "
        "each other where its z is beyond 4. The sd of school E itself is printed 6.20 (L159) and "
        "5.7 (L673).\n",
        "| school | sigma | printed | exact | z | implied | z |",
        "|---|---:|---:|---:|---:|---:|---:|",
        *(
            f"| {row['school']} | {row['sigma']:g} | {row['printed']:g} | {row['exact']:.2f} | "
            f"{row['z']:+.1f} | {row['implied']:.2f} | {row['z_implied']:+.1f} |"
            for row in tables["replicated"].to_dict("records")
        ),
        "",
        "Widths without pooling of the survey's smallest region, as printed and of the stated "
        "Beta(1 + count, 3 + n - count):\n",
        "| category | count | printed | exact | z |",
        "|---|---:|---:|---:|---:|",
        *(
            f"| {row['category']} | {row['count']} of {row['n']} | {row['printed']:.3f} | "
            f"{row['exact']:.3f} | {row['z']:+.1f} |"
            for row in widths.to_dict("records")
        ),
    ]
    return "\n".join(lines) + "\n"


def _sampling(table: pd.DataFrame) -> str:
    lines = [
        "`z` is the mean's distance from exact in Monte Carlo standard errors.\n",
        "| example | fit | divergences | scale | ESS bulk | mean (MCSE) | exact | z |",
        "|---|---|---:|---|---:|---:|---:|---:|",
    ]
    for row in table.to_dict("records"):
        z = (row["mean"] - row["exact"]) / row["mcse"]
        lines.append(
            f"| {markdown(row['example'])} | {LIBRARIES[row['library']]}, "
            f"{markdown(row['model'])} | {row['divergences']} | {markdown(row['scale'])} | "
            f"{row['ess_bulk']:.0f} | "
            f"{_number(row['mean'])} ({_number(row['mcse'])}) | {_number(row['exact'])} | "
            f"{z:+.1f} |"
        )
    return "\n".join(lines) + "\n"


def _libraries(comparison: pd.DataFrame) -> dict[str, str]:
    """The libraries that were run, and their names."""
    return {key: name for key, name in LIBRARIES.items() if key in comparison}


def _number(x: float) -> str:
    return f"{x:.3f}" if abs(x) < 1 else f"{x:.2f}"


def figure(comparison: pd.DataFrame, examples: Sequence[Example]) -> Figure:
    """How far printed and measured numbers lie from the exact ones, a panel per example."""
    from matplotlib.figure import Figure

    from hiercal.plots import quantity_label
    from hiercal.plots._form import width_of
    from hiercal.plots._style import (
        BAND,
        DOUBLE,
        OUTSIDE,
        SINGLE,
        SMALL_SIZE,
        TEXT_SIZE,
        arm_styles,
        plain,
        style,
    )

    styles = arm_styles(tuple(LIBRARIES))
    n_rows = [comparison[comparison["example"] == e.name]["quantity"].nunique() for e in examples]
    width = width_of(DOUBLE)
    bottom = BOTTOM + (TEXT_SIZE * 1.2 / 72 if width == SINGLE else 0)
    inches = [(ROW if width > SINGLE else NARROW_ROW) * n for n in n_rows]
    right = sum(inches[1:]) + TITLE * (len(examples) - 1)
    with style():
        if width > SINGLE:
            height, above = TOP + BOTTOM + max(right, inches[0] + TITLE), TOP
            made = Figure(figsize=(width, height))
            first = (0.075, BOTTOM / height, 0.39, 1 - (BOTTOM + TOP + TITLE) / height)
            axes, left, across = [made.add_axes(first)], 0.585, 0.39
        else:
            height, above = TOP + bottom + inches[0] + TITLE + right, TOP
            made = Figure(figsize=(width, height))
            axes, left, across = [], 0.15, 0.81
        for own in inches[len(axes) :]:
            above += TITLE + own
            axes.append(made.add_axes((left, 1 - above / height, across, own / height)))
        for ax, example in zip(axes, examples, strict=True):
            rows = comparison[(comparison["example"] == example.name).to_numpy()]
            quantities = list(dict.fromkeys(rows["quantity"]))
            place = rows["quantity"].map({q: i for i, q in enumerate(quantities)}).to_numpy()
            ax.axvspan(-4, 4, color=BAND, alpha=0.25, lw=0)
            ax.axvline(0, color=BAND, lw=0.6)
            for k, (library, label) in enumerate(_libraries(rows).items()):
                shown = styles[library]
                ax.plot(
                    rows[f"{library}_z"],
                    place + 0.22 * (2 * k - 1),
                    linestyle="none",
                    marker=shown.marker,
                    color=shown.colour,
                    markeredgewidth=0.3,
                    markeredgecolor="white",
                    label=label,
                )
            ax.plot(rows["z"], place, "x", color=OUTSIDE, markersize=4.5, mew=1.1, label="printed")
            ax.set_xscale("symlog", linthresh=4, linscale=1)
            ax.set_xlim(-1200, 1200)
            ax.set_xticks([-1000, -100, -10, 0, 10, 100, 1000])
            ax.set_xticklabels(["−1000", "−100", "−10", "0", "10", "100", "1000"])
            ax.set_xticks([-4, 4], minor=True)
            ax.set_yticks(range(len(quantities)), [quantity_label(q) for q in quantities])
            ax.set_ylim(len(quantities) - 0.4, -0.6)
            ax.set_title(plain(example.title), loc="left")
            ax.tick_params(axis="y", length=0, labelsize=SMALL_SIZE)
            if ax is not axes[-1] and (ax is not axes[0] or width == SINGLE):
                ax.tick_params(axis="x", which="both", labelbottom=False)
        made.text(
            0.5,
            0.08 / height,
            "distance from the exact posterior,"
            + ("\n" if width == SINGLE else " ")
            + "in Monte Carlo standard errors",
            ha="center",
        )
        handles, labels = axes[0].get_legend_handles_labels()
        made.legend(handles, labels, loc="upper center", ncols=len(labels))
    return made


def plug_in_figure(table: pd.DataFrame) -> Figure:
    """How much farther from mu each school's posterior mean lies than the formula would have it."""
    from hiercal.plots import sweep

    shown = table[(table["plug_in"] > 0).to_numpy()]
    schools = list(dict.fromkeys(shown["school"]))
    return sweep(
        shown.assign(x=shown["school"].map({s: i for i, s in enumerate(schools)})),
        x="x",
        y="points",
        series="place",
        xlabel="school",
        ylabel="points farther from mu\nthan by the plug-in formula",
        xscale="category",
        categories=schools,
        reference=0.0,
        note="Above 0 the posterior shrinks less than the formula.",
    )
