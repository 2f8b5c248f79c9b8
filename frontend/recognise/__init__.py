"""One export pattern per file: each has a pattern, a check and reasons for refusal."""
