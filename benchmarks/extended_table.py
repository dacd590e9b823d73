"""Every method under every protocol, the leak, and where attention looks: from weights to tables and figures.

    python benchmarks/extended_table.py                                 toon, the shipped weights
    python benchmarks/extended_table.py --data faces --source DIR       faces, judged on those that no training saw
    python benchmarks/extended_table.py --data kaggle --weights DIR     the paper's set, weights of your own training

P1, P2 and P4 on 512 drawings, P3 on 2,048 (of faces: all there are; of the paper's set all 3,545 everywhere). Each
method's rows are kept under `runs/evaluation` as soon as they are known, so a second call goes on where the first
stopped, as long as package and device are the same; seven methods on `toon` take 51 minutes on two cores. Writes
`figures/extended_DATA`, `leak_DATA`, `attention_DATA` and the curves of the trainings, `curves_DATA`.
"""

import argparse
import hashlib
import json
import re
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch

from lineart.coloring.colorizer import PRETRAINED, Colorizer
from lineart.config import ROOT, Config, figures_dir
from lineart.course.plotting import plot_curves, read_curve, save_figure, write_figure
from lineart.data.prepare import prepare
from lineart.data.sets import load
from lineart.evaluation.leak import REFERENCES, attention_shares, leak_grid, shares
from lineart.evaluation.measure import Evaluator, Row, evaluate, read_rows, real_against_real, scale_rows, write_rows
from lineart.evaluation.tables import extended_markdown, write_csv
from lineart.files import PACKAGES, provenance, sha256, whole, write_sidecar, write_text
from lineart.methods import METHOD_NAMES, method_title

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"  # of the generators
KEPT = ROOT / "runs" / "evaluation"
CODE = [*((path.name, sha256(path)) for path in sorted((ROOT / "lineart").rglob("*.py"))),
        *((name, version(name)) for name in PACKAGES)]  # another metric, another number


def kept(key: list, suffix: str) -> Path:
    """Where the result of a measurement lies once it is known; key: all that it depends on besides the code."""
    return KEPT / f"{hashlib.sha256(json.dumps([CODE, DEVICE, key]).encode()).hexdigest()[:16]}{suffix}"


def kept_rows(key: list, make: Callable[[], list[Row]]) -> list[Row]:
    """The rows of a group, from the file of an earlier call or made now."""
    path = kept(key, ".csv")
    if not path.exists():
        write_rows(path, make())
    return read_rows(path)


def kept_grid(key: list, make: Callable[[], dict]) -> dict[tuple[str, str], np.ndarray]:
    """The same for the leak's decibels by palette and reference."""
    path = kept(key, ".npz")
    if not path.exists():
        grid = {" ".join(pair): values for pair, values in make().items()}
        with whole(path) as temporary, open(temporary, "wb") as file:
            np.savez(file, **grid)
    with np.load(path) as arrays:
        return {tuple(name.split(" ")): arrays[name] for name in arrays.files}


def weights_of(data: str, folder: Path = PRETRAINED) -> dict[str, Path]:
    """Name of the method, "image" or "image (seed 1)" -> file of its weights, `DATA-METHOD[-sSEED].safetensors`."""
    found = {}
    for path in folder.glob(f"{data}-*.safetensors"):
        method, seed = re.fullmatch(r"(.+?)(?:-s(\d+))?", path.stem.removeprefix(f"{data}-")).groups()
        if method not in METHOD_NAMES:
            raise SystemExit(f"weights must be called {data}-METHOD.safetensors or {data}-METHOD-sSEED.safetensors, "
                             f"METHOD one of {', '.join(METHOD_NAMES)}, got {path}")
        found[method + (f" (seed {seed})" if seed else "")] = path
    order = [*METHOD_NAMES]
    return dict(sorted(found.items(), key=lambda item: (order.index(item[0].split(" (")[0]), item[0])))


def plan_digest(evaluator: Evaluator, protocol: str) -> str:
    """sha256 of all that a protocol shows: with another list of references the kept rows are not the same rows."""
    sha = hashlib.sha256(evaluator.pairs.digest().encode())
    for trial in evaluator.plan(protocol):
        sha.update(np.ascontiguousarray(trial.color))
        sha.update(np.ascontiguousarray(trial.palette))
    return sha.hexdigest()


