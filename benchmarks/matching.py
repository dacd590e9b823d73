"""What matching apart from colour brings, and what of it: 13 trainings of equal steps, three seeds each, on `toon`.

    python benchmarks/matching.py                        all; about six minutes of one core for a training
    python benchmarks/matching.py lines wide --seeds 0   some of them, such as one process a core
    python benchmarks/matching.py --table                only the table, of what is trained and measured

1,500 steps of 16 drawings at 64 px, as the first phase of `train_weights.py` begins. Killed, it goes on where it was;
run folders lie under `runs/matching`, or where --runs says. P1, P2 and P4 on 256 drawings of the test set. Writes
`figures/matching_toon.csv` and `.md`, of the networks that have all seeds. (Those of true pairs were trained in
float32, on a processor without bfloat16.)
"""

import argparse
import json
from contextlib import nullcontext
from pathlib import Path
from unittest import mock

import pandas as pd
import torch
from train_weights import train_to_the_end
from warps import pinned_warp

from lineart.checkpoint import load_generator
from lineart.config import ROOT, Config, figures_dir
from lineart.data.sets import load
from lineart.evaluation.leak import REFERENCES, leak_grid, shares
from lineart.evaluation.measure import Evaluator, evaluate
from lineart.evaluation.rows import write_csv
from lineart.evaluation.tables import markdown, over_seeds
from lineart.files import provenance, write_sidecar, write_text
from lineart.networks import count_parameters
from lineart.runs import LAST

COMMON = dict(data="toon", size=64, levels=6, n_train=8192, batch_size=16, steps=1_500, learning_rate=4e-4)
COMMON |= dict(lambda_fm=0.0, precision="bf16-mixed", log_every=50, sample_every=500, checkpoint_every=250)
BENT, PAIRS = dict(train_reference="warped"), dict(train_reference="other")
# Key: what the table calls it, and what it changes. The wide network has more parameters than any other of them, so
# that a gain of the second encoder is not one of size alone.
VARIANTS = {
    "today": ("no encoder for matching", BENT),
    "wide": ("no encoder for matching, width 18", BENT | dict(width=18)),
    "fine": ("no encoder for matching, one finer level", BENT | dict(fine_levels=1)),
    "pinned": ("no encoder for matching, the warp of benchmarks/warps.py", BENT),
    "colors": ("matching by colours", BENT | dict(keys="colors")),
    "lines": ("matching by lines", BENT | dict(keys="lines")),
    "lines-fine": ("matching by lines, one finer level", BENT | dict(keys="lines", fine_levels=1)),
    "lines-fine2": ("matching by lines, two finer levels", BENT | dict(keys="lines", fine_levels=2)),
    "self-today": ("no encoder for matching", {}),
    "self-colors": ("matching by colours", dict(keys="colors")),
    "self-lines": ("matching by lines", dict(keys="lines")),
    "pairs-today": ("no encoder for matching", PAIRS),
    "pairs-lines": ("matching by lines", PAIRS | dict(keys="lines")),
}
TRAINED_ON = {"self": "the truth itself", "warped": "bent references", "other": "true pairs"}
METRICS = {("P1", "PSNR"): "P1 dB", ("P2", "PSNR"): "P2 dB", ("P4", "PSNR"): "P4 dB"}
METRICS |= {("P4", "CIEDE2000"): "P4 CIEDE2000", ("P4", "bleeding"): "P4 bleeding %"}
SHOWN = [*METRICS.values(), "position dB"]


def measure(run: Path, config: Config, evaluator: Evaluator) -> dict:
    """What the table says of one training."""
    generator, _ = load_generator(run / LAST)
    rows = evaluate(evaluator, config.method, generator, protocols=("P1", "P2", "P4"))
    values = rows.set_index(["protocol", "metric"])["value"]
    found = {name: values[key] * (100 if name.endswith("%") else 1) for key, name in METRICS.items()}
    trials = {name: evaluator.plan(protocol)[0] for name, protocol in REFERENCES.items()}
    found["position dB"] = shares(leak_grid(generator, evaluator.pairs, trials))["position"]
    return {name: round(float(found[name]), 4) for name in SHOWN} | {"parameters": count_parameters(generator)}


def train_and_measure(variants: list[str], seeds: list[int], runs: Path) -> None:
    evaluator = None
    for seed in seeds:
        for variant in variants:
            config = Config.from_profile("classroom", **(COMMON | VARIANTS[variant][1]), seed=seed)
            run = runs / f"{variant}-s{seed}"
            known = json.loads((run / "measured.json").read_text()) if (run / "measured.json").exists() else {}
            if {*SHOWN} <= {*known}:
                continue
            with mock.patch("lineart.training.random_warp", pinned_warp) if variant == "pinned" else nullcontext():
                train_to_the_end(config, run)
            evaluator = evaluator or Evaluator(load(config, "test", 256), config.weights, "toon")
            write_text(run / "measured.json", json.dumps(measure(run, config, evaluator)))
            print(run.name, (run / "measured.json").read_text(), flush=True)


def table(seeds: list[int], runs: Path) -> None:
    """CSV of every training, and Markdown of mean and spread over the seeds; of the networks that have all seeds."""
    lines = []
    for key, (title, changes) in VARIANTS.items():
        files = [runs / f"{key}-s{seed}" / "measured.json" for seed in seeds]
        if not all(file.exists() for file in files):
            print(f"{key} is left out: not every seed is measured")
            continue
        trained_on = TRAINED_ON[changes.get("train_reference", "self")]
        for seed, file in zip(seeds, files):
            lines.append(
                {"trained on": trained_on, "network": title, "train_seed": seed} | json.loads(file.read_text())
            )
    if not lines:
        return
    rows = pd.DataFrame(lines)
    path = write_csv(figures_dir("classroom") / "matching_toon.csv", rows)
    rows["Trained on, network"] = rows["trained on"] + ", " + rows["network"]
    frame = over_seeds(rows[["Trained on, network", *SHOWN]], "Trained on, network")
    frame.insert(0, "parameters", rows.groupby("Trained on, network")["parameters"].first().map("{:,}".format))
    write_text(path.with_suffix(".md"), markdown(frame) + "\n")
    write_sidecar(path, provenance(Config.from_profile("classroom", **COMMON), seeds=seeds, n=256))
    print(markdown(frame))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("variants", nargs="*", metavar="NETWORK", help=f"{', '.join(VARIANTS)}; by default all")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "matching", help="run folders (runs/matching)")
    parser.add_argument("--table", action="store_true", help="train nothing")
    args = parser.parse_args()
    if unknown := {*args.variants} - {*VARIANTS}:
        parser.error(f"NETWORK must be one of {', '.join(VARIANTS)}, got {', '.join(sorted(unknown))}")
    torch.set_num_threads(1)  # of networks this small two threads are slower beside any other load
    if not args.table:
        train_and_measure(args.variants or [*VARIANTS], args.seeds, args.runs)
    table(args.seeds, args.runs)


if __name__ == "__main__":
    main()
