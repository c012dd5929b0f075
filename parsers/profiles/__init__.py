"""Other runtimes' profiles of a network: how long each operator took, as records, and as rows where the unit is a time."""
