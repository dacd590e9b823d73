"""Colour one drawing with trained weights."""

import json
import os
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from lineart.checkpoint import load_generator
from lineart.coloring import Finish, Swaps, hub
from lineart.coloring.drawing import Drawing, clean, enlarge, join, padded, shrink, squares, to_srgb
from lineart.config import DATA_FOLDER, Config, InputError, MissingFile
from lineart.data.palette import extract_palette
from lineart.images import paint, rgb
from lineart.networks import Generator
from lineart.runs import LAST

PRETRAINED = DATA_FOLDER / "pretrained"


def pretrained_path(name: str) -> Path:
    """The shipped weights called `name`; "toon" stands for the best of the `toon` weights, as its card says.

    Raises MissingFile that lists what is there.
    """
    best = PRETRAINED / f"{name}.json"
    if os.path.isfile(best) and "best" in (card := json.loads(best.read_text())):
        name = card["best"]
    path = PRETRAINED / f"{name}.safetensors"
    if not os.path.isfile(path):
        known = ", ".join(sorted(p.stem for p in PRETRAINED.glob("*.json"))) or "none"
        raise MissingFile(f"weights must be a file or one of the shipped names ({known}), got {name!r}")
    return path


def checkpoint_path(name_or_path: str | Path) -> Path:
    """The file behind shipped weights, a checkpoint file, a run folder, or an address hf://owner/name (see `hub`).

    A folder that is called like shipped weights, such as `toon`, is only meant where it holds a run.
    """
    if str(name_or_path).startswith(hub.PREFIX):
        return hub.fetch(str(name_or_path))
    path = Path(name_or_path)
    shipped = len(path.parts) == 1 and any(
        os.path.isfile(PRETRAINED / f"{path}.{end}") for end in ("json", "safetensors")
    )
    if os.path.isdir(path) and (not shipped or any((path / file).is_file() for file in (LAST, "config.json"))):
        return path / LAST
    return path if os.path.isfile(path) else pretrained_path(str(name_or_path))  # of too long a name pathlib raises


