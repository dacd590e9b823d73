"""The metrics against hand-computed values, published data, independent implementations, and damaged pictures."""

import itertools
import math

import numpy as np
import pytest
import scipy.linalg
import torch
import torch.nn.functional as F
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure, peak_signal_noise_ratio
from torchmetrics.image.fid import _compute_fid
from torchmetrics.image.kid import poly_mmd

from lineart import features
from lineart.evaluation import metrics

# Sharma, Wu & Dalal (2005), Table 1: two CIELAB colours and their CIEDE2000 difference
SHARMA = np.array([
    (50.0000, 2.6772, -79.7751, 50.0000, 0.0000, -82.7485, 2.0425),
    (50.0000, 3.1571, -77.2803, 50.0000, 0.0000, -82.7485, 2.8615),
    (50.0000, 2.8361, -74.0200, 50.0000, 0.0000, -82.7485, 3.4412),
    (50.0000, -1.3802, -84.2814, 50.0000, 0.0000, -82.7485, 1.0000),
    (50.0000, -1.1848, -84.8006, 50.0000, 0.0000, -82.7485, 1.0000),
    (50.0000, -0.9009, -85.5211, 50.0000, 0.0000, -82.7485, 1.0000),
    (50.0000, 0.0000, 0.0000, 50.0000, -1.0000, 2.0000, 2.3669),
    (50.0000, -1.0000, 2.0000, 50.0000, 0.0000, 0.0000, 2.3669),
    (50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0009, 7.1792),
    (50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0010, 7.1792),
    (50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0011, 7.2195),
    (50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0012, 7.2195),
    (50.0000, -0.0010, 2.4900, 50.0000, 0.0009, -2.4900, 4.8045),
    (50.0000, -0.0010, 2.4900, 50.0000, 0.0010, -2.4900, 4.8045),
    (50.0000, -0.0010, 2.4900, 50.0000, 0.0011, -2.4900, 4.7461),
    (50.0000, 2.5000, 0.0000, 50.0000, 0.0000, -2.5000, 4.3065),
    (50.0000, 2.5000, 0.0000, 73.0000, 25.0000, -18.0000, 27.1492),
    (50.0000, 2.5000, 0.0000, 61.0000, -5.0000, 29.0000, 22.8977),
    (50.0000, 2.5000, 0.0000, 56.0000, -27.0000, -3.0000, 31.9030),
    (50.0000, 2.5000, 0.0000, 58.0000, 24.0000, 15.0000, 19.4535),
    (50.0000, 2.5000, 0.0000, 50.0000, 3.1736, 0.5854, 1.0000),
    (50.0000, 2.5000, 0.0000, 50.0000, 3.2972, 0.0000, 1.0000),
    (50.0000, 2.5000, 0.0000, 50.0000, 1.8634, 0.5757, 1.0000),
    (50.0000, 2.5000, 0.0000, 50.0000, 3.2592, 0.3350, 1.0000),
    (60.2574, -34.0099, 36.2677, 60.4626, -34.1751, 39.4387, 1.2644),
    (63.0109, -31.0961, -5.8663, 62.8187, -29.7946, -4.0864, 1.2630),
    (61.2901, 3.7196, -5.3901, 61.4292, 2.2480, -4.9620, 1.8731),
    (35.0831, -44.1164, 3.7933, 35.0232, -40.0716, 1.5901, 1.8645),
    (22.7233, 20.0904, -46.6940, 23.0331, 14.9730, -42.5619, 2.0373),
    (36.4612, 47.8580, 18.3852, 36.2715, 50.5065, 21.2231, 1.4146),
    (90.8027, -2.0831, 1.4410, 91.1528, -1.6435, 0.0447, 1.4441),
    (90.9257, -0.5406, -0.9208, 88.6381, -0.8985, -0.7239, 1.5381),
    (6.7747, -0.2908, -2.4247, 5.8714, -0.0985, -2.2286, 0.6377),
    (2.0776, 0.0795, -1.1350, 0.9033, -0.0636, -0.5514, 0.9082),
])


def noise_images(n=3, size=64, seed=0):
    return torch.randint(0, 256, (n, 3, size, size), generator=torch.Generator().manual_seed(seed)).to(torch.uint8)


