"""`lineart reproduce | train | evaluate | compare | colorize | data`, also as `python -m lineart ...`."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import re
import sys
import types
import typing
from pathlib import Path

from lineart.config import DATA, PROFILES, Config, figures_dir
from lineart.course import reproduce


def main(words: list[str] | None = None) -> int:
    """Run one command; bad input ends with one sentence and status 1."""
    args = _parser().parse_args(words)
    try:
        return args.command(args) or 0
    except (ValueError, OSError, FloatingPointError, MemoryError, ModuleNotFoundError) as error:
        print(f"lineart: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lineart", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")

    command = commands.add_parser("reproduce", help="run the notebooks: Table 1, Figure 5 and the rest")
    reproduce.add_arguments(command)
    command.set_defaults(command=reproduce.main)

    command = commands.add_parser("train", help="train a generator", description="Train a generator. A setting that "
                                  "is not given is the profile's; in brackets the paper's, where a profile has none.")
    command.add_argument("profile", nargs="?", choices=[*PROFILES], help="by default classroom")
    command.add_argument("--run", "--folder", type=Path,  # torchrun takes --run for an option of its own
                         help="run folder; by default a new one under runs/train")
    command.add_argument("--resume", type=Path, metavar="RUN", help="go on with the run in this folder")
    _add_config(command)
    command.set_defaults(command=_train)

    command = commands.add_parser("evaluate", help="measure weights by the protocols P1 to P4")
    command.add_argument("--weights", nargs="+", default=[], metavar="NAME",
                         help="shipped names, checkpoint files or run folders; none: only the rows that give a scale")
    command.add_argument("--protocol", nargs="+", default=["P1", "P3"], choices=["P1", "P2", "P3", "P4"])
    command.add_argument("--data", choices=DATA, help="by default what the weights were trained on")
    command.add_argument("--source", help="prepared set, folder or zip")
    command.add_argument("--n", type=int, help="drawings of the test set; by default as many as the settings of the weights say")
    command.add_argument("--backbone", choices=["bundled", "imagenet"], help="of the metrics; by default the weights'")
    command.add_argument("--scale", action="store_true", help="also the methods without a network")
    command.add_argument("--out", type=Path, help="CSV to write; by default the rows are printed")
    command.set_defaults(command=_evaluate)

    command = commands.add_parser("compare", help="Table 1 of a run against the paper's, with the tolerance stated before")
    command.add_argument("table", nargs="?", type=Path, help="CSV of rows; by default figures/table_1.csv")
    command.set_defaults(command=_compare)

    command = commands.add_parser("colorize", help="colour a drawing")
    command.add_argument("line", type=Path, help="picture file of the drawing, dark lines on white")
    command.add_argument("reference", type=Path, help="picture file with the colours")
    command.add_argument("result", type=Path, help="picture file to write; its ending says the format")
    command.add_argument("--weights", default="toon", help="shipped name, checkpoint file or run folder")
    command.add_argument("--seed", type=int, help="of the noise; by default there is none")
    command.set_defaults(command=_colorize)

    _add_data(commands.add_parser("data", help="prepare a set of pictures, or say what is in one"))
    return parser


def _add_config(parser: argparse.ArgumentParser) -> None:
    """One option a field of Config: --batch-size 8."""
    hints = typing.get_type_hints(Config)
    notes = dict(re.findall(r"^    (\w+): .+?  # (.+)$", inspect.getsource(Config), re.MULTILINE))
    for field in dataclasses.fields(Config):
        kind = hints[field.name]
        kinds = [k for k in typing.get_args(kind) if k is not types.NoneType]
        options = ["--" + field.name.replace("_", "-")]
        if field.name == "weights":  # which elsewhere are those of a network
            options.insert(0, "--backbone")
        default = " ".join(map(str, field.default)) if isinstance(field.default, tuple) else field.default
        note = f"{notes.get(field.name, '')} ({default})".replace("%", "%%")
        if kind is bool:
            parser.add_argument(*options, action=argparse.BooleanOptionalAction, help=note)
        elif typing.get_origin(kind) is tuple:
            parser.add_argument(*options, nargs="+", type=kinds[0], help=note)
        else:
            parser.add_argument(*options, dest=field.name, type=kinds[0] if kinds else kind, help=note)


def _add_data(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(required=True, metavar="command")

    command = commands.add_parser("prepare", help="pictures to arrays: resize, lines, palettes")
    command.add_argument("name", choices=DATA)
    command.add_argument("--source", type=Path, help="folder or zip; by default from Kaggle, where the set is there")
    command.add_argument("--size", type=int, default=256, help="pixels a side (256)")
    command.add_argument("--out", type=Path, help="folder; by default runs/data/NAME-SIZEpx")
    command.add_argument("-k", type=int, default=9, help="colours of a palette (9)")
    command.add_argument("--processes", type=int, help="by default one a core")
    command.add_argument("--max-rejected", type=float, default=0.01, metavar="SHARE",
                         help="more rejected pictures than this share are an error (0.01)")
    command.set_defaults(command=_data_prepare)

    command = commands.add_parser("check", help="what a prepared set holds, whether it is whole, and a contact sheet")
    command.add_argument("folder", type=Path)
    command.add_argument("--sheet", type=Path, help="picture file for the contact sheet; by default in the folder")
    command.set_defaults(command=_data_check)


def _train(args: argparse.Namespace) -> int:
    """0 at the end of the training, 130 where Ctrl-C or SIGTERM stopped it before."""
    from lightning_fabric.utilities import rank_zero_only

    from lineart.checkpoint import read_checkpoint
    from lineart.training import LAST, config_of, train

    given = {field.name: getattr(args, field.name) for field in dataclasses.fields(Config)}
    changes = {name: tuple(v) if isinstance(v, list) else v for name, v in given.items() if v is not None}
    if "epochs" in changes:
        changes.setdefault("steps", None)  # of the profile, or of the run: they would decide
    if args.resume and (args.run or args.profile):
        raise ValueError("--resume takes the folder and the settings of a run; leave out the profile and --run")
    config = config_of(args.resume).replace(**changes) if args.resume else Config.from_profile(args.profile, **changes)
    _refuse_source_of_toon(config.data, args.source)
    folder = train(config, args.resume or args.run, resume=args.resume is not None)

    @rank_zero_only  # the others may be here before the checkpoint is written
    def status() -> int:
        print(folder)
        return 0 if read_checkpoint(folder / LAST)[1] >= config_of(folder).total_steps else 130
    return status() or 0


def _evaluate(args: argparse.Namespace) -> None:
    from lineart.evaluation.measure import evaluate_weights

    rows = evaluate_weights(args.weights, args.protocol, args.data, args.source, args.n, args.backbone, args.scale, args.out)
    for row in rows.itertuples():
        print(f"{row.method}  {row.protocol}  {row.metric}  {row.value:.4f} ± {row.spread:.4f}  n={row.n}")
    if args.out:
        print(args.out)


def _refuse_source_of_toon(data: str, source: str | Path | None) -> None:
    if data == "toon" and source:
        raise ValueError(f"toon is drawn and takes no --source, got {source}")


def _compare(args: argparse.Namespace) -> int:
    """0 if every value of the paper's table was reproduced, 1 if not; each value with its verdict."""
    from lineart.evaluation.paper import paper_table
    from lineart.evaluation.rows import read_rows
    from lineart.evaluation.tables import comparison

    path = args.table or figures_dir("classroom") / "table_1.csv"
    if not path.is_file():
        raise FileNotFoundError(f"the table must be a CSV of rows, found none at {path}; lineart reproduce writes one")
    lines, reproduced = comparison(read_rows(path))
    print(*lines, sep="\n")
    print(f"{reproduced} of {len(paper_table())} values reproduced")
    return int(reproduced < len(paper_table()))


