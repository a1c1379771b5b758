"""Fitters spoilt in one known way, one file each: they show what the tests can see.

A mutant is no fitter of the catalogue. ``hiercal mutants --list`` names all of them.
"""

from hiercal.mutants._mutant import Mutant, all_mutants, label_of, names

__all__ = ["Mutant", "all_mutants", "label_of", "names"]
