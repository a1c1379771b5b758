"""A paragraph on methods for a paper, and what it cites.

It follows ADEMP (Morris, White and Crowther 2019, Statistics in Medicine 38:2074): aims, data,
estimands, methods, performance measures; and BARG (Kruschke 2021, Nature Human Behaviour 5:1282):
model, computation, posterior, decisions, sensitivity, reproducibility.
"""

from __future__ import annotations

import importlib.metadata
import importlib.resources
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hiercal import words
from hiercal.report.page.origin import digest_of, options, without_shape
from hiercal.tables.told import not_uniform

if TYPE_CHECKING:
    import pandas as pd

PACKAGES = {"numpyro": ("numpyro", "jax"), "pymc": ("pymc", "nutpie")}
"""What samples, of fitters."""
POSTERIOR_SBC = "sailynoja2025"
"""Cited only where a run is around data."""


@dataclass(frozen=True)
class Methods:
    """Sentences under their headings, and BibTeX."""

    ademp: Sequence[tuple[str, str]]
    barg: Sequence[tuple[str, str]]
    bibtex: str


def methods(manifest: Mapping[str, Any], tables: Mapping[str, pd.DataFrame], n: int) -> Methods:
    """Of a run's manifest and tables of `n` simulations."""
    verdicts = tables["verdicts"]
    arms = manifest["arms"]
    around = any(arm.get("sbc") == "posterior" for arm in arms)
    return Methods(
        _ademp(manifest, verdicts, n), _barg(manifest, tables, n), bibtex(manifest, around=around)
    )


def _ademp(manifest: Mapping[str, Any], verdicts: pd.DataFrame, n: int) -> list[tuple[str, str]]:
    import pandas as pd

    arms, max_rank, level = manifest["arms"], manifest["run"]["max_rank"], manifest["run"]["level"]
    stories = list(dict.fromkeys(arm["story"] for arm in arms))
    failed = verdicts.groupby("arm", sort=False)["n_failed"].max()
    fits = n * len(failed)
    given = [text for arm in arms if (text := options(arm["story_options"].get("given") or {}))]
    from_ = "posterior given the data" if arms[0].get("sbc") == "posterior" else "prior"
    truths = f"from the {from_}" + (f", with {given[0]} fixed" if given else "")
    groups = (
        " Group effects are summarised by their mean, least and largest, and their ranks are "
        "pooled."
        if manifest["run"].get("groups") == "summary"
        else ""
    )
    lost = int(failed.sum())
    seen = verdicts[(verdicts["n"] > 0).to_numpy()]
    found = (
        f"With probability 0.9 the run finds a shift of {_range(seen['detectable_shift'])} "
        "posterior sd in any single "
        f"quantity, or an sd that is wrong by a factor of {_range(seen['detectable_scale'])}."
        if len(seen)
        else "No fit was completed, so no error could have been found."
    )
    return [
        (
            "Aims",
            f"To find out by simulation-based calibration (Talts et al. 2018; Modrák et al. 2023) "
            f"whether {words.count(len(arms), 'way')} of computing the posterior of "
            f"{_and(stories)} "
            f"{'is' if len(arms) == 1 else 'are'} right, and how large an error would have been "
            "seen.",
        ),
        (
            "Data-generating mechanism",
            f"For each of {words.count(n, 'simulation')}, true values were drawn {truths}, and a "
            f"data set given them. All arms of a story met the same data sets (seed "
            f"{manifest['seed']}). {' '.join(not_uniform(pd.DataFrame(arms)))}".strip(),
        ),
        (
            "Estimands",
            f"The rank of the true value of each of {words.count(len(verdicts), 'quantity')} (over "
            f"all arms) among L = {max_rank} draws, to which those of a fit were thinned; ties "
            "were "
            f"broken at random. Coverage of central intervals and of the {100 * level:g} % "
            "interval "
            f"of highest density.{groups}",
        ),
        ("Methods", " ".join(_fitter(arm, manifest["versions"]) for arm in _distinct(arms))),
        (
            "Performance measures",
            "Uniformity of the ranks, by the ECDF test for discrete ranks (Säilynoja et al. 2022) "
            "and a smooth test with discrete Legendre polynomials up to degree 4 (Rayner et al. "
            "2009); the smaller p-value was doubled, and adjusted for all quantities of all arms "
            "(Holm 1979), at a family-wise false-alarm rate of 5 %. Where more than 20 % of fits "
            "had "
            f"fewer than {max_rank} effective draws, a rejection also needed that of the ranks "
            "among "
            f"effective draws. {found} {_failures(lost, fits)} Coverage is given with exact 95 % "
            "limits (Clopper and Pearson 1934), and estimates with Monte Carlo standard errors.",
        ),
    ]


