"""A mutational fuzzer for everything that reads bytes: `make fuzz SECONDS=60`, or `python -m tests.fuzz --help`.

Each case takes a whole message of one codec and kind, damages it, and gives it to `decode`, `open` with every attribute
of the view, `relay` and the frame readers. Nothing but DecodeError may come out, within a second and without growing;
of a damaged frame nothing but the payload that went in.

It mutates and is not guided by coverage: the parsers are C extensions without instrumentation, or code that is made at
run time; of both a Python coverage guide such as atheris sees nothing.

- `mutate`: bytes → damaged bytes.
- `targets`: what is called, and what must hold.
- `worker`: a process that runs cases; the case under way stands in a file, so that a crash leaves it.
- `__main__`: starts the workers, watches them, keeps what they found.
"""
