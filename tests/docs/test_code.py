"""Every block of code in the pages runs here, or is named with the reason why it does not."""

import re
import shlex
import shutil
import subprocess
import sys
from contextlib import chdir
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from hiercal.cli import main
from hiercal.config import read
from hiercal.runs.run import Run
from hiercal.studies import Study
from tests.docs.blocks import ALL, ROOT, Block, blocks, commands

FILES = {block.file: block.text for block in ALL if block.file}
CONSOLE = [
    (block.page, line) for block in ALL if block.language == "console" for line in commands(block)
]
HIERCAL = {
    line.removeprefix("uv run "): page
    for page, line in CONSOLE
    if re.match(r"(uv run )?hiercal ", line)
}
BUILT = "the build of the site runs them"
"""Cells: .ci/run builds the site, and a cell that raises ends the build."""

NOT_RUN = {
    r"hiercal run (calibration|chapter|cost|frequentist|funnel|interval_width|james_stein"
    r"|new_group|parameterisation|pooling|prior_sensitivity)\b": "minutes; tests/studies runs each",
    r"hiercal run examples/funnel_pymc.toml": "minutes; tests/studies runs the study",
    r"hiercal run examples/stories.toml": "half an hour; tests/contracts fits each story",
    r"hiercal list stories --table": "half a minute; tests/test_cli.py",
    r"hiercal claims": "an hour; tests/studies/test_claims.py",
    r"hiercal mutants --(only|max)": "minutes; tests/mutants",
    r"hiercal rerun": "asks before it runs; tests/report/test_rerun.py",
    r".* --scheduler": "needs a cluster; tests/runs/test_cluster.py starts one",
}
"""Commands of hiercal that are only parsed here, and why."""

OTHERS = {
    r"python -m pip install uv": "installs; .ci/run begins with it",
    r"uv run pytest": "tests, which run in CI",
    r"uv run pre-commit install": "changes the checkout",
    r"uv run (--group benchmark )?benchmarks/": "minutes to hours",
    r"uv run examples/figures.py": "a minute; tests/plots draws each figure that it draws",
    r"uv run --group docs sphinx-build": ".ci/run builds the site with it",
    r"uv lock --upgrade": "changes the pins",
    r"dask (scheduler|worker)": "needs ports; tests/runs/test_cluster.py starts both",
    r"(openssl|chmod) ": "makes certificates for a cluster",
}
"""Other commands, and why they do not run here."""

NO_PYTHON = {
    "CONTRIBUTING.md": "the outline of a study; tests/studies/test_study.py has a whole one",
    "docs/how_to/ci.md": "tests/test_ci_page.py runs its files",
    "docs/how_to/clusters.md": "needs SLURM",
    "docs/how_to/kernels.md": "tests/test_kernel_check.py runs the examples that it shows",
}
"""Pages whose Python runs elsewhere, and where."""

OTHER_LANGUAGES = {
    "": "output of a command",
    "bash": "a script for SLURM: checked by bash -n",
    "r": "needs R and cmdstanr",
    "text": "output of a command",
    "yaml": "for GitHub and clusters: parsed",
    "{code-cell}": BUILT,
    "{eval-rst}": BUILT,
    "{toctree}": BUILT,
}

SMALL = {
    "run": ["--simulations=2", "--workers=0"],
    "run --around": ["--simulations=2", "--workers=0", "--fresh"],
    "check": ["--max-simulations=2", "--workers=0", "--fresh"],
}
"""Options that make a command quick; the last one given counts."""

