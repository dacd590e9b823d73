"""`toon`: characters drawn by artists as vector parts, put together and coloured at will.

The parts are four of the open DiceBear styles, those whose shapes carry an inked outline; their authors and licences
are in `data/README.md`. Every fill of a style is assigned to a slot (hair, skin, ...). One vector drawing then gives
the colour picture (slots in their colours), the line drawing (every fill white: the vector ink itself) and the exact
region mask (slots in flag colours, no antialiasing).
"""

import colorsys
import io
import json
import re
import warnings
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from PIL import Image, ImageColor
from scipy import ndimage
from scipy.spatial.distance import cdist

from lineart.config import InputError
from lineart.data.store import SPLITS

SLOTS = ("background", "skin", "hair", "clothes", "eyes", "accessories")
WHITE, INK = len(SLOTS), len(SLOTS) + 1  # mask values of teeth and eyeballs, and of the ink
MIN_OUTLINE = 0.8  # share of every region's border that must lie under ink

# In the templates a slot is written as its flag colour, so that a colouring is one replacement in the text.
FLAGS = {slot: f"#{40 * i + 20:02x}fe{250 - 40 * i:02x}" for i, slot in enumerate(SLOTS)}

# (component, colour name) -> slot; "*" is any component. What a style's map does not name is ink.
_STYLE_SLOTS: dict[str, dict[tuple[str, str], str]] = {
    "adventurer": {
        **{("*", name): name for name in ("skin", "hair", "eyes")},
        **{("*", name): "accessories" for name in ("earrings", "lips", "tongue")},
        **{("*", name): "white" for name in ("sclera", "teeth")},
        ("hair", "literal"): "accessories",
    },
    "micah": {
        ("*", "base"): "skin",
        ("*", "hair"): "hair",
        ("*", "shirt"): "clothes",
        ("*", "eyeShadow"): "skin",
        ("*", "earring"): "accessories",
        ("mouth", "literal"): "accessories",
    },
    "open-peeps": {
        ("*", "skin"): "skin",
        ("*", "headContrast"): "hair",
        ("*", "clothing"): "clothes",
        ("expression", "literal"): "accessories",
        ("mask", "literal"): "accessories",
    },
    "notionists": {
        ("head", "paper"): "skin",
        ("gesture", "paper"): "skin",
        ("hair", "paper"): "hair",
        ("clothes", "paper"): "clothes",
        ("clothesGraphic", "paper"): "accessories",
        ("mouth", "paper"): "white",
        ("glasses", "paper"): "white",
    },
}
STYLES = tuple(_STYLE_SLOTS)


@dataclass(frozen=True)
class Drawing:
    """One character: `line` (H, W), `color` (H, W, 3), `mask` (H, W), all uint8; `slots` (6, 3) uint8 in SLOTS' order.

    `mask` holds the index of the slot, or WHITE or INK; `style` and `outline` (share of the borders under ink, 0 to 1)
    say where it comes from.
    """

    line: np.ndarray
    color: np.ndarray
    mask: np.ndarray
    slots: np.ndarray
    style: str
    outline: float


def _slot_color(style: str, component: str, value) -> str:
    """The colour that a fill or stroke of the style's definition gets in the template."""
    slots = _STYLE_SLOTS[style]
    if isinstance(value, dict):  # a named colour of the style
        name = value["name"]
        slot = slots.get((component, name)) or slots.get(("*", name), "ink")
    elif value in ("none", "transparent"):
        return value
    else:
        rgb = ImageColor.getrgb(value)
        if max(rgb) < 64:
            slot = "ink"
        elif min(rgb) > 240:
            slot = "white"
        else:
            slot = slots.get((component, "literal"), "white")
    return {"ink": "#000000", "white": "#ffffff"}.get(slot) or FLAGS[slot]


def _assign_slots(element, style: str, component: str, stroke: float) -> None:
    """Rewrite the fills and strokes below `element` in place."""
    if isinstance(element, list):
        for child in element:
            _assign_slots(child, style, component, stroke)
        return
    attributes = element.get("attributes", {})
    for name in ("fill", "stroke"):
        if name in attributes:
            attributes[name] = _slot_color(style, component, attributes[name])
    fill = attributes.get("fill")
    if any(float(attributes.get(name, 1)) < 1 for name in ("opacity", "fill-opacity")):
        attributes["fill"] = "none"  # highlights and shadows: a region has one colour
    if fill in (FLAGS["eyes"], FLAGS["accessories"]) and "stroke" not in attributes:
        # Irises and jewels are flat shapes without a contour; the line drawing would not show them.
        attributes.update({"stroke": "#000000", "stroke-width": str(stroke)})
    _assign_slots(element.get("children", []), style, component, stroke)


@cache
def _style(name: str):
    """A dicebear `Style` whose fills are flag colours."""
    from dicebear import Style  # half a second that a set which is drawn already need not wait

    definition = json.loads(files("dicebear_styles").joinpath(f"{name}.json").read_text())
    stroke = round(definition["canvas"]["width"] / 150, 1)
    _assign_slots(definition["canvas"]["elements"], name, "canvas", stroke)
    for component, body in definition["components"].items():
        for variant in body.get("variants", {}).values():
            _assign_slots(variant["elements"], name, component, stroke)
    return Style(definition)


