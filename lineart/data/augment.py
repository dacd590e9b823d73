"""From 8-bit arrays to a batch in [-1, 1], with the paper's random crop and flip, on the training device."""

from __future__ import annotations

import numpy as np
import torch

from lineart.data import Pairs

CROP_MARGIN = 1 / 16  # the crop moves by up to this share of the side


def to_unit(image: torch.Tensor) -> torch.Tensor:
    """uint8 0..255 -> float [-1, 1]."""
    return image.float() / 127.5 - 1


def to_uint8(image: torch.Tensor) -> torch.Tensor:
    """float [-1, 1] -> uint8 0..255, rounded to nearest."""
    return ((image.float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def random_crop_flip(line: torch.Tensor, color: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The same random crop and flip for the line (N, H, W) and the colour picture (N, H, W, 3) of every pair.

    A crop as large as the picture, moved by up to a 16th of its side, the edge repeated: as cutting from a slightly
    larger picture. Reading rows and columns by index does shift, edge and flip at once.
    """
    n, height, width = line.shape
    device = line.device
    margin_y, margin_x = int(height * CROP_MARGIN), int(width * CROP_MARGIN)
    dy = torch.randint(-margin_y, margin_y + 1, (n, 1), device=device)
    dx = torch.randint(-margin_x, margin_x + 1, (n, 1), device=device)
    rows = (torch.arange(height, device=device) + dy).clamp(0, height - 1)  # (N, H)
    columns = (torch.arange(width, device=device) + dx).clamp(0, width - 1)  # (N, W)
    flip = torch.rand(n, 1, device=device) < 0.5
    columns = torch.where(flip, columns.flip(1), columns)
    index = (torch.arange(n, device=device)[:, None, None], rows[:, :, None], columns[:, None, :])
    return line[index], color[index]


def to_batch(line: torch.Tensor, color: torch.Tensor, palette: torch.Tensor) -> dict[str, torch.Tensor]:
    """line (N, H, W) and color (N, H, W, 3) uint8, palette (N, k, 3) 0..255 -> floats in [-1, 1].

    `line` (N, 3, H, W), the same plane three times as the paper's 3-channel line drawing, `color` (N, 3, H, W),
    `palette` (N, k, 3).
    """
    return {
        "line": to_unit(line)[:, None].expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last),
        "color": to_unit(color).permute(0, 3, 1, 2),  # already channels-last in memory
        "palette": to_unit(palette),
    }


def take(pairs: Pairs, drawings, references=None, device: torch.device | str = "cpu") -> dict[str, torch.Tensor]:
    """Some pairs as a batch on a device, without augmentation: what `to_batch` returns.

    drawings: index (list, slice or array) of the lines; references: index of the colour pictures and palettes, by
    default the same, so that each drawing has its own.
    """
    references = drawings if references is None else references
    arrays = (pairs.line[drawings], pairs.color[references], pairs.palette[references])
    return to_batch(*(torch.from_numpy(np.ascontiguousarray(a)).to(device) for a in arrays))
