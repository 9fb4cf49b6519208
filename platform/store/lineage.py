"""Which corpora were made from which: the chains from a source to every deepest corpus."""

from sqlalchemy import Engine, select

from davinci.platform.store import tables
from davinci.platform.store.records import Corpus


def corpus_chains(engine: Engine) -> list[tuple[Corpus, ...]]:
    """Return, for every corpus that no other was made from, the corpora from L0 to it."""
    with engine.connect() as connection:
        rows = connection.execute(select(tables.corpus)).mappings()
        corpora = {
            row["task"]: Corpus(
                digest=row["task"],
                domain=row["domain"],
                level=row["level"],
                parent=row["parent"],
                manifest=row["manifest"],
            )
            for row in rows
        }
    parents = {corpus.parent for corpus in corpora.values()}
    ends = [corpus for digest, corpus in corpora.items() if digest not in parents]
    chains = [_chain(corpus, corpora) for corpus in ends]
    return sorted(chains, key=lambda chain: (chain[-1].domain, chain[-1].level, chain[-1].digest))


def _chain(end: Corpus, corpora: dict[str, Corpus]) -> tuple[Corpus, ...]:
    chain = [end]
    while chain[0].parent in corpora:
        chain.insert(0, corpora[chain[0].parent])
    return tuple(chain)
