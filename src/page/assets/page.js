// Updates a page that is open, and adds copy buttons and keys. Every page works without this script.

const POLL_MS = 3000;
const policy = globalThis.trustedTypes?.createPolicy('row', { createHTML: text => text });
const html = text => policy ? policy.createHTML(text) : text;
const find = id => document.getElementById(id);

/** Keeps the time zone of the browser in a cookie. The next answer of the gateway uses it. */
function keepZone() {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (!zone || document.cookie.includes(`campanile-zone=${zone}`)) return false;
  document.cookie = `campanile-zone=${zone}; path=/; max-age=31536000; samesite=lax`;
  return true;
}

/** The page as the gateway renders it now. */
async function load() {
  const answer = await fetch(location.href, { headers: { accept: 'text/html' } });
  if (!answer.headers.get('content-type')?.startsWith('text/html')) throw new Error('no page');
  return new DOMParser().parseFromString(html(await answer.text()), 'text/html');
}

/** The parts of a page that change. */
const parts = page => [...page.querySelectorAll('[data-live]')];

/** The HTML of a part without its ages: they change every second, and do not make a page new. */
const content = part => part.innerHTML.replace(/(<time[^>]*>)[^<]*/g, '$1');

/** Whether a part has something new. Rows that the gateway cannot read now stay as they are. */
const isNew = (part, fresh) => !('keep' in fresh.dataset) && content(part) !== content(fresh);

/** Replaces the parts of the page that changed, but never rows that a reader uses: see `busy`. */
class Live {
  #pause = find('pause');
  #new = find('new');
  #lost = find('lost');
  #paused = false;
  #waiting = null;

  start() {
    this.#pause.hidden = false;
    this.#pause.addEventListener('click', () => this.pause());
    this.#new.addEventListener('click', () => this.show(this.#waiting));
    document.addEventListener('visibilitychange', () => this.look());
    setInterval(() => this.look(), POLL_MS);
  }

  pause() {
    const { dataset } = this.#pause;
    [this.#pause.textContent, dataset.other] = [dataset.other, this.#pause.textContent];
    this.#paused = !this.#paused;
    this.look();
  }

  async look() {
    if (document.hidden || this.#paused) return;
    try {
      const page = await load();
      this.#lost.textContent = '';
      this.offer(page);
    } catch {
      this.#lost.textContent = this.#lost.dataset.text;
    }
  }

  offer(page) {
    const fresh = parts(page);
    const shown = parts(document);
    if (fresh.length !== shown.length) return;
    document.title = page.title;
    if (this.busy(shown) && fresh.some((part, i) => isNew(shown[i], part))) {
      this.#waiting = fresh;
      this.#new.hidden = false;
    } else {
      this.show(fresh);
    }
  }

  /** Whether a reader points at a row, has the focus in a part, or has scrolled to the rows. */
  busy(shown) {
    return document.querySelector('.rows:hover') !== null
      || shown.some(part => part.contains(document.activeElement))
      || scrollY > shown.at(-1).offsetTop;
  }

  show(fresh) {
    parts(document).forEach((part, i) => {
      if (isNew(part, fresh[i])) part.replaceWith(document.adoptNode(fresh[i]));
      else this.ages(part, fresh[i]);
    });
    this.#waiting = null;
    this.#new.hidden = true;
  }

  ages(part, fresh) {
    const times = fresh.querySelectorAll('time');
    part.querySelectorAll('time').forEach((time, i) => { time.textContent = times[i]?.textContent ?? time.textContent; });
  }
}

/** Over plain HTTP there is no `navigator.clipboard`; then the text is selected and copied by the browser. */
async function copy(button) {
  const source = find(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(source.textContent);
  } catch {
    getSelection().selectAllChildren(source);
    document.execCommand('copy');
  }
  button.textContent = button.dataset.done;
}

const rows = () => [...document.querySelectorAll('.rows .what a')];

function step(by) {
  const all = rows();
  const at = all.indexOf(document.activeElement);
  all[Math.min(Math.max(at + by, 0), all.length - 1)]?.focus();
}

/** Opens the filters of a list. */
function filter() {
  const filters = document.querySelector('.filters');
  if (!filters) return;
  filters.open = true;
  filters.querySelector('input, select').focus();
}

/** Chooses the theme after the one that is chosen, as the buttons do. */
function nextTheme() {
  const themes = [...document.querySelectorAll('[name="theme"]')];
  const at = themes.findIndex(button => button.ariaPressed === 'true');
  themes[(at + 1) % themes.length]?.click();
}

/** The keys of a page, and the letters after `g` that open another page. */
class Keys {
  #list = find('keys');
  #off = find('keys-off');
  #go = false;
  #acts = {
    j: () => step(1),
    k: () => step(-1),
    p: () => find('pause')?.click(),
    t: nextTheme,
    g: () => { this.#go = true; },
    '/': filter,
    '?': () => this.#list.showModal(),
  };

  start() {
    const open = find('keys-open');
    open.hidden = false;
    open.addEventListener('click', this.#acts['?']);
    this.#off.ariaPressed = String(localStorage.getItem('campanile-keys') === 'off');
    this.#off.addEventListener('click', () => this.toggle());
    document.addEventListener('keydown', event => this.press(event));
  }

  /** A reader who speaks to the browser, or who types with a trembling hand, needs pages without keys. */
  toggle() {
    const off = this.#off.ariaPressed !== 'true';
    this.#off.ariaPressed = String(off);
    localStorage.setItem('campanile-keys', off ? 'off' : 'on');
  }

  press(event) {
    const typing = event.target.closest?.('input, select, textarea') || this.#list.open;
    const off = this.#off.ariaPressed === 'true';
    if (typing || off || event.ctrlKey || event.metaKey || event.altKey) return;
    const link = this.#go && document.querySelector(`nav [data-key="${CSS.escape(event.key)}"]`);
    this.#go = false;
    const act = link ? () => link.click() : this.#acts[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }
}

const changed = keepZone();
new Keys().start();
for (const button of document.querySelectorAll('[data-copy]')) {
  button.hidden = false;
  button.addEventListener('click', () => copy(button));
}
if (find('pause')) {
  const live = new Live();
  live.start();
  if (changed) live.look();
} else if (changed) {
  location.reload();
}
