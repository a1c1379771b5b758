"""Figures on disk."""

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


def save(figure: Figure, directory: str | Path, name: str) -> list[Path]:
    """Write a figure as PDF, SVG and PNG (200 dpi); the same figure gives the same bytes.

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

    Returns
    -------
    list of Path
        The PDF, the SVG and the PNG.

    Raises
    ------
    ValueError
        `name` is empty or holds a directory.

    Examples
    --------
    >>> import tempfile
    >>> [path.name for path in save(Figure(), tempfile.mkdtemp(), "empty")]
    ['empty.pdf', 'empty.svg', 'empty.png']
    """
    if not name or Path(name).name != name:
        raise ValueError(f"expected a file name without a directory, got {name!r}")
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    paths = []
    with (
        style(),
        mpl.rc_context({"svg.hashsalt": "hiercal", "svg.fonttype": "path", "pdf.fonttype": 42}),
    ):
        for suffix, metadata in _METADATA.items():
            path = directory / f"{name}.{suffix}"
            figure.savefig(path, format=suffix, dpi=_DPI[suffix], metadata=metadata)
            paths.append(path)
    return paths
