"""Ranks, bands, exact tests, coverage, efficiency and verdicts: NumPy arrays in, NumPy arrays out.

Import from the modules (``from hiercal.sbc.ranks import thin, ranks``). Nothing in this room knows
about stories, fitters or studies.
"""
