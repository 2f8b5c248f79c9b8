"""What N2UQ leaves real-valued becomes fixed point, each tensor with a proven error bound."""
