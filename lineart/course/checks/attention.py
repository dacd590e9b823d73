"""Notebooks 04 and 12: cross-attention, the public code's gate, the mirror test, and matching apart from colour."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from lineart.course import exercises
from lineart.course.checks.blocks import built, seeded
from lineart.course.checks.verdict import Mistake, judge, predict
from lineart.layers import MatchedAttention, SkipGate, positions
from lineart.networks import Generator


def linear(inputs: int, outputs: int, seed: int) -> nn.Linear:
    layer = nn.Linear(inputs, outputs, bias=False)
    layer.weight.data = seeded(outputs, inputs, seed=seed) / inputs**0.5
    return layer


def attend(x, q, k, v, to_out, scale=0.5, softmax=-1, residual=True, transpose=True):
    """X + W_O softmax(Q K^T / d_k^scale) V, or what comes of one of the usual mistakes."""
    scores = q @ k.transpose(1, 2) / q.shape[-1] ** scale  # (N, HW, T)
    weights = scores if softmax is None else scores.softmax(softmax)
    out = to_out(weights @ v)  # (N, HW, C)
    out = out.transpose(1, 2).reshape(x.shape) if transpose else out.reshape(x.shape)
    return x + out if residual else out


def crossed(swap=False, mixed=False, out=True, **how):
    def wrong(x, tokens, to_q, to_k, to_v, to_out):
        k, v = (to_v, to_k) if swap else (to_k, to_v)
        rows = x.reshape(len(x), -1, x.shape[1]) if mixed else x.flatten(2).transpose(1, 2)  # (N, HW, C)
        return attend(x, to_q(rows), k(tokens), v(tokens), to_out if out else nn.Identity(), **how)

    return wrong


OF_CROSS_ATTENTION = [
    Mistake(
        "You divided by d_k, not by its root: the scores of a wide layer become so small that every "
        "token gets the same weight.",
        crossed(scale=1),
    ),
    Mistake(
        "You did not divide by the root of d_k: a wide layer decides at random, and can hardly learn.", crossed(scale=0)
    ),
    Mistake(
        "The softmax runs over the drawing's positions. Each position of the drawing shares out its attention "
        "over the tokens: the last axis.",
        crossed(softmax=1),
    ),
    Mistake("X is missing: the formula adds the attention to it.", crossed(residual=False)),
    Mistake(
        "You reshaped (N, HW, C) straight to (N, C, H, W), and positions and channels are mixed up. Transpose first.",
        crossed(transpose=False),
    ),
    Mistake(
        "Keys and values are exchanged: found by what it gives, and giving what it is found by.", crossed(swap=True)
    ),
    Mistake("`to_out` is missing: the mixture goes through it before X is added.", crossed(out=False)),
    Mistake("The softmax is missing: each position's weights must be positive and sum to 1.", crossed(softmax=None)),
    *(
        Mistake(
            "You reshaped x straight to (N, HW, C), and positions and channels are mixed up. `flatten(2)`, "
            "then transpose.",
            crossed(mixed=True, transpose=transpose),
        )
        for transpose in (True, False)
    ),
    Mistake(
        "Two shapes do not fit. Rows are positions, with the channels last: x must become (N, HW, C) before "
        "`to_q`, keys and values come from `tokens`, and `to_out` takes rows, too, before you go back "
        "to (N, C, H, W).",
        raises="mat1 and mat2 shapes cannot be multiplied",
    ),
]


def cross_attention(student: Callable | None) -> None:
    """cross_attention(x, tokens, to_q, to_k, to_v, to_out): (N, C, H, W), (N, T, C_ref) -> (N, C, H, W), no norm."""
    x, tokens = 2 * seeded(2, 8, 3, 4), 2 * seeded(2, 5, 6, seed=1)
    layers = linear(8, 8, 2), linear(6, 8, 3), linear(6, 8, 4), linear(8, 8, 5)

    judge(
        "cross_attention",
        student,
        crossed(),
        [(x, tokens, *layers)],
        OF_CROSS_ATTENTION,
        means="Each position of the drawing asks the whole reference and gets a mixture of its values.",
    )


def skip_gate(student: Callable | None) -> None:
    """skip_gate(skip, gate, from_skip, from_gate, to_map): (N, C, H, W) twice -> (N, C, H, W)."""
    layer = built(lambda: SkipGate(8, 8))

    def version(activation=F.relu, join=torch.add, scaled=lambda skip, gate: skip, end=torch.sigmoid, swap=False):
        def wrong(skip, gate, from_skip, from_gate, to_map):
            from_skip, from_gate = (from_gate, from_skip) if swap else (from_skip, from_gate)
            joint = activation(join(from_skip(skip), from_gate(gate)))
            return scaled(skip, gate) * end(to_map(joint))

        return wrong

    judge(
        "skip_gate",
        student,
        version(),
        [(seeded(2, 8, 4, 5), seeded(2, 8, 4, 5, seed=1), layer.from_skip, layer.from_gate, layer.to_map)],
        [
            Mistake(
                "You scaled the decoder's map. The gate turns the skip up and down.",
                version(scaled=lambda skip, gate: gate),
            ),
            Mistake("The ReLU between the sum and the map is missing.", version(activation=lambda x: x)),
            Mistake("You multiplied the two projections. The gate is additive: it adds them.", version(join=torch.mul)),
            Mistake("The map is not squeezed between 0 and 1: a sigmoid is missing.", version(end=lambda x: x)),
            Mistake(
                "Your gate is 1 everywhere: the skip comes back as it was. A softmax over the map's single channel "
                "does that; take a sigmoid.",
                version(end=lambda x: x.softmax(1)),
            ),
            Mistake(
                "The two projections are exchanged: `from_skip` takes the skip, `from_gate` the decoder's map.",
                version(swap=True),
            ),
        ],
        means="It can turn a line down. No colour of the reference comes in through it.",
    )


def mirror_test(answer: Any, generator: Generator, batch: dict[str, torch.Tensor]) -> None:
    """batch: line, palette and color, whose mirror image is the reference."""
    if answer is None:
        return predict("mirror_test", answer, 0, "")
    layers = [*generator.record_attention().values()]
    found = [layer.attention for layer in layers]  # what the page has left, and may read again
    guesses, right = _guesses_of_the_mirror(generator, batch, found[-2:])
    for layer, attention in zip(layers, found):
        layer.attention = attention
    means = "Where own place wins although the right part is on the other side, the layer has learned an address."
    predict("mirror_test", answer, right, tolerance=0.002, guesses=guesses, means=means)


def _guesses_of_the_mirror(generator, batch, found):
    line, palette, color = (batch[name] for name in ("line", "palette", "color"))
    both, neither, upside_down, right = (
        np.array(exercises.e04_mirror_test(generator, turned, palette, reference))
        for turned, reference in (
            (line.flip(-1), color.flip(-1)),
            (line, color),
            (line, color.flip(-2)),
            (line, color.flip(-1)),
        )
    )
    rows = [layer.attention.flatten(1, 2) for layer in [*generator.record_attention().values()][-2:]]  # (n, HW, HW)
    reversed_ = [row.flip(-1).diagonal(dim1=1, dim2=2).mean().item() for row in rows]
    guesses = [
        (both, "You mirrored the drawing along with its reference: its own place is right again. Mirror only one."),
        (neither, "The reference is not mirrored. Run the network again with `flip(-1)`, then read the attention."),
        (upside_down, "The reference stands on its head. Left and right are the last axis."),
        (right[:, ::-1], "The two are exchanged: own place first, then the mirrored one."),
        (right[::-1], "The layers are exchanged: the order is that of `last`."),
        (100 * right, "Those are percentages. Give shares between 0 and 1."),
        (
            np.column_stack([right[:, 0], reversed_]),
            "You turned T = HW round as one long row, which also swaps top and bottom. Take it apart into H and W, and "
            "flip W alone.",
        ),
    ]
    if all(attention is not None and len(attention) != len(line) for attention in found):
        others = [exercises.e04_own_and_mirrored(attention) for attention in found]
        words = "Those are the shares of another run, with a batch of {}. Run the network on the {} drawings alone."
        guesses.append((others, words.format(len(found[0]), len(line))))
    return guesses, right


def matched(layer, x, tokens, match, there, own=1, asks=1, keys=1, value=0, out=True, **how):
    q = own * layer.to_q(positions(x)) + asks * layer.match_q(positions(match))
    k = own * layer.to_k(tokens) + keys * layer.match_k(positions(there))
    v = layer.to_v(tokens) + value * layer.match_k(positions(there))
    return attend(x, q, k, v, layer.to_out if out else nn.Identity(), **how)


MATCHED = [
    Mistake(
        "The matching maps are not used: this is the paper's attention again.", lambda *a: matched(*a, asks=0, keys=0)
    ),
    Mistake(
        "Only the matching maps ask and answer. They are added to Q and K of the colour features.",
        lambda *a: matched(*a, own=0),
    ),
    Mistake(
        "The drawing asks by its matching map, but the reference cannot be found by its own: add it to K, too.",
        lambda *a: matched(*a, keys=0),
    ),
    Mistake(
        "The reference can be found by its matching map, but the drawing does not ask by its own: add it to Q, too.",
        lambda *a: matched(*a, asks=0),
    ),
    Mistake(
        "Your result went through the layer's norm. The exercise asks for the sum before it, made of the "
        "layer's parts: calling the whole layer does all of it for you.",
        lambda layer, *maps: layer(*maps),
    ),
    Mistake("The scores are not divided by the root of d_k.", lambda *a: matched(*a, scale=0)),
    Mistake("You divided the scores by d_k, not by its root.", lambda *a: matched(*a, scale=1)),
    Mistake("X is missing: the formula adds the attention to it.", lambda *a: matched(*a, residual=False)),
    Mistake("`to_out` is missing: W_O comes before X is added.", lambda *a: matched(*a, out=False)),
    Mistake(
        "You reshaped (N, HW, C) straight to (N, C, H, W), and positions and channels are mixed up. Transpose first.",
        lambda *a: matched(*a, transpose=False),
    ),
    Mistake(
        "The matching map went into V as well. What is found by lines must give colours, and nothing else.",
        lambda *a: matched(*a, value=1),
    ),
]


def matched_attention(student: Callable | None) -> None:
    """matched_attention(layer, x, tokens, match, reference_match) -> (N, C, H, W): the layer's parts, not its norm."""
    layer = built(lambda: MatchedAttention(8, 6))
    for part in (layer.to_q, layer.to_k, layer.match_q, layer.match_k):
        part.weight.data *= 8  # decided enough that a mistake shows
    maps = seeded(2, 8, 3, 4), seeded(2, 6, 6, seed=1), seeded(2, 8, 3, 4, seed=2), seeded(2, 8, 2, 3, seed=3)

    judge(
        "matched_attention",
        student,
        matched,
        [(layer, *maps)],
        MATCHED,
        means="What asks and what answers is now described in the same words, and the colours still come from V alone.",
    )
