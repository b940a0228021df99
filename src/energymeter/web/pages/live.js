// A board: HTML made by the server, whose places change when the server says so.
//
// Places are elements with `data-k`. What people do is told as `act`, with what and an argument:
// buttons by `data-act` and `data-arg`, search fields by `data-search`, selects by `data-choose`,
// check boxes by `data-tick`, forms by `data-submit`. Nothing is evaluated, nothing is fetched.

const THEMES = ["auto", "light", "dark"];
const THEME_KEY = "energymeter-theme";
const SEARCH_PAUSE_MS = 180;
const GAP_PX = 8;

function kept() {
  try {
    const theme = localStorage.getItem(THEME_KEY);
    return THEMES.includes(theme) ? theme : "auto";
  } catch {
    return "auto"; // a browser that keeps nothing
  }
}

function keep(theme) {
  try {
    localStorage.setItem(THEME_KEY, theme);
  } catch {
    // it follows the system again the next time
  }
}

export default {
  template: "<div></div>",
  props: { html: String, leads: Boolean },
  mounted() {
    this.$el.innerHTML = this.html;
    this.collect();
    const on = (type, handler) => this.$el.addEventListener(type, handler);
    on("click", this.clicked);
    on("input", this.typed);
    on("change", this.chosen);
    on("submit", this.submitted);
    this.$el.addEventListener("toggle", this.toggled, true); // it does not bubble
    on("mouseover", (event) => this.hint(event.target.closest("[data-tip]")));
    on("mouseout", (event) => event.target.closest("[data-tip]") && this.unhint());
    on("focusin", (event) => this.hint(event.target.closest("[data-tip]")));
    on("focusout", this.unhint);
    on("keydown", (event) => event.key === "Escape" && this.unhint());
    if (this.leads) this.lead();
  },
  unmounted() {
    this.unhint();
    clearTimeout(this.typing);
    for (const undo of this.undoes ?? []) undo();
  },
  methods: {
    // What the server calls.
    apply(changes) {
      let isOther = false;
      for (const [place, value] of Object.entries(changes)) {
        const last = place.at(-1);
        if (last === "!") isOther = this.fill(place.slice(0, -1), value) || isOther;
        else if (last === "^") this.prepend(place.slice(0, -1), value);
        else if (isOther) continue;
        else this.set(place, value);
      }
      if (!isOther) return;
      this.collect();
      for (const [place, value] of Object.entries(changes)) {
        if (!"!^".includes(place.at(-1))) this.set(place, value);
      }
    },
    set(place, value) {
      if (place === "@address") {
        history.replaceState(history.state, "", value);
        return;
      }
      const at = place.lastIndexOf("@");
      const element = this.places.get(at < 0 ? place : place.slice(0, at));
      if (!element) return;
      const name = place.slice(at + 1);
      if (at < 0) element.textContent = value;
      else if (name === "value") {
        if (element !== document.activeElement) element.value = value;
      } else if (value === null) element.removeAttribute(name);
      else element.setAttribute(name, value);
      if (element === this.hinted) this.hint(element);
    },
    fill(key, html) {
      const element = this.places.get(key);
      if (!element) return false;
      const focused = element.contains(document.activeElement) && document.activeElement.id;
      element.innerHTML = html;
      if (focused) document.getElementById(focused)?.focus();
      return true;
    },
    prepend(key, html) {
      const element = this.places.get(key);
      if (!element) return;
      element.insertAdjacentHTML("afterbegin", html);
      const most = Number(element.dataset.most ?? 500);
      while (element.children.length > most) element.lastElementChild.remove();
    },
    collect() {
      this.places = new Map();
      for (const element of this.$el.querySelectorAll("[data-k]")) {
        this.places.set(element.dataset.k, element);
      }
    },
    tell(what, arg) {
      this.$emit("act", { what, arg: arg ?? null });
    },

    // What people do.
    clicked(event) {
      const button = event.target.closest("[data-act]");
      if (button) this.tell(button.dataset.act, button.dataset.arg);
      const theme = event.target.closest("[data-theme]");
      if (theme) this.theme(THEMES[(THEMES.indexOf(kept()) + 1) % THEMES.length]);
      const hint = event.target.closest("[data-tip]");
      if (hint) this.hint(hint);
    },
    typed(event) {
      const what = event.target.dataset.search;
      if (!what) return;
      clearTimeout(this.typing);
      const value = event.target.value;
      this.typing = setTimeout(() => this.tell(what, value), SEARCH_PAUSE_MS);
    },
    chosen(event) {
      const { choose, tick, arg } = event.target.dataset;
      if (choose) this.tell(choose, event.target.value);
      if (tick) this.tell(tick, [arg, event.target.checked]);
    },
    submitted(event) {
      event.preventDefault();
      const what = event.target.dataset.submit;
      if (what) this.tell(what, Object.fromEntries(new FormData(event.target)));
      else event.target.submit();
    },
    toggled(event) {
      const what = event.target.dataset?.toggle;
      if (what) this.tell(what, event.target.open);
    },

    // Hints, at what the pointer or the focus is.
    hint(element) {
      if (!element?.dataset.tip) return;
      const box = (this.box ??= this.makeBox());
      this.hinted = element;
      box.textContent = element.dataset.tip;
      box.style.display = "block";
      const at = element.getBoundingClientRect();
      const size = box.getBoundingClientRect();
      const right = document.documentElement.clientWidth - size.width - GAP_PX;
      const left = at.left + at.width / 2 - size.width / 2;
      const isRoomAbove = at.top > size.height + 2 * GAP_PX;
      box.style.left = `${Math.max(GAP_PX, Math.min(left, right))}px`;
      box.style.top = `${isRoomAbove ? at.top - size.height - GAP_PX : at.bottom + GAP_PX}px`;
    },
    unhint() {
      if (this.box) this.box.style.display = "none";
      this.hinted = null;
    },
    makeBox() {
      const box = document.createElement("div");
      box.className = "em-hint";
      box.setAttribute("role", "tooltip");
      this.$el.append(box);
      return box;
    },

    // What one board of a page does for all of it.
    lead() {
      const system = matchMedia("(prefers-color-scheme: dark)");
      const followed = () => kept() === "auto" && this.theme("auto");
      const seen = () => this.tell("visible", !document.hidden);
      const scrolled = () => this.unhint();
      system.addEventListener("change", followed);
      document.addEventListener("visibilitychange", seen);
      addEventListener("scroll", scrolled, { passive: true });
      this.undoes = [
        () => system.removeEventListener("change", followed),
        () => document.removeEventListener("visibilitychange", seen),
        () => removeEventListener("scroll", scrolled),
      ];
      this.theme(kept());
      if (document.hidden) seen();
    },
    theme(theme) {
      keep(theme);
      const isSystemDark = matchMedia("(prefers-color-scheme: dark)").matches;
      const isDark = theme === "dark" || (theme === "auto" && isSystemDark);
      setDark(isDark);
      const button = this.$el.querySelector("[data-theme]");
      if (button) {
        button.dataset.theme = theme;
        button.setAttribute("aria-label", `colours: ${theme}`);
        button.dataset.tip = `colours: ${theme === "auto" ? "as the system has it" : theme}`;
      }
      this.tell("dark", isDark);
    },
  },
};
