"""What the executed pages begin with: a folder of their own, in which the examples lie."""

import atexit
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

DOCS = Path(__file__).parent


def in_a_new_folder() -> None:
    """Go to an empty folder with `examples`, and draw figures of a cell as PNG."""
    from IPython import get_ipython

    folder = Path(tempfile.mkdtemp(prefix="hiercal-docs-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "examples").symlink_to(DOCS.parent / "examples", target_is_directory=True)
    os.chdir(folder)
    shell = get_ipython()
    shell.run_line_magic("matplotlib", "inline")
    shell.run_line_magic("config", "InlineBackend.figure_formats = ['retina']")


def page(name: str) -> str:
    """Text of a page of these docs."""
    return (DOCS / name).read_text()


def block_of(text: str, file: str) -> str:
    """The block of a page that is a file, as a comment before it says."""
    (block,) = re.findall(rf"<!-- file: {re.escape(file)} -->\n```\w+\n(.*?)```", text, re.DOTALL)
    return block


def shell(command: str) -> None:
    """Run a command as a reader does, and print what it prints, without progress and colours."""
    # the notebook's kernel asks for colours, which a page in two styles has no good ones for
    coloured = {"CLICOLOR", "CLICOLOR_FORCE", "FORCE_COLOR"}
    plain = {name: value for name, value in os.environ.items() if name not in coloured}
    done = subprocess.run(command, shell=True, capture_output=True, text=True, env=plain)
    print(done.stdout.strip("\n"))
    if done.returncode:
        raise RuntimeError(f"{command} ended with exit code {done.returncode}: {done.stderr}")
