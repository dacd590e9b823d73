"""The studio as one folder that any static host can serve: the page, the networks, samples, and onnxruntime-web."""

import gzip
import hashlib
import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from lineart.config import PACKAGE, InputError
from lineart.files import sha256, whole, write_text
from lineart.studio.export import MANIFEST as NETWORKS
from lineart.studio.export import export_all, need_onnx, shipped
from lineart.studio.samples import draw_samples

PAGE = PACKAGE / "studio" / "page"
MANIFEST = "studio.json"  # what the page reads first
SHOWN = ("index.html", "studio.css", "studio.js")
RUNTIME = {"ort.wasm.bundle.min.mjs": "ort.js", "ort-wasm-simd-threaded.wasm": "ort.wasm"}  # .js: a type all hosts know
MADE_BY = ("config.py", "checkpoint.py", "images.py", "layers.py", "networks.py", "methods.py")
MADE_BY += tuple(f"data/{name}.py" for name in ("lines", "toon", "palette", "store"))


def build(out: Path) -> Path:
    """Make the folder `out` anew, whole or not at all. Takes `npm` and, the first time, a network.

    Raises InputError where npm or the extra `studio` is missing, or where `out` holds something else.
    """
    out = out.resolve()
    if out.exists() and not (out.is_dir() and ((out / MANIFEST).is_file() or not any(out.iterdir()))):
        raise InputError(f"--out must be a new folder or an earlier studio, got {out}")
    npm = need_npm()
    need_onnx()
    started = time.monotonic()
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as name:
        folder = Path(name) / out.name
        fill(folder, npm)
        shutil.rmtree(out, ignore_errors=True)
        folder.replace(out)
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    print(f"{out}: {size / 1e6:.0f} MB in {time.monotonic() - started:.0f} s")
    return out


def fill(folder: Path, npm: str) -> None:
    """Everything that the page needs, in a new folder."""
    fetch_runtime(folder / "ort", npm)
    for name in SHOWN:
        shutil.copy(PAGE / name, folder / name)
    networks = export_all(folder / "networks")
    (folder / "networks" / NETWORKS).unlink()  # the manifest says it all, and with the packed names
    for network in networks:
        network["file"] = f"networks/{pack(folder / 'networks' / network['file']).name}"
    manifest = {"key": key(), "networks": networks, "samples": draw_samples(folder / "samples")}
    write_text(folder / MANIFEST, json.dumps(manifest, indent=1) + "\n")


def built(out: Path) -> bool:
    """Whether `out` holds the studio of this code and these weights."""
    manifest = out / MANIFEST
    return manifest.is_file() and json.loads(manifest.read_text(encoding="utf-8")).get("key") == key()


def key() -> str:
    """A digest of all that decides what the folder holds, but for the versions of libraries."""
    ours = [path for path in sorted((PACKAGE / "studio").rglob("*")) if path.is_file() and path.suffix != ".pyc"]
    files = [*ours, *(PACKAGE / name for name in MADE_BY), *shipped()]
    return hashlib.sha256("".join(f"{path.name} {sha256(path)}\n" for path in files).encode()).hexdigest()


def need_npm() -> str:
    """The npm on the path."""
    if (npm := shutil.which("npm")) is None:
        raise InputError("to build the studio, npm must be on the path (it comes with Node.js 18 or later), got none")
    return npm


def fetch_runtime(out: Path, npm: str) -> None:
    """onnxruntime-web in the version of the lock, checked against its hashes, into `out`."""
    out.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as name:
        for file in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(PAGE / file, name)
        done = subprocess.run([npm, "ci", "--prefer-offline"], cwd=name, capture_output=True, text=True)
        if done.returncode:
            said = next((line for line in done.stderr.splitlines() if "error" in line.lower()), "no reason given")
            raise InputError(f"npm could not fetch onnxruntime-web: {said}")
        for source, target in RUNTIME.items():
            shutil.copy(Path(name, "node_modules", "onnxruntime-web", "dist", source), out / target)
    pack(out / "ort.wasm")


def pack(path: Path) -> Path:
    """A file replaced by its gzip, which the page unpacks: fewer bytes on every host, whatever it compresses itself."""
    packed = path.with_name(f"{path.name}.gz")
    with whole(packed) as temporary:
        temporary.write_bytes(gzip.compress(path.read_bytes(), 6, mtime=0))
    path.unlink()
    return packed
