"""A window of qtconsole on a running kernel, without a screen. It types what it is told.

It is run by the Python of another environment. Each line that it reads is a text to be typed, as
JSON; each line that it writes is all that the window shows, as JSON, whenever that has changed.
"""

from __future__ import annotations

import json
import os
import sys

from qtconsole.qtconsoleapp import JupyterQtConsoleApp
from qtpy.QtCore import QSocketNotifier, Qt, QTimer
from qtpy.QtTest import QTest

ENTER = "\r"

# Milliseconds between looks at the window.
PERIOD = 50


class Window:
    """The window, between what it is told and what it shows."""

    def __init__(self, connection_file: str) -> None:
        self.app = JupyterQtConsoleApp()
        self.app.initialize(["--existing", connection_file])
        self.app.window.show()
        self._text = self.app.window.active_frontend._control
        self._shown = ""
        self._unread = b""
        self._input = QSocketNotifier(sys.stdin.fileno(), QSocketNotifier.Type.Read)
        self._input.activated.connect(self._read)
        self._timer = QTimer()
        self._timer.timeout.connect(self._show)
        self._timer.start(PERIOD)

    def _read(self) -> None:
        read = os.read(sys.stdin.fileno(), 65536)
        if not read:
            self.app.app.quit()
        *lines, self._unread = (self._unread + read).split(b"\n")
        for line in lines:
            for key in json.loads(line):
                self._press(key)

    def _press(self, key: str) -> None:
        if key == ENTER:
            QTest.keyClick(self._text, Qt.Key.Key_Return)
        else:
            QTest.keyClicks(self._text, key)

    def _show(self) -> None:
        shown = self._text.toPlainText()
        if shown != self._shown:
            self._shown = shown
            print(json.dumps(shown), flush=True)


if __name__ == "__main__":
    window = Window(sys.argv[1])
    window.app.start()
