"""What the plugin hands to the checks; light, as the plugin imports it in every run of pytest."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SEED, ALPHA = 0, 0.001
"""What a session has by default."""


@dataclass(frozen=True)
class Settings:
    """What options and ini file say."""

    only: bool = False
    skip: bool = False
    disable: bool = False
    autosave: bool = False
    carry: bool = False
    alpha: float = ALPHA
    seed: int = SEED
    save: str = ""
    compare: str = ""
    compare_fail: tuple[str, ...] = ()
    storage: Path = Path(".hiercal")
    report: Path | None = None

    @property
    def records(self) -> bool:
        """Whether what a check found is wanted after the session."""
        return bool(self.save or self.autosave or self.compare or self.report)


@dataclass
class State:
    """What is known of a session.

    Attributes
    ----------
    shown : bool
        Whether the header tells seed and level.
    blocks : bool
        Whether the terminal can show block characters.
    tests : int
        Calibration tests collected and not deselected, the same in each worker.
    verdicts : dict of str to str
        What each test came to: empty if it passed, or how it failed.
    found : dict of str to dict
        User properties of each test.
    records : dict of str to dict
    """

    settings: Settings
    shown: bool = False
    blocks: bool = True
    tests: int = 0
    verdicts: dict[str, str] = field(default_factory=dict)
    found: dict[str, dict[str, str]] = field(default_factory=dict)
    records: dict[str, Any] = field(default_factory=dict)
