"""Run ``hutch-api``; Ctrl-C is an ordinary end from the first moment on."""

import sys


def main() -> int:
    """Run the command that this process was started with.

    Returns:
        The exit code.
    """
    try:
        from hutch_api import command_line  # noqa: PLC0415 - takes long; see above

        return command_line.main()
    except KeyboardInterrupt:
        print("hutch-api: interrupted", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