PYMC = """
import numpy as np
import pymc as pm

Y = np.array([28.0, 8, -3, 7, -1, 1, 18, 12])
with pm.Model() as model:
    mu = pm.Normal("mu", 0, 20)
    tau = pm.HalfNormal("tau", 10)
    theta = pm.Normal("theta", mu, tau, shape=8)
    pm.Normal("y", theta, 12, observed=Y)
"""
NUMPYRO = """
from functools import partial

import numpy as np
import numpyro
import numpyro.distributions as dist


def schools(sigma, y=None):
    mu = numpyro.sample("mu", dist.Normal(0, 20))
    tau = numpyro.sample("tau", dist.HalfNormal(10))
    with numpyro.plate("school", 8):
        theta = numpyro.sample("theta", dist.Normal(mu, tau))
        numpyro.sample("y", dist.Normal(theta, sigma), obs=y)


sigma, y = np.full(8, 12.0), np.array([28.0, 8, -3, 7, -1, 1, 18, 12])
model = partial(schools, sigma, y=y)
"""
BAMBI = """
import bambi
import numpy as np
import pandas as pd

rng = np.random.default_rng(1)
data = pd.DataFrame({"y": rng.normal(size=24), "group": np.repeat(list("abcdefgh"), 3)})
priors = {
    "Intercept": bambi.Prior("Normal", mu=0, sigma=20),
    "1|group": bambi.Prior("Normal", mu=0, sigma=bambi.Prior("HalfNormal", sigma=10)),
    "sigma": bambi.Prior("HalfNormal", sigma=5),
}
model = bambi.Model("y ~ 1 + (1|group)", data, priors=priors)
"""
BY_HAND = """
import numpy as np
import pymc as pm

y = np.random.default_rng(1).normal(size=24)
with pm.Model() as model:
    mu = pm.Normal("mu", 0, 20)
    tau = pm.HalfNormal("tau", 10)
    z = pm.Normal("1|group_offset", 0, 1, shape=8)
    sigma = pm.HalfNormal("sigma", 5)
    pm.Normal("y", mu + (tau * z)[np.repeat(range(8), 3)], sigma, observed=y)
"""
FEW = """
from functools import partial

import hiercal

hiercal.check = partial(hiercal.check, simulations=10{})
"""
BEFORE = {
    "docs/how_to/own_models.md": PYMC + NUMPYRO.replace("model = ", "_ = ") + FEW.format(""),
    "docs/how_to/papers.md": "",
    "docs/how_to/parity.md": f"import hiercal\n{PYMC}\na = model\n"
    + PYMC.replace('Normal("mu"', 'Normal("Intercept"')
    + "b = model\n",
    "docs/how_to/posterior_sbc.md": PYMC
    + FEW.format(
        ', out="results/weak_data_around", fitters=[hiercal.fitter("pymc", model="as_written")]'
    ),
}
"""What a page takes for granted: a model of the reader's, and fewer simulations."""


def python_pages():
    pages = dict.fromkeys(block.page for block in ALL if block.language == "python")
    return [page for page in pages if page not in NO_PYTHON]


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    """Where a reader has the examples, the files of the pages and a small run of Eight Schools."""
    at = tmp_path_factory.mktemp("reader")
    (at / "examples").symlink_to(ROOT / "examples", target_is_directory=True)
    for name, text in FILES.items():
        if "/" not in name:
            (at / name).write_text(text)
    for name, text in {"in_pymc": PYMC, "in_numpyro": NUMPYRO, "in_bambi": BAMBI,
                       "by_hand": BY_HAND}.items():  # fmt: skip
        (at / f"{name}.py").write_text(text)
    rows = "\n".join(str(480 + 3 * i % 40) for i in range(24))
    (at / "data.csv").write_text(f"y\n{rows}\n")
    with chdir(at):
        arguments = ["run", "examples/eight_schools.toml", *SMALL["run"]]
        made = CliRunner().invoke(main, arguments)
    assert made.exit_code == 0, made.output
    return at


@pytest.fixture
def folder(reader, tmp_path):
    """A copy of the reader's folder, so that no test meets what another has left there."""
    at = shutil.copytree(reader, tmp_path / "reader", symlinks=True)
    with chdir(at):
        yield at


def parsed(line):
    """Parse a command line as click does, which refuses what the command does not know."""
    arguments = shlex.split(line)[1:]
    with main.make_context("hiercal", list(arguments)) as context:
        name, command, rest = main.resolve_command(context, arguments)
        command.make_context(name, rest, parent=context)
    return name


def why_not(line):
    """Why a command of hiercal does not run here, if it does not."""
    if any(f'shell("{line}")' in block.text for block in ALL):
        return BUILT
    return next((why for pattern, why in NOT_RUN.items() if re.match(pattern, line)), "")


def once():
    """Commands that run, those that differ in size and folder alone once."""
    lines = [line for line in HIERCAL if not why_not(line)]
    sizes = r" --(simulations|out) \S+"
    return list({re.sub(sizes, "", line): line for line in lines}.values())


