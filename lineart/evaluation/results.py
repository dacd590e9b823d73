"""RESULTS.md, and the numbers of the README: filled in from `figures/`, never typed.

The prose of RESULTS.md stands in `results.in.md`, beside this file. There `{{claims.md}}` is the table of that name,
`{{toon/P4/image/PSNR:.1f}}` a number and its format, and `{{toon/P1/image/PSNR - toon/P1/none/PSNR:.1f}}` a difference.
The README holds its prose itself; a number there stands between `<!-- toon/P4/image/PSNR:.1f -->` and `<!-- / -->`.
"""

import json
import re
from pathlib import Path

import pandas as pd

from lineart.config import DATA_FOLDER, ROOT, Config, MissingFile
from lineart.evaluation.leak import shares
from lineart.evaluation.tables import markdown
from lineart.files import write_text

FIGURES = ROOT / "figures"  # the committed results, wherever a run of the tests writes its own
TEMPLATE = Path(__file__).with_name("results.in.md")
IN_README = re.compile(r"<!-- (\S+/[^>]+:\S+) -->.*?<!-- / -->")
SMALL_TABLES = ("transfer.csv", "loader.csv", "throughput_cpu.csv", "warps.csv", "eyes_toon.csv")
# Dense bfloat16 peak in TFLOPS, by the makers' data sheets; the CPU's is measured
GPU_PEAKS = {"GeForce RTX 4090": 165, "H100 SXM": 989}


def write_results(path: str | Path = ROOT / "RESULTS.md") -> Path:
    """Write RESULTS.md, and the numbers of the README.md beside it, where there is one; returns the path.

    Raises MissingFile where the results are not there, as in an installed package without its checkout.
    """
    text, readme = results_text(), Path(path).with_name("README.md")
    if readme.is_file():
        write_text(readme, readme_text(readme.read_text(encoding="utf-8")))
    return write_text(path, text)


def results_text() -> str:
    """RESULTS.md as it should be."""
    known, values, text = tables(), numbers(), TEMPLATE.read_text(encoding="utf-8")
    return re.sub(r"\{\{(.+?)\}\}", lambda found: known.get(found[1]) or number(found[1], values), text)


def readme_text(text: str) -> str:
    """The README with every marked number as it should be."""
    values = numbers()
    return IN_README.sub(lambda found: f"<!-- {found[1]} -->{number(found[1], values)}<!-- / -->", text)


def number(wanted: str, values: dict[str, float]) -> str:
    """`key:format` or `key - key:format`, filled in. Raises KeyError for a number that there is not."""
    keys, _, form = wanted.rpartition(":")
    first, *others = (values[key] for key in keys.split(" - "))
    return format(first - sum(others), form)


