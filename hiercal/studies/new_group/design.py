"""Bounds of the study of new groups."""

from __future__ import annotations

FAR, NEAR = 0.5, 0.2
"""Mean absolute errors of a slope that are far off and near: a quarter and a tenth of 2."""
