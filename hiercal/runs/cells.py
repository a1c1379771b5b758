"""Records of one arm and quantity at a time, from a file that is never in memory as a whole."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow.parquet as pq

KEY = ["arm", "quantity"]
ROWS_AT_ONCE = 2**16
"""Rows in memory at once, unless one quantity has more."""
PASSES = 16
"""Times that the rows of an arm are read at most, whatever memory that takes."""


@dataclass
class Contents:
    """What a file of records holds.

    Attributes
    ----------
    rows : dict of dict of int
        Of each arm, the number of rows of each quantity, as they come in the file.
    pieces : dict of list of int
        Of each arm, the row groups of the file that it is in.
    quantities : list of str
        Of all arms, in the order of the tables.
    """

    rows: dict[str, dict[str, int]] = field(default_factory=dict)
    pieces: dict[str, list[int]] = field(default_factory=dict)
    quantities: list[str] = field(default_factory=list)


def contents_of(path: Path) -> Contents:
    """Arms and quantities of a file of records."""
    import pyarrow.parquet as pq

    found = Contents()
    with pq.ParquetFile(path) as file:
        for piece in range(file.num_row_groups):
            keys = file.read_row_group(piece, KEY, use_threads=False)
            named = keys["quantity"].unique().dictionary.to_pylist()
            found.quantities += [name for name in named if name not in found.quantities]
            counted = keys.group_by(KEY, use_threads=False).aggregate([([], "count_all")])
            for row in counted.to_pylist():
                of_arm = found.rows.setdefault(row["arm"], {})
                of_arm[row["quantity"]] = of_arm.get(row["quantity"], 0) + row["count_all"]
            for arm in dict.fromkeys(counted["arm"].to_pylist()):
                found.pieces.setdefault(arm, []).append(piece)
    return found


def cells_of(
    path: Path,
    found: Contents,
    columns: Sequence[str],
    arms: Collection[str] | None = None,
    quantities: Collection[str] | None = None,
) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Rows of each arm and quantity asked for, in the order of the run.

    The rows of an arm are read several times, each time for as many of its quantities as are to be
    in memory at once.
    """
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        for arm, rows in found.rows.items():
            if arms is not None and arm not in arms:
                continue
            wanted = [
                name
                for name in found.quantities
                if name in rows and (quantities is None or name in quantities)
            ]
            for some in _at_once(wanted, rows):
                frame = _read(file, found.pieces[arm], columns, arm, some)
                for quantity in some:
                    yield arm, quantity, frame[(frame["quantity"] == quantity).to_numpy()]


def _at_once(quantities: Sequence[str], rows: dict[str, int]) -> Iterator[list[str]]:
    """Quantities in groups that are read together."""
    most = max(ROWS_AT_ONCE, sum(rows.values()) // PASSES)
    some: list[str] = []
    held = 0
    for name in quantities:
        if some and held + rows[name] > most:
            yield some
            some, held = [], 0
        some.append(name)
        held += rows[name]
    if some:
        yield some


def _read(
    file: pq.ParquetFile,
    pieces: Sequence[int],
    columns: Sequence[str],
    arm: str,
    quantities: Sequence[str],
) -> pd.DataFrame:
    """Some columns of one arm's rows of some quantities."""
    import pyarrow as pa
    import pyarrow.compute as pc

    names = list(dict.fromkeys([*KEY, *columns])) if columns else None
    kept = []
    for piece in pieces:
        table = file.read_row_group(piece, names, use_threads=False)
        wanted = (pc.field("arm") == arm) & pc.field("quantity").isin(quantities)
        kept.append(table.filter(wanted))
    frame = pa.concat_tables(kept).to_pandas()
    del kept, table
    pa.default_memory_pool().release_unused()  # or Arrow keeps it for a next time
    return frame
