"""Headless Chromium through its driver: plain W3C WebDriver over HTTP, with nothing but the stdlib."""
import base64
import json
import re
import shutil
import subprocess
import urllib.error
import urllib.request

import pytest

from conftest import require
from helpers import HANG_S

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--no-first-run", "--no-default-browser-check",
         "--window-size=1280,1400"]
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


class Browser:
    """page.js("return ..."), page.open(path), page.click(css, x, y), page.type(css, text)."""

    def __init__(self, profile):
        require("chromium")
        self.driver = subprocess.Popen([require("chromedriver"), "--port=0"], stdout=subprocess.PIPE,
                                       stderr=subprocess.STDOUT, text=True)
        self.session = None
        for line in self.driver.stdout:
            port = re.search(r"started successfully on port (\d+)", line)
            if port:
                break
        else:
            pytest.fail("chromedriver did not start")
        self.base = f"http://127.0.0.1:{port[1]}"
        options = {"args": [*FLAGS, f"--user-data-dir={profile}"], "binary": shutil.which("chromium")}
        logs = {"performance": "ALL", "browser": "ALL"}
        always = {"goog:chromeOptions": options, "goog:loggingPrefs": logs}
        try:
            made = self.call("POST", "/session", {"capabilities": {"alwaysMatch": always}})
        except BaseException:
            self.close()
            raise
        self.session = f"/session/{made['sessionId']}"

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with opener.open(request, timeout=HANG_S) as reply:
                return json.load(reply)["value"]
        except urllib.error.HTTPError as e:
            raise AssertionError(e.read().decode()) from e

    def open(self, path):
        self.call("POST", self.session + "/url", {"url": f"file://{path}"})
        assert self.js("return document.documentElement.dataset.ready") == "yes", self.messages()

    def js(self, script):
        return self.call("POST", self.session + "/execute/sync", {"script": script, "args": []})

    def find(self, css):
        return self.call("POST", self.session + "/element", {"using": "css selector", "value": css})[ELEMENT]

    def click(self, css, x=0, y=0):
        """At (x, y) from the element's middle."""
        move = {"type": "pointerMove", "duration": 0, "x": x, "y": y, "origin": {ELEMENT: self.find(css)}}
        actions = [move, {"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}]
        self.call("POST", self.session + "/actions", {"actions": [
            {"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"}, "actions": actions}]})

    def type(self, css, text):
        element = self.find(css)
        self.call("POST", f"{self.session}/element/{element}/clear", {})
        self.call("POST", f"{self.session}/element/{element}/value", {"text": text})

    def screenshot(self, path):
        path.write_bytes(base64.b64decode(self.call("GET", self.session + "/screenshot")))

    def messages(self):
        """What the page's console said."""
        return [e["message"] for e in self.call("POST", self.session + "/se/log", {"type": "browser"})]

    def requests(self):
        """Every address that the page has asked for."""
        entries = self.call("POST", self.session + "/se/log", {"type": "performance"})
        events = [json.loads(e["message"])["message"] for e in entries]
        return [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]

    def close(self):
        try:
            if self.session:
                self.call("DELETE", self.session)
        finally:
            self.driver.terminate()
            self.driver.wait(timeout=HANG_S)


@pytest.fixture
def browser(tmp_path):
    made = Browser(tmp_path / "profile")
    yield made
    made.close()
