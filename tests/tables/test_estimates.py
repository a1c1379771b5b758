"""What tables take from the records."""

from types import SimpleNamespace

import pandas as pd

from hiercal import story
from hiercal.tables.estimates import worst_parameter


def test_the_worst_ess_is_that_of_parameters_alone():
    ess = {"mu": 50.0, "tau": 40.0, "theta[A]": 30.0, "log_prior": 5.0, "theta_new": 6.0}
    rows = [
        {"arm": arm, "simulation": i, "quantity": name, "ess_bulk": value + i - 100 * (arm == "b")}
        for arm in "ab"
        for i in range(2)
        for name, value in ess.items()
    ]
    arms = pd.DataFrame({"arm": ["a", "b"], "parameters": [["mu", "tau", "theta"]] * 2})
    result = SimpleNamespace(records=pd.DataFrame(rows), arms=arms.set_index("arm", drop=False))
    found = worst_parameter(result, "a", story("eight_schools"))
    assert found.to_dict() == {0: 30.0, 1: 31.0}
