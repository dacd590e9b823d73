"""What the feature loss of Eq. 1 changes: shipped networks trained on at 128 px with it and without, on `toon`.

    python benchmarks/whole_loss.py          all; 20 to 80 and 6 to 30 minutes of one core for a training
    python benchmarks/whole_loss.py none     one method, such as one process a core
    python benchmarks/whole_loss.py --table  only the table, of what is trained and measured

The shipped weights were trained without this loss, which makes a step on a CPU two to three times as long. Here five of
them get the third phase of `train_weights.py`, 1,500 steps of 8 drawings, from the shipped generator and with a new
discriminator: once with the whole of Eq. 1, once without its feature loss, in the same order of drawings. Killed, it
goes on where it was; run folders lie under `runs/whole_loss`, or where --runs says. P1, P3 and P4 on 512 drawings of
the test set. Writes `figures/whole_loss_toon.csv` and `.md`.
"""

import argparse
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from train_weights import RECIPES, train_to_the_end

from lineart.checkpoint import load_generator
from lineart.coloring.colorizer import PRETRAINED
from lineart.config import ROOT, Config, figures_dir
from lineart.course.plotting import read_curve
from lineart.data.sets import load
from lineart.evaluation.measure import Evaluator, evaluate
from lineart.evaluation.rows import read_csv, write_csv
from lineart.evaluation.tables import markdown
from lineart.files import provenance, sha256, write_sidecar, write_text
from lineart.methods import METHODS, method_title
from lineart.runs import LAST, config_of

MEASURED = ["none", "palette", "image", "image-warped", "lines-warped"]
N, PROTOCOLS = 512, ("P1", "P3", "P4")
SHIPPED = "as shipped"
NAMES = {SHIPPED: "shipped", "without the feature loss": "without", "the whole of Eq. 1": "whole"}  # of run folders
# Protocol, metric -> column, decimals
SHOWN = {
    ("P1", "PSNR"): ("P1 PSNR ↑", 2),
    ("P1", "MS-SSIM"): ("P1 MS-SSIM ↑", 3),
    ("P1", "ST-LPIPS"): ("P1 ST-LPIPS ↓", 4),
    ("P3", "Fréchet distance (ST-VGG)"): ("P3 Fréchet distance (ST-VGG) ↓", 1),
    ("P4", "PSNR"): ("P4 PSNR ↑", 2),
    ("P4", "bleeding"): ("P4 bleeding ↓", 4),
}
LOSSES = (("feature loss, share of Eq. 1", "feature_share", ".4%"), ("discriminator's loss", "loss_d", ".3f"))


def settings(method: str, loss: str, seed: int) -> Config:
    recipe = RECIPES["toon"]
    changes = METHODS[method].settings | recipe.settings | recipe.phases["whole"]
    if NAMES[loss] == "without":
        changes["lambda_fm"] = 0.0
    start = PRETRAINED / f"toon-{method}.safetensors"
    return Config.from_profile(recipe.profile, **changes, data="toon", seed=seed, start_from=str(start))


def measure(path: Path, evaluator: Evaluator, method: str, loss: str, seed: int) -> pd.DataFrame:
    generator, _ = load_generator(path)
    return evaluate(evaluator, method, generator, sha256(path), PROTOCOLS, seed).assign(loss=loss)


def folder(runs: Path, method: str, loss: str, seed: int) -> Path:
    return runs / (f"{method}-{NAMES[loss]}" if loss == SHIPPED else f"{method}-{NAMES[loss]}-s{seed}")


def train_and_measure(methods: list[str], seeds: list[int], runs: Path) -> None:
    """The rows of a training lie in its run folder; those of the weights that it began with in one beside it."""
    evaluator = None
    for seed, method, loss in product(seeds, methods, NAMES):
        config, run = settings(method, loss, seed), folder(runs, method, loss, seed)
        if (run / "rows.csv").exists():
            continue
        path = Path(config.start_from)
        if loss != SHIPPED:
            train_to_the_end(config, run)
            path = run / LAST
        evaluator = evaluator or Evaluator(load(config, "test", N), config.weights, "toon")
        write_csv(run / "rows.csv", measure(path, evaluator, method, loss, 0 if loss == SHIPPED else seed))
        print(run.name, "measured", flush=True)


def with_losses(run: Path) -> pd.DataFrame:
    """The rows of a training, with means over its last 500 steps: the discriminator's loss, and the feature loss as a
    share of Eq. 1."""
    rows = read_csv(run / "rows.csv").assign(loss_d=np.nan, feature_share=np.nan)
    if (run / "metrics.csv").exists():  # not of the shipped weights
        last = {name: values[-10:].mean() for name, values in read_curve(run / "metrics.csv").items()}
        config = config_of(run)
        rows["loss_d"], rows["feature_share"] = last["loss_d"], config.lambda_fm * last["feature"] / last["loss_g"]
    return rows


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Mean over the trainings, and how far they lie apart (standard deviation), where there are several."""
    lines = []
    for (method, loss), group in rows.groupby(["method", "loss"], sort=False):
        line = {"Method": method_title(method), "Trained on": loss}
        for key, (column, decimals) in SHOWN.items():
            values = group.set_index(["protocol", "metric"]).loc[[key], "value"]
            line[column] = f"{values.mean():.{decimals}f}"
            if len(values) > 1:
                line[column] += f" ± {values.std():.{decimals}f}"
        for column, name, form in LOSSES:
            line[column] = "–" if loss == SHIPPED else format(group[name].mean(), form)
        lines.append(line)
    return pd.DataFrame(lines).set_index("Method")


def table(methods: list[str], seeds: list[int], runs: Path) -> None:
    folders = dict.fromkeys(folder(runs, *key) for key in product(methods, NAMES, seeds))  # shipped: one for all seeds
    if missing := [run.name for run in folders if not (run / "rows.csv").exists()]:
        raise SystemExit(f"the table needs all trainings measured; {', '.join(missing)} in {runs} are not")
    rows = pd.concat([with_losses(run) for run in folders], ignore_index=True)
    path = write_csv(figures_dir("classroom") / "whole_loss_toon.csv", rows)
    write_text(path.with_suffix(".md"), markdown(summary(rows)) + "\n")
    config = settings(methods[0], "the whole of Eq. 1", 0).replace(start_from=None)
    start = {method: sha256(PRETRAINED / f"toon-{method}.safetensors") for method in methods}
    write_sidecar(path, provenance(config, start=start, seeds=seeds, n=N))
    print(path.with_suffix(".md").read_text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="*", metavar="METHOD", help=f"by default {', '.join(MEASURED)}")
    parser.add_argument("--train-seeds", type=int, nargs="+", default=[0], help="by default 0 alone")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "whole_loss", help="run folders (runs/whole_loss)")
    parser.add_argument("--table", action="store_true", help="train nothing")
    args = parser.parse_args()
    methods = args.methods or MEASURED
    if unknown := {*methods} - {*METHODS}:
        parser.error(f"METHOD must be one of {', '.join(METHODS)}, got {', '.join(sorted(unknown))}")
    torch.set_num_threads(1)  # of networks this small two threads are slower beside any other load
    if not args.table:
        train_and_measure(methods, args.train_seeds, args.runs)
    if args.table or not args.methods:
        table(methods, args.train_seeds, args.runs)


if __name__ == "__main__":
    main()
