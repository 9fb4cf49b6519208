"""Readers: each turns one file, or one shard of a hub dataset, into raw documents, one at a time.

    json_lines   .jsonl, .jsonl.gz, .jsonl.zst
    parquet      .parquet
    warc         .warc, .warc.gz, and their text extracts .wet, .wet.gz
    plain        HTML, PDF, text, Markdown and source code, one document a file
    hub          datasets of the Hugging Face hub, or folders that `datasets` can load, by streaming

Every document carries its provenance (`records.Origin`, and what the record itself tells). Memory
is bounded: no record above `records.MAX_DOCUMENT_BYTES` is held, and no more than one at a time
(Parquet: one batch). datatrove's own readers of JSON lines and WARC files are not used because they
pass over broken lines, undecodable pages and documents without text in silence.

What is damaged goes by one rule, so that nothing is lost without a trace:

- Damage within one record: that record becomes a `Dropped`; reading goes on with the next. Reasons:
  `invalid_json`, `invalid_utf8`, `not_an_object`, `no_text`, `larger_than_limit`,
  `unsupported_media_type`, `undecodable_payload`.
- Damage after which the rest of a file cannot be read (a truncated or corrupt archive): what was
  read before stays, then comes one `truncated_file`.
- A file that cannot be read at all: one `unreadable_file`.

Each names the file, the record and what is wrong in its `detail`. A hub dataset that fails stops
the build with the cause instead: it may be read again, and would then be a different corpus.
"""
