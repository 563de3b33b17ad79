"""The stack in containers: what they are given, the jobs that prepare servers, and the command that starts them."""