def drawings(n=24, size=64, seed=0):
    """Coloured discs with black outlines on a pale ground, and their outlines: uint8 (n, 3, S, S) and (n, S, S)."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:size, :size]
    colors, lines = [], []
    for _ in range(n):
        picture = np.full((size, size, 3), rng.integers(200, 256, 3), dtype=np.uint8)
        outline = np.full((size, size), 255, dtype=np.uint8)
        for _ in range(4):
            center, radius = rng.uniform(0.2, 0.8, 2) * size, rng.uniform(0.1, 0.25) * size
            distance = np.hypot(rows - center[0], columns - center[1])
            inside, edge = distance < radius, np.abs(distance - radius) < 1
            picture[inside] = rng.integers(0, 256, 3)
            picture[edge] = 0
            outline[inside], outline[edge] = 255, 0
        colors.append(picture)
        lines.append(outline)
    return torch.tensor(np.array(colors)).permute(0, 3, 1, 2).contiguous(), torch.tensor(np.array(lines))


def add_noise(images, amount, seed=0):
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(seed)) * amount
    return (images + noise).round().clamp(0, 255).to(torch.uint8)


def blur(images, repeats):
    x = images.float()
    for _ in range(repeats):
        x = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    return x.round().to(torch.uint8)


# --- PSNR ---


def test_psnr_by_hand():
    a = torch.full((3, 3, 8, 8), 100, dtype=torch.uint8)
    b = a.clone()
    b[0] += 1  # error 1 everywhere: 20 log10 255
    b[1, 0] -= 3  # 9 in one of three channels: a mean of 3
    values = metrics.psnr(a, b)
    assert values.shape == (3,)
    assert values[0].item() == pytest.approx(48.1308, abs=1e-4)
    assert values[1].item() == pytest.approx(10 * math.log10(65025 / 3), abs=1e-9)
    assert values[2].item() == math.inf


def test_psnr_does_not_wrap_around():
    black, white = torch.zeros(1, 3, 4, 4, dtype=torch.uint8), torch.full((1, 3, 4, 4), 255, dtype=torch.uint8)
    assert metrics.psnr(black, white).item() == metrics.psnr(white, black).item() == 0


def test_psnr_is_torchmetrics():
    a, b = noise_images(), noise_images(seed=1)
    b[0] = add_noise(a[:1], 5)[0]
    expected = [peak_signal_noise_ratio(x.float(), y.float(), data_range=255.0).item() for x, y in zip(a, b)]
    assert metrics.psnr(a, b).tolist() == pytest.approx(expected, abs=1e-4)


def test_mean_psnr_counts_identical_pictures_as_100():
    assert metrics.mean_psnr(torch.tensor([20.0, math.inf])) == 60
    assert metrics.mean_psnr(torch.tensor([20.0, 30.0])) == 25


# --- MS-SSIM ---


def test_ms_ssim_is_torchmetrics_at_its_defaults():
    a = blur(noise_images(2, 256), 3)
    b = add_noise(a, 20)
    expected = multiscale_structural_similarity_index_measure(
        a.float(), b.float(), data_range=255.0, reduction="none"
    )
    values = metrics.ms_ssim(a, b)
    torch.testing.assert_close(values.float(), expected, rtol=0, atol=1e-4)
    assert (values > 0.1).all() and (values < 0.999).all()


@pytest.mark.parametrize("shape, kernel", [((33, 40), 3), ((64, 64), 3), ((112, 128), 7), ((176, 190), 11)])
def test_ms_ssim_is_torchmetrics_at_any_shape(shape, kernel):
    a = blur(noise_images(2, 192)[:, :, : shape[0], : shape[1]], 2)
    b = torch.stack((add_noise(a[0], 30), 255 - a[1]))  # the second one has negative similarities
    # torchmetrics' window follows sigma alone, int(3.5 sigma + 0.5) * 2 + 1; kernel_size is for its check of the size
    sigma = 1.5 * kernel / 11
    assert int(3.5 * sigma + 0.5) * 2 + 1 == kernel
    expected = multiscale_structural_similarity_index_measure(
        a.double(), b.double(), sigma=sigma, kernel_size=1, data_range=255.0, reduction="none"
    )
    torch.testing.assert_close(metrics.ms_ssim(a, b), expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize("size", [33, 64, 96, 97, 128, 160, 161, 180])
def test_ms_ssim_of_identical_pictures_and_of_noisier_ones(size):
    colors, _ = drawings(2, size)
    torch.testing.assert_close(metrics.ms_ssim(colors, colors), torch.ones(2, dtype=torch.float64), rtol=0, atol=1e-9)
    values = torch.stack([metrics.ms_ssim(colors, add_noise(colors, amount)) for amount in (5, 20, 60)])
    assert (values.diff(dim=0) < 0).all() and (values < 1).all() and (values > 0).all()


def ms_ssim_by_hand(a, b, kernel):
    """Wang et al. (2003) for one channel of one picture, from the window up, with reflected rims as in torchmetrics."""
    sigma = 1.5 * kernel / 11
    x = torch.arange(kernel, dtype=torch.float64) - kernel // 2
    row = torch.exp(-(x**2) / (2 * sigma**2))
    window = torch.outer(row, row) / row.sum() ** 2

    def mean(z):
        r = kernel // 2
        return F.conv2d(F.pad(z, (r, r, r, r), mode="reflect"), window[None, None])

    a, b, value = a.double()[None, None], b.double()[None, None], 1.0
    for scale, exponent in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
        mean_a, mean_b = mean(a), mean(b)
        var_a, var_b, cov = mean(a * a) - mean_a**2, mean(b * b) - mean_b**2, mean(a * b) - mean_a * mean_b
        contrast = (2 * cov + (0.03 * 255) ** 2) / (var_a + var_b + (0.03 * 255) ** 2)
        light = (2 * mean_a * mean_b + (0.01 * 255) ** 2) / (mean_a**2 + mean_b**2 + (0.01 * 255) ** 2)
        r = kernel // 2
        term = (light * contrast).mean() if scale == 4 else contrast[..., r:-r, r:-r].mean()
        value *= term.item() ** exponent
        a, b = F.avg_pool2d(a, 2), F.avg_pool2d(b, 2)
    return value


@pytest.mark.parametrize("size, kernel", [(64, 3), (128, 7), (176, 11)])
def test_ms_ssim_has_the_window_it_says(size, kernel):
    colors, _ = drawings(1, size)
    a = colors[:, :1].expand(-1, 3, -1, -1).contiguous()  # three equal channels
    b = add_noise(a[:, :1], 15).expand(-1, 3, -1, -1).contiguous()
    assert metrics.ms_ssim_kernel(size) == kernel
    assert metrics.ms_ssim(a, b).item() == pytest.approx(ms_ssim_by_hand(a[0, 0], b[0, 0], kernel), abs=1e-6)


def test_ms_ssim_kernel_limits():
    assert [metrics.ms_ssim_kernel(size) for size in (33, 96, 97, 160, 161, 512)] == [3, 3, 7, 7, 11, 11]
    with pytest.raises(ValueError, match="at least 33 px a side, got 32"):
        metrics.ms_ssim(noise_images(1, 32), noise_images(1, 32))


def test_ms_ssim_of_a_negative_is_a_number():
    colors, _ = drawings(2)
    assert metrics.ms_ssim(colors, 255 - colors).tolist() == [0, 0]


# --- perceptual distance ---


def test_perceptual_distance_of_8_bit_pictures():
    distance = metrics.PerceptualDistance("bundled")
    assert distance.name == "ST-LPIPS"
    colors, _ = drawings(3)
    noisy, noisier = add_noise(colors, 10), add_noise(colors, 40)
    assert distance(colors, colors).tolist() == [0, 0, 0]
    assert (distance(colors, noisy) < distance(colors, noisier)).all()
    a, b = (x.double() / 255 * 2 - 1 for x in (colors, noisy))
    direct = features.perceptual_distance("bundled")(a.float(), b.float()).flatten()
    torch.testing.assert_close(distance(colors, noisy), direct, rtol=1e-4, atol=1e-6)


# --- Fréchet distance ---


def gaussian_sample(n, d, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) + rng.normal(size=d)


def frechet_by_root(a, b):
    """Eq. 12 literally, with scipy's matrix square root."""
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = scipy.linalg.sqrtm(cov_a @ cov_b).real
    return np.square(a.mean(0) - b.mean(0)).sum() + np.trace(cov_a + cov_b - 2 * root)


