"""`lineart studio`: serve the page, build its folder, or export the networks alone."""

import functools
import webbrowser
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Annotated

from tyro.conf import FlagCreatePairsOff, arg

from lineart.config import ROOT, InputError

FOLDER = ROOT / "site" / "studio"


@dataclass
class Build:
    """Make the folder: the page, the networks, samples, and onnxruntime-web from npm."""

    out: Annotated[Path, arg(help="folder; replaces an earlier one", help_behavior_hint="(site/studio)")] = FOLDER

    def run(self) -> int:
        from lineart.studio.build import build

        build(self.out)
        return 0


@dataclass
class Export:
    """Write every shipped network as an ONNX file."""

    out: Annotated[Path, arg(help="folder")]

    def run(self) -> int:
        from lineart.studio.export import export_all

        export_all(self.out)
        return 0


class Handler(SimpleHTTPRequestHandler):
    """Files of the folder, always asked for anew, without a line for each."""

    extensions_map = SimpleHTTPRequestHandler.extensions_map | {".js": "text/javascript"}  # whatever Windows says

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, format: str, *words) -> None:
        pass


def server(folder: Path, port: int) -> ThreadingHTTPServer:
    """An HTTP server of the folder that only this machine reaches; not started."""
    try:
        return ThreadingHTTPServer(("127.0.0.1", port), functools.partial(Handler, directory=str(folder)))
    except (OSError, OverflowError) as error:
        raise InputError(f"port must be free and below 65536, got {port}: {error}; --port takes another") from error


@dataclass
class Studio:
    """The studio in the browser: draw, choose a reference, and watch networks colour.

    Serves the page on this machine and opens the browser; the folder is built where it is missing or outdated.
    """

    port: Annotated[int, arg(help="0 takes any that is free", help_behavior_hint="(8017)")] = 8017
    no_browser: Annotated[bool, FlagCreatePairsOff, arg(help="open no browser")] = False
    folder: Annotated[Path, arg(help="where it is built", help_behavior_hint="(site/studio)")] = FOLDER
    command: Build | Export | None = None

    def run(self) -> int:
        if self.command:
            return self.command.run()
        from lineart.studio.build import build, built

        with server(self.folder, self.port) as http:
            if not built(self.folder):
                build(self.folder)
            address = f"http://localhost:{http.server_port}/"
            print(f"{address}   (Ctrl-C ends it)", flush=True)
            if not self.no_browser:
                webbrowser.open(address)
            http.serve_forever()
        return 0
