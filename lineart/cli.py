"""Reference-based colorization of line art: a course, a reproduction, and a tool."""

import io
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, make_dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from tyro.conf import (
    DisallowNone,
    FlagCreatePairsOff,
    OmitArgPrefixes,
    OmitSubcommandPrefixes,
    Positional,
    UseAppendAction,
    arg,
)

from lineart.coloring import Finish
from lineart.config import PROFILES, ROOT, Config, DataSet, InputError, MissingFile, Weights
from lineart.course.commands import Course
from lineart.studio.commands import Studio

PLAIN = [DisallowNone, OmitArgPrefixes, OmitSubcommandPrefixes]
Flag = Annotated[bool, FlagCreatePairsOff]
Profile = Literal[tuple(PROFILES)]
Parameters = Annotated[tuple[tuple[str, str], ...], UseAppendAction]
Protocols = tuple[Literal["P1", "P2", "P3", "P4"], ...]


def _help(text: str, *aliases: str, default: str = "", metavar: str | None = None):
    return arg(help=text, aliases=aliases, help_behavior_hint=default, metavar=metavar)


def _settings() -> type:
    """One option a field of `Config`, described as there; None where it is not given, so that the profile decides."""
    options = []
    for name, setting in Config.model_fields.items():
        paper = " ".join(map(str, setting.default)) if isinstance(setting.default, tuple) else setting.default
        alias = ["--backbone"] if name == "weights" else []  # in other commands the weights are those of a network
        note = _help(setting.description, *alias, default=f"(profile paper: {paper})")
        options.append((name, Annotated[setting.annotation | None, note], None))
    return make_dataclass("Settings", options)


Settings = _settings()


def _given(options: object) -> dict:
    return {name: value for name, value in vars(options).items() if value is not None}


@dataclass
class Reproduce:
    """Run the notebooks: Table 1, Figure 5 and the rest."""

    profile: Annotated[Profile | None, _help("by default LINEART_PROFILE, else classroom")] = None
    only: Annotated[tuple[str, ...], _help("these notebooks: 03 or 09b_table_1")] = ()
    parameter: Annotated[Parameters, _help("the value is YAML: 3, true, [1, 2]", "-p", metavar="NAME VALUE")] = ()
    notebooks: Annotated[Path | None, _help("folder of the notebooks")] = None
    output: Annotated[Path | None, _help("folder for executed notebooks and stamps")] = None
    timeout: Annotated[int, _help("seconds that one cell may take", default="(600)")] = 600
    force: Annotated[Flag, _help("run also what is unchanged")] = False
    publish: Annotated[Flag, _help("then put results into figures/ and outputs into the notebooks")] = False
    strict: Annotated[Flag, _help("status 1 where a result is not as committed")] = False
    jobs: Annotated[int | None, _help("notebooks at a time; by default as many as pay")] = None

    def run(self) -> int:
        from lineart.course.reproduce import parse_parameters, reproduce

        options = {"profile": os.environ.get("LINEART_PROFILE", "classroom")} | _given(self)
        return reproduce(parameters=parse_parameters(options.pop("parameter")), **options)


@dataclass
class Train:
    """Train a generator. A setting that is not given is the profile's."""

    profile: Annotated[Profile | None, Positional, _help("by default LINEART_PROFILE, else classroom")] = None
    # torchrun takes --run for an option of its own
    folder: Annotated[Path | None, _help("run folder; by default a new one under runs/train", "--run")] = None
    resume: Annotated[Path | None, _help("go on with the run in this folder")] = None
    settings: Annotated[Settings, arg(name="")] = field(default_factory=Settings)

    def run(self) -> int:
        """0 at the end of the training, 130 where Ctrl-C or SIGTERM stopped it before."""
        from lightning_fabric.utilities import rank_zero_only

        from lineart import checkpoint, runs, training
        from lineart.coloring.colorizer import checkpoint_path

        changes = _given(self.settings)
        if "start_from" in changes:
            changes["start_from"] = str(checkpoint_path(changes["start_from"]))
        if "epochs" in changes:
            changes.setdefault("steps", None)  # of the profile, or of the run: they would decide
        if self.resume and (self.folder or self.profile):
            raise InputError("--resume takes the folder and the settings of a run; leave out the profile and --run")
        if self.resume:
            config = runs.config_of(self.resume).replace(**changes)
        else:
            config = Config.from_profile(self.profile, **changes)
        folder = training.train(config, self.resume or self.folder, resume=self.resume is not None)
        if rank_zero_only.rank:  # the first process writes the checkpoint and answers for all
            return 0
        print(folder)
        done = checkpoint.read_checkpoint(folder / runs.LAST)[1]
        return 0 if done >= runs.config_of(folder).total_steps else 130


