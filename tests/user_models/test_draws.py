"""Draws made elsewhere get the ranks and verdicts of fits made inside, from any kind of file."""

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import hiercal
from hiercal import Run
from hiercal.config import usual_run
from hiercal.errors import DrawsRefused
from hiercal.fitters._given import GivenDraws
from hiercal.runs.fit import sampler_seed
from hiercal.tables.mixing import mixing
from hiercal.tables.verdicts import verdicts
from hiercal.user_models._draws_files import read_draws
from tests.running import run

SIMULATIONS, CHAINS, DRAWS = 100, 2, 500
SEED = 1
"""Of the seeds 0 to 39, one raises a false alarm on exact draws: 0. At most 5 % should."""


def normal(rng):
    """mu ~ N(0, 1), theta ~ N(0, 1) for three groups, each seen once with standard error 1."""
    mu, theta = rng.normal(), rng.normal(size=3)
    return {"mu": mu, "theta": theta}, {"z": rng.normal(mu, 1), "y": rng.normal(theta, 1)}


def exact(data, seed):
    rng = np.random.default_rng(seed)
    shape, sd = (CHAINS, DRAWS), math.sqrt(0.5)
    return {
        "mu": rng.normal(data["z"] / 2, sd, size=shape),
        "theta": rng.normal(data["y"] / 2, sd, size=(*shape, 3)),
    }


@pytest.fixture(scope="module")
def inside(tmp_path_factory):
    made = usual_run(hiercal.from_functions(normal, exact), simulations=SIMULATIONS, seed=SEED)
    return made, run(made, tmp_path_factory.mktemp("inside"))


@pytest.fixture(scope="module")
def arrays(inside):
    """The truths and draws of the fits made inside."""
    (story,), (fitter,) = inside[0].stories, inside[0].fitters
    simulations = [hiercal.simulate(SEED, story, i) for i in range(SIMULATIONS)]
    fits = [
        hiercal.fit(story, fitter, each.data, sampler_seed(SEED, story, fitter, i))
        for i, each in enumerate(simulations)
    ]
    return (
        {name: np.stack([each.truth[name] for each in simulations]) for name in story.dims},
        {name: np.stack([each.draws[name] for each in fits]) for name in story.dims},
    )


def copied(arrays):
    return tuple({name: values.copy() for name, values in each.items()} for each in arrays)


def small(n=6, chains=2, draws=10):
    rng = np.random.default_rng(1)
    return (
        {"mu": rng.normal(size=n), "theta": rng.normal(size=(n, 3))},
        {
            "mu": rng.normal(size=(n, chains, draws)),
            "theta": rng.normal(size=(n, chains, draws, 3)),
        },
    )


def datasets(truths, draws):
    coords = {"group": ["A", "B", "C"]}
    return (
        xr.Dataset(
            {
                "mu": ("simulation", truths["mu"]),
                "theta": (("simulation", "group"), truths["theta"]),
            },
            coords,
        ),
        xr.Dataset(
            {
                "mu": (("simulation", "chain", "draw"), draws["mu"]),
                # in another order
                "theta": (
                    ("chain", "group", "draw", "simulation"),
                    draws["theta"].transpose(1, 3, 2, 0),
                ),
            },
            coords,
        ),
    )


def tree(truths, draws, names=("truths", "draws")):
    return xr.DataTree.from_dict(dict(zip(names, datasets(truths, draws), strict=True)))


def tables(truths, draws):
    """Long tables with a column a scalar, as other programs write them: numbered from 1."""
    columns = {"mu": lambda each: each["mu"]} | {
        f"theta[{i}]": lambda each, i=i: each["theta"][..., i] for i in range(3)
    }
    shape = draws["mu"].shape
    index = np.indices(shape).reshape(3, -1) + 1
    rows = pd.DataFrame(dict(zip(("simulation", "chain", "draw"), index, strict=True)))
    of_draws = rows.assign(**{name: get(draws).ravel() for name, get in columns.items()})
    of_truths = pd.DataFrame({"simulation": np.arange(shape[0]) + 1}).assign(
        **{name: get(truths) for name, get in columns.items()}
    )
    return of_truths, of_draws


