"""What each finish makes of each network's picture: protocol P4 on `toon`, with the shipped weights.

    python benchmarks/finishes.py

Five methods, each with the network's own picture (smooth), shading blurred within regions (soft), one colour a region
(flat), and one colour of the reference's palette a region (exact), on 512 drawings. Writes
`figures/finishes_toon.csv` and `.md`.
"""

import argparse
from pathlib import Path

import pandas as pd
import torch
from extended_table import kept, plan_digest, weights_in

from lineart.coloring.colorizer import PRETRAINED, Colorizer
from lineart.config import figures_dir
from lineart.data.sets import load
from lineart.evaluation.measure import Evaluator, evaluate
from lineart.evaluation.rows import write_csv
from lineart.evaluation.tables import markdown, of_protocol
from lineart.files import provenance, sha256, write_sidecar, write_text

METHODS = ("lines-warped", "image-warped", "none", "image", "image-other")
FINISHES = ("smooth", "soft", "flat", "exact")


def measure(evaluator: Evaluator, method: str, path: Path, finish: str) -> pd.DataFrame:
    def make() -> pd.DataFrame:
        generator = Colorizer.from_pretrained(path).generator
        return evaluate(evaluator, method, generator, sha256(path), ["P4"], finish=finish)

    return kept([plan_digest(evaluator, "P4"), evaluator.weights, "P4", sha256(path), finish], make)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, default=PRETRAINED, help="folder of the weights (data/pretrained)")
    parser.add_argument("--n", type=int, default=512, help="drawings (512)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    weights = {method: weights_in(args.weights, "toon")[method, 0] for method in METHODS}
    config = Colorizer.from_pretrained(next(iter(weights.values()))).config
    evaluator = Evaluator(load(config, "test", args.n), config.weights, "toon")
    rows = []
    for method, path in weights.items():
        for finish in FINISHES:
            rows.append(measure(evaluator, method, path, finish))
            value = rows[-1].set_index("metric")["value"]
            print(
                f"{method}, {finish}: {value['PSNR']:.2f} dB, {value['CIEDE2000']:.2f}, {value['bleeding']:.1%}",
                flush=True,
            )
    rows = pd.concat(rows, ignore_index=True)
    path = write_csv(figures_dir("classroom") / "finishes_toon.csv", rows)
    write_text(path.with_suffix(".md"), markdown(of_protocol(rows)) + "\n")
    record = provenance(config, weights={name: sha256(weight) for name, weight in weights.items()}, n=args.n)
    write_sidecar(path, record)


if __name__ == "__main__":
    main()
