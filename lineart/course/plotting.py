"""The course's pictures: grids, palettes, attention, curves; and how a figure is stored with its side-car."""

import base64
import io
import math
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from PIL import Image

from lineart.config import figures_dir
from lineart.files import provenance, whole, write_sidecar
from lineart.images import to_uint8
from lineart.methods import METHODS

DPI = 100


def as_picture(image: np.ndarray | torch.Tensor) -> np.ndarray:
    """(H, W) or (H, W, 3) uint8 from uint8, or from a tensor (3, H, W) in [-1, 1] or uint8."""
    if not torch.is_tensor(image):
        return np.asarray(image)
    image = to_uint8(image.detach().cpu()) if image.is_floating_point() else image.cpu()
    return image.permute(1, 2, 0).numpy() if image.ndim == 3 else image.numpy()


def _bare_axes(rows: int, columns: int, width: float, height: float) -> tuple[Figure, np.ndarray]:
    """A figure with (rows, columns) axes for pictures: no ticks, no frame."""
    figure, axes = plt.subplots(rows, columns, figsize=(width, height), squeeze=False)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[], frame_on=False)
    return figure, axes


def show_grid(
    rows: list[list],
    titles: list[str] | None = None,
    labels: list[str] | None = None,
    side: float = 1.5,
    captions: list[list[str]] | None = None,
    interpolation: str = "nearest",
) -> Figure:
    """Pictures in rows: `titles` over the columns, `labels` before the rows; `side` is inches a picture.

    captions: a text over every picture, in rows as these. interpolation: "nearest" shows pixels as they are;
    "antialiased" is for pictures larger than their place.
    """
    columns = max(len(row) for row in rows)
    figure, axes = _bare_axes(len(rows), columns, side * columns, side * len(rows) + 0.3)
    for row, places in zip(rows, axes):
        for picture, axis in zip(row, places):
            axis.imshow(as_picture(picture), cmap="gray", vmin=0, vmax=255, interpolation=interpolation)
    for axis, label in zip(axes[:, 0], labels or []):
        axis.set_ylabel(label, fontsize=9)
    for axis, title in zip(axes[0], titles or []):
        axis.set_title(title, fontsize=9)
    for texts, places in zip(captions or [], axes):
        for text, axis in zip(texts, places):
            axis.set_title(text, fontsize=8)
    figure.tight_layout(pad=0.3, h_pad=1.0 if captions else None)
    return figure


def swatches(palette: np.ndarray, axis: Axes | None = None, labels: list[str] | None = None) -> Axes:
    """The colours (k, 3), 0..255, as a strip, first one left."""
    axis = axis or plt.subplots(figsize=(0.5 * len(palette), 0.6))[1]
    axis.imshow(np.asarray(palette)[None].clip(0, 255).astype(np.uint8), aspect="auto")
    axis.set(yticks=[], xticks=range(len(labels or [])), xticklabels=labels or [])
    return axis


def strip(palette: np.ndarray, side: int = 14) -> np.ndarray:
    """The colours (k, 3), 0..255, as a picture (side, k * side, 3), first one left, in a grey frame, for white ones."""
    colors = np.asarray(palette).clip(0, 255).astype(np.uint8)
    picture = np.repeat(np.repeat(colors[None], side, 0), side, 1)
    picture[[0, -1]], picture[:, [0, -1]] = 119, 119
    return picture


