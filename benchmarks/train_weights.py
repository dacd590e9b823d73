"""Train the weights that the course ships, in three phases; killed, it goes on where it was.

    python benchmarks/train_weights.py                            all methods on `toon`, one after the other
    python benchmarks/train_weights.py none image --seed 1        two of them with another seed
    python benchmarks/train_weights.py image --until 128px        no further than the compared weights
    python benchmarks/train_weights.py --data faces --source DIR  six methods on the faces in DIR
    python benchmarks/train_weights.py --data kaggle --out DIR    the same as the paper trains them, weights to DIR
    python benchmarks/train_weights.py --export none              copy what is trained so far to data/pretrained

Every method gets as many steps: most at 64 px, then at 128 px, the last with the paper's whole loss. The default of
`toon`, lines-warped, then trains on alone, with rare colours counted more, with patches of the references erased, and
twice with partners, references that it has coloured itself (ten minutes on two cores make them, before each phase).
Run folders lie under `runs/weights`, or where --runs says; each set of weights comes with its card, which names the
phases that it has had, and the curves of these. (The cards in data/pretrained are of trainings without the phase of the
whole loss; `whole_loss.py` shows that it changes next to nothing. Those of faces, all but lines-warped, halved the
learning rate at 128 px every epoch. The phases `erasing` and `partners` of lines-warped on `toon` began from shipped
weights, in float16 and with a new discriminator.)
"""

import argparse
import json
import os
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from joblib import Parallel, delayed

from lineart.checkpoint import load_generator, load_module, make_generator, read_checkpoint, save_checkpoint
from lineart.coloring.colorizer import PRETRAINED
from lineart.coloring.partners import make_partners
from lineart.config import ROOT, Config
from lineart.course.plotting import read_curve
from lineart.data.prepare import prepare
from lineart.data.sets import load
from lineart.evaluation.features import frechet_features
from lineart.evaluation.metrics import PerceptualDistance
from lineart.files import provenance, sha256, whole, write_sidecar, write_text
from lineart.methods import METHODS
from lineart.runs import LAST, checkpoints
from lineart.training import train

RUNS = ROOT / "runs" / "weights"
NATIVE = ("avx512_bf16", "amx_bf16", "bf16")  # PyTorch's names of what computes in bfloat16; the last is ARM's

# The classroom's networks (width 16, six levels) on sixteen times its drawings. Most of it without the feature loss,
# which costs several times the generator on a CPU; the rate is twice
# the paper's for a batch four times the paper's.
CLASSROOM = dict(
    levels=6,
    learning_rate=4e-4,
    lambda_fm=0.0,
    precision="bf16-mixed",
    log_every=50,
    sample_every=500,
    checkpoint_every=250,
)
LAST_SIZE = dict(size=128, batch_size=8)


def phases(lr_step_epochs: int) -> dict[str, dict]:
    """lr_step_epochs: after how many epochs at 128 px the learning rate is halved."""
    slower = dict(lr_step_epochs=lr_step_epochs)
    return {
        "64px": dict(size=64, batch_size=16, steps=7_000),
        "128px": LAST_SIZE | slower | dict(steps=4_000),
        "whole": LAST_SIZE | slower | dict(steps=1_500, learning_rate=1e-4, lambda_fm=0.05),  # all of Eq. 1
    }


@dataclass(frozen=True)
class Recipe:
    """Profile, what differs from it in all phases, the phases, the methods by default, what the weights may be used
    for, and the phases in which a method trains on alone."""

    profile: str
    settings: dict
    phases: dict[str, dict]
    methods: tuple[str, ...]
    licence: str
    further: dict[str, dict[str, dict]] = field(default_factory=dict)

    def phases_of(self, method: str) -> dict[str, dict]:
        return self.phases | self.further.get(method, {})

    def until(self, last: str) -> "Recipe":
        """The same for trainings that end after a phase that every method has."""
        names = [*self.phases]
        if last not in names:
            raise SystemExit(f"--until must be one of {', '.join(names)}, got {last}")
        return replace(self, phases={name: self.phases[name] for name in names[: names.index(last) + 1]}, further={})


