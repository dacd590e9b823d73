"""The compared methods: key, title, colour and settings, each of them once."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Method:
    """One line of the tables: the key that rows carry, title and colour for people, and what it sets of `Config`."""

    key: str
    title: str
    color: str
    settings: dict[str, str | int]


IMAGE = {"attention": "cross", "reference": "image"}
# An encoder of its own for matching, and one more level of the decoder that attends
COLORS = IMAGE | {"keys": "colors", "fine_levels": 1}
LINES = IMAGE | {"keys": "lines", "fine_levels": 1}
WARPED, OTHER = {"train_reference": "warped"}, {"train_reference": "other"}

# "Matching by": what the encoder for matching sees of the reference. "True pairs": the reference is another drawing in
# the same colours. Readers who see no red or no green tell the colours apart by lightness where the hue does not help.
METHODS = {
    method.key: method
    for method in (
        Method("none", "no attention", "#a2b19b", {"attention": "none"}),
        Method("gate", "skip gate", "#b98a39", {"attention": "gate"}),
        Method("palette", "attention to the palette", "#006463", {"attention": "cross", "reference": "palette"}),
        Method("image", "attention to the image (the paper)", "#005cc1", IMAGE),
        Method("image-warped", "attention to the image, bent references", "#a6809e", IMAGE | WARPED),
        Method("colors-warped", "matching by colours, bent references", "#31e7eb", COLORS | WARPED),
        Method("lines-warped", "matching by lines, bent references", "#8e5500", LINES | WARPED),
        Method("lines", "matching by lines", "#e6d417", LINES),
        Method("image-other", "attention to the image, true pairs", "#000000", IMAGE | OTHER),
        Method("lines-other", "matching by lines, true pairs", "#581a00", LINES | OTHER),
    )
}


def method_title(key: str) -> str:
    """The name of a method for people; what is no trained method, such as "oracle", is called by its key."""
    return METHODS[key].title if key in METHODS else key
