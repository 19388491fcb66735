"""How well the assistant answers: a golden set of questions, a grader, and mutants that test it."""