def _barg(
    manifest: Mapping[str, Any], tables: Mapping[str, pd.DataFrame], n: int
) -> list[tuple[str, str]]:
    verdicts, mixed = tables["verdicts"], tables.get("mixing")
    counts = verdicts["verdict"].value_counts()
    found = ", ".join(
        f"{counts[name]} {name}"
        for name in ("miscalibrated", "inconclusive", "calibrated")
        if name in counts
    )
    convergence = "Convergence was not recorded."
    if mixed is not None and len(mixed):
        unmixed = mixed["unmixed"].dropna()
        limits = mixed[["r_hat_limit", "ess_limit"]].dropna()
        convergence = (
            "No fit was completed."
            if limits.empty
            else "A fit was called unmixed if its largest R-hat was above "
            f"{_range(limits['r_hat_limit'])}, or its smallest tail ESS below "
            f"{_range(limits['ess_limit'])} (Vehtari et al. 2021): {_shares(unmixed)} of the fits "
            "of "
            "an arm."
        )
    commit = manifest.get("commit")
    return [
        (
            "Model",
            "Priors and likelihood are those of "
            + _and([_described(arm) for arm in _distinct(manifest["arms"], "story")])
            + ". Add the formulas.",
        ),
        ("Computation", convergence),
        (
            "Posterior",
            f"Of {words.count(len(verdicts), 'quantity')}, {found}. Ranks, intervals, ESS and "
            "R-hat "
            "of each fit are in records.parquet.",
        ),
        (
            "Decisions",
            "By the rule above, which is the only one of hiercal. Say whether the number of "
            "simulations was settled before the first look.",
        ),
        (
            "Sensitivity",
            "The verdicts are on these priors, options and numbers of draws; others were not tried "
            "in this run.",
        ),
        (
            "Reproducibility",
            f"hiercal {manifest['versions'].get('hiercal', '')}"
            + (f", commit {commit[:12]}" if commit else "")
            + f", seed {manifest['seed']}, run {digest_of(manifest)[:12]}; versions, hashes of "
            "code and all fits are in the folder of the run.",
        ),
    ]


def _failures(lost: int, fits: int) -> str:
    if not lost:
        return f"None of {fits} fits failed."
    return (
        f"{lost} of {fits} fits failed ({words.percent(lost / fits)}); they were kept, and the "
        "tests "
        "repeated with their ranks as bad and as good as can be: where these disagree, the verdict "
        "is inconclusive."
    )


def _fitter(arm: Mapping[str, Any], versions: Mapping[str, str]) -> str:
    used = ", ".join(
        f"{name} {versions[name]}"
        for name in PACKAGES.get(arm["fitter_name"], ())
        if name in versions
    )
    told = "; ".join(filter(None, (used, options(without_shape(arm["fitter_options"])))))
    return (
        f"{arm['fitter']}: {words.count(arm['chains'], 'chain')} of "
        f"{words.count(arm['draws'], 'draw')}{f' ({told})' if told else ''}."
    )


def _described(arm: Mapping[str, Any]) -> str:
    told = options({k: v for k, v in arm["story_options"].items() if k != "given"})
    return f"{arm['story']}{f' ({told})' if told else ''}"


def _distinct(arms: Sequence[Mapping[str, Any]], by: str = "fitter") -> list[Mapping[str, Any]]:
    return list({arm[by]: arm for arm in reversed(arms)}.values())[::-1]


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _range(values: pd.Series) -> str:
    known = sorted({f"{value:.3g}" for value in values.dropna()}, key=float)
    return known[0] if len(known) == 1 else f"{known[0]} to {known[-1]}"


def _shares(values: pd.Series) -> str:
    if values.empty:
        return "not checked"
    low, high = words.percent(values.min()), words.percent(values.max())
    return low if low == high else f"{low} to {high}"


def bibtex(manifest: Mapping[str, Any] | None = None, *, around: bool = False) -> str:
    """BibTeX of hiercal and of what the methods cite."""
    version = importlib.metadata.version("hiercal")
    note = f"Version {version}"
    if manifest is not None:
        note = f"Version {manifest['versions'].get('hiercal', version)}"
        if commit := manifest.get("commit"):
            note += f", commit {commit}"
    own = (
        "@misc{hiercal,\n  author = {{The hiercal developers}},\n"
        "  title  = {hiercal: Simulation-Based Calibration and Validation of Hierarchical "
        f"{{Bayesian}} Models}},\n  note   = {{{note}}}\n}}"
    )
    cited = [each for each in references() if around or POSTERIOR_SBC not in each]
    return "\n\n".join([own, *cited])


def references() -> list[str]:
    """The entries of ``references.bib``, beside this file."""
    text = importlib.resources.files(__package__).joinpath("references.bib").read_text("utf-8")
    return re.split(r"\n\n+", text.strip())
