"""The paper's metrics (section 4.3, Eq. 7-12) and those of our protocols, on pictures as saved: 8 bits, 0..255.

Batches of pictures are uint8 tensors (N, 3, H, W), batches of line drawings uint8 (N, H, W) with black ink. What
compares two pictures gives one number a pair; what compares two sets (Fréchet distance, KID) takes features (n, d).
Nothing here draws random numbers. `batch_size` bounds the memory and does not change a result.
"""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from skimage.color import deltaE_ciede2000 as ciede2000
from skimage.color import rgb2lab
from torch import Tensor, nn

from lineart.config import InputError
from lineart.data.lines import batch_lines
from lineart.evaluation import features
from lineart.images import to_unit
from lineart.losses import PSNR_CEILING, mean_psnr, psnr  # noqa: F401  metrics of the paper, too

MS_SSIM_EXPONENTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # fine to coarse, Wang et al. (2003)
INK = 128  # a pixel of a line drawing darker than this is ink


def ms_ssim(a: Tensor, b: Tensor, batch_size: int = 4) -> Tensor:
    """Multi-scale structural similarity, Eq. 9 and 10, five scales with the exponents of Wang et al. (2003).

    uint8 (N, 3, H, W) twice -> (N,) float64 in 0..1, 1 for identical pictures. Equal to torchmetrics' in 64 bits, in a
    fiftieth of its time, which is why it is written out here. Both follow Wang et al. where the paper's Eq. 9 is
    shorter: the brightness term enters at the last scale only. Above 160 px a side this is the standard measure; below,
    the Gaussian window shrinks with the picture (`ms_ssim_kernel`), so values of different sizes do not compare.
    Raises InputError for a picture of less than 33 px a side.
    """
    kernel = ms_ssim_kernel(min(a.shape[-2:]))
    return _in_batches(lambda x, y: _ms_ssim(x, y, kernel), a, b, batch_size=batch_size)


def _ms_ssim(a: Tensor, b: Tensor, kernel: int) -> Tensor:
    # In 32 bits the variance of a flat area, a small difference of large numbers, costs identical cartoons 1e-4
    a, b, value = a.double(), b.double(), 1.0
    for scale, exponent in enumerate(MS_SSIM_EXPONENTS, start=1):
        similarity, contrast = _ssim(a, b, kernel)  # (N,) each
        term = similarity if scale == len(MS_SSIM_EXPONENTS) else contrast
        value = value * term.relu() ** exponent  # a root of a negative is not a number
        a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
    return value


def _ssim(a: Tensor, b: Tensor, kernel: int) -> tuple[Tensor, Tensor]:
    """SSIM (Eq. 10) and its second factor alone, means over each picture of a double (N, C, H, W) twice."""
    c1, c2, rim = (0.01 * 255) ** 2, (0.03 * 255) ** 2, kernel // 2
    rows, columns = (_gaussian_matrix(size, kernel, like=a) for size in a.shape[-2:])
    mean_a, mean_b = rows @ a @ columns.T, rows @ b @ columns.T
    var_a, var_b = rows @ a**2 @ columns.T - mean_a**2, rows @ b**2 @ columns.T - mean_b**2
    covariance = rows @ (a * b) @ columns.T - mean_a * mean_b
    brightness = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    contrast = (2 * covariance + c2) / (var_a + var_b + c2)
    # torchmetrics leaves the reflected rim out of the one mean and not of the other
    return (brightness * contrast).mean((1, 2, 3)), contrast[..., rim:-rim, rim:-rim].mean((1, 2, 3))


