"""Why eyes stay wrong: how large they are, and what the networks paint there, on `toon`; and what would it take.

    python benchmarks/eyes.py                the shipped weights
    python benchmarks/eyes.py --further RUN  a trained network trained on, with and without rare colours counted more

256 drawings of the test set. Of those that have a colour in their eyes, and whose reference shows it: the mean colour
difference of the eyes' pixels to the colour that they should have, and to white. `--further` takes the run folder of a
network at 128 px, such as the second phase of `train_weights.py lines-warped`, trains it for 600 further steps in each
of two ways, with three seeds each (about six minutes of one core a training; killed, it goes on), and measures P4 as a
whole, too. Writes `figures/eyes_toon.csv` or `figures/eyes_further_toon.csv`.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from train_weights import train_to_the_end

from lineart.checkpoint import load_generator
from lineart.coloring.colorizer import Colorizer, checkpoint_path
from lineart.config import ROOT, Config, figures_dir
from lineart.data.sets import Pairs, load
from lineart.data.toon import SLOTS
from lineart.evaluation.measure import Evaluator, evaluate
from lineart.evaluation.metrics import ciede2000, srgb_to_lab
from lineart.evaluation.protocols import trials
from lineart.evaluation.rows import write_csv
from lineart.evaluation.tables import markdown
from lineart.files import provenance, sha256, write_sidecar, write_text
from lineart.images import paint
from lineart.networks import Generator
from lineart.runs import LAST, config_of

N, EYES = 256, SLOTS.index("eyes")
METHODS = ("image", "image-warped", "image-other", "lines-warped")
WHITE = np.full((1, 3), 255, np.uint8)
FURTHER = dict(steps=600, learning_rate=2e-4, lr_step_epochs=1_000, checkpoint_every=200)
WAYS = {"all pixels count alike": 1.0, "rare colours count up to 50 times": 50.0}
SEEDS = (1, 2, 3)
WHOLE = {"PSNR": "P4 dB", "CIEDE2000": "P4 CIEDE2000"}
WHOLE |= {f"CIEDE2000, {slot}": f"P4 {slot}" for slot in ("accessories", "hair", "skin", "clothes")}


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


def further(start: Path, runs: Path, pairs: Pairs) -> None:
    begun = config_of(start).replace(start_from=None, source=None)  # paths of the machine that trained it
    evaluator = Evaluator(pairs, begun.weights, "toon")
    lines = []
    for seed in SEEDS:
        for name, most in WAYS.items():
            settings = FURTHER | dict(seed=seed, rare_colors=most, start_from=str(start / LAST))
            run = runs / f"rare{most:g}-s{seed}"
            train_to_the_end(begun.replace(**settings), run)
            generator = load_generator(run / LAST)[0].eval()
            rows = evaluate(evaluator, begun.method, generator, protocols=("P4",)).set_index("metric")["value"]
            eyes = {f"{p} eyes": of_eyes(generator, pairs, p)["to the right colour"] for p in ("P1", "P4")}
            lines.append({"loss": name, "train_seed": seed} | eyes | {WHOLE[key]: rows[key] for key in WHOLE})
            print(lines[-1], flush=True)
    rows = pd.DataFrame(lines).sort_values(["loss", "train_seed"]).round(4)
    path = write_csv(figures_dir("classroom") / "eyes_further_toon.csv", rows)
    groups = rows.drop(columns="train_seed").groupby("loss")
    text = groups.mean().map("{:.2f}".format) + " ± " + groups.std().map("{:.2f}".format)
    write_text(path.with_suffix(".md"), markdown(text) + "\n")
    write_sidecar(path, provenance(begun, start=sha256(start / LAST), seeds=SEEDS, further=FURTHER, n=N))
    print(path.with_suffix(".md").read_text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--further", type=Path, metavar="RUN", help="run folder of a network at 128 px")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "eyes", help="run folders (runs/eyes)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    config = Colorizer.from_pretrained("toon-image").config
    pairs = load(config, "test", N)
    if args.further:
        further(args.further, args.runs, pairs)
    else:
        shipped(pairs, config)


if __name__ == "__main__":
    main()
