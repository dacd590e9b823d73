"""Many drawings in the colours of one reference, from files to files."""

import glob
import importlib.util
import os
import re
import struct
import sys
import time
import warnings
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageColor

from lineart.coloring import Finish
from lineart.coloring.colorizer import Colorizer
from lineart.coloring.drawing import Drawing, clean
from lineart.config import InputError, MissingFile
from lineart.data.lines import extract_lines as drawn_lines
from lineart.files import home, whole
from lineart.images import SUFFIXES, Unfit, load, rgb, upright

BETWEEN = r"[\s,]+(?![^(]*\))"  # colours; not within rgb(1, 2, 3)
OTHERS = (".pdf", ".jp2", ".heic", ".tga", ".svg")  # endings of pictures that are not written; no names of folders
LONGEST = {".webp": 16383, ".psd": 30000, ".jpg": 65500, ".jpeg": 65500}  # pixels a side that a format can hold
FORMAT_OPTIONS = {"png": {}, "webp": {"quality": 95}, "jpg": {"quality": 95, "subsampling": 0}}  # of Pillow's save


def colorize_files(
    drawings: Iterable[str | Path],
    reference: str | Path | None,
    out: str | Path,
    *,
    palette: str | None = None,
    swap: str | None = None,
    weights: str | Path = "toon",
    finish: Finish = "flat",
    gap: float | None = None,
    seed: int | None = None,
    overwrite: bool = False,
    as_is: bool = False,
    extract_lines: bool = False,
    layered: bool = False,
    format: str | None = None,
) -> int:
    """Colours drawings into the folder `out`, a line of progress each. Returns 0, or 1 where one could not be coloured.

    out: of a single drawing also the file, such as result.jpg or, with layers, result.psd. drawings: files, folders of
    pictures, globs. reference: a picture file; or instead of it palette: "#aabbcc #ddeeff", for background, skin, hair,
    clothes and accessories. swap: "#old=#new", one or more, see `flats.underpaint`. extract_lines: the drawings are
    coloured pictures, whose lines are drawn first. format: "png" (default), "webp" or "jpg". layered: lines and colours
    apart, as "psd" (default where psd-tools is installed) or two files "png". Nothing that is there is replaced without
    overwrite, and no drawing ever. A file that is no picture or no drawing is reported, and the others go on.
    Raises InputError for what concerns all of them: settings, weights, reference, and drawings that are not there.
    """
    settings = _colors(reference, palette) | {"gap": gap, "finish": finish, "seed": seed}
    settings["swap"] = parse_swaps(swap or "")
    paths = _pictures(drawings)
    targets = _targets(paths, home(out), format, layered)
    colorizer = Colorizer.from_pretrained(weights)
    colorizer.colorize(Drawing(np.full((9, 9), 255, np.uint8)), **settings)  # so that a wrong setting is told at once
    _make(targets[0][0].parent)
    kept, failed = {_identity(path) for path in [*paths, reference] if path and os.path.exists(home(path))}, 0
    for number, (path, files) in enumerate(zip(paths, targets), 1):
        done, said = _colorize(colorizer, path, files, kept, settings, as_is, extract_lines, layered, overwrite)
        print(f"{number}/{len(paths)} {said}", file=sys.stdout if done else sys.stderr, flush=True)
        failed += not done
    return int(failed > 0)


def _colors(reference: str | Path | None, palette: str | None) -> dict:
    """Where the colours come from, as arguments of `Colorizer.colorize`. Raises InputError unless it is one of both."""
    if (reference is None) == (palette is None):
        got = "neither" if palette is None else "both"
        raise InputError(f"colours must come from a reference or from a palette, got {got}")
    return {"palette": parse_palette(palette)} if reference is None else {"reference": _open(reference)}


