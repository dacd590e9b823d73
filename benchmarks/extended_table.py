"""Every method under every protocol, the leak, and where attention looks: from weights to tables and figures.

    python benchmarks/extended_table.py                                 toon, the shipped weights
    python benchmarks/extended_table.py --data faces --source DIR       faces, judged on those that no training saw
    python benchmarks/extended_table.py --data kaggle --weights DIR     the paper's set, weights of your own training

P1, P2 and P4 on 512 drawings, P3 on 2,048 (of faces: all there are; of the paper's set all 3,545 everywhere). Each
method's rows are kept under `runs/evaluation` as soon as they are known, so a second call goes on where the first
stopped, as long as package and device are the same; six methods on `toon` take 45 minutes on two cores. Writes
`figures/extended_DATA`, `leak_DATA`, `attention_DATA` and the curves of the trainings, `curves_DATA`.
"""

import argparse
import hashlib
import json
import re
import statistics
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch

from lineart.checkpoint import read_checkpoint
from lineart.coloring.colorizer import PRETRAINED, Colorizer
from lineart.config import ROOT, Config, figures_dir
from lineart.course.plotting import plot_curves, read_curve, save_figure, write_figure
from lineart.data.prepare import prepare
from lineart.data.sets import load
from lineart.evaluation.leak import REFERENCES, attention_shares, leak_grid, shares
from lineart.evaluation.measure import Evaluator, evaluate, real_against_real, scale_rows
from lineart.evaluation.rows import read_csv, read_rows, write_csv
from lineart.evaluation.tables import extended_markdown
from lineart.files import PACKAGES, provenance, sha256, write_sidecar, write_text
from lineart.methods import METHODS, method_title

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"  # of the generators
KEPT = ROOT / "runs" / "evaluation"
CODE = [
    *((path.name, sha256(path)) for path in sorted((ROOT / "lineart").rglob("*.py"))),
    *((name, version(name)) for name in PACKAGES),
]  # another metric, another number
LEAK_STYLES = {
    "neither": ("#d0d0d0", "black", "neither: a random picture's colours"),
    "colours": ("#3b62b8", "white", "the truth's colours"),
    "position": ("#b03a3a", "white", "position"),
}


def kept(key: list, make: Callable[[], pd.DataFrame], read: Callable[[Path], pd.DataFrame] = read_rows) -> pd.DataFrame:
    """A measurement from the file of an earlier call, or made now; key: all that it depends on besides the code."""
    path = KEPT / f"{hashlib.sha256(json.dumps([CODE, DEVICE, key]).encode()).hexdigest()[:16]}.csv"
    if not path.exists():
        write_csv(path, make())
    return read(path)


def weights_in(folder: Path, data: str) -> dict[tuple[str, int], Path]:
    """(method, seed of the training) -> file of its weights, `DATA-METHOD[-sSEED].safetensors`, by method."""
    found = {}
    for path in folder.glob(f"{data}-*.safetensors"):
        method, seed = re.fullmatch(r"(.+?)(?:-s(\d+))?", path.stem.removeprefix(f"{data}-")).groups()
        if method not in METHODS:
            raise SystemExit(
                f"weights must be called {data}-METHOD.safetensors or {data}-METHOD-sSEED.safetensors, "
                f"METHOD one of {', '.join(METHODS)}, got {path}"
            )
        found[method, int(seed or 0)] = path
    order = [*METHODS]
    return dict(sorted(found.items(), key=lambda item: (order.index(item[0][0]), item[0][1])))


def of_equal_steps(weights: dict[tuple[str, int], Path]) -> dict[tuple[str, int], Path]:
    """Those that were trained for as many steps as the most: a network that trained on alone is not compared."""
    steps = {key: read_checkpoint(path)[1] for key, path in weights.items()}
    common = statistics.mode(steps.values()) if steps else 0
    for (method, seed), count in steps.items():
        if count != common:
            print(f"{method}, seed {seed}, is left out: {count:,} steps, the others have {common:,}")
    return {key: path for key, path in weights.items() if steps[key] == common}


def plan_digest(evaluator: Evaluator, protocol: str) -> str:
    """sha256 of all that a protocol shows: with another list of references the kept rows are not the same rows."""
    sha = hashlib.sha256(evaluator.pairs.digest().encode())
    for trial in evaluator.plan(protocol):
        sha.update(np.ascontiguousarray(trial.color))
        sha.update(np.ascontiguousarray(trial.palette))
    return sha.hexdigest()


