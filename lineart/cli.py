"""`lineart reproduce | train | evaluate | colorize | data`, also as `python -m lineart ...`."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import types
import typing
from pathlib import Path

from lineart import reproduce
from lineart.config import PROFILES, Config


def main(words: list[str] | None = None) -> int:
    """Run one command; bad input ends with one sentence and status 1."""
    args = _parser().parse_args(words)
    try:
        return args.command(args) or 0
    except (ValueError, FileNotFoundError, FloatingPointError, ModuleNotFoundError) as error:
        print(f"lineart: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lineart", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")

    command = commands.add_parser("reproduce", help="run the notebooks: Table 1, Figure 5 and the rest")
    reproduce.add_arguments(command)
    command.set_defaults(command=reproduce.main)

    command = commands.add_parser("train", help="train a generator")
    command.add_argument("profile", nargs="?", default="classroom", choices=[*PROFILES])
    command.add_argument("--run", type=Path, help="run folder; by default a new one under runs/train")
    command.add_argument("--resume", action="store_true", help="go on from the folder's checkpoint")
    _add_config(command)
    command.set_defaults(command=_train)

    command = commands.add_parser("evaluate", help="measure weights by the protocols of Table 1")
    command.add_argument("checkpoint", help="shipped name, checkpoint file or run folder")
    command.add_argument("--out", type=Path, help="CSV to write; by default the rows are printed")
    command.add_argument("--n", type=int, help="drawings of the test set; by default the profile's")
    command.set_defaults(command=_evaluate)

    command = commands.add_parser("colorize", help="colour a drawing")
    command.add_argument("line", type=Path)
    command.add_argument("reference", type=Path)
    command.add_argument("result", type=Path)
    command.add_argument("--weights", default="toon", help="shipped name, checkpoint file or run folder")
    command.add_argument("--seed", type=int, help="of the noise; by default there is none")
    command.set_defaults(command=_colorize)

    command = commands.add_parser("data", help="prepare the embedded data and say what is there")
    command.add_argument("profile", nargs="?", default="classroom", choices=[*PROFILES])
    command.set_defaults(command=_data)
    return parser


def _add_config(parser: argparse.ArgumentParser) -> None:
    """One option a field of Config: --batch-size 8."""
    hints = typing.get_type_hints(Config)
    for field in dataclasses.fields(Config):
        kind = hints[field.name]
        kinds = [k for k in typing.get_args(kind) if k is not types.NoneType]
        option = "--" + field.name.replace("_", "-")
        if kind is bool:
            parser.add_argument(option, action=argparse.BooleanOptionalAction)
        elif typing.get_origin(kind) is tuple:
            parser.add_argument(option, nargs="+", type=kinds[0])
        else:
            parser.add_argument(option, type=kinds[0] if kinds else kind)


def _train(args: argparse.Namespace) -> None:
    from lineart.training import train

    given = {field.name: getattr(args, field.name) for field in dataclasses.fields(Config)}
    changes = {name: tuple(v) if isinstance(v, list) else v for name, v in given.items() if v is not None}
    print(train(Config.from_profile(args.profile, **changes), args.run, args.resume))


def _evaluate(args: argparse.Namespace) -> None:
    from lineart.colorize import Colorizer, checkpoint_path
    from lineart.data import load
    from lineart.evaluation import Evaluator, evaluate, write_rows
    from lineart.provenance import sha256

    colorizer = Colorizer.from_pretrained(args.checkpoint)
    config = colorizer.config
    evaluator = Evaluator(load(config, "test", args.n), config.weights, config.data)
    rows = evaluate(evaluator, config.method, colorizer.generator, sha256(checkpoint_path(args.checkpoint)))
    for row in rows:
        print(f"{row.method}  {row.protocol}  {row.metric}  {row.value:.4f} ± {row.spread:.4f}  n={row.n}")
    if args.out:
        print(write_rows(args.out, rows))


def _colorize(args: argparse.Namespace) -> None:
    from PIL import Image, UnidentifiedImageError

    from lineart.colorize import Colorizer

    pictures = []
    for path in (args.line, args.reference):
        if not path.is_file():
            raise FileNotFoundError(f"a picture must be a file, found none at {path}")
        try:
            pictures.append(Image.open(path))
        except UnidentifiedImageError as error:
            raise ValueError(f"a picture must be in a format that Pillow reads, {path} is not") from error
    result = Colorizer.from_pretrained(args.weights).colorize(*pictures, seed=args.seed)
    temporary = args.result.with_name(f".{args.result.name}.tmp{args.result.suffix}")
    result.save(temporary)
    temporary.replace(args.result)
    print(args.result)


def _data(args: argparse.Namespace) -> None:
    from lineart.data import load

    config = Config.from_profile(args.profile)
    for split in ("train", "val", "test"):
        pairs = load(config, split)
        print(f"{config.data} {split}: {len(pairs)} pairs of {config.size} px, sha256 {pairs.digest()[:12]}")