def _colorize(
    colorizer: Colorizer,
    path: Path,
    files: list[Path],
    kept: set[tuple[int, int]],
    settings: dict,
    as_is: bool,
    extract: bool,
    layered: bool,
    overwrite: bool,
) -> tuple[bool, str]:
    """One drawing into its files: whether it went well, and what to say of it."""
    start = time.perf_counter()
    try:
        _refuse_to_replace(files, kept, overwrite)
        picture = _open(path)
        if (most := LONGEST.get(files[0].suffix.lower())) and max(picture.size) > most:
            size = f"{picture.width}x{picture.height}"
            raise InputError(
                f"a {files[0].suffix[1:]} has at most {most} pixels a side, got {size}; --format png has more"
            )
        drawing = _drawn(picture, as_is) if extract else clean(picture, as_is)
        (_save_layers if layered else _save)(colorizer, drawing, files, settings, overwrite, _dpi(picture))
    except (InputError, OSError, MemoryError) as error:
        said = str(error) or "there is too little memory for it"
        return False, said if said.startswith(str(path)) else f"{path}: {said}"
    notes = "; ".join(filter(None, [_first(picture), drawing.note, f"{time.perf_counter() - start:.1f} s"]))
    return True, f"{path} -> {', '.join(map(str, files))} ({notes})"


def _first(picture: Image.Image) -> str:
    """A note on the pages that were left out."""
    try:
        with warnings.catch_warnings(action="ignore"):
            pages = getattr(picture, "n_frames", 1)
    except Exception:  # of a later page that is cut off, decoders raise whatever they like
        return "the first page; another can't be read"
    return f"the first of {pages} pages" if pages > 1 else ""


def _drawn(picture: Image.Image, as_is: bool) -> Drawing:
    """The lines of a coloured picture, as transparent as it is."""
    drawing = clean(drawn_lines(picture), as_is)
    if not picture.has_transparency_data or picture.mode.startswith("I;16"):
        return drawing
    alpha = np.asarray(upright(picture).convert("RGBA").getchannel("A"))
    return replace(drawing, alpha=alpha if alpha.min() < 255 else None)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"the folder {folder} can't be made: {error.strerror}") from error


def parse_palette(text: str) -> np.ndarray:
    """(n, 3) float, 0..255, from colours as CSS writes them, such as "#aabbcc #ddeeff". Raises InputError."""
    try:
        return np.array([ImageColor.getrgb(word)[:3] for word in re.split(BETWEEN, text.strip())], np.float32)
    except ValueError as error:
        raise InputError(f"colours must be written like #aabbcc #ddeeff, got {text!r}") from error


def parse_swaps(text: str) -> list[np.ndarray]:
    """[(2, 3), ...] from "#old=#new", one or more. Raises InputError."""
    if not text.strip():
        return []
    swaps = [parse_palette(pair.replace("=", " ")) for pair in re.split(BETWEEN, re.sub(r"\s*=\s*", "=", text.strip()))]
    if any(len(swap) != 2 for swap in swaps):
        raise InputError(f"a swap must be written like #old=#new, got {text!r}")
    return swaps


def _pictures(drawings: Iterable[str | Path]) -> list[Path]:
    """The files that are meant: each once, a folder's and a glob's in the order of their names."""
    found: dict[str, Path] = {}
    for one in map(str, [drawings] if isinstance(drawings, (str, Path)) else drawings):
        path = home(one)
        if os.path.isdir(path):  # of a name that is too long, pathlib raises
            files = sorted(file for file in path.iterdir() if _is_picture(file))
        else:
            files = (
                [path] if os.path.exists(path) else sorted(Path(file) for file in glob.glob(str(path), recursive=True))
            )
        if not files:
            raise MissingFile(f"a drawing must be a picture file, a folder of them or a glob, found none at {one}")
        for file in files:
            found.setdefault(os.path.abspath(file), file)
    if not found:
        raise MissingFile("a drawing must be a picture file, a folder of them or a glob, got none")
    return list(found.values())


def _is_picture(file: Path) -> bool:
    """By its name; hidden ones, such as the ._drawing.png that macOS leaves on other disks, are none."""
    return file.suffix.lower() in SUFFIXES and not file.name.startswith(".") and not file.is_dir()


def _format(name: str | None, layered: bool) -> str:
    """The ending of the results' names."""
    default = ("psd" if importlib.util.find_spec("psd_tools") else "png") if layered else "png"
    name = (name or default).lower().lstrip(".").replace("jpeg", "jpg")
    known = ("psd", "png") if layered else tuple(FORMAT_OPTIONS)
    if name not in known:
        raise InputError(f"format must be one of {', '.join(known)}{' with layers' * layered}, got {name}")
    if name == "psd" and not importlib.util.find_spec("psd_tools"):
        raise InputError("a PSD needs psd-tools: pip install psd-tools, or take the format png")
    return name


