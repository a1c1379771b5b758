import bambi
import numpy as np
import pandas as pd
import pytensor
import pytest

import hiercal
from hiercal.errors import ModelRefused
from hiercal.user_models.bambi import from_bambi


def frame():
    rng = np.random.default_rng(1)
    group = np.repeat(["a", "b", "c"], 4)
    return pd.DataFrame({"y": rng.normal(5, 2, 12), "x": rng.normal(size=12), "group": group})


def test_model_is_built_and_its_scaled_priors_are_said_to_be_frozen():
    model = bambi.Model("y ~ x + (1|group)", frame())
    story = from_bambi(model)
    assert story.name == "y"
    assert "1|group" in story.dims
    assert story.layout.labels["1|group"] == ("1|group[a]", "1|group[b]", "1|group[c]")
    (said,) = [note for note in story.notes if "Bambi" in note]
    assert "scaled the priors of Intercept, x, 1|group" in said
    first, again = (hiercal.simulate(1, story, 0).data["y"] for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_priors_that_are_given_are_not_said_to_be_scaled():
    priors = {
        "Intercept": bambi.Prior("Normal", mu=0, sigma=5),
        "x": bambi.Prior("Normal", mu=0, sigma=1),
        "sigma": bambi.Prior("HalfNormal", sigma=2),
    }
    story = from_bambi(bambi.Model("y ~ x", frame(), priors=priors), name="mine")
    assert story.name == "mine"
    assert not [note for note in story.notes if "Bambi" in note]


def test_priors_of_other_parameters_are_not_said_to_be_scaled():
    formula = bambi.Formula("y ~ x", "sigma ~ x")
    # compiling takes longer than the test
    with pytensor.config.change_flags(mode="FAST_COMPILE"):
        story = from_bambi(bambi.Model(formula, frame()))
    (said,) = [note for note in story.notes if "Bambi" in note]
    assert "scaled the priors of Intercept, x to the data" in said


def test_weights_are_refused():
    """The density is raised to a power, and the forward draws know nothing of it."""
    data = frame().assign(w=2.0)
    with pytest.raises(ModelRefused, match="log likelihood is weighted, its forward draws are not"):
        from_bambi(bambi.Model("weighted(y, w) ~ x", data))