@pytest.mark.parametrize("line", HIERCAL)
def test_a_command_is_one(line, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    try:
        parsed(line)
    except click.UsageError as error:
        pytest.fail(f"{HIERCAL[line]}: {line}: {error.format_message()}")


@pytest.mark.slow
@pytest.mark.parametrize("line", once())
def test_a_command_runs(line, folder):
    if "results/asked" in line:
        asked = FILES["q.py"] + _blocks_of("docs/how_to/python.md", "keep_draws")
        _run(asked, folder, "asked.py")
    arguments = shlex.split(line)[1:]
    kind = "run --around" if "--around" in arguments else arguments[0]
    done = CliRunner().invoke(main, arguments + SMALL.get(kind, []))
    decides = arguments[0] == "check" or "--check" in arguments
    assert done.exit_code in ({0, 1, 3} if decides else {0}), f"{line}\n{done.output}"


def _blocks_of(page, word):
    return "import hiercal\n" + next(
        block.text for block in ALL if block.page == page and word in block.text
    )


def _run(code, folder, name):
    (folder / name).write_text(re.sub(r"simulations=\d+", "simulations=10", code))
    done = subprocess.run([sys.executable, name], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("page", python_pages())
def test_the_python_of_a_page_runs(page, folder):
    code = [block.text for block in ALL if block.page == page and block.language == "python"]
    _run("\n".join([BEFORE.get(page, ""), *code]), folder, f"{Path(page).stem}_page.py")


@pytest.mark.parametrize(
    "block", [b for b in ALL if b.language == "toml"], ids=lambda b: f"{b.page}-{b.text[:12]!r}"
)
def test_toml_is_a_run_or_a_study(block, tmp_path):
    for name, text in FILES.items():
        if "/" not in name:
            (tmp_path / name).write_text(text)
    (tmp_path / "my_model.py").write_text(f"{FILES['my_model.py']}\nradon = model\n")
    text = block.text
    if "fitters" not in text and "study" not in text and "stories" not in text:
        text += '\nfitters = [{ name = "exact" }]\n'
    if "stories" not in text and "study" not in text:
        text = 'stories = [{ name = "eight_schools" }]\n' + text
    (tmp_path / "page.toml").write_text(text)
    made = read(tmp_path / "page.toml")
    assert isinstance(made, Study if "study" in text else Run)


def test_other_commands_are_named():
    for page, line in CONSOLE:
        if line.removeprefix("uv run ") in HIERCAL:
            continue
        assert any(re.match(pattern, line) for pattern in OTHERS), f"{page}: {line}"
        for script in re.findall(r"(?:benchmarks|tests)/[\w/]+(?:\.py)?", line):
            assert (ROOT / script).exists(), f"{page}: {line}"
        for option in re.findall(r"benchmarks/\S+.*?( --[\w-]+)", line):
            script = ROOT / re.findall(r"benchmarks/\w+\.py", line)[0]
            assert option.strip() in script.read_text(), f"{page}: {line}"


def test_what_a_lesson_shows_is_what_its_command_prints():
    """A cell that runs a command follows the block that tells the reader to."""
    for page in (ROOT / "docs" / "tutorial").glob("*.md"):
        code = [b.text for b in ALL if b.page == str(page.relative_to(ROOT))]
        shown = [i for i, text in enumerate(code) if "shell(" in text]
        for i in shown:
            (command,) = re.findall(r'^shell\("(.*)"\)$', code[i], re.MULTILINE)
            assert code[i - 1].strip() == f"uv run {command}"
        assert shown or page.stem == "index"


def test_other_languages_are_named():
    known = {"console", "python", "toml", *OTHER_LANGUAGES}
    assert {block.language for block in ALL} <= known


@pytest.mark.parametrize(
    "reasons", [NOT_RUN, OTHERS, NO_PYTHON], ids=["commands", "others", "python"]
)
def test_no_reason_outlives_what_it_excuses(reasons):
    lines = [line.removeprefix("uv run ") for _, line in CONSOLE]
    lines += [line for _, line in CONSOLE] + [block.page for block in ALL]
    for pattern in reasons:
        assert any(re.match(pattern, line) for line in lines), pattern


@pytest.mark.parametrize("language", ["yaml", "bash"])
def test_scripts_can_be_read(language):
    yaml = pytest.importorskip("yaml")
    for block in ALL:
        if block.language == language == "yaml":
            assert list(yaml.safe_load_all(block.text)), block.page
        elif block.language == language:
            subprocess.run(["bash", "-n"], input=block.text, text=True, check=True)


def test_a_wrong_command_is_seen():
    for wrong in ("hiercal rnu x.toml", "hiercal run x.toml --wokers 2", "hiercal fit a --seed x"):
        with pytest.raises(click.UsageError):
            parsed(wrong)


def test_blocks_are_found(tmp_path, monkeypatch):
    monkeypatch.setattr("tests.docs.blocks.ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text(
        "Say\n\n    uv run hiercal list   # all\n    hiercal show a   (of it)\n\n"
        "- a list\n\n  with a paragraph\n\n<!-- file: a.py -->\n```python\nx = 1\n\ny = 2\n```\n"
        "\n    import os\n\n    print(os)\n"
    )
    one, two, three = blocks(page)
    assert list(commands(one)) == ["uv run hiercal list", "hiercal show a"]
    assert two == Block("page.md", "python", "x = 1\n\ny = 2\n", "a.py")
    assert three.text == "import os\n\nprint(os)\n"
