"""Notebooks 06 and 07: the discriminator's stack, its largest singular value, and the losses of pictures."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from lineart import losses
from lineart.course.checks.blocks import seeded
from lineart.course.checks.verdict import Mistake, Unusable, judge


def described_stack(function, in_channels, width):
    stack = function(in_channels, width)
    if stack is None:
        return None
    if not isinstance(stack, nn.Module):
        raise Unusable(f"What you return must be an nn.Sequential, it is {type(stack).__name__}.")
    with torch.no_grad():
        side = stack(torch.zeros(1, in_channels, 64, 64)).shape[1:]
    convs = [m for m in stack.modules() if isinstance(m, nn.Conv2d)]
    plan = [[c.in_channels, c.out_channels, *c.kernel_size, *c.stride, *c.padding] for c in convs]
    slopes = [m.negative_slope for m in stack.modules() if isinstance(m, nn.LeakyReLU)]
    others = [m for m in stack.modules() if isinstance(m, (nn.Sigmoid, nn.ReLU, nn.modules.batchnorm._NormBase))]
    normed = [float(hasattr(c, "parametrizations")) for c in convs]
    return torch.tensor(side), torch.tensor(plan), torch.tensor(slopes), len(others), torch.tensor(normed)


def patch_stack(student: Callable | None) -> None:
    """patch_stack(in_channels, width) -> nn.Sequential: five normalised 4x4 convolutions, leaky ReLUs between."""

    def version(wrap=spectral_norm, strides=(2, 2, 2, 1, 1), slope=0.2, end=(), last_leaky=False):
        def wrong(in_channels, width):
            widths, layers = [in_channels, width, 2 * width, 4 * width, 8 * width, 1], []
            for i, stride in enumerate(strides):
                layers.append(wrap(nn.Conv2d(widths[i], widths[i + 1], 4, stride, 1)))
                if i < 4 or last_leaky:
                    layers.append(nn.LeakyReLU(slope))
            return nn.Sequential(*layers, *(make() for make in end))

        return wrong

    judge(
        "patch_stack",
        student,
        version(),
        [(5, 4)],
        [
            Mistake("The convolutions are not wrapped in `spectral_norm`.", version(lambda conv: conv)),
            Mistake(
                "A sigmoid stands at the end. Leave the logits as they are; the loss takes the sigmoid, safely.",
                version(end=(nn.Sigmoid,)),
            ),
            Mistake(
                "A leaky ReLU follows the last convolution: it would squeeze every logit below 0.",
                version(last_leaky=True),
            ),
            Mistake("Your leaky ReLU has torch's slope of 0.01; here it is 0.2.", version(slope=0.01)),
            Mistake(
                "All five layers halve the picture. Only the first three do; the last two have stride 1.",
                version(strides=(2, 2, 2, 2, 2)),
            ),
        ],
        means="At 256 px it gives the paper's map of 30 x 30: one opinion about each patch.",
        run=described_stack,
    )


def power_iteration(student: Callable | None) -> None:
    """power_iteration(W, v, steps): (rows, columns), (columns,), int -> estimate of the largest singular value."""
    rows, columns = torch.linalg.qr(seeded(6, 6))[0], torch.linalg.qr(seeded(9, 9, seed=1))[0]
    W = rows @ torch.diag(torch.tensor([3.0, 2.0, 1.0, 0.5, 0.4, 0.3])) @ columns[:6]

    def largest(W, v, steps):
        return torch.linalg.svdvals(W)[0]

    def never_normalised(W, v, steps):
        for _ in range(steps):
            u = W @ v
            v = W.T @ u
        return u @ W @ v

    judge(
        "power_iteration",
        student,
        largest,
        [(W, seeded(9, seed=2), 200)],
        [
            Mistake(
                "You returned its square: multiplying by W and by its transpose stretches twice.",
                lambda *a: largest(*a) ** 2,
            ),
            Mistake(
                "u and v are never brought back to length 1: after some steps they are infinite.", never_normalised
            ),
            Mistake(
                "You returned the Frobenius norm: all singular values together, not the largest.",
                lambda W, v, steps: W.norm(),
            ),
        ],
        means="No decomposition was needed; torch takes one such step in every forward pass of a training.",
        tolerance=1e-3,
    )


def that_can_train(function, *inputs):
    """The loss, of inputs that ask for a gradient: tensors, or dictionaries of them."""
    for part in inputs:
        for tensor in part.values() if isinstance(part, dict) else [part]:
            tensor.requires_grad_()
    loss = function(*inputs)
    if loss is None or isinstance(loss, (list, tuple, dict)):
        return loss
    if not torch.is_tensor(loss) or not loss.requires_grad:
        raise Unusable(
            "What you return must be a tensor that leads back to the inputs, or no gradient reaches them and nothing "
            "can learn. `.item()`, `.detach()`, `float` and NumPy cut it off."
        )
    return loss


CUT_OFF = Mistake(
    "NumPy knows no gradients, and detaching the tensor would lose them: stay in torch.", raises="Can't call numpy()"
)


def l1_loss(student: Callable | None) -> None:
    """l1_loss(fake, color): (N, 3, H, W) twice -> one number, Eq. 2 as a mean."""
    judge(
        "l1_loss",
        student,
        losses.l1_loss,
        [(seeded(2, 3, 5, 6), seeded(2, 3, 5, 6, seed=1))],
        [
            Mistake(
                "You took the sum, as Eq. 2 is printed. A weight of 50 is made for the mean.",
                lambda a, b: (a - b).abs().sum(),
            ),
            Mistake("You squared the differences: that is L2, which dulls colours.", F.mse_loss),
            Mistake("The signs are still there, so that too bright and too dark cancel.", lambda a, b: (a - b).mean()),
            Mistake(
                "You averaged over the batch only. The mean runs over all values, pixels and channels too.",
                lambda a, b: (a - b).abs().sum() / len(a),
            ),
            CUT_OFF,
        ],
        run=that_can_train,
        means="One value of a picture now has a price that does not depend on the picture's size.",
    )


def variation_by(size=torch.abs, vertical=1, horizontal=1):
    def wrong(x):
        down, right = x[:, :, 1:] - x[:, :, :-1], x[..., 1:] - x[..., :-1]
        return (vertical * size(down).sum() + horizontal * size(right).sum()) / x.numel()

    return wrong


MISTAKES_OF_VARIATION = [
    Mistake(
        "You took the sum. Divide by the number of values, or the eraser beats the pencil.",
        lambda x: variation_by()(x) * x.numel(),
    ),
    Mistake(
        "You squared the differences, as the paper's text says. Eq. 4, and the package, take absolute ones.",
        variation_by(torch.square),
    ),
    Mistake("Only neighbours in a row are compared; those in a column are missing.", variation_by(vertical=0)),
    Mistake("Only neighbours in a column are compared; those in a row are missing.", variation_by(horizontal=0)),
    Mistake(
        "Without `abs`, ups and downs cancel: what is left are the two edges of the picture.", variation_by(lambda x: x)
    ),
    Mistake(
        "You took two means, each over its own differences. Add two sums, then divide by the picture's values.",
        lambda x: x.diff(dim=2).abs().mean() + x.diff(dim=3).abs().mean(),
    ),
    Mistake(
        "Only one of the two sums is divided. Put parentheses around what you add.",
        lambda x: x.diff(dim=2).abs().sum() + x.diff(dim=3).abs().sum() / x.numel(),
    ),
    Mistake(
        "You compared channels with each other. (N, 3, H, W): rows are axis 2, columns axis 3.",
        lambda x: (x.diff(dim=1).abs().sum() + x.diff(dim=2).abs().sum()) / x.numel(),
    ),
    Mistake(
        "`roll` goes round: the last row has no neighbour below it, and you compared it with the first.",
        lambda x: sum((x - x.roll(1, axis)).abs().sum() for axis in (2, 3)) / x.numel(),
    ),
    CUT_OFF,
]


def total_variation(student: Callable | None) -> None:
    """total_variation(image): (N, 3, H, W) -> one number, Eq. 4 over the number of values."""

    judge(
        "total_variation",
        student,
        losses.total_variation,
        [(seeded(2, 3, 5, 7),)],
        MISTAKES_OF_VARIATION,
        run=that_can_train,
        means="A flat picture costs nothing, and so does a blank one.",
    )


def feature_matching(student: Callable | None) -> None:
    """feature_matching(fake, color): dictionaries layer -> (N, C, H, W) -> one number, Eq. 3."""
    fake, color = ({"relu1_2": seeded(2, 4, 6, 6, seed=s), "relu3_3": seeded(2, 8, 3, 3, seed=s + 1)} for s in (0, 2))

    def version(distance):
        return lambda fake, color: sum(distance(fake[layer], color[layer]) for layer in color)

    judge(
        "feature_matching",
        student,
        losses.feature_matching,
        [(fake, color)],
        [
            Mistake(
                "The 1/N of each layer is missing: the finest layer, which has the most values, drowns the others.",
                version(lambda a, b: (a - b).square().sum()),
            ),
            Mistake(
                "You divided by the number of layers as well. Eq. 3 adds them up.",
                lambda *a: losses.feature_matching(*a) / 2,
            ),
            Mistake("You took absolute differences. Eq. 3 squares them.", version(F.l1_loss)),
            Mistake(
                "You took the root of each layer's term. Eq. 3 has the norm squared.",
                version(lambda a, b: F.mse_loss(a, b).sqrt()),
            ),
            Mistake(
                "Only the first layer is in it. Does `return` stand inside the loop?",
                lambda fake, color: F.mse_loss(fake["relu1_2"], color["relu1_2"]),
            ),
            Mistake(
                "Only the last layer is in it: each layer overwrites the one before. Add them up.",
                lambda fake, color: F.mse_loss(fake["relu3_3"], color["relu3_3"]),
            ),
            CUT_OFF,
        ],
        run=that_can_train,
        means="A pretrained network gives a second opinion where L1 is lenient: about edges, hardly about hue.",
    )