def _template(style: str, seed: str, rng: np.random.Generator) -> str:
    """The SVG of one character in flag colours: parts, pose and place from the seed."""
    from dicebear import Avatar

    options = {
        "seed": seed,
        "backgroundColor": [FLAGS["background"]],
        "flip": ["horizontal" if rng.random() < 0.5 else "none"],
        "scale": round(float(rng.uniform(0.9, 1.25)), 3),
        "rotate": round(float(rng.uniform(-8, 8)), 1),
        "translateX": round(float(rng.uniform(-6, 6)), 1),
        "translateY": round(float(rng.uniform(-1, 6)), 1),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        svg = Avatar(_style(style), options).to_string()
    # An own shape-rendering would switch the mask's antialiasing on again.
    return re.sub(r'<metadata.*?</metadata>| shape-rendering="[^"]*"', "", svg, flags=re.DOTALL)


def _rasterise(svg: str, size: int, crisp: bool = False) -> np.ndarray:
    """(size, size, 3) uint8 on white."""
    import resvg_py

    shape = "crisp_edges" if crisp else "geometric_precision"
    png = resvg_py.svg_to_bytes(
        svg_string=svg, width=size, height=size, background="white", skip_system_fonts=True, shape_rendering=shape
    )
    return np.asarray(Image.open(io.BytesIO(bytes(png))).convert("RGB"))


def _paint(svg: str, colors: dict[str, str]) -> str:
    return re.sub("|".join(FLAGS.values()), lambda m: colors[m.group()], svg)


def random_slots(rng: np.random.Generator) -> np.ndarray:
    """(6, 3) uint8 slot colours over a wide gamut, any two of them at least 60 apart in RGB.

    Half of the skins are human (hue 10° to 36°); every other slot takes any hue. Nothing is as dark as the ink.
    """
    colors: list[np.ndarray] = []
    while len(colors) < len(SLOTS):
        hue, saturation, value = rng.random(), rng.uniform(0.1, 0.95), rng.uniform(0.35, 1.0)
        if SLOTS[len(colors)] == "skin" and rng.random() < 0.5:
            hue, saturation, value = rng.uniform(0.03, 0.1), rng.uniform(0.15, 0.65), rng.uniform(0.4, 1.0)
        color = np.round(255 * np.array(colorsys.hsv_to_rgb(hue, saturation, value)))
        if all(np.linalg.norm(color - other) >= 60 for other in colors):
            colors.append(color)
    return np.stack(colors).astype(np.uint8)


def _region_mask(svg: str, size: int) -> np.ndarray:
    """(size, size) uint8: the slot of every pixel, WHITE or INK."""
    pixels = _rasterise(svg, size, crisp=True).reshape(-1, 3)
    flags = [ImageColor.getrgb(flag) for flag in (*FLAGS.values(), "#ffffff", "#000000")]
    # Nearest, because translucent shapes blend two flags.
    return cdist(pixels, flags, "sqeuclidean").argmin(1).reshape(size, size).astype(np.uint8)


def outline_share(mask: np.ndarray, line: np.ndarray) -> float:
    """Smallest share, over the regions, of a region's border that lies under ink, 0 to 1.

    It says what a line drawing can show of the regions: 1 when ink parts each from its neighbours, 0 when one meets
    another without a line. `mask` (H, W) holds slots, WHITE or INK, `line` (H, W) 0..255 with dark lines; a border
    counts as inked when ink (below 128) is at most two pixels away. Regions below 0.5 % of the picture are left out.
    """
    ink = ndimage.binary_dilation(line < 128, iterations=2)
    # Regions as they meet under the ink: every ink pixel takes the slot of its nearest coloured pixel.
    nearest = ndimage.distance_transform_edt(mask == INK, return_distances=False, return_indices=True)
    filled = mask[tuple(nearest)]
    shares = []
    for slot in range(len(SLOTS)):
        region = filled == slot
        if region.mean() < 0.005:
            continue
        border = np.diff(region, axis=0, prepend=region[:1]) | np.diff(region, axis=1, prepend=region[:, :1])
        shares.append((border & ink).sum() / max(border.sum(), 1))
    return float(min(shares, default=1.0))


def draw(seed: str, size: int = 128, slots: np.ndarray | None = None) -> Drawing:
    """The character of a seed, the same bytes every time.

    A character with a region whose border is less than 80 % inked is left out: the seed's next try takes its place,
    at every size the same one. `slots`, (6, 3) uint8, recolours the character.
    """
    for attempt in range(100):
        rng = np.random.default_rng([*seed.encode(), attempt])
        style = STYLES[rng.integers(len(STYLES))]
        own_slots = random_slots(rng)
        svg = _template(style, f"{seed}/{attempt}", rng)
        line, mask = _line(svg, 128), _region_mask(svg, 128)  # judged at one size, whatever size is drawn
        outline = outline_share(mask, line)
        if outline >= MIN_OUTLINE:
            break
    else:
        raise RuntimeError(f"no outlined drawing in 100 tries for seed {seed!r}")
    if size != 128:
        line, mask = _line(svg, size), _region_mask(svg, size)
    slots = own_slots if slots is None else np.asarray(slots, np.uint8)
    colors = {flag: "#{:02x}{:02x}{:02x}".format(*slots[i]) for i, flag in enumerate(FLAGS.values())}
    return Drawing(line, _rasterise(_paint(svg, colors), size), mask, slots, style, outline)


def _line(svg: str, size: int) -> np.ndarray:
    """(size, size) uint8: every fill white."""
    white = _rasterise(_paint(svg, dict.fromkeys(FLAGS.values(), "#ffffff")), size)
    return np.asarray(Image.fromarray(white).convert("L"))


def seed_of(split: str, index: int, seed: int = 0) -> str:
    """The seed of a drawing; the split is part of it, so that no two splits share one."""
    if split not in SPLITS:
        raise InputError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
    return f"{split}-{seed}-{index:06d}"
