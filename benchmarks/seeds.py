"""What is the method and what the accident of a seed: no attention and cross-attention, each trained more than once.

    for seed in 1 2; do python benchmarks/train_weights.py none image --seed $seed --out runs/seeds; done
    python benchmarks/seeds.py

Seed 0 is the shipped pair; the other trainings take about an hour of one core each and are not shipped. One seed gives
both methods the same drawings in the same order. P1, P2 and P4 on 512 drawings, P3 on 2,048; rows are kept as those of
`extended_table.py` are, and shared with them. Writes `figures/seeds_toon.csv`, `.md`, and the side-car with what each
training took.
"""

import argparse
import json
from pathlib import Path

import torch

from extended_table import measure, weights_of
from lineart.colorize import PRETRAINED, Colorizer
from lineart.config import ROOT, figures_dir
from lineart.data import load
from lineart.evaluation import Evaluator, write_rows
from lineart.files import sha256, write_text
from lineart.provenance import provenance, write_sidecar
from lineart.tables import seeds_markdown

METHODS = ("none", "image")


def trainings(folder: Path) -> dict[str, Path]:
    """"none (seed 0)" -> weights: the shipped ones, and those of the other seeds in `folder`, of both methods."""
    found = {f"{method} (seed 0)": PRETRAINED / f"toon-{method}.safetensors" for method in METHODS}
    found |= {name: path for name, path in weights_of("toon", folder).items() if name.partition(" (seed ")[0] in METHODS
              and name not in METHODS and not name.endswith("(seed 0)")}
    seeds = [{name.partition(" (")[2] for name in found if name.startswith(f"{method} (")} for method in METHODS]
    if len(seeds[0]) < 2 or seeds[0] != seeds[1]:
        raise SystemExit(f"two seeds or more of {' and '.join(METHODS)} alike must be trained, there are "
                         f"{', '.join(found)}; the seeds but 0 are looked for in {folder}")
    return {name: found[name] for name in sorted(found, key=lambda name: (METHODS.index(name.split(" (")[0]), name))}


def cards_of(found: dict[str, Path]) -> dict[str, dict]:
    """The cards beside weights, whose trainings must be equally long: half a training is no accident of a seed."""
    cards = {}
    for name, weights in found.items():
        if not (path := weights.with_suffix(".json")).is_file():
            raise SystemExit(f"weights must have their card beside them, {path} is not there")
        cards[name] = json.loads(path.read_text())
    if len({card["steps"] for card in cards.values()}) > 1:
        raise SystemExit("trainings must have equally many steps to be compared, got "
                         + ", ".join(f"{card['steps']:,} of {name}" for name, card in cards.items()))
    return cards


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, default=ROOT / "runs" / "seeds", help="of the other seeds (runs/seeds)")
    parser.add_argument("--n", type=int, default=512, help="drawings of P1, P2 and P4 (512)")
    parser.add_argument("--n-random", type=int, default=2048, help="drawings of P3 (2,048)")
    parser.add_argument("--threads", type=int)
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    found = trainings(args.weights)
    cards = cards_of(found)  # before anything is measured
    config = Colorizer.from_pretrained(next(iter(found.values()))).config
    rows = []
    for n, protocols in ((args.n, ("P1", "P2", "P4")), (args.n_random, ("P3",))):
        evaluator = Evaluator(load(config, "test", n), config.weights, "toon")
        for protocol in protocols:
            rows += measure(evaluator, found, protocol, scale=False)
    path = write_rows(figures_dir("classroom") / "seeds_toon.csv", rows)
    text = seeds_markdown(rows)
    write_text(path.with_suffix(".md"), text)
    took = {name: {"sha256": sha256(found[name]), "steps": card["steps"], "phases": card["phases"]}
            for name, card in cards.items()}
    write_sidecar(path, provenance(config, weights=took, n=args.n, n_random=len(evaluator.pairs)))
    print(text)


if __name__ == "__main__":
    main()