def test_frechet_closed_forms():
    a = gaussian_sample(50, 6)
    shift = np.arange(6.0)
    covariance_trace = np.trace(np.cov(a, rowvar=False))
    assert metrics.frechet_distance(a, a + shift) == pytest.approx((shift**2).sum())  # equal covariance: means only
    scaled = a.mean(0) + 3 * (a - a.mean(0))
    assert metrics.frechet_distance(a, scaled) == pytest.approx((3 - 1) ** 2 * covariance_trace)
    one, other = a[:, :1], 2 * a[:, 1:2]  # one dimension: (mean difference)^2 + (deviation difference)^2
    by_hand = (one.mean() - other.mean()) ** 2 + (one.std(ddof=1) - other.std(ddof=1)) ** 2
    assert metrics.frechet_distance(one, other) == pytest.approx(by_hand)


def test_frechet_against_the_matrix_root():
    a, b = gaussian_sample(200, 20), gaussian_sample(150, 20, seed=1)
    assert metrics.frechet_distance(a, b) == pytest.approx(frechet_by_root(a, b), rel=1e-6)


def test_frechet_is_torchmetrics():
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


def test_frechet_invariances():
    a, b = gaussian_sample(40, 8), gaussian_sample(60, 8, seed=1)
    value = metrics.frechet_distance(a, b)
    rotation = np.linalg.qr(gaussian_sample(8, 8, seed=2))[0]
    assert value > 1
    assert metrics.frechet_distance(b, a) == pytest.approx(value)
    assert metrics.frechet_distance(a[::-1], b[np.random.default_rng(0).permutation(60)]) == pytest.approx(value)
    assert metrics.frechet_distance(a @ rotation + 5, b @ rotation + 5) == pytest.approx(value)
    assert metrics.frechet_distance(3 * a, 3 * b) == pytest.approx(9 * value)


