"""Calibration with few and many groups."""
