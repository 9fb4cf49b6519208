"""Whether evaluation items stand in the corpora that are trained on."""
