"""Search: Optuna proposes points by ask and tell; the engine runs them, the store remembers."""
