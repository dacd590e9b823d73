"""From 8-bit arrays to a batch in [-1, 1], with the paper's random crop and flip, on the training device."""

from functools import cache

import numpy as np
import torch
import torch.nn.functional as F

from lineart.config import Config
from lineart.data.lines import VARIANTS, batch_lines
from lineart.data.sets import Pairs
from lineart.images import to_batch, to_unit

CROP_MARGIN = 1 / 16  # the crop moves by up to this share of the side
WARP_POINTS = 4  # control points a side of the thin-plate spline
WARP_BEND, WARP_SHIFT = 0.15, 0.2  # how far a control point, and all together, move, as shares of the half side
WARP_TURN, WARP_SCALE = 20, 1.25  # degrees; factor
ERASED, ERASED_SIDE = 3, (0.25, 0.6)  # patches of a reference, at most; their sides, as shares of the picture's


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


@cache
def _spline_basis(height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Control points (P, 2), x and y in [-1, 1], and the thin-plate spline through them as a matrix (H W, P).

    The spline (Bookstein 1989) is linear in the values at its control points: this matrix times the displacements of
    the points gives the displacement of every pixel.
    """
    from scipy.interpolate import RBFInterpolator  # only bent references need it

    side = torch.linspace(-1, 1, WARP_POINTS, dtype=torch.float64)
    points = torch.cartesian_prod(side, side).flip(1)  # (P, 2)
    ys, xs = (torch.arange(n, dtype=torch.float64) * 2 / n + 1 / n - 1 for n in (height, width))
    pixels = torch.cartesian_prod(ys, xs).flip(1)  # (H W, 2)
    basis = RBFInterpolator(points, np.eye(len(points)), kernel="thin_plate_spline")(pixels)  # (H W, P)
    return points.float(), torch.from_numpy(basis).float()


def random_warp(color: torch.Tensor) -> torch.Tensor:
    """References (N, 3, H, W), each bent by a random thin-plate spline, turned, scaled, shifted and flipped.

    Hardly a line stays at its place, the colours stay: what a reference gives when it is another picture. Control
    points move by up to 0.15 of the half side, turns go up to 20 degrees, scales from 0.8 to 1.25, shifts to 0.2 of
    the half side; the edge repeats.
    """
    n, _, height, width = color.shape
    points, basis = (t.to(color.device) for t in _spline_basis(height, width))

    def draw(low: float, high: float, *shape: int) -> torch.Tensor:
        return low + (high - low) * torch.rand(n, *shape, device=color.device)

    angle, scale = torch.deg2rad(draw(-WARP_TURN, WARP_TURN)), draw(1 / WARP_SCALE, WARP_SCALE)
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).view(n, 2, 2) * scale[:, None, None]
    flip = torch.where(draw(0, 1) < 0.5, -1.0, 1.0)
    turn = turn * torch.stack([flip, torch.ones_like(flip)], 1)[:, None]  # mirrors x
    moved = points @ turn.transpose(1, 2)
    moved = moved + draw(-WARP_SHIFT, WARP_SHIFT, 1, 2) + draw(-WARP_BEND, WARP_BEND, len(points), 2)
    # A spline reproduces affine maps, so the warped places themselves can be its values.
    grid = (basis @ moved).view(n, height, width, 2)
    # Apple's MPS cannot repeat the edge; no place beyond the centre of the last pixel asks for what lies outside
    edge = torch.tensor([1 - 1 / width, 1 - 1 / height], device=color.device)
    return F.grid_sample(color.float(), grid.clamp(-edge, edge), align_corners=False)


def random_erasing(reference: torch.Tensor, share: float) -> torch.Tensor:
    """A share of the references (N, 3, H, W) with one to three patches painted over in the colour of their corner.

    Each side of a patch is 0.25 to 0.6 of the picture's. What is erased has to be matched to what is left: one side of
    the hair to the other. After random erasing (Zhong et al. 2020), which hides parts of the picture to be classified.
    """
    n, _, height, width = reference.shape
    device, (low, high) = reference.device, ERASED_SIDE
    side = low + (high - low) * torch.rand(2, n, ERASED, 1, device=device)
    start = torch.rand(2, n, ERASED, 1, device=device) * (1 - side)
    centers = [(torch.arange(size, device=device) + 0.5) / size for size in (height, width)]
    rows, columns = ((a <= c) & (c < a + b) for a, b, c in zip(start, side, centers))  # (N, 3, H), (N, 3, W)
    count = torch.randint(1, ERASED + 1, (n, 1), device=device) * (torch.rand(n, 1, device=device) < share)
    used = torch.arange(ERASED, device=device) < count  # (N, 3)
    patch = rows[:, :, :, None] & columns[:, :, None] & used[:, :, None, None]  # (N, 3, H, W)
    return torch.where(patch.any(1, keepdim=True), reference[:, :, :1, :1], reference)


def take_some(other: torch.Tensor, reference: torch.Tensor, share: float) -> torch.Tensor:
    """References (N, 3, H, W), by lot a share of them exchanged for `other` (N, 3, H, W)."""
    chosen = torch.rand(len(reference), 1, 1, 1, device=reference.device) < share
    return torch.where(chosen, other.to(reference.dtype), reference)


def random_lines(line: torch.Tensor, color: torch.Tensor) -> torch.Tensor:
    """Half of the drawings (N, H, W) redrawn from their colours (N, H, W, 3), thin, thick, soft or hard by lot.

    A network that sees one extractor's lines alone learns its habits. The settings are `lines.VARIANTS`.
    """
    lot = torch.randint(2 * len(VARIANTS), (len(line),))  # on the CPU, so that nothing waits for the device
    line = line.clone()
    for i, settings in enumerate(VARIANTS.values()):
        chosen = (lot == i).nonzero()[:, 0].to(line.device)
        if len(chosen):
            line[chosen] = batch_lines(color[chosen], **settings)
    return line


def random_jitter(reference: torch.Tensor, palette: torch.Tensor, strength: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Other colours for references (N, 3, H, W) and, by the same change, for their palettes (N, k, 3), all in [-1, 1].

    At strength 1 hue turns by up to 60 degrees about the grey axis, saturation and contrast grow or shrink by up to a
    half, and brightness moves by up to a quarter of the range; less in proportion.
    """
    n = len(reference)
    hue, saturation, contrast, brightness = (2 * torch.rand(4, n, 1, 1, device=reference.device) - 1) * strength
    angle, mean = hue * torch.pi / 3, torch.full((3, 3), 1 / 3, device=reference.device)
    one = torch.eye(3, device=reference.device)
    cross = (one.roll(1, 0) - one.roll(1, 1)) / 3**0.5  # times a colour: the cross product with the grey axis
    turn = angle.cos() * (one - mean) + mean + angle.sin() * cross  # Rodrigues' formula
    change = (1 + contrast / 2) * turn @ ((1 + saturation / 2) * (one - mean) + mean)  # (N, 3, 3)

    def apply(colors: torch.Tensor) -> torch.Tensor:  # (N, 3, any number)
        return (change @ colors + brightness / 2).clamp(-1, 1)

    return apply(reference.float().flatten(2)).view_as(reference), apply(palette.mT).mT


def training_batch(
    pairs: Pairs, config: Config, step: int, device: torch.device | str = "cpu", rank: int = 0, processes: int = 1
) -> dict[str, torch.Tensor]:
    """The augmented batch of a step: what `to_batch` returns, of this process's share of the step's pairs.

    With `other` (N, 3, H, W), and its palette, where the pairs have another drawing in the same colours.
    Each epoch visits the pairs in its own order. Everything random is drawn from the seed, the step and the rank, and
    PyTorch's random numbers are set to that: equal seeds would give every process the same noise.
    """
    epoch, position = divmod(step, max(1, len(pairs) // config.batch_size))
    order = np.random.default_rng([config.seed, epoch]).permutation(len(pairs))
    index = np.sort(order[position * config.batch_size : (position + 1) * config.batch_size])[rank::processes]
    state = np.random.SeedSequence([config.seed, step, rank]).generate_state(1, np.uint64)
    torch.manual_seed(int(state[0]))
    # 8-bit pictures and nine colours travel to the device; floats and the rest are made there
    arrays = (pairs.line[index], pairs.color[index], pairs.palette[index])
    line, color, palette = (torch.from_numpy(array).to(device) for array in arrays)
    if config.augment:
        line, color = random_crop_flip(line, color)
    if config.line_variants:
        line = random_lines(line, color)
    batch = to_batch(line, color, palette)
    if pairs.other is not None:
        other, palette = (torch.from_numpy(array[index]).to(device) for array in (pairs.other, pairs.other_palette))
        if config.augment:
            _, other = random_crop_flip(other[..., 0], other)
        batch |= {"other": to_unit(other).permute(0, 3, 1, 2), "palette": to_unit(palette)}
    return batch


def take(pairs: Pairs, drawings, references=None) -> dict[str, torch.Tensor]:
    """Some pairs as a batch, without augmentation: what `to_batch` returns.

    drawings: index (list, slice or array) of the lines; references: index of the colour pictures and palettes, by
    default the same, so that each drawing has its own.
    """
    references = drawings if references is None else references
    arrays = (pairs.line[drawings], pairs.color[references], pairs.palette[references])
    # A copy: rows of a prepared set are mapped from a file that must not be written
    return to_batch(*(torch.tensor(np.asarray(a)) for a in arrays))