@pytest.mark.parametrize("distance", [metrics.frechet_distance, metrics.kernel_distance])
def test_features_that_cannot_be_compared(distance):
    good = gaussian_sample(5, 4)
    for bad in (good[:1], good[:, :3], good[0]):
        with pytest.raises(ValueError, match="n, m >= 2"):
            distance(good, bad)
    with pytest.raises(ValueError, match="finite"):
        distance(good, np.full((3, 4), np.nan))


# --- KID ---


def test_kernel_distance_by_hand():
    a, b = gaussian_sample(7, 3), gaussian_sample(5, 3, seed=1)

    def kernel(x, y):
        return (sum(p * q for p, q in zip(x, y)) / 3 + 1) ** 3

    within_a = np.mean([kernel(x, y) for x, y in itertools.permutations(a, 2)])  # all ordered pairs, no self-pairs
    within_b = np.mean([kernel(x, y) for x, y in itertools.permutations(b, 2)])
    between = np.mean([kernel(x, y) for x in a for y in b])
    expected = within_a + within_b - 2 * between
    assert metrics.kernel_distance(a, b) == pytest.approx(expected)
    assert metrics.kernel_distance(a, b, batch_size=2) == pytest.approx(expected)
    assert metrics.kernel_distance(b, a) == pytest.approx(expected)


def test_kernel_distance_is_torchmetrics():
    a, b = gaussian_sample(30, 6), gaussian_sample(30, 6, seed=1)
    assert metrics.kernel_distance(a, b) == pytest.approx(poly_mmd(torch.tensor(a), torch.tensor(b)).item(), rel=1e-9)


def test_kernel_distance_is_unbiased():
    rng = np.random.default_rng(0)
    same = [metrics.kernel_distance(*rng.normal(size=(2, 10, 4))) for _ in range(400)]
    assert min(same) < 0 < max(same)
    assert abs(np.mean(same)) < 4 * np.std(same) / math.sqrt(400)
    assert metrics.kernel_distance(rng.normal(size=(50, 4)), rng.normal(size=(50, 4)) + 1) > max(same)


