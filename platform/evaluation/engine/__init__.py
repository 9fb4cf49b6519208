"""The engine: likelihoods and answers of a model, with no token computed twice."""
