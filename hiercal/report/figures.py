"""Figures for papers, of a finished run: as wide as a column, with the caption in a file beside."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hiercal.report.latex import mixed_in_latex
from hiercal.runs.manifest import read_manifest
from hiercal.runs.result import Result
from hiercal.tables.figures import figure_makers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLES = ("paper", "screen")
SHOWS = {
    "ranks": "Rank histograms.",
    "ecdf": "Empirical distribution of the ranks minus the uniform one.",
    "coverage": "Coverage of central posterior intervals minus their nominal level.",
    "recovery": "Posterior z-score against posterior contraction.",
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
    """

    name: str
    figure: Figure
    caption: str

    def latex(self, file: str) -> str:
        """A LaTeX figure of a file, with the caption and a label."""
        return (
            "\\begin{figure}[tbp]\n\\centering\n"
            f"\\includegraphics{{{file}}}\n"
            f"\\caption{{{mixed_in_latex(self.caption)}}}\n"
            f"\\label{{fig:{self.name}}}\n\\end{{figure}}\n"
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
    """The figures of a finished run, drawn anew.

    Parameters
    ----------
    folder : path
        Of a run.
    style : {"paper", "screen"}
        Without the note below, which a caption has in a paper, or with it.
    columns : {1, 2}, optional
        How many columns of a page they span, 3.4 or 7.0 inches; by default what suits each.
    only : sequence of str
        Names of figures, such as ``"ecdf"``; by default all.
    arms, quantities : sequence of str
        Show these alone, in this order. An arm looks the same whichever others are shown.

    Raises
    ------
    FileNotFoundError
        If the folder is no run's, or the run has not ended.
    JournalError
        If a table is not what was written.
    ValueError
        If a name, style or number of columns is unknown, or the folder is a study's.
    """
    from hiercal import plots

    if style not in STYLES:
        raise ValueError(f"style is {style!r}; give {' or '.join(STYLES)}")
    if isinstance(study := read_manifest(Path(folder)).get("study"), str):
        raise ValueError(
            f"{folder} is the folder of the study {study}, whose figures are in "
            f"{Path(folder) / 'figures'}; give the folder of a run, such as one in its runs/"
        )
    result = Result(folder)
    makers = figure_makers(result, arms, quantities)
    for name in only:
        if name not in makers:
            raise ValueError(f"there is no figure {name!r}; there are {', '.join(makers)}")
    made = []
    with plots.form(columns, notes=style == "screen"):
        for name in only or makers:
            figure = makers[name]()
            shows = SHOWS[name.partition("-")[0]]
            seed = f"Seed {result.manifest['seed']}."
            made.append(PaperFigure(name, figure, f"{shows} {figure.get_label()} {seed}"))
    return made


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
