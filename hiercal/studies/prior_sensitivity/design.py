"""What the study of priors is designed by."""

from __future__ import annotations

RUBINS = "Rubin's"
"""What the standard errors of Eight Schools are called in the table of the contraction."""
