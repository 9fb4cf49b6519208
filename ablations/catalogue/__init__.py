"""The catalogue: one YAML file per ablation, on Hydra's search path as the group `ablation`."""
