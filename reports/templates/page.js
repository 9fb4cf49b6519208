(function () {
  "use strict";
  var each = Array.prototype.forEach;

  var closed = [];
  window.addEventListener("beforeprint", function () {
    closed = Array.prototype.slice.call(document.querySelectorAll("details:not([open])"));
    closed.forEach(function (one) { one.open = true; });
  });
  window.addEventListener("afterprint", function () {
    closed.forEach(function (one) { one.open = false; });
  });

  if (location.protocol === "file:") {
    each.call(document.querySelectorAll("a.served"), function (link) { link.removeAttribute("href"); });
  }

  function key(row, column) {
    var cell = row.cells[column];
    return cell.hasAttribute("data-sort") ? cell.getAttribute("data-sort") : cell.textContent.trim();
  }
  function compare(left, right) {
    if (left === "" || right === "") { return left === right ? 0 : left === "" ? 2 : -2; }
    var numbers = [Number(left), Number(right)];
    if (!isNaN(numbers[0]) && !isNaN(numbers[1])) { return numbers[0] - numbers[1]; }
    return left.localeCompare(right);
  }
  function sort(table, column, down) {
    var body = table.tBodies[0];
    var rows = Array.prototype.slice.call(body.rows);
    rows.sort(function (a, b) {
      var left = key(a, column), right = key(b, column), found = compare(left, right);
      return left === "" || right === "" ? found : down ? -found : found;  // what is empty comes last
    });
    rows.forEach(function (row) { body.appendChild(row); });
  }
  each.call(document.querySelectorAll("table.sortable"), function (table) {
    each.call(table.tHead.rows[0].cells, function (head, column) {
      var button = document.createElement("button");
      button.type = "button";
      while (head.firstChild) { button.appendChild(head.firstChild); }
      head.appendChild(button);
      button.addEventListener("click", function () {
        var down = head.getAttribute("aria-sort") === "ascending";
        each.call(table.tHead.rows[0].cells, function (other) { other.removeAttribute("aria-sort"); });
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        sort(table, column, down);
      });
    });
  });

  each.call(document.querySelectorAll("form[data-filters]"), function (form) {
    var rows = document.getElementById(form.getAttribute("data-filters")).tBodies[0].rows;
    function apply() {
      var words = form.text.value.toLowerCase().split(/\s+/), shown = 0;
      each.call(rows, function (row) {
        var text = row.textContent.toLowerCase();
        var fits = words.every(function (word) { return text.indexOf(word) >= 0; });
        fits = fits && (!form.theme.value || form.theme.value === row.getAttribute("data-theme"));
        fits = fits && (!form.state.value || form.state.value === row.getAttribute("data-state"));
        fits = fits && (!row.hasAttribute("data-look") || (form.looks && form.looks.checked));
        fits = fits && (!row.hasAttribute("data-unrun") || form.unrun.checked || form.state.value === "not run");
        row.hidden = !fits;
        shown += fits ? 1 : 0;
      });
      form.querySelector("output").textContent = shown + " of " + rows.length + " shown";
    }
    form.addEventListener("input", apply);
    form.addEventListener("submit", function (event) { event.preventDefault(); });
    apply();
  });
})();
