"""Train the weights that the course ships: most steps at 64 px, the last at 128 px; killed, it goes on where it was.

    python benchmarks/train_toon.py none image
"""

import argparse

import torch

from lineart.config import ROOT, Config
from lineart.training import LAST, train

METHODS = {
    "none": dict(attention="none"),
    "gate": dict(attention="gate"),
    "palette": dict(attention="cross", reference="palette"),
    "image": dict(attention="cross", reference="image"),
}
# The classroom's networks (width 16, six levels) on four times its drawings. Without the feature loss, which would cost
# several times the generator on a CPU; the learning rate is twice the paper's for a batch four times the paper's.
COMMON = dict(n_train=8192, levels=6, batch_size=16, learning_rate=4e-4, lambda_fm=0.0, precision="bf16-mixed",
              log_every=50, sample_every=500, checkpoint_every=250)
PHASES = (dict(size=64, steps=10_000), dict(size=128, steps=3_000, lr_step_epochs=2))


def train_method(method: str, seed: int, phases=PHASES) -> None:
    start = None
    for phase in phases:
        config = Config.from_profile("classroom", **METHODS[method], **COMMON, **phase, seed=seed, start_from=start)
        folder = ROOT / "runs" / "weights" / f"{method}-s{seed}-{config.size}px"
        train(config, folder, resume=(folder / LAST).exists())
        start = str(folder / LAST)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="*", default=["none", "image"], choices=[*METHODS])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, help="of this process; two methods side by side like one each")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    for method in args.methods:
        train_method(method, args.seed)


if __name__ == "__main__":
    main()
