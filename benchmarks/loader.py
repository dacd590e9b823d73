"""How fast batches come from disk: the prepared arrays against decoding, k-means and planes for every sample.

    python benchmarks/loader.py                        on `toon` drawings, written as side-by-side PNG first
    python benchmarks/loader.py --source faces/        on your own pictures, prepared first

The naive data set does what the authors' public code does in `__getitem__`: open the file, part it, crop and flip, find
nine colours by k-means (ten starts) on a quarter of the side, and fill 27 planes with them. Both run on the CPU, in one
process and then with as many worker processes as there are cores. Ours is timed with nine colours a picture, which is
what the training takes, and once more with the 27 planes made of them.
Writes `figures/loader.csv` and its side-car.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from sklearn.cluster import KMeans
from torch.utils.data import DataLoader, Dataset, RandomSampler

from lineart.config import Config, figures_dir
from lineart.data import toon
from lineart.data.augment import training_batch
from lineart.data.lines import extract_lines
from lineart.data.prepare import prepare
from lineart.data.sets import Pairs, load
from lineart.evaluation.rows import write_csv
from lineart.files import provenance, write_sidecar
from lineart.images import to_unit
from lineart.layers import palette_planes


class NaiveData(Dataset):
    """One sample from its file, all of it again each time."""

    def __init__(self, files: list[Path], paired: bool, size: int, k: int) -> None:
        self.files, self.paired, self.size, self.k = files, paired, size, k

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        picture = Image.open(self.files[index]).convert("RGB")
        if self.paired:
            half = picture.width // 2
            color, line = picture.crop((0, 0, half, half)), picture.crop((half, 0, 2 * half, half))
        else:
            color, line = picture, extract_lines(picture).convert("RGB")
        if color.width != self.size:
            color, line = (image.resize((self.size, self.size), Image.Resampling.LANCZOS) for image in (color, line))
        margin = self.size // 16
        dx, dy = np.random.randint(-margin, margin + 1, 2)
        move = (1, 0, int(dx), 0, 1, int(dy))
        color, line = (image.transform(image.size, Image.Transform.AFFINE, move) for image in (color, line))
        if np.random.rand() < 0.5:
            color, line = (image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for image in (color, line))
        pixels = np.asarray(color.reduce(4)).reshape(-1, 3).astype(np.float32)
        palette = KMeans(self.k, n_init=10).fit(pixels).cluster_centers_
        planes = torch.empty(3 * self.k, self.size, self.size)  # (27, H, W)
        for i, value in enumerate(palette.flatten()):
            planes[i] = float(value) / 127.5 - 1
        line, color = (to_unit(torch.tensor(np.asarray(image))).permute(2, 0, 1) for image in (line, color))
        return {"input": torch.cat([line, planes]), "color": color.contiguous()}


def naive(data: NaiveData, batch_size: int, workers: int, batches: int) -> float:
    """Images a second, the start of the workers left out."""
    if len(data) < batch_size:
        raise SystemExit(f"--batch-size must be at most the {len(data)} training pictures, got {batch_size}")
    order = RandomSampler(data, replacement=True, num_samples=(batches + 1) * batch_size)  # as many as are asked for
    loader = DataLoader(data, batch_size, sampler=order, num_workers=workers)
    return _rate(iter(loader), batch_size, batches)


def ours(pairs: Pairs, config: Config, batches: int, planes: bool) -> float:
    """Images a second; with `planes`, the 27 are made as well, which the generator does without."""

    def stream():
        for step in range(batches + 1):
            batch = training_batch(pairs, config, step)
            if planes:
                constant = palette_planes(batch["palette"], config.size, config.size)
                batch["input"] = torch.cat([batch["line"], constant], 1)
            yield batch

    return _rate(stream(), config.batch_size, batches)


def _rate(stream: Iterator[dict[str, torch.Tensor]], batch_size: int, batches: int) -> float:
    next(stream)
    started = time.perf_counter()
    for _ in range(batches):
        next(stream)
    return batches * batch_size / (time.perf_counter() - started)


def write_toon(folder: Path, n: int) -> list[Path]:
    """Side-by-side PNGs of 1024x512, as in the paper's set."""
    (folder / "train").mkdir()
    for i in range(n):
        drawing = toon.draw(toon.seed_of("train", i), 512)
        sheet = np.hstack([drawing.color, np.repeat(drawing.line[..., None], 3, axis=2)])
        Image.fromarray(sheet).save(folder / "train" / f"{i:05d}.png")
    return sorted((folder / "train").iterdir())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, help="folder of colour pictures; by default toon drawings")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--batches", type=int, default=10, help="of the naive data set; ours are ten times as many")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        name = "folder" if args.source else "pairs"
        source = args.source or Path(folder)
        if not args.source:
            write_toon(source, 192)
        store = prepare(name, source, args.size, Path(folder) / "prepared", max_rejected=1)  # nothing is left behind
        config = Config(
            data=name, source=str(store.path), size=args.size, batch_size=args.batch_size, weights="bundled"
        )
        pairs, index = load(config), store.index()
        whole = index[(index["split"] == "train") & (index["piece"] == "")]
        files = [source / file for file in whole["file"]]
        data = NaiveData(files, name == "pairs", args.size, config.k)
        cores = os.cpu_count() or 1
        rates = {
            "naive, in the training process": naive(data, args.batch_size, 0, args.batches),
            f"naive, {cores} worker processes": naive(data, args.batch_size, cores, args.batches),
            "prepared": ours(pairs, config, 10 * args.batches, planes=False),
            "prepared, 27 planes made": ours(pairs, config, 10 * args.batches, planes=True),
        }
    path = figures_dir("classroom") / "loader.csv"
    slowest = min(rates.values())
    lines = [(way, f"{rate:.1f}", f"{rate / slowest:.1f}") for way, rate in rates.items()]
    write_csv(path, pd.DataFrame(lines, columns=["way", "images_a_second", "times"]))
    write_sidecar(
        path,
        provenance(
            config.replace(source=None),
            batches=args.batches,
            cores=cores,
            pictures=args.source.resolve().name if args.source else "toon",
        ),
    )
    print(path.read_text())


if __name__ == "__main__":
    main()
