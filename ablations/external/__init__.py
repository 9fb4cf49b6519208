"""Other people's results: imported with a small mapping file, kept apart, judged alike."""
