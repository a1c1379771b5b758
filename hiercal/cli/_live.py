"""hiercal run --live: the page of a run while it goes on, and its report at the end."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from hiercal.cli._exit import fail

if TYPE_CHECKING:
    from pathlib import Path

    from hiercal.report.live.server import LiveServer
    from hiercal.runs.progress import Progress
    from hiercal.runs.run import Run

LAST_WORDS = 3.0
"""Seconds for which a run that failed tells open pages so."""


def live_options(command: Callable[..., None]) -> Callable[..., None]:
    """Options of a command whose progress a browser can show."""
    for option in (
        click.option("--live-port", type=click.IntRange(0, 65535), default=0, metavar="PORT",
                     help="Port of --live; by default one that is free."),
        click.option("--live", is_flag=True, help="Serve a page on this machine that shows the run "
                     "while it goes on, and its report at the end. On a terminal it is served "
                     "until Ctrl-C. Not of a named study."),
    ):  # fmt: skip
        command = option(command)
    return command


@contextmanager
def shown_live(
    run: Run, folder: Path, *, parts: bool, port: int | None
) -> Generator[Progress | bool]:
    """What a run is to report to while the body runs it; without a port, as without --live.

    At the end the report is written and served: on a terminal until Ctrl-C, elsewhere until the
    pages that are open have it.
    """
    if port is None:
        yield True
        return
    from hiercal.report.live.server import LiveServer
    from hiercal.report.live.watch import Watch
    from hiercal.runs.progress import Together, reporter

    by_design = {
        arm.label
        for arm in run.arms
        if dict(getattr(arm.story, "given", ())) or dict(getattr(arm.fitter, "assume", ()))
    }
    watch = Watch(run.name, run.max_rank, parts=parts, by_design=by_design)
    try:
        server = LiveServer(watch, _same_command(), port)
    except OSError as error:
        fail(
            f"port {port} of this machine cannot be used: {error.strerror}; give another "
            "--live-port, or none for one that is free",
            2,
        )
    click.echo(f"Live: {server.url}", err=True)
    try:
        yield Together(reporter(True), watch)
        _report(server, folder)
    except KeyboardInterrupt:
        watch.end("It was interrupted. The same command goes on.")
        raise
    except Exception as error:
        watch.end(str(error))
        server.linger(LAST_WORDS)
        raise
    finally:
        server.close()


def _report(server: LiveServer, folder: Path) -> None:
    """Write the report, and serve it for a while."""
    from hiercal.report.page.render import page, write
    from hiercal.runs.interrupts import stop_if_asked
    from hiercal.runs.manifest import REPORT

    text = page(folder)
    path = write(text, folder / REPORT)
    server.watch.finish(text)
    until = f", and {server.url} until Ctrl-C" if (stays := sys.stderr.isatty()) else ""
    click.echo(f"Report: {path}{until}", err=True)
    try:
        server.linger()
        while stays:
            stop_if_asked()
            time.sleep(0.2)
    except KeyboardInterrupt:
        return  # the run itself has ended well


def _same_command() -> str:
    return shlex.join(["hiercal", *sys.argv[1:]])
