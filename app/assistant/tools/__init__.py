"""Tools: typed questions whose answers carry their rows, SQL, units and standing. No SQL here."""