def _targets(paths: list[Path], out: Path, format: str | None, layered: bool) -> list[list[Path]]:
    """The files that each drawing is coloured into."""
    if out.suffix.lower() in (*SUFFIXES, ".psd", *OTHERS) and not os.path.isdir(out):
        named = _format(out.suffix, layered)
        if len(paths) > 1 or (layered and named != "psd"):
            raise InputError(f"out must be a folder for more than one file, got {out}")
        if format and _format(format, layered) != named:
            raise InputError(f"format must be that of out, {named}, got {format}")
        return [[out.resolve()]]
    format = _format(format, layered)
    ends = ["-colors.png", "-lines.png"] if layered and format == "png" else [f".{format}"]
    targets = {(out / f"{path.stem}{ends[0]}").resolve(): path for path in reversed(paths)}
    for path in paths:
        if (first := targets[(out / f"{path.stem}{ends[0]}").resolve()]) != path:
            raise InputError(f"drawings in one folder of results must differ in name, got {first} and {path}")
    return [[(out / f"{path.stem}{end}").resolve() for end in ends] for path in paths]


def _identity(path: str | Path) -> tuple[int, int]:
    """The same for all names of a file, such as line.PNG and line.png where case makes no difference."""
    held = home(path).stat()
    return held.st_dev, held.st_ino


def _refuse_to_replace(targets: list[Path], kept: set[tuple[int, int]], overwrite: bool) -> None:
    for path in targets:
        if path.exists() and _identity(path) in kept:
            raise InputError(f"the result would replace {path}, a picture of this very command; choose another folder")
        if path.exists() and not overwrite:
            raise InputError(f"{path} is there already; --overwrite replaces it")


def _open(path: str | Path) -> Image.Image:
    """The picture of a file, whatever its mode. Raises MissingFile, or InputError for what is none."""
    path = home(path)
    if not os.path.isfile(path):  # to read a pipe would wait
        raise MissingFile(f"there is no picture file at {path}, or in a folder that may not be read")
    try:
        return load(path)
    except Unfit as error:
        raise InputError(f"{path}: {error}") from error


def _dpi(picture: Image.Image) -> dict[str, tuple[float, float]]:
    """Its dots per inch, where it has any, as an option of Pillow's save: printed, the result is as large."""
    dpi = tuple(map(float, picture.info.get("dpi", ())))
    return {"dpi": dpi} if len(dpi) == 2 and all(1 < value < 30_000 for value in dpi) else {}


def _save(
    colorizer: Colorizer, drawing: Drawing, targets: list[Path], settings: dict, overwrite: bool, dpi: dict
) -> None:
    result = colorizer.colorize(drawing, **settings)
    format = _format(targets[0].suffix, layered=False)
    if format == "jpg":  # which knows no transparency
        result = rgb(result)
    with whole(targets[0], overwrite) as temporary:
        result.save(temporary, Image.registered_extensions()[f".{format}"], **FORMAT_OPTIONS[format], **dpi)


def _save_layers(
    colorizer: Colorizer, drawing: Drawing, targets: list[Path], settings: dict, overwrite: bool, dpi: dict
) -> None:
    """Colours without the lines, and black lines on nothing."""
    drawing, under = colorizer.layers(drawing, **settings)
    opaque = np.full_like(drawing.full, 255)
    colors = Image.fromarray(np.dstack([under, opaque if drawing.alpha is None else drawing.alpha]))
    lines = Image.fromarray(np.dstack([np.zeros_like(under), 255 - drawing.full]))
    if targets[0].suffix == ".png":
        for path, layer in zip(targets, (colors, lines)):
            with whole(path, overwrite) as temporary:
                layer.save(temporary, "PNG", **dpi)
        return
    from psd_tools import PSDImage  # an extra
    from psd_tools.constants import Resource
    from psd_tools.psd.image_resources import ImageResource

    psd = PSDImage.frompil(Image.alpha_composite(colors, lines))  # the preview; its alpha lets the layers have theirs
    for layer, name in ((colors, "colors"), (lines, "lines")):
        psd.create_pixel_layer(layer, name=name)
    if dpi:
        x, y = (round(65536 * value) for value in dpi["dpi"])
        held = struct.pack(">I2HI2H", x, 1, 1, y, 1, 1)  # an inch each
        psd.image_resources[Resource.RESOLUTION_INFO] = ImageResource(key=Resource.RESOLUTION_INFO, data=held)
    with whole(targets[0], overwrite) as temporary:
        psd.save(temporary)
