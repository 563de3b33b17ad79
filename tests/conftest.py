"""What holds for every test."""

from hypothesis import settings

pytest_plugins = ("tests.lanes",)

# A deadline an example measures the machine's other work, not ours; pytest-timeout ends what hangs.
settings.register_profile("jiexu", deadline=None)
settings.load_profile("jiexu")