def measure(evaluator: Evaluator, methods: dict[str, Path], protocol: str, scale: bool = True) -> list[Row]:
    """The rows of all methods, with `scale` also of those without a network."""
    common, rows = [plan_digest(evaluator, protocol), evaluator.weights, protocol], []
    if scale:
        rows += kept_rows([*common, "scale"], lambda: scale_rows(evaluator, [protocol]))
    for name, path in methods.items():
        started, checkpoint = time.perf_counter(), sha256(path)

        def make():
            return evaluate(evaluator, name, Colorizer.from_pretrained(path, DEVICE).generator, checkpoint, [protocol])
        rows += [replace(row, method=name) for row in kept_rows([*common, checkpoint], make)]
        print(f"{protocol}  {name}  {time.perf_counter() - started:.0f} s", flush=True)
    return rows


def measure_leak(evaluator: Evaluator, methods: dict[str, Path]) -> tuple[list[tuple], dict[str, dict[str, float]]]:
    """Lines of method, palette, reference, PSNR, spread, n; and the three parts of P1 by method."""
    lines, parts = [], {}
    sources = {name: evaluator.plan(protocol)[0] for name, protocol in REFERENCES.items()}
    plans = [plan_digest(evaluator, protocol) for protocol in REFERENCES.values()]
    for name, path in methods.items():
        grid = kept_grid(["leak", *plans, sha256(path)], lambda: leak_grid(
            Colorizer.from_pretrained(path, DEVICE).generator, evaluator.pairs, sources))
        parts[name] = shares(grid)
        lines += [(name, *key, f"{v.mean():.4f}", f"{v.std(ddof=1):.4f}", len(v)) for key, v in grid.items()]
        print(f"leak  {name}  " + "  ".join(f"{part} {value:.2f} dB" for part, value in parts[name].items()), flush=True)
    return lines, parts


def measure_attention(evaluator: Evaluator, methods: dict[str, Path]) -> list[tuple]:
    """Lines of method, reference ("truth" or "another drawing"), layer, share of the attention on the right slot, and
    what it would be by chance, and if all attention stayed at its own place."""
    lines = []
    plans = {"truth": evaluator.plan("P1")[0], "another drawing": evaluator.plan("P4")[0]}
    for name, path in methods.items():
        generator = Colorizer.from_pretrained(path, DEVICE).generator
        if generator.attention != "cross" or generator.reference != "image":
            continue
        for reference, plan in plans.items():
            for layer, values in attention_shares(generator, evaluator.pairs, plan).items():
                lines.append((name, reference, layer, *(f"{value:.4f}" for value in values)))
    return lines


def curves_of(weights: Path) -> dict[int, Path]:
    """Pixels a side -> curves of that phase of the training, `NAME-SIZEpx.csv` beside `NAME.safetensors`."""
    named = ((re.fullmatch(rf"{re.escape(weights.stem)}-(\d+)px", path.stem), path) for path in weights.parent.glob("*.csv"))
    return dict(sorted((int(match[1]), path) for match, path in named if match))


def draw_curves(methods: dict[str, Path], data: str) -> None:
    """L1 in training and PSNR on the validation drawings of all methods, a line of axes for each size, as a figure."""
    files = {name: curves_of(weights) for name, weights in methods.items()}
    sizes = sorted({size for phases in files.values() for size in phases})
    if not sizes:  # weights that came without them
        return
    figure, axes = plt.subplots(len(sizes), 2, figsize=(9, 2.6 * len(sizes) + 0.9), squeeze=False, layout="constrained")
    for (left, right), size in zip(axes, sizes):
        phase = {name: read_curve(phases[size]) for name, phases in files.items() if size in phases}
        plot_curves({name: smooth(curve, "l1") for name, curve in phase.items()}, "l1", f"{size} px: L1", left)
        plot_curves(phase, "psnr_val", f"{size} px: PSNR, dB", right)
        left.get_legend().remove(), right.get_legend().remove()
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    curves = {path.name: sha256(path) for phases in files.values() for path in phases.values()}
    shared = "; methods that share a phase share its line" if len({*curves.values()}) < len(curves) else ""
    figure.suptitle(f"{data}, training: L1, mean of 20 rows; PSNR on validation drawings, the reference is the truth{shared}",
                    fontsize=9)
    save_figure(figure, "classroom", f"curves_{data}", data=data, curves=curves)
    plt.close(figure)


