"""The page's style sheet: one column, system fonts, the same colours in text and pictures, by day and by night."""

from ..plot.theme import DARK, LIGHT


def _variables(colours: dict[str, str]) -> str:
    return "".join(f"--{name}:{value};" for name, value in colours.items())


STYLE = (
    f":root{{{_variables(LIGHT)}}}"
    f"@media (prefers-color-scheme:dark){{:root{{{_variables(DARK)}}}}}"
    f"@media print{{:root{{{_variables(LIGHT)}}}}}"
    + """
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;scroll-behavior:smooth}
body{margin:0;background:var(--bg);color:var(--fg);font:1rem/1.55 system-ui,-apple-system,"Segoe UI",Roboto,
"Helvetica Neue",Arial,sans-serif}
main{max-width:50rem;margin:0 auto;padding:2.5rem 1rem 4rem}
h1{font-size:1.9rem;line-height:1.2;margin:.2rem 0 .6rem;letter-spacing:-.015em;text-wrap:balance}
h2{font-size:1.3rem;line-height:1.25;margin:3rem 0 .6rem;padding-top:.9rem;border-top:1px solid var(--line)}
h3{font-size:1rem;margin:1.6rem 0 .3rem}
p{margin:.5rem 0;max-width:44rem}
a{color:var(--c0);text-underline-offset:.15em}
.over{color:var(--muted);font-size:.85rem;margin:0}
.lead{font-size:1.15rem;line-height:1.5}
.fault{border-left:3px solid var(--c1);padding-left:.8rem}
.quiet,.said,small,figcaption{color:var(--muted)}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(7.5rem,1fr));gap:1rem;margin:1.4rem 0;padding:0}
.facts div{border-top:2px solid var(--c0);padding-top:.35rem}
.facts dt{color:var(--muted);font-size:.8rem}
.facts dd{margin:0;font-size:1.25rem;font-weight:600;font-variant-numeric:tabular-nums}
nav ol{columns:2 12rem;padding-left:1.3rem;margin:1.4rem 0 0;font-size:.95rem}
nav li{padding:.1rem 0;break-inside:avoid}
nav a{text-decoration:none}nav a:hover{text-decoration:underline}
.pictures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,21rem),1fr));gap:1.6rem 1.5rem;
margin:1.2rem 0}
figure{margin:0;min-width:0}
figure.wide{grid-column:1/-1}
figure svg{display:block;width:100%;height:auto}
figure.wide svg{min-width:34rem}
svg text{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif!important}
svg *{stroke-linejoin:round;stroke-linecap:butt}
figcaption{font-size:.86rem;line-height:1.45;margin-top:.4rem;max-width:44rem}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-size:.88rem;margin:.9rem 0;font-variant-numeric:tabular-nums}
.said{font-size:.86rem;margin:1.4rem 0 -.4rem}
th,td{text-align:left;vertical-align:top;padding:.28rem 1.1rem .28rem 0;border-bottom:1px solid var(--line)}
td:first-child{white-space:nowrap}th{font-weight:600;border-bottom-color:var(--muted);vertical-align:bottom}
.dense table{font-size:.82rem}.dense td,.dense th{padding-right:.8rem}.dense code{font-size:.78rem}
.n{text-align:right}td.n{white-space:nowrap}.dense td.n{white-space:normal}
code,pre{font:.85rem/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
td code{white-space:nowrap}.about td code{white-space:normal;overflow-wrap:anywhere}sup{line-height:0}
pre{overflow-x:auto;padding:.7rem .9rem;border:1px solid var(--line);border-radius:4px}
details{margin:.8rem 0}summary{cursor:pointer;color:var(--c0)}
@media print{main{max-width:none;padding:0}figure,tr,.facts{break-inside:avoid}h2{break-after:avoid}
nav{display:none}.scroll{overflow:visible}figure.wide svg{min-width:0}a{color:inherit;text-decoration:none}}
"""
)