def written(kind, folder, truths, draws):
    """The arguments that read what was written."""
    if kind in ("nc", "zarr"):
        path = folder / f"draws.{kind}"
        names = ("truths", "draws") if kind == "nc" else ("prior", "posterior")
        made = tree(truths, draws, names)
        made.to_netcdf(path) if kind == "nc" else made.to_zarr(path, zarr_format=2)
        return (path,)
    if kind == "npz":
        path = folder / "draws.npz"
        keys = {f"truths/{name}": values for name, values in truths.items()}
        np.savez(path, **keys, **{f"draws/{name}": values for name, values in draws.items()})
        return (path,)
    of_truths, of_draws = tables(truths, draws)
    if kind == "parquet":
        of_draws.to_parquet(folder / "draws.parquet")
        of_truths.to_parquet(folder / "truths.parquet")
        return folder / "draws.parquet", folder / "truths.parquet"
    both = pd.concat([of_draws, of_truths]).sample(frac=1, random_state=1)  # in any order
    both.to_csv(folder / "draws.csv.gz", na_rep="NA")
    return (folder / "draws.csv.gz",)


def judged(result):
    return verdicts(result).drop(columns="arm")


@pytest.mark.parametrize("kind", ["nc", "zarr", "npz", "parquet", "csv"])
def test_every_kind_of_file_gives_the_verdicts_of_fits_made_inside(kind, inside, arrays, tmp_path):
    story = read_draws(*written(kind, tmp_path, *arrays))
    result = run(usual_run(story), tmp_path / "out")
    expected, got = judged(inside[1]), judged(result)
    named = {f"theta[{i}]": f"theta[{letter}]" for i, letter in enumerate("ABC")}
    if kind in ("nc", "zarr"):
        expected["quantity"] = expected["quantity"].replace(named)
    key = "quantity"
    pd.testing.assert_frame_equal(
        got.sort_values(key, ignore_index=True), expected.sort_values(key, ignore_index=True)
    )
    assert (got["verdict"] == "calibrated").all()
    assert story.name == "draws"
    (arm,) = result.manifest["arms"]
    assert (arm["arm"], arm["chains"], arm["draws"]) == ("draws/given", CHAINS, DRAWS)


@pytest.mark.filterwarnings("ignore:.*onsolidated metadata")
@pytest.mark.parametrize("form", ["dict", "datasets", "tree", "lists"])
def test_arrays_and_datasets_are_taken(form):
    truths, draws = small()
    forms = {
        "dict": (truths, draws),
        "datasets": datasets(truths, draws),
        "tree": (tree(truths, draws), tree(truths, draws)),
        "lists": tuple({k: v.tolist() for k, v in each.items()} for each in (truths, draws)),
    }
    story = hiercal.from_draws(*forms[form], name="mine")
    assert (story.name, story.n_simulations, story.draws_shape) == ("mine", 6, (2, 10))
    np.testing.assert_array_equal(story.draws_of(4)["theta"], draws["theta"][4])
    simulation = hiercal.simulate(1, story, 4)
    np.testing.assert_array_equal(simulation.truth["theta"], truths["theta"][4])
    assert simulation.data["simulation"] == 4
    letters = "ABC" if form in ("datasets", "tree") else "012"
    assert story.labels("theta") == [f"theta[{letter}]" for letter in letters]
    assert story.dims["theta"] == ("group",) if letters == "ABC" else ("theta_dim_0",)


def test_one_chain_needs_no_axis():
    truths, draws = small(chains=1)
    without = {name: values[:, 0] for name, values in draws.items()}
    assert hiercal.from_draws(truths, without) == hiercal.from_draws(truths, draws)


def test_more_chains_than_draws_are_pointed_out():
    """Draws whose last axis is the chain, as R has them, look like that."""
    truths, draws = small()
    turned = {"mu": np.swapaxes(draws["mu"], 1, 2)}
    said = " ".join(hiercal.from_draws({"mu": truths["mu"]}, turned).notes)
    assert "taken as 10 chains of 2 draws each" in said
    assert "chains of" not in " ".join(hiercal.from_draws(truths, draws).notes)


def test_two_quantities_of_one_name_are_refused():
    truths, draws = small()
    one = {"theta[0]": truths["mu"], **truths}, {"theta[0]": draws["mu"], **draws}
    with pytest.raises(ValueError, match=r"theta\[0\] is the name of two quantities"):
        hiercal.from_draws(*one)


def test_stories_are_the_same_if_their_numbers_are():
    truths, draws = small()
    story = hiercal.from_draws(truths, draws)
    assert story == hiercal.from_draws(*copied((truths, draws)))
    draws["mu"][0, 0, 0] += 1e-9
    assert story != hiercal.from_draws(truths, draws)


