"""The example project: settings, addresses and server of the chat on its own. The `chat` app needs nothing of it."""