@dataclass
class Evaluate:
    """Measure weights by the protocols P1 to P4."""

    weights: Annotated[tuple[str, ...], _help("shipped names, checkpoint files or run folders")] = ()
    protocol: Annotated[Protocols, _help("reference: truth, bent, any, same colours", default="(P1 P3)")] = ("P1", "P3")
    data: Annotated[DataSet | None, _help("by default what the weights were trained on")] = None
    source: Annotated[str | None, _help("prepared set, folder or zip")] = None
    n: Annotated[int | None, _help("drawings of the test set; by default as many as the weights' settings say")] = None
    backbone: Annotated[Weights | None, _help("of the metrics; by default the weights'")] = None
    scale: Annotated[Flag, _help("also the methods without a network")] = False
    out: Annotated[Path | None, _help("CSV to write, with a side-car")] = None

    def run(self) -> int:
        from lineart.evaluation.measure import evaluate_weights

        rows = evaluate_weights(
            self.weights, self.protocol, self.data, self.source, self.n, self.backbone, self.scale, self.out
        )
        rows["checkpoint"] = rows["checkpoint"].str[:8]
        columns = ["method", "train_seed", "checkpoint", "protocol", "metric", "value", "spread", "n"]
        print(rows[columns].to_string(index=False))
        return 0


@dataclass
class Compare:
    """Compare Table 1 of a run with the paper's, by the tolerance that was stated before."""

    table: Annotated[Path, Positional, _help("CSV of rows")] = ROOT / "figures" / "table_1.csv"

    def run(self) -> int:
        """0 if every value of the paper's table was reproduced, 1 if not; each value with its verdict."""
        from lineart.evaluation.paper import paper_table
        from lineart.evaluation.rows import read_rows
        from lineart.evaluation.tables import comparison

        if not self.table.is_file():
            raise MissingFile(f"the table must be a CSV of rows, found none at {self.table}")
        lines, reproduced = comparison(read_rows(self.table))
        print(*lines, f"{reproduced} of {len(paper_table())} values reproduced", sep="\n")
        return int(reproduced < len(paper_table()))


@dataclass
class Colorize:
    """Colour drawings: DRAWINGS... --reference PICTURE --out FOLDER, or in short DRAWING REFERENCE RESULT."""

    drawings: Annotated[tuple[Path, ...], Positional, _help("picture files, folders of them, or globs")]
    reference: Annotated[Path | None, _help("picture file with the colours")] = None
    out: Annotated[Path | None, _help("folder for the results; of one drawing also the file")] = None
    palette: Annotated[
        str | None, _help('instead of a reference: background, skin, hair, clothes, accessories, as "#aabbcc #ddeeff"')
    ] = None
    swap: Annotated[str | None, _help('colours to exchange: "#old=#new", one or more')] = None
    weights: Annotated[str, _help("shipped name, checkpoint file or run folder", default="(toon)")] = "toon"
    finish: Annotated[Finish, _help("raw picture, shaded, flat or exact regions", default="(flat)")] = "flat"
    gap: Annotated[float | None, _help("widest gap in a line, in pixels, that does not leak")] = None
    seed: Annotated[int | None, _help("of the noise; by default there is none")] = None
    format: Annotated[str | None, _help("png, webp or jpg; with --layered psd or png")] = None
    layered: Annotated[Flag, _help("lines and colours as layers")] = False
    as_is: Annotated[Flag, _help("take the drawing as it is, uncleaned")] = False
    extract_lines: Annotated[Flag, _help("the drawings are coloured pictures; draw their lines first")] = False
    overwrite: Annotated[Flag, _help("replace results that are there")] = False

    def run(self) -> int:
        from lineart.coloring.batch import colorize_files

        options = {"reference": None, "out": None} | _given(self)
        if self.reference is self.out is self.palette is None and len(self.drawings) == 3:
            *options["drawings"], options["reference"], options["out"] = self.drawings
            if self.overwrite:  # the last of three could be a drawing, of a glob
                raise InputError("--overwrite needs --reference and --out, and three pictures alone replace none")
        if not options["out"] or (options["reference"] is None and self.palette is None):
            raise InputError("colorize needs --out, and --reference or --palette; or drawing, reference and result")
        return colorize_files(**options)


