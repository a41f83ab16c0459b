"""Words for numbers of things, the singular for one."""


def count(number: int, one: str, several: str) -> str:
    """`1 person`, `1,200 people`."""
    return f"{number:,} {one if number == 1 else several}"


def people(number: int) -> str:
    """So many people."""
    return count(number, "person", "people")


def images(number: int) -> str:
    """So many images."""
    return count(number, "image", "images")


def listed(words: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last
