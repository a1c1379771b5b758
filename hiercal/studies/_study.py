"""A study: a named question, what it runs, tabulates, draws and claims."""

from __future__ import annotations

import dataclasses
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from hiercal.fitters._fitter import check_seed
from hiercal.runs.measurements import Measurement, Rows
from hiercal.runs.run import Run
from hiercal.studies._claims import Claim, judge

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from hiercal.runs.result import Result

Tables = Mapping[str, "pd.DataFrame"]

CLAIMS = "claims"


@dataclass(frozen=True, kw_only=True)
class Study(ABC):
    """A named question; subclass as a frozen dataclass of its design.

    Parameters
    ----------
    seed : int
        Every random number follows from it.

    Attributes
    ----------
    name : what the catalogue and its folder in ``results/`` call it.
    quick : the options of ``--quick``, which takes less than a minute.
    claims : what it tests.
    """

    seed: int = 2026

    name: ClassVar[str]
    quick: ClassVar[Mapping[str, Any]]
    claims: ClassVar[tuple[Claim, ...]] = ()

    def __post_init__(self) -> None:
        check_seed(self.name, self.seed)

    def runs(self) -> dict[str, Run]:
        """The runs, by the name of their folder in ``runs/``; none if nothing is fitted.

        Every arm of a run meets the same data sets.
        """
        return {}

    def measurements(self) -> dict[str, Measurement]:
        """What is measured beside the runs, by name: closed forms, times, single fits.

        Each is kept as it comes in, so that a kill loses none; they run on the workers, but for
        those that have to be alone.
        """
        return {}

    @abstractmethod
    def tables(
        self, results: Mapping[str, Result], measured: Mapping[str, Rows]
    ) -> dict[str, pd.DataFrame]:
        """Tidy tables by name, a pure function of the records; no model is fitted here.

        Parameters
        ----------
        results : mapping of str to Result
            A finished run for each of `runs`.
        measured : mapping of str to list of dict
            Rows by table, of all `measurements` in their order.
        """

    @abstractmethod
    def figures(self, tables: Tables) -> dict[str, Figure]:
        """Figures by name, from the tables alone."""

    def texts(self, tables: Tables) -> dict[str, str]:
        """Further files, by name: a report in Markdown."""
        return {}

    def judged(self, tables: Tables) -> pd.DataFrame:
        """The verdict on each claim.

        Returns
        -------
        DataFrame
            A row per claim: ``claim, study, source, says, rule, fixed``, the fields of a `Finding`,
            and ``tells_apart`` and ``times_the_data`` of it.
        """
        import pandas as pd

        rows = []
        for claim in self.claims:
            finding = judge(claim, tables)
            rows.append(
                {
                    "claim": claim.id,
                    "study": self.name,
                    "source": claim.source,
                    "says": claim.says,
                    "rule": claim.rule,
                    "fixed": claim.fixed,
                    **dataclasses.asdict(finding),
                    "tells_apart": finding.tells_apart,
                    "times_the_data": finding.times_the_data,
                }
            )
        return pd.DataFrame(rows)

    def options(self) -> dict[str, Any]:
        """All options as plain data."""
        return json.loads(json.dumps(dataclasses.asdict(self)))
