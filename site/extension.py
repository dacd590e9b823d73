"""What the site needs of Sphinx beyond its extensions: formulas without a script, pictures' texts, ways to the studio.

Formulas become MathML when the site is built. Every current browser draws it and every screen reader speaks it, without
a script or a font of ours; a formula that cannot be translated is a warning, which ends the build.
"""

import base64
import hashlib
import html
import json
import re
from pathlib import Path

from docutils import nodes
from docutils.utils.math import MathError
from sphinx.application import Sphinx
from sphinx.util import logging

from lineart.course.formulas import mathml

logger = logging.getLogger(__name__)
STUDIO = Path(__file__).with_name("studio") / "index.html"
# Which step of the studio's story a lesson points to, and in which words
STEPS = {
    "00": (1, "Try it in the studio: the reference is the answer"),
    "04": (3, "Try it in the studio: point at the result and see where the network looks"),
    "09a": (2, "Try it in the studio: mirror the reference"),
    "11": (2, "Try it in the studio: mirror the reference"),
    "12": (5, "Try it in the studio: flat colours"),
}
OPENING = (nodes.title, nodes.paragraph, nodes.bullet_list, nodes.target)


def visit_math(self, node: nodes.math) -> None:
    self.body.append(_translated(node))
    raise nodes.SkipNode


def visit_math_block(self, node: nodes.math_block) -> None:
    self.body.append(f'<div class="math">{_translated(node, block=True)}</div>\n')
    raise nodes.SkipNode


def _translated(node: nodes.math | nodes.math_block, block: bool = False) -> str:
    try:
        return mathml(node.astext(), block)
    except MathError as error:
        logger.warning("a formula has no MathML, %s: %s", error, node.astext(), location=node)
        return ""


def picture_texts(notebook: Path) -> dict[str, str]:
    """The alternative texts of a notebook's pictures, by the SHA-256 of the PNG, after which MyST-NB names its file."""
    texts = {}
    for cell in json.loads(notebook.read_text("utf-8"))["cells"]:
        for output in cell.get("outputs", []):
            text = output.get("metadata", {}).get("image/png", {}).get("alt")
            if text:
                png = base64.b64decode("".join(output["data"]["image/png"]))
                texts[hashlib.sha256(png).hexdigest()] = text
    return texts


def give_texts(app: Sphinx, doctree: nodes.document, name: str) -> None:
    """MyST-NB shows a picture without the text that its output carries."""
    path = Path(app.env.doc2path(name))
    if path.suffix == ".ipynb":
        texts = picture_texts(path)
        for image in doctree.findall(nodes.image):
            image.setdefault("alt", texts.get(Path(image["uri"]).stem, ""))


def point_to_studio(app: Sphinx, doctree: nodes.document) -> None:
    """A link below the opening of a lesson, where the studio is built, and the studio itself, loaded once unfolded."""
    lesson = re.match(r"notebooks/(\d\d[ab]?)_", app.env.docname)
    if lesson and lesson[1] in STEPS and app.tags.has("studio"):
        step, words = STEPS[lesson[1]]
        found = re.search(rf'href="(#step={step}&[^"]*)"', STUDIO.read_text("utf-8"))
        address = f"../studio/index.html{html.unescape(found[1]) if found else ''}"
        page = next(doctree.findall(nodes.section))
        place = next(i for i, node in enumerate(page) if not isinstance(node, OPENING))
        frame = f'<iframe class="studio" loading="lazy" src="{html.escape(address)}" title="The studio"></iframe>'
        folded = f"<details><summary>Open it here</summary>{frame}</details>"
        page.insert(place, nodes.raw("", folded, format="html"))
        page.insert(place, nodes.paragraph("", "", nodes.reference("", words, refuri=address, classes=["door"])))


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math_block, None))
    app.connect("doctree-read", point_to_studio)
    app.connect("doctree-resolved", give_texts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
