"""Coal-mining disasters per year in Britain, 1851 to 1961: the rate changes in an unknown year.

Source: github.com/pymc-devs/pymc, docs/source/learn/core_notebooks/pymc_overview.ipynb,
"Introductory Overview of PyMC", case study 2, `disaster_model`. Licence: Apache-2.0.

Changed: nothing. The year of the change is a discrete parameter, and the counts of two years are
missing, which PyMC makes two more. Data: Jarrett (1979), with the author's two gaps.
"""

import numpy as np
import pymc as pm

# fmt: off
disaster_data = np.array([
    4, 5, 4, 0, 1, 4, 3, 4, 0, 6, 3, 3, 4, 0, 2, 6, 3, 3, 5, 4, 5, 3, 1, 4, 4, 1, 5, 5, 3, 4, 2, 5,
    2, 2, 3, 4, 2, 1, 3, np.nan, 2, 1, 1, 1, 1, 3, 0, 0, 1, 0, 1, 1, 0, 0, 3, 1, 0, 3, 2, 2, 0, 1,
    1, 1, 0, 1, 0, 1, 0, 0, 0, 2, 1, 0, 0, 0, 1, 1, 0, 2, 3, 3, 1, np.nan, 2, 1, 1, 1, 1, 2, 4, 2,
    0, 0, 1, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 1,
])
# fmt: on
years = np.arange(1851, 1962)

with pm.Model() as model:
    switchpoint = pm.DiscreteUniform("switchpoint", lower=years.min(), upper=years.max())
    early_rate = pm.Exponential("early_rate", 1.0)
    late_rate = pm.Exponential("late_rate", 1.0)
    rate = pm.math.switch(switchpoint >= years, early_rate, late_rate)
    pm.Poisson("disasters", rate, observed=disaster_data)