def _colorize(args: argparse.Namespace) -> None:
    from lineart.coloring.colorizer import Colorizer

    _check_picture_file(args.result)
    pictures = [_open_picture(path) for path in (args.line, args.reference)]
    if args.result.exists() and any(args.result.samefile(path) for path in (args.line, args.reference)):
        raise ValueError(f"the result must be another file than the pictures that it is made from, got {args.result}")
    _save_picture(Colorizer.from_pretrained(args.weights).colorize(*pictures, seed=args.seed), args.result)
    print(args.result)


def _open_picture(path: Path):
    """The picture of a file: RGB, upright. Raises ValueError or FileNotFoundError."""
    from PIL import Image, UnidentifiedImageError

    from lineart.images import rgb

    if not path.is_file():
        raise FileNotFoundError(f"a picture must be a file, found none at {path}")
    try:
        return rgb(Image.open(path))
    except UnidentifiedImageError as error:
        raise ValueError(f"a picture must be in a format that Pillow reads, {path} is not") from error
    except Image.DecompressionBombError as error:
        raise ValueError(f"a picture must have at most {2 * Image.MAX_IMAGE_PIXELS // 10**6} million pixels, "
                         f"{path} has more") from error
    except Exception as error:  # of 32 bits, or damaged: decoders raise whatever they like
        raise ValueError(f"{path} can't be used: {error}") from error


def _check_picture_file(path: Path) -> None:
    """Whether a result can go there, before any work."""
    from lineart.images import SUFFIXES

    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"the name of a picture must end in one of {', '.join(SUFFIXES)}, got {path}")
    if path.is_dir():
        raise ValueError(f"a picture must go into a file, {path} is a folder")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"a picture must go into a folder that is there, {path.parent} is none")


def _save_picture(image, path: Path) -> None:
    from PIL import Image

    from lineart.files import whole

    try:
        with whole(path) as temporary:
            image.save(temporary, format=Image.registered_extensions()[path.suffix.lower()])
    except OSError as error:
        raise OSError(f"{path} could not be written: {error.strerror or error}") from error


def _data_prepare(args: argparse.Namespace) -> None:
    from lineart.data.prepare import prepare, refuse_too_many, summary
    from lineart.data.sets import load

    if args.name == "toon":  # nothing to read: drawn, as many as the classroom profile takes
        _refuse_source_of_toon(args.name, args.source)
        if args.out:
            raise ValueError(f"toon is kept under runs/data and takes no --out, got {args.out}")
        config = Config.from_profile("classroom", size=args.size, k=args.k)
        for split in ("train", "val", "test"):
            pairs = load(config, split)
            print(f"toon {split}: {len(pairs)} pairs of {config.size} px, sha256 {pairs.digest()[:12]}")
        return
    if not 0 <= args.max_rejected <= 1:
        raise ValueError(f"--max-rejected must be a share between 0 and 1, got {args.max_rejected}")
    store = prepare(args.name, args.source, args.size, args.out, args.k, args.processes, max_rejected=1.0)
    print(*summary(store), sep="\n")
    refuse_too_many(store, args.max_rejected)


def _data_check(args: argparse.Namespace) -> None:
    from lineart.data.store import SHEET, check, contact_sheet, open_store

    path = args.sheet or args.folder / SHEET
    if args.sheet:
        _check_picture_file(path)
    print(*check(args.folder), sep="\n")
    _save_picture(contact_sheet(open_store(args.folder)), path)
    print(f"contact sheet: {path}")
