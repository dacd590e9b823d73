"""Checks of exercises, the mechanism and the lessons on pictures and numbers: they see what is right and name what is
wrong. Each mistake is made here as a student would make it, not taken from the check."""

import inspect

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from scipy.linalg import sqrtm
from scipy.ndimage import gaussian_filter

from lineart.course import checks
from lineart.data.lines import extract_lines
from lineart.evaluation import metrics
from lineart.evaluation.regions import region

NOT_YET = "not right yet"


@pytest.fixture
def said(capsys):
    def verdict(name, student, *more):
        assert getattr(checks, name)(student, *more) is None
        out = capsys.readouterr().out
        assert out.count("\n") == 1 and out.startswith(f"{name}: ")
        return out

    return verdict


WRITTEN = [
    name
    for name, check in inspect.getmembers(checks, inspect.isfunction)
    if list(inspect.signature(check).parameters) == ["student"]
]


def test_the_course_has_its_exercises():
    assert len(WRITTEN) >= 24


@pytest.mark.parametrize("name", WRITTEN)
def test_unwritten_broken_and_odd_functions_are_told_and_not_raised(name, said):
    def broken(*arguments):
        unused = 0
        return arguments[0] / unused.missing

    assert "not written yet" in said(name, None)
    assert "not written yet" in said(name, lambda *arguments: None)
    line = broken.__code__.co_firstlineno + 2
    assert f"Line {line} of your code raised AttributeError" in said(name, broken)
    assert "raised TypeError" in said(name, lambda: 0)
    assert "function itself" in said(name, 0.5)
    odd = said(name, lambda *arguments: torch.full((2, 7), 3.25))
    assert NOT_YET in odd and "[[" not in odd
    assert "What you return must be" in said(name, lambda *arguments: "text")


def test_random_numbers_of_the_page_and_inputs_of_other_calls_stay(said):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)

    def greedy(x, scale, generator):
        torch.rand(100)
        return x.mul_(0)

    said("add_noise", greedy), said("residual_block", None)
    assert torch.equal(torch.rand(3), expected)


def test_a_right_result_from_an_input_changed_in_place_is_not_right(said):
    def greedy(weight):
        weight -= weight.mean((1, 2, 3), keepdim=True)
        weight /= weight.std((1, 2, 3), keepdim=True, correction=0) * weight[0].numel() ** 0.5
        return weight

    assert "you changed `weight` itself" in said("standardize", greedy)
    assert said("standardize", lambda weight: greedy(weight.clone())).startswith("standardize: right.")


@pytest.mark.parametrize(
    "name", ["to_uint8", "nearest_color", "area_answered", "crop_and_flip", "xdog", "lloyd_step", "palette_planes"]
)
def test_an_input_changed_behind_a_right_result_is_told(name, said):
    def greedy(*arguments):
        result = ANSWERS[name][0](*arguments)
        arguments[0][...] = 0
        return result

    assert "you changed its input" in said(name, greedy) or "you changed `" in said(name, greedy)


def test_a_common_factor_and_the_first_place_are_told(said):
    assert "3 times what it should be" in said("lloyd_step", lambda p, c: 3 * lloyd(p, c))
    odd = torch.zeros(4, 3, dtype=torch.float64)
    odd[2, 1] = 1.0
    assert "First at [2, 1]: expected" in said("lloyd_step", lambda p, c: lloyd(p, c) + odd)
    assert "shape must be (4, 3), yours is (3, 4)" in said("lloyd_step", lambda p, c: lloyd(p, c).T)


def lloyd(pixels, centres, mean=lambda own: own.mean(0), pick="argmin"):
    nearest = getattr(((pixels[:, None] - centres) ** 2).sum(-1), pick)(1)
    return torch.stack([mean(pixels[nearest == j]) for j in range(len(centres))])


def eight_bits(x, shift=1, clamp=True, rounded=True, factor=127.5):
    x = (x + shift) * (factor if shift else 255)
    x = x.clamp(0, 255) if clamp else x
    return (x.round() if rounded else x).to(torch.uint8)


def nearest(picture, palette, power=2, pick=np.argmin):
    best = np.zeros(picture.shape[:2], int)
    for i, row in enumerate(picture.astype(float)):
        for j, pixel in enumerate(row):
            best[i, j] = pick(((pixel - palette) ** power).sum(1))
    return best


