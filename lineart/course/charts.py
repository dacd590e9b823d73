"""Curves and bars of the pages on attention, discriminator and losses: what a formula does as its input changes."""

import math

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure

from lineart.course.plotting import swatches

BLUE, ORANGE, GREY = "#3b62b8", "#c77f2e", "#8c8c8c"
KINDS = (BLUE, "#4f8f5b", GREY, ORANGE)  # of up to four things beside one another


def soft_lookup(scores: torch.Tensor, colors: torch.Tensor, factors: tuple[float, ...] = (1, 4, 16)) -> Figure:
    """A panel a factor: the weights softmax(factor * scores), on a ground of the colour that they mix.

    scores (k,), colors (k, 3) in [-1, 1].
    """
    figure, axes = plt.subplots(1, len(factors), figsize=(8.5, 2.2), sharey=True)
    rgb = ((colors + 1) / 2).clamp(0, 1)
    for axis, factor in zip(axes, factors):
        weights = (factor * scores).softmax(0)
        axis.bar(range(len(scores)), weights.numpy(), color=rgb.tolist(), edgecolor="black")
        axis.set_facecolor((weights @ rgb).tolist())
        axis.set_title(f"scores × {factor}", fontsize=9)
        axis.set_xticks(range(len(scores)))
    axes[0].set_ylabel("weight")
    return figure


def how_decided(scores: dict[int, torch.Tensor]) -> Figure:
    """Entropy and slope of a softmax with and without the division by the root of d_k; scores: d_k -> (n, tokens)."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.5, 2.6))
    for name, power, style in (("plain", 0, "o-"), ("divided by √d_k", 0.5, "s--")):
        weights = [(raw / width**power).softmax(-1) for width, raw in scores.items()]
        entropy = [-(p * p.clamp_min(1e-20).log()).sum(-1).mean() / math.log(p.shape[-1]) for p in weights]
        left.plot([*scores], entropy, style, label=name)
        right.plot([*scores], [(p * (1 - p)).sum(-1).mean() for p in weights], style)
    left.set_ylabel("entropy / its largest value")
    right.set_ylabel("sum of p (1 − p)")
    for axis in (left, right):
        axis.set(xscale="log", xlabel="$d_k$", ylim=(0, 1.05))
        axis.set_xticks([*scores], [*scores], minor=False)
    left.legend(frameon=False)
    figure.tight_layout()
    return figure


def cost_of_a_color(chances: tuple[float, ...]) -> Figure:
    """Average L2 and L1 cost of every colour from red to blue, where red has each of the chances and blue the rest."""
    t = np.linspace(0, 1, 101)  # the colour (1 - t, 0, t)
    figure, axes = plt.subplots(1, 2, figsize=(8, 2.4))
    for p, color, style in zip(chances, (GREY, BLUE), ("--", "-")):
        axes[0].plot(t, p * 2 * t**2 + (1 - p) * 2 * (1 - t) ** 2, style, color=color)
        axes[1].plot(t, p * 2 * t + (1 - p) * 2 * (1 - t), style, color=color, label=f"{p:.0%} red")
    for axis, title in zip(axes, ("L2: lowest in between", "L1: lowest at one end")):
        axis.set_title(title, fontsize=9)
        axis.set_xticks([0, 0.5, 1], ["red", "purple", "blue"])
    axes[0].set_ylabel("average cost")
    axes[1].legend(frameon=False, fontsize=8)
    return figure


def chosen_colors(cases: list[np.ndarray]) -> Figure:
    """A row a case: its equally likely colours (n, 3), 0 to 1, and what L2 and L1 choose."""
    figure, axes = plt.subplots(len(cases), 3, figsize=(7, 0.75 * len(cases)), width_ratios=(10, 2, 2))
    for row, colors in zip(axes, cases):
        for axis, strip in zip(row, (colors, colors.mean(0)[None], np.median(colors, axis=0)[None])):
            swatches(255 * strip, axis)
    for axis, title in zip(axes[0], ("paintings", "L2: mean", "L1: median")):
        axis.set_title(title, fontsize=9)
    return figure


def heights(values: dict[str, float], ylabel: str) -> Figure:
    """One bar a name."""
    figure, axis = plt.subplots(figsize=(7, 2.2))
    axis.bar(list(values), list(values.values()), color=BLUE)
    axis.tick_params(labelsize=8)
    axis.set_ylabel(ylabel)
    return figure


def bars(groups: dict[str, tuple[float, ...]], labels: tuple[str, ...], ylabel: str) -> Figure:
    """Shares as groups of bars: a group's name to one value for each of the labels."""
    figure, axis = plt.subplots(figsize=(7.5, 2.6))
    places, width = np.arange(len(groups)), 0.75 / len(labels)
    for i, (label, color, hatch) in enumerate(zip(labels, (BLUE, ORANGE, "#bbbbbb"), ("", "//", ".."))):
        own = places + width * (i - (len(labels) - 1) / 2)
        shares = [values[i] for values in groups.values()]
        found = axis.bar(own, shares, width, label=label, color=color, hatch=hatch, edgecolor="white")
        axis.bar_label(found, fmt="{:.0%}", fontsize=8)
    axis.set_xticks(places, groups)
    axis.set(ylim=(0, 1.25), yticks=[0, 0.2, 0.4, 0.6, 0.8, 1], ylabel=ylabel)
    axis.legend(frameon=False, ncol=len(labels))
    return figure


def two_games() -> Figure:
    """Value and slope of the generator's two possible wishes, over the logit of a fake patch."""
    z = torch.linspace(-8, 8, 200)
    figure, axes = plt.subplots(1, 2, figsize=(8, 2.3))
    wishes = {"−log D (Eq. 5)": (F.softplus(-z), torch.sigmoid(-z), BLUE, "-")}
    wishes["log(1 − D)"] = -F.softplus(z), torch.sigmoid(z), ORANGE, "--"
    for name, (value, slope, color, style) in wishes.items():
        axes[0].plot(z, value, style, color=color, label=name)
        axes[1].plot(z, slope, style, color=color)
    for axis, title in zip(axes, ("value", "push towards 'real'")):
        axis.set_title(title, fontsize=9)
        axis.set_xlabel("logit of a fake patch")
    axes[0].legend(frameon=False, fontsize=8)
    return figure


def influence(names: list[str], sizes: dict[str, list[float]]) -> Figure:
    """A panel a measure, logarithmic: one bar a term."""
    figure, axes = plt.subplots(1, len(sizes), figsize=(10, 2.6))
    for axis, (title, values) in zip(axes, sizes.items()):
        axis.bar(names, values, color=KINDS)
        axis.set_yscale("log")
        axis.set_title(title, fontsize=9)
        axis.tick_params(labelsize=8)
    figure.tight_layout()
    return figure


def falls_from(history: list[float], guess: float, ylabel: str) -> Figure:
    """A loss over the steps, with a dotted line at the loss of one that guesses."""
    figure, axis = plt.subplots(figsize=(5, 1.8))
    axis.plot(history, color=BLUE)
    axis.axhline(guess, color="grey", ls=":")
    axis.set(xlabel="step", ylabel=ylabel)
    return figure
