"""The code that VS Code's Jupyter extension runs for itself, in its form, not in its words."""

from __future__ import annotations

# The extension runs its own code with these options; the user's cells are in the history.
HIDDEN = {"store_history": False, "silent": False, "allow_stdin": True}

MIME = "application/vnd.vscode.bg.execution.{}"

# The kinds of code that it runs before the user's first cell.
START_UP = (
    "import sys\nprint(sys.executable)",
    """\
try:
    import ipywidgets as _w
    print(_w.__version__)
    del _w
except Exception:
    pass""",
    """\
def __inject():
    import sys, types
    sys.modules['vscode'] = types.ModuleType('vscode')
__inject()
del __inject
__vsc_ipynb_file__ = '/home/somebody/secret place/notebook.ipynb'
%config Completer.use_jedi = False""",
)

LIST_TYPES = """\
def _VSCODE_getVariable(what, is_debugging, names):
    import json
    print(json.dumps({name: type(globals()[name]).__name__ for name in names}))

_VSCODE_rwho_ls = %who_ls
_VSCODE_getVariable("types", False, _VSCODE_rwho_ls)
del _VSCODE_getVariable
del _VSCODE_rwho_ls
"""

DESCRIBE = """\
import json, time
time.sleep(0.1)  # the extension's own code takes its time too
def _VSCODE_getVariableDescriptions(names):
    return json.dumps([
        {"name": name, "type": type(globals()[name]).__name__, "value": repr(globals()[name])}
        for name in names if name in globals()
    ])

variables= %who_ls
return _VSCODE_getVariableDescriptions(variables)"""

SHAPE = """\
def _VSCODE_getVariable(what, is_debugging, variable):
    import json
    print(json.dumps({"shape": str(variable.shape), "count": len(variable)}))

_VSCODE_getVariable("info", False, frame)
del _VSCODE_getVariable
"""


def background(mime: str, code: str) -> str:
    """Code that shows a place, and puts the value of a function there from a thread."""
    body = code.replace("\n", "\n        ")
    return f"""\
def __jupyter_exec_background__():
    from IPython.display import display
    from threading import Thread
    place = display({{"{mime}": ""}}, raw=True, display_id=True)

    def work():
        {body}

    def fill():
        place.update({{"{mime}.result": work()}}, raw=True)

    Thread(target=fill, daemon=True).start()

__jupyter_exec_background__()
del __jupyter_exec_background__"""


def completion(code: str, position: int | None = None) -> str:
    escaped = code.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    position = len(code) if position is None else position
    return f'return get_ipython().kernel.do_complete("{escaped}", {position})'


def hover(code: str) -> str:
    return f'return get_ipython().kernel.do_inspect("{code}", {len(code)}, 0)'
