"""The site, for Sphinx. `build.py` calls it on a copy of the sources; `steps/` has what it does beside Sphinx."""

import doctest
from pathlib import Path

from steps import examples, gallery

import fastbp

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]

project, author, release = "fastbp", "The fastbp developers", fastbp.__version__
extensions = [
    "myst_parser", "sphinx.ext.autodoc", "sphinx.ext.doctest", "sphinx.ext.viewcode", "numpydoc",
    "sphinx_gallery.gen_gallery", "sphinx-mathjax-offline", "steps.names", "steps.examples",
]  # fmt: skip
exclude_patterns = [
    "steps", "extra", "learn/tutorials/*.ipynb", "**/sg_execution_times.rst", "sg_execution_times.rst",
    "learn/tutorials/index.rst",  # `learn/index.md` is that page
]  # fmt: skip
suppress_warnings = ["config.cache"]  # the gallery's settings hold functions

# Pages
myst_enable_extensions = ["dollarmath", "attrs_block", "attrs_inline", "colon_fence", "deflist"]
myst_heading_anchors = 3
default_role = "py:obj"  # `names` turns what has no page into plain code

# Reference: types are in the docstrings, in words.
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_inherit_docstrings = False
add_module_names = False
toc_object_entries_show_parents = "hide"
numpydoc_class_members_toctree = False
numpydoc_show_inherited_class_members = False
viewcode_line_numbers = True

# Examples: as pytest runs them
doctest_global_setup = examples.SETUP
doctest_default_flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE

# The gallery and the tutorials
sphinx_gallery_conf = {
    "examples_dirs": [str(ROOT / "gallery"), str(ROOT / "tutorials")],
    "gallery_dirs": ["gallery", "learn/tutorials"],
    "filename_pattern": gallery.pattern(ROOT),
    "reset_argv": "steps.gallery.arguments",
    "image_scrapers": ("steps.gallery.written",),  # a figure that is shown and saved would be there twice
    "within_subsection_order": "steps.gallery.Order",
    "remove_config_comments": True,
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "min_reported_time": 10_000,  # seconds: how long this machine took is nobody's interest
    "abort_on_example_error": True,
    "matplotlib_animations": False,
    "default_thumb_file": str(HERE / "_static" / "network.png"),
}

# The look
html_theme = "pydata_sphinx_theme"
html_title = "fastbp"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_extra_path = ["extra"]
html_copy_source = False
html_show_search_summary = False  # would fetch pages, which browsers do not allow from file://
html_show_sourcelink = False
html_context = {"default_mode": "auto"}
html_theme_options = {
    "navigation_with_keys": False,
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc"],
    "navbar_persistent": ["search-button"],  # the theme's other button has a label that differs from its text
    "navbar_end": ["theme-switcher"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
