"""The look of the proof page: light, dark and on paper, colours that any colour vision tells apart."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark;
  --paper: #fbfbf9; --card: #ffffff; --ink: #1c2126; --soft: #59636e; --line: #dcdfe3; --track: #eceef0;
  --fp32: #0072b2; --int8: #d55e00; --good: #00664b; --good-paper: #e2f3ec; --bad: #a3180e; --bad-paper: #fde8e4; }
@media (prefers-color-scheme: dark) { :root {
  --paper: #14171a; --card: #1c2024; --ink: #e7eaed; --soft: #a2acb6; --line: #343b42; --track: #2b3137;
  --fp32: #56b4e9; --int8: #f0924c; --good: #5fd3ab; --good-paper: #12312a; --bad: #ff9a8b; --bad-paper: #3d1a16; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.75rem 0 .6rem; }
h3 { font-size: 1rem; margin: 1.4rem 0 .4rem; overflow-wrap: anywhere; }
p { margin: .5rem 0; max-width: 46rem; }
.soft { color: var(--soft); }
.small { font-size: .875rem; }
.eyebrow { margin: 0 0 .25rem; color: var(--soft); font-size: .875rem; }
.verdict { margin: 1.25rem 0; padding: 1rem 1.25rem; border-left: .375rem solid; border-radius: .375rem; }
.verdict p { margin: .25rem 0; max-width: none; }
.verdict strong { font-size: 1.15rem; }
.passed { color: var(--good); } .failed { color: var(--bad); }
.verdict.passed { background: var(--good-paper); } .verdict.failed { background: var(--bad-paper); }
.verdict p + p { color: var(--ink); }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .75rem; margin: 1.25rem 0; }
.figures div { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .7rem .9rem; }
.figures dt { color: var(--soft); font-size: .85rem; }
.figures dd { margin: 0; font-size: 1.4rem; font-weight: 600; white-space: nowrap;
  font-variant-numeric: tabular-nums; }
.figures dd small { font-size: .85rem; font-weight: 400; color: var(--soft); }
.scroll { overflow-x: auto; }
.scroll + .scroll, table + table, .scroll + table { margin-top: 1.4rem; }
table { border-collapse: collapse; width: 100%; font-size: .925rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--soft); padding-bottom: .4rem; font-size: .875rem; }
th, td { text-align: right; padding: .38rem .6rem; border-bottom: 1px solid var(--line); vertical-align: middle; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
th:last-child, td:last-child { padding-right: 0; }
thead th { color: var(--soft); font-weight: 500; font-size: .85rem; vertical-align: bottom; }
tbody th { font-weight: 500; overflow-wrap: anywhere; }
td { white-space: nowrap; }
td.text { white-space: normal; } td.text, th.text, th.wide { text-align: left; overflow-wrap: anywhere; }
.facts th { width: 30%; }
td.wide { width: 34%; min-width: 4.5rem; } td.narrow { width: 16%; min-width: 3.5rem; }
svg.bar { display: block; width: 100%; height: 1rem; } svg.bar.thin { height: .7rem; }
.track { fill: var(--track); } .fp32 { fill: var(--fp32); } .int8 { fill: var(--int8); }
.zero { stroke: var(--soft); } .limit { stroke: var(--bad); stroke-dasharray: 3 2; }
.path { fill: none; stroke: var(--fp32); stroke-width: 2; } .axis { stroke: var(--line); }
.dot { fill: var(--fp32); } .dot.chosen { fill: var(--int8); }
svg.chart { display: block; width: 100%; max-width: 40rem; height: auto; margin: .5rem 0 1rem; }
svg.chart text { fill: var(--ink); font: 12px system-ui, sans-serif; } svg.chart text.soft { fill: var(--soft); }
.swatch { display: inline-block; width: .8rem; height: .8rem; margin-right: .5rem; vertical-align: -.05rem; }
.key { list-style: none; padding: 0; margin: .4rem 0 .8rem; display: flex; flex-wrap: wrap; gap: .2rem 1.1rem;
  font-size: .875rem; }
.strip { display: grid; grid-template-columns: repeat(auto-fit, minmax(10.5rem, 1fr)); gap: .5rem; }
.strip figure { margin: 0; } .strip img, .picture { display: block; width: 100%; height: auto; border-radius: .25rem; }
.picture { max-width: 46rem; background: #fff; }
figcaption { color: var(--soft); font-size: .8rem; }
.notes { padding-left: 1.1rem; } .notes li { margin: .3rem 0; max-width: 46rem; overflow-wrap: anywhere; }
code { font: .85em ui-monospace, "Cascadia Mono", Menlo, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
footer { margin-top: 3rem; border-top: 1px solid var(--line); padding-top: .75rem; }
@media (max-width: 34rem) {
  main { padding: 1.25rem .9rem 3rem; } h1 { font-size: 1.5rem; }
  table { font-size: .85rem; } th, td { padding: .35rem .3rem; }
  .strip { grid-template-columns: 1fr 1fr; } .figures { grid-template-columns: 1fr 1fr; }
  .strip figure:last-child:nth-child(odd) { grid-column: 1 / -1; }
  .spare { display: none; } }
@media print {
  :root { --paper: #fff; --card: #fff; --ink: #000; --soft: #444; --line: #bbb; --track: #eee;
    --fp32: #0072b2; --int8: #d55e00; --good: #00664b; --bad: #a3180e; }
  body { font-size: 10.5pt; } main { max-width: none; padding: 0; } .scroll { overflow: visible; }
  h2, h3 { break-after: avoid; } tr, figure, .worst, .verdict, .figures { break-inside: avoid; }
  .strip { grid-template-columns: repeat(5, 1fr); } * { print-color-adjust: exact; } }
"""
