"""The plugin in a project of its own, installed from this checkout: serial, two workers, killed.

    uv run benchmarks/separate_project.py

Makes a virtual environment in a temporary folder, installs hiercal, pytest and pytest-xdist there,
and runs the Metropolis sampler of docs/how_to/ci.md and a spoilt copy of it.
"""

import re
import signal
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "how_to" / "ci.md").read_text()
FILES = dict(re.findall(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```", PAGE, re.DOTALL))


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run(["uv", "venv", "-q", folder / "venv"], check=True)
        python = folder / "venv" / "bin" / "python"
        wanted = [str(ROOT), "pytest", "pytest-xdist"]
        subprocess.run(["uv", "pip", "install", "-q", "--python", python, *wanted], check=True)
        (folder / "tests").mkdir()
        right = FILES["tests/test_metropolis.py"]
        spoilt = right.replace("np.array(kept[100:])", "np.array(kept[100:]) + 0.5")
        texts = {"test_right": right, "test_spoilt": spoilt, "normal": FILES["tests/normal.py"]}
        for file, text in texts.items():
            (folder / "tests" / f"{file}.py").write_text(text)

        def pytest(*args, kill_after=None):
            command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests", *args]
            start = time.perf_counter()
            with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as run:
                if kill_after:
                    journal = folder / "out" / "unfinished"
                    while not list(journal.glob("*/journal.sqlite")) and run.poll() is None:
                        time.sleep(0.05)
                    time.sleep(kill_after)
                    run.send_signal(signal.SIGKILL)
                output = run.communicate()[0]
            found = re.findall(r"^normal/metropolis: .*$", output, re.MULTILINE)
            again = re.findall(r"again: (.*)$", output, re.MULTILINE)
            seconds = time.perf_counter() - start
            print(f"{' '.join(args):34} exit {run.returncode:3d} {seconds:6.1f} s  {found}")
            return run.returncode, found, again

        serial, two = pytest(), pytest("-n", "2")
        print("the same verdicts:", serial == two)
        killed = pytest("--calibration-report=out", kill_after=2.0)
        left = [path.name for path in (folder / "out" / "unfinished").iterdir()]
        rerun = pytest("--calibration-report=out")
        print(
            "killed with", left, "unfinished; the same after a rerun:", killed[0], rerun == serial
        )
        command = serial[2][0].split()[1:]
        alone = subprocess.run([python, "-m", "pytest", "-q", *command], cwd=folder,
                               capture_output=True, text=True)  # fmt: skip
        print("its command alone: exit", alone.returncode, serial[1][0] in alone.stdout)


if __name__ == "__main__":
    main()
