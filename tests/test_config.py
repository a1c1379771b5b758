"""TOML files, right and wrong."""

from pathlib import Path

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
        path = tmp_path / "mine.toml"
        path.write_text(text)
        return path

    return write


def test_a_file_becomes_a_run(config):
    design = read(config(RIGHT))
    assert design.name == "mine"
    assert (design.simulations, design.seed) == (50, 3)
    assert design.stories[0].tau_scale == 5
    assert design.fitters[0].draws == 400


def test_the_command_line_has_the_last_word(config):
    design = read(config(RIGHT), simulations=7, seed=None)
    assert (design.simulations, design.seed) == (7, 3)


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


def test_a_file_may_name_a_study_and_its_options(config):
    found = read(config('study = "funnel"\nsimulations = 20\ntargets = [0.7, 0.8]\n'))
    assert (found.name, found.simulations, found.targets) == ("funnel", 20, (0.7, 0.8))
    quick = read(config('study = "funnel"\ntargets = [0.7, 0.8]\n'), quick=True)
    assert quick.targets == (0.7, 0.8)
    assert quick.simulations < found.simulations


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('study = "funnle"', "did you mean 'funnel'"),
        ('study = "funnel"\ntarget = [0.8]', "unknown option of funnel 'target'; did you mean"),
        ('study = "funnel"\ntargets = [0.8]', "give two or more to compare"),
        ('study = "funnel"\nsimulations = 1', "simulations is 1"),
    ],
)
def test_wrong_named_studies_say_why(config, text, message):
    with pytest.raises(ConfigError, match=message):
        read(config(text))


@pytest.mark.parametrize("path", sorted(Path("examples").glob("*.toml")))
def test_every_example_is_right(path):
    assert read(path)


def test_a_relative_path_is_from_the_file_and_not_from_the_working_folder(tmp_path, monkeypatch):
    (tmp_path / "design").mkdir()
    (tmp_path / "design" / "mine.py").write_text(
        "from hiercal.simulators.eight_schools import EightSchools\n\n\n"
        "class Mine(EightSchools):\n    name = 'mine'\n"
    )
    path = tmp_path / "design" / "run.toml"
    path.write_text('stories = [{ name = "mine.py:Mine" }]\nfitters = [{ name = "exact" }]\n')
    monkeypatch.chdir(tmp_path)
    assert read(path).stories[0].name == "mine"
    (tmp_path / "mine.py").write_text("raise RuntimeError('the wrong file')\n")
    assert read(path).stories[0].name == "mine"
