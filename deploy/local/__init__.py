"""The whole stack as local processes, without containers."""
