"""Closed forms and quadrature: NumPy in, NumPy out, and nothing of ours beside."""
