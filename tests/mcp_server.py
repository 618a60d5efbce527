"""An MCP server over stdio, with tools that add, count and wait."""

from __future__ import annotations

import asyncio

from fastmcp import FastMCP

server = FastMCP("numbers")
count = 0


@server.tool()
def add(first: int, second: int) -> int:
    """Add two numbers."""
    return first + second


@server.tool()
def count_on() -> int:
    """Count one further."""
    global count
    count += 1
    return count


@server.tool()
def complain() -> str:
    """Fail."""
    raise ValueError("there is nothing to add")


@server.tool()
async def wait(seconds: float) -> str:
    """Wait for some seconds."""
    await asyncio.sleep(seconds)
    return "waited"


if __name__ == "__main__":
    server.run(show_banner=False)
