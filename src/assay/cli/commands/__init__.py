"""One module for each command. Their imports are inside: `--help` must not wait for them."""
