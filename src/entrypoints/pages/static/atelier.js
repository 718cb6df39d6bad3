// Everything works without this; it only makes some of it smoother.
(() => {
  "use strict";

  // What the last form did is said once: not again when the page is loaded anew.
  const here = new URL(location.href);
  if (here.searchParams.has("done")) {
    here.searchParams.delete("done");
    history.replaceState(null, "", here);
  }

  // One click is enough.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "1";
    setTimeout(() => delete form.dataset.sent, 4000);
  });
  // Whoever comes back by the browser's back button can send again.
  addEventListener("pageshow", () => {
    document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent);
  });

  // A field that names one of many suggests what fits what is typed.
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
          // What is typed is looked for when the form is sent.
        }
      }, 200);
    });
  });

  // Lengths count as the service counts them, which `maxlength` does not: composed characters.
  document.addEventListener("input", ({ target }) => {
    if (!target.dataset.max) return;
    const length = [...target.value.trim().normalize("NFC")].length;
    target.setCustomValidity(length > target.dataset.max ? target.dataset.tooLong : "");
  });

  // A post that is being written is shown as it will look.
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
          // The button that shows it still works.
        }
      }, 400);
    });
  });

  // A menu closes when the work goes on elsewhere.
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
