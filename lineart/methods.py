"""The compared methods: key, title, colour and settings, each of them once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Method:
    """One line of the tables: the key that rows carry, its title and colour for people, and what it sets of `Config`."""

    key: str
    title: str
    color: str
    settings: dict[str, str | int]


IMAGE = {"attention": "cross", "reference": "image"}
# An encoder of its own for matching, and one more level of the decoder that attends: design of the matching methods
COLORS = IMAGE | {"keys": "colors", "fine_levels": 1}
LINES = IMAGE | {"keys": "lines", "fine_levels": 1}
WARPED, OTHER = {"train_reference": "warped"}, {"train_reference": "other"}
MATCHING = "matching apart from colour, keys from"

# Colours that also readers who see no red or no green can tell apart: the order of lightness helps where the hue does not
METHODS = {method.key: method for method in (
    Method("none", "no attention", "#8c8c8c", {"attention": "none"}),
    Method("gate", "skip gate", "#e69f00", {"attention": "gate"}),
    Method("palette", "cross-attention to the palette", "#009e73", {"attention": "cross", "reference": "palette"}),
    Method("image", "cross-attention to the image", "#0072b2", IMAGE),
    Method("image-warped", "cross-attention to the image, warped references", "#cc79a7", IMAGE | WARPED),
    Method("colors-warped", f"{MATCHING} colours, warped references", "#56b4e9", COLORS | WARPED),
    Method("lines-warped", f"{MATCHING} lines, warped references", "#d55e00", LINES | WARPED),
    Method("lines", f"{MATCHING} lines", "#f0e442", LINES),
    Method("image-other", "cross-attention to the image, other drawings in the same colours", "#000000", IMAGE | OTHER),
    Method("lines-other", f"{MATCHING} lines, other drawings in the same colours", "#5a2a00", LINES | OTHER),
)}


def method_title(key: str) -> str:
    """The name of a method for people; what is no trained method, such as "copy the reference", is called by its key."""
    return METHODS[key].title if key in METHODS else key
