"""The tables. Arrays (outcomes, curves) are little-endian float64 blobs; nested data is JSON.

sweep ──< arm ──< arm_run >── run ──< run_task >── task ──< task_input
            │                  │                    ├─ corpus   (one per corpus task)
            └── recipe ────────┘                    ├─ segment, curve  (per segment task)
                                                    ├─ evaluation, outcomes (per evaluation task)
                                                    ├─ contamination (per contamination task)
                                                    └─ attempt  (per try at a task)

ablation ──< sweep_ablation >── sweep,  verdict (per claim of both)
search ──< trial    job (what was submitted to a cluster)    external (results of others)

A change of these tables needs a migration beside it (`migrations/versions`).
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

SCHEMA_VERSION = "0004"
"""The newest of `migrations/versions`."""

LEASE_S = 60.0
"""A running task whose owner was silent for longer is anybody's."""

metadata = MetaData()


def _digest(name: str, *, key: bool = True, of: str = "") -> "Column[str]":
    if of:
        return Column(name, String(64), ForeignKey(f"{of}.digest"), primary_key=key)
    return Column(name, String(64), primary_key=key)


davinci_version = Table(
    "davinci_version", metadata, Column("version_num", String(32), primary_key=True)
)
"""Alembic's own table, under a name that no other user of Alembic has."""

task = Table(
    "task",
    metadata,
    _digest("digest"),
    Column("kind", String(32), nullable=False, index=True),
    Column("label", Text, nullable=False),
    Column("settings", JSON, nullable=False),
    Column("state", String(16), nullable=False, index=True),
    Column("owner", String(128), nullable=False, default=""),
    Column("place", String(128), nullable=False, default=""),
    Column("heartbeat", Float, nullable=False, default=0.0),
    Column("progress", BigInteger, nullable=False, default=0),
    Column("progress_total", BigInteger, nullable=False, default=0),
    Column("note", Text, nullable=False, default=""),
    Column("attempts", Integer, nullable=False, default=0),
    Column("cause", String(32), nullable=False, default=""),
    Column("error", Text, nullable=False, default=""),
    Column("created", Float, nullable=False),
    Column("started", Float),
    Column("finished", Float),
    Column("wall_s", Float, nullable=False, default=0.0),
    Column("cpu_s", Float, nullable=False, default=0.0),
    Column("max_rss_bytes", BigInteger, nullable=False, default=0),
)

attempt = Table(
    "attempt",
    metadata,
    _digest("task", of="task"),
    Column("number", Integer, primary_key=True),
    Column("state", String(16), nullable=False),
    Column("owner", String(128), nullable=False),
    Column("place", String(128), nullable=False),
    Column("cause", String(32), nullable=False, default=""),
    Column("error", Text, nullable=False, default=""),
    Column("started", Float, nullable=False),
    Column("finished", Float),
    Column("wall_s", Float, nullable=False, default=0.0),
    Column("cpu_s", Float, nullable=False, default=0.0),
    Column("max_rss_bytes", BigInteger, nullable=False, default=0),
)

task_input = Table(
    "task_input",
    metadata,
    _digest("task", of="task"),
    Column("name", String(64), primary_key=True),
    _digest("input", key=False, of="task"),
)

recipe = Table(
    "recipe",
    metadata,
    _digest("digest"),
    Column("config", JSON, nullable=False),
)

run = Table(
    "run",
    metadata,
    _digest("digest"),
    _digest("recipe", key=False, of="recipe"),
    Column("seed", Integer, nullable=False),
    Column("world_seed", Integer, nullable=False),
)

run_task = Table(
    "run_task",
    metadata,
    _digest("run", of="run"),
    Column("role", String(64), primary_key=True),
    _digest("task", key=False, of="task"),
)

sweep = Table(
    "sweep",
    metadata,
    _digest("digest"),
    Column("name", Text, nullable=False),
    Column("command", Text, nullable=False),
    Column("created", String(32), nullable=False),
    Column("axes", JSON, nullable=False),
    Column("fixed", JSON, nullable=False),
    Column("baseline", Text, nullable=False),
    Column("provenance", JSON, nullable=False),
    Column("num_tasks", Integer, nullable=False),
    Column("num_tasks_unshared", Integer, nullable=False),
    Column("num_tasks_reused", Integer, nullable=False),
)

arm = Table(
    "arm",
    metadata,
    _digest("sweep", of="sweep"),
    Column("position", Integer, primary_key=True),
    Column("label", Text, nullable=False),
    _digest("recipe", key=False, of="recipe"),
    Column("choices", JSON, nullable=False),
    Column("overrides", JSON, nullable=False),
)

arm_run = Table(
    "arm_run",
    metadata,
    _digest("sweep", of="sweep"),
    Column("position", Integer, primary_key=True),
    _digest("run", of="run"),
)

