"""Publication figures of a calibration run: tidy tables in, matplotlib figures out.

Every function returns a `matplotlib.figure.Figure` built without pyplot: nothing is registered
globally, no display is needed, and the user's rcParams are neither read nor changed. With ``axes=``
it draws its one panel on axes of your own and returns the figure that they are in. What a figure is
of, its bands and their levels are in its note: ``figure.get_label()``, or ``axes.get_label()``.

======================  ==========================================================================
of the records of a run
--------------------------------------------------------------------------------------------------
`rank_histogram`        how often each rank of the truth came up
`ecdf_difference`       distribution of the ranks minus the uniform one
`coverage`              coverage of central intervals against their nominal level
`coverage_difference`   the same, minus the nominal level
`recovery`              posterior mean and interval against the true value
`zscore_contraction`    posterior z-score against contraction of the prior
`group_ranks`           ranks of all group effects pooled (of ``group_ranks.parquet``)
`forest`                estimates of all groups of one data set, model by model, and the truth
`shrinkage`             strategies of pooling side by side, on one data set
`funnel`                draws of the between-group scale and of a group effect (of ``draws.npz``)
`evidence`              e-values, and the gamma statistic, over simulations
----------------------  --------------------------------------------------------------------------
of tables of runs and studies
--------------------------------------------------------------------------------------------------
`bias`                  posterior mean minus the exact one (``bias.csv``)
`strata`                mean ranks within strata of the simulations (``strata.csv``)
`risk`                  squared error of rules of estimation
`interval_width`        width of intervals, or what pooling saves of it
`parameterisation_map`  which parameterisation samples better
`sweep`                 any estimate against what a study turns, with its errors
`heat_map`              any estimate over two such knobs
`strips`                any measurement, fit by fit
======================  ==========================================================================

`form` gives figures the width of a column of a paper, and `save` writes them.
"""

from hiercal.plots._form import form
from hiercal.plots._save import save
from hiercal.plots._style import TooMuch, quantity_label
from hiercal.plots.bias import bias
from hiercal.plots.coverage import coverage
from hiercal.plots.coverage_difference import coverage_difference
from hiercal.plots.ecdf_difference import ecdf_difference
from hiercal.plots.evidence import evidence
from hiercal.plots.forest import forest
from hiercal.plots.funnel import funnel
from hiercal.plots.group_ranks import group_ranks
from hiercal.plots.heat_map import heat_map
from hiercal.plots.interval_width import interval_width
from hiercal.plots.parameterisation_map import parameterisation_map
from hiercal.plots.rank_histogram import rank_histogram
from hiercal.plots.recovery import recovery
from hiercal.plots.risk import risk
from hiercal.plots.shrinkage import shrinkage
from hiercal.plots.strata import strata
from hiercal.plots.strips import Measurement, strips
from hiercal.plots.sweep import sweep
from hiercal.plots.zscore_contraction import zscore_contraction

__all__ = [
    "Measurement",
    "TooMuch",
    "bias",
    "coverage",
    "coverage_difference",
    "ecdf_difference",
    "evidence",
    "forest",
    "form",
    "funnel",
    "group_ranks",
    "heat_map",
    "interval_width",
    "parameterisation_map",
    "quantity_label",
    "rank_histogram",
    "recovery",
    "risk",
    "save",
    "shrinkage",
    "strata",
    "strips",
    "sweep",
    "zscore_contraction",
]
