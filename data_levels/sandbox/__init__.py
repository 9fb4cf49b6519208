"""The sandbox: where code that a model wrote is run, by the evaluation and by L7."""
