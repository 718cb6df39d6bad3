"""The memory of a process after it has hashed passwords."""

import subprocess
import sys

import pytest

HASH_SOME = """
import asyncio
from pathlib import Path
from adapters.passwords import Argon2PasswordHasher
from entrypoints.web.process_memory import settle

def memory():
    lines = Path("/proc/self/status").read_text().splitlines()
    return max([int(line.split()[1]) for line in lines if line.startswith("VmRSS:")])

async def hash_some():
    passwords = Argon2PasswordHasher()
    for _ in range(3):
        await asyncio.gather(*(passwords.hash_password("one of many passwords") for _ in range(2)))

settle()
before = memory()
asyncio.run(hash_some())
print(memory() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_memory_of_password_hashing_is_returned_to_the_system() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", HASH_SOME], capture_output=True, text=True, check=True, timeout=300
    )
    # A hash takes 19 MiB.
    assert 0 <= int(ran.stdout) < 10 * 1024