def area(mask, reference, all_pixels=False):
    shown = sum((mask == slot).sum() for slot in range(6) if (reference == slot).any())
    return shown / (mask.size if all_pixels else (mask < 6).sum())


def left_in(mask, reference, above, below):
    shown = sum((mask == value).sum() for value in range(above) if (reference == value).any())
    return shown / (mask < below).sum()


def move(picture, dy, dx, flip, mode="edge"):
    padded = np.pad(picture, [(4, 4), (4, 4)] + [(0, 0)] * (picture.ndim - 2), mode=mode)
    out = padded[4 + dy :, 4 + dx :][: picture.shape[0], : picture.shape[1]]
    return out[:, ::-1] if flip else out


def unflipped(line, color, dy, dx, flip):
    line, color = move(line, dy, dx, False), move(color, dy, dx, False)
    if flip:
        np.fliplr(line), np.fliplr(color)
    return line, color


def dog(grey, sigma, k, p, epsilon, phi, one=1, sign=1, soft_one=1, turned=False, wide=None):
    u = one + sign * p * (gaussian_filter(grey, sigma) - gaussian_filter(grey, wide or k * sigma))
    soft = soft_one + np.tanh(phi * (u - epsilon))
    soft[u < epsilon if turned else u >= epsilon] = 1
    return soft


def planes(palette, height, width):
    numbers = [palette[:, i, c] for i in range(9) for c in range(3)]
    return torch.stack([n.view(-1, 1, 1).expand(-1, height, width) for n in numbers], 1)


def decibels(a, b, top=255**2, log=torch.log10, floats=True, factor=10):
    error = ((a.float() - b.float()) if floats else (a - b).float()).pow(2).flatten(1).mean(1)
    return factor * log(top / error)


def decibels_of_shorts(gap):
    return 10 * torch.log10(255**2 / (gap * gap).float().mean((1, 2, 3)))


def similarity(a, b, blur, scale=255, centred=1, light=True, deviations=False, change=lambda cov: cov, power=2, turn=1):
    (c1, c2), ma, mb = [(0.01 * scale) ** power, (0.03 * scale) ** power][::turn], blur(a), blur(b)
    va, vb, cov = blur(a**2) - centred * ma**2, blur(b**2) - centred * mb**2, blur(a * b) - centred * ma * mb
    cov = torch.sqrt(va) * torch.sqrt(vb) if deviations else cov
    value = (2 * change(cov) + c2) / (va + vb + c2)
    if light == "apart":
        return value.mean((1, 2, 3)) * ((2 * ma * mb + c1) / (ma**2 + mb**2 + c1)).mean((1, 2, 3))
    return (value * ((2 * ma * mb + c1) / (ma**2 + mb**2 + c1) if light else 1)).flatten(1).mean(1)


def frechet(a, b, bias=False, twice=2, root=sqrtm, power=2):
    sa, sb = np.cov(a, rowvar=False, bias=bias), np.cov(b, rowvar=False, bias=bias)
    return np.linalg.norm(a.mean(0) - b.mean(0)) ** power + np.trace(sa + sb - twice * root(sa @ sb).real)


def complex_distance(a, b):
    sa, sb = np.cov(a.T), np.cov(b.T)
    return sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(sa + sb) - 2 * np.sqrt(np.linalg.eigvals(sa @ sb) + 0j).sum()


def mmd(a, b, self_pairs=False, d=5, twice=2, by=lambda n: n * (n - 1)):
    def k(x, y):
        return (x @ y / d + 1) ** 3

    def inside(x):
        pairs = [k(p, q) for i, p in enumerate(x) for j, q in enumerate(x) if self_pairs or i != j]
        return np.mean(pairs) if self_pairs else np.sum(pairs) / by(len(x))

    return inside(a) + inside(b) - twice * np.mean([k(p, q) for p in a for q in b])


def shuffled(n, seed):
    rng = np.random.default_rng(seed)
    order = rng.permutation(n)
    while (order == np.arange(n)).any():
        order = rng.permutation(n)
    return order


