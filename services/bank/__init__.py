"""Stands for the banks: takes remittances, books statement lines, and can be told what to do wrong."""
