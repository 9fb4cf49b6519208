"""Where documents come from: the embedded ones, files of the user, the paper's pool."""