ablation = Table(
    "ablation",
    metadata,
    _digest("digest"),
    Column("name", String(128), nullable=False, index=True),
    Column("declared", JSON, nullable=False),
    Column("created", String(32), nullable=False),
)

sweep_ablation = Table(
    "sweep_ablation",
    metadata,
    _digest("sweep", of="sweep"),
    _digest("ablation", of="ablation"),
    Column("created", String(32), nullable=False),
)

verdict = Table(
    "verdict",
    metadata,
    _digest("sweep", of="sweep"),
    _digest("ablation", of="ablation"),
    Column("number", Integer, primary_key=True),
    Column("state", String(16), nullable=False),
    Column("content", JSON, nullable=False),
    Column("created", String(32), nullable=False),
)

external = Table(
    "external",
    metadata,
    _digest("digest"),
    Column("name", String(128), nullable=False),
    Column("source", Text, nullable=False),
    Column("created", String(32), nullable=False),
    Column("content", JSON, nullable=False),
)

corpus = Table(
    "corpus",
    metadata,
    _digest("task", of="task"),
    Column("domain", String(16), nullable=False),
    Column("level", String(64), nullable=False),
    Column("parent", String(64), nullable=False),
    Column("manifest", JSON, nullable=False),
)

segment = Table(
    "segment",
    metadata,
    _digest("task", of="task"),
    Column("num_parameters", BigInteger, nullable=False),
    Column("tokens", BigInteger, nullable=False),
    Column("flops", Float, nullable=False),
    Column("result", JSON, nullable=False),
)

curve = Table(
    "curve",
    metadata,
    _digest("task", of="task"),
    Column("name", String(64), primary_key=True),
    Column("tokens", LargeBinary, nullable=False),
    Column("values", LargeBinary, nullable=False),
)

decision = Table(
    "decision",
    metadata,
    _digest("task", of="task"),
    Column("decision", JSON, nullable=False),
)

evaluation = Table(
    "evaluation",
    metadata,
    _digest("task", of="task"),
    Column("protocol", String(16), nullable=False),
    Column("notes", JSON, nullable=False),
)

outcomes = Table(
    "outcomes",
    metadata,
    _digest("task", of="task"),
    Column("benchmark", String(128), primary_key=True),
    Column("metric", String(64), primary_key=True),
    Column("protocol", String(16), nullable=False),
    Column("domain", String(16), nullable=False),
    Column("higher_is_better", Integer, nullable=False),
    Column("chance", Float),
    Column("score", Float, nullable=False),
    Column("num_items", Integer, nullable=False),
    Column("item_ids", JSON, nullable=False),
    Column("clusters", JSON, nullable=False),
    Column("values", LargeBinary, nullable=False),
    Column("weights", LargeBinary, nullable=False),
    Column("samples", JSON, nullable=False),
)

contamination = Table(
    "contamination",
    metadata,
    _digest("task", of="task"),
    Column("benchmark", String(128), primary_key=True),
    Column("domain", String(16), nullable=False),
    Column("rule", JSON, nullable=False),
    Column("corpus_documents", Integer, nullable=False),
    Column("corpus_bytes", BigInteger, nullable=False),
    Column("num_items", Integer, nullable=False),
    Column("num_checkable", Integer, nullable=False),
    Column("num_dirty", Integer, nullable=False),
    Column("item_ids", JSON, nullable=False),
    Column("checkable", LargeBinary, nullable=False),
    Column("question_overlap", LargeBinary, nullable=False),
    Column("overlap", LargeBinary, nullable=False),
    Column("coverage", LargeBinary, nullable=False),
    Column("num_documents", LargeBinary, nullable=False),
    Column("examples", JSON, nullable=False),
    Column("sources", JSON, nullable=False),
)

mirror = Table(
    "mirror",
    metadata,
    _digest("run", of="run"),
    _digest("sweep", of="sweep"),
    Column("tracking_url", String(512), primary_key=True),
    Column("mlflow_run_id", String(64), nullable=False),
    Column("content", String(64), nullable=False),
)

job = Table(
    "job",
    metadata,
    Column("executor", String(16), primary_key=True),
    Column("id", String(64), primary_key=True),
    Column("plan", String(64), nullable=False),
    Column("tasks", JSON, nullable=False),
    Column("submitted", Float, nullable=False),
    Column("ended", Float),
    Column("state", String(32), nullable=False, default=""),
)

search = Table(
    "search",
    metadata,
    _digest("digest"),
    Column("name", Text, nullable=False),
    Column("settings", JSON, nullable=False),
    Column("created", String(32), nullable=False),
)

trial = Table(
    "trial",
    metadata,
    _digest("search", of="search"),
    Column("number", Integer, primary_key=True),
    Column("batch", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("parameters", JSON, nullable=False),
    Column("overrides", JSON, nullable=False),
    Column("runs", JSON, nullable=False),
    Column("values", JSON, nullable=False),
    Column("rungs", JSON, nullable=False),
    Column("constraints", JSON, nullable=False),
)
