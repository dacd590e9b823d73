"""Sphinx's settings for the course as web pages; `make site` builds them from a copy of the repository's texts."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

project = "lineart"
author = "the lineart authors"
project_copyright = f"{author}; text and figures CC BY 4.0, code MIT"
html_title = "lineart"
language = "en"

extensions = ["myst_nb", "sphinx_copybutton", "extension"]
root_doc = "index"
exclude_patterns = ["figures", "benchmarks", "lineart/evaluation", "lineart/studio/page"]  # only links lead there

nb_execution_mode = "off"  # the committed outputs are the course
nb_render_markdown_format = "myst"  # outputs, too, have tables
# A control lives in JupyterLab; here its committed picture stands for it, and no script is fetched to revive it
nb_mime_priority_overrides = [("html", "application/vnd.jupyter.widget-view+json", None)]
nb_ipywidgets_js = {}
myst_enable_extensions = ["dollarmath", "amsmath", "attrs_inline"]
myst_heading_anchors = 4
myst_update_mathjax = False
html_math_renderer = "mathml"

html_theme = "sphinx_book_theme"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {
    "home_page_in_toc": False,
    "show_navbar_depth": 1,
    "show_toc_level": 2,
    "use_download_button": True,
    "use_fullscreen_button": False,
    "navbar_persistent": [],  # one field for the search is enough
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "github-dark",
}
html_copy_source = True
html_show_sourcelink = False
copybutton_selector = "div:not(.output) > div.highlight pre"
