"""What one change of the training brings to a trained network, against as many further steps without it, on `toon`.

    python benchmarks/further.py rare START     rare colours counted more in L1
    python benchmarks/further.py erasing START  patches of the references erased
    python benchmarks/further.py partners START half of the references other drawings, coloured by the network itself

START: a network at 128 px, as a checkpoint or a run folder; of `train_weights.py lines-warped`, for `rare` the second
phase, for `erasing` the one with rare colours, for `partners` the one with erased patches. It trains on for 600 steps
in each way, with three seeds each, four to six minutes of one core a training, and ten on two cores for partners;
killed, it goes on. Run folders lie under `runs/further`, or where --runs says. 256 drawings of the test set. Writes
`figures/eyes_further_toon.csv`, `erasing_toon.csv` or `partners_toon.csv`, and the same as `.md`.
"""

import argparse
from pathlib import Path

import pandas as pd
import torch
from eyes import of_eyes
from train_weights import partners, train_to_the_end

from lineart.checkpoint import load_generator, read_checkpoint
from lineart.coloring.colorizer import checkpoint_path
from lineart.config import ROOT, figures_dir
from lineart.data.sets import load
from lineart.evaluation.measure import Evaluator, evaluate
from lineart.evaluation.rows import write_csv
from lineart.evaluation.tables import markdown, over_seeds
from lineart.files import provenance, sha256, write_sidecar, write_text
from lineart.networks import Generator
from lineart.runs import LAST

N, SEEDS = 256, (1, 2, 3)
FURTHER = dict(steps=600, learning_rate=2e-4, lr_step_epochs=1_000, checkpoint_every=200)
WHOLE = {("P4", "PSNR"): "P4 dB", ("P4", "CIEDE2000"): "P4 CIEDE2000"}
WITH_P2 = {("P2", "PSNR"): "P2 dB"} | WHOLE | {("P4", "bleeding"): "P4 bleeding %"}
PARTS = {("P4", f"CIEDE2000, {slot}"): f"P4 {slot}" for slot in ("accessories", "hair", "skin", "clothes")}
# Question: its files, what the two ways are told apart by, each way's settings, and what is measured
QUESTIONS = {
    "rare": (
        "eyes_further_toon",
        "loss",
        {"all pixels count alike": {}, "rare colours count up to 50 times": dict(rare_colors=50.0)},
        WHOLE | PARTS,
    ),
    "erasing": (
        "erasing_toon",
        "references",
        {"bent": {}, "bent, half of them with patches erased": dict(reference_erasing=0.5)},
        WITH_P2 | PARTS,
    ),
    "partners": (
        "partners_toon",
        "references",
        {"bent, half of them with patches erased": {}, "half of them partners": dict(partners="0")},
        WITH_P2 | PARTS,
    ),
}


def measure(generator: Generator, evaluator: Evaluator, method: str, metrics: dict) -> dict:
    protocols = sorted({protocol for protocol, _ in metrics})
    rows = evaluate(evaluator, method, generator, protocols=protocols).set_index(["protocol", "metric"])["value"]
    eyes = {f"{p} eyes": of_eyes(generator, evaluator.pairs, p)["to the right colour"] for p in ("P1", "P4")}
    return eyes | {name: rows[key] * (100 if name.endswith("%") else 1) for key, name in metrics.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("question", choices=[*QUESTIONS])
    parser.add_argument("start", type=Path, help="checkpoint or run folder of a network at 128 px")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "further", help="run folders (runs/further)")
    args = parser.parse_args()
    torch.set_num_threads(1)
    file, told_by, ways, metrics = QUESTIONS[args.question]
    start = checkpoint_path(args.start)
    begun = read_checkpoint(start)[0].replace(start_from=str(start), source=None)
    evaluator = Evaluator(load(begun, "test", N), begun.weights, "toon")
    lines = []
    for seed in SEEDS:
        for i, (name, settings) in enumerate(ways.items()):
            run, settings = args.runs / f"{args.question}{i}-s{seed}", FURTHER | settings
            if settings.get("partners"):
                settings["partners"] = partners(begun, args.runs / "partners.npy")
            train_to_the_end(begun.replace(**settings, seed=seed), run)
            found = measure(load_generator(run / LAST)[0], evaluator, begun.method, metrics)
            lines.append({told_by: name, "train_seed": seed} | found)
            print(lines[-1], flush=True)
    rows = pd.DataFrame(lines).sort_values([told_by, "train_seed"]).round(4)
    path = write_csv(figures_dir("classroom") / f"{file}.csv", rows)
    text = markdown(over_seeds(rows.drop(columns="train_seed"), told_by))
    write_text(path.with_suffix(".md"), text + "\n")
    record = provenance(begun.replace(start_from=None), start=sha256(start), seeds=SEEDS, further=FURTHER, n=N)
    write_sidecar(path, record)
    print(text)


if __name__ == "__main__":
    main()
