"""The real notebooks through the real runner, at the size for tests: from nothing to Table 1 and Figure 5."""

import re
import subprocess
import sys

from PIL import Image

from lineart.config import ROOT
from lineart.evaluation.rows import read_rows


def reproduce(tmp_path, monkeypatch):
    monkeypatch.setenv("LINEART_FIGURES", str(tmp_path / "figures"))
    command = [sys.executable, "-m", "lineart", "reproduce", "--profile", "smoke", "--output", str(tmp_path / "run")]
    return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)  # from any folder


def test_smoke_profile_from_nothing_and_again(tmp_path, monkeypatch):
    first = reproduce(tmp_path, monkeypatch)
    assert first.returncode == 0, first.stdout + first.stderr
    notebooks = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
    assert re.findall(r"^\[ *\d+/\d+\] (\S+) +ran ", first.stdout, re.MULTILINE) == notebooks

    rows = read_rows(tmp_path / "figures" / "table_1.csv")
    assert set(rows["method"]) >= {"none", "image"} and set(rows["protocol"]) == {"P1", "P3"} and set(rows["n"]) == {8}
    with Image.open(tmp_path / "figures" / "figure_5.png") as figure:
        assert min(figure.size) > 300
    assert (tmp_path / "figures" / "figure_5.pdf").read_bytes()[:5] == b"%PDF-"
    assert (tmp_path / "figures" / "claims.csv").is_file()

    again = reproduce(tmp_path, monkeypatch)
    assert again.returncode == 0 and "0 ran, 12 unchanged" in again.stdout
