"""`davinci ui`: the MLflow UI on the right database, and the reports beside it.

Neither server has any protection of its own, so both listen on this machine alone.
"""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rich.console import Console

from davinci.platform.config.places import sqlite_url
from davinci.platform.tracking.shown import UI_HOST as HOST

MLFLOW = "/mlflow/"


class _Handler(SimpleHTTPRequestHandler):
    """Serves the reports, and sends `/mlflow/DIGEST` on to that run in the MLflow UI."""

    def __init__(self, *words: Any, find: Callable[[str], str], **more: Any) -> None:
        self.find = find
        super().__init__(*words, **more)

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if not path.startswith(MLFLOW):
            super().do_GET()
            return
        target = self.find(path.removeprefix(MLFLOW))
        if not target:
            self.send_error(404, "MLflow has no such run")
            return
        self.send_response(302)
        self.send_header("Location", target)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing of requests."""


def serve_reports(reports: Path, port: int, find: Callable[[str], str]) -> ThreadingHTTPServer:
    """Serve a folder of reports in a thread of its own; `find` gives a run's address in MLflow.

    Raises:
        OSError: If the port is taken.
    """
    handler = partial(_Handler, directory=str(reports), find=find)
    server = ThreadingHTTPServer((HOST, port), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def mlflow_address(url: str, port: int, run: str) -> str:
    """Return where the MLflow UI shows a run, given by its digest; "" if it has none such."""
    from davinci.platform.tracking.mirror import connect

    if not re.fullmatch(r"[0-9a-f]{1,64}", run):
        return ""
    client = connect(url)
    experiments = [found.experiment_id for found in client.search_experiments()]
    found = client.search_runs(experiments, f"tags.`davinci.run` = '{run}'", max_results=1)
    if not found:
        return ""
    info = found[0].info
    return f"http://{HOST}:{port}/#/experiments/{info.experiment_id}/runs/{info.run_id}"


def serve(output_dir: Path, port: int, console: Console) -> int:
    """Serve both until interrupted; the reports have the next port. Return MLflow's exit code.

    Raises:
        OSError: If the port of the reports is taken.
    """
    url = sqlite_url(output_dir / "mlflow.db")
    server = serve_reports(
        output_dir / "reports", port + 1, lambda run: mlflow_address(url, port, run)
    )
    console.print(f"reports  http://{HOST}:{port + 1}/", highlight=False)
    console.print(f"MLflow   http://{HOST}:{port}/", highlight=False)
    words = ["mlflow", "ui", "--backend-store-uri", url, "--host", HOST, "--port", str(port)]
    environment = {**os.environ}
    environment.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # nothing leaves this machine
    child = subprocess.Popen([sys.executable, "-m", *words], env=environment)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return child.wait()
    except KeyboardInterrupt:
        return 130
    finally:
        child.terminate()
        child.wait()
        server.shutdown()
