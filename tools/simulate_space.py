"""A Space, simulated here: what would go up, in an empty folder, installed as a Space installs it, asked one question.

    python tools/simulate_space.py --python python3.12              # makes a venv: some minutes, some GB
    python tools/simulate_space.py --venv DIR                       # one of an earlier run, kept by --keep DIR
    python tools/simulate_space.py --local                          # as on a laptop: requirements.txt alone

Ends with exit status 0 if the answer is right. It needs an index of packages, and everything committed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from app.publish import space_upload  # noqa: E402

# A Space installs these beside requirements.txt, in one go (its build log says so); {} is sdk_version.
BESIDE = ["gradio[oauth,mcp]=={}", "uvicorn>=0.14.0", "websockets>=10.4", "spaces"]
ON_A_SPACE = {"SYSTEM": "spaces", "SPACE_ID": "someone/cefnet", "GRADIO_SERVER_NAME": "0.0.0.0"}
PHOTO, EXPRESSION = "app/examples/coco_308.webp", "man in the straw hat"
ASK = """
import json, sys
from gradio_client import Client, handle_file
from PIL import Image
url, photo, expression = sys.argv[1:]
answer, mask, overlay = Client(url, verbose=False).predict(handle_file(photo), expression, api_name="/segment")
with Image.open(mask if isinstance(mask, str) else mask["path"]) as image, Image.open(photo) as asked:
    same = image.size == asked.size
print(json.dumps({"answer": {key: answer[key] for key in ("expression", "present", "score")}, "same_size": same}))
"""


def install(venv: Path, folder: Path, python: str, local: bool) -> None:
    """Makes a venv with what a Space, or a laptop, would install."""
    version = re.search(r"^sdk_version: (\S+)$", (folder / "README.md").read_text(), re.MULTILINE)
    assert version is not None
    beside = [] if local else [one.format(version[1]) for one in BESIDE]
    subprocess.run([python, "-m", "venv", venv], check=True)
    pip = [venv / "bin" / "python", "-m", "pip"]
    subprocess.run([*pip, "install", "--quiet", "-r", folder / "requirements.txt", *beside], check=True)
    subprocess.run([*pip, "check"], check=True)


def ask(venv: Path, folder: Path, port: int, local: bool) -> dict:
    """Starts app.py as a Space does, and asks it one question."""
    python, url = venv / "bin" / "python", f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        environment = {
            "PATH": f"{venv / 'bin'}:{os.environ['PATH']}", "HOME": home, "TMPDIR": home,
            "PYTHONDONTWRITEBYTECODE": "1", "GRADIO_ANALYTICS_ENABLED": "False",
            "GRADIO_SERVER_PORT": str(port), **({} if local else ON_A_SPACE),
        }  # fmt: skip
        server = subprocess.Popen([python, "app.py"], cwd=folder, env=environment)
        try:
            wait(server, url)
            asked = [python, "-c", ASK, url, str(folder / PHOTO), EXPRESSION]
            told = subprocess.run(asked, cwd=home, env=environment, check=True, capture_output=True, text=True)
        finally:
            server.kill()  # as a Space does it
            server.wait()
    return json.loads(told.stdout.splitlines()[-1])


def wait(server: subprocess.Popen, url: str, seconds: float = 600) -> None:
    """Waits until the page is there."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if server.poll() is not None:
            raise SystemExit(f"app.py ended with status {server.returncode}.")
        try:
            urllib.request.urlopen(url).close()
            return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.5)
    raise SystemExit(f"app.py didn't answer within {seconds:.0f} s.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default=sys.executable, help="to make the venv with (default: this one)")
    parser.add_argument("--venv", type=Path, metavar="DIR", help="use this venv, as it is")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="make the venv here, and leave it")
    parser.add_argument("--local", action="store_true", help="install and start as on a laptop")
    parser.add_argument("--port", type=int, default=7999)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "space"
        print(space_upload("someone/cefnet", folder).describe(), flush=True)
        venv = (args.venv or args.keep or Path(temporary) / "venv").absolute()
        if args.venv is None:
            install(venv, folder, args.python, args.local)
        told = ask(venv, folder, args.port, args.local)
        left = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.pyc"))
    print(json.dumps(told))
    right = told["answer"]["expression"] == EXPRESSION and told["answer"]["present"] and told["same_size"]
    if not right or left:
        raise SystemExit("That is not the answer that was expected.")


if __name__ == "__main__":
    main()
