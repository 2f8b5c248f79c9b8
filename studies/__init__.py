"""The study of trained quantizers: its data, design, statistics and page (`hypotheses.md`)."""