# --- colours ---


def test_ciede2000_reproduces_the_published_pairs():
    assert SHARMA.shape == (34, 7)
    values = metrics.ciede2000(SHARMA[:, :3], SHARMA[:, 3:6])
    np.testing.assert_allclose(values, SHARMA[:, 6], rtol=0, atol=1e-4)
    np.testing.assert_allclose(metrics.ciede2000(SHARMA[:, 3:6], SHARMA[:, :3]), values, rtol=0, atol=1e-9)


def test_ciede2000_broadcasts():
    colors = SHARMA[:5, :3]
    table = metrics.ciede2000(colors[:, None], colors[None])
    assert table.shape == (5, 5)
    np.testing.assert_allclose(np.diag(table), 0, atol=1e-12)
    assert table[1, 3] == metrics.ciede2000(colors[1], colors[3]) > 0


def test_srgb_to_lab_of_known_colours():
    rgb = np.array([(255, 255, 255), (0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255), (128, 128, 128), (10, 10, 10)])
    lab = np.array([(100, 0, 0), (0, 0, 0), (53.24, 80.09, 67.20), (87.73, -86.18, 83.18), (32.30, 79.19, -107.86),
                    (53.585, 0, 0), (2.742, 0, 0)])
    np.testing.assert_allclose(metrics.srgb_to_lab(rgb), lab, rtol=0, atol=0.01)
    assert metrics.srgb_to_lab(np.zeros((4, 5, 3), dtype=np.uint8)).shape == (4, 5, 3)


def test_palette_distance_finds_the_best_matching():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 256, (2, 5, 3))
    costs = metrics.ciede2000(metrics.srgb_to_lab(a)[:, None], metrics.srgb_to_lab(b)[None])
    best = min(np.mean([costs[i, j] for i, j in enumerate(order)]) for order in itertools.permutations(range(5)))
    assert metrics.palette_distance(a, b) == pytest.approx(best)
    assert metrics.palette_distance(a[[4, 2, 0, 1, 3]], b[[1, 0, 3, 2, 4]]) == pytest.approx(best)
    assert metrics.palette_distance(a, a[::-1]) == pytest.approx(0, abs=1e-12)
    assert metrics.palette_distance(b, a) == pytest.approx(best)
    with pytest.raises(ValueError, match="same k, got"):
        metrics.palette_distance(a, b[:4])


def test_colorfulness_by_hand():
    images = torch.zeros(3, 3, 2, 2, dtype=torch.uint8)
    images[0] = 90  # grey
    images[1, 0] = 200  # one red: rg = 200, yb = 100, no spread
    images[2, 0, 0], images[2, 2, 1] = 200, 100  # half red, half blue: rg 200 | 0, yb 100 | -100
    half = math.hypot(100, 100) + 0.3 * math.hypot(100, 0)
    expected = [0, 0.3 * math.hypot(200, 100), half]
    assert metrics.colorfulness(images).tolist() == pytest.approx(expected)


# --- lines ---


def test_line_consistency_by_hand():
    a, b = torch.full((5, 12, 12), 255, dtype=torch.uint8), torch.full((5, 12, 12), 255, dtype=torch.uint8)
    a[0, 2, :] = b[0, 3, :] = 0  # one pixel off
    a[1, 2, :] = b[1, 4, :] = 0  # two pixels off
    a[2, 2, :8] = b[2, 2, :] = 0  # 8 of 12 drawn: precision 1, recall 9 / 12 (one more within the tolerance)
    b[3, 5, :] = 0  # nothing drawn; drawing 4 is empty in both
    values = metrics.line_consistency(a, b)
    assert values.tolist() == pytest.approx([1, 0, 2 * 0.75 / 1.75, 0, 1])
    assert metrics.line_consistency(b, a).tolist() == pytest.approx([1, 0, 2 * (9 / 12) / (1 + 9 / 12), 0, 1])
    assert metrics.line_consistency(a, b, tolerance=0)[0] == 0
    assert metrics.line_consistency(a, b, tolerance=2)[1] == 1


