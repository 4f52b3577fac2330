"""The tests of the service need its extra; without it they are not collected, and one test says so."""

from importlib.util import find_spec

NEEDED = ("granian", "starlette", "trustme", "openai", "aiohttp", "httpx2", "h2", "grpc", "lmdb", "redis")
MISSING = [name for name in NEEDED if not find_spec(name)]
collect_ignore_glob = ["test_*_server.py"] if MISSING else []
