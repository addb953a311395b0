"""A headless Chromium, driven over its debugging protocol: opens pages, submits forms, and collects everything a page must not
do: errors on the console, violations of its policy, findings of axe-core, content wider than the screen.

Needs `chromium` (Debian's), tornado (which pynsq brings) and axe-core (package.json)."""

import asyncio
import base64
import contextlib
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import kit
from tornado.websocket import websocket_connect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
AXE = Path(kit.NODE_MODULES) / "axe-core/axe.min.js"
ANSWER_SECONDS = 60
# Findings of axe-core below these are matters of taste.
SERIOUS = ("serious", "critical")


class Browser:
    """One tab. `faults` has what pages did wrong since the last `opened`."""

    def __init__(self):
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        words = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars"]
        words += ["--remote-debugging-port=0", f"--user-data-dir={self.profile.name}", "about:blank"]
        self.process = subprocess.Popen([CHROMIUM, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.loop = asyncio.new_event_loop()
        self.numbers = iter(range(1, 1 << 30))
        self.faults, self.events, self.answers = [], [], {}
        port_file = Path(self.profile.name) / "DevToolsActivePort"
        port, path = kit.until(lambda: port_file.exists() and port_file.read_text().split(), "the browser listens")
        self.socket = self.wait(lambda: websocket_connect(f"ws://127.0.0.1:{port}{path}", max_message_size=1 << 28))
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call("Page.setBypassCSP", enabled=False)

    session = None

    def wait(self, work):
        """Awaits what `work` gives, which is called in the loop."""

        async def bounded():
            return await asyncio.wait_for(work(), ANSWER_SECONDS)

        return self.loop.run_until_complete(bounded())

    def call(self, method, **parameters):
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        self.wait(lambda: self.socket.write_message(json.dumps(message)))
        while number not in self.answers:
            self.take()
        answer = self.answers.pop(number)
        assert "error" not in answer, (method, answer["error"])
        return answer["result"]

    def take(self):
        """Takes one message of the browser."""
        text = self.wait(self.socket.read_message)
        assert text is not None, "the browser is gone"
        message = json.loads(text)
        if "id" in message:
            self.answers[message["id"]] = message
            return
        method, params = message["method"], message["params"]
        self.events.append(method)
        if method == "Runtime.exceptionThrown":
            self.faults.append(f"exception: {params['exceptionDetails']['exception'].get('description', params)}")
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "assert", "warning"):
            self.faults.append(f"console: {params['args']}")
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.faults.append(f"log: {params['entry']['text']} {params['entry'].get('url', '')}")

    def screen(self, width, height=900, dark=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = "dark" if dark else "light"
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def scripts(self, allowed):
        self.call("Emulation.setScriptExecutionDisabled", value=not allowed)

    def open(self, url):
        self.faults.clear()
        self.expect_load(lambda: self.call("Page.navigate", url=url))

    def expect_load(self, work):
        """Does something that makes the page load another one, and waits for it."""
        self.events.clear()
        work()
        while "Page.loadEventFired" not in self.events:
            self.take()

    def run(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def text(self):
        return self.run("document.querySelector('main').innerText")

    def click(self, selector, words):
        """Follows the first link that matches the selector and shows these words."""
        script = f"""(() => {{
            const link = [...document.querySelectorAll({json.dumps(selector)})].find((it) => it.textContent.includes({json.dumps(words)}));
            if (!link) throw new Error({json.dumps(f'no link {words}')});
            setTimeout(() => link.click(), 0);
        }})()"""
        self.expect_load(lambda: self.run(script))

    def submit(self, words, **fields):
        """Opens the fold of the form with this button, fills it in and sends it."""
        script = f"""(() => {{
            const button = [...document.querySelectorAll('main form button')].find((it) => it.textContent.trim() === {json.dumps(words)});
            if (!button) throw new Error('no button {words}: ' + [...document.querySelectorAll('main form button')].map((it) => it.textContent));
            const fold = button.closest('details'); if (fold) fold.open = true;
            const form = button.closest('form');
            for (const [name, value] of Object.entries({json.dumps(fields)})) {{
                if (form.elements[name].type === 'checkbox') form.elements[name].checked = value; else form.elements[name].value = value;
            }}
            setTimeout(() => button.click(), 0);
        }})()"""
        self.expect_load(lambda: self.run(script))

    def width_beyond(self):
        """Pixels by which the page is wider than the screen."""
        return self.run("document.documentElement.scrollWidth - document.documentElement.clientWidth")

    def axe(self):
        """Serious findings of axe-core."""
        if not self.run("typeof axe !== 'undefined'"):
            self.run(AXE.read_text() + ";0")
        report = "axe.run(document, {resultTypes: ['violations']}).then((all) => all.violations.map((it) => [it.impact, it.id, it.nodes.map((node) => node.html.slice(0, 160)).slice(0, 3)]))"
        return [found for found in self.run(report) if found[0] in SERIOUS]

    def screenshot(self, path, whole=True):
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 4000), "scale": 1}
        extra = {"clip": clip, "captureBeyondViewport": True} if whole else {}
        data = self.call("Page.captureScreenshot", format="png", **extra)["data"]
        Path(path).write_bytes(base64.b64decode(data))

    def close(self):
        with contextlib.suppress(Exception):
            self.socket.close()
        self.process.kill()
        self.process.wait()
        self.loop.close()
        self.profile.cleanup()
