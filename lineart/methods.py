"""The compared methods: key, title, colour."""

from __future__ import annotations

from collections.abc import Iterable

METHOD_COLORS = {"none": "#8c8c8c", "gate": "#c77f2e", "palette": "#4f8f5b", "image": "#3b62b8",
                 "image-warped": "#8a4fa3", "image-cycle": "#1f9aa8", "image-other": "#b03a3a"}
METHOD_NAMES = {"none": "no attention", "gate": "skip gate", "palette": "cross-attention (palette)",
                "image": "cross-attention (image)", "image-warped": "the same, trained on warped references",
                "image-cycle": "the same, trained on drawings that it coloured itself",
                "image-other": "the same, trained on other drawings in the same colours"}


def method_title(method: str, among: Iterable[str]) -> str:
    """The name of a method for people, in a table or figure of the methods `among`.

    What stands behind the name in brackets, such as a seed, stays; "the same" needs the method that it is the same as.
    """
    name, bracket, rest = method.partition(" (")
    title = METHOD_NAMES.get(name, name)
    return (title if "image" in among else title.replace("the same", METHOD_NAMES["image"])) + bracket + rest
