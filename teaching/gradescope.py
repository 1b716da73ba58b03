"""What Gradescope runs: marks the notebook in FOLDER/submission, writes FOLDER/results."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import confine
from grade import marked
from session import Limits, Place
from submission import Submission, found

HERE = Path(__file__).resolve().parent


def results(record: dict[str, Any], level: str) -> dict[str, Any]:
    """The record in Gradescope's words: a test is a task, its output is what the page says."""
    tests = []
    for task in record["tasks"]:
        lines = []
        for part in task["parts"]:
            lines.append(f"{'Right' if part['miss'] is None else 'Not right'}: {part['checks']}.")
            if part["miss"] is not None:
                question, why, hint = part["miss"]
                lines += [f"{question} {why}.", f"Hint: {hint}."]
        tests.append(
            {
                "name": f"{task['number']} {task['title']}",
                "score": task["points"],
                "max_score": task["of"],
                "output": "\n".join(lines),
                "output_format": "text",
            }
        )
    failed = [f"Code cell {number}: {text}" for number, text in record["errors"].items()]
    fault = [f"The file {record['fault']}."] if record["fault"] else []
    return {"tests": tests, "output": "\n".join([*fault, *failed, f"Confined by: {level}."])}


def main() -> None:
    """Mark the first notebook there is."""
    folder = Path(sys.argv[1])
    setting = json.loads((HERE / "setting.json").read_text(encoding="utf-8"))
    submissions = found(folder / "submission")
    submission = submissions[0] if submissions else Submission("nobody", fault="is missing")
    level = confine.level()
    with tempfile.TemporaryDirectory() as work:
        Path(work).chmod(0o711)
        place = Place(level, Path(work), (HERE, folder / "submission", folder / "results"))
        record = marked(submission, setting["assignment"], setting["seed"], place, Limits())
    (folder / "results").mkdir(exist_ok=True)
    text = json.dumps(results(record, level))
    (folder / "results" / "results.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
