"""The metrics against hand-computed values, published data, independent implementations, and damaged pictures."""

import itertools
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure, peak_signal_noise_ratio
from torchmetrics.image.fid import _compute_fid
from torchmetrics.image.kid import poly_mmd

from lineart.data.lines import extract_lines
from lineart.evaluation import features, metrics

# Sharma, Wu & Dalal (2005), some of Table 1: two CIELAB colours and their CIEDE2000 difference
SHARMA = np.array(
    [
        (50, 2.6772, -79.7751, 50, 0, -82.7485, 2.0425),
        (50, 2.49, -0.001, 50, -2.49, 0.0009, 7.1792),
        (50, 2.49, -0.001, 50, -2.49, 0.0011, 7.2195),  # on the other side of a branch of the formula
        (50, 2.5, 0, 58, 24, 15, 19.4535),
        (2.0776, 0.0795, -1.135, 0.9033, -0.0636, -0.5514, 0.9082),
    ]
)


def noise_images(n=3, size=64, seed=0):
    return torch.randint(0, 256, (n, 3, size, size), generator=torch.Generator().manual_seed(seed)).to(torch.uint8)


def drawings(n=24, size=64, seed=0):
    """Coloured discs with black outlines on a pale ground, and their outlines: uint8 (n, 3, S, S) and (n, S, S)."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:size, :size]
    colors, lines = rng.integers(200, 256, (n, 1, 1, 3), np.uint8).repeat(size, 1).repeat(size, 2), []
    for picture in colors:
        for row, column in rng.uniform(0.2, 0.8, (4, 2)) * size:
            radius, distance = rng.uniform(0.1, 0.25) * size, np.hypot(rows - row, columns - column)
            picture[distance < radius] = rng.integers(0, 256, 3)
            picture[np.abs(distance - radius) < 1] = 0
        lines.append(np.where(picture.any(-1), 255, 0).astype(np.uint8))
    return torch.tensor(colors).permute(0, 3, 1, 2).contiguous(), torch.tensor(np.array(lines))


def add_noise(images, amount, seed=0):
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(seed)) * amount
    return (images + noise).round().clamp(0, 255).to(torch.uint8)


def blur(images, repeats):
    x = images.float()
    for _ in range(repeats):
        x = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    return x.round().to(torch.uint8)


def test_psnr_by_hand_and_as_torchmetrics():
    a = torch.full((3, 3, 8, 8), 100, dtype=torch.uint8)
    b = a.clone()
    b[0] += 1  # error 1 everywhere: 20 log10 255
    b[1, 0] -= 3  # 9 in one of three channels: a mean of 3
    assert metrics.psnr(a, b).tolist() == pytest.approx([48.1308036, 10 * math.log10(65025 / 3), math.inf])
    black, white = torch.zeros_like(a), torch.full_like(a, 255)
    assert metrics.psnr(black, white).tolist() == metrics.psnr(white, black).tolist() == [0, 0, 0]  # no wrap around
    a, b = noise_images(), add_noise(noise_images(), 5)
    expected = [peak_signal_noise_ratio(x.float(), y.float(), data_range=255.0).item() for x, y in zip(a, b)]
    assert metrics.psnr(a, b).tolist() == pytest.approx(expected, abs=1e-4)
    assert metrics.mean_psnr(torch.tensor([20.0, 30.0])) == 25
    assert metrics.mean_psnr(torch.tensor([20.0, math.inf])) == 60


# --- MS-SSIM ---


@pytest.mark.parametrize("shape, kernel", [((33, 40), 3), ((64, 64), 3), ((112, 128), 7), ((176, 190), 11)])
def test_ms_ssim_is_torchmetrics_at_any_shape(shape, kernel):
    a = blur(noise_images(2, 192)[:, :, : shape[0], : shape[1]], 2)
    b = torch.stack((add_noise(a[0], 30), 255 - a[1]))  # the second one has negative similarities
    # torchmetrics' window follows sigma alone, int(3.5 sigma + 0.5) * 2 + 1; kernel_size is for its check of the size
    sigma = 1.5 * kernel / 11
    assert int(3.5 * sigma + 0.5) * 2 + 1 == kernel == metrics.ms_ssim_kernel(min(shape))
    expected = multiscale_structural_similarity_index_measure(
        a.double(), b.double(), sigma=sigma, kernel_size=1, data_range=255.0, reduction="none"
    )
    torch.testing.assert_close(metrics.ms_ssim(a, b), expected, rtol=0, atol=1e-7)


def test_ms_ssim_has_limits():
    assert [metrics.ms_ssim_kernel(size) for size in (33, 96, 97, 160, 161, 512)] == [3, 3, 7, 7, 11, 11]
    with pytest.raises(ValueError, match="at least 33 px a side, got 32"):
        metrics.ms_ssim(noise_images(1, 32), noise_images(1, 32))


# --- perceptual distance ---


def test_perceptual_distance_of_8_bit_pictures():
    distance = metrics.PerceptualDistance("bundled")
    colors, _ = drawings(3)
    noisy, noisier = add_noise(colors, 10), add_noise(colors, 40)
    assert distance(colors, colors).tolist() == [0, 0, 0]
    assert (distance(colors, noisy) < distance(colors, noisier)).all()


# --- Fréchet distance and KID ---


def gaussian_sample(n, d, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + rng.normal(size=d)


def test_frechet_closed_forms_and_as_torchmetrics():
    a = gaussian_sample(50, 6)
    shift = np.arange(6.0)
    covariance_trace = np.trace(np.cov(a, rowvar=False))
    assert metrics.frechet_distance(a, a + shift) == pytest.approx((shift**2).sum())  # equal covariance: means only
    scaled = a.mean(0) + 3 * (a - a.mean(0))
    assert metrics.frechet_distance(a, scaled) == pytest.approx((3 - 1) ** 2 * covariance_trace)
    one, other = a[:, :1], 2 * a[:, 1:2]  # one dimension: (mean difference)^2 + (deviation difference)^2
    by_hand = (one.mean() - other.mean()) ** 2 + (one.std(ddof=1) - other.std(ddof=1)) ** 2
    assert metrics.frechet_distance(one, other) == metrics.frechet_distance(other, one) == pytest.approx(by_hand)
    a, b = gaussian_sample(300, 16), gaussian_sample(300, 16, seed=1)
    moments = (torch.tensor(x) for s in (a, b) for x in (s.mean(0), np.cov(s, rowvar=False)))
    assert metrics.frechet_distance(a, b) == pytest.approx(_compute_fid(*moments).item(), rel=1e-6)


def test_frechet_of_fewer_pictures_than_features():
    a, b = gaussian_sample(10, 64), gaussian_sample(12, 64, seed=1)
    scale = np.trace(np.cov(a, rowvar=False))
    assert metrics.frechet_distance(a, a) == pytest.approx(0, abs=1e-12 * scale)
    assert metrics.frechet_distance(a, a + 1) == pytest.approx(64)
    # The same 10 + 12 points in the 22 dimensions that they span
    basis = np.linalg.qr(np.concatenate((a, b)).T)[0]
    assert metrics.frechet_distance(a @ basis, b @ basis) == pytest.approx(metrics.frechet_distance(a, b))


def test_kernel_distance_is_torchmetrics_and_unbiased():
    a, b = gaussian_sample(30, 6), gaussian_sample(30, 6, seed=1)
    assert metrics.kernel_distance(a, b) == pytest.approx(poly_mmd(torch.tensor(a), torch.tensor(b)).item(), rel=1e-9)
    rng = np.random.default_rng(0)  # of any two counts
    same = [metrics.kernel_distance(rng.normal(size=(10, 4)), rng.normal(size=(7, 4))) for _ in range(400)]
    assert min(same) < 0 < max(same) and abs(np.mean(same)) < 4 * np.std(same) / math.sqrt(400)


# --- colours and lines ---


def test_colour_differences_are_the_published_ones():
    """As skimage computes them; it is the version in the lock that the tables stand on."""
    found = metrics.ciede2000(SHARMA[:, :3], SHARMA[:, 3:6])
    np.testing.assert_allclose(found, SHARMA[:, 6], rtol=0, atol=1e-4)
    rgb = np.array([(255, 255, 255), (0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255), (128, 128, 128)])
    lab = np.array(
        [(100, 0, 0), (0, 0, 0), (53.24, 80.09, 67.20), (87.73, -86.18, 83.18), (32.30, 79.19, -107.86), (53.585, 0, 0)]
    )
    np.testing.assert_allclose(metrics.srgb_to_lab(rgb), lab, rtol=0, atol=0.02)


def test_palette_distance_finds_the_best_matching_and_sees_swapped_and_faded_colours():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 256, (2, 5, 3))
    costs = metrics.ciede2000(metrics.srgb_to_lab(a)[:, None], metrics.srgb_to_lab(b)[None])
    best = min(np.mean([costs[i, j] for i, j in enumerate(order)]) for order in itertools.permutations(range(5)))
    assert metrics.palette_distance(a, b) == metrics.palette_distance(b, a) == pytest.approx(best)
    assert metrics.palette_distance(a[[4, 2, 0, 1, 3]], b[[1, 0, 3, 2, 4]]) == pytest.approx(best)
    near, gray = np.clip(a + rng.integers(-4, 5, a.shape), 0, 255), np.repeat(a.mean(1, keepdims=True), 3, axis=1)
    distances = [metrics.palette_distance(a, other) for other in (a[::-1], near, a[:, [2, 0, 1]], gray)]
    assert distances[0] == pytest.approx(0, abs=1e-12) and distances[1] < 5 < min(distances[2:])


def test_colorfulness_by_hand():
    images = torch.zeros(3, 3, 2, 2, dtype=torch.uint8)
    images[0] = 90  # grey
    images[1, 0] = 200  # one red: rg = 200, yb = 100, no spread
    images[2, 0, 0], images[2, 2, 1] = 200, 100  # half red, half blue: rg 200 | 0, yb 100 | -100
    half = math.hypot(100, 100) + 0.3 * math.hypot(100, 0)
    assert metrics.colorfulness(images).tolist() == pytest.approx([0, 0.3 * math.hypot(200, 100), half])


def test_line_consistency_by_hand():
    a, b = torch.full((6, 12, 12), 255, dtype=torch.uint8), torch.full((6, 12, 12), 255, dtype=torch.uint8)
    a[0, 2, :] = b[0, 3, :] = 0  # one pixel off
    a[1, 2, :] = b[1, 4, :] = 0  # two pixels off
    a[2, 2, :8] = b[2, 2, :] = 0  # 8 of 12 drawn: precision 1, recall 9 / 12 (one more within the tolerance)
    b[3, 5, :] = 0  # nothing drawn; drawing 4 is empty in both
    a[5], b[5] = 128, 128  # no ink, but for one pixel
    b[5, 1, 1] = 127
    values = metrics.line_consistency(a, b)
    assert values.tolist() == pytest.approx([1, 0, 2 * 0.75 / 1.75, 0, 1, 0])
    assert metrics.line_consistency(b, a)[2] == pytest.approx(2 * (9 / 12) / (1 + 9 / 12))
    assert metrics.line_consistency(a, b, tolerance=0)[0] == 0 and metrics.line_consistency(a, b, tolerance=2)[1] == 1


def test_damage_is_ordered():
    colors, _ = drawings(24)
    others, _ = drawings(24, seed=1)  # other drawings of the same kind
    faded = (colors.float().mean(1, keepdim=True) * 0.9 + colors.float() * 0.1).round().to(torch.uint8)
    network = features.frechet_features("bundled")
    pictures = (colors, others, blur(colors, 1), blur(colors, 4), faded)
    real, *rest = (metrics.image_features(x, network) for x in pictures)
    assert real.shape == (24, 512)
    for distance in (metrics.frechet_distance, metrics.kernel_distance):
        kind, slightly, strongly, gray = (distance(found, real) for found in rest)
        assert strongly > slightly and strongly > kind and gray > kind
    assert (metrics.colorfulness(faded) < 0.2 * metrics.colorfulness(colors)).all()


# --- damaged pictures are told apart, and for the right reason ---


def test_batch_size_changes_nothing():
    (a, lines), (b, other_lines) = drawings(5), drawings(5, seed=1)
    network = features.frechet_features("bundled")
    for measure, inputs in (
        (metrics.ms_ssim, (a, b)),
        (metrics.PerceptualDistance("bundled"), (a, b)),
        (metrics.line_consistency, (lines, other_lines)),
        (lambda images, **how: torch.tensor(metrics.image_features(images, network, **how)), (a,)),
    ):
        torch.testing.assert_close(measure(*inputs, batch_size=2), measure(*inputs), rtol=1e-3, atol=1e-4)


def test_lines_of_many_pictures_are_those_of_each():
    colors, _ = drawings(3)
    pictures = colors.permute(0, 2, 3, 1).numpy()
    each = torch.tensor(np.stack([np.asarray(extract_lines(picture)) for picture in pictures])).int()
    assert (metrics.lines_in(pictures).int() - each).abs().max() <= 1  # 32 bits instead of 64
    drawn = each.byte().numpy()
    assert torch.equal(metrics.lines_in(drawn), metrics.lines_in(drawn[..., None].repeat(3, -1)))


def test_other_pictures_are_refused():
    good = noise_images(2)
    for bad in (good.float(), good[:, :1], good[:1]):
        with pytest.raises(ValueError, match="must be uint8"):
            metrics.ms_ssim(good, bad)
