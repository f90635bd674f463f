"""How much a rollout amplifies a disturbance of each place where precision can be cut."""
