"""The style sheet of a report, for light and dark screens, and for paper."""

STYLE = """
:root{--paper:#fff;--card:#f6f8fa;--ink:#1d2733;--soft:#596575;--line:#e2e5e9;
--accent:#1f6fb2;--bar:#6aa5d6;--good:#14713f;--bad:#b23a10}
@media screen and (prefers-color-scheme:dark){
:root{--paper:#14171b;--card:#1d2127;--ink:#e7eaee;--soft:#a0abb9;--line:#2d333c;
--accent:#7fbcf0;--bar:#4f8fc4;--good:#6fd39c;--bad:#ff9d75}
.chart img{filter:invert(1) hue-rotate(180deg);mix-blend-mode:screen}
.photo img{border-radius:6px;filter:brightness(.9)}}
body{margin:0;background:var(--paper);color:var(--ink);font:1rem/1.55 system-ui,
-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif}
main{max-width:60rem;margin:auto;padding:3.5rem 1.25rem 5rem}
h1{font-size:clamp(1.8rem,5vw,2.6rem);line-height:1.15;letter-spacing:-.02em;margin:0}
h2{font-size:1.25rem;letter-spacing:-.01em;margin:3.5rem 0 1rem;break-after:avoid}
h1,h2,dd{overflow-wrap:anywhere}a,summary{color:var(--accent)}
.eyebrow,.promise,dt,figcaption,caption,thead{color:var(--soft);font-size:.85rem}
.eyebrow{margin:0 0 .4rem;font-weight:600;letter-spacing:.07em;text-transform:uppercase}
.promise{list-style:none;margin:1rem 0 0;padding:0;font-size:1rem}
.good{color:var(--good)}.bad{color:var(--bad)}*{print-color-adjust:exact}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(10rem,1fr));gap:.75rem;
margin:2rem 0 0}.facts div{background:var(--card);border-radius:10px;padding:.9rem 1rem}
dd{font-size:1.5rem;font-weight:600;letter-spacing:-.01em}dd,figure{margin:0}
img{display:block;max-width:100%;height:auto}figcaption,details{margin-top:.8rem}
summary{cursor:pointer;font-size:.9rem}th:first-child:nth-last-child(2){width:38%}
pre{overflow:auto;background:var(--card);border-radius:10px;padding:.9rem 1rem;
font-size:.85rem}.scroll{overflow:auto;max-height:44rem}figure .scroll{max-height:none}
.scroll+.scroll{margin-top:2rem}:focus-visible{outline:2px solid var(--accent)}
table{border-collapse:collapse;width:100%;font-size:.9rem}tfoot{display:table-row-group}
dd,table{font-variant-numeric:tabular-nums}caption{text-align:left;padding-bottom:.4rem}
caption::first-letter,dt::first-letter{text-transform:uppercase}
th,td{padding:.4rem 1rem .4rem 0;text-align:left;vertical-align:top;font-weight:400;
border-bottom:1px solid var(--line)}tfoot :is(th,td){font-weight:600;border:0}
thead th{position:sticky;top:0;background:var(--paper);font-weight:600}
.n{text-align:right;white-space:nowrap}.n:last-child{padding-right:0}
.bar{display:inline-block;min-width:7rem;background:linear-gradient(to right,
var(--bar) var(--share),var(--line) 0) bottom/100% 3px no-repeat}
@media (max-width:40rem){main{padding-top:2rem}figure img{max-width:none;width:38rem}}
@media print{main{max-width:none;padding:0}figure img{max-height:80vh;width:auto}
.scroll{overflow:visible;max-height:none}figure,tr,.facts{break-inside:avoid}}
"""
