"""How ill a training looks while it runs: one tint, red and blue exchanged, a discriminator that wins."""

from __future__ import annotations

import torch
from torch import nn

WARM_UP = 300  # steps in which every generator paints in one tint
ONE_TINT = 0.25  # share of the truth's spread below which results count as one tint
BETTER_SWAPPED = 1.0  # dB
WINNING = 0.05  # discriminator loss; 1.386 is guessing


def color_spread(image: torch.Tensor) -> torch.Tensor:
    """(N,): how far the colours of each picture (N, 3, H, W) lie apart, brightness aside; 0 for one tint.

    The standard deviation over the pixels of what is left of a pixel when its grey, the mean of its channels, is taken
    away.
    """
    chroma = image.float() - image.float().mean(1, keepdim=True)
    return chroma.var(dim=(2, 3), correction=0).mean(1).sqrt()


def relative_spread(fake: torch.Tensor, color: torch.Tensor) -> torch.Tensor:
    """The spread of the results as a share of the truth's, mean over the batch; 1 when they are as colourful."""
    return (color_spread(fake) / color_spread(color).clamp_min(0.01)).clamp_max(2).mean()


def gradient_norm(module: nn.Module) -> torch.Tensor:
    """Euclidean norm of all gradients of a network."""
    return nn.utils.get_total_norm([p.grad for p in module.parameters() if p.grad is not None])


def complaints(step: int, row: dict[str, float]) -> list[str]:
    """What a row of the log shows to be wrong, one sentence each; empty when nothing is.

    row: `spread`, the results' colour spread over the truth's; `loss_d`; `psnr_val` and `psnr_swapped`, dB on the
    validation drawings as they are and with red and blue exchanged.
    """
    found = []
    if step >= WARM_UP and row.get("spread", 1.0) < ONE_TINT:
        found.append(f"the results have one tint: their colours spread {row['spread']:.2f} times as far as the "
                     "truth's; does each picture get its own reference, and is the learning rate too high?")
    if row.get("psnr_swapped", 0.0) > row.get("psnr_val", 0.0) + BETTER_SWAPPED:
        found.append("red and blue are exchanged: with them exchanged back the results are at "
                     f"{row['psnr_swapped']:.1f} dB and not {row['psnr_val']:.1f}; somewhere BGR is read as RGB")
    if step >= WARM_UP and row["loss_d"] < WINNING:
        found.append(f"the discriminator wins: its loss is {row['loss_d']:.3f}, so its gradient says little; "
                     "lower lambda_adv or discriminator_width")
    return found
