"""Pages as other hosts make them of a saved notebook, from files of this machine alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Frame, Page, Route

from support.saved import STATE, VIEW

ROOT = Path(__file__).parents[2]
PACKAGES = ROOT / "node_modules"
# What a local VS Code serves its notebooks from, and what a CDN has under the same name.
ANYWIDGET = Path(sys.prefix) / "share" / "jupyter" / "nbextensions" / "anywidget" / "index.js"
HTML_MANAGER = PACKAGES / "@jupyter-widgets" / "html-manager" / "dist" / "embed-amd.js"
VSCODE = PACKAGES / "@vscode" / "jupyter-ipywidgets8" / "dist" / "ipywidgets.js"
REQUIRE = PACKAGES / "requirejs" / "require.js"
ADDRESS = "http://localhost"

# What VS Code's extension does about widgets: it gives the script in the frame a connection to the
# kernel, without subshells, and says where a module is that the script does not know.
OPEN_FRAME = """async () => {
    const frame = document.createElement("iframe");
    frame.id = frame.name = "vscode";
    frame.style = "position:fixed;inset:0;width:100%;height:100%;z-index:9999;border:0";
    frame.src = "/vscode/index.html";
    document.body.append(frame);
    await new Promise((done) => (frame.onload = done));
    const inside = frame.contentWindow;
    await inside.ready;
    const { shell, serviceManager } = window.jupyterapp;
    const { model } = shell.currentWidget.sessionContext.session.kernel;
    const kernel = serviceManager.kernels.connectTo({ model, handleComms: true });
    kernel.commsOverSubshells = "disabled";
    const loader = {
        widgetsRegisteredInRequireJs: new Set(),
        errorHandler: (...given) => console.error("not loaded", ...given.map(String)),
        successHandler: () => {},
        loadWidgetScript: async (name) =>
            inside.requirejs.config({ paths: { [name]: `/vscode/${name}` } }),
    };
    inside.manager = new inside.vscIPyWidgets.WidgetManager(kernel, null, loader, () => {});
}"""
_OUTPUTS = """window.jupyterapp.shell.currentWidget.content.model.toJSON().cells[0].outputs
    .map((each) => each.data ?? {}).filter((each) => "text/html" in each)"""
FIND_OUTPUTS = f"() => {_OUTPUTS}.length === 2"
SHOW_OUTPUTS = f"""async () => {{
    const [live, still] = {_OUTPUTS};
    const inside = document.getElementById("vscode").contentWindow;
    const [place, stands] = inside.document.querySelectorAll(".output");
    stands.innerHTML = [still["text/html"]].flat().join("");
    // What the kernel tells of a widget comes by a connection of its own, and perhaps later.
    const find = async (tries) => {{
        try {{
            return await inside.manager.get_model(live["{VIEW}"].model_id);
        }} catch (error) {{
            if (!tries) throw error;
            await new Promise((done) => setTimeout(done, 100));
            return find(tries - 1);
        }}
    }};
    const view = await inside.manager.create_view(await find(300), {{ el: place }});
    await inside.manager.display_view({{}}, view, {{ node: place }});
}}"""
# Colab runs the text of a module as a function with a `define` of its own, and no requirejs.
SHOW_AS_COLAB = """async ([state, models]) => {
    const need = (...names) => new Promise((...done) => requirejs(names, (...all) =>
        done[0](all), done[1]));
    const [html, base] = await need("@jupyter-widgets/html-manager", "@jupyter-widgets/base");
    const load = async (name) => {
        const text = await (await fetch(`/${name}/index.js`)).text();
        let made;
        new Function("define", text)((names, module) => (made = module(base)));
        return made;
    };
    const loaded = {};
    const loader = (name) => (loaded[name] ??= load(name));
    const manager = new html.HTMLManager({ loader });
    await manager.set_state(state);
    for (const id of models) {
        const view = await manager.create_view(await manager.get_model(id));
        await manager.display_view(view, document.querySelector("main"));
    }
}"""
COLAB = """<!doctype html><html lang="en"><title>Saved</title><script src="/require.js"></script>
<script src="/embed-amd.js"></script><main></main>"""
# The variables of VS Code's default themes that the style sheet asks for.
_THEMES = {"light": ("#3b3b3b", "#ffffff"), "dark": ("#cccccc", "#1f1f1f")}
# And what the extension's own style sheet says, of the version of July 2025.
_BEHIND = ".cell-output-ipywidget-background { background: white !important; }"
# What a reader of GitHub has of tables and text, roughly.
_GITHUB = """body{font:14px/1.5 system-ui,sans-serif;margin:16px}
table{border-collapse:collapse;display:block;overflow:auto;font-size:12px}
td,th{border:1px solid #d1d9e0;padding:4px 8px}.output{border-top:1px solid #d1d9e0;padding:8px}"""


def need_packages() -> None:
    """Skip where `make browsers` has not installed what these pages are made of."""
    if not REQUIRE.exists() and os.environ.get("CI") != "true":
        pytest.skip("no packages of other hosts (`make browsers`, which needs Node.js)")


def serve(
    page: Page, files: Mapping[str, str | Path], *, where: str = "**/*", address: str = ADDRESS
) -> list[str]:
    """Answer the page's requests with these files and nothing else; gives what else it asks for."""
    missed: list[str] = []

    def answer(route: Route) -> None:
        found = files.get(route.request.url.removeprefix(address))
        if isinstance(found, Path):
            route.fulfill(path=found, content_type="text/javascript")
        elif found is not None:
            route.fulfill(body=found, content_type="text/html; charset=utf-8")
        else:
            missed.append(route.request.url)
            route.abort()

    page.route(where, answer)
    return missed


def script(data: object, kind: str) -> str:
    """An element with data in it, which no text in it can end."""
    text = json.dumps(data).replace("</", "<\\/")
    return f'<script type="{kind}">{text}</script>'


def embed(state: Mapping[str, Any], outputs: Iterable[Mapping[str, Any]]) -> str:
    """What ``nbconvert`` and ``nbviewer`` make of the outputs of a notebook with stored state."""
    shown = (script(each[VIEW], VIEW) if VIEW in each else each["text/html"] for each in outputs)
    body = "".join(f'<div class="output">{each}</div>' for each in shown)
    return (
        '<!doctype html><html lang="en"><title>Saved</title><script src="/require.js"></script>'
        f"""<script>requirejs.config({{paths: {{anywidget: "/anywidget/index"}}}})</script>
        <script src="/embed-amd.js"></script>{script(state, STATE)}<main>{body}</main>"""
    )


def as_github_shows(html: str) -> str:
    """What GitHub lets through of the HTML of an output."""
    command = ["node", str(Path(__file__).with_name("as_github.mjs"))]
    made = subprocess.run(
        command, input=html.encode(), capture_output=True, timeout=60, check=False
    )
    assert made.returncode == 0, made.stderr.decode()
    return made.stdout.decode()


VSCODE_FRAME = f"""<!doctype html><html lang="en"><title>Outputs</title>
    <style>{_BEHIND}body {{ background: var(--vscode-editor-background); }}</style>
    <script src="require.js"></script><body><main>
    <div class="output cell-output-ipywidget-background"></div><div class="output"></div></main>
    <script>window.ready = import("./ipywidgets.js").then((module) => {{
        module.activate();
        window.vscIPyWidgets8.load();
    }});</script>"""


def set_theme(frame: Frame, theme: str) -> None:
    """Give the document in which VS Code shows outputs the colours of a theme."""
    ink, ground = _THEMES[theme]
    colours = {"foreground": ink, "editor-foreground": ink, "editor-background": ground}
    style = "".join(f"--vscode-{name}:{each};" for name, each in colours.items())
    frame.evaluate(
        """([theme, style]) => {
            document.documentElement.style = style;
            document.body.className = `vscode-${theme}`;
        }""",
        [theme, style],
    )


def github_page(outputs: Iterable[str]) -> str:
    """A page with the outputs of a notebook as GitHub lets them through."""
    body = "".join(f'<div class="output">{each}</div>' for each in outputs)
    return f"<!doctype html><html lang=en><style>{_GITHUB}</style><main>{body}</main>"
