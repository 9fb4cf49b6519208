"""L2: rules, published rules, languages and duplicates."""
