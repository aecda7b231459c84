"use strict";
const field = document.getElementById("filter");
const rows = [...document.querySelectorAll("#rows tr")];
field.parentElement.hidden = false;
field.addEventListener("input", () => {
  const wanted = field.value.toLowerCase();
  for (const row of rows) row.hidden = !row.cells[0].textContent.toLowerCase().includes(wanted);
});
