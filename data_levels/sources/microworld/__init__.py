"""The microworld: a small procedural world with known ground truth, published as a dirty crawl."""
