"""What is the method and what the accident of a seed: four methods, each trained more than once.

    train="python benchmarks/train_weights.py --until 128px --out runs/seeds"
    for seed in 1 2; do $train none image image-warped lines-warped --seed $seed; done
    $train lines-warped
    python benchmarks/seeds.py

Seed 0 is the shipped weights, but for lines-warped, whose shipped ones trained on; the other trainings take about an
hour of one core each and are not shipped. One seed gives all methods the same drawings in the same order. P1, P2 and P4
on 512 drawings, P3 on 2,048. A training keeps the rows that the table holds already, by protocol and the sha256 of its
weights, so that a method, a seed or a protocol can be added without the weights of all others; `--anew` measures all.
Writes `figures/seeds_toon.csv`, `.md`, and the side-car with what each training took, and by which commit and on which
device each protocol was measured.
"""

import argparse
import json
from pathlib import Path

import pandas as pd
import torch
from extended_table import measure, weights_in
from train_weights import RECIPES

from lineart.coloring.colorizer import PRETRAINED, Colorizer
from lineart.config import ROOT, figures_dir
from lineart.data.sets import load
from lineart.evaluation.measure import Evaluator
from lineart.evaluation.rows import read_rows, write_csv
from lineart.evaluation.tables import markdown, seeds
from lineart.files import provenance, sha256, write_sidecar, write_text

METHODS = ("none", "image", "image-warped", "lines-warped")
SHIPPED = [method for method in METHODS if method not in RECIPES["toon"].further]  # as long as the others
PROTOCOLS = ("P1", "P2", "P4", "P3")
Training = tuple[str, int]  # method, seed


def trainings(folder: Path) -> dict[Training, Path]:
    """The weights that are here: the shipped ones as seed 0, and all others in `folder`."""
    found = {(method, 0): PRETRAINED / f"toon-{method}.safetensors" for method in SHIPPED}
    there = weights_in(folder, "toon").items()
    return {key: path for key, path in there if key[0] in METHODS} | found


def cards_of(found: dict[Training, Path]) -> dict[Training, dict]:
    """What the cards beside the weights say of their trainings: sha256, steps, phases."""
    cards = {}
    for (method, seed), weights in found.items():
        if not (path := weights.with_suffix(".json")).is_file():
            raise SystemExit(f"weights must have their card beside them, {path} is not there")
        card, own = json.loads(path.read_text()), dict(method=method, train_seed=seed, sha256=sha256(weights))
        cards[method, seed] = own | {name: card[name] for name in ("steps", "phases")}
    return cards


def table(path: Path, n: int, n_random: int) -> tuple[pd.DataFrame | None, dict[Training, dict]]:
    """The rows that were measured before on as many drawings, and what the side-car says of their trainings."""
    if not path.is_file():
        return None, {}
    record = json.loads(path.with_suffix(".json").read_text())
    if (record["n"], record["n_random"]) != (n, n_random):
        return None, {}
    return read_rows(path), {(card["method"], card["train_seed"]): card for card in record["weights"]}


def in_order(cards: dict[Training, dict]) -> dict[Training, dict]:
    """The trainings by method and seed; they must be equally long, half a training is no accident of a seed, and all
    methods must have the same seeds."""
    if len({card["steps"] for card in cards.values()}) > 1:
        steps = [f"{card['steps']:,} of {method}, seed {seed}" for (method, seed), card in cards.items()]
        raise SystemExit(f"trainings must have equally many steps to be compared, got {', '.join(steps)}")
    common = sorted({seed for _, seed in cards})
    order = [(method, seed) for method in METHODS for seed in common]
    if len(common) < 2 or {*order} != {*cards}:
        there = ", ".join(f"{method} {seed}" for method, seed in cards)
        raise SystemExit(f"two seeds or more of {', '.join(METHODS)} alike must be trained, there are {there}")
    return {key: cards[key] for key in order}


def not_measured(protocol: str, found: dict[Training, Path], cards: dict[Training, dict]) -> dict[Training, Path]:
    return {key: path for key, path in found.items() if protocol not in cards[key].get("measured", {})}


def add_missing(
    rows: list[pd.DataFrame],
    found: dict[Training, Path],
    cards: dict[Training, dict],
    drawings: dict[str, int],
    record: dict,
) -> None:
    """Measure what no card says was measured; drawings: protocol -> how many. Changes `rows` and `cards`."""
    config = Colorizer.from_pretrained(found["none", 0]).config
    measured = {name: record[name] for name in ("commit", "device")}  # the commit's lock has the versions
    for n in dict.fromkeys(drawings.values()):
        missing = {protocol: not_measured(protocol, found, cards) for protocol in drawings if drawings[protocol] == n}
        if any(missing.values()):
            evaluator = Evaluator(load(config, "test", n), config.weights, "toon")
            for protocol, new in missing.items():
                rows.append(measure(evaluator, new, protocol, scale=False))
                for key in new:
                    cards[key].setdefault("measured", {})[protocol] = measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, default=ROOT / "runs" / "seeds", help="of the other seeds (runs/seeds)")
    parser.add_argument("--n", type=int, default=512, help="drawings of P1, P2 and P4 (512)")
    parser.add_argument("--n-random", type=int, default=2048, help="drawings of P3 (2,048)")
    parser.add_argument("--protocol", nargs="+", default=PROTOCOLS, choices=PROTOCOLS, help="by default all four")
    parser.add_argument("--anew", action="store_true", help="measure also what the table holds already")
    parser.add_argument("--threads", type=int)
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    path = figures_dir("classroom") / "seeds_toon.csv"
    found = trainings(args.weights)
    cards = cards_of(found)
    before, known = (None, {}) if args.anew else table(path, args.n, args.n_random)
    cards = in_order(
        known | {key: card for key, card in cards.items() if card["sha256"] != known.get(key, {}).get("sha256")}
    )  # before anything is measured
    rows = []
    if before is not None:
        rows.append(before[["measured" in cards[key] for key in zip(before["method"], before["train_seed"])]])
    record = provenance(Colorizer.from_pretrained(found["none", 0]).config)
    drawings = {protocol: args.n_random if protocol == "P3" else args.n for protocol in args.protocol}
    add_missing(rows, found, cards, drawings, record)
    rows = pd.concat([part for part in rows if len(part)], ignore_index=True)
    order = [(PROTOCOLS.index(row.protocol), METHODS.index(row.method), row.train_seed) for row in rows.itertuples()]
    rows = rows.loc[sorted(rows.index, key=order.__getitem__)]  # stable: metrics stay in order
    text = markdown(seeds(rows)) + "\n"
    write_csv(path, rows)
    write_text(path.with_suffix(".md"), text)
    write_sidecar(path, record | {"weights": [*cards.values()], "n": args.n, "n_random": args.n_random})
    print(text)


if __name__ == "__main__":
    main()
