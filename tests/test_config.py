"""TOML files, right and wrong."""

import pytest

from hiercal.config import ConfigError, read

RIGHT = """
simulations = 50
seed = 3
stories = [{ name = "eight_schools", tau_scale = 5 }]
[[fitters]]
name = "numpyro"
model = "centred"
draws = 400
"""


@pytest.fixture
def config(tmp_path):
    def write(text):
        path = tmp_path / "study.toml"
        path.write_text(text)
        return path

    return write


def test_a_file_becomes_a_study(config):
    study = read(config(RIGHT))
    assert study.name == "study"
    assert (study.simulations, study.seed) == (50, 3)
    assert study.stories[0].tau_scale == 5
    assert study.fitters[0].draws == 400


def test_the_command_line_has_the_last_word(config):
    study = read(config(RIGHT), simulations=7, seed=None)
    assert (study.simulations, study.seed) == (7, 3)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "simulations = 50",
            "simulation = 50",
            "key 'simulation'; did you mean 'simulations'",
        ),
        (
            "simulations = 50",
            "simulations = -1",
            "simulations is -1; give a whole number",
        ),
        ("simulations = 50", "simulations = 'all'", "simulations is 'all'"),
        ("seed = 3", "seed = ", "is not TOML"),
        ('"eight_schools"', '"eight_skools"', "did you mean 'eight_schools'"),
        (
            "tau_scale",
            "tau_scal",
            "'tau_scal'; did you mean 'tau_scale'",
        ),
        ("tau_scale = 5", "tau_scale = -5", "tau_scale is -5"),
        ('"numpyro"', '"numpy"', "did you mean 'numpyro'"),
        ('"centred"', '"centered"', "no model 'centered'; did you mean 'centred'"),
        ("draws = 400", "draws = -4", "draws is -4; give a whole number of at least 1"),
        ("draws = 400", "draws = 40", "fewer than max_rank = 99"),
        ('name = "numpyro"', "", r"fitters\.0\.name is missing"),
    ],
)
def test_each_mistake_is_one_message(config, old, new, message):
    assert old in RIGHT
    with pytest.raises(ConfigError, match=message):
        read(config(RIGHT.replace(old, new)))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot read .*nothing\.toml"):
        read(tmp_path / "nothing.toml")


def test_several_mistakes_are_all_told(config):
    with pytest.raises(ConfigError) as caught:
        read(config(RIGHT.replace("simulations", "simulation").replace("seed", "sead")))
    assert "'simulation'" in str(caught.value)
    assert "'sead'" in str(caught.value)
