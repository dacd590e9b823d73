"""Small controlled trainings for the paper's claims about training: one thing changed at a time, three seeds each.

    python benchmarks/claims.py                  all variants, about 40 minutes on one core
    python benchmarks/claims.py --seeds 0 1 2 3 4

The base is the classroom's network without attention at 64 px, trained at the paper's batch of 4 with the paper's
weights except the feature loss. Beside it: BatchNorm and plain filters in the place of GN + WS; L2 in the place of L1;
no noise; cross-attention to the reference picture. (L2 has L1's weight of 50; near the truth its slope is smaller, so
that the adversarial term weighs more beside it.) A run that is finished is not run again (`runs/claims`). Writes
`figures/claims_training.csv`, a line a run, `claims_curves.csv`, validation PSNR against the step, and the side-cars.
"""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import nn
from train_weights import train_to_the_end

from lineart import losses, runs, training
from lineart.checkpoint import load_module, make_generator, read_checkpoint
from lineart.config import ROOT, Config, figures_dir
from lineart.course.plotting import read_curve
from lineart.data.augment import take
from lineart.data.sets import load
from lineart.evaluation.metrics import colorfulness
from lineart.evaluation.rows import write_csv
from lineart.files import provenance, write_sidecar
from lineart.images import as_images, to_uint8
from lineart.layers import WSConv2d
from lineart.networks import Generator

BASE = dict(
    size=64,
    batch_size=4,
    n_train=2048,
    attention="none",
    lambda_fm=0.0,
    steps=1500,
    log_every=50,
    sample_every=100,
    checkpoint_every=500,
)
VARIANTS = {"base": {}, "batch norm": {}, "L2": {}, "no noise": dict(noise=False), "attention": dict(attention="cross")}
COLUMNS = ("variant", "seed", "steps", "psnr_val", "colorfulness", "colorfulness_truth", "noise_std", "noise_scale")


def batch_norm_generator(config: Config) -> Generator:
    """BatchNorm for GroupNorm, and filters as they are, not standardised."""
    generator = make_generator(config)
    for module in list(generator.modules()):
        for name in ("norm1", "norm2"):
            if hasattr(module, name):
                setattr(module, name, nn.BatchNorm2d(getattr(module, name).num_channels))
        if isinstance(module, WSConv2d):
            module.standardized_weight = lambda conv=module: conv.weight
    return generator


@contextmanager
def changed(variant: str) -> Iterator[None]:
    """The one change of a variant that no setting makes."""
    changes = {
        "batch norm": mock.patch.object(training, "make_generator", batch_norm_generator),
        "L2": mock.patch.object(losses, "l1_loss", F.mse_loss),
    }
    with changes.get(variant, nullcontext()):
        yield


def settings(variant: str, steps: int | None, seed: int = 0) -> Config:
    return Config.from_profile("classroom", **BASE | VARIANTS[variant] | ({"steps": steps} if steps else {}), seed=seed)


def run(variant: str, seed: int, steps: int | None) -> tuple[Path, Config]:
    config = settings(variant, steps, seed)
    folder = ROOT / "runs" / "claims" / f"{variant.replace(' ', '-')}-s{seed}-{config.steps}"
    with changed(variant):
        train_to_the_end(config, folder)
    return folder, config


@torch.no_grad()
def judge(variant: str, folder: Path, config: Config) -> tuple:
    """The line of a run, on validation drawings that it has not seen."""
    _, step, tensors = read_checkpoint(folder / runs.LAST)
    generator = batch_norm_generator(config) if variant == "batch norm" else make_generator(config)
    load_module(generator, tensors, "generator")
    generator.eval()
    pairs = load(config, "val", 64)
    batch = take(pairs, slice(None))
    inputs = (batch["line"], batch["palette"], batch["color"])
    result = to_uint8(generator(*inputs))
    noise_std, scale = 0.0, 0.0
    if config.noise:
        drawn = [generator(*inputs, torch.Generator().manual_seed(s)) for s in range(8)]
        noise_std = 127.5 * torch.stack(drawn).std(0).mean().item()
        scale = max(layer.scale.abs().max().item() for layer in generator.noise.values())
    curve = read_curve(folder / "metrics.csv")
    psnr = curve["psnr_val"][~np.isnan(curve["psnr_val"])][-1]
    values = (psnr, colorfulness(result).mean(), colorfulness(as_images(pairs.color)).mean(), noise_std, scale)
    return (variant, config.seed, step, *(round(float(value), 4) for value in values))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, help="of each run; by default 1,500")
    parser.add_argument("--threads", type=int, default=1, help="such small networks are fastest with one (1)")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    lines, curves = [], []
    for seed in args.seeds:
        for variant in VARIANTS:
            folder, config = run(variant, seed, args.steps)
            lines.append(judge(variant, folder, config))
            curve = pd.read_csv(folder / "metrics.csv").dropna(subset="psnr_val")
            curves.append(curve[["step", "psnr_val"]].round(4).assign(variant=variant, seed=seed))
            print(*lines[-1], flush=True)
    lines.sort(key=lambda line: ([*VARIANTS].index(line[0]), line[1]))
    record = provenance(settings("base", args.steps), variants=VARIANTS, seeds=args.seeds)
    folder = figures_dir("classroom")
    write_sidecar(write_csv(folder / "claims_training.csv", pd.DataFrame(lines, columns=COLUMNS)), record)
    curves = pd.concat(curves)[["variant", "seed", "step", "psnr_val"]]
    write_sidecar(write_csv(folder / "claims_curves.csv", curves), record)


if __name__ == "__main__":
    main()
