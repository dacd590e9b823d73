"""Where the decibels of self-reference come from: position, colours, or neither.

A drawing is coloured with each of four palettes (none; of the truth; of the warped truth; of a random picture) and each
of three references (the truth; the truth warped; a random picture). The truth with its own palette is protocol P1.
"""

import numpy as np

from lineart.data.sets import Pairs
from lineart.data.toon import INK, SLOTS
from lineart.evaluation import metrics
from lineart.evaluation.protocols import Trial
from lineart.evaluation.regions import attention_sums
from lineart.images import as_images, paint
from lineart.networks import Generator

PALETTES = ("none", "truth", "warped", "random")
REFERENCES = {"truth": "P1", "warped": "P2", "random": "P3"}  # and the protocol that has it


def leak_grid(generator: Generator, pairs: Pairs, sources: dict[str, Trial]) -> dict[tuple[str, str], np.ndarray]:
    """(palette, reference) -> PSNR in dB (n,) of every combination. "none" is a palette of nine times middle grey.

    sources: the references with their palettes, by name, the first trial of each protocol in `REFERENCES`.
    """
    palettes = {name: trial.palette for name, trial in sources.items()}
    palettes["none"] = np.full_like(pairs.palette, 127.5)
    truth, grid = as_images(pairs.color), {}
    for reference in REFERENCES:
        for palette in PALETTES:
            result = paint(generator, pairs.line, sources[reference].color, palettes[palette])
            grid[palette, reference] = metrics.psnr(result, truth).clamp(max=metrics.PSNR_CEILING).double().numpy()
    return grid


def shares(grid: dict[tuple[str, str], np.ndarray]) -> dict[str, float]:
    """P1 in three parts, dB, that add up to it.

    neither: with a random picture's colours and palette; colours: what the warped truth with the truth's palette adds,
    where all colours are there and hardly a line lies where the drawing has it; position: what is left up to P1.
    """
    shown = (("random", "random"), ("truth", "warped"), ("truth", "truth"))
    neither, colors, p1 = (float(grid[key].mean()) for key in shown)
    return {"neither": neither, "colours": colors - neither, "position": p1 - colors}


def attention_shares(
    generator: Generator, pairs: Pairs, trial: Trial, batch_size: int = 32
) -> dict[str, tuple[float, float, float]]:
    """Layer -> share of attention on the right slot; by chance; and if it stayed at its own place (`attention_sums`).

    For generators that attend to a picture, on drawings and references whose slots are known. Over all places that ask,
    whatever batch they come in; NaN where none does.
    """
    layers = generator.record_attention()
    sums = {name: np.zeros(4) for name in layers}
    for start in range(0, len(pairs), batch_size):
        some = slice(start, start + batch_size)
        paint(generator, pairs.line[some], trial.color[some], trial.palette[some], batch_size)
        for name, layer in layers.items():
            attention = layer.attention.float().cpu().numpy()
            sums[name] += attention_sums(attention, pairs.mask[some], trial.mask[some])
    generator.record_attention(False)
    return {name: tuple((found[:3] / found[3]).tolist()) for name, found in sums.items()}


def attention_by_slot(generator: Generator, pairs: Pairs, trial: Trial, batch_size: int = 32) -> np.ndarray:
    """(n, 6, 3): for each drawing and slot the three shares of `attention_shares`, of the finest layer that attends.

    So a mean over drawings has a standard error. NaN where the drawing or its reference does not show the slot, and for
    the background.
    """
    *_, layer = generator.record_attention().values()
    shares = np.full((len(pairs), len(SLOTS), 3), np.nan)
    for start in range(0, len(pairs), batch_size):
        some = slice(start, start + batch_size)
        paint(generator, pairs.line[some], trial.color[some], trial.palette[some], batch_size)
        for i, attention in enumerate(layer.attention.float().cpu().numpy(), start):
            for slot in range(1, len(SLOTS)):
                asked = np.where(pairs.mask[i] == slot, slot, INK)  # as if the drawing had no other slot
                found = attention_sums(attention[None], asked[None], trial.mask[i : i + 1])
                if found[3]:
                    shares[i, slot] = found[:3] / found[3]
    generator.record_attention(False)
    return shares
