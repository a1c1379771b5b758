"""What a printed number is compared by."""

from __future__ import annotations

AGREES = 4.0
"""Monte Carlo standard errors within which a printed number agrees with the exact posterior."""
