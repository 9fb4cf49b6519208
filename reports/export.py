"""`davinci export`: a checkpoint as a Hugging Face folder, with its tokenizer."""

from pathlib import Path

from sqlalchemy import Engine, select

from davinci.data_levels.tokens.tokenizer import end_of_text_id
from davinci.models.interchange import export_model
from davinci.platform.store import tables


class UnknownCheckpoint(LookupError):
    """No finished segment has that digest, or its weights are gone."""


def export_checkpoint(engine: Engine, output_dir: Path, start: str, to: Path) -> str:
    """Export the segment whose digest begins with `start`; return the digest.

    Raises:
        UnknownCheckpoint: If none begins so, several do, or the weights were pruned.
        FileExistsError: If there is a model in `to` already.
    """
    with engine.connect() as connection:
        query = select(tables.segment.c.task).where(tables.segment.c.task.startswith(start))
        found = list(connection.scalars(query.limit(2)))
    if len(found) != 1:
        which = "Several segments begin" if found else "No finished segment begins"
        raise UnknownCheckpoint(
            f"{which} with {start!r}; reports list the checkpoints of all runs."
        )
    digest = str(found[0])
    model = output_dir / "artifacts" / "segment" / digest / "model"
    if not model.is_dir():
        raise UnknownCheckpoint(
            f"The weights of {digest[:12]} are not in {output_dir} (pruned by trainer.keep, or "
            "elsewhere); run its sweep again with trainer.keep=all."
        )
    tokenizer = _tokenizer(engine, output_dir, digest)
    export_model(
        model,
        to,
        tokenizer=tokenizer,
        end_of_text_id=None if tokenizer is None else end_of_text_id(tokenizer),
    )
    return digest


def _tokenizer(engine: Engine, output_dir: Path, segment: str) -> Path | None:
    """Return the folder of the tokenizer behind a segment's shards, if it is there."""
    edge = tables.task_input
    with engine.connect() as connection:
        shards = connection.scalar(
            select(edge.c.input).where(edge.c.task == segment, edge.c.name.startswith("shards."))
        )
        tokenizer = connection.scalar(
            select(edge.c.input).where(edge.c.task == shards, edge.c.name == "tokenizer")
        )
    folder = output_dir / "artifacts" / "tokenizer" / str(tokenizer)
    return folder if folder.is_dir() else None
