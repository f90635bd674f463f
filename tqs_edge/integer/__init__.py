"""From float graph and bit plan to integer operations with every constant decided."""
