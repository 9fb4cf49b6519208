"""A small server of `/v1/completions` over a Hugging Face folder, as vLLM's answers.

Run as `python completions_server.py MODEL PORT`; `--no-echo` makes it one that cannot score.
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

MOST_STOPS = 4
"""As many as OpenAI's own servers know."""


class Completions:
    """Greedy completions, one prompt at a time."""

    def __init__(self, folder: Path, echoes: bool) -> None:
        self.model = AutoModelForCausalLM.from_pretrained(folder).train(False)
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        config = json.loads((folder / "generation_config.json").read_text())
        self.end_id = config["eos_token_id"]
        self.echoes = echoes
        self.lock = Lock()

    def complete(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return one choice."""
        ids = list(body["prompt"])
        if len(ids) + body["max_tokens"] > self.model.config.max_position_embeddings:
            raise ValueError("prompt and max_tokens are longer than the context")
        prompt_length, text = len(ids), ""
        while len(ids) < prompt_length + body["max_tokens"]:
            token = int(self.logprobs(ids)[-1].argmax())
            if token == self.end_id:
                break
            ids.append(token)
            text = self.tokenizer.decode(ids[prompt_length:])
            cuts = [text.find(stop) for stop in body.get("stop", [])[:MOST_STOPS] if stop in text]
            if cuts:
                text = text[: min(cuts)]
                break
        if not (body.get("echo") and self.echoes):
            return {"text": text, "logprobs": None}
        logprobs = self.logprobs(ids)[:-1]
        own = [float(row[token]) for row, token in zip(logprobs, ids[1:], strict=True)]
        best = [{str(int(row.argmax())): float(row.max())} for row in logprobs]
        return {
            "text": text,
            "logprobs": {"token_logprobs": [None, *own], "top_logprobs": [None, *best]},
        }

    def logprobs(self, ids: list[int]) -> torch.Tensor:
        """Return log-probabilities behind every token, shape (T, V)."""
        with torch.inference_mode(), self.lock:
            logits: torch.Tensor = self.model(input_ids=torch.tensor([ids])).logits[0]
            return logits.log_softmax(-1)


class Handler(BaseHTTPRequestHandler):
    """Says that it is there, and completes."""

    served: Completions

    def do_GET(self) -> None:
        self.reply(200, {"data": []})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        try:
            self.reply(200, {"choices": [self.served.complete(body)]})
        except ValueError as error:
            self.reply(400, {"message": str(error)})

    def reply(self, code: int, document: dict[str, Any]) -> None:
        data = json.dumps(document).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


if __name__ == "__main__":
    torch.set_num_threads(1)
    Handler.served = Completions(Path(sys.argv[1]), echoes="--no-echo" not in sys.argv)
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()