def smooth(curve: dict[str, np.ndarray], column: str, rows: int = 20) -> dict[str, np.ndarray]:
    """A column as the mean of up to `rows` rows, against the step of the last of them."""
    values = curve[column]
    sums = np.cumsum(np.insert(values, 0, 0.0))
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - rows, 0)
    return {"step": curve["step"], column: (sums[ends] - sums[starts]) / (ends - starts)}


def draw_leak(parts: dict[str, dict[str, float]], title: str, path: Path) -> None:
    figure, axis = plt.subplots(figsize=(7.5, 0.55 * len(parts) + 1.3), layout="constrained")
    names = [method_title(name, parts) for name in parts]
    left = np.zeros(len(parts))
    styles = {"neither": ("#d0d0d0", "neither: a random picture's colours"), "colours": ("#3b62b8", "the truth's colours"),
              "position": ("#b03a3a", "position")}
    for part, (color, label) in styles.items():
        width = np.array([values[part] for values in parts.values()])
        axis.barh(names, width, left=left, color=color, label=label)
        for y, (x, w) in enumerate(zip(left, width)):
            if abs(w) > 0.8:
                axis.text(x + w / 2, y, f"{w:.1f}", ha="center", va="center", fontsize=8,
                          color="black" if part == "neither" else "white")
        left = left + width
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
    parser.add_argument("--n", type=int, help="drawings of P1, P2 and P4 (512; kaggle: all)")
    parser.add_argument("--n-random", type=int, help="drawings of P3 (2,048; kaggle: all)")
    parser.add_argument("--threads", type=int)
    args = parser.parse_args()
    n, n_random = (None, None) if args.data == "kaggle" else (512, 2048)
    n, n_random = args.n or n, args.n_random or n_random
    if args.threads:
        torch.set_num_threads(args.threads)
    methods = weights_of(args.data, args.weights)
    if not methods:
        raise SystemExit(f"no weights of {args.data} in {args.weights}; benchmarks/train_weights.py makes them")
    config: Config = Colorizer.from_pretrained(next(iter(methods.values()))).config
    if args.source:
        config = config.replace(source=str(prepare(args.data, args.source, config.size).path))
    folder, record = figures_dir("classroom"), {"weights": {name: sha256(path) for name, path in methods.items()}}
    known = ("P1", "P2", "P4") if args.data == "toon" else ("P1", "P2")
    draw_curves(methods, args.data)

    evaluator = Evaluator(load(config, "test", n), config.weights, args.data)
    rows = [row for protocol in known for row in measure(evaluator, methods, protocol)]
    lines, parts = measure_leak(evaluator, methods)
    n = len(evaluator.pairs)
    path = write_csv(folder / f"leak_{args.data}.csv", ("method", "palette", "reference", "psnr", "spread", "n"), lines)
    write_sidecar(path, provenance(config.replace(source=None), **record, parts=parts, n=n))
    draw_leak(parts, f"{args.data}, n = {n}: what self-reference is made of", folder / f"leak_{args.data}.png")
    if args.data == "toon":
        head = ("method", "reference", "layer", "right_slot", "chance", "own_place")
        path = write_csv(folder / f"attention_{args.data}.csv", head, measure_attention(evaluator, methods))
        write_sidecar(path, provenance(config.replace(source=None), **record, n=n))

    evaluator = Evaluator(load(config, "test", n_random), config.weights, args.data)
    rows += measure(evaluator, methods, "P3")
    other = load(config, "train", len(evaluator.pairs))
    rows += kept_rows([evaluator.pairs.digest(), other.digest(), config.weights, "real"],
                      lambda: real_against_real(evaluator, np.asarray(other.color)))
    path = write_rows(folder / f"extended_{args.data}.csv", rows)
    write_text(path.with_suffix(".md"), extended_markdown(rows))
    write_sidecar(path, provenance(config.replace(source=None), **record))
    print(path.with_suffix(".md").read_text())


if __name__ == "__main__":
    main()
