// Lets tables marked "sorts" be sorted by a click; without scripts they stand as they are.
for (const table of document.querySelectorAll("table.sorts")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const falling = head.ariaSort !== "descending";
      heads.forEach((one) => one.removeAttribute("aria-sort"));
      head.ariaSort = falling ? "descending" : "ascending";
      for (const body of table.tBodies) {
        const lines = [...body.rows].filter((row) => !row.matches(".everyone"));
        const key = (row) => row.cells[column].dataset.order ?? row.cells[column].textContent;
        const compare = (a, b) => key(a).localeCompare(key(b), "en", { numeric: true });
        const isNumber = (row) => row.cells[column].dataset.order !== undefined;
        lines.sort((a, b) => (isNumber(a) && isNumber(b) ? key(a) - key(b) : compare(a, b)));
        body.append(...(falling ? lines.reverse() : lines));
      }
    });
  });
}
// A link to a page opens it.
const openTarget = () => {
  const target = document.getElementById(location.hash.slice(1));
  if (target instanceof HTMLDetailsElement) target.open = true;
};
addEventListener("hashchange", openTarget);
openTarget();
