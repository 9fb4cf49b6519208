"""From what a user says to what runs: schema, composition, resolution, identity, errors."""