# Eyes are too few pixels to cost anything; see benchmarks/eyes.py
RARE = LAST_SIZE | dict(steps=2_000, learning_rate=2e-4, lr_step_epochs=1, lr_gamma=0.25, rare_colors=50.0)
# What is erased from the reference has to be matched to what is left; see benchmarks/further.py
ERASING = LAST_SIZE | dict(steps=10_240, lr_step_epochs=3, lr_gamma=0.4, rare_colors=50.0, reference_erasing=0.5)
# Half of the references are other drawings that the network so far has coloured like the truth: `coloring/partners.py`.
# The number is of the draw of these drawings; the second time others, by a better network
PARTNERS = ERASING | dict(steps=5_120, lr_step_epochs=2, lr_gamma=0.5, partners="0")
AGAIN = PARTNERS | dict(steps=3_072, learning_rate=2e-4, lr_step_epochs=1, lr_gamma=0.4, partners="1")
RECIPES = {
    "toon": Recipe(
        "classroom",
        CLASSROOM | dict(n_train=8192),
        phases(lr_step_epochs=1),
        ("none", "gate", "palette", "image", "image-warped", "lines-warped", "image-other", "lines-other"),
        "CC BY 4.0, credits in data/README.md",
        {"lines-warped": {"rare": RARE, "erasing": ERASING, "partners": PARTNERS, "partners2": AGAIN}},
    ),
    # All faces that there are, with lines of several hands. An epoch is a third of one of `toon`, so the rate falls
    # after three
    "faces": Recipe(
        "classroom",
        CLASSROOM | dict(n_train=100_000, line_variants=True),
        phases(lr_step_epochs=3),
        ("none", "image", "image-warped", "lines-warped", "gate", "palette"),
        "research use only; trained on selfie2anime, whose drawings belong to their studios and artists",
    ),
    "kaggle": Recipe(
        "paper",
        {},
        {"256px": dict(size=256)},
        ("none", "image", "image-warped"),
        "research use only; trained on drawings that belong to their studios and artists",
    ),
}


def plan(data: str, method: str, seed: int, runs: Path) -> dict[str, Path]:
    """Phase -> its run folder."""
    names = {phase: f"{data}-{method}-s{seed}-{phase.removesuffix('px')}" for phase in RECIPES[data].phases_of(method)}
    return {phase: runs / name for phase, name in names.items()}


def train_to_the_end(config: Config, run: Path) -> None:
    """Train, or go on; a run that Ctrl-C or SIGTERM stopped ends the script, so that nothing is built on half a run.

    A processor that only imitates bfloat16 trains in float32: with AVX-512 alone a step takes 1.7 times as long in
    bfloat16, with AVX2 a hundred times.
    """
    native = any(map(torch.cpu.get_capabilities().get, NATIVE)) or torch.accelerator.is_available()
    if not native and config.precision == "bf16-mixed":
        config = config.replace(precision="32-true")
    train(config, run, resume=bool(checkpoints(run)))
    config, step, _ = read_checkpoint(run / LAST)  # its config: the set may have fewer pictures than were asked for
    if step < config.total_steps:
        raise SystemExit(f"{run.name} stopped at step {step:,} of {config.total_steps:,}; the same command goes on")


