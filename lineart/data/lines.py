"""Line drawings from colour pictures: XDoG, the extended difference of Gaussians of Winnemöller et al. (2012)."""

import numpy as np
import torch
from PIL import Image
from threadpoolctl import threadpool_limits

from lineart.images import rgb

# Other hands, for a network that shall not learn one extractor's habit; settings of `xdog`
VARIANTS: dict[str, dict[str, float]] = {
    "thin": dict(sigma=0.4, epsilon=0.7),
    "thick": dict(sigma=1.2, epsilon=0.85),
    "soft": dict(sigma=0.8, p=10.0, phi=4.0, epsilon=0.9),
    "hard": dict(phi=200.0),
}
LUMA = (19595, 38470, 7471)  # of 65536: red, green and blue in Pillow's grey


def xdog(
    grey: torch.Tensor, sigma: float = 0.6, k: float = 1.6, p: float = 20.0, epsilon: float = 0.75, phi: float = 12.0
) -> torch.Tensor:
    """Brightness (N, H, W), 0..1 -> dark lines on white (N, H, W), 0..1.

    The names are the paper's (Winnemöller, Kyprianidis & Olsen 2012, Eq. 7 and 5): sigma, width of the narrow
    Gaussian in pixels, scaled up with pictures whose shorter side is above 256 px; k, ratio of the two widths; p,
    strength of the edges; epsilon, response above which a pixel is paper, where 1 is as bright as the surroundings;
    phi, hardness of the step from line to paper. Raises ValueError where sigma, k - 1, p or phi is not positive.
    """
    for name, value in (("sigma", sigma), ("k - 1", k - 1), ("p", p), ("phi", phi)):
        if value <= 0:
            raise ValueError(f"{name} must be positive, got {value}")
    sigma = sigma * max(1.0, min(grey.shape[1:]) / 256)
    # Eq. 7 sharpens by p and judges brightness; flat dark areas shall stay paper, so brightness is judged on the
    # difference alone, around 1: flat = 1 everywhere, darker than the surroundings < 1.
    response = 1 + p * (_blur(grey, sigma) - _blur(grey, k * sigma))
    soft = torch.where(response >= epsilon, 1.0, 1 + (phi * (response - epsilon)).tanh())  # Eq. 5
    return soft.clamp(0, 1)


def _blur(grey: torch.Tensor, sigma: float) -> torch.Tensor:
    """Gaussian blur of (N, H, W), the edge mirrored and the kernel cut at 4 sigma."""
    radius = int(4 * sigma + 0.5)
    kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1, dtype=grey.dtype) / sigma) ** 2)
    first, *others = (kernel / kernel.sum()).tolist()
    for _ in range(2):  # along the rows, then along the columns
        n, height, width = grey.shape
        place = torch.arange(-radius, width + radius, device=grey.device) % (2 * width)
        place = torch.minimum(place, 2 * width - 1 - place)  # the picture, then its mirror image, and so on
        few = max(1, 65_536 // (n * width)) if grey.is_cpu else height  # so few that they stay in the cache
        parts = []
        for rows in grey.split(few, dim=1):
            rows = rows[..., place].contiguous()
            parts.append(first * rows[..., :width])
            for i, weight in enumerate(others, start=1):  # of 64 bits, a convolution takes five times as long
                parts[-1].add_(rows[..., i : i + width], alpha=weight)
        grey = torch.cat(parts, 1).transpose(1, 2)
    return grey


@torch.no_grad()
def lines_of(picture: torch.Tensor) -> torch.Tensor:
    """The lines of colour pictures (N, 3, H, W), in the same range [-1, 1] and shape, the plane three times."""
    weights = picture.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)  # luma, as Pillow's mode L
    with torch.autocast(picture.device.type, enabled=False):  # a difference of two blurs is lost in bfloat16
        grey = ((picture.float() + 1) / 2 * weights.float()).sum(1)  # (N, H, W) in 0..1
        lines = xdog(grey)[:, None]
    return (2 * lines - 1).expand(-1, 3, -1, -1)


def batch_lines(color: torch.Tensor, **settings: float) -> torch.Tensor:
    """`extract_lines` for a batch on its device: color (N, H, W, 3) uint8 -> lines (N, H, W) uint8."""
    weights = torch.tensor(LUMA, device=color.device)
    grey = ((color.int() * weights).sum(-1) + 32768 >> 16).float() / 255  # (N, H, W)
    return (255 * xdog(grey, **settings)).round().to(torch.uint8)


def extract_lines(image: Image.Image | np.ndarray, **settings: float) -> Image.Image:
    """Dark lines on white from a colour picture, mode L, of its size; upright, where EXIF turns it.

    image: PIL picture of any mode, transparent parts on white, or (H, W, 3) uint8 array; settings: those of `xdog`.
    Raises `Unfit` for pixels of 32 bits.
    """
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    grey = torch.from_numpy(np.asarray(rgb(image).convert("L")) / 255)  # 64 bits: the same bytes on any processor
    with threadpool_limits(1):  # threads that wait for each other at every small picture take nine times as long
        return Image.fromarray((255 * xdog(grey[None], **settings)[0]).round().byte().numpy())
