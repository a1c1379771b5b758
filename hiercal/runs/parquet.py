"""Writes the records of a journal as Parquet files, a piece at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from hiercal.runs.columns import COLUMNS, FitRecord
from hiercal.runs.manifest import read_manifest
from hiercal.runs.result import DRAWS, FITS, GROUP_RANKS, RECORDS

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

WHOLE = ("rank", "rank_effective")
"""Numbers of a quantity that are whole, or missing where the fit failed."""


class Records(Protocol):
    """Where records come from, such as a journal."""

    def arms(self) -> Sequence[tuple[str, list[str]]]:
        """Label and quantities of each arm."""
        ...

    def fits(self, arm: int, simulations: int) -> Iterator[list[FitRecord]]:
        """An arm's first simulations in order, in pieces that fit in memory."""
        ...

    def draws(self, arm: int) -> Iterator[tuple[str, Mapping[str, np.ndarray]]]:
        """Draws kept for figures, by data set."""
        ...


def write_records(folder: Path, journal: Records, simulations: int) -> None:
    """Write the Parquet files of a run's folder, and the draws that were kept."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    described = read_manifest(folder)["run"]
    arms = journal.arms()
    labels = [label for label, _ in arms]
    quantities = list(dict.fromkeys(name for _, names in arms for name in names))
    writers: dict[str, pq.ParquetWriter] = {}
    pooled = described.get("groups", "each") == "summary"
    kinds = (RECORDS, FITS, GROUP_RANKS) if pooled else (RECORDS, FITS)
    parts = {name: folder / f"{name}.part" for name in kinds}
    try:
        for arm, (label, names) in enumerate(arms):
            for fits in journal.fits(arm, simulations):
                records = _record_frame(
                    label, labels, names, quantities, described["max_rank"], fits
                )
                tables = {
                    RECORDS: pa.Table.from_pandas(records, preserve_index=False),
                    FITS: pa.Table.from_pandas(
                        _fit_frame(label, labels, fits), preserve_index=False
                    ),
                    GROUP_RANKS: _group_table(label, labels, fits),
                }
                for name in kinds:
                    table = tables[name]
                    if name not in writers:
                        writers[name] = pq.ParquetWriter(parts[name], table.schema)
                    writers[name].write_table(table)
    finally:
        for writer in writers.values():
            writer.close()
    for name in writers:
        os.replace(parts[name], folder / name)
    kept = {
        f"{label}|{data}|{name}": values
        for arm, (label, _) in enumerate(arms)
        for data, arrays in journal.draws(arm)
        for name, values in arrays.items()
    }
    if kept:
        np.savez_compressed(folder / DRAWS, **kept)  # ty: ignore[invalid-argument-type]


def _record_frame(
    label: str,
    labels: list[str],
    names: list[str],
    quantities: list[str],
    max_rank: int,
    fits: list[FitRecord],
) -> pd.DataFrame:
    import pandas as pd

    n, q = len(fits), len(names)
    values = np.concatenate([fit.values for fit in fits])
    failed = np.repeat([fit.error is not None for fit in fits], q)
    codes = np.tile([quantities.index(name) for name in names], n)
    columns: dict[str, Any] = {}
    for name, of_name in zip(COLUMNS, values.T, strict=True):
        columns[name] = _whole_numbers(of_name, failed) if name in WHOLE else of_name
        if name == WHOLE[-1]:
            columns["max_rank"] = np.full(n * q, max_rank)
    return pd.DataFrame(
        {
            "arm": _category(np.full(n * q, labels.index(label)), labels),
            "simulation": np.repeat([fit.simulation for fit in fits], q),
            "quantity": _category(codes, quantities),
            "status": _category(failed.astype(int), ["ok", "failed"]),
            **columns,
            "divergences": np.repeat([fit.divergences for fit in fits], q),
        }
    )


def _fit_frame(label: str, labels: list[str], fits: list[FitRecord]) -> pd.DataFrame:
    import pandas as pd

    columns: dict[str, Any] = {
        name: [getattr(fit, name) for fit in fits] for name in FitRecord.scalars()
    }
    columns["error"] = pd.array(columns["error"], dtype="str")
    return pd.DataFrame(
        {"arm": _category(np.full(len(fits), labels.index(label)), labels), **columns}
    )


def _group_table(label: str, labels: list[str], fits: list[FitRecord]) -> pa.Table:
    """Pooled ranks of the completed fits, as lists: a row per rank would be 100 times longer."""
    import pandas as pd
    import pyarrow as pa

    done = [fit for fit in fits if fit.group_ranks is not None]
    frame = pd.DataFrame(
        {
            "arm": _category(np.full(len(done), labels.index(label)), labels),
            "simulation": np.array([fit.simulation for fit in done], dtype=np.int64),
        }
    )
    table = pa.Table.from_pandas(frame, preserve_index=False)
    counts = [fit.group_ranks for fit in done]
    covariances = [np.asarray(fit.group_covariance).ravel() for fit in done]
    return table.append_column("counts", pa.array(counts, pa.list_(pa.int32()))).append_column(
        "covariance", pa.array(covariances, pa.list_(pa.float64()))
    )


def _whole_numbers(values: np.ndarray, missing: np.ndarray) -> pd.api.extensions.ExtensionArray:
    import pandas as pd

    return pd.arrays.IntegerArray(np.where(missing, 0, values).astype(np.int64), missing)


def _category(codes: np.ndarray, categories: list[str]) -> pd.Categorical:
    import pandas as pd

    return pd.Categorical.from_codes(codes, categories=categories)