def measure(
    evaluator: Evaluator, weights: dict[tuple[str, int], Path], protocol: str, scale: bool = True
) -> pd.DataFrame:
    """The rows of all trainings, with `scale` also of the methods without a network."""
    common = [plan_digest(evaluator, protocol), evaluator.weights, protocol]
    rows = [kept([*common, "scale"], lambda: scale_rows(evaluator, [protocol]))] if scale else []
    for (method, seed), path in weights.items():
        started, checkpoint = time.perf_counter(), sha256(path)

        def make(method=method, path=path, checkpoint=checkpoint):
            generator = Colorizer.from_pretrained(path, DEVICE).generator
            return evaluate(evaluator, method, generator, checkpoint, [protocol])

        rows.append(kept([*common, checkpoint], make).assign(method=method, train_seed=seed))
        print(f"{protocol}  {method}, seed {seed}  {time.perf_counter() - started:.0f} s", flush=True)
    return pd.concat(rows, ignore_index=True).astype({"train_seed": "Int64"})


def measure_leak(evaluator: Evaluator, methods: dict[str, Path]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The decibels by method, palette and reference, with spread and n; and the three parts of P1, a line a method."""
    lines, parts = [], {}
    sources = {name: evaluator.plan(protocol)[0] for name, protocol in REFERENCES.items()}
    plans = [plan_digest(evaluator, protocol) for protocol in REFERENCES.values()]
    for name, path in methods.items():

        def make(path=path):
            return pd.DataFrame(leak_grid(Colorizer.from_pretrained(path, DEVICE).generator, evaluator.pairs, sources))

        grid = kept(["leak", *plans, sha256(path)], make, read_grid)
        parts[name] = shares(grid)
        lines += [(name, *key, v.mean(), v.std(ddof=1), len(v)) for key, v in grid.items()]
        print(f"leak  {name}", *(f"{part} {value:.2f} dB" for part, value in parts[name].items()), sep="  ", flush=True)
    table = pd.DataFrame(lines, columns=["method", "palette", "reference", "psnr", "spread", "n"]).round(4)
    return table, pd.DataFrame.from_dict(parts, orient="index")


def read_grid(path: Path) -> pd.DataFrame:
    return read_csv(path, header=[0, 1])


def measure_attention(evaluator: Evaluator, methods: dict[str, Path]) -> pd.DataFrame:
    """By method, reference ("truth" or "another drawing") and layer: share of the attention on the right slot, and what
    it would be by chance, and if all attention stayed at its own place."""
    lines = []
    plans = {"truth": evaluator.plan("P1")[0], "another drawing": evaluator.plan("P4")[0]}
    for name, path in methods.items():
        generator = Colorizer.from_pretrained(path, DEVICE).generator
        if generator.attention != "cross" or generator.reference != "image":
            continue
        for reference, plan in plans.items():
            found = attention_shares(generator, evaluator.pairs, plan)
            lines += [(name, reference, layer, *values) for layer, values in found.items()]
    return pd.DataFrame(lines, columns=["method", "reference", "layer", "right_slot", "chance", "own_place"]).round(4)


def curves_of(weights: Path) -> dict[str, Path]:
    """Phase of the training -> its curves, `NAME-PHASE.csv` beside `NAME.safetensors`."""
    files = {phase: weights.with_name(f"{weights.stem}-{phase}.csv") for phase in ("64px", "128px", "whole", "256px")}
    return {phase: path for phase, path in files.items() if path.is_file()}


def draw_curves(methods: dict[str, Path], data: str) -> None:
    """L1 in training and PSNR on the validation drawings of all methods, a line of axes for each phase, as a figure."""
    files = {name: curves_of(weights) for name, weights in methods.items()}
    phases = list(dict.fromkeys(phase for own in files.values() for phase in own))
    if not phases:  # weights that came without them
        return
    size = (9, 2.6 * len(phases) + 0.9)
    figure, axes = plt.subplots(len(phases), 2, figsize=size, squeeze=False, layout="constrained")
    for (left, right), phase in zip(axes, phases):
        curves = {name: read_curve(own[phase]) for name, own in files.items() if phase in own}
        smooth = {
            name: {"step": curve["step"], "l1": pd.Series(curve["l1"]).rolling(20, min_periods=1).mean()}
            for name, curve in curves.items()
        }
        plot_curves(smooth, "l1", f"{phase}: L1", left)
        plot_curves(curves, "psnr_val", f"{phase}: PSNR, dB", right)
    handles = axes[0, 0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    figure.suptitle(
        f"{data}, training: L1, mean of 20 rows; PSNR on validation drawings, the reference is the truth", fontsize=9
    )
    curves = {path.name: sha256(path) for own in files.values() for path in own.values()}
    save_figure(figure, "classroom", f"curves_{data}", data=data, curves=curves)
    plt.close(figure)


def draw_leak(parts: pd.DataFrame, title: str, path: Path) -> None:
    figure, axis = plt.subplots(figsize=(7.5, 0.55 * len(parts) + 1.3), layout="constrained")
    left = np.zeros(len(parts))
    for part, (color, ink, label) in LEAK_STYLES.items():
        widths = parts[part].to_numpy()
        axis.barh([*map(method_title, parts.index)], widths, left=left, color=color, label=label)
        for y, (x, width) in enumerate(zip(left, widths)):
            if abs(width) > 0.8:
                axis.text(x + width / 2, y, f"{width:.1f}", ha="center", va="center", fontsize=8, color=ink)
        left = left + widths
    axis.invert_yaxis()
    axis.set_xlabel("PSNR in self-reference (P1), dB")
    axis.set_title(title, fontsize=9)
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    write_figure(figure, path, dpi=100)  # a page shows it
    plt.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="toon", choices=["toon", "faces", "kaggle"])
    parser.add_argument("--source", type=Path, help="folder or zip of pictures; by default the prepared set")
    parser.add_argument("--weights", type=Path, default=PRETRAINED, help="folder of the weights (data/pretrained)")
    parser.add_argument("--seed", type=int, default=0, help="of the trainings (0)")
    parser.add_argument("--n", type=int, help="drawings of P1, P2 and P4 (512; kaggle: all)")
    parser.add_argument("--n-random", type=int, help="drawings of P3 (2,048; kaggle: all)")
    parser.add_argument("--threads", type=int)
    args = parser.parse_args()
    n, n_random = (None, None) if args.data == "kaggle" else (512, 2048)
    if args.threads:
        torch.set_num_threads(args.threads)
    weights = {key: path for key, path in weights_in(args.weights, args.data).items() if key[1] == args.seed}
    weights = of_equal_steps(weights)
    if not weights:
        raise SystemExit(f"no weights of {args.data} in {args.weights}; benchmarks/train_weights.py makes them")
    methods = {method: path for (method, _), path in weights.items()}
    config: Config = Colorizer.from_pretrained(next(iter(methods.values()))).config
    if args.source:
        config = config.replace(source=str(prepare(args.data, args.source, config.size).path))
    folder = figures_dir("classroom")
    record = provenance(config.replace(source=None), weights={name: sha256(path) for name, path in methods.items()})
    draw_curves(methods, args.data)

    evaluator = Evaluator(load(config, "test", args.n or n), config.weights, args.data)
    known = ("P1", "P2", "P4") if args.data == "toon" else ("P1", "P2")
    rows = [measure(evaluator, weights, protocol) for protocol in known]
    decibels, parts = measure_leak(evaluator, methods)
    record["n"] = len(evaluator.pairs)
    path = write_csv(folder / f"leak_{args.data}.csv", decibels)
    write_sidecar(path, record | {"parts": parts.to_dict(orient="index")})
    draw_leak(parts, f"{args.data}, n = {record['n']}: what self-reference is made of", path.with_suffix(".png"))
    if args.data == "toon":
        path = write_csv(folder / f"attention_{args.data}.csv", measure_attention(evaluator, methods))
        write_sidecar(path, record)

    evaluator = Evaluator(load(config, "test", args.n_random or n_random), config.weights, args.data)
    other = load(config, "train", len(evaluator.pairs))
    rows += [
        measure(evaluator, weights, "P3"),
        kept(
            [evaluator.pairs.digest(), other.digest(), config.weights, "real"],
            lambda: real_against_real(evaluator, np.asarray(other.color)),
        ),
    ]
    rows = pd.concat(rows, ignore_index=True)
    path = write_csv(folder / f"extended_{args.data}.csv", rows)
    write_text(path.with_suffix(".md"), extended_markdown(rows))
    write_sidecar(path, record)
    print(path.with_suffix(".md").read_text())


if __name__ == "__main__":
    main()
