/* Read by Sphinx's search page before its own script. */

var Scorer = {
  // What leads to a place inside a page, a definition or a heading, before the page itself.
  score: ([page, title, anchor, description, score]) => (anchor ? score + 10 : score),
  // An entry of the API reference: after the definition of the same name, before pages.
  objNameMatch: 8,
  objPartialMatch: 2,
  objPrio: {0: 15, 1: 5, 2: -5},
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};

// A formula as it is read aloud, near enough for an excerpt.
const plainFormula = tex => tex
  .replace(/\\[()[\]]|\\(?:mathcal|mathrm|mathbb|mathbf|operatorname|text|left|right)\b/g, "")
  .replace(/\\var(?=[a-z])/g, "\\")
  .replace(/\\l?r?Vert\b|\\l?r?vert\b/g, "|")
  .replace(/\\(?:frac|[,;:! ]|q?quad|begin|end|label)\b|\\[,;:! ]/g, " ")
  .replace(/\\le\b/g, "≤").replace(/\\ge\b/g, "≥").replace(/\\cdot\b/g, "·")
  .replace(/[\\{}$&]/g, "").replace(/\s+/g, " ");

// The excerpt below a hit: the words of the page, without menus, scripts, code and TeX.
document.addEventListener("DOMContentLoaded", () => {
  if (typeof Search === "undefined") return;
  Search.htmlToText = (page, anchor) => {
    const tree = new DOMParser().parseFromString(page, "text/html");
    tree.querySelectorAll("script, style, nav, .headerlink, .header-article-items, " +
      "#print-main-content, .rl-minutes, .rl-verdict, .cell_input, .highlight-coq").forEach(e => e.remove());
    tree.querySelectorAll(".math").forEach(e => { e.textContent = plainFormula(e.textContent); });
    let place = anchor && tree.getElementById(decodeURIComponent(anchor.slice(1)));
    if (place && !place.textContent.trim()) place = place.closest("section");
    const text = (place || tree.querySelector("article.bd-article") || tree.body).textContent;
    return text.replace(/\s+/g, " ").trim();
  };
});
