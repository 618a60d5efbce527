"""A web chat for Langroid agents on Django Channels: an app that any Django project can install."""
