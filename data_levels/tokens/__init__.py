"""From documents to token shards, and the tokenizers for it."""
