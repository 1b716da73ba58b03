"use strict";
/* What a style sheet cannot do for a phone or for paper. */
(() => {
  // What is wider than its box fades out at the edges behind which there is more.
  const scrollers = [
    "mjx-container", "div.highlight pre", "div.cell_output pre", "div.cell_output > .output",
    ".pst-scrollable-table-container",
  ].join(", ");
  const mark = ({ target: e }) => {
    const hidden = e.scrollWidth - e.clientWidth;
    e.classList.toggle("rl-more-right", hidden > 1 && e.scrollLeft < hidden - 1);
    e.classList.toggle("rl-more-left", hidden > 1 && e.scrollLeft > 1);
    if (hidden > 1 && e.tabIndex < 0) e.tabIndex = 0; // for those who have no finger to drag it
  };
  const sizes = new ResizeObserver((seen) => seen.forEach(mark));
  const watched = new WeakSet();
  const watch = () => {
    for (const e of document.querySelectorAll(scrollers)) {
      if (watched.has(e)) continue;
      watched.add(e);
      if (e.tagName === "PRE") e.classList.toggle("rl-columns", /\S {2,}\S.*\n.*\S {2,}\S/.test(e.textContent));
      sizes.observe(e);
      e.addEventListener("scroll", () => mark({ target: e }), { passive: true });
    }
  };
  // With the letters of another font a formula is wider than its box.
  document.fonts.addEventListener("loadingdone", () => {
    document.querySelectorAll(scrollers).forEach((e) => mark({ target: e }));
  });

  // Paper is white: the light theme while it is printed, whatever the reader chose.
  const print = matchMedia("print");
  let chosen = null;
  const follow = () => {
    const root = document.documentElement;
    if (print.matches && chosen === null) {
      chosen = root.dataset.theme;
      root.dataset.theme = "light";
    } else if (!print.matches && chosen !== null) {
      root.dataset.theme = chosen;
      chosen = null;
    }
  };
  print.addEventListener("change", follow);

  // A second button for paper, below the theme's own.
  const handOut = (button) => {
    const copy = button.cloneNode(true);
    const root = document.documentElement;
    copy.removeAttribute("onclick");
    copy.title = "Print to PDF without the solutions";
    copy.querySelector(".btn__text-container").textContent = ".pdf, no solutions";
    copy.addEventListener("click", () => {
      root.classList.add("rl-no-solutions");
      window.print();
      root.classList.remove("rl-no-solutions");
    });
    button.closest("li").after(document.createElement("li"));
    button.closest("li").nextElementSibling.append(copy);
  };

  document.addEventListener("DOMContentLoaded", () => {
    follow();
    watch();
    new MutationObserver(watch).observe(document.querySelector("article") ?? document.body, {
      childList: true, subtree: true, // MathJax sets its formulas after the page is there
    });
    if (document.querySelector(".solution")) {
      document.querySelectorAll(".btn-download-pdf-button").forEach(handOut);
    }
  });
})();