def marked(picture: np.ndarray, where: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8: the picture in lighter greys, the pixels `where` in strong crimson, as dark as middle grey."""
    pale = picture.mean(-1, keepdims=True) / 2 + 127
    return np.where(where[..., None], (190, 0, 90), pale).astype(np.uint8)


def show_maps(maps: torch.Tensor, n: int = 8, title: str = "") -> Figure:
    """The first n channels of feature maps (C, H, W), each from its own smallest to its largest value."""
    n = min(n, len(maps))
    figure, axes = _bare_axes(1, n, 1.3 * n, 1.5)
    for axis, channel in zip(axes[0], maps.detach()):
        axis.imshow(channel, cmap="viridis", interpolation="nearest")
    figure.suptitle(title, fontsize=9)
    figure.tight_layout(pad=0.3)
    return figure


def draw_heat(axis: Axes, heat: torch.Tensor, size: tuple[int, int], interpolation: str = "nearest") -> None:
    """An attention (h, w) over an axis's picture of a height and width: bright where it is, dim elsewhere."""
    alpha = 0.5 + 0.4 * (heat / heat.max()).numpy()
    axis.imshow(heat.numpy(), cmap="magma", alpha=alpha, extent=(0, size[1], size[0], 0), interpolation=interpolation)


def show_attention(drawing, reference, attention: torch.Tensor, points: list[tuple[int, int]], axes) -> None:
    """Where points of the drawing look in the reference.

    attention (H, W, T) of one picture, T = h * w positions of the square reference in rows; points: (row, column) of
    H x W; axes: a row of len(points) + 1 to draw on.
    """
    drawing, reference = as_picture(drawing), as_picture(reference)
    height, width, tokens = attention.shape
    side = math.isqrt(tokens)
    axes[0].imshow(drawing, cmap="gray", vmin=0, vmax=255)
    for i, (row, column) in enumerate(points):
        x, y = (column + 0.5) * drawing.shape[1] / width, (row + 0.5) * drawing.shape[0] / height
        axes[0].plot(x, y, "o", color=f"C{i}", markersize=8, markeredgecolor="white")
        heat = attention[row, column].reshape(side, side).detach()
        axes[i + 1].imshow(reference)
        draw_heat(axes[i + 1], heat, drawing.shape[:2], "bilinear")
        axes[i + 1].set_title(f"● looks here, max {heat.max():.0%}", color=f"C{i}", fontsize=9)
    for axis in axes:
        axis.axis("off")
    axes[0].figure.tight_layout(pad=0.3)


def draw_blocks(boxes: list[tuple[str, float, float, str]], arrows: list[tuple[int, int]], size=(8, 2.2)) -> Figure:
    """A block diagram: boxes (text, x, y, colour) with centres in units of a box's width, arrows between indices."""
    figure, axis = plt.subplots(figsize=size)
    shape = {"boxstyle": "round,pad=0.02,rounding_size=0.08", "edgecolor": "#333333"}
    patches = [FancyBboxPatch((x - 0.4, y - 0.28), 0.8, 0.56, facecolor=color, **shape) for _, x, y, color in boxes]
    for patch, (text, x, y, _) in zip(patches, boxes):
        axis.add_patch(patch)
        axis.text(x, y, text, ha="center", va="center", fontsize=8)
    arrow = {"arrowstyle": "-|>", "mutation_scale": 10, "color": "#555555", "shrinkA": 0, "shrinkB": 0}
    for start, end in arrows:  # from centre to centre, as far as it is outside the two boxes
        ends = {"patchA": patches[start], "patchB": patches[end]}
        axis.add_patch(FancyArrowPatch(boxes[start][1:3], boxes[end][1:3], **ends, **arrow))
    xs, ys = [box[1] for box in boxes], [box[2] for box in boxes]
    axis.set(xlim=(min(xs) - 0.6, max(xs) + 0.6), ylim=(min(ys) - 0.5, max(ys) + 0.5))
    axis.axis("off")
    figure.tight_layout(pad=0.2)
    return figure


def plot_curves(curves: dict[str, dict[str, np.ndarray]], column: str, label: str, axis: Axes) -> Axes:
    """One column of several `metrics.csv` against the step, without empty cells; curves: method -> columns."""
    for method, columns in curves.items():
        kept, known = ~np.isnan(columns[column]), METHODS[method]
        axis.plot(columns["step"][kept], columns[column][kept], label=known.title, color=known.color)
    axis.set(xlabel="step", ylabel=label)
    axis.spines[["top", "right"]].set_visible(False)
    return axis


def plot_health(curve: dict[str, np.ndarray], free: dict[str, float]) -> Figure:
    """Six panels of one `metrics.csv`: losses, validation beside the PSNR of answers that need no network, health."""
    panels = {
        "L1, one batch": ["l1"],
        "discriminator's loss": ["loss_d"],
        "validation PSNR, dB": ["psnr_val"],
        "logits": ["real_logit", "fake_logit"],
        "gradient norms": ["grad_d", "grad_g"],
        "colour spread / truth's": ["spread"],
    }
    figure, axes = plt.subplots(2, 3, figsize=(8, 4))
    for axis, (title, columns) in zip(axes.flat, panels.items()):
        for column, marker in zip(columns, ("o-", "s--")):
            kept = ~np.isnan(curve[column])
            axis.plot(curve["step"][kept], curve[column][kept], marker, markersize=2.5, label=column)
        axis.set_title(title, fontsize=9)
    axes[0, 1].axhline(2 * np.log(2), color="#777777", ls=":", label="2 log 2: a guess")
    for (name, value), style in zip(free.items(), ("--", ":")):
        axes[0, 2].axhline(value, color="#777777", ls=style, label=name)
    for axis in (*axes[0, 1:], *axes[1, :2]):
        axis.legend(frameon=False, fontsize=7)
    for axis in axes[1]:
        axis.set_xlabel("step", fontsize=9)
    axes[1, 1].set_yscale("log")
    figure.tight_layout()
    return figure


def plot_sizes(curves: dict[tuple[str, int], dict[str, np.ndarray]]) -> Figure:
    """L1 and PSNR of long runs, a row a size; curves: (method, size) -> columns."""
    sizes = sorted({size for _, size in curves})
    extent = (7, 2.1 * len(sizes) + 0.3)
    figure, axes = plt.subplots(len(sizes), 2, figsize=extent, squeeze=False, layout="constrained")
    for row, size in zip(axes, sizes):
        here = {method: curve for (method, other), curve in curves.items() if other == size}
        for axis, (column, label) in zip(row, (("l1", "L1"), ("psnr_val", "PSNR, dB"))):
            plot_curves(here, column, f"{size} px: {label}", axis)
    handles = axes[0, 0].get_legend_handles_labels()  # one for all, where no curve runs
    figure.legend(*handles, loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    return figure


def read_curve(path: str | Path) -> dict[str, np.ndarray]:
    """The columns of a `metrics.csv`; an empty cell is NaN."""
    import pandas as pd  # half a second that a page without curves need not wait

    return {name: column.to_numpy() for name, column in pd.read_csv(path).items()}


def on_page(figure: Figure, alt: str, colors: int = 256) -> dict[str, dict]:
    """The figure, closed, as IPython publishes it: PNG and text as `data`, the text again as `metadata`.

    colors: at most 256, so that a notebook full of pictures stays small; a third of the bytes, and what only needs a
    few colours is unchanged. `save_figure` keeps all.
    """
    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, dpi=DPI, bbox_inches="tight")
    plt.close(figure)
    # Median cut, Pillow's default, averages the few pixels of a rare colour away.
    Image.open(drawn).convert("RGB").quantize(colors, Image.Quantize.FASTOCTREE).save(small, "PNG", optimize=True)
    data = {"image/png": base64.b64encode(small.getvalue()).decode(), "text/plain": alt}
    return {"data": data, "metadata": {"image/png": {"alt": alt}}}


def show(figure: Figure, alt: str, colors: int = 256) -> None:
    """Put a figure on the page, with the text that stands for it where it is read aloud or can't be shown.

    alt: one or two sentences that say what is to be seen. colors: see `on_page`.
    """
    from IPython.display import publish_display_data  # there in a notebook; the package works without it

    publish_display_data(**on_page(figure, alt, colors))


def save_figure(figure: Figure, profile: str, name: str, vector: bool = False, **details) -> Path:
    """`name`.png in the profile's figures folder, with `vector` also .pdf, and the side-car `name`.json.

    details: whatever the picture depends on (settings, hashes of weights and data).
    """
    path = figures_dir(profile) / f"{name}.png"
    for suffix in (".png", ".pdf") if vector else (".png",):
        write_figure(figure, path.with_suffix(suffix))
    write_sidecar(path, provenance(profile=profile, **details))
    return path


def write_figure(figure: Figure, path: Path, dpi: float = 1.5 * DPI) -> None:
    """A .png or .pdf, whole or not at all. Without a date inside, so that the same picture is the same bytes."""
    metadata = {"Software": None} if path.suffix == ".png" else {"CreationDate": None}
    with whole(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:], dpi=dpi, bbox_inches="tight", metadata=metadata)