def test_line_consistency_counts_dark_pixels_only():
    a = torch.full((1, 4, 4), 128, dtype=torch.uint8)
    b = a.clone()
    b[0, 1, 1] = 127
    assert metrics.line_consistency(a, a).item() == 1  # no ink at all
    assert metrics.line_consistency(a, b).item() == 0


@pytest.mark.parametrize("tolerance", [1, 2])
def test_line_consistency_falls_with_the_shift(tolerance):
    _, lines = drawings(8)
    values = [metrics.line_consistency(lines, lines.roll(s, -1), tolerance).mean().item() for s in (0, 1, 3, 6)]
    assert values[0] == 1 and values[1] > 0.95
    assert values[1] > values[2] > values[3]


def test_line_consistency_refuses():
    lines = torch.zeros(1, 4, 4, dtype=torch.uint8)
    with pytest.raises(ValueError, match="uint8"):
        metrics.line_consistency(lines, lines.float())
    with pytest.raises(ValueError, match="got -1"):
        metrics.line_consistency(lines, lines, tolerance=-1)


# --- damaged pictures are told apart, and for the right reason ---


def test_damage_is_ordered():
    colors, _ = drawings(24)
    others, _ = drawings(24, seed=1)  # other drawings of the same kind
    swapped = colors[:, [2, 0, 1]]  # red becomes green becomes blue; the lines stay
    faded = (colors.float().mean(1, keepdim=True) * 0.9 + colors.float() * 0.1).round().to(torch.uint8)
    network = features.frechet_features("bundled")
    real, rest = metrics.image_features(colors, network), metrics.image_features(others, network)
    assert real.shape == (24, 512)
    for distance in (metrics.frechet_distance, metrics.kernel_distance):
        kind = distance(rest, real)
        slightly, strongly = (distance(metrics.image_features(blur(colors, n), network), real) for n in (1, 4))
        gray = distance(metrics.image_features(faded, network), real)
        assert strongly > slightly and strongly > kind and gray > kind
    assert metrics.psnr(colors, swapped).mean() < metrics.psnr(colors, add_noise(colors, 5)).mean()
    assert (metrics.colorfulness(faded) < 0.2 * metrics.colorfulness(colors)).all()


def test_palette_distance_sees_swapped_and_faded_colours():
    palette = np.random.default_rng(0).integers(0, 256, (9, 3))
    near = np.clip(palette + np.random.default_rng(1).integers(-4, 5, (9, 3)), 0, 255)
    gray = np.repeat(palette.mean(1, keepdims=True), 3, axis=1)
    distances = [metrics.palette_distance(palette, other) for other in (near, palette[:, [2, 0, 1]], gray)]
    assert distances[0] < 5 < min(distances[1:])


# --- batches ---


def test_batch_size_changes_nothing():
    (a, lines), (b, other_lines) = drawings(5), drawings(5, seed=1)
    distance, network = metrics.PerceptualDistance("bundled"), features.frechet_features("bundled")
    for measure in (metrics.psnr, metrics.ms_ssim, distance):
        whole = measure(a, b)
        assert whole.shape == (5,)
        torch.testing.assert_close(measure(a, b, batch_size=2), whole, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(measure(a[3:4], b[3:4], batch_size=1), whole[3:4], rtol=1e-4, atol=1e-6)
    assert torch.equal(metrics.colorfulness(a, batch_size=2), metrics.colorfulness(a))
    whole = metrics.line_consistency(lines, other_lines)
    assert torch.equal(metrics.line_consistency(lines, other_lines, batch_size=2), whole)
    whole = metrics.image_features(a, network)
    np.testing.assert_allclose(metrics.image_features(a, network, batch_size=2), whole, rtol=1e-3, atol=1e-4)
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        metrics.psnr(a, b, batch_size=0)


@pytest.mark.parametrize("measure", [metrics.psnr, metrics.ms_ssim])
def test_other_pictures_are_refused(measure):
    good = noise_images(2)
    for bad in (good.float(), good[0], good[:, :1], good[:0]):
        with pytest.raises(ValueError, match=r"uint8 \(N, 3, H, W\)"):
            measure(good, bad)
    with pytest.raises(ValueError, match="one shape"):
        measure(good, good[:1])
