"""What the James-Stein study is designed by."""

from __future__ import annotations

DESIGNS = {"equal": "equal errors", "eight_schools": "Eight Schools’ errors"}
"""Standard errors of the groups, and what figures and verdicts call them."""
APART = 4.0
"""Two populations are plainly two from this many standard errors between their means."""