def test_a_sampler_that_is_too_sure_is_found(arrays, tmp_path):
    truths, draws = copied(arrays)
    middle = draws["mu"].mean(axis=(1, 2), keepdims=True)
    draws["mu"] = middle + 0.5 * (draws["mu"] - middle)
    table = verdicts(run(usual_run(hiercal.from_draws(truths, draws)), tmp_path))
    found = table.set_index("quantity")["verdict"]
    assert found["mu"] == "miscalibrated"
    assert (found.drop("mu") == "calibrated").all()


def test_chains_that_do_not_mix_are_found(arrays, tmp_path):
    truths, draws = copied(arrays)
    draws["mu"][:, 1] += 5
    (row,) = mixing(run(usual_run(hiercal.from_draws(truths, draws)), tmp_path)).to_dict("records")
    assert row["mixes"] == "no"


def test_failed_fits_are_recorded_with_their_reason(arrays, tmp_path):
    truths, draws = copied(arrays)
    for values in draws.values():
        values[7] = np.nan
    draws["mu"][8, 1, :3] = np.nan
    truths["mu"][9] = np.nan
    result = run(usual_run(hiercal.from_draws(truths, draws)), tmp_path)
    errors = result.fits.set_index("simulation")["error"].dropna()
    assert errors.to_dict() == {
        7: "fit: no draws were given: all are NaN",
        8: "fit: 3 draws of mu are not finite",
        9: "simulate: ValueError: the truth of mu is NaN",
    }
    assert (verdicts(result)["n_failed"] == 3).all()


def test_a_failed_fit_in_a_table_is_a_row_without_values(arrays, tmp_path):
    truths, draws = ({k: v[:20] for k, v in each.items()} for each in arrays)
    of_truths, of_draws = tables(truths, draws)
    empty = pd.DataFrame({"simulation": [4], "chain": [1], "draw": [1]})
    kept = of_draws[(of_draws["simulation"] != 4).to_numpy()]
    pd.concat([kept, empty, of_truths]).to_csv(tmp_path / "draws.csv")
    story = read_draws(tmp_path / "draws.csv")
    assert np.isnan(story.draws_of(3)["mu"]).all()
    assert np.isfinite(story.draws_of(4)["mu"]).all()


def test_all_simulations_are_ranked_and_more_are_refused(tmp_path):
    story = hiercal.from_draws(*small(n=30))
    assert usual_run(story).simulations == 30
    assert usual_run(story, simulations=12).simulations == 12
    with pytest.raises(ValueError, match="simulations is 31; draws has 30: give that or fewer"):
        usual_run(story, simulations=31)
    with pytest.raises(ValueError, match="simulations is 200; draws has 30"):
        Run(stories=[story], fitters=[GivenDraws(chains=2, draws=10)])


def test_ranks_are_among_99_draws_or_about_half_of_fewer():
    story = hiercal.from_draws(*small(chains=2, draws=10))
    assert usual_run(story).max_rank == 9
    assert usual_run(story, max_rank=20).max_rank == 20
    (note,) = story.notes
    assert note.startswith("with 20 draws of a simulation, truths are ranked among 9 of them")
    story = hiercal.from_draws(*small(chains=1, draws=200))
    assert (usual_run(story).max_rank, story.notes) == (99, ())


def test_quantities_such_as_log_lik_silence_the_warning(tmp_path):
    truths, draws = small(n=20)
    result = run(usual_run(hiercal.from_draws(truths, draws)), tmp_path / "without")
    (sentence,) = result.manifest["unseen"]
    assert sentence.startswith("draws/given ranks no log_prior and no log_lik")
    rng = np.random.default_rng(2)
    for name in ("log_prior", "log_lik"):
        truths[name], draws[name] = rng.normal(size=20), rng.normal(size=(20, 2, 10))
    result = run(usual_run(hiercal.from_draws(truths, draws)), tmp_path / "with")
    assert result.manifest["unseen"] == []
    assert "log_lik" in set(result.records["quantity"])


def test_constants_and_copies_are_no_quantities():
    """As in a correlation matrix."""
    rng = np.random.default_rng(1)

    def matrix(*shape):
        r = rng.uniform(-1, 1, size=shape)
        one = np.ones(shape)
        return np.stack([np.stack([one, r], -1), np.stack([r, one], -1)], -1)

    story = hiercal.from_draws({"R": matrix(8)}, {"R": matrix(8, 50)})
    drawn = story.quantities(story.draws_of(0), {}, rng)
    assert list(drawn) == ["R[0,1]"]
    assert any("constant" in note for note in story.notes)


def test_the_arrays_stay_in_this_process(tmp_path, capsys):
    made = usual_run(hiercal.from_draws(*small(n=12)))
    result = run(made, tmp_path, workers=2, progress=True)
    assert len(result.fits) == 12
    assert "ranked in this process, without workers" in capsys.readouterr().err


