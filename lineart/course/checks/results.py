"""Notebooks 10 and 12: where the errors are, and flat colours."""

from collections.abc import Callable

import numpy as np

from lineart.course.checks.verdict import Mistake, judge
from lineart.evaluation.metrics import srgb_to_lab
from lineart.evaluation.regions import bleeding as package_bleeding
from lineart.evaluation.regions import region

SLOTS = 6


def squares(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A mask with three regions, a speck and a stripe of ink, slot colours of all six, and a noisy picture of it."""
    mask = np.zeros((32, 32), np.uint8)
    mask[:, 16:], mask[18:] = 2, 3
    mask[:, 15:17] = 7
    mask[4:7, 4:7] = 1  # too small for a region
    slots = rng.integers(60, 255, (SLOTS, 3), dtype=np.uint8)
    slots[1] = slots[0] - 20
    slots[4] = slots[0] // 2 + slots[2] // 2  # a colour between two others, which this drawing does not have
    painted = slots[np.minimum(mask, SLOTS - 1)] * np.where(mask == 7, 0, 1)[..., None]
    noisy = painted + rng.normal(0, 60, painted.shape)
    return noisy.clip(0, 255).astype(np.uint8), mask, slots


def bled(space=srgb_to_lab, absent=False, specks=False, rim=False, everywhere=False, by_place=False, mean_of=None):
    def wrong(image, mask, slots):
        inside = [(mask == i) if rim else region(mask, i) for i in range(SLOTS)]
        there = [i for i in range(SLOTS) if inside[i].any()]
        colors = [i for i in range(SLOTS) if absent or specks and (mask == i).any() or i in there]
        strayed, total = [], []
        for i in there:
            gap = space(image[inside[i]])[:, None] - space(slots[colors])
            nearest = np.linalg.norm(gap, axis=-1).argmin(1)
            nearest = nearest if by_place else np.array(colors)[nearest]
            strayed, total = [*strayed, (nearest != i).sum()], [*total, inside[i].sum()]
        if mean_of:
            return np.divide(strayed, total).sum() / mean_of(there)
        return sum(strayed) / (mask.size if everywhere else sum(total))

    return wrong


BLED = [
    Mistake(
        "You compared distances in RGB. In CIELAB a distance is what an eye sees.",
        bled(space=lambda x: x.astype(float)),
    ),
    Mistake(
        "You compared with colours that this drawing does not have. Only its own regions can bleed into each other.",
        bled(absent=True),
    ),
    Mistake(
        "A slot that is too small to have a region competes as well. Only slots whose `region` is not empty do.",
        bled(specks=True),
    ),
    Mistake(
        "The rim of the regions counts as well, where colours mix with the ink. Use `region(mask, slot)`.",
        bled(rim=True),
    ),
    Mistake("You divided by all pixels of the picture, not by those in regions.", bled(everywhere=True)),
    Mistake(
        "`argmin` counts within the colours that compete, not in slots: of the slots 0, 2 and 3, slot 2 is number 1.",
        bled(by_place=True),
    ),
    *(
        Mistake(
            "You took the mean of the regions' shares: a small region counts as much as a large one. Add up "
            "the pixels of all regions, then divide once.",
            bled(mean_of=regions),
        )
        for regions in (len, lambda there: SLOTS)
    ),
    Mistake(
        "This is the share that stays at home: count those that are nearer to another colour.",
        lambda *a: 1 - bled()(*a),
    ),
]


def bleeding(student: Callable | None) -> None:
    """bleeding(image, mask, slots): (H, W, 3) uint8, (H, W), (6, 3) -> share of the pixels in regions that stray."""

    def right(*one):
        return package_bleeding(*(array[None] for array in one))[0]

    judge(
        "bleeding",
        student,
        right,
        [squares(np.random.default_rng(0))],
        BLED,
        means="It counts a fringe and a region in the wrong colour alike; the picture tells them apart.",
    )


def error_near_ink(student: Callable | None) -> None:
    """error_near_ink(result, truth, near): (H, W, 3) uint8 twice, (H, W) bool -> its share of the squared error."""
    rng = np.random.default_rng(1)
    result, truth = (rng.integers(0, 256, (12, 14, 3), dtype=np.uint8) for _ in range(2))
    near = rng.random((12, 14)) < 0.3
    result[~near] = truth[~near] // 2 + result[~near] // 2

    def version(kind=float, power=2, mean=False, of=lambda near: near, by=np.ones_like):
        def wrong(result, truth, near):
            error = np.abs(result.astype(kind) - truth.astype(kind)).astype(float) ** power
            part, whole = error[of(near)], error[by(near)]
            return part.mean() / whole.mean() if mean else part.sum() / whole.sum()

        return wrong

    judge(
        "error_near_ink",
        student,
        version(),
        [(result, truth, near)],
        [
            Mistake(
                "uint8 minus uint8 wraps around: 3 - 5 is 254 there. Make floats of them first.", version(np.uint8)
            ),
            Mistake(
                "All of it was done in uint8, where 3 - 5 is 254 and 20 * 20 is 144. Make floats of both pictures "
                "first.",
                lambda result, truth, near: np.sum((result - truth)[near] ** 2) / np.sum((result - truth) ** 2),
            ),
            Mistake("You added absolute errors. Squares weigh a large error more, as PSNR does.", version(power=1)),
            Mistake(
                "You divided two means: how much worse it is near the ink, not which share of the error lies there.",
                version(mean=True),
            ),
            Mistake("This is the share of the pixels, not of the error.", lambda result, truth, near: near.mean()),
            Mistake("You divided by the error away from the ink. A share is of the whole.", version(by=np.logical_not)),
            Mistake("This is the share away from the ink.", version(of=np.logical_not)),
        ],
        means="It says where to look: at lines, or at whole regions. The map says what it is.",
    )


def filled(middle=lambda pixels: np.median(pixels, axis=0), first=1, unseen=0, ink=None):
    def wrong(color, labels):
        flat = color.astype(float) if ink is None else np.full(color.shape, ink, float)
        for label in range(first, labels.max() + 1 - unseen):
            if (labels == label).any():
                flat[labels == label] = middle(color[labels == label])
        return flat

    return wrong


def first_left_out(color, labels):
    return filled(first=np.unique(labels)[1])(color, labels)


def whole_picture(color, labels):
    return np.where(labels[..., None] > 0, np.median(color.reshape(-1, 3), axis=0), color)


def region_medians(student: Callable | None) -> None:
    """region_medians(color, labels): (H, W, 3) uint8, (H, W) 0 for ink, 1.. for regions -> (H, W, 3), flat."""
    rng = np.random.default_rng(4)
    labels = np.repeat(np.repeat(rng.permutation(9).reshape(3, 3) % 5, 5, 0), 5, 1)
    color = rng.integers(0, 256, (15, 15, 3), dtype=np.uint8)

    judge(
        "region_medians",
        student,
        filled(),
        [(color, labels), (color // 2 + 128, labels + 1)],
        [
            Mistake(
                "Not every drawing has ink: where no label is 0, `np.unique(labels)[1:]` leaves out the first region.",
                first_left_out,
            ),
            Mistake(
                "You took the mean. A few pixels that ran over a line move it; the median stays where most are.",
                filled(lambda pixels: pixels.mean(0)),
            ),
            Mistake("You took one median of all three channels together, and every region is grey.", filled(np.median)),
            Mistake("The ink was filled as well. Label 0 is no region and keeps its colours.", filled(first=0)),
            Mistake("Every region got the median of the whole picture.", whole_picture),
            *(
                Mistake(
                    "The last region is missing: `range` stops before its end, so it must go to `labels.max() + 1`.",
                    filled(unseen=1, ink=ink),
                )
                for ink in (None, 0, 255)
            ),
            *(
                Mistake(f"The ink became {name}. It keeps its colours: write into a copy of `color`.", filled(ink=ink))
                for ink, name in ((0, "black"), (255, "white"))
            ),
        ],
        means="What bled over a line is outvoted by the rest of its region.",
        tolerance=6e-3,
    )
