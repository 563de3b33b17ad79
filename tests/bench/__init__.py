"""What a case costs and how fast it goes, measured on the real servers beside a bare saga; `make bench` runs it."""
