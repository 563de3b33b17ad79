"""`jiexu doctor`: what is wrong with a stack, its cause before its symptoms, and what to do."""
