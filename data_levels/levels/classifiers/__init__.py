"""L3: where labels come from, what is trained on them, and models from elsewhere."""
