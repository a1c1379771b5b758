"""What the frequentist study is designed by: intervals, and bounds that its claims share."""

from __future__ import annotations

from collections.abc import Mapping

LEVEL = 0.89
FEW, MODERATE = 10, 20
"""Fewer groups than the first are few; the second and more are moderate to large numbers."""
NEAR_ZERO = 5.0
"""tau up to this is near zero, in points on the test: about half the smallest standard error."""
PRIOR = "tau from its prior"
SIMILAR: Mapping[str, tuple[float, str]] = {
    "tau_mean_rms": (0.5, "difference of tau, posterior sds"),
    "effects_rms": (0.25, "difference of group effects, posterior sds"),
    "width_change": (0.05, "relative change of interval width"),
}
"""Bounds below which REML and the hierarchy are very similar, by column of table agreement."""
HIERARCHICAL, PLUG_IN, WITH_MEAN = "hierarchical", "plug-in", "plug-in, mean uncertain"
