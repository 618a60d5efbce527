"""What the chat costs, beside what its parts cost by themselves, measured on the machine that you have.

    python -m benchmarks --help

Three processes take part, so that nobody's work is counted for another's: a model's server (`stub.py`), the chat's real
server, and the browsers (`load.py`). The baseline (`baseline.py`) talks to the same stub in the same run: the bare
Langroid loop, the OpenAI SDK, and httpx with json. CPU times are of a process, in user and kernel mode; on a busy
machine trust them and their ratios, not the wall clock.
"""
