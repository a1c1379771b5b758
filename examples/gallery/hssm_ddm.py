"""Choices and response times of one person: a drift-diffusion model, with HSSM's default priors.

Source: HSSM documentation (github.com/lnccbrown/HSSM), main tutorial, `simple_ddm_model`. Licence:
Brown University's, not for commercial products; this file only calls the library.

Changed: 100 trials, simulated with HSSM's own simulator. This file needs `hssm` (tried with 0.5.0,
beside pymc 6.4), which is not installed with the rest. HSSM takes 5 % of the trials for lapses, and
draws response times by small steps in time while its likelihood is a formula.
"""

import hssm

data = hssm.simulate_data(
    model="ddm", theta={"v": 0.5, "a": 1.5, "z": 0.5, "t": 0.1}, size=100, random_state=1
)
model = hssm.HSSM(data=data).pymc_model
