"""How the comparison view looks."""

from __future__ import annotations

from retab_analysis.markup import STYLE as COLOURS
from retab_analysis.markup import Html
from retab_analysis.widgets.common.html import STYLE as VIEW

HEIGHT = 420
"""Pixels of the list, and of what is beside it."""

STYLE = Html(
    f"<style>{COLOURS}</style>{VIEW}"
    """<style>
.ra-compare{container-type:inline-size;--ra-line:color-mix(in srgb,currentColor 16%,transparent);
 color:var(--jp-ui-font-color1,currentColor)}
.ra-compare .widget-html,.ra-compare .widget-html-content{margin:0;line-height:inherit}
.ra-compare .widget-label{font-size:12px}
.ra-compare .widget-dropdown>select{text-overflow:ellipsis}
.ra-verdict{font-size:15px;font-weight:600;margin:4px 0 2px}
.ra-verdict .ra-rest{font-weight:400}
.ra-view .ra-text{max-width:105ch}
.ra-view .ra-gate{margin-top:4px}
.ra-view summary{cursor:pointer;width:fit-content}
.ra-view .ra-gate ul{margin:2px 0 0;padding-left:1.4em;max-height:8em;overflow:auto}
.ra-chips{gap:6px;padding:8px 0 4px}
.ra-chips .widget-toggle-button{border-radius:999px;border:1px solid var(--ra-line);height:26px;
 line-height:24px;padding:0 11px;margin:0;background:transparent;box-shadow:none;
 color:inherit;opacity:.85}
.ra-chips .widget-toggle-button.mod-active{opacity:1;font-weight:600;border-color:currentColor;
 background:color-mix(in srgb,currentColor 12%,transparent)}
.ra-compare button:focus-visible,.ra-compare select:focus-visible,.ra-compare input:focus-visible,
.ra-compare summary:focus-visible,.ra-compare [tabindex]:focus-visible{
 outline:2px solid var(--jp-brand-color1,#56B4E9);outline-offset:1px}
.ra-evals{flex-flow:column!important;align-items:stretch!important}
.ra-evals>.widget-label{width:auto!important;text-align:left;height:20px;line-height:20px}
.ra-evals>select{flex:1 1 auto;width:100%;height:100%;font-size:12px;border-radius:4px;
 padding:4px 0}
.ra-evals>select option{padding:2px 8px}
.ra-detail{height:100%;overflow:auto;box-sizing:border-box;border:1px solid var(--ra-line);
 border-radius:4px;padding:8px 12px}
.ra-detail{overflow-wrap:anywhere}
.ra-detail .ra-title{font-size:14px;font-weight:600;margin-bottom:3px}
.ra-detail .ra-row{gap:1px 1.4em}
.ra-detail .ra-values{display:grid;grid-template-columns:repeat(3,minmax(0,1fr));gap:10px;
 margin:10px 0}
.ra-detail h4{font-size:12px;font-weight:600;margin:0 0 3px;padding:0;color:var(--ra-soft)}
.ra-detail pre{font:12px/1.45 var(--jp-code-font-family,monospace);white-space:pre-wrap;
 word-break:normal;overflow-wrap:anywhere;max-height:210px;overflow:auto;margin:0;padding:6px 8px;
 border-radius:4px;color:inherit;background:color-mix(in srgb,currentColor 7%,transparent)}
.ra-detail .ra-none{color:var(--ra-soft);font-style:italic}
.ra-detail td code{display:block;max-height:9em;overflow:auto;overflow-wrap:anywhere}
.ra-detail td.ra-moved code{font-weight:700}
.ra-panes{gap:10px}
.ra-keys{font-size:11px;margin-left:6px}
.ra-compare .ra-plots{overflow:auto;max-height:540px}
.ra-compare .ra-plots svg{max-width:100%;min-width:560px;height:auto}
@container (max-width:700px){.ra-evals{height:190px!important}}
@container (max-width:560px){.ra-detail .ra-values{grid-template-columns:minmax(0,1fr)}}
</style>"""
)
