"""Seconds that a finish takes, one core: python benchmarks/flats.py [--sides 128 500 1000 2000]"""

import argparse
import time
from functools import partial

import numpy as np
import torch
from PIL import Image

from lineart.coloring import flats
from lineart.coloring.drawing import clean
from lineart.data.toon import draw


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sides", type=int, nargs="+", default=[128, 500, 1000, 2000])
    torch.set_num_threads(1)
    for side in parser.parse_args().sides:
        drawing = draw("val-0-000000", side)
        scan = Image.fromarray((drawing.line * 0.7).astype(np.uint8))
        jobs = {"clean": partial(clean, scan)}
        for name in ("soft", "flat", "exact"):
            jobs[name] = partial(flats.finish, drawing.line, drawing.color, drawing.slots, name)
        hatched = np.where(np.add.outer(np.arange(side), np.arange(side)) % 6 < 2, 0, 255).astype(np.uint8)
        jobs["flat, hatched"] = partial(flats.finish, hatched, drawing.color)
        print(f"{side} px:", ", ".join(f"{name} {seconds(job):.2f} s" for name, job in jobs.items()), flush=True)


def seconds(job) -> float:
    """Of the fastest of three calls, in time of this process."""
    times = []
    for _ in range(3):
        start = time.process_time()
        job()
        times.append(time.process_time() - start)
    return min(times)


if __name__ == "__main__":
    main()