def shuffled_for_ever(n, seed, anew=True):
    rng, order = np.random.default_rng(seed), np.arange(n)
    while (order == np.arange(n)).any():
        if anew:
            order = np.random.default_rng(seed).permutation(n)
        else:
            rng.permutation(order)
    return order


def stray_by_slot(image, mask, slots, by_place=False, shares=None, specks=False):
    there = [i for i in range(6) if ((mask == i) if specks else region(mask, i)).any()]
    found = {}
    for slot in there:
        if not region(mask, slot).any():
            continue
        pixels = metrics.srgb_to_lab(image[region(mask, slot)])
        best = np.linalg.norm(pixels[:, None] - metrics.srgb_to_lab(slots[there]), axis=2).argmin(1)
        found[slot] = best != slot if by_place else np.array(there)[best] != slot
    if shares:
        return np.sum([strayed.mean() for strayed in found.values()]) / shares
    return np.concatenate([*found.values()]).mean()


def stray(image, mask, slots, space=metrics.srgb_to_lab, cut=region, only_own=True):
    insides = {i: cut(mask, i) for i in range(6)}
    names = [i for i in insides if insides[i].any() or not only_own]
    gap = np.stack([np.linalg.norm(space(image) - space(slots[i]), axis=-1) for i in names])
    strayed = sum((insides[name] & (gap.argmin(0) != j)).sum() for j, name in enumerate(names))
    return strayed / sum(inside.sum() for inside in insides.values())


def near_share(result, truth, near, power=2, dtype=int):
    error = abs(result.astype(dtype) - truth.astype(dtype)).astype(float) ** power
    return error[near].sum() / error.sum()


def slots_found(attention, asked, shown, axis=1):
    n = len(asked)
    found = sum(attention[i, j] * shown[j, asked[i]] for i in range(n) for j in range(n)) / n
    own = np.mean([shown[i, asked[i]] for i in range(n)])
    return found, own, np.mean([shown[:, slot].mean() for slot in asked])


def flat(color, labels, middle=lambda p: np.median(p, axis=0), labelled=None):
    out = color.copy()
    for label in np.unique(labels):
        if label or labelled:
            out[labels == label] = middle(color[labels == label])
    return out


def flat_but_the_first(color, labels):
    return flat(color, np.where(labels == labels.min(), 0, labels))


def flat_to(color, labels, out, more=0):
    for label in range(1, labels.max() + more):
        out[labels == label] = np.median(color[labels == label], axis=0)
    return out


