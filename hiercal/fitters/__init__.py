"""Ways to get a posterior, one file a backend; a public module here is in the catalogue."""

from hiercal.fitters._fitter import Fit, Fitter, Refit, RefitMany

__all__ = ["Fit", "Fitter", "Refit", "RefitMany"]