def test_check_ranks_them(tmp_path, unrendered, capsys):
    result = hiercal.check(hiercal.from_draws(*small(n=20)), out=tmp_path)
    assert result.n_simulations == 20
    assert {"verdicts.csv", "coverage.csv", "mixing.csv", "sbc.zarr"} <= {
        path.name for path in tmp_path.iterdir()
    }
    assert "draws/given" in capsys.readouterr().out


def changed(**changes):
    """Small arrays with some replaced; of (truths, draws)."""
    truths, draws = small()
    for name, (true, drawn) in changes.items():
        for held, value in ((truths, true), (draws, drawn)):
            held.pop(name, None)
            if value is not None:
                held[name] = value
    return truths, draws


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (changed(tau=(np.ones(6), None)), "only truths have tau; only draws have nothing; give"),
        (changed(lp=(None, np.ones((6, 9)))), "only truths have nothing; only draws have lp; give"),
        (
            changed(mu=(np.ones(5), np.ones((6, 2, 10)))),
            "draws of mu of 6 simulations and truths of 5; give both of all simulations, NaN",
        ),
        (
            changed(tau=(np.ones(5), np.ones((5, 2, 10)))),
            "truths of tau are of 5 simulations, those of mu of 6",
        ),
        (
            changed(theta=(np.ones((6, 3)), np.ones((6, 2, 10, 4)))),
            r"draws of theta have shape \(6, 2, 10, 4\), truths \(6, 3\); give draws as "
            r"\(6, n_draws, 3\) or \(6, n_chains, n_draws, 3\)",
        ),
        (
            changed(theta=(np.ones((6, 3)), np.ones((6, 10)))),
            r"draws of theta have shape \(6, 10\), truths \(6, 3\); give draws as",
        ),
        (changed(mu=(1.0, np.ones((6, 10)))), r"truths \(\); give draws as \(n_simulations, n_dr"),
        (
            changed(mu=(np.ones(6), np.ones((6, 2, 9)))),
            r"draws are 2 x 10 of theta; 2 x 9 of mu \(chains x draws\)",
        ),
        (changed(mu=(["a"] * 6, np.ones((6, 9)))), "truths of mu are not an array of numbers"),
        (
            changed(mu=(np.ones(6), [[1.0] * 9] * 5 + [[1.0] * 8])),
            "draws of mu are not an array of numbers; give numbers, and as many draws of each",
        ),
        (({}, {}), "hold no variables"),
        ((np.ones(6), {"mu": np.ones((6, 9))}), "truths are ndarray; give arrays by name"),
        (({"mu": np.ones(6)}, {"mu": np.ones((6, 8))}), "there are 1 x 8 draws of a simulation"),
        (({"mu": np.ones(6)}, {"mu": np.ones((6, 9))}), "have one value, so there is nothing to"),
        (
            ({"mu": np.ones(6)}, {"mu": np.full((6, 9), np.nan)}),
            "no simulation has truths and draws that are all finite",
        ),
        (({"mu": np.ones(0)}, {"mu": np.ones((0, 9))}), "no simulation has truths and draws"),
    ],
)
def test_arrays_that_do_not_match_are_refused_in_a_sentence(arrays, message):
    with pytest.raises(DrawsRefused, match=message):
        hiercal.from_draws(*arrays)


def test_datasets_that_do_not_match_are_refused_in_a_sentence():
    truths, draws = datasets(*small())
    for wrong, message in (
        ((truths.rename(simulation="sim"), draws), "truths of mu have the dimensions sim, without"),
        ((truths, draws.rename(draw="sample")), "without draw; give .simulation, .chain., draw"),
        ((truths, draws.rename(group="school")), "truths of theta have the dimensions simulation"),
        (
            (truths, draws.assign_coords(group=["A", "C", "B"])),
            "differ along the dimension group: they are in another order",
        ),
        (
            (
                truths.assign_coords(simulation=range(6)),
                draws.assign_coords(simulation=range(1, 7)),
            ),
            "dimension simulation: only in some are 0, 6; .* NaN for fits that failed",
        ),
    ):
        with pytest.raises(DrawsRefused, match=message):
            hiercal.from_draws(*wrong)


def test_a_truth_cannot_be_given_beside_them():
    with pytest.raises(ValueError, match=r"given is .*, but its truths are made"):
        dataclasses.replace(hiercal.from_draws(*small()), given={"mu": 1.0})


# bad files
