/** The style sheet of /docs. */
export const DOCS_STYLE = `
:root { color-scheme: light dark; --text: #1b1f24; --soft: #59636e; --line: #d9dee3; --ground: #fff; --code: #f5f7f9; --link: #0b57d0;
  --get: #0a6b3d; --post: #7a4100; }
@media (prefers-color-scheme: dark) { :root { --text: #e6e9ec; --soft: #9aa4ae; --line: #30363d; --ground: #0f1216; --code: #181c22;
  --link: #8ab4f8; --get: #6fd39b; --post: #f0b26b; } }
* { box-sizing: border-box; }
html { scroll-behavior: smooth; scroll-padding-top: 1rem; }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
body { margin: 0; display: grid; grid-template-columns: 17rem minmax(0, 1fr); color: var(--text); background: var(--ground);
  font: 16px/1.6 system-ui, -apple-system, "Segoe UI", sans-serif; }
a { color: var(--link); text-underline-offset: .15em; }
nav { position: sticky; top: 0; height: 100vh; overflow-y: auto; padding: 1.5rem 1.25rem; border-right: 1px solid var(--line); }
nav .brand { font-size: 1.2rem; font-weight: 700; color: inherit; text-decoration: none; }
nav h2 { margin: 1.5rem 0 .25rem; font-size: .75rem; letter-spacing: .06em; text-transform: uppercase; color: var(--soft); }
nav ul { list-style: none; margin: 0; padding: 0; }
nav li a { display: block; padding: .2rem 0; font-size: .85rem; color: inherit; text-decoration: none; overflow-wrap: anywhere; }
nav li a:hover { text-decoration: underline; }
main { width: 100%; max-width: 56rem; padding: 2.5rem clamp(1rem, 4vw, 3.5rem) 6rem; }
h1 { margin: 0; font-size: 2rem; line-height: 1.2; }
h1 small { font-size: .9rem; font-weight: 400; color: var(--soft); }
.lead { margin: .5rem 0 0; font-size: 1.15rem; color: var(--soft); }
section > h2 { margin: 3rem 0 .5rem; padding-bottom: .4rem; border-bottom: 1px solid var(--line); font-size: 1.4rem; }
article { margin: 2rem 0 3rem; }
h3 { margin: 0; font-size: 1.1rem; overflow-wrap: anywhere; }
h3 code { background: none; padding: 0; font-size: 1em; }
h4 { margin: 1.5rem 0 .4rem; font-size: .85rem; color: var(--soft); }
h4 small { font-weight: 400; }
.summary { margin: .3rem 0; font-weight: 600; }
code, pre { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: .86em; }
code { padding: .1em .3em; border-radius: 4px; background: var(--code); }
pre { margin: 0; padding: .9rem 1rem; overflow-x: auto; border: 1px solid var(--line); border-radius: 8px; background: var(--code); line-height: 1.5; }
pre code { padding: 0; background: none; font-size: .95em; }
.method { display: inline-block; min-width: 2.7em; font: 700 .75em ui-monospace, Menlo, monospace; }
.get { color: var(--get); } .post { color: var(--post); }
.open, .required { padding: .05rem .4rem; border: 1px solid var(--line); border-radius: 99px; font-size: .72rem; font-weight: 400; color: var(--soft);
  white-space: nowrap; }
.table { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-size: .9rem; }
th, td { padding: .5rem .75rem .5rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
th { font-weight: 400; } thead th { font-size: .8rem; color: var(--soft); }
tbody th { white-space: nowrap; } tbody td:nth-child(2) { min-width: 9rem; }
tr:target { background: var(--code); outline: 2px solid var(--link); }
.errors { margin-top: 1.5rem; font-size: .85rem; } .errors span { margin-right: .4rem; color: var(--soft); }
.errors a { display: inline-block; margin-right: .8rem; white-space: nowrap; }
@media (max-width: 52rem) {
  body { display: block; }
  nav { position: static; height: auto; border-right: 0; border-bottom: 1px solid var(--line); }
}
@media print { body { display: block; } nav { display: none; } }
`
