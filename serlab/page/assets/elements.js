// Small helpers for the document. Text from the run enters as text nodes only, never as markup.

const byId = (id) => document.getElementById(id);

// element("a", { href: "#x", class: "y" }, "text", child, …)
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

function option(value, text, isChosen) {
  return element("option", { value, selected: isChosen }, text);
}

// A field with its name and, below it, what is wrong with its value.
function field(id, name, control, note = "") {
  const parts = [element("label", { for: id }, name), control];
  if (note) parts.push(element("small", { id: `${id}-note` }, note));
  return element("div", { class: "field" }, ...parts);
}

// Offer a text as a file.
function download(name, text, type) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  const link = element("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}
