"""Notebook 07: the losses of pictures."""

from collections.abc import Callable

import torch
import torch.nn.functional as F

from lineart import losses
from lineart.course.checks.blocks import seeded
from lineart.course.checks.verdict import Mistake, Unusable, judge


def that_can_train(function, *inputs):
    """The loss, of inputs that ask for a gradient: tensors, or dictionaries of them."""
    tensors = [tensor for part in inputs for tensor in (part.values() if isinstance(part, dict) else [part])]
    for tensor in tensors:
        tensor.requires_grad_()
    loss = function(*inputs)
    if loss is None or isinstance(loss, (list, tuple, dict)):
        return loss
    if not torch.is_tensor(loss) or not loss.requires_grad:
        raise Unusable(LEADS_BACK)
    if loss.numel() == 1 and loss.isfinite():
        gradients = torch.autograd.grad(loss, tensors, allow_unused=True, retain_graph=True)
        if all(gradient is None for gradient in gradients):
            raise Unusable(LEADS_BACK)
        if any(gradient is not None and gradient.isnan().any() for gradient in gradients):
            raise Unusable(
                "The loss is a number, but its gradient is NaN, and one such step ruins a network. `torch.where` and "
                "`clamp` do not help: the gradient goes through the branch that is not taken, too."
            )
    return loss


LEADS_BACK = (
    "What you return must be a tensor that leads back to the inputs, or no gradient reaches them and nothing can "
    "learn. `.item()`, `.detach()`, `float` and NumPy cut it off, and `requires_grad` does not mend that."
)


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
