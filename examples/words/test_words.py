# SPDX-License-Identifier: LGPL-2.1-or-later

import subprocess
import sys
import unittest

import words


class Words(unittest.TestCase):
    def test_counts(self):
        self.assertEqual(words.count("The cat and the dog"), {"the": 2, "cat": 1, "and": 1, "dog": 1})

    def test_apostrophes_belong_to_words(self):
        self.assertEqual(words.count("don't 'quoted'"), {"don't": 1, "quoted": 1})

    def test_numbers_are_no_words(self):
        self.assertEqual(words.count("1 22 a1b"), {"a": 1, "b": 1})

    def test_other_alphabets(self):
        self.assertEqual(words.count("Straße straße"), {"straße": 2})

    def test_report_ranks(self):
        self.assertEqual(words.report("b a b c", most=2), "    2 b\n    1 a")

    def test_as_a_program(self):
        done = subprocess.run([sys.executable, "words.py"], input="a b a", capture_output=True, text=True, check=True)
        self.assertEqual(done.stdout, "    2 a\n    1 b\n")


if __name__ == "__main__":
    unittest.main()