class Colorizer:
    """A trained generator behind PIL pictures.

    >>> Colorizer.from_pretrained("toon").colorize(Image.open("line.png"), Image.open("reference.png"))
    """

    def __init__(self, generator: Generator, config: Config, device: str | torch.device = "cpu") -> None:
        self.generator, self.config, self.device = generator.to(device).eval(), config, torch.device(device)

    @classmethod
    def from_pretrained(cls, name_or_path: str | Path, device: str | torch.device = "cpu") -> "Colorizer":
        """From shipped weights ("toon", "toon-none", ...), a checkpoint file, a run folder, or "hf://owner/name/file"."""
        return cls(*load_generator(checkpoint_path(name_or_path)), device)

    def colorize(
        self,
        line: Image.Image | Drawing,
        reference: Image.Image | None = None,
        palette: np.ndarray | None = None,
        seed: int | None = None,
        finish: Finish = "smooth",
        *,
        gap: float | None = None,
        swap: Swaps = (),
        as_is: bool = False,
    ) -> Image.Image:
        """The drawing in the reference's colours, upright and as large as `line`: RGB, or RGBA if that is transparent.

        line: a drawing of any size and 8- or 16-bit mode, a scan too (`drawing.clean`, which `as_is` switches off). The
        network sees it at its training size, padded to a square with paper; a long strip in overlapping squares.
        reference: a colour picture; palette: (n, 3) colours, 0..255, which replace the reference's own, or stand alone:
        then for background, skin, hair, clothes and accessories, in this order.
        seed: of the noise; None: none, the same picture every time. finish, gap, swap: see `flats.underpaint`. "smooth"
        lays the drawing's lines over the result where the drawing is larger than the network's picture.
        Raises InputError when neither reference nor palette is given, for a palette of another shape or range, a seed
        that does not fit into 64 bits, and a picture that is no drawing.
        """
        drawing, under = self.layers(line, reference, palette, seed, finish, gap, swap, as_is)
        full = drawing.full
        if finish != "smooth":
            from lineart.coloring import flats  # SciPy and scikit-image, only when a finish is asked for

            under = flats.lay(full, under)
        elif max(full.shape) > self.config.size:
            under = np.minimum(under, full[..., None])
        result = Image.fromarray(under)
        if drawing.alpha is not None:
            result.putalpha(Image.fromarray(drawing.alpha))
        return result

    def layers(
        self,
        line: Image.Image | Drawing,
        reference: Image.Image | None = None,
        palette: np.ndarray | None = None,
        seed: int | None = None,
        finish: Finish = "flat",
        gap: float | None = None,
        swap: Swaps = (),
        as_is: bool = False,
    ) -> tuple[Drawing, np.ndarray]:
        """The clean `Drawing`, and the colours beneath its lines, (H, W, 3) uint8; arguments as of `colorize`."""
        if reference is None and palette is None:
            raise InputError("colorize needs a reference picture or a palette, got neither")
        if seed is not None and not 0 <= seed < 2**64:
            raise InputError(f"seed must be between 0 and 2**64 - 1, got {seed}")
        if gap is not None and not 0 <= gap < np.inf:  # not a number is neither
            raise InputError(f"gap must be a number of pixels from 0, got {gap}")
        drawing = line if isinstance(line, Drawing) else clean(line, as_is)
        reference = None if reference is None else rgb(to_srgb(reference))
        colors = self._palette(reference, palette)
        noise = None if seed is None else torch.Generator(self.device).manual_seed(int(seed))
        color = self._paint(drawing.full, reference or _character(colors), colors, noise)
        if finish == "smooth" and not len(swap):  # so that it costs nothing more than the network
            return drawing, color
        from lineart.coloring import flats

        return drawing, flats.underpaint(drawing.full, color, colors, finish, gap, swap)

    def _paint(
        self, full: np.ndarray, reference: Image.Image, palette: np.ndarray, noise: torch.Generator | None
    ) -> np.ndarray:
        """The network's colours at the drawing's size: (H, W) -> (H, W, 3), both uint8."""
        size, places = self.config.size, squares(*full.shape)
        lines, boxes = zip(*(padded(shrink(full[place], size), size) for place in places))
        picture = np.asarray(reference.resize((size, size), Image.Resampling.LANCZOS))
        repeated = (np.broadcast_to(x, (len(places), *x.shape)) for x in (picture, palette))
        results = paint(self.generator, np.stack(lines), *repeated, noise=noise).permute(0, 2, 3, 1).numpy()
        parts = [enlarge(result[box], full[place].shape) for result, box, place in zip(results, boxes, places)]
        return join(parts, places)

    def _palette(self, reference: Image.Image | None, palette: np.ndarray | None) -> np.ndarray:
        """(k, 3) float32: the palette given, repeated to k colours, or the reference's."""
        k = self.config.k
        if palette is None:
            return extract_palette(reference, k)
        palette = np.asarray(palette, np.float32)
        if palette.ndim != 2 or palette.shape[1] != 3:
            raise InputError(f"palette must be (1 to {k}, 3), got {palette.shape}")
        if not 1 <= len(palette) <= k:
            raise InputError(f"palette must have 1 to {k} colours, got {len(palette)}")
        if (wrong := palette[~((palette >= 0) & (palette <= 255))]).size:  # not a number is neither
            raise InputError(f"colours of a palette must be between 0 and 255, got {wrong[0]}")
        return np.resize(palette, (k, 3))


def _character(colors: np.ndarray) -> Image.Image:
    """A reference picture for a palette that comes alone: a character of `toon` in its first five colours."""
    parts = np.asarray(Image.open(DATA_FOLDER / "character.png"))  # which colour each pixel takes; 5 is black, 6 white
    table = np.concatenate([np.resize(colors, (5, 3)), [[0] * 3, [255] * 3]])
    return Image.fromarray(table.round().astype(np.uint8)[parts])
