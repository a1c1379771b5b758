"""What a run left: records, verdicts, figures."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hiercal.studies._fits import COLUMNS
from hiercal.studies._manifest import made_of, read_manifest

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from matplotlib.figure import Figure

    from hiercal.studies._journal import Journal
    from hiercal.studies._study import Study

RECORDS, FITS, DRAWS = "records.parquet", "fits.parquet", "draws.npz"
GROUP_RANKS = "group_ranks.parquet"


class Result:
    """A run's folder.

    Parameters
    ----------
    folder : path
        Where the run was written.

    Attributes
    ----------
    records : DataFrame
        A row per arm, simulation and quantity: ``arm, simulation, quantity, status, truth, rank,
        rank_effective, max_rank, mean, sd, mcse_mean, lower, upper, hdi_lower, hdi_upper,
        ess_bulk, ess_tail, r_hat, divergences``. Of a failed fit, only the truth is given, and of a
        failed simulation nothing. Same as ``records.parquet``.
    fits : DataFrame
        A row per arm and simulation: ``arm, simulation, error, seconds, divergences, n_steps,
        max_tree_depth, e_bfmi``, and the worst of all quantities and single group effects
        ``ess_bulk_min, ess_tail_min, r_hat_max``, and ``scale_at_divergences``, where among its
        draws of the between-group scale a fit diverged (0 smallest, 1 largest). The seconds are
        those of the machine; all else is reproducible.
    group_ranks : DataFrame
        Of a study with ``groups="summary"``, a row per completed fit: ``arm, simulation``, the
        ``counts`` of group effects with each rank 0..max_rank, and the ``covariance`` (4 x 4, row
        by row) of their mean scores. Same as ``group_ranks.parquet``.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self.manifest: dict[str, Any] = read_manifest(self.folder)

    def __repr__(self) -> str:
        state = "complete" if self.manifest["complete"] else "incomplete"
        return f"Result({str(self.folder)!r}, {len(self.manifest['arms'])} arms, {state})"

    @property
    def n_simulations(self) -> int:
        """Simulations that the records are of; a ValueError while they are being written."""
        number = self.manifest.get("made_of", {}).get("records", self.manifest["simulations"])
        if number is None:
            raise ValueError(
                f"{self.folder}: the run ended while its records were written: run the same "
                "command again to go on"
            )
        return number

    @cached_property
    def records(self) -> pd.DataFrame:
        return self.columns()

    @cached_property
    def fits(self) -> pd.DataFrame:
        return self._read(FITS, None)

    @cached_property
    def group_ranks(self) -> pd.DataFrame:
        if not self.summarises_groups:
            raise ValueError(
                f"{self.folder} ranks every group effect in its records; only a study with "
                'groups = "summary" pools their ranks'
            )
        return self._read(GROUP_RANKS, None)

    @property
    def summarises_groups(self) -> bool:
        """Whether the records hold summaries over the group effects instead of each."""
        return self.manifest["study"].get("groups", "each") == "summary"

    def columns(self, *names: str) -> pd.DataFrame:
        """Some columns of the records, or all: what is not asked for takes no memory."""
        return self._read(RECORDS, list(names) or None)

    def draws(self) -> dict[tuple[str, str], dict[str, np.ndarray]]:
        """Draws kept for the funnel figure, by arm and data set."""
        path = self.folder / DRAWS
        if not path.exists():
            return {}
        kept: dict[tuple[str, str], dict[str, np.ndarray]] = {}
        with np.load(path) as arrays:
            for key, values in arrays.items():
                arm, data, name = key.rsplit("|", 2)
                kept.setdefault((arm, data), {})[name] = values
        return kept

    def verdicts(self, alpha: float = 0.05, power: float = 0.9) -> pd.DataFrame:
        """Verdict on each quantity of each arm; see `hiercal.studies._calibration.verdicts`."""
        from hiercal.studies import _calibration

        return _calibration.verdicts(self, alpha=alpha, power=power)

    def coverage(self) -> pd.DataFrame:
        """Coverage of central intervals and HDIs; see `hiercal.studies._calibration.coverage`."""
        from hiercal.studies import _calibration

        return _calibration.coverage(self)

    def bias(self) -> pd.DataFrame:
        """Posterior means against the exact arm's; see `hiercal.studies._calibration.bias`."""
        from hiercal.studies import _calibration

        return _calibration.bias(self)

    def groups(self) -> pd.DataFrame:
        """Pooled ranks of the group effects; see `hiercal.studies._calibration.groups`."""
        from hiercal.studies import _calibration

        return _calibration.groups(self)

    def export(self) -> list[str]:
        """Write the tables, the ArviZ store and the figures from the records, each on its own.

        Returns
        -------
        list of str
            A line for each that could not be made, with the reason; ``not_made.csv`` has the same.
        """
        from hiercal.plots import save
        from hiercal.studies import _calibration

        made_of(self.folder, tables=None)
        files = ["sbc.zarr"]
        missing: dict[str, str] = {}

        def attempt(name: str, make: Callable[[], None]) -> None:
            try:
                make()
            except Exception as error:
                # the fits have cost hours: what one table or figure raises costs no other
                missing[name] = f"{type(error).__name__}: {' '.join(str(error).split())}"

        def write(name: str, make: Callable[[], pd.DataFrame]) -> None:
            path = self.folder / f"{name}.csv"
            path.unlink(missing_ok=True)  # an older table is not this run's
            if len(table := make()):
                table.to_csv(path, index=False, lineterminator="\n")
                files.append(path.name)

        def picture(name: str, draw: Callable[[], Figure]) -> None:
            paths = save(draw(), self.folder / "figures", name)
            files.extend(f"figures/{path.name}" for path in paths)

        for name, make in _calibration.table_makers(self).items():
            attempt(f"{name}.csv", partial(write, name, make))
        attempt("sbc.zarr", self._export_pit)
        for name, draw in _calibration.figure_makers(self).items():
            attempt(f"figures/{name}", partial(picture, name, draw))
        write("not_made", partial(_not_made, missing))
        made_of(self.folder, files, tables=self.n_simulations)
        return [f"{name} could not be made: {why}" for name, why in missing.items()]

    def write_records(self, journal: Journal, study: Study) -> None:
        """Write the Parquet tables from the journal, a piece at a time."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        arms = journal.arms()
        labels = [label for label, _ in arms]
        quantities = list(dict.fromkeys(name for _, names in arms for name in names))
        writers: dict[str, pq.ParquetWriter] = {}
        kinds = (RECORDS, FITS, GROUP_RANKS) if study.groups == "summary" else (RECORDS, FITS)
        parts = {name: self.folder / f"{name}.part" for name in kinds}
        try:
            for arm, (label, names) in enumerate(arms):
                for fits in journal.fits(arm, study.simulations):
                    records = _record_frame(label, labels, names, quantities, study.max_rank, fits)
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
            os.replace(parts[name], self.folder / name)
        kept = {
            f"{label}|{data}|{name}": values
            for arm, (label, _) in enumerate(arms)
            for data, arrays in journal.draws(arm)
            for name, values in arrays.items()
        }
        if kept:
            np.savez_compressed(self.folder / DRAWS, **kept)  # ty: ignore[invalid-argument-type]
        for cached in ("records", "fits", "group_ranks"):
            self.__dict__.pop(cached, None)

    def _read(self, name: str, columns: list[str] | None) -> pd.DataFrame:
        import pandas as pd

        path = self.folder / name
        if not path.exists():
            raise FileNotFoundError(
                f"{path} is not there; the run has not ended: run the same command again to go on"
            )
        return pd.read_parquet(path, columns=columns)

    def _export_pit(self) -> None:
        """Randomised PIT values as an ArviZ DataTree in ``sbc.zarr``."""
        from hiercal.studies._pit import pit_tree

        tree = pit_tree(self)
        part, final = self.folder / "sbc.zarr.part", self.folder / "sbc.zarr"
        shutil.rmtree(part, ignore_errors=True)
        tree.to_zarr(part, mode="w", zarr_format=2)
        shutil.rmtree(final, ignore_errors=True)
        os.replace(part, final)


def _not_made(missing: dict[str, str]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame({"name": list(missing), "why": list(missing.values())})


def _record_frame(
    label: str,
    labels: list[str],
    names: list[str],
    quantities: list[str],
    max_rank: int,
    fits: list[Any],
) -> pd.DataFrame:
    import pandas as pd

    n, q = len(fits), len(names)
    values = np.concatenate([fit.values for fit in fits])
    columns = dict(zip(COLUMNS, values.T, strict=True))
    failed = np.repeat([fit.error is not None for fit in fits], q)
    codes = np.tile([quantities.index(name) for name in names], n)
    return pd.DataFrame(
        {
            "arm": _category(np.full(n * q, labels.index(label)), labels),
            "simulation": np.repeat([fit.simulation for fit in fits], q),
            "quantity": _category(codes, quantities),
            "status": _category(failed.astype(int), ["ok", "failed"]),
            "truth": columns.pop("truth"),
            "rank": _whole_numbers(columns.pop("rank"), failed),
            "rank_effective": _whole_numbers(columns.pop("rank_effective"), failed),
            "max_rank": np.full(n * q, max_rank),
            **columns,
            "divergences": np.repeat([fit.divergences for fit in fits], q),
        }
    )


def _fit_frame(label: str, labels: list[str], fits: list[Any]) -> pd.DataFrame:
    import pandas as pd

    fields = (
        "simulation",
        "error",
        "seconds",
        "divergences",
        "n_steps",
        "max_tree_depth",
        "e_bfmi",
        "ess_bulk_min",
        "ess_tail_min",
        "r_hat_max",
        "scale_at_divergences",
    )
    columns: dict[str, Any] = {field: [getattr(fit, field) for fit in fits] for field in fields}
    columns["error"] = pd.array(columns["error"], dtype="str")
    return pd.DataFrame(
        {"arm": _category(np.full(len(fits), labels.index(label)), labels), **columns}
    )


def _group_table(label: str, labels: list[str], fits: list[Any]) -> pa.Table:
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
    covariances = [fit.group_covariance.ravel() for fit in done]
    return table.append_column("counts", pa.array(counts, pa.list_(pa.int32()))).append_column(
        "covariance", pa.array(covariances, pa.list_(pa.float64()))
    )


def _whole_numbers(values: np.ndarray, missing: np.ndarray) -> pd.api.extensions.ExtensionArray:
    import pandas as pd

    return pd.arrays.IntegerArray(np.where(missing, 0, values).astype(np.int64), missing)


def _category(codes: np.ndarray, categories: list[str]) -> pd.Categorical:
    import pandas as pd

    return pd.Categorical.from_codes(codes, categories=categories)
