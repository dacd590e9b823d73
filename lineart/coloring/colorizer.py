"""Colour one drawing with trained weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageChops

from lineart.checkpoint import load_generator
from lineart.config import DATA_FOLDER, Config
from lineart.data.palette import extract_palette
from lineart.images import rgb, to_batch, to_uint8
from lineart.networks import Generator

PRETRAINED = DATA_FOLDER / "pretrained"


def pretrained_path(name: str) -> Path:
    """The shipped weights called `name`; "toon" stands for the best of the `toon` weights, as its card says.

    Raises FileNotFoundError that lists what is there.
    """
    best = PRETRAINED / f"{name}.json"
    if best.is_file() and "best" in (card := json.loads(best.read_text())):
        name = card["best"]
    path = PRETRAINED / f"{name}.safetensors"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in PRETRAINED.glob("*.safetensors"))) or "none"
        raise FileNotFoundError(f"weights must be a file or one of the shipped names ({known}), got {name!r}")
    return path


def checkpoint_path(name_or_path: str | Path) -> Path:
    """The file behind shipped weights, a checkpoint file or a run folder.

    A folder that is called like shipped weights, such as `toon`, is only meant where it holds a run.
    """
    path = Path(name_or_path)
    shipped = len(path.parts) == 1 and any((PRETRAINED / f"{path}.{end}").is_file() for end in ("json", "safetensors"))
    if path.is_dir() and (not shipped or any((path / file).is_file() for file in ("last.safetensors", "config.json"))):
        return path / "last.safetensors"
    return path if path.is_file() else pretrained_path(str(name_or_path))


class Colorizer:
    """A trained generator behind PIL pictures.

    >>> Colorizer.from_pretrained("toon").colorize(Image.open("line.png"), Image.open("reference.png"))
    """

    def __init__(self, generator: Generator, config: Config, device: str | torch.device = "cpu") -> None:
        self.generator, self.config, self.device = generator.to(device).eval(), config, torch.device(device)

    @classmethod
    def from_pretrained(cls, name_or_path: str | Path, device: str | torch.device = "cpu") -> Colorizer:
        """From shipped weights ("toon", "toon-none", ...), a checkpoint file, or a run folder."""
        return cls(*load_generator(checkpoint_path(name_or_path)), device)

    @torch.no_grad()
    def colorize(self, line: Image.Image, reference: Image.Image | None = None,
                 palette: np.ndarray | None = None, seed: int | None = None) -> Image.Image:
        """The drawing in the reference's colours, RGB, upright and as large as `line`.

        line: dark lines on white, any size and 8- or 16-bit mode; the network sees it at its training size, padded to
        a square with paper. reference: a colour picture; palette: (n, 3) colours, 0..255, which replace the reference's
        own or stand alone. seed: of the noise; None colours without noise, the same way every time.
        Where the drawing is larger than the network's picture, its own lines are laid over the result.
        Raises ValueError when neither reference nor palette is given, for a palette of another shape or range, pixels
        of 32 bits, and a seed that does not fit into 64 bits.
        """
        if reference is None and palette is None:
            raise ValueError("colorize needs a reference picture or a palette, got neither")
        if seed is not None and not 0 <= seed < 2**64:
            raise ValueError(f"seed must be between 0 and 2**64 - 1, got {seed}")
        line, reference = rgb(line), None if reference is None else rgb(reference)
        colors = self._palette(reference, palette)
        shown = reference if reference is not None else _swatch(colors)
        size = self.config.size
        small, box = _fit(line.convert("L"), size)
        picture = np.asarray(shown.resize((size, size), Image.Resampling.LANCZOS))
        arrays = (np.asarray(small), picture, colors)
        batch = to_batch(*(torch.from_numpy(np.array(a))[None].to(self.device) for a in arrays))
        noise = None if seed is None else torch.Generator(self.device).manual_seed(seed)
        result = to_uint8(self.generator(batch["line"], batch["palette"], batch["color"], noise))
        result = Image.fromarray(result[0].permute(1, 2, 0).cpu().numpy()).crop(box)
        if result.size == line.size:
            return result
        result = result.resize(line.size, Image.Resampling.LANCZOS)
        return ImageChops.darker(result, line) if max(line.size) > size else result

    def _palette(self, reference: Image.Image | None, palette: np.ndarray | None) -> np.ndarray:
        """(k, 3) float32: the palette given, repeated to k colours, or the reference's."""
        k = self.config.k
        if palette is None:
            return extract_palette(reference, k)
        palette = np.asarray(palette, np.float32)
        if palette.ndim != 2 or palette.shape[1] != 3 or not 1 <= len(palette) <= k:
            raise ValueError(f"palette must be (1 to {k}, 3), got {palette.shape}")
        if (wrong := palette[~((palette >= 0) & (palette <= 255))]).size:  # not a number is neither
            raise ValueError(f"colours of a palette must be between 0 and 255, got {wrong[0]}")
        return np.resize(palette, (k, 3))


def _fit(line: Image.Image, size: int) -> tuple[Image.Image, tuple[int, int, int, int]]:
    """The drawing in a white square of `size`, and the box that it takes there."""
    scale = size / max(line.size)
    width, height = (max(1, round(side * scale)) for side in line.size)
    left, top = (size - width) // 2, (size - height) // 2
    square = Image.new("L", (size, size), 255)
    square.paste(line.resize((width, height), Image.Resampling.LANCZOS), (left, top))
    return square, (left, top, left + width, top + height)


def _swatch(colors: np.ndarray, side: int = 32) -> Image.Image:
    """A reference picture for a palette that comes without one: its colours as a square of patches."""
    rows = int(np.ceil(np.sqrt(len(colors))))
    grid = np.resize(colors, (rows, rows, 3)).round().clip(0, 255).astype(np.uint8)
    return Image.fromarray(grid).resize((rows * side, rows * side), Image.Resampling.NEAREST)
