"""How Sphinx makes the site; what comes from the program is written by `site_pages` first."""

import os
import sys
from importlib.metadata import version as version_of
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from site_pages import write_pages  # noqa: E402

project = "hepcs"
author = "The hepcs developers"
copyright = f"2026, {author}"  # noqa: A001
version = release = version_of("hepcs")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = [
    "_build",
    "**/README.md",
    "**/.*",
    "own_*/build",
    "site_pages",
    "notebooks",
    "generated/*.txt",
    "generated/notebooks/*/**",
]
myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
# Attributes are listed by their bare names, which several classes may have.
suppress_warnings = ["mystnb.unknown_mime_type", "ref.python"]

# Notebooks are executed, anew when they change, and one that fails ends the build. They take a minute or two, for
# the generation of events: `make docs NOTEBOOKS=off` shows them without results.
nb_execution_mode = os.environ.get("NOTEBOOKS", "cache")
nb_execution_cache_path = str(HERE / "_build" / "notebooks")
nb_execution_raise_on_error = True
nb_execution_timeout = 600
nb_merge_streams = True

autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_default_options = {"exclude-members": "model_config, model_post_init, model_fields"}
autodoc_inherit_docstrings = False
autodoc_preserve_defaults = True
napoleon_numpy_docstring = True
napoleon_google_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False

html_theme = "furo"
html_title = f"hepcs {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
copybutton_prompt_text = r"\$ |>>> |\.\.\. "
copybutton_prompt_is_regexp = True
copybutton_exclude = ".linenos, .gp, .go"

write_pages(HERE / "generated")


def of_others(app, what, name, obj, skip, options):
    """Whether a member is inherited from another package, whose documentation is elsewhere."""
    return (
        True if callable(obj) and not str(getattr(obj, "__module__", "hepcs")).startswith("hepcs") else None
    )


def whole_sentences(app, what, name, obj, options, lines):
    """Put back what napoleon takes for the type of a property: the words before a colon of its sentence."""
    if what == "property":
        for line in [line for line in lines if line.startswith(":type: ")]:
            lines.remove(line)
            lines[0] = f"{line.removeprefix(':type: ')}: {lines[0]}"


def setup(app):
    """What Sphinx calls first."""
    app.connect("autodoc-skip-member", of_others)
    app.connect("autodoc-process-docstring", whole_sentences, priority=900)
