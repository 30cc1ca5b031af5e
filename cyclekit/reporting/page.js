"use strict";
// Without this script the page shows the same; with it charts tell values and a slider turns frames.
for (const chart of document.querySelectorAll(".chart")) {
  const at = chart.querySelector(".at");
  const outputs = [...chart.querySelectorAll("[data-curve]")].filter((found) => found.matches("b"));
  const resting = outputs.map((output) => output.textContent);
  for (const plot of chart.querySelectorAll(".plot")) {
    const cursor = plot.querySelector(".cursor");
    const [left, right, top, bottom] = plot.dataset.frame.split(" ").map(Number);
    const [first, last] = plot.dataset.steps.split(" ").map(Number);
    const log = "log" in plot.dataset;
    const [low, high] = plot.dataset.values.split(" ").map((v) => (log ? Math.log(v) : Number(v)));
    const curves = outputs.map((output) =>
      [...plot.querySelectorAll(`.main[data-curve="${output.dataset.curve}"]`)].flatMap((line) =>
        [...line.points].map((point) => [point.x, point.y])));
    const leave = () => {
      cursor.setAttribute("visibility", "hidden");
      at.textContent = "";
      outputs.forEach((output, index) => { output.textContent = resting[index]; });
    };
    const show = (event) => {
      const box = plot.getBoundingClientRect();
      const wanted = ((event.clientX - box.left) / box.width) * plot.viewBox.baseVal.width;
      const near = curves.map((points) => points.reduce((best, point) =>
        !best || Math.abs(point[0] - wanted) < Math.abs(best[0] - wanted) ? point : best, null));
      const anchor = near.find((point) => point);
      if (!anchor) return;
      cursor.setAttribute("visibility", "visible");
      cursor.setAttribute("x1", anchor[0]);
      cursor.setAttribute("x2", anchor[0]);
      at.textContent = "step " + Math.round(first + ((anchor[0] - left) / (right - left)) * (last - first));
      near.forEach((point, index) => {
        if (!point) return;
        const value = low + ((bottom - point[1]) / (bottom - top)) * (high - low);
        outputs[index].textContent = String(Number((log ? Math.exp(value) : value).toPrecision(3)));
      });
    };
    plot.addEventListener("pointermove", show);
    plot.addEventListener("pointerdown", show);
    plot.addEventListener("pointerleave", leave);
  }
}
for (const film of document.querySelectorAll(".film")) {
  const choices = [...film.parentElement.querySelectorAll("input[name=frame]")];
  if (choices.length < 2) continue;
  const slider = document.createElement("input");
  slider.type = "range";
  slider.className = "scrub";
  slider.max = choices.length - 1;
  slider.setAttribute("aria-label", "step of the previews");
  const follow = () => { slider.value = choices.findIndex((choice) => choice.checked); };
  slider.addEventListener("input", () => { choices[slider.value].checked = true; });
  choices.forEach((choice) => choice.addEventListener("change", follow));
  film.prepend(slider);
  follow();
}
