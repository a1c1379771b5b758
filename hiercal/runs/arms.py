"""The table of arms: what each one is, kept with the run, so that no label is ever parsed."""

from __future__ import annotations

from typing import Any

from hiercal.fitters.exact import Exact
from hiercal.runs.run import Arm, Run, options_of

COLUMNS = {
    "arm": "label that people are shown",
    "key": "what its random numbers depend on",
    "story": "label of the story",
    "fitter": "label of the fitter, its model among it",
    "story_name": "name of the story in the catalogue",
    "sbc": "what its truths are drawn from: prior, or posterior given data",
    "fitter_name": "name of the fitter in the catalogue",
    "model": "coding of the model; empty where a fitter has none",
    "is_exact": "whether it draws from the exact posterior of the story as it was simulated",
    "exact": "arm of the same story that draws from the exact posterior, by which others are "
    "measured: the first whose model has the scale; empty without one",
    "parameters": "what its fits report",
    "scale": "the between-group scale, empty where its fits report none",
    "groups": "the group effects, empty without",
    "first_group": "the first of them",
    "n_groups": "how many there are",
    "chains": "chains that it keeps",
    "draws": "draws that it keeps of a chain",
    "max_tree_depth": "how deep a tree may be; none where not NUTS",
    "story_options": "the story's options",
    "fitter_options": "the fitter's options",
}
"""Columns of the table and their meaning."""


def table(run: Run) -> list[dict[str, Any]]:
    """A row per arm, as plain data, with the columns `COLUMNS`."""
    rows = [_row(arm) for arm in run.arms]
    exact: dict[str, str] = {}
    for row in rows:
        if row["is_exact"] and row["scale"]:
            exact.setdefault(row["story"], row["arm"])
    return [{name: ({"exact": exact.get(row["story"], "")} | row)[name] for name in COLUMNS}
            for row in rows]  # fmt: skip


def _row(arm: Arm) -> dict[str, Any]:
    story, fitter = arm.story, arm.fitter
    return {
        "arm": arm.label,
        "key": arm.key,
        "story": arm.story_label,
        "fitter": arm.fitter_label,
        "story_name": story.name,
        "sbc": story.sbc,
        "fitter_name": fitter.name,
        "model": getattr(fitter, "model", ""),
        "is_exact": isinstance(fitter, Exact) and arm.assumed == story,
        "parameters": list(arm.parameters),
        "scale": story.scale if story.scale in arm.parameters else "",
        "groups": story.groups,
        "first_group": story.labels(story.groups)[0] if story.groups else "",
        "n_groups": len(story.coords[story.dims[story.groups][0]]) if story.groups else 0,
        "chains": fitter.shape[0],
        "draws": fitter.shape[1],
        "max_tree_depth": getattr(fitter, "max_treedepth", None),
        "story_options": _options(story),
        "fitter_options": _options(fitter),
    }


def _options(item: Any) -> dict[str, Any]:
    options = options_of(item)
    for field in ("given", "assume"):
        if field in options:
            options[field] = dict(options[field])
    return options
