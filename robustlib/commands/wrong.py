"""What is wrong with a call, in one line."""


class WrongCall(Exception):
    """Its text is shown after the name of the command, with exit status 2."""
