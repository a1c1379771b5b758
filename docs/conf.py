"""How the site is built; CONTRIBUTING.md has the command."""

import os
import sys
from importlib.metadata import version as installed
from pathlib import Path

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS), str(DOCS.parent)]
# cells start the command as a reader does, and import `start` and the package that is documented
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
os.environ["PYTHONPATH"] = os.pathsep.join(sys.path[:2])
os.environ["COLUMNS"] = "100"

project = "hiercal"
author = "the hiercal authors"
copyright = "the hiercal authors"
version = release = installed("hiercal")
html_title = "hiercal"
language = "en-GB"

extensions = [
    "pages",
    "docstrings",
    "offline",
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_click",
]
exclude_patterns = ["_build", "_templates", "_static", "**.ipynb_checkpoints"]
templates_path = ["_templates"]
default_role = "code"
smartquotes = False  # two hyphens are an option of a command
highlight_language = "text"

html_theme = "sphinx_book_theme"
html_static_path = ["_static"]
html_css_files = ["hiercal.css"]
html_copy_source = html_show_sourcelink = False
html_theme_options = {
    "show_navbar_depth": 1,
    "use_download_button": False,
    "use_fullscreen_button": False,
    "home_page_in_toc": True,
    "navbar_persistent": [],
    "show_toc_level": 2,
}

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
nb_execution_mode = "force"
nb_execution_timeout = 600
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_merge_streams = True

autosummary_generate = True
autodoc_typehints = "none"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
