"""The command: runs the service until it is told to stop (Ctrl-C or SIGTERM)."""

import argparse
import asyncio
import signal
from pathlib import Path

from chat.server import serving


async def run(port: int, database: Path) -> None:
    """Serve until a stop signal arrives, then close the connections and the database."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with serving(database, port) as actual_port:
        print(f"listening on ws://127.0.0.1:{actual_port}", flush=True)
        await stop.wait()
    print("stopped", flush=True)


def main() -> None:
    """Read the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m chat", description="Run the chat service.")
    parser.add_argument("--port", type=int, default=8765, help="0 takes a free one (default: 8765)")
    parser.add_argument("--database", type=Path, default=Path("chat.db"), help="default: chat.db")
    arguments = parser.parse_args()
    asyncio.run(run(arguments.port, arguments.database))


if __name__ == "__main__":
    main()
