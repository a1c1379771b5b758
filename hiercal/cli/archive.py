"""hiercal archive and hiercal rerun: a finished run or study as one file, and run from it again."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from hiercal.cli._exit import WORKERS, fail, interruptible, where_options

UNDECIDED = 3
"""Exit code where too few fits say anything."""


@click.command(short_help="Pack a finished run or study for a paper's supplement.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--out", type=click.Path(path_type=Path), help="The file; default DIR.zip, beside DIR."
)
@click.option(
    "--source",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=Path(),
    help="The folder in which it was run, if that is not this one.",
)
@click.option(
    "--include",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    multiple=True,
    help="A file that its code reads under a name that it puts together; may be repeated.",
)
@click.option(
    "--with",
    "also",
    type=click.Choice(["journal", "store"]),
    multiple=True,
    help="Pack the journal too (with keep_draws, all draws that were kept), or sbc.zarr.",
)
@click.option(
    "--results-only",
    is_flag=True,
    help="Pack no design: for what no file holds. hiercal rerun refuses such an archive.",
)
def archive(
    folder: Path,
    out: Path | None,
    source: Path,
    include: tuple[Path, ...],
    also: tuple[str, ...],
    results_only: bool,
) -> None:
    """Pack the finished run or study in DIR: design, code, manifest, records, tables, figures.

    The archive is a zip file with a README, checksums, and the versions that made it. The same
    folder gives the same bytes. Before it is written, the design is read again from a copy of its
    files, so that hiercal rerun can run it elsewhere. Paths of this machine are taken out of the
    manifest; files that still name a folder of it are listed.
    """
    from hiercal.errors import JournalError
    from hiercal.report._design import CannotRerun
    from hiercal.report.archive import archive as pack
    from hiercal.words import count

    try:
        packed = pack(folder, out, start=source, include=include, also=also, rerun=not results_only)
    except CannotRerun as error:
        fail(f"{folder} cannot be packed so that it runs again: {error}. Or give --results-only", 2)
    except (FileNotFoundError, FileExistsError, JournalError, ValueError) as error:
        fail(str(error), 2)
    for note in packed.notes:
        click.echo(f"note: {note}", err=True)
    size = packed.path.stat().st_size / 1e6
    click.echo(f"{packed.path}: {count(packed.files, 'file')}, {size:.1f} MB")
    click.echo(f"SHA-256 {packed.sha256}")


@click.command(short_help="Run an archive again, and say what agrees.")
@click.argument("archive", metavar="ARCHIVE", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder; default rerun-<name of ARCHIVE>, here.",
)
@click.option("--workers", type=WORKERS, help="Local processes, one a core by default.")
@click.option("--simulations", type=click.IntRange(1), help="Run only so many again, the first.")
@click.option("--yes", is_flag=True, help="Run the archive's own Python files without asking.")
@where_options
@interruptible
def rerun(
    archive: Path,
    out: Path | None,
    workers: int | None,
    simulations: int | None,
    yes: bool,
    fit_seconds: float | None,
    worker_memory: str | None,
) -> None:
    """Check ARCHIVE, run its design again from the same seed, and compare fit by fit.

    What is the same to the bit is said so. What is not is put down to another processor, other
    versions or a sampler that does not repeat, or called a disagreement where none of these is the
    case; and it is tested, with about 1 % false alarms over all arms or fewer.

    Exits with 0 if it agrees as well as can be expected, 1 if it disagrees, 2 if it cannot be run,
    3 if too few fits were made to say; 130 when interrupted: the same command goes on.
    """
    from hiercal.console.rerun import show_rerun
    from hiercal.errors import JournalError, RunError, UnknownName
    from hiercal.report.rerun import DISAGREES, opened, refuse
    from hiercal.report.rerun import UNDECIDED as NOT_SAID
    from hiercal.report.rerun import rerun as run_again
    from hiercal.runs.executors import Where
    from hiercal.runs.full_disk import told

    folder = out or Path(f"rerun-{archive.stem}")
    try:
        where = Where(workers, None, None, fit_seconds, worker_memory)
        one = opened(archive, folder)
        refuse(one)
        if one.python:
            _confirm(one.python, folder, yes)
        found = run_again(one, where=where, simulations=simulations, say=click.echo)
    except (JournalError, UnknownName, ValueError, ModuleNotFoundError) as error:
        fail(str(error), 2)
    except RunError as error:
        fail(str(error), 2)
    except OSError as error:
        # 1, which a full disk ends other commands with, would say that it disagrees
        fail(told(error, folder) or str(error), 2)
    except KeyboardInterrupt:
        fail(f"interrupted; every fit so far is in {folder}. The same command goes on.", 130)
    show_rerun(found, folder)
    sys.exit({DISAGREES: 1, NOT_SAID: UNDECIDED}.get(found.verdict, 0))


def _confirm(python: list[str], folder: Path, yes: bool) -> None:
    """Ask before a stranger's code is run."""
    click.echo("The archive has Python files of its own, which are run with your rights:", err=True)
    for name in python:
        click.echo(f"  {folder / 'archive' / 'source' / name}", err=True)
    if yes:
        return
    if not sys.stdin.isatty():
        fail("read them, and give --yes to run them", 2)
    if not click.confirm("Run them?", err=True):
        fail("nothing was run", 2)
