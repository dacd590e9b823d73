"""The README's picture: rows of true transfer, chosen by a rule and not by taste.

    python benchmarks/transfer_rows.py        two minutes on two cores

Four shipped networks colour 512 test drawings of `toon` under P4: the reference is another drawing, painted in the
drawing's own colours. The last of them is the default, and its result is finished: one colour a region, from the
reference's palette. The five rows are the middles of the five fifths when the drawings stand in the order of their
PSNR by the network that was trained on bent references. Writes `figures/transfer_rows.png` and its side-car.
"""

import numpy as np

from lineart.coloring import flats
from lineart.coloring.colorizer import Colorizer, checkpoint_path
from lineart.course.plotting import save_figure, show_grid
from lineart.data.sets import load
from lineart.evaluation import metrics
from lineart.evaluation.protocols import trials
from lineart.files import sha256
from lineart.images import as_images, paint

N = 512
PERCENTILES = (10, 30, 50, 70, 90)
NETWORKS = {"no attention": "toon-none", "the paper's training": "toon-image", "bent references": "toon-image-warped"}
DEFAULT, FINISHED = "toon", "the default, exact"
RULE = "The drawings at the 10th, 30th, 50th, 70th and 90th percentile of PSNR with bent references."


def chosen(psnr: np.ndarray) -> list[int]:
    """The drawings at `PERCENTILES` of psnr (n,), the worst first."""
    order = np.argsort(psnr, kind="stable")
    return [int(order[round(percent / 100 * (len(order) - 1))]) for percent in PERCENTILES]


def main() -> None:
    colorizers = {title: Colorizer.from_pretrained(name) for title, name in NETWORKS.items()}
    pairs = load(colorizers["bent references"].config, "test", N)
    trial = trials("P4", pairs, "toon")[0]
    truth = as_images(pairs.color)
    results = {
        title: paint(colorizer.generator, pairs.line, trial.color, trial.palette)
        for title, colorizer in colorizers.items()
    }
    default = Colorizer.from_pretrained(DEFAULT)
    smooth = paint(default.generator, pairs.line, trial.color, trial.palette).permute(0, 2, 3, 1).numpy()
    exact = [flats.finish(*parts, "exact") for parts in zip(pairs.line, smooth, trial.palette)]
    results[FINISHED] = as_images(np.stack(exact))
    psnr = {title: metrics.psnr(result, truth).numpy() for title, result in results.items()}
    rows = chosen(psnr["bent references"])
    grid = [[trial.color[i], pairs.line[i], *(result[i] for result in results.values()), pairs.color[i]] for i in rows]
    figure = show_grid(grid, ["reference", "drawing", *results, "truth"], side=1.2)
    columns = len(grid[0])
    for r, i in enumerate(rows):
        for c, title in enumerate(results, start=2):
            figure.axes[r * columns + c].set_xlabel(f"{psnr[title][i]:.1f} dB", fontsize=8, labelpad=2)
    figure.tight_layout(pad=0.3)
    shown = {title: [round(float(values[i]), 2) for i in rows] for title, values in psnr.items()}
    names = NETWORKS | {FINISHED: DEFAULT}
    weights = {title: sha256(checkpoint_path(name)) for title, name in names.items()}
    print(
        save_figure(
            figure,
            "classroom",
            "transfer_rows",
            rule=RULE,
            n=N,
            drawings=[pairs.name[i] for i in rows],
            psnr=shown,
            weights=weights,
        )
    )


if __name__ == "__main__":
    main()
