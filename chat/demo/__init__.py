"""Agents that need no key, to try the page with and to copy from."""
