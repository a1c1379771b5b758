"""Figures on disk."""

import io
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from hiercal.plots._style import style

_DPI = {"pdf": 300, "svg": 300, "png": 200}
# None removes the entry: dates and versions would make equal figures differ in bytes.
_METADATA: dict[str, dict[str, str | None]] = {
    "pdf": {"Creator": "hiercal", "Producer": None, "CreationDate": None, "ModDate": None},
    "svg": {"Creator": "hiercal", "Date": None},
    "png": {"Software": "hiercal"},
}


def save(
    figure: Figure, directory: str | Path, name: str, formats: Sequence[str] = tuple(_DPI)
) -> list[Path]:
    """Write a figure as PDF, SVG or PNG (200 dpi); the same figure gives the same bytes.

    Matplotlib chooses some ticks only while it draws, by its settings of that moment: the figure is
    drawn with the style sheet of this package in force, whatever the user's settings.

    Parameters
    ----------
    figure : Figure
        A figure of this package, or any other.
    directory : str or Path
        Made if it does not exist.
    name : str
        File name without suffix; existing files of that name are replaced.
    formats : sequence of {"pdf", "svg", "png"}
        All by default.

    Returns
    -------
    list of Path
        A file for each format.

    Raises
    ------
    ValueError
        `name` is empty or holds a directory, or a format is none of these.

    Examples
    --------
    >>> import tempfile
    >>> [path.name for path in save(Figure(), tempfile.mkdtemp(), "empty")]
    ['empty.pdf', 'empty.svg', 'empty.png']
    """
    if not name or Path(name).name != name:
        raise ValueError(f"expected a file name without a directory, got {name!r}")
    if unknown := [each for each in formats if each not in _DPI]:
        raise ValueError(f"figures are written as {', '.join(_DPI)}, not as {', '.join(unknown)}")
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    paths = []
    with (
        style(),
        mpl.rc_context({"svg.hashsalt": "hiercal", "svg.fonttype": "path", "pdf.fonttype": 42}),
    ):
        for suffix in formats:
            path = directory / f"{name}.{suffix}"
            drawn = io.BytesIO()  # on a full disk, Matplotlib's PDF ends in an error of zlib
            figure.savefig(drawn, format=suffix, dpi=_DPI[suffix], metadata=_METADATA[suffix])
            path.write_bytes(drawn.getvalue())
            paths.append(path)
    return paths
