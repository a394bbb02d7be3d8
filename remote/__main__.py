"""The verbs of the board-side program; each imports only what it needs."""

from __future__ import annotations

import sys

VERBS = ("attach", "supervise", "benchmark", "worker", "profile", "quality", "power", "holder", "shelf", "state")


def main(arguments: list[str]) -> int:
    """Run one verb; the exit status is the verb's own."""
    verb = arguments[0] if arguments else ""
    rest = arguments[1:]
    if verb == "worker":
        from remote import worker

        return worker.main()
    if verb == "profile":
        from remote import profile

        return profile.main()
    if verb == "quality":
        from remote import quality

        return quality.main()
    if verb == "power":
        from remote import sampler

        return sampler.main()
    if verb == "benchmark":
        from remote import benchmark

        return benchmark.main(rest)
    if verb == "supervise":
        from remote import supervise

        return supervise.main()
    if verb == "attach":
        from remote import attach

        return attach.main(rest)
    if verb == "holder":
        from remote import holder

        return holder.main(rest)
    if verb == "shelf":
        from remote import shelf

        return shelf.main(rest)
    if verb == "state":
        from remote import state

        return state.main(rest)
    sys.stderr.write("usage: program {%s} ...\n" % "|".join(VERBS))
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
