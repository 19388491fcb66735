"""PostgreSQL and the landing store: where deliveries are kept and loaded."""