@dataclass
class Prepare:
    """Pictures to arrays: resize, lines, palettes."""

    name: Annotated[DataSet, Positional, _help("the set")]
    source: Annotated[Path | None, _help("folder or zip; by default from Kaggle, where the set is there")] = None
    size: Annotated[int, _help("pixels a side", default="(256)")] = 256
    out: Annotated[Path | None, _help("folder; by default runs/data/NAME-SIZEpx")] = None
    k: Annotated[int, _help("colours of a palette", "-k", default="(9)")] = 9
    processes: Annotated[int | None, _help("by default one a core")] = None
    allow_grey: Annotated[Flag, _help("take pictures without colours, too")] = False
    max_rejected: Annotated[float, _help("a larger share of rejected pictures is an error", default="(0.01)")] = 0.01

    def run(self) -> int:
        from lineart.data.prepare import check_share, prepare, refuse_too_many

        if self.name == "toon":
            return self._draw()
        check_share(self.max_rejected)
        store = prepare(**vars(self) | {"max_rejected": 1.0})
        print(*store.describe(), sep="\n")  # also where too many were rejected
        refuse_too_many(store, self.max_rejected)
        return 0

    def _draw(self) -> int:
        """`toon`: nothing to read; drawn, as many as the classroom profile takes."""
        from lineart.data.sets import load

        config = Config.from_profile("classroom", size=self.size, k=self.k, source=self.source and str(self.source))
        if self.out:
            raise InputError(f"toon is kept under runs/data and takes no --out, got {self.out}")
        for split in ("train", "val", "test"):
            print(f"toon {split}: sha256 {load(config, split).digest()[:12]}")
        return 0


@dataclass
class Check:
    """What a prepared set holds, whether it is whole, and a contact sheet."""

    folder: Annotated[Path, Positional, _help("of the set")]
    sheet: Annotated[Path | None, _help("picture file for the contact sheet; by default in the folder")] = None

    def run(self) -> int:
        from lineart.data.store import SHEET, check, open_store, write_sheet
        from lineart.images import SUFFIXES

        path = self.sheet or self.folder / SHEET
        if self.sheet and path.exists():
            raise InputError(f"the contact sheet must be a new file, {path} is there already")
        if path.suffix.lower() not in SUFFIXES:
            raise InputError(f"the name of a picture must end in one of {', '.join(SUFFIXES)}, got {path}")
        if not path.parent.is_dir():
            raise MissingFile(f"the contact sheet must go to a folder that is there, found none at {path.parent}")
        print(*check(self.folder), sep="\n")
        write_sheet(open_store(self.folder), path)
        print(f"contact sheet: {path}")
        return 0


@dataclass
class Results:
    """Write RESULTS.md, the numbers of the README and the model cards, from figures/ and data/pretrained/."""

    def run(self) -> int:
        from lineart.evaluation.cards import write_cards
        from lineart.evaluation.results import write_results

        print(write_results(), write_cards(), sep="\n")
        return 0


@dataclass
class Data:
    """Prepare a set of pictures, or say what is in one."""

    command: Prepare | Check

    def run(self) -> int:
        return self.command.run()


@dataclass
class Lineart:
    command: Reproduce | Train | Evaluate | Compare | Results | Colorize | Data | Course | Studio
    debug: Annotated[Flag, _help("show the traceback of a mistake, too")] = False


def main(words: Sequence[str] | None = None) -> int:
    """Run one command and return its status: 1, after one sentence, for what the user can mend; usage exits with 2."""
    for stream in (sys.stdout, sys.stderr):  # a file's name may hold what the terminal can't show
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    lineart = tyro.cli(Lineart, prog="lineart", description=__doc__, args=words, config=PLAIN)
    try:
        return lineart.command.run()
    except InputError as error:
        if lineart.debug:
            raise
        print(f"lineart: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # whoever read the output has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130
