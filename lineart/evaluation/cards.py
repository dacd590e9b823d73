"""data/pretrained/README.md: the weights' model cards, in the form of the Hugging Face Hub.

The metadata at the head is read by machines, the rest by people. Everything is read from the card beside each file of
weights (`train_weights.py` writes it) and from the rows under `figures/` that were measured on this very file.
"""

import json
from pathlib import Path

import pandas as pd

from lineart.config import DATA_FOLDER, MissingFile
from lineart.evaluation.results import FIGURES
from lineart.evaluation.tables import markdown, number
from lineart.files import write_text
from lineart.methods import METHODS

PRETRAINED = DATA_FOLDER / "pretrained"
TEMPLATE = Path(__file__).with_name("cards.in.md")
SHOWN = {("P1", "PSNR"), ("P2", "PSNR"), ("P4", "PSNR"), ("P4", "CIEDE2000"), ("P4", "bleeding")}
REFERENCES = {
    "self": "the truth itself",
    "warped": "the truth, bent and flipped",
    "other": "another drawing in the same colours",
}
TAGS = ["line-art", "colorization", "anime", "image-to-image", "cross-attention", "gan", "u-net"]


def write_cards(path: str | Path = PRETRAINED / "README.md") -> Path:
    """Raises MissingFile where there are no weights with cards."""
    import yaml  # an extra; nothing else of the evaluation needs one

    cards = read_cards()
    if not cards:
        raise MissingFile(f"weights with their cards must lie in {PRETRAINED}, found none")
    head = yaml.safe_dump(metadata(cards), sort_keys=False, allow_unicode=True, width=110)
    text = TEMPLATE.read_text("utf-8").replace("{{networks}}", markdown(overview(cards), align="---"))
    sections = "\n\n".join(section(card) for card in cards)
    return write_text(path, f"---\n{head}---\n\n" + text.replace("{{cards}}", sections))


def read_cards() -> list[dict]:
    """The cards of all shipped weights, `toon` first, in the order of the methods; each with its measured rows."""
    cards = [json.loads(path.read_text("utf-8")) for path in PRETRAINED.glob("*.json")]
    cards = [card for card in cards if "sha256" in card]  # the others say which weights are the best
    for card in cards:
        card["method"] = card["name"].removeprefix(f"{card['data']}-")  # which the oldest cards do not name
        card["rows"] = measured(card)
    order = list(METHODS)
    return sorted(cards, key=lambda card: (card["data"] != "toon", order.index(card["method"])))


def measured(card: dict) -> pd.DataFrame:
    """The rows that were measured on this file of weights, as the network painted."""
    paths = (FIGURES / f"{table}_{card['data']}.csv" for table in ("extended", "default"))
    known = [path for path in paths if path.exists()]
    rows = pd.concat([pd.read_csv(path, keep_default_na=False, dtype={"checkpoint": str}) for path in known])
    rows = rows[(rows["checkpoint"] == card["sha256"]) & rows["finish"].isin(["", "smooth"])]
    return rows[[key in SHOWN for key in zip(rows["protocol"], rows["metric"])]]


def metadata(cards: list[dict]) -> dict:
    """What the Hub reads: licence, library, tags, data, and the measured numbers of every network."""
    return {
        "license": "other",
        "license_name": "cc-by-4.0-for-toon-and-research-only-for-faces",
        "library_name": "lineart",
        "pipeline_tag": "image-to-image",
        "tags": TAGS,
        "datasets": sorted({card["data"] for card in cards}, reverse=True),
        "metrics": ["psnr"],
        "model-index": [
            {"name": card["name"], "results": [_result(card, *group) for group in card["rows"].groupby("protocol")]}
            for card in cards
            if len(card["rows"])
        ],
    }


def _result(card: dict, protocol: str, rows: pd.DataFrame) -> dict:
    return {
        "task": {"type": "image-to-image", "name": "Reference-based line art colorization"},
        "dataset": {"type": card["data"], "name": f"{card['data']}, test set, protocol {protocol}"},
        "metrics": [
            {"type": row.metric.lower(), "name": f"{row.metric}, {protocol}", "value": round(row.value, 3)}
            for row in rows.itertuples()
        ],
    }


def overview(cards: list[dict]) -> pd.DataFrame:
    lines = {
        f"[`{card['name']}`](#{card['name']})": {
            "method": METHODS[card["method"]].title,
            "P1, dB": _psnr(card, "P1"),
            "P2, dB": _psnr(card, "P2"),
            "P4, dB": _psnr(card, "P4"),
            "licence": licence(card),
        }
        for card in cards
    }
    return pd.DataFrame.from_dict(lines, orient="index").rename_axis("weights")


def licence(card: dict) -> str:
    return card["licence"].partition(",")[0].partition(";")[0]


def _psnr(card: dict, protocol: str) -> str:
    rows = card["rows"]
    rows = rows[(rows["protocol"] == protocol) & (rows["metric"] == "PSNR")]
    return number("PSNR", rows["value"].iloc[0]) if len(rows) else "–"


def section(card: dict) -> str:
    """The card of one file of weights, for people."""
    config, phases = card["config"], card["phases"]
    steps = "; ".join(map(_steps, phases))
    reference = REFERENCES[config.get("train_reference", "self")]  # the oldest cards are from before there was a choice
    hours = sum(p["hours"] for p in phases)
    facts = {
        "Method": METHODS[card["method"]].title,
        "Trained on": f"`{card['data']}`, {config['n_train']:,} drawings; the reference is {reference}",
        "Training": f"{steps}; seed {card['seed']}; {hours:.1f} hours on {_machine(card)}",
        "Validation": f"{phases[-1]['psnr_val']:.2f} dB of PSNR",
        "Network": f"width {config['width']}, {config['levels']} levels, {config['size']} px; float16",
        "File": f"`{card['name']}.safetensors`, {card['bytes'] / 1e6:.1f} MB, sha256 `{card['sha256']}`",
        "Made by": f"commit `{card['exported_at'][:12]}`, torch {card['versions']['torch']}, Python {card['python']}",
        "Licence": card["licence"],
    }
    return f"### {card['name']}\n\n" + "\n".join(f"- **{name}.** {fact}" for name, fact in facts.items())


def _steps(phase: dict) -> str:
    text = f"{phase['steps']:,} steps of {phase['batch_size']} at {phase['size']} px"
    if (most := phase.get("rare_colors", 1)) > 1:
        text += f", rare colours counted up to {most:g} times"
    if share := phase.get("reference_erasing", 0):
        text += f", {share:.0%} of the references with patches erased"
    if phase.get("partners"):
        text += ", half of the references other drawings that the network of the phase before coloured like the truth"
    return text


def _machine(card: dict) -> str:
    return f"{card['threads']} thread{'s' * (card['threads'] > 1)} of an {card['device']}"
