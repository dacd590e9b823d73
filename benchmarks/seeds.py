"""What is the method and what the accident of a seed: three methods, each trained more than once.

    for seed in 1 2; do python benchmarks/train_weights.py none image image-warped --seed $seed --out runs/seeds; done
    python benchmarks/seeds.py

Seed 0 is the shipped weights; the other trainings take about an hour of one core each and are not shipped. One seed
gives all methods the same drawings in the same order. P1, P2 and P4 on 512 drawings, P3 on 2,048. A training keeps the
rows that the table holds already, by protocol and the sha256 of its weights, so that a method, a seed or a protocol can
be added without the weights of all others; `--anew` measures all. Writes `figures/seeds_toon.csv`, `.md`, and the
side-car with what each training took, and by which commit and on which device each protocol was measured.
"""

import argparse
import json
from pathlib import Path

import torch
from extended_table import measure, weights_of

from lineart.coloring.colorizer import PRETRAINED, Colorizer
from lineart.config import ROOT, figures_dir
from lineart.data.sets import load
from lineart.evaluation.measure import Evaluator, Row, read_rows, write_rows
from lineart.evaluation.tables import seeds_markdown
from lineart.files import provenance, sha256, write_sidecar, write_text

METHODS = ("none", "image", "image-warped")
PROTOCOLS = ("P1", "P2", "P4", "P3")


def trainings(folder: Path) -> dict[str, Path]:
    """"none (seed 0)" -> weights that are here: the shipped ones, and those of the other seeds in `folder`."""
    found = {f"{method} (seed 0)": PRETRAINED / f"toon-{method}.safetensors" for method in METHODS}
    return found | {name: path for name, path in weights_of("toon", folder).items()
                    if name.partition(" (seed ")[0] in METHODS and "(seed " in name and not name.endswith("(seed 0)")}


def cards_of(found: dict[str, Path]) -> dict[str, dict]:
    """What the cards beside the weights say of their trainings: sha256, steps, phases."""
    cards = {}
    for name, weights in found.items():
        if not (path := weights.with_suffix(".json")).is_file():
            raise SystemExit(f"weights must have their card beside them, {path} is not there")
        card = json.loads(path.read_text())
        cards[name] = {"sha256": sha256(weights), "steps": card["steps"], "phases": card["phases"]}
    return cards


def table(path: Path, n: int, n_random: int) -> tuple[list[Row], dict[str, dict]]:
    """The rows that were measured before on as many drawings, and what the side-car says of their trainings."""
    if not path.is_file():
        return [], {}
    record = json.loads(path.with_suffix(".json").read_text())
    if (record["n"], record["n_random"]) != (n, n_random):
        return [], {}
    return read_rows(path), record["weights"]


def in_order(cards: dict[str, dict]) -> dict[str, dict]:
    """The trainings by method and seed; they must be equally long, half a training is no accident of a seed, and all
    methods must have the same seeds."""
    if len({card["steps"] for card in cards.values()}) > 1:
        raise SystemExit("trainings must have equally many steps to be compared, got "
                         + ", ".join(f"{card['steps']:,} of {name}" for name, card in cards.items()))
    seeds = [{name.partition(" (")[2] for name in cards if name.startswith(f"{method} (")} for method in METHODS]
    if len(seeds[0]) < 2 or seeds.count(seeds[0]) < len(seeds):
        raise SystemExit(f"two seeds or more of {', '.join(METHODS)} alike must be trained, there are {', '.join(cards)}")
    return {name: cards[name] for name in sorted(cards, key=lambda name: (METHODS.index(name.split(" (")[0]), name))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, default=ROOT / "runs" / "seeds", help="of the other seeds (runs/seeds)")
    parser.add_argument("--n", type=int, default=512, help="drawings of P1, P2 and P4 (512)")
    parser.add_argument("--n-random", type=int, default=2048, help="drawings of P3 (2,048)")
    parser.add_argument("--protocol", nargs="+", default=PROTOCOLS, choices=PROTOCOLS, help="what to measure (all four)")
    parser.add_argument("--anew", action="store_true", help="measure also what the table holds already")
    parser.add_argument("--threads", type=int)
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    path = figures_dir("classroom") / "seeds_toon.csv"
    found = trainings(args.weights)
    cards = cards_of(found)
    rows, known = ([], {}) if args.anew else table(path, args.n, args.n_random)
    cards = in_order(known | {name: card for name, card in cards.items()
                              if card["sha256"] != known.get(name, {}).get("sha256")})  # before anything is measured
    rows = [row for row in rows if "measured" in cards[row.method]]
    config = Colorizer.from_pretrained(found["none (seed 0)"]).config
    record = provenance(config)
    measured = {name: record[name] for name in ("commit", "device")}  # the commit's lock has the versions
    for n, protocols in ((args.n, ("P1", "P2", "P4")), (args.n_random, ("P3",))):
        missing = {protocol: {name: path for name, path in found.items()
                              if protocol not in cards[name].get("measured", {})}
                   for protocol in protocols if protocol in args.protocol}
        if any(missing.values()):
            evaluator = Evaluator(load(config, "test", n), config.weights, "toon")
            for protocol, new in missing.items():
                rows += measure(evaluator, new, protocol, scale=False)
                for name in new:
                    cards[name].setdefault("measured", {})[protocol] = measured
    names = [*cards]
    rows.sort(key=lambda row: (PROTOCOLS.index(row.protocol), names.index(row.method)))  # stable: metrics stay in order
    text = seeds_markdown(rows)
    write_rows(path, rows)
    write_text(path.with_suffix(".md"), text)
    write_sidecar(path, record | {"weights": cards, "n": args.n, "n_random": args.n_random})
    print(text)


if __name__ == "__main__":
    main()
