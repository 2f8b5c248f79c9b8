"""Fixed point for the tensors that N2UQ leaves real-valued, with a proven error bound for each."""
