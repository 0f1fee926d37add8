"""The yardstick: see bench/README.md."""
