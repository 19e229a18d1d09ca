"""How the comparison view looks."""

from __future__ import annotations

from retab_analysis.markup import STYLE as COLOURS
from retab_analysis.markup import Html
from retab_analysis.widgets.fragments import STYLE as VIEW

HEIGHT = 400
"""Pixels of the list, and of what is beside it."""

STYLE = Html(
    f"<style>{COLOURS}</style>{VIEW}"
    """<style>
.ra-compare{container-type:inline-size;--ra-line:color-mix(in srgb,currentColor 16%,transparent);
 color:var(--jp-ui-font-color1,currentColor)}
.ra-compare .widget-html,.ra-compare .widget-html-content{margin:0;line-height:inherit}
.ra-compare .widget-label{font-size:12px}
.ra-verdict{font-size:15px;font-weight:600;margin:0 0 2px}
.ra-verdict .ra-rest{font-weight:400}
.ra-view .ra-text{max-width:92ch}
.ra-view .ra-gate{margin-top:4px}
.ra-view summary{cursor:pointer;width:fit-content}
.ra-view .ra-gate ul{margin:2px 0 0;padding-left:1.4em;max-height:8em;overflow:auto}
.ra-chips{gap:6px;padding:4px 0}
.ra-chips .widget-toggle-button{border-radius:999px;border:1px solid var(--ra-line);height:26px;
 line-height:24px;padding:0 11px;margin:0;background:transparent;box-shadow:none;
 color:inherit;opacity:.72}
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
.ra-detail .ra-title{font-size:14px;font-weight:600;overflow-wrap:anywhere}
.ra-detail .ra-facts{display:grid;grid-template-columns:max-content 1fr;gap:1px 12px;margin:6px 0}
.ra-detail .ra-facts dt{color:var(--ra-soft)}
.ra-detail .ra-facts dd{margin:0;overflow-wrap:anywhere;min-width:0}
.ra-detail .ra-values{display:grid;grid-template-columns:repeat(3,minmax(0,1fr));gap:10px;
 margin:10px 0}
.ra-detail h4{font-size:12px;font-weight:600;margin:0 0 3px;color:var(--ra-soft)}
.ra-detail pre{font:12px/1.45 var(--jp-code-font-family,monospace);white-space:pre-wrap;
 overflow-wrap:anywhere;max-height:190px;overflow:auto;margin:0;padding:6px 8px;
 border-radius:4px;color:inherit;background:color-mix(in srgb,currentColor 7%,transparent)}
.ra-detail .ra-none{color:var(--ra-soft);font-style:italic}
.ra-detail td.ra-moved code{font-weight:700;text-decoration:underline;text-underline-offset:3px}
.ra-compare .ra-plots{overflow:auto;max-height:460px}
.ra-compare .ra-plots svg{max-width:none}
@container (max-width:560px){.ra-detail .ra-values{grid-template-columns:minmax(0,1fr)}}
</style>"""
)