ANSWERS = {
    "to_uint8": (
        eight_bits,
        [
            (lambda x: eight_bits(x, rounded=False), "decimals"),
            (lambda x: eight_bits(x, clamp=False), "clamp"),
            (lambda x: eight_bits(x, rounded=False, clamp=False), "Two things are missing: round, and clamp"),
            (lambda x: eight_bits(x, shift=0), "-1 to 0"),
            (lambda x: eight_bits(x) * 1.0, "type is not"),
            (lambda x: eight_bits(x, factor=128), "by 128"),
            (lambda x: eight_bits(x, factor=128, rounded=False), "by 128"),
            (lambda x: eight_bits(x).numpy(), "must be a tensor"),
        ],
    ),
    "nearest_color": (
        nearest,
        [
            (lambda *a: nearest(*a, pick=np.argmax), "farthest"),
            (lambda *a: nearest(*a, power=1), "signs"),
            (lambda p, c: abs(p.astype(float).sum(-1)[..., None] - c.sum(-1)).argmin(-1), "brightness"),
            (lambda p, c: abs(p[:, :, None] - c).sum(-1).argmin(-1), "sizes of the three"),
            (lambda p, c: ((p[:, :, None] - c) ** 2).sum(-1).min(-1), "how far"),
            (lambda p, c: np.linalg.norm(p[:, :, None] - c, axis=-1).min(-1), "how far"),
            (lambda p, c: nearest(p, c.astype(int)), "two colours less than a level apart"),
            (lambda p, c: nearest(p, c.round()), "two colours less than a level apart"),
            (lambda p, c: np.square(p[:, :, None] - np.uint8(c)).sum(-1).argmin(-1), "stayed in uint8"),
            (lambda p, c: np.linalg.norm(p[:, :, None] - np.uint8(c), axis=-1).argmin(-1), "stayed in uint8"),
            (lambda *a: nearest(*a) * 1.0, "not whole numbers"),
            (lambda *a: nearest(*a).tolist(), "a list of 12; make it one array"),
        ],
    ),
    "area_answered": (
        area,
        [
            (lambda *a: area(*a, all_pixels=True), "white and ink"),
            (lambda m, r: area(r, m), "other way"),
            (lambda m, r: len({*m[m < 6]} & {*r.flat}) / len({*m[m < 6]}), "counted slots"),
            (lambda *a: 1 - area(*a), "the rest"),
            (lambda *a: left_in(*a, 8, 8), "left in"),
            (lambda *a: left_in(*a, 8, 6), "left in"),
            (lambda *a: left_in(*a, 7, 7), "left in"),
            (
                lambda m, r: (
                    np.minimum(*(np.bincount(x.ravel(), minlength=8)[:6] for x in (m, r))).sum() / (m < 6).sum()
                ),
                "smaller of the two areas",
            ),
            (
                lambda m, r: sum((m == s).sum() for s in range(6) if (r == s).mean() > 0.01) / (m < 6).sum(),
                "One pixel is enough",
            ),
        ],
    ),
    "crop_and_flip": (
        lambda line, color, *how: (move(line, *how), move(color, *how)),
        [
            (lambda line, color, dy, dx, f: (move(line, dy, dx, f), move(color, dy, dx, False)), "Only the line"),
            (lambda line, color, dy, dx, f: (move(line, dy, dx, f), move(color, 0, 0, f)), "different amounts"),
            (lambda line, color, *how: (move(line, *how, "wrap"), move(color, *how, "wrap")), "np.roll"),
            (lambda line, color, dy, dx, f: (move(line, -dy, -dx, f), move(color, -dy, -dx, f)), "the other way"),
            (
                lambda line, color, dy, dx, f: [move(x[:, ::-1] if f else x, dy, dx, False) for x in (line, color)],
                "before you moved",
            ),
            (unflipped, "Neither picture was flipped"),
            (
                lambda line, color, dy, dx, f: [move(x, dy, dx, False)[:: -1 if f else 1] for x in (line, color)],
                "upside down",
            ),
            (lambda line, color, dy, dx, f: (move(line, dx, dy, f), move(color, dx, dy, f)), "exchanged"),
            (lambda line, color, *how: move(line, *how), "must return 2 arrays or numbers, you returned 1"),
        ],
    ),
    "xdog": (
        dog,
        [
            (lambda *a: dog(*a, sign=-1).clip(0), "wrong way round"),
            (lambda *a: dog(*a, one=0), "left out the 1"),
            (lambda g, s, k, *a: dog_of_narrow(g, s, k, *a), "of the narrow one"),
            (lambda *a: dog(*a, soft_one=0), "1 in 1 + tanh"),
            (lambda *a: dog(*a, turned=True), "exchanged"),
            (lambda *a: 1 - dog(*a), "inverted"),
            (lambda g, s, k, *a: dog(g, s, k, *a, wide=k), "the width k"),
            (lambda g, s, k, *a: dog(g, s, k, *a, wide=1.6 * s), "k = 1.6"),
            (lambda g, s, k, p, *a: dog(g, s, k, 20, *a), "p = 20"),
            (lambda g, *a: dog(g, 0.6, 1.6, 20, 0.75, 12), "With this page's settings"),
        ],
    ),
    "lloyd_step": (
        lloyd,
        [
            (lambda *a: lloyd(*a, pick="argmax"), "farthest"),
            (lambda *a: lloyd(*a, lambda x: x.sum(0) / 60), "all pixels"),
            (lambda *a: lloyd(*a, lambda x: x.median(dim=0)[0]), "median"),
            (lambda p, c: torch.stack([p[(p - x).norm(dim=1).argmin()] for x in c]), "pixel that is nearest"),
            (lambda *a: lloyd(*a, lambda x: x.sum(0)), "added up"),
            (lambda p, c: [c := lloyd(p, c) for _ in range(50)][-1], "one step"),
            (
                lambda p, c: torch.stack([p[torch.cdist(p, c).argmin(0) == j].mean(0) for j in range(4)]),
                "an entry for each pixel",
            ),
            (lambda *a: list(lloyd(*a)), "a list of 4; make it one tensor"),
        ],
    ),
    "palette_planes": (
        planes,
        [
            (lambda p, h, w: planes(p.transpose(1, 2).reshape(p.shape), h, w), "All reds"),
            (lambda p, h, w: p.reshape(-1, 27).tile(h * w).reshape(-1, 27, h, w), "not constant"),
            (lambda p, h, w: planes(p[:1].repeat(len(p), 1, 1), h, w), "first picture"),
            (lambda p, h, w: planes(p[..., [2, 1, 0]], h, w), "Red and blue"),
            (lambda *a: planes(*a).numpy(), "must be a tensor"),
        ],
    ),
    "psnr": (
        decibels,
        [
            (lambda a, b: decibels(a, b, floats=False), "wraps"),
            (lambda a, b: 10 * torch.log10(255**2 / ((a - b) ** 2).float().mean((1, 2, 3))), "squares of uint8 wrap"),
            (lambda a, b: decibels_of_shorts(a.short() - b.short()), "int16 ends at 32767"),
            (lambda a, b: decibels(a, b, top=1), "took 1"),
            (lambda a, b: decibels(a, b, top=255), "squared"),
            (lambda a, b: decibels(a, b, log=torch.log), "natural"),
            (lambda a, b: decibels(a, b, factor=20), "ratio of roots"),
            (lambda a, b: 10 * torch.log10(255**2 / F.mse_loss(a.float(), b.float())), "whole batch"),
            (lambda a, b: 10 * torch.log10(255**2 / (a.float() - b.float()).pow(2).mean((0, 2, 3))), "channels apart"),
            (lambda a, b: 10 * torch.log10(255**2 / (a.float() - b.float()).pow(2).sum((1, 2, 3))), "took the sum"),
            (lambda a, b: 10 * torch.log10(255**2 / (a.float() - b.float()).abs().mean((1, 2, 3))), "took absolute"),
        ],
    ),
    "ssim": (
        similarity,
        [
            (lambda *a: similarity(*a, scale=1), "0 to 1"),
            (lambda *a: similarity(*a, centred=0), "means of squares"),
            (lambda *a: similarity(*a, light=False), "brightness"),
            (lambda *a: similarity(*a).mean(), "over the batch"),
            (lambda *a: similarity(*a, deviations=True), "deviations"),
            (lambda *a: similarity(*a, change=torch.abs), "without its sign"),
            (lambda *a: similarity(*a, change=torch.relu), "cut the covariance off"),
            (lambda *a: similarity(*a, light="apart"), "two means"),
            (lambda *a: similarity(*a, power=1), "squares of C1 and C2"),
            (lambda *a: similarity(*a, turn=-1), "C1 and C2 are exchanged"),
        ],
    ),
    "frechet": (
        frechet,
        [
            (lambda *a: frechet(*a, bias=True), "n - 1"),
            (lambda *a: frechet(*a, twice=1), "factor 2"),
            (lambda *a: frechet(*a) ** 0.5, "its root"),
            (
                lambda *a: frechet(*a, root=lambda m: np.diag(np.sqrt(np.prod([x.var(0, ddof=1) for x in a], 0)))),
                "entry",
            ),
            (
                lambda *a: frechet(*a, root=lambda m: np.diag(np.sqrt(np.prod([x.var(0, ddof=1) for x in a], 0)))),
                "covariances are missing",
            ),
            (lambda *a: frechet(*a, root=np.sqrt), "You took it entry by entry"),
            (lambda *a: frechet(*a, root=lambda m: np.diag(np.linalg.eigvals(m) ** 0.5)), "cut it off at 0"),
            (lambda *a: complex_distance(*a), "complex"),
            (lambda *a: frechet(*a, power=1), "be squared"),
        ],
    ),
    "kid": (
        mmd,
        [
            (lambda *a: mmd(*a, self_pairs=True), "itself"),
            (lambda *a: mmd(*a, d=1), "divided by d"),
            (lambda *a: mmd(*a, twice=1), "factor 2"),
            (lambda *a: mmd(*a) ** 0.5, "its root"),
            (lambda *a: max(0, mmd(*a)) ** 0.5, "its root"),
            (lambda *a: max(0, mmd(*a)), "cut it off"),
            (lambda *a: mmd(*a, by=lambda n: n * n), "n * n"),
        ],
    ),
    "derangement": (
        shuffled,
        [
            (lambda n, seed: np.random.default_rng(seed).permutation(n), "itself|themselves"),
            (lambda n, seed: (np.arange(n) + 1) % n, "Every seed"),
            (lambda n, seed: np.roll(np.arange(n), np.random.default_rng(seed).integers(1, n)), "only a few lists"),
            (lambda n, seed: shuffled(n, None), "same seed"),
            (
                lambda n, seed: np.array(
                    [np.random.default_rng([seed, i]).choice([j for j in range(n) if j != i]) for i in range(n)]
                ),
                "serve twice",
            ),
            (shuffled_for_ever, "does not end"),
            (lambda n, seed: shuffled_for_ever(n, seed, anew=False), "does not end"),
            (lambda n, seed: shuffled(n, seed) + 1, "numbered from 0"),
            (lambda n, seed: shuffled(n, seed).astype(float), "whole numbers"),
        ],
    ),
    "bleeding": (
        stray,
        [
            (lambda *a: stray(*a, space=lambda x: x.astype(float)), "RGB"),
            (lambda *a: stray(*a, only_own=False), "does not have"),
            (lambda *a: stray_by_slot(*a, specks=True), "too small to have a region"),
            (lambda *a: 1 - stray(*a), "stays at home"),
            (lambda *a: stray(*a, cut=lambda mask, i: mask == i), "rim"),
            (
                lambda image, mask, slots: stray(image, mask, slots) * np.mean([region(mask, i) for i in range(6)]) * 6,
                "all pixels",
            ),
            (lambda *a: stray_by_slot(*a, by_place=True), "`argmin` counts"),
            (lambda *a: stray_by_slot(*a, shares=3), "mean of the regions"),
            (lambda *a: stray_by_slot(*a, shares=6), "mean of the regions"),
        ],
    ),
    "error_near_ink": (
        near_share,
        [
            (lambda r, t, n: ((r - t) ** 2)[n].sum() / ((r - t) ** 2).sum(), "All of it was done in uint8"),
            (lambda r, t, n: ((r - 1.0 * t)[n] ** 2).sum() / ((r - 1.0 * t)[~n] ** 2).sum(), "away from the ink. A"),
            (lambda r, t, n: near_share(r, t, ~n), "share away"),
            (lambda *a: near_share(*a, power=1), "absolute"),
            (lambda *a: near_share(*a, dtype=np.uint8), "wraps"),
            (lambda r, t, n: ((r - 1.0 * t)[n] ** 2).mean() / ((r - 1.0 * t) ** 2).mean(), "two means"),
            (lambda r, t, n: n.sum() / n.size, "share of the pixels"),
        ],
    ),
    "paired_gap": (
        lambda a, b: (b.mean() - a.mean(), np.std(b - a, ddof=1) / np.sqrt(12)),
        [
            (lambda a, b: (b.mean() - a.mean(), np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / 12)), "two samples"),
            (lambda a, b: (b.mean() - a.mean(), np.std(b - a, ddof=1)), "spread of the differences"),
            (lambda a, b: (b.mean() - a.mean(), np.std(b - a, ddof=1) / 12), "not by its root"),
            (lambda a, b: (b.mean() - a.mean(), np.std(b - a) / np.sqrt(12)), "ddof=1"),
            (lambda a, b: (a.mean() - b.mean(), np.std(b - a, ddof=1) / np.sqrt(12)), "sign is"),
            (lambda a, b: (np.abs(b - a).mean(), np.std(np.abs(b - a), ddof=1) / np.sqrt(12)), "without their signs"),
            (lambda a, b: (np.abs(a - b).mean(), np.std(b - a, ddof=1) / np.sqrt(12)), "without their signs"),
            (lambda a, b: [np.std(b - a, ddof=1) / 12**0.5, (b - a).mean()], "exchanged"),
            (lambda a, b: (b.mean() - a.mean(), np.var(b - a, ddof=1) / 12), "is a variance"),
            (lambda a, b: (b.mean() - a.mean(), np.var(b - a, ddof=1) / 12**0.5), "not `var`"),
        ],
    ),
    "right_slot": (
        slots_found,
        [
            (lambda a, q, s: slots_found(a.T, q, s), "Rows and columns"),
            (lambda a, q, s: slots_found(np.eye(16)[a.argmax(1)], q, s), "largest weight"),
            (lambda a, q, s: (slots_found(a, q, s)[0], *slots_found(a, q, s)[:0:-1]), "yardsticks"),
            (lambda a, q, s: (*slots_found(a, q, s)[:2], 1 / 6), "one sixth"),
            (lambda a, q, s: ((a * s[:, q].T).mean(), *slots_found(a, q, s)[1:]), "n x n"),
            (lambda a, q, s: ((a * s[:, q].T).sum(), *slots_found(a, q, s)[1:]), "n times the mean"),
        ],
    ),
    "region_medians": (
        flat,
        [
            (lambda *a: flat(*a, middle=lambda p: p.mean(0)), "mean"),
            (lambda *a: flat(*a, middle=np.median), "grey"),
            (lambda *a: flat(*a, labelled=True), "ink was filled"),
            (lambda color, labels: flat_to(color, labels, color.copy()), "last region"),
            (lambda color, labels: flat_to(color, labels, np.zeros_like(color)), "last region"),
            (lambda color, labels: flat_to(color, labels, np.zeros_like(color), 1), "became black"),
            (lambda color, labels: flat_to(color, labels, np.full_like(color, 255), 1), "became white"),
            (lambda color, mask: flat(color, mask, middle=lambda p: np.median(color, axis=(0, 1))), "whole picture"),
            (lambda color, labels: flat_but_the_first(color, labels), "leaves out the first region"),
        ],
    ),
}


