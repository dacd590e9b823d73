"""Real notebooks through the real runner, at the size for tests: from nothing to Table 1, Figure 5 and the claims."""

import json
import re
import subprocess
import sys

from PIL import Image

from lineart.evaluation.rows import read_rows


def reproduce(tmp_path, monkeypatch):
    monkeypatch.setenv("LINEART_FIGURES", str(tmp_path / "results" / "figures"))
    command = f"-m lineart reproduce --profile smoke --output {tmp_path / 'run'} --only 09 10 11".split()
    return subprocess.run([sys.executable, *command], cwd=tmp_path, capture_output=True, text=True)  # from any folder


def test_smoke_profile_from_nothing_and_again(tmp_path, monkeypatch):
    first = reproduce(tmp_path, monkeypatch)
    assert first.returncode == 0, first.stdout + first.stderr
    ran = re.findall(r"^\[ *\d/4\] (\w+?)_\S+ +[\d.]+ s  ran ", first.stdout, re.MULTILINE)
    assert sorted(ran) == ["09a", "09b", "10", "11"]
    assert first.stderr == ""

    figures = tmp_path / "results" / "figures"
    rows = read_rows(figures / "table_1.csv")
    assert set(rows["method"]) >= {"none", "image"} and set(rows["protocol"]) == {"P1", "P3"} and set(rows["n"]) == {8}
    with Image.open(figures / "figure_5.png") as figure:
        assert min(figure.size) > 300
    assert (figures / "figure_5.pdf").read_bytes()[:5] == b"%PDF-" and (figures / "claims.csv").is_file()
    card, run = (json.loads((figures.parent / name / "table_1.json").read_text()) for name in ("figures", "provenance"))
    assert "commit" in run and not set(run) & set(card) and card["config"]["size"] == 64

    again = reproduce(tmp_path, monkeypatch)
    assert again.returncode == 0 and "0 ran, 4 unchanged" in again.stdout