def partners(config: Config, path: Path, draw: int = 0) -> str:
    """The partners of the training drawings, as the run's first network colours them, in a file: made once."""
    if not path.exists():
        n, shares = len(load(config.replace(partners=None), "train")), os.cpu_count() or 1
        cuts = [slice(n * i // shares, n * (i + 1) // shares) for i in range(shares)]
        made = Parallel(n_jobs=shares)(delayed(_some_partners)(config, some, 10 * config.seed + draw) for some in cuts)
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as temporary, open(temporary, "wb") as file:
            np.save(file, np.concatenate(made))
    return str(path)


def _some_partners(config: Config, some: slice, seed: int) -> np.ndarray:
    torch.set_num_threads(1)
    generator = load_generator(Path(config.start_from))[0]
    return make_partners(generator, load(config.replace(partners=None), "train"), some, seed)


def train_method(data: str, method: str, seed: int, runs: Path, source: Path | None, precision: str | None) -> None:
    recipe, start = RECIPES[data], None
    for phase, run in plan(data, method, seed, runs).items():
        settings = METHODS[method].settings | recipe.settings | recipe.phases_of(method)[phase]
        if precision:
            settings["precision"] = precision
        if data != "toon":
            settings["source"] = str(prepare(data, source, settings["size"]).path)
        config = Config.from_profile(recipe.profile, **settings, data=data, seed=seed, start_from=start)
        if config.partners:
            path = partners(config, run.with_name(f"{run.name}.npy"), draw=int(config.partners))
            config = config.replace(partners=path)
        train_to_the_end(config, run)
        start = str(run / LAST)


def export(data: str, method: str, seed: int, runs: Path = RUNS, out: Path = PRETRAINED) -> None:
    """The generator as float16, its curves, and the card, into `out`; of the last phase that has a checkpoint."""
    planned = plan(data, method, seed, runs)
    trained = {phase: run for phase, run in planned.items() if (run / LAST).exists()}
    if not trained:
        first = next(iter(planned.values()))
        raise SystemExit(f"{method} with seed {seed} must be trained before it is exported; {first} holds no {LAST}")
    steps = {phase: read_checkpoint(run / LAST)[1] for phase, run in trained.items()}
    config, _, tensors = read_checkpoint([*trained.values()][-1] / LAST)
    config = config.replace(start_from=None, source=None, partners=None)  # paths of the machine that trained it
    generator = make_generator(config)
    load_module(generator, tensors, "generator")
    name = f"{data}-{method}" if seed == 0 else f"{data}-{method}-s{seed}"
    out.mkdir(parents=True, exist_ok=True)
    total = sum(steps.values())
    path = save_checkpoint(out / f"{name}.safetensors", config, total, {"generator": generator}, half=True)
    for phase, run in trained.items():
        head, *lines = (run / "metrics.csv").read_text().splitlines(keepends=True)
        whole_lines = [line for line in lines if line.endswith("\n")]  # a killed run may have cut the last one
        until = [line for line in whole_lines if int(line.split(",")[0]) <= steps[phase]]  # of the checkpoint
        write_text(out / f"{name}-{phase}.csv", head + "".join(until))
    had = [{"phase": phase} | _phase(run, steps[phase]) for phase, run in trained.items()]
    record = provenance(
        config,
        name=name,
        method=method,
        data=data,
        seed=seed,
        steps=total,
        phases=had,
        sha256=sha256(path),
        bytes=path.stat().st_size,
        cores=os.cpu_count(),
        licence=RECIPES[data].licence,
    )
    record["exported_at"] = record.pop("commit")  # the training itself may have begun at an earlier one
    write_sidecar(path, record)
    print(
        f"{path.name}: {path.stat().st_size / 1e6:.1f} MB, {total} steps, "
        f"validation PSNR {had[-1]['psnr_val']} dB at {config.size} px"
    )


def _phase(run: Path, step: int) -> dict:
    """Hours and last validation PSNR of a run until a step. Older runs counted from 0 again after a pause."""
    curve = read_curve(run / "metrics.csv")
    curve = {name: values[curve["step"] <= step] for name, values in curve.items()}
    seconds = curve["seconds"]
    ends = np.append(np.diff(seconds) < 0, True)[: len(seconds)]
    psnr = curve["psnr_val"][~np.isnan(curve["psnr_val"])]
    settings = json.loads((run / "config.json").read_text())
    return {
        "size": settings["size"],
        "train_reference": settings.get("train_reference", "self"),
        "rare_colors": settings.get("rare_colors", 1.0),
        "reference_erasing": settings.get("reference_erasing", 0.0),
        "partners": bool(settings.get("partners")),
        "batch_size": settings["batch_size"],
        "steps": step,
        "hours": round(float(seconds[ends].sum()) / 3600, 2),
        "psnr_val": round(float(psnr[-1]), 2) if len(psnr) else None,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="*", metavar="METHOD", help=f"{', '.join(METHODS)}; by default the recipe's")
    parser.add_argument("--data", default="toon", choices=[*RECIPES])
    parser.add_argument("--source", type=Path, help="folder or zip of pictures; by default from Kaggle")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--until", metavar="PHASE", help="the last phase, of those that every method has")
    parser.add_argument("--out", type=Path, default=PRETRAINED, help="where the weights go (data/pretrained)")
    parser.add_argument("--runs", type=Path, default=RUNS, help="where the run folders lie (runs/weights)")
    parser.add_argument("--precision", help="of the training, such as bf16-mixed on a GPU; by default the recipe's")
    parser.add_argument("--threads", type=int, help="of this process; two methods side by side like one each")
    parser.add_argument("--export", action="store_true", help="only export")
    args = parser.parse_args()
    for method in args.methods:  # argparse's choices refuse an empty list before Python 3.12
        if method not in METHODS:
            parser.error(f"METHOD must be one of {', '.join(METHODS)}, got {method!r}")
    if args.until:
        RECIPES[args.data] = RECIPES[args.data].until(args.until)
    if args.threads:
        torch.set_num_threads(args.threads)
    if not args.export:  # what the metrics need is downloaded now, not missed after days of training
        weights = Config.from_profile(RECIPES[args.data].profile, **RECIPES[args.data].settings).weights
        PerceptualDistance(weights), frechet_features(weights)
    for method in args.methods or RECIPES[args.data].methods:
        if not args.export:
            train_method(args.data, method, args.seed, args.runs, args.source, args.precision)
        export(args.data, method, args.seed, args.runs, args.out)


if __name__ == "__main__":
    main()
