"""Why eyes stay wrong: how large they are, and what the shipped networks paint there, on `toon`.

    python benchmarks/eyes.py

256 drawings of the test set. Of those that have a colour in their eyes, and whose reference shows it: the mean colour
difference of the eyes' pixels to the colour that they should have, and to white. What it takes to mend them is measured
by `further.py`. Writes `figures/eyes_toon.csv`.
"""

import argparse

import numpy as np
import pandas as pd
import torch

from lineart.coloring.colorizer import Colorizer, checkpoint_path
from lineart.config import Config, figures_dir
from lineart.data.sets import Pairs, load
from lineart.data.toon import SLOTS
from lineart.evaluation.metrics import ciede2000, srgb_to_lab
from lineart.evaluation.protocols import trials
from lineart.evaluation.rows import write_csv
from lineart.files import provenance, sha256, write_sidecar
from lineart.images import paint
from lineart.networks import Generator

N, EYES = 256, SLOTS.index("eyes")
METHODS = ("image", "image-warped", "image-other", "lines-warped")
WHITE = np.full((1, 3), 255, np.uint8)


def differences(picture: np.ndarray, mask: np.ndarray, wanted: np.ndarray) -> tuple[float, float]:
    """Mean CIEDE2000 of the eyes' pixels to the wanted colour (3,) and to white. picture (H, W, 3), mask (H, W)."""
    pixels = srgb_to_lab(picture[mask == EYES])
    return tuple(float(ciede2000(pixels, srgb_to_lab(color)).mean()) for color in (wanted[None], WHITE))


def of_eyes(generator: Generator, pairs: Pairs, protocol: str) -> dict:
    """How far the eyes are from their colour and from white, and of how many drawings."""
    trial = trials(protocol, pairs, "toon")[0]
    chosen = [i for i, mask in enumerate(pairs.mask) if (mask == EYES).any() and (trial.mask[i] == EYES).any()]
    painted = paint(generator, pairs.line[chosen], trial.color[chosen], trial.palette[chosen])
    pictures = painted.permute(0, 2, 3, 1).numpy()
    found = [differences(picture, pairs.mask[i], pairs.slots[i, EYES]) for i, picture in zip(chosen, pictures)]
    to_wanted, to_white = np.mean(found, axis=0)
    return {"n": len(chosen), "to the right colour": to_wanted, "to white": to_white}


def shipped(pairs: Pairs, config: Config) -> None:
    pixels = (pairs.mask == EYES).sum((1, 2))
    common = {"drawings with eyes %": 100 * (pixels > 0).mean(), "median pixels": np.median(pixels[pixels > 0])}
    lines = []
    for protocol in ("P1", "P4"):
        for method in METHODS:
            found = of_eyes(Colorizer.from_pretrained(f"toon-{method}").generator, pairs, protocol)
            n = {"n": found.pop("n")}
            lines.append({"protocol": protocol, "method": method} | n | common | found)
    path = write_csv(figures_dir("classroom") / "eyes_toon.csv", pd.DataFrame(lines).round(2))
    weights = {method: sha256(checkpoint_path(f"toon-{method}")) for method in METHODS}
    write_sidecar(path, provenance(config, weights=weights, n=N))
    print(path.read_text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    torch.set_num_threads(1)
    config = Colorizer.from_pretrained("toon-image").config
    shipped(load(config, "test", N), config)


if __name__ == "__main__":
    main()
