"""The MLflow mirror of the store: the only place that imports MLflow."""
