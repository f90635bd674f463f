"""Headless Chromium over its DevTools pipe, standard library only: what a page drew and logged."""

from __future__ import annotations

import json
import os
import select
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
)
PATIENCE_S = 60.0
# Marks are what data draws; grid lines, texts and legends alone make no plot.
MEASURE = """
JSON.stringify(Object.fromEntries([...document.querySelectorAll('figure[id]')].map(figure => {
  const visible = mark => {
    const box = mark.getBoundingClientRect(), style = getComputedStyle(mark);
    const painted = style.fill !== 'none' || style.stroke !== 'none';
    return painted && style.visibility === 'visible' && box.width + box.height > 1;
  };
  const svg = figure.querySelector('svg');
  const box = (svg || figure).getBoundingClientRect();
  const marks = [...figure.querySelectorAll('rect, circle, polyline:not(.grid):not(.rule)')];
  return [figure.id, {drawing: svg !== null, width: box.width, height: box.height,
    marks: marks.filter(visible).length, clipped: svg ? [...svg.querySelectorAll('*')].filter(
      e => e.getBBox && (r => r.right > box.right + 1 || r.left < box.left - 1 ||
        r.bottom > box.bottom + 1 || r.top < box.top - 1)(e.getBoundingClientRect())).length : 0,
    words: figure.innerText.trim()}];
})))
"""


@dataclass
class Visit:
    """What one page did: measured figures, console errors, requests beyond the page itself."""

    figures: dict[str, dict[str, Any]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


class Chromium:
    """A running browser; messages are JSON, each ended by a zero byte (DevTools protocol)."""

    def __init__(self, profile: Path) -> None:
        executable = shutil.which("chromium")
        assert executable is not None
        their_input, self._out = os.pipe()
        self._in, their_output = os.pipe()
        # Descriptors 3 and 4 are the protocol's; go by way of high numbers, for they may be taken.
        high_input, high_output = 100, 101
        actions = [
            (os.POSIX_SPAWN_DUP2, their_input, high_input),
            (os.POSIX_SPAWN_DUP2, their_output, high_output),
            (os.POSIX_SPAWN_DUP2, high_input, 3),
            (os.POSIX_SPAWN_DUP2, high_output, 4),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
        ]
        arguments = [executable, *FLAGS, f"--user-data-dir={profile}"]
        self.pid = os.posix_spawn(executable, arguments, os.environ, file_actions=actions)
        os.close(their_input)
        os.close(their_output)
        self._buffer, self._last_id = b"", 0
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """The result of one protocol call; events that come meanwhile are kept."""
        self._last_id += 1
        message: dict[str, Any] = {"id": self._last_id, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._last_id:
                assert "error" not in answer, (method, answer["error"])
                return dict(answer["result"])
            self.events.append(answer)

    def wait_for(self, method: str) -> None:
        """Returns once the event has come."""
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self._read())

    def _read(self) -> dict[str, Any]:
        end = time.monotonic() + PATIENCE_S
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._in], [], [], max(0.0, end - time.monotonic()))
            assert ready, "the browser does not answer"
            received = os.read(self._in, 1 << 16)
            assert received, "the browser has ended"
            self._buffer += received
        message, self._buffer = self._buffer.split(b"\0", 1)
        return dict(json.loads(message))

    def close(self) -> None:
        """Ends the browser and waits for it."""
        self.call("Browser.close")
        os.close(self._out)
        os.close(self._in)
        os.waitpid(self.pid, 0)


@contextmanager
def chromium() -> Iterator[Chromium]:
    """A browser with an empty profile, ended at the end."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Chromium(Path(profile))
        try:
            yield browser
        finally:
            browser.close()


def visit(browser: Chromium, page: Path, *, dark: bool = False, width: int = 1240) -> Visit:
    """Loads a page from disk and reports on it."""
    target = browser.call("Target.createTarget", url="about:blank")["targetId"]
    session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    for domain in ("Page", "Runtime", "Log", "Network"):
        browser.call(f"{domain}.enable", session)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.call("Emulation.setEmulatedMedia", session, features=[scheme])
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.call("Emulation.setDeviceMetricsOverride", session, **size)
    browser.events.clear()
    browser.call("Page.navigate", session, url=page.as_uri())
    browser.wait_for("Page.loadEventFired")
    measured = browser.call("Runtime.evaluate", session, expression=MEASURE)["result"]
    found = Visit(figures=json.loads(measured["value"]))
    for event in browser.events:
        _note(found, event["method"], event["params"], page.as_uri())
    browser.call("Target.closeTarget", targetId=target)
    return found


def _note(found: Visit, method: str, params: dict[str, Any], page: str) -> None:
    if method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
        found.errors.append(params["entry"]["text"])
    elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
        found.errors.append(str(params["args"]))
    elif method == "Runtime.exceptionThrown":
        found.errors.append(params["exceptionDetails"]["text"])
    elif method == "Network.requestWillBeSent" and params["request"]["url"] != page:
        found.requests.append(params["request"]["url"])
