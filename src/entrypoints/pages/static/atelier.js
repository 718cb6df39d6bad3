// Progressive enhancement: all pages work without this script.
(() => {
  "use strict";

  // Remove `done` from the address, so that a reload does not show the success message again.
  const here = new URL(location.href);
  if (here.searchParams.has("done")) {
    here.searchParams.delete("done");
    history.replaceState(null, "", here);
  }

  // Ignore double submits for 4 seconds.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "1";
    setTimeout(() => delete form.dataset.sent, 4000);
  });
  // Pages restored from the back/forward cache can submit again.
  addEventListener("pageshow", () => {
    document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent);
  });

  // Autocomplete: replace the suggestions by those for the typed text.
  document.querySelectorAll("input[data-suggest]").forEach((input) => {
    let waiting, asked = 0;
    input.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(async () => {
        const turn = ++asked;
        const address = `${input.dataset.suggest}?q=${encodeURIComponent(input.value)}`;
        try {
          const answer = await fetch(address, { redirect: "error" });
          if (!answer.ok) return;
          const options = await answer.text();
          if (turn === asked) input.list.innerHTML = options;
        } catch {
          // The server resolves the typed name when the form is submitted.
        }
      }, 200);
    });
  });

  // Check the length in characters of the NFC form, as the server does. `maxlength` counts UTF-16.
  document.addEventListener("input", ({ target }) => {
    if (!target.dataset.max) return;
    const length = [...target.value.trim().normalize("NFC")].length;
    target.setCustomValidity(length > target.dataset.max ? target.dataset.tooLong : "");
  });

  // Update the preview of a post while it is edited.
  document.querySelectorAll("form[data-preview]").forEach((form) => {
    let waiting, asked = 0;
    form.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(async () => {
        const turn = ++asked;
        const body = new URLSearchParams(new FormData(form));
        try {
          const answer = await fetch(form.dataset.preview, { method: "POST", body, redirect: "error" });
          if (!answer.ok && answer.status !== 422) return;
          const shown = await answer.text();
          if (turn === asked) document.getElementById("preview").innerHTML = shown;
        } catch {
          // The preview button works without this request.
        }
      }, 400);
    });
  });

  // Close open menus on a click outside of them and on Escape.
  document.addEventListener("click", (event) => {
    document.querySelectorAll("details.menu[open]").forEach((menu) => {
      if (!menu.contains(event.target)) menu.open = false;
    });
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    document.querySelectorAll("details.menu[open]").forEach((menu) => {
      menu.open = false;
      menu.querySelector("summary").focus();
    });
  });
})();
