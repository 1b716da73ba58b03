"use strict";
(() => {
  const make = (tag, into, properties) => Object.assign(into.appendChild(document.createElement(tag)), properties);

  // the palette follows the colour of the text around the figure: right on every host and theme
  const followTheme = (root) => {
    const update = () => {
      const [red, green, blue] = getComputedStyle(root).color.match(/[\d.]+/g).map(Number);
      root.classList.toggle("rl-dark", 0.3 * red + 0.59 * green + 0.11 * blue > 128);
    };
    const watcher = new MutationObserver(() => {
      if (!root.isConnected) return watcher.disconnect();
      update();
      setTimeout(update, 400); // themes fade their colours in
    });
    for (const node of [document.documentElement, document.body]) watcher.observe(node, { attributes: true });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => setTimeout(update, 0));
    update();
  };

  const start = (root, number) => {
    const read = (name) => JSON.parse(root.querySelector("script." + name).textContent);
    const { parameters, sentences } = read("rl-states");
    const { parts, pictures, shown } = read("rl-pictures");
    const controls = root.querySelector(".rl-controls");
    const picture = root.querySelector(".rl-picture");
    const caption = root.querySelector("figcaption");
    const id = root.id + "-" + number; // the same explorer may stand twice on a page
    caption.id = id + "-sentence";
    root.querySelector(".rl-note").remove();

    // a slider for values in order, else a switch that shows them all; both tell their place
    const slider = (control, name, values, begin) => {
      make("label", controls, { htmlFor: control, textContent: name });
      const input = make("input", controls, { type: "range", min: 0, max: values.length - 1, step: 1 });
      const output = make("output", controls, {});
      Object.assign(input, { id: control, value: begin, autocomplete: "off" });
      output.htmlFor = input.id;
      output.setAttribute("aria-live", "off"); // the sentence is what is read aloud
      input.addEventListener("input", () => show());
      return () => {
        output.textContent = values[input.value];
        input.setAttribute("aria-valuetext", values[input.value]);
        return Number(input.value);
      };
    };
    const choice = (control, name, values, begin) => {
      make("span", controls, { id: control, className: "rl-name", textContent: name });
      const group = make("div", controls, { className: "rl-choice" });
      group.setAttribute("role", "radiogroup");
      group.setAttribute("aria-labelledby", control);
      const buttons = values.map((value, index) => {
        const label = make("label", group, {});
        const input = make("input", label, { type: "radio", name: control, value: index, autocomplete: "off" });
        Object.assign(input, { id: control + "-" + index, checked: index === begin });
        label.append(value);
        input.addEventListener("input", () => show());
        return input;
      });
      return () => buttons.findIndex((input) => input.checked);
    };
    const places = parameters.map(({ name, values, begin, ordered }, index) =>
      (ordered ? slider : choice)(id + "-" + index, name, values, begin));

    const show = () => {
      const state = parameters.reduce((sum, { values }, index) => sum * values.length + places[index](), 0);
      picture.innerHTML = pictures[shown[state]].map((part) => parts[part]).join("");
      picture.firstElementChild.setAttribute("aria-labelledby", caption.id);
      caption.textContent = sentences[state];
    };

    // notebooks take arrow keys and letters for their own commands while they bubble
    controls.addEventListener("keydown", (event) => {
      if (!event.ctrlKey && !event.metaKey) event.stopPropagation();
    });
    show();
    followTheme(root);
  };

  for (const root of document.querySelectorAll(".rl-explorer:not([data-started])")) {
    root.dataset.started = "";
    const twins = [...document.querySelectorAll(".rl-explorer[data-started]")].filter((other) => other.id === root.id);
    start(root, twins.length);
  }
})();
