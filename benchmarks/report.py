"""How long `hiercal report` takes for 10 arms of 40 quantities, and how large its page is.

    uv run benchmarks/report.py

The floor, measured in the same minutes, reads all records with pandas. Where Chromium and selenium
are installed, the time in which the page opens is printed too.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd

import hiercal
from hiercal import Fit, Fitter, Simulation, Story
from hiercal.report.page.render import page

ARMS, EFFECTS, SIMULATIONS = 10, 38, 200
ROUNDS = 5
OPENED = "const t = performance.getEntriesByType('navigation')[0]; return t.loadEventEnd;"


@dataclass(frozen=True, kw_only=True)
class Many(Story):
    """Effects around a mean, each measured with error 1."""

    name: ClassVar = "many"

    def simulate(self, rng: np.random.Generator) -> Simulation:
        mu = rng.normal()
        theta = rng.normal(mu, 1, EFFECTS)
        truth = {"mu": mu, "sigma": np.array(np.exp(rng.normal())), "theta": theta}
        return Simulation(truth, {"truth": np.array([mu, np.log(truth["sigma"]), *theta])})


@dataclass(frozen=True, kw_only=True)
class Off(Fitter):
    """Draws around a point near the truth, so that ranks are uniform but for what is planted."""

    shift: float = 0.0
    scale: float = 1.0
    name: ClassVar = "off"

    @property
    def shape(self) -> tuple[int, int]:
        return 1, 198

    def prepare(self, story: Story):
        def fit(data, seed: int) -> Fit:
            rng = np.random.default_rng(seed)
            centre = data["truth"] + rng.normal(size=data["truth"].shape)
            noise = self.scale * rng.normal(size=(1, 198, len(centre)))
            draws = centre + noise
            draws[..., 0] += self.shift
            draws[..., 2:6] += self.shift / 2
            of = {"mu": draws[..., 0], "sigma": np.exp(draws[..., 1]), "theta": draws[..., 2:]}
            return Fit(of, {}, 0.0)

        return fit


def seconds(work) -> float:
    """The least of a few rounds."""
    times = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return min(times)


def opened(path: Path) -> str:
    """Milliseconds until the page has been loaded in Chromium; why not where there is none."""
    try:
        from selenium import webdriver
    except ModuleNotFoundError:
        return "selenium is not installed"
    from selenium.webdriver.chrome.service import Service

    found = [shutil.which(name) for name in ("chromium", "chromedriver")]
    if None in found:
        return "Chromium is not installed"
    options = webdriver.ChromeOptions()
    options.binary_location = found[0]
    for flag in ("--headless", "--no-sandbox", "--disable-gpu"):
        options.add_argument(flag)
    with webdriver.Chrome(options, Service(found[1])) as browser:
        times = []
        for _ in range(ROUNDS):
            browser.get(path.as_uri())
            times.append(browser.execute_script(OPENED))
    return f"{np.median(times):.0f} ms ({min(times):.0f} to {max(times):.0f})"


def main() -> None:
    """Make a run, and print times and sizes."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp()) / "many"
    planted = [(0, 1), (0.2, 1), (0.6, 1), (2, 1), (0, 0.8), (0, 1.4), (1, 2)]
    fitters = [Off(shift=shift, scale=scale) for shift, scale in planted]
    fitters += [Off(shift=-shift) for shift in (0.1, 0.3, 0.9)]
    run = hiercal.Run(
        stories=[Many()], fitters=fitters[:ARMS], simulations=SIMULATIONS, seed=1, name="many"
    )
    hiercal.run(run, folder, where=hiercal.Where(workers=0))
    floor = seconds(lambda: pd.read_parquet(folder / "records.parquet"))
    made = seconds(lambda: page(folder))
    text = page(folder)
    path = folder / "report.html"
    path.write_text(text, encoding="utf-8")
    begin = time.perf_counter()
    command = [sys.executable, "-m", "hiercal.cli", "report", str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    whole = time.perf_counter() - begin
    result = hiercal.Result(folder)
    n_quantities = len(next(iter(result.quantities.values())))
    print(f"{len(result.arms)} arms, {n_quantities} quantities, {SIMULATIONS} simulations")
    print(f"reading the records: {1000 * floor:.0f} ms")
    print(f"making the page: {made:.2f} s, {made / floor:.0f} times that")
    print(f"hiercal report, with imports: {whole:.1f} s, {whole / floor:.0f} times that")
    print(f"size: {len(text.encode()) / 1e6:.2f} MB")
    print(f"opens in: {opened(path)}")


if __name__ == "__main__":
    main()
