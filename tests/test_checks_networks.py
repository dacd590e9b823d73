"""Checks of exercises, the lessons on networks, losses and the training step: right is right, and each mistake is made
here as a student would make it."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import spectral_norm as older_spectral_norm
from torch.nn.utils.parametrizations import spectral_norm

from lineart.course import checks
from lineart.networks import Generator


def standardize(w, dims=(1, 2, 3), small=True, **how):
    weights = w.shape[1] * w.shape[2] * w.shape[3] if small else 1
    how = how or {"correction": 0}
    return (w - w.mean(dims, keepdim=True)) / (w.std(dims, keepdim=True, **how) * weights**0.5)


def deviation(x, eps, unbiased=False):
    return torch.sqrt(x.var((1, 2, 3), keepdim=True, unbiased=unbiased) + eps)


def group_norm(x, groups, gamma, beta, eps, root=True, affine=True, unbiased=False, over_batch=False, divisor=None):
    y = torch.empty_like(x)
    for part in range(groups):
        size = x.shape[1] // groups
        some = slice(part * size, (part + 1) * size)
        dims = (0, 1, 2, 3) if over_batch else (1, 2, 3)
        mean, var = x[:, some].mean(dims, keepdim=True), x[:, some].var(dims, keepdim=True, unbiased=unbiased)
        y[:, some] = (x[:, some] - mean) / (torch.sqrt(var + eps) if root else var + eps)
        if divisor:
            y[:, some] = (x[:, some] - mean) / divisor(x[:, some], eps)
    return y * gamma.view(1, -1, 1, 1) + beta.view(1, -1, 1, 1) if affine else y


def block(x, b, slope=0.2, skip=True, pool=F.avg_pool2d, early=False, end=True, middle=True, norms=(1, 2)):
    act, same = nn.LeakyReLU(slope), nn.Identity()
    norm1, norm2 = ((same, b.norm1, b.norm2)[i] for i in norms)
    h = norm1(b.conv1(x))
    h = norm2(b.conv2(act(h) if middle else h))
    h = act(h) if early else h
    h = h + b.skip(pool(x, 2) if pool else x) if skip else h
    return act(h) if end and not early else h


def attention(x, tokens, to_q, to_k, to_v, to_out, root=0.5, dim=2, plus=True, transpose=True, straight=False):
    n, c, h, w = x.shape
    rows = x.reshape(n, h * w, c) if straight else x.permute(0, 2, 3, 1).reshape(n, h * w, c)
    q, k, v = to_q(rows), to_k(tokens), to_v(tokens)
    weights = torch.einsum("npc,ntc->npt", q, k).div(c**root)
    weights = weights.softmax(dim) if dim else weights
    out = to_out(torch.bmm(weights, v))
    out = out.permute(0, 2, 1).reshape(n, c, h, w) if transpose else out.reshape(n, c, h, w)
    return x + out if plus else out


def gate(skip, up, from_skip, from_gate, to_map, relu=torch.relu, end=torch.sigmoid):
    return end(to_map(relu(from_gate(up) + from_skip(skip)))) * skip


def noise(x, scale, generator, channels=1, pictures=None, draw=torch.randn):
    n, _, h, w = x.shape
    return x + scale * draw(pictures or n, channels, h, w, generator=generator)


def noise_by_picture(x, scale, generator):
    planes = [torch.randn(x.shape[2:], generator=generator) for _ in x]
    return torch.stack([picture + scale * plane for picture, plane in zip(x, planes)])


def noise_of_zero(x, scale, generator):
    generator.manual_seed(0)
    return noise(x, scale, generator)


def upward(maps, blocks, to_rgb, places, start=-1, first=1):
    x = maps[start]
    for i in places:
        x = blocks[i](x)
        x = torch.cat([x, maps[i - 1]], 1) if i >= first else x
    return torch.tanh(to_rgb(x))


def decode(maps, blocks, to_rgb, end=torch.tanh, order=1):
    *skips, x = maps
    for up in list(blocks)[:0:-1]:
        x = torch.cat([up(x), skips.pop()][::order], dim=1)
    return end(to_rgb(blocks[0](x)))


def stack(
    channels,
    width,
    norm=spectral_norm,
    strides=(2, 2, 2, 1, 1),
    slope=0.2,
    end=(),
    act=None,
    wide=8,
    batch_norm=(),
    before=False,
    **how,
):
    outs, act = [width, width * 2, width * 4, width * wide, 1], act or nn.LeakyReLU(slope)
    how = {"kernel_size": 4, "padding": 1} | how
    layers = []
    for i, (out, stride) in enumerate(zip(outs, strides)):
        conv = norm(nn.Conv2d(channels, out, stride=stride, **how))
        between = [nn.BatchNorm2d(out)] if i in batch_norm else []
        layers += [act, conv] if before else [conv, *between, act]
        channels = out
    return nn.Sequential(*(layers if before else layers[:-1]), *end)


def nested(channels, width):
    layers = [*stack(channels, width)]
    return nn.Sequential(*(nn.Sequential(*layers[i : i + 2]) for i in range(0, 9, 2)))


def sigma(W, v, steps, lengths="uv", rounds=0):
    for _ in range(steps + rounds):
        u = W @ v
        u = u / u.norm() if "u" in lengths else u
        v = W.t() @ u
        v = v / v.norm() if "v" in lengths else v
    return torch.dot(u, W @ v)


def sigma_by_length(W, v, steps):
    for _ in range(steps):
        u = F.normalize(W @ v, dim=0)
        v = F.normalize(u @ W, dim=0)
    return (u @ W).norm()


def sigma_squared_by_length(W, v, steps):
    for _ in range(steps):
        v = W.T @ (W @ v)
        length = v.norm()
        v = v / length
    return length


def sigma_half_a_round_more(W, v, steps):
    for _ in range(steps):
        v = F.normalize(W.T @ F.normalize(W @ v, dim=0), dim=0)
    return torch.linalg.norm(W @ v)


def matched(layer, x, tokens, match, there, own=1, query=1, key=1, value=0, scale=None, out=True, plus=1, mix=False):
    def flat(z):
        return z.permute(0, 2, 3, 1).flatten(1, 2)

    q = own * layer.to_q(flat(x)) + query * layer.match_q(flat(match))
    k = own * layer.to_k(tokens) + key * layer.match_k(flat(there))
    v = layer.to_v(tokens) + value * layer.match_k(flat(there))
    found = F.scaled_dot_product_attention(q, k, v, scale=scale)
    found = layer.to_out(found) if out else found
    return plus * x + (found if mix else found.mT).reshape(x.shape)


def bce(logits, target):
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, float(target)))


def matching(fake, color, term=F.mse_loss):
    return sum(term(fake[name], color[name]) for name in fake)


def first_layer(fake, color):
    for name in color:
        return (fake[name] - color[name]).square().mean()


def rate(step, per_epoch, base, every, gamma, epoch=None):
    value = base
    for _ in range((step // per_epoch if epoch is None else epoch) // every):
        value *= gamma
    return value


def variations(function, *pairs):
    """(a wrong version by its settings, words of the verdict)"""
    return [(lambda *a, how=how: function(*a, **how), words) for how, words in pairs]


def spread(x, grey=True):
    flat = (x - grey * x.mean(1, keepdim=True)).flatten(2)
    return (flat.square().mean(2) - flat.mean(2).square()).mean(1) ** 0.5


ANSWERS = {
    "standardize": (
        standardize,
        variations(
            standardize,
            ({"small": False}, "not 1/I"),
            ({"dims": (2, 3)}, "slice"),
            ({"dims": (0, 1, 2, 3)}, "whole layer"),
            ({"unbiased": True}, "n - 1"),
        )
        + [
            (lambda w: w - w.mean((1, 2, 3))[:, None, None, None], "deviation, too"),
            (lambda w: w / (w.std((1, 2, 3), keepdim=True, correction=0) * 6), "mean is still there"),
            (lambda w: standardize(w) / w.flatten(1).std(1, unbiased=False)[:, None, None, None], "not by its root"),
        ],
    ),
    "group_norm": (
        group_norm,
        variations(
            group_norm,
            ({"root": False}, "root"),
            ({"unbiased": True}, "n - 1"),
            ({"affine": False}, "Gamma"),
            ({"over_batch": True}, "run over the pictures"),
            ({"divisor": lambda x, eps: deviation(x, 0)}, "has no effect. Add it"),
            ({"divisor": lambda x, eps: deviation(x, 0) + eps}, "outside the root"),
            ({"divisor": lambda x, eps: deviation(x, 0, unbiased=True) + eps}, "Two things: epsilon belongs"),
            ({"divisor": lambda x, eps: deviation(x, 0, unbiased=True)}, "Two things: the `eps`"),
        )
        + [
            (lambda x, g, *a: group_norm(x, 8 // g, *a), "number of channels in a group"),
            (lambda x, g, *a: group_norm(x, 8, *a), "by itself"),
            (lambda x, g, *a: group_norm(x, 1, *a), "one group"),
            (lambda x, g, *a: group_norm(x, 8, *a, over_batch=True), "BatchNorm"),
        ],
    ),
    "residual_block": (
        block,
        variations(
            block,
            ({"skip": False}, "skip is missing"),
            ({"early": True}, "before the sum"),
            ({"slope": 0.01}, "0.01"),
            ({"end": False}, "after the sum is missing"),
            ({"middle": False}, "between the two"),
            ({"pool": False}, "2x2 average"),
            ({"slope": 0}, "plain ReLU"),
            ({"norms": (2, 1)}, "exchanged"),
            ({"norms": (1, 1)}, "twice"),
            ({"norms": (0, 2)}, "after the first convolution is missing"),
            ({"norms": (1, 0)}, "after the second convolution is missing"),
            ({"norms": (0, 0)}, "Both norms"),
            ({"pool": F.max_pool2d}, "the largest"),
        )
        + [
            (lambda x, b: F.leaky_relu(b.norm2(b.conv2(b.norm1(b.conv1(x)))) + F.avg_pool2d(x, 2), 0.2), "block.skip"),
            (
                lambda x, b: F.leaky_relu(
                    b.norm2(b.conv2(b.norm1(F.leaky_relu(b.conv1(x), 0.2)))) + b.skip(F.avg_pool2d(x, 2)), 0.2
                ),
                "normalises first",
            ),
        ],
    ),
    "cross_attention": (
        attention,
        variations(
            attention,
            ({"root": 1}, "not by its root"),
            ({"root": 0}, "did not divide"),
            ({"dim": 1}, "last axis"),
            ({"plus": False}, "X is missing"),
            ({"transpose": False}, "Transpose"),
            ({"straight": True}, "straight to (N, HW, C)"),
            ({"straight": True, "transpose": False}, "straight to (N, HW, C)"),
            ({"dim": None}, "softmax is missing"),
        )
        + [
            (lambda x, t, q, k, v, o: attention(x, t, q, k, v, lambda mixture: mixture), "`to_out` is missing"),
            (lambda x, t, q, k, v, o: attention(x, x.flatten(2).mT, q, k, v, o), "values come from `tokens`"),
            (lambda x, t, q, k, v, o: attention(x, t, q, k, v, lambda rows: o(rows.mT)), "`to_out` takes rows"),
            (lambda x, t, q, k, v, o: attention(x, t, q, v, k, o), "exchanged"),
            (lambda x, t, q, k, v, o: attention(x, t, lambda rows: q(x.flatten(2)), k, v, o), "Rows are positions"),
        ],
    ),
    "skip_gate": (
        gate,
        variations(
            gate,
            ({"relu": lambda x: x}, "ReLU"),
            ({"end": lambda x: torch.softmax(x, 1)}, "softmax"),
            ({"end": lambda x: x}, "sigmoid is missing"),
        )
        + [
            (lambda s, g, a, b, m: gate(s, g, a, b, m) / s * g, "decoder's map"),
            (lambda s, g, a, b, m: torch.sigmoid(m(F.relu(a(s) * b(g)))) * s, "multiplied"),
            (lambda s, g, a, b, m: s, "1 everywhere"),
            (lambda s, g, a, b, m: gate(s, g, b, a, m), "projections are exchanged"),
        ],
    ),
    "add_noise": (
        noise,
        variations(
            noise,
            ({"channels": 4}, "Every channel"),
            ({"pictures": 1}, "All pictures"),
            ({"draw": torch.rand}, "uniform"),
        )
        + [
            (lambda x, s, g: noise(x, s, None), "without `generator`"),
            (noise_of_zero, "seeded it yourself"),
            (lambda x, s, g: x + s * torch.randn_like(x), "randn_like"),
            (lambda x, s, g: noise(x, 1, g), "not scaled"),
        ],
    ),
    "decode": (
        decode,
        variations(
            decode,
            ({"end": lambda x: x}, "tanh is missing"),
            ({"end": torch.sigmoid}, "0 to 1"),
            ({"order": -1}, "stands before"),
        )
        + [
            (lambda m, b, r: decode([m[1], m[0], m[2]], b, r), "size"),
            (lambda m, b, r: r(b[0](b[1](b[2](m[2])))), "wrong width"),
            (lambda m, b, r: upward(m, b, r, [0, 1, 2]), "last block first"),
            (lambda m, b, r: upward(m, b, r, [2, 1, 0], start=0), "deepest map"),
            (lambda m, b, r: upward(m, b, r, [2, 1]), "block 0 too"),
            (lambda m, b, r: upward(m, b, r, [2, 1, 0], first=0), "Block 0 has no skip"),
            (lambda m, b, r: upward(m, b, r, [2, 1, 0], start=2), "There may be two levels"),
        ],
    ),
    "patch_stack": (
        stack,
        variations(
            stack,
            ({"norm": lambda conv: conv}, "spectral_norm"),
            ({"slope": 0.01}, "0.01"),
            ({"strides": (2,) * 5}, "All five"),
            ({"end": [nn.Sigmoid()]}, "sigmoid"),
            ({"end": [nn.LeakyReLU(0.2)]}, "follows the last"),
            ({"act": nn.ReLU()}, "of another kind"),
            ({"act": nn.Identity()}, "yours has none"),
            ({"before": True}, "stand before the convolutions"),
            ({"bias": False}, "no bias"),
            ({"batch_norm": (0, 1, 2, 3)}, "Norm layers stand"),
            ({"batch_norm": (1, 2, 3)}, "Norm layers stand"),
            ({"kernel_size": 3}, "Kernel sizes: "),
            ({"padding": 2}, "Paddings: "),
            ({"strides": (1, 1, 2, 2, 2)}, "Strides: "),
            ({"wide": 4}, "Output channels: First at [3]"),
            ({"strides": (2, 2, 2, 1)}, "Number of convolutions: "),
            ({"batch_norm": (2,)}, "Norm layers: "),
        )
        + [
            (lambda c, w: spectral_norm(stack(c, w, lambda conv: conv)), "wrap each convolution"),
            (lambda c, w: older_spectral_norm(stack(c, w, lambda conv: conv)), "wrap each convolution"),
            (lambda c, w: nn.Sequential(*[*stack(c, w)][:2], nn.Conv2d(w, 2 * w, 4)).append(nn.Conv2d(w, 1, 4)), "fit"),
            (lambda c, w: nn.ModuleList(stack(c, w)), "must be an nn.Sequential"),
        ],
    ),
    "power_iteration": (
        sigma,
        variations(
            sigma,
            ({"lengths": ""}, "never brought back to length 1"),
            ({"lengths": "u"}, "v is not brought back"),
            ({"lengths": "v"}, "u is not brought back"),
            ({"rounds": 1}, "one round too many"),
            ({"rounds": -1}, "does your loop run once"),
        )
        + [
            (lambda *a: sigma(*a) ** 2, "square"),
            (sigma_squared_by_length, "length of W^T W v"),
            (sigma_half_a_round_more, "half a round"),
            (lambda W, v, steps: W.square().sum().sqrt(), "Frobenius"),
            (lambda W, v, steps: torch.linalg.matrix_norm(W, 2), "decomposition"),
            (lambda W, v, steps: sigma(W, torch.randn(9), steps), "the given v"),
            (lambda W, v, steps: sigma(W, torch.ones(9), steps), "the given v"),
        ],
    ),
    "l1_loss": (
        lambda a, b: (a - b).abs().mean(),
        [
            (lambda a, b: (a - b).abs().sum(), "sum"),
            (lambda a, b: ((a - b) ** 2).mean(), "L2"),
            (lambda a, b: a.mean() - b.mean(), "signs"),
            (lambda a, b: (a - b).abs().sum((1, 2, 3)).mean(), "batch only"),
            (lambda a, b: (a - b).abs().mean().item(), "no gradient reaches"),
            (lambda a, b: (a - b).abs().mean().detach(), "no gradient reaches"),
            (lambda a, b: (a - b).abs().mean().detach().requires_grad_(), "`requires_grad` does not mend that"),
            (lambda a, b: abs(a.numpy() - b.numpy()).mean(), "NumPy knows no gradients"),
            (lambda a, b: abs(a.detach().numpy() - b.detach().numpy()).mean(), "no gradient reaches"),
        ],
    ),
    "total_variation": (
        lambda x: (x.diff(dim=2).abs().sum() + x.diff(dim=3).abs().sum()) / x.numel(),
        [
            (lambda x: x.diff(dim=2).abs().sum() + x.diff(dim=3).abs().sum(), "eraser"),
            (lambda x: (x.diff(dim=2).square().sum() + x.diff(dim=3).square().sum()) / x.numel(), "squared"),
            (lambda x: x.diff(dim=3).abs().sum() / x.numel(), "column are missing"),
            (lambda x: x.diff(dim=2).abs().sum() / x.numel(), "row are missing"),
            (lambda x: (x.diff(dim=2).sum() + x.diff(dim=3).sum()) / x.numel(), "cancel"),
            (lambda x: x.diff(dim=2).abs().mean() + x.diff(dim=3).abs().mean(), "two means"),
            (lambda x: x.diff(dim=2).abs().sum() + x.diff(dim=3).abs().sum() / x.numel(), "parentheses"),
            (lambda x: ((x[:, 1:] - x[:, :-1]).abs().sum() + x.diff(dim=2).abs().sum()) / x.numel(), "axis 2"),
            (lambda x: ((x - x.roll(1, 2)).abs().sum() + (x - x.roll(1, 3)).abs().sum()) / x.numel(), "goes round"),
        ],
    ),
    "feature_matching": (
        matching,
        variations(
            matching,
            ({"term": F.l1_loss}, "absolute"),
            ({"term": lambda a, b: (a - b).norm() ** 2}, "1/N"),
            ({"term": lambda a, b: F.mse_loss(a, b) ** 0.5}, "root"),
        )
        + [
            (lambda a, b: matching(a, b) / len(a), "number of layers"),
            (lambda a, b: first_layer(a, b), "`return` stand inside"),
            (lambda a, b: [F.mse_loss(a[name], b[name]) for name in b][-1], "overwrites"),
            (lambda a, b: [F.mse_loss(a[name], b[name]) for name in b], "make it one tensor"),
            (lambda a, b: sum(F.mse_loss(a[name], b[name]).item() for name in b), "no gradient reaches"),
        ],
    ),
    "adversarial_loss": (
        lambda z: bce(z, 1),
        [
            (lambda z: -torch.log(torch.sigmoid(z)).mean(), "breaks"),
            (lambda z: -torch.log(torch.sigmoid(z.double())).mean(), "breaks"),
            (lambda z: torch.where(z < -50, -z, -z.sigmoid().log()).mean(), "gradient is NaN"),
            (lambda z: -z.clamp(-50, 50).sigmoid().log().mean(), "With a logit of 2000 or -2000: "),
            (lambda z: bce(z, 0), "ones, not zeros"),
            (lambda z: F.binary_cross_entropy(z.sigmoid(), torch.ones_like(z)), "cut off"),
            (lambda z: -bce(z, 0), "saturating"),
            (lambda z: bce(z, 1) * z.numel(), "sum over the patches"),
            (lambda z: (-z).mean(), "mean logit"),
            (lambda z: torch.log(1 + torch.exp(-z)).mean(), "exp(2000) is infinite"),
            (lambda z: F.soft_margin_loss(z, torch.ones_like(z)), "exp(2000) is infinite"),
            (lambda z: F.logsigmoid(z).mean(), "minus sign is missing"),
            (lambda z: -torch.log(torch.sigmoid(z) + 1e-8).mean(), "1e-08 away from 0"),
            (lambda z: -torch.log(torch.sigmoid(z).clamp(min=1e-7)).mean(), "1e-07 away from 0"),
        ],
    ),
    "discriminator_loss": (
        lambda r, f: bce(r, 1) + bce(f, 0),
        [
            (lambda r, f: (bce(r, 1) + bce(f, 0)) / 2, "averaged"),
            (lambda r, f: bce(r, 0) + bce(f, 1), "exchanged"),
            (lambda r, f: bce(r, 1) + bce(f, 1), "everything real"),
            (lambda r, f: bce(r, 1), "real half"),
            (lambda r, f: -(torch.log(r.sigmoid()) + torch.log(1 - f.sigmoid())).mean(), "after the sigmoid"),
            (
                lambda r, f: -(torch.log(r.double().sigmoid()) + torch.log(1 - f.double().sigmoid())).mean(),
                "after the sigmoid",
            ),
            (lambda r, f: bce(r, 1) - torch.log(1 - f.sigmoid()).mean(), "breaks"),
            (lambda r, f: F.logsigmoid(r).mean() + F.logsigmoid(-f).mean(), "minus sign is missing"),
            (lambda r, f: F.logsigmoid(-f).mean() - F.logsigmoid(r).mean(), "Only one of the two logarithms"),
            (
                lambda r, f: -torch.log(r.sigmoid() + 1e-8).mean() - torch.log(1 - f.sigmoid() + 1e-8).mean(),
                "1e-08 away from 0",
            ),
            (lambda r, f: (bce(r, 1) + bce(f, 0)) * r.numel(), "sum over the patches"),
            (lambda r, f: (bce(r, 1), bce(f, 0)), "make it one tensor"),
        ],
    ),
    "learning_rate": (
        rate,
        [
            (lambda s, n, *a: rate(s, n, *a, epoch=s), "counted steps"),
            (lambda s, n, b, e, g: b * g ** (s / (n * e)), "//"),
            (lambda s, n, b, e, g: rate(s, n, b, 1, g), "once an epoch"),
            (lambda s, n, b, e, g: b * g if s >= n * e else b, "applies twice"),
            (lambda s, n, b, e, g: b * 0.5 ** (s // n // 20), "steps_per_epoch=8"),
            (lambda s, n, b, e, g: 2e-4 * g ** (s // n // e), "base=0.3"),
            (lambda s, n, b, e, g: b * g ** (s // n // e + (s == 999)), "step=999"),
        ],
    ),
    "color_spread": (
        spread,
        [
            (lambda x: spread(x, grey=False), "grey is still in it"),
            (
                lambda x: (x - x.mean((2, 3), keepdim=True)).var((2, 3), correction=0).mean(1) ** 0.5,
                "grey is still in it",
            ),
            (lambda x: spread(x) ** 2, "root is missing"),
            (lambda x: spread(x) * (x[0, 0].numel() / (x[0, 0].numel() - 1)) ** 0.5, "correction=0"),
            (lambda x: (x - x.mean(1, True)).std((2, 3), correction=0).mean(1), "before the mean"),
            (lambda x: (x - x.mean(1, True)).square().mean((1, 2, 3)) ** 0.5, "channels and pixels together"),
            (lambda x: (x - x.mean(1)).var((2, 3), correction=0).mean(1) ** 0.5, "keepdim=True"),
        ],
    ),
    "matched_attention": (
        matched,
        variations(
            matched,
            ({"query": 0, "key": 0}, "paper's attention again"),
            ({"key": 0}, "add it to K"),
            ({"value": 1}, "into V"),
            ({"own": 0}, "Only the matching"),
            ({"query": 0}, "add it to Q"),
            ({"scale": 1.0}, "not divided by the root"),
            ({"scale": 1 / 8}, "by d_k"),
            ({"plus": 0}, "X is missing"),
            ({"out": False}, "`to_out` is missing"),
            ({"mix": True}, "mixed up"),
        )
        + [(lambda layer, *maps: layer(*maps), "norm"), (lambda layer, *a: layer.norm(matched(layer, *a)), "norm")],
    ),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_right_is_right_and_every_mistake_has_its_name(name, capsys):
    def said(student):
        getattr(checks, name)(student)
        return capsys.readouterr().out

    right, mistakes = ANSWERS[name]
    assert f"{name}: right." in said(right)
    assert len(mistakes) >= 2
    for wrong, words in mistakes:
        out = said(wrong)
        assert "not right yet" in out and words in out, out


OTHER_STYLES = [
    ("add_noise", noise_by_picture),
    ("patch_stack", lambda c, w: stack(c, w, act=nn.LeakyReLU(0.2))),
    ("patch_stack", lambda c, w: stack(c, w, norm=older_spectral_norm)),
    ("patch_stack", nested),
    ("power_iteration", sigma_by_length),
]


@pytest.mark.parametrize(("name", "student"), OTHER_STYLES)
def test_a_right_solution_in_another_style_is_right(name, student, capsys):
    getattr(checks, name)(student)
    assert f"{name}: right." in capsys.readouterr().out


def test_the_decoder_of_the_exercise_is_the_package_s():
    torch.manual_seed(0)
    generator = Generator(4, 3, attention="none", noise=False)
    line, palette = torch.randn(1, 3, 16, 16), torch.randn(1, 9, 3)
    blocks = [generator.decoder[str(i)] for i in range(3)]
    by_hand = decode(generator.encode(line, palette, None), blocks, generator.to_rgb)
    torch.testing.assert_close(by_hand, generator(line, palette))