def dog_of_narrow(grey, sigma, k, p, epsilon, phi):
    narrow = gaussian_filter(grey, sigma)
    u = 1 + p * (narrow - gaussian_filter(narrow, k * sigma))
    return np.where(u >= epsilon, 1, 1 + np.tanh(phi * (u - epsilon)))


@pytest.mark.parametrize("name", ANSWERS)
def test_right_is_right_and_every_mistake_has_its_name(name, said):
    right, mistakes = ANSWERS[name]
    assert f"{name}: right." in said(name, right)
    assert len(mistakes) >= 2
    for wrong, words in mistakes:
        out = said(name, wrong)
        assert NOT_YET in out and any(word in out for word in words.split("|")), out


def test_a_branch_without_return_is_told(said):
    def forgotten(color, labels):
        if (labels == 0).any():
            return flat(color, labels)

    assert "For some of the check's inputs it returns None" in said("region_medians", forgotten)


def in_an_array(name):
    return lambda *arguments: np.array(ANSWERS[name][0](*arguments))


def without_a_generator_in_the_loop(n, seed):
    reference, tries = np.arange(n), 0
    while (reference == np.arange(n)).any():
        reference, tries = np.random.default_rng([seed, tries]).permutation(n), tries + 1
    return reference.tolist()


OTHERWISE = [
    ("paired_gap", in_an_array("paired_gap")),
    ("right_slot", in_an_array("right_slot")),
    ("right_slot", lambda *arguments: torch.tensor(slots_found(*arguments))),
    ("derangement", without_a_generator_in_the_loop),
    ("lloyd_step", lambda p, c: (own := torch.eye(4)[torch.cdist(p, c).argmin(1)]).T @ p / own.sum(0)[:, None]),
    ("bleeding", stray_by_slot),
]


@pytest.mark.parametrize(("name", "student"), OTHERWISE)
def test_right_in_another_style_is_right(name, student, said):
    assert f"{name}: right." in said(name, student)


def test_the_page_s_xdog_is_the_package_s():
    picture = np.random.default_rng(0).integers(0, 256, (20, 24), dtype=np.uint8)
    by_formula = 255 * dog(picture / 255, 0.6, 1.6, 20.0, 0.75, 12.0)
    np.testing.assert_allclose(extract_lines(Image.fromarray(picture).convert("RGB")), by_formula, atol=1)
