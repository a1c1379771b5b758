"""What the pooling study is designed by: criteria, and sizes of differences."""

from __future__ import annotations

from collections.abc import Mapping

from hiercal.exact.loo import Pooling

PRINTED: Mapping[Pooling, float] = {"partial": -30.8, "no": -31.4, "complete": -31.9}
"""elpd that the chapter prints for Rubin's data, by PSIS-LOO."""
PRIOR = "tau from its prior"
NEW, SAME = "new groups", "same groups"
ALL, SMALL, LARGE = "all", "below 2 standard errors", "2 standard errors or more"
RUBIN_J = 8
