"""Why eyes stay wrong: how large they are, and what the networks paint there, on `toon` with the shipped weights.

    python benchmarks/eyes.py

256 drawings of the test set. Of those that have a colour in their eyes, and whose reference shows it: the mean colour
difference of the eyes' pixels to the colour that they should have, and to white. Writes `figures/eyes_toon.csv`.
"""

import numpy as np
import pandas as pd
import torch

from lineart.coloring.colorizer import Colorizer, checkpoint_path
from lineart.config import figures_dir
from lineart.data.sets import load
from lineart.data.toon import SLOTS
from lineart.evaluation.metrics import ciede2000, srgb_to_lab
from lineart.evaluation.protocols import trials
from lineart.evaluation.rows import write_csv
from lineart.files import provenance, sha256, write_sidecar
from lineart.images import paint

N, EYES = 256, SLOTS.index("eyes")
METHODS = ("image", "image-warped", "image-other")
WHITE = np.full((1, 3), 255, np.uint8)


def differences(picture: np.ndarray, mask: np.ndarray, wanted: np.ndarray) -> tuple[float, float]:
    """Mean CIEDE2000 of the eyes' pixels to the wanted colour (3,) and to white. picture (H, W, 3), mask (H, W)."""
    pixels = srgb_to_lab(picture[mask == EYES])
    return tuple(float(ciede2000(pixels, srgb_to_lab(color)).mean()) for color in (wanted[None], WHITE))


def main() -> None:
    torch.set_num_threads(1)
    config = Colorizer.from_pretrained("toon-image").config
    pairs = load(config, "test", N)
    pixels = (pairs.mask == EYES).sum((1, 2))
    have = np.flatnonzero(pixels)
    common = {"drawings with eyes %": 100 * len(have) / N, "median pixels": float(np.median(pixels[have]))}
    lines = []
    for protocol in ("P1", "P4"):
        trial = trials(protocol, pairs, "toon")[0]
        chosen = [i for i in have if (trial.mask[i] == EYES).any()]
        for method in METHODS:
            generator = Colorizer.from_pretrained(f"toon-{method}").generator
            painted = paint(generator, pairs.line[chosen], trial.color[chosen], trial.palette[chosen])
            pictures = painted.permute(0, 2, 3, 1).numpy()
            found = [differences(picture, pairs.mask[i], pairs.slots[i, EYES]) for i, picture in zip(chosen, pictures)]
            to_wanted, to_white = np.mean(found, axis=0)
            own = {"protocol": protocol, "method": method, "n": len(chosen)} | common
            lines.append(own | {"to the right colour": to_wanted, "to white": to_white})
    path = write_csv(figures_dir("classroom") / "eyes_toon.csv", pd.DataFrame(lines).round(2))
    weights = {method: sha256(checkpoint_path(f"toon-{method}")) for method in METHODS}
    write_sidecar(path, provenance(config, weights=weights, n=N))
    print(path.read_text())


if __name__ == "__main__":
    main()
