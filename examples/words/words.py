# SPDX-License-Identifier: LGPL-2.1-or-later
"""Counts the words of a text."""

import collections
import re
import sys


def count(text):
    """Lower-case word to how often it occurs."""
    return collections.Counter(re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)?", text.lower()))


def report(text, most=5):
    """The most frequent words, a line each; ties in the order of the alphabet."""
    ranked = sorted(count(text).items(), key=lambda item: (-item[1], item[0]))
    return "\n".join(f"{number:5} {word}" for word, number in ranked[:most])


if __name__ == "__main__":
    print(report(sys.stdin.read()))
