"""docs/how_to/ci.md: its samplers and the commands of its workflow, as they are written."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[1] / "docs" / "how_to" / "ci.md").read_text()
FILES = dict(re.findall(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", PAGE, re.DOTALL))
WORKFLOW = ".github/workflows/calibration.yml"


@pytest.fixture
def project(tmp_path):
    for name, text in FILES.items():
        if name.endswith("test_stories.py"):
            continue  # a minute; benchmarks/lane.py runs it
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "pytest.ini").write_text("[pytest]\ntestpaths = tests\n")
    return tmp_path


def commands(job):
    yaml = pytest.importorskip("yaml")
    steps = yaml.safe_load(FILES[WORKFLOW])["jobs"][job]["steps"]
    return [s["run"] for s in steps if "run" in s and not s["run"].startswith("pip")]


def run(command, folder):
    scripts = f"{Path(sys.executable).parent}"
    env = {"PATH": f"{scripts}:/usr/bin:/bin", "GITHUB_STEP_SUMMARY": str(folder / "step.md")}
    return subprocess.run(["bash", "-eo", "pipefail", "-c", command], cwd=folder, env=env,
                          capture_output=True, text=True)  # fmt: skip


def test_samplers_have_under_20_lines():
    for name in ("metropolis", "blackjax", "program"):
        assert sum(map(bool, FILES[f"tests/test_{name}.py"].splitlines())) < 20


def test_the_workflow_is_valid():
    for job in ("pull-request", "nightly"):
        assert [c.partition(" ")[0] for c in commands(job)] == ["pytest", "cat"]


@pytest.mark.slow
@pytest.mark.parametrize("job", ["pull-request", "nightly"])
def test_its_commands_run_as_written(project, job):
    for command in commands(job):
        done = run(command, project)
        assert done.returncode == 0, done.stdout + done.stderr
    summary = (project / "step.md").read_text()
    assert summary.count("no evidence") == 3 - (_installed("blackjax") is None)
    assert (project / ".hiercal" / "carried").is_dir() == (job == "nightly")


def _installed(package):
    from importlib.util import find_spec

    return find_spec(package)