def numbers() -> dict[str, float]:
    """Every number that prose may state, by its name: of the tables of all methods, the leak, and the mirror."""
    found = {}
    for name, file in (("toon", "extended_toon.csv"), ("faces", "extended_faces.csv"), ("tried", "tried.csv")):
        rows = _read(file)
        if "finish" in rows:  # prose speaks of what the networks painted
            rows = rows[rows["finish"].isin(["", "smooth"])]
        for row in rows.itertuples():
            found[f"{name}/{row.protocol}/{row.method}/{row.metric}"] = row.value
    for row in _read("finishes_toon.csv").itertuples():
        found[f"finish/{row.method}/{row.finish}/{row.metric}"] = row.value
    for row in _read("default_toon.csv").itertuples():
        found[f"default/{row.protocol}/{row.metric}"] = row.value
    for head, file in (("further", "eyes_further_toon"), ("erasing", "erasing_toon"), ("partners", "partners_toon")):
        rows = _read(f"{file}.csv")  # the first column names the way; over the seeds
        found |= _named(head, rows.groupby(rows.columns[0]).mean().drop(columns="train_seed"))
    seeds = _read("seeds_toon.csv").groupby(["protocol", "method", "metric"])["value"].mean()
    found |= {"/".join(("seeds", *key)): value for key, value in seeds.items()}
    matching = _read("matching_toon.csv").groupby(["trained on", "network"]).mean()  # over the seeds
    found |= _named("matching", matching.drop(columns="train_seed"))
    whole = _read("whole_loss_toon.csv").groupby(["method", "loss"])
    for (method, loss), rows in whole:
        means = rows.groupby(["protocol", "metric"])["value"].mean()  # over the seeds
        found |= {f"whole/{method}/{loss}/{protocol}/{metric}": value for (protocol, metric), value in means.items()}
        found[f"whole/{method}/{loss}/share"] = pd.to_numeric(rows["feature_share"]).mean()
    found |= _named("warp", _read("warps.csv").set_index("warp"))
    found |= _named("eyes", _read("eyes_toon.csv").set_index(["protocol", "method"]))
    for path in (DATA_FOLDER / "pretrained").glob("*-*.json"):  # the cards; the last phase of a size counts
        card = json.loads(path.read_text(encoding="utf-8"))
        found |= {f"card/{card['name']}/{phase['size']}px": phase["psnr_val"] for phase in card["phases"]}
    for data in ("toon", "faces"):
        for method, parts in leak_parts(data).iterrows():
            found |= {f"leak/{data}/{method}/{part}": value for part, value in parts.items()}
    return found | _named("transfer", _read("transfer.csv").set_index("method"))


def _named(head: str, frame: pd.DataFrame) -> dict[str, float]:
    """Every number of a table as `head/line/column`; a line of two names is `one/other`."""
    lines = [name if isinstance(name, str) else "/".join(name) for name in frame.index]
    return {f"{head}/{line}/{name}": value for name in frame for line, value in zip(lines, frame[name])}


def leak_parts(data: str) -> pd.DataFrame:
    """A line a method: the three parts of P1 in dB, and their sum."""
    rows = _read(f"leak_{data}.csv").set_index(["palette", "reference"]).groupby("method", sort=False)
    parts = pd.DataFrame.from_dict({method: shares(own["psnr"]) for method, own in rows}, orient="index")
    return parts.assign(P1=parts.sum(axis=1)).rename_axis("method")


def tables() -> dict[str, str]:
    """Name -> table in Markdown: those under `figures/`, and the small ones made here."""
    if not FIGURES.is_dir():
        raise MissingFile(f"results must lie under {FIGURES}, found no such folder; the command needs the checkout")
    found = {path.name: path.read_text(encoding="utf-8").strip() for path in FIGURES.glob("*.md")}
    for name in SMALL_TABLES:
        found[name] = markdown(_read(name, dtype=str, index_col=0))
    for data in ("toon", "faces"):
        found[f"leak_{data}"] = markdown(leak_parts(data).map("{:.1f}".format).rename(columns="{}, dB".format))
    return found | {"hours": markdown(hours())}


def hours() -> pd.DataFrame:
    """What the paper's training takes: measured steps on our CPU; a GPU's share of its peak taken to be the same."""
    config = Config.from_profile("paper")
    rate = _read("throughput_cpu.csv")["images_a_second"].max()
    peak = json.loads((FIGURES / "throughput_cpu.json").read_text(encoding="utf-8"))["peak_bf16_flops"] / 1e12
    needed = config.total_steps * config.batch_size / rate / 3600
    lines = {"the two CPU cores of these tables (measured)": (f"{peak:.1f}", f"{needed:.3g}")}
    lines |= {f"{name} (data sheet)": (str(top), f"{needed * peak / top:.2g}") for name, top in GPU_PEAKS.items()}
    columns = ["bfloat16 peak, TFLOPS", "hours a method"]
    return pd.DataFrame.from_dict(lines, orient="index", columns=columns).rename_axis("device")


def _read(name: str, **options) -> pd.DataFrame:
    return pd.read_csv(FIGURES / name, keep_default_na=False, **options)  # an empty finish is a text
