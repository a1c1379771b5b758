"""Standard deviations of .95 for 1: a U-turn checked between the wrong ends (stan-dev/stan#2178).

Two years of Stan's NUTS (2.10 to 2.13) gave a bivariate normal standard deviations of .95 and 1.9
for 1 and 2, and too small a correlation; stan-dev/stan#2180 put right which ends of a subtree are
compared, and which momenta are summed for its second half.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from hiercal.mutants._mutant import Spoilt
from hiercal.mutants._targets import Gaussian
from hiercal.simulators import Story


@dataclass(frozen=True, kw_only=True)
class Stan2178(Spoilt):
    """Draws are rescaled so that the standard deviations are .95 times the right ones."""

    thread: ClassVar = "stan-dev/stan#2178"
    emulated: ClassVar = True
    model: ClassVar = "centred"

    @property
    def story(self) -> Story:
        return Gaussian(means=(0.0, 3.0), sds=(1.0, 2.0), correlation=0.5)

    def spoil(
        self,
        draws: dict[str, np.ndarray],
        data: Mapping[str, np.ndarray],
        story: Any,
        rng: np.random.Generator,
    ) -> dict[str, np.ndarray]:
        means = np.array(story.means)
        return {"x": means + 0.95 * (draws["x"] - means)}
