"""What the parties promise each other."""
