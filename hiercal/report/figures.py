"""Figures for papers, of a finished run or study: a column wide, with captions beside them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiercal.report.latex import mixed_in_latex
from hiercal.report.of_study import is_study, origin, study_figures
from hiercal.runs.result import Result
from hiercal.tables.figures import figure_makers, paged

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLES = ("paper", "screen")
SHOWS = {
    "ranks": "Rank histograms.",
    "ecdf": "Empirical distribution of the ranks minus the uniform one.",
    "coverage": "Coverage of central posterior intervals against their nominal level.",
    "coverage_difference": "Coverage of central posterior intervals minus their nominal level.",
    "recovery": "Posterior means against true values.",
    "zscore_contraction": "Posterior z-score against posterior contraction.",
    "evidence": "Evidence against each arm over simulations.",
    "forest": "Estimates of all groups of one data set.",
    "shrinkage": "Estimates of the groups of one data set, arm by arm.",
    "bias": "Bias of the between-group scale by the true value.",
    "strata": "Mean ranks of the between-group scale within strata of the simulations.",
    "funnel": "Draws of the between-group scale and of one group effect.",
    "group_ranks": "Pooled ranks of all group effects.",
}
"""The first sentence of a caption; the figure's own note follows."""


@dataclass(frozen=True)
class PaperFigure:
    """A figure, and what its caption says.

    Attributes
    ----------
    name : str
        Of the figure among those of the run.
    figure : Figure
    caption : str
        What it shows, of how many simulations, which bands, with which seed.
    label : str
        What LaTeX refers to: ``fig:``, the name of the folder that it is of, and its own.
    """

    name: str
    figure: Figure
    caption: str
    label: str

    def latex(self, file: str) -> str:
        """A LaTeX figure of a file, with caption and label; of two columns a ``figure*``."""
        from hiercal.plots._form import WIDTHS

        star = "*" if self.figure.get_figwidth() > WIDTHS[1] else ""
        return (
            f"\\begin{{figure{star}}}[tbp]\n\\centering\n"
            f"\\includegraphics{{{file}}}\n"
            f"\\caption{{{mixed_in_latex(self.caption)}}}\n"
            f"\\label{{{self.label}}}\n\\end{{figure{star}}}\n"
        )


def paper_figures(
    folder: str | os.PathLike[str],
    *,
    style: str = "paper",
    columns: int | None = None,
    only: Sequence[str] = (),
    arms: Sequence[str] = (),
    quantities: Sequence[str] = (),
) -> list[PaperFigure]:
    """The figures of a finished run or study, drawn anew.

    Parameters
    ----------
    folder : path
        Of a run or study.
    style : {"paper", "screen"}
        Without the note below, which a caption has in a paper, or with it.
    columns : {1, 2}, optional
        How many columns of a page they span, 3.4 or 7.0 inches; by default what suits each.
    only : sequence of str
        Names of figures, such as ``"ecdf"``; by default all. Of a run of several stories, it is
        that figure of each.
    arms, quantities : sequence of str
        Show these alone, in this order. An arm looks the same whichever others are shown. A study's
        figures have no such choice.

    Returns
    -------
    list of PaperFigure
        A figure with more than a page holds comes in pages, as ``ecdf-1`` and ``ecdf-2``.

    Raises
    ------
    FileNotFoundError
        If the folder is neither's, or what was run there has not ended.
    JournalError
        If a table is not what was written.
    ValueError
        If a name, style or number of columns is unknown, or a figure cannot be read however it is
        divided.
    """
    from hiercal import plots

    if style not in STYLES:
        raise ValueError(f"style is {style!r}; give {' or '.join(STYLES)}")
    folder = Path(folder)
    with plots.form(columns, notes=style == "screen"):
        if is_study(folder):
            return _of_study(folder, only, [*arms, *quantities])
        return _of_run(folder, only, arms, quantities)


def _of_run(
    folder: Path, only: Sequence[str], arms: Sequence[str], quantities: Sequence[str]
) -> list[PaperFigure]:
    result = Result(folder)
    makers = figure_makers(result, arms, quantities)
    seed = f"Seed {result.manifest['seed']}."
    return [
        PaperFigure(
            page,
            figure,
            f"{SHOWS[name.partition('-')[0]]} {figure.get_label()} {seed}",
            _label(folder, page),
        )
        for name in _chosen(makers, only)
        for page, figure in paged(name, makers[name].pages())
    ]


def _of_study(folder: Path, only: Sequence[str], rows: Sequence[str]) -> list[PaperFigure]:
    if rows:
        raise ValueError(
            f"{folder} is the folder of a study, whose figures are drawn whole; leave arms and "
            "quantities out"
        )
    figures = study_figures(folder)
    return [
        PaperFigure(
            name,
            figures[name],
            f"{_said(name, figures[name])} {origin(folder)}",
            _label(folder, name),
        )
        for name in _chosen(figures, only)
    ]


def _label(folder: Path, name: str) -> str:
    """A label with the folder's name, so that a run and a study have two, as LaTeX takes it."""
    return "fig:" + re.sub(r"[^A-Za-z0-9_.-]+", "-", f"{folder.resolve().name}-{name}")


def _chosen(figures: Mapping[str, Any], only: Sequence[str]) -> list[str]:
    """Names of those that were asked for, of all stories, in that order."""
    if not figures:
        raise ValueError("there is no figure to draw of these arms and quantities")
    chosen: dict[str, None] = {}
    for wanted in only:
        found = [name for name in figures if wanted in (name, name.partition("-")[0])]
        if not found:
            raise ValueError(f"there is no figure {wanted!r}; there are {', '.join(figures)}")
        chosen |= dict.fromkeys(found)
    return list(chosen or figures)


def _said(name: str, figure: Figure) -> str:
    """What a study's figure shows: its name, its axes and its note."""
    axes = [" ".join(each.split()) for each in (figure.get_supylabel(), figure.get_supxlabel())]
    against = " against ".join(each for each in axes if each)
    title = name.replace("_", " ").replace("-", ", by ").capitalize()
    shown = f"{title}: {against}." if against else f"{title}."
    return f"{shown} {figure.get_label()}".strip()


def write(
    figures: Sequence[PaperFigure], out: Path, formats: Sequence[str], *, captions: bool
) -> list[Path]:
    """Write figures into a folder, with LaTeX that includes each if wanted; return the files."""
    from hiercal.plots import save

    paths = []
    for each in figures:
        files = save(each.figure, out, each.name, tuple(dict.fromkeys(formats)))
        paths += files
        if captions:
            path = out / f"{each.name}.tex"
            path.write_text(each.latex(each.name), encoding="utf-8")
            paths.append(path)
    return paths
