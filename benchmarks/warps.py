"""How far a bent reference moves its pixels: our warp beside the one that other systems share.

    python benchmarks/warps.py

SGA (https://arxiv.org/abs/2207.06095), AnimeDiffusion (https://arxiv.org/abs/2303.11137) and SSIMBaD
(https://arxiv.org/abs/2506.04283) train on references bent by one thin-plate spline: the corners stay, two points of a
diagonal slide along it. `pinned_warp` is written from that description. What a network trained under each keeps in P4
is measured by `matching.py`. Writes `figures/warps.csv` and `figures/warps.png`.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F

from lineart.config import figures_dir
from lineart.course.plotting import write_figure
from lineart.data.augment import random_warp
from lineart.data.toon import draw
from lineart.evaluation.rows import write_csv
from lineart.files import provenance, write_sidecar
from lineart.images import to_uint8

DRAWS, SIDE = 400, 64
CORNERS = torch.tensor([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
CELL = 1 / 16  # of the side: one position of a 16x16 attention


def spline(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """The thin-plate kernel r^2 log r between points a (N, p, 2) and b (N, q, 2): (N, p, q)."""
    square = (a[:, :, None] - b[:, None]).square().sum(-1)
    return 0.5 * square * square.clamp(min=1e-12).log()


def pinned_warp(color: torch.Tensor) -> torch.Tensor:
    """References (N, 3, H, W) bent so that the corners stay and two points of the diagonal slide along it.

    The points lie between 0.3 and 0.7 of the side and move by up to a quarter of it.
    """
    n, _, height, width = color.shape
    start = (0.6 + 0.8 * torch.rand(n, 2, 1)).sub(1).expand(-1, -1, 2)  # 0.3 to 0.7, counted from -1 to 1
    end = start + (torch.rand(n, 2, 1) - 0.5)
    corners = CORNERS.expand(n, -1, -1)
    source, target = torch.cat([corners, start], 1), torch.cat([corners, end], 1)
    ones = torch.ones(n, 6, 1)
    affine = torch.cat([ones, target], 2)
    top = torch.cat([spline(target, target) + 1e-6 * torch.eye(6), affine], 2)
    system = torch.cat([top, torch.cat([affine.transpose(1, 2), torch.zeros(n, 3, 3)], 2)], 1)
    weights = torch.linalg.solve(system.double(), F.pad(source, (0, 0, 0, 3)).double()).float()  # (N, 9, 2)
    ys, xs = (torch.arange(m) * 2 / m + 1 / m - 1 for m in (height, width))
    places = torch.stack(torch.meshgrid(xs, ys, indexing="xy"), -1).reshape(1, -1, 2).expand(n, -1, -1)
    basis = torch.cat([spline(places, target), torch.ones(n, places.shape[1], 1), places], 2)
    grid = (basis @ weights).view(n, height, width, 2).to(color.device)
    return F.grid_sample(color.float(), grid, padding_mode="border", align_corners=False)


WARPS = {"random_warp (ours)": random_warp, "two points of a diagonal": pinned_warp}


def displacements(warp, seed: int = 0) -> np.ndarray:
    """(DRAWS, SIDE, SIDE): by how much of the side each pixel moved; read from a picture whose colour is its place."""
    torch.manual_seed(seed)
    axis = (torch.arange(SIDE) + 0.5) / SIDE
    place = torch.stack([*torch.meshgrid(axis, axis, indexing="xy"), torch.zeros(SIDE, SIDE)])
    moved = warp(place.expand(DRAWS, -1, -1, -1))
    return (moved - place)[:, :2].norm(dim=1).numpy()


def main() -> None:
    figure, (left, *right) = plt.subplots(1, 4, figsize=(10, 2.8), width_ratios=(2.4, 1, 1, 1), layout="constrained")
    found, lines = {name: displacements(warp) for name, warp in WARPS.items()}, []
    for (name, moved), color in zip(found.items(), ("#005cc1", "#b98a39")):
        left.hist(moved.ravel(), bins=np.linspace(0, 1, 65), histtype="step", density=True, label=name, color=color)
        share = float((moved < CELL).mean())
        lines.append((name, float(np.median(moved)), share, float((moved < 2 * CELL).mean()), moved.shape[0]))
    left.axvline(CELL, color="black", linewidth=0.8, linestyle=":")
    left.set(xlabel="distance moved, share of the side (dotted: a 16th)", ylabel="density")
    left.legend(frameon=False, fontsize=8)
    drawing = draw("val-0-000000", 128).color
    color = torch.from_numpy(drawing.copy()).permute(2, 0, 1)[None] / 127.5 - 1
    torch.manual_seed(0)
    pictures = [drawing, *(to_uint8(warp(color))[0].permute(1, 2, 0).numpy() for warp in WARPS.values())]
    for axis, picture, title in zip(right, pictures, ("the truth", "ours", "two points")):
        axis.imshow(picture)
        axis.set_title(title, fontsize=9)
        axis.axis("off")
    columns = ["warp", "median moved", "moved less than a 16th", "moved less than an 8th", "draws"]
    path = write_csv(figures_dir("classroom") / "warps.csv", pd.DataFrame(lines, columns=columns).round(4))
    write_figure(figure, path.with_suffix(".png"))
    write_sidecar(path, provenance(draws=DRAWS, side=SIDE, seed=0))
    print(path.read_text())


if __name__ == "__main__":
    main()
