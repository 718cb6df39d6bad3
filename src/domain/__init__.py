"""What is true in a workshop: aggregates, their rules, and the repositories they are kept in."""
