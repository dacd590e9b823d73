"""Notebooks 04 and 12: cross-attention, the gate of the public code, and matching apart from colour."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn

from lineart.course.checks.blocks import built, seeded
from lineart.course.checks.verdict import Mistake, judge
from lineart.layers import MatchedAttention, SkipGate, positions


def linear(inputs: int, outputs: int, seed: int) -> nn.Linear:
    layer = nn.Linear(inputs, outputs, bias=False)
    layer.weight.data = seeded(outputs, inputs, seed=seed) / inputs**0.5
    return layer


def attend(x, q, k, v, to_out, scale=0.5, softmax=-1, residual=True, transpose=True):
    """X + W_O softmax(Q K^T / d_k^scale) V, or what comes of one of the usual mistakes."""
    weights = (q @ k.transpose(1, 2) / q.shape[-1] ** scale).softmax(softmax)  # (N, HW, T)
    out = to_out(weights @ v)  # (N, HW, C)
    out = out.transpose(1, 2).reshape(x.shape) if transpose else out.reshape(x.shape)
    return x + out if residual else out


def crossed(swap=False, **how):
    def wrong(x, tokens, to_q, to_k, to_v, to_out):
        k, v = (to_v, to_k) if swap else (to_k, to_v)
        return attend(x, to_q(x.flatten(2).transpose(1, 2)), k(tokens), v(tokens), to_out, **how)

    return wrong


def cross_attention(student: Callable | None) -> None:
    """cross_attention(x, tokens, to_q, to_k, to_v, to_out): (N, C, H, W), (N, T, C_ref) -> (N, C, H, W), no norm."""
    x, tokens = 2 * seeded(2, 8, 3, 4), 2 * seeded(2, 5, 6, seed=1)
    layers = linear(8, 8, 2), linear(6, 8, 3), linear(6, 8, 4), linear(8, 8, 5)

    judge(
        "cross_attention",
        student,
        crossed(),
        [(x, tokens, *layers)],
        [
            Mistake(
                "You divided by d_k, not by its root: the scores of a wide layer become so small that every "
                "token gets the same weight.",
                crossed(scale=1),
            ),
            Mistake(
                "You did not divide by the root of d_k: a wide layer decides at random, and can hardly learn.",
                crossed(scale=0),
            ),
            Mistake(
                "The softmax runs over the drawing's positions. Each position of the drawing shares out its attention "
                "over the tokens: the last axis.",
                crossed(softmax=1),
            ),
            Mistake("X is missing: the formula adds the attention to it.", crossed(residual=False)),
            Mistake(
                "You reshaped (N, HW, C) straight to (N, C, H, W), and positions and channels are mixed up. Transpose "
                "first.",
                crossed(transpose=False),
            ),
            Mistake(
                "Keys and values are exchanged: found by what it gives, and giving what it is found by.",
                crossed(swap=True),
            ),
            Mistake(
                "Two shapes do not fit. Rows are positions: x must become (N, HW, C) before the projections.",
                raises="mat1 and mat2 shapes cannot be multiplied",
            ),
        ],
        means="Each position of the drawing asks the whole reference and gets a mixture of its values.",
    )


def skip_gate(student: Callable | None) -> None:
    """skip_gate(skip, gate, from_skip, from_gate, to_map): (N, C, H, W) twice -> (N, C, H, W)."""
    layer = built(lambda: SkipGate(8, 8))

    def version(activation=F.relu, join=torch.add, scaled=lambda skip, gate: skip, end=torch.sigmoid):
        def wrong(skip, gate, from_skip, from_gate, to_map):
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
                "A softmax over the single channel of the map is 1 everywhere: the gate never closes. Take a sigmoid.",
                version(end=lambda x: x.softmax(1)),
            ),
        ],
        means="It can turn a line down. No colour of the reference comes in through it.",
    )


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
