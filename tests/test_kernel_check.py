"""Kernels are checked: right ones pass, wrong ones are found and named, mistakes are said."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from hiercal import Simulation, Story, catalogue, story
from hiercal.errors import UnknownName
from hiercal.kernel_check import check_kernel, looks
from hiercal.kernels import FunctionKernel
from hiercal.kernels.blackjax import BlackJAX
from hiercal.kernels.numpyro import NumPyro
from hiercal.kernels.pymc import PyMC


@dataclass(frozen=True, kw_only=True)
class Mean(Story):
    """theta ~ N(0, 1), y ~ N(theta, 1): the posterior is N(y / 2, 1 / 2)."""

    def simulate(self, rng: np.random.Generator) -> Simulation:
        theta = rng.normal()
        return Simulation({"theta": np.array(theta)}, {"y": np.array(rng.normal(theta))})


def gibbs(rng, theta, data):
    return {"theta": rng.normal(data["y"] / 2, 0.5**0.5, size=data["y"].shape)}


def wide(rng, theta, data):
    return {"theta": rng.normal(data["y"] / 2, 1.1 * 0.5**0.5, size=data["y"].shape)}


def shifted(rng, theta, data):
    return {"theta": rng.normal(data["y"] / 2 + 0.15, 0.5**0.5, size=data["y"].shape)}


def prior(rng, theta, data):
    return {"theta": rng.normal(size=data["y"].shape)}


def stay(rng, theta, data):
    return theta


def undefined(rng, theta, data):
    return {"theta": np.full(data["y"].shape, np.nan)}


def at_once(function, **options):
    return FunctionKernel(function=function, vectorised=True, transitions=1, **options)


def test_a_right_kernel_is_not_rejected():
    # 20 checks at alpha = .05: more than 5 alarms in 3e-4 of seeds
    alarms = sum(
        check_kernel(Mean(), at_once(gibbs), alpha=0.05, max_simulations=500, seed=seed).rejected
        for seed in range(20)
    )
    assert alarms <= 5


@pytest.mark.parametrize(("function", "most"), [(wide, 8000), (shifted, 3000), (undefined, 200)])
def test_a_wrong_kernel_is_rejected_and_named(function, most):
    found = check_kernel(Mean(), at_once(function), max_simulations=most)
    assert found.rejected
    assert found.log_e >= np.log(1000)


def test_a_kernel_that_draws_from_the_prior_is_named():
    found = check_kernel(Mean(), at_once(prior), max_simulations=1000)
    assert found.rejected
    assert found.named in ((), ("theta",))
    assert found.gradients == found.simulations == found.transitions


def test_it_is_blind_to_a_kernel_that_does_not_move():
    found = check_kernel(Mean(), at_once(stay), max_simulations=1000)
    assert not found.rejected


def test_one_at_a_time_is_checked_too_and_own_chains():
    found = check_kernel(
        Mean(), FunctionKernel(function=gibbs, transitions=5), reversible=True, max_simulations=300
    )
    assert not found.rejected
    assert found.max_rank == 5
    assert found.gradients == 1500


def test_own_chains_see_a_wide_kernel():
    kernel = FunctionKernel(function=wide, vectorised=True, transitions=9)
    assert check_kernel(Mean(), kernel, reversible=True).rejected


def test_the_same_seed_gives_the_same_evidence():
    two = [
        [one.log_e for one in looks(Mean(), at_once(gibbs), max_simulations=300, seed=4)]
        for _ in range(2)
    ]
    assert two[0] == two[1]
    assert len(two[0]) == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    "kernel",
    [
        NumPyro(),
        NumPyro(algorithm="hmc", transitions=5),
        BlackJAX(algorithm="mala", step_size=0.1, transitions=5),
        BlackJAX(algorithm="rmh", transitions=5),
        PyMC(method="Slice"),
    ],
    ids=lambda kernel: f"{kernel.name}-{vars(kernel).get('algorithm', 'slice')}",
)
def test_kernels_of_libraries_pass(kernel):
    found = check_kernel(story("eight_schools"), kernel, max_simulations=200)
    assert not found.rejected
    assert found.undefined == 0
    assert found.gradients >= found.transitions
    assert {"mu", "tau", "log_lik", "log_prior", "log_joint"} < set(found.evidence)


@pytest.mark.slow
def test_a_wrong_target_is_found_by_a_kernel_of_blackjax():
    def tempered(log_density, variances):
        import blackjax

        return blackjax.hmc(lambda z: 0.7 * log_density(z), 0.3, variances, 4)

    found = check_kernel(story("eight_schools"), BlackJAX(algorithm=tempered))
    assert found.rejected


def test_mistakes_are_said(tmp_path):
    with pytest.raises(UnknownName, match="did you mean 'numpyro'"):
        catalogue.kernel("numpyr")
    with pytest.raises(UnknownName, match="step_size"):
        catalogue.kernel("numpyro", stepsize=1)
    (tmp_path / "mine.py").write_text("def move(rng, theta, data):\n    return theta\n")
    assert catalogue.kernel(f"{tmp_path}/mine.py:move", transitions=3).transitions == 3
    with pytest.raises(UnknownName, match="move"):
        catalogue.kernel(f"{tmp_path}/mine.py:mov")
    with pytest.raises(ValueError, match="transitions=4"):
        check_kernel(Mean(), at_once(gibbs), reversible=True)
    with pytest.raises(ValueError, match="NumPyro"):
        check_kernel(Mean(), NumPyro())
    with pytest.raises(ValueError, match="return a dictionary of theta"):
        check_kernel(Mean(), at_once(lambda rng, theta, data: {"mu": 0.0}))
    with pytest.raises(ValueError, match="shape"):
        check_kernel(Mean(), at_once(lambda rng, theta, data: {"theta": 0.0}))
    with pytest.raises(ValueError, match="has no model"):
        check_kernel(Mean(), at_once(gibbs, model="noncentred"))


def test_what_is_printed(capsys):
    from hiercal.console.kernel import show_kernel

    show_kernel(check_kernel(Mean(), at_once(gibbs), max_simulations=200))
    printed = " ".join(capsys.readouterr().out.split())
    assert "gibbs on mean: no evidence" in printed
    assert "Adaptation and mixing are not checked" in printed


def test_the_command_exits_with_what_it_found(tmp_path, capsys):
    from hiercal.cli.kernel import check_kernel as command

    (tmp_path / "mine.py").write_text(
        "import numpy as np\n"
        "def wrong(rng, theta, data):\n"
        "    return {n: v * 1.5 for n, v in theta.items()}\n"
    )
    with pytest.raises(SystemExit) as ended:
        command("eight_schools", f"{tmp_path}/mine.py:wrong", options=("transitions=1",))
    assert ended.value.code == 1
    with pytest.raises(SystemExit) as ended:
        command("eight_schools", "numpyr")
    assert ended.value.code == 2
    assert "did you mean" in capsys.readouterr().err


def test_the_documentation_shows_the_examples():
    root = Path(__file__).parents[1]
    codes = re.findall(
        r"```python\n(.*?)```", (root / "docs" / "how_to" / "kernels.md").read_text(), re.DOTALL
    )
    for name in ("metropolis", "with_blackjax"):
        _, _, code = (root / f"examples/kernels/{name}.py").read_text().partition('"""\n\n')
        assert code in codes
        assert len(code.splitlines()) < 20


@pytest.mark.slow
def test_the_examples_pass():
    for name in ("metropolis.py:metropolis", "with_blackjax.py:kernel"):
        model = "centred" if name.startswith("metropolis") else "noncentred"
        path = Path(__file__).parents[1] / "examples" / "kernels" / name
        kernel = catalogue.kernel(str(path), model=model)
        assert not check_kernel(story("eight_schools"), kernel, max_simulations=300).rejected


def test_a_check_says_how_it_gets_on(monkeypatch, capsys):
    from hiercal.console import kernel as shown

    monkeypatch.setattr(shown, "EVERY", 0.0)
    with shown.kernel_progress() as progress:
        check_kernel(Mean(), at_once(gibbs), max_simulations=200, progress=progress)
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("100 simulations, 100 gradients, evidence ")
    assert second.endswith(" of 6.9")


def test_an_error_in_a_file_is_said_with_its_line(tmp_path):
    (tmp_path / "mine.py").write_text("import math\nmath.sqrt(-1)\n")
    with pytest.raises(UnknownName, match="line 2: ValueError"):
        catalogue.kernel(f"{tmp_path}/mine.py:move")
