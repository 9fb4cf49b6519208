"""The Python installation itself as a crawl: real text, real duplicates, real noise."""
