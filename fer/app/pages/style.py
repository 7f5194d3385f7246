"""How the web app looks: one style sheet for light and dark, laptop and phone. Colours of expressions come from labels."""

#: Rules beside Gradio's own. Its variables are used for every surface and text, so that both themes fit.
STYLE = """
.gradio-container { max-width: min(1180px, 100%) !important; margin: 0 auto !important; }
#fer-head { padding: .25rem 0 .5rem; }
#fer-head h1 { font-size: 1.55rem; line-height: 1.2; margin: 0 0 .25rem; font-weight: 700; letter-spacing: -.01em; }
#fer-head p { margin: 0; color: var(--body-text-color-subdued); max-width: 62rem; }
#fer-foot { color: var(--body-text-color-subdued); font-size: .85rem; border-top: 1px solid var(--border-color-primary);
  margin-top: 1rem; padding-top: .75rem; }
#fer-foot p { margin: 0 0 .35rem; max-width: 62rem; }
.html-container { padding: 0 !important; }
#live-status, #live-people, #live-timeline, #video-progress { opacity: 1 !important; }
#live-switches { gap: .25rem 1.1rem; padding: .1rem .25rem; flex-wrap: wrap; }
#live-switches > * { width: auto; min-width: 0 !important; flex: 0 0 auto; border: 0; background: none; padding: 0; }
#live-picture img, #photo-picture img { object-fit: contain; }
#live-camera { max-width: 100%; }
/* Gradio reads and rewrites these rules, and loses a border whose one side is set again: accents are shadows. */
.fer-notice { border: 1px solid var(--border-color-primary); box-shadow: inset 4px 0 0 var(--fer-accent, #0072B2);
  border-radius: 8px; padding: .7rem .9rem .7rem 1.15rem; margin: .25rem 0; background: var(--block-background-fill);
  color: var(--body-text-color); }
.fer-notice.fer-empty { --fer-accent: #7F7F7F; color: var(--body-text-color-subdued); }
.fer-notice.fer-error { --fer-accent: #D55E00; }
.fer-status { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin: .25rem 0; font-size: .9rem;
  color: var(--body-text-color-subdued); font-variant-numeric: tabular-nums; }
.fer-status b { color: var(--body-text-color); }
.fer-cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(250px, 1fr)); gap: .75rem; }
.fer-card { display: grid; grid-template-columns: auto 1fr; gap: .5rem .75rem; padding: .95rem .75rem .75rem; border-radius: 10px;
  border: 1px solid var(--border-color-primary); box-shadow: inset 0 4px 0 var(--fer-color);
  background: var(--block-background-fill); align-content: start; }
.fer-card .fer-pictures { display: flex; gap: .35rem; }
.fer-card img { width: 72px; height: 72px; border-radius: 6px; margin: 0; object-fit: cover; }
.fer-card header { min-width: 0; }
.fer-card .fer-person { font-size: .8rem; color: var(--body-text-color-subdued); }
.fer-card h3 { margin: 0 0 .15rem; font-size: 1.1rem; line-height: 1.25; color: var(--body-text-color); }
.fer-card h3 small { font-weight: 400; color: var(--body-text-color-subdued); font-size: .95rem; }
.fer-card table { grid-column: 1 / -1; }
.fer-chip { display: inline-block; font-size: .75rem; font-weight: 500; padding: .05rem .45rem; margin: 0 .25rem .2rem 0;
  border-radius: 999px; border: 1px solid var(--border-color-primary); color: var(--body-text-color); }
.fer-chip.fer-unsure { border-style: dashed; border-color: currentColor; }
.fer-bars, .fer-bars tr, .fer-people, .fer-people tr, .fer-confusion, .fer-confusion tr { border: 0; }
.fer-bars { width: 100%; border-collapse: collapse; font-size: .82rem; margin: 0; }
.fer-bars th { font-weight: 400; text-align: left; padding: 1px .5rem 1px 0; color: var(--body-text-color-subdued);
  width: 4.6rem; border: 0; }
.fer-bars td { padding: 1px 0; border: 0; }
.fer-bars td:nth-child(2) { background: linear-gradient(var(--border-color-primary) 0 0) center / 100% 10px no-repeat; }
.fer-bars td:last-child { text-align: right; width: 3rem; font-variant-numeric: tabular-nums; white-space: nowrap;
  color: var(--body-text-color-subdued); }
.fer-bars i { display: block; height: 10px; min-width: 1px; border-radius: 0 3px 3px 0; }
.fer-bars .fer-top th, .fer-bars .fer-top td:last-child { font-weight: 700; color: var(--body-text-color); }
.fer-legend { display: flex; flex-wrap: wrap; gap: .15rem .9rem; list-style: none; padding: 0; margin: .35rem 0 0;
  font-size: .82rem; color: var(--body-text-color-subdued); }
.fer-legend li { margin: 0; padding: 0; }
.fer-legend i, .fer-confusion th i { display: inline-block; width: .75em; height: .75em; border-radius: 3px;
  margin-right: .35em; }
.fer-timeline { border: 1px solid var(--border-color-primary); border-radius: 10px; padding: .75rem;
  background: var(--block-background-fill); }
.fer-row { display: grid; grid-template-columns: 2.2rem 1fr; align-items: center; margin-bottom: .35rem;
  font-size: .85rem; color: var(--body-text-color-subdued); }
.fer-row svg { width: 100%; height: 64px; border-radius: 4px; background: var(--background-fill-secondary); }
.fer-axis { display: flex; justify-content: space-between; margin: 0 0 0 2.2rem; font-size: .78rem;
  color: var(--body-text-color-subdued); }
.fer-more { margin: 0; font-size: .8rem; color: var(--body-text-color-subdued); }
.fer-downloads { display: flex; flex-wrap: wrap; gap: .5rem; margin: .25rem 0 .5rem; }
.fer-downloads a { padding: .45rem .9rem; border-radius: 8px; border: 1px solid var(--border-color-primary);
  background: var(--button-secondary-background-fill); color: var(--button-secondary-text-color); text-decoration: none;
  font-weight: 500; }
.fer-downloads a:hover { background: var(--button-secondary-background-fill-hover); }
.fer-progress progress { width: 100%; height: 10px; border: 0; border-radius: 5px; overflow: hidden; appearance: none;
  background: var(--border-color-primary); }
.fer-progress progress::-webkit-progress-bar { background: var(--border-color-primary); }
.fer-progress progress::-webkit-progress-value { background: #0072B2; }
.fer-progress progress::-moz-progress-bar { background: #0072B2; }
.fer-progress p { margin: .15rem 0 0; color: var(--body-text-color-subdued); font-variant-numeric: tabular-nums; }
.fer-people { width: 100%; border-collapse: collapse; margin: .5rem 0; }
.fer-people th { text-align: left; font-weight: 600; width: 6.5rem; padding: .3rem .5rem .3rem 0; border: 0;
  vertical-align: top; }
.fer-people th small { display: block; font-weight: 400; color: var(--body-text-color-subdued); }
.fer-people td { border: 0; padding: .3rem 0; }
.fer-people td span { font-size: .85rem; color: var(--body-text-color-subdued); }
.fer-strip { display: flex; height: 14px; border-radius: 4px; overflow: hidden; margin-bottom: .2rem; }
.fer-strip i { display: block; height: 100%; }
.fer-summary { margin: .5rem 0; padding-left: 1.1rem; }
.fer-tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: .6rem; margin: .5rem 0; }
.fer-tiles div { border: 1px solid var(--border-color-primary); border-radius: 10px; padding: .75rem .6rem;
  background: var(--block-background-fill); }
.fer-tiles b { display: block; font-size: 1.4rem; letter-spacing: -.01em; line-height: 1.2; color: var(--body-text-color); }
.fer-tiles span { font-size: .82rem; color: var(--body-text-color-subdued); }
/* What is wider than a phone scrolls by itself, and a digest is broken; else they would widen the page. */
.fer-prose { min-width: 0 !important; max-width: 100%; overflow: hidden; }
.fer-prose code { white-space: normal; overflow-wrap: anywhere; }
.fer-scroll { overflow-x: auto; }
.fer-confusion { border-collapse: separate; border-spacing: 2px; width: 100%; min-width: 560px; font-size: .85rem; }
.fer-confusion caption { text-align: left; color: var(--body-text-color-subdued); padding-bottom: .5rem; }
.fer-confusion th { font-weight: 500; padding: .3rem .4rem; text-align: left; white-space: nowrap; border: 0; }
.fer-confusion td { text-align: center; padding: .3rem; border: 0; border-radius: 4px; color: var(--body-text-color);
  background: color-mix(in srgb, #0072B2 calc(var(--fer-rate, 0) * 70%), transparent); }
.fer-confusion td.fer-right { box-shadow: inset 0 0 0 1px var(--body-text-color-subdued); }
.fer-confusion td b { display: block; }
.fer-confusion td small { color: inherit; opacity: .75; }
.fer-figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr)); gap: 1.25rem; }
.fer-figures figure { margin: 0; }
.fer-figures img { width: 100%; border-radius: 8px; background: white; margin: 0; }
.fer-figures figcaption { font-size: .85rem; color: var(--body-text-color-subdued); padding-top: .25rem; }
.fer-prose table { display: block; overflow-x: auto; font-size: .85rem; width: fit-content; max-width: 100%; border: 0; }
.fer-prose tr { border: 0; }
.fer-prose th, .fer-prose td { border: 0; box-shadow: inset 0 -1px 0 var(--border-color-primary); padding: .35rem .75rem;
  font-variant-numeric: tabular-nums; white-space: nowrap; }
.fer-prose th { font-weight: 600; text-align: left; }
footer .divider { display: none; }
/* Cutting a video would load its cutter from a foreign host. */
#video-input button[aria-label^="Trim"], #video-input button[aria-label^="Reset"] { display: none; }
/* The tracker over the live picture: nothing while frames come, a plain sentence while the viewer waits for a place. */
#live-picture [data-testid=status-tracker] { display: none; }
#live-picture[data-waiting] [data-testid=status-tracker] { display: grid; place-content: center; background: none; }
#live-picture [data-testid=status-tracker] .progress-text { position: static; padding: .5rem .9rem; border-radius: 8px;
  font: inherit; color: var(--body-text-color); background: var(--block-background-fill);
  border: 1px solid var(--border-color-primary); }
#live-picture [data-testid=status-tracker] .progress-text::before { content: "All places are taken: you are waiting. "; }
/* A piece that has nothing to say yet takes no room; a file that is no picture shows no browser's sign of it. */
#live-status:not(:has(p)), #photo-downloads:not(:has(a)), #video-summary:not(:has(p)),
#video-progress:not(:has(p, .progress-text)) { display: none; }
#photo-input img[data-broken] { visibility: hidden; }
a:focus-visible, button:focus-visible, input:focus-visible { outline: 2px solid #0072B2; outline-offset: 2px; }
@media (max-width: 640px) {
  #live-row > .column { display: contents; }
  #live-row > .column > * { width: 100%; }
  #live-camera { order: 1; }
  #live-switches { order: 2; }
  #live-picture { order: 3; height: 260px !important; }
  #live-status { order: 4; }
  #live-people { order: 5; }
  #live-timeline { order: 6; }
  #fer-head h1 { font-size: 1.25rem; }
  .fer-cards { grid-template-columns: 1fr; }
  .fer-figures { grid-template-columns: 1fr; }
  /* The matrix scrolls sideways, its caption stays. */
  .fer-confusion caption span { display: inline-block; position: sticky; left: 0; max-width: calc(100vw - 4.5rem); }
  .fer-downloads a { flex: 1 1 auto; text-align: center; }
}
"""

#: Marks what no style sheet can see: the live picture of a viewer who waits in the queue, as the page tells in a text,
#: and a picture that the browser cannot show.
HEAD_SCRIPT = """
<script>
new MutationObserver(() => {
  const picture = document.getElementById("live-picture");
  const text = picture?.querySelector(".progress-text")?.textContent ?? "";
  picture?.toggleAttribute("data-waiting", text.includes("queue"));
}).observe(document, { subtree: true, childList: true, characterData: true });
// Neither event bubbles: they are met on their way down.
for (const kind of ["error", "load"]) {
  document.addEventListener(kind, ({ target }) => {
    if (target instanceof HTMLImageElement) target.toggleAttribute("data-broken", kind === "error");
  }, true);
}
</script>
"""
