"""The law, pure: functions over frozen dataclasses, with every dated rule kept as data in ``tables/``."""