def _gaussian_matrix(size: int, kernel: int, like: Tensor) -> Tensor:
    """(size, size): multiplied from the left it blurs the columns of a picture, reflected at its ends.

    Sigma is 1.5 px for the standard window of 11 px. As a matrix product the blur is many times faster in 64 bits.
    """
    x = torch.arange(kernel, dtype=like.dtype, device=like.device) - kernel // 2
    window = torch.exp(-0.5 * (x / (1.5 * kernel / 11)) ** 2)
    single_pixels = torch.eye(size, dtype=like.dtype, device=like.device)[:, None]  # (size, 1, size)
    padded = F.pad(single_pixels, (kernel // 2, kernel // 2), mode="reflect")
    return F.conv1d(padded, (window / window.sum())[None, None])[:, 0].T


def ms_ssim_kernel(size: int) -> int:
    """Width in px of the Gaussian window for pictures of `size` px: 11 (the standard) above 160, 7 above 96, else 3.

    Five scales halve the picture four times; the rule, torchmetrics', is that of a picture larger than 16 (kernel - 1)
    px. At its defaults it refuses the rest (and 161 to 175 px too, because it rounds the size down).
    """
    for kernel in (11, 7, 3):
        if size > 16 * (kernel - 1):
            return kernel
    raise InputError(f"MS-SSIM needs pictures of at least 33 px a side, got {size}")


class PerceptualDistance:
    """LPIPS (`weights="imagenet"`, Eq. 11) or ST-LPIPS ("bundled") of 8-bit pictures.

    Called with uint8 (N, 3, H, W) twice, gives (N,) float: 0 for identical pictures, lower is better.
    """

    def __init__(self, weights: str) -> None:
        self.network = features.perceptual_distance(weights)

    def __call__(self, a: Tensor, b: Tensor, batch_size: int = 8) -> Tensor:
        return _in_batches(lambda x, y: self.network(to_unit(x), to_unit(y)).flatten(), a, b, batch_size=batch_size)


def image_features(images: Tensor, network: nn.Module, batch_size: int = 8) -> np.ndarray:
    """Features (n, d) of uint8 pictures (n, 3, H, W) by `features.frechet_features(weights)`."""
    return _in_batches(network, images, batch_size=batch_size).numpy()


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Fréchet distance of the Gaussians fitted to two sets of features (n, d) and (m, d), Eq. 12, in float64.

    Tr (A B)^1/2 is the sum of the singular values of R_a R_b^T, where A = R_a^T R_a and B = R_b^T R_b: the eigenvalues
    of the symmetric A^1/2 B A^1/2 are their squares. Never forming the product keeps full precision when there are
    fewer pictures than features and the covariances are singular, where a matrix root, torchmetrics' way, loses half of
    the digits.
    """
    a, b = (np.asarray(x, dtype=np.float64) for x in (a, b))
    mean_distance = np.square(a.mean(0) - b.mean(0)).sum()
    root_a, root_b = _covariance_factor(a), _covariance_factor(b)
    overlap = np.linalg.svd(root_a @ root_b.T, compute_uv=False).sum()
    return float(mean_distance + np.square(root_a).sum() + np.square(root_b).sum() - 2 * overlap)


def _covariance_factor(x: np.ndarray) -> np.ndarray:
    """R (min(n, d), d) with R^T R = the unbiased covariance of the rows of x (n, d)."""
    return np.linalg.qr((x - x.mean(0)) / np.sqrt(len(x) - 1), mode="r")


def kernel_distance(a: np.ndarray, b: np.ndarray) -> float:
    """KID (Bińkowski et al. 2018): the unbiased squared MMD with the kernel (x.y / d + 1)^3, features (n, d), (m, d).

    Over all pairs at once rather than averaged over random subsets: the same expectation, and nothing is drawn. It is
    unbiased for any n, where the Fréchet distance of few pictures comes out too large, and so it can be below zero.
    """
    a, b = (np.asarray(x, dtype=np.float64) for x in (a, b))
    within_a, within_b, between = (((x @ y.T) / x.shape[1] + 1) ** 3 for x, y in ((a, a), (b, b), (a, b)))
    # Without the diagonals: a picture is always like itself
    within = [(kernel.sum() - kernel.trace()) / (len(kernel) * (len(kernel) - 1)) for kernel in (within_a, within_b)]
    return float(sum(within) - 2 * between.mean())


def srgb_to_lab(rgb: np.ndarray) -> np.ndarray:
    """CIELAB (L 0..100, D65, 2 degrees) of sRGB colours 0..255, (..., 3) -> (..., 3) float64."""
    return rgb2lab(np.asarray(rgb, dtype=np.float64) / 255)


def palette_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Mean CIEDE2000 between two palettes (k, 3) of sRGB colours 0..255, under the best one-to-one matching.

    The order of the colours does not matter, nor does the size of their clusters.
    """
    costs = ciede2000(srgb_to_lab(a)[:, None], srgb_to_lab(b)[None])  # (k, k)
    return float(costs[linear_sum_assignment(costs)].mean())


def lines_in(pictures: np.ndarray) -> Tensor:
    """The lines of colour pictures (n, H, W, 3), or of drawings (n, H, W), as `extract_lines` sees them: (n, H, W)."""
    pictures = torch.tensor(pictures)
    if pictures.ndim == 3:
        pictures = pictures[..., None].expand(-1, -1, -1, 3)
    return _in_batches(batch_lines, pictures, batch_size=64)


def line_consistency(lines_a: Tensor, lines_b: Tensor, tolerance: int = 1, batch_size: int = 64) -> Tensor:
    """F1 of the ink (darker than 128) of two line drawings, where a pixel may be off by `tolerance` px.

    uint8 (N, H, W) twice -> (N,) in 0..1. Of a's ink the share that has ink of b nearby is the precision, of b's ink
    the share that has ink of a nearby is the recall. Two empty drawings give 1, an empty and an inked one 0.
    """

    def measure(a: Tensor, b: Tensor) -> Tensor:
        a, b = ((x < INK).float() for x in (a, b))
        near_a, near_b = (F.max_pool2d(x, 2 * tolerance + 1, stride=1, padding=tolerance) for x in (a, b))
        ink_a, ink_b = a.sum((1, 2)), b.sum((1, 2))
        precision, recall = (a * near_b).sum((1, 2)) / ink_a, (b * near_a).sum((1, 2)) / ink_b
        f1 = torch.nan_to_num(2 * precision * recall / (precision + recall), nan=0.0)  # 0 / 0: nothing matches
        return torch.where((ink_a == 0) & (ink_b == 0), 1.0, f1)

    return _in_batches(measure, lines_a, lines_b, batch_size=batch_size)


def colorfulness(images: Tensor) -> Tensor:
    """How colourful pictures look (Hasler & Süsstrunk 2003, section 7): uint8 (N, 3, H, W) -> (N,) float64.

    0 for grey pictures, about 45 for averagely, 82 for highly, 109 for extremely colourful ones.
    """
    r, g, b = images.double().flatten(2).unbind(1)  # (N, HW) each
    opponents = torch.stack((r - g, (r + g) / 2 - b))  # red-green and yellow-blue, (2, N, HW)
    spread = opponents.var(-1, correction=0).sum(0).sqrt()
    return spread + 0.3 * opponents.mean(-1).norm(dim=0)


@torch.inference_mode()
def _in_batches(measure: Callable[..., Tensor], *inputs: Tensor, batch_size: int) -> Tensor:
    """`measure` on `batch_size` rows at a time of tensors of equal length, joined again."""
    if any(x.dtype != torch.uint8 or x.shape != inputs[0].shape for x in inputs):
        found = " and ".join(f"{x.dtype} {tuple(x.shape)}" for x in inputs)
        raise ValueError(f"pictures must be uint8 in 0..255 of one shape, got {found}")
    return torch.cat([measure(*chunk) for chunk in zip(*(x.split(batch_size) for x in inputs))])
