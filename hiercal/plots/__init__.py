"""Publication figures of a calibration run: tidy records in, matplotlib figures out.

Every function returns a `matplotlib.figure.Figure` built without pyplot: nothing is registered
globally, no display is needed, and the user's rcParams are neither read nor changed.
"""

from hiercal.plots._form import form
from hiercal.plots._save import save
from hiercal.plots._style import quantity_label
from hiercal.plots.coverage import coverage
from hiercal.plots.ecdf_difference import ecdf_difference
from hiercal.plots.evidence import evidence
from hiercal.plots.funnel import funnel
from hiercal.plots.rank_histogram import rank_histogram
from hiercal.plots.recovery import recovery

__all__ = [
    "coverage",
    "ecdf_difference",
    "evidence",
    "form",
    "funnel",
    "quantity_label",
    "rank_histogram",
    "recovery",
    "save",
]
