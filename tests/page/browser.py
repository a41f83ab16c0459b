"""A real browser, driven over the pipe of its own protocol: nothing to install.

`JFACEMAP_BROWSER` is the path of a Chromium executable, and flags if it needs any.
"""

import contextlib
import fcntl
import json
import os
import shlex
import shutil
import subprocess
import time


command = shlex.split(os.environ.get("JFACEMAP_BROWSER", ""))
found = bool(command) and shutil.which(command[0]) is not None
flags = "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"


class Page:
    """One open page; `events` are what it has said so far."""

    def __init__(self, send, receive):
        self._send, self._receive = send, receive
        self._calls, self._session, self.events = 0, None, []
        (target,) = [
            t for t in self.call("Target.getTargets")["targetInfos"] if t["type"] == "page"
        ][:1]
        attach = {"targetId": target["targetId"], "flatten": True}
        self._session = self.call("Target.attachToTarget", **attach)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method, **params):
        self._calls += 1
        message = {"id": self._calls, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._send, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._calls:
                assert "error" not in answer, answer
                return answer["result"]

    def open(self, url, seconds=120):
        self.call("Page.navigate", url=url)
        end = time.monotonic() + seconds
        while self.run("document.readyState") != "complete":
            assert time.monotonic() < end, "the page has not loaded"
            time.sleep(0.2)

    def run(self, script):
        """The value of a script, which may be a promise."""
        options = {"awaitPromise": True, "returnByValue": True}
        result = self.call("Runtime.evaluate", expression=script, **options)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def said(self, method):
        return [e["params"] for e in self.events if e["method"] == method]

    def _read(self):
        parts = []
        while (byte := self._receive.read(1)) not in (b"\0", b""):
            parts.append(byte)
        assert byte, "the browser has closed"
        message = json.loads(b"".join(parts))
        if "method" in message:
            self.events.append(message)
        return message


@contextlib.contextmanager
def browse(profile):
    """A `Page` of a browser that is closed at the end."""
    high = lambda fd: fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 100)
    (theirs, ours), (reading, writing) = (map(high, os.pipe()) for _ in range(2))

    def wire():  # the protocol's pipes are 3 and 4
        os.dup2(theirs, 3)
        os.dup2(writing, 4)

    line = [*command, *flags, f"--user-data-dir={profile}", "about:blank"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(line, pass_fds=(3, 4), preexec_fn=wire, **quiet)
    os.close(theirs)
    os.close(writing)
    try:
        with open(reading, "rb") as receive:
            yield Page(ours, receive)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
